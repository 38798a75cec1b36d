"""No viewer and no model is told a secret; steps and the application are."""

from __future__ import annotations

from typing import Any

from trio_agent_rt.agent import (
    ChatMessage,
    Executor,
    LLMRequest,
    LLMResponse,
    LLMStep,
    TaskRun,
    ToolCall,
    ToolUse,
    create_agent,
    tool,
)
from trio_agent_rt.errors import ToolError
from trio_agent_rt.events import Redaction
from trio_agent_rt.llm import RedactedLLM
from trio_agent_rt.protocol import (
    CancelTask,
    ConfirmationRequested,
    ConfirmStep,
    GetState,
    StepOutput,
    SubmitTask,
    TaskCompleted,
    ToolInfo,
)
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.testing import ScriptedLLM

from .viewing import viewer

KEY = "sk-0123456789abcdef"
REDACTION = Redaction({KEY: "KEY"})


async def indiscreet(task: str, run: TaskRun) -> object:
    run.plan([f"use {KEY}"])
    async with run.step(f"use {KEY}") as step:
        step.progress(50, KEY)
        step.output(f"it is {KEY[:6]}")
        step.output(f"{KEY[6:]}.")
        await step.confirm(f"Send {KEY}?")
        step.result = {"key": KEY}
    async with run.step("fail") as step:
        if task == "fail":
            raise RuntimeError(KEY)
    return {"key": KEY}


async def test_whatever_an_agent_says_no_viewer_is_told() -> None:
    async with RealtimeAgent(indiscreet, redaction=REDACTION, busy="queue") as realtime:
        async with viewer(realtime) as watching:
            for task in ("succeed", "fail"):
                watching.send(SubmitTask(task=task, task_id=task))
                asked = await watching.until(ConfirmationRequested, task_id=task, replay=False)
                assert asked.reason == "Send [KEY]?"
                watching.send(GetState())
                watching.send(ConfirmStep(step_id=asked.step_id, approved=True, task_id=task))
                done = await watching.until(TaskCompleted, task_id=task, replay=False)
            assert done.error == "RuntimeError: [KEY]"
            watching.send(SubmitTask(task="fail", task_id="fail", request_id="r"))
            realtime.broadcast("custom", {"x": KEY})
            watching.send(SubmitTask(task="more", task_id="more"))
            watching.send(CancelTask(reason=f"because of {KEY}", request_id="c"))
            await watching.until(TaskCompleted, task_id="more")
        said = "".join(each.text for each in watching.events if isinstance(each, StepOutput))
        assert said.count("it is [KEY].") >= 2
        assert KEY not in str(watching.events)


async def test_the_application_is_given_the_result_whole() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        return {"key": KEY}

    async with RealtimeAgent(agent, redaction=REDACTION) as realtime:
        task = realtime.submit("x")
        assert await task.result() == {"key": KEY}
        assert (await task.wait()).output != {"key": KEY}


async def test_nothing_is_masked_unless_asked_for() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        assert run.redact(KEY) == KEY
        return KEY

    async with RealtimeAgent(agent) as realtime:
        assert (await realtime.submit("x").wait()).output == KEY


async def test_data_flows_whole_from_step_to_step_past_a_model_that_is_told_none() -> None:
    given: list[str] = []

    @tool()
    async def find(call: ToolCall) -> dict[str, Any]:
        """Find the key."""
        return {"key": KEY}

    @tool()
    async def use(call: ToolCall, key: str) -> None:
        """Use a key."""
        given.append(key)

    async def summary(request: LLMRequest) -> str:
        return f"used {KEY}"

    plan = {
        "steps": [
            {"id": "a", "tool": "find", "arguments": {}},
            {"id": "b", "tool": "use", "arguments": {"key": "{{a.output.key}}"}},
        ]
    }
    llm = ScriptedLLM(plan, summary)
    agent = create_agent(llm=llm, tools=[find, use])
    async with RealtimeAgent(agent, redaction=REDACTION) as realtime:
        done = await realtime.submit(f"use {KEY}", context={"key": KEY}).wait()
    assert given == [KEY]
    assert done.summary == "used [KEY]"
    assert len(llm.requests) == 2
    assert KEY not in str(llm.requests)
    assert "[KEY]" in llm.requests[0].messages[-1].content


async def test_a_step_that_asks_a_model_and_a_new_plan_tell_it_none() -> None:
    @tool()
    async def find(call: ToolCall) -> str:
        """Find the key."""
        return KEY

    @tool()
    async def fail(call: ToolCall) -> None:
        """Fail."""
        raise ToolError(f"{KEY} does not fit")

    plan = [
        {"id": "a", "tool": "find", "arguments": {}},
        {"id": "b", "type": "llm", "prompt": "What is {{a.output}}?", "tools": ["find"]},
        {"id": "c", "tool": "fail", "arguments": {}, "dependsOn": ["b"]},
    ]
    use = ToolUse(id="u", name="find", arguments={})
    again = {"steps": [{"id": "d", "tool": "find", "arguments": {}}]}
    calling = LLMResponse(text="", tool_uses=[use])
    llm = ScriptedLLM({"steps": plan}, calling, "a key", again, "done")
    async with RealtimeAgent(create_agent(llm=llm, tools=[find, fail]), redaction=REDACTION) as rt:
        assert (await rt.submit(f"find {KEY}").wait()).success
    purposes = [each.purpose for each in llm.requests]
    assert purposes == ["plan", "text", "text", "replan", "summary"]
    assert KEY not in str(llm.requests)


async def test_steps_that_are_run_without_the_planning_agent_tell_none_either() -> None:
    llm = ScriptedLLM("fine")
    step = LLMStep(
        id="a", name="A", description="", depends_on=(), need_confirmation=False, timeout=None,
        prompt=f"Is {KEY} good?",
    )  # fmt: skip

    async def agent(task: str, run: TaskRun) -> object:
        run.plan([step.shown()])
        return (await Executor().execute(run, [step], llm=llm)).outputs

    async with RealtimeAgent(agent, redaction=REDACTION) as realtime:
        assert await realtime.submit("x").result() == {"a": "fine"}
    assert "[KEY]" in str(llm.requests)
    assert KEY not in str(llm.requests)


async def test_a_model_is_told_no_secret_of_a_tool_or_a_schema() -> None:
    model = ScriptedLLM("fine")
    info = ToolInfo(
        name="x",
        description=f"Uses {KEY}.",
        category="general",
        parameters={"properties": {"a": {"default": KEY}}},
        cancellation="async",
    )
    request = LLMRequest(
        messages=[ChatMessage(role="user", content=KEY)], tools=[info], schema={"const": KEY}
    )
    await RedactedLLM(model, REDACTION).complete(request)
    assert KEY not in str(model.requests)
    assert str(model.requests).count("[KEY]") == 4
