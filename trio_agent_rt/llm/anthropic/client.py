"""The client for Anthropic.

The SDK is the extra `trio_agent_rt[anthropic]`; `sdk`, the half that needs it, is imported
when a client is first entered, in a thread.
"""

from __future__ import annotations

import trio

from ..providers.client import ProviderClient
from ..providers.dialect import Dialect
from ..providers.endpoint import Endpoint, Provider
from ..providers.wire import Wire
from .messages import MessagesFormat

__all__ = ["DEFAULT_MAX_TOKENS", "DEFAULT_MODEL", "AnthropicClient"]

DEFAULT_MODEL = "claude-haiku-4-5"
"""Small, and cheap beside the others."""

DEFAULT_MAX_TOKENS = 8192
"""The API wants a limit with every question. Far more than a plan or a summary takes, and
no more than every model since Claude 3.5 gives."""

_ANTHROPIC = Provider(name="anthropic", title="Anthropic", url="https://api.anthropic.com")


class AnthropicClient(ProviderClient):
    """An `LLMClient` that asks Anthropic, or a server that speaks the same format.

    Use it as `async with AnthropicClient() as llm`. Leaving closes its connections.

    A schema becomes a tool that the model has to use, whose input is the answer: every
    model and every compatible server can do that, with any schema, which does not hold for
    the API's own structured output.

    Args:
        api_key: the key, or None for the environment's `ANTHROPIC_API_KEY`. A server that is
            not Anthropic's is asked without one if there is none.
        base_url: where the API is, or None for the environment's `ANTHROPIC_BASE_URL` and,
            without it, Anthropic.
        model: which model answers, or None for the environment's `ANTHROPIC_MODEL` and,
            without it, `DEFAULT_MODEL`.
        max_tokens: the most tokens of an answer to a request that names no limit.
        timeout: seconds for a whole answer of `complete`, retries included, or None for the
            environment's `ANTHROPIC_TIMEOUT` and, without it, 60.
        first_piece_timeout: seconds for `stream` until the answer begins, retries included,
            or None for the same.
        piece_timeout: seconds for each thing that comes after that.
        max_retries: how often a refused connection, a rate limit or an error of the
            server's is tried again, with growing delays or, if the server says when
            (`Retry-After`), then. Not once a stream has begun.
        max_retry_delay: seconds that no delay exceeds; if the server wants more, it is not
            tried again.
        http_client: what makes the requests, for a proxy or certificates of your own: what
            the SDK takes as its `http_client`. It stays yours, and is not closed.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        timeout: float | None = None,
        first_piece_timeout: float | None = None,
        piece_timeout: float = 60.0,
        max_retries: int = 2,
        max_retry_delay: float = 30.0,
        http_client: object | None = None,
    ) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens must be 1 or more, not {max_tokens}")
        super().__init__(
            _ANTHROPIC,
            api_key=api_key,
            base_url=base_url,
            model=model,
            timeout=timeout,
            first_piece_timeout=first_piece_timeout,
            piece_timeout=piece_timeout,
            max_retries=max_retries,
            max_retry_delay=max_retry_delay,
            http_client=http_client,
        )
        self.max_tokens = max_tokens

    def _dialect(self, endpoint: Endpoint, model: str) -> Dialect:
        return MessagesFormat(endpoint=endpoint, model=model, max_tokens=self.max_tokens)

    async def _default_model(self, wire: Wire) -> str:
        await trio.lowlevel.checkpoint()
        return DEFAULT_MODEL
