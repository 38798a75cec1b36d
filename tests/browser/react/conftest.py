"""The page of `examples/react`, built once for all tests: by npm and Vite, as a user would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import REPOSITORY, blocks
from tests.programs import find_program, miss

(DOCUMENTED,) = (
    each.code for each in blocks(REPOSITORY / "docs" / "howto" / "react.md") if each.kind == "react"
)
"""The page that asks for tickets."""

NEEDED = (20, 19)
"""The oldest Node.js that Vite runs on."""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages: nothing is installed into the repository."""
    node, npm = find_program("node", package="nodejs"), find_program("npm", package="npm")
    version = _run(node, "--version").stdout
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if numbers < NEEDED:
        miss(f"this needs Node.js {'.'.join(map(str, NEEDED))} or newer, not {version.strip()}")
    folder = tmp_path_factory.mktemp("react") / "page"
    made = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(REPOSITORY / "examples" / "react", folder, ignore=made)
    installed = _run(npm, "ci", "--no-audit", "--no-fund", cwd=folder)
    if installed.returncode:
        miss(f"npm could not install what the page needs: {installed.stderr[-2000:]}")
    return folder


@pytest.fixture(scope="session")
def built(project: Path) -> Path:
    """The folder with the built page."""
    return _build(project, "dist")


@pytest.fixture(scope="session")
def built_with_tickets(project: Path, built: Path) -> Path:
    """The folder with the page that the documentation shows."""
    main = project / "src" / "main.jsx"
    shipped = main.read_text(encoding="utf-8")
    try:
        main.write_text(DOCUMENTED, encoding="utf-8")
        return _build(project, "dist-tickets")
    finally:
        main.write_text(shipped, encoding="utf-8")


def _build(project: Path, folder: str) -> Path:
    npm = find_program("npm", package="npm")
    done = _run(npm, "run", "build", "--", f"--outDir={folder}", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return project / folder


def _run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
