"""What Anthropic's servers send: the Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .provider_server import Answer, Asks, ErrorEvent, ServerFormat, raw

__all__ = ["ANTHROPIC", "PING", "event"]


def event(name: str, **fields: Any) -> bytes:
    """One event of a stream; its name stands in the data too."""
    data = json.dumps({"type": name, **fields}, ensure_ascii=False)
    return f"event: {name}\ndata: {data}\n\n".encode()


PING = event("ping")


def _usage(usage: tuple[int, int] | None) -> dict[str, int]:
    sent, got = usage or (0, 0)
    return {
        "input_tokens": sent,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": got,
    }


class AnthropicFormat(ServerFormat):
    """`POST /v1/messages`."""

    path = "/messages"
    base = "/v1"
    client_base = ""

    def whole(
        self,
        text: str | None,
        *asks: Asks,
        finish: str | None = None,
        usage: tuple[int, int] | None = (12, 3),
        **more: Any,
    ) -> Answer:
        content: list[dict[str, Any]] = [] if text is None else [{"type": "text", "text": text}]
        content.extend(
            {
                "type": "tool_use",
                "id": each.id,
                "name": each.name,
                "input": json.loads(each.arguments),
            }
            for each in asks
        )
        body: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": content,
            "stop_reason": finish or ("tool_use" if asks else "end_turn"),
            "stop_sequence": None,
            "usage": _usage(usage),
        }
        return raw(200, body | more)

    def begin(self, usage: tuple[int, int] | None) -> Iterator[bytes]:
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(usage and (usage[0], 1)),
        }
        yield event("message_start", message=message)
        yield PING

    def piece(self, part: str | Asks | ErrorEvent, index: int, asked: int) -> Iterator[bytes]:
        if isinstance(part, ErrorEvent):
            yield event("error", error={"type": "overloaded_error", "message": part.message})
            return
        block: dict[str, Any] = {"type": "text", "text": ""}
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": part}]
        if isinstance(part, Asks):
            block = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
            half = len(part.arguments) // 2
            pieces = ("", part.arguments[:half], part.arguments[half:])
            deltas = [{"type": "input_json_delta", "partial_json": each} for each in pieces]
        yield event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)

    def end(
        self, finish: str | None, usage: tuple[int, int] | None, *, asks: bool
    ) -> Iterator[bytes]:
        reason = finish or ("tool_use" if asks else "end_turn")
        delta = {"stop_reason": reason, "stop_sequence": None}
        yield event("message_delta", delta=delta, usage={"output_tokens": (usage or (0, 0))[1]})
        yield event("message_stop")

    def failure(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        error = {"type": "api_error", "message": message} | more
        return raw(status, {"type": "error", "error": error}, headers=headers)


ANTHROPIC = AnthropicFormat()
