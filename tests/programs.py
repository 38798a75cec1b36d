"""Programs that some tests drive and that no Python package brings along."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

__all__ = ["find_program", "miss"]

# Debian has servers in the last of these, where an ordinary user's PATH does not look.
_MORE_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_program(*names: str, package: str) -> str:
    """Where the first of these programs is that there is; see `miss` for when there is none.

    Args:
        package: what Debian calls the package with it.
    """
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_FOLDERS))
    for name in names:
        found = shutil.which(name, path=folders)
        # A snap cannot see the files and folders that a test makes for it.
        if found is not None and "/snap/" not in os.path.realpath(found):
            return found
    return miss(f"this needs {' or '.join(names)}: apt-get install {package}")


def miss(reason: str) -> NoReturn:
    """Leave a test that cannot run for a reason of the machine's.

    It is skipped, so that `make test` works on a fresh machine; in CI it fails, so that
    nothing is ever left out there without a word.
    """
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
