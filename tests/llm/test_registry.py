"""A name gives a client, and a wrong one the names that are known."""

from __future__ import annotations

import pytest

from trio_agent_rt.llm import OfflineClient, OpenAIClient, create_llm


async def test_the_offline_client_is_entered_like_the_others() -> None:
    async with create_llm("offline") as llm:
        assert isinstance(llm, OfflineClient)
        assert llm.name == "offline"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("openai", "openai:gpt-4o-mini"),
        ("openai:my-model", "openai:my-model"),
        ("OpenAI:org/My:model", "openai:org/My:model"),
    ],
)
def test_a_model_can_be_named(name: str, shown: str) -> None:
    llm = create_llm(name)
    assert isinstance(llm, OpenAIClient)
    assert llm.name == shown


@pytest.mark.parametrize("name", ["", "gpt", "openai:", "offline:x", "anthropic"])
def test_an_unknown_name_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(ValueError, match="known are: offline, openai, openai:MODEL"):
        create_llm(name)
