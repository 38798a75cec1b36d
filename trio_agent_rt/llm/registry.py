"""Language models by name."""

from __future__ import annotations

from .offline import OfflineClient
from .openai import DEFAULT_MODEL, OpenAIClient

__all__ = ["KNOWN_LLMS", "create_llm"]

KNOWN_LLMS = ("offline", "openai", "openai:MODEL")
"""What `create_llm` takes."""


def create_llm(name: str) -> OfflineClient | OpenAIClient:
    """The client of that name, to be entered with `async with`.

    Args:
        name: `offline`, `openai`, or `openai:` and a model.

    Raises:
        ValueError: for any other name; the text lists those that are known.
    """
    provider, colon, model = name.strip().partition(":")
    match provider.lower(), bool(colon), model.strip():
        case "offline", False, _:
            return OfflineClient()
        case "openai", False, _:
            return OpenAIClient(model=DEFAULT_MODEL)
        case "openai", True, model if model:
            return OpenAIClient(model=model)
        case _:
            raise ValueError(f"unknown LLM {name!r}; known are: {', '.join(KNOWN_LLMS)}")
