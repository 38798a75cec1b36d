"""A real nginx with the configuration that the documentation shows."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.docs.pages import REPOSITORY, blocks
from tests.programs import find_program

__all__ = ["DOCUMENTED", "HOST", "PROGRAM", "Nginx", "free_port"]

HOST = "agent.example.com"
_PAGE = [*blocks(REPOSITORY / "docs" / "howto" / "behind-nginx.md")]
DOCUMENTED = "".join(block.code for block in _PAGE if block.kind == "nginx")
PROGRAM = next(block.code for block in _PAGE if block.language == "python")
"""The server that the documentation puts behind it."""

# What is around it: one process's own folder, and the gzip that somebody may have switched on.
_FRAME = """
daemon off;
worker_processes 1;
user root;  # if root is who runs it; else nginx ignores this
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_types *;
    gzip_proxied any;
    gzip_min_length 0;
    {documented}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Nginx:
    """nginx on a free port of this machine, with a folder of its own.

    Args:
        changes: what stands in the documented configuration, and what is to stand there.
    """

    def __init__(self, folder: Path, changes: Mapping[str, str]) -> None:
        self.port = free_port()
        self._program = find_program("nginx", package="nginx-light")
        self._folder = folder
        self._process: trio.Process | None = None
        text = DOCUMENTED
        for old, new in {"listen 443 ": f"listen 127.0.0.1:{self.port} ", **changes}.items():
            assert old in text, f"the documented configuration has no {old!r}"
            text = text.replace(old, new)
        framed = _FRAME.format(folder=folder, documented=text)
        (folder / "nginx.conf").write_text(framed, encoding="utf-8")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run it until the block is left."""
        try:
            await self._start()
            yield
        finally:
            with trio.CancelScope(shield=True):
                await self._stop()

    async def restart(self) -> None:
        """End it, which cuts every connection, and start it again."""
        await self._stop()
        await self._start()

    def reload(self) -> None:
        """Have it read its configuration again, as `nginx -s reload` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    async def _start(self) -> None:
        log = self._folder / "error.log"
        self._process = await trio.lowlevel.open_process(
            [
                *(self._program, "-p", str(self._folder)),
                *("-c", str(self._folder / "nginx.conf"), "-e", str(log)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        with trio.fail_after(10):
            while not await _answers(self.port):
                assert self._process.poll() is None, f"nginx ended:\n{log.read_text()}"
                await trio.sleep(0.02)  # it does not say when it listens

    async def _stop(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        with trio.move_on_after(5):
            await self._process.wait()
        if self._process.poll() is None:
            self._process.kill()
            await self._process.wait()


async def _answers(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True
