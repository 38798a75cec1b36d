"""What is built on Hypercorn, Quart and Quart-Trio beyond what they document.

When one of these fails, the pinned version has changed: read what it says, look at how the
library does it now, mend the named module, and then move the pins in pyproject.toml.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import trio

PINS = {
    "hypercorn": ("0.18", "transports/http is built on how 0.18 parses and answers"),
    "quart-trio": ("0.12", "0.13 needs Python 3.13"),
    "quart": ("0.22", "Quart-Trio 0.12 breaks at import with 0.23"),
}
if sys.version_info >= (3, 13):
    PINS["quart-trio"] = ("0.13", "what is built on was looked at there")
    PINS["quart"] = ("0.2", "Quart-Trio 0.13 runs with whatever it asks for")

SIGNATURES = {
    # What HTTPProtocol calls.
    "hypercorn.protocol.h11:H11Protocol.__init__": (
        "self app config context task_group connection_state ssl client server send"
    ),
    "hypercorn.protocol.h11:H11Protocol.handle": "self event",
    "hypercorn.config:Config.response_headers": "self protocol",
    "hypercorn.trio.worker_context:WorkerContext.__init__": "self max_requests",
    # What it overrides, so that Hypercorn has to call it.
    "hypercorn.protocol.h11:H11Protocol.stream_send": "self event",
    "hypercorn.protocol.h11:H11Protocol._check_protocol": "self event",
    "hypercorn.protocol.h11:H11Protocol._create_stream": "self request",
    "hypercorn.protocol.h11:H11Protocol._send_error_response": "self status_code",
    # What Hypercorn calls of ours: `Requests`, and `Inlet` instead of its event.
    "hypercorn.typing:TaskGroup.spawn_app": "self app config scope send",
    "hypercorn.typing:TaskGroup.spawn": "self func args",
    "hypercorn.typing:Event.clear": "self",
    "hypercorn.typing:Event.wait": "self",
    "hypercorn.typing:Event.set": "self",
    # What it says to us, and what we make of its answers.
    "hypercorn.events:RawData.__init__": "self data address",
    "hypercorn.events:Closed.__init__": "self",
    "hypercorn.events:Updated.__init__": "self idle",
    "hypercorn.protocol.events:Response.__init__": "self stream_id headers status_code",
    # What a stream's body is a subclass of.
    "quart.wrappers.response:ResponseBody.__aenter__": "self",
    "quart.wrappers.response:ResponseBody.__aexit__": "self exc_type exc_value tb",
}

# A line of a method, and what depends on it.
LINES = {
    "hypercorn.protocol.h11:H11Protocol.handle": {
        "if self.stream is not None:": "an answer that was taken over is forgotten there",
    },
    "hypercorn.protocol.h11:H11Protocol._handle_events": {
        "await self.can_read.wait()": "the parser stops at our Inlet between two requests",
        "await self._check_protocol(event)": "HTTP/2 and bad targets are refused there",
        "await self._create_stream(event)": "upgrades are ignored there",
        "await self._send_error_response(error.error_status_hint)": "errors are JSON there",
    },
    "hypercorn.protocol.h11:H11Protocol._maybe_recycle": {
        "await self.send(Updated(idle=True))": "an idle connection has a deadline from there",
        "await self.send(Closed())": "the last answer's connection is closed from there",
    },
    "hypercorn.protocol.h11:H11Protocol._create_stream": {
        'upgrade_value.lower() == "websocket"': "without an Upgrade header it is never a WebSocket",
    },
    "hypercorn.protocol.http_stream:HTTPStream.handle": {
        "await self.task_group.spawn_app(": "each request is started by our Requests",
        'await self.app_put({"type": "http.disconnect"})': "a handler is told that its peer left",
    },
    "quart_trio.asgi:TrioASGIHTTPConnection.handle_messages": {
        "nursery.cancel_scope.cancel()": "a handler is cancelled when its peer has left",
    },
    "quart_trio.asgi:TrioASGIHTTPConnection.handle_request": {
        "response.timeout": "a stream says there that RESPONSE_TIMEOUT is not for it",
    },
    "quart.asgi:ASGIHTTPConnection._send_response": {
        "async with response.response as response_body:": "a stream's body is entered there",
    },
}


def _found(where: str) -> Any:
    module, _, path = where.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name, None)
        assert found is not None, f"{where} is gone; {__doc__}"
    return found


def test_the_pins_are_what_was_looked_at() -> None:
    required = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    for name, (version, why) in PINS.items():
        installed = importlib.metadata.version(name)
        assert installed.startswith(version), f"{name} {installed} is installed: {why}"
        pins = [each for each in required if re.match(rf"{name}\b(?!-)", each)]
        assert pins, f"{name} must be among the dependencies"
        assert all("<" in pin or "python_version >=" in pin for pin in pins), f"cap {name}: {why}"


@pytest.mark.parametrize("where", SIGNATURES)
def test_a_signature_is_what_it_was(where: str) -> None:
    parameters = " ".join(inspect.signature(_found(where)).parameters)
    assert parameters == SIGNATURES[where], f"{where} takes something else now; {__doc__}"


@pytest.mark.parametrize("where", LINES)
def test_a_method_still_does_what_is_built_upon(where: str) -> None:
    source = inspect.getsource(_found(where))
    for line, why in LINES[where].items():
        assert line in source, f"{where} no longer has {line!r}, but {why}; {__doc__}"


def test_the_settings_have_the_values_that_are_counted_on() -> None:
    config = _found("hypercorn.config:Config")()
    assert config.h11_max_incomplete_size == 16 * 1024, "a head may have twice that"
    assert config.keep_alive_max_requests == 1000, "a connection ends some time"
    assert config.accesslog is None, "queries and headers can hold secrets"
    assert config.server_names == [], "a foreign Host is the application's to judge"
    assert _found("hypercorn.trio.worker_context:WorkerContext")(None).max_requests is None
    quart = _found("quart_trio:QuartTrio")("of_a_test")
    assert quart.config["RESPONSE_TIMEOUT"] == 60, "streams have to say that it is not for them"


async def test_the_gate_of_the_parser_is_an_event_that_can_be_cleared() -> None:
    event = _found("hypercorn.trio.worker_context:WorkerContext").event_class()
    await event.set()
    assert event.is_set()
    await event.clear()
    assert not event.is_set()
    with trio.move_on_after(0) as scope:
        await event.wait()
    assert scope.cancelled_caught
