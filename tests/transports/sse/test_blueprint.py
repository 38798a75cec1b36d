"""Our resources among those of a user's own app."""

from __future__ import annotations

import functools
import re
from copy import deepcopy
from typing import Any

import pytest
import trio
from quart import Response, request
from quart_trio import QuartTrio

from tests.transports.http.peers import ask
from tests.transports.sse.peers import (
    error_of,
    get,
    http,
    mounted,
    open_stream,
    post,
    serving,
    started,
)
from tests.transports.websocket.peers import quick
from trio_agent_rt.realtime import Principal, RealtimeAgent
from trio_agent_rt.transports import (
    Cors,
    Request,
    SSEPaths,
    serve_app,
    serve_sse,
    sse_blueprint,
)

LIVE = SSEPaths(
    stream="/live",
    task="/tasks/new",
    cancel="/tasks/cancel",
    confirm="/answers",
    tools="/what-it-can-do",
    state="/now",
    ticket="/pass",
    health="/up",
)


def an_app() -> QuartTrio:
    """An app of a user's, with a page and an answer of its own."""
    app = QuartTrio("an_app")

    async def page() -> str:
        return "a page"

    async def echo() -> str:
        return str(await request.get_data(as_text=True))

    async def lost(wrong: object) -> tuple[str, int]:
        return "the app's own 404", 404

    app.get("/")(page)
    app.post("/task")(echo)
    app.register_error_handler(404, lost)
    return app


async def test_it_stands_below_a_prefix_under_its_own_names_beside_the_apps_own() -> None:
    app = an_app()
    async with RealtimeAgent(quick, linger=5) as realtime:
        blueprint = sse_blueprint(realtime, paths=LIVE)
        async with mounted(app, realtime, blueprint, prefix="/agent/v1") as address:
            assert (await get(address, "/")).body == b"a page"
            assert (await post(address, "/task", b"the app's")).body == b"the app's"
            assert (await get(address, "/live")).body == b"the app's own 404"
            base = "/agent/v1"
            assert (await get(address, f"{base}/what-it-can-do")).json["tools"] == []
            assert (await get(address, f"{base}/up")).status == 200
            assert (await get(address, f"{base}/up/live")).status == 200
            assert "ticket" in (await post(address, f"{base}/pass")).json
            async with open_stream(address, f"{base}/live") as stream:
                client, _ = await started(stream)
                body = {"task": "x", "clientId": client}
                assert (await post(address, f"{base}/tasks/new", body)).status == 200
                await stream.event("task:complete")
                assert (await get(address, f"{base}/now?clientId={client}")).status == 200
                assert (await post(address, f"{base}/tasks/cancel", body)).status == 200
                answer = {"clientId": client, "stepId": "none", "approved": True}
                refused = await post(address, f"{base}/answers", answer)
                assert error_of(refused) == (404, "unknown_step")


async def test_two_agents_live_in_one_app() -> None:
    app = QuartTrio("an_app")
    async with RealtimeAgent(quick) as one, RealtimeAgent(quick) as two:
        for name, realtime in (("one", one), ("two", two)):
            app.register_blueprint(sse_blueprint(realtime, name=name), url_prefix=f"/{name}")
        async with mounted(app, one) as address:
            async with open_stream(address, "/one/sse") as first:
                async with open_stream(address, "/two/sse") as second:
                    client, _ = await started(first)
                    await started(second)
                    two.broadcast("news")
                    assert (await second.event()).message["type"] == "status"
                    assert (await second.event()).message["type"] == "news"
                    wrong = await post(address, "/two/task", {"task": "x", "clientId": client})
                    assert error_of(wrong) == (404, "unknown_session")
                    right = await post(address, "/one/task", {"task": "x", "clientId": client})
                    assert right.status == 200


@pytest.mark.parametrize("server", ["192.0.2.1", "::ffff:192.0.2.1", "example.com", None])
async def test_at_an_address_of_other_machines_nobody_is_let_in_unasked(
    server: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with RealtimeAgent(quick) as realtime:
        answers: dict[str, list[int]] = {}
        for kind, blueprint in (
            ("unasked", sse_blueprint(realtime)),
            ("asked", sse_blueprint(realtime, authenticate=_anybody)),
            ("open", sse_blueprint(realtime, allow_anonymous=True)),
        ):
            app = QuartTrio("an_app")
            app.register_blueprint(blueprint)
            client = app.test_client()
            scope = {"server": None if server is None else (server, 80)}
            answers[kind] = []
            for path, ask_for in (
                ("/tools", client.get),
                ("/ticket", client.post),
                ("/tools", client.options),
            ):
                answer = await ask_for(path, scope_base=scope)
                answers[kind].append(answer.status_code)
                if kind == "unasked":
                    assert b'"forbidden"' in await answer.get_data(as_text=False)
        assert answers == {
            "unasked": [403, 403, 403],
            "asked": [200, 200, 204],
            "open": [200, 200, 204],
        }
        assert not realtime._registry.sessions
    assert "pass authenticate=" in caplog.text


async def _anybody(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    return Principal("anybody")


async def test_the_log_is_told_once_that_other_machines_can_reach_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with RealtimeAgent(quick) as realtime:
        app = QuartTrio("an_app")
        app.register_blueprint(sse_blueprint(realtime))
        client = app.test_client()
        for _ in range(10):
            answer = await client.get("/tools", scope_base={"server": ("192.0.2.1", 80)})
            assert answer.status_code == 403
    assert caplog.text.count("pass authenticate=") == 1


@pytest.mark.parametrize("server", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_at_an_address_of_this_machine_nobody_needs_to_be_asked(server: str) -> None:
    async with RealtimeAgent(quick) as realtime:
        app = QuartTrio("an_app")
        app.register_blueprint(sse_blueprint(realtime))
        answer = await app.test_client().get("/tools", scope_base={"server": (server, 80)})
        assert answer.status_code == 200


async def test_nothing_of_the_app_is_changed() -> None:
    app = an_app()
    app.config["RESPONSE_TIMEOUT"] = 7
    before = deepcopy(dict(app.config))
    handlers = deepcopy(_hooks(app))
    async with RealtimeAgent(quick) as realtime:
        async with mounted(app, realtime, sse_blueprint(realtime), prefix="/agent") as address:
            assert (await get(address, "/agent/tools")).status == 200
            async with open_stream(address, "/agent/sse") as stream:
                await started(stream)
            page = await get(address, "/")
            assert "vary" not in page.headers
            assert page.headers["content-type"].startswith("text/html")
    assert dict(app.config) == before
    assert _hooks(app) == handlers


def _hooks(app: QuartTrio) -> dict[str, Any]:
    names = ("before_request_funcs", "after_request_funcs", "teardown_request_funcs")
    found = {
        name: {key: len(value) for key, value in getattr(app, name).items() if value}
        for name in names
    }
    return {**found, "errors": list(app.error_handler_spec[None])}


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/sse", "POST", "GET, HEAD, OPTIONS"),
        ("/tools", "DELETE", "GET, HEAD, OPTIONS"),
        ("/health/live", "PUT", "GET, HEAD, OPTIONS"),
        ("/task", "GET", "POST, OPTIONS"),
        ("/task", "HEAD", "POST, OPTIONS"),
        ("/ticket", "PATCH", "POST, OPTIONS"),
    ],
)
async def test_a_method_that_a_resource_does_not_have_is_told_in_json_and_to_pages_too(
    path: str, method: str, allow: str
) -> None:
    page = "https://app.example"
    sent = http(path, method=method, headers=["Content-Length: 0", f"Origin: {page}"])
    async with RealtimeAgent(quick) as realtime:
        blueprint = sse_blueprint(realtime, cors=Cors([page]))
        async with mounted(an_app(), realtime, blueprint, prefix="/agent") as address:
            refused = await ask(address, sent.replace(b" /", b" /agent/", 1))
    assert refused.status == 405
    if method != "HEAD":
        assert error_of(refused) == (405, "bad_message")
    assert refused.headers["allow"] == allow
    assert refused.headers["access-control-allow-origin"] == page


async def test_what_has_a_get_has_a_head() -> None:
    async with RealtimeAgent(quick) as realtime:
        blueprint = sse_blueprint(realtime)
        async with mounted(an_app(), realtime, blueprint, prefix="/agent") as address:
            for path in ("/agent/tools", "/agent/health", "/agent/sse"):
                answer = await ask(address, http(path, method="HEAD"))
                assert (answer.status, answer.body) == (200, b"")


async def test_an_apps_own_limit_of_a_body_is_told_in_json_too() -> None:
    app = QuartTrio("an_app")
    app.config["MAX_CONTENT_LENGTH"] = 100
    chunked = http("/task", method="POST", headers=["Transfer-Encoding: chunked"])
    chunk = b"64\r\n" + b"a" * 100 + b"\r\n"
    async with RealtimeAgent(quick) as realtime:
        async with mounted(app, realtime, sse_blueprint(realtime)) as address:
            for sent in (
                http("/task", method="POST", body=b"a" * 101),
                chunked + chunk * 3 + b"0\r\n\r\n",
            ):
                refused = await ask(address, sent)
                assert error_of(refused) == (413, "too_large")
                # The app's own number is not ours to tell, and ours is not what counts.
                assert not re.search(r"\d", refused.json["error"]["message"])


async def test_what_an_app_adds_after_each_request_is_added_to_a_stream_too() -> None:
    app = QuartTrio("an_app")

    @app.after_request
    async def add(response: Response) -> Response:
        response.headers["X-Of-The-App"] = "yes"
        return response

    async with RealtimeAgent(quick) as realtime:
        async with mounted(app, realtime, sse_blueprint(realtime)) as address:
            async with open_stream(address) as stream:
                assert stream.headers["x-of-the-app"] == "yes"
                await started(stream)


async def test_hooks_are_given_the_request_as_it_came() -> None:
    seen: list[Request] = []

    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        seen.append(request)
        return Principal("ann")

    headers = ["Authorization: Bearer hush", "Cookie: a=hush; b=c", "X-Odd: ä"]
    async with serving(authenticate=authenticate, prefix="/agent") as (_, address):
        path = "/agent/sse?token=hush&b=%C3%A9&a=1&a=2"
        async with open_stream(address, path, headers) as stream:
            local = stream.transport.socket.getsockname()
    (request,) = seen
    assert (request.method, request.path) == ("GET", "/agent/sse")
    assert request.query == {"token": "hush", "b": "é", "a": "2"}
    assert request.bearer_token == "hush"
    assert request.cookies == {"a": "hush", "b": "c"}
    assert (request.remote_host, request.remote_port) == local[:2]
    assert request.secure is False
    assert "hush" not in repr(request)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"stream": "sse"}, "stream must begin with /"),
        ({"task": "/a?b"}, "no query"),
        ({"task": "/<a>"}, "no <placeholder>"),
        ({"cancel": "/task"}, "same path: /task"),
        ({"stream": "/health/live"}, "same path: /health/live"),
        ({"health": "/up/", "task": "/up/live"}, "same path: /up/live"),
        ({"cancel": 7}, "cancel must begin"),
    ],
)
def test_paths_that_cannot_be_are_refused(fields: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SSEPaths(**fields)


@pytest.mark.parametrize("prefix", ["agent", "/agent/", "/", "/a?b", "/<a>", "/#"])
async def test_a_prefix_that_cannot_be_is_refused(prefix: str) -> None:
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(ValueError, match="prefix must begin"), trio.fail_after(5):
            await serve_sse(realtime, port=0, prefix=prefix)


async def test_a_realtime_agent_that_is_not_open_cannot_be_served() -> None:
    realtime = RealtimeAgent(quick)
    for serve in (serve_sse, functools.partial(serve_app, QuartTrio("an_app"))):
        with pytest.raises(RuntimeError, match="is not open"), trio.fail_after(5):
            await serve(realtime, port=0)
