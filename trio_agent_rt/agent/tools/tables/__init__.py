"""Tables: reading CSV, and describing what columns hold."""

from .csv_table import csv_parse
from .describe import table_describe

__all__ = ["csv_parse", "table_describe"]
