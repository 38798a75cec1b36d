"""A real model is used with two variables of the environment alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trio_agent_rt.cli.options import closing_timeout, planning_timeout
from trio_agent_rt.llm import create_llm

from ..llm.openai_server import OPENAI
from ..llm.provider_server import ProviderServer, hang, provider_server
from .processes import run_program

STEP = {"id": "a", "name": "Count", "tool": "math_evaluate", "arguments": {"expression": "6*7"}}
READ = {"id": "a", "name": "Read", "tool": "file_read", "arguments": {"path": "a.txt"}}
WAIT = {"id": "a", "name": "Wait", "tool": "wait", "arguments": {"seconds": 30}}
KEY = "sk-very-secret-0123456789"


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with provider_server(OPENAI) as opened:
        opened.models = ["llama"]
        yield opened


def variables(server: ProviderServer) -> dict[str, str]:
    return {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY}


async def test_run_plans_and_sums_up_with_the_first_model_of_the_server(
    server: ProviderServer,
) -> None:
    plan = json.dumps({"steps": [STEP]})
    server.answers = [OPENAI.whole(plan), OPENAI.whole("It is 42, of course.")]
    done = await run_program("run", "what is 6*7", "--llm", "openai", env=variables(server))
    assert (done.code, done.err) == (0, "")
    assert "It is 42, of course." in done.out
    assert KEY not in done.out
    assert server.models_asked == 1
    assert {each["model"] for each in server.asked} == {"llama"}
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(("options", "told"), [([], False), (["--no-redaction"], True)])
async def test_run_tells_the_model_no_secret_that_a_tool_has_read(
    options: list[str], told: bool, server: ProviderServer, tmp_path: Path
) -> None:
    secret = "k-3141592653"
    (tmp_path / "a.txt").write_text(f"the key is {secret}\n")
    plan = json.dumps({"steps": [READ]})
    server.answers = [OPENAI.whole(plan), OPENAI.whole("It holds a key.")]
    env = variables(server) | {"SHOP_TOKEN": secret}
    arguments = ("run", "what is in a.txt", "--llm", "openai", *options)
    done = await run_program(*arguments, cwd=tmp_path, env=env)
    assert (done.code, done.err) == (0, "")
    asked = json.dumps(server.asked)
    assert ("the key is [SHOP_TOKEN]" in asked) != told
    assert (secret in asked, secret in done.out) == (told, told)


async def test_the_demo_says_which_model_plans(server: ProviderServer, tmp_path: Path) -> None:
    plans = [json.dumps({"steps": [each]}) for each in (STEP, WAIT)]
    server.answers = [OPENAI.whole(plans[0]), OPENAI.whole("Done."), OPENAI.whole(plans[1])]
    done = await run_program("demo", "--llm", "openai", cwd=tmp_path, env=variables(server))
    assert (done.code, done.err) == (0, "")
    assert "plans with openai:llama" in done.out


async def test_how_long_a_model_may_plan_is_said_by_the_environment(
    server: ProviderServer,
) -> None:
    server.answers = [hang]
    env = variables(server) | {"OPENAI_TIMEOUT": "0.3"}
    done = await run_program("run", "what is 6*7", "--llm", "openai", env=env)
    assert "openai:llama did not answer within 0.3 s; OPENAI_TIMEOUT" in done.out
    done = await run_program("run", "x", "--llm", "openai", env=env | {"OPENAI_TIMEOUT": "soon"})
    assert "OPENAI_TIMEOUT must be seconds, not 'soon'" in done.err
    assert "Traceback" not in done.out + done.err


def test_a_slow_model_is_given_time_to_plan_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert planning_timeout(create_llm("openai")) == 120
    monkeypatch.setenv("OPENAI_TIMEOUT", "300")
    assert planning_timeout(create_llm("openai")) == 600
    assert planning_timeout(create_llm("openai,anthropic,offline")) == 720
    assert planning_timeout(create_llm("offline")) == 120


@pytest.mark.parametrize(
    ("name", "seconds"), [("offline", 0), ("openai", 2), ("anthropic", 2), ("openai,offline", 5)]
)
def test_how_long_leaving_a_model_takes_at_most(name: str, seconds: float) -> None:
    assert closing_timeout(create_llm(name)) == seconds


async def test_a_server_that_is_not_there_is_said_at_once() -> None:
    gone = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = await run_program("serve", "--port", "0", "--llm", "openai", env=gone)
    assert done.code == 3
    assert "127.0.0.1:9 cannot be reached: nothing listens there" in done.err


async def test_the_next_model_is_asked_and_the_screen_says_why(server: ProviderServer) -> None:
    server.answers = [OPENAI.failure(401, f"bad key {KEY}")]
    done = await run_program("run", "what is 6*7", "--llm", "openai,offline", env=variables(server))
    assert done.code == 0
    assert "openai:llama failed: " in done.out + done.err
    assert KEY not in done.out + done.err
