"""Peers that mean harm, many at a time, and what they have left behind."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import random
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import trio

__all__ = [
    "Hostile",
    "attack",
    "count_objects",
    "count_open_files",
    "resident_bytes",
    "socket_of",
    "until_alone",
]


class Peer(Protocol):
    """What decides about every byte over one stream."""

    stream: trio.abc.Stream


P = TypeVar("P", bound=Peer)
Hostile = Callable[[P, random.Random], Awaitable[None]]


class Address(Protocol):
    """Where a server listens."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


def socket_of(peer: Peer) -> trio.SocketStream:
    """The peer's TCP connection."""
    assert isinstance(peer.stream, trio.SocketStream)
    return peer.stream


async def attack(
    address: Address,
    kinds: Sequence[Hostile[P]],
    make_peer: Callable[[trio.abc.Stream], P],
    *,
    count: int,
    at_once: int,
    chance: random.Random,
    patience: float = math.inf,
) -> Counter[str]:
    """`count` hostile connections, `at_once` at a time; gives how often each kind came.

    Args:
        patience: seconds after which a peer leaves.
    """
    done: Counter[str] = Counter()
    numbers = iter(range(count))

    async def attackers() -> None:
        for number in numbers:
            hostile = kinds[number % len(kinds)]
            mine = random.Random(chance.random())
            with trio.socket.socket() as each, contextlib.suppress(trio.BrokenResourceError):
                if mine.random() < 0.3:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await each.connect((address.host, address.port))
                peer = make_peer(trio.SocketStream(each))
                with (
                    contextlib.suppress(trio.ClosedResourceError, AssertionError),
                    trio.move_on_after(patience),
                ):
                    await hostile(peer, mine)
            done[hostile.__name__] += 1

    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(attackers)
    return done


def count_open_files() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def count_objects() -> int:
    """How many objects there are; one left behind by each peer would show."""
    gc.collect()
    return len(gc.get_objects())


def resident_bytes() -> int:
    """How much memory this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def until_alone(pause: float) -> None:
    """Until the server has let go of everybody: within `pause` no file is closed any more."""
    with trio.fail_after(10):
        while True:
            files = count_open_files()
            await trio.sleep(pause)
            if count_open_files() == files:
                return
