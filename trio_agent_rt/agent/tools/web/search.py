"""`web_search`: what a search engine of the user's choice finds, and one such engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
import trio
from attrs import asdict, frozen
from msgspec import Meta

from ....errors import ToolError
from ...tool import Tool, ToolCall, tool
from .access import WebAccess, load_transport, may_pass, shown
from .body import ACCEPTED_ENCODINGS, read_body

if TYPE_CHECKING:
    from .transport import WebTransport

__all__ = ["SearXNG", "SearchProvider", "SearchResult", "web_search_tool"]

_MAX_RESULTS = 20
_MAX_TITLE = 300
_MAX_URL = 2000
_MAX_SNIPPET = 1000

_NO_PROVIDER = (
    "web_search has no search engine to ask: whoever runs this agent can give it one with "
    "default_tools(search=SearXNG('https://…')) or a SearchProvider of their own"
)


@frozen(kw_only=True)
class SearchResult:
    """One thing that a search engine found."""

    title: str
    url: str
    snippet: str = ""
    """A few words of the page, or about it."""


class SearchProvider(Protocol):
    """A search engine; any object with this method is one."""

    async def search(self, query: str, limit: int) -> Sequence[SearchResult]:
        """What there is for `query`, the best first; more than `limit` are dropped.

        Raises:
            ToolError: when it cannot be asked; the text says why.

        Cancellation: closes its connections.
        """
        ...


def web_search_tool(provider: SearchProvider | None = None, *, timeout: float = 30.0) -> Tool:
    """The tool `web_search`.

    Args:
        provider: the search engine; None for none, which the tool then says.
        timeout: how long one search may take, in seconds.
    """

    @tool(category="web", retryable=provider is not None)
    async def web_search(
        call: ToolCall,
        query: Annotated[str, Meta(min_length=1, max_length=400, description="what to look for")],
        limit: Annotated[
            int, Meta(ge=1, le=_MAX_RESULTS, description="how many results to give at most")
        ] = 5,
    ) -> dict[str, Any]:
        """Search the web. Gives `query`, `count`, `results` (each with `title`, `url` and
        `snippet`) and `report`, the same as text. web_fetch reads what was found."""
        await trio.lowlevel.checkpoint()
        if provider is None:
            raise ToolError(_NO_PROVIDER, retryable=False)
        if not query.strip():
            raise ToolError("the query is empty", retryable=False)
        call.progress(0, "Searching")
        with trio.move_on_after(timeout):
            found = await provider.search(query.strip(), limit)
            results = [_bounded(each) for each in found[:limit]]
            call.progress(100, f"{len(results)} results")
            return {
                "query": query,
                "count": len(results),
                "report": _report(results),
                "results": [asdict(each) for each in results],
            }
        raise ToolError(f"the search engine has not answered within {timeout:g} s")

    return web_search


def _bounded(result: SearchResult) -> SearchResult:
    """What an engine found, in a length that leaves room for the others."""
    return SearchResult(
        title=_in_one_line(result.title)[:_MAX_TITLE],
        url=result.url[:_MAX_URL],
        snippet=_in_one_line(result.snippet)[:_MAX_SNIPPET],
    )


def _report(results: Sequence[SearchResult]) -> str:
    """The results as a numbered list."""
    return "".join(
        f"{number}. {each.title or each.url}\n   {each.url}\n"
        + (f"   {each.snippet}\n" if each.snippet else "")
        for number, each in enumerate(results, 1)
    )


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


class _Result(msgspec.Struct):
    url: str = ""
    title: str | None = None
    content: str | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]


class SearXNG:
    """Asks a SearXNG instance through its JSON interface.

    The instance may stand on this machine or a private network. Its `settings.yml` must
    list `json` under `search.formats`; most public instances do not.

    Args:
        base_url: where it is, such as `https://search.example.com/` or `http://127.0.0.1:8888`.
        language: a code such as `en`, or None for the instance's choice.
        timeout: how long one search may take, in seconds.

    Raises:
        ValueError: when `base_url` is no http:// or https:// URL.
    """

    def __init__(
        self, base_url: str, *, language: str | None = None, timeout: float = 20.0
    ) -> None:
        access = WebAccess(allow_private=True, timeout=timeout)
        try:
            url = access.url(base_url)
        except ToolError as exc:
            raise ValueError(str(exc)) from None
        self._url = url.copy_with(path=url.path.rstrip("/") + "/search", query=None)
        self._language = language
        self._access = access
        self._transport: WebTransport | None = None

    async def search(self, query: str, limit: int) -> Sequence[SearchResult]:
        """What the instance finds; see `SearchProvider.search`."""
        parameters = {"q": query, "format": "json"}
        if self._language is not None:
            parameters["language"] = self._language
        transport = self._transport = self._transport or load_transport(self._access)
        request = transport.request(
            "GET",
            self._url.copy_with(params=parameters),
            {"Accept": "application/json", "Accept-Encoding": ACCEPTED_ENCODINGS},
        )
        response = await transport.handle_async_request(request)
        try:
            self._require_success(response.status_code)
            body = await read_body(response, self._access.max_bytes, lambda _: None)
        finally:
            await response.aclose()
        await trio.lowlevel.checkpoint()
        try:
            answer = msgspec.json.decode(body.data, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ToolError(
                f"what answers at {shown(str(self._url))} is not SearXNG's JSON interface",
                retryable=False,
            ) from None
        return [
            SearchResult(title=each.title or "", url=each.url, snippet=each.content or "")
            for each in answer.results
            if each.url.startswith(("http://", "https://"))
        ][:limit]

    def _require_success(self, status: int) -> None:
        if status == 403:
            raise ToolError(
                f"{self._url.host} refuses to answer in JSON (403): "
                "its settings.yml must list json under search.formats",
                retryable=False,
            )
        if status == 429:
            raise ToolError(f"{self._url.host} has been asked too often (429); try again later")
        if status != 200:
            text = f"{self._url.host} answers the search with status {status}"
            raise ToolError(text, retryable=may_pass(status))
