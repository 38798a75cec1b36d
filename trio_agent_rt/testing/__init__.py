"""What helps to test an agent, a server or a client built on this library."""

from .cutting_proxy import Cut, CuttingProxy, random_cuts
from .scripted_llm import ScriptedAnswer, ScriptedLLM

__all__ = ["Cut", "CuttingProxy", "ScriptedAnswer", "ScriptedLLM", "random_cuts"]
