"""Steps: the arguments of several calls, one slice for each, and their results, side by side.

One idea: several calls are told as one by one more axis in front. How a GPU does them as one is in
`cuda/steps.py`. Read `options.py` next.
"""

from __future__ import annotations

from typing import Any

from ..backend import is_array, module_of
from ..ops.join import stack
from ..tensor import Tensor, bare
from ..tree import Structure, flatten, paths, unflatten

__all__ = ["arrays_of", "count_of", "side_by_side", "slice_of"]


def count_of(leaves: list[Any], structure: Structure) -> int:
    """How many steps the leaves of (args, kwargs) are for. Raises ValueError where they do not say, or disagree."""
    where = [f"{'args' if path.startswith('[0]') else 'kwargs'}{path[3:]}" for path in paths(structure)]
    cut = {name: leaf.shape for name, leaf in zip(where, leaves, strict=True) if _is_cut(leaf)}
    if not cut:
        raise ValueError(
            "steps() makes one step for each slice of its arguments, but there is no array among them: give the "
            "batches of all steps, stacked along a first axis."
        )
    for name, shape in cut.items():
        if not shape:
            raise ValueError(f"steps() cuts its arguments along their first axis, but {name} has none: stack it first.")
    counts = {name: shape[0] for name, shape in cut.items()}
    if len(set(counts.values())) > 1:
        given = ", ".join(f"{count} ({name})" for name, count in counts.items())
        raise ValueError(f"steps() takes as many slices of each argument, one for each step, but got {given}.")
    count: int = next(iter(counts.values()))
    if not count:
        raise ValueError(f"steps() got no slice: the first axis of {next(iter(counts))} has length 0.")
    return count


def slice_of(leaves: list[Any], step: int) -> list[Any]:
    """The leaves of one step's arguments: of an array its slice, anything else as it is."""
    return [leaf[step, ...] if _is_cut(leaf) else leaf for leaf in leaves]


def arrays_of(leaves: list[Any]) -> list[Any]:
    """The arrays among them, as a whole."""
    return [bare(leaf) for leaf in leaves if _is_cut(leaf)]


def _is_cut(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) or is_array(leaf)


def side_by_side(results: list[Any]) -> Any:
    """The results of all steps as one tree: arrays stacked along a new first axis, anything else as a list.

    Raises ValueError where they differ in more than values.
    """
    pairs = [flatten(result) for result in results]
    first = _described(*pairs[0])
    for step, pair in enumerate(pairs):
        if _described(*pair) != first:
            raise ValueError(
                f"steps() stacks what its steps give, but step {step} gave {_described(*pair)} where step 0 gave "
                f"{first}. All {len(results)} steps are done; to keep such results, call the function step by step."
            )
    structure = pairs[0][1]
    return unflatten(structure, map(_joined, zip(*(leaves for leaves, _ in pairs), strict=True)))


def _described(leaves: list[Any], structure: Structure) -> str:
    """A result but for its values."""
    kinds = [f"{leaf.dtype}{list(leaf.shape)}" if _is_cut(leaf) else "no array" for leaf in leaves]
    return ", ".join(f"result{path}: {kind}" for path, kind in zip(paths(structure), kinds, strict=True)) or "nothing"


def _joined(leaves: tuple[Any, ...]) -> Any:
    if isinstance(leaves[0], Tensor):
        return stack(leaves)
    return module_of(leaves[0]).stack(leaves) if is_array(leaves[0]) else list(leaves)
