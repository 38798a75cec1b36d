"""The tool for dates and times."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import trio
from msgspec import Meta

from ...tool import ToolCall, tool
from .moments import read_moment, shifted
from .writing import STYLES, WEEKDAYS, Language, offset_of, write_moment
from .zones import find_zone

__all__ = ["datetime_format"]

Zone = Annotated[
    str,
    Meta(max_length=100, description="Europe/Berlin, a city as Tokyo or 东京, +08:00, or local"),
]


@tool(category="time")
async def datetime_format(
    call: ToolCall,
    moment: Annotated[
        Annotated[str, Meta(max_length=100)] | float,
        Meta(description="ISO 8601, seconds since 1970, now, today, or 2026年3月29日"),
    ] = "now",
    timezone: Annotated[Zone, Meta(description="to tell it in")] = "UTC",
    from_timezone: Annotated[
        Zone | None, Meta(description="of a moment that names none; None for `timezone`")
    ] = None,
    add: Annotated[
        Annotated[str, Meta(max_length=100)] | None,
        Meta(description="to add first: 1 day 2 hours, -90 minutes, P1M, 3天"),
    ] = None,
    style: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description=f"iso, unix, {', '.join(STYLES)}, or a pattern as %Y-%m-%d %H:%M",
        ),
    ] = "iso",
    language: Language = "en",
) -> dict[str, Any]:
    """Tell a moment: now or any other, in any time zone, moved by a duration, in any format.
    Gives `text` (as asked for), `iso`, `unix`, `timezone`, `offset`, `date`, `time` and
    `weekday`."""
    await trio.lowlevel.checkpoint()
    zone = find_zone(timezone)
    read_in = zone if from_timezone is None else find_zone(from_timezone)
    now = datetime.fromtimestamp(time.time(), UTC)
    said = moment if isinstance(moment, str) else f"{moment:.6f}"
    read = read_moment(said, read_in, now)
    if add is not None:
        read = shifted(read, add)
    told = read.astimezone(zone)
    return {
        "text": write_moment(told, style, language),
        "iso": told.isoformat(),
        "unix": told.timestamp(),
        "timezone": str(zone),
        "offset": offset_of(told),
        "date": write_moment(told, "%F", language),
        "time": write_moment(told, "%T", language),
        "weekday": WEEKDAYS[language][told.weekday()],
    }
