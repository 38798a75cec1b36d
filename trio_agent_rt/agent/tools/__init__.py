"""The default tools: files inside one folder, CSV, JSON, tables, text, arithmetic, waiting."""

from .defaults import MAX_WAIT, default_tools, wait
from .expression import CONSTANTS, FUNCTIONS, evaluate, math_evaluate
from .files import MAX_FILE_BYTES, file_tools
from .tables import csv_parse, table_describe
from .text import MAX_TEXT_CHARS, json_parse, text_search

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "MAX_FILE_BYTES",
    "MAX_TEXT_CHARS",
    "MAX_WAIT",
    "csv_parse",
    "default_tools",
    "evaluate",
    "file_tools",
    "json_parse",
    "math_evaluate",
    "table_describe",
    "text_search",
    "wait",
]
