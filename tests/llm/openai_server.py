"""What OpenAI's servers, and those that speak its format, send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .provider_server import Answer, Asks, ErrorEvent, ServerFormat, raw

__all__ = ["OPENAI", "chunk", "event"]


def event(data: Mapping[str, Any] | str) -> bytes:
    """One event of a stream."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def chunk(delta: Mapping[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
    """A piece of an answer; without a delta one that has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return event({**body, "choices": choices, **more})


def _usage(usage: tuple[int, int]) -> dict[str, int]:
    sent, got = usage
    return {"prompt_tokens": sent, "completion_tokens": got, "total_tokens": sent + got}


def _tool_calls(asks: tuple[Asks, ...]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "type": "function",
            "function": {"name": each.name, "arguments": each.arguments},
        }
        for each in asks
    ]


class OpenAIFormat(ServerFormat):
    """`POST /v1/chat/completions`."""

    path = "/chat/completions"
    base = client_base = "/v1"

    def whole(
        self,
        text: str | None,
        *asks: Asks,
        finish: str | None = None,
        usage: tuple[int, int] | None = (12, 3),
        **more: Any,
    ) -> Answer:
        message = {"role": "assistant", "content": text, "refusal": None, **more}
        if asks:
            message["tool_calls"] = _tool_calls(asks)
        finish = finish or ("tool_calls" if asks else "stop")
        body: dict[str, Any] = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        }
        if usage:
            body["usage"] = _usage(usage)
        return raw(200, body)

    def begin(self, usage: tuple[int, int] | None) -> Iterator[bytes]:
        yield chunk({"role": "assistant", "content": "", "refusal": None})

    def piece(self, part: str | Asks | ErrorEvent, index: int, asked: int) -> Iterator[bytes]:
        match part:
            case str():
                yield chunk({"content": part})
            case ErrorEvent():
                yield event({"error": {"message": part.message, "type": "server_error"}})
            case Asks():
                first, half = _tool_calls((part,))[0], len(part.arguments) // 2
                first = first | {"index": asked, "function": {"name": part.name, "arguments": ""}}
                yield chunk({"tool_calls": [first]})
                for each in (part.arguments[:half], part.arguments[half:]):
                    rest = {"index": asked, "function": {"arguments": each}}
                    yield chunk({"tool_calls": [rest]})

    def end(
        self, finish: str | None, usage: tuple[int, int] | None, *, asks: bool
    ) -> Iterator[bytes]:
        yield chunk({}, finish or ("tool_calls" if asks else "stop"))
        if usage:
            yield chunk(None, usage=_usage(usage))
        yield event("[DONE]")

    def failure(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        error = {"message": message, "type": "error", "param": None, "code": None} | more
        return raw(status, {"error": error}, headers=headers)


OPENAI = OpenAIFormat()
