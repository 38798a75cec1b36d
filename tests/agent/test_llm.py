"""What an agent needs of a language model."""

from __future__ import annotations

from trio_agent_rt.agent import ChatMessage, LLMClient, LLMRequest, LLMResponse, Usage, WholeAnswers


class Simple(WholeAnswers):
    name = "simple"

    async def complete(self, request: LLMRequest) -> LLMResponse:
        return LLMResponse(text=request.messages[-1].content)


async def test_a_client_that_cannot_stream_streams_its_answer_as_one_piece() -> None:
    client: LLMClient = Simple()
    for text, pieces in (("hello", ["hello"]), ("", [])):
        request = LLMRequest(messages=[ChatMessage(role="user", content=text)])
        async with client.stream(request) as answer:
            assert [each async for each in answer] == pieces
            assert answer.response == LLMResponse(text=text)


def test_usage_adds_up() -> None:
    assert Usage(input_tokens=1, output_tokens=2) + Usage(input_tokens=3) == Usage(
        input_tokens=4, output_tokens=2
    )
