"""The half of the OpenAI client that needs the SDK: questions out, answers and errors in."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, cast
from urllib.parse import urlsplit

import openai
from attrs import define, field
from openai.types.chat import ChatCompletion

from ..agent.llm import LLMRequest, LLMResponse, Usage
from ..errors import LLMError

__all__ = ["Chat"]

_log = logging.getLogger(__name__)

_MAX_ERROR_CHARS = 300
_FORMATS = ("json_schema", "json_object", "text")
"""How an answer can be made to follow a schema, best first."""


@define(kw_only=True)
class Chat:
    """One server and one model, asked with the SDK. As for `OpenAIClient`."""

    name: str
    model: str
    api_key: str = field(repr=False)
    base_url: str | None = field(repr=False)
    """None for OpenAI itself."""
    timeout: float
    max_retries: int
    _sdk: openai.AsyncOpenAI = field(init=False, repr=False)
    _format: int = field(init=False, default=0)
    """The best of `_FORMATS` that the server has not refused yet."""

    def __attrs_post_init__(self) -> None:
        self._sdk = openai.AsyncOpenAI(
            api_key=self.api_key,
            base_url=self.base_url,
            timeout=self.timeout,
            max_retries=self.max_retries,
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._sdk.close()

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """As `OpenAIClient.complete`, without its bound in time."""
        level = self._format if request.schema is not None else len(_FORMATS) - 1
        while True:
            try:
                answer = cast(
                    "object",
                    await self._sdk.chat.completions.create(**self._question(request, level)),
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
                if request.schema is None or not _is_about_format(exc, level):
                    raise self._explained(exc) from None
                _log.info("%s refuses to answer as %s", self.name, _FORMATS[level])
                level += 1
                self._format = max(self._format, level)
            except openai.OpenAIError as exc:
                raise self._explained(exc) from None
            except ValueError:  # the body claims to be JSON and is none
                raise self._not_the_format() from None
            else:
                return self._read(answer, request)

    def _question(self, request: LLMRequest, level: int) -> dict[str, Any]:
        messages = [{"role": each.role, "content": each.content} for each in request.messages]
        question: dict[str, Any] = {"model": self.model, "messages": messages}
        if request.max_tokens is not None:
            # OpenAI's newer models refuse the old name, other servers know only that.
            name = "max_completion_tokens" if self.base_url is None else "max_tokens"
            question[name] = request.max_tokens
        if request.schema is None:
            return question
        if _FORMATS[level] == "json_schema":
            schema = {"name": request.schema_name, "schema": dict(request.schema), "strict": False}
            question["response_format"] = {"type": "json_schema", "json_schema": schema}
            return question
        if _FORMATS[level] == "json_object":
            question["response_format"] = {"type": "json_object"}
        wanted = (
            "Answer with one JSON object and nothing else. It must follow this JSON Schema: "
            + json.dumps(request.schema, ensure_ascii=False)
        )
        messages.insert(0, {"role": "system", "content": wanted})
        return question

    def _read(self, answer: object, request: LLMRequest) -> LLMResponse:
        # The SDK does not check what a server sends: any field may be of any kind.
        if not isinstance(answer, ChatCompletion):
            raise self._not_the_format()
        choices = cast("object", answer.choices)
        if not isinstance(choices, list):
            raise self._not_the_format()
        choice = cast("list[Any]", choices)[0] if choices else None
        message = getattr(choice, "message", None)
        refusal, text = getattr(message, "refusal", None), getattr(message, "content", None)
        finish = getattr(choice, "finish_reason", None)
        if refusal:
            raise LLMError(f"{self.name} refused: {self._safe(str(refusal))}")
        if finish == "content_filter":
            raise LLMError(f"{self.name}: the provider's content filter withheld the answer")
        if not isinstance(text, str) or not text.strip():
            raise LLMError(f"{self.name} gave an empty answer")
        if finish == "length" and request.schema is not None:
            raise LLMError(f"{self.name} was cut off before its answer was complete")
        return LLMResponse(text=text, usage=_usage(answer))

    def _not_the_format(self) -> LLMError:
        return LLMError(f"{self._where()} answered, but not in OpenAI's format; check the base URL")

    def _explained(self, exc: openai.OpenAIError) -> LLMError:
        """The sentence for whoever reads why there is no answer."""
        where = self._where()
        match exc:
            case openai.AuthenticationError():
                text = f"{where} refused the API key (401); check OPENAI_API_KEY"
            case openai.PermissionDeniedError():
                text = f"the API key may not use {self.model!r} at {where} (403)"
            case openai.NotFoundError():
                text = f"{where} knows no model {self.model!r}, or the base URL is wrong (404)"
            case openai.RateLimitError(code="insufficient_quota"):
                text = f"the account at {where} has no quota left (429)"
            case openai.RateLimitError():
                text = f"{where} is being asked too often (429); try again later"
            case openai.APITimeoutError():
                text = f"{self.name} did not answer within {self.timeout:g} s"
            case openai.APIConnectionError():
                text = f"{where} cannot be reached: {self._safe(str(exc.__cause__ or exc))}"
            case openai.APIStatusError(status_code=status):
                text = f"{where} failed ({status}): {self._safe(exc.message)}"
            case openai.APIResponseValidationError():
                return self._not_the_format()
            case _:
                text = f"{self.name}: {self._safe(str(exc))}"
        return LLMError(text)

    def _where(self) -> str:
        """The server, without the credentials that an address may hold."""
        if self.base_url is None:
            return "OpenAI"
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    def _safe(self, text: str) -> str:
        """A server's words without the key, which some repeat in part or whole."""
        text = text.replace(self.api_key, "***")
        text = " ".join(re.sub(r"\bsk-[\w*.-]+", "***", text).split())
        return text if len(text) <= _MAX_ERROR_CHARS else text[:_MAX_ERROR_CHARS] + "…"


def _is_about_format(exc: openai.APIStatusError, level: int) -> bool:
    """Whether a server refused how the answer was to be formed, and another way is left."""
    if level + 1 >= len(_FORMATS):
        return False
    said = f"{exc.message} {exc.body}".lower()
    return any(each in said for each in ("response_format", "json_schema", "json_object"))


def _usage(answer: ChatCompletion) -> Usage:
    sent = getattr(answer.usage, "prompt_tokens", 0)
    got = getattr(answer.usage, "completion_tokens", 0)
    return Usage(
        input_tokens=sent if isinstance(sent, int) else 0,
        output_tokens=got if isinstance(got, int) else 0,
    )
