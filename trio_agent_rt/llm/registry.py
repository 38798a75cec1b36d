"""Language models by name."""

from __future__ import annotations

from typing import TypeAlias

from .anthropic import AnthropicClient
from .fallback import FallbackClient
from .offline import OfflineClient
from .openai import OpenAIClient

__all__ = ["KNOWN_LLMS", "NamedLLM", "create_llm"]

KNOWN_LLMS = ("offline", "openai", "openai:MODEL", "anthropic", "anthropic:MODEL")
"""What `create_llm` takes, one or several joined with commas."""

NamedLLM: TypeAlias = OfflineClient | OpenAIClient | AnthropicClient | FallbackClient
"""What `create_llm` gives."""


def create_llm(name: str) -> NamedLLM:
    """The client of that name, to be entered with `async with`.

    Args:
        name: `offline`, `openai`, `anthropic`, or one of the last two with `:` and a model;
            several, joined with commas, are a `FallbackClient`.

    Raises:
        ValueError: for any other name; the text lists those that are known.
    """
    llms = [_one(each, name) for each in name.split(",")]
    return llms[0] if len(llms) == 1 else FallbackClient(*llms)


def _one(name: str, whole: str) -> OfflineClient | OpenAIClient | AnthropicClient:
    provider, colon, model = (each.strip() for each in name.partition(":"))
    match provider.lower(), bool(colon), model:
        case "offline", False, _:
            return OfflineClient()
        case "openai", False, _:
            return OpenAIClient()
        case "openai", True, model if model:
            return OpenAIClient(model=model)
        case "anthropic", False, _:
            return AnthropicClient()
        case "anthropic", True, model if model:
            return AnthropicClient(model=model)
        case _:
            raise ValueError(
                f"unknown LLM {whole!r}; known are: {', '.join(KNOWN_LLMS)}, "
                "and several of them joined with commas"
            )
