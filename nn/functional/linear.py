"""The affine map, alone or with ReLU after it, as one fat node.

One idea: a layer's product, bias and activation are one step forward and one back, so the engine pays for one node and
the arrays between them are never kept. Read `cross_entropy.py` next.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal

from autograd import matmul, matrix_transpose, reshape, sum_to
from autograd.backend import host, module_of
from autograd.compile.cuda.eager import OnDevice, needed, placed, slopes_of
from autograd.compile.native.in_place import InLoop
from autograd.fused import fused
from autograd.modes import casting
from autograd.tensor import Operand

from .activation import relu
from .given import check_arrays, check_parts
from .rows import SMALL, as_rows, let_through, sum_of_rows, zeros

__all__ = ["linear"]

Activation = Literal["relu"] | None


@fused
def linear(x: Operand, weight: Operand, bias: Operand = None, *, activation: Activation = None) -> Operand:
    """x W^T + b over the last axis, then ReLU where `activation="relu"`.

    x is (..., in_features), weight (out_features, in_features), bias (out_features,) or None; the result is
    (..., out_features). Raises ValueError for shapes that do not fit, or an activation that is not known.
    """
    _check(x, weight, bias, activation)
    out = matmul(x, matrix_transpose(weight))
    out = out if bias is None else out + bias
    return relu(out) if activation == "relu" else out


def _check(x: Operand, weight: Operand, bias: Operand, activation: Activation) -> None:
    check_arrays("linear", x=x, weight=weight)
    check_parts("linear", bias=bias)
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear got x of shape {x.shape} and weight of shape {weight.shape}: the last axis of x "
            "must be in_features, and weight (out_features, in_features)."
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear got bias of shape {bias.shape}: it must be (out_features,), here {weight.shape[:1]}.")
    if activation not in (None, "relu"):
        raise ValueError(f'linear got activation={activation!r}: it must be None or "relu".')


def _forward(xp: Any, x: Any, weight: Any, bias: Any, *, activation: Activation) -> Any:
    shape, dtype = weight.shape, weight.dtype
    fits = len(shape) == 2 and getattr(x, "shape", ())[-1:] == shape[1:] and activation in (None, "relu")
    if not fits or x.dtype != dtype or casting() is not None:
        return NotImplemented  # the definition converts, or says what is wrong
    if xp is host and dtype.kind == "V":  # of bfloat16, whose products NumPy makes float32, and dot does not
        return NotImplemented
    if bias is not None and (getattr(bias, "shape", None) != shape[:1] or bias.dtype != dtype):
        return NotImplemented
    out = _on_host(xp, x, weight, bias, activation) if xp is host else xp.affine(x, weight, bias, activation)
    return out, out if activation == "relu" else None


def _on_host(xp: Any, x: Any, weight: Any, bias: Any, activation: Activation) -> Any:
    rows = as_rows(x)
    # Of two matrices dot is matmul, and NumPy's method costs 0.5 us less a call.
    turned = weight.T
    # Below about half a million multiplications OpenBLAS works on one thread, and there it takes a fifth longer for a
    # matrix that has to be turned on the way; to turn a small one first costs less.
    if 100_000 <= len(rows) * weight.size <= 500_000 and len(rows) >= 32 and weight.size <= 10_000:
        turned = turned.copy()
    out = rows.dot(turned)
    given = [] if bias is None else [bias]
    large = out.size > SMALL
    if not (large and given and _finish.takes(out) and _finish([out], given, {"activation": activation})):
        if given:
            xp.add(out, bias, out=out)
        if activation == "relu":
            # Of a large array with one row of zeros, which stays in the cache.
            xp.maximum(out, zeros(out.shape[-1:] if large else out.shape, out.dtype), out=out)
    return out if rows is x else out.reshape(*x.shape[:-1], len(weight))


def _finished(written: Any, read: Any, options: Any) -> None:
    (out,), (bias,) = written, read
    out += bias
    if options["activation"] == "relu":
        module_of(out).maximum(out, 0, out=out)


_finish = InLoop(_finished, by_rows=True)


def _backward(
    xp: Any, g: Any, needs: tuple[bool, bool, bool], inputs: tuple[Any, Any, Any], out: Any, *, activation: Activation
) -> tuple[Any, Any, Any]:
    x, weight, _ = inputs
    if activation == "relu":
        g = let_through(xp, g, out)
    g = as_rows(g)
    of_x = xp.dot(g, weight) if needs[0] else None
    if of_x is not None and x.ndim != 2:
        of_x = of_x.reshape(x.shape)
    of_weight = xp.dot(g.T, as_rows(x)) if needs[1] else None
    of_bias = sum_of_rows(xp, g) if needs[2] else None
    return of_x, of_weight, of_bias


@linear.recorded
def _recorded(g: Any, needs: Any, inputs: Any, out: Any, *, activation: Activation) -> tuple[Any, Any, Any]:
    """The gradients in primitives; where ReLU let through is the same however far its input is from 0."""
    x, weight, bias = inputs
    if activation == "relu":
        g = g * (out > 0)
    rows, x_rows = (t if t.ndim == 2 else reshape(t, (prod(t.shape[:-1]), t.shape[-1])) for t in (g, x))
    return (
        matmul(g, weight) if needs[0] else None,
        matmul(matrix_transpose(rows), x_rows) if needs[1] else None,
        sum_to(rows, shape=bias.shape) if needs[2] else None,
    )


def _slopes(g: Any, x: Any, weight: Any, bias: Any, out: Any, *, needs: Any, activation: Activation) -> Any:
    """The gradients, as a tape does it: the result tells where ReLU let through, and no product is done again."""
    return slopes_of(linear.definition)(g * (out > 0) if activation else g, x, weight, bias, needs=needs)


_tape = OnDevice(_slopes, needed)


def _backward_on_device(xp: Any, g: Any, needs: Any, inputs: Any, out: Any, *, activation: Activation) -> Any:
    made = _tape((g, *inputs, out), {"needs": needs, "activation": activation})
    if made is None:
        return _backward(xp, g, needs, inputs, out, activation=activation)
    return placed(made, needs)


linear.kernel(_forward, _backward, (_forward, _backward_on_device))
