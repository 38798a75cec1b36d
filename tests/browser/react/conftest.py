"""The page of `examples/react`, built once for all tests: by npm and Vite, as a user would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import REPOSITORY
from tests.programs import find_program, miss

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
    built = _run(find_program("npm", package="npm"), "run", "build", cwd=project)
    assert built.returncode == 0, built.stdout + built.stderr
    return project / "dist"


def _run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
