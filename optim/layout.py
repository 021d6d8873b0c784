"""How the parameters of a group lie in memory: those of one dtype, device and set of penalties in one flat array.

One idea: what moves in the same way lies together, and a layout holds until somebody replaces an array or a penalty,
which is found by identity at each step. An array that somebody else holds too, as a `state_dict()` or `detach()` does,
stays where it is and is a flat array by itself: whoever holds it sees every step.
Read `flat.py` next, the flat array itself; `optimizer.py` asks for layouts.
"""

from __future__ import annotations

from collections import Counter
from operator import attrgetter, is_
from sys import getrefcount
from typing import Any

from autograd.tensor import Tensor

from .flat import Flat
from .penalty import Penalty

__all__ = ["Layout"]

_DATA = attrgetter("data")

_lone = Tensor([0.0])
_ALONE = getrefcount(_lone.data)  # of an array that one Tensor, or one view, holds and nobody else


class Layout:
    """The flat arrays of one group: one for each dtype, device and set of penalties."""

    def __init__(self, group: dict[str, Any], entries: list[dict[str, Any]], starts: dict[str, float]) -> None:
        self.penalties = _with_roles(group)
        kinds: dict[Any, tuple[list[Tensor], list[dict[str, Any]]]] = {}
        shared = _shared(group["params"])
        for i, (parameter, entry) in enumerate(zip(group["params"], entries, strict=False)):
            _check_shape(parameter, entry)
            penalties = tuple(penalty for penalty in group["penalties"] if penalty.applies_to(parameter))
            kind = (parameter.dtype, parameter.device, i if i in shared else None, penalties)
            members = kinds.setdefault(kind, ([], []))
            members[0].append(parameter)
            members[1].append(entry)
        self.flats = [(Flat(*members, starts, kind[2] is not None), kind[-1]) for kind, members in kinds.items()]
        self.views = [parameter.data for parameter in group["params"]]

    def is_current(self, group: dict[str, Any]) -> bool:
        """Whether the same parameters still hold the views they were given, and the penalties are as they were."""
        parameters = group["params"]
        same = len(parameters) == len(self.views) and all(map(is_, map(_DATA, parameters), self.views))
        return same and _with_roles(group) == self.penalties


def _shared(parameters: list[Tensor]) -> set[int]:
    """The places of those whose memory somebody else holds too, so that it must be written to where it is."""
    views = Counter(id(parameter.data.base) for parameter in parameters)  # of one array there may be several

    def is_held(parameter: Tensor) -> bool:
        if getrefcount(parameter.data) > _ALONE:
            return True
        base = id(parameter.data.base)
        return parameter.data.base is not None and getrefcount(parameter.data.base) > _ALONE + views[base] - 1

    def is_fit(flags: Any) -> bool:
        return bool(flags.c_contiguous and getattr(flags, "writeable", True))

    return {i for i, p in enumerate(parameters) if is_held(p) and is_fit(p.data.flags)}


def _with_roles(group: dict[str, Any]) -> list[tuple[Penalty, tuple[str, ...]]]:
    return [(penalty, penalty.roles) for penalty in group["penalties"]]


def _check_shape(parameter: Tensor, entry: dict[str, Any]) -> None:
    for name, value in entry.items():
        if name != "step" and value.shape != parameter.shape:
            raise ValueError(
                f"a parameter has shape {parameter.shape} now, but its state {name!r} has shape {value.shape}: "
                "after a change of shape make a new optimizer."
            )
