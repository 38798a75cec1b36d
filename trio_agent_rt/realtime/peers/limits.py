"""How much of everything a server lets its peers have, and how long it waits for them."""

from __future__ import annotations

import math
from typing import Any

from attrs import Attribute, field, frozen

__all__ = ["Limits", "RateLimit"]


def _positive(_: object, attribute: Attribute[Any], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} must be more than 0, not {value!r}")


@frozen(kw_only=True)
class Limits:
    """Bounds for what peers can make a server hold, and for how long it waits for them.

    Args:
        max_connections: open at the same time; more are closed with 1013, or answered
            with 429. Each is an open file; handshakes and requests that are being answered
            come on top, at most twice as many. Linux lets a process have 1024 open by
            default (`ulimit -n`): a server that is to be full needs more.
        max_connections_per_principal: of these, for one principal; `ANONYMOUS`, who is
            nobody in particular, has only the limit above. The default leaves room for
            ten principals at their limit, and is far beyond the tabs of one person.
        max_sessions: alive at the same time. Beyond it, the oldest one that lingers
            without a task gives way; if there is none, new connections are refused. The
            default is ten for each connection, at a few kB each.
        max_tasks_per_session: not ended at the same time, those that are queued included.
            The default is far beyond what a panel shows.
        max_message_bytes: of one message of a client, or of one request body. The default
            is that of trio-websocket and of `websockets`: 1 MiB.
        max_commands_per_minute: that a client may send on average; more closes its
            WebSocket with 1008, or is answered with 429. The default is ten times what a
            person can click. 16 kB of a message, or ten events of a state that is asked for,
            count as a command.
        command_burst: that it may send at once, after a silence; the default is what a
            client sends again after a reconnect, with room to spare.
        log_bytes: of JSON in the log of one session, beside its events (`buffer_size` of
            `RealtimeAgent`, 100 by default), and held back by one connection. The default
            holds 100 events of 80 kB.
        handshake_timeout: seconds for a peer to get through TLS and the handshake, or the
            headers of an HTTP request. The default is that of `websockets`.
        body_timeout: seconds for the whole body of an HTTP request; the default fits the
            biggest one at 35 kB/s.
        ticket_lifetime: seconds between asking for a ticket and using it; the default is
            enough for a slow page load.
        keep_alive_timeout: seconds for the next HTTP request on the same connection. The
            default is what nginx gives its clients, and more than it gives itself as a
            client of ours (60 s), so that it is not us who close what it is about to use.
        write_timeout: seconds for a peer to take what is written to it, at most 256 KiB
            at a time; the default fits a line of 26 kB/s.
        close_timeout: seconds for a peer to answer a close; what a shutdown has left for
            it. In a shutdown it is never more than 0.8 s.
        heartbeat_interval: seconds between two pings; what the wire contract says of SSE, and below
            the 30–60 s at which proxies drop an idle connection.
        heartbeat_timeout: seconds for the answer to a ping; with the interval above, a
            lost peer is noticed within half a minute.
    """

    max_connections: int = field(default=1000, validator=_positive)
    max_connections_per_principal: int = field(default=100, validator=_positive)
    max_sessions: int = field(default=10_000, validator=_positive)
    max_tasks_per_session: int = field(default=100, validator=_positive)
    max_message_bytes: int = field(default=1024 * 1024, validator=_positive)
    max_commands_per_minute: float = field(default=3000.0, validator=_positive)
    command_burst: int = field(default=200, validator=_positive)
    log_bytes: int = field(default=8 * 1024 * 1024, validator=_positive)
    handshake_timeout: float = field(default=10.0, validator=_positive)
    body_timeout: float = field(default=30.0, validator=_positive)
    keep_alive_timeout: float = field(default=75.0, validator=_positive)
    ticket_lifetime: float = field(default=30.0, validator=_positive)
    write_timeout: float = field(default=10.0, validator=_positive)
    close_timeout: float = field(default=1.0, validator=_positive)
    heartbeat_interval: float = field(default=15.0, validator=_positive)
    heartbeat_timeout: float = field(default=15.0, validator=_positive)


class RateLimit:
    """A token bucket: so many a second on average, a burst of so many at once.

    Args:
        rate: tokens that come in per second.
        burst: tokens that it holds at most; it starts full.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = -math.inf

    def allow(self, now: float, cost: float = 1.0) -> bool:
        """Whether something of `cost` tokens may pass at `now`, in seconds of a steady clock.

        What costs more than the bucket holds passes when it is full.
        """
        gained = 0.0 if self._at == -math.inf else (now - self._at) * self._rate
        self._tokens = min(float(self._burst), self._tokens + gained)
        self._at = now
        cost = min(cost, float(self._burst))
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
