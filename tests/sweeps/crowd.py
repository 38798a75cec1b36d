"""Runs many jobs in as many processes as there are cores, and tells what went wrong in any.

A complaint of the garbage collector (something that was not closed) counts as a failure.
"""

from __future__ import annotations

import concurrent.futures
import gc
import logging
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from tests.conftest import set_direct_writes
from trio_agent_rt.testing.leaks import watch_garbage

__all__ = ["Job", "how_many", "run_all"]

_AMOUNT = os.environ.get("SWEEP") or ("most" if os.environ.get("CI") else "some")
"""`some` for whoever works on something else, in less than a minute; `most` in CI; `all`:
every step and every byte, everywhere, which takes a quarter of an hour and more."""

Job = tuple[Callable[..., int], tuple[Any, ...]]


def how_many(*, some: int, most: int, everything: int) -> int:
    """Which of these is asked for, by `SWEEP=some|most|all`."""
    return {"some": some, "most": most, "all": everything}[_AMOUNT]


def run_all(what: str, jobs: Iterable[Job], *, processes: int | None = None) -> int:
    """The sum of what the jobs have returned: how many runs they had. Prints it.

    Args:
        processes: more than there are cores for jobs that wait most of the time.
    """
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    failures: list[str] = []
    runs = 0
    with concurrent.futures.ProcessPoolExecutor(
        processes or os.cpu_count(), mp_context=context, initializer=_listen
    ) as pool:
        waiting = [pool.submit(_run, *job) for job in jobs]
        for each in concurrent.futures.as_completed(waiting):
            try:
                runs += each.result()
            except Exception as exc:
                failures.append(str(exc))
                pool.shutdown(wait=False, cancel_futures=len(failures) > 5)
    failed = [each for each in failures if each]
    assert not failed, f"{len(failed)} of {len(waiting)} jobs failed:\n" + "\n".join(failed)
    print(f"\n{what}: {runs} runs without a failure, {time.monotonic() - began:.0f} s")
    return runs


def _listen() -> None:
    set_direct_writes()
    warnings.simplefilter("error")
    # Agents that fail on purpose are told of.
    logging.disable(logging.CRITICAL)


def _run(function: Callable[..., int], arguments: tuple[Any, ...]) -> int:
    with watch_garbage() as complaints:
        try:
            runs = function(*arguments)
        except Exception as exc:
            # As text: not every exception survives the way to another process.
            raise AssertionError(f"{function.__name__}{arguments}: {exc}") from None
        gc.collect()
    assert not complaints, f"{function.__name__}{arguments} left: {complaints}"
    return runs
