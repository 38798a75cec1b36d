"""What the load client counts and what it complains of, against a server of the test's own."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def message(number: int) -> str:
    return json.dumps({"data": {"step": f"step-{number:08d}", "t": 0}})


def event(number: int) -> bytes:
    return f"id: 1-{number}\ndata: {message(number)}\n\n".encode()


def frame(text: str, opcode: int = 1) -> bytes:
    payload = text.encode()
    return bytes([0x80 | opcode, len(payload)]) + payload


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def told_of(
    client: Path, pieces: Sequence[bytes], *options: str, close: bool = True
) -> dict[str, Any]:
    """What the client tells when it is sent these pieces, one after the other, and then the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        command = [client, "--port", port, "--duration", "60", "--limit", "60", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                peer, _ = listener.accept()
                with peer:
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    peer.recv(4096)
                    for piece in pieces:
                        peer.sendall(piece)
                    if close:
                        peer.close()
                    out, err = process.communicate(timeout=30)
            finally:
                process.kill()
    assert process.returncode == 0, err
    return json.loads(out)


def sse(client: Path, *pieces: bytes) -> dict[str, Any]:
    return told_of(client, pieces, "--mode", "sse")


def test_events_in_order_are_in_order(load_client: Path) -> None:
    told = sse(load_client, HEAD, b": welcome\n\n", *map(event, range(20)))
    assert (told["misordered"], told["malformed"]) == (0, 0)
    assert (told["slowest"], told["fastest"]) == (20, 20)


def test_it_ends_by_itself_when_all_that_was_asked_for_is_there(load_client: Path) -> None:
    """One event to warm up, and two that count."""
    pace = ("--rate", "20", "--warm", "0.05", "--duration", "0.1")
    told = told_of(load_client, [HEAD, *map(event, range(3))], "--mode", "sse", *pace, close=False)
    assert told["end"] == "done"
    assert told["window_s"] >= 0.1
    assert told["slowest"] == 3


def test_a_window_is_not_over_while_events_are_on_the_way(load_client: Path) -> None:
    pace = ("--rate", "20", "--warm", "0.05", "--duration", "0.1", "--patience", "0.5")
    told = told_of(load_client, [HEAD, *map(event, range(2))], "--mode", "sse", *pace, close=False)
    assert told["end"] == "behind"
    assert told["window_s"] > 0.9


def test_messages_that_are_no_events_are_passed_over(load_client: Path) -> None:
    hello = b'data: {"type":"connected"}\n\n'
    told = sse(load_client, HEAD, hello, event(0), hello, event(1))
    assert (told["misordered"], told["slowest"]) == (0, 2)


@pytest.mark.parametrize(
    "numbers",
    [[1, 2], [0, 2], [0, 1, 1], [0, 2, 1], [0, 1, 0]],
    ids=["the first is lost", "one is lost", "one comes twice", "two change places", "again"],
)
def test_events_that_are_not_in_order_are_found(load_client: Path, numbers: list[int]) -> None:
    assert sse(load_client, HEAD, *map(event, numbers))["misordered"] > 0


def test_an_event_that_is_not_whole_is_found(load_client: Path) -> None:
    told = sse(
        load_client, HEAD, event(0), event(1).replace(b"}}\n", b"}\n"), event(2)[:-4] + b"\n"
    )
    assert told["malformed"] == 1


def test_bytes_may_come_in_any_pieces(load_client: Path) -> None:
    everything = HEAD + b"".join(map(event, range(5)))
    told = sse(load_client, *(everything[i : i + 7] for i in range(0, len(everything), 7)))
    assert (told["misordered"], told["malformed"], told["slowest"]) == (0, 0, 5)


def test_chunks_need_not_be_events(load_client: Path) -> None:
    body = b"".join(map(event, range(10)))
    pieces = [chunk(body[i : i + 33]) for i in range(0, len(body), 33)]
    told = sse(load_client, CHUNKED + pieces[0], *pieces[1:])
    assert (told["misordered"], told["malformed"], told["slowest"]) == (0, 0, 10)


def test_frames_of_a_websocket_may_come_in_any_pieces(load_client: Path) -> None:
    frames = [frame('{"type":"connected"}'), *(frame(message(n)) for n in range(5))]
    everything = UPGRADED + b"".join(frames)
    pieces = [everything[i : i + 11] for i in range(0, len(everything), 11)]
    told = told_of(load_client, pieces, "--mode", "ws")
    assert (told["misordered"], told["malformed"], told["slowest"]) == (0, 0, 5)


@pytest.mark.parametrize("closing", [True, False], ids=["a close frame", "the end of the stream"])
def test_a_client_that_is_disconnected_is_told_of(load_client: Path, closing: bool) -> None:
    last = frame("", opcode=8) if closing else b""
    pieces = [UPGRADED, frame(message(0)), last]
    told = told_of(load_client, pieces, "--mode", "ws", close=not closing)
    assert told["end"] == "disconnected"
    assert told["dead"] == 1


def test_a_refusal_is_no_connection(load_client: Path) -> None:
    with pytest.raises(AssertionError, match="429 Too Many"):
        sse(load_client, b"HTTP/1.1 429 Too Many\r\n\r\n")


def test_no_event_in_time_is_told_of(load_client: Path) -> None:
    pace = ("--rate", "20", "--limit", "0.3")
    told = told_of(load_client, [HEAD], "--mode", "sse", *pace, close=False)
    assert told["end"] == "no events"
