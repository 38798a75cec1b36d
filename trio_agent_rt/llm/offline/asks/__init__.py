"""Rules for what is asked of texts and of the clock."""

from .clock import tell_time
from .texts import count, extract, replace, rewrite

__all__ = ["count", "extract", "replace", "rewrite", "tell_time"]
