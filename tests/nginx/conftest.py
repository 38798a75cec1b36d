"""What every test here needs is looked for before it starts."""

from __future__ import annotations

import pytest

from tests.programs import find_program


@pytest.fixture(autouse=True)
def programs() -> None:
    """Leave the test unless nginx and curl are there."""
    find_program("nginx", package="nginx-light")
    find_program("curl", package="curl")
