"""The seam to a transport: connections, what peers ask for, and how much they may."""

from .client import COMMAND_BYTES, Client
from .connection import Connection, Form, Framing, Wrap, WriteNow, Writing
from .inquiry import Inquiry
from .limits import Limits, RateLimit

__all__ = [
    "COMMAND_BYTES",
    "Client",
    "Connection",
    "Form",
    "Framing",
    "Inquiry",
    "Limits",
    "RateLimit",
    "Wrap",
    "WriteNow",
    "Writing",
]
