"""What only Anthropic's format has."""

from __future__ import annotations

from typing import Any

import pytest

from trio_agent_rt.agent import ChatMessage, LLMRequest, ToolUse, Usage
from trio_agent_rt.llm import AnthropicClient
from trio_agent_rt.llm.anthropic.client import DEFAULT_MAX_TOKENS, DEFAULT_MODEL
from trio_agent_rt.protocol import ToolInfo

from .anthropic_server import ANTHROPIC, event
from .provider_server import STOP, Asks, raw
from .stage import KEY, PLAN, QUESTION, SCHEMA, TOOLS, Stage, error_of, streamed

PLAN_TOOL = {"name": "plan", "description": "Gives your answer.", "input_schema": SCHEMA}


@pytest.fixture
def stage(anthropic_stage: Stage) -> Stage:
    return anthropic_stage


async def test_a_question_is_sent_as_the_format_has_it(stage: Stage) -> None:
    stage.server.answers = [ANTHROPIC.whole("x"), ANTHROPIC.streamed("x")]
    more = ChatMessage(role="system", content="In Chinese.")
    request = LLMRequest(messages=[*QUESTION.messages, more], tools=TOOLS, tool_choice="auto")
    async with stage.client() as llm:
        await llm.complete(QUESTION)
        await streamed(llm, request)
    turns = [{"role": "user", "content": [{"type": "text", "text": "Say 你好."}]}]
    assert stage.server.asked[0] == {
        "model": "some-model",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "system": "Be brief.",
        "messages": turns,
    }
    assert "anthropic-version" in stage.server.headers[0]
    assert stage.server.asked[1] == {
        "model": "some-model",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "system": "Be brief.\n\nIn Chinese.",
        "messages": turns,
        "stream": True,
        "tool_choice": {"type": "auto"},
        "tools": [
            {
                "name": each.name,
                "description": each.description,
                "input_schema": dict(each.parameters),
            }
            for each in TOOLS
        ],
    }


async def test_anthropic_itself_is_asked_for_the_default_model() -> None:
    async with AnthropicClient(api_key=KEY) as llm:
        assert llm.name == f"anthropic:{DEFAULT_MODEL}"


@pytest.mark.parametrize(("given", "sent"), [("required", "any"), ("auto", "auto")])
async def test_whether_a_tool_has_to_be_used_is_said(stage: Stage, given: Any, sent: str) -> None:
    stage.server.answers = [ANTHROPIC.whole(None, Asks("a", "wait"))]
    request = LLMRequest(messages=QUESTION.messages, tools=TOOLS, tool_choice=given)
    async with stage.client() as llm:
        await llm.complete(request)
    assert stage.server.asked[0]["tool_choice"] == {"type": sent}


async def test_a_conversation_that_is_done_with_its_tools_still_names_them(stage: Stage) -> None:
    stage.server.answers = [ANTHROPIC.whole("x")]
    use = ToolUse(id="a", name="wait")
    request = LLMRequest(
        messages=[
            *QUESTION.messages,
            ChatMessage(role="assistant", content="I wait.", tool_uses=[use]),
            ChatMessage(role="tool", content="waited", tool_use_id="a"),
            ChatMessage(role="user", content="Sum up."),
        ],
        tools=TOOLS,
    )
    async with stage.client() as llm:
        await llm.complete(request)
    asked = stage.server.asked[0]
    assert len(asked["tools"]) == 2
    assert asked["tool_choice"] == {"type": "none"}
    *_, last = asked["messages"]
    assert [each["type"] for each in last["content"]] == ["tool_result", "text"]


# --- schemas


async def test_a_schema_is_a_tool_that_has_to_be_used(stage: Stage) -> None:
    stage.server.answers = [ANTHROPIC.whole(None, Asks("a", "plan", '{"steps": ["等"]}'))]
    async with stage.client() as llm:
        assert (await llm.complete(PLAN)).text == '{"steps": ["等"]}'
    assert stage.server.asked[0]["tools"] == [PLAN_TOOL]
    assert stage.server.asked[0]["tool_choice"] == {"type": "tool", "name": "plan"}


async def test_text_beside_the_answer_is_none_of_it(stage: Stage) -> None:
    stage.server.answers = [ANTHROPIC.streamed("Here it is:", Asks("a", "plan", '{"steps": []}'))]
    async with stage.client() as llm:
        pieces, response = await streamed(llm, PLAN)
    assert "".join(pieces) == response.text == '{"steps": []}'


@pytest.mark.parametrize("end", [(), (event("message_delta", delta={"stop_reason": "x"}), STOP)])
async def test_a_model_that_writes_its_answer_as_text_is_read(
    stage: Stage, end: tuple[bytes, ...]
) -> None:
    stage.server.answers = [ANTHROPIC.streamed('{"steps"', ": []}", *end)]
    async with stage.client() as llm:
        pieces, response = await streamed(llm, PLAN)
    assert "".join(pieces) == response.text == '{"steps": []}'


async def test_with_tools_the_model_chooses_between_them_and_the_answer(stage: Stage) -> None:
    like_a_tool = ToolInfo(
        name="plan", description="", category="", parameters={}, cancellation="async"
    )
    request = LLMRequest(
        messages=PLAN.messages,
        schema=SCHEMA,
        schema_name="plan",
        tools=[like_a_tool],
        tool_choice="auto",
    )
    stage.server.answers = [
        ANTHROPIC.whole(None, Asks("a", "plan_", '{"steps": []}')),
        ANTHROPIC.streamed(Asks("a", "plan")),
    ]
    async with stage.client() as llm:
        first = await llm.complete(request)
        pieces, second = await streamed(llm, request)
    assert [each["name"] for each in stage.server.asked[0]["tools"]] == ["plan", "plan_"]
    assert stage.server.asked[0]["tool_choice"] == {"type": "any"}
    assert (first.text, first.tool_uses) == ('{"steps": []}', ())
    assert (pieces, second.text) == ([], "")
    assert second.tool_uses == (ToolUse(id="a", name="plan"),)


# --- streams and usage


async def test_tokens_of_the_cache_count(stage: Stage) -> None:
    usage = {
        "input_tokens": 1,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 300,
        "output_tokens": 4,
    }
    content = [{"type": "text", "text": "x"}]
    stage.server.answers = [raw(200, {"content": content, "usage": usage})]
    async with stage.client() as llm:
        assert (await llm.complete(QUESTION)).usage == Usage(input_tokens=321, output_tokens=4)


async def test_a_stream_may_end_without_message_stop_if_it_said_why(stage: Stage) -> None:
    delta = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
    stage.server.answers = [ANTHROPIC.streamed("a", delta, STOP)]
    async with stage.client() as llm:
        assert (await streamed(llm))[1].usage == Usage(input_tokens=12, output_tokens=9)


async def test_a_full_context_window_is_a_cut_off(stage: Stage) -> None:
    stage.server.answers = [ANTHROPIC.streamed("a", finish="model_context_window_exceeded")]
    async with stage.client() as llm:
        assert (await streamed(llm))[1].stop_reason == "length"


def test_a_limit_of_no_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens must be 1 or more"):
        AnthropicClient(max_tokens=0)


async def test_a_key_that_is_bad_is_told_with_its_variable(stage: Stage) -> None:
    stage.server.answers = [
        ANTHROPIC.failure(401, "invalid x-api-key", type="authentication_error")
    ]
    assert (await error_of(stage.client())).endswith("(401); check ANTHROPIC_API_KEY")
