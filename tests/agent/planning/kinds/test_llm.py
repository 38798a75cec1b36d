"""A step asks a model, streams its answer, and lets it call tools within bounds."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.script import TOOLS, plan, play, step
from tests.agent.stage import NO, Stage
from trio_agent_rt.agent import (
    Executor,
    LLMRequest,
    LLMResponse,
    ToolCall,
    ToolUse,
    Usage,
    create_agent,
    tool,
)
from trio_agent_rt.agent.planning.kinds import llm as llm_module
from trio_agent_rt.agent.planning.kinds.answers import checked_answer
from trio_agent_rt.errors import LLMError, ToolError
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepStarted,
)
from trio_agent_rt.testing import ScriptedLLM

Clock = trio.testing.MockClock


def ask(prompt: str = "Say something", **fields: Any) -> dict[str, Any]:
    return {"id": "m", "type": "llm", "prompt": prompt, **fields}


def wants(name: str, text: str = "", **arguments: Any) -> LLMResponse:
    return LLMResponse(
        text=text,
        tool_uses=[ToolUse(id=f"call_{name}", name=name, arguments=arguments)],
        stop_reason="tool_use",
    )


def streamed(stage: Stage) -> list[str]:
    return [each.text for each in stage.all(StepOutput)]


async def test_the_answer_is_streamed_as_it_comes_and_is_the_output() -> None:
    stage, llm, completed = await play(
        plan(step("a", "say", text="Bob"), ask("Greet {{a.output}}")), "Hello dear Bob", "ok"
    )
    assert completed.output == "Hello dear Bob"
    assert streamed(stage) == ["Hello ", "dear ", "Bob"]
    request = llm.requests[1]
    assert (request.purpose, request.tool_choice, request.schema) == ("text", "none", None)
    assert [each.role for each in request.messages] == ["system", "user"]
    assert request.messages[-1].content == "Greet Bob"


async def test_an_answer_by_a_schema_becomes_its_value() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    _, llm, completed = await play(plan(ask(schema=schema)), {"n": 3}, "ok")
    assert completed.output == {"n": 3}
    assert llm.requests[1].schema == schema


@pytest.mark.parametrize(
    ("text", "schema", "error"),
    [
        ("no json", {"type": "object"}, "the answer is not the JSON that was asked for: "),
        ("[" * 100_000, {"type": "object"}, "the answer is not the JSON that was asked for: "),
        ("[]", {"type": "object"}, "the answer is a list; asked for was: object"),
        ("true", {"type": ["integer", "null"]}, "is true or false; asked for was: integer or null"),
        ("{}", {"required": ["n"]}, "the answer has no 'n'"),
        ('{"a":[1,"x"]}', {"properties": {"a": {"items": {"type": "number"}}}},
         "the answer.a[1] is a text; asked for was: number"),
        ('"x"', {"enum": ["a", 1]}, "the answer is none of the values that were asked for"),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_follow_its_schema_says_where(
    text: str, schema: dict[str, Any], error: str
) -> None:
    with pytest.raises(LLMError) as caught:
        checked_answer(text, schema)
    assert error in str(caught.value)


@pytest.mark.parametrize("schema", [
    {}, {"type": 3}, {"type": [{}]}, {"type": "odd"}, {"enum": 3}, {"required": [[]]},
    {"properties": []}, {"properties": {"a": 3}}, {"items": True}])  # fmt: skip
def test_a_schema_that_is_none_demands_nothing(schema: dict[str, Any]) -> None:
    assert checked_answer('{"a": [1]}', schema) == {"a": [1]}


# --- tools


async def test_the_model_calls_tools_and_is_given_what_they_came_to(autojump_clock: Clock) -> None:
    stage, llm, completed = await play(
        plan(ask(tools=["add"])), wants("add", "Let me see. ", numbers=[1, 2]), "It is 3", "ok"
    )
    assert completed.output == "It is 3"
    first, second = llm.requests[1:3]
    assert ([each.name for each in first.tools], first.tool_choice) == (["add"], "auto")
    *_, said, result = second.messages
    assert [each.name for each in said.tool_uses] == ["add"]
    assert (result.role, result.content, result.tool_use_id) == ("tool", "3.0", "call_add")
    assert "".join(streamed(stage)) == "Let me see. adding\nIt is 3"


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (wants("fail", why="no luck"), "error: no luck"),
        (wants("add", numbers="x"), "error: add: Expected `array`, got `str` - at `numbers`"),
        (wants("say", text="x"), "error: there is no tool 'say'; there are: fail, add"),
        (wants("x\n" * 99), "error: there is no tool"),
    ],
)
async def test_what_goes_wrong_with_a_tool_is_told_to_the_model(
    use: LLMResponse, told: str
) -> None:
    _, llm, completed = await play(plan(ask(tools=["fail", "add"])), use, "Sorry.", "ok")
    assert completed.output == "Sorry."
    assert llm.requests[2].messages[-1].content.startswith(told)


async def test_after_so_many_rounds_the_model_has_to_answer() -> None:
    rounds = [wants("say", text="x")] * 3
    _, llm, completed = await play(
        plan(ask(tools=["say"], maxToolRounds=2)), *rounds, max_replans=0
    )
    assert completed.error == "llm (m): the model still wants tools after 2 rounds of them"
    assert [each.tool_choice for each in llm.requests[1:]] == ["auto", "auto", "none"]


async def test_a_model_that_calls_a_thousand_tools_at_once_is_stopped() -> None:
    many = LLMResponse(
        text="", tool_uses=[ToolUse(id=f"c{n}", name="say", arguments={"text": "x"})
                            for n in range(1000)])  # fmt: skip
    _, _, completed = await play(plan(ask(tools=["say"])), many, max_replans=0)
    assert completed.error == "llm (m): the model called tools more than 50 times"


async def test_a_tool_asks_within_the_step_and_the_time_for_it_is_not_the_steps(
    autojump_clock: Clock,
) -> None:
    stage = Stage()
    llm = ScriptedLLM(plan(ask(tools=["fire"], timeout=5)), wants("fire"), "Gone.")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, create_agent(llm=llm, tools=TOOLS))
        asked = await stage.until(ConfirmationRequested)
        assert (asked.step_id, asked.reason) == ("m", "fire")
        await trio.sleep(100)
        stage.answer("m")
    assert [each.result.status for each in stage.all(StepCompleted)] == ["success"]
    assert llm.requests[2].messages[-1].content == "fired"


async def test_a_rejected_tool_fails_the_step_and_the_model_does_not_go_on(
    autojump_clock: Clock,
) -> None:
    stage = Stage()
    llm = ScriptedLLM(plan(ask(tools=["fire"], maxRetries=3)), wants("fire"), "Anyway.")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, create_agent(llm=llm, tools=TOOLS))
        await stage.until(ConfirmationRequested)
        stage.answer("m", NO)
    assert [(each.error, each.will_retry) for each in stage.all(StepFailed)] == [
        ("rejected: not today", False)
    ]
    assert len(llm.requests) == 2


# --- what goes wrong


async def test_a_retry_streams_anew_on_a_line_of_its_own(autojump_clock: Clock) -> None:
    schema = {"type": "object"}
    stage, _, completed = await play(
        plan(ask(schema=schema, maxRetries=1)), "not json", {"a": 1}, "ok"
    )
    assert completed.output == {"a": 1}
    assert "".join(streamed(stage)) == 'not json\n{"a": 1}'
    assert [each.will_retry for each in stage.all(StepFailed)] == [True]


async def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_module, "MAX_ANSWER_CHARS", 20)
    stage, _, completed = await play(plan(ask()), "word " * 1000, max_replans=0)
    assert completed.error == "llm (m): the answer has more than 20 characters"
    assert len("".join(streamed(stage))) == 20


async def test_a_model_that_never_answers_is_given_up(autojump_clock: Clock) -> None:
    async def think(request: LLMRequest) -> str:
        await trio.sleep_forever()
        raise AssertionError

    _, _, completed = await play(
        plan(ask()), think, executor=Executor(step_timeout=9), max_replans=0
    )
    assert completed.error == "llm (m): took longer than 9 s"
    assert trio.current_time() == 9


async def test_why_there_is_no_answer_is_told() -> None:
    _, _, completed = await play(plan(ask()), LLMError("the quota is used up"), max_replans=0)
    assert completed.error == "llm (m): the quota is used up"


async def test_a_step_that_is_to_be_confirmed_shows_its_prompt() -> None:
    stage = Stage()
    llm = ScriptedLLM(plan(ask("Tell them", needConfirmation=True)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, create_agent(llm=llm, tools=TOOLS))
        asked = await stage.until(ConfirmationRequested)
        stage.answer("m", NO)
    assert asked.reason == 'llm — prompt: "Tell them"'
    assert [each.step_id for each in stage.all(StepStarted)] == ["m"]
    assert len(llm.requests) == 1


async def test_under_a_cancel_what_a_called_tool_raises_is_kept_and_not_told_to_the_model() -> None:
    @tool()
    async def grumble(call: ToolCall) -> None:
        """Do not stop well."""
        try:
            await trio.sleep_forever()
        finally:
            raise ToolError("could not stop well")

    stage = Stage()
    llm = ScriptedLLM(plan(ask(tools=["grumble"], maxRetries=3)), wants("grumble"), "Never.")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, create_agent(llm=llm, tools=[grumble]))
        await stage.until(StepProgressed)
        await trio.testing.wait_all_tasks_blocked()
        stage.cancel()
    assert [(each.error, each.will_retry) for each in stage.all(StepFailed)] == [
        ("cancelled", False)
    ]
    assert stage.run.cleanup_record.detail == "m: could not stop well"
    assert len(llm.requests) == 2


async def test_the_tokens_of_all_answers_are_added_up() -> None:
    def said(text: str, n: int) -> LLMResponse:
        return LLMResponse(text=text, usage=Usage(input_tokens=n, output_tokens=1))

    whole = '{"steps":[{"id":"m","type":"llm","prompt":"x","tools":["say"]}]}'
    use = wants("say", text="x")
    stage, _, completed = await play(
        said("not a plan", 1),
        said(whole, 10),
        LLMResponse(text="", tool_uses=use.tool_uses, usage=Usage(input_tokens=100)),
        said("hi", 1000),
        said("summary", 10_000),
    )
    assert completed.summary == "summary"
    assert stage.run.usage == Usage(input_tokens=11_111, output_tokens=4)


@pytest.mark.parametrize("name", ["say", "fire"])
@pytest.mark.parametrize("arguments", [["text"], "text", None, 3])
async def test_arguments_that_are_no_object_are_the_models_to_mend(
    name: str, arguments: Any, autojump_clock: Clock
) -> None:
    use = ToolUse(id="c", name=name, arguments=arguments)
    odd = LLMResponse(text="", tool_uses=[use], stop_reason="tool_use")
    _, llm, completed = await play(plan(ask(tools=[name])), odd, "I see", "ok")
    assert completed.output == "I see"
    wished, told = llm.requests[2].messages[-2:]
    assert told.content.startswith(f"error: {name} takes an object with the names of its arguments")
    assert wished.tool_uses[0].arguments == {}
