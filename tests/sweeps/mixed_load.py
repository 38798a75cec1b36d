"""A mixed load, which a seed alone decides: eight clients, and a server that may shut down.

```
python -m tests.sweeps.mixed_load 17       the run of seed 17 again, and what was done in it
```

Clients of both transports, in sessions of their own and in shared ones, submit, cancel,
confirm, leave and come back; some of them lose their connections, or read slowly. At a
random moment the server shuts down: asked to, left, or cancelled from outside.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import sys
import warnings
from typing import Any, Literal, TypeAlias, get_args

import trio

from tests.conftest import DIRECT_WRITES, set_direct_writes
from tests.sweeps.guests import Guest
from tests.sweeps.stage import Kind, Stage, staged
from tests.sweeps.wires import WatchedNetwork
from trio_agent_rt import TaskRun
from trio_agent_rt.events import Encoded
from trio_agent_rt.protocol import CloseCode, Event, decode_event
from trio_agent_rt.realtime.peers import Limits
from trio_agent_rt.testing import (
    Asks,
    Fails,
    FakeAgent,
    Fault,
    FaultKind,
    Works,
    assert_no_leaks,
    run_deterministic,
)

__all__ = ["Load", "command", "main", "run_seed"]

GUESTS = 8
CLEANUP_TIMEOUT = 2.0
LONGEST = 3600.0
"""Seconds of its own time in which a run must be over."""

End: TypeAlias = Literal["asked", "left", "cancelled"]
"""How a server is made to shut down; `left`: its transports are cancelled, and only then it."""


async def _talks(task: str, run: TaskRun) -> str:
    async with run.step("talk") as step:
        for turn in range(4):
            step.output(f"{turn}: " + "é" * 800)
            await trio.sleep(0.3)
    return "said"


async def _floods(task: str, run: TaskRun) -> str:
    for turn in range(12):
        async with run.step(f"{turn}") as step:
            step.progress(50)
    return "a lot"


async def _overruns(task: str, run: TaskRun) -> str:
    try:
        async with run.step("work"):
            await trio.sleep(2)
    finally:
        async with run.cleanup():
            await trio.sleep(CLEANUP_TIMEOUT + 3)
    return "done"


class Repertoire:
    """An agent that does what the first word of a task says."""

    def __init__(self) -> None:
        self.fakes: dict[str, FakeAgent] = {
            "works": FakeAgent(Works(1), Works(0.5)),
            "parallel": FakeAgent((Works(1), Works(2), Works(0.5)), Works(0.5), cleanup=0.5),
            "asks": FakeAgent(Asks(expires_after=4), Works(0.5)),
            "asks-beside": FakeAgent((Works(2), Asks(expires_after=3)), cleanup=0.2),
            "fails": FakeAgent(Works(0.5), Fails(), cleanup=0.5),
            "one-fails": FakeAgent((Works(2), Fails(), Works(3)), cleanup=1),
            "retries": FakeAgent(Works(0.3, retries=2)),
            "tidies": FakeAgent(Works(2), cleanup=CLEANUP_TIMEOUT - 0.5),
            "the": FakeAgent(Works(0)),
        }
        self.others = {"talks": _talks, "floods": _floods, "overruns": _overruns}

    async def __call__(self, task: str, run: TaskRun) -> object:
        what = task.partition(" ")[0]
        return await (self.fakes.get(what) or self.others[what])(task, run)


class Load:
    """One run.

    Args:
        seed: what decides everything.
        tell: whether to print what is done.
    """

    def __init__(self, seed: int, *, tell: bool = False) -> None:
        self.seed = seed
        self.tell = tell
        self.chance = random.Random(seed)
        self.agent = Repertoire()
        self.repertoire = sorted({*self.agent.fakes, *self.agent.others} - {"the"})
        self.submitted: list[str] = []
        self.accepted: list[str] = []
        self.end: End = self.chance.choice(get_args(End))
        self.ending = False
        """Whether the server was made to shut down: then anybody may be refused."""
        self.trace: list[str] = []
        self.guests: list[Guest] = []
        self._applied: set[tuple[str, str]] = set()

    def note(self, what: str) -> None:
        line = f"{trio.current_time():10.3f} {what}"
        self.trace.append(line)
        if self.tell:
            print(line)

    def applied(self, task_id: str, step_id: str) -> None:
        """An answer to a question was taken: the only one."""
        assert (task_id, step_id) not in self._applied, f"{task_id}/{step_id} was decided twice"
        self._applied.add((task_id, step_id))

    async def run(self) -> None:
        with assert_no_leaks(), trio.fail_after(LONGEST):
            stage = await self._run()
        logs = {each.id: _events(entries) for each, entries in stage.recorded}
        for guest in self.guests:
            guest.check(None if guest.session is None else logs[guest.session])
            guest.network.check()
        for each in self.agent.fakes.values():
            assert sorted(each.started) == sorted(each.ended)

    async def _run(self) -> Stage:
        chance = self.chance
        options: dict[str, Any] = {
            "busy": chance.choice(["reject", "queue", "replace", "parallel"]),
            "linger": chance.choice([0, 0.5, 5, None]),
            "buffer_size": chance.choice([12, 100]),
            "drain_timeout": chance.choice([0, 1, 3]),
            "max_queued": chance.choice([2, 16]),
        }
        wire = {"delay": chance.choice([0, 0, 0.05]), "capacity": chance.choice([2048, 65536])}
        self.note(f"{options} {wire}")
        limits = chance.choice([Limits(), _IMPATIENT])
        after = chance.uniform(0, 14) if chance.random() < 0.75 else None
        network = WatchedNetwork(**wire)
        stages: list[Stage] = []
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as outer:
                async with staged(
                    self.agent,
                    network=network,
                    cleanup_timeout=CLEANUP_TIMEOUT,
                    limits=limits,
                    **options,
                ) as stage:
                    stages.append(stage)
                    stage.may_close_with = _CODES
                    async with trio.open_nursery() as serving:
                        await serving.start(network.serve_websocket, stage.realtime)
                        await serving.start(network.serve_sse, stage.realtime)
                        gone = self._invite(network, wire, nursery)
                        with trio.move_on_after(LONGEST if after is None else after):
                            await gone.wait()
                        if gone.is_set():
                            for each in stage.realtime.tasks:  # they outlast who asked
                                await each.wait()
                            await stage.serve_the_next(chance.choice(["websocket", "sse"]))
                        self.note(f"the server is {self.end}")
                        self.ending, stage.left_at = True, trio.current_time()
                        match self.end:
                            case "asked":
                                stage.realtime.begin_shutdown()
                            case "left":
                                serving.cancel_scope.cancel(reason="the server is left")
                            case "cancelled":
                                outer.cancel(reason="an outer cancel")
            self.note(f"the server is closed: {len(stages[0].recorded)} sessions")
        return stages[0]

    def _invite(
        self, network: WatchedNetwork, wire: dict[str, Any], nursery: trio.Nursery
    ) -> trio.Event:
        """Have the guests come; the event is set when all have left."""
        chance = self.chance
        leader: Guest | None = None
        gone = trio.Event()
        here = 0

        async def visit(guest: Guest) -> None:
            nonlocal here
            try:
                await guest.run()
            finally:
                here -= 1
                if not here:
                    gone.set()

        for number in range(GUESTS):
            kind: Kind = chance.choice(["websocket", "sse"])
            calm = chance.random() < 0.4
            fault = None
            if not calm and chance.random() < 0.4:
                what = chance.choice(get_args(FaultKind))
                fault = Fault(kind=what, after_bytes=chance.randint(0, 6000))
            own = WatchedNetwork(faults=[fault], **wire)
            own._listeners, own.codes = network._listeners, network.codes
            shared = leader if leader is not None and chance.random() < 0.5 else None
            guest = Guest(self, number, kind, shared, own, calm=calm)
            leader = leader if shared else guest
            self.guests.append(guest)
            self.note(f"{guest}, {fault}")
            here += 1
            nursery.start_soon(visit, guest)
        return gone


_CODES: set[int] = {CloseCode.TOO_SLOW, CloseCode.HEARTBEAT_MISSED, CloseCode.SESSION_UNKNOWN}
"""With which a server may close a guest's connection while it serves."""

_IMPATIENT = Limits(heartbeat_interval=2, heartbeat_timeout=2, write_timeout=2)


def _events(entries: list[Encoded]) -> list[Event]:
    return [decode_event(each.json) for each in entries]


def run_seed(seed: int, *, tell: bool = False) -> list[str]:
    """What was done in the run of that seed."""
    load = Load(seed, tell=tell)
    run_deterministic(load.run, seed=seed)
    return load.trace


def command(seed: int) -> str:
    """What runs that seed again."""
    asked = os.environ.get(DIRECT_WRITES)
    setting = f"{DIRECT_WRITES}={asked} " if asked else ""
    return f"{setting}python -m tests.sweeps.mixed_load {seed}"


def main() -> None:
    set_direct_writes()
    warnings.simplefilter("error")
    # Agents that fail on purpose are told of.
    logging.disable(logging.CRITICAL)
    for each in sys.argv[1:]:
        run_seed(int(each), tell=True)
        gc.collect()  # complains of what was not closed


if __name__ == "__main__":
    main()
