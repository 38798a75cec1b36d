"""Once in good order, twice at once, whatever the process is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import trio

from trio_agent_rt.cli.endings import ExitCode
from trio_agent_rt.cli.interrupts import Interrupts

from .processes import a_moment, end, environment, written


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def test_an_interrupt_that_nobody_answers_cancels_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def command() -> ExitCode:
        _interrupt()
        await trio.sleep_forever()
        return ExitCode.DONE

    with trio.fail_after(5), Interrupts() as interrupts:
        assert await interrupts.run(command) is ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "Ctrl-C: ended\n"


async def test_an_interrupt_is_answered_by_whoever_asked_for_it_last() -> None:
    answers: list[str] = []

    async def command() -> ExitCode:
        answered = trio.Event()
        with interrupts.answered_by(answers.append):
            with interrupts.answered_by(lambda name: answered.set()):
                os.kill(os.getpid(), signal.SIGTERM)
                await answered.wait()
        return ExitCode.DONE

    with trio.fail_after(5), Interrupts() as interrupts:
        assert await interrupts.run(command) is ExitCode.DONE
        assert interrupts.received == "SIGTERM"
    assert answers == []


async def test_the_same_signal_told_twice_is_one() -> None:
    async def command() -> ExitCode:
        answered = trio.Event()
        with interrupts.answered_by(lambda name: answered.set()):
            _interrupt()
            _interrupt()
            await answered.wait()
        return ExitCode.DONE

    with trio.fail_after(5), Interrupts() as interrupts:
        assert await interrupts.run(command) is ExitCode.DONE


async def test_an_interrupt_before_the_command_keeps_it_from_running() -> None:
    async def command() -> ExitCode:
        raise AssertionError("it was run")

    with Interrupts() as interrupts:
        _interrupt()
        assert await interrupts.run(command) is ExitCode.INTERRUPTED


TAKEN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def test_the_handlers_from_before_are_put_back() -> None:
    before = [signal.getsignal(number) for number in TAKEN]
    with Interrupts():
        during = [signal.getsignal(number) for number in TAKEN]
        assert all(was != now for was, now in zip(before, during, strict=True))
    assert [signal.getsignal(number) for number in TAKEN] == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_what_nohup_ignores_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Interrupts():
            assert signal.getsignal(number) is signal.SIG_IGN
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


# A second signal so soon after the first one was heard that it may be the same counts as that; and
# a busy machine is late to hear.
TELLS_THAT_IT_HEARD = (
    "import signal; hear = signal.getsignal(signal.SIGINT); "
    'signal.signal(signal.SIGINT, lambda *it: (hear(*it), print("heard", flush=True)))'
)


@pytest.mark.parametrize(
    "body",
    [
        "with trio.CancelScope(shield=True): await trio.sleep(60)",  # a cleanup that waits
        "time.sleep(60)",  # something that holds up Trio
        "\n            while True: pass",
    ],
)
async def test_the_second_one_works_whatever_is_going_on(tmp_path: Path, body: str) -> None:
    program = textwrap.dedent(f"""
        import time, trio
        from trio_agent_rt.cli.interrupts import Interrupts

        async def command():
            print("running", flush=True)
            {body}

        with Interrupts() as interrupts, interrupts.last_act(lambda: 1 / 0):
            {TELLS_THAT_IT_HEARD}
            with interrupts.last_act(lambda: print("last act", flush=True)):
                trio.run(interrupts.run, command)
    """)
    with (tmp_path / "out").open("wb") as out:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", program],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        await written(tmp_path / "out", "running", by=process)
        process.send_signal(signal.SIGINT)
        await written(tmp_path / "out", "heard", by=process)
        await a_moment()
        process.send_signal(signal.SIGINT)
        with trio.fail_after(10):
            assert await process.wait() == 130
    finally:
        await end(process)
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines == ["running", "heard", "last act", "Ctrl-C again: ended at once"]


async def test_the_second_one_works_though_nobody_reads_what_it_writes(tmp_path: Path) -> None:
    program = f"""
import os, trio
from trio_agent_rt.cli.interrupts import Interrupts

async def command():
    print("running", flush=True)
    await trio.sleep_forever()

with Interrupts() as interrupts, interrupts.answered_by(lambda name: os.write(2, bytes(10**6))):
    {TELLS_THAT_IT_HEARD}
    trio.run(interrupts.run, command)
"""
    with (tmp_path / "out").open("wb") as out:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-c", program],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
        )
    try:
        await written(tmp_path / "out", "running", by=process)
        process.send_signal(signal.SIGINT)
        await written(tmp_path / "out", "heard", by=process)
        await a_moment()
        process.send_signal(signal.SIGINT)
        with trio.fail_after(10):
            assert await process.wait() == 130
    finally:
        await end(process)
        assert process.stderr is not None
        await process.stderr.aclose()
