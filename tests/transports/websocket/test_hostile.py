"""Two thousand peers that mean harm, and one that does not."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter

import pytest
import trio

from tests.transports.hostility import (
    Hostile,
    attack,
    count_objects,
    count_open_files,
    resident_bytes,
    socket_of,
    until_alone,
)
from tests.transports.websocket.peers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    RawPeer,
    frame,
    reset,
    serving,
    upgrade,
    whole_life,
)
from trio_agent_rt.realtime import Limits
from trio_agent_rt.transports import WebSocketAddress

CONNECTIONS = 2000
AT_ONCE = 100
SEED = 20240229

LIMITS = Limits(
    handshake_timeout=2,  # the honest one shares two cores with a hundred attackers
    write_timeout=0.5,
    close_timeout=0.2,
    heartbeat_interval=1,
    heartbeat_timeout=1.5,
    max_message_bytes=50_000,
)

SUBMIT = json.dumps({"type": "task:submit", "data": {"task": "a task"}}).encode()


async def garbage(peer: RawPeer, chance: random.Random) -> None:
    await peer.send(chance.randbytes(chance.randrange(1, 5000)))
    await peer.until_end()


async def tls_hello(peer: RawPeer, chance: random.Random) -> None:
    await peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(508))
    await peer.until_end()


async def bad_handshake(peer: RawPeer, chance: random.Random) -> None:
    request = bytearray(upgrade())
    for _ in range(chance.randrange(1, 10)):
        request[chance.randrange(len(request) - 4)] = chance.randrange(256)
    await peer.send(bytes(request))
    await peer.until_end()


async def huge_header(peer: RawPeer, chance: random.Random) -> None:
    await peer.send(upgrade(headers=["X-Large: " + "x" * chance.randrange(10_000, 200_000)]))
    await peer.until_end()


async def half_open(peer: RawPeer, chance: random.Random) -> None:
    """Connects, perhaps begins, and then does nothing for as long as it can."""
    request = upgrade()
    await peer.send(request[: chance.randrange(len(request))])
    await peer.until_end()


async def trickle(peer: RawPeer, chance: random.Random) -> None:
    for each in upgrade():
        await peer.send(bytes((each,)))
        await trio.sleep(0.02)


async def reset_anywhere(peer: RawPeer, chance: random.Random) -> None:
    life = upgrade() + frame(TEXT, SUBMIT) + frame(PING, b"x") + frame(TEXT, b"{}")
    await peer.send(life[: chance.randrange(len(life))])
    for _ in range(chance.randrange(5)):
        await trio.lowlevel.checkpoint()
    reset(socket_of(peer))


async def leave_anywhere(peer: RawPeer, chance: random.Random) -> None:
    life = upgrade() + frame(TEXT, SUBMIT) + frame(PING, b"x") + frame(CLOSE)
    await peer.send(life[: chance.randrange(len(life))])


async def half_close(peer: RawPeer, chance: random.Random) -> None:
    await peer.shake_hands()
    await peer.send(frame(TEXT, SUBMIT)[: chance.choice([5, 1000])])
    await socket_of(peer).send_eof()
    await peer.until_end()


async def frames_before_the_answer(peer: RawPeer, chance: random.Random) -> None:
    await peer.send(upgrade() + frame(TEXT, SUBMIT) * chance.randrange(1, 50))
    await peer.until_end()


async def broken_frames(peer: RawPeer, chance: random.Random) -> None:
    await peer.shake_hands()
    broken = [
        frame(TEXT, b"\xff\xff"),
        frame(TEXT, b"{}", mask=False),
        frame(TEXT, b"{}", reserved=chance.randrange(1, 8)),
        frame(chance.choice([3, 4, 5, 6, 7, 11, 15]), b"x"),
        frame(CONTINUATION, b"x"),
        frame(PING, bytes(200)),
        frame(CLOSE, b"x"),
        frame(BINARY, b"x"),
        b"\x81\xff" + b"\xff" * 12,
        chance.randbytes(chance.randrange(2, 3000)),
    ]
    await peer.send(b"".join(chance.sample(broken, 3)))
    await peer.until_end()


async def oversize(peer: RawPeer, chance: random.Random) -> None:
    await peer.shake_hands()
    await peer.send(frame(TEXT, b"x" * chance.randrange(50_001, 500_000)) + frame(PING) * 5)
    await peer.until_end()


async def message_flood(peer: RawPeer, chance: random.Random) -> None:
    await peer.shake_hands()
    await peer.send(frame(TEXT, chance.choice([SUBMIT, b"{}", b"x", b'{"type":"ping"}'])) * 1000)
    await peer.until_end()


async def ping_flood(peer: RawPeer, chance: random.Random) -> None:
    """Never reads the pongs either, so that they pile up."""
    await peer.shake_hands()
    await peer.send(frame(PING, bytes(chance.randrange(126))) * 1000)


async def endless_message(peer: RawPeer, chance: random.Random) -> None:
    await peer.shake_hands()
    await peer.send(frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 5000)
    await peer.until_end()


async def never_answers(peer: RawPeer, chance: random.Random) -> None:
    """Is in, and answers no ping; then no close."""
    await peer.shake_hands()
    await trio.sleep(3)


HOSTILE: list[Hostile[RawPeer]] = [
    garbage,
    tls_hello,
    bad_handshake,
    huge_header,
    half_open,
    trickle,
    reset_anywhere,
    leave_anywhere,
    half_close,
    frames_before_the_answer,
    broken_frames,
    oversize,
    message_flood,
    ping_flood,
    endless_message,
    never_answers,
]


async def harass(address: WebSocketAddress, count: int, chance: random.Random) -> Counter[str]:
    return await attack(address, HOSTILE, RawPeer, count=count, at_once=AT_ONCE, chance=chance)


@pytest.mark.hang_guard(120)
async def test_two_thousand_hostile_peers_leave_nothing_and_a_healthy_one_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, logger="trio_agent_rt")
    chance = random.Random(SEED)
    lives: list[float] = []

    async def stay_healthy() -> None:
        while True:
            began = trio.current_time()
            assert await whole_life(address) == "succeeded"
            lives.append(trio.current_time() - began)

    async with serving(limits=LIMITS) as (_, address):
        # What is allocated once, by whoever comes first, is not what is measured.
        await harass(address, 20 * len(HOSTILE), chance)
        await until_alone(LIMITS.close_timeout + 0.1)
        files, memory, objects = count_open_files(), resident_bytes(), count_objects()
        living = trio.lowlevel.current_statistics().tasks_living
        began = trio.current_time()
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stay_healthy)
                done = await harass(address, CONNECTIONS, chance)
                nursery.cancel_scope.cancel()
            await until_alone(LIMITS.close_timeout + 0.1)
        took = trio.current_time() - began
        grown = resident_bytes() - memory
        assert await whole_life(address) == "succeeded"
        await until_alone(LIMITS.close_timeout + 0.1)
        assert count_open_files() == files
        assert trio.lowlevel.current_statistics().tasks_living == living
        # Trio forgets deadlines that are over when there are a thousand of them.
        assert count_objects() - objects < 1000
    print(
        f"\n{done.total()} hostile connections in {took:.1f} s: {dict(done)}\n"
        f"healthy lives meanwhile: {len(lives)}, the longest {max(lives):.2f} s; "
        f"memory {grown / 1e6:+.1f} MB, files {count_open_files() - files:+d}"
    )
    assert done.total() == CONNECTIONS
    assert lives
    assert grown < 16e6
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
