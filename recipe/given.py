"""What a Trainer is given, looked at before anything begins: a part that cannot be one is named, with what to write.

One idea: what would fail later, in the middle of an epoch, or would silently train nothing, is refused here. What a
model and a loss give is seen only when they are called, and named then. Read `trainer.py` next.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from autograd.backend import Array, is_array, module_of
from autograd.tensor import Tensor, bare
from nn.module import Module
from optim import LBFGS, Optimizer, ReduceLROnPlateau, Schedule

from .callbacks.base import Callback

__all__ = ["check_more", "check_numbers", "check_output", "check_parts", "check_state", "checked"]
__all__ += ["is_rows", "pair"]

_PARTS = {"epoch", "step", "seconds", "epoch_began", "running", "history", "batches", "generators", "model"}
_PARTS |= {"optimizer", "schedule", "callbacks"}  # of a state


def check_parts(model: Any, loss: Any, optimizer: Any, schedule: Any, metrics: Any) -> None:
    """Raise TypeError for what cannot be these parts, ValueError for an optimizer that moves nothing of the model."""
    _check_kind("its model", model, (Module,), "a Module")
    if isinstance(loss, type) or not callable(loss):
        raise TypeError(f"Trainer takes a function loss(output, y) as its loss, got {_described(loss)}.")
    _check_kind("its optimizer", optimizer, (Optimizer,), "an Optimizer of optim")
    if isinstance(optimizer, LBFGS):
        raise TypeError(
            "Trainer makes one update of each batch, and LBFGS several of one loss: write optimizer.step(closure) in a "
            "loop of your own, or take another optimizer."
        )
    if schedule is not None:
        _check_kind("its schedule", schedule, (Schedule, ReduceLROnPlateau), "a Schedule of optim")
        if schedule.optimizer is not optimizer:
            raise ValueError("Trainer got a schedule of another optimizer: make it of the one that it gets.")
    if not isinstance(metrics, Mapping):
        raise TypeError(f'Trainer takes metrics by name, {{"accuracy": accuracy}}, got {_described(metrics)}.')
    ours = {id(parameter) for parameter in model.parameters()}
    if ours and not any(id(p) in ours for group in optimizer.param_groups for p in group["params"]):
        raise ValueError(
            f"Trainer got an optimizer that moves no parameter of this {type(model).__name__}: "
            f"make it of the same model, {type(optimizer).__name__}(model.parameters(), ...)."
        )


def check_state(state: Any) -> None:
    """Raise TypeError for what no Trainer gave as its state, such as the weights of a model, or a count below 0."""
    if not (isinstance(state, Mapping) and state.keys() >= _PARTS):
        raise TypeError(
            "Trainer.load_state_dict takes what state_dict gave, or recipe.checkpoint.load(path) of a run's "
            "checkpoint.safetensors; weights alone go into trainer.model.load_state_dict(nn.load(path))."
        )
    for name, kinds, of in (("epoch", int, "epochs"), ("step", int, "updates"), ("seconds", (int, float), "seconds")):
        value = state[name]
        if not isinstance(value, kinds) or isinstance(value, bool) or not value >= 0:
            raise TypeError(f"{name} of the state is {value!r}, which is no number of {of}: it was changed by hand.")


def checked(callbacks: Any) -> list[Callback]:
    """The callbacks. Raises TypeError for what is none, and for one alone."""
    if isinstance(callbacks, Callback):
        raise TypeError(f"Trainer takes several callbacks, got a {type(callbacks).__name__} alone: put it in a list.")
    several = list(callbacks)
    for callback in several:
        _check_kind("a callback", callback, (Callback,), "a recipe.callbacks.Callback")
    return several


def check_output(part: str, value: Any) -> None:
    """Raise TypeError for what a model or a loss gave that is no Tensor."""
    if not isinstance(value, Tensor):
        what = "None: does it return its result?" if value is None else f"{_described(value)}, which has no graph."
        raise TypeError(f"the {part} must give one Tensor, it gave {what}")


def check_numbers(values: Mapping[str, Any]) -> None:
    """Raise ValueError for a metric that gave more than one number for a batch."""
    for name, value in values.items():
        if getattr(value, "shape", ()):
            raise ValueError(
                f"the metric {name!r} must give the mean over the rows, one number, it gave shape {value.shape}: "
                "reduce it with .mean()."
            )


def _check_kind(part: str, given: Any, kinds: tuple[type, ...], wanted: str) -> None:
    if not isinstance(given, kinds):
        raise TypeError(f"Trainer takes {wanted} as {part}, got {_described(given)}.")


def _described(given: Any) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}: make one, {given.__name__}(...)"
    return f"{given!r}, a str" if isinstance(given, str) else f"a {type(given).__name__}"


def is_rows(data: Any) -> bool:
    """Whether this is an array or a Tensor, and so no pair of them."""
    return isinstance(data, Tensor) or is_array(data)


def pair(data: Any, call: str = "fit((x, y), epochs=..., batch_size=...)") -> tuple[Array, Array]:
    """Rows and their labels as two arrays; Tensors give theirs.

    Raises TypeError for what is no pair of arrays, with the `call` to write, ValueError for another number of labels.
    """
    if not (isinstance(data, (tuple, list)) and len(data) == 2):
        kind = f"{type(data).__name__}" + (f" of shape {data.shape}" if is_array(data) else "")
        raise TypeError(f"{call.partition('(')[0]} takes rows and labels as a pair, {call}, got a {kind}.")
    x, y = map(bare, data)
    for what, part in (("rows", x), ("labels", y)):
        if part is None:
            raise TypeError(f"{call.partition('(')[0]} got None in the place of the {what}.")
        module_of(part)
    if x.ndim and y.ndim and len(x) != len(y):
        raise ValueError(f"{call.partition('(')[0]} got {len(x)} rows and {len(y)} labels: one of each is wanted.")
    return x, y


def check_more(epochs: int, complete: int) -> None:
    """Warn whoever asks a Trainer that has made its epochs for no further one."""
    if complete >= epochs:
        warnings.warn(
            f"fit(epochs={epochs}) has nothing to do: {complete} epochs are complete, and epochs counts those of "
            f"earlier fits too; for {epochs} more write epochs={complete + epochs}.",
            stacklevel=4,  # of whoever called fit, which is wrapped by `telling`
        )
