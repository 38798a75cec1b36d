"""Publishing events at a pace, on asyncio."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ..publishing import Credit, Options

__all__ = ["Publish", "publish_events"]

Publish: TypeAlias = Callable[[int], Awaitable[None] | None]
"""Gives an event to every client; what it returns, if anything, is awaited."""


async def publish_events(
    options: Options, publish: Callable[[int], Awaitable[None] | None]
) -> None:
    """Call `publish` with 0, 1, 2, … when it is time, until standard input is closed."""
    credit = Credit()
    interval = 1 / options.rate if options.rate else 0.0
    more = asyncio.Event()

    def listen() -> None:
        credit.feed(os.read(0, 65536))
        more.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(0, listen)
    await more.wait()
    published = 0
    next_at = loop.time()
    while True:
        if options.rate:
            await asyncio.sleep(next_at - loop.time())
            next_at += interval
        else:
            await asyncio.sleep(0)
        if published + options.batch > credit.events:
            while published + options.batch > credit.events:
                more.clear()
                await more.wait()
            next_at = loop.time() + interval
        for _ in range(options.batch):
            waiting = publish(published)
            if waiting is not None:
                await waiting
            published += 1
