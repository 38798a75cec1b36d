"""Ctrl-C, once or again and again, ends everything in order, and comes out as what it is."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator

import pytest
import trio
import trio.lowlevel

from trio_agent_rt.testing import assert_no_leaks

from .entrances import ENTRANCES, Entrance

pytestmark = pytest.mark.timeout(60)

MOMENTS = (1, 2, 3, 5, 8, 12, 17, 23, 30, 40, 60)
"""Steps of Trio's from the beginning at which Ctrl-C comes."""

WAITS = 0.05
"""Seconds that it is in use, if nothing comes."""


class CtrlC(trio.abc.Instrument):
    """Sends SIGINT when Trio has run so many steps: it comes out where the main task waits."""

    def __init__(self, moments: Collection[int]) -> None:
        self.sent = False
        self.armed = False
        self._moments = moments
        self._steps = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._steps += self.armed
        if self.armed and self._steps in self._moments:
            self.sent = True
            signal.raise_signal(signal.SIGINT)


def interrupt(entrance: Entrance, moments: Collection[int]) -> bool:
    """Use it under Ctrl-C at these moments; whether the first one came in time."""
    ctrl_c = CtrlC(moments)
    came_out: list[BaseException] = []

    async def block() -> None:
        if entrance.holds_block:
            await trio.sleep(WAITS)

    async def main() -> None:
        async with entrance.around() as enter:
            ctrl_c.armed = True
            try:
                with trio.move_on_after(WAITS):
                    await enter(block)
            except BaseException as exc:
                came_out.append(exc)
                raise
            finally:
                ctrl_c.armed = False
            await trio.lowlevel.checkpoint()  # one that has not been told yet is told here

    with assert_no_leaks():
        ended: BaseException | None = None
        try:
            trio.run(main, instruments=[ctrl_c])
        except (KeyboardInterrupt, BaseExceptionGroup) as exc:  # that of a nursery around it
            ended = exc
    assert (ended is not None) == ctrl_c.sent
    # The second one can also hit Trio itself, between the lines of nursery.start.
    told = {type(each) for each in _leaves(ended)} if ended else set[type]()
    assert told <= {KeyboardInterrupt, trio.TrioInternalError}
    assert [type(each) for each in came_out] in ([], [KeyboardInterrupt])
    return ctrl_c.sent


def _leaves(exc: BaseException) -> Iterator[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        for each in exc.exceptions:
            yield from _leaves(each)
    else:
        yield exc


# What is around these has threads of its own, which Ctrl-C leaves to their own devices.
_OTHERS = {"llm.complete()", "run_abandoned"}


@pytest.mark.parametrize("name", [each for each in ENTRANCES if each not in _OTHERS])
@pytest.mark.parametrize("again", [(), (1,), (3, 4, 5, 6)], ids=["once", "twice", "often"])
def test_whenever_it_comes_it_ends_and_nothing_is_left(name: str, again: Collection[int]) -> None:
    for moment in MOMENTS:
        if not interrupt(ENTRANCES[name], (moment, *(moment + each for each in again))):
            break
