"""Language models: clients for `LLMClient`, and how to get one by name."""

from ..agent.llm import (
    ChatMessage,
    LLMClient,
    LLMRequest,
    LLMResponse,
    LLMStream,
    ToolUse,
    Usage,
    WholeAnswers,
)
from .offline import OfflineClient
from .openai import OpenAIClient
from .redacted import RedactedLLM
from .registry import KNOWN_LLMS, create_llm

__all__ = [
    "KNOWN_LLMS",
    "ChatMessage",
    "LLMClient",
    "LLMRequest",
    "LLMResponse",
    "LLMStream",
    "OfflineClient",
    "OpenAIClient",
    "RedactedLLM",
    "ToolUse",
    "Usage",
    "WholeAnswers",
    "create_llm",
]
