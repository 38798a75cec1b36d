"""What is done beside the reading of one connection, and when it is over."""

from __future__ import annotations

import trio
import trio.testing

from trio_agent_rt.transports.websocket.errands import Errands


async def test_they_are_over_when_they_were_ended_however_long_that_takes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ended: list[float] = []

    async def tidy() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(5)
            ended.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        errands = Errands(nursery, [].append)
        errands.start(tidy)
        errands.start(tidy)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as impatient:
            impatient.cancel()
            await errands.end()
        assert ended == [5, 5]
        await errands.end()  # there are none


async def test_they_outlive_a_cancel_of_their_nursery_but_not_their_end() -> None:
    lived_on = trio.Event()

    async def live_on() -> None:
        await trio.testing.wait_all_tasks_blocked()
        lived_on.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        errands = Errands(nursery, [].append)
        nursery.cancel_scope.cancel()
        errands.start(live_on)
        with trio.CancelScope(shield=True), trio.fail_after(20):
            await lived_on.wait()
            await errands.end()


async def test_a_mistake_is_told_and_costs_nobody_else() -> None:
    mistakes: list[Exception] = []
    wrong = ValueError("a mistake")

    async def fail() -> None:
        raise wrong

    async with trio.open_nursery() as nursery:
        errands = Errands(nursery, mistakes.append)
        errands.start(fail)
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.cancel_scope.cancel_called
    assert mistakes == [wrong]
