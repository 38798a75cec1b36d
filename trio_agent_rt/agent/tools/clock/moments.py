"""Reading moments and durations, as machines and as people write them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from ....errors import ToolError

__all__ = ["read_moment", "shifted"]

_DAYS: Mapping[str, int] = {
    "today": 0, "tomorrow": 1, "yesterday": -1, "今天": 0, "明天": 1, "昨天": -1, "后天": 2,
}  # fmt: skip
_NOW = frozenset({"now", "现在", "此刻", ""})
_CHINESE = re.compile(
    r"(?P<year>\d{4})年(?P<month>\d{1,2})月(?P<day>\d{1,2})[日号]?\s*"
    r"(?:(?P<half>上午|下午|晚上|凌晨|早上|中午)?\s*"
    r"(?P<hour>\d{1,2})[时点:：](?:(?P<minute>\d{1,2})(?:分|[:：]|$))?(?:(?P<second>\d{1,2})秒?)?)?"
)
_SLASHED = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d{1,17}(?:\.\d{1,9})?")
_MILLISECONDS = 100_000_000_000
"""Seconds since 1970 do not come to as much before the year 5138."""

_UNITS: Mapping[str, str] = {
    "y": "years", "year": "years", "years": "years", "年": "years",
    "mo": "months", "month": "months", "months": "months", "个月": "months", "月": "months",
    "w": "weeks", "week": "weeks", "weeks": "weeks", "周": "weeks", "个星期": "weeks",
    "星期": "weeks", "d": "days", "day": "days", "days": "days", "天": "days", "日": "days",
    "h": "hours", "hour": "hours", "hours": "hours", "小时": "hours", "个小时": "hours",
    "m": "minutes", "min": "minutes", "mins": "minutes", "minute": "minutes",
    "minutes": "minutes", "分钟": "minutes", "分": "minutes", "s": "seconds", "sec": "seconds",
    "second": "seconds", "seconds": "seconds", "秒": "seconds", "秒钟": "seconds",
}  # fmt: skip
_PIECE = re.compile(
    rf"\s*(?:and\s+|,\s*)?([+-]?\d{{1,9}})\s*({'|'.join(sorted(_UNITS, key=len, reverse=True))})"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)
_ISO_DURATION = re.compile(
    r"P(?:(?P<years>\d{1,9})Y)?(?:(?P<months>\d{1,9})M)?(?:(?P<weeks>\d{1,9})W)?"
    r"(?:(?P<days>\d{1,9})D)?(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,9})S)?)?",
    re.IGNORECASE,
)


def read_moment(said: str, zone: tzinfo, now: datetime) -> datetime:
    """The moment that a text says, with a zone.

    Args:
        zone: of a text that names none.
        now: which moment it is.

    Raises:
        ToolError: when it says none.
    """
    text = said.strip()
    if text.lower() in _NOW:
        return now.astimezone(zone)
    try:
        if text.lower() in _DAYS:
            day = now.astimezone(zone).date() + timedelta(days=_DAYS[text.lower()])
            return datetime.combine(day, time(), zone)
        if _NUMBER.fullmatch(text) and not re.fullmatch(r"(?:19|20)\d{6}", text):
            seconds = float(text)
            if abs(seconds) >= _MILLISECONDS:
                seconds /= 1000
            return datetime.fromtimestamp(seconds, UTC).astimezone(zone)
        chinese = _CHINESE.fullmatch(text)
        read = _in_chinese(chinese) if chinese else _iso(text)
        moment = read if read.tzinfo else read.replace(tzinfo=zone)
        moment.astimezone(UTC)  # the first and the last day of time are not the same everywhere
    except (ValueError, OverflowError, OSError) as exc:
        raise ToolError(
            f"{said[:100]!r} is no moment that can be read ({exc}); it is written as "
            "2026-03-29T14:30+02:00, 2026-03-29, 1774787400, now, today or 2026年3月29日14时30分"
        ) from None
    return moment


def _iso(text: str) -> datetime:
    slashed = _SLASHED.fullmatch(text)
    if slashed:
        text = f"{slashed[1]}-{int(slashed[2]):02}-{int(slashed[3]):02}{slashed[4]}"
    return datetime.fromisoformat(text)


def _in_chinese(said: re.Match[str]) -> datetime:
    day = date(int(said["year"]), int(said["month"]), int(said["day"]))
    hour = int(said["hour"] or 0)
    if said["half"] in {"下午", "晚上"} and hour < 12:
        hour += 12
    elif said["half"] in {"上午", "凌晨"} and hour == 12:
        hour = 0
    return datetime.combine(day, time(hour, int(said["minute"] or 0), int(said["second"] or 0)))


def shifted(moment: datetime, by: str) -> datetime:
    """`moment`, so much later: years, months, weeks and days by the calendar, with the clock
    showing the same; hours and less as they pass.

    Args:
        by: "1 day 2 hours", "-90 minutes", "P1DT2H", "3天"; a sign holds for what follows.

    Raises:
        ToolError: when it is no duration, or leads out of the years 1 to 9999.
    """
    amounts = _amounts(by)
    try:
        months = amounts.pop("years", 0) * 12 + amounts.pop("months", 0)
        if months:
            years, month = divmod(moment.month - 1 + months, 12)
            year = moment.year + years
            last = calendar.monthrange(year, month + 1)[1]
            moment = moment.replace(year=year, month=month + 1, day=min(moment.day, last))
        moment += timedelta(weeks=amounts.pop("weeks", 0), days=amounts.pop("days", 0))
        passing = timedelta(**amounts)
        return (moment.astimezone(UTC) + passing).astimezone(moment.tzinfo)
    except (ValueError, OverflowError):  # monthrange raises one of its own, a ValueError
        raise ToolError(f"adding {by[:100]!r} leads out of the years 1 to 9999") from None


def _amounts(by: str) -> dict[str, int]:
    text = by.strip()
    sign = -1 if text.startswith(("-", "−")) else 1
    text = text.lstrip("+-−").strip()
    iso = _ISO_DURATION.fullmatch(text)
    found: dict[str, int] = {}
    if iso and any(iso.groups()):
        return {unit: sign * int(value) for unit, value in iso.groupdict().items() if value}
    place = 0
    while place < len(text):
        piece = _PIECE.match(text, place)
        if piece is None:
            break
        number = piece[1]
        if number[0] in "+-":
            sign = -1 if number[0] == "-" else 1
        unit = _UNITS[piece[2].lower()]
        found[unit] = found.get(unit, 0) + sign * abs(int(number))
        place = piece.end()
    if not found or place < len(text):
        raise ToolError(
            f"{by[:100]!r} is no duration; it is written as 1 day 2 hours, -90 minutes or P1DT2H"
        )
    return found
