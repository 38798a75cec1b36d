"""What every test here needs is looked for before it starts."""

from __future__ import annotations

import importlib.util

import pytest

from tests.programs import find_program, miss


@pytest.fixture(autouse=True)
def chromium() -> str:
    """Where Chromium is."""
    if importlib.util.find_spec("playwright") is None:
        miss("this needs Playwright: pip install 'trio_agent_rt[dev]'")
    return find_program("chromium", package="chromium")
