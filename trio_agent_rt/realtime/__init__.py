"""The runtime: sessions, task lifetimes, and the seam that a transport implements."""

from .connection import ANONYMOUS, Connection, Framing, Principal
from .follower import Follower
from .limits import Limits, RateLimit
from .server import RealtimeAgent
from .session import BusyPolicy, Session
from .supervisor import Phase, ungrouped
from .task import Agent, EndedTask, RunningTask

__all__ = [
    "ANONYMOUS",
    "Agent",
    "BusyPolicy",
    "Connection",
    "EndedTask",
    "Follower",
    "Framing",
    "Limits",
    "Phase",
    "Principal",
    "RateLimit",
    "RealtimeAgent",
    "RunningTask",
    "Session",
    "ungrouped",
]
