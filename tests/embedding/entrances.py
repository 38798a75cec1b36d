"""All of them; see `ways_in` for what an entrance is."""

from __future__ import annotations

from . import client_side, server_side
from .ways_in import ENTRANCES, Block, Enter, Entrance

__all__ = ["ENTRANCES", "Block", "Enter", "Entrance", "client_side", "server_side"]
