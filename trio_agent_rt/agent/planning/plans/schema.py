"""The form of a plan: what its JSON is decoded as, and the schema that models are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = ["MAX_ITERATIONS", "PLAN_SCHEMA", "PlanJSON", "StepJSON"]

MAX_ITERATIONS = 1000
"""Of any loop, whatever its plan says: nobody follows more, and a model that loops over
more wants a tool that does it at once."""

_Name = Annotated[str, Meta(max_length=500)]
_Id = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$", description="unique in the whole plan"),
]


class StepJSON(msgspec.Struct, rename="camel", kw_only=True):
    """One step as a model writes it: which fields it has depends on its type."""

    id: _Id
    type: Literal["tool", "llm", "conditional", "loop", "parallel"] = "tool"
    name: _Name = ""
    description: _Name = ""
    depends_on: list[str] = []
    need_confirmation: bool = False
    timeout: Annotated[float, Meta(gt=0, le=86_400, description="seconds")] | None = None
    retryable: bool = False
    max_retries: Annotated[int, Meta(ge=0, le=10)] = 0
    tool: Annotated[str, Meta(description="tool: its name")] | None = None
    arguments: Annotated[dict[str, Any], Meta(description="tool: what it is given")] = {}
    prompt: Annotated[str, Meta(max_length=100_000, description="llm: what to ask")] | None = None
    schema: Annotated[dict[str, Any], Meta(description="llm: JSON Schema of the answer")] | None = (
        None
    )
    tools: Annotated[list[str], Meta(description="llm: tools that it may call")] | None = None
    max_tool_rounds: Annotated[int, Meta(ge=1, le=20)] | None = None
    condition: Annotated[str, Meta(description="conditional: which branch runs")] | None = None
    then: Annotated[list[StepJSON], Meta(description="conditional: if it is true")] | None = None
    otherwise: Annotated[list[StepJSON], Meta(description="conditional: if it is not")] | None = (
        msgspec.field(default=None, name="else")
    )
    over: Annotated[str, Meta(description="loop: a reference to a list")] | list[Any] | None = None
    while_: Annotated[str, Meta(description="loop: a condition")] | None = msgspec.field(
        default=None, name="while"
    )
    body: Annotated[list[StepJSON], Meta(description="loop: what is repeated")] | None = None
    max_iterations: Annotated[int, Meta(ge=1, le=MAX_ITERATIONS)] | None = None
    steps: Annotated[list[StepJSON], Meta(description="parallel: run at once")] | None = None


class PlanJSON(msgspec.Struct, kw_only=True):
    """A plan as a model writes it."""

    steps: list[StepJSON] = []
    error: Annotated[str, Meta(description="instead of steps: why there is no plan")] | None = None


def _schema() -> dict[str, Any]:
    _, components = msgspec.json.schema_components((PlanJSON,), ref_template="#/$defs/{name}")
    own = components.pop("PlanJSON")
    components["StepJSON"].pop("title", None)
    del own["description"]
    return {**own, "title": "Plan", "$defs": components}


PLAN_SCHEMA: Mapping[str, Any] = _schema()
"""The JSON Schema that a model's plan must follow. `error`, instead of steps, is how a
planner says that it cannot plan the task."""
