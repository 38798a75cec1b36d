"""Commands that ask a server one thing and print what it says: for scripts, and for people."""

from .listing import add_sessions, add_tools
from .steering import add_cancel, add_confirm

__all__ = ["add_cancel", "add_confirm", "add_sessions", "add_tools"]
