"""`serve` says where it is and what to try, and ends in good order."""

from __future__ import annotations

import logging
import re
import secrets
import shlex
import signal
import sys
from pathlib import Path

import httpx
import pytest
import trio
import trustme

from trio_agent_rt.cli.opening import CleanFormatter
from trio_agent_rt.clients import open_websocket_client
from trio_agent_rt.errors import ConnectFailed, ConnectionRejected
from trio_agent_rt.protocol import StepProgressed, StepStarted

from .processes import a_moment, environment, run_program, start_server, written


async def test_what_it_tells_to_try_works(tmp_path: Path) -> None:
    async with start_server("--host", "localhost", "--path", "/a b", cwd=tmp_path) as (_, url):
        assert url.startswith("ws://")
        line = (tmp_path / "out").read_text().splitlines()[-1].strip()
        words = shlex.split(line.replace("wait 10 seconds", "wait 0.1 seconds"))
        with trio.fail_after(30):
            done = await trio.run_process(
                words, cwd=tmp_path, env=environment(), stdin=b"", capture_stdout=True
            )
    assert "✓ Succeeded in " in done.stdout.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_first_signal_lets_a_task_finish(tmp_path: Path, number: int) -> None:
    async with (
        start_server("--drain-timeout", "20", cwd=tmp_path) as (process, url),
        open_websocket_client(url) as client,
    ):
        task = await client.submit("wait 1 second")
        async for event in task:
            if isinstance(event, StepProgressed):
                process.send_signal(number)
                break
        assert (await task.wait()).outcome == "succeeded"
        with trio.fail_after(10):
            assert await process.wait() == 0
    log = (tmp_path / "err").read_text()
    assert "stopping; 1 task may take 20 s to finish; this takes at most 26 s; once more" in log
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    assert re.search(rf"INFO stopped, [01]\.\d s after {name} \(at most 26 s\)$", log.strip())


async def test_a_task_that_takes_too_long_is_cancelled(tmp_path: Path) -> None:
    async with (
        start_server("--drain-timeout", "0.2", cwd=tmp_path) as (process, url),
        open_websocket_client(url) as client,
    ):
        task = await client.submit("wait 60 seconds")
        process.send_signal(signal.SIGINT)
        with trio.fail_after(10):
            assert (await task.wait()).outcome == "cancelled"
            assert await process.wait() == 0
    assert "was cancelled" in (tmp_path / "err").read_text()


async def test_the_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with (
        start_server("--drain-timeout", "60", cwd=tmp_path) as (process, url),
        open_websocket_client(url) as client,
    ):
        await client.submit("wait 60 seconds")
        process.send_signal(signal.SIGINT)
        await written(tmp_path / "err", "stopping", by=process)
        await a_moment()
        with trio.fail_after(10):
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
    assert (tmp_path / "err").read_text().splitlines()[-1] == "Ctrl-C again: ended at once"


async def test_what_happens_is_in_the_log_and_cannot_forge_a_line(tmp_path: Path) -> None:
    async with (
        start_server(cwd=tmp_path) as (_, url),
        open_websocket_client(url) as client,
    ):
        task = await client.submit("what is 6*7\n2026 INFO forged \x1b[31m")
        await task.wait()
        with pytest.raises(ConnectionRejected):
            async with open_websocket_client(url.replace("/ws", "/nowhere")):
                pass
    log = (tmp_path / "err").read_text()
    assert f"task {task.id[:8]}: what is 6*7 2026 INFO forged" in log
    assert "404" in log
    assert "\x1b" not in log
    assert all(" INFO " in line for line in log.splitlines())


def test_a_message_is_one_line_and_a_traceback_stays_readable() -> None:
    with pytest.raises(ValueError, match="two") as raised:
        raise ValueError("two\nlines \x1b[31m")
    exc_info = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("x", logging.INFO, "x", 1, "from %s", ("a\nb\x1b[1m",), exc_info)
    first, *others = CleanFormatter("%(levelname)s %(message)s").format(record).split("\n")
    assert first == "INFO from a b"
    assert others[0].startswith("Traceback")
    assert others[-2:] == ["ValueError: two", "lines "]


async def test_busy_and_the_buffer_are_passed_on(tmp_path: Path) -> None:
    async with (
        start_server("--busy", "parallel", "--max-connections", "1", cwd=tmp_path) as (_, url),
        open_websocket_client(url) as client,
    ):
        first = await client.submit("wait 0.1 seconds")
        second = await client.submit("wait 0.1 seconds")
        assert (await first.wait()).success
        assert (await second.wait()).success
        with pytest.raises(ConnectFailed):
            async with open_websocket_client(url):
                pass


async def test_it_serves_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "server.pem"
    )
    async with start_server("--certfile", "server.pem", cwd=tmp_path) as (_, url):
        assert url.startswith("wss://")
        trusting = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        done = await run_program("submit", url, "what is 6*7", cwd=tmp_path, env=trusting)
        assert done.code == 0
        done = await run_program("submit", url, "what is 6*7", cwd=tmp_path)
        assert done.code == 3
        assert "certificate" in done.complaint


async def test_a_host_that_others_can_reach_anonymously_gets_a_warning(tmp_path: Path) -> None:
    async with start_server("--host", "0.0.0.0", "--allow-anonymous", cwd=tmp_path):
        pass
    assert "there is no authentication" in (tmp_path / "err").read_text()


@pytest.mark.parametrize("name", ["code", "code_execute"])
async def test_code_that_nobody_is_asked_about_gets_a_warning(tmp_path: Path, name: str) -> None:
    async with start_server("--enable-code", "--auto-confirm", name, cwd=tmp_path):
        pass
    log = (tmp_path / "err").read_text()
    assert "WARNING --auto-confirm: nobody is asked before code_execute runs" in log


async def test_code_that_people_are_asked_about_gets_none(tmp_path: Path) -> None:
    async with start_server("--enable-code", "--auto-confirm", "files", cwd=tmp_path):
        pass
    assert "WARNING" not in (tmp_path / "err").read_text()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--allow-anonymous",), "whoever can connect could run programs here"),
        (("--host", "0.0.0.0", "--allow-anonymous"), "whoever can connect could run programs"),
        (("--host", "0.0.0.0"), "in --token-env (with --enable-code there is no other way)"),
    ],
)
async def test_nobody_unknown_may_run_code(
    tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    ports = ("--port", "0", "--http-port", "0")
    unasked = ("--enable-code", "--auto-confirm", "code")
    done = await run_program("serve", *ports, *unasked, *options, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.err


async def test_only_whoever_has_the_token_may_connect(tmp_path: Path) -> None:
    token = secrets.token_urlsafe()
    options = ("--host", "0.0.0.0", "--token-env", "OURS")
    async with start_server(*options, cwd=tmp_path, env={"OURS": token}) as (_, url):
        line = (tmp_path / "out").read_text().splitlines()[-1]
        assert "--token-env OURS" in line
        for held, code in ((token, 0), ("x" * 43, 3)):
            done = await run_program(
                *("submit", url, "what is 6*7", "--token-env", "MINE"),
                cwd=tmp_path,
                env={"MINE": held},
            )
            assert done.code == code, done.complaint
        assert "401" in done.complaint
    log = (tmp_path / "err").read_text()
    assert "there is no authentication" not in log
    assert token not in log + (tmp_path / "out").read_text()


async def test_what_is_auto_confirmed_nobody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    async with (
        start_server("--auto-confirm", "files", cwd=tmp_path) as (_, url),
        open_websocket_client(url) as client,
    ):
        completed = await (await client.submit("analyse table.csv and save a report")).wait()
        assert completed.success
        assert completed.confirmations
        assert [each.by for each in completed.confirmations] == ["auto-confirm: category files"]


async def test_a_name_of_nothing_to_auto_confirm_is_refused(tmp_path: Path) -> None:
    done = await run_program("serve", "--auto-confirm", "filez", cwd=tmp_path)
    assert done.code == 2
    assert "--auto-confirm: there is no tool or category 'filez'" in done.complaint
    assert "file_write" in done.complaint


async def test_the_tools_of_mcp_servers_are_there_as_well(tmp_path: Path) -> None:
    server = shlex.join([sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"])
    async with (
        start_server("--mcp", server, "--auto-confirm", "mcp", cwd=tmp_path) as (process, url),
        open_websocket_client(url) as client,
    ):
        tools = {each.name: each for each in await client.tools()}
        assert tools["convert_time"].category == "mcp"
        assert tools["convert_time"].cancellation == "abandon"
        assert "file_read" in tools
        process.send_signal(signal.SIGINT)
        with trio.fail_after(20):
            assert await process.wait() == 0


@pytest.mark.parametrize(
    ("server", "code", "complaint"),
    [
        ("no-such-program", 3, "--mcp: no-such-program: there is no such program here"),
        ("", 2, "--mcp: the command is empty"),
        ("'", 2, "--mcp: No closing quotation"),
    ],
)
async def test_an_mcp_server_that_cannot_be_used_is_named(
    tmp_path: Path, server: str, code: int, complaint: str
) -> None:
    done = await run_program("serve", "--mcp", server, cwd=tmp_path)
    assert done.code == code
    assert complaint in done.complaint


async def test_with_one_session_who_comes_without_a_position_is_told_what_goes_on(
    tmp_path: Path,
) -> None:
    async with start_server("--one-session", cwd=tmp_path) as (_, url):
        async with open_websocket_client(url) as client:
            task = await client.submit("wait 60 seconds")
        async with open_websocket_client(url) as another:
            assert another.session_id == client.session_id
            started: set[str | None] = set()
            with trio.fail_after(20):
                async for event in another.events():
                    if isinstance(event, StepStarted):
                        started.add(event.task_id)
                        break
            assert started == {task.id}
            await another.task(task.id).cancel()


async def test_the_page_comes_first_and_is_there(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("a\n1\n")
    async with start_server("--http-prefix", "/agent", cwd=tmp_path):
        first = (tmp_path / "out").read_text().splitlines()[0]
        assert first.startswith("open http://127.0.0.1:")
        assert first.endswith("/agent/")
        async with httpx.AsyncClient(base_url=first.removeprefix("open ")) as client:
            assert "<!doctype html>" in (await client.get("")).text
            told = (await client.get("panel/settings.json")).json()
    assert "analyse numbers.csv and save a report" in told["examples"]


async def test_the_page_can_be_left_out(tmp_path: Path) -> None:
    async with start_server("--no-panel", cwd=tmp_path):
        out = (tmp_path / "out").read_text()
        assert "open " not in out
        stream = next(each for each in out.splitlines() if each.startswith("http"))
        async with httpx.AsyncClient() as client:
            assert (await client.get(stream.removesuffix("sse"))).status_code == 404


async def test_a_websocket_url_that_is_none_is_complained_about(tmp_path: Path) -> None:
    done = await run_program("serve", "--websocket-url", "http://x/", cwd=tmp_path)
    assert done.code == 2
    assert "--websocket-url" in done.complaint
