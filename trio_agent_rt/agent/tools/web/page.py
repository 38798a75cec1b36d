"""A page of HTML as text that reads well: its title, its text, its links.

The parser is the standard library's. What a hostile page can do to it is bounded here: it
is fed in slices with a checkpoint between them, and does not wait long for a tag to end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from urllib.parse import urljoin

import trio
from attrs import field, frozen

__all__ = ["Link", "Page", "read_page"]

_SLICE = 4 * 1024
"""A millisecond or two of parsing, within which nobody else runs."""

_MAX_UNFINISHED = 64 * 1024
"""Characters of one tag or comment; the parser looks at all of them again with each slice."""

_MAX_LINKS = 200
_MAX_LINK_CHARS = 2000
_MAX_LINK_TEXT = 200
_MAX_TITLE = 500

_SILENT = frozenset({"script", "style", "template", "svg", "math", "object", "iframe", "canvas"})
_PARAGRAPH_TAGS = """
address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption
figure footer form h1 h2 h3 h4 h5 h6 header hr html li main nav ol p pre section summary table
tbody tfoot thead tr ul
"""
_PARAGRAPHS = frozenset(_PARAGRAPH_TAGS.split())
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}

_LONG_REFERENCE = re.compile(r"&#[0-9]{8,};?")
"""No character; and Python refuses to read the number if it has 4,300 digits."""

_SPACES = re.compile(r"[ \t\r\n\f]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


@frozen
class Link:
    """Where a page leads."""

    text: str
    url: str


@frozen(kw_only=True)
class Page:
    """What there is to read of a page."""

    title: str
    text: str
    links: Sequence[Link] = field(converter=tuple[Link, ...])


async def read_page(html: str, url: str) -> Page:
    """A page of HTML as text.

    Args:
        url: of the page, for links that are relative to it.
    """
    reader = _Reader(url)
    html = _LONG_REFERENCE.sub("\ufffd", html)
    done = 0
    while done < len(html):
        await trio.lowlevel.checkpoint()
        reader.feed(html[done : done + _SLICE])
        done += _SLICE
        if len(reader.rawdata) > _MAX_UNFINISHED:
            end = reader.skip()
            found = html.find(end, done)
            done = len(html) if found < 0 else found + len(end)
    # Not close(): for what has no end it takes time that grows with the square of it.
    reader.feed("\n")
    await trio.lowlevel.checkpoint()
    return reader.page()


class _Reader(HTMLParser):
    """Gathers the text of the elements that have any."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._base = url
        self._text: list[str] = []
        self._at_line_start = True
        self._title: list[str] = []
        self._titled = False
        self._in_title = False
        self._silent: str | None = None
        self._silent_depth = 0
        self._pre = 0
        self._links: dict[str, list[str]] = {}
        self._link: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        if self._silent is not None:
            self._silent_depth += tag == self._silent
            return
        if tag in _SILENT:
            self._silent, self._silent_depth = tag, 1
        elif tag == "title":
            self._in_title = True
        elif tag == "base":
            self._base = self._absolute(dict(attrs).get("href")) or self._base
        elif tag == "br":
            self._break("\n")
        elif tag in {"td", "th"}:
            self._break("" if self._at_line_start else "\t")
        elif tag == "img":
            self.handle_data(dict(attrs).get("alt") or "")
        elif tag == "a":
            self._begin_link(dict(attrs).get("href"))
        elif tag in _PARAGRAPHS:
            self._break("\n" if tag in {"li", "tr", "dt", "dd"} else "\n\n")
            self._write("- " if tag == "li" else _HEADINGS.get(tag, ""))
            self._pre += tag == "pre"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins that ends at once; in HTML only some do."""
        self.handle_starttag(tag, attrs)
        if tag in {"svg", "math"}:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if self._silent is not None:
            self._silent_depth -= tag == self._silent
            if self._silent_depth == 0:
                self._silent = None
            return
        if tag == "title":
            self._titled = self._titled or self._in_title
            self._in_title = False
        elif tag == "a":
            self._link = None
        elif tag in _PARAGRAPHS:
            self._pre = max(0, self._pre - (tag == "pre"))
            self._break("\n" if tag in {"li", "tr", "dt", "dd"} else "\n\n")

    def handle_data(self, data: str) -> None:
        """Text, its references resolved."""
        if self._silent is not None:
            return
        if self._in_title:
            self._title += [] if self._titled else [data]
            return
        if self._link is not None:
            self._link.append(data[:_MAX_LINK_TEXT])
        if not self._pre:
            data = _SPACES.sub(" ", data)
            if self._at_line_start or self._text[-1].endswith(" "):
                data = data.removeprefix(" ")
        self._write(data)

    def skip(self) -> str:
        """Give up what the parser waits to see the end of; gives the text that ends it."""
        if self.rawdata.startswith("<"):
            end = "-->" if self.rawdata.startswith("<!--") else ">"
            self.rawdata = ""
            return end
        self.feed("\n")  # text in which a reference may not be over
        self.rawdata = self.rawdata[-16:]  # a script: its end may have begun
        return ""

    def parse_html_declaration(self, i: int) -> int:
        """What begins with `<!`; garbage behind it is a comment, as in browsers."""
        try:
            return super().parse_html_declaration(i)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def _write(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._at_line_start = text.endswith("\n")

    def _break(self, with_what: str) -> None:
        if with_what and self._text:
            self._text.append(with_what)
            self._at_line_start = True

    def _begin_link(self, href: str | None) -> None:
        self._link = None
        url = self._absolute(href)
        if url and (url in self._links or len(self._links) < _MAX_LINKS):
            self._link = self._links.setdefault(url, [])
            if self._link:  # seen before, with its text
                self._link = None

    def _absolute(self, href: str | None) -> str | None:
        if not href or len(href) > _MAX_LINK_CHARS or href.startswith("#"):
            return None
        try:
            url = urljoin(self._base, href.strip())
        except ValueError:
            return None
        return url if url.startswith(("http://", "https://")) else None

    def page(self) -> Page:
        """What was gathered."""
        lines = "".join(self._text).splitlines()
        text = _EMPTY_LINES.sub("\n\n", "\n".join(each.rstrip() for each in lines)).strip("\n")
        return Page(
            title=_in_one_line("".join(self._title))[:_MAX_TITLE],
            text=text + "\n" if text else "",
            links=[
                Link(_in_one_line("".join(said))[:_MAX_LINK_TEXT], url)
                for url, said in self._links.items()
            ],
        )


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
