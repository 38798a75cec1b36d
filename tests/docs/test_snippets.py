"""The programs in the documentation run, as a reader would run them."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.resources
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import trio

from .pages import PAGES, REPOSITORY, Block, blocks

PYTHON = [each for page in PAGES for each in blocks(page) if each.language == "python"]
SERVERS = {(each.page, each.name): each for each in PYTHON if each.kind == "server"}
CLIENTS = [each for each in PYTHON if each.kind == "client"]
PROGRAMS = [each for each in PYTHON if each.kind == "run"]

Ports: TypeAlias = Mapping[str, int]

GIVEN_PORTS = ("8080", "8081")
START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a program runs: a folder with the shipped table in it, and nothing else."""
    table = importlib.resources.files("trio_agent_rt.cli") / "demo" / "sales.csv"
    with importlib.resources.as_file(table) as path:
        shutil.copy(path, tmp_path / "sales.csv")
    return tmp_path


@pytest.mark.parametrize("client", CLIENTS, ids=str)
async def test_a_client_runs_against_the_server_of_its_page(client: Block, folder: Path) -> None:
    server = SERVERS[client.page, client.name]
    ports = _free_ports()
    async with _serving(server, ports, folder):
        await _run_to_its_end(client, ports, folder)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_a_program_runs_to_its_end(program: Block, folder: Path) -> None:
    await _run_to_its_end(program, _free_ports(), folder)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_snippet_compiles_and_imports_what_exists(block: Block) -> None:
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trio_agent_rt"):
            module = importlib.import_module(node.module or "")
            missing = [each.name for each in node.names if not hasattr(module, each.name)]
            assert not missing, f"{block}: {node.module} has no {', '.join(missing)}"


def test_every_mark_is_known_and_every_server_has_a_client() -> None:
    everything = [each for page in PAGES for each in blocks(page)]
    known = {"", "run", "server", "client", "command", "event", "page", "nginx", "plan"}
    known.add("react")  # tests/browser/react builds and runs these
    assert {each.kind for each in everything} <= known
    assert {(each.page, each.name) for each in CLIENTS} == set(SERVERS)
    assert SERVERS


# --- running them


def _free_ports() -> Ports:
    """For each port that the pages use, one that is free here."""
    with contextlib.ExitStack() as stack:
        found: dict[str, int] = {}
        for given in GIVEN_PORTS:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            found[given] = listener.getsockname()[1]
        return found


def _command(block: Block, ports: Ports, folder: Path) -> list[str]:
    path = folder / f"{block.kind}_{block.line}.py"
    code = re.sub("|".join(ports), lambda given: str(ports[given[0]]), block.code)
    path.write_text(code, encoding="utf-8")
    return [sys.executable, str(path)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1"}


async def _run_to_its_end(block: Block, ports: Ports, folder: Path) -> None:
    with trio.fail_after(40):
        done = await trio.run_process(
            _command(block, ports, folder),
            cwd=folder,
            env=_environment(),
            check=False,
            capture_stdout=True,
            capture_stderr=True,
        )
    printed, complaints = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, f"{block} ended with {done.returncode}:\n{complaints}"
    for text in block.prints:
        assert text in printed, f"{block} did not print {text!r} but:\n{printed}"


@asynccontextmanager
async def _serving(block: Block, ports: Ports, folder: Path) -> AsyncGenerator[None]:
    """Run a server while the block is in use; it must live until then, and end when told."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = await trio.lowlevel.open_process(
            _command(block, ports, folder),
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        with trio.move_on_after(START_TIMEOUT) as starting:
            for given, port in ports.items():
                if given in block.code:
                    await _wait_until_it_listens(process, port)
        answers = process.poll() is None and not starting.cancelled_caught
        assert answers, f"{block} did not serve:\n{log.read_text()}"
        yield
        assert process.poll() is None, f"{block} ended by itself:\n{log.read_text()}"
        process.send_signal(signal.SIGINT)
        with trio.fail_after(STOP_TIMEOUT):
            await process.wait()
    finally:
        if process.poll() is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _wait_until_it_listens(process: trio.Process, port: int) -> None:
    while process.poll() is None:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            await trio.sleep(0.05)  # Another process: there is nothing to wait for but time.
        else:
            await stream.aclose()
            return
