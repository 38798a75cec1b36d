"""The default tools: files inside one folder, the web, CSV, JSON, tables, text, …"""

from .clock import datetime_format
from .defaults import MAX_WAIT, default_tools, wait
from .expression import CONSTANTS, FUNCTIONS, evaluate, math_evaluate
from .files import MAX_FILE_BYTES, file_tools
from .patterns import text_extract, text_replace
from .programs import CodeLimits, code_execute_tool
from .stringify import json_stringify
from .tables import csv_parse, table_describe
from .text import MAX_TEXT_CHARS, json_parse, text_search
from .web import (
    SearchProvider,
    SearchResult,
    SearXNG,
    WebAccess,
    web_fetch_tool,
    web_search_tool,
)

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "MAX_FILE_BYTES",
    "MAX_TEXT_CHARS",
    "MAX_WAIT",
    "CodeLimits",
    "SearXNG",
    "SearchProvider",
    "SearchResult",
    "WebAccess",
    "code_execute_tool",
    "csv_parse",
    "datetime_format",
    "default_tools",
    "evaluate",
    "file_tools",
    "json_parse",
    "json_stringify",
    "math_evaluate",
    "table_describe",
    "text_extract",
    "text_replace",
    "text_search",
    "wait",
    "web_fetch_tool",
    "web_search_tool",
]
