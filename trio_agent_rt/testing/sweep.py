"""Cancels at every moment that a cancel can come, and looks at what is left.

```
 seed, variant ──▶ cancel at step 1 ──▶ at step 2 ──▶ … ──▶ it ended uncancelled: next
                        │
                        └─ an invariant is broken: NotCancelSafe, with the moment to replay
```

A step is what a Trio task does between two checkpoints; that is where a cancel can come.
There are two ways for it to come: at a task that waits (`cancelled`), and at a task that was
just woken and is about to go on with what it has waited for (`woken`): the cancel comes at
its next checkpoint then, with the thing it was given in its hands.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

import trio
from attrs import field, frozen

from ..realtime import RunningTask
from ..ungrouping import leaves
from .deterministic import run_deterministic
from .leaks import LeakFound, assert_no_leaks, has_used_trio_threads, unseen_heap, watch_garbage
from .witness import Witness

__all__ = ["Moment", "NotCancelSafe", "Sweep", "SweepResult", "Variant", "assert_cancel_safe"]

Variant: TypeAlias = Literal["cancelled", "woken"]
"""How the cancel comes: after a step of a Trio task, or before one, when it was woken."""

Target: TypeAlias = trio.CancelScope | RunningTask | Callable[[], object]
"""What a sweep cancels: a scope, a task of a `RealtimeAgent`, or whatever a function does."""

_REASON = "the sweep"


@frozen
class Moment:
    """One moment of a sweep: what it takes to have the same run again."""

    seed: int
    variant: Variant
    step: int
    """1 for the first."""


@frozen(kw_only=True)
class SweepResult:
    """What a sweep has done."""

    runs: int
    """How often the scenario ran."""
    steps: int
    """How many steps the longest run had while it could be cancelled."""
    seeds: int
    variants: int

    def __str__(self) -> str:
        return (
            f"{self.runs} runs: {self.seeds} seeds, {self.variants} variants, "
            f"up to {self.steps} steps"
        )


class NotCancelSafe(AssertionError):
    """A scenario does not get over a cancel at one moment; its cause is what went wrong.

    Args:
        moment: when it was cancelled.
        text: what happened, and how to have it happen again.
    """

    def __init__(self, moment: Moment, text: str) -> None:
        super().__init__(text)
        self.moment = moment


class Sweep:
    """What a scenario is given, to say what is cancelled and to learn whether it was.

    Made by `assert_cancel_safe`.
    """

    def __init__(self, moment: Moment) -> None:
        self.moment: Moment = moment
        """At which moment this run cancels."""
        self.cancelled: bool = False
        """Whether it has cancelled."""
        self.steps: int = 0
        """How many steps there were to cancel at."""
        self.error: Exception | None = None
        """What the cancelling itself has raised."""

        self._witnesses: list[Witness] = []

    @contextmanager
    def cancelling(self, target: Target, *, clean: bool = True) -> Generator[None]:
        """Cancel `target` at the moment of this run, if that falls within the block.

        The steps of every Trio task count, whoever it belongs to, but only those within
        the block: what comes before and after, such as setting the stage and looking at
        what became of it, is not disturbed.

        Args:
            target: a task of a `RealtimeAgent`, a scope, or a function that cancels.
            clean: whether such a task must end within its time for cleanup and one second
                more, and its receipt say `clean`. False where an overrun, or an error in
                the cleanup, is meant. That a task does not swallow its cancel, and says
                nothing after its terminal message, is looked at all the same.
        """
        witness: Witness | None = None
        if isinstance(target, RunningTask):
            witness = Witness(target, clean=clean)
            self._witnesses.append(witness)
        instrument = _AtStep(self, _to_function(target, witness), witness)
        trio.lowlevel.add_instrument(instrument)
        try:
            yield
        finally:
            # A witness looks on until the run is over; no step counts any more.
            instrument.counts = False
            if witness is None:
                trio.lowlevel.remove_instrument(instrument)

    def check(self) -> None:
        """Raise what is wrong with the tasks that were cancelled."""
        for each in self._witnesses:
            each.check()


class _AtStep(trio.abc.Instrument):
    """Counts steps, and cancels at one of them."""

    def __init__(self, sweep: Sweep, cancel: Callable[[], object], witness: Witness | None) -> None:
        self.counts: bool = True
        """Whether what counts has not ended."""
        self._sweep = sweep
        self._cancel = cancel
        self._witness = witness
        self._before = sweep.moment.variant == "woken"

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._witness is not None:
            self._witness.before_step(task)
        if self._before:
            self._step()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._witness is not None:
            self._witness.after_step()
        if not self._before:
            self._step()

    def _step(self) -> None:
        sweep = self._sweep
        if not self.counts:
            return
        sweep.steps += 1
        if sweep.steps == sweep.moment.step:
            sweep.cancelled = True
            try:
                self._cancel()
            except Exception as exc:  # Trio would only log it
                sweep.error = exc


def _to_function(target: Target, witness: Witness | None) -> Callable[[], object]:
    if isinstance(target, trio.CancelScope):
        return lambda: target.cancel(reason=_REASON)
    if isinstance(target, RunningTask):
        assert witness is not None
        return lambda: witness.cancel(_REASON)
    return target


Scenario: TypeAlias = Callable[[], Awaitable[object]] | Callable[[Sweep], Awaitable[object]]
"""An async function that is cancelled as a whole, or one that is given a `Sweep`."""

_JUMPING_TIMEOUT = 3600.0
_REAL_TIMEOUT = 60.0


@frozen(kw_only=True)
class _Plan:
    """What a sweep does with each run."""

    scenario: Callable[..., Awaitable[object]]
    name: str
    aims: bool = field(init=False)
    timeout: float | None
    real_clock: bool
    complaints: list[str]
    """Grows by each complaint of the garbage collector."""

    def __attrs_post_init__(self) -> None:
        parameters = inspect.signature(self.scenario).parameters.values()
        # One with a default is the scenario's own.
        aims = any(each.default is each.empty and each.kind in _BY_PLACE for each in parameters)
        object.__setattr__(self, "aims", aims)

    @property
    def seconds(self) -> float:
        """After which a scenario hangs."""
        if self.timeout is not None:
            return self.timeout
        return _REAL_TIMEOUT if self.real_clock else _JUMPING_TIMEOUT

    def run(self, moment: Moment) -> Sweep:
        self.complaints.clear()
        sweep = Sweep(moment)
        try:
            run_deterministic(self._main, sweep, seed=moment.seed, real_clock=self.real_clock)
            self._check_garbage()
        except Exception as exc:
            raise NotCancelSafe(moment, self._text(moment, exc)) from exc
        if sweep.error is not None:
            raise NotCancelSafe(moment, self._text(moment, sweep.error)) from sweep.error
        return sweep

    def _check_garbage(self) -> None:
        gc.collect()
        if self.complaints:
            raise LeakFound([f"to the garbage collector: {each}" for each in self.complaints])

    async def _main(self, sweep: Sweep) -> None:
        with assert_no_leaks():
            with trio.fail_after(self.seconds):
                if self.aims:
                    await self.scenario(sweep)
                else:
                    with trio.CancelScope() as scope, sweep.cancelling(scope):
                        await self.scenario()
            sweep.check()
            # Inside the run: of an async generator, only that is complained of by Trio.
            gc.collect()

    def _text(self, moment: Moment, exc: Exception) -> str:
        if isinstance(exc, trio.TooSlowError):
            own = "" if self.real_clock else " of its own time"
            what = f"it was not over after {self.seconds:g} s{own}"
        else:
            what = "; ".join(f"{type(each).__name__}: {each}" for each in leaves(exc))
        again = "much the same run" if self.real_clock else "the same run"
        options = f"only={moment!r}"
        if self.timeout is not None:
            options += f", timeout={self.timeout!r}"
        if self.real_clock:
            options += ", real_clock=True"
        return (
            f"{self.name}, {moment.variant} at step {moment.step}, seed {moment.seed}: {what}\n"
            f"{again} again: assert_cancel_safe({self.name}, {options})"
            f"{'' if self.real_clock or not has_used_trio_threads() else _HINT}"
        )


_HINT = (
    "\nTrio has had a thread at work lately, and the clock jumps: if the scenario waits for one, "
    "or for a program or a socket, give real_clock=True"
)

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def assert_cancel_safe(
    scenario: Scenario,
    *,
    seeds: int | Iterable[int] = 10,
    variants: Iterable[Variant] = get_args(Variant),
    stride: int = 1,
    timeout: float | None = None,
    real_clock: bool = False,
    only: Moment | None = None,
    name: str | None = None,
) -> SweepResult:
    """Run `scenario` again and again, cancelled at its first step, at its second, and so on.

    That is done until it ends uncancelled, in both variants and with each seed, which is an
    order in which Trio tasks run. Called from a plain function: each run is a `trio.run`
    of its own, in which nothing is waited for (`run_deterministic`), unless on the real clock.

    After each run it must be so:

    - No exception came out of the scenario, and it has ended in time.
    - Nothing is left behind (`assert_no_leaks`), not to the garbage collector either: no
      `ResourceWarning`, no coroutine that was never awaited, no exception in a `__del__`.
    - A task of a `RealtimeAgent` that was given to `Sweep.cancelling` has ended within its
      time for cleanup and one second more, with a receipt that says `clean` (unless told
      `clean=False` there). It has not swallowed its cancel: one that this has reached has not
      succeeded. It has said nothing after its terminal message.

    What else must hold, the scenario asserts itself: that what the agent undoes was undone,
    and in which order. A `finally` that awaits without a shield is cut short, and no one sees.

    ```python
    async def scenario(sweep: Sweep) -> None:
        async with RealtimeAgent(agent) as realtime:
            task = realtime.submit("a task")
            with sweep.cancelling(task):
                completed = await task.wait()
            assert sweep.cancelled or completed.success

    def test_my_agent_can_be_cancelled() -> None:
        print(assert_cancel_safe(scenario))
    ```

    A scenario that waits for a subprocess, a thread or a socket needs `real_clock=True`: the
    clock would jump to the next deadline while the kernel is still at work. Its time is waited
    for then, so keep it short. The order in which Trio tasks run that can run at one moment is
    still the seed's, but not when the kernel has something for them: a run may have more or
    fewer steps than the last one, so that the sweep takes a close sample of the moments, and
    a failure may need a few tries to come again.

    Args:
        scenario: an async function. With no parameter, but for such as have a default, all
            of it is cancelled; else it is given a `Sweep` and says itself what is cancelled,
            and when.
        seeds: how many, or which.
        variants: `cancelled`, `woken` or both.
        stride: 3 cancels at every third step only, at other ones with each seed: for a
            scenario with so many steps that all of them take too long.
        timeout: seconds after which a scenario hangs, on its own clock; None for an hour of
            one that jumps, or a minute of the real one.
        real_clock: whether time passes as it does, and is waited for.
        only: one moment, as a failure names it.
        name: what the scenario is called in a failure; None for its own name.

    Returns:
        How many runs there were; print it.

    Raises:
        NotCancelSafe: from the first run that failed.
        RuntimeError: when it is called inside of `trio.run`.
        ValueError: when `stride` is less than 1, there is no seed or no variant, or the
            scenario has no step at which it could be cancelled, so that nothing was tried.
    """
    if trio.lowlevel.in_trio_run():
        raise RuntimeError(
            "assert_cancel_safe was called inside of trio.run: call it from a plain function "
            "(def, not async def), since each of its runs is a trio.run of its own"
        )
    with unseen_heap(), watch_garbage() as complaints:
        plan = _Plan(
            scenario=scenario,
            name=name or getattr(scenario, "__name__", repr(scenario)),
            timeout=timeout,
            real_clock=real_clock,
            complaints=complaints,
        )
        result = (
            _run_one(plan, only) if only is not None else _run_all(plan, seeds, variants, stride)
        )
    if not result.steps:
        raise ValueError(
            f"{plan.name} has no step at which it could be cancelled: what is to be cancelled "
            "must run inside of `with sweep.cancelling(...)`, and wait for something there"
        )
    return result


def _run_one(plan: _Plan, only: Moment) -> SweepResult:
    return SweepResult(runs=1, steps=plan.run(only).steps, seeds=1, variants=1)


def _run_all(
    plan: _Plan, seeds: int | Iterable[int], variants: Iterable[Variant], stride: int
) -> SweepResult:
    if stride < 1:
        raise ValueError(f"stride must be 1 or more, not {stride}")
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    ways = list(variants)
    if not chosen or not ways:
        raise ValueError("there is nothing to run: give at least one seed and one variant")
    runs = longest = 0
    for number, seed in enumerate(chosen):
        for variant in ways:
            step, uncancelled = 1 + number % stride, False
            while not uncancelled:
                sweep = plan.run(Moment(seed, variant, step))
                runs, longest = runs + 1, max(longest, sweep.steps)
                step, uncancelled = step + stride, not sweep.cancelled
    return SweepResult(runs=runs, steps=longest, seeds=len(chosen), variants=len(ways))
