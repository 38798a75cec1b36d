"""Time zones, by their names, by the names of their cities, and as offsets."""

from __future__ import annotations

import difflib
import functools
import re
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from ....errors import ToolError

__all__ = ["ZONE_NAMES_ZH", "find_zone"]

ZONE_NAMES_ZH: Mapping[str, str] = {
    "北京": "Asia/Shanghai", "上海": "Asia/Shanghai", "中国": "Asia/Shanghai",
    "深圳": "Asia/Shanghai", "广州": "Asia/Shanghai", "香港": "Asia/Hong_Kong",
    "澳门": "Asia/Macau", "台北": "Asia/Taipei", "东京": "Asia/Tokyo", "日本": "Asia/Tokyo",
    "首尔": "Asia/Seoul", "新加坡": "Asia/Singapore", "曼谷": "Asia/Bangkok",
    "孟买": "Asia/Kolkata", "新德里": "Asia/Kolkata", "迪拜": "Asia/Dubai",
    "莫斯科": "Europe/Moscow", "柏林": "Europe/Berlin", "巴黎": "Europe/Paris",
    "伦敦": "Europe/London", "马德里": "Europe/Madrid", "罗马": "Europe/Rome",
    "苏黎世": "Europe/Zurich", "纽约": "America/New_York", "华盛顿": "America/New_York",
    "芝加哥": "America/Chicago", "旧金山": "America/Los_Angeles",
    "洛杉矶": "America/Los_Angeles", "西雅图": "America/Los_Angeles",
    "多伦多": "America/Toronto", "圣保罗": "America/Sao_Paulo", "悉尼": "Australia/Sydney",
    "墨尔本": "Australia/Melbourne", "奥克兰": "Pacific/Auckland",
    "协调世界时": "UTC", "世界时": "UTC",
}  # fmt: skip
"""Cities as they are called in Chinese."""

_OTHER_NAMES: Mapping[str, str] = {
    "utc": "UTC", "gmt": "UTC", "z": "UTC", "beijing": "Asia/Shanghai", "china": "Asia/Shanghai",
    "shenzhen": "Asia/Shanghai", "guangzhou": "Asia/Shanghai", "japan": "Asia/Tokyo",
    "korea": "Asia/Seoul", "india": "Asia/Kolkata", "mumbai": "Asia/Kolkata",
    "delhi": "Asia/Kolkata", "new delhi": "Asia/Kolkata", "bangalore": "Asia/Kolkata",
    "san francisco": "America/Los_Angeles", "seattle": "America/Los_Angeles",
    "boston": "America/New_York", "washington": "America/New_York", "miami": "America/New_York",
    "munich": "Europe/Berlin", "hamburg": "Europe/Berlin", "frankfurt": "Europe/Berlin",
    "germany": "Europe/Berlin", "france": "Europe/Paris", "geneva": "Europe/Zurich",
    "milan": "Europe/Rome", "barcelona": "Europe/Madrid", "uk": "Europe/London",
}  # fmt: skip
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)


def find_zone(name: str) -> tzinfo:
    """The time zone of that name.

    Args:
        name: as in the tz database, an offset (`+08:00`), a city, also in Chinese, or
            `local`.

    Raises:
        ToolError: when there is none; it names the one that is most like it.
    """
    name = name.strip()
    if name.lower() == "local":
        return datetime.now(UTC).astimezone().tzinfo or UTC
    offset = _OFFSET.fullmatch(name)
    if offset:
        hours, minutes = int(offset[2]), int(offset[3] or 0)
        if hours < 24 and minutes < 60:
            size = timedelta(hours=hours, minutes=minutes)
            return timezone(size if offset[1] == "+" else -size)
    plain = name.lower().replace("_", " ")
    key = ZONE_NAMES_ZH.get(name) or _OTHER_NAMES.get(plain) or _known().get(plain)
    if key == "UTC":
        return UTC
    if key is not None:
        return zoneinfo.ZoneInfo(key)
    close = difflib.get_close_matches(plain, _known(), n=1)
    hint = f"; did you mean {_known()[close[0]]}?" if close else ""
    raise ToolError(
        f"there is no time zone {name[:100]!r}{hint}; names are like Europe/Berlin, Tokyo or +08:00"
    )


@functools.cache
def _known() -> Mapping[str, str]:
    """Every zone's name by what people may write for it; a city alone will do."""
    names = sorted(zoneinfo.available_timezones())
    cities = {each.rpartition("/")[2].lower().replace("_", " "): each for each in names}
    return {**cities, **{each.lower().replace("_", " "): each for each in names}}
