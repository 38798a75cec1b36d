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
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.pages import REPOSITORY, blocks
from tests.programs import find_program

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

__all__ = ["NAMES", "main", "make_pictures"]

TUTORIAL = REPOSITORY / "docs" / "tutorial" / "in-a-browser.md"
PICTURES = REPOSITORY / "docs" / "img"
NAMES = ("question", "running", "done", "receipt")
SIZE: ViewportSize = {"width": 900, "height": 720}
PATIENCE = 20_000
"""Milliseconds that the page may take for each step."""


def main() -> None:
    """Make every picture anew."""
    for path in make_pictures(PICTURES):
        print(path.relative_to(REPOSITORY))


def make_pictures(into: Path) -> list[Path]:
    """Make every picture; gives their files."""
    from playwright.sync_api import sync_playwright

    chromium = find_program("chromium", package="chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        _serving(Path(folder)) as url,
        sync_playwright() as playwright,
    ):
        # Its sandbox needs rights that root and containers do not have; the page is ours.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with closing(browser):
            context = browser.new_context(
                viewport=SIZE, locale="en-GB", timezone_id="UTC", reduced_motion="reduce"
            )
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto(url)
            paths = {name: into / f"tutorial-{name}.png" for name in NAMES}
            _tidy_up(page, paths)
            for name in ("draft.bak", "export.tmp"):
                (Path(folder) / "attic" / name).touch()
            _cancel(page, paths)
    return list(paths.values())


def _tidy_up(page: Page, paths: Mapping[str, Path]) -> None:
    """A task to its end, with the question on the way."""
    _start(page)
    page.get_by_role("dialog").get_by_text("Delete draft.bak, export.tmp?").wait_for()
    _take(page, paths["question"])
    _approve(page)
    page.get_by_text("50 % draft.bak").first.wait_for()
    _take(page, paths["running"])
    page.get_by_text("deleted 2 files").first.wait_for()
    _take(page, paths["done"])


def _cancel(page: Page, paths: Mapping[str, Path]) -> None:
    """A task that is cancelled in the middle, and its receipt."""
    _start(page)
    _approve(page)
    page.get_by_text("50 % draft.bak").first.wait_for()
    page.get_by_role("button", name=re.compile("^cancel", re.IGNORECASE)).first.click()
    page.get_by_text(re.compile("cleanup", re.IGNORECASE)).first.wait_for()
    _take(page, paths["receipt"])


def _start(page: Page) -> None:
    page.get_by_role("textbox", name="What should the agent do?").fill("tidy up")
    page.get_by_role("button", name="Start").click()


def _approve(page: Page) -> None:
    yes = page.get_by_role("button", name=re.compile("approve", re.IGNORECASE))
    yes.wait_for()
    page.wait_for_timeout(1000)  # The page takes what is pressed at once for meant elsewhere.
    yes.click()


def _take(page: Page, path: Path) -> None:
    page.evaluate("document.activeElement?.blur()")
    page.screenshot(path=path, animations="disabled", caret="hide")


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
    log = folder / "tidy.log"  # a program that Ctrl-C ends says so in a traceback
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(program)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        if not _listens(process, ports["8081"]):
            raise SystemExit(f"the tutorial's program does not serve:\n{log.read_text()}")
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


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    for _ in range(400):
        with closing(socket.socket()) as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)  # Another process: there is nothing to wait for but time.
    return False


if __name__ == "__main__":
    main()
