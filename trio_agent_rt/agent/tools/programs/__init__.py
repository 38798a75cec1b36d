"""Programs that an agent writes itself."""

from .code import CodeLimits, code_execute_tool

__all__ = ["CodeLimits", "code_execute_tool"]
