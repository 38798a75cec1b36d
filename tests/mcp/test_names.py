"""Names of a server's tools are ones that plans and models can write."""

from __future__ import annotations

import pytest

from trio_agent_rt.mcp.names import tool_names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["read", "write"], ["fs_read", "fs_write"]),
        (["read.file", "lies/größe", ""], ["fs_read_file", "fs_lies_gr__e", "fs_"]),
        (["a.b", "a b", "a_b", "a_b_2"], ["fs_a_b", "fs_a_b_2", "fs_a_b_3", "fs_a_b_2_2"]),
        (["x" * 99] * 2, ["fs_" + "x" * 61, "fs_" + "x" * 59 + "_2"]),
    ],
)
def test_each_is_valid_and_no_two_are_the_same(given: list[str], names: list[str]) -> None:
    assert tool_names(given, "fs_") == names


def test_an_empty_name_is_still_a_name() -> None:
    assert tool_names(["", ""]) == ["_", "__2"]


def test_many_of_one_name_take_no_time() -> None:
    names = tool_names(["x"] * 20_000)
    assert len(set(names)) == 20_000
    assert names[:3] == ["x", "x_2", "x_3"]
