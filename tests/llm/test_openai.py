"""The OpenAI client asks and reads as the format has it, and each failure is one sentence."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
from collections.abc import Generator
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import ChatMessage, LLMRequest, Usage
from trio_agent_rt.errors import LLMError
from trio_agent_rt.llm import OpenAIClient

from .openai_server import FakeOpenAI, completion, failure, fake_openai, hang, raw

KEY = "sk-very-secret-0123456789"
SCHEMA = {"type": "object", "properties": {"steps": {"type": "array"}}}
QUESTION = LLMRequest(
    messages=[
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content="Say 你好."),
    ]
)
PLAN = LLMRequest(
    messages=[ChatMessage(role="user", content="Plan.")],
    purpose="plan",
    schema=SCHEMA,
    schema_name="plan",
)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, address or proxy of whoever runs the tests."""
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Generator[FakeOpenAI]:
    with fake_openai() as fake:
        yield fake


def client(server: FakeOpenAI, **options: Any) -> OpenAIClient:
    return OpenAIClient(**{"api_key": KEY, "base_url": server.url, "max_retries": 0} | options)


async def error_of(llm: OpenAIClient, request: LLMRequest = QUESTION) -> str:
    """The sentence with which a request fails."""
    with trio.fail_after(20), pytest.raises(LLMError) as caught:
        async with llm:
            await llm.complete(request)
    shown: BaseException | None = caught.value
    while shown is not None:  # nor does anything that a traceback would show
        assert KEY not in f"{shown!s} {shown!r}"
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- asking and reading


async def test_a_question_is_asked_and_its_answer_read(server: FakeOpenAI) -> None:
    server.answers = [completion("你好")]
    async with client(server, model="some-model") as llm:
        assert llm.name == "openai:some-model"
        response = await llm.complete(QUESTION)
    assert (response.text, response.usage) == ("你好", Usage(input_tokens=12, output_tokens=3))
    assert server.asked == [
        {
            "model": "some-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Say 你好."},
            ],
        }
    ]
    assert server.keys == [f"Bearer {KEY}"]


async def test_a_schema_is_for_the_server_to_enforce(server: FakeOpenAI) -> None:
    server.answers = [completion('{"steps": []}')]
    async with client(server) as llm:
        assert (await llm.complete(PLAN)).text == '{"steps": []}'
    assert server.asked[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "plan", "schema": SCHEMA, "strict": False},
    }


async def test_a_server_that_knows_no_schemas_is_asked_for_json_in_words(
    server: FakeOpenAI,
) -> None:
    refusal = failure(400, "response_format of type json_schema is not supported")
    server.answers = [refusal, completion("{}")]
    async with client(server) as llm:
        assert (await llm.complete(PLAN)).text == "{}"
        await llm.complete(PLAN)
    formats = [each.get("response_format", {}).get("type") for each in server.asked]
    assert formats == ["json_schema", "json_object", "json_object"], "it does not ask twice"
    assert '"steps"' in server.asked[1]["messages"][0]["content"]
    assert "JSON" in server.asked[1]["messages"][0]["content"]


async def test_a_server_that_knows_no_formats_at_all_is_asked_in_words(server: FakeOpenAI) -> None:
    refusal = failure(422, "unknown field response_format")
    server.answers = [refusal, refusal, completion("{}")]
    async with client(server) as llm:
        assert (await llm.complete(PLAN)).text == "{}"
    assert "response_format" not in server.asked[2]


async def test_a_refused_schema_is_not_asked_for_forever(server: FakeOpenAI) -> None:
    server.answers = [failure(400, "response_format is wrong")]
    assert "failed (400): " in await error_of(client(server), PLAN)
    assert len(server.asked) == 3


async def test_the_limit_on_tokens_is_named_as_the_server_knows_it(server: FakeOpenAI) -> None:
    server.answers = [completion("x")]
    async with client(server) as llm:
        await llm.complete(LLMRequest(messages=QUESTION.messages, max_tokens=7))
    assert server.asked[0]["max_tokens"] == 7


async def test_an_answer_without_usage_is_read(server: FakeOpenAI) -> None:
    server.answers = [completion("x", usage=None)]
    async with client(server) as llm:
        assert (await llm.complete(QUESTION)).usage == Usage()


async def test_key_and_address_come_from_the_environment(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    server.answers = [completion("x")]
    async with OpenAIClient() as llm:
        await llm.complete(QUESTION)
    assert server.keys == [f"Bearer {KEY}"]


async def test_a_failing_server_is_asked_again(server: FakeOpenAI) -> None:
    server.answers = [failure(503, "busy"), completion("x")]
    with trio.fail_after(20):
        async with client(server, max_retries=1) as llm:
            assert (await llm.complete(QUESTION)).text == "x"


async def test_several_questions_can_be_asked_at_once(server: FakeOpenAI) -> None:
    server.answers = [completion("x")]
    async with client(server) as llm, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(llm.complete, QUESTION)
    assert len(server.asked) == 5


# --- failures


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            failure(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key"),
            "HOST refused the API key (401); check OPENAI_API_KEY",
        ),
        (failure(403, "no"), "the API key may not use 'gpt-4o-mini' at HOST (403)"),
        (
            failure(404, "The model does not exist", code="model_not_found"),
            "HOST knows no model 'gpt-4o-mini', or the base URL is wrong (404)",
        ),
        (failure(429, "slow down"), "HOST is being asked too often (429); try again later"),
        (
            failure(429, "You exceeded your quota", code="insufficient_quota"),
            "the account at HOST has no quota left (429)",
        ),
        (failure(500, f"oh {KEY} no"), "HOST failed (500): "),
        (failure(400, "context too long"), "HOST failed (400): "),
        (completion(""), "openai:gpt-4o-mini gave an empty answer"),
        (completion(None), "openai:gpt-4o-mini gave an empty answer"),
        (completion(None, refusal="I will not"), "openai:gpt-4o-mini refused: I will not"),
        (completion("x", finish="content_filter"), "openai:gpt-4o-mini: the provider's content"),
        (raw(200, b"<html>hello</html>", "text/html"), "HOST answered, but not in OpenAI's format"),
        (raw(200, b"{not json"), "HOST answered, but not in OpenAI's format"),
        (raw(200, b"[]"), "HOST answered, but not in OpenAI's format"),
        (raw(200, b"{}"), "HOST answered, but not in OpenAI's format"),
        (raw(200, b'{"choices": 3}'), "HOST answered, but not in OpenAI's format"),
        (raw(200, b'{"choices": []}'), "openai:gpt-4o-mini gave an empty answer"),
        (raw(200, b'{"choices": [3]}'), "openai:gpt-4o-mini gave an empty answer"),
        (raw(200, b'{"choices": [{"message": {"content": 3}}]}'), "openai:gpt-4o-mini gave an"),
        (raw(502, b"<html>bad gateway</html>", "text/html"), "HOST failed (502): "),
    ],
)  # fmt: skip
async def test_each_failure_is_one_sentence_without_the_key(
    server: FakeOpenAI, answer: Any, sentence: str
) -> None:
    server.answers = [answer]
    host = server.url.removeprefix("http://").removesuffix("/v1")
    assert (await error_of(client(server))).startswith(sentence.replace("HOST", host))


async def test_a_key_of_any_form_is_left_out_of_a_servers_words(server: FakeOpenAI) -> None:
    server.answers = [failure(500, "the key pass-word-1 is bad")]
    text = await error_of(client(server, api_key="pass-word-1"))
    assert "the key *** is bad" in text


async def test_an_answer_that_was_cut_off_is_no_plan(server: FakeOpenAI) -> None:
    server.answers = [completion('{"steps": [', finish="length")]
    assert "cut off" in await error_of(client(server), PLAN)


async def test_a_long_error_of_a_server_is_shortened(server: FakeOpenAI) -> None:
    server.answers = [failure(500, "x\n" * 5000)]
    assert len(await error_of(client(server))) < 400


async def test_a_server_that_is_not_there_is_named(unused_port: int) -> None:
    llm = OpenAIClient(
        api_key=KEY, base_url=f"http://u:{KEY}@127.0.0.1:{unused_port}/v1", max_retries=0
    )
    text = await error_of(llm)
    assert text.startswith(f"127.0.0.1:{unused_port} cannot be reached: ")


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


async def test_a_server_that_does_not_answer_is_given_up(server: FakeOpenAI) -> None:
    server.answers = [hang]
    began = trio.current_time()
    assert await error_of(client(server, timeout=0.5, max_retries=2)) == (
        "openai:gpt-4o-mini did not answer within 0.5 s"
    )
    assert trio.current_time() - began < 2, "the time-out is not for each attempt"


async def test_a_cancel_closes_the_connection_at_once(server: FakeOpenAI) -> None:
    server.answers = [hang]
    with trio.fail_after(20):
        async with client(server, max_retries=2) as llm, trio.open_nursery() as nursery:
            nursery.start_soon(llm.complete, QUESTION)
            await trio.to_thread.run_sync(server.hanging.wait, 10)
            began = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began < 1
        assert await trio.to_thread.run_sync(server.left.wait, 10)
    assert len(server.asked) == 1, "it was tried again"


# --- before anything is sent


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "no OpenAI API key: set OPENAI_API_KEY"),
        ({"api_key": "  "}, "no OpenAI API key: set OPENAI_API_KEY"),
        ({"api_key": "sk-x\ny"}, "holds characters that no key has"),
        ({"api_key": "sk-ключ"}, "holds characters that no key has"),
        ({"api_key": KEY, "base_url": "localhost:8000"}, "must look like https://host/v1"),
        ({"api_key": KEY, "base_url": "http://"}, "must look like https://host/v1"),
        ({"api_key": KEY, "base_url": "http://host:port/v1"}, "must look like https://host/v1"),
        ({"api_key": KEY, "base_url": "ftp://host"}, "must look like https://host/v1"),
    ],
)
async def test_what_is_missing_is_said_on_entering(options: dict[str, Any], sentence: str) -> None:
    assert sentence in await error_of(OpenAIClient(**options))


async def test_a_missing_package_is_said_on_entering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.delitem(sys.modules, "trio_agent_rt.llm.openai_chat", raising=False)
    assert "pip install 'trio_agent_rt[openai]'" in await error_of(OpenAIClient(api_key=KEY))


def test_the_sdk_is_not_imported_before_it_is_used() -> None:
    code = "import sys, trio_agent_rt.llm; print('openai' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


async def test_outside_of_async_with_nothing_is_asked(server: FakeOpenAI) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await client(server).complete(QUESTION)
    async with client(server) as llm:
        pass
    with pytest.raises(RuntimeError, match="async with"):
        await llm.complete(QUESTION)


async def test_nothing_that_is_shown_holds_the_key(server: FakeOpenAI) -> None:
    async with client(server) as llm:
        module = importlib.import_module("trio_agent_rt.llm.openai_chat")
        assert isinstance(llm._chat, module.Chat)
        assert KEY not in repr(llm) + str(llm) + repr(llm._chat) + llm.name


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"timeout": float("nan")}, {"max_retries": -1}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        OpenAIClient(**options)
