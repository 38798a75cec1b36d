"""What a transport lends to whoever has something for its peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from attrs import evolve, frozen

from ...events import Encoded

__all__ = ["Form", "Framing", "Outlet", "Wrap", "WriteSome", "Writing"]

Framing: TypeAlias = Callable[[Encoded], bytes]
"""What a message looks like on a transport: `Encoded.websocket` or `Encoded.sse`."""

Wrap: TypeAlias = Callable[[bytes], bytes]
"""What a transport puts around messages that are written together."""

Form: TypeAlias = tuple[Framing, Wrap | None]
"""All that makes bytes of messages; equal for all connections that are sent the same bytes."""

WriteSome: TypeAlias = Callable[[bytes], int]
"""Says how many of some bytes it has taken without waiting, from the first on; an OSError means
none."""


class Outlet(Protocol):
    """Where a transport can be written to without waiting."""

    def write_now(self, data: bytes) -> bool:
        """Take all of `data`, or nothing and say False."""
        ...

    def lend(self, on_recall: Callable[[], None]) -> WriteSome | None:
        """Lend what `write_now` writes with; None where it would say False.

        Until `on_recall` is called nobody else writes, and the borrower needs to ask nobody:
        that is what makes thousands of writes cheap. Each time not all was taken, the
        borrower says so by `note_taken`.
        """
        ...

    def note_taken(self, data: bytes, taken: int) -> bool:
        """Take the rest of `data`, or, of nothing taken, nothing and say False."""
        ...


@frozen
class Writing:
    """How what is for a peer is written, for a transport that does more than wait for it.

    A transport takes what is queued by `next_batch`, which waits, in a Trio task that does
    nothing else; or by `next_batch_nowait`, in one that is started by `wake` and ends when there
    is nothing more: for viewers who keep up there is none then.

    All of these are called in the middle of publishing: they must neither wait nor call the
    connection back. `wake` and `on_closing` must not raise; what the others raise closes this
    one connection with 1011.

    Args:
        framing: what each message looks like.
        outlet: for who waits in `next_batch`, or was given nothing by `next_batch_nowait` last;
            None if nothing can be written without waiting.
        wrap: put around what is given to `outlet`, or None for nothing.
        wake: called when something is queued after `next_batch_nowait` had nothing.
        on_closing: called when it is to be closed, with whether nothing waits to be written.
    """

    framing: Framing
    outlet: Outlet | None = None
    wrap: Wrap | None = None
    wake: Callable[[], None] = lambda: None
    on_closing: Callable[[bool], None] = lambda drained: None

    @classmethod
    def of(cls, framing: Framing | Writing, *, direct: bool) -> Writing:
        """What `framing` is or stands for; with nothing written at once unless `direct`."""
        writing = framing if isinstance(framing, Writing) else cls(framing)
        return writing if direct else evolve(writing, outlet=None)
