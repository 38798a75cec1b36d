"""Both clients, cancelled at every step of a question: nothing is left, and they can go on.

The SDKs and their HTTP stack are the real ones; only the connections are in memory, through
the `http_client` that the SDKs take.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio

from trio_agent_rt.clients.connectors.http import Wire
from trio_agent_rt.testing import MemoryNetwork, Sweep, assert_cancel_safe

from .provider_server import ProviderServer, raw
from .stage import MODEL, PROVIDERS, QUESTION, Kind, streamed

pytestmark = pytest.mark.hang_guard(200)


def memory_http_client(sdk: Any, network: MemoryNetwork) -> Any:
    """The HTTP client that an SDK would use, over a network in memory."""
    base = next(each for each in sdk.DefaultAsyncHttpxClient.__mro__ if "httpx" in each.__module__)
    httpx = importlib.import_module(base.__module__.partition(".")[0])
    httpcore = importlib.import_module(httpx.__name__.replace("httpx", "httpcore"))

    class Backend(httpcore.AsyncNetworkBackend):
        async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> Wire:
            return Wire(await network.dial(host, port))

    class Body(httpx.AsyncByteStream):
        def __init__(self, response: Any) -> None:
            self._response = response

        def __aiter__(self) -> AsyncIterator[bytes]:
            return aiter(self._response.stream)

        async def aclose(self) -> None:
            await self._response.stream.aclose()

    class Transport(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self._pool = httpcore.AsyncConnectionPool(network_backend=Backend())

        async def handle_async_request(self, request: Any) -> Any:
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(
                        scheme="http",
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
            return httpx.Response(
                response.status,
                headers=response.headers,
                stream=Body(response),
                extensions=response.extensions,
            )

        async def aclose(self) -> None:
            await self._pool.aclose()

    return sdk.DefaultAsyncHttpxClient(transport=Transport(), trust_env=False)


@pytest.fixture(params=list(PROVIDERS))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """A provider, whose SDK asks no thread what system it runs on: a thread has no seed."""
    name = request.param
    importlib.import_module(f"trio_agent_rt.llm.{name}.sdk")
    base_client = importlib.import_module(f"{name}._base_client")

    def inline(function: Callable[..., Any]) -> Callable[..., Any]:
        async def run(*arguments: Any) -> Any:
            return function(*arguments)

        return run

    monkeypatch.setattr(base_client, "asyncify", inline)
    return PROVIDERS[name]


async def cancelled_question(kind: Kind, how: str, sweep: Sweep) -> None:
    network = MemoryNetwork()
    server = ProviderServer("http://127.0.0.1:80" + kind.format.client_base, kind.format)
    usual = kind.format.whole("x") if how == "complete" else kind.format.streamed("a", "b")
    server.answers = [usual]
    if how == "a retry":
        busy = kind.format.failure(503, "busy", headers={"Retry-After": "0"})
        server.answers = [busy, raw(500, "{}", headers={"Retry-After": "0"}), usual]
    sdk = importlib.import_module(kind.name)
    async with trio.open_nursery() as nursery:
        serve = functools.partial(trio.serve_listeners, server.serve, [network.listen(80)])
        nursery.start_soon(serve)
        async with memory_http_client(sdk, network) as http_client:
            llm = kind.client(
                api_key="k",
                base_url=server.url,
                model=MODEL,
                http_client=http_client,
                timeout=math.inf,
                first_piece_timeout=math.inf,
                piece_timeout=math.inf,
            )
            async with llm:
                with trio.CancelScope() as scope, sweep.cancelling(scope):
                    if how == "complete":
                        await llm.complete(QUESTION)
                    elif how == "left early":
                        async with llm.stream(QUESTION) as answer:
                            assert await anext(aiter(answer)) == "a"
                    else:
                        assert (await streamed(llm))[0] == ["a", "b"]
                server.answers = [kind.format.whole("again")]
                assert (await llm.complete(QUESTION)).text == "again"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["complete", "stream", "left early", "a retry"])
def test_nothing_is_left_of_a_question_that_is_cancelled(kind: Kind, how: str) -> None:
    scenario = functools.partial(cancelled_question, kind, how)
    # A clock that jumps would jump over every time-out while a thread works.
    result = assert_cancel_safe(
        scenario, seeds=1, stride=2, timeout=math.inf, name=f"{kind.name}, {how}"
    )
    print(f"{kind.name}, {how}: {result}")
    assert result.steps > 10
