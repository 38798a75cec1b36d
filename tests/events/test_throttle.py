"""The throttle against its contract, with the time given."""

from __future__ import annotations

import math
from typing import TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.events import Throttle
from trio_agent_rt.events.throttle import MAX_JOINED_CHARS
from trio_agent_rt.protocol import Event, StepOutput, StepProgressed

INTERVAL = 10

Key: TypeAlias = tuple[str, type[Event]]
Offer: TypeAlias = StepProgressed | StepOutput


def progress(value: float, step: str = "a") -> StepProgressed:
    return StepProgressed(step_id=step, progress=value, message=str(value))


def output(text: str, step: str = "a") -> StepOutput:
    return StepOutput(step_id=step, text=text)


def key_of(event: Event) -> Key:
    assert isinstance(event, StepProgressed | StepOutput)
    return event.step_id, type(event)


@attrs.define
class Model:
    """What was offered, what came out and when; checks the contract as it goes."""

    throttle: Throttle = attrs.field(factory=lambda: Throttle(INTERVAL))
    now: float = 0
    offered: dict[Key, list[Offer]] = attrs.field(factory=dict)
    passed: dict[Key, list[Offer]] = attrs.field(factory=dict)
    may_pass_at: dict[Key, float] = attrs.field(factory=dict)

    def waits(self, key: Key) -> bool:
        offered, passed = self.offered.get(key, []), self.passed.get(key, [])
        if key[1] is StepOutput:
            return len(text_of(offered)) > len(text_of(passed))
        return bool(offered) and (not passed or passed[-1] is not offered[-1])

    def take(self, events: list[Event], *, early: bool = False) -> None:
        for key in {key_of(event): None for event in events}:
            group = [event for event in events if key_of(event) == key]
            offered, passed = self.offered[key], self.passed.setdefault(key, [])
            if key[1] is StepProgressed:
                assert group == [offered[-1]], "the latest value and nothing else"
            long = sum(len(each.text) for each in group if isinstance(each, StepOutput))
            assert early or long >= MAX_JOINED_CHARS or self.now >= self.may_pass_at.get(key, 0), (
                "once per interval"
            )
            self.may_pass_at[key] = self.now + INTERVAL
            passed += [each for each in group if isinstance(each, StepProgressed | StepOutput)]
            assert text_of(offered) == text_of(passed), "no text lost, doubled or moved"

    def check_due(self) -> None:
        waiting = [key for key in self.offered if self.waits(key)]
        due = self.throttle.due()
        if not waiting:
            assert due is None
        else:
            assert due == min(self.may_pass_at[key] for key in waiting)


def text_of(events: list[Offer]) -> str:
    return "".join(each.text for each in events if isinstance(each, StepOutput))


steps = st.sampled_from(["a", "b"])
sizes = st.integers(0, 5) | st.sampled_from([MAX_JOINED_CHARS - 3, 2 * MAX_JOINED_CHARS + 7])
actions = st.lists(
    st.tuples(st.just("progress"), steps)
    | st.tuples(st.just("output"), steps, sizes)
    | st.tuples(st.just("advance"), st.integers(1, 2 * INTERVAL))
    | st.tuples(st.just("wake"))
    | st.tuples(st.just("release"))
    | st.tuples(st.just("flush"), steps | st.none()),
    max_size=40,
)


@given(actions)
def test_it_keeps_its_contract_whatever_is_offered_and_when(
    script: list[tuple[str, ...]],
) -> None:
    model = Model()
    for number, (action, *arguments) in enumerate(script):
        match action, arguments:
            case ("progress", [str(step)]):
                event: Offer = progress(number, step)
                model.offered.setdefault(key_of(event), []).append(event)
                model.take(model.throttle.offer(event, model.now))
            case ("output", [str(step), int(size)]):
                letter = chr(ord("a") + number % 26)
                event = output(letter * size, step)
                model.offered.setdefault(key_of(event), []).append(event)
                model.take(model.throttle.offer(event, model.now))
            case ("advance", [int(time)]):
                model.now += time
            case ("wake", []):
                due = model.throttle.due()
                if due is not None:
                    model.now = max(model.now, due)
                    released = model.throttle.release(model.now)
                    assert released, "what is due is released"
                    model.take(released)
            case ("release", []):
                model.take(model.throttle.release(model.now))
                due = model.throttle.due()
                assert due is None or due > model.now, "nothing that is due is kept"
            case ("flush", [step]):
                model.take(model.throttle.flush(step), early=True)
                for key in model.offered:
                    if step in (None, key[0]):
                        assert not model.waits(key), "the last is always delivered"
                        model.may_pass_at.pop(key, None)
            case other:
                raise AssertionError(other)
        model.check_due()
    model.take(model.throttle.flush(), early=True)
    for key, offered in model.offered.items():
        assert not model.waits(key)
        passed = model.passed.get(key, [])
        assert all(len(text_of([each])) <= MAX_JOINED_CHARS for each in passed)
        if key[1] is StepProgressed:
            values = [offered.index(each) for each in passed]
            assert values == sorted(set(values)), "in the order in which they were offered"
    assert model.throttle.due() is None


def test_the_first_value_passes_at_once() -> None:
    throttle = Throttle(INTERVAL)
    assert throttle.offer(progress(1), 5) == [progress(1)]
    assert throttle.due() is None


def test_of_progress_within_the_interval_the_latest_wins() -> None:
    throttle = Throttle(INTERVAL)
    throttle.offer(progress(1), 0)
    assert throttle.offer(progress(2), 1) == []
    assert throttle.offer(progress(3), 2) == []
    assert throttle.due() == 10
    assert throttle.release(9) == []
    assert throttle.release(10) == [progress(3)]
    assert throttle.release(30) == []


def test_of_output_within_the_interval_the_pieces_are_joined() -> None:
    throttle = Throttle(INTERVAL)
    assert throttle.offer(output("a"), 0) == [output("a")]
    assert throttle.offer(output("b"), 1) == []
    assert throttle.offer(output("c"), 2) == []
    assert throttle.offer(output("d"), 10) == [output("bcd")]


def test_progress_does_not_hold_back_output_nor_one_step_another() -> None:
    throttle = Throttle(INTERVAL)
    for event in (progress(1), output("a"), progress(1, "b"), output("a", "b")):
        assert throttle.offer(event, 0) == [event]


def test_it_says_when_what_was_offered_may_be_published_or_that_it_does_not_wait() -> None:
    throttle = Throttle(INTERVAL)
    throttle.offer(progress(1, "first"), 0)
    throttle.offer(progress(2, "first"), 1)
    assert throttle.due(progress(1)) is None, "it was not offered"
    throttle.offer(progress(1), 5)
    assert throttle.due(progress(1)) is None, "it has passed"
    throttle.offer(progress(2), 6)
    assert throttle.due(progress(2)) == 15
    assert throttle.due(output("x")) is None, "of the output nothing waits"
    assert throttle.due() == 10, "of all the next"


def test_a_flush_of_one_step_leaves_the_others_waiting() -> None:
    throttle = Throttle(INTERVAL)
    for step in "ab":
        throttle.offer(progress(1, step), 0)
        throttle.offer(progress(2, step), 1)
        throttle.offer(output("x", step), 1)
        throttle.offer(output("y", step), 1)
    assert throttle.flush("a") == [progress(2), output("y")]
    assert throttle.flush("a") == []
    assert throttle.flush() == [progress(2, "b"), output("y", "b")]


def test_after_a_flush_a_step_starts_afresh() -> None:
    throttle = Throttle(INTERVAL)
    throttle.offer(progress(1), 0)
    throttle.flush("a")
    assert throttle.offer(progress(0), 1) == [progress(0)]


def test_output_that_has_grown_long_passes_early() -> None:
    throttle = Throttle(INTERVAL)
    throttle.offer(output("a"), 0)
    assert throttle.offer(output("b" * (MAX_JOINED_CHARS - 1)), 1) == []
    assert throttle.offer(output("c"), 2) == [output("b" * (MAX_JOINED_CHARS - 1) + "c")]
    assert throttle.due() is None


def test_a_giant_piece_is_split() -> None:
    events = Throttle(INTERVAL).offer(output("x" * (2 * MAX_JOINED_CHARS + 1)), 0)
    assert [len(each.text) for each in events if isinstance(each, StepOutput)] == [
        MAX_JOINED_CHARS,
        MAX_JOINED_CHARS,
        1,
    ]


def test_an_empty_piece_is_nothing_to_publish_or_to_wait_for() -> None:
    throttle = Throttle(INTERVAL)
    assert throttle.offer(output(""), 0) == []
    assert throttle.offer(output("a"), 1) == [output("a")]
    assert throttle.offer(output(""), 2) == []
    assert throttle.due() is None


def test_without_an_interval_everything_passes() -> None:
    throttle = Throttle(0)
    for value in range(5):
        assert throttle.offer(progress(value), 1) == [progress(value)]
    assert throttle.due() is None


def test_with_an_endless_interval_the_last_still_comes_with_the_end() -> None:
    throttle = Throttle(math.inf)
    throttle.offer(progress(1), 0)
    throttle.offer(progress(2), 1)
    assert throttle.due() == math.inf
    assert throttle.flush("a") == [progress(2)]


@pytest.mark.parametrize("interval", [-1, math.nan])
def test_an_interval_that_is_none_is_refused(interval: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        Throttle(interval)
