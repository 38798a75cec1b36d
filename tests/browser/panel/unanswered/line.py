"""A line to the server that can be down, or swallow what is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from tests.browser.panel.stage import Stage

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

__all__ = ["Line", "open_panel_with_a_clock"]

NOWHERE = ("127.0.0.1", 9)


@attrs.define
class Line:
    """Called from the thread of a script. `down` and `up` are those of all pages."""

    stage: Stage
    http_too: bool = True
    _targets: list[tuple[str, int]] = attrs.field(factory=list[tuple[str, int]])

    def down(self) -> None:
        """Cut all connections, and let nobody through."""
        trio.from_thread.run_sync(self._down)

    def up(self) -> None:
        """Let people through again."""
        trio.from_thread.run_sync(self._up)

    def _down(self) -> None:
        self._targets = [self.stage.websocket.target, self.stage.http.target]
        self.stage.websocket.target = NOWHERE
        if self.http_too:
            self.stage.http.target = NOWHERE
        self.stage.cut()

    def _up(self) -> None:
        self.stage.websocket.target, self.stage.http.target = self._targets

    def swallow(self, page: Page, transport: str, path: str) -> None:
        """From here on the commands of a page go out, and nobody hears them."""
        if transport == "sse":
            page.route(f"**/{path}", _ignore)
        else:
            page.evaluate("""() => {
              const { send } = WebSocket.prototype;
              WebSocket.prototype.send = function () {};
              globalThis.heardAgain = () => { WebSocket.prototype.send = send; };
            }""")

    def hear_again(self, page: Page, transport: str, path: str) -> None:
        """What was swallowed is lost with its connections; what comes next is heard."""
        if transport == "sse":
            page.unroute(f"**/{path}")
        else:
            page.evaluate("heardAgain()")
        trio.from_thread.run_sync(self.stage.cut)


def _ignore(route: Route) -> None:
    """Neither answer nor pass it on."""


def open_panel_with_a_clock(context: BrowserContext, url: str, transport: str) -> Page:
    """The panel, once it is connected; its time can be put forward."""
    page = context.new_page()
    page.clock.install()
    page.goto(f"{url}?transport={transport}")
    page.wait_for_selector("#connection[data-state=open]")
    return page
