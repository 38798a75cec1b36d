"""The web: one page as text, what a search engine finds, and the rules of what is reached."""

from .access import MAX_PAGE_BYTES, WEB_PORTS, Dial, Resolve, WebAccess
from .fetch import web_fetch_tool
from .search import SearchProvider, SearchResult, SearXNG, web_search_tool

__all__ = [
    "MAX_PAGE_BYTES",
    "WEB_PORTS",
    "Dial",
    "Resolve",
    "SearXNG",
    "SearchProvider",
    "SearchResult",
    "WebAccess",
    "web_fetch_tool",
    "web_search_tool",
]
