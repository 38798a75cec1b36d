"""`web_fetch`: one page of the web, as text."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

import trio
from attrs import asdict
from msgspec import Meta

from ....errors import ToolError
from ...tool import Tool, ToolCall, tool
from .access import MAX_URL_CHARS, WebAccess, load_transport, may_pass, read_url, shown
from .body import ACCEPTED_ENCODINGS, read_body, text_of
from .page import read_page

if TYPE_CHECKING:
    import httpx

    from .transport import WebTransport

__all__ = ["web_fetch_tool"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_CHARS = 1_000_000
_USUAL_CHARS = 50_000
"""A long article; a model's whole memory may be no more than eight of these."""

_MAX_ERROR_CHARS = 300
_TEXT_TYPES = ("json", "xml", "javascript", "ecmascript", "yaml", "toml", "x-www-form-urlencoded")
"""What is text outside of text/*, as the end of a type or of its suffix."""


def web_fetch_tool(access: WebAccess | None = None) -> Tool:
    """The tool `web_fetch`.

    Args:
        access: what it may reach and how much of it; None for the public web.
    """
    allowed = access or WebAccess()
    transports: list[WebTransport] = []

    @tool(category="web", retryable=True)
    async def web_fetch(
        call: ToolCall,
        url: Annotated[
            str, Meta(max_length=MAX_URL_CHARS, description="an http:// or https:// address")
        ],
        method: Annotated[
            Literal["GET", "HEAD"], Meta(description="HEAD asks what there is, without the text")
        ] = "GET",
        max_chars: Annotated[
            int, Meta(ge=1, le=_MAX_CHARS, description="how much of the text to give")
        ] = _USUAL_CHARS,
    ) -> dict[str, Any]:
        """Fetch a page or a text file from the web. Gives `url` (after redirects), `status`,
        `content_type`, `encoding`, `bytes`, `title`, `text` (HTML becomes plain text), `links`
        (each with `text` and `url`), `truncated`, and `note` when there is something to know."""
        if not transports:
            transports.append(load_transport(allowed))
        with trio.move_on_after(allowed.timeout):
            return await _Fetch(call, allowed, transports[0], method).run(url, max_chars)
        raise ToolError(f"{shown(url)} was not fetched within {allowed.timeout:g} s")

    return web_fetch


class _Fetch:
    """One call of the tool."""

    def __init__(
        self, call: ToolCall, access: WebAccess, transport: WebTransport, method: str
    ) -> None:
        self._call = call
        self._access = access
        self._transport = transport
        self._method = method

    async def run(self, text: str, max_chars: int) -> dict[str, Any]:
        """Follow redirects to the page, and read it."""
        url = self._access.url(text)
        for _ in range(self._access.max_redirects + 1):
            self._call.progress(0, f"Asking {url.host}")
            response = await self._transport.handle_async_request(self._request(url))
            try:
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or location is None:
                    return await self._read(url, response, max_chars)
            finally:
                await response.aclose()
            url = self._redirected(url, location)
        raise ToolError(
            f"{shown(text)} was redirected more than {self._access.max_redirects} times, "
            f"last to {shown(str(url))}",
            retryable=False,
        )

    def _request(self, url: httpx.URL) -> httpx.Request:
        return self._transport.request(
            self._method,
            url,
            {
                "User-Agent": self._access.user_agent,
                "Accept": "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.5",
                "Accept-Encoding": ACCEPTED_ENCODINGS,
            },
        )

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            return self._access.check(read_url(location, url))
        except ValueError:
            raise ToolError(
                f"{url.host} redirects to {shown(location)}, which is no URL", retryable=False
            ) from None
        except ToolError as exc:
            raise ToolError(
                f"{url.host} redirects to {shown(location)}: {exc}", retryable=False
            ) from None

    async def _read(
        self, url: httpx.URL, response: httpx.Response, max_chars: int
    ) -> dict[str, Any]:
        content_type = response.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()[:100]
        found: dict[str, Any] = {
            "url": str(url),
            "status": response.status_code,
            "content_type": kind or None,
            "encoding": None,
            "bytes": _length(response),
            "title": "",
            "text": "",
            "links": [],
            "truncated": False,
            "note": None,
        }
        if not _is_text(kind):
            found["note"] = _described(kind, found["bytes"])
        elif self._method != "HEAD":
            await self._read_text(found, response, content_type, kind, max_chars)
        if response.status_code >= 400:
            raise _refused(found, response)
        self._call.progress(100, f"{url.host} has answered")
        return found

    async def _read_text(
        self,
        found: dict[str, Any],
        response: httpx.Response,
        content_type: str,
        kind: str,
        max_chars: int,
    ) -> None:
        body = await read_body(response, self._access.max_bytes, self._teller(found["bytes"]))
        found |= {"bytes": len(body.data), "truncated": body.truncated}
        try:
            text, found["encoding"] = text_of(body, content_type)
        except ToolError:  # the server says it is text, or says nothing
            found["note"] = _described(kind, len(body.data))
            return
        if "html" in kind or (not kind and text.lstrip()[:100].lower().startswith("<!doctype h")):
            page = await read_page(text, found["url"])
            found["title"], text = page.title, page.text
            found["links"] = [asdict(each) for each in page.links]
        if body.truncated:
            found["note"] = f"only the first {len(body.data):,} bytes were read"
        if len(text) > max_chars:
            found["truncated"] = True
            found["note"] = f"these are the first {max_chars:,} of {len(text):,} characters" + (
                " of its beginning" if body.truncated else ""
            )
        found["text"] = text[:max_chars]

    def _teller(self, length: int | None) -> Any:
        def tell(received: int) -> None:
            if length:
                share = min(100.0, 100 * received / length)
                self._call.progress(share, f"{received:,} of {length:,} bytes")
            else:
                self._call.progress(0, f"{received:,} bytes")

        return tell


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _is_text(kind: str) -> bool:
    return not kind or kind.startswith("text/") or kind.endswith(_TEXT_TYPES)


def _described(kind: str, length: int | None) -> str:
    size = "" if length is None else f" of {length:,} bytes"
    return f"{kind or 'something'}{size}: it is not text, so it is not shown"


def _refused(found: dict[str, Any], response: httpx.Response) -> ToolError:
    status = response.status_code
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    said = " ".join((found["title"] or found["text"]).split())[:_MAX_ERROR_CHARS]
    text = f"{shown(found['url'])} answers {status} {phrase}".rstrip()
    retry_after = response.headers.get("retry-after", "")
    if retry_after.isascii() and retry_after.isdigit():
        text += f" (try again in {retry_after[:9]} s)"
    return ToolError(
        f"{text}: {said}" if said and said != phrase else text, retryable=may_pass(status)
    )
