"""From a session to its viewers: everything once, in order, and with no wake-up for each."""

from __future__ import annotations

from .cohort import Cohort
from .flusher import Flusher
from .outbox import Batch, Outbox
from .viewers import Viewers

__all__ = ["Batch", "Cohort", "Flusher", "Outbox", "Viewers"]
