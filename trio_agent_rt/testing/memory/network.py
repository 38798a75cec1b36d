"""A network in memory: the real servers and clients of this library, without a socket."""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import trio

from ...clients import AgentClient, open_sse_client, open_websocket_client
from ...transports.admission import Admission, Authenticate, ChooseSession
from ...transports.websocket.server import websocket_visitors
from .faults import Fault
from .line import MemoryLine, MemoryStream

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent

__all__ = ["MemoryListener", "MemoryNetwork"]

_WEBSOCKET_PORT = 8080
_SSE_PORT = 8081


class MemoryListener(trio.abc.Listener[MemoryStream]):
    """Takes the connections to one port of a `MemoryNetwork`."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[MemoryStream](math.inf)

    async def accept(self) -> MemoryStream:
        """The server's end of the next connection."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise trio.ClosedResourceError("the listener is closed") from None

    def connect(self, line: MemoryLine) -> None:
        """Have `line` accepted.

        Raises:
            trio.BrokenResourceError: when it is closed.
        """
        self._send.send_nowait(line.server)

    async def aclose(self) -> None:
        """Close it; who was not accepted yet is reset.

        Cancellation: it is closed all the same.
        """
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """As `aclose`, at once."""
        while True:
            try:
                self._receive.receive_nowait().close()
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                break
        self._receive.close()
        self._send.close()


class MemoryNetwork:
    """Connections between the servers and the clients of one Trio run.

    Nothing goes through the kernel, so that a run is the same each time: under
    `run_deterministic`, with a clock that jumps, and with whatever faults you like.

    ```python
    network = MemoryNetwork(faults=[Fault(kind="cut", after_messages=3)])
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        await nursery.start(network.serve_websocket, realtime)
        async with network.open_websocket_client() as client:
            task = await client.submit("a task")
    ```

    Args:
        faults: what goes wrong with each connection, in the order in which they are made;
            None for nothing. Connections beyond the last stay whole.
        delay: seconds that each byte is on its way.
        capacity: bytes of one direction that may wait to be read, before a send waits.
        at_once: the part that is taken of what is to be sent without waiting, time after time
            and over again, for each connection: 1 for all of it, 0 for nothing.
    """

    def __init__(
        self,
        *,
        faults: Iterable[Fault | None] = (),
        delay: float = 0.0,
        capacity: int = 64 * 1024,
        at_once: Sequence[float] = (1,),
    ) -> None:
        self._at_once = tuple(at_once)
        self.lines: list[MemoryLine] = []
        """Every connection that was made, oldest first: to be cut, stalled and so on."""
        self._faults = iter(faults)
        self._delay = delay
        self._capacity = capacity
        self._listeners: dict[int, MemoryListener] = {}
        self._free_ports = itertools.count(30_000)

    def __repr__(self) -> str:
        return f"<MemoryNetwork ports={sorted(self._listeners)} connections={len(self.lines)}>"

    def listen(self, port: int = 0) -> MemoryListener:
        """What takes the connections to a port from now on; 0 takes a free one.

        Whatever listened there before is replaced: a server that was restarted.
        """
        listener = self._listeners[port or next(self._free_ports)] = MemoryListener()
        return listener

    async def dial(self, host: str, port: int) -> MemoryStream:
        """The client's end of a new connection; every host name is this network.

        Raises:
            ConnectionRefusedError: when nothing listens at that port.
        """
        await trio.lowlevel.checkpoint()
        line = MemoryLine(
            fault=next(self._faults, None),
            delay=self._delay,
            capacity=self._capacity,
            at_once=self._at_once,
            port=port,
        )
        try:
            self._listeners[port].connect(line)
        except (KeyError, trio.BrokenResourceError, trio.ClosedResourceError):
            raise ConnectionRefusedError(111, f"nothing listens at {host}:{port}") from None
        self.lines.append(line)
        return line.client

    async def serve_websocket(
        self,
        realtime: RealtimeAgent,
        *,
        authenticate: Authenticate | None = None,
        choose_session: ChooseSession | None = None,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """What `trio_agent_rt.serve_websocket` does, at port 8080 of this network."""
        admission = _admission(realtime, authenticate, choose_session)
        visitors = websocket_visitors(realtime, admission, None, path="/ws")
        listener = self.listen(_WEBSOCKET_PORT)

        def announce() -> None:
            task_status.started()

        await visitors.serve([listener], on_listening=announce)

    async def serve_sse(
        self,
        realtime: RealtimeAgent,
        *,
        authenticate: Authenticate | None = None,
        choose_session: ChooseSession | None = None,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """What `trio_agent_rt.serve_sse` does, at port 8081 of this network."""
        load = _load(".sse_visitors").sse_visitors
        lifespan, visitors = load(realtime, _admission(realtime, authenticate, choose_session))
        listener = self.listen(_SSE_PORT)

        def announce() -> None:
            task_status.started()

        try:
            serve = functools.partial(visitors.serve, [listener], on_listening=announce)
            await lifespan.around(serve)
        finally:
            listener.close()

    def open_websocket_client(self, **options: Any) -> AgentClient:
        """What `trio_agent_rt.open_websocket_client` gives, over this network.

        Args:
            options: those of that function, but for `url` and `dial`.
        """
        url = f"ws://127.0.0.1:{_WEBSOCKET_PORT}/ws"
        return open_websocket_client(url, dial=self.dial, **options)

    def open_sse_client(self, **options: Any) -> AgentClient:
        """What `trio_agent_rt.open_sse_client` gives, over this network.

        Args:
            options: those of that function, but for `url` and `dial`.
        """
        _load("...clients.connectors.sse_link")
        url = f"http://127.0.0.1:{_SSE_PORT}/sse"
        return open_sse_client(url, dial=self.dial, **options)


def _load(name: str) -> Any:
    """A part that needs an extra.

    Some of what is imported then, once in a process, draws a random number: that must not
    be one of those that a seed decides, or the first run would be another one than the rest.
    """
    chances = random.getstate()
    try:
        return importlib.import_module(name, __package__)
    finally:
        random.setstate(chances)


def _admission(
    realtime: RealtimeAgent,
    authenticate: Authenticate | None,
    choose_session: ChooseSession | None,
) -> Admission:
    return Admission.for_peers_of(
        realtime,
        cors=None,
        authenticate=authenticate,
        choose_session=choose_session,
    )
