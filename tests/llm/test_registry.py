"""A name gives a client, and a wrong one the names that are known."""

from __future__ import annotations

import pytest

from trio_agent_rt.llm import (
    AnthropicClient,
    FallbackClient,
    OfflineClient,
    OpenAIClient,
    create_llm,
)


async def test_the_offline_client_is_entered_like_the_others() -> None:
    async with create_llm("offline") as llm:
        assert isinstance(llm, OfflineClient)
        assert llm.name == "offline"


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("openai", OpenAIClient, "openai"),
        ("openai:my-model", OpenAIClient, "openai:my-model"),
        ("OpenAI:org/My:model", OpenAIClient, "openai:org/My:model"),
        ("anthropic", AnthropicClient, "anthropic"),
        (" anthropic : m ", AnthropicClient, "anthropic:m"),
    ],
)
def test_a_model_can_be_named(name: str, kind: type, shown: str) -> None:
    llm = create_llm(name)
    assert isinstance(llm, kind)
    assert llm.name == shown


def test_several_are_asked_one_after_the_other() -> None:
    llm = create_llm("openai, anthropic:m, offline")
    assert isinstance(llm, FallbackClient)
    assert [type(each) for each in llm.llms] == [OpenAIClient, AnthropicClient, OfflineClient]
    assert llm.name == "openai, else anthropic:m, else offline"


@pytest.mark.parametrize(
    "name", ["", "gpt", "openai:", "offline:x", "anthropic:", "openai,", "offline,gpt"]
)
def test_an_unknown_name_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(ValueError, match="known are: offline, openai, openai:MODEL, anthropic"):
        create_llm(name)
