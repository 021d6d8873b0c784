"""State dicts of optimizers: what is saved of groups and entries, and what of a state dict fits them.

One idea: a state dict is taken as a whole or not at all, so all of it is checked before any of it is used. The form is
PyTorch's. Read `pytorch.py` next, which knows what its optimizers write otherwise; `optimizer.py` saves and loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autograd.backend import Array, array_of, is_floating, module_of
from autograd.tensor import Tensor, bare

from .flat import state_dtype
from .numbers import is_number
from .pytorch import as_ours, state_as_ours

__all__ = ["Fitting", "fitting", "saved"]

Groups = list[dict[str, Any]]


def saved(groups: Groups, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The state dict of these groups, and of the entries of their parameters, in that order."""
    index = 0
    described = []
    for group in groups:
        size = len(group["params"])
        kept = {name: value for name, value in group.items() if name not in ("params", "penalties")}
        described.append({**kept, "params": list(range(index, index + size))})
        index += size
    state = {
        i: {name: value if name == "step" else value.copy() for name, value in entry.items()}
        for i, entry in enumerate(entries)
        if entry["step"]
    }
    return {"state": state, "param_groups": described}


class Fitting(NamedTuple):
    """What a state dict holds: the options of each group, and the entry of each parameter."""

    options: Groups
    entries: list[dict[str, Any]]


def fitting(name: str, groups: Groups, defaults: dict[str, Any], state_dict: Any) -> Fitting:
    """A state dict as these groups of the optimizer `name` take it. Raises ValueError where it does not fit."""
    if not (isinstance(state_dict, Mapping) and {"state", "param_groups"} <= state_dict.keys()):
        found = f"this one has {sorted(state_dict)}" if isinstance(state_dict, Mapping) else f"got {state_dict!r}"
        raise ValueError(
            f'an optimizer\'s state dict has "state" and "param_groups", {found}: give what its own state_dict() gave.'
        )
    given = state_dict["param_groups"]
    if not isinstance(given, (list, tuple)) or not all(isinstance(group, Mapping) for group in given):
        raise ValueError(f'"param_groups" must be a list of dictionaries, got {given!r}.')
    given = [as_ours(name, group) for group in given]
    _check_groups(name, groups, defaults, given)
    parameters = [p for group in groups for p in group["params"]]
    entries: list[dict[str, Any]] = [{"step": 0} for _ in parameters]
    for index, entry in state_as_ours(name, state_dict["state"]).items():
        i = int(index)
        if not 0 <= i < len(parameters):
            raise ValueError(f"the state dict has state for parameter {i}, but there are {len(parameters)} here.")
        entries[i] = _loaded(i, parameters[i], entry)
    return Fitting([_options(group, other) for group, other in zip(groups, given, strict=True)], entries)


def _check_groups(name: str, groups: Groups, defaults: dict[str, Any], given: Groups) -> None:
    if len(given) != len(groups):
        raise ValueError(
            f"the state dict has {len(given)} parameter groups, this {name} has {len(groups)}: "
            "give it the same groups as the one that was saved."
        )
    ours = defaults.keys() - {"penalties"}
    for i, (group, other) in enumerate(zip(groups, given, strict=True)):
        # Names, and what a schedule keeps in the groups, are there besides the options.
        extra = {k for k in other.keys() - ours if k.startswith("initial_")} | {"params", "param_names", "name"}
        theirs = other.keys() - extra
        if theirs != ours:
            raise ValueError(
                f"group {i} of the state dict has the options {', '.join(sorted(theirs))}; {name} has "
                f"{', '.join(sorted(ours))}: it was saved by another kind of optimizer."
            )
        if len(other["params"]) != len(group["params"]):
            raise ValueError(
                f"group {i} of the state dict has {len(other['params'])} parameters, this {name}'s has "
                f"{len(group['params'])}: build the optimizer from the same parameters."
            )


def _options(group: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The options of a group of a state dict, as this group takes them."""
    found = {name: value for name, value in given.items() if name not in ("params", "param_names")}
    fits: dict[str, Any] = group.fitting({k: tuple(x) if isinstance(x, list) else x for k, x in found.items()})
    return fits


def _loaded(index: int, parameter: Tensor, given: dict[str, Any]) -> dict[str, Any]:
    """One parameter's entry of a state dict, checked, on the parameter's device and of its state's dtype."""
    if "step" not in given:
        raise ValueError(f'the state of parameter {index} has no "step", the number of steps it has made.')
    steps = given["step"]
    if not is_number(steps) or steps != steps // 1 or steps < 0:
        raise ValueError(f'"step" of parameter {index} is {steps!r} in the state dict: it must be a number of steps.')
    return {"step": int(steps)} | {
        name: _array(f"{name!r} of parameter {index}", name, parameter, value)
        for name, value in given.items()
        if name != "step"
    }


def _array(what: str, name: str, parameter: Tensor, value: Any) -> Array:
    """One array of an entry."""
    given = bare(value)
    kind = array_of(given).dtype
    if kind.kind not in "iu" and not is_floating(kind):
        raise ValueError(f"{what} holds {kind} in the state dict, and it is an array of floats.")
    array = array_of(given, state_dtype(parameter.dtype), parameter.device)
    if name == "mu_product" and array.ndim == 0:  # NAdam's, which PyTorch keeps once for all weights
        array = module_of(array).full(parameter.shape, array)
    if array.shape != parameter.shape:
        raise ValueError(
            f"{what} has shape {array.shape} in the state dict, the parameter has {parameter.shape}: build the "
            "optimizer from the same parameters."
        )
    return array
