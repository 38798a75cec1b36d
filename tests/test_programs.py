"""A program that is missing is skipped visibly, and never in CI."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.programs import find_program


def test_the_first_program_that_there_is_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "second-one"
    program.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("no-such-one", "second-one", package="any") == str(program)


def test_a_missing_program_skips_a_test_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs no-such-one: apt-get install thing"):
        find_program("no-such-one", package="thing")


def test_a_missing_program_fails_a_test_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs no-such-one: apt-get install thing"):
        find_program("no-such-one", package="thing")


def test_a_snap_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "snap" / "bin"
    inside.mkdir(parents=True)
    (inside / "packed").symlink_to(sys.executable)
    (inside / "real").write_text("#!/bin/sh\n")
    (inside / "real").chmod(0o755)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", str(inside))
    with pytest.raises(pytest.skip.Exception):
        find_program("real", package="any")
