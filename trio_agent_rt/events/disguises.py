r"""Secrets in disguise: escaped for JSON or a URL, however often, or with other line ends.

A secret and a text are both read as if every escape in them had been undone: `\n`, `\\\\n`,
`%0A`, `+` and any run of white space read as one space, `\u00e4` and `%c3%A4` as ä, `\\\"`
as a quote. A secret that is found in such a reading is masked where it stood in the text.

Reading takes time, so it is done only where a secret may be: where the longest piece of it
that no escaping changes stands in the text, or where letters and digits are escaped.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from attrs import define, field, frozen

__all__ = ["Disguises", "overlap"]

_BLANK = r"(?:[\s\x08]|\\{1,32}[nrtbfv]|%0[89a-dA-D]|%20|\+){1,64}"
_UTF_8 = r"%[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){1,3}"
_ESCAPE = re.compile(
    rf"(?P<blank>{_BLANK})|\\{{1,32}}u(?P<code>[0-9a-fA-F]{{4}})|\\{{1,32}}(?P<quote>[\"'/])"
    rf"|(?P<slashes>\\{{1,32}})|(?P<bytes>%[0-7][0-9a-fA-F]|{_UTF_8})|(?P<astral>[\U00010000-\U0010ffff])"
)
"""What reads as something else; runs have bounds, so that nothing is held back for ever."""

_SIGN = re.compile(r"[\\%+\t\n\v\f\r\x08]|\s\s|[^\x00-\x7f]")
"""What a text holds in which anything reads as something else."""

_UNFINISHED = re.compile(
    r"(?:\\{1,32}(?:u[0-9a-fA-F]{0,3})?|(?:%[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){0,2})?%[0-9a-fA-F]?"
    r"|%[c-fC-F][0-9a-fA-F](?:%[89abAB][0-9a-fA-F]){0,2})\Z"
)
"""At the end of a text, what more text may make another escape of."""

_NEEDLESS = tuple(
    (sign, re.compile(re.escape(sign) + r"(?:2[5dDeE]|3[0-9]|[46][1-9a-fA-F]|5[0-9aAfF]|7[0-9aA])"))
    for sign in ("\\u00", "%")
)
"""Escapes of what needs none: letters, digits, hyphen, full stop, underscore; and of percent."""

_UNCHANGED = re.compile(r"[A-Za-z0-9_.\-]+")
_ROUNDS = 5
"""How often escapes are undone: a value in JSON in a URL in a redirect takes three."""
_MIN_LENGTH = 4
"""Of what a secret reads as: less would be found everywhere."""
_HEAD = 16
_SHORT = 256
"""Characters in which no more than `_HEAD` of a secret stand if each of them is escaped."""
_LONGEST_ESCAPE = 8
"""Characters that one takes in the forms that are usual: a letter in JSON in JSON."""


@define
class _Round:
    """A text with its escapes undone once."""

    text: str
    starts: list[int] = field(factory=list[int])
    """Where in the text each escape that was undone reads."""
    ends: list[tuple[int, int, int]] = field(factory=list[tuple[int, int, int]])
    """Where the reading of each ends, and where it itself began and ended."""

    def began(self, place: int) -> int:
        """Where what reads at a place began before."""
        number = bisect_right(self.starts, place) - 1
        if number < 0:
            return place
        read, began, ended = self.ends[number]
        return began if place < read else ended + place - read

    def ended(self, place: int) -> int:
        """Where what reads just before a place ended before."""
        number = bisect_right(self.starts, place - 1) - 1
        if number < 0:
            return place
        read, _, ended = self.ends[number]
        return ended if place <= read else ended + place - read


def _undone(text: str) -> _Round | None:
    """`text` with escapes undone once; None if there are none."""
    if _SIGN.search(text) is None:
        return None
    pieces: list[str] = []
    done = length = 0
    this = _Round("")
    for found in _ESCAPE.finditer(text):
        plain = _meaning(found)
        if plain == found[0]:
            continue
        start, end = found.span()
        pieces += (text[done:start], plain)
        length += start - done
        this.starts.append(length)
        length += len(plain)
        this.ends.append((length, start, end))
        done = end
    if not this.starts:
        return None
    this.text = "".join([*pieces, text[done:]])
    return this


def _meaning(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "blank":
            return " "
        case "code":
            return chr(int(found["code"], 16))
        case "quote":
            return found["quote"]
        case "bytes":
            return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")
        case "astral":  # as JSON escapes it
            code = ord(found[0]) - 0x10000
            return chr(0xD800 + (code >> 10)) + chr(0xDC00 + (code & 0x3FF))
        case _:
            return ""


def _rounds(text: str) -> Iterator[_Round]:
    for _ in range(_ROUNDS):
        this = _undone(text)
        if this is None:
            return
        yield this
        text = this.text


def _reading(text: str) -> str:
    for each in _rounds(text):
        text = each.text
    return text


@frozen
class _Known:
    reading: str
    mask: str
    head: str
    """The longest piece of its beginning that no usual escaping changes."""
    anchor: str
    """The longest such piece of it all."""
    is_odd: bool
    """Whether usual escaping changes anything of it."""


class Disguises:
    """Finds secrets whose characters are escaped.

    Args:
        masks: what stands for each secret.
    """

    def __init__(self, masks: Mapping[str, str]) -> None:
        known = [_known(secret, mask) for secret, mask in masks.items()]
        self._known = [each for each in known if len(each.reading) >= _MIN_LENGTH]
        self._odd = [each for each in self._known if each.is_odd]
        self._masks = {each.reading: each.mask for each in self._known}
        readings = sorted(self._masks, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, readings)) or r"(?!)")
        self._window = _LONGEST_ESCAPE * max(map(len, readings), default=0)
        self._has_blanks = any(" " in each for each in readings)

    def masked(self, text: str) -> str:
        """`text` with what is disguised in it masked."""
        if not self._may_hold(text):
            return text
        rounds = list(_rounds(text))
        if not rounds:
            return text
        pieces: list[str] = []
        done = 0
        for found in self._pattern.finditer(rounds[-1].text):
            start, end = found.span()
            for each in reversed(rounds):
                start, end = each.began(start), each.ended(end)
            pieces += (text[done:start], self._masks[found[0]])
            done = end
        return "".join([*pieces, text[done:]]) if pieces else text

    def begun(self, text: str, *, finished: bool = False) -> int:
        """How many characters at the end of a text may be the beginning of a secret.

        Args:
            finished: whether no more text follows, so that half an escape is none; and
                whatever tells next to nothing of a secret does not count.
        """
        ending = text[-self._window :]
        if not self._known or not self._has_signs(ending):
            return 0
        if len(ending) > _SHORT and not self._may_begin(ending):
            ending = ending[-_SHORT:]
        rounds: list[_Round] = []
        tail = len(ending)
        reading = ending
        for _ in range(_ROUNDS):
            end = reading[-64:]
            unfinished = _UNFINISHED.search(end) if "\\" in end or "%" in end else None
            if unfinished is not None:
                cut = len(reading) - len(unfinished[0])
                tail = min(tail, _original(rounds, cut))
                reading = reading[:cut]
            this = _undone(reading)
            if this is None:
                break
            rounds.append(this)
            reading = this.text
        # Where nothing was escaped, it is as any other text to those that are never escaped.
        size = overlap(reading, [each.reading for each in (self._known if rounds else self._odd)])
        if finished and size < _MIN_LENGTH:
            return 0
        if size:
            tail = min(tail, _original(rounds, len(reading) - size))
        return len(ending) - tail

    def _has_signs(self, text: str) -> bool:
        return "\\" in text or "%" in text or self._has_blanks

    def _may_begin(self, text: str) -> bool:
        return _has_needless(text) or any(each.head in text for each in self._odd)

    def _may_hold(self, text: str) -> bool:
        if _has_needless(text):
            return bool(self._known)
        return self._has_signs(text) and any(each.anchor in text for each in self._odd)


def _known(secret: str, mask: str) -> _Known:
    reading = _reading(secret).strip(" ")
    head, anchor = _unchanged(secret[:_HEAD]), _unchanged(secret)
    return _Known(reading, mask, head, anchor, is_odd=anchor != secret)


def _unchanged(text: str) -> str:
    return max(_UNCHANGED.findall(text), key=len, default="")


def _has_needless(text: str) -> bool:
    return any(sign in text and escape.search(text) for sign, escape in _NEEDLESS)


def _original(rounds: Sequence[_Round], place: int) -> int:
    for each in reversed(rounds):
        place = each.began(place)
    return place


def overlap(text: str, beginnings: Sequence[str]) -> int:
    """How long the longest end of `text` is that is the beginning of one of these, not all."""
    longest = 0
    for each in beginnings:
        place = text.find(each[0], max(len(text) - len(each) + 1, 0))
        while 0 <= place < len(text) - longest:
            if each.startswith(text[place:]):
                longest = len(text) - place
            place = text.find(each[0], place + 1)
    return longest
