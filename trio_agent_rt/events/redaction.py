"""Secrets that are known by their values, kept out of what is shown.

A `Redaction` masks exact texts: `[OPENAI_API_KEY]` stands where the key stood. It knows
them as they are, escaped as JSON and URLs do it, with other line ends, and as numbers; not
in base64 or any other disguise. Where a text was cut in the middle of a secret, what is left
of it before the "…" goes too. Ids of tasks and steps are left as they are: answers name them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

import attrs

from ..protocol import (
    Event,
    Plain,
    PlanCreated,
    PlanUpdated,
    StepCompleted,
    StepFailed,
    StepOutput,
    TaskCompleted,
    to_jsonable,
)
from .disguises import Disguises, overlap

__all__ = ["Redaction", "Redactor"]

_NAME = re.compile(
    r"(?:.*_)?(?:API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|TOKEN|SECRET|PASSWORD|PASSWD"
    r"|PASSPHRASE)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,18})?")
"""What a program may have read as a number; JSON has no longer ones that are exact."""
_MIN_LENGTH = 8
"""Shorter values stand in ordinary text too often."""
_CUT_LEAVES = 4
"""Fewer characters of a secret tell nothing."""
_NO_TEXTS = frozenset({
    "id", "task_id", "step_id", "depends_on", "interrupted", "completed", "position", "timestamp",
    "replay", "success", "outcome", "duration", "retries", "status", "state", "cancelling",
    "progress", "step_index", "total_steps", "will_retry", "expires_at", "requested_at",
    "ended_at", "cleanup", "need_confirmation", "missed",
    "input_tokens", "output_tokens",
})  # fmt: skip
"""Fields of ids, numbers and words of our own."""


class Redaction:
    """Texts that are never shown.

    Args:
        secrets: the texts, with what to call each of them, or without.

    An empty one changes nothing, and costs nothing.
    """

    def __init__(self, secrets: Mapping[str, str] | Iterable[str] = ()) -> None:
        if isinstance(secrets, Mapping):
            named = dict(cast("Mapping[str, str]", secrets))
        else:
            named = dict.fromkeys(secrets, "redacted")
        self._named = {_trimmed(secret): name for secret, name in named.items() if secret}
        self._masks = {secret: f"[{name}]" for secret, name in self._named.items()}
        # A secret may begin with another.
        self._secrets = tuple(sorted(self._masks, key=len, reverse=True))
        self._pattern = re.compile("|".join(map(re.escape, self._secrets)) or r"(?!)")
        self._starts = frozenset(each[0] for each in self._secrets)
        self._disguises = Disguises(self._masks)
        self._numbers = {
            number: mask for secret, mask in self._masks.items() for number in _numbers(secret)
        }
        self._names: dict[type, Sequence[str]] = {}
        """The fields of each kind of message that may hold text."""
        self._longest = max(map(len, self._secrets), default=0)

    @classmethod
    def of_environment(
        cls, environ: Mapping[str, str] | None = None, *, min_length: int = _MIN_LENGTH
    ) -> Self:
        """Of the variables whose names end as those of secrets do: `…_API_KEY`, `…_TOKEN`,
        `…_SECRET`, `…_PASSWORD` and their like.

        Args:
            environ: or None for this process's environment, as it is now.
            min_length: of a value that is taken for a secret, in characters.
        """
        found = os.environ if environ is None else environ
        return cls(
            {
                value: name
                for name, value in found.items()
                if len(value) >= min_length and _NAME.fullmatch(name)
            }
        )

    def __or__(self, other: Redaction) -> Redaction:
        return Redaction({**self._named, **other._named})

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def __repr__(self) -> str:
        return f"<Redaction of {len(self._named)} secrets>"

    def text(self, text: str) -> str:
        """`text` with every secret in it masked."""
        for each in self._secrets:
            if each in text:
                text = self._pattern.sub(self._mask, text)
                break
        text = self._disguises.masked(text)
        if "…" in text and self._secrets:
            pieces = text.split("…")
            text = "…".join([*map(self._without_beginning, pieces[:-1]), pieces[-1]])
        return text

    def _mask(self, found: re.Match[str]) -> str:
        return self._masks[found[0]]

    def _without_beginning(self, text: str) -> str:
        """Without the beginning of a secret that it may end with."""
        size = max(self._begun(text), self._disguises.begun(text, finished=True))
        return text if size < _CUT_LEAVES else f"{text[:-size]}[redacted]"

    def held_back(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a secret."""
        return max(self._begun(text), self._disguises.begun(text))

    def _begun(self, text: str) -> int:
        ending = text[-max(self._longest - 1, 1) :]
        return 0 if self._starts.isdisjoint(ending) else overlap(ending, self._secrets)

    def value(self, value: object) -> Any:
        """`value` as plain values (see `to_jsonable`), with every secret in it masked."""
        if not self._secrets:
            return value
        return self._plain(value.value if type(value) is Plain else to_jsonable(value))

    def _plain(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._plain(each) for each in cast("list[Any]", value)]
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value).items()
            return {self.text(key): self._plain(each) for key, each in items}
        return self._number(value)

    def _number(self, value: Any) -> Any:
        if self._numbers and type(value) in {int, float}:
            return self._numbers.get(value, value)
        return value

    def event(self, event: Event) -> Event:
        """An event as it may be shown; the same one if there is nothing to mask."""
        return self._record(event) if self._secrets else event

    def _record(self, record: Any) -> Any:
        changed: dict[str, Any] = {}
        kind = cast("type[attrs.AttrsInstance]", type(record))
        names = self._names.get(kind)
        if names is None:
            every = [each.name for each in attrs.fields(kind)]
            names = self._names[kind] = [each for each in every if each not in _NO_TEXTS]
        for name in names:
            value = getattr(record, name)
            masked = self._field(value)
            if masked is not value:
                changed[name] = masked
        return attrs.evolve(record, **changed) if changed else record

    def _field(self, value: Any) -> Any:
        if type(value) is str:
            masked = self.text(value)
            return value if masked == value else masked
        if value is None or isinstance(value, bool | int | float):
            return self._number(value)
        if type(value) is Plain:
            return Plain(self._plain(value.value))
        kind = cast("type[object]", type(value))
        if attrs.has(kind) and kind.__module__.startswith(_PROTOCOL):
            return self._record(value)
        if type(value) is tuple:
            items = cast("tuple[Any, ...]", value)
            masked = tuple(map(self._field, items))
            unchanged = all(new is old for new, old in zip(masked, items, strict=True))
            return items if unchanged else masked
        return Plain(self.value(value))


_PROTOCOL = Event.__module__.rpartition(".")[0]


def _trimmed(secret: str) -> str:
    """Without the line end that a file gives a key and a program takes away."""
    trimmed = secret.strip()
    return trimmed if len(trimmed) >= _CUT_LEAVES else secret


def _numbers(secret: str) -> Iterator[int | float]:
    """The number that a secret is, if it is one."""
    if _NUMBER.fullmatch(secret):
        yield float(secret) if "." in secret else int(secret)


class Redactor:
    """Masks the events of one task, in order.

    A secret may come in two pieces of a step's streamed output. What might be the
    beginning of one waits for the next piece, or for the end of the step.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._held: dict[str, str] = {}

    def events(self, event: Event) -> Sequence[Event]:
        """What may be shown now that `event` was said."""
        if type(event) is StepOutput:
            return self._output(event)
        shown = self._redaction.event(event)
        return (*self._released(event), shown) if self._held else (shown,)

    def _output(self, event: StepOutput) -> Sequence[Event]:
        text = self._redaction.text(self._held.pop(event.step_id, "") + event.text)
        size = self._redaction.held_back(text)
        if size:
            self._held[event.step_id] = text[-size:]
            text = text[:-size]
        if text == event.text:
            return (event,)
        return (attrs.evolve(event, text=text),) if text else ()

    def _released(self, event: Event) -> Iterator[Event]:
        ended: list[str] = []
        if isinstance(event, StepCompleted | StepFailed):
            ended = [event.step_id]
        elif isinstance(event, PlanCreated | PlanUpdated):
            # The others go on: what they hold back may still be the beginning of a secret.
            planned = {each.id for each in event.plan.steps}
            ended = [each for each in self._held if each not in planned]
        elif isinstance(event, TaskCompleted):
            ended = list(self._held)
        for each in ended:
            text = self._held.pop(each, "")
            if text:
                yield StepOutput(task_id=event.task_id, step_id=each, text=text)
