"""How the panel is let in: by the origin of its page, and by tickets."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from tests.browser.chromium import in_chromium
from tests.browser.react.stage import AGENT, TICKETS, agent_server, one_room, start_page, submit
from tests.browser.stage import TOKEN, Baker, Restartable, authenticate
from tests.programs import find_program
from trio_agent_rt import Cors, RealtimeAgent, SSEOptions, WebSocketOptions, serve

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = pytest.mark.hang_guard(120)


@asynccontextmanager
async def development_server(project: Path, agent: str) -> AsyncGenerator[str]:
    """`npm run dev` with that address in the page, at a free port; gives its origin."""
    index = project / "index.html"
    shipped = index.read_text(encoding="utf-8")
    index.write_text(shipped.replace(AGENT, agent), encoding="utf-8")
    npm = find_program("npm", package="npm")
    process = await trio.lowlevel.open_process(
        [npm, "run", "dev", "--", "--port=0"],
        cwd=project,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        told = b""
        with trio.fail_after(60):
            while b"http://" not in told or not told.endswith(b"\n"):
                told += await process.stdout.receive_some()
        (line,) = (each for each in told.decode().splitlines() if "http://" in each)
        yield line[line.index("http://") :].strip().rstrip("/")
    finally:
        with trio.CancelScope(shield=True):
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await process.stdout.aclose()
            index.write_text(shipped, encoding="utf-8")


async def test_the_page_of_vites_development_server_connects_once_its_origin_is_listed(
    project: Path,
) -> None:
    async with RealtimeAgent(Baker()) as realtime, trio.open_nursery() as nursery:
        closed = agent_server(nursery, realtime, "http://127.0.0.1:1")
        await closed.start()
        address = f"ws://127.0.0.1:{closed.port}/ws"
        async with development_server(project, address) as origin:

            async def let_in() -> None:
                await closed.stop()
                opened = agent_server(nursery, realtime, origin)
                opened.port = closed.port
                await opened.start()

            def script(context: BrowserContext) -> None:
                page = context.new_page()
                page.goto(origin)
                page.wait_for_selector(".agent-log-entry:has-text('WebSocket disconnected')")
                assert "未连接" in page.inner_text(".agent-status")
                trio.from_thread.run(let_in)
                page.wait_for_selector(".agent-status:has-text('空闲')")
                submit(page, "等十秒")
                page.wait_for_selector(".agent-step.running:has-text('等')")

            await in_chromium(script)
        nursery.cancel_scope.cancel()


async def test_a_page_with_a_token_gets_a_ticket_for_every_connection(
    built_with_tickets: Path,
) -> None:
    baker = Baker()
    async with RealtimeAgent(baker) as realtime, trio.open_nursery() as nursery:
        addresses: dict[str, str] = {}
        origin = await start_page(nursery, realtime, built_with_tickets, lambda: addresses)
        ports: dict[str, int] = {"websocket": 0, "sse": 0}

        async def serve_both(*, port: int, task_status: trio.TaskStatus[object]) -> None:
            async with trio.open_nursery() as inner:
                start = functools.partial(
                    serve,
                    realtime,
                    websocket=WebSocketOptions(port=ports["websocket"]),
                    sse=SSEOptions(port=ports["sse"]),
                    authenticate=authenticate,
                    cors=Cors([origin]),
                    choose_session=one_room,
                )
                at = await inner.start(start)
                ports.update(websocket=at.websocket.port, sse=at.sse.port)
                addresses.update({AGENT: at.websocket.url, TICKETS: at.sse.base_url})
                task_status.started(at.websocket)

        server = Restartable(nursery, serve_both)
        await server.start()

        def script(context: BrowserContext) -> None:
            page = context.new_page()
            page.add_init_script(f"if (location.host) sessionStorage.setItem('token', '{TOKEN}');")
            asked: list[str] = []
            page.on("websocket", lambda socket: asked.append(socket.url))
            page.goto(origin)
            page.wait_for_selector(".agent-status:has-text('空闲')")
            submit(page, "等十秒")
            page.wait_for_selector(".agent-step.running:has-text('等')")
            trio.from_thread.run(server.stop)
            page.wait_for_selector(".agent-status:has-text('未连接')")
            trio.from_thread.run(server.start)
            page.wait_for_selector(".agent-status:has-text('执行中')")
            page.click("text=取消任务")
            page.wait_for_selector(".agent-result:has-text('cancelled: ann asked')")
            assert asked[0] == addresses[AGENT], "refused, for it has no ticket"
            assert len({each for each in asked if "?ticket=" in each}) >= 2

        await in_chromium(script)
        nursery.cancel_scope.cancel()
