"""`serve` masks the secrets of its environment, and runs code only if it was told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_agent_rt.clients import open_websocket_client

from .processes import start_server

KEY = "k-3141592653"


@pytest.mark.parametrize(("options", "shown"), [([], "[SHOP_TOKEN]"), (["--no-redaction"], KEY)])
async def test_a_secret_of_the_environment_is_shown_by_its_name(
    options: list[str], shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", KEY)
    (tmp_path / "a.txt").write_text(f"the key is {KEY}\n")
    async with (
        start_server(*options, cwd=tmp_path) as (_, url),
        open_websocket_client(url) as client,
    ):
        task = await client.submit("find 'key' in a.txt")
        events = [str(event) async for event in task]
    assert any(f"the key is {shown}" in each for each in events)
    assert any(KEY in each for each in events) == (shown == KEY)


@pytest.mark.parametrize("options", [[], ["--enable-code"]])
async def test_code_is_run_only_if_it_was_asked_for(options: list[str], tmp_path: Path) -> None:
    async with (
        start_server(*options, cwd=tmp_path) as (_, url),
        open_websocket_client(url) as client,
    ):
        names = [each.name for each in await client.tools()]
    assert ("code_execute" in names) == bool(options)
