"""Names of tools that plans and models can write, and no two of them the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["tool_names"]

_MAX_CHARS = 64
"""What models take; see `Tool`."""


def tool_names(given: Iterable[str], prefix: str = "") -> list[str]:
    """A name for each of the given ones, in their order.

    What no name may have becomes `_`; one that is too long is cut, and one that is there
    already is numbered.
    """
    names: dict[str, None] = {}
    numbers: dict[str, int] = {}
    for each in given:
        whole = re.sub(r"[^A-Za-z0-9_\-]", "_", prefix + each)[:_MAX_CHARS] or "_"
        name, number = whole, numbers.get(whole, 1)
        while name in names:
            number += 1
            name = f"{whole[: _MAX_CHARS - len(str(number)) - 1]}_{number}"
        names[name], numbers[whole] = None, number
    return list(names)
