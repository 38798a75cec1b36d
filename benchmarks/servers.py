"""The servers that are compared, and how each is started."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

__all__ = ["NODE_FOLDER", "SERVERS", "Server", "install_node_packages", "missing_servers"]

NODE_FOLDER = Path(__file__).parent / "peers" / "node"


@frozen(kw_only=True)
class Server:
    """One server: ours, or a peer."""

    name: str
    title: str
    transport: str
    """`ws` or `sse`."""
    program: str
    """A module of `peers`, or a script for Node."""
    path: str
    """What clients ask for."""
    needs: tuple[str, ...] = ()
    """Modules of Python, or packages of Node."""
    socketio: bool = False

    @property
    def on_node(self) -> bool:
        """Whether it is a script for Node."""
        return self.program.endswith(".js")

    def command(self, *, rate: float, batch: int, direct_writes: str) -> Sequence[str]:
        """What starts it."""
        pace = [f"--rate={rate}", f"--batch={batch}"]
        if self.on_node:
            script = str(NODE_FOLDER / self.program)
            return ["node", script, *(part for each in pace for part in each.split("="))]
        module = f"{__package__}.peers.{self.program}"
        more = [f"--transport={self.transport}", f"--direct-writes={direct_writes}"]
        return [sys.executable, "-m", module, *pace, *more]


def _websocket(name: str, title: str, program: str, *needs: str, path: str = "/ws") -> Server:
    return Server(
        name=name,
        title=title,
        transport="ws",
        program=program,
        path=path,
        needs=needs,
        socketio=path.startswith("/socket.io/"),
    )


def _sse(name: str, title: str, program: str, *needs: str) -> Server:
    return Server(
        name=name, title=title, transport="sse", program=program, path="/sse", needs=needs
    )


SERVERS: Mapping[str, Server] = {
    each.name: each
    for each in (
        _websocket("ours-ws", "trio_agent_rt, WebSocket", "on_trio.ours"),
        _websocket("raw-trio", "Trio, raw writes", "on_trio.raw_writes"),
        _websocket("naive-trio-websocket", "trio-websocket, naive", "on_trio.naive_websocket"),
        _websocket("picows", "picows", "on_asyncio.picows_transports", "picows"),
        _websocket(
            "websockets",
            "websockets, broadcast()",
            "on_asyncio.websockets_broadcast",
            "websockets",
        ),
        _websocket("node-ws", "Node, ws", "ws.js", "ws"),
        _websocket(
            "starlette",
            "Starlette on uvicorn",
            "on_asyncio.starlette_websocket",
            "starlette",
            "uvicorn",
            "websockets",
        ),
        _websocket(
            "socketio",
            "python-socketio on uvicorn",
            "on_asyncio.socketio_emit",
            "socketio",
            "uvicorn",
            "websockets",
            path="/socket.io/?EIO=4&transport=websocket",
        ),
        _sse("ours-sse", "trio_agent_rt, SSE", "on_trio.ours"),
        _sse("ours-quart", "trio_agent_rt in a Quart app", "on_trio.ours_in_quart"),
        _sse("node-http", "Node, http", "http.js"),
        _sse(
            "sse-starlette",
            "sse-starlette on uvicorn",
            "on_asyncio.sse_starlette_queue",
            "sse_starlette",
            "uvicorn",
        ),
        _sse("naive-quart-trio", "Quart-Trio on Hypercorn, naive", "on_trio.naive_quart"),
    )
}


def install_node_packages() -> None:
    """Let npm install what the servers on Node need, if it is not there; it may fail."""
    npm = shutil.which("npm")
    if npm is None or (NODE_FOLDER / "node_modules" / "ws").is_dir():
        return
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    done = subprocess.run(
        command, cwd=NODE_FOLDER, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        print(f"npm could not install ws: {done.stderr[-500:]}", file=sys.stderr)


def missing_servers() -> dict[str, str]:
    """Servers that cannot be started here, each with the reason."""
    found: dict[str, str] = {}
    for server in SERVERS.values():
        if server.on_node and shutil.which("node") is None:
            found[server.name] = "there is no node"
            continue
        lacks = [each for each in server.needs if not _has(server, each)]
        if lacks:
            found[server.name] = f"not installed: {', '.join(lacks)}"
    return found


def _has(server: Server, module: str) -> bool:
    if not server.on_node:
        return importlib.util.find_spec(module) is not None
    manifest = NODE_FOLDER / "node_modules" / module / "package.json"
    return manifest.is_file() and "version" in json.loads(manifest.read_text(encoding="utf-8"))
