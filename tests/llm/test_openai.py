"""What only OpenAI's format has, and what servers make of it."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio

from trio_agent_rt.agent import LLMRequest, ToolUse, Usage
from trio_agent_rt.agent.planning import PLAN_SCHEMA
from trio_agent_rt.errors import LLMError
from trio_agent_rt.llm import OpenAIClient
from trio_agent_rt.llm.openai.client import DEFAULT_MODEL

from .openai_server import OPENAI, chunk, event
from .provider_server import STOP, Asks, hang, raw
from .stage import KEY, PLAN, QUESTION, SCHEMA, TOOLS, Stage, error_of, streamed

USING_TOOLS = LLMRequest(messages=QUESTION.messages, tools=TOOLS, tool_choice="required")
END = event("[DONE]")


@pytest.fixture
def stage(openai_stage: Stage) -> Stage:
    return openai_stage


async def test_a_question_is_sent_as_the_format_has_it(stage: Stage) -> None:
    stage.server.answers = [OPENAI.whole("x"), OPENAI.streamed(Asks("a", "wait"))]
    async with stage.client() as llm:
        await llm.complete(QUESTION)
        await streamed(llm, USING_TOOLS)
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Say 你好."},
    ]
    assert stage.server.asked[0] == {"model": "some-model", "messages": messages}
    first, _ = stage.server.asked[1].pop("tools")
    assert stage.server.asked[1] == {
        "model": "some-model",
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tool_choice": "required",
    }
    assert first["function"]["parameters"] == dict(TOOLS[0].parameters)


# --- which model


async def test_a_server_of_ones_own_is_asked_for_its_models_once(stage: Stage) -> None:
    stage.server.models = ["llama", "qwen"]
    stage.server.answers = [OPENAI.whole("x")]
    llm = stage.client(model=None, api_key=None)
    assert (llm.name, llm.model) == ("openai", None)
    async with llm:
        assert (llm.name, llm.model) == ("openai:llama", "llama")
        for _ in range(2):
            await llm.complete(QUESTION)
    assert stage.server.models_asked == 1
    assert {each["model"] for each in stage.server.asked} == {"llama"}


async def test_two_variables_of_the_environment_are_enough(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", stage.server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    stage.server.models = ["llama"]
    stage.server.answers = [OPENAI.whole("x")]
    async with OpenAIClient() as llm:
        assert (await llm.complete(QUESTION)).text == "x"
        assert llm.name == "openai:llama"


async def test_a_server_without_models_is_named(stage: Stage) -> None:
    assert await error_of(stage.client(model=None)) == (
        f"{stage.host} lists no model; name one: OPENAI_MODEL, or model"
    )


@pytest.mark.parametrize("answer", [raw(200, "<html>", "text/html"), raw(200, '{"data": 3}')])
async def test_a_list_of_models_that_is_none_is_named(stage: Stage, answer: Any) -> None:
    stage.server.http.plays["/v1/models"] = lambda exchange: answer(stage.server, exchange)
    assert "answered, but not in OpenAI's format" in await error_of(stage.client(model=None))


async def test_a_list_of_models_that_does_not_come_is_given_up(stage: Stage) -> None:
    stage.server.http.plays["/v1/models"] = lambda exchange: hang(stage.server, exchange)
    text = await error_of(stage.client(model=None, timeout=0.3))
    assert text == f"{stage.host} did not answer within 0.3 s"
    with trio.fail_after(10):
        await stage.server.left.wait()


async def test_openai_itself_is_not_asked_for_its_models() -> None:
    async with OpenAIClient(api_key=KEY) as llm:
        assert llm.name == f"openai:{DEFAULT_MODEL}"


# --- servers that know less


async def test_a_schema_is_for_the_server_to_enforce(stage: Stage) -> None:
    stage.server.answers = [OPENAI.whole('{"steps": []}')]
    async with stage.client() as llm:
        assert (await llm.complete(PLAN)).text == '{"steps": []}'
    assert stage.server.asked[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "plan", "schema": SCHEMA, "strict": False},
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_knows_no_schemas_is_asked_for_json_in_words(
    stage: Stage, stream: bool
) -> None:
    refusal = OPENAI.failure(400, "response_format of type json_schema is not supported")
    stage.server.answers = [refusal, OPENAI.streamed("{}") if stream else OPENAI.whole("{}")]
    async with stage.client() as llm:
        for _ in range(2):
            if stream:
                assert (await streamed(llm, PLAN))[0] == ["{}"]
            else:
                assert (await llm.complete(PLAN)).text == "{}"
    formats = [each.get("response_format", {}).get("type") for each in stage.server.asked]
    assert formats == ["json_schema", "json_object", "json_object"], "it does not ask twice"
    assert '"steps"' in stage.server.asked[1]["messages"][0]["content"]
    assert "JSON" in stage.server.asked[1]["messages"][0]["content"]


async def test_a_server_that_knows_no_formats_at_all_is_asked_in_words(stage: Stage) -> None:
    refusal = OPENAI.failure(422, "unknown field response_format")
    stage.server.answers = [refusal, refusal, OPENAI.whole("{}")]
    async with stage.client() as llm:
        assert (await llm.complete(PLAN)).text == "{}"
    assert "response_format" not in stage.server.asked[2]


async def test_a_refused_schema_is_not_asked_for_forever(stage: Stage) -> None:
    stage.server.answers = [OPENAI.failure(400, "response_format is wrong")]
    assert "failed (400): " in await error_of(stage.client(), PLAN)
    assert len(stage.server.asked) == 3


async def test_a_server_that_counts_no_tokens_in_streams_is_asked_without(stage: Stage) -> None:
    refusal = OPENAI.failure(400, "Unrecognized request argument: stream_options")
    stage.server.answers = [refusal, OPENAI.streamed("x", usage=None)]
    async with stage.client() as llm:
        for _ in range(2):
            assert (await streamed(llm))[1].usage == Usage()
    assert ["stream_options" in each for each in stage.server.asked] == [True, False, False]


async def test_the_limit_on_tokens_is_named_as_the_server_knows_it(stage: Stage) -> None:
    refusal = OPENAI.failure(400, "'max_tokens' is not supported: use 'max_completion_tokens'")
    stage.server.answers = [refusal, OPENAI.whole("x")]
    request = LLMRequest(messages=QUESTION.messages, max_tokens=7)
    async with stage.client() as llm:
        for _ in range(2):
            await llm.complete(request)
    assert [each.get("max_completion_tokens") for each in stage.server.asked] == [None, 7, 7]


@pytest.mark.parametrize(
    "said",
    [
        "Failed to initialize samplers: failed to parse grammar",
        "Unable to generate parser for this template. Automatic parser generation failed: "
        "JSON schema error at #: unrecognized type nonsense",
    ],
)
async def test_a_schema_that_llama_cpp_cannot_compile_is_put_in_words(
    stage: Stage, said: str
) -> None:
    refusal = raw(400, {"error": {"code": 400, "message": said, "type": "invalid_request_error"}})
    stage.server.answers = [refusal, OPENAI.whole("{}")]
    other = LLMRequest(messages=QUESTION.messages, schema={"type": "object"})
    async with stage.client() as llm:
        for request in (PLAN, PLAN, other):
            assert (await llm.complete(request)).text == "{}"
    formats = [each["response_format"]["type"] for each in stage.server.asked]
    assert formats == ["json_schema", "json_object", "json_object", "json_schema"]


async def test_counts_in_a_schema_that_servers_cannot_compile_are_not_sent(stage: Stage) -> None:
    inner = {"type": "string", "maxLength": 100_000, "default": {"maxLength": 2000}}
    schema = {
        "type": "object",
        "properties": {"maxLength": {"anyOf": [inner, {"type": "array", "maxItems": 1000}]}},
    }
    tool = attrs.evolve(TOOLS[0], parameters=schema)
    request = LLMRequest(
        messages=QUESTION.messages, schema=schema, tools=[tool], tool_choice="auto"
    )
    stage.server.answers = [OPENAI.whole("{}")]
    async with stage.client() as llm:
        await llm.complete(request)
        await llm.complete(attrs.evolve(PLAN, schema=PLAN_SCHEMA))
    asked, plan = stage.server.asked
    del inner["maxLength"]
    assert asked["response_format"]["json_schema"]["schema"] == schema
    assert asked["tools"][0]["function"]["parameters"] == schema
    assert "100000" not in json.dumps(plan)
    assert plan["response_format"]["json_schema"]["schema"]["$defs"]["StepJSON"]["properties"]


async def test_a_schema_however_deep_is_sent(stage: Stage) -> None:
    schema: dict[str, Any] = {}
    for _ in range(300):
        schema = {"items": schema}
    stage.server.answers = [OPENAI.whole("{}")]
    async with stage.client() as llm:
        await llm.complete(attrs.evolve(PLAN, schema=schema))
    assert stage.server.asked[0]["response_format"]["json_schema"]["schema"] == schema


LOADING = raw(
    503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
)
"""As llama.cpp says it, to every request."""


async def test_a_server_that_loads_its_model_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trio_agent_rt.llm.providers.wire._LOADING_DELAY", 0.01)
    stage.server.answers = [*[LOADING] * 6, OPENAI.whole("x")]
    with trio.fail_after(20):
        async with stage.client(max_retries=1) as llm:
            assert (await llm.complete(QUESTION)).text == "x"


async def test_a_model_that_is_loaded_too_slowly_is_told(stage: Stage) -> None:
    stage.server.answers = [LOADING]
    said = await error_of(stage.client())
    assert said == f"{stage.host} is still loading its model (503)"
    said = await error_of(stage.client(max_retries=1, timeout=0.3))
    assert said == f"{stage.name} did not answer within 0.3 s"


async def test_another_bad_request_is_not_asked_in_another_way(stage: Stage) -> None:
    stage.server.answers = [OPENAI.failure(400, "context too long")]
    await error_of(stage.client(), PLAN)
    assert len(stage.server.asked) == 1


# --- what servers make of the format


async def test_an_answer_without_usage_is_read(stage: Stage) -> None:
    stage.server.answers = [OPENAI.whole("x", usage=None)]
    async with stage.client() as llm:
        assert (await llm.complete(QUESTION)).usage == Usage()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_is_told(stage: Stage, stream: bool) -> None:
    whole = OPENAI.whole(None, refusal="I will not")
    pieces = (chunk({"refusal": "I will"}), chunk({"refusal": " not"}))
    stage.server.answers = [OPENAI.streamed(*pieces) if stream else whole]
    text = await error_of(stage.client(), stream=stream)
    assert text == f"{stage.name} refused: I will not"


@pytest.mark.parametrize(
    "ending",
    [
        (chunk({}, "stop"), STOP),  # nothing marks the end, but it is said why it is over
        (END, STOP),  # the reverse
        (chunk({"content": None}, "stop"), END, b"data: {rubbish\n\n", STOP),
    ],
)
async def test_either_sign_of_the_end_will_do(stage: Stage, ending: Any) -> None:
    stage.server.answers = [OPENAI.streamed("a", *ending)]
    async with stage.client() as llm:
        pieces, response = await streamed(llm)
    assert (pieces, response.text, response.stop_reason) == (["a"], "a", "end")


async def test_a_stream_is_over_with_its_marker_whatever_the_server_does_then(
    stage: Stage,
) -> None:
    stage.server.answers = [OPENAI.streamed("a", END, trio.Event())]
    with trio.fail_after(10):
        async with stage.client() as llm:
            assert (await streamed(llm))[0] == ["a"]


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
async def test_lines_may_end_in_two_ways(stage: Stage, line_end: bytes) -> None:
    pieces = chunk({"content": "你"}) + chunk({"content": "好"})
    stage.server.answers = [OPENAI.streamed(pieces.replace(b"\n", line_end))]
    async with stage.client() as llm:
        assert (await streamed(llm))[0] == ["你", "好"]


async def test_pieces_may_be_cut_anywhere(stage: Stage) -> None:
    every = chunk({"content": "你好"}) + chunk({"content": "!"})
    bytes_alone = [every[each : each + 1] for each in range(len(every))]
    stage.server.answers = [OPENAI.streamed(*bytes_alone)]
    async with stage.client() as llm:
        assert (await streamed(llm))[0] == ["你好", "!"]


def call(**fields: Any) -> dict[str, Any]:
    function = {each: fields.pop(each) for each in ("name", "arguments") if each in fields}
    return {"type": "function", "function": function, **fields}


@pytest.mark.parametrize(
    "calls",
    [
        # as OpenAI does, the two mixed
        [
            [call(index=0, id="a", name="wait", arguments="")],
            [call(index=1, id="b", name="file_read", arguments="")],
            [call(index=1, arguments='{"path":')],
            [call(index=0, arguments='{"n": 1}')],
            [call(index=1, arguments=' "x"}')],
        ],
        # each in one piece, all of them number 0
        [
            [call(index=0, id="a", name="wait", arguments='{"n": 1}')],
            [call(index=0, id="b", name="file_read", arguments='{"path": "x"}')],
        ],
        # without a number, arguments as an object
        [
            [
                call(id="a", name="wait", arguments={"n": 1}),
                call(id="b", name="file_read", arguments={"path": "x"}),
            ]
        ],
        # numbers with a gap, and the id said again with each piece
        [
            [call(index=1, id="a", name="wait", arguments='{"n":')],
            [call(index=1, id="a", arguments=" 1}")],
            [call(index=3, id="b", name="file_read", arguments='{"path": "x"}')],
        ],
    ],
)
async def test_tools_are_put_together_however_a_server_cuts_them(
    stage: Stage, calls: list[Any]
) -> None:
    stage.server.answers = [OPENAI.streamed(*(chunk({"tool_calls": each}) for each in calls))]
    async with stage.client() as llm:
        response = (await streamed(llm, USING_TOOLS))[1]
    assert response.tool_uses == (
        ToolUse(id="a", name="wait", arguments={"n": 1}),
        ToolUse(id="b", name="file_read", arguments={"path": "x"}),
    )


async def test_tools_without_an_id_get_one_each(stage: Stage) -> None:
    calls = [call(name="wait", arguments={}), call(name="wait")]
    stage.server.answers = [OPENAI.streamed(chunk({"tool_calls": calls}))]
    async with stage.client() as llm:
        response = (await streamed(llm, USING_TOOLS))[1]
    assert [each.id for each in response.tool_uses] == ["call_1", "call_2"]


async def test_a_finish_reason_that_does_not_fit_changes_nothing(stage: Stage) -> None:
    """Some servers say "stop" also when tools are to be run."""
    stage.server.answers = [OPENAI.whole(None, Asks("a", "wait"), finish="stop")]
    async with stage.client() as llm:
        assert (await llm.complete(USING_TOOLS)).stop_reason == "tool_use"


async def test_an_error_in_the_place_of_an_answer_is_told(stage: Stage) -> None:
    for error in ("no memory", {"message": "no memory"}):
        stage.server.answers = [raw(200, {"error": error})]
        text = await error_of(stage.client())
        assert text == f"{stage.name} failed while it answered: no memory"


async def test_an_http_client_of_ones_own_is_used_and_stays_open(stage: Stage) -> None:
    import openai

    stage.server.answers = [OPENAI.whole("x")]
    async with openai.DefaultAsyncHttpxClient(headers={"X-Mine": "1"}) as http_client:
        async with stage.client(http_client=http_client) as llm:
            await llm.complete(QUESTION)
        assert not http_client.is_closed
    assert stage.server.headers[0]["x-mine"] == "1"


async def test_a_failed_entry_leaves_nothing_to_use(stage: Stage) -> None:
    llm = stage.client(model=None)
    with pytest.raises(LLMError):
        async with llm:
            raise AssertionError("entered")
    with pytest.raises(RuntimeError, match="async with"):
        await llm.complete(QUESTION)
