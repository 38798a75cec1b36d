"""The half that needs the package `anthropic`."""

from __future__ import annotations

from typing import cast

import anthropic
import trio

from ..providers.endpoint import Endpoint
from ..providers.sdk import SDK

__all__ = ["open_sdk"]


def open_sdk(endpoint: Endpoint, http_client: object | None) -> SDK:
    """A client of the SDK's, on its own or on the user's HTTP client."""
    given = cast("anthropic.DefaultAsyncHttpxClient | None", http_client)
    client = anthropic.AsyncAnthropic(
        api_key=endpoint.key,
        base_url=endpoint.base_url,
        timeout=None,
        max_retries=0,
        http_client=given,
    )
    return SDK(
        ask=client.messages.with_streaming_response.create,
        models=client.models.with_streaming_response.list,
        close=client.close if given is None else trio.lowlevel.checkpoint,
        status_error=anthropic.APIStatusError,
    )
