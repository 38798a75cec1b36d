"""The model that says what it was told to."""

from __future__ import annotations

import json

import pytest

from trio_agent_rt.agent import ChatMessage, LLMRequest, LLMResponse
from trio_agent_rt.errors import LLMError
from trio_agent_rt.testing import ScriptedLLM


async def test_a_script_that_is_over_says_so() -> None:
    llm = ScriptedLLM("one", {"two": 2}, name="oracle")
    request = LLMRequest(messages=[ChatMessage(role="user", content="?")])
    assert await llm.complete(request) == LLMResponse(text="one")
    assert json.loads((await llm.complete(request)).text) == {"two": 2}
    with pytest.raises(LLMError, match="oracle has no answer left"):
        await llm.complete(request)
    assert llm.requests == [request] * 3
