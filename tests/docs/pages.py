"""The documentation's pages as the tests see them: links, anchors, marked code blocks.

A comment on the line before a block says what a test does with it:

```
<!-- test: run -->            a program that ends by itself, with 0
<!-- test: server NAME -->    a program that serves on port 8080, 8081 or both until it is
                              interrupted
<!-- test: client NAME -->    a program that is run against that server
<!-- test: command -->        JSON that a client sends
<!-- test: event -->          JSON that a server sends
<!-- test: plan -->           JSON of a plan
<!-- test: page -->           JavaScript of a page; see tests/browser
<!-- test: react -->         a page's src/main.jsx; see tests/browser/react
<!-- test: nginx -->          a configuration of nginx; see tests/nginx
```

A program runs in a folder with `sales.csv` in it. `prints "TEXT"` after a mark of a
program demands that it prints TEXT. Python without a mark must compile, and what it
imports from the library must exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

__all__ = ["PAGES", "REPOSITORY", "Block", "anchors", "blocks", "links"]

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])

_BLOCK = re.compile(
    r"^(?:<!-- test: (?P<mark>.*?) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


@frozen
class Block:
    """A fenced block of code."""

    page: str
    """Its path in the repository."""
    line: int
    language: str
    code: str
    kind: str
    """The first word of its mark; empty without one."""
    name: str
    prints: Sequence[str]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        mark = match["mark"] or ""
        kind, _, rest = re.sub(r' *prints ".*?"', "", mark).partition(" ")
        yield Block(
            page=page.relative_to(REPOSITORY).as_posix(),
            line=text.count("\n", 0, match.start("code")) + 1,
            language=match["language"],
            code=match["code"],
            kind=kind,
            name=rest.strip(),
            prints=re.findall(r'prints "(.*?)"', mark),
        )


def links(page: Path) -> Iterator[str]:
    """Where a page's links lead, and its pictures lie; code left out."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    yield from _LINK.findall(re.sub(r"`[^`\n]*`", "", text))


def anchors(page: Path) -> set[str]:
    """The names that the headings of a page can be linked by."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    return {_slug(heading) for heading in _HEADING.findall(text)}


def _slug(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")
