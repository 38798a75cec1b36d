"""Durations and expressions, as people write them in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...agent.tools import CONSTANTS, FUNCTIONS

__all__ = ["expression_in", "seconds_in"]

_UNITS: Mapping[str, float] = {
    "ms": 0.001, "millisecond": 0.001, "milliseconds": 0.001, "毫秒": 0.001,
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "秒": 1, "秒钟": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "分": 60, "分钟": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "小时": 3600, "钟头": 3600,
}  # fmt: skip
_WORDS: Mapping[str, float] = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "fifteen": 15, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "half a": 0.5, "half an": 0.5,
}  # fmt: skip
_DIGITS = {each: value for value, each in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_TENS = {"十": 10, "百": 100, "千": 1000}

_DURATION = re.compile(
    r"\s*(?:for\s+|about\s+|and\s+|又|大约|,\s*)?"
    rf"(?P<number>\d{{1,7}}(?:\.\d{{1,6}})?|\.\d{{1,6}}"
    rf"|{'|'.join(sorted(_WORDS, key=len, reverse=True))}(?![A-Za-z])"
    r"|[零〇一二两三四五六七八九十百千点半]+)"
    rf"(?:\s*-?个?\s*(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))}))?(?![A-Za-z])",
    re.IGNORECASE,
)

_ASKED = re.compile(
    r"^(?:(?:what(?:'s|\s+is|\s+are)?|how\s+much\s+is|calculate|compute|evaluate|work\s+out|solve"
    r"|the\s+(?:value|result)\s+of|计算|算一下|算一算|算算|算|求)(?:一下|出)?(?![A-Za-z])[\s:：]*)+",
    re.IGNORECASE,
)
_ANSWERED = re.compile(
    r"(?<![=＝?？。])(?:\s?(?:等于多少|等于几|等于|是多少|得多少|得几|的(?:值|结果)|[=＝?？。]++))++$"
)
_OPERATOR_WORDS = [
    (re.compile(pattern, re.IGNORECASE), symbol)
    for pattern, symbol in (
        (r"(?<=\d)\s*%\s*of\s+", "/100*"),
        (r"\s*(?:\bplus\b|加上?)\s*", " + "),
        (r"\s*(?:\bminus\b|减去?)\s*", " - "),
        (r"\s*(?:\bmultiplied\s+by\b|\btimes\b|乘以?)\s*", " * "),
        (r"\s*(?:\bdivided\s+by\b|除以)\s*", " / "),
        (r"\s*(?:\bto\s+the\s+power\s+of\b)\s*", " ** "),
        (r"(?:\bthe\s+)?square\s+root\s+of\s+(\d+(?:\.\d+)?)", r"sqrt(\1)"),
        (r"(?<=\d)\s*x\s*(?=\d)", " * "),
    )
]
_NAMES = "|".join(sorted([*FUNCTIONS, *CONSTANTS], key=len, reverse=True))
_ARITHMETIC = re.compile(
    rf"(?:\d++(?:\.\d*+)?+(?:[eE][+-]?\d++)?+|\.\d++|(?<![A-Za-z])(?:{_NAMES})(?![A-Za-z])"
    r"|[-+*/%^()×÷·（）＋－−＊／，,\s])++"
)
"""Possessive, every bit of it: else a number is tried cut into pieces in every way there is."""
_OPERATION = re.compile(rf"[-+*/%^×÷·＋－−＊／]|\b(?:{'|'.join(FUNCTIONS)})\s*[(（]")


def seconds_in(text: str, *, unit_needed: bool) -> float | None:
    """How many seconds a text says and nothing else: "1 minute 30", "十秒"; or None.

    Args:
        unit_needed: whether a number alone is no duration, rather than seconds.
    """
    total, place = 0.0, 0
    text = text.strip(" \t,，.。")
    while place < len(text):
        said = _DURATION.match(text, place)
        number = _number(said["number"]) if said else None
        if said is None or number is None:
            return None
        if said["unit"] is None and (said.end() < len(text) or (unit_needed and not place)):
            return None
        total += number * _UNITS[(said["unit"] or "s").lower()]
        place = said.end()
    if not text:
        return None
    return int(total) if total.is_integer() else round(total, 6)


def _number(text: str) -> float | None:
    lowered = text.lower()
    if lowered in _WORDS:
        return _WORDS[lowered]
    try:
        return float(text)
    except ValueError:
        return _chinese_number(text)


def _chinese_number(text: str) -> float | None:
    """二十五 → 25, 一百零五 → 105, 半 → 0.5, 二点五 → 2.5; None for what is no number."""
    if text.endswith("半"):
        whole = _chinese_number(text[:-1]) if len(text) > 1 else 0
        return None if whole is None else whole + 0.5
    whole, point, decimals = text.partition("点")
    if point:
        value = _chinese_number(whole)
        if value is None or not decimals or any(each not in _DIGITS for each in decimals):
            return None
        return value + float("0." + "".join(str(_DIGITS[each]) for each in decimals))
    total, digit = 0, None
    for each in whole:
        if each in _DIGITS:
            digit = _DIGITS[each]
        elif each in _TENS:
            total += (1 if digit is None else digit) * _TENS[each]
            digit = None
        else:
            return None
    return float(total + (digit or 0)) if whole else None


def expression_in(text: str) -> str | None:
    """The arithmetic that a clause asks for, or None if it asks for something else."""
    text = " ".join(text.split())
    asked = _ASKED.match(text)
    expression = _ANSWERED.sub("", text[asked.end() :] if asked else text)
    for pattern, symbol in _OPERATOR_WORDS:
        expression = pattern.sub(symbol, expression)
    expression = expression.strip()
    if not re.search(rf"\d|π|\b(?:{'|'.join(CONSTANTS)})\b", expression):
        return None
    if not _ARITHMETIC.fullmatch(expression):
        return None
    if asked or _OPERATION.search(expression):
        return expression
    return None
