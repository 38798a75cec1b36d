"""What happens to a task, wherever it is in its life: every cell of the table, tried.

Of each: exactly one terminal message, with the outcome and the receipt that the table says,
after the work has ended; nothing is left; and a server that lives on serves the next task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.agent.stopping.left_threads import an_end
from tests.realtime.life.life import CLEANUP_TIMEOUT, LINGER, Life, SiblingFailed
from tests.realtime.life.points import CLEANUP_BOUND, POINTS
from tests.realtime.life.table import CELLS, COLUMNS, OUTCOMES, TABLE
from tests.realtime.life.tool_points import TOOL_POINTS
from tests.realtime.viewing import viewer
from tests.sweeps.stage import check_task
from trio_agent_rt.protocol import Acknowledged, Receipt, StatusChanged, SubmitTask, TaskCompleted
from trio_agent_rt.testing import assert_no_leaks

WHERE = {**POINTS, **TOOL_POINTS}

SERVER_ENDS = "the server is shutting down"
NOBODY_CAME = "the last connection left and did not come back"
REASONS = {
    "cancel": "a client asked: enough",
    "linger=0": NOBODY_CAME,
    "linger=N": NOBODY_CAME,
    "replace": "replaced by a newer task",
    "shutdown": SERVER_ENDS,
    "outer cancel": SERVER_ENDS,
    "sibling": SERVER_ENDS,
}

ENDS_THE_SERVER = {"shutdown", "drain", "outer cancel", "sibling"}

UNTOUCHED = {"goes on", "cleans up first", "keeps its cancel"}
"""What still goes on when it has happened, and waits for nothing but its own."""
OVER_BEFORE = {"has succeeded", "has ended"}
SUCCEEDS = {"goes on", *OVER_BEFORE}

BOUNDED = [(row, column) for row, column in CELLS if WHERE[row].bounded]


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> trio.testing.MockClock:
    """Stands still until it is told to jump, but for programs."""
    row = request.node.callspec.params["row"]
    return trio.testing.MockClock(rate=1.0 if WHERE[row].real_time else 0.0)


def test_the_table_is_whole() -> None:
    assert WHERE.keys() == TABLE.keys()
    assert {outcome for row in TABLE.values() for outcome in row.values()} == OUTCOMES.keys()
    assert all(row.keys() == COLUMNS.keys() for row in TABLE.values())


@pytest.mark.hang_guard(20)
@pytest.mark.parametrize(("row", "column"), CELLS, ids=["-".join(each) for each in CELLS])
async def test_cell(row: str, column: str, clock: trio.testing.MockClock, tmp_path: Path) -> None:
    outcome = TABLE[row][column]
    life = Life(WHERE[row], column, clock, tmp_path)
    with assert_no_leaks(), an_end() as thread_has_ended:
        await _live(life, outcome, _let_it_go_on)
        if outcome == "left behind":
            await thread_has_ended.wait()
    completed = _check(life, outcome)
    if completed.receipt is not None:
        left = ("timed_out", "work (its thread was left behind)")
        told = (completed.receipt.cleanup, completed.receipt.cleanup_detail)
        assert told == (left if outcome == "left behind" else ("clean", None))
        longest = CLEANUP_TIMEOUT if life.point.own_reason is None else LINGER
        assert completed.receipt.duration <= longest * 1000


@pytest.mark.hang_guard(20)
@pytest.mark.parametrize(("row", "column"), BOUNDED, ids=["-".join(each) for each in BOUNDED])
async def test_a_cleanup_that_goes_on_is_cut_off_at_its_bound(
    row: str, column: str, clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    outcome = TABLE[row][column]
    life = Life(WHERE[row], column, clock, tmp_path)
    with assert_no_leaks():
        await _live(life, outcome, _wait_for_its_bound)
    completed = _check(life, outcome)
    if completed.receipt is not None:
        told = (completed.receipt.cleanup, completed.receipt.cleanup_detail)
        assert told == ("timed_out", "work")


async def _live(life: Life, outcome: str, end: Callable[[Life, str], Awaitable[None]]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.program)
        try:
            await life.acted.wait()
            await _look_on(life, outcome, end)
        finally:
            life.let_all_go()


async def _look_on(life: Life, outcome: str, end: Callable[[Life, str], Awaitable[None]]) -> None:
    if life.column == "linger=N":
        await _nobody_comes_back(life, outcome)
    if life.column == "linger=None" and outcome not in OVER_BEFORE:
        await trio.testing.wait_all_tasks_blocked()
        life.clock.jump(LINGER)
    if outcome in UNTOUCHED:
        await trio.testing.wait_all_tasks_blocked()
        assert life.task.completed is None
        if life.column in ENDS_THE_SERVER:
            assert life.realtime.phase == ("draining" if life.column == "drain" else "cancelling")
        await end(life, outcome)
    await life.task.wait()
    await trio.testing.wait_all_tasks_blocked()
    if life.column in ENDS_THE_SERVER:
        assert life.realtime.phase == "closed"
    else:
        await _serves_the_next(life)


async def _let_it_go_on(life: Life, outcome: str) -> None:
    life.point.release(life)
    await trio.lowlevel.checkpoint()


async def _wait_for_its_bound(life: Life, outcome: str) -> None:
    """Its own, or that of a shutdown which cancels."""
    bound = CLEANUP_BOUND
    if REASONS.get(life.column) == SERVER_ENDS:
        bound = CLEANUP_TIMEOUT
    life.clock.jump(bound - 1 - trio.current_time())
    await trio.testing.wait_all_tasks_blocked()
    assert life.task.completed is None
    life.clock.jump(1)
    await trio.testing.wait_all_tasks_blocked()
    assert life.task.completed is not None


async def _nobody_comes_back(life: Life, outcome: str) -> None:
    await trio.testing.wait_all_tasks_blocked()
    life.clock.jump(LINGER - 1)
    await trio.testing.wait_all_tasks_blocked()
    assert (life.task.completed is not None) == (outcome in OVER_BEFORE)
    assert life.point.own_reason or not life.task.scope.cancel_called
    assert life.task.session_id in life.realtime.session_ids
    life.clock.jump(1)
    await trio.testing.wait_all_tasks_blocked()


async def _serves_the_next(life: Life) -> None:
    """In the same session, if that is to live on, and to a viewer who comes if none stayed."""
    running = [each.name for each in life.realtime.nursery.child_tasks]
    assert not [each for each in running if "task held" in each], "something of it is left"
    life.one_before_go.set()
    if life.column == "replace":
        assert (await life.me.until(TaskCompleted, task_id="newer")).success
        assert life.newer_came_after, "the newer task began before the one that it replaces ended"
    if life.column == "cancel":
        _check_answer(life, await life.me.until(Acknowledged, request_id="cancel"))
    if life.column == "other task":
        assert life.others
        for each in life.others:
            assert (await each.wait()).outcome == "failed"
    if life.column in {"linger=0", "linger=N"}:
        assert life.realtime.session_ids == []
    me = life.me
    if life.column.startswith("linger"):
        session = life.task.session_id if life.column == "linger=None" else None
        async with viewer(life.realtime, session=session) as me:
            if session is not None:
                assert (await me.until(TaskCompleted, task_id="held")).replay
            me.send(SubmitTask(task="the next", task_id="next"))
            assert (await me.until(TaskCompleted, task_id="next")).success
    else:
        me.send(SubmitTask(task="the next", task_id="next"))
        assert (await me.until(TaskCompleted, task_id="next")).success


def _check_answer(life: Life, answer: Acknowledged) -> None:
    assert life.task.completed is not None
    receipt = life.task.completed.receipt
    assert answer.outcome == ("already_ended" if receipt is None else "cancelled")
    assert answer.receipt == receipt


def _check(life: Life, outcome: str) -> TaskCompleted:
    assert life.realtime.phase == "closed"
    if life.column == "sibling":
        assert life.raised is not None
        assert [type(each) for each in life.raised.exceptions] == [SiblingFailed]
    offsets = [each.position.offset for each in life.events if each.position is not None]
    assert offsets == list(range(1, len(offsets) + 1))
    completed = check_task([each for each in life.events if each.task_id == "held"])
    assert life.alive_at_its_end == [0], "something of it was running at its terminal message"
    life.point.check(life, outcome)
    if life.column == "replace":
        _check_order(life)
    if outcome in SUCCEEDS:
        assert completed.outcome == "succeeded"
        assert not [each for each in _statuses(life, "held") if each.cancelling]
    else:
        assert completed.outcome == "cancelled"
        assert completed.receipt is not None
        _check_receipt(life, outcome, completed.receipt)
    return completed


def _statuses(life: Life, task_id: str) -> list[StatusChanged]:
    told = [each for each in life.events if each.task_id == task_id]
    return [each for each in told if isinstance(each, StatusChanged)]


def _check_order(life: Life) -> None:
    """Nothing is told of the newer task before the end of the one that it replaces."""
    told = [each.task_id for each in life.events if each.task_id is not None]
    last = max(number for number, each in enumerate(told) if each == "held")
    assert "newer" not in told[:last], told


def _check_receipt(life: Life, outcome: str, receipt: Receipt) -> None:
    point = life.point
    assert receipt.reason == (point.own_reason or REASONS[life.column])
    match outcome:
        case "never called":
            assert not life.called
            told = [each.message for each in _statuses(life, "held") if each.cancelling]
            assert [each for each in told if not each.startswith("Cancelling: ")] == []
            assert (receipt.interrupted, receipt.completed) == ((), ())
        case "cut short":
            assert receipt.completed == ()
        case _:
            assert sorted(receipt.interrupted) == list(point.interrupts)
            assert receipt.completed == tuple(point.completes)
