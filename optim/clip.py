"""Clipping of gradients, by the norm of all of them together or value by value.

One idea: a step in the gradient's direction is wanted, one of its length is not. `parameter.grad` is replaced, never
scaled in place: somebody else may hold the array. Call between `backward()` and `step()`.
Read `schedule.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from autograd import concat, minimum, reshape, sqrt
from autograd.backend import Array, host, is_floating, module_of
from autograd.compile.cuda.eager import OnDevice
from autograd.hints import telling
from autograd.modes import is_tracing
from autograd.tensor import Tensor, wrap

from .groups import refuse_module
from .numbers import above, at_least
from .runs import in_dtype

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

_MOST = 1 << 24  # elements that are clipped all at once: of more, each keeps a GPU busy, and all would fill its memory


@telling
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients by one factor so that their common norm is at most `max_norm`; gives the norm before.

    The norm is that of all gradients as one vector: (sum |g|^p)^(1/p) with p = `norm_type`, or the largest |g| for inf.
    The factor is PyTorch's, max_norm / (norm + 1e-6), and at most 1. The result is a 0-d Tensor on the gradients'
    device. Parameters without a gradient are passed over.

    Raises RuntimeError for a norm that is NaN or infinite when `error_if_nonfinite`, ValueError for a `max_norm` that
    is not at least 0 and a `norm_type` that is not above 0, TypeError for what is no number or no gradient. Pascanu,
    Mikolov and Bengio 2013, algorithm 1.
    """
    max_norm = at_least(0, "clip_grad_norm_: max_norm", max_norm)
    norm_type = above(0, "clip_grad_norm_: norm_type", norm_type)
    holders = _with_gradient(parameters)
    if not holders:
        return Tensor(0.0)
    made = _on_device([_gradient(p) for p in holders], max_norm, norm_type)
    norm = _norm([_gradient(p) for p in holders], norm_type) if made is None else made[0]
    xp = module_of(norm)
    if error_if_nonfinite and not bool(xp.isfinite(norm)):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {norm.item()}: some gradient is not finite, and scaling "
            "cannot repair it. Find where it is born with autograd.anomaly(), or lower the learning rate."
        )
    if made is not None:
        for parameter, scaled in zip(holders, made[1:], strict=True):
            parameter.grad = wrap(scaled)
        return wrap(norm)
    factor = xp.minimum(max_norm / (norm + 1e-6), 1.0)
    # On the CPU the factor can be looked at for nothing; on a GPU looking means waiting, multiplying by 1 does not.
    if xp is host and factor == 1.0:
        return wrap(norm)
    for parameter in holders:
        gradient = _gradient(parameter)
        # A small factor is none of float16's numbers.
        dtype = gradient.dtype if gradient.dtype.itemsize >= 4 else factor.dtype
        parameter.grad = wrap((gradient * factor.astype(dtype)).astype(gradient.dtype, copy=False))
    return wrap(norm)


@telling
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of every gradient between -clip_value and clip_value."""
    clip_value = at_least(0, "clip_grad_value_: clip_value", clip_value)
    for parameter in _with_gradient(parameters):
        gradient = _gradient(parameter)
        parameter.grad = wrap(module_of(gradient).clip(gradient, -clip_value, clip_value))


def _with_gradient(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    refuse_module(parameters, "clipping")
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for parameter in given:
        if not isinstance(parameter, Tensor):
            raise TypeError(f"clipping takes Tensors, got a {type(parameter).__name__}: give it model.parameters().")
    return [p for p in given if p.grad is not None and p.size]


def _gradient(parameter: Tensor) -> Array:
    """The gradient, of floats; whole numbers, which a factor below 1 would make zeros, in the parameter's dtype."""
    gradient: Any = parameter.grad
    if not isinstance(gradient, Tensor):
        kind = type(gradient).__name__
        raise TypeError(f"parameter.grad must be a Tensor or None, got a {kind}: assign Tensor(...).")
    array = gradient.data
    return array if is_floating(array.dtype) else in_dtype(array, parameter.dtype)


def _on_device(gradients: list[Array], max_norm: float, p: float) -> tuple[Array, ...] | None:
    """The norm and the scaled gradients, as a few kernels for all of them; None where it is to be done one by one."""
    if p != 2 or is_tracing() is not None or module_of(gradients[0]) is host:
        return None
    kinds, size = {g.dtype.num for g in gradients}, sum(g.size for g in gradients)
    if len(kinds) > 1 or gradients[0].dtype.name not in ("float32", "float64") or size > _MOST:
        return None
    return _tape(tuple(gradients), {"max_norm": max_norm, "count": len(gradients)})


def _clipped(*gradients: Tensor, max_norm: float, count: int) -> list[Tensor]:
    """What `clip_grad_norm_` makes of gradients of one dtype for the norm 2."""
    flat = concat([reshape(g, -1) for g in gradients])
    norm = sqrt((flat * flat).sum())
    factor = minimum(max_norm / (norm + 1e-6), 1.0)
    return [norm, *(g * factor for g in gradients)]


_tape = OnDevice(_clipped, lambda options: [0, *range(options["count"])])


def _norm(gradients: list[Array], p: float) -> Array:
    """The p-norm of all elements of all arrays, as a 0-d array."""
    xp = module_of(gradients[0])
    # Squares of 16-bit numbers overflow early.
    wide = [g.astype("float32") if g.dtype.itemsize < 4 else g for g in gradients]
    if p == inf:
        norm = xp.max(xp.stack([xp.max(xp.abs(g)) for g in wide]))
    elif p == 2:
        norm = xp.sqrt(xp.sum(xp.stack([xp.vdot(g, g) for g in wide])))
    else:
        norm = xp.sum(xp.stack([xp.sum(xp.abs(g) ** p) for g in wide])) ** (1 / p)
    return xp.asarray(norm)
