"""Activations: one function of one number each, and softmax.

One idea: a rule is written only where composing would cost passes over memory or be wrong at a kink; the rest is a sum
of parts. At a kink the slopes are PyTorch's. A mask is applied by a product, which NumPy does several times faster than
a choice with `where`. Read `gates.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import autograd as ag
from autograd import random
from autograd.backend import Array, Module, is_array
from autograd.compile.cuda.eager import kernel_on_device
from autograd.compile.native.eager import elementwise_kernel
from autograd.compile.native.large import in_loops
from autograd.fused import Fused, fused
from autograd.hints import telling
from autograd.ops.cast import floated
from autograd.primitive import elementwise
from autograd.tensor import Operand, Tensor, bare

from .axes import is_whole
from .given import check_arrays, number

__all__ = [
    "celu",
    "elu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "maxout",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]


def give_kernel(
    function: Fused[Any],
    forward: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    kept: Any = None,
) -> None:
    """Give a function of every element its kernel: loops for large arrays, for small ones NumPy's, on a GPU a tape."""
    definition = function.definition
    first, slopes = elementwise_kernel(definition, forward, backward, kept)

    def on_arrays(xp: Module, x: Any, **options: Any) -> Any:
        if x is None:
            check_arrays(function.name, x=x)
        return NotImplemented if isinstance(x, (int, float)) else first(xp, x, **options)

    function.kernel(on_arrays, slopes, kernel_on_device(definition, on_arrays, slopes))


# Pieces of straight lines


@elementwise
def relu(xp: Module, x: Operand) -> Array:
    """max(x, 0). The slope at 0 is 0."""
    return xp.maximum(x, 0)


relu.vjp(lambda g, out: g * (out > 0))


@elementwise
def _leaky_relu(xp: Module, x: Operand, slope: Operand) -> Array:
    """x where x > 0, else slope * x; the slope may be an array and have a gradient too."""
    return xp.maximum(x, 0) + slope * xp.minimum(x, 0)


_leaky_relu.vjp(
    x=lambda g, x, slope: g * (x > 0) + g * slope * (x <= 0),
    slope=lambda g, x: g * (x * (x <= 0)),
)


def leaky_relu(x: Operand, negative_slope: Operand = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x; the slope may be an array and have a gradient too."""
    if not is_array(bare(negative_slope)):
        negative_slope = number("leaky_relu", "negative_slope", negative_slope)
    return _leaky_relu(x, negative_slope)


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """`leaky_relu` with a learned slope: one, or one for each channel (axis 1 of x).

    He, Zhang, Ren and Sun 2015, equation 1. Raises ValueError for another number of slopes.
    """
    check_arrays("prelu", x=x, weight=weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ValueError(
            f"prelu got weight of shape {weight.shape} and x of shape {x.shape}: "
            f"it takes one slope, or {channels}, one for each channel."
        )
    if weight.size > 1:
        weight = ag.reshape(weight, (channels,) + (1,) * (x.ndim - 2))
    elif weight.ndim > x.ndim:
        weight = ag.reshape(weight, ())
    return _leaky_relu(x, weight)


def rrelu(
    x: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *,
    generator: random.Generator | None = None,
) -> Tensor:
    """`leaky_relu` with a slope drawn between lower and upper for each element, or their mean when not training.

    Xu, Wang, Chen and Li 2015, "Empirical evaluation of rectified activations". Raises ValueError unless
    lower <= upper.
    """
    lower, upper = number("rrelu", "lower", lower), number("rrelu", "upper", upper)
    check_arrays("rrelu", x=x)
    if lower > upper:
        raise ValueError(f"rrelu got lower={lower} above upper={upper}.")
    if not training:
        return _leaky_relu(x, (lower + upper) / 2)
    dtype = x.dtype if x.dtype.name in ("float16", "float32", "float64") else "float32"
    slopes = (generator or random.default).uniform(x.shape, lower, upper, dtype, x.device)
    return _leaky_relu(x, slopes.astype(x.dtype, copy=False))


@elementwise
def _hardtanh(xp: Module, x: Operand, *, low: float, high: float) -> Array:
    """x limited to [low, high]. The slope at both is 0."""
    return xp.minimum(xp.maximum(x, low), high)  # two that loops in C know


_hardtanh.vjp(lambda g, out, low, high: g * ((out > low) & (out < high)))


def hardtanh(x: Operand, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x limited to [min_val, max_val]. Raises ValueError unless min_val < max_val."""
    min_val, max_val = number("hardtanh", "min_val", min_val), number("hardtanh", "max_val", max_val)
    if not min_val < max_val:
        raise ValueError(f"hardtanh got min_val={min_val} and max_val={max_val}: the first must be the smaller.")
    return _hardtanh(x, low=min_val, high=max_val)


def relu6(x: Operand) -> Tensor:
    """min(max(x, 0), 6)."""
    return hardtanh(x, 0.0, 6.0)


@fused
def hardsigmoid(x: Operand) -> Operand:
    """relu6(x + 3) / 6: straight lines in the shape of sigmoid."""
    return relu6(x + 3.0) / 6.0


def _hardsigmoid_forward(xp: Module, x: Array) -> Any:
    limited = xp.minimum(xp.maximum(x + 3.0, 0.0), 6.0)
    return limited / 6.0, limited


def _hardsigmoid_backward(xp: Module, g: Array, needs: Any, inputs: tuple[Array], limited: Array) -> tuple[Array]:
    return (g / 6.0 * ((limited > 0.0) & (limited < 6.0)),)


@elementwise
def hardswish(xp: Module, x: Operand) -> Array:
    """x * hardsigmoid(x); Howard et al. 2019, "Searching for MobileNetV3", section 5.2."""
    return x * (xp.minimum(xp.maximum(x + 3.0, 0.0), 6.0) / 6.0)


@hardswish.vjp
def _(g: Operand, x: Operand) -> Operand:
    # x / 3 + 1 / 2 between -3 and 3, then 0 and 1; x limited, since at infinity inf * 0 would be NaN.
    limited = _hardtanh(x, low=-3.0, high=3.0)
    return g * ((limited + limited * (ag.abs(limited) < 3.0) + 3.0) / 6.0)


give_kernel(hardsigmoid, _hardsigmoid_forward, _hardsigmoid_backward)

# Exponentials


def sigmoid(x: Operand) -> Tensor:
    """1 / (1 + e^-x), exact in both tails."""
    return ag.sigmoid(x)


@fused
def logsigmoid(x: Operand) -> Operand:
    """log(sigmoid(x)), exact in both tails."""
    return ag.negative(ag.softplus(ag.negative(floated(x))))


def _logsigmoid_forward(xp: Module, x: Array) -> Any:
    x = floated(x)
    return -ag.softplus(-x), x


def _logsigmoid_backward(xp: Module, g: Array, needs: Any, inputs: tuple[Array], x: Array) -> tuple[Array]:
    return (g * ag.sigmoid(-x),)


give_kernel(logsigmoid, _logsigmoid_forward, _logsigmoid_backward)


def softplus(x: Operand, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta x)) / beta, a smooth relu; x itself where beta x > threshold."""
    beta, threshold = number("softplus", "beta", beta), number("softplus", "threshold", threshold)
    return _softplus(x, beta=beta, threshold=threshold)


@fused
def _softplus(x: Operand, *, beta: float, threshold: float) -> Operand:
    """The same."""
    z = x * beta
    return ag.where(z > threshold, x, ag.softplus(z) / beta)


def _softplus_forward(xp: Module, x: Array, *, beta: float, threshold: float) -> Any:
    z = x if beta == 1 else x * beta
    out = ag.softplus(z) if beta == 1 else ag.softplus(z) / beta
    linear = z > threshold
    return xp.where(linear, x, out), (z, linear)


def _softplus_backward(
    xp: Module, g: Array, needs: Any, inputs: tuple[Array], residuals: tuple[Array, Array], **options: Any
) -> tuple[Array]:
    z, linear = residuals
    return (g * xp.maximum(ag.sigmoid(z), linear),)


give_kernel(_softplus, _softplus_forward, _softplus_backward)


@elementwise
def _elu(xp: Module, x: Operand, *, alpha: float, width: float = 1.0) -> Array:
    """x where x > 0, else alpha (e^(x / width) - 1)."""
    return xp.maximum(x, 0) + alpha * xp.expm1(xp.minimum(x, 0) / width)


@_elu.vjp
def _(g: Operand, x: Operand, out: Operand, alpha: float, width: float) -> Operand:
    # The result limited to what it can be below 0, since at infinity inf * 0 would be NaN.
    below = ag.minimum(out, max(-alpha, 0.0))
    return g * ((x > 0) + (below + alpha) * (x <= 0) / width)


def elu(x: Operand, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (e^x - 1); Clevert, Unterthiner and Hochreiter 2016, equation 15."""
    return _elu(x, alpha=number("elu", "alpha", alpha))


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def selu(x: Operand) -> Tensor:
    """A scaled `elu` that keeps mean 0 and variance 1; Klambauer et al. 2017, equation 2."""
    return elu(x, _SELU_ALPHA) * _SELU_SCALE


def celu(x: Operand, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (e^(x / alpha) - 1); Barron 2017. Raises ValueError for alpha = 0."""
    alpha = number("celu", "alpha", alpha)
    if alpha == 0:
        raise ValueError("celu got alpha=0, by which it divides: take another.")
    return _elu(x, alpha=alpha, width=alpha)


def tanh(x: Operand) -> Tensor:
    """The hyperbolic tangent."""
    return ag.tanh(x)


def softsign(x: Operand) -> Tensor:
    """x / (1 + |x|)."""
    return x / (ag.abs(x) + 1.0)


in_loops(relu, least=1 << 13)  # NumPy does each way in one or two passes
in_loops(_leaky_relu, _hardtanh, hardswish, _elu)

# Over an axis


@telling
def softmax(x: Operand, dim: int = -1) -> Tensor:
    """e^x / sum(e^x) along the axis `dim`, without overflow."""
    return ag.softmax(x, axis=_checked("softmax", x, dim))


@telling
def log_softmax(x: Operand, dim: int = -1) -> Tensor:
    """The logarithm of `softmax`, without overflow."""
    return ag.log_softmax(x, axis=_checked("log_softmax", x, dim))


def _checked(name: str, x: Operand, dim: Any) -> int:
    """The axis; in the place of None PyTorch takes one by the number of axes, with a warning."""
    check_arrays(name, x=x)
    if not is_whole(dim, -inf):
        raise TypeError(f"{name} got dim={dim!r}: it must be an axis, a whole number; the last is dim=-1.")
    return int(dim)


def maxout(x: Tensor, pieces: int) -> Tensor:
    """The largest of `pieces` blocks of the last axis, place by place: (..., pieces * n) gives (..., n).

    Goodfellow, Warde-Farley, Mirza, Courville and Bengio 2013, equation 1. Raises ValueError when the last axis does
    not divide into so many blocks.
    """
    check_arrays("maxout", x=x)
    if not is_whole(pieces, 1):
        raise ValueError(f"maxout got pieces={pieces!r}: it must be a whole number, at least 1.")
    if x.ndim == 0 or x.shape[-1] % pieces:
        raise ValueError(f"maxout got x of shape {x.shape}: its last axis must divide into {pieces} blocks.")
    blocks = ag.reshape(x, (*x.shape[:-1], pieces, x.shape[-1] // pieces))
    return ag.max(blocks, axis=-2)
