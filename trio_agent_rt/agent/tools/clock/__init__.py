"""Dates and times: read, moved, taken to another zone, and written."""

from .tool import datetime_format
from .zones import ZONE_NAMES_ZH, find_zone

__all__ = ["ZONE_NAMES_ZH", "datetime_format", "find_zone"]
