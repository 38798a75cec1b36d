"""How long the clients wait, and what they try again."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping

import pytest
import trio

from trio_agent_rt.errors import LLMError

from .anthropic_server import PING
from .openai_server import chunk
from .provider_server import HANG, STOP, Asks, cut_body, hang
from .stage import QUESTION, Stage, error_of, streamed


async def test_a_server_that_does_not_answer_is_given_up(stage: Stage) -> None:
    stage.server.answers = [hang]
    assert await error_of(stage.client(timeout=0.3, max_retries=2)) == (
        f"{stage.name} did not answer within 0.3 s"
    )
    assert len(stage.server.asked) == 1, "the time-out is not for each attempt"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_environment_says_how_long_an_answer_may_take(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    variable = f"{stage.kind.name.upper()}_TIMEOUT"
    assert stage.client().timeout == stage.client().first_piece_timeout == 60
    monkeypatch.setenv(variable, "0.3")
    stage.server.answers = [hang]
    assert await error_of(stage.client(), stream=stream) == (
        f"{stage.name} did not {'begin to ' if stream else ''}answer within 0.3 s; "
        f"{variable} gives it longer"
    )
    assert stage.client(timeout=5).timeout == 5
    for odd in ("soon", "0", "-1", "nan", "inf"):
        monkeypatch.setenv(variable, odd)
        with pytest.raises(ValueError, match=f"{variable} must be seconds, not '{odd}'"):
            stage.client()


async def test_a_stream_that_does_not_begin_is_given_up(stage: Stage) -> None:
    for answer in (hang, stage.format.streamed(HANG)):
        stage.server.answers = [answer]
        text = await error_of(stage.client(first_piece_timeout=0.3), stream=True)
        assert text == f"{stage.name} did not begin to answer within 0.3 s"


async def test_a_stream_that_falls_silent_is_given_up(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", HANG)]
    text = await error_of(stage.client(piece_timeout=0.3), stream=True)
    assert text == f"{stage.name} said nothing for 0.3 s in the middle of its answer"


async def test_a_sign_of_life_that_says_nothing_does_not_count(anthropic_stage: Stage) -> None:
    stage = anthropic_stage
    stage.server.answers = [stage.format.streamed("a", PING, b": still here\n\n", HANG)]
    text = await error_of(stage.client(piece_timeout=0.3), stream=True)
    assert text == f"{stage.name} said nothing for 0.3 s in the middle of its answer"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_a_model_that_thinks_has_begun_and_nothing_of_that_is_its_answer(
    openai_stage: Stage, field: str
) -> None:
    stage = openai_stage
    thought = chunk({field: "let me see"})
    stage.server.answers = [stage.format.streamed(thought, "a")]
    async with stage.client() as llm:
        assert (await streamed(llm))[0] == ["a"]
    stage.server.answers = [stage.format.streamed(thought, HANG)]
    text = await error_of(stage.client(first_piece_timeout=0.3, piece_timeout=0.2), stream=True)
    assert text == f"{stage.name} said nothing for 0.2 s in the middle of its answer"


async def be_busy(seconds: float) -> None:
    await trio.sleep(seconds)


async def test_whoever_reads_slowly_does_not_run_into_a_timeout(stage: Stage) -> None:
    """The time that counts is the one in which the client waits for the server."""
    stage.server.answers = [stage.format.streamed("a", Asks("i", "wait"), "b")]
    with trio.fail_after(20):
        async with stage.client(first_piece_timeout=0.5, piece_timeout=0.2) as llm:
            async with llm.stream(QUESTION) as answer:
                await be_busy(0.6)
                pieces = [each async for each in answer]
    assert pieces == ["a", "b"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
async def test_what_may_pass_is_tried_again(stage: Stage, status: int, stream: bool) -> None:
    answer = stage.format.streamed("x") if stream else stage.format.whole("x")
    stage.server.answers = [
        stage.format.failure(status, "busy", headers={"Retry-After": "0"}),
        answer,
    ]
    with trio.fail_after(20):
        async with stage.client(max_retries=1) as llm:
            if stream:
                assert (await streamed(llm))[0] == ["x"]
            else:
                assert (await llm.complete(QUESTION)).text == "x"
    assert len(stage.server.asked) == 2


@pytest.mark.parametrize(
    ("status", "headers"),
    [(400, {}), (401, {}), (403, {}), (404, {}), (503, {"x-should-retry": "false"})],
)
async def test_what_will_not_pass_is_not_tried_again(
    stage: Stage, status: int, headers: Mapping[str, str]
) -> None:
    stage.server.answers = [stage.format.failure(status, "no", headers=headers)]
    await error_of(stage.client(max_retries=3))
    assert len(stage.server.asked) == 1


async def test_an_answer_that_broke_off_is_asked_for_again(stage: Stage) -> None:
    stage.server.answers = [cut_body(), stage.format.whole("x")]
    with trio.fail_after(20):
        async with stage.client(max_retries=1, max_retry_delay=0) as llm:
            assert (await llm.complete(QUESTION)).text == "x"


async def test_a_stream_that_has_begun_is_not_tried_again(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed(STOP)]
    await error_of(stage.client(max_retries=3), stream=True)
    assert len(stage.server.asked) == 1


async def test_retries_come_to_an_end(stage: Stage) -> None:
    stage.server.answers = [stage.format.failure(503, "busy", headers={"Retry-After": "0"})]
    assert await error_of(stage.client(max_retries=2)) == f"{stage.host} failed (503): busy"
    assert len(stage.server.asked) == 3


async def test_the_server_says_when_to_come_back(stage: Stage) -> None:
    slow_down = stage.format.failure(429, "slow down", headers={"Retry-After": "0.4"})
    stage.server.answers = [slow_down, stage.format.whole("x")]
    with trio.fail_after(20):
        async with stage.client(max_retries=1) as llm:
            began = trio.current_time()
            await llm.complete(QUESTION)
            assert trio.current_time() - began >= 0.4


async def test_a_date_to_come_back_at_is_understood(stage: Stage) -> None:
    soon = email.utils.formatdate(time.time() - 5, usegmt=True)
    later = email.utils.formatdate(time.time() + 1000, usegmt=True)
    for date, asked in ((soon, 2), (later, 3)):
        stage.server.answers = [stage.format.failure(429, "no", headers={"Retry-After": date})]
        await error_of(stage.client(max_retries=1))
        assert len(stage.server.asked) == asked


async def test_a_server_that_wants_too_much_patience_is_given_up_at_once(stage: Stage) -> None:
    stage.server.answers = [stage.format.failure(429, "no", headers={"Retry-After": "31"})]
    text = await error_of(stage.client(max_retries=3))
    assert text.endswith("is being asked too often (429); try again in 31 s")
    assert len(stage.server.asked) == 1
    stage.server.answers = [stage.format.failure(429, "no", headers={"Retry-After": "0.2"})]
    await error_of(stage.client(max_retries=3, max_retry_delay=0.1))
    assert len(stage.server.asked) == 2


async def test_a_cancel_while_it_waits_to_try_again_ends_that(stage: Stage) -> None:
    stage.server.answers = [stage.format.failure(503, "busy", headers={"Retry-After": "20"})]
    with trio.fail_after(20):
        async with stage.client(max_retries=3) as llm:
            with trio.move_on_after(0.3) as scope:
                await llm.complete(QUESTION)
    assert scope.cancelled_caught
    assert len(stage.server.asked) == 1


async def test_time_that_retries_take_counts(stage: Stage) -> None:
    stage.server.answers = [stage.format.failure(503, "busy", headers={"Retry-After": "20"})]
    async with stage.client(max_retries=3, timeout=0.3, first_piece_timeout=0.4) as llm:
        with pytest.raises(LLMError, match=r"did not answer within 0\.3 s"):
            await llm.complete(QUESTION)
        with pytest.raises(LLMError, match=r"did not begin to answer within 0\.4 s"):
            await streamed(llm)
