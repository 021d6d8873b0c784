"""Trees: nested lists, tuples and dictionaries of values, taken apart into a list and put together again.

One idea: a tree is its leaves, in order, and a structure that remembers where they sat; whoever computes with leaves
need not know about containers. Tuples keep their type (named tuples too), dictionaries their order of insertion (an
OrderedDict stays one); None is a container without leaves, and a dataclass is one if its class was given to
`register`; everything else is a leaf. Read `functional.py` next.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["Structure", "flatten", "flatten_like", "map_tree", "paths", "register", "to_register", "unflatten"]

Kind = TypeVar("Kind", bound=type)


@dataclass(frozen=True)
class Structure:
    """A tree without its leaves: the container's type (None for a leaf), its keys, and the structure of each part."""

    kind: type | None
    keys: tuple[Any, ...] = ()
    parts: tuple[Structure, ...] = ()


_LEAF = Structure(None)
_registered: dict[type, tuple[str, ...]] = {}  # the names of a class's fields


def register(kind: Kind) -> Kind:
    """Make containers of the objects of a dataclass, or of a class of attrs: every field is a part. A decorator.

    They are put together again without `__init__`, with the fields alone. Raises TypeError for another class.
    """
    if isinstance(kind, type) and issubclass(kind, (dict, list, tuple)):
        base = next(base for base in (dict, list, tuple) if issubclass(kind, base))
        raise TypeError(f"register got {kind.__name__}, which is a {base.__name__}, a container as it is.")
    if isinstance(kind, type) and is_dataclass(kind):
        names = [field.name for field in fields(kind)]
    elif isinstance(kind, type) and hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
    else:
        got = repr(kind) if isinstance(kind, type) else f"a {type(kind).__name__}"
        raise TypeError(f"register takes a dataclass, whose fields are the parts of a tree, got {got}.")
    _registered[kind] = tuple(names)
    return kind


def to_register(thing: Any) -> str:
    """What to add to the error of a thing that is no container: how it becomes one, if it can."""
    kind = type(thing)
    can = is_dataclass(kind) or hasattr(kind, "__attrs_attrs__")
    return f", or put @autograd.tree.register above class {kind.__name__}" if can else ""


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of a tree from first to last, and the structure that `unflatten` needs to put them back."""
    leaves: list[Any] = []
    return leaves, _take_apart(tree, leaves)


def _take_apart(tree: Any, leaves: list[Any]) -> Structure:
    found = _keys(tree)
    if found is None:
        leaves.append(tree)
        return _LEAF
    return Structure(type(tree), found, tuple(_take_apart(_part(tree, key), leaves) for key in found))


def _keys(tree: Any) -> tuple[Any, ...] | None:
    """The keys of a container's parts; None for a leaf."""
    if isinstance(tree, dict):
        return tuple(tree)
    if isinstance(tree, (list, tuple)):
        return tuple(range(len(tree)))
    return () if tree is None else _registered.get(type(tree))


def _part(tree: Any, key: Any) -> Any:
    return getattr(tree, key) if type(tree) in _registered else tree[key]


def _place(kind: type, key: Any) -> str:
    """How one writes the place of a part after the name of its container."""
    return f".{key}" if kind in _registered else f"[{key!r}]"


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of this structure with these leaves, which must be as many as it has."""
    return _put_together(structure, iter(leaves))


def _put_together(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure.kind is None:
        return next(leaves)
    if structure.kind is type(None):
        return None
    parts = [_put_together(part, leaves) for part in structure.parts]
    if structure.kind in _registered:
        made: Any = object.__new__(structure.kind)
        for name, part in zip(structure.keys, parts, strict=True):
            object.__setattr__(made, name, part)  # of a frozen one too
        return made
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
    differs = found is None or set(found) != set(structure.keys)
    if differs or _sort(type(tree)) is not _sort(structure.kind):
        wanted = f"{structure.kind.__name__} with {len(structure.keys)} part(s)"
        if issubclass(structure.kind, dict):
            wanted = f"dict with the keys {', '.join(map(repr, structure.keys))}"
        raise ValueError(f"{place} is {_described(tree)}, where a {wanted} was expected.")
    for key, part in zip(structure.keys, structure.parts, strict=True):
        _take_apart_like(_part(tree, key), part, leaves, place + _place(structure.kind, key))


def _sort(kind: type) -> type | None:
    """What containers must have in common to be alike: lists and tuples are."""
    return kind if kind in _registered else dict if issubclass(kind, dict) else None


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
    return [_place(structure.kind, key) + path for key, part in below for path in paths(part)]


def map_tree(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree with `function` of each leaf in the leaf's place; of other trees, alike, the leaves at that place too.

    `map_tree(lambda p, g: p - 0.1 * g, parameters, gradients)` is a step of gradient descent. Raises ValueError for
    another tree that is not like the first, with the place where they differ.
    """
    leaves, structure = flatten(tree)
    beside = [flatten_like(other, structure, f"tree {i} of map_tree") for i, other in enumerate(others, 2)]
    return unflatten(structure, map(function, leaves, *beside))


if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from .hints import missing  # only a wrong name asks for this

        raise missing("autograd.tree", name)
