"""Trees: nested lists, tuples and dictionaries of values, taken apart into a list and put together again.

One idea: a tree is its leaves, in order, and a structure that remembers where they sat; whoever computes with leaves
need not know about containers. Tuples keep their type (named tuples too), dictionaries their order of insertion (an
OrderedDict stays one); None is a container without leaves; everything else is a leaf. Read `functional.py` next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Structure", "flatten", "flatten_like", "map_tree", "paths", "unflatten"]


@dataclass(frozen=True)
class Structure:
    """A tree without its leaves: the container's type (None for a leaf), its keys, and the structure of each part."""

    kind: type | None
    keys: tuple[Any, ...] = ()
    parts: tuple[Structure, ...] = ()


_LEAF = Structure(None)


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree from first to last, and the structure that `unflatten` needs to put them back."""
    leaves: list[Any] = []
    return leaves, _take_apart(tree, leaves)


def _take_apart(tree: Any, leaves: list[Any]) -> Structure:
    found = _keys(tree)
    if found is None:
        leaves.append(tree)
        return _LEAF
    return Structure(type(tree), found, tuple(_take_apart(tree[key], leaves) for key in found))


def _keys(tree: Any) -> tuple[Any, ...] | None:
    """The keys of a container's parts; None for a leaf."""
    if isinstance(tree, dict):
        return tuple(tree)
    if isinstance(tree, (list, tuple)):
        return tuple(range(len(tree)))
    return () if tree is None else None


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with these leaves, which must be as many as it has."""
    return _put_together(structure, iter(leaves))


def _put_together(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure.kind is None:
        return next(leaves)
    if structure.kind is type(None):
        return None
    parts = [_put_together(part, leaves) for part in structure.parts]
    if issubclass(structure.kind, dict):
        kind = OrderedDict if issubclass(structure.kind, OrderedDict) else dict
        return kind(zip(structure.keys, parts, strict=True))
    if hasattr(structure.kind, "_fields"):  # a named tuple
        return structure.kind(*parts)
    return tuple(parts) if issubclass(structure.kind, tuple) else parts


def flatten_like(tree: Any, structure: Structure, what: str = "the tree") -> list[Any]:
    """The leaves of a tree that must have the given structure (dictionaries in any order).

    Raises ValueError that names `what` and the place where the two differ.
    """
    leaves: list[Any] = []
    _take_apart_like(tree, structure, leaves, what)
    return leaves


def _take_apart_like(tree: Any, structure: Structure, leaves: list[Any], place: str) -> None:
    found = _keys(tree)
    if structure.kind is None:
        if found is not None:
            raise ValueError(f"{place} is {_described(tree)}, where one array or number was expected.")
        leaves.append(tree)
        return
    if found is None or set(found) != set(structure.keys) or isinstance(tree, dict) != issubclass(structure.kind, dict):
        wanted = f"{structure.kind.__name__} with {len(structure.keys)} part(s)"
        if issubclass(structure.kind, dict):
            wanted = f"dict with the keys {', '.join(map(repr, structure.keys))}"
        raise ValueError(f"{place} is {_described(tree)}, where a {wanted} was expected.")
    for key, part in zip(structure.keys, structure.parts, strict=True):
        _take_apart_like(tree[key], part, leaves, f"{place}[{key!r}]")


def _described(tree: Any) -> str:
    if isinstance(tree, dict):
        return f"a dict with the keys {', '.join(map(repr, tree))}"
    if isinstance(tree, (list, tuple)):
        return f"a {type(tree).__name__} with {len(tree)} part(s)"
    return "None" if tree is None else f"a {type(tree).__name__}"


def paths(structure: Structure) -> list[str]:
    """Where each leaf sits, as one writes it after the tree's name: "[0]['weight']"; empty for a lone leaf."""
    if structure.kind is None:
        return [""]
    below = zip(structure.keys, structure.parts, strict=True)
    return [f"[{key!r}]{path}" for key, part in below for path in paths(part)]


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with `function` of each leaf in the leaf's place."""
    leaves, structure = flatten(tree)
    return unflatten(structure, map(function, leaves))
