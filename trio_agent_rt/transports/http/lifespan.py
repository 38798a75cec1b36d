"""The startup and shutdown of an ASGI application around its serving.

The application's part runs shielded: what it was given at its startup is there until the
last connection is closed, also when whoever serves it is cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import trio

from ...groups import Ungrouping

__all__ = ["ASGIApp", "Lifespan", "Message", "Receive", "Scope", "Send"]

_log = logging.getLogger(__name__)

Message: TypeAlias = MutableMapping[str, Any]
"""What an application and its server tell each other, as ASGI has it."""
Scope: TypeAlias = MutableMapping[str, Any]
"""What an application is called for: one request, or the lifespan."""
Receive: TypeAlias = Callable[[], Awaitable[Message]]
"""Gives an application what it is told next."""
Send: TypeAlias = Callable[[Message], Awaitable[None]]
"""Takes what an application says."""
# Each framework and server has classes of its own for the three.
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[object]]
"""An ASGI 3 application, such as a `quart_trio.QuartTrio`."""

# What a task's cleanup may take by default (`cleanup_timeout` of `RealtimeAgent`). It comes
# on top of the bound of a shutdown, which is that of the agent and its connections.
_SHUTDOWN_TIMEOUT = 5.0


class Lifespan:
    """Tells an application when it is served, as ASGI's lifespan protocol has it."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        """What the application has put there at its startup; each request sees a copy."""
        self._app = app
        self._scope = trio.CancelScope(shield=True)
        self._asked = 0
        self._shutting_down = trio.Event()
        self._started = trio.Event()
        self._stopped = trio.Event()
        self._unsupported = False

    async def around(self, serve: Callable[[], Awaitable[None]]) -> None:
        """`serve`, after the startup and before the shutdown of the application.

        Raises:
            RuntimeError: when the application says that it could not start; `serve` is
                not called then.
            Exception: what the application raises outside of requests.
        """
        with Ungrouping():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._attend)
                try:
                    await self._started.wait()
                    await serve()
                finally:
                    with trio.CancelScope(shield=True):
                        await self._shut_down()

    async def _shut_down(self) -> None:
        if self._started.is_set() and not self._stopped.is_set():
            self._shutting_down.set()
            with trio.move_on_after(_SHUTDOWN_TIMEOUT):
                await self._stopped.wait()
            if not self._stopped.is_set():
                _log.warning("the app's shutdown was cut after %g s", _SHUTDOWN_TIMEOUT)
        self._scope.cancel()

    async def _attend(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"spec_version": "2.0", "version": "3.0"},
            "state": self.state,
        }
        with self._scope:
            try:
                await self._app(scope, self._receive, self._send)
            except Exception:
                if self._asked:
                    raise
                # As ASGI has it: an application may know nothing of this.
                _log.debug("the app has no lifespan")
            finally:
                self._stopped.set()
        self._started.set()

    async def _receive(self) -> Message:
        self._asked += 1
        if self._asked == 1:
            await trio.lowlevel.checkpoint()
            return {"type": "lifespan.startup"}
        if self._asked == 2:
            await self._shutting_down.wait()
            return {"type": "lifespan.shutdown"}
        await trio.sleep_forever()
        raise AssertionError("sleep_forever returns never")

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._started.set()
            case "lifespan.startup.failed":
                reason = message.get("message") or "it gave no reason"
                raise RuntimeError(f"the app could not start: {reason}")
            case "lifespan.shutdown.complete":
                self._stopped.set()
            case "lifespan.shutdown.failed":
                _log.error("the app could not shut down well: %s", message.get("message"))
                self._stopped.set()
            case other:
                raise ValueError(f"an app sends no {other!r} in its lifespan")
        await trio.lowlevel.checkpoint()
