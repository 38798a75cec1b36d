"""What a provider's format has to offer: a request to its JSON, and its JSON to an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import msgspec
from attrs import define

from ...agent.llm import LLMRequest
from .draft import Draft
from .endpoint import Endpoint, ProviderFailed
from .sse import WireEvent

__all__ = ["Dialect"]

T = TypeVar("T")


@define(kw_only=True)
class Dialect(ABC):
    """One provider's format. Nothing is awaited here, and no SDK is needed."""

    endpoint: Endpoint
    model: str

    def decode(self, text: str | bytes, kind: type[T]) -> T:
        """JSON of the provider's.

        Raises:
            LLMError: when it is none, or something else.
        """
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise self.endpoint.not_the_format() from None

    @abstractmethod
    def question(self, request: LLMRequest, *, stream: bool) -> dict[str, Any]:
        """What to send."""

    @abstractmethod
    def give_in(
        self, failure: ProviderFailed, request: LLMRequest, question: dict[str, Any]
    ) -> bool:
        """Whether a question that was refused can be put in another way from now on."""

    @abstractmethod
    def read(self, body: bytes, request: LLMRequest) -> Draft:
        """A whole answer.

        Raises:
            LLMError: when it is none.
        """

    @abstractmethod
    def take(self, event: WireEvent, draft: Draft, request: LLMRequest) -> str | None:
        """Add an event of a stream to what has come.

        Returns:
            The piece of text in it; empty if it brings on the answer without text, None if
            it says nothing.

        Raises:
            LLMError: when it is an error, or none of the provider's events.
        """
