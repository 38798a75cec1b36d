"""The guard that stops a hung async test."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.hang_guard import Hung, guarded_run

pytest_plugins = ["pytester"]
REPOSITORY = Path(__file__).parents[1]


def test_a_hung_run_is_cancelled_and_says_where_it_stood() -> None:
    cleaned_up: list[str] = []

    async def waits_forever() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cleaned_up.append("finally ran")

    with pytest.raises(Hung, match=r"still running after 0\.1 s(.|\n)*waits_forever"):
        guarded_run(0.1, waits_forever)
    assert cleaned_up == ["finally ran"]


def test_a_hung_run_is_reported_even_if_its_cleanup_raises() -> None:
    async def cleans_up_badly() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise LookupError("in cleanup")

    with pytest.raises(Hung) as caught:
        guarded_run(0.1, cleans_up_badly)
    assert isinstance(caught.value.__context__, LookupError)


def test_real_time_counts_when_the_clock_is_a_mock() -> None:
    with pytest.raises(Hung):
        guarded_run(0.1, trio.sleep_forever, clock=trio.testing.MockClock())


def test_a_run_that_ends_in_time_keeps_its_result_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())

    async def answers() -> int:
        await trio.lowlevel.checkpoint()
        return 42

    assert guarded_run(60, answers) == 42
    assert set(threading.enumerate()) <= before


def test_an_error_of_the_test_itself_comes_through() -> None:
    async def fails() -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        guarded_run(60, fails)


HANGING = """
import threading

import hypothesis
import pytest
import trio

pytestmark = pytest.mark.hang_guard(0.2)

@pytest.fixture
async def stuck():
    await trio.sleep_forever()

async def test_in_the_test():
    await trio.sleep_forever()

async def test_in_a_fixture(stuck):
    pass

async def test_under_a_mock_clock(nursery, autojump_clock):
    nursery.start_soon(trio.to_thread.run_sync, threading.Event().wait, 0.6)
    await trio.sleep_forever()

@hypothesis.given(hypothesis.strategies.just(1))
async def test_in_a_hypothesis_example(one):
    await trio.sleep_forever()

def test_other():
    pass
"""


def test_pytest_stops_every_async_test_that_hangs_and_goes_on(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    pytester.makeini("[pytest]\ntrio_mode = true\n")
    pytester.makeconftest("from tests.conftest import pytest_collection_modifyitems")
    pytester.makepyfile(test_it=HANGING)

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=40)

    result.assert_outcomes(failed=4, passed=1)
    result.stdout.fnmatch_lines(["*Hung: still running after 0.2 s*"] * 4)
