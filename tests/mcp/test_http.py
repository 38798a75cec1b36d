"""A server that is somewhere else is used in the same way."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from trio_agent_rt.errors import ToolServerFailed
from trio_agent_rt.mcp import open_mcp_tools
from trio_agent_rt.testing import assert_no_leaks

from .serving import Call, appears, serving_http, the_tools

pytestmark = pytest.mark.hang_guard(60)


async def test_its_tools_are_called_and_a_cancel_is_told(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with serving_http() as url:
        with trio.fail_after(20), assert_no_leaks():
            async with the_tools(url, headers={"Authorization": "Bearer x"}) as tools:
                assert await tools["add"].run(Call(), {"a": 1, "b": 2}) == {"sum": 3}
                call, begun = Call(), 0.0
                with trio.CancelScope() as scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(tools["work"].run, call, {"path": str(mark)})
                        await call.heard.wait()
                        begun = trio.current_time()
                        scope.cancel()
                assert trio.current_time() - begun < 1
                await appears(mark)
                assert await tools["add"].run(Call(), {"a": 2, "b": 2}) == {"sum": 4}


async def test_one_that_is_not_there() -> None:
    with assert_no_leaks(), pytest.raises(ToolServerFailed, match=r"^http://127.0.0.1:1/mcp: "):
        async with open_mcp_tools("http://me:secret@127.0.0.1:1/mcp?key=secret"):
            raise AssertionError("it was opened")


async def test_one_that_is_no_mcp_server() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        with pytest.raises(ToolServerFailed, match=r"content type"):
            async with open_mcp_tools(f"http://127.0.0.1:{port}/mcp"):
                raise AssertionError("it was opened")
        nursery.cancel_scope.cancel()
