"""What the clients of both providers do alike: they ask, read, stream and want tools to be run."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import ChatMessage, LLMRequest, ToolUse, Usage
from trio_agent_rt.errors import LLMError, LLMRefused
from trio_agent_rt.llm import AnthropicClient, OpenAIClient

from .provider_server import Asks, Part
from .stage import KEY, PLAN, PROVIDERS, QUESTION, TOOLS, Stage, error_of, streamed

USING_TOOLS = LLMRequest(messages=QUESTION.messages, tools=TOOLS, tool_choice="auto")
READ = Asks("call_a", "file_read", '{"path": "数据.csv"}')
WAIT = Asks("call_b", "wait", "{}")
USES = (
    ToolUse(id="call_a", name="file_read", arguments={"path": "数据.csv"}),
    ToolUse(id="call_b", name="wait", arguments={}),
)


async def test_a_question_is_answered_with_text_and_usage(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole("你好")]
    async with stage.client() as llm:
        assert llm.name == stage.name
        response = await llm.complete(QUESTION)
    assert (response.text, response.stop_reason) == ("你好", "end")
    assert response.usage == Usage(input_tokens=12, output_tokens=3)
    assert stage.key_sent == KEY


async def test_a_stream_gives_the_pieces_as_they_come_and_then_the_whole(stage: Stage) -> None:
    go_on = trio.Event()
    stage.server.answers = [stage.format.streamed("你", go_on, "好", "!")]
    with trio.fail_after(20):
        async with stage.client() as llm, llm.stream(QUESTION) as answer:
            pieces = aiter(answer)
            assert await anext(pieces) == "你", "before the server goes on"
            with pytest.raises(RuntimeError, match="not over yet"):
                _ = answer.response
            go_on.set()
            assert [each async for each in pieces] == ["好", "!"]
            assert answer.response.text == "你好!"
            assert answer.response.usage == Usage(input_tokens=12, output_tokens=3)
            assert answer.response.stop_reason == "end"
            assert [each async for each in answer] == [], "it is over, and stays so"
    assert stage.server.asked[0]["stream"] is True


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_offered_and_what_the_model_wants_is_read(
    stage: Stage, stream: bool
) -> None:
    make = stage.format.streamed if stream else stage.format.whole
    stage.server.answers = [make("I look.", READ, WAIT)]
    async with stage.client() as llm:
        if stream:
            pieces, response = await streamed(llm, USING_TOOLS)
            assert pieces == ["I look."], "arguments are no text"
        else:
            response = await llm.complete(USING_TOOLS)
    assert (response.text, response.tool_uses) == ("I look.", USES)
    assert response.stop_reason == "tool_use"
    assert response.usage == Usage(input_tokens=12, output_tokens=3)
    offered = stage.server.asked[0]["tools"]
    assert [each.get("name") or each["function"]["name"] for each in offered] == [
        "file_read",
        "wait",
    ]


async def test_tools_alone_are_an_answer(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole(None, READ), stage.format.streamed(READ)]
    async with stage.client() as llm:
        assert (await llm.complete(USING_TOOLS)).tool_uses == USES[:1]
        pieces, response = await streamed(llm, USING_TOOLS)
    assert (pieces, response.text, response.tool_uses) == ([], "", USES[:1])


async def test_tools_that_were_not_to_be_used_are_not(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole("Hello", READ)]
    asked = LLMRequest(messages=QUESTION.messages, tools=TOOLS)
    async with stage.client() as llm:
        response = await llm.complete(asked)
    assert (response.tool_uses, response.stop_reason) == ((), "end")
    assert "tools" not in stage.server.asked[0]


async def test_a_model_that_had_to_use_a_tool_and_did_not_has_failed(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole("No.")]
    request = LLMRequest(messages=QUESTION.messages, tools=TOOLS, tool_choice="required")
    assert await error_of(stage.client(), request) == (
        f"{stage.name} was to use a tool, and used none"
    )


@pytest.mark.parametrize("arguments", ['{"path": ', "[1]", "nonsense"])
async def test_arguments_that_are_no_json_object_are_an_error(stage: Stage, arguments: str) -> None:
    stage.server.answers = [stage.format.streamed(Asks("a", "file_read", arguments))]
    text = await error_of(stage.client(), USING_TOOLS, stream=True)
    assert text == (
        f"{stage.name} wants to run 'file_read' with arguments that are no JSON object: "
        f"{arguments.strip()}"
    )


async def test_a_schema_is_followed_whole_or_in_pieces(stage: Stage) -> None:
    plan = Asks("a", "plan", '{"steps": []}')
    parts: tuple[Part, ...] = ('{"steps"', ": []}") if stage.kind.name == "openai" else (plan,)
    stage.server.answers = [
        stage.format.whole('{"steps": []}')
        if stage.kind.name == "openai"
        else stage.format.whole(None, plan),
        stage.format.streamed(*parts),
    ]
    async with stage.client() as llm:
        whole = await llm.complete(PLAN)
        pieces, response = await streamed(llm, PLAN)
    for each in (whole, response):
        assert (each.text, each.tool_uses, each.stop_reason) == ('{"steps": []}', (), "end")
    assert len(pieces) > 1
    assert "".join(pieces) == response.text


async def test_what_ran_out_of_tokens_says_so(stage: Stage) -> None:
    cut = "length" if stage.kind.name == "openai" else "max_tokens"
    answers = [stage.format.whole("Once upon", finish=cut)]
    stage.server.answers = [*answers, stage.format.streamed("Once", " upon", finish=cut)]
    async with stage.client() as llm:
        for response in (await llm.complete(QUESTION), (await streamed(llm))[1]):
            assert (response.text, response.stop_reason) == ("Once upon", "length")
    for request, parts in ((PLAN, ['{"steps": [']), (USING_TOOLS, [READ])):
        stage.server.answers = [stage.format.streamed(*parts, finish=cut)]
        text = await error_of(stage.client(), request, stream=True)
        assert "was cut off before its answer was complete" in text
    stage.server.answers = [stage.format.whole("", finish=cut)]
    assert "ran out of tokens" in await error_of(stage.client())


async def test_what_a_model_will_not_answer_is_a_refusal(stage: Stage) -> None:
    filtered = "content_filter" if stage.kind.name == "openai" else "refusal"
    stage.server.answers = [
        stage.format.whole("I", finish=filtered),
        stage.format.streamed("I", finish=filtered),
    ]
    async with stage.client() as llm:
        with pytest.raises(LLMRefused, match="content filter withheld the answer"):
            await llm.complete(QUESTION)
        with pytest.raises(LLMRefused, match="content filter withheld the answer"):
            await streamed(llm)


async def test_the_limit_on_tokens_is_sent(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole("x")]
    async with stage.client() as llm:
        await llm.complete(LLMRequest(messages=QUESTION.messages, max_tokens=7))
    assert stage.server.asked[0]["max_tokens"] == 7


async def test_key_address_and_model_come_from_the_environment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stage.kind.name.upper()
    monkeypatch.setenv(f"{name}_API_KEY", f" {KEY}\n")
    monkeypatch.setenv(f"{name}_BASE_URL", stage.server.url)
    monkeypatch.setenv(f"{name}_MODEL", "another")
    stage.server.answers = [stage.format.whole("x")]
    async with stage.kind.client() as llm:
        assert llm.model == "another"
        await llm.complete(QUESTION)
    assert stage.key_sent == KEY
    assert stage.server.asked[0]["model"] == "another"


async def test_a_server_of_ones_own_needs_no_key(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole("x")]
    async with stage.client(api_key=None) as llm:
        assert (await llm.complete(QUESTION)).text == "x"


async def test_several_questions_can_be_asked_at_once(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole("x"), stage.format.streamed("x")]
    async with stage.client() as llm, trio.open_nursery() as nursery:
        stage.server.answers = [stage.format.whole("x")]
        for _ in range(5):
            nursery.start_soon(llm.complete, QUESTION)
    assert len(stage.server.asked) == 5


async def test_a_connection_is_used_again(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a"), stage.format.whole("b")]
    connections: list[int] = []
    async with stage.client() as llm:
        for _ in range(2):
            await streamed(llm) if not connections else await llm.complete(QUESTION)
            connections.append(stage.server.http.connections)
    ports = {id(each.stream) for each in stage.server.http.requests}
    assert (connections, len(ports)) == ([1, 1], 1)


async def test_a_conversation_with_tools_is_sent_as_the_format_has_it(stage: Stage) -> None:
    stage.server.answers = [stage.format.whole("Done.")]
    request = LLMRequest(
        messages=[
            *QUESTION.messages,
            ChatMessage(role="assistant", content="", tool_uses=USES),
            ChatMessage(role="tool", content="a,b", tool_use_id="call_a"),
            ChatMessage(role="tool", content="waited", tool_use_id="call_b"),
        ],
        tools=TOOLS,
        tool_choice="auto",
    )
    async with stage.client() as llm:
        await llm.complete(request)
    _, *turns = stage.server.asked[0]["messages"]
    if stage.kind.name == "openai":
        assert [each["role"] for each in turns] == ["user", "assistant", "tool", "tool"]
        call, _ = turns[1]["tool_calls"]
        assert call == {
            "id": "call_a",
            "type": "function",
            "function": {"name": "file_read", "arguments": '{"path": "数据.csv"}'},
        }
        assert turns[2] == {"role": "tool", "tool_call_id": "call_a", "content": "a,b"}
    else:
        assert [each["role"] for each in turns] == ["assistant", "user"]
        assert turns[0]["content"][0] == {
            "type": "tool_use",
            "id": "call_a",
            "name": "file_read",
            "input": {"path": "数据.csv"},
        }
        assert turns[1]["content"] == [
            {"type": "tool_result", "tool_use_id": "call_a", "content": "a,b"},
            {"type": "tool_result", "tool_use_id": "call_b", "content": "waited"},
        ]


# --- before anything is sent


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "no TITLE API key: set NAME_API_KEY"),
        ({"api_key": "  "}, "no TITLE API key: set NAME_API_KEY"),
        ({"api_key": "sk-x\ny"}, "holds characters that no key has"),
        ({"api_key": "sk-ключ"}, "holds characters that no key has"),
        ({"api_key": KEY, "base_url": "localhost:8000"}, "must look like https://host"),
        ({"api_key": KEY, "base_url": "http://"}, "must look like https://host"),
        ({"api_key": KEY, "base_url": "http://host:port/v1"}, "must look like https://host"),
        ({"api_key": KEY, "base_url": "ftp://host"}, "must look like https://host"),
    ],
)
async def test_what_is_missing_is_said_on_entering(
    provider: str, options: dict[str, Any], sentence: str
) -> None:
    kind = PROVIDERS[provider]
    sentence = sentence.replace("TITLE", kind.title).replace("NAME", provider.upper())
    assert sentence in await error_of(kind.client(**options))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_missing_package_is_said_on_entering(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, provider, None)
    monkeypatch.delitem(sys.modules, f"trio_agent_rt.llm.{provider}.sdk", raising=False)
    text = await error_of(PROVIDERS[provider].client(api_key=KEY))
    assert f"pip install 'trio_agent_rt[{provider}]'" in text


def test_no_sdk_is_imported_before_it_is_used() -> None:
    code = (
        "import sys, trio_agent_rt.llm; "
        "print({'openai', 'anthropic', 'httpx', 'httpx2'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


async def test_outside_of_async_with_nothing_is_asked(stage: Stage) -> None:
    llm = stage.client()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="async with"):
            await llm.complete(QUESTION)
        with pytest.raises(RuntimeError, match="async with"):
            await streamed(llm)
        async with llm:
            pass


async def test_nothing_that_is_shown_holds_the_key(stage: Stage) -> None:
    async with stage.client() as llm:
        assert llm._ready is not None
        assert KEY not in repr(llm) + str(llm) + repr(llm._ready) + llm.name
        assert importlib.import_module(f"trio_agent_rt.llm.{stage.kind.name}.sdk")


@pytest.mark.parametrize("kind", [OpenAIClient, AnthropicClient])
@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"first_piece_timeout": 0},
        {"piece_timeout": -1},
        {"max_retries": -1},
        {"max_retry_delay": -1},
    ],
)
def test_options_that_make_no_sense_are_refused(
    kind: type[OpenAIClient | AnthropicClient], options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        kind(**options)


async def test_an_error_is_an_llm_error(stage: Stage) -> None:
    stage.server.answers = [stage.format.failure(400, "no")]
    async with stage.client() as llm:
        with pytest.raises(LLMError):
            await llm.complete(QUESTION)
