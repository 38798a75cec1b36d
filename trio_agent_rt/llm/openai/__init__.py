"""OpenAI, and every server that speaks its chat format."""

from .client import OpenAIClient

__all__ = ["OpenAIClient"]
