"""What HTTP and the network say when there is no answer, as sentences."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from .endpoint import Endpoint, ProviderFailed

__all__ = ["not_reached", "status_failure"]

_TRIED_AGAIN = {408, 409, 429}
"""Besides everything from 500 on: the SDKs try the same ones again by default."""

_LOADING = "loading model"
"""What llama.cpp answers everything with until it is ready."""

_NO_QUOTA = {"insufficient_quota", "billing_error"}


def status_failure(
    endpoint: Endpoint, model: str, status: int, headers: Mapping[str, str], body: object
) -> ProviderFailed:
    """For an HTTP answer that is an error.

    Args:
        body: what it held, as JSON values, or as text if that is no JSON.
    """
    where = endpoint.where
    code, said = _error_in(body)
    said = endpoint.safe(said)
    delay = _retry_after(headers)
    retryable = status in _TRIED_AGAIN or status >= 500
    loading = status == 503 and delay is None and _LOADING in said.lower()
    match status:
        case 401:
            text = f"{where} refused the API key (401); check {endpoint.provider.key_variable}"
        case 403:
            text = f"the API key may not use {model!r} at {where} (403)"
        case 404:
            text = f"{where} knows no model {model!r}, or the base URL is wrong (404)"
        case 429 if code in _NO_QUOTA:
            text, retryable = f"the account at {where} has no quota left (429)", False
        case 429:
            when = "later" if delay is None else f"in {delay:g} s"
            text = f"{where} is being asked too often (429); try again {when}"
        case 503 if loading:
            text = f"{where} is still loading its model (503)"
        case _:
            text = f"{where} failed ({status}): {said or 'it does not say why'}"
    match headers.get("x-should-retry"):  # of OpenAI's and Anthropic's servers
        case "true":
            retryable = True
        case "false":
            retryable = False
        case _:
            pass
    return ProviderFailed(
        text, status=status, said=said, retryable=retryable, retry_after=delay, loading=loading
    )


def _error_in(body: object) -> tuple[str, str]:
    """A code, and the words, of whichever form a server gives its errors."""
    error = body
    if isinstance(body, dict):
        fields = cast("dict[str, Any]", body)
        error = fields.get("error") or fields.get("detail") or fields
    if not isinstance(error, dict):
        return "", str(error or "")
    fields = cast("dict[str, Any]", error)
    code = str(fields.get("code") or fields.get("type") or "")
    return code, str(fields.get("message") or fields)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks for, in either of the forms of RFC 9110, 10.2.3."""
    given = headers.get("retry-after", "").strip()
    try:
        seconds = float(given)
    except ValueError:
        date = email.utils.parsedate_tz(given)
        seconds = -1.0 if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
    return seconds if 0 <= seconds < float("inf") else None


def not_reached(endpoint: Endpoint, exc: BaseException) -> ProviderFailed:
    """For a question that did not get through, or an answer that did not begin."""
    where, causes = endpoint.where, list(_causes(exc))
    for each in causes:
        match each:
            case ssl.SSLCertVerificationError(verify_message=why):
                return ProviderFailed(f"the certificate of {where} is not trusted: {why}")
            case ssl.SSLError(reason=why):
                return ProviderFailed(f"TLS with {where} failed: {endpoint.safe(str(why or each))}")
            case socket.gaierror(errno=number):
                known = number != socket.EAI_AGAIN
                text = f"there is no host {where}" if known else f"{where} could not be looked up"
                return ProviderFailed(text, retryable=not known)
            case ConnectionRefusedError():
                text = f"{where} cannot be reached: nothing listens there (connection refused)"
                return ProviderFailed(text, retryable=True)
            case _:
                pass
    why = endpoint.safe(str(causes[-1]) or type(causes[-1]).__name__)
    return ProviderFailed(f"{where} cannot be reached: {why}", retryable=True)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """An exception and what is behind it, groups included."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exc]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", each).exceptions)
        waiting.append(each.__cause__ or each.__context__)
