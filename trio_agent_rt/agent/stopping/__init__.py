"""How tools stop: what stands behind `async`, `subprocess`, `thread` and `abandon`."""

from .processes import Command, ProcessResult, run_process
from .threads import check_cancelled, run_abandoned, run_in_thread

__all__ = [
    "Command",
    "ProcessResult",
    "check_cancelled",
    "run_abandoned",
    "run_in_thread",
    "run_process",
]
