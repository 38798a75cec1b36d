"""Three thousand HTTP peers that mean harm, and some that do not."""

from __future__ import annotations

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
from tests.transports.http.peers import GET, STREAM, HTTPPeer, ask, http, open_peer, serving
from tests.transports.websocket.peers import TEXT, frame, reset, upgrade
from trio_agent_rt.realtime import Limits
from trio_agent_rt.transports.listeners import HTTPAddress

CONNECTIONS = 3000
AT_ONCE = 100
PATIENCE = 1.5  # some ask for what is never answered
SEED = 20240229

LIMITS = Limits(
    handshake_timeout=1,
    write_timeout=0.5,
    close_timeout=0.2,
    body_timeout=1,
    keep_alive_timeout=1,
    max_message_bytes=50_000,
)

CHUNKED = ["Transfer-Encoding: chunked"]


async def garbage(peer: HTTPPeer, chance: random.Random) -> None:
    await peer.send(chance.randbytes(chance.randrange(1, 5000)))
    await peer.until_end()


async def tls_hello(peer: HTTPPeer, chance: random.Random) -> None:
    await peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(508))
    await peer.until_end()


async def bad_chunks(peer: HTTPPeer, chance: random.Random) -> None:
    path = chance.choice(["/echo", "/wait", "/none", "/stream"])
    await peer.send(http(path, method="POST", headers=CHUNKED))
    if chance.random() < 0.5:
        await trio.lowlevel.checkpoint()
    bad = [
        b"zz\r\nabc\r\n",
        b"-5\r\nabc\r\n",
        b"3\r\nabcdefgh\r\n",
        b"f" * 30 + b"\r\n",
        b"\n" * 99,
    ]
    await peer.send(b"3\r\nabc\r\n" + chance.choice(bad) + GET)
    await peer.until_end()


async def bytes_after_an_upgrade(peer: HTTPPeer, chance: random.Random) -> None:
    path = chance.choice(["/hello", "/wait", "/stream", "/none"])
    await peer.send(upgrade(path) + frame(TEXT, chance.randbytes(50)) * chance.randrange(1, 100))
    if chance.random() < 0.5:
        await peer.until_end()


async def http2(peer: HTTPPeer, chance: random.Random) -> None:
    h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(500)
    await peer.send(chance.choice([preface, http(headers=h2c) + preface]))
    await peer.until_end()


async def header_flood(peer: HTTPPeer, chance: random.Random) -> None:
    kinds = [["X: x"] * 20_000, ["X: " + "x" * 200_000], [f"X{n}: {n}" for n in range(5000)]]
    await peer.send(http(headers=chance.choice(kinds)))
    await peer.until_end()


async def slow_head(peer: HTTPPeer, chance: random.Random) -> None:
    for each in GET:
        await peer.send(bytes((each,)))
        await trio.sleep(0.03)


async def half_a_head(peer: HTTPPeer, chance: random.Random) -> None:
    await peer.send(GET[: chance.randrange(len(GET))])
    await peer.until_end()


async def slow_body(peer: HTTPPeer, chance: random.Random) -> None:
    path = chance.choice(["/echo", "/wait", "/stream"])
    await peer.send(http(path, method="POST", headers=["Content-Length: 1000"]))
    for _ in range(20):
        await peer.send(b"x")
        await trio.sleep(0.1)


async def big_body(peer: HTTPPeer, chance: random.Random) -> None:
    if chance.random() < 0.5:
        await peer.send(http("/echo", method="POST", body=bytes(300_000)))
    else:
        await peer.send(http("/echo", method="POST", headers=CHUNKED))
        await peer.send((b"10000\r\n" + bytes(65536) + b"\r\n") * 5)
    await peer.until_end()


async def body_in_pieces(peer: HTTPPeer, chance: random.Random) -> None:
    await peer.send(http("/echo", method="POST", headers=CHUNKED) + b"1\r\nx\r\n" * 500)
    await peer.until_end()


async def pipelining(peer: HTTPPeer, chance: random.Random) -> None:
    first = chance.choice([STREAM, http("/wait"), http("/flood"), GET])
    await peer.send(first + GET * chance.randrange(1, 3000))


async def reset_anywhere(peer: HTTPPeer, chance: random.Random) -> None:
    life = GET + http("/echo", method="POST", body=b"abc") + chance.choice([STREAM, http("/flood")])
    await peer.send(life[: chance.randrange(len(life) + 1)])
    for _ in range(chance.randrange(10)):
        await trio.lowlevel.checkpoint()
    reset(socket_of(peer))


async def leave_anywhere(peer: HTTPPeer, chance: random.Random) -> None:
    life = GET + http("/echo", method="POST", body=b"abc") + chance.choice([STREAM, http("/wait")])
    await peer.send(life[: chance.randrange(len(life) + 1)])


async def half_close(peer: HTTPPeer, chance: random.Random) -> None:
    await peer.send(chance.choice([GET, STREAM, http("/wait"), GET[:-2]]))
    await socket_of(peer).send_eof()
    await peer.until_end()


async def reads_nothing(peer: HTTPPeer, chance: random.Random) -> None:
    await peer.send(http("/flood"))
    await trio.sleep(1)


async def floods_a_stream(peer: HTTPPeer, chance: random.Random) -> None:
    await peer.send(STREAM)
    for _ in range(10):
        await peer.send(chance.randbytes(1000) * 20)


async def odd_requests(peer: HTTPPeer, chance: random.Random) -> None:
    odd = [
        http("*", method="OPTIONS"),
        http("example.com:443", method="CONNECT"),
        http(host="[" + "a" * 300),
        http("/hello", headers=["Content-Length: 1", "Transfer-Encoding: chunked"]),
        http("/" + "%ff" * 3000),
        http("/hello", headers=["Expect: 100-continue", "Content-Length: 999999"]),
        http("/none", method="FROB"),
    ]
    await peer.send(chance.choice(odd))
    await peer.until_end()


HOSTILE: list[Hostile[HTTPPeer]] = [
    garbage,
    tls_hello,
    bad_chunks,
    bytes_after_an_upgrade,
    http2,
    header_flood,
    slow_head,
    half_a_head,
    slow_body,
    big_body,
    body_in_pieces,
    pipelining,
    reset_anywhere,
    leave_anywhere,
    half_close,
    reads_nothing,
    floods_a_stream,
    odd_requests,
]


async def harass(address: HTTPAddress, count: int, chance: random.Random) -> Counter[str]:
    return await attack(
        address, HOSTILE, HTTPPeer, count=count, at_once=AT_ONCE, chance=chance, patience=PATIENCE
    )


@pytest.mark.hang_guard(150)
async def test_three_thousand_hostile_peers_leave_nothing_and_healthy_ones_are_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    chance = random.Random(SEED)
    lives: list[float] = []

    async def stay_healthy() -> None:
        while True:
            began = trio.current_time()
            assert (await ask(address)).json == {"hello": "world"}
            assert (await ask(address, http("/echo", method="POST", body=b"x" * 999))).status == 200
            async with open_peer(address) as peer:
                await peer.send(STREAM)
                await peer.begun_stream()
            lives.append(trio.current_time() - began)

    # As long as the server may take to find that somebody has left.
    pause = LIMITS.handshake_timeout + 0.1
    async with serving(limits=LIMITS) as (app, address):
        # What is allocated once, by whoever comes first, is not what is measured.
        await harass(address, 10 * len(HOSTILE), chance)
        await until_alone(pause)
        files, memory, objects = count_open_files(), resident_bytes(), count_objects()
        living = trio.lowlevel.current_statistics().tasks_living
        began = trio.current_time()
        with trio.fail_after(90):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stay_healthy)
                done = await harass(address, CONNECTIONS, chance)
                nursery.cancel_scope.cancel()
            await until_alone(pause)
        took = trio.current_time() - began
        grown = resident_bytes() - memory
        assert (await ask(address)).status == 200
        await until_alone(pause)
        assert (app.streams, app.waiting) == (0, 0)
        assert count_open_files() == files
        assert trio.lowlevel.current_statistics().tasks_living == living
        more_objects = count_objects() - objects
    print(
        f"\n{done.total()} hostile connections in {took:.1f} s: {dict(done)}\n"
        f"healthy lives meanwhile: {len(lives)}, the longest {max(lives):.2f} s; "
        f"memory {grown / 1e6:+.1f} MB, objects {more_objects:+d}"
    )
    assert done.total() == CONNECTIONS
    assert more_objects < 500
    # How many says more of the machine: attackers and attacked share a Trio loop.
    assert lives
    assert grown < 16e6
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
