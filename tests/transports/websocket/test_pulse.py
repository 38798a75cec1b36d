"""When connections are asked for a sign of life, on a clock that jumps."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing
from attrs import define, field

from trio_agent_rt.transports.websocket.pulse import Pulse


@define(eq=False)
class Patient:
    """A connection that notes what was asked of it, and when."""

    free: bool = True
    events: list[tuple[str, float]] = field(factory=list[tuple[str, float]])

    def ping(self) -> bool:
        """Ask."""
        self.events.append(("ping" if self.free else "busy", trio.current_time()))
        return self.free

    def note_silence(self) -> None:
        """Nothing came."""
        self.events.append(("silent", trio.current_time()))


async def test_who_is_silent_is_told_of_once_and_who_answers_is_asked_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pulse = Pulse(10, 3)
    silent, answering, busy = Patient(), Patient(), Patient(free=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run)
        for each in (silent, answering, busy):
            pulse.add(each)
        await trio.sleep(11)
        pulse.note_sign(answering)
        await trio.sleep(19.5)
        nursery.cancel_scope.cancel()
    assert silent.events == [("ping", 10), ("silent", 13)]
    assert answering.events == [("ping", 10), ("ping", 21), ("silent", 24)]
    assert busy.events == [("busy", 10), ("busy", 20), ("busy", 30)]


async def test_a_mistake_with_one_is_no_other_ones(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Mistaken(Patient):
        def ping(self) -> bool:
            super().ping()
            raise RuntimeError("a mistake")

        def note_silence(self) -> None:
            super().note_silence()
            raise RuntimeError("another mistake")

    pulse = Pulse(10, 3)
    mistaken, other = Mistaken(), Patient()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run)
        for each in (mistaken, other):
            pulse.add(each)
        with caplog.at_level(logging.CRITICAL):
            await trio.sleep(14)
        nursery.cancel_scope.cancel()
    assert mistaken.events[0] == ("ping", 10)
    assert other.events == [("ping", 10), ("silent", 13)]


async def test_who_comes_while_others_are_waited_for_is_asked_in_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pulse = Pulse(10, 100)
    first, second = Patient(), Patient()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run)
        await trio.testing.wait_all_tasks_blocked()
        pulse.add(first)
        await trio.sleep(15)
        pulse.add(second)
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert first.events == [("ping", 10)]
    assert second.events == [("ping", 25)]


async def test_who_has_gone_is_asked_nothing(autojump_clock: trio.testing.MockClock) -> None:
    pulse = Pulse(10, 3)
    before, asked = Patient(), Patient()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run)
        pulse.add(before)
        pulse.add(asked)
        pulse.remove(before)
        await trio.sleep(11)
        pulse.remove(asked)
        pulse.note_sign(asked)
        await trio.sleep(50)
        nursery.cancel_scope.cancel()
    assert before.events == []
    assert asked.events == [("ping", 10)]


async def test_thousands_that_are_due_at_once_leave_others_their_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pulse = Pulse(10, 3)
    patients = [Patient() for _ in range(1000)]
    asked: list[int] = []

    async def look() -> None:
        await trio.sleep_until(10)
        while not asked or asked[-1] < len(patients):
            asked.append(sum(bool(each.events) for each in patients))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run)
        for each in patients:
            pulse.add(each)
        await look()
        nursery.cancel_scope.cancel()
    # It looks once in each of the passes, before or after those who are asked in it.
    assert sum(0 < each < len(patients) for each in asked) >= 2
