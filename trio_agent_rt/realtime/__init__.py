"""The runtime: sessions, task lifetimes, and the seam that a transport implements."""

from .connection import Connection, Framing
from .follower import Follower
from .limits import Limits, RateLimit
from .principal import ANONYMOUS, Principal
from .server import Phase, RealtimeAgent
from .session import BusyPolicy, Session
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
]
