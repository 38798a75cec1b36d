"""The steps of a plan as a tree: each below the step around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from ...protocol import PlanStep
from .words import count, one_line, span

__all__ = ["Node", "came_to", "title", "tree_of"]

_MAX_DEPTH = 8
"""What is deeper stands here: the planning agent's plans have 5, and others may say anything."""


@frozen
class Node:
    """A step at its place."""

    step: PlanStep
    rails: tuple[bool, ...] = ()
    """For each level below the first, whether another step follows at that level."""
    iteration: str = ""
    """Of the loop right around it: which."""

    @property
    def depth(self) -> int:
        """How many steps are around it."""
        return len(self.rails)


def tree_of(steps: Iterable[PlanStep]) -> list[Node]:
    """The steps in the order in which they are drawn.

    A step whose parent is not in the plan, or stands behind it, is at the top.
    """
    known: dict[str, PlanStep] = {}
    inside: dict[str | None, list[PlanStep]] = {}
    for step in steps:
        parent_id = step.parent_id if step.parent_id in known else None
        inside.setdefault(parent_id, []).append(step)
        known[step.id] = step
    nodes: list[Node] = []
    # By hand, from the end: a plan of somebody else's may be as deep as it likes.
    waiting = [Node(each) for each in reversed(inside.get(None, ()))]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting += reversed(_children(node, inside))
    return nodes


def _children(node: Node, inside: Mapping[str | None, list[PlanStep]]) -> list[Node]:
    found = inside.get(node.step.id, ())
    in_loop = node.step.type == "loop"
    return [
        Node(
            each,
            (*node.rails, number < len(found)) if node.depth < _MAX_DEPTH else node.rails,
            each.id.rpartition(".")[2] if in_loop and "." in each.id else "",
        )
        for number, each in enumerate(found, 1)
    ]


def title(node: Node, limit: int = 200) -> str:
    """The name of a step, with the iteration that it is of."""
    number = f"{one_line(node.iteration, 12)}. " if node.iteration else ""
    return number + one_line(node.step.name, limit)


def came_to(step: PlanStep, limit: int = 2000) -> str:
    """What is said of a step behind its name; empty where its mark says all."""
    match step.status:
        case "success":
            retries = step.result.retries if step.result else 0
            again = f", {count(retries + 1, 'attempt')}" if retries else ""
            return "" if step.duration is None else f" ({span(step.duration / 1000)}{again})"
        case "skipped":
            output = step.result.output if step.result else None
            reason = f": {one_line(output, limit)}" if isinstance(output, str) and output else ""
            return f" (skipped{reason})"
        case "failed":
            return f": {one_line(step.error or 'failed', limit)}"
        case "cancelled":
            return ": cancelled"
        case _:
            return " (asks first)" if step.need_confirmation else ""
