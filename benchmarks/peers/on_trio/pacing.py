"""Publishing events at a pace, on Trio."""

from __future__ import annotations

import os
from collections.abc import Callable

import trio

from ..publishing import Credit, Options

__all__ = ["publish_events"]


async def publish_events(options: Options, publish: Callable[[int], None]) -> None:
    """Call `publish` with 0, 1, 2, … when it is time, until standard input is closed.

    Args:
        publish: gives an event to every client; must not wait.
    """
    credit = Credit()
    interval = 1 / options.rate if options.rate else 0.0
    more = trio.Event()

    async def listen() -> None:
        nonlocal more
        while True:
            await trio.lowlevel.wait_readable(0)
            credit.feed(os.read(0, 65536))
            more.set()
            more = trio.Event()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await more.wait()
        published = 0
        next_at = trio.current_time()
        while True:
            if options.rate:
                await trio.sleep_until(next_at)
                next_at += interval
            else:
                await trio.lowlevel.checkpoint()
            if published + options.batch > credit.events:
                while published + options.batch > credit.events:
                    await more.wait()
                next_at = trio.current_time() + interval
            for _ in range(options.batch):
                publish(published)
                published += 1
