"""`serve`: a server until somebody stops it."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import shlex
import ssl
import sys
from ipaddress import ip_address
from typing import get_args

import trio

from ...agent import PlanningAgent, TaskRun, create_agent
from ...agent.tools import default_tools
from ...llm import create_llm
from ...realtime import BusyPolicy, Limits, RealtimeAgent
from ...transports import WebSocketAddress, serve_websocket
from ..endings import Complaint, ExitCode
from ..interrupts import Interrupts
from ..lines import count, one_line, span
from ..opening import CleanFormatter, invocation
from ..options import (
    AddParser,
    add_llm_option,
    add_root_option,
    at_least_one,
    port,
    seconds,
    seconds_or_none,
)
from ..view import write_out

__all__ = ["add_serve", "serve"]

_log = logging.getLogger("trio_agent_rt.serve")
_LEVELS = ("debug", "info", "warning", "error")


def add_serve(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_parser(
        "serve",
        help="serve an agent over WebSocket",
        description="Serves the planning agent with the default tools over WebSocket. Prints the "
        "URL to standard output, and what happens to standard error. Ctrl-C once lets tasks "
        "finish for a while, then cancels them; twice ends at once.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at; default: %(default)s"
    )
    parser.add_argument(
        "--port", type=port, default=8080, help="0 for any free one; default: %(default)s"
    )
    parser.add_argument("--path", default="/ws", help="of the URL; default: %(default)s")
    add_root_option(parser)
    add_llm_option(parser)
    parser.add_argument(
        "--busy",
        choices=get_args(BusyPolicy),
        default="reject",
        help="what a submit meets while a task of its session runs; default: %(default)s",
    )
    parser.add_argument(
        "--linger",
        metavar="S",
        type=seconds_or_none,
        default=30.0,
        help="seconds that a session is kept when nobody watches it, before its tasks are "
        "cancelled; none lets them finish; default: 30",
    )
    parser.add_argument(
        "--drain-timeout",
        metavar="S",
        type=seconds,
        default=5.0,
        help="seconds for running tasks to finish after Ctrl-C; default: 5",
    )
    parser.add_argument(
        "--max-connections", metavar="N", type=at_least_one, default=1000, help="default: 1000"
    )
    parser.add_argument(
        "--buffer-size",
        metavar="N",
        type=at_least_one,
        default=100,
        help="events of a session that can be replayed to who comes back; default: 100",
    )
    parser.add_argument(
        "--origin",
        metavar="URL",
        action="append",
        default=[],
        help="a web page's origin that may connect, https://example.com for example; more than "
        "once for several",
    )
    parser.add_argument("--certfile", metavar="FILE", help="for TLS: the certificate (PEM)")
    parser.add_argument("--keyfile", metavar="FILE", help="its key, if it is in another file")
    parser.add_argument("--log-level", choices=_LEVELS, default="info", help="default: %(default)s")
    parser.set_defaults(command=serve)


async def serve(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Serve until the first interrupt, then end in good order.

    Raises:
        Complaint: when an option makes no sense, or the address cannot be listened at.
        LLMError: when the model cannot be used.
    """
    _log_to_stderr(options.log_level)
    context = _tls(options.certfile, options.keyfile)
    try:
        tools = default_tools(root=options.root)
        llm = create_llm(options.llm)
    except ValueError as exc:
        raise Complaint(str(exc)) from None
    async with llm:
        agent = _ToldAgent(create_agent(llm=llm, tools=tools))
        async with RealtimeAgent(
            agent,
            busy=options.busy,
            linger=options.linger,
            buffer_size=options.buffer_size,
            drain_timeout=options.drain_timeout,
            limits=Limits(max_connections=options.max_connections),
        ) as realtime:

            def stop(why: str) -> None:
                patience = span(options.drain_timeout)
                finishing = f"; {count(agent.running, 'task')} may take {patience} to finish"
                again = "; once more ends at once"
                _log.info("%s: stopping%s%s", why, finishing if agent.running else "", again)
                realtime.begin_shutdown()

            with interrupts.answered_by(stop):
                await _serve_and_tell(realtime, options, context, model=llm.name)
    _log.info("stopped")
    return ExitCode.DONE


async def _serve_and_tell(
    realtime: RealtimeAgent,
    options: argparse.Namespace,
    context: ssl.SSLContext | None,
    *,
    model: str,
) -> None:
    complaint: Complaint | None = None
    async with trio.open_nursery() as nursery:
        try:
            address = await nursery.start(
                functools.partial(
                    serve_websocket,
                    realtime,
                    host=options.host,
                    port=options.port,
                    path=options.path,
                    origins=options.origin,
                    ssl_context=context,
                )
            )
        except OSError as exc:
            complaint = Complaint(exc.strerror or str(exc), ExitCode.UNAVAILABLE)
        except ValueError as exc:
            complaint = Complaint(str(exc))
        else:
            _tell(address, options, model)
    if complaint is not None:
        raise complaint


def _tell(address: WebSocketAddress, options: argparse.Namespace, model: str) -> None:
    trust = f"SSL_CERT_FILE={shlex.quote(options.certfile)} " if options.certfile else ""
    submit = f"{trust}{invocation()} submit {shlex.quote(address.url)}"
    write_out(
        sys.stdout,
        f"{address.url}\n"
        f"  model: {model}; files: {os.path.abspath(options.root)}; Ctrl-C stops it\n"
        "  try, in another terminal:\n"
        f'    {submit} "wait 10 seconds"\n',
    )
    if not all(_is_loopback(each) for each in address.hosts):
        _log.warning(
            "whoever can reach %s can run tasks and read and, after confirming it themselves, "
            "write files below %s: there is no authentication",
            address.url,
            os.path.abspath(options.root),
        )


def _is_loopback(host: str) -> bool:
    return ip_address(host.partition("%")[0]).is_loopback


def _tls(certfile: str | None, keyfile: str | None) -> ssl.SSLContext | None:
    if certfile is None:
        if keyfile is not None:
            raise Complaint("--keyfile needs --certfile")
        return None
    for name, path in (("--certfile", certfile), ("--keyfile", keyfile)):
        if path is not None and not os.path.isfile(path):
            raise Complaint(f"{name}: there is no file {path!r}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile)
    except (ssl.SSLError, OSError) as exc:
        why = (getattr(exc, "reason", None) or exc.strerror or str(exc)).replace("_", " ").lower()
        raise Complaint(
            f"--certfile, --keyfile: this is no certificate with its key, in PEM ({why})"
        ) from None
    return context


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("trio_agent_rt").setLevel(level.upper())


class _ToldAgent:
    """An agent whose tasks are told of in the log."""

    def __init__(self, agent: PlanningAgent) -> None:
        self.tools = agent.tools
        self.running = 0
        self._agent = agent

    async def __call__(self, task: str, run: TaskRun) -> object:
        """Run a task."""
        name, began, how = run.task_id[:8], trio.current_time(), "was cancelled"
        _log.info("task %s: %s", name, one_line(task, 200))
        self.running += 1
        try:
            answer = await self._agent(task, run)
            how = "succeeded"
        except Exception as exc:
            how = f"failed: {one_line(str(exc) or type(exc).__name__, 300)}"
            raise
        else:
            return answer
        finally:
            self.running -= 1
            _log.info("task %s %s (%s)", name, how, span(trio.current_time() - began))
