"""The runtime: sessions, task lifetimes, and the seam that a transport implements."""

from .access import ANONYMOUS, Action, Authorize, Principal, SessionInfo, Tickets
from .follower import Follower
from .peers import (
    COMMAND_BYTES,
    Connection,
    Framing,
    Inquiry,
    Limits,
    Outlet,
    RateLimit,
    Wrap,
    WriteSome,
    Writing,
)
from .server import RealtimeAgent
from .session import BusyPolicy, Session
from .supervisor import Phase
from .task import Agent, EndedTask, RunningTask

__all__ = [
    "ANONYMOUS",
    "COMMAND_BYTES",
    "Action",
    "Agent",
    "Authorize",
    "BusyPolicy",
    "Connection",
    "EndedTask",
    "Follower",
    "Framing",
    "Inquiry",
    "Limits",
    "Outlet",
    "Phase",
    "Principal",
    "RateLimit",
    "RealtimeAgent",
    "RunningTask",
    "Session",
    "SessionInfo",
    "Tickets",
    "Wrap",
    "WriteSome",
    "Writing",
]
