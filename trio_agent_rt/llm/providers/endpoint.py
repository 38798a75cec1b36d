"""Who is asked, and what to say when that fails: one sentence each, without a secret."""

from __future__ import annotations

import math
import os
import re
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from ...errors import LLMError, LLMRefused

__all__ = ["Endpoint", "Provider", "ProviderFailed"]

_MAX_ERROR_CHARS = 300
_TIMEOUT = 60.0
_NO_KEY = "none"
"""What is sent as the key to a server that needs none: the SDKs want one."""


class ProviderFailed(LLMError):
    """An `LLMError` with what the client itself needs to know of the failure.

    Args:
        text: the sentence for people.
        status: of the HTTP answer, if there was one.
        said: the server's own words.
        retryable: whether the same question may be answered in a moment.
        retry_after: the seconds after which the server wants to be asked again.
        loading: whether the server is up and its model is not there yet.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        said: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        loading: bool = False,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.said = said
        self.retryable = retryable
        self.retry_after = retry_after
        self.loading = loading


@frozen(kw_only=True)
class Provider:
    """What is known of a provider before anything is sent."""

    name: str
    """As `create_llm` knows it; the extra and the package are called the same."""
    title: str
    """As people know it."""
    url: str
    """Where its own API is."""

    @property
    def key_variable(self) -> str:
        """The environment variable with the key."""
        return f"{self.name.upper()}_API_KEY"

    def setting(self, given: str | None, name: str) -> str:
        """What was given, or else what the environment says; empty for nothing."""
        return (given or os.environ.get(f"{self.name.upper()}_{name}") or "").strip()

    def seconds(self, given: float | None) -> float:
        """How long to wait for an answer, in the same way; a minute for nothing.

        Raises:
            ValueError: when the environment says something else than seconds.
        """
        said = "" if given is not None else self.setting(None, "TIMEOUT")
        if not said:
            return _TIMEOUT if given is None else given
        try:
            seconds = float(said)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise ValueError(f"{self.name.upper()}_TIMEOUT must be seconds, not {said!r}")
        return seconds

    def endpoint(self, *, api_key: str | None, base_url: str | None) -> Endpoint:
        """Who is to be asked.

        Raises:
            LLMError: when the key is missing or none, or the address is none.
        """
        url = self.setting(base_url, "BASE_URL") or self.url
        key = self.setting(api_key, "API_KEY")
        _check_url(url, self.url)
        own = urlsplit(url).hostname == urlsplit(self.url).hostname
        if not key and own:
            raise LLMError(f"no {self.title} API key: set {self.key_variable} or give api_key")
        if not key.isascii() or (key and not key.isprintable()) or " " in key:
            raise LLMError(f"the {self.title} API key holds characters that no key has")
        return Endpoint(provider=self, key=key or _NO_KEY, base_url=url, own=own)


def _check_url(url: str, example: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        usable = False
    if not usable:
        path = urlsplit(example).path
        raise LLMError(f"the base URL of the API must look like https://host{path}")


@frozen(kw_only=True)
class Endpoint:
    """An API at some address, with a key to it, and how its failures are told."""

    provider: Provider
    key: str = field(repr=False)
    base_url: str = field(repr=False)
    """It may hold credentials."""
    own: bool
    """Whether it is the provider's own, not a server that speaks the same format."""

    @property
    def where(self) -> str:
        """The server, without the credentials that an address may hold."""
        if self.own:
            return self.provider.title
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    def name(self, model: str | None) -> str:
        """What messages to people call a model of it."""
        return f"{self.provider.name}:{model}" if model else self.provider.name

    def safe(self, text: str) -> str:
        """A server's words on one line, without the key, which some repeat in part or whole."""
        if self.key != _NO_KEY:
            text = text.replace(self.key, "***")
        text = " ".join(re.sub(r"\bsk-[\w*.-]+", "***", text).split())
        return text if len(text) <= _MAX_ERROR_CHARS else text[:_MAX_ERROR_CHARS] + "…"

    def not_the_format(self) -> ProviderFailed:
        """For an answer that is something else."""
        return ProviderFailed(
            f"{self.where} answered, but not in {self.provider.title}'s format; check the base URL"
        )

    def broke_off(self, model: str, why: str) -> ProviderFailed:
        """For an answer that is not whole."""
        text = f"the answer of {self.name(model)} broke off: {self.safe(why)}"
        return ProviderFailed(text, retryable=True)

    def reported(self, model: str, error: str | dict[str, Any] | None) -> ProviderFailed:
        """For an error that came in the place of an answer, or of the rest of one."""
        said = str(error.get("message") or error) if isinstance(error, dict) else str(error)
        return ProviderFailed(f"{self.name(model)} failed while it answered: {self.safe(said)}")

    def refused(self, model: str, said: str) -> LLMRefused:
        """For a model that does not want to."""
        return LLMRefused(f"{self.name(model)} refused: {self.safe(said)}")

    def filtered(self, model: str) -> LLMRefused:
        """For an answer that was withheld."""
        return LLMRefused(f"{self.name(model)}: the provider's content filter withheld the answer")
