"""Which sessions there are, who may attach to which, and how many of everything."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

from ..errors import RateLimited, SessionEnded, TooManyConnections, UnknownSession
from ..protocol import CloseCode, Event, Position
from .access import ANONYMOUS, Principal
from .peers import Client, Connection, Limits, Writing
from .session import Session

__all__ = ["SessionRegistry"]

REMEMBERED_ENDS = 10_000
"""How many sessions that have ended are still known as such. Some 3 MB."""

REMEMBERED_CLIENTS = 100
"""How many clients of a session whose connection has gone can still send commands."""


class SessionRegistry:
    """All sessions of a server. Everything here is synchronous: nothing waits.

    Args:
        make: makes a session of that id, for that owner; whether it is a room.
    """

    def __init__(
        self, make: Callable[[str, Principal | None, bool], Session], limits: Limits
    ) -> None:
        self._make = make
        self._limits = limits
        self._sessions: dict[str, Session] = {}
        self._by_epoch: dict[str, Session] = {}
        self._clients: dict[str, Client] = {}
        # By session, in the order of their going.
        self._gone: dict[str, OrderedDict[str, None]] = {}
        self._connections: Counter[str] = Counter()
        self._connected = 0
        # By id and by epoch: whose they were.
        self._ended: OrderedDict[str, Principal | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def sessions(self) -> list[Session]:
        """All that have not ended, oldest first."""
        return list(self._sessions.values())

    def find(self, session_id: str) -> Session:
        """The session of that id, for the application itself.

        Raises:
            UnknownSession: when there is none.
        """
        try:
            return self._sessions[session_id]
        except KeyError:
            raise UnknownSession(f"no session {session_id!r}") from None

    def choose(
        self, principal: Principal, session_id: str | None, last: Position | None, *, room: bool
    ) -> Session | None:
        """The session that a peer is to be attached to; None if one must be made for it.

        Args:
            session_id: which it asks for, or the application for it.
            last: the last position that it has seen. Whoever names no session goes on
                where that was: a browser's `EventSource` cannot say more.
            room: whether the application has named the session.

        Raises:
            UnknownSession: when there is none of that id, or it may not attach to it.
            SessionEnded: when there was one, of the same principal.
            TooManyConnections: when there is no room.
        """
        self._check_room(principal)
        owner = None if room else principal
        if session_id is None:
            session = None if last is None else self._by_epoch.get(last.epoch)
            if session is not None and session.allows(principal, "attach"):
                return session
            if last is not None:
                self._check_not_ended(principal, last.epoch)
            self._make_room(owner)
            return None
        session = self._sessions.get(session_id)
        if session is None and room:
            self._make_room(owner)
            return None
        if session is None:
            self._check_not_ended(principal, session_id)
        elif room or session.allows(principal, "attach"):
            return session
        raise UnknownSession("no such session")

    def tell_all(self, event: Event) -> None:
        """Tell every connection something that stands in no log."""
        for session in self.sessions:
            for connection in session.connections:
                connection.reply(event)

    def close_all(self) -> None:
        """Have every connection closed: the server shuts down."""
        for session in self.sessions:
            for connection in session.connections:
                connection.close(CloseCode.GOING_AWAY, "the server is shutting down")

    def open(
        self, owner: Principal | None, session_id: str | None = None, *, room: bool = False
    ) -> Session:
        """A new session.

        Raises:
            TooManyConnections: when there is no room for it.
        """
        self._make_room(owner)
        session = self._make(session_id or secrets.token_urlsafe(24), owner, room)
        self._sessions[session.id] = session
        self._by_epoch[session.log.position.epoch] = session
        self._gone[session.id] = OrderedDict()
        return session

    def forget(self, session: Session) -> None:
        """A session has ended for good."""
        if self._sessions.pop(session.id, None) is None:
            return
        epoch = session.log.position.epoch
        self._by_epoch.pop(epoch, None)
        for client_id in self._gone.pop(session.id):
            self._clients.pop(client_id, None)
        for name in () if session.room else (session.id, epoch):
            self._ended[name] = session.owner
        while len(self._ended) > 2 * REMEMBERED_ENDS:
            self._ended.popitem(last=False)

    def attach(
        self,
        writing: Writing,
        principal: Principal,
        session_id: str | None,
        last_position: str | None,
        *,
        room: bool,
    ) -> Connection:
        """A new viewer; see `RealtimeAgent.connect` for who may, and what is raised."""
        position = Position.parse(last_position) if last_position else None
        session = self.choose(principal, session_id, position, room=room)
        fresh = session is None
        if session is None:
            session = self.open(None if room else principal, session_id, room=room)
        connection = session.attach(
            principal,
            writing,
            position,
            fresh=fresh and not last_position,
            resuming=bool(last_position),
        )
        self._came(connection.client)
        return connection

    def detach(self, connection: Connection) -> None:
        """A viewer has gone."""
        connection.client.session.detach(connection)
        self._went(connection.client)

    def _came(self, client: Client) -> None:
        """A client has a connection."""
        self._clients[client.id] = client
        self._connections[client.principal.id] += 1
        self._connected += 1

    def _went(self, client: Client) -> None:
        """A client has its connection no more; it is known for as long as its session."""
        self._connected -= 1
        self._connections[client.principal.id] -= 1
        if not self._connections[client.principal.id]:
            del self._connections[client.principal.id]
        gone = self._gone.get(client.session.id)
        if gone is None:
            self._clients.pop(client.id, None)
            return
        gone[client.id] = None
        if len(gone) > REMEMBERED_CLIENTS:
            oldest, _ = gone.popitem(last=False)
            self._clients.pop(oldest, None)

    def check_size(self, client_ids: Iterable[str], principal: Principal, size: int) -> None:
        """Raise what keeps a command of many bytes from being read at all.

        Args:
            client_ids: what may be its `clientId`, without its having been read.
            size: in bytes; it counts as that many commands as `Client.may_send` says.

        Raises:
            UnknownSession: when none of them is a client of `principal`.
            RateLimited: when the first that is has sent too much.
        """
        for client_id in client_ids:
            client = self._clients.get(client_id)
            if client is not None and client.principal == principal:
                if not client.may_send(size):
                    raise RateLimited("too many commands")
                return
        raise _no_such_client()

    def client(self, client_id: str, principal: Principal) -> Client:
        """The client of that id.

        Raises:
            UnknownSession: when there is none, or somebody else's: a peer cannot tell which.
        """
        client = self._clients.get(client_id)
        if client is None or client.principal != principal:
            raise _no_such_client()
        return client

    def _check_room(self, principal: Principal) -> None:
        limits = self._limits
        if self._connected >= limits.max_connections:
            raise TooManyConnections("the server has as many connections as it may")
        if (
            principal != ANONYMOUS
            and self._connections[principal.id] >= limits.max_connections_per_principal
        ):
            raise TooManyConnections("you have as many connections as you may")

    def _check_not_ended(self, principal: Principal, name: str) -> None:
        if name in self._ended and self._ended[name] in {None, principal}:
            raise SessionEnded("the session has ended for good")

    def _make_room(self, owner: Principal | None) -> None:
        """The oldest session that nobody watches and that runs nothing waits no longer.

        One of the same owner if there is any: who opens many costs nobody else theirs.
        """
        if len(self) < self._limits.max_sessions:
            return
        idle = [each for each in self._sessions.values() if each.idle]
        own = [each for each in idle if owner is not None and each.owner == owner]
        for session in (*own, *idle):
            session.end()
            return
        raise TooManyConnections("the server has as many sessions as it may")


def _no_such_client() -> UnknownSession:
    return UnknownSession("clientId: no such client; it may have been gone for too long")
