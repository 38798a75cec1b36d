"""What every test has: a guard against hanging, and Hypothesis set up alike everywhere."""

from __future__ import annotations

import functools
import gc
import os
import signal
from collections.abc import Generator

import hypothesis
import pytest

from tests.hang_guard import guarded_run, has_hang_guard, with_hang_guard
from trio_agent_rt import RealtimeAgent

HANG_GUARD_SECONDS = 60.0

# Deadlines measure the machine, not the code; in CI a failure must come back when asked.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program
# that they start as well, servers that wait for just that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


DIRECT_WRITES = "TRIO_AGENT_RT_TESTS_DIRECT_WRITES"
"""Whether agents write to viewers at once: "off" for none of them that does not say so itself.
In the environment, so that the processes of the sweeps have it too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Everything is to hold both ways."""
    parser.addoption(
        "--direct-writes",
        choices=["on", "off"],
        help="whether viewers who keep up are written to at once, where a test does not say",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set what agents do by default, here and in every process of a sweep."""
    asked = config.getoption("--direct-writes")
    if asked is not None:
        os.environ[DIRECT_WRITES] = asked
    set_direct_writes()


def set_direct_writes() -> None:
    """Have agents write as the environment says."""
    defaults = RealtimeAgent.__init__.__kwdefaults__
    assert defaults is not None
    defaults["direct_writes"] = os.environ.get(DIRECT_WRITES) != "off"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the hang guard around every async test, its Trio fixtures included.

    An autouse fixture cannot do it: pytest-trio allows async ones in async tests only.
    """
    for item in items:
        if item.get_closest_marker("trio") is None or not isinstance(item, pytest.Function):
            continue
        mark = item.get_closest_marker("hang_guard")
        seconds = float(mark.args[0]) if mark else HANG_GUARD_SECONDS
        run = functools.partial(guarded_run, seconds)
        item.add_marker(pytest.mark.trio(run=run), append=False)
        # Hypothesis has pytest-trio call trio.run itself, once per example.
        handle = getattr(item.obj, "hypothesis", None)
        if handle is not None and not has_hang_guard(handle.inner_test):
            handle.inner_test = with_hang_guard(handle.inner_test, seconds)


@pytest.fixture(scope="module", autouse=True)
def unseen_heap() -> None:
    """The collector leaves alone, until the end, what is there when a file's tests begin.

    That is thousands of tests, and what files before have imported; and whoever looks for leaks
    has it look at everything, again and again.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test has logged travels to another process, which lone surrogates cannot."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report
