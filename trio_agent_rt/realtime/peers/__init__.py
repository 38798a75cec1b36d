"""The seam to a transport: connections, what peers ask for, and how much they may."""

from .client import COMMAND_BYTES, Client
from .connection import Connection
from .inquiry import Inquiry
from .limits import Limits, RateLimit
from .writing import Form, Framing, Outlet, Wrap, WriteSome, Writing

__all__ = [
    "COMMAND_BYTES",
    "Client",
    "Connection",
    "Form",
    "Framing",
    "Inquiry",
    "Limits",
    "Outlet",
    "RateLimit",
    "Wrap",
    "WriteSome",
    "Writing",
]
