"""Which values can be named at one place of a plan, while it runs.

```
 the plan            outputs of its steps, context
  └─ a composite     outputs of the steps inside it so far
      └─ an iteration    the same, anew each time, with item and index
```

A name is looked for from the inside out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from attrs import define, field

from ....errors import ToolError
from .references import Reference, descend, named

__all__ = ["RESERVED", "Scope"]

RESERVED = frozenset({"item", "index", "context"})
"""Names with a meaning of their own, which no step may have."""

_NONE = object()


@define(kw_only=True)
class Scope:
    """The values of one list of steps, and of what is around it.

    Args:
        outputs: what each of its steps that ended well came to, by its id in the plan.
        errors: why each other one did not.
        parent: the scope around it.
        context: what the client sent along; of the outermost scope.
        suffix: what the ids of its steps end in for viewers: `.3` in a third iteration.
        item: what the loop around it has come to.
        index: which iteration of the loop around it this is, from 0.
        not_yet: ids of steps that have no output yet, and may be looked at nevertheless:
            of them, everything is null.
    """

    outputs: dict[str, object] = field(factory=dict[str, object])
    errors: dict[str, str] = field(factory=dict[str, str])
    parent: Scope | None = None
    context: Mapping[str, Any] = field(factory=dict[str, Any])
    suffix: str = ""
    item: object = _NONE
    index: int | None = None
    not_yet: Set[str] = frozenset()

    def inside(self) -> Scope:
        """The scope of steps inside one of its steps."""
        return Scope(parent=self, suffix=self.suffix)

    def iteration(self, index: int, *items: object) -> Scope:
        """The scope of one iteration of a loop that is one of its steps.

        Args:
            items: what it is about, if the loop goes over a list.
        """
        item = items[0] if items else _NONE
        return Scope(parent=self, suffix=f"{self.suffix}.{index + 1}", item=item, index=index)

    def value(self, reference: Reference) -> object:
        """What a reference leads to.

        Raises:
            ToolError: when it leads nowhere; the text says where it ends.
        """
        path, where = reference.path, reference.root
        found = self._reserved(reference) if where in RESERVED else self._output(reference)
        if found is _NONE:
            return None
        if where not in RESERVED:
            path, where = path[1:], f"{where}.output"
        for part in path:
            found = descend(found, part, f"{reference.text}: {where}")
            where += f"[{part}]" if isinstance(part, int) else f".{part}"
        return found

    def _reserved(self, reference: Reference) -> object:
        scopes = list(self._outwards())
        match reference.root:
            case "item":
                values = [each.item for each in scopes if each.item is not _NONE]
            case "index":
                values = [each.index for each in scopes if each.index is not None]
            case _:
                values = [scopes[-1].context]
        if not values:
            raise ToolError(f"{reference.text}: there is no {reference.root!r} outside of a loop")
        return values[0]

    def _output(self, reference: Reference) -> object:
        root = reference.root
        for scope in self._outwards():
            if root in scope.outputs or root in scope.not_yet:
                if reference.path[:1] != ("output",):
                    raise ToolError(f"{reference.text}: write {root}.output for what it came to")
                return scope.outputs.get(root, _NONE)
        known = {name for scope in self._outwards() for name in scope.outputs}
        raise ToolError(
            f"{reference.text}: no output is called {root!r}; there are: {named(iter(known))}"
        )

    def _outwards(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent
