"""What can go wrong with a connection, and where."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from attrs import field, frozen

from ..cutting_proxy import Direction

__all__ = ["Fault", "FaultKind"]

FaultKind: TypeAlias = Literal["cut", "reset", "stall", "drop", "half_open", "fail"]
"""What happens, from a point on:

- `cut`: both sides see the end (FIN), after what had come until then.
- `reset`: both sides find the connection broken (RST).
- `stall`: nothing arrives any more in that direction; the sender is held up once `capacity`
  bytes wait. The other direction goes on.
- `drop`: whatever is sent in that direction vanishes, and the sender is not held up.
- `half_open`: the receiver of that direction finds it broken; the sender is told nothing,
  nothing arrives at it, and what it sends vanishes.
- `fail`: the send that reaches the point raises `trio.BrokenResourceError`, with what came
  before the point already on its way, and the connection is reset.
"""


def _check_kind(fault: Fault, attribute: object, value: object) -> None:
    if value not in get_args(FaultKind):
        raise ValueError(f"kind must be one of {', '.join(get_args(FaultKind))}, not {value!r}")


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong, once, at one point of one direction of a connection.

    With none of the three places it happens before the first byte.

    Args:
        kind: what; see `FaultKind`.
        direction: whose bytes are counted, and, for what concerns one direction, which.
        after_bytes: so many bytes went through before.
        after_messages: so many messages did: the HTTP head of the answer or the request is
            the first, each frame of a WebSocket or each event of a stream is one.
        after_sends: so many writes did.
    """

    kind: FaultKind = field(validator=_check_kind)
    direction: Direction = "to_client"
    after_bytes: int | None = None
    after_messages: int | None = None
    after_sends: int | None = None

    def __attrs_post_init__(self) -> None:
        places = (self.after_bytes, self.after_messages, self.after_sends)
        given = [each for each in places if each is not None]
        if len(given) > 1:
            raise ValueError("give one of after_bytes, after_messages and after_sends")
        if any(each < 0 for each in given):
            raise ValueError("a fault cannot come before the first byte")
