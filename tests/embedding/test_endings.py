"""However somebody's program ends, the library ends with it, and stays out of its errors."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
import trio.testing

from trio_agent_rt.testing import LeakFound, assert_no_leaks

from .entrances import ENTRANCES, Block, Enter, Entrance

MOMENTS = (0, 1, 2, 3, 4, 5, 6, 8, 11, 15, 20, 30, 50, 100, 200)
"""Checkpoints from the beginning; beyond the last one it has been opened, mostly."""

BOUND = 2.5
"""Seconds: nobody here cleans up for long."""

each_entrance = pytest.mark.parametrize("entrance", ENTRANCES.values(), ids=ENTRANCES)
each_with_a_block = pytest.mark.parametrize(
    "entrance",
    [pytest.param(each, id=each.name) for each in ENTRANCES.values() if each.holds_block],
)


class Boom(Exception):
    """Of the user's program."""


def a_boom() -> Boom:
    """One that was raised while another one was handled, and so has a context of its own."""
    boom = Boom("the user's")
    boom.__context__ = KeyError("the user's too")
    return boom


def check_untouched(boom: BaseException) -> None:
    assert isinstance(boom.__context__, KeyError)
    assert boom.__cause__ is None
    assert not boom.__suppress_context__


@asynccontextmanager
async def staged(entrance: Entrance) -> AsyncGenerator[Enter]:
    """`enter`, which sees to it that nothing is left behind when it ends, however it does."""
    with assert_no_leaks():
        async with entrance.around() as enter:

            async def checked(block: Block) -> None:
                with _nothing_outlives(entrance):
                    await enter(block)

            yield checked
    gc.collect()


@contextmanager
def _nothing_outlives(entrance: Entrance) -> Generator[None]:
    me = trio.lowlevel.current_task()
    nurseries = list(me.child_nurseries)
    check = assert_no_leaks()
    check.__enter__()
    try:
        yield
    finally:
        assert me.child_nurseries == nurseries
        try:
            check.__exit__(None, None, None)
        except LeakFound as found:
            # Of those around it there may be Trio tasks; who serves it notices in a moment.
            own = [each for each in found.leaks if not each.startswith("Trio task")]
            if entrance.alone and own:
                raise


class Use:
    """A block that waits, and says that it has been entered."""

    def __init__(self) -> None:
        self.begun: trio.Event = trio.Event()

    async def __call__(self) -> None:
        self.begun.set()
        await trio.sleep_forever()


@asynccontextmanager
async def bounded() -> AsyncGenerator[None]:
    start = trio.current_time()
    yield
    assert trio.current_time() - start < BOUND


@each_entrance
async def test_under_move_on_after_it_ends_and_the_scope_has_caught_it(entrance: Entrance) -> None:
    use = Use()
    async with staged(entrance) as enter, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            await use.begun.wait()
            scope.cancel()

        with trio.move_on_after(60) as scope:
            await enter(use)
        assert scope.cancelled_caught


@each_entrance
async def test_with_its_time_over_already_it_ends_at_once(entrance: Entrance) -> None:
    async with staged(entrance) as enter:
        async with bounded():
            with trio.move_on_after(0) as scope:
                await enter(Use())
        assert scope.cancelled_caught


@each_entrance
async def test_a_cancel_while_it_is_being_opened_ends_it(entrance: Entrance) -> None:
    for after in MOMENTS:
        use = Use()
        async with staged(entrance) as enter, trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(cancel_after, after, scope, use)
            async with bounded():
                with scope:
                    await enter(use)
            assert scope.cancelled_caught
        if use.begun.is_set():
            break


async def cancel_after(checkpoints: int, scope: trio.CancelScope, use: Use) -> None:
    for _ in range(checkpoints):
        await trio.lowlevel.checkpoint()
        if use.begun.is_set():
            break
    scope.cancel()


@each_entrance
async def test_an_error_beside_it_is_in_the_users_group_and_in_no_other(entrance: Entrance) -> None:
    use, boom = Use(), a_boom()

    async def fail() -> None:
        await use.begun.wait()
        raise boom

    async with staged(entrance) as enter:
        with pytest.RaisesGroup(Boom) as caught:
            async with bounded(), trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                await enter(use)
    assert list(caught.value.exceptions) == [boom]
    check_untouched(boom)


@each_entrance
async def test_an_error_beside_it_while_it_ends_is_so_too(entrance: Entrance) -> None:
    use, boom = Use(), a_boom()

    async def fail() -> None:
        await use.begun.wait()
        scope.cancel()
        await trio.lowlevel.checkpoint()
        raise boom

    async with staged(entrance) as enter:
        scope = trio.CancelScope()
        with pytest.RaisesGroup(Boom) as caught:
            async with bounded(), trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                with scope:
                    await enter(use)
    assert list(caught.value.exceptions) == [boom]
    check_untouched(boom)


@each_with_a_block
@pytest.mark.parametrize("cancelled", [False, True])
async def test_the_users_own_exception_comes_out_untouched(
    entrance: Entrance, cancelled: bool
) -> None:
    boom = a_boom()

    async def fail() -> None:
        if cancelled:
            scope.cancel()
        raise boom

    async with staged(entrance) as enter:
        with trio.CancelScope() as scope:
            with pytest.raises(Boom) as caught:
                async with bounded():
                    await enter(fail)
            assert caught.value is boom
        assert not scope.cancelled_caught
    check_untouched(boom)


@each_with_a_block
@pytest.mark.parametrize("cancelled", [False, True])
async def test_the_users_own_group_stays_as_it_was(entrance: Entrance, cancelled: bool) -> None:
    inner = ExceptionGroup("inner", [a_boom()])
    group = ExceptionGroup("the user's", [inner])

    async def fail() -> None:
        if cancelled:
            scope.cancel()
        raise group

    async with staged(entrance) as enter:
        with trio.CancelScope() as scope:
            with pytest.RaisesGroup(pytest.RaisesGroup(Boom)) as caught:
                await enter(fail)
            assert caught.value is group
    assert list(group.exceptions) == [inner]
    assert group.__context__ is group.__cause__ is None


@each_with_a_block
async def test_a_generator_that_the_user_closes_ends_it(entrance: Entrance) -> None:
    """What is thrown into it then, at its `yield`, is a GeneratorExit."""

    async def is_closed() -> None:
        raise GeneratorExit

    async with staged(entrance) as enter:
        with pytest.raises(GeneratorExit):
            await enter(is_closed)
