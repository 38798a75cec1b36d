"""What a tool of a server gives, as plain values."""

from __future__ import annotations

from typing import Any

from mcp import types

from ..protocol import to_jsonable

__all__ = ["plain_result"]


def plain_result(result: types.CallToolResult, *, max_chars: int) -> Any:
    """What a result holds, cut where it is too long.

    Structured content is given as it is, and of what comes with it only what is no text:
    text beside it says the same again. A single text is a text, several blocks are a list.
    Pictures, sounds and resources are dicts with their `type`; one whose data is too long
    comes without.
    """
    blocks = [_plain(each, max_chars) for each in result.content]
    structured = result.structured_content
    value: Any
    if structured is not None and not result.is_error:
        others = [each for each in blocks if not isinstance(each, str)]
        value = {"structured": structured, "content": others} if others else structured
    elif all(isinstance(each, str) for each in blocks):
        value = "\n".join(blocks) if result.is_error else _only(blocks)
    else:
        value = _only(blocks)
    return to_jsonable(value, max_chars=max_chars)


def _only(blocks: list[Any]) -> Any:
    if not blocks:
        return None
    return blocks[0] if len(blocks) == 1 else blocks


def _plain(block: types.ContentBlock, max_chars: int) -> Any:
    match block:
        case types.TextContent():
            return block.text
        case types.ImageContent() | types.AudioContent():
            kept = _data(block.data, max_chars)
            return {"type": block.type, "mime_type": block.mime_type, **kept}
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            about = {"uri": str(resource.uri), "mime_type": resource.mime_type}
            return {"type": "resource", **about, "text": resource.text}
        case types.EmbeddedResource(resource=types.BlobResourceContents() as resource):
            about = {"uri": str(resource.uri), "mime_type": resource.mime_type}
            return {"type": "resource", **about, **_data(resource.blob, max_chars)}
        case _:
            return block.model_dump(mode="json", exclude_none=True, exclude={"meta", "icons"})


def _data(data: str, max_chars: int) -> dict[str, Any]:
    """Base64, whole or not at all: half a picture shows nothing."""
    return {"data": data} if len(data) <= max_chars else {"data": None, "missing_chars": len(data)}
