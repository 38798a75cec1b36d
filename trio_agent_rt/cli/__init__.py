"""The command line: `trio-agent-rt`, and `python -m trio_agent_rt`."""

from .program import main

__all__ = ["main"]
