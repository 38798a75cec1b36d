"""Moments are read, moved by the calendar, taken to other zones, and written."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.agent.tools import datetime_format
from trio_agent_rt.errors import ToolError

from .recorded import run


async def test_everything_is_told_of_a_moment() -> None:
    assert await run(datetime_format, moment="2026-03-29T14:30+02:00", timezone="Asia/Tokyo") == {
        "text": "2026-03-29T21:30:00+09:00",
        "iso": "2026-03-29T21:30:00+09:00",
        "unix": 1774787400.0,
        "timezone": "Asia/Tokyo",
        "offset": "+09:00",
        "date": "2026-03-29",
        "time": "21:30:00",
        "weekday": "Sunday",
    }


async def test_now_is_now() -> None:
    assert abs((await run(datetime_format))["unix"] - time.time()) < 60


@pytest.mark.parametrize(
    ("moment", "iso"),
    [
        ("2026-03-29", "2026-03-29T00:00:00+00:00"),
        ("2026/3/9 08:05", "2026-03-09T08:05:00+00:00"),
        ("20260329", "2026-03-29T00:00:00+00:00"),
        ("1774787400", "2026-03-29T12:30:00+00:00"),
        ("1774787400000", "2026-03-29T12:30:00+00:00"),
        (1774787400, "2026-03-29T12:30:00+00:00"),
        (1774787400.5, "2026-03-29T12:30:00.500000+00:00"),
        ("0", "1970-01-01T00:00:00+00:00"),
        ("-1", "1969-12-31T23:59:59+00:00"),
        ("2026-03-29T14:30Z", "2026-03-29T14:30:00+00:00"),
        ("2026年3月29日", "2026-03-29T00:00:00+00:00"),
        ("2026年3月29日下午2点30分", "2026-03-29T14:30:00+00:00"),
        ("2026年3月29日 14:30", "2026-03-29T14:30:00+00:00"),
        ("2026年3月29日14时30分15秒", "2026-03-29T14:30:15+00:00"),
    ],
)
async def test_moments_are_read_as_they_are_written(moment: Any, iso: str) -> None:
    assert (await run(datetime_format, moment=moment))["iso"] == iso


@pytest.mark.parametrize(
    ("zone", "clock"),
    [
        ("Europe/Berlin", "14:30 +02:00"),
        ("berlin", "14:30 +02:00"),
        ("New York", "08:30 -04:00"),
        ("纽约", "08:30 -04:00"),
        ("东京", "21:30 +09:00"),
        ("北京", "20:30 +08:00"),
        ("Kolkata", "18:00 +05:30"),
        ("+05:45", "18:15 +05:45"),
        ("UTC-3", "09:30 -03:00"),
        ("gmt", "12:30 +00:00"),
    ],
)
async def test_zones_have_many_names(zone: str, clock: str) -> None:
    told = await run(datetime_format, moment="1774787400", timezone=zone, style="%H:%M")
    assert f"{told['text']} {told['offset']}" == clock


@pytest.mark.parametrize(
    ("moment", "add", "text"),
    [
        ("2026-01-31", "1 month", "2026-02-28T00:00:00+01:00"),
        ("2024-02-29", "1 year", "2025-02-28T00:00:00+01:00"),
        ("2026-03-31", "-1 month", "2026-02-28T00:00:00+01:00"),
        ("2026-01-01", "-1 day", "2025-12-31T00:00:00+01:00"),
        ("2026-01-01", "P1Y2M3DT4H5M6S", "2027-03-04T04:05:06+01:00"),
        ("2026-01-01", "-P1D", "2025-12-31T00:00:00+01:00"),
        ("2026-01-01", "1 day 2 hours and 3 min", "2026-01-02T02:03:00+01:00"),
        ("2026-01-01", "1 day -2 hours", "2026-01-01T22:00:00+01:00"),
        ("2026-01-01", "3天2小时", "2026-01-04T02:00:00+01:00"),
        # the clocks go forward in the night to the 29th: a day is by the calendar, 24 hours are not
        ("2026-03-28T12:00", "1 day", "2026-03-29T12:00:00+02:00"),
        ("2026-03-28T12:00", "24 hours", "2026-03-29T13:00:00+02:00"),
    ],
)
async def test_durations_are_added(moment: str, add: str, text: str) -> None:
    told = await run(datetime_format, moment=moment, add=add, timezone="Europe/Berlin")
    assert told["text"] == text


async def test_a_moment_may_be_of_another_zone_than_it_is_told_in() -> None:
    told = await run(
        datetime_format, moment="2026-01-01T09:00", from_timezone="Tokyo", timezone="London"
    )
    assert told["text"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("style", "en", "zh"),
    [
        ("date", "2026-03-09", "2026年3月9日"),
        ("time", "08:05:00", "08:05:00"),
        ("long", "Monday, 9 March 2026, 08:05:00 UTC", "2026年3月9日 星期一 08:05:00"),
        ("weekday", "Monday", "星期一"),
        ("rfc2822", "Mon, 09 Mar 2026 08:05:00 +0000", "Mon, 09 Mar 2026 08:05:00 +0000"),
        ("filename", "2026-03-09_08-05-00", "2026-03-09_08-05-00"),
        ("unix", "1773043500", "1773043500"),
        ("%-d.%-m.%y 100%%", "9.3.26 100%", "9.3.26 100%"),
        ("%b %I %p %j W%V", "Mar 08 AM 068 W11", "3月 08 上午 068 W11"),
    ],
)
async def test_it_is_written_in_the_style_and_the_language(style: str, en: str, zh: str) -> None:
    moment = "2026-03-09T08:05"
    assert (await run(datetime_format, moment=moment, style=style))["text"] == en
    told = await run(datetime_format, moment=moment, style=style, language="zh")
    assert told["text"] == zh


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"moment": "soon"}, "'soon' is no moment that can be read"),
        ({"moment": "2026-02-30"}, "is no moment"),
        ({"moment": 1e300}, "is no moment"),
        ({"timezone": "Asia/Tokio"}, "did you mean Asia/Tokyo?"),
        ({"timezone": "../../etc/passwd"}, "there is no time zone"),
        ({"timezone": "+25:00"}, "there is no time zone"),
        ({"add": "a while"}, "'a while' is no duration"),
        ({"add": "1 day and"}, "is no duration"),
        ({"add": "999999999 years"}, "leads out of the years 1 to 9999"),
        ({"add": "99999999 days"}, "leads out of the years"),
        ({"style": "pretty"}, "there is no style 'pretty'; there are iso"),
        ({"style": "%1000000000Y"}, "'%1' is no directive"),
        ({"moment": "0001-01-01", "timezone": "+09:00"}, "is no moment|out of the years"),
    ],
)
async def test_what_cannot_be_told_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint):
        await run(datetime_format, **arguments)


@given(st.integers(-62_000_000_000, 253_000_000_000))
async def test_what_is_written_is_read_back(seconds: int) -> None:
    iso = datetime.fromtimestamp(seconds, UTC).isoformat()
    told = await run(datetime_format, moment=iso)
    assert told["text"] == iso


@given(st.text(max_size=20), st.text(max_size=20), st.text(min_size=1, max_size=20))
async def test_any_text_is_told_or_refused(moment: str, add: str, style: str) -> None:
    with contextlib.suppress(ToolError):
        await run(datetime_format, moment=moment, add=add, style=style)
