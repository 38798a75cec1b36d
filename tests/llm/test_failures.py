"""Each failure of a provider, or on the way to it, is one sentence without a secret."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import pytest
import trio
import trustme

from trio_agent_rt.errors import LLMError

from ..clients.connectors.sockets import answering, listening, server_context
from .anthropic_server import event as anthropic_event
from .openai_server import event as openai_event
from .provider_server import CUT, STOP, Answer, ErrorEvent, cut_body, raw
from .stage import KEY, QUESTION, Stage, error_of, streamed

HTML = raw(200, "<html>hello</html>", "text/html")

# --- what the server says


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "message", "more", "sentence"),
    [
        (401, f"bad key: {KEY}", {}, "HOST refused the API key (401); check NAME_API_KEY"),
        (403, "no", {}, "the API key may not use 'some-model' at HOST (403)"),
        (404, "no model", {}, "HOST knows no model 'some-model', or the base URL is wrong (404)"),
        (429, "slow down", {}, "HOST is being asked too often (429); try again later"),
        (
            429,
            "slow down",
            {"headers": {"Retry-After": "70"}},
            "HOST is being asked too often (429); try again in 70 s",
        ),
        (
            429,
            "no money",
            {"code": "insufficient_quota"},
            "the account at HOST has no quota left (429)",
        ),
        (500, f"oh {KEY} no", {}, "HOST failed (500): oh *** no"),
        (529, "Overloaded", {}, "HOST failed (529): Overloaded"),
        (400, "context too long", {}, "HOST failed (400): context too long"),
        (400, "of sk-another-key-1", {}, "HOST failed (400): of ***"),
    ],
)
async def test_an_http_error_is_one_sentence(
    stage: Stage, status: int, message: str, more: Any, sentence: str, stream: bool
) -> None:
    stage.server.answers = [stage.format.failure(status, message, **more)]
    said = await error_of(stage.client(), stream=stream)
    wanted = sentence.replace("HOST", stage.host).replace("NAME", stage.kind.name.upper())
    assert said == wanted


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (raw(502, "<html>bad gateway</html>", "text/html"), "failed (502): <html>bad gateway"),
        (raw(500, ""), "failed (500): it does not say why"),
        (raw(422, {"detail": "field required"}), "failed (422): field required"),
        (raw(404, {"error": "model not found, try pulling it"}), "knows no model 'some-model'"),
        (raw(400, "[" * 100_000), "failed (400): [[["),
        (raw(500, "x\n" * 5000), "failed (500): x x"),
    ],
)
async def test_an_http_error_of_another_form_is_one_too(
    stage: Stage, answer: Answer, sentence: str
) -> None:
    stage.server.answers = [answer]
    text = await error_of(stage.client())
    assert text.startswith(f"{stage.host} {sentence}")
    assert len(text) < 400


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        raw(200, "{not json"),
        raw(200, "[]"),
        raw(200, "{}"),
        raw(200, '{"choices": 3, "content": 3}'),
        raw(200, '{"choices": [3], "content": [3]}'),
        raw(200, b"\xff\xfe"),
        raw(200, "[" * 100_000),
    ],
)
async def test_an_answer_of_another_form_is_none(stage: Stage, answer: Answer) -> None:
    stage.server.answers = [answer]
    said = f"{stage.host} answered, but not in {stage.kind.title}'s format; check the base URL"
    assert await error_of(stage.client()) == said
    assert await error_of(stage.client(), stream=True) == said


@pytest.mark.parametrize("data", [b"data: {no\n\n", b"data: 3\n\n", b"data: <html>\n\n"])
async def test_a_stream_of_something_else_is_no_answer(stage: Stage, data: bytes) -> None:
    stage.server.answers = [stage.format.streamed("a", data)]
    text = await error_of(stage.client(), stream=True)
    assert (
        text == f"{stage.host} answered, but not in {stage.kind.title}'s format; check the base URL"
    )


async def test_an_answer_without_anything_is_empty(stage: Stage) -> None:
    for blank in ("", " \n"):
        stage.server.answers = [stage.format.whole(blank)]
        assert await error_of(stage.client()) == f"{stage.name} gave an empty answer"
    stage.server.answers = [stage.format.streamed()]
    assert await error_of(stage.client(), stream=True) == f"{stage.name} gave an empty answer"


# --- streams that break


async def test_an_error_inside_a_stream_is_told(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", ErrorEvent(f"Overloaded, {KEY}"), "b")]
    text = await error_of(stage.client(), stream=True)
    assert text == f"{stage.name} failed while it answered: Overloaded, ***"


async def test_a_stream_that_is_cut_has_broken_off(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", CUT)]
    text = await error_of(stage.client(), stream=True)
    assert text.startswith(f"the answer of {stage.name} broke off: ")


async def test_a_stream_without_its_end_has_broken_off(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", STOP)]
    assert await error_of(stage.client(), stream=True) == (
        f"the answer of {stage.name} broke off: the stream ended without an end marker"
    )


async def test_a_stream_that_breaks_gives_what_it_had_and_no_response(stage: Stage) -> None:
    stage.server.answers = [stage.format.streamed("a", "b", CUT)]
    async with stage.client() as llm, llm.stream(QUESTION) as answer:
        pieces = [await anext(aiter(answer)) for _ in range(2)]
        with pytest.raises(LLMError, match="broke off"):
            await anext(aiter(answer))
        assert [each async for each in answer] == []
        with pytest.raises(RuntimeError, match="not over"):
            _ = answer.response
    assert pieces == ["a", "b"]


async def test_a_whole_answer_that_is_cut_has_broken_off(stage: Stage) -> None:
    stage.server.answers = [cut_body()]
    text = await error_of(stage.client())
    assert text.startswith(f"the answer of {stage.name} broke off: ")


async def test_an_event_without_end_is_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trio_agent_rt.llm.providers.sse._MAX_EVENT_BYTES", 1000)
    stage.server.answers = [stage.format.streamed("a", b"data: " + b"x" * 2000)]
    text = await error_of(stage.client(), stream=True)
    assert "not in" in text


async def test_what_the_future_brings_is_passed_over(stage: Stage) -> None:
    odd = b": comment\nid: 3\nretry: 5\n\n"
    if stage.kind.name == "openai":
        odd += openai_event({"object": "novelty", "choices": []})
    else:
        odd += anthropic_event("novelty", more=[1]) + anthropic_event(
            "content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}
        )
    stage.server.answers = [stage.format.streamed("a", odd, "b")]
    async with stage.client() as llm:
        assert (await streamed(llm))[0] == ["a", "b"]


# --- the way there


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listening_socket:
        listening_socket.bind(("127.0.0.1", 0))
        return listening_socket.getsockname()[1]


async def test_a_server_that_is_not_there_is_named(stage: Stage, unused_port: int) -> None:
    llm = stage.client(base_url=f"http://u:{KEY}@127.0.0.1:{unused_port}/v1")
    assert await error_of(llm) == (
        f"127.0.0.1:{unused_port} cannot be reached: nothing listens there (connection refused)"
    )


async def test_a_host_that_nobody_knows_is_named(stage: Stage) -> None:
    class Nobody(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Nobody())
    llm = stage.client(base_url="http://no-such-host.invalid/v1")
    assert await error_of(llm) == "there is no host no-such-host.invalid"


async def test_a_certificate_that_is_not_trusted_is_named(stage: Stage) -> None:
    context = server_context(trustme.CA(), "127.0.0.1")
    with trio.fail_after(20):
        async with listening(_shake_hands, context, dialect="sse") as url:
            text = await error_of(stage.client(base_url=url))
    host = url.removeprefix("https://").removesuffix("/sse")
    assert text.startswith(f"the certificate of {host} is not trusted: ")


async def _shake_hands(stream: trio.SSLStream[trio.SocketStream]) -> None:
    with suppress(trio.BrokenResourceError):
        await stream.do_handshake()
    await trio.aclose_forcefully(stream)


async def test_a_server_that_speaks_no_tls_is_named(stage: Stage) -> None:
    url = stage.server.url.replace("http:", "https:")
    text = await error_of(stage.client(base_url=url))
    assert text.startswith(f"TLS with {stage.host} failed: "), text


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
async def test_a_server_that_speaks_no_http_is_named(stage: Stage, answer: bytes) -> None:
    async with listening(answering(answer), dialect="sse") as url:
        text = await error_of(stage.client(base_url=url.removesuffix("/sse")))
    assert text.startswith("127.0.0.1:")
    assert " cannot be reached: " in text
