"""Who is let in, and to which session: the same questions on every transport.

```
 request ──▶ origin ──▶ bearer? ──▶ ticket? ──▶ the hook alone ──▶ expired? ──▶ session
               │          │           │            │                  │
               ▼ 403      ▼ 401 …     ▼ 401        ▼ 401 …            ▼ 401
```

Nothing is asked of a peer whose page may not come in, so that no such page can use up a
ticket, or learn whether a token is good.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, TypeAlias, cast

import trio
from attrs import Factory, evolve, field, frozen

from ..errors import ConnectionRejected
from ..realtime import ANONYMOUS, Principal, Tickets
from .cors import Cors, preflight_headers, response_headers
from .origins import Judgement, OriginPolicy
from .request import Request, http_response

if TYPE_CHECKING:
    from ..realtime import RealtimeAgent

__all__ = ["Admission", "Admitted", "Authenticate", "ChooseSession", "report"]

_log = logging.getLogger(__name__)

Authenticate: TypeAlias = Callable[[Request], Awaitable[Principal]]
"""Says on whose behalf a peer speaks, or raises `ConnectionRejected`."""
ChooseSession: TypeAlias = Callable[[Request, Principal], str | None]
"""Says which session a peer is shown, made if there is none of that id and open to whoever
it says it for; or None for what the peer asks for itself."""

# What browsers add by themselves, once a user has typed a password or is in a domain.
_AMBIENT_SCHEMES = {"basic", "digest", "negotiate", "ntlm"}

_TEXTS = {401: "Authentication is needed.", 403: "This is not allowed."}


@frozen(kw_only=True)
class Admitted:
    """A peer that may come in."""

    principal: Principal
    session_id: str | None
    """What it is to be shown, or None for a session of its own."""
    chosen: bool
    """Whether the application named the session, not the peer."""
    last_position: str | None


def _policy_of(admission: Admission) -> OriginPolicy:
    cors = admission.cors
    return OriginPolicy(
        cors.origins, allow_missing=cors.allow_missing, own_ports=admission.own_ports
    )


@frozen(kw_only=True)
class Admission:
    """What is asked of every peer.

    Args:
        tickets: those that were given out.
        cors: which pages of other origins may come in.
        own_ports: where else this server listens; looked at each time.
        authenticate: says who a peer is, or None for everybody is `ANONYMOUS`.
        choose_session: says what a peer is shown.
        timeout: seconds for `authenticate` to decide.
    """

    tickets: Tickets
    cors: Cors = field(factory=Cors)
    own_ports: AbstractSet[int] = frozenset()
    authenticate: Authenticate | None = None
    choose_session: ChooseSession | None = None
    timeout: float = math.inf
    _origins: OriginPolicy = field(init=False, default=Factory(_policy_of, takes_self=True))

    @classmethod
    def for_peers_of(
        cls,
        realtime: RealtimeAgent,
        *,
        cors: Cors | None = None,
        authenticate: Authenticate | None = None,
        choose_session: ChooseSession | None = None,
        own_ports: AbstractSet[int] = frozenset(),
    ) -> Admission:
        """What is asked of every peer of `realtime`; the options are those of its servers."""
        return cls(
            tickets=realtime.tickets,
            timeout=realtime.limits.handshake_timeout,
            cors=cors or Cors(),
            own_ports=own_ports,
            authenticate=authenticate,
            choose_session=choose_session,
        )

    async def admit(self, asked: Request, *, loopback: bool) -> Admitted:
        """Decide about a peer that wants to be shown a session.

        Args:
            loopback: whether it came in at a loopback address.

        Raises:
            ConnectionRejected: when it may not come in.

        Cancellation: safe, but a ticket may be used then; what `authenticate` was doing is
        cancelled too.
        """
        asked = self._screened(asked, loopback=loopback)
        principal = await self._identified(asked)
        room = self._room(asked, principal)
        return Admitted(
            principal=principal,
            session_id=room or asked.query.get("session") or None,
            chosen=room is not None,
            last_position=asked.headers.get("last-event-id")
            or asked.query.get("lastEventId")
            or None,
        )

    async def identify(self, asked: Request, *, loopback: bool) -> Principal:
        """Find out on whose behalf a peer sends a command by HTTP.

        Args:
            loopback: whether it came in at a loopback address.

        Raises:
            ConnectionRejected: when it may not come in.

        Cancellation: as for `admit`.
        """
        return await self._identified(self._screened(asked, loopback=loopback))

    async def issue_ticket(self, asked: Request, *, loopback: bool) -> str:
        """A ticket for whoever asks; a ticket itself is not enough to get one.

        Args:
            loopback: whether it came in at a loopback address.

        Raises:
            ConnectionRejected: when it may not come in.

        Cancellation: as for `admit`.
        """
        screened = self._screened(asked, loopback=loopback)
        principal = await self._identified(screened, by_ticket=False)
        return self.tickets.issue(principal, self._door)

    def check_origin(self, asked: Request, *, loopback: bool) -> None:
        """Refuse a request whose page may not come in; nobody is asked who they are.

        Raises:
            ConnectionRejected: (403) when it may not.
        """
        self._screened(asked, loopback=loopback)

    def response_headers(self, asked: Request, *, loopback: bool) -> dict[str, str]:
        """What every HTTP answer needs, a refusal too, so that a page may see it or not."""
        origin = asked.headers.get("origin")
        if origin is None:  # then nothing is told of it
            return response_headers(self.cors, None, Judgement())
        return response_headers(self.cors, origin, self._origins.judge(asked, loopback=loopback))

    def preflight_headers(
        self, asked: Request, *, loopback: bool, methods: Iterable[str]
    ) -> dict[str, str]:
        """The headers of the answer to an `OPTIONS` request.

        Args:
            loopback: whether it came in at a loopback address.
            methods: what the resource takes.

        Raises:
            ConnectionRejected: (403) when the page may not come in.
        """
        self.check_origin(asked, loopback=loopback)
        wanted = asked.headers.get("access-control-request-private-network", "")
        return preflight_headers(
            self.cors,
            asked.headers.get("origin"),
            self._origins.judge(asked, loopback=loopback),
            methods=methods,
            private_network=wanted.lower() == "true",
        )

    def _screened(self, asked: Request, *, loopback: bool) -> Request:
        """The request as hooks may see it, if its page may come in."""
        judged = self._origins.judge(asked, loopback=loopback)
        if judged.refusal is not None:
            _log.info("[%s]:%d: %s", asked.remote_host, asked.remote_port, judged.refusal)
            raise ConnectionRejected(403, "Pages of this origin may not connect.")
        if judged.foreign and not self.cors.credentials:
            return _without_ambient_credentials(asked)
        return asked

    async def _identified(self, asked: Request, *, by_ticket: bool = True) -> Principal:
        if by_ticket and asked.ticket is not None and not asked.offers_bearer:
            return self._redeemed(asked.ticket)
        if self.authenticate is None:
            return ANONYMOUS
        principal: Principal | None = None
        with trio.move_on_after(self.timeout):
            try:
                principal = _principal(await self.authenticate(asked))
            except Exception as wrong:
                raise _rejection("authenticate", wrong) from None
        if principal is None:
            _log.warning("authenticate has not decided within %g s", self.timeout)
            late = "The server did not decide in time."
            raise ConnectionRejected(503, late, {"Retry-After": "1"})
        if principal.expired:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise ConnectionRejected(401, "This has expired; authenticate anew.", challenge)
        return principal

    def _redeemed(self, ticket: str) -> Principal:
        principal = self.tickets.redeem(ticket, self._door)
        if principal is None:
            # Whether there ever was such a ticket is nobody's business.
            raise ConnectionRejected(
                401,
                "This ticket is unknown, used or too old; ask for a new one.",
                {"WWW-Authenticate": "Bearer"},
            )
        return principal

    @property
    def _door(self) -> object:
        """What tells it from others that ask in another way who somebody is."""
        return self.authenticate or ANONYMOUS

    def _room(self, asked: Request, principal: Principal) -> str | None:
        if self.choose_session is None:
            return None
        try:
            return self.choose_session(asked, principal) or None
        except Exception as wrong:
            raise _rejection("choose_session", wrong) from None


def _without_ambient_credentials(asked: Request) -> Request:
    """The request without what a browser adds whichever page asks."""
    scheme = asked.headers.get("authorization", "").partition(" ")[0].lower()
    ambient = ("cookie", "authorization") if scheme in _AMBIENT_SCHEMES else ("cookie",)
    return evolve(asked, headers=asked.headers.without(*ambient), cookies={})


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
        told = _completed(wrong)
        try:
            http_response(told)
        except ValueError as unfit:
            wrong = unfit
        else:
            return told
    reference = report(f"{hook} failed", wrong)
    return ConnectionRejected(500, f"Internal error, reference {reference}.")


def _completed(rejected: ConnectionRejected) -> ConnectionRejected:
    """With a text, and with the challenge that HTTP demands of every 401."""
    headers = dict(rejected.headers)
    if rejected.status == 401 and "www-authenticate" not in {name.lower() for name in headers}:
        headers["WWW-Authenticate"] = "Bearer"
    message = rejected.message or _TEXTS.get(rejected.status, "")
    return ConnectionRejected(rejected.status, message, headers)


def report(what: str, wrong: BaseException) -> str:
    """Log a mistake of ours or of a hook; gives the number by which a peer can ask for it."""
    reference = secrets.token_hex(4)
    _log.error("%s, reference %s", what, reference, exc_info=wrong)
    return reference
