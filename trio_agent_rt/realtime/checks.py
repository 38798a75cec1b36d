"""What the options of a server may be."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["check_at_least", "check_choice", "check_counts", "says_something"]


def check_at_least(least: float, **values: float | None) -> None:
    """Raise ValueError, with its name, for a value that is less, or no number.

    None passes: whoever takes it gives it a meaning.
    """
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and value >= least):
            raise ValueError(f"{name} must be {least:g} or more, not {value!r}")


def check_counts(**values: object) -> None:
    """Raise TypeError, with its name, for a value that is no whole number."""
    for name, value in values.items():
        if not isinstance(value, int):
            raise TypeError(f"{name} is a count, so it cannot be {value!r}")


def check_choice(choices: Collection[str], **values: object) -> None:
    """Raise ValueError, with its name, for a value that is none of `choices`."""
    for name, value in values.items():
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def says_something(text: object) -> bool:
    """Whether it is a text that is not blank."""
    return isinstance(text, str) and bool(text.strip())
