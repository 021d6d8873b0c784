"""Penalties on the size of the weights: L2, L1 and max-norm, for any optimizer.

One idea: a penalty acts at one of three moments of a step: it adds its own gradient before the rule, shrinks the
weights after it, or projects them back into a set. Biases, slopes and norm parameters are spared unless they are
named: a parameter's `role` says what it is, and one without a role counts as a weight.
Read `optimizer.py` next, which calls the three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from autograd.backend import Array, Module, host, module_of
from autograd.ops.cast import single
from autograd.shapes import axes_of
from autograd.tensor import Tensor

from .numbers import above, at_least

__all__ = ["L1", "L2", "MaxNorm", "Penalty", "several"]


class Penalty:
    """The base of the penalties: which parameters it concerns, and three moments at which it does nothing yet."""

    def __init__(self, roles: Iterable[str] = ("weight",)) -> None:
        if isinstance(roles, str) or not isinstance(roles, Iterable):
            raise TypeError(f"roles must be a tuple of roles, got {roles!r}: write ({roles or 'weight'!r},).")
        self.roles = tuple(roles)

    def applies_to(self, parameter: Tensor) -> bool:
        """Whether the parameter's role is among `roles`."""
        return getattr(parameter, "role", "weight") in self.roles

    def add_gradient(self, xp: Module, w: Array, g: Array) -> Array:
        """The gradient together with the penalty's own; `g` itself is not written to."""
        return g

    def shrink(self, xp: Module, w: Array, lr: float) -> None:
        """Change the weights in place after the rule, element by element."""

    def project(self, xp: Module, w: Array) -> None:
        """Change one whole parameter in place after the rule."""

    def moments(self) -> tuple[Callable[..., Any], ...]:
        """The three methods above."""
        return self.add_gradient, self.shrink, self.project

    def loss(self, parameters: Iterable[Tensor]) -> Any:
        """What the penalty adds to the loss, as a 0-d array (the number 0.0 when it concerns no parameter)."""
        return sum((self._loss(module_of(p.data), p.data) for p in parameters if self.applies_to(p)), start=0.0)

    def _loss(self, xp: Module, w: Array) -> Any:
        return 0.0


class L2(Penalty):
    """Half lam times the sum of squares: adds lam w to the gradient.

    Under SGD this is weight decay, w <- (1 - lr lam) w - lr g: each step takes away the same share of a weight, so
    large weights lose most. Under Adam it is not (see AdamW).

    Hung-yi Lee's lecture, Tips for Deep Learning; Krogh and Hertz 1991.
    """

    def __init__(self, lam: float, roles: Iterable[str] = ("weight",)) -> None:
        super().__init__(roles)
        self.lam = at_least(0, "L2: lam", lam)

    def add_gradient(self, xp: Module, w: Array, g: Array) -> Array:
        return g + self.lam * w

    def _loss(self, xp: Module, w: Array) -> Any:
        wide = single(w)
        return 0.5 * self.lam * xp.sum(wide * wide)

    def __repr__(self) -> str:
        return f"L2({self.lam}, roles={self.roles})"


class L1(Penalty):
    """lam times the sum of absolute values: every weight loses the same amount, lr lam a step, whatever its size.

    `mode="subgradient"` adds lam sign(w) to the gradient: w <- w - lr g - lr lam sign(w). It gives no exact zeros: a
    small weight jumps about zero by lr lam. `mode="proximal"` moves the weights after the rule by lr lam towards
    zero, and stops there: w <- sign(w) max(|w| - lr lam, 0). With rules that scale the gradient (Adam) the two
    differ, since the proximal amount is not scaled.

    Hung-yi Lee's lecture, Tips for Deep Learning (subgradient; the half in its objective is a slip, its gradient has
    none); Beck and Teboulle 2009, equation 1.5 (proximal).
    """

    def __init__(self, lam: float, mode: str = "subgradient", roles: Iterable[str] = ("weight",)) -> None:
        super().__init__(roles)
        self.lam = at_least(0, "L1: lam", lam)
        if mode not in ("subgradient", "proximal"):
            raise ValueError(f'L1: mode must be "subgradient" or "proximal", got {mode!r}.')
        self.mode = mode

    def add_gradient(self, xp: Module, w: Array, g: Array) -> Array:
        return g + self.lam * xp.sign(w) if self.mode == "subgradient" else g

    def shrink(self, xp: Module, w: Array, lr: float) -> None:
        if self.mode == "proximal":
            amount = lr * self.lam
            w -= xp.clip(w, -amount, amount)  # a weight within the amount loses all of itself

    def _loss(self, xp: Module, w: Array) -> Any:
        return self.lam * xp.sum(xp.abs(single(w)))

    def __repr__(self) -> str:
        return f"L1({self.lam}, mode={self.mode!r}, roles={self.roles})"


class MaxNorm(Penalty):
    """After each step, a unit whose incoming weights have a norm above `c` has them scaled back to `c`.

    The incoming weights of a unit are a row of Linear's (out, in) weight, or all but the first axis of any other;
    `axis`, a number or a tuple, names other axes to take the norm over. Parameters of fewer than two axes are spared.
    Adds nothing to the loss.

    Srebro and Shraibman 2005; Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, section 5.1.
    """

    def __init__(self, c: float, axis: int | tuple[int, ...] | None = None) -> None:
        super().__init__(("weight",))
        self.c = above(0, "MaxNorm: c", c)
        self.axis = axis

    def applies_to(self, parameter: Tensor) -> bool:
        """Whether it is a weight of two axes or more. Raises ValueError where it lacks one of `axis`."""
        applies = parameter.ndim >= 2 and super().applies_to(parameter)
        if applies and self.axis is not None:
            try:
                axes_of(self.axis, parameter.ndim)
            except ValueError as error:
                raise ValueError(f"MaxNorm, for a parameter of shape {parameter.shape}: {error}") from None
        return applies

    def project(self, xp: Module, w: Array) -> None:
        wide = single(w)
        if self.axis is None:
            rows = wide.reshape(w.shape[0], prod(w.shape[1:]))
            squares = xp.einsum("ij,ij->i", rows, rows).reshape(-1, *(1,) * (w.ndim - 1))
        else:
            squares = xp.sum(wide * wide, axis=self.axis, keepdims=True)
        norm = xp.sqrt(squares)
        # On the CPU it costs little to see that nothing is to do; on a GPU looking means waiting.
        if xp is host and not (norm > self.c).any():
            return
        factor = self.c / xp.maximum(norm, self.c)  # 1 exactly where the norm is within c, also where it is 0
        w *= factor if wide is w else factor.astype(w.dtype)

    def __repr__(self) -> str:
        return f"MaxNorm({self.c}, axis={self.axis})"


def several(given: Iterable[Penalty]) -> tuple[Penalty, ...]:
    """Penalties as a tuple. Raises TypeError for one alone, and for what is none."""
    if isinstance(given, Penalty):
        raise TypeError(f"penalties takes several, got {given!r} alone: put it in a list.")
    if not isinstance(given, Iterable):
        raise TypeError(f"penalties takes a list of Penalty objects, got {given!r}; without any it is ().")
    penalties = tuple(given)
    for penalty in penalties:
        if not isinstance(penalty, Penalty):
            raise TypeError(f"penalties takes L2, L1, MaxNorm and other Penalty objects, got {penalty!r}.")
    return penalties
