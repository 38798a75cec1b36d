"""The server that the documentation shows, nginx in front of it, and who connects to both."""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio
import trustme

from tests.nginx.proxy import HOST, PROGRAM, Nginx, free_port
from trio_agent_rt import AgentClient, TaskRun, open_sse_client, open_websocket_client

__all__ = ["TOKEN", "Scene", "Talker", "scene"]

TOKEN = "a-token-of-so-many-characters"


class Talker:
    """An agent that says what it is told to, one piece at a time, until that is enough."""

    def __init__(self) -> None:
        self._say, self._said = trio.open_memory_channel[str](100)

    def say(self, text: str) -> None:
        self._say.send_nowait(text)

    async def __call__(self, task: str, run: TaskRun) -> str:
        async with run.step("Talk") as step:
            async for text in self._said:
                if text == "enough":
                    break
                step.output(text)
        return task


@attrs.frozen
class Scene:
    """An agent, the documented server of it, and the nginx in front."""

    talker: Talker
    nginx: Nginx
    authority: Path
    stop_server: trio.CancelScope

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.nginx.port}"

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    def sse_client(self) -> AgentClient:
        return open_sse_client(f"{self.url}/sse", token=TOKEN, ssl_context=self.trusted)

    def websocket_client(self, session: str) -> AgentClient:
        url = f"wss://{HOST}:{self.nginx.port}/ws"
        return open_websocket_client(url, token=TOKEN, ssl_context=self.trusted, session=session)

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            verify=self.trusted,
            timeout=10,
            trust_env=False,
        )


class Resolver(trio.abc.HostnameResolver):
    """Knows where the public name leads: to this machine."""

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        name = "127.0.0.1" if host == HOST.encode() else host
        look_up = functools.partial(socket.getaddrinfo, name, port, family, type, proto, flags)
        return await trio.to_thread.run_sync(look_up)

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        raise NotImplementedError


@asynccontextmanager
async def scene(folder: Path, **changes: str) -> AsyncGenerator[Scene]:
    """Both running, and the server answering; `changes` to what is documented of nginx."""
    trio.socket.set_custom_hostname_resolver(Resolver())
    authority, both = folder / "ca.pem", folder / "both.pem"
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(authority))
    issuer.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(both))
    websocket, http = f":{free_port()}", f":{free_port()}"
    known: dict[str, str] = {
        ":8080": websocket,
        ":8081": http,
        f"/etc/ssl/{HOST}.pem": str(both),
        f"/etc/ssl/{HOST}.key": str(both),
    }
    nginx = Nginx(folder, {**known, **changes})
    program: dict[str, Any] = {}
    text = PROGRAM.replace("port=8080", f"port={websocket[1:]}")
    exec(text.replace("port=8081", f"port={http[1:]}"), program)
    talker = Talker()

    async def serve(*, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            task_status.started(scope)
            await program["main"](talker, TOKEN)

    async with trio.open_nursery() as nursery, nginx.running():
        found = Scene(talker, nginx, authority, await nursery.start(serve))
        await _until_it_serves(found)
        yield found
        nursery.cancel_scope.cancel()


async def _until_it_serves(scene: Scene) -> None:
    """The program that is documented says to nobody when it listens."""
    async with scene.http() as client:
        with trio.fail_after(10):
            while (await client.get("/health")).status_code != 200:
                pass
