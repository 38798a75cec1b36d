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
from ..agent.planning.redacted import RedactedLLM
from .anthropic import AnthropicClient
from .fallback import FallbackClient
from .offline import OfflineClient
from .openai import OpenAIClient
from .registry import KNOWN_LLMS, NamedLLM, create_llm

__all__ = [
    "KNOWN_LLMS",
    "AnthropicClient",
    "ChatMessage",
    "FallbackClient",
    "LLMClient",
    "LLMRequest",
    "LLMResponse",
    "LLMStream",
    "NamedLLM",
    "OfflineClient",
    "OpenAIClient",
    "RedactedLLM",
    "ToolUse",
    "Usage",
    "WholeAnswers",
    "create_llm",
]
