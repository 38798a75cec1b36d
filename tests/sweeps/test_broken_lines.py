"""The connection is cut at every byte and after every message, and every send fails once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from tests.contract import check_task_events
from tests.sweeps.crowd import Job, how_many, run_all
from tests.sweeps.over_network import KINDS, submit_until_taken
from tests.sweeps.stage import Kind, staged
from trio_agent_rt import GapOccurred, Reconnect, TaskRun
from trio_agent_rt.errors import ClientError
from trio_agent_rt.testing import Fault, FaultKind, MemoryLine, assert_no_leaks, run_deterministic
from trio_agent_rt.testing.cutting_proxy import Direction

FIRST_BYTES = 4096
DIRECTIONS: tuple[Direction, ...] = ("to_client", "to_server")
WAYS: tuple[FaultKind, ...] = ("cut", "reset", "fail")
FAST = Reconnect(base=0.2, cap=1)
AT_ONCE = 64
"""Runs of one job."""


async def talkative(task: str, run: TaskRun) -> str:
    """An agent that says more than 4 kB."""
    async with run.step("talk") as step:
        for turn in range(3):
            step.output(f"{turn}: " + "é" * 450)
            await trio.sleep(0.5)
    return "done"


async def follow(kind: Kind, faults: Sequence[Fault | None]) -> list[MemoryLine]:
    """A client follows a task to its end, whatever becomes of its connections."""
    with assert_no_leaks(), trio.fail_after(600):
        async with staged(talkative, kind, faults=tuple(faults)) as stage:
            while True:
                try:
                    async with stage.client(kind, reconnect=FAST) as client:
                        task = await submit_until_taken(client, "mine")
                        assert (await task.wait()).output == "done"
                        events = [each async for each in task]
                        assert not any(isinstance(each, GapOccurred) for each in events)
                        check_task_events([each for each in events if not each.replay])
                    break
                except ClientError:  # it never got as far as a session
                    assert stage.realtime.tasks == []
            lines = list(stage.network.lines)
            await stage.serve_the_next()
            return lines


def follow_each(kind: Kind, all_faults: list[tuple[Fault | None, ...]]) -> int:
    for number, faults in enumerate(all_faults):
        try:
            run_deterministic(follow, kind, faults, seed=number)
        except Exception as exc:
            what = f"{type(exc).__name__}: {exc}"
            again = f"run_deterministic(follow, {kind!r}, {faults!r}, seed={number})"
            raise AssertionError(f"{what}; the same run again: {again}") from exc
    return len(all_faults)


def jobs_of(kind: Kind, all_faults: list[tuple[Fault | None, ...]]) -> list[Job]:
    return [
        (follow_each, (kind, all_faults[start : start + AT_ONCE]))
        for start in range(0, len(all_faults), AT_ONCE)
    ]


def whole_line(kind: Kind) -> MemoryLine:
    return run_deterministic(follow, kind, (), seed=0)[0]


@pytest.mark.timeout(1800)
def test_a_cut_at_any_byte_of_the_first_4_kb_loses_nothing() -> None:
    jobs: list[Job] = []
    for kind in KINDS:
        sent = whole_line(kind).sent
        assert sent["to_client"] >= FIRST_BYTES - 1000
        stride = how_many(some=32, most=1, everything=1)
        for direction in DIRECTIONS:
            faults = [
                (Fault(kind=WAYS[at % 3], direction=direction, after_bytes=at),)
                for at in range(0, min(sent[direction], FIRST_BYTES), stride)
            ]
            jobs += jobs_of(kind, [*faults])
    assert run_all("cut at every byte", jobs) > how_many(some=200, most=8_000, everything=8_000)


@pytest.mark.timeout(600)
def test_a_reconnect_that_is_cut_as_well_loses_nothing() -> None:
    jobs: list[Job] = []
    first = Fault(kind="cut", after_messages=7)
    for kind in KINDS:
        faults = [
            (first, Fault(kind="cut", direction=direction, after_bytes=at))
            for direction in DIRECTIONS
            for at in range(0, 400, how_many(some=20, most=3, everything=1))
        ]
        jobs += jobs_of(kind, [*faults])
    # Both kinds, both directions, 400 bytes each.
    assert run_all("cut again", jobs) >= 4 * 400 // how_many(some=20, most=3, everything=1)


@pytest.mark.timeout(600)
def test_a_cut_after_any_message_and_a_send_that_fails_lose_nothing() -> None:
    jobs: list[Job] = []
    for kind in KINDS:
        line = whole_line(kind)
        faults: list[tuple[Fault | None, ...]] = []
        for direction in DIRECTIONS:
            for number in range(1, line.messages[direction] + 1):
                faults += [
                    (Fault(kind="cut", direction=direction, after_messages=number),),
                    (Fault(kind="half_open", direction=direction, after_messages=number),),
                    (Fault(kind="stall", direction=direction, after_messages=number),),
                    (Fault(kind="drop", direction=direction, after_messages=number),),
                ]
            for number in range(line.sends[direction]):
                faults.append((Fault(kind="fail", direction=direction, after_sends=number),))
        jobs += jobs_of(kind, faults)
    what = "cut, stalled, lost or half open after every message, every send fails once"
    assert run_all(what, jobs) > 100
