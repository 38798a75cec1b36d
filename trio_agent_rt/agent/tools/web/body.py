"""The body of an answer: bounded, decompressed within the same bound, decoded to text."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import AsyncIterable, Callable
from typing import TYPE_CHECKING, cast

from attrs import frozen

from ....errors import ToolError
from ..text import decode_text
from .access import shown

if TYPE_CHECKING:
    import httpx

__all__ = ["ACCEPTED_ENCODINGS", "Body", "read_body", "text_of"]

ACCEPTED_ENCODINGS = "gzip, deflate"
"""What `zlib` decompresses piece by piece, so that no bomb unfolds beyond the bound."""

_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,20}+=\s{0,20}+[\"']?\s{0,20}+([\w.:-]{2,40})", re.IGNORECASE
)
_META_WITHIN = 4096
"""The HTML standard has it in the first 1024 bytes; pages have it somewhat later."""

# A declared charset comes from outside, and Python's codecs are no charsets alone: some
# decompress, some take time that grows with the square of the text.
_CHARSETS = re.compile(
    r"utf-8(-sig)?|utf-16(-[lb]e)?|gb18030|gbk|gb2312|big5(hkscs)?|euc_jp|shift_jis|cp932"
    r"|iso2022_jp|euc_kr|cp949|koi8-[ru]|cp866|cp874|tis-620|mac-(roman|cyrillic)|cp125[0-8]"
    r"|iso8859-\d{1,2}|ascii"
)
_MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
"""What pages hold that declare these (the encoding standard has the same list)."""


@frozen
class Body:
    """What came of a body."""

    data: bytes
    """Decompressed."""
    truncated: bool
    """Whether there was more than the bound allows."""


async def read_body(response: httpx.Response, max_bytes: int, tell: Callable[[int], None]) -> Body:
    """As much of a body as the bound allows.

    Args:
        max_bytes: the bound on what is sent, and on what it decompresses to.
        tell: called with the bytes that have arrived so far.

    Raises:
        ToolError: when it breaks off, or its compression is broken or none of ours.
    """
    unpack = _Unpacking(response.headers.get("content-encoding", ""))
    data = bytearray()
    received = 0
    async for chunk in cast("AsyncIterable[bytes]", response.stream):
        left = max_bytes - received
        received += len(chunk)
        data += unpack(chunk[:left], max_bytes + 1 - len(data))
        if received > max_bytes or len(data) > max_bytes:
            return Body(bytes(data[:max_bytes]), truncated=True)
        tell(received)
    return Body(bytes(data), truncated=False)


class _Unpacking:
    """Decompresses one piece after the other, each up to a bound.

    Raises:
        ToolError: when the compression was not asked for.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise ToolError(
                f"the answer is compressed as {shown(self._encoding)}, which was not asked for",
                retryable=False,
            )
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._fresh = True

    def __call__(self, data: bytes, max_length: int) -> bytes:
        if self._encoding in {"", "identity"}:
            return data[:max_length]
        unpacked = bytearray()
        while data and len(unpacked) < max_length:
            if self._fresh:  # a file of gzip may have several members
                self._decoder = zlib.decompressobj(self._window_bits(data))
            try:
                unpacked += self._decoder.decompress(data, max_length - len(unpacked))
            except zlib.error:
                raise ToolError("the answer's compression is broken", retryable=False) from None
            self._fresh = self._decoder.eof
            data = self._decoder.unused_data
        return bytes(unpacked)

    def _window_bits(self, data: bytes) -> int:
        if self._encoding != "deflate":
            return 16 + zlib.MAX_WBITS
        # RFC 9110, 8.4.1.2: some servers leave out the wrapper of zlib, which begins so.
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS


def text_of(body: Body, content_type: str) -> tuple[str, str]:
    """The text of a body and the encoding it was in.

    Raises:
        ToolError: for what is not text; the sentence lacks the subject.
    """
    data = _whole_characters(body.data) if body.truncated else body.data
    for declared in (_charset(content_type), _meta_charset(data, content_type)):
        name = _known(declared)
        if name is not None and not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE)):
            text = data.decode(name, "replace")
            # One that is declared and does not fit is a mistake of the server's.
            if text.count("\ufffd") * 20 <= len(text):
                return text, name
    return decode_text(data)


def _charset(content_type: str) -> str:
    match = re.search(
        r"charset\s{0,20}+=\s{0,20}+[\"']?([\w.:-]{2,40})", content_type, re.IGNORECASE
    )
    return match[1] if match else ""


def _meta_charset(data: bytes, content_type: str) -> str:
    if "xml" not in content_type and "html" not in content_type:
        return ""
    match = _META_CHARSET.search(data, 0, _META_WITHIN)
    return match[1].decode("ascii", "replace") if match else ""


def _known(charset: str) -> str | None:
    try:
        name = codecs.lookup(charset).name if charset else ""
    except (LookupError, UnicodeError):
        return None
    return _MEANT.get(name, name) if _CHARSETS.fullmatch(name) else None


def _whole_characters(data: bytes) -> bytes:
    """UTF-8 that was cut, without the beginning of a character at its end."""
    for cut in range(1, min(4, len(data)) + 1):
        if data[-cut] & 0xC0 == 0xC0:  # it begins a character of several bytes
            return data[:-cut]
        if data[-cut] & 0xC0 != 0x80:
            break
    return data
