"""Who is let in, and to which session: the same questions on every transport."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from attrs import frozen

from ..errors import ConnectionRejected
from ..realtime import ANONYMOUS, Principal
from .handshake import HandshakeRequest, http_response
from .origins import OriginPolicy

__all__ = ["Admission", "Admitted", "Authenticate", "ChooseSession", "report"]

_log = logging.getLogger(__name__)

Authenticate: TypeAlias = Callable[[HandshakeRequest], Awaitable[Principal]]
"""Says on whose behalf a peer speaks, or raises `ConnectionRejected`."""
ChooseSession: TypeAlias = Callable[[HandshakeRequest, Principal], str | None]
"""Says which session a peer is shown, made if there is none of that id and open to whoever
it says it for; or None for what the peer asks for itself."""


@frozen(kw_only=True)
class Admitted:
    """A peer that may come in."""

    principal: Principal
    session_id: str | None
    """What it is to be shown, or None for a session of its own."""
    chosen: bool
    """Whether the application named the session, not the peer."""
    last_position: str | None


@frozen(kw_only=True)
class Admission:
    """What is asked of every peer."""

    path: str
    origins: OriginPolicy
    authenticate: Authenticate | None = None
    choose_session: ChooseSession | None = None

    async def admit(self, asked: HandshakeRequest, *, loopback: bool) -> Admitted:
        """Decide about a peer.

        Args:
            loopback: whether it came in at a loopback address.

        Raises:
            ConnectionRejected: when it may not come in.

        Cancellation: safe; what `authenticate` was doing is cancelled too.
        """
        if asked.path != self.path:
            raise ConnectionRejected(404, f"There is nothing here; try {self.path}")
        refusal = self.origins.refusal(
            asked.headers.get("origin"),
            host=asked.headers.get("host", ""),
            secure=asked.secure,
            loopback=loopback,
        )
        if refusal is not None:
            _log.info("[%s]:%d: %s", asked.remote_host, asked.remote_port, refusal)
            raise ConnectionRejected(403, "Pages of this origin may not connect.")
        principal = await self._authenticated(asked)
        room = self._room(asked, principal)
        return Admitted(
            principal=principal,
            session_id=room or asked.query.get("session") or None,
            chosen=room is not None,
            last_position=asked.headers.get("last-event-id")
            or asked.query.get("lastEventId")
            or None,
        )

    async def _authenticated(self, asked: HandshakeRequest) -> Principal:
        if self.authenticate is None:
            return ANONYMOUS
        try:
            return _principal(await self.authenticate(asked))
        except Exception as wrong:
            raise _rejection("authenticate", wrong) from None

    def _room(self, asked: HandshakeRequest, principal: Principal) -> str | None:
        if self.choose_session is None:
            return None
        try:
            return self.choose_session(asked, principal) or None
        except Exception as wrong:
            raise _rejection("choose_session", wrong) from None


def _principal(found: object) -> Principal:
    if not isinstance(found, Principal):
        raise TypeError(f"authenticate must return a Principal, not {type(found).__name__}")
    return found


def _rejection(hook: str, wrong: Exception) -> ConnectionRejected:
    """What a peer is told when a hook of the user's raised `wrong`."""
    only = wrong
    while isinstance(only, ExceptionGroup):
        only, *others = cast("ExceptionGroup[Exception]", only).exceptions
        if others:
            break
    else:
        wrong = only
    if isinstance(wrong, ConnectionRejected):
        try:
            http_response(wrong)
        except ValueError as unfit:
            wrong = unfit
        else:
            return wrong
    reference = report(f"{hook} failed", wrong)
    return ConnectionRejected(500, f"Internal error, reference {reference}.")


def report(what: str, wrong: BaseException) -> str:
    """Log a mistake of ours or of a hook; gives the number by which a peer can ask for it."""
    reference = secrets.token_hex(4)
    _log.error("%s, reference %s", what, reference, exc_info=wrong)
    return reference
