"""How tools stop: what stands behind `async`, `subprocess`, `thread` and `abandon`."""

from .foreign import run_asyncio
from .processes import Command, ProcessResult, run_process
from .sessions import kill_programs
from .threads import check_cancelled, run_abandoned, run_in_thread

__all__ = [
    "Command",
    "ProcessResult",
    "check_cancelled",
    "kill_programs",
    "run_abandoned",
    "run_asyncio",
    "run_in_thread",
    "run_process",
]
