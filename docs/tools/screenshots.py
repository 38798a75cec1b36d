"""Makes the pictures of the tutorial: runs its program, and does in a browser what it says.

    make screenshots

Needs Chromium; asks nothing of anybody but the program's own server. It finds what it uses by
what a person reads (roles and words), so that it fails when the page says something else.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.pages import REPOSITORY, blocks
from tests.programs import find_program

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["main"]

TUTORIAL = REPOSITORY / "docs" / "tutorial" / "in-a-browser.md"
PICTURES = REPOSITORY / "docs" / "img"
SIZE = {"width": 900, "height": 720}
PATIENCE = 20_000
"""Milliseconds that the page may take for each step."""


def main() -> None:
    """Make every picture anew."""
    from playwright.sync_api import sync_playwright

    chromium = find_program("chromium", package="chromium")
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder)) as url:
        with sync_playwright() as playwright:
            # Its sandbox needs rights that root and containers do not have; the page is ours.
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            with closing(browser):
                context = browser.new_context(
                    viewport=SIZE, locale="en-GB", timezone_id="UTC", reduced_motion="reduce"
                )
                context.set_default_timeout(PATIENCE)
                page = context.new_page()
                page.goto(url)
                _tidy_up(page)
                for name in ("draft.bak", "export.tmp"):
                    (Path(folder) / "attic" / name).touch()
                _cancel(page)


def _tidy_up(page: Page) -> None:
    """A task to its end, with the question on the way."""
    _start(page)
    page.get_by_role("dialog").get_by_text("Delete draft.bak, export.tmp?").wait_for()
    _take(page, "question")
    page.get_by_role("button", name=re.compile("approve", re.IGNORECASE)).click()
    page.get_by_text("draft.bak", exact=True).first.wait_for()  # said with the progress
    _take(page, "running")
    page.get_by_text("deleted 2 files").first.wait_for()
    _take(page, "done")


def _cancel(page: Page) -> None:
    """A task that is cancelled in the middle, and its receipt."""
    _start(page)
    page.get_by_role("button", name=re.compile("approve", re.IGNORECASE)).click()
    page.get_by_role("button", name=re.compile("^cancel", re.IGNORECASE)).first.click()
    page.get_by_text(re.compile("cleanup", re.IGNORECASE)).first.wait_for()
    _take(page, "receipt")


def _start(page: Page) -> None:
    page.get_by_role("textbox", name="What should the agent do?").fill("tidy up")
    page.get_by_role("button", name="Start").click()


def _take(page: Page, name: str) -> None:
    path = PICTURES / f"tutorial-{name}.png"
    page.evaluate("document.activeElement?.blur()")
    page.screenshot(path=path, animations="disabled", caret="hide")
    print(path.relative_to(REPOSITORY))


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """The tutorial's program, running in a folder; gives the address of its page."""
    (block,) = (each for each in blocks(TUTORIAL) if each.kind == "server")
    ports = {given: _free_port() for given in ("8080", "8081")}
    program = folder / "tidy.py"
    program.write_text(
        re.sub("|".join(ports), lambda given: str(ports[given[0]]), block.code),
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [sys.executable, str(program)],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), **os.environ},
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_listens(process, ports["8081"])
        yield f"http://127.0.0.1:{ports['8081']}/"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(400):
        if process.poll() is not None:
            break
        with closing(socket.socket()) as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # Another process: there is nothing to wait for but time.
    raise SystemExit("the tutorial's program does not serve")


if __name__ == "__main__":
    main()
