"""Both providers, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .stage import PROVIDERS, Stage, open_stage

VARIABLES = ("API_KEY", "BASE_URL", "MODEL", "AUTH_TOKEN", "ORG_ID", "PROJECT_ID")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, address or proxy of whoever runs the tests."""
    for provider in ("OPENAI", "ANTHROPIC"):
        for name in VARIABLES:
            monkeypatch.delenv(f"{provider}_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=list(PROVIDERS))
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A provider's server, and clients for it."""
    async with open_stage(PROVIDERS[request.param]) as opened:
        yield opened


@pytest.fixture
async def openai_stage() -> AsyncIterator[Stage]:
    async with open_stage(PROVIDERS["openai"]) as opened:
        yield opened


@pytest.fixture
async def anthropic_stage() -> AsyncIterator[Stage]:
    async with open_stage(PROVIDERS["anthropic"]) as opened:
        yield opened
