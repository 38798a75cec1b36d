"""A peer on its way in: its request is read, and somebody decides about it."""

from __future__ import annotations

from typing import NamedTuple

import trio

from ....errors import ConnectionRejected
from ...admission import Admission, Admitted
from ...listeners import is_loopback
from ...request import Head, Request, http_response, read_request
from ...visitors import Endpoint
from .handshake import Handshake

__all__ = ["SHUTTING_DOWN", "Entrance", "LetIn"]

SHUTTING_DOWN = ConnectionRejected(503, "The server is shutting down.", {"Retry-After": "1"})
"""What those are told who come too late."""

_NOT_WHOLE = ConnectionRejected(400, "This is not a whole HTTP request.")
_TOO_LATE = ConnectionRejected(408, "The handshake took too long.")
_UNDECIDED = ConnectionRejected(503, "The server did not decide in time.", {"Retry-After": "1"})


class LetIn(NamedTuple):
    """A peer that may come in."""

    admitted: Admitted
    answer: bytes
    """To its handshake."""
    early: bytes
    """What it has sent behind it."""


class Entrance:
    """What one peer has to pass; nothing of it is kept once it has.

    Args:
        admission: who may come in.
        path: of the one resource there is.
        secure: whether it speaks TLS.
        remote: where the peer is.
        local: where it came in at.
    """

    __slots__ = ("_admission", "_handshake", "_local", "_path", "_remote", "_secure", "refusal")

    def __init__(
        self, admission: Admission, *, path: str, secure: bool, remote: Endpoint, local: Endpoint
    ) -> None:
        self._admission = admission
        self._path = path
        self._secure = secure
        self._remote = remote
        self._local = local
        self._handshake = Handshake()
        self.refusal: ConnectionRejected | None = None
        """What it is told if it does not come in."""

    @property
    def begun(self) -> bool:
        """Whether the peer has sent anything."""
        return self._handshake.begun

    def last_words(self, *, too_late: bool) -> bytes:
        """The answer to a handshake that ends here; empty where nobody has asked anything."""
        if not self.begun:
            return b""
        return http_response(self.refusal or (_TOO_LATE if too_late else _NOT_WHOLE))

    async def let_in(self, stream: trio.abc.Stream, life: trio.CancelScope) -> LetIn:
        """Read what it asks for, and decide.

        Args:
            life: cancelled when the peer leaves in the meantime.

        Raises:
            ConnectionRejected: when it may not come in.
            trio.BrokenResourceError: when it has gone.
        """
        handshake = self._handshake
        try:
            head = handshake.receive(await stream.receive_some())
            while head is None:
                head = handshake.receive(await stream.receive_some())
            asked = self._read_request(head)
            self.refusal = _UNDECIDED
            admitted = await self._admit(stream, asked, life)
        except ConnectionRejected as rejected:
            self.refusal = rejected
            raise
        return LetIn(admitted, handshake.answer(asked), handshake.early)

    def _read_request(self, head: Head) -> Request:
        host, port = self._remote
        asked = read_request(
            head,
            headers=self._handshake.headers,
            remote_host=host,
            remote_port=port,
            secure=self._secure,
        )
        if asked.path != self._path:
            raise ConnectionRejected(404, f"There is nothing here; try {self._path}")
        return asked

    async def _admit(
        self, stream: trio.abc.Stream, asked: Request, life: trio.CancelScope
    ) -> Admitted:
        loopback = is_loopback(self._local[0])
        if self._admission.authenticate is None:
            return await self._admission.admit(asked, loopback=loopback)
        found: Admitted | ConnectionRejected | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_meanwhile, stream, life)
            try:
                found = await self._admission.admit(asked, loopback=loopback)
            except ConnectionRejected as rejected:
                found = rejected
            nursery.cancel_scope.cancel()
        assert found is not None
        if isinstance(found, ConnectionRejected):
            raise found
        return found

    async def _watch_meanwhile(self, stream: trio.abc.Stream, life: trio.CancelScope) -> None:
        """Notice when the peer leaves while somebody decides about it."""
        try:
            while data := await stream.receive_some():
                self._handshake.receive_early(data)
        except ConnectionRejected as rejected:
            self.refusal = rejected
        except trio.BrokenResourceError:
            pass
        life.cancel()
