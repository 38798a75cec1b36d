"""When a thread that was left behind has ended."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

import trio

from trio_agent_rt.agent.stopping import threads

__all__ = ["an_end"]


@contextmanager
def an_end() -> Generator[trio.Event]:
    """Set when the log tells that a thread which was left behind has ended."""
    ended = trio.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "has ended" in record.getMessage():
                ended.set()

    logger = logging.getLogger(threads.__name__)
    before, handler = logger.level, Handler()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield ended
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
