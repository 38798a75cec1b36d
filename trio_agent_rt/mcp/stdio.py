"""A server that is run here: messages over its pipes, and the end of its processes.

```
 running ──left────────────────────────────────┐
    └──its stdout ends, or makes no sense──────┴─▶ stdin closed ──▶ SIGTERM ──▶ SIGKILL ──▶ reaped
```

The SDK has such a transport too. This one also ends the children of a server that has
ended in good order itself, takes no more than so much for one message, and says at last
how the server ended. Whatever is cancelled around it, it is left with no process behind.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from ..agent.stopping import Command
from ..agent.stopping.group import ProcessGroup
from ..agent.stopping.pipes import Outlet
from ..agent.stopping.processes import start_program
from .outbox import OUTBOX_MESSAGES, Streams, dealt_with
from .target import Program

__all__ = ["ProgramServer"]

_log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
_FLUSH_TIMEOUT = 0.2
"""Seconds for what it has yet to be told."""
_EXIT_TIMEOUT = 0.5
"""Seconds to end by itself when its stdin is closed, as the protocol wants it."""
_GRACE = 1.0
"""Seconds from SIGTERM to SIGKILL."""
_KILL_TIMEOUT = 0.5
_LAST_WORDS = 0.2
_ERROR_BYTES = 1000
_ERROR_LINES = 3
_NOISE_CHARS = 100


class ProgramServer:
    """The processes of one server."""

    def __init__(self, program: Program, max_message_bytes: int) -> None:
        self._program = program
        self._max_message_bytes = max_message_bytes
        self._noise: str | None = None
        self._fault: str | None = None
        self._status: int | None = None
        self._err: Outlet | None = None
        self.over: trio.Event = trio.Event()
        """Set when it can be spoken with no more."""

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Streams]:
        """Start it; leaving ends it.

        Raises:
            ToolError: when it cannot be started.
        """
        program = self._program
        process = await start_program(
            Command(
                program.argv,
                stdin=b"",
                env={**get_default_environment(), **program.env},
                cwd=program.cwd,
            )
        )
        # No checkpoint from here to the `try`: nothing else would end it.
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._err = Outlet(process.stderr, _ERROR_BYTES, keep_last=True)
        came, inbox = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outbox, to_send = anyio.create_memory_object_stream[SessionMessage](OUTBOX_MESSAGES)
        written = trio.Event()
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(self._err.run)
                nursery.start_soon(self._read, process.stdout, came, outbox)
                nursery.start_soon(self._write, process.stdin, to_send, came, written)
                with inbox, outbox:
                    yield inbox, outbox
            finally:
                with trio.CancelScope(shield=True):
                    with trio.move_on_after(_FLUSH_TIMEOUT):
                        await written.wait()
                    await self._end(process)
                self._err.scope.cancel()
                nursery.cancel_scope.cancel()

    async def _read(
        self,
        stdout: trio.abc.ReceiveStream,
        came: MemoryObjectSendStream[SessionMessage | Exception],
        outbox: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        buffer = bytearray()
        try:
            with came:
                async with stdout:
                    while data := await stdout.receive_some(_CHUNK):
                        *lines, rest = data.split(b"\n")
                        for line in lines:
                            buffer += line
                            await self._take(bytes(buffer), came, outbox)
                            buffer.clear()
                        buffer += rest
                        if len(buffer) > self._max_message_bytes:
                            self._fault = (
                                f"sent a message of more than {self._max_message_bytes} bytes"
                            )
                            return
        except (trio.BrokenResourceError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
        finally:
            self.over.set()

    async def _take(
        self,
        line: bytes,
        came: MemoryObjectSendStream[SessionMessage | Exception],
        outbox: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        if not line.strip():
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            if self._noise is None:
                self._noise = line[:_NOISE_CHARS].decode("utf-8", "replace")
                _log.warning(
                    "%s writes to stdout what is no message: %r", self._program.name, self._noise
                )
            # Nothing else here waits when there is nothing but noise.
            await trio.lowlevel.checkpoint()
            return
        if dealt_with(message, outbox):
            await trio.lowlevel.checkpoint()
        else:
            await came.send(SessionMessage(message))

    async def _write(
        self,
        stdin: trio.abc.SendStream,
        to_send: MemoryObjectReceiveStream[SessionMessage],
        came: MemoryObjectSendStream[SessionMessage | Exception],
        written: trio.Event,
    ) -> None:
        try:
            async with stdin:
                with to_send:
                    async for each in to_send:
                        text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                        await stdin.send_all(text.encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            came.close()  # whoever waits for an answer learns that there will be none
            self.over.set()
        finally:
            written.set()

    async def _end(self, process: trio.Process) -> None:
        """With its children, and within a bound."""
        assert process.stdin is not None
        assert self._err is not None
        await process.stdin.aclose()
        group = ProcessGroup(process)
        try:
            with trio.move_on_after(_EXIT_TIMEOUT):
                await group.wait_first()
            deadline = trio.current_time() + 2 * _GRACE
            with trio.move_on_after(2 * _GRACE + _KILL_TIMEOUT) as scope:
                await group.end(_GRACE, lambda: deadline)
            if scope.cancelled_caught:
                _log.error("%s: process group %d lives on", self._program.name, group.id)
            with trio.move_on_after(_LAST_WORDS):
                await self._err.over.wait()
        finally:
            group.kill()
            self._status = process.returncode

    def how_it_ended(self) -> str:
        """What became of it, for people."""
        if self._fault is not None:
            return f"it {self._fault}, and was ended"
        status = self._status
        if status is None:
            how = "it ended"
        else:
            how = f"signal {-status} ended it" if status < 0 else f"it ended with status {status}"
        lines = self._err.text.strip().splitlines() if self._err is not None else []
        said = "\n".join(lines[-_ERROR_LINES:])
        return f"{how}{self.noise()}{f': {said}' if said else ''}"

    def noise(self) -> str:
        """What it wrote in place of messages, for people; empty when nothing."""
        return "" if self._noise is None else f", and wrote what is no message: {self._noise!r}"
