"""Writing moments: in named styles and as strftime would, whatever the locale."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from ....errors import ToolError

__all__ = ["STYLES", "WEEKDAYS", "Language", "offset_of", "write_moment"]

Language: TypeAlias = Literal["en", "zh"]
"""What names are written in."""

WEEKDAYS: Mapping[Language, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
}
"""Monday first."""
_MONTHS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
    "zh": tuple(f"{number}月" for number in range(1, 13)),
}  # fmt: skip

STYLES: Mapping[str, str | Mapping[Language, str]] = {
    "date": {"en": "%Y-%m-%d", "zh": "%Y年%-m月%-d日"},
    "time": "%H:%M:%S",
    "short": {"en": "%Y-%m-%d %H:%M", "zh": "%Y-%m-%d %H:%M"},
    "long": {"en": "%A, %-d %B %Y, %H:%M:%S %Z", "zh": "%Y年%-m月%-d日 %A %H:%M:%S"},
    "weekday": "%A",
    "rfc2822": "%a, %d %b %Y %H:%M:%S %z",
    "filename": "%Y-%m-%d_%H-%M-%S",
}
"""The named styles that are patterns; `iso` and `unix` are two more."""

_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)


def write_moment(moment: datetime, style: str, language: Language) -> str:
    """The moment as text.

    Args:
        style: one of `STYLES`, `iso`, `unix`, or a pattern with % in it.

    Raises:
        ToolError: when there is no such style or directive.
    """
    if style == "iso":
        return moment.isoformat()
    if style == "unix":
        return f"{moment.timestamp():.6f}".rstrip("0").rstrip(".")
    pattern = STYLES.get(style, style)
    if not isinstance(pattern, str):
        pattern = pattern[language]
    elif "%" not in pattern:
        known = ", ".join(["iso", "unix", *STYLES])
        raise ToolError(f"there is no style {style[:100]!r}; there are {known}, and %Y-%m-%d …")
    if style == "rfc2822":
        language = "en"
    return _DIRECTIVE.sub(lambda found: _directive(found, moment, language), pattern)


def _directive(found: re.Match[str], moment: datetime, language: Language) -> str:
    if found[2] == "%" and not found[1]:
        return "%"
    write = _DIRECTIVES.get(found[2])
    if write is None:
        raise ToolError(f"{found[0]!r} is no directive; there are: {' '.join(_DIRECTIVES)}")
    text = write(moment, language)
    return text.lstrip("0") or "0" if found[1] and text.isdigit() else text


def offset_of(moment: datetime, colon: str = ":") -> str:
    """How far its clock is from UTC: `+08:00`."""
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}{colon}{minutes:02}"


def _half(moment: datetime, language: Language) -> str:
    if language == "zh":
        return "上午" if moment.hour < 12 else "下午"
    return "AM" if moment.hour < 12 else "PM"


_DIRECTIVES: Mapping[str, Callable[[datetime, Language], str]] = {
    "Y": lambda at, _: f"{at.year:04}",
    "y": lambda at, _: f"{at.year % 100:02}",
    "m": lambda at, _: f"{at.month:02}",
    "B": lambda at, language: _MONTHS[language][at.month - 1],
    "b": lambda at, language: _MONTHS[language][at.month - 1][:3],
    "d": lambda at, _: f"{at.day:02}",
    "j": lambda at, _: f"{at.timetuple().tm_yday:03}",
    "H": lambda at, _: f"{at.hour:02}",
    "I": lambda at, _: f"{at.hour % 12 or 12:02}",
    "p": _half,
    "M": lambda at, _: f"{at.minute:02}",
    "S": lambda at, _: f"{at.second:02}",
    "f": lambda at, _: f"{at.microsecond:06}",
    "z": lambda at, _: offset_of(at, ""),
    "Z": lambda at, _: at.tzname() or "",
    "A": lambda at, language: WEEKDAYS[language][at.weekday()],
    "a": lambda at, language: (
        WEEKDAYS[language][at.weekday()]
        if language == "zh"
        else WEEKDAYS[language][at.weekday()][:3]
    ),
    "u": lambda at, _: str(at.isoweekday()),
    "w": lambda at, _: str(at.isoweekday() % 7),
    "V": lambda at, _: f"{at.isocalendar().week:02}",
    "G": lambda at, _: f"{at.isocalendar().year:04}",
    "F": lambda at, _: f"{at.year:04}-{at.month:02}-{at.day:02}",
    "T": lambda at, _: f"{at.hour:02}:{at.minute:02}:{at.second:02}",
    "s": lambda at, _: str(int(at.timestamp())),
}
"""As in strftime, but the same everywhere; a - after the % leaves leading zeros out."""
