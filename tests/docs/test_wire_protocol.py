"""The wire protocol's page and the codec say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from trio_agent_rt.protocol import (
    RESERVED_TYPES,
    CloseCode,
    decode_command,
    decode_event,
    encode_command,
    encode_event,
    may_reconnect,
)

from .pages import REPOSITORY, Block, blocks

PAGE = REPOSITORY / "docs" / "reference" / "wire-protocol.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = [each for each in blocks(PAGE) if each.language == "json"]

ROUND_TRIPS: dict[str, Callable[[str], str | bytes]] = {
    "command": lambda text: encode_command(decode_command(text)),
    "event": lambda text: encode_event(decode_event(text)),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_is_what_the_codec_reads_and_writes(example: Block) -> None:
    again = ROUND_TRIPS[example.kind](example.code)
    assert json.loads(again) == json.loads(example.code)


def test_every_message_has_an_example() -> None:
    shown = {json.loads(example.code)["type"] for example in EXAMPLES}
    assert shown == RESERVED_TYPES | {"custom"}


def test_every_close_code_is_listed_with_the_advice_that_clients_follow() -> None:
    rows = re.findall(r"^\| (\d{4}) \| .* \| (yes|no)\b.* \|$", TEXT, re.MULTILINE)
    assert {int(code): advice == "yes" for code, advice in rows} == {
        int(code): may_reconnect(code) for code in CloseCode
    }
