"""The next model is asked when one fails, as long as nothing of an answer was given out."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import LLMRequest, LLMResponse, LLMStream
from trio_agent_rt.errors import LLMError, LLMRefused
from trio_agent_rt.llm import FallbackClient, OpenAIClient
from trio_agent_rt.testing import ScriptedLLM

from .openai_server import OPENAI
from .provider_server import CUT, HANG, ErrorEvent
from .stage import QUESTION, Stage, streamed


def failing(name: str = "first", text: str = "is down") -> ScriptedLLM:
    return ScriptedLLM(*[LLMError(text)] * 3, name=name)


async def test_the_first_that_answers_is_enough() -> None:
    second = ScriptedLLM("no")
    async with FallbackClient(ScriptedLLM("yes", "yes, two"), second) as llm:
        assert (await llm.complete(QUESTION)).text == "yes"
        pieces, response = await streamed(llm)
        assert (pieces, response.text) == (["yes, ", "two"], "yes, two")
    assert second.requests == []


async def test_the_next_is_asked_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    async with FallbackClient(failing(), ScriptedLLM("yes", "yes")) as llm:
        assert (await llm.complete(QUESTION)).text == "yes"
        assert (await streamed(llm))[0] == ["yes"]
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warnings == ["first failed: is down"] * 2


async def test_a_failure_is_not_remembered() -> None:
    first = ScriptedLLM(LLMError("is down"), "back")
    async with FallbackClient(first, ScriptedLLM("yes")) as llm:
        assert (await llm.complete(QUESTION)).text == "yes"
        assert (await llm.complete(QUESTION)).text == "back"


@pytest.mark.parametrize("stream", [False, True])
async def test_when_all_fail_each_is_named(stream: bool) -> None:
    with pytest.raises(LLMError) as caught:
        async with FallbackClient(failing(), failing("second", "has no quota left")) as llm:
            await (streamed(llm) if stream else llm.complete(QUESTION))
    text = "no model could be used: first: is down; second: has no quota left"
    assert str(caught.value) == text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("exc", [LLMRefused("I will not"), ValueError("a defect")])
async def test_a_refusal_is_an_answer_and_a_defect_is_no_failure(
    exc: Exception, stream: bool
) -> None:
    second = ScriptedLLM("yes")
    with pytest.raises(type(exc), match=str(exc)):
        async with FallbackClient(ScriptedLLM(exc), second) as llm:
            await (streamed(llm) if stream else llm.complete(QUESTION))
    assert second.requests == []


async def test_a_stream_without_text_is_an_answer_too() -> None:
    async with FallbackClient(ScriptedLLM(""), failing()) as llm:
        assert await streamed(llm) == ([], LLMResponse(text=""))


async def test_the_answer_is_not_over_before_its_first_piece_was_given_out() -> None:
    async with FallbackClient(ScriptedLLM("one")) as llm, llm.stream(QUESTION) as answer:
        with pytest.raises(RuntimeError, match="not over"):
            _ = answer.response
        assert [each async for each in answer] == ["one"]
        assert answer.response.text == "one"


# --- over real sockets


@pytest.fixture
async def llm(openai_stage: Stage) -> AsyncIterator[FallbackClient]:
    async with FallbackClient(openai_stage.client(), ScriptedLLM("plan B")) as fallback:
        yield fallback


@pytest.mark.parametrize(
    "answer",
    [
        OPENAI.failure(500, "oh"),
        OPENAI.streamed(CUT),
        OPENAI.streamed(ErrorEvent()),
        OPENAI.streamed(),
    ],
)
async def test_a_stream_falls_over_before_its_first_piece(
    openai_stage: Stage, llm: FallbackClient, answer: Any
) -> None:
    openai_stage.server.answers = [answer]
    assert (await streamed(llm))[0] == ["plan ", "B"]


async def test_a_stream_fails_for_good_after_its_first_piece(
    openai_stage: Stage, llm: FallbackClient
) -> None:
    openai_stage.server.answers = [OPENAI.streamed("a", CUT)]
    async with llm.stream(QUESTION) as answer:
        assert await anext(aiter(answer)) == "a"
        with pytest.raises(LLMError, match="broke off"):
            await anext(aiter(answer))


async def test_leaving_early_closes_the_connection_of_the_one_that_answers(
    openai_stage: Stage, llm: FallbackClient
) -> None:
    openai_stage.server.answers = [OPENAI.streamed("a", HANG)]
    with trio.fail_after(10):
        async with llm.stream(QUESTION):
            pass
        await openai_stage.server.left.wait()


async def test_a_cancel_asks_nobody_else(openai_stage: Stage) -> None:
    openai_stage.server.answers = [OPENAI.streamed(HANG)]
    second = ScriptedLLM("no")
    with trio.fail_after(10):
        async with FallbackClient(openai_stage.client(), second) as llm:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(streamed, llm)
                await openai_stage.server.hanging.wait()
                nursery.cancel_scope.cancel()
            await openai_stage.server.left.wait()
    assert second.requests == []


# --- making them ready


async def test_one_that_cannot_be_made_ready_is_left_out_until_it_can(
    openai_stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    openai_stage.server.answers = [OPENAI.whole("x")]
    first = OpenAIClient(model="m")
    async with FallbackClient(first, ScriptedLLM("plan B")) as llm:
        assert caplog.messages == [
            "openai:m cannot be used now: no OpenAI API key: set OPENAI_API_KEY or give api_key"
        ]
        assert (await llm.complete(QUESTION)).text == "plan B"
        monkeypatch.setenv("OPENAI_BASE_URL", openai_stage.server.url)
        assert (await llm.complete(QUESTION)).text == "x"
        assert (await llm.complete(QUESTION)).text == "x"
    with pytest.raises(RuntimeError, match="async with"):
        await first.complete(QUESTION)


async def test_when_none_can_be_made_ready_that_is_said_on_entering() -> None:
    with pytest.raises(LLMError, match=r"no model could be used: openai:a: .*; openai:b: "):
        async with FallbackClient(OpenAIClient(model="a"), OpenAIClient(model="b")):
            raise AssertionError("entered")


class Recorded(ScriptedLLM):
    """Notes when it is closed, and streams in its own way."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.closed = 0

    async def __aenter__(self) -> Recorded:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed += 1

    @asynccontextmanager
    async def stream(self, request: LLMRequest) -> AsyncGenerator[LLMStream]:
        async with super().stream(request) as answer:
            yield answer


async def test_leaving_closes_each_once() -> None:
    first, second = Recorded(LLMError("no"), "a"), Recorded("b")
    llm = FallbackClient(first, second)
    for _ in range(2):
        async with llm:
            await llm.complete(QUESTION)
    assert (first.closed, second.closed) == (2, 2)
    with pytest.raises(RuntimeError, match="async with"):
        await llm.complete(QUESTION)
    with pytest.raises(RuntimeError, match="async with"):
        await streamed(llm)


def test_without_any_there_is_nothing_to_ask() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FallbackClient()


class Unreachable(ScriptedLLM):
    """Takes a minute to be made ready, and then is not."""

    async def __aenter__(self) -> Unreachable:
        await trio.sleep(60)
        raise LLMError("is not there")

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError("was never entered")


async def test_who_waits_for_one_to_be_made_ready_shares_what_comes_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    answers = ScriptedLLM(*["yes"] * 3)
    async with FallbackClient(Unreachable("x"), answers) as llm:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(llm.complete, QUESTION)
        assert trio.current_time() - began == 60
    assert len(answers.requests) == 3


async def test_one_that_was_left_answers_nobody() -> None:
    llm = FallbackClient(ScriptedLLM("x"))
    async with llm:
        pass
    with pytest.raises(RuntimeError, match="inside of `async with` only"):
        await llm.complete(QUESTION)
