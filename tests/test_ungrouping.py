"""What comes out of a nursery that whoever is outside never saw."""

from __future__ import annotations

import pytest
import trio

from trio_agent_rt.ungrouping import Ungrouping, errors_in, leaves

FIRST, SECOND = OSError("first"), ValueError("second")


def group(*members: BaseException) -> BaseExceptionGroup[BaseException]:
    return BaseExceptionGroup("of a nursery", members)


def test_leaves_are_found_at_any_depth_and_what_is_no_group_is_one() -> None:
    assert list(leaves(group(FIRST, group(group(SECOND))))) == [FIRST, SECOND]
    assert list(leaves(FIRST)) == [FIRST]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (group(FIRST), FIRST),
        (group(group(FIRST)), FIRST),
        (FIRST, FIRST),
    ],
)
def test_what_is_one_exception_comes_out_as_it_is(
    raised: BaseException, told: BaseException
) -> None:
    with pytest.raises(BaseException) as caught, Ungrouping():  # noqa: PT011
        raise raised
    assert caught.value is told


def test_several_stay_a_group() -> None:
    with pytest.RaisesGroup(OSError, ValueError), Ungrouping():
        raise group(FIRST, SECOND)


def test_ctrl_c_stands_for_all() -> None:
    with pytest.raises(KeyboardInterrupt), Ungrouping():
        raise group(FIRST, group(KeyboardInterrupt(), SECOND))


def test_a_cause_stays_with_its_error() -> None:
    error = OSError("caused")
    error.__cause__ = SECOND
    with pytest.raises(OSError, match="caused") as caught, Ungrouping():
        raise group(error)
    assert caught.value.__cause__ is SECOND


async def test_a_cancel_gives_way_to_an_error() -> None:
    async def fail() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise FIRST

    with trio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(OSError, match="first"), Ungrouping():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                nursery.start_soon(trio.sleep_forever)


async def test_cancels_come_out_as_one() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        with pytest.raises(trio.Cancelled) as caught, Ungrouping():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                nursery.start_soon(trio.sleep_forever)
        assert errors_in(caught.value) == []
