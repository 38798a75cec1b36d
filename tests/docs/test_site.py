"""The site is made from the pages of the repository, whole, and asks nobody for anything."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from docs.tools import pages
from tests.browser.chromium import in_chromium

from .pages import REPOSITORY

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

_NEED_MKDOCS = "needs the extra `docs`: make docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built as `make docs` does."""
    pytest.importorskip("mkdocs", reason=_NEED_MKDOCS)
    built = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(built)],
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return built


def _html(site: Path) -> list[tuple[str, str]]:
    return [
        (each.relative_to(site).as_posix(), each.read_text(encoding="utf-8"))
        for each in sorted(site.rglob("*.html"))
    ]


def test_make_docs_builds_it_as_strictly() -> None:
    """With --quiet MkDocs does not count the warnings that --strict is to fail for."""
    assert "mkdocs build --strict\n" in (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^"'>]*"""
    for name, text in _html(site):
        assert re.findall(loads, text) == [], name


def test_lists_tables_and_code_came_out_as_such(site: Path) -> None:
    swallowed = re.compile(r"<p>(?:(?!</p>).)*?\n(?:[-*] |\d+\. |\|)[^\n]*", re.DOTALL)
    for name, text in _html(site):
        if name.startswith("source/"):
            continue
        prose = re.sub(r"<(pre|code|script)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert swallowed.findall(prose) == [], name
        assert "```" not in prose, name
        assert "<!-- test:" not in text, name
        assert "<!-- messages:" not in text, name


def test_every_docstring_of_a_public_name_is_in_it(site: Path) -> None:
    api = "".join(text for name, text in _html(site) if name.startswith("reference/api/"))
    for said in (
        "An agent that anybody can watch and steer, through any number of transports.",
        "A task has ended: exactly one per task, and its last message.",
        "How a client whose connection was cut gets it back.",
    ):
        assert said in api
    assert 'id="trio_agent_rt.StepStarted"' in api
    assert "doc-module-name" not in api, "it shows a module in the place of what is in it"


async def test_a_browser_shows_it_and_searches_it_without_asking_anybody_else(site: Path) -> None:
    with _served(site) as url:

        def look(context: BrowserContext) -> list[str]:
            asked: list[str] = []
            page = context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            for name in ("index.html", "explanation/delivery-guarantees.html"):
                page.goto(f"{url}/{name}", wait_until="load")
            page.get_by_role("textbox", name="Search").fill("receipt")
            page.locator(".md-search-result__link").first.wait_for()
            return asked

        with trio.fail_after(60):
            asked = await in_chromium(look)
    assert [each for each in asked if not each.startswith((url, "data:", "blob:"))] == []


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


# --- what is done to the pages, without building them


@pytest.mark.parametrize(
    ("path", "text", "there"),
    [
        ("docs/a/b.md", "[x](../../examples/y.py#z)", "[x](../examples/y.md#z)"),
        ("docs/a/b.md", "[x](../../tests/y/z.py)", "[x](../source/tests/y/z.md)"),
        ("docs/a/b.md", "[t]: ../../tests/y.py", "[t]: ../source/tests/y.md"),
        ("docs/index.md", "[x](../README.md#two-commands)", "[x](readme.md#two-commands)"),
        ("README.md", "[x](docs/a/b.md) ![p](docs/img/p.svg)", "[x](a/b.md) ![p](img/p.svg)"),
        ("docs/a/b.md", "[x](c.md) [y](#z) [w](https://w.org)", None),
        ("docs/a/b.md", "`[x](../../tests/y.py)`", None),
        ("docs/a/b.md", "```\n[x](../../tests/y.py)\n```\n", None),
        ("docs/a/b.md", "<!-- test: run -->\n```python\n1\n```\n", "```python\n1\n```\n"),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(
    path: str, text: str, there: str | None
) -> None:
    assert pages.for_the_site(text, path) == (text if there is None else there)


def test_every_example_and_every_linked_file_has_a_page() -> None:
    added = pages.added_pages()
    assert {"readme.md", "changelog.md", "source/tests/realtime/life/test_life.md"} <= set(added)
    examples = {f"examples/{each.stem}.md" for each in (REPOSITORY / "examples").glob("*.py")}
    assert examples <= set(added)
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    assert {each for each in examples if f"- {each}\n" not in navigation} == set()
