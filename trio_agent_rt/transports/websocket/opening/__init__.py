"""How a peer comes in: what it asks for, and whether it may."""

from __future__ import annotations

from .entrance import SHUTTING_DOWN, Entrance
from .handshake import MAX_HEAD_BYTES, Handshake

__all__ = ["MAX_HEAD_BYTES", "SHUTTING_DOWN", "Entrance", "Handshake"]
