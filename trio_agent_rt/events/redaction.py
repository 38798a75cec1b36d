"""Secrets that are known by their values, kept out of what is shown.

A `Redaction` masks exact texts: `[OPENAI_API_KEY]` stands where the key stood. It knows
them as they are, as JSON writes them inside of a text, and percent-encoded; not in base64
or any other disguise. Where a text was cut in the middle of a secret, what is left of it
before the "…" goes too. Ids of tasks and steps are left as they are: answers name them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, cast
from urllib.parse import quote

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

__all__ = ["Redaction", "Redactor"]

_NAME = re.compile(
    r"(?:.*_)?(?:API_?KEY|ACCESS_KEY|SECRET_KEY|PRIVATE_KEY|TOKEN|SECRET|PASSWORD|PASSWD"
    r"|PASSPHRASE)",
    re.IGNORECASE,
)
_MIN_LENGTH = 8
"""Shorter values stand in ordinary text too often."""
_CUT_LEAVES = 4
"""Fewer characters of a secret tell nothing."""
_NO_TEXTS = frozenset({
    "id", "task_id", "step_id", "depends_on", "interrupted", "completed", "position", "timestamp",
    "replay", "success", "outcome", "duration", "retries", "status", "state", "cancelling",
    "progress", "step_index", "total_steps", "will_retry", "expires_at", "requested_at",
    "ended_at", "cleanup", "need_confirmation", "missed",
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
        self._named = {secret: name for secret, name in named.items() if secret}
        self._masks = {
            form: f"[{name}]" for secret, name in self._named.items() for form in _forms(secret)
        }
        forms = sorted(self._masks, key=len, reverse=True)  # a secret may begin with another
        self._forms = tuple(forms)
        self._pattern = re.compile("|".join(map(re.escape, forms)) or r"(?!)")
        self._starts = frozenset(each[0] for each in forms)
        self._names: dict[type, Sequence[str]] = {}
        """The fields of each kind of message that may hold text."""
        self._longest = max(map(len, forms), default=0)

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
        return bool(self._forms)

    def __repr__(self) -> str:
        return f"<Redaction of {len(self._named)} secrets>"

    def text(self, text: str) -> str:
        """`text` with every secret in it masked."""
        for each in self._forms:
            if each in text:
                text = self._pattern.sub(self._mask, text)
                break
        if "…" in text and self._forms:
            pieces = text.split("…")
            text = "…".join([*map(self._without_beginning, pieces[:-1]), pieces[-1]])
        return text

    def _mask(self, found: re.Match[str]) -> str:
        return self._masks[found[0]]

    def _without_beginning(self, text: str) -> str:
        """Without the beginning of a secret that it may end with."""
        size = self.held_back(text)
        return text if size < _CUT_LEAVES else f"{text[:-size]}[redacted]"

    def held_back(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a secret."""
        ending = text[-max(self._longest - 1, 1) :]
        longest = 0
        if self._starts.isdisjoint(ending):
            return longest
        for form in self._forms:
            place = ending.find(form[0], max(len(ending) - len(form) + 1, 0))
            while 0 <= place < len(ending) - longest:
                if form.startswith(ending[place:]):
                    longest = len(ending) - place
                place = ending.find(form[0], place + 1)
        return longest

    def value(self, value: object) -> Any:
        """`value` as plain values (see `to_jsonable`), with every secret in it masked."""
        if not self._forms:
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
        return value

    def event(self, event: Event) -> Event:
        """An event as it may be shown; the same one if there is nothing to mask."""
        return self._record(event) if self._forms else event

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
            return value
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


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="")


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
