"""The resources: a stream of events, and the commands beside it, in a Quart blueprint."""

from __future__ import annotations

import http
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import quart
import trio
from quart import Blueprint, Response
from werkzeug.exceptions import RequestEntityTooLarge

from ...errors import ConnectionRejected, Forbidden, MessageTooLarge, SessionEnded, ShuttingDown
from ...events import Encoded
from ...protocol import (
    Acknowledged,
    CancelTask,
    Command,
    ConfirmStep,
    Event,
    GetState,
    SubmitTask,
    ToolsListed,
    check_client_id,
    decode_http_command,
    encode_http_answer,
    encode_http_sessions,
    encode_http_success,
)
from ...realtime import ANONYMOUS, COMMAND_BYTES
from ..http import current_exchange
from ..listeners import is_loopback
from ..request import Headers, Request
from .answers import JSON, NO_SUCH_METHOD, Answer, Refused, failure, failure_of_status
from .stream import EventStreamBody

if TYPE_CHECKING:
    from ...realtime import Principal, RealtimeAgent
    from ..admission import Admission
    from .paths import SSEPaths

__all__ = ["STREAM_HEADERS", "for_pages", "make_blueprint"]

Resource: TypeAlias = "Callable[[Request], Awaitable[Answer | Response]]"
View: TypeAlias = "Callable[[], Awaitable[Response]]"

_log = logging.getLogger(__name__)

_EXPOSED = (
    "a request came in at an address that other machines can reach, and nobody would be asked "
    "who they are: pass authenticate= to sse_blueprint, or allow_anonymous=True"
)

_CLIENT_ID = re.compile(rb'"clientId"\s*:\s*"([\w-]{1,128})"', re.ASCII)

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx holds a response back otherwise, until a buffer is full.
    "X-Accel-Buffering": "no",
}
"""What is said of a stream."""


def make_blueprint(
    realtime: RealtimeAgent,
    admission: Admission,
    paths: SSEPaths,
    *,
    name: str,
    loopback_only: bool,
) -> Blueprint:
    """A blueprint with all resources; see `sse_blueprint`.

    Args:
        loopback_only: whether requests from other machines are refused.
    """
    resources = _Resources(realtime, admission)
    blueprint = Blueprint(name, __name__)
    guard = _LoopbackGuard() if loopback_only else None
    for path, method, resource in (
        (paths.stream, "GET", resources.stream),
        (paths.task, "POST", resources.task),
        (paths.cancel, "POST", resources.cancel),
        (paths.confirm, "POST", resources.confirm),
        (paths.tools, "GET", resources.tools),
        (paths.state, "GET", resources.state),
        (paths.sessions, "GET", resources.sessions),
        (paths.ticket, "POST", resources.ticket),
        (paths.health, "GET", resources.ready),
        (paths.live_path, "GET", resources.live),
    ):
        blueprint.add_url_rule(
            path,
            endpoint=resource.__name__,
            view_func=_view(admission, resource, method, guard),
            # Of a method that it does not have, an app's own answer would be no JSON.
            methods=list(http.HTTPMethod),
            provide_automatic_options=False,
        )
    return blueprint


def _to_response(answer: Answer) -> Response:
    """`answer` as the app's own class of responses has it."""
    response = _new_response(answer.body, answer.status)
    if answer.body:
        response.headers["Content-Type"] = JSON
    else:
        del response.headers["Content-Type"]
        if answer.status == 204:
            del response.headers["Content-Length"]
    response.headers["Cache-Control"] = "no-store"
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response


def for_pages(admission: Admission, answer: Answer | Response) -> Response:
    """`answer` with what lets a page that may come in see it, or keeps it from one."""
    response = answer if isinstance(answer, Response) else _to_response(answer)
    for name, value in admission.response_headers(_request(), loopback=_on_loopback()).items():
        response.headers[name] = value
    return response


class _LoopbackGuard:
    """Refuses what came in where other machines can reach it; the log is told once."""

    def __init__(self) -> None:
        self._told = False

    def check(self, loopback: bool) -> None:
        """Raise ConnectionRejected (403) unless it came in at a loopback address."""
        if loopback:
            return
        if not self._told:
            _log.warning("%s", _EXPOSED)
            self._told = True
        raise ConnectionRejected(403, "Nobody may connect from another machine.")


def _view(
    admission: Admission, resource: Resource, method: str, guard: _LoopbackGuard | None
) -> View:
    """A view that turns whatever comes of `resource` into a response.

    Also what CORS asks for, and the preflight that a browser sends before.
    """
    methods = (method, "OPTIONS")
    allowed = ("GET", "HEAD", "OPTIONS") if method == "GET" else methods
    allow = {"Allow": ", ".join(allowed)}

    async def view() -> Response:
        asked, loopback = _request(), _on_loopback()
        try:
            if guard is not None:
                guard.check(loopback)
            if asked.method == "OPTIONS":
                told = admission.preflight_headers(asked, loopback=loopback, methods=methods)
                answer = Answer(status=204, headers={**allow, **told})
            elif asked.method not in allowed:
                answer = failure_of_status(405, NO_SUCH_METHOD, allow)
            else:
                answer = await resource(asked)
        except Exception as wrong:
            answer = failure(wrong)
        return for_pages(admission, answer)

    return view


class _Resources:
    """What each path does."""

    def __init__(self, realtime: RealtimeAgent, admission: Admission) -> None:
        self._realtime = realtime
        self._admission = admission

    async def stream(self, asked: Request) -> Answer | Response:
        """The events of a session."""
        admitted = await self._admission.admit(asked, loopback=_on_loopback())
        try:
            self._realtime.check_connect(
                principal=admitted.principal,
                session_id=admitted.session_id,
                last_position=admitted.last_position,
                create=admitted.chosen,
            )
        except SessionEnded:
            if admitted.last_position is None:
                raise
            # What makes an EventSource that reconnects stop (HTML standard, 9.2.3).
            return Answer(status=204)
        exchange = current_exchange()
        framing = Encoded.named_sse if asked.query.get("named") == "1" else Encoded.sse
        response = _new_response(b"", 200)
        del response.headers["Content-Length"]
        for name, value in STREAM_HEADERS.items():
            response.headers[name] = value
        if quart.request.http_version.startswith("1"):
            # Nothing is to be asked for behind a stream.
            response.headers["Connection"] = "close"
        if asked.method != "HEAD":
            response.response = EventStreamBody(
                self._realtime, admitted, framing, exchange, response
            )
            response.timeout = None  # Quart cuts what takes more than 60 s otherwise
        return response

    async def task(self, asked: Request) -> Answer:
        """Submit a task."""
        return await self._carry_out(asked, SubmitTask)

    async def cancel(self, asked: Request) -> Answer:
        """Cancel tasks; answered when their work has ended."""
        return await self._carry_out(asked, CancelTask)

    async def confirm(self, asked: Request) -> Answer:
        """Answer a question."""
        return await self._carry_out(asked, ConfirmStep)

    async def tools(self, asked: Request) -> Answer:
        """What the agent can use."""
        await self._identify(asked)
        listed = ToolsListed(tools=self._realtime.tools.infos())
        return _success(Acknowledged(request_id="", outcome="ok"), listed)

    async def state(self, asked: Request) -> Answer:
        """The present state of a client's session."""
        principal = await self._identify(asked)
        client_id = check_client_id(asked.query.get("clientId"))
        return await self._ask(GetState(request_id=""), client_id, principal, 1)

    async def sessions(self, asked: Request) -> Answer:
        """The caller's own sessions.

        Where nobody is asked who they are, an id is all that protects a session, and so
        nobody is told those of others.
        """
        principal = await self._identify(asked)
        if principal == ANONYMOUS:
            raise Forbidden("sessions are listed only where a server asks who somebody is")
        return Answer(status=200, body=encode_http_sessions(self._realtime.sessions_of(principal)))

    async def ticket(self, asked: Request) -> Answer:
        """A ticket, which stands for the caller once."""
        ticket = await self._admission.issue_ticket(asked, loopback=_on_loopback())
        fields = {"ticket": ticket, "expiresIn": self._realtime.tickets.lifetime}
        return Answer(status=200, body=encode_http_success(fields))

    async def ready(self, asked: Request) -> Answer:
        """Whether it takes new work."""
        phase = self._realtime.phase
        if phase != "serving":
            raise ShuttingDown(f"the server takes no new work: it is {phase}")
        return Answer(status=200, body=encode_http_success({"ready": True}))

    async def live(self, asked: Request) -> Answer:
        """Whether it runs."""
        return Answer(status=200, body=encode_http_success({"live": True}))

    async def _identify(self, asked: Request) -> Principal:
        return await self._admission.identify(asked, loopback=_on_loopback())

    async def _carry_out(self, asked: Request, kind: type[Command]) -> Answer:
        principal = await self._identify(asked)
        body = await self._body()
        size = len(body)
        if size > COMMAND_BYTES:  # not before it may be: it takes time that everybody waits for
            client_ids = (each.decode() for each in _CLIENT_ID.findall(body))
            self._realtime.check_size(client_ids, principal, size)
            size = 0
        command, client_id = decode_http_command(kind, body)
        return await self._ask(command, client_id, principal, size)

    async def _ask(
        self, command: Command, client_id: str, principal: Principal, size: int
    ) -> Answer:
        inquiry = self._realtime.ask(command, client_id=client_id, principal=principal, size=size)
        answer = await inquiry.wait()
        return _success(answer, *inquiry.messages)

    async def _body(self) -> bytes:
        """The body of the request, within what is allowed.

        Raises:
            MessageTooLarge: when it has more bytes.
            Refused: (408) when it takes too long.
        """
        limits = self._realtime.limits
        limit = limits.max_message_bytes
        request = quart.request
        too_large = MessageTooLarge(f"body: expected at most {limit} bytes")
        if (request.content_length or 0) > limit:
            raise too_large
        body = bytearray()
        with trio.move_on_after(limits.body_timeout):
            try:
                async for chunk in request.body:
                    body += chunk
                    if len(body) > limit:
                        raise too_large
            except RequestEntityTooLarge:  # the app's own limit, which is not known here
                raise MessageTooLarge("body: larger than this application takes") from None
            return bytes(body)
        too_late = failure_of_status(408, "the body took too long", {"Connection": "close"})
        raise Refused(too_late)


def _success(answer: Acknowledged, *messages: Event) -> Answer:
    return Answer(status=200, body=encode_http_answer(answer, messages))


def _new_response(body: bytes, status: int) -> Response:
    """A response of the class that the app wants."""
    make = cast("Callable[[bytes, int], Response]", quart.current_app.response_class)
    return make(body, status)


def _request() -> Request:
    """What Quart knows of the request that is being answered."""
    request = quart.request
    host, port = _scope().get("client") or ("", 0)
    return Request(
        path=request.path,
        method=request.method,
        # Of several of one name the last, as in a handshake; `to_dict` takes the first.
        query=dict(request.args.items(multi=True)),
        headers=Headers(request.headers.items()),
        remote_host=host,
        remote_port=port,
        secure=request.scheme == "https",
    )


def _on_loopback() -> bool:
    """Whether the request came in at a loopback address."""
    host, *_ = _scope().get("server") or ("",)
    return is_loopback(host)


def _scope() -> dict[str, Any]:
    """What the ASGI server says of the request."""
    return cast("dict[str, Any]", quart.request.scope)
