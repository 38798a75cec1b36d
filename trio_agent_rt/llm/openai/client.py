"""The client for OpenAI and for servers that speak its format.

The SDK is the extra `trio_agent_rt[openai]`; `sdk`, the half that needs it, is imported when
a client is first entered, in a thread.
"""

from __future__ import annotations

from functools import partial

import msgspec

from ...errors import LLMError
from ..providers.client import ProviderClient
from ..providers.dialect import Dialect
from ..providers.endpoint import Endpoint, Provider
from ..providers.wire import Wire
from .chat import ChatFormat

__all__ = ["DEFAULT_MODEL", "OpenAIClient"]

DEFAULT_MODEL = "gpt-4o-mini"
"""Small, cheap, and it follows a JSON Schema."""

_OPENAI = Provider(name="openai", title="OpenAI", url="https://api.openai.com/v1")


class OpenAIClient(ProviderClient):
    """An `LLMClient` that asks OpenAI, or a server that speaks the same format.

    Use it as `async with OpenAIClient() as llm`. Leaving closes its connections.

    A schema is for the server to enforce; where it refuses, JSON is asked for with the
    schema in words.

    Args:
        api_key: the key, or None for the environment's `OPENAI_API_KEY`. A server that is
            not OpenAI's is asked without one if there is none.
        base_url: where the API is, or None for the environment's `OPENAI_BASE_URL` and,
            without it, OpenAI.
        model: which model answers, or None for the environment's `OPENAI_MODEL`. Without
            it that is `DEFAULT_MODEL` at OpenAI; another server is asked for its models,
            once, when the client is entered, and the first is taken.
        timeout: seconds for a whole answer of `complete`, retries included, or None for the
            environment's `OPENAI_TIMEOUT` and, without it, 60.
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
        timeout: float | None = None,
        first_piece_timeout: float | None = None,
        piece_timeout: float = 60.0,
        max_retries: int = 2,
        max_retry_delay: float = 30.0,
        http_client: object | None = None,
    ) -> None:
        super().__init__(
            _OPENAI,
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

    def _dialect(self, endpoint: Endpoint, model: str) -> Dialect:
        return ChatFormat(endpoint=endpoint, model=model)

    async def _default_model(self, wire: Wire) -> str:
        if wire.endpoint.own:
            return DEFAULT_MODEL
        where = wire.endpoint.where
        body = await wire.whole(partial(wire.sdk.models), model="")
        try:
            listed = msgspec.json.decode(body, type=_Models).data or []
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise wire.endpoint.not_the_format() from None
        if not listed:
            raise LLMError(f"{where} lists no model; name one: OPENAI_MODEL, or model")
        return listed[0].id


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    """The answer of `GET /models`."""

    data: list[_Model] | None = None
