"""The guard against NaN and Inf: stop before an update spoils the weights, and say where the first bad number was born.

One idea: look at two numbers a step, the loss and the gradients' norm, and only when one is bad do the step again, with
every layer watched. The generators are set back first, so that dropout drops what it dropped. Read `base.py` first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from autograd import anomaly
from autograd.backend import Array, module_of
from autograd.errors import AnomalyError
from autograd.tensor import Tensor, wrap
from nn.module import Module

from ..numbers import check_count
from ..rows import pieces
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["NanGuard", "NotFinite"]


class NotFinite(FloatingPointError):
    """A loss or gradient that is NaN or infinite. `step` counts from 1, `epoch` from 0, in the text from 1 as well;
    `where` names what was first.
    """

    def __init__(self, step: int, epoch: int, where: str, advice: str) -> None:
        super().__init__(f"step {step} (epoch {epoch + 1}): {where}. {advice}")
        self.step, self.epoch, self.where = step, epoch, where


class NanGuard(Callback):
    """Stops the run at the first loss or gradient that is not finite; `fit` then raises NotFinite.

    The weights are those before the bad update. On the CPU every step is looked at; on a GPU, where looking means
    waiting, every 50th (`every` changes that): there the step that is named is the one at which it was seen, and the
    weights may be spoilt already.
    """

    order = -100

    def __init__(self, every: int | None = None) -> None:
        if every is not None:
            check_count("NanGuard", "every", every)
        self.every = every
        self._before: dict[str, dict[str, int]] = {}
        self._batch: tuple[Array, Array] | None = None

    def on_batch_begin(self, trainer: Trainer, x: Array, y: Array) -> None:
        self._batch = (x, y)
        self._before = {name: generator.state_dict() for name, generator in self._generators.items()}

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._generators = trainer.generators()
        self._every = self.every or (1 if trainer.device == "cpu" else 50)

    def on_backward_end(self, trainer: Trainer, loss: Array) -> None:
        if trainer.step % self._every or (math.isfinite(float(loss)) and _finite_gradients(trainer)):
            return
        assert self._batch is not None
        for name, generator in self._generators.items():
            generator.load_state_dict(self._before[name])
        where = locate(trainer, *self._batch)
        advice = "Lower the learning rate, or clip the gradients (clip_norm)."
        trainer.failure = NotFinite(trainer.step + 1, trainer.epoch, where, advice)
        trainer.stop = f"not finite: {trainer.failure}"


def _finite_gradients(trainer: Trainer) -> bool:
    """Whether all gradients are finite, by their squares (which also fit unless the numbers are beyond all use)."""
    # The optimizer has its parameters in a list; to walk over a model for them takes longer than to look at them.
    parameters = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    gradients = [parameter.grad.data for parameter in parameters if parameter.grad is not None]
    return math.isfinite(float(sum(module_of(g).vdot(g, g) for g in gradients)))


def locate(trainer: Trainer, x: Array, y: Array) -> str:
    """What was the first not to be finite in the step of this batch, with its gradients still there, in words."""
    if not _finite(x):
        xp = module_of(x)
        rows = int((~xp.isfinite(x.reshape(len(x), -1)).all(axis=1)).sum())
        return f"the input is not finite in {rows} of the batch's {len(x)} rows"
    for name, parameter in trainer.model.named_parameters():
        if not _finite(parameter.data):
            return f"the parameter {name} {_kind(parameter.data)}, left by an earlier step"
    found = _first_output(trainer, x, y) or _first_gradient(trainer.model)
    operation = _operation(trainer, x, y)
    return f"{found or 'the squares of the gradients overflow'}{f' [{operation}]' if operation else ''}"


def _first_output(trainer: Trainer, x: Array, y: Array) -> str | None:
    """The first layer whose output is not finite, or the loss, in a forward pass with the same random numbers."""
    bad: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            if isinstance(output, Tensor) and not _finite(output.data):
                bad.append(f"the output of layer {name} ({type(module).__name__}) {_kind(output.data)}")

        return hook

    # A Module's hook is called after those of the Modules in it, so the first entry is the innermost.
    names = [(name or "of the model itself", module) for name, module in trainer.model.named_modules()]
    handles = [module.register_forward_hook(watch(name)) for name, module in names]
    states = {name: generator.state_dict() for name, generator in trainer.generators().items()}
    try:
        for part_x, part_y in pieces(x, y, trainer.accumulate):
            loss = trainer.loss(trainer.model(wrap(part_x)), wrap(part_y))
            if not bad and not _finite(loss.data):
                bad.append(f"the loss {_kind(loss.data)}, from finite outputs")
    finally:
        for handle in handles:
            handle.remove()
        for name, generator in trainer.generators().items():
            generator.load_state_dict(states[name])
    return bad[0] if bad else None


def _first_gradient(model: Module) -> str | None:
    """The parameter nearest to the loss whose gradient is not finite."""
    for name, parameter in reversed(list(model.named_parameters())):
        if parameter.grad is not None and not _finite(parameter.grad.data):
            return f"the gradient of {name} {_kind(parameter.grad.data)}, from a finite loss"
    return None


def _operation(trainer: Trainer, x: Array, y: Array) -> str | None:
    """The operation in which the first bad number was born, as `anomaly()` tells it."""
    try:
        with anomaly():
            for part_x, part_y in pieces(x, y, trainer.accumulate):
                trainer.loss(trainer.model(wrap(part_x)), wrap(part_y)).backward()
    except AnomalyError as error:
        return str(error).rstrip(".")
    return None


def _finite(array: Array) -> bool:
    return array.dtype.kind != "f" or bool(module_of(array).isfinite(array).all())


def _kind(array: Array) -> str:
    xp = module_of(array)
    count = int((~xp.isfinite(array)).sum())
    return f"is {'NaN' if bool(xp.isnan(array).any()) else 'Inf'} in {count} of {array.size} places"
