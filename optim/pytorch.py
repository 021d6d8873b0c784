"""State dicts of PyTorch's optimizers, as ours.

One idea: the layout is the same, so little is left to say: options that tell only how PyTorch computes are dropped, and
what it leaves out has one value that means the same. A dict of ours passes unchanged.
Read `optimizer.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autograd import from_dlpack
from autograd.backend import is_array
from autograd.tensor import Tensor

__all__ = ["as_ours", "state_as_ours", "value_as_ours"]

# How it computes, and what OneCycleLR leaves in the groups.
_DROPPED = {"capturable", "differentiable", "foreach", "fused", "max_lr", "min_lr", "max_momentum", "base_momentum"}

# Options that it has not, with what it does.
_MISSING: dict[str, dict[str, Any]] = {"RMSprop": {"init": "zero"}, "LBFGS": {"maximize": False}}

# Adam and AdamW are one rule in PyTorch, which this tells apart.
_DECOUPLED = {"Adam": False, "AdamW": True}


def as_ours(optimizer: str, group: Mapping[str, Any]) -> dict[str, Any]:
    """A group of a state dict with the options that our optimizer of this name has."""
    ours = {name: value_as_ours(value) for name, value in group.items() if name not in _DROPPED}
    if optimizer in _DECOUPLED and ours.get("decoupled_weight_decay") == _DECOUPLED[optimizer]:
        del ours["decoupled_weight_decay"]
    return {**_MISSING.get(optimizer, {}), **ours}


def state_as_ours(optimizer: str, state: Mapping[Any, Any]) -> dict[Any, Any]:
    """The state in arrays and Tensors, with a step in each entry.

    PyTorch's SGD counts no steps; all that matters to the rule is whether there was one.
    """
    ours = {i: {name: value_as_ours(value) for name, value in entry.items()} for i, entry in state.items()}
    if optimizer != "SGD":
        return ours
    kept = {i: {name: value for name, value in entry.items() if value is not None} for i, entry in ours.items()}
    return {i: {"step": 1, **entry} for i, entry in kept.items() if entry}


def value_as_ours(value: Any) -> Any:
    """A tensor of PyTorch's as a Tensor, one of no axes as a number of Python's; anything else as it is."""
    if not hasattr(value, "__dlpack__") or isinstance(value, Tensor) or is_array(value):
        return value
    return from_dlpack(value) if value.shape else value.item()
