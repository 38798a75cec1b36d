"""Connections in memory, and what can go wrong with them."""

from .faults import Fault, FaultKind
from .line import MemoryLine, MemoryStream, memory_stream_pair
from .network import MemoryListener, MemoryNetwork

__all__ = [
    "Fault",
    "FaultKind",
    "MemoryLine",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryStream",
    "memory_stream_pair",
]
