"""Both transports behind a real nginx, configured as the documentation says."""

from __future__ import annotations

import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.nginx.proxy import HOST
from tests.nginx.stage import TOKEN, scene
from tests.programs import find_program
from trio_agent_rt import Event, StepOutput, TaskCompleted
from trio_agent_rt.clients import EventStream

# What nginx does by itself: it asks in HTTP/1.0, and collects answers that have no chunks.
BY_ITSELF = {"proxy_http_version 1.1;": "", "proxy_buffering off;": ""}
IGNORING = {
    **BY_ITSELF,
    "proxy_buffering off;": "proxy_buffering off; proxy_ignore_headers X-Accel-Buffering;",
}


@pytest.mark.parametrize(
    ("options", "answered", "changes"),
    [
        (["--http1.1"], b"HTTP/1.1 200", {}),
        (["--http2"], b"HTTP/2 200", {}),
        (["--http2", "--compressed"], b"content-encoding: gzip", {}),
        (["--http2"], b"HTTP/2 200", BY_ITSELF),
        (["--http2"], b"HTTP/2 200", IGNORING),
    ],
    ids=["HTTP/1.1", "HTTP/2", "compressed", "by the header alone", "by the setting alone"],
)
async def test_events_come_through_while_the_stream_goes_on(
    options: list[str], answered: bytes, changes: dict[str, str], tmp_path: Path
) -> None:
    curl = find_program("curl", package="curl")
    async with scene(tmp_path, **changes) as at:
        process = await trio.lowlevel.open_process(
            [
                *(curl, "--silent", "--no-buffer", "--include", "--max-time", "10", *options),
                *("--resolve", f"{HOST}:{at.nginx.port}:127.0.0.1", "--cacert", str(at.authority)),
                *("--header", f"Authorization: Bearer {TOKEN}", f"{at.url}/sse"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        shown = b""
        try:
            while b'"status"' not in shown:
                data = await process.stdout.receive_some()
                assert data, f"curl ended: {shown!r}"
                shown += data
            assert process.poll() is None
        finally:
            with trio.CancelScope(shield=True):
                process.kill()
                await process.wait()
                await process.stdout.aclose()
    assert answered in shown


@pytest.mark.parametrize("way", ["restart", "reload"])
async def test_both_transports_go_on_where_they_were_when_nginx_is_renewed(
    way: str, tmp_path: Path
) -> None:
    async with scene(tmp_path) as at, at.sse_client() as streaming:
        async with at.websocket_client(streaming.session_id) as watching:
            streams = (streaming.events(), watching.events())
            await streaming.submit("chat")
            at.talker.say("one")
            told = [await until(stream, "one") for stream in streams]
            if way == "restart":
                await at.nginx.restart()
            else:
                at.nginx.reload()
            for text in ("two", "enough"):
                at.talker.say(text)
            told = [
                before + await until(each, None) for before, each in zip(told, streams, strict=True)
            ]
        for events in told:
            # The first one may have been before the client was there.
            offsets = [each.position.offset for each in events if each.position is not None]
            assert offsets == [*range(offsets[0], offsets[0] + len(offsets))]
            assert [type(each) for each in events].count(TaskCompleted) == 1
        assert told[0][-1] == told[1][-1]


async def test_a_cancel_comes_back_with_its_receipt(tmp_path: Path) -> None:
    async with scene(tmp_path) as at, at.sse_client() as client:
        receipt = await (await client.submit("chat")).cancel("enough of it")
    assert receipt is not None
    assert receipt.reason == "ann asked: enough of it"


async def test_the_public_name_is_known_and_no_other_page_comes_in(tmp_path: Path) -> None:
    async with scene(tmp_path) as at, at.http() as client:
        for origin, status in (
            (f"https://{HOST}", 200),
            ("https://evil.example", 403),
            (f"http://{HOST}", 403),
        ):
            assert (await client.get("/tools", headers={"Origin": origin})).status_code == status
        renamed = {"Host": "evil.example"}
        assert (await client.get("/tools")).status_code == 200
        assert (await client.get("/tools", headers=renamed)).status_code == 403
        assert (await client.get("/tools", headers={"Authorization": ""})).status_code == 401


async def test_one_address_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    async with scene(tmp_path, **{"agent_peers 50": "agent_peers 3"}) as at, at.http() as client:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                stream = await stack.enter_async_context(client.stream("GET", "/sse"))
                assert stream.status_code == 200
            assert (await client.get("/tools")).status_code == 429
        assert (await client.post("/task", content=bytes(1024 * 1024 + 1))).status_code == 413


async def test_health_is_told_without_credentials_and_a_missing_server_is_a_502(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as at, at.http() as client:
        del client.headers["Authorization"]
        ready = await client.get("/health")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert (await client.get("/health/live")).json() == {"success": True, "live": True}
        at.stop_server.cancel()
        with trio.fail_after(10):
            while (await client.get("/health")).status_code != 502:
                pass


async def until(stream: EventStream, text: str | None) -> list[Event]:
    """The events up to a piece of output, or up to the end of the task."""
    found: list[Event] = []
    with trio.fail_after(15):
        async for event in stream:
            found.append(event)
            if isinstance(event, TaskCompleted):
                break
            if isinstance(event, StepOutput) and event.text == text:
                break
    return found
