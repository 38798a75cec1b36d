"""Anthropic, and every server that speaks its Messages API."""

from .client import AnthropicClient

__all__ = ["AnthropicClient"]
