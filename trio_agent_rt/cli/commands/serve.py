"""`serve`: a server until somebody stops it."""

from __future__ import annotations

import argparse
import functools
import logging
import os
import shlex
import ssl
import sys
from typing import get_args

import trio

from ...agent import AutoConfirm, ToolSet, create_agent
from ...agent.tools import default_tools
from ...errors import Exposed
from ...llm import create_llm
from ...realtime import BusyPolicy, Limits, Principal, RealtimeAgent
from ...transports import (
    BearerTokens,
    Cors,
    Request,
    ServerAddresses,
    SSEOptions,
    WebSocketOptions,
)
from ...transports import serve as serve_both
from ...transports.listeners import is_loopback
from ..endings import Complaint, ExitCode
from ..interrupts import Interrupts
from ..opening import invocation
from ..options import (
    AddParser,
    add_code_option,
    add_llm_option,
    add_redaction_option,
    add_root_option,
    add_token_option,
    at_least_one,
    auto_confirmed,
    closing_timeout,
    filled,
    planning_timeout,
    port,
    port_or_none,
    redaction_of,
    seconds,
    seconds_or_none,
    token_of,
)
from ..view import write_out
from .mcp_servers import SERVERS_END_WITHIN, add_mcp_options, tools_of_servers
from .panel import add_panel_options, panel_of, panel_url
from .serve_log import ToldAgent, ToldStop, log_to_stderr

__all__ = ["add_serve", "serve"]

_log = logging.getLogger("trio_agent_rt.serve")
_LEVELS = ("debug", "info", "warning", "error")


def add_serve(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_parser(
        "serve",
        help="serve an agent over WebSocket and SSE",
        description="Serves the planning agent with the default tools over WebSocket, and over "
        "SSE with commands by HTTP, and a web page to use it. Prints the URLs to standard output, "
        "and what happens to standard error. Ctrl-C once lets tasks finish for a while, then "
        "cancels them; twice ends at once.",
    )
    parser.add_argument(
        "--host",
        type=filled,
        default="127.0.0.1",
        help="the address to listen at; default: %(default)s",
    )
    parser.add_argument(
        "--port", type=port, default=8080, help="0 for any free one; default: %(default)s"
    )
    parser.add_argument("--path", default="/ws", help="of the URL; default: %(default)s")
    parser.add_argument(
        "--http-port",
        metavar="PORT",
        type=port_or_none,
        default=8081,
        help="for SSE and commands by HTTP; 0 for any free one, none for no HTTP; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--http-prefix",
        metavar="PATH",
        default="",
        help="before the paths of HTTP, /agent for example; default: none",
    )
    add_panel_options(parser)
    add_root_option(parser)
    add_llm_option(parser)
    add_code_option(parser)
    add_redaction_option(parser, "clients and models")
    add_mcp_options(parser)
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
        "--one-session",
        action="store_true",
        help="show everybody the same session and its tasks, also whoever comes back without "
        "saying where they were: a panel that knows no sessions, a page that was reloaded",
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
    parser.add_argument(
        "--auto-confirm",
        metavar="NAME",
        action="append",
        default=[],
        help="a tool, or a category of tools, that needs no confirmation by a person; more than "
        "once for several",
    )
    add_token_option(parser, purpose="that clients have to send")
    parser.add_argument(
        "--allow-anonymous",
        action="store_true",
        help="with --host: let other machines connect although nobody is asked for a token",
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
    log_to_stderr(options.log_level)
    if options.enable_code and options.allow_anonymous:
        raise Complaint(
            "--enable-code: with --allow-anonymous whoever can connect could run programs here "
            "as you, and answer the question themselves; name a token in --token-env instead"
        )
    context = _tls(options.certfile, options.keyfile)
    try:
        tools = default_tools(root=options.root, code=options.enable_code)
        llm = create_llm(options.llm)
    except ValueError as exc:
        raise Complaint(str(exc)) from None
    afterwards = closing_timeout(llm) + (SERVERS_END_WITHIN if options.mcp else 0.0)
    stop = ToldStop(interrupts, afterwards=afterwards)
    servers = tools_of_servers(
        options.mcp, taken=[each.name for each in tools], trust_hints=options.trust_mcp_hints
    )
    async with llm, servers as more:
        try:
            tools = ToolSet([*tools, *more])
            auto_confirm = auto_confirmed(options.auto_confirm, tools.tools)
        except ValueError as exc:
            raise Complaint(str(exc)) from None
        _warn_of_code(auto_confirm, tools)
        async with RealtimeAgent(
            ToldAgent(
                create_agent(
                    llm=llm,
                    tools=tools,
                    auto_confirm=auto_confirm,
                    planning_timeout=planning_timeout(llm),
                )
            ),
            busy=options.busy,
            linger=options.linger,
            buffer_size=options.buffer_size,
            drain_timeout=options.drain_timeout,
            limits=Limits(max_connections=options.max_connections),
            redaction=redaction_of(options),
        ) as realtime:
            with interrupts.answered_by(lambda why: stop.begin(why, realtime)):
                await _serve_and_tell(realtime, options, context, model=llm.name)
    stop.over()
    return ExitCode.DONE


async def _serve_and_tell(
    realtime: RealtimeAgent,
    options: argparse.Namespace,
    context: ssl.SSLContext | None,
    *,
    model: str,
) -> None:
    complaint: Complaint | None = None
    authenticate, cors = _doors(options)
    panel = panel_of(options)
    async with trio.open_nursery() as nursery:
        try:
            addresses = await nursery.start(
                functools.partial(
                    serve_both,
                    realtime,
                    websocket=WebSocketOptions(
                        host=options.host,
                        port=options.port,
                        path=options.path,
                        ssl_context=context,
                    ),
                    sse=_sse_options(options, context),
                    authenticate=authenticate,
                    allow_anonymous=options.allow_anonymous,
                    cors=cors,
                    choose_session=_the_one_session if options.one_session else None,
                    pages=panel,
                )
            )
        except OSError as exc:
            complaint = Complaint(exc.strerror or str(exc), ExitCode.UNAVAILABLE)
        except Exposed:
            else_what = (
                " (with --enable-code there is no other way)"
                if options.enable_code
                else ", or give --allow-anonymous if whoever can connect may use the agent"
            )
            complaint = Complaint(
                f"--host: other machines can connect to {options.host}, and nobody would be asked "
                "who they are; name the environment variable with a token in --token-env"
                f"{else_what}"
            )
        except ValueError as exc:
            complaint = Complaint(str(exc))
        else:
            page = None if panel is None else panel_url(addresses, options.http_prefix)
            _tell(addresses, options, model, page)
    if complaint is not None:
        raise complaint


def _warn_of_code(auto_confirm: AutoConfirm | None, tools: ToolSet) -> None:
    if auto_confirm is None:
        return
    unasked = [
        each.name
        for each in tools
        if each.category == "code"
        and (each.name in auto_confirm.tools or each.category in auto_confirm.categories)
    ]
    if unasked:
        _log.warning(
            "--auto-confirm: nobody is asked before %s runs what the model has written, as you: it "
            "can read, write and send whatever you can. Whoever can submit a task, and whoever "
            "has written a page or a file that the model reads, can so run programs here",
            ", ".join(unasked),
        )


def _the_one_session(request: Request, principal: Principal) -> str:
    return "shared"


def _sse_options(options: argparse.Namespace, context: ssl.SSLContext | None) -> SSEOptions | None:
    if options.http_port is None:
        return None
    return SSEOptions(
        host=options.host,
        port=options.http_port,
        prefix=options.http_prefix,
        ssl_context=context,
    )


def _doors(options: argparse.Namespace) -> tuple[BearerTokens | None, Cors]:
    """Who may connect, and which pages."""
    token = token_of(options)
    try:
        tokens = None if token is None else BearerTokens({token: "whoever has the token"})
    except ValueError as exc:
        raise Complaint(f"--token-env {options.token_env}: {exc}") from None
    try:
        return tokens, Cors(options.origin)
    except ValueError as exc:
        raise Complaint(str(exc)) from None


def _tell(
    addresses: ServerAddresses, options: argparse.Namespace, model: str, page: str | None
) -> None:
    address = addresses.websocket
    assert address is not None
    trust = f"SSL_CERT_FILE={shlex.quote(options.certfile)} " if options.certfile else ""
    submit = f"{trust}{invocation()} submit {shlex.quote(address.url)}"
    if options.token_env is not None:
        submit += f" --token-env {shlex.quote(options.token_env)}"
    stream = "" if addresses.sse is None else f"{addresses.sse.url}\n"
    panel = "" if page is None else f"open {page}\n"
    write_out(
        sys.stdout,
        f"{panel}{address.url}\n{stream}"
        f"  model: {model}; files: {os.path.abspath(options.root)}; Ctrl-C stops it\n"
        "  try, in another terminal:\n"
        f'    {submit} "wait 10 seconds"\n',
    )
    if options.token_env is None and not all(is_loopback(each) for each in address.hosts):
        _log.warning(
            "whoever can reach %s can run tasks and read and, after confirming it themselves, "
            "write files below %s: there is no authentication",
            address.url,
            os.path.abspath(options.root),
        )


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
