"""What is asked of the clock: the time here and elsewhere, and the day of a date."""

from __future__ import annotations

import re

from ....agent.tools.clock import ZONE_NAMES_ZH, find_zone
from ....errors import ToolError
from ..plan import PlanBuilder, Reportable
from ..words import Lifted

__all__ = ["tell_time"]

_PLACES_ZH = "|".join(sorted(ZONE_NAMES_ZH, key=len, reverse=True))
_NOW = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:what(?:'s|\s+is)?\s+|tell\s+me\s+|show\s+)?(?:the\s+)?(?:current\s+|local\s+)?"
        r"(?:date\s+and\s+time|time|date|day)(?:\s+is\s+it)?(?:\s+(?:today|now|right\s+now))?"
        r"(?:\s+(?:in|at)\s+(?P<zone>[\w /+:'-]{2,60}?))?(?:\s+(?:today|now|right\s+now))?$",
        r"^(?:today'?s\s+date|(?:the\s+)?time\s+now)$",
        rf"^(?:(?:现在|今天|当前|此刻)的?)?(?P<zone>{_PLACES_ZH})?(?:的)?(?:现在|今天|当前|此刻)?"
        r"的?(?:是)?(?:几点钟?|什么时间|什么时候|几月几[日号]|几号|多少号|星期几|周几|日期|时间)"
        r"(?:是多少|是几点)?了?$",
    )
]
_ASKS_NOTHING = re.compile(r"^(?:(?:the\s+)?(?:time|date|day)|日期|时间)$", re.IGNORECASE)
_WEEKDAY = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^what\s+(?:week)?day(?:\s+of\s+the\s+week)?\s+(?:is|was|will\s+be)\s+"
        r"(?P<moment>\d{4}-\d{1,2}-\d{1,2})$",
        r"^(?P<moment>\d{4}年\d{1,2}月\d{1,2}[日号])(?:是)?(?:星期几|周几)$",
    )
]


def tell_time(clause: str, lifted: Lifted, plan: PlanBuilder) -> bool:
    """“what time is it in Tokyo”, “2026年3月29日是星期几”."""
    for pattern in _WEEKDAY:
        said = pattern.match(clause)
        if said:
            moment = said["moment"]
            return _add(plan, {"moment": moment, "style": "weekday"}, moment)
    for pattern in _NOW:
        said = pattern.match(clause)
        if said and not _ASKS_NOTHING.match(clause):
            place = said.groupdict().get("zone") or "local"
            try:
                find_zone(place)
            except ToolError:
                raise plan.refuse("zone", lifted.value(clause)) from None
            here = "本地" if plan.language == "zh" else "here"
            return _add(
                plan, {"timezone": place, "style": "long"}, here if place == "local" else place
            )
    return False


def _add(plan: PlanBuilder, arguments: dict[str, str], named: str) -> bool:
    step = plan.add(
        "datetime_format", {**arguments, "language": plan.language}, named=[named], timeout=10
    )
    plan.reportable = [Reportable(step, "{{" + step + ".output.text}}\n", "time.txt")]
    return True
