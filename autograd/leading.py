"""Leading: which nodes of a graph lead to what, asked before a walk or without one.

One idea: a node is younger than its parents, so what is older than all that is wanted leads to none of it, and a search
ends there. Read `engine.py` first, whose walk asks, and `functional.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from .tensor import Edge, Node, Tensor

__all__ = ["depends_on_more", "leading_to", "oldest_first"]


def oldest_first(roots: Iterable[Edge], since: int) -> list[Node]:
    """Every node, born at `since` or later, from which a root was made, oldest first."""
    seen = {edge for edge in roots if isinstance(edge, Node)}
    waiting = list(seen)
    while waiting:
        for parent in waiting.pop().parents:
            if isinstance(parent, Node) and parent.serial >= since and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return sorted(seen, key=attrgetter("serial"))


def leading_to(wanted: set[Edge], roots: Iterable[Edge]) -> tuple[set[Edge], set[Node]]:
    """The edges through which a gradient reaches one of `wanted` (with those), and the nodes that pass it on."""
    goes = set(wanted)
    leading = set()
    # Leaves have no age, nodes have; what is older than all of `wanted` leads to none of them.
    since = min((edge.serial if isinstance(edge, Node) else 0 for edge in wanted), default=0)
    for node in oldest_first(roots, since):
        if any(parent in goes for parent in node.parents if parent is not None):
            leading.add(node)
            goes.add(node)
    return goes, leading


def depends_on_more(output: Tensor, inputs: Sequence[Tensor]) -> bool:
    """Whether a gradient of `output` can go anywhere but to `inputs`: to another leaf, or beyond one of them.

    `inputs` are results, not leaves.
    """
    if output.node is None:
        return output.requires_grad
    wanted = {x.node for x in inputs if x.node is not None}
    since = min((node.serial for node in wanted), default=0)
    seen = {output.node}
    waiting = [output.node]
    while waiting:
        node = waiting.pop()
        if node.serial < since:
            return True
        for parent in node.parents:
            if isinstance(parent, Tensor):
                return True
            if parent is not None and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return False
