"""Viewers who keep up are written to together, and leave as soon as anything is different."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from tests.realtime.fanout.stage import Stage, staged
from tests.realtime.fanout.wires import Pulled, Pushed, Wire
from trio_agent_rt.protocol import CloseCode, CommandFailed
from trio_agent_rt.realtime.fanout import Cohort, cohort, viewers


@asynccontextmanager
async def together(count: int) -> AsyncGenerator[tuple[Stage, list[Wire]]]:
    """A session, and so many viewers in cohorts, which have been given a number together: 0."""
    async with staged() as stage:
        wires = [await stage.come() for _ in range(count)]
        await stage.tell(-1)
        await stage.tell(0)
        yield stage, wires
        closed = (each.connection.closing for each in wires)
        assert CloseCode.TOO_SLOW not in {each[0] for each in closed if each is not None}


def sizes(stage: Stage) -> list[int]:
    return [len(each) for each in stage.session._viewers._cohorts if each]


def home(wire: Wire) -> Cohort | None:
    return wire.connection.cohort


async def test_who_keeps_up_is_in_a_cohort_from_the_first_event_on() -> None:
    async with staged() as stage:
        wires = [await stage.come() for _ in range(3)]
        assert sizes(stage) == []
        await stage.tell(1)
        assert sizes(stage) == [3]
        await stage.tell(2, 3)
        assert [each.told for each in wires] == [[1, 2, 3]] * 3
        assert [each.at_once for each in wires] == [2] * 3


async def test_one_who_comes_later_joins_the_others_where_they_stand() -> None:
    async with together(2) as (stage, _):
        late = await stage.come()
        await stage.tell(1)
        assert sizes(stage) == [3]
        await stage.tell(2)
        assert late.told == [1, 2]


async def test_those_who_are_sent_other_bytes_are_in_another_cohort() -> None:
    async with together(2) as (stage, _):
        other = await stage.come(Pulled)
        await stage.tell(1)
        assert sizes(stage) == [2, 1]
        await stage.tell(2)
        assert other.told == [1, 2]


async def test_a_cohort_that_is_full_is_followed_by_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cohort, "_MAX_MEMBERS", 2)
    async with together(5) as (stage, wires):
        assert sizes(stage) == [2, 2, 1]
        await stage.tell(1)
        assert [each.told for each in wires] == [[-1, 0, 1]] * 5


async def test_an_answer_takes_one_out_and_the_next_event_back() -> None:
    async with together(3) as (stage, wires):
        stage.publish(1)
        wires[1].connection.reply(CommandFailed(message="no", code="internal"))
        assert home(wires[1]) is None
        stage.publish(2)
        await trio.testing.wait_all_tasks_blocked()
        assert wires[1].told == [-1, 0, 1, "no", 2]
        assert wires[0].told == [-1, 0, 1, 2]
        await stage.tell(3)
        assert sizes(stage) == [3]
        assert wires[1].told[-1] == 3


@pytest.mark.parametrize("kind", ["recall", "refusals", "parts", "breaks"])
async def test_one_that_cannot_be_written_to_leaves_and_loses_nothing(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with together(3) as (stage, wires):
        wire = wires[1]
        if kind == "recall":
            wire.recall()
            wire.refusals = 1
        elif kind == "breaks":
            wire.breaks = True
        else:
            setattr(wire, kind, 1)
        stage.publish(1)
        await stage.until_told(wires[2], 3)
        assert home(wire) is None
        assert home(wires[0]) is home(wires[2]) is not None
        wire.breaks = False
        await stage.tell(2)
        await stage.tell(3)
        assert [each.told for each in wires] == [[-1, 0, 1, 2, 3]] * 3
        assert sizes(stage) == [3]
        assert not caplog.records


async def test_one_who_is_closed_has_left_and_is_sent_what_was_published_before() -> None:
    async with together(3) as (stage, wires):
        stage.publish(1)
        wires[0].connection.close(CloseCode.GOING_AWAY)
        wires[1].connection.close(CloseCode.GOING_AWAY, flush=False)
        assert sizes(stage) == [1]
        await stage.tell(2)
        assert [each.told for each in wires] == [[-1, 0, 1], [-1, 0], [-1, 0, 1, 2]]


async def test_one_who_is_detached_is_written_to_no_more() -> None:
    async with together(2) as (stage, wires):
        stage.publish(1)
        stage.session.detach(wires[0].connection)
        assert sizes(stage) == [1]
        await trio.testing.wait_all_tasks_blocked()
        assert [each.told for each in wires] == [[-1, 0], [-1, 0, 1]]
        assert len(stage.session._viewers._alone) == 0


async def test_cohorts_that_hardly_anybody_is_left_of_become_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cohort, "_MAX_MEMBERS", 8)
    async with together(24) as (stage, wires):
        assert sizes(stage) == [8, 8, 8]
        for wire in (*wires[1:8], *wires[9:16]):
            stage.session.detach(wire.connection)
        assert sizes(stage) == [1, 1, 8]
        stage.publish(1)
        await stage.tell(2)
        assert sizes(stage) == [2, 8]
        left = [wires[0], wires[8], *wires[16:]]
        assert [each.told for each in left] == [[-1, 0, 1, 2]] * 10


async def test_much_at_once_is_given_to_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with together(3) as (stage, wires):
        monkeypatch.setattr(viewers, "_MAX_COHORT_BATCH_BYTES", 1)
        first = home(wires[0])
        assert first is not None
        await stage.tell(1)
        assert len(first) == 0
        assert sizes(stage) == [3], "and then they are together again"
        assert [each.told for each in wires] == [[-1, 0, 1]] * 3


async def test_one_who_leaves_in_the_middle_is_given_nothing_twice(one_at_a_time: None) -> None:
    async with together(3) as (stage, wires):
        stage.publish(1)
        await stage.until_told(wires[0], 3)
        assert not wires[2].told[2:], "it is in the middle"
        for wire in (wires[0], wires[2]):
            wire.connection.reply(CommandFailed(message="no", code="internal"))
        stage.publish(2)
        await trio.testing.wait_all_tasks_blocked()
        assert wires[0].told == wires[2].told == [-1, 0, 1, "no", 2]
        assert wires[1].told == [-1, 0, 1, 2]


@pytest.mark.parametrize("much", [False, True])
async def test_one_who_joins_in_the_middle_finds_the_others_where_it_stands(
    much: bool, one_at_a_time: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cohort, "_MAX_MEMBERS", 8)
    async with together(2) as (stage, wires):
        late = [await stage.come() for _ in range(2)]
        stage.publish(1)
        await stage.until_told(wires[0], 3)
        if much:
            monkeypatch.setattr(viewers, "_MAX_COHORT_BATCH_BYTES", 1)
        stage.publish(2)
        await trio.testing.wait_all_tasks_blocked()
        assert sizes(stage) == [4]
        monkeypatch.undo()
        await stage.tell(3)
        await stage.tell(4)
        assert [each.told for each in wires] == [[-1, 0, 1, 2, 3, 4]] * 2
        assert [each.told for each in late] == [[1, 2, 3, 4]] * 2


async def test_nothing_is_left_of_those_who_have_gone() -> None:
    async with together(3) as (stage, wires):
        for wire in wires:
            stage.session.detach(wire.connection)
        last = await stage.come(Pulled)
        await stage.tell(1)
        assert last.told == [1]
        assert [each.form for each in stage.session._viewers._cohorts] == [last.connection.form]


@pytest.mark.parametrize("how", ["framing", "lending"])
async def test_a_transport_that_makes_a_mistake_is_closed_and_no_other(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("a mistake")

    async with together(2) as (stage, wires):
        mistaken = Pulled(stage.nursery)
        wires.append(await stage.come(lambda _: mistaken))
        await stage.tell(1)
        assert sizes(stage) == [2, 1]
        connection = mistaken.connection
        if how == "framing":
            home(mistaken).form = connection.form = (fail, None)  # type: ignore[union-attr]
        else:
            connection.leave_cohort()
            mistaken.lend = fail  # type: ignore[method-assign,assignment]
        await stage.tell(2)
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None
        caplog.clear()
        await stage.tell(3)
        assert connection.closing == (CloseCode.INTERNAL_ERROR, "internal error")
        assert [each.told for each in wires[:2]] == [[-1, 0, 1, 2, 3]] * 2


async def test_ctrl_c_waits_while_a_viewer_is_given_something() -> None:
    seen: list[tuple[str, bool]] = []

    class Noting(Pushed):
        def _take(self, data: bytes) -> int:
            seen.append(("write", trio.lowlevel.currently_ki_protected()))
            return super()._take(data)

        def lend(self, on_recall: Callable[[], None]) -> Callable[[bytes], int] | None:
            seen.append(("lend", trio.lowlevel.currently_ki_protected()))
            return super().lend(on_recall)

        def _wake(self) -> None:
            seen.append(("wake", trio.lowlevel.currently_ki_protected()))
            super()._wake()

    async with staged() as stage:
        wire = await stage.come(Noting)
        assert not trio.lowlevel.currently_ki_protected()
        await trio.testing.wait_all_tasks_blocked()
        seen.clear()
        for _ in range(2):
            stage.publish(1)
            stage.session._viewers.spill()
        wire.connection.reply(CommandFailed(message="no", code="internal"))
        assert [each for each, _ in seen] == ["write", "lend", "write", "wake"]
        assert all(protected for _, protected in seen)
