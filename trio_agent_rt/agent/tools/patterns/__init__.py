"""Finding and replacing with regular expressions whose time is limited."""

from .extract import text_extract
from .replace import text_replace

__all__ = ["text_extract", "text_replace"]
