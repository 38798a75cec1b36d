"""Tools of MCP servers (Model Context Protocol), for agents that use them like their own.

The SDK is the extra `trio_agent_rt[mcp]`; it is imported when a server is first opened.
"""

from .opening import open_mcp_tools

__all__ = ["open_mcp_tools"]
