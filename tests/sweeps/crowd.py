"""Runs many jobs in as many processes as there are cores, and tells what went wrong in any.

A complaint of the garbage collector (something that was not closed) counts as a failure.
"""

from __future__ import annotations

import concurrent.futures
import gc
import logging
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["FULL", "Job", "run_all"]

FULL = bool(os.environ.get("SWEEP_FULL"))
"""Every step, every byte, everywhere: some minutes instead of one and a half."""

_complaints: list[str] = []

Job = tuple[Callable[..., int], tuple[Any, ...]]


def run_all(what: str, jobs: Iterable[Job]) -> int:
    """The sum of what the jobs have returned: how many runs they had. Prints it."""
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    failures: list[str] = []
    runs = 0
    with concurrent.futures.ProcessPoolExecutor(
        os.cpu_count(), mp_context=context, initializer=_listen
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
    warnings.simplefilter("error")
    # Agents that fail on purpose are told of.
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda it: _complaints.append(f"{it.exc_value!r} in {it.object!r}")


def _run(function: Callable[..., int], arguments: tuple[Any, ...]) -> int:
    _complaints.clear()
    try:
        runs = function(*arguments)
    except Exception as exc:
        # As text: not every exception survives the way to another process.
        raise AssertionError(f"{function.__name__}{arguments}: {exc}") from None
    gc.collect()
    assert not _complaints, f"{function.__name__}{arguments} left: {_complaints}"
    return runs
