"""Drives a real Chromium: a script of Playwright's, in a thread beside the Trio program.

The browser is Debian's, since Playwright's own cannot be downloaded everywhere. Everything
that a script waits for has a time-out, and whatever ends it ends the browser too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import trio

from tests.docs.pages import REPOSITORY, blocks
from tests.programs import find_program

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

__all__ = ["DOCUMENTED", "PAGE", "in_chromium", "wait_for_output"]

T = TypeVar("T")

PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")

DOCUMENTED = "\n".join(
    block.code
    for block in blocks(REPOSITORY / "docs" / "howto" / "browser-without-a-library.md")
    if block.kind == "page"
)
"""The code that the documentation shows: what the page uses, and all it uses."""

PATIENCE = 15_000
"""Milliseconds that one step of a script may take, on a machine that is busy otherwise."""


async def in_chromium(script: Callable[[BrowserContext], T]) -> T:
    """What `script` returns, called with a fresh profile of a browser of its own.

    It runs in a thread: `trio.from_thread` leads back. It must leave no page with an
    exception that was not caught there.
    """
    program = find_program("chromium", package="chromium")
    return await trio.to_thread.run_sync(_run, program, script)


def _run(program: str, script: Callable[[BrowserContext], T]) -> T:
    from playwright.sync_api import sync_playwright  # takes a third of a second

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            # Its sandbox needs rights that root and containers do not have; all pages are ours.
            args=["--no-sandbox"],
            timeout=2 * PATIENCE,
        )
        with contextlib.closing(browser):
            context = browser.new_context(locale="zh-CN")
            context.set_default_timeout(PATIENCE)
            with _no_error_in_a_page(context):
                return script(context)


@contextlib.contextmanager
def _no_error_in_a_page(context: BrowserContext) -> Iterator[None]:
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    yield
    assert wrong == [], wrong


def wait_for_output(page: Page, text: str) -> None:
    """Return once `page` has been shown a piece of output that says `text`."""
    page.wait_for_function("text => seen.some(({data}) => data.text === text)", arg=text)
