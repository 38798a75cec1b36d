"""What helps to test an agent, a server or a client built on this library.

`assert_cancel_safe` cancels a scenario at every moment, `assert_no_leaks` finds what is left
behind, `MemoryNetwork` joins servers and clients without a socket and breaks their
connections where you say, `CuttingProxy` does so over TCP, and `ScriptedLLM` and
`FakeAgent` do what they were told to.
"""

from .cutting_proxy import Cut, CuttingProxy, random_cuts
from .deterministic import TrioHasChanged, run_deterministic
from .fake_agent import Act, Asks, Fails, FakeAgent, Works
from .leaks import LeakFound, assert_no_leaks
from .memory import (
    Fault,
    FaultKind,
    MemoryLine,
    MemoryListener,
    MemoryNetwork,
    MemoryStream,
    memory_stream_pair,
)
from .scripted_llm import ScriptedAnswer, ScriptedLLM
from .sweep import Moment, NotCancelSafe, Sweep, SweepResult, Variant, assert_cancel_safe

__all__ = [
    "Act",
    "Asks",
    "Cut",
    "CuttingProxy",
    "Fails",
    "FakeAgent",
    "Fault",
    "FaultKind",
    "LeakFound",
    "MemoryLine",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryStream",
    "Moment",
    "NotCancelSafe",
    "ScriptedAnswer",
    "ScriptedLLM",
    "Sweep",
    "SweepResult",
    "TrioHasChanged",
    "Variant",
    "Works",
    "assert_cancel_safe",
    "assert_no_leaks",
    "memory_stream_pair",
    "random_cuts",
    "run_deterministic",
]
