"""Bounded buffers: several readers, nothing dropped in silence, an end with its error."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt.clients.following import EventStream, Inbox
from trio_agent_rt.errors import ConnectionLost
from trio_agent_rt.protocol import CustomEvent, Event, GapOccurred


def event(number: int) -> CustomEvent:
    return CustomEvent(type="n", data=number)


def numbers(events: list[Event]) -> list[object]:
    return [each.missed if isinstance(each, GapOccurred) else each.data for each in events]  # type: ignore[attr-defined]


async def all_of(stream: EventStream) -> list[Event]:
    return [each async for each in stream]


async def test_every_reader_gets_everything_at_its_own_pace() -> None:
    inbox = Inbox(10, keep=True)
    early = inbox.read()
    inbox.put(event(0))
    assert await anext(early) == event(0)
    inbox.put(event(1))
    late = inbox.read()
    inbox.finish()
    assert numbers(await all_of(late)) == [0, 1]
    assert numbers(await all_of(early)) == [1]


async def test_what_gives_way_is_replaced_by_a_gap() -> None:
    inbox = Inbox(3, keep=True)
    reader = inbox.read()
    inbox.put(event(0))
    await anext(reader)
    for number in range(1, 8):
        inbox.put(event(number))
    inbox.finish()
    found = await all_of(reader)
    assert found[0] == GapOccurred(missed=4)
    assert numbers(found[1:]) == [5, 6, 7]


async def test_a_reader_that_waits_is_woken_by_an_event_and_by_the_end() -> None:
    inbox = Inbox(3, keep=True)
    found: list[Event] = []

    async def read() -> None:
        found.extend(await all_of(inbox.read()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        inbox.put(event(1))
        await wait_all_tasks_blocked()
        inbox.finish()
    assert numbers(found) == [1]


async def test_the_error_comes_after_the_last_event_and_is_a_new_one_each_time() -> None:
    inbox = Inbox(3, keep=True)
    lost = ConnectionLost("gone", 4500)
    lost.__cause__ = OSError("why")
    inbox.put(event(1))
    inbox.finish(lost)
    inbox.put(event(2))
    for _ in range(2):
        reader = inbox.read()
        assert await anext(reader) == event(1)
        with pytest.raises(ConnectionLost, match="gone") as caught:
            await anext(reader)
        assert caught.value is not lost
        assert caught.value.code == 4500
        assert caught.value.__cause__ is lost.__cause__


async def test_without_keeping_the_first_reader_starts_at_the_beginning_and_others_now() -> None:
    inbox = Inbox(10, keep=False)
    inbox.put(event(0))
    first = inbox.read()
    second = inbox.read()
    inbox.put(event(1))
    inbox.finish()
    assert numbers(await all_of(first)) == [0, 1]
    assert numbers(await all_of(second)) == [1]


async def test_without_keeping_what_all_have_taken_is_released() -> None:
    inbox = Inbox(10, keep=False)
    reader = inbox.read()
    slow = inbox.read()
    for number in range(5):
        inbox.put(event(number))
    for _ in range(5):
        await anext(reader)
    with trio.move_on_after(0):
        await anext(reader)
    inbox.release()
    assert inbox.end - inbox.start == 5, "the slow reader still needs them"
    del slow
    inbox.release()
    assert inbox.end == inbox.start == 5


async def test_a_cancelled_wait_loses_nothing() -> None:
    inbox = Inbox(10, keep=True)
    reader = inbox.read()
    inbox.put(event(0))
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(reader)
    assert scope.cancelled_caught, "taking an event is a checkpoint"
    assert await anext(reader) == event(0)


@given(st.lists(st.one_of(st.just("put"), st.integers(0, 2)), max_size=60), st.integers(1, 5))
async def test_readers_account_for_every_event(moves: list[str | int], size: int) -> None:
    inbox = Inbox(size, keep=True)
    readers = [inbox.read() for _ in range(3)]
    taken: list[list[Event]] = [[], [], []]
    count = 0
    for move in moves:
        if isinstance(move, str):
            inbox.put(event(count))
            count += 1
        elif readers[move].next < inbox.end:
            taken[move].append(await anext(readers[move]))
        assert inbox.end - inbox.start <= size
    inbox.finish()
    for reader, found in zip(readers, taken, strict=True):
        expected = 0
        for each in [*found, *await all_of(reader)]:
            if isinstance(each, GapOccurred):
                assert each.missed
                expected += each.missed
            else:
                assert each == event(expected)
                expected += 1
        assert expected == count
