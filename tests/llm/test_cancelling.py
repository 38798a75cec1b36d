"""A cancel, and leaving a stream early, close the connection to the provider at once.

The whole suite turns warnings into errors, those of generators that the garbage collector
has to end too.
"""

from __future__ import annotations

import gc

import pytest
import trio
import trio.testing
from attrs import define, field

from trio_agent_rt.errors import LLMError
from trio_agent_rt.llm import LLMClient

from .provider_server import HANG, Answer, Part, hang
from .stage import QUESTION, Stage, streamed


@define
class Leaving:
    """From the moment at which a client goes, until the server has seen it."""

    stage: Stage
    how: str
    written: int = field(init=False)
    began: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.written, self.began = self.stage.server.written, trio.current_time()

    async def is_seen(self) -> None:
        """The server sees it, and has sent nothing more."""
        server = self.stage.server
        with trio.fail_after(10):
            await server.left.wait()
        took = (server.left_at - self.began) * 1000
        print(f"{self.stage.kind.name}, {self.how}: seen by the server after {took:.1f} ms")
        assert server.written == self.written
        assert len(server.asked) == 1, "it was tried again"
        gc.collect()  # a generator that was left over would complain


async def usable(stage: Stage, llm: LLMClient) -> None:
    """The client can go on."""
    stage.server.answers = [stage.format.streamed("x")]
    assert (await streamed(llm))[0] == ["x"]


WAITING: dict[str, Answer | tuple[Part, ...]] = {
    "before the answer": hang,
    "before the first piece": (HANG,),
    "in mid-stream": ("a", "b", HANG),
}


@pytest.mark.parametrize("when", WAITING)
async def test_a_cancelled_stream_is_seen_to_end(stage: Stage, when: str) -> None:
    how = WAITING[when]
    stage.server.answers = [stage.format.streamed(*how) if isinstance(how, tuple) else how]
    with trio.fail_after(20):
        async with stage.client(max_retries=2) as llm:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(streamed, llm)
                await stage.server.hanging.wait()
                await trio.testing.wait_all_tasks_blocked()
                left = Leaving(stage, f"cancelled {when}")
                nursery.cancel_scope.cancel()
            await left.is_seen()
            await usable(stage, llm)


async def test_a_cancelled_question_is_seen_to_end(stage: Stage) -> None:
    stage.server.answers = [hang]
    with trio.fail_after(20):
        async with stage.client(max_retries=2) as llm:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(llm.complete, QUESTION)
                await stage.server.hanging.wait()
                left = Leaving(stage, "a whole answer cancelled")
                nursery.cancel_scope.cancel()
            await left.is_seen()
            await usable(stage, llm)


@pytest.mark.parametrize("pieces", [0, 1, 2])
async def test_a_stream_that_is_left_early_is_seen_to_end(stage: Stage, pieces: int) -> None:
    stage.server.answers = [stage.format.streamed("a", "b", "c", HANG)]
    with trio.fail_after(20):
        async with stage.client() as llm:
            async with llm.stream(QUESTION) as answer:
                for _ in range(pieces):
                    await anext(aiter(answer))
                await stage.server.hanging.wait()
                left = Leaving(stage, f"left after {pieces} pieces")
            await left.is_seen()
            await usable(stage, llm)


async def test_a_stream_is_closed_when_its_block_fails(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", HANG)]
    with trio.fail_after(20):
        async with stage.client() as llm:
            with pytest.raises(ZeroDivisionError):
                async with llm.stream(QUESTION) as answer:
                    async for _ in answer:
                        _ = 1 / 0
            await stage.server.left.wait()


async def test_a_cancel_in_the_block_of_a_stream_closes_it(stage: Stage) -> None:
    """The client does not wait for the provider then; the one who reads does something else."""
    stage.server.answers = [stage.format.streamed("a", HANG)]
    with trio.fail_after(20):
        async with stage.client() as llm:
            with trio.CancelScope() as scope:
                async with llm.stream(QUESTION) as answer:
                    async for _ in answer:
                        await stage.server.hanging.wait()
                        scope.cancel()
                        await trio.sleep_forever()
            await stage.server.left.wait()
            await usable(stage, llm)


async def test_a_timeout_in_mid_stream_closes_it(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", HANG)]
    with trio.fail_after(20):
        async with stage.client(piece_timeout=0.2) as llm:
            with pytest.raises(LLMError, match="said nothing"):
                await streamed(llm)
            await stage.server.left.wait()


async def test_leaving_the_client_does_not_wait_for_the_server(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", HANG)]
    with trio.fail_after(20):
        async with stage.client() as llm:
            async with llm.stream(QUESTION) as answer:
                await anext(aiter(answer))
        await stage.server.left.wait()
