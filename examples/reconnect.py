"""A connection that is cut, twice, while a task runs: the client's loop does not notice.

    python examples/reconnect.py

Needs no server: it has one of its own, and a cable between the two that can be cut.
"""

from __future__ import annotations

import functools

import trio

from trio_agent_rt import RealtimeAgent, Reconnect, TaskRun, open_websocket_client, serve_websocket
from trio_agent_rt.protocol import StepProgressed


async def count(task: str, run: TaskRun) -> str:
    async with run.step("Count") as step:
        for number in range(1, 21):
            await trio.sleep(0.1)
            step.progress(5 * number, str(number))
    return "counted to 20"


class Cable:
    """Carries bytes between a client and a server, until somebody cuts it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cut = trio.CancelScope()

    def cut(self) -> None:
        self._cut.cancel()

    async def carry(self, near: trio.SocketStream) -> None:
        async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
            try:
                async for data in source:
                    await sink.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            scope.cancel()

        far = await trio.open_tcp_stream("127.0.0.1", self._port)
        with trio.CancelScope() as scope:
            self._cut = scope
            async with near, far, trio.open_nursery() as nursery:
                nursery.start_soon(pump, near, far)
                nursery.start_soon(pump, far, near)


async def main() -> None:
    # Everything is sent at once here, so that what comes after a cut is easy to see.
    async with (
        RealtimeAgent(count, broadcast_interval=0) as realtime,
        trio.open_nursery() as nursery,
    ):
        server = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        cable = Cable(server.port)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, cable.carry, listeners)
        port = listeners[0].socket.getsockname()[1]

        # The first attempt follows within 0.2 s; after a minute without success it gives up.
        reconnect = Reconnect(base=0.2, cap=5.0, give_up_after=60.0)
        url = f"ws://127.0.0.1:{port}/ws"
        async with open_websocket_client(url, reconnect=reconnect) as client:
            task = await client.submit("count")
            seen: list[str] = []
            async for event in task:
                if isinstance(event, StepProgressed):
                    seen.append(event.message)
                    print(event.message, flush=True)
                    if event.message in {"5", "12"}:
                        print("(the cable is cut)", flush=True)
                        cable.cut()
            print("seen:", ", ".join(seen))
            print("nothing missing, nothing twice:", seen == [str(n) for n in range(1, 21)])
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
