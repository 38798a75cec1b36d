"""A small server on loopback that speaks OpenAI's format, as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

__all__ = ["FakeOpenAI", "completion", "failure", "fake_openai", "hang", "raw"]

Answer = Callable[[BaseHTTPRequestHandler], None]


class FakeOpenAI:
    """What the server was asked, and what it answers, in order; the last one again and again."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.url = ""
        self.left = threading.Event()
        """Set when a client has closed a connection that `hang` kept waiting."""
        self.hanging = threading.Event()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeOpenAI


class _Handler(BaseHTTPRequestHandler):
    timeout = 20

    def do_POST(self) -> None:
        fake = cast("_Server", self.server).fake
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fake.asked.append(json.loads(body))
        fake.keys.append(self.headers["Authorization"])
        answer = fake.answers[min(len(fake.asked), len(fake.answers)) - 1]
        answer(self)


def completion(
    content: str | None,
    *,
    finish: str = "stop",
    usage: tuple[int, int] | None = (12, 3),
    **more: Any,
) -> Answer:
    """A usual answer."""
    message = {"role": "assistant", "content": content, **more}
    body: dict[str, Any] = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
    }
    if usage:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        }
    return raw(200, json.dumps(body).encode())


def failure(status: int, message: str, **more: Any) -> Answer:
    """An error as OpenAI tells it."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": None} | more}
    return raw(status, json.dumps(body).encode())


def raw(status: int, body: bytes, content_type: str = "application/json") -> Answer:
    """Any bytes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Never answer; notice when the client goes."""
    fake = cast("_Server", handler.server).fake
    fake.hanging.set()
    if handler.connection.recv(1) == b"":
        fake.left.set()


@contextmanager
def fake_openai() -> Generator[FakeOpenAI]:
    """A server that runs while the `with` lasts."""
    fake = FakeOpenAI()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.fake = fake
        fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
