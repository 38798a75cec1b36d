"""The demo: a server and a client, an agent at work on a table, a question, a cancel."""

from .command import add_demo

__all__ = ["add_demo"]
