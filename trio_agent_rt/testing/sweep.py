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

import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

import trio
from attrs import field, frozen

from ..groups import leaves
from ..realtime import RunningTask
from .deterministic import run_deterministic
from .leaks import assert_no_leaks

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

    @contextmanager
    def cancelling(self, target: Target) -> Generator[None]:
        """Cancel `target` at the moment of this run, if that falls within the block.

        The steps of every Trio task count, whoever it belongs to, but only those within
        the block: what comes before and after, such as setting the stage and looking at
        what became of it, is not disturbed.
        """
        instrument = _AtStep(self, _to_function(target))
        trio.lowlevel.add_instrument(instrument)
        try:
            yield
        finally:
            trio.lowlevel.remove_instrument(instrument)


class _AtStep(trio.abc.Instrument):
    """Counts steps, and cancels at one of them."""

    def __init__(self, sweep: Sweep, cancel: Callable[[], object]) -> None:
        self._sweep = sweep
        self._cancel = cancel
        self._before = sweep.moment.variant == "woken"

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._before:
            self._step()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self._before:
            self._step()

    def _step(self) -> None:
        sweep = self._sweep
        sweep.steps += 1
        if sweep.steps == sweep.moment.step:
            sweep.cancelled = True
            try:
                self._cancel()
            except Exception as exc:  # Trio would only log it
                sweep.error = exc


def _to_function(target: Target) -> Callable[[], object]:
    if isinstance(target, trio.CancelScope):
        return lambda: target.cancel(reason=_REASON)
    if isinstance(target, RunningTask):
        return lambda: target.request_cancel(_REASON)
    return target


Scenario: TypeAlias = Callable[[], Awaitable[object]] | Callable[[Sweep], Awaitable[object]]
"""An async function that is cancelled as a whole, or one that is given a `Sweep`."""


@frozen(kw_only=True)
class _Plan:
    """What a sweep does with each run."""

    scenario: Callable[..., Awaitable[object]]
    name: str
    aims: bool = field(init=False)
    timeout: float

    def __attrs_post_init__(self) -> None:
        aims = bool(inspect.signature(self.scenario).parameters)
        object.__setattr__(self, "aims", aims)

    def run(self, moment: Moment) -> Sweep:
        sweep = Sweep(moment)
        try:
            run_deterministic(self._main, sweep, seed=moment.seed)
        except Exception as exc:
            raise NotCancelSafe(moment, self._text(moment, exc)) from exc
        if sweep.error is not None:
            raise NotCancelSafe(moment, self._text(moment, sweep.error)) from sweep.error
        return sweep

    async def _main(self, sweep: Sweep) -> None:
        with assert_no_leaks(), trio.fail_after(self.timeout):
            if self.aims:
                await self.scenario(sweep)
            else:
                with trio.CancelScope() as scope, sweep.cancelling(scope):
                    await self.scenario()

    def _text(self, moment: Moment, exc: Exception) -> str:
        if isinstance(exc, trio.TooSlowError):
            what = f"it was not over after {self.timeout:g} s of its own time"
        else:
            what = "; ".join(f"{type(each).__name__}: {each}" for each in leaves(exc))
        return (
            f"{self.name}, {moment.variant} at step {moment.step}, seed {moment.seed}: {what}\n"
            f"the same run again: assert_cancel_safe({self.name}, only={moment!r})"
        )


def assert_cancel_safe(
    scenario: Scenario,
    *,
    seeds: int | Iterable[int] = 10,
    variants: Iterable[Variant] = get_args(Variant),
    stride: int = 1,
    timeout: float = 3600.0,
    only: Moment | None = None,
    name: str | None = None,
) -> SweepResult:
    """Run `scenario` again and again, cancelled at its first step, at its second, and so on.

    That is done until it ends uncancelled, in both variants and with each seed, which is an
    order in which Trio tasks run. Called from a plain function: each run is a `trio.run`
    of its own, in which nothing is waited for (`run_deterministic`).

    After each run it must be so: nothing is left behind (`assert_no_leaks`), no exception
    came out of the scenario, and it has ended in time. What else must hold, the scenario
    asserts itself.

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

    Args:
        scenario: an async function. With no parameter, all of it is cancelled; else it is
            given a `Sweep` and says itself what is cancelled, and when.
        seeds: how many, or which.
        variants: `cancelled`, `woken` or both.
        stride: 3 cancels at every third step only, at other ones with each seed: for a
            scenario with so many steps that all of them take too long.
        timeout: seconds after which a scenario hangs, on its own clock, which jumps.
        only: one moment, as a failure names it.
        name: what the scenario is called in a failure; None for its own name.

    Returns:
        How many runs there were; print it.

    Raises:
        NotCancelSafe: from the first run that failed.
        ValueError: when `stride` is less than 1, or there is no seed or no variant.
    """
    plan = _Plan(
        scenario=scenario,
        name=name or getattr(scenario, "__name__", repr(scenario)),
        timeout=timeout,
    )
    if only is not None:
        steps = plan.run(only).steps
        return SweepResult(runs=1, steps=steps, seeds=1, variants=1)
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
