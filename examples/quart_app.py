"""A web application with an agent in it: its own pages and logins, one address for all.

    python examples/quart_app.py

Open what it prints in a browser: nobody sees what another one asks for. The environment may
hold:

    PORT         otherwise 8080; 0 takes a free one
    SECRET_KEY   signs the cookies; otherwise a random one, so that a restart logs out
"""

from __future__ import annotations

import functools
import os
import signal

import trio
from quart import redirect, request, session
from quart.typing import ResponseReturnValue
from quart_trio import QuartTrio

from trio_agent_rt import (
    ConnectionRejected,
    Principal,
    RealtimeAgent,
    Request,
    create_agent,
    default_tools,
    serve_app,
    sse_blueprint,
)
from trio_agent_rt.llm import OfflineClient

LOGIN = """<!doctype html><meta charset="utf-8"><title>Who are you?</title>
<form method="post" action="/login">
  <input name="user" placeholder="your name" required autofocus> <button>Log in</button>
</form>"""

PAGE = """<!doctype html><meta charset="utf-8"><title>An agent</title>
<form id="ask"><input id="task" size="40" value="wait 3 seconds"> <button>Submit</button></form>
<p id="state"></p>
<pre id="log"></pre>
<script>
  const $ = (name) => document.querySelector(name);
  let clientId;
  const post = (path, body) =>
    fetch("/agent" + path, {method: "POST", body: JSON.stringify({clientId, ...body})});

  // When the connection breaks, the browser comes back by itself, where it was.
  new EventSource("/agent/sse").onmessage = ({data: text}) => {
    const {type, data, taskId} = JSON.parse(text);
    if (type === "connected") clientId = data.clientId;
    if (type === "status") $("#state").textContent = data.message;
    if (type === "task:complete") $("#state").textContent = data.summary ?? data.error;
    if (type === "waiting:confirmation") {
      post("/confirm", {stepId: data.stepId, approved: confirm(data.reason)});
    }
    if (taskId) $("#log").append(`${type} ${data.stepName ?? ""} ${data.message ?? ""}\\n`);
  };
  $("#ask").onsubmit = (event) => {
    event.preventDefault();
    post("/task", {task: $("#task").value});
  };
</script>"""

app = QuartTrio(__name__)


@app.get("/")
async def index() -> ResponseReturnValue:
    return PAGE if "user" in session else LOGIN


@app.post("/login")
async def login() -> ResponseReturnValue:
    session["user"] = (await request.form)["user"]  # A real one asks for a password.
    return redirect("/")


async def authenticate(_: Request) -> Principal:
    """Whoever the app has logged in: what it asks of its own pages holds for the agent."""
    if "user" not in session:
        raise ConnectionRejected(401, "log in first")
    return Principal(session["user"])


async def main() -> None:
    app.secret_key = os.environ.get("SECRET_KEY") or os.urandom(32)
    agent = create_agent(llm=OfflineClient(), tools=default_tools())
    realtime = RealtimeAgent(agent, buffer_size=1000)
    app.register_blueprint(sse_blueprint(realtime, authenticate=authenticate), url_prefix="/agent")
    async with realtime, trio.open_nursery() as nursery:
        port = int(os.environ.get("PORT", "8080"))
        address = await nursery.start(functools.partial(serve_app, app, realtime, port=port))
        print(f"open {address.url}; Ctrl-C stops it", flush=True)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await anext(signals)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
