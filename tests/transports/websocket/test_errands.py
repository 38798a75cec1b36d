"""What is done beside the reading of one connection, and when it is over."""

from __future__ import annotations

import trio
import trio.testing

from trio_agent_rt.transports.websocket.errands import Errands


async def test_they_are_over_when_their_block_is_left_however_long_that_takes(
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
        with trio.CancelScope() as impatient:
            async with Errands(nursery, [].append) as errands:
                errands.start(tidy)
                errands.start(tidy)
                await trio.testing.wait_all_tasks_blocked()
                impatient.cancel()
        assert ended == [5, 5]


async def test_they_outlive_a_cancel_of_their_nursery_but_not_their_block() -> None:
    lived_on = trio.Event()

    async def live_on() -> None:
        await trio.testing.wait_all_tasks_blocked()
        lived_on.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True), trio.fail_after(20):
            async with Errands(nursery, [].append) as errands:
                errands.start(live_on)
                await lived_on.wait()


async def test_a_mistake_is_told_and_costs_nobody_else() -> None:
    mistakes: list[Exception] = []
    wrong = ValueError("a mistake")

    async def fail() -> None:
        raise wrong

    async with trio.open_nursery() as nursery, Errands(nursery, mistakes.append) as errands:
        errands.start(fail)
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.cancel_scope.cancel_called
    assert mistakes == [wrong]
