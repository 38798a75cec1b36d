"""Tools written as classes, for those that have something to keep: a base for each kind.

```python
class Resize(SubprocessTool):
    \"\"\"Make a picture smaller.\"\"\"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, call: ToolCall, path: str, width: int) -> Command:
        return Command(["convert", path, "-resize", str(width), "small.png"], cwd=self.folder)


agent = create_agent(llm=llm, tools=[Resize(folder).tool])
```

The base says how the tool stops; the class adds nothing to what `@tool` does.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar

from ...protocol import CancellationKind
from ..tool import Tool, tool

__all__ = ["AbandonTool", "AsyncTool", "SubprocessTool", "ThreadTool"]

_BEFORE_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class _ToolClass:
    """What the bases share. `run` takes the call, then the tool's arguments."""

    name: ClassVar[str | None] = None
    """What plans call it, or None for the name of the class, as `file_search` of `FileSearch`."""
    category: ClassVar[str] = "general"
    needs_confirmation: ClassVar[bool] = False
    retryable: ClassVar[bool] = False
    _kind: ClassVar[CancellationKind]

    @property
    def tool(self) -> Tool:
        """It as a `Tool`, for an agent.

        Raises:
            TypeError: when `run` cannot be a tool's function; see the decorator `tool`.
        """
        run: Any = getattr(self, "run", None)
        if run is None:
            raise TypeError(f"{type(self).__name__} has no method `run`")
        return tool(
            name=self.name or _BEFORE_CAPITAL.sub("_", type(self).__name__).lower(),
            description=inspect.getdoc(run) or type(self).__doc__,
            category=self.category,
            cancellation=self._kind,
            needs_confirmation=self.needs_confirmation,
            retryable=self.retryable,
        )(run)


class AsyncTool(_ToolClass):
    """A tool whose `async def run(self, call, …)` ends at its next checkpoint."""

    _kind = "async"


class SubprocessTool(_ToolClass):
    """A tool whose `run(self, call, …)` gives the `Command` of a program to run.

    It may be async instead, and use `run_process` as often as it wants.
    """

    _kind = "subprocess"


class ThreadTool(_ToolClass):
    """A tool whose plain `run(self, call, …)` runs in a thread, and polls `check_cancelled`."""

    _kind = "thread"


class AbandonTool(_ToolClass):
    """A tool whose plain `run(self, call, …)` runs in a thread that a cancel leaves behind."""

    _kind = "abandon"
