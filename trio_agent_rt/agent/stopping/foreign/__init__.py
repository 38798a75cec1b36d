"""Code that is written for another event loop than Trio's."""

from .asyncio_loops import run_asyncio

__all__ = ["run_asyncio"]
