"""With authentication, below a prefix, behind a proxy: the page finds its server."""

from __future__ import annotations

import functools
import secrets
import signal
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
from quart_trio import QuartTrio

from tests.browser.chromium import in_chromium
from tests.nginx.proxy import free_port
from tests.programs import find_program, miss
from trio_agent_rt import (
    BearerTokens,
    RealtimeAgent,
    SSEOptions,
    WebSocketOptions,
    serve,
    serve_app,
    sse_blueprint,
)
from trio_agent_rt.panel import Panel

from .kitchen import Kitchen
from .stage import (
    expect_no_violations,
    on_both_transports,
    on_stage,
    open_panel,
    shoot,
    submit,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)


@on_both_transports
async def test_it_asks_for_a_token_keeps_it_in_the_tab_and_never_in_an_address(
    transport: str,
) -> None:
    token = secrets.token_urlsafe()
    authenticate = BearerTokens({token: "ann"})
    async with on_stage(serve_options={"authenticate": authenticate}) as stage:

        def script(context: BrowserContext) -> None:
            page = context.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.on("websocket", lambda socket: asked.append(socket.url))
            page.goto(f"{stage.own_url}?transport={transport}")
            page.wait_for_selector("#token[open]")
            expect_no_violations(page, "token")
            shoot(page, f"token-{transport}")
            # Not now: the page stands, and says how it is.
            page.keyboard.press("Escape")
            assert page.inner_text("#connection-text") == "Not signed in"
            page.click("#sign-in")
            page.keyboard.type("not-the-token-at-all-but-long")
            page.keyboard.press("Enter")
            page.wait_for_selector("text=/^The server does not take this token.$/")
            # A browser sends it in no header, and says so as if the network were down.
            page.fill("#token-value", "a token 中")
            page.keyboard.press("Enter")
            page.wait_for_selector("text=a token is ASCII letters, digits and -._~+/")
            expect_no_violations(page, "a token that cannot be sent")
            page.fill("#token-value", token)
            page.keyboard.press("Enter")
            page.wait_for_selector("#connection[data-state=open]")
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=failed]")
            page.reload()
            page.wait_for_selector("#connection[data-state=open]")
            assert page.query_selector("#token[open]") is None
            assert page.inner_text(".task h2") == "坏 了"
            kept = page.evaluate("[JSON.stringify(localStorage), document.cookie]")
            assert kept == ["{}", ""]
            assert not any(token in each for each in asked)
            assert transport == "sse" or any("ticket=" in each for each in asked)
            other = context.new_page()
            other.goto(stage.own_url)
            other.wait_for_selector("#token[open]")

        await in_chromium(script)


@on_both_transports
async def test_a_task_of_somebody_who_is_not_signed_in_is_started_when_they_are(
    transport: str,
) -> None:
    token = secrets.token_urlsafe()
    authenticate = BearerTokens({token: "ann"})
    async with on_stage(serve_options={"authenticate": authenticate}) as stage:

        def script(context: BrowserContext) -> None:
            page = context.new_page()
            page.goto(f"{stage.own_url}?transport={transport}")
            page.wait_for_selector("#token[open]")
            page.keyboard.press("Escape")
            submit(page, "坏 了")
            page.wait_for_selector("#token[open]")
            assert page.get_attribute(".task", "data-state") == "submitting"
            page.fill("#token-value", token)
            page.keyboard.press("Enter")
            page.wait_for_selector(".task[data-state=failed]")
            assert page.is_hidden("#task-error")

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 了"]


async def test_a_token_that_was_taken_once_is_not_taken_any_more() -> None:
    first, second = secrets.token_urlsafe(), secrets.token_urlsafe()
    async with on_stage(serve_options={"authenticate": BearerTokens({first: "ann"})}) as stage:

        async def restart() -> None:
            await stage.stop()
            stage.serve_options["authenticate"] = BearerTokens({second: "ann"})
            await stage.start()

        def script(context: BrowserContext) -> None:
            page = context.new_page()
            page.goto(stage.url)
            page.wait_for_selector("#token[open]")
            page.fill("#token-value", first)
            page.keyboard.press("Enter")
            page.wait_for_selector("#connection[data-state=open]")
            trio.from_thread.run(restart)
            page.wait_for_selector("text=The server does not take this token any more.")
            page.reload()
            page.wait_for_selector("text=The server does not take this token any more.")
            page.fill("#token-value", second)
            page.keyboard.press("Enter")
            page.wait_for_selector("#connection[data-state=open]")

        await in_chromium(script)


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        location = /tools/agent/ws {{
            proxy_pass http://127.0.0.1:{websocket}/ws;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
        location /tools/agent/ {{
            proxy_pass http://127.0.0.1:{http}/;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@asynccontextmanager
async def nginx(folder: Path, *, port: int, websocket: int, http: int) -> AsyncGenerator[None]:
    """nginx, with both ports below `/tools/agent/` of one."""
    program = find_program("nginx", package="nginx-light")
    text = NGINX.format(folder=folder, port=port, websocket=websocket, http=http)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    words = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = await trio.lowlevel.open_process(words, stderr=subprocess.DEVNULL)
    try:
        with trio.fail_after(20):
            while not (folder / "nginx.pid").exists():
                assert process.poll() is None, (folder / "error.log").read_text()
                await trio.sleep(0.02)  # another process
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with trio.CancelScope(shield=True):
            await process.wait()


@on_both_transports
async def test_behind_a_proxy_that_puts_both_ports_below_a_prefix_it_works_as_it_is(
    transport: str, tmp_path: Path
) -> None:
    async with RealtimeAgent(Kitchen()) as realtime, trio.open_nursery() as nursery:
        addresses = await nursery.start(
            functools.partial(
                serve,
                realtime,
                websocket=WebSocketOptions(port=0),
                sse=SSEOptions(port=0),
                pages=Panel(),
            )
        )
        port = free_port()
        proxied = nginx(
            tmp_path, port=port, websocket=addresses.websocket.port, http=addresses.sse.port
        )
        async with proxied:
            await in_chromium(
                functools.partial(
                    _run_a_task, url=f"http://127.0.0.1:{port}/tools/agent/", transport=transport
                )
            )
        nursery.cancel_scope.cancel()


@on_both_transports
async def test_below_a_prefix_of_the_servers_own_it_works(transport: str) -> None:
    async with RealtimeAgent(Kitchen()) as realtime, trio.open_nursery() as nursery:
        addresses = await nursery.start(
            functools.partial(
                serve,
                realtime,
                websocket=WebSocketOptions(port=0, path="/socket"),
                sse=SSEOptions(port=0, prefix="/agent"),
                pages=Panel(),
            )
        )
        url = f"{addresses.sse.base_url}/agent"  # without its last slash, as people type it
        await in_chromium(functools.partial(_run_a_task, url=url, transport=transport))
        nursery.cancel_scope.cancel()


@on_both_transports
async def test_at_an_address_of_ipv6_it_works(transport: str) -> None:
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        miss("this machine has no IPv6")
    async with RealtimeAgent(Kitchen()) as realtime, trio.open_nursery() as nursery:
        addresses = await nursery.start(
            functools.partial(
                serve,
                realtime,
                websocket=WebSocketOptions(host="::1", port=0),
                sse=SSEOptions(host="::1", port=0),
                pages=Panel(),
            )
        )
        url = f"{addresses.sse.base_url}/"
        await in_chromium(functools.partial(_run_a_task, url=url, transport=transport))
        nursery.cancel_scope.cancel()


async def test_in_an_app_of_the_users_it_works_over_sse() -> None:
    app = QuartTrio(__name__, static_folder=None)
    async with RealtimeAgent(Kitchen()) as realtime, trio.open_nursery() as nursery:
        app.register_blueprint(sse_blueprint(realtime), url_prefix="/agent")
        panel = Panel(title="Bakery", http_url="../agent")
        app.register_blueprint(panel.blueprint(), url_prefix="/panel")
        address = await nursery.start(functools.partial(serve_app, app, realtime, port=0))
        run = functools.partial(_run_a_task, url=f"{address.url}/panel/", transport="sse")
        await in_chromium(run)
        nursery.cancel_scope.cancel()


def _run_a_task(context: BrowserContext, *, url: str, transport: str) -> None:
    page = open_panel(context, url, transport)
    spoken = {"websocket": "WebSocket", "sse": "SSE"}[transport]
    assert page.inner_text("#connection-text") == f"Connected ({spoken})"
    submit(page, "坏 了")
    page.wait_for_selector(".task[data-state=failed]")


@pytest.mark.parametrize("transport", ["websocket"])
async def test_where_a_proxy_passes_on_no_websocket_it_offers_sse(
    transport: str, tmp_path: Path
) -> None:
    async with RealtimeAgent(Kitchen()) as realtime, trio.open_nursery() as nursery:
        addresses = await nursery.start(
            functools.partial(
                serve,
                realtime,
                websocket=WebSocketOptions(port=0, path="/elsewhere"),
                sse=SSEOptions(port=0),
                pages=Panel(),
            )
        )
        port = free_port()

        def script(context: BrowserContext) -> None:
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{port}/tools/agent/")
            page.wait_for_selector("#use-sse", state="visible")
            shoot(page, "no-websocket")
            page.click("#use-sse")
            page.wait_for_selector("#connection[data-state=open]")
            assert page.inner_text("#connection-text") == "Connected (SSE)"

        async with nginx(
            tmp_path, port=port, websocket=addresses.websocket.port, http=addresses.sse.port
        ):
            await in_chromium(script)
        nursery.cancel_scope.cancel()
