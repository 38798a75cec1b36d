"""The load client, built once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.measuring.processes import built_client
from tests.programs import find_program


@pytest.fixture(scope="session")
def load_client() -> Iterator[Path]:
    """The program."""
    find_program("cc", "gcc", package="gcc")
    with built_client() as client:
        yield client
