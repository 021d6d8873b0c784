"""Gates: activations that are x times a smooth gate, a function of x between 0 and 1 (or -1 and 1).

One idea: their kernels keep the gate, and find the slope from it in one go. Read `rows.py` next.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import autograd as ag
from autograd.backend import Array, Module, host
from autograd.fused import fused
from autograd.ops.cast import floated
from autograd.ops.special import atanh_of_erf
from autograd.tensor import Operand, Tensor

from .activation import give_kernel

__all__ = ["gelu", "mish", "silu"]


@fused
def silu(x: Operand) -> Operand:
    """x sigmoid(x), also named swish; Hendrycks and Gimpel 2016, Ramachandran et al. 2017."""
    return x * ag.sigmoid(x)


def _silu_forward(xp: Module, x: Array) -> Any:
    gate = ag.sigmoid(x)
    return x * gate, gate


def _silu_backward(xp: Module, g: Array, needs: Any, inputs: tuple[Array], gate: Array) -> tuple[Array]:
    slope = 1 - gate
    slope *= inputs[0]
    slope += 1
    slope *= gate
    slope *= g
    return (slope,)


give_kernel(silu, _silu_forward, _silu_backward)


@fused
def mish(x: Operand) -> Operand:
    """x tanh(softplus(x)); Misra 2019."""
    return x * ag.tanh(ag.softplus(x))


def _mish_forward(xp: Module, x: Array) -> Any:
    gate = xp.tanh(ag.softplus(x))
    return x * gate, gate


def _mish_backward(xp: Module, g: Array, needs: Any, inputs: tuple[Array], gate: Array) -> tuple[Array]:
    x = inputs[0]
    slope = x * ag.sigmoid(x)
    slope *= 1 - gate * gate
    slope += gate
    slope *= g
    return (slope,)


give_kernel(mish, _mish_forward, _mish_backward)


@fused
def _gelu(x: Operand) -> Operand:
    """x Phi(x), Phi the standard normal distribution."""
    return x * _normal(x)


def _normal(x: Operand) -> Operand:
    """Phi(x)."""
    return ag.erf(x * math.sqrt(0.5)) * 0.5 + 0.5


def _gelu_and_gate(x: Tensor) -> tuple[Tensor, Tensor]:
    """The result and Phi(x), which takes longer to compute again than to read."""
    gate = _normal(x)
    return x * gate, gate


def _gelu_slope(g: Tensor, x: Tensor, gate: Tensor) -> Tensor:
    return g * (gate + x * (ag.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))))


def _gelu_forward(xp: Module, x: Array) -> Any:
    if x.ndim == 0 or x.dtype.name not in ("float32", "float64"):
        return NotImplemented
    # (1 + tanh(z)) / 2 is 1 / (1 + e^-2z), and an exponential is the cheaper one.
    z = atanh_of_erf(xp, x * math.sqrt(0.5))
    z *= -2
    gate = _one_plus_exp(xp, z)
    xp.divide(1, gate, out=gate)
    return x * gate, gate


def _one_plus_exp(xp: Module, x: Array) -> Array:
    """1 + e^x, in place of x; infinite where the exponential overflows."""
    with host.errstate(over="ignore"):
        xp.exp(x, out=x)
    x += 1
    return x


def _gelu_backward(xp: Module, g: Array, needs: Any, inputs: tuple[Array], gate: Array) -> tuple[Array]:
    x = inputs[0]
    slope = x * x
    slope *= -0.5
    xp.exp(slope, out=slope)
    slope *= x
    slope *= 1 / math.sqrt(2 * math.pi)
    slope += gate
    slope *= g
    return (slope,)


give_kernel(_gelu, _gelu_forward, _gelu_backward, (_gelu_and_gate, _gelu_slope))

_TANH_SCALE = math.sqrt(2 / math.pi)
_TANH_CUBE = 0.044715


@fused
def _gelu_tanh(x: Operand) -> Operand:
    """x Phi(x) with Phi(x) = (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    x = floated(x)
    return x * (ag.tanh((x + x * x * x * _TANH_CUBE) * _TANH_SCALE) * 0.5 + 0.5)


def _gelu_tanh_forward(xp: Module, x: Array) -> Any:
    if x.ndim == 0 or x.dtype.name not in ("float32", "float64"):
        return NotImplemented
    # The gate is 1 / (1 + e^-2z) with z the argument of tanh, and an exponential is the cheaper one. To divide by what
    # stands below the line, here and in the backward, costs no more than to multiply by the gate.
    below = x * x
    below *= -2 * _TANH_SCALE * _TANH_CUBE
    below += -2 * _TANH_SCALE
    below *= x
    below = _one_plus_exp(xp, below)
    out = x / below
    return out, (below, out)


def _gelu_tanh_backward(
    xp: Module, g: Array, needs: Any, inputs: tuple[Array], residuals: tuple[Array, Array]
) -> tuple[Array]:
    # With s the gate and out = x s, the slope is s (1 + (x - out) 2z'), z' that of the argument of tanh.
    x = inputs[0]
    below, out = residuals
    slope = x * x
    slope *= 6 * _TANH_SCALE * _TANH_CUBE
    slope += 2 * _TANH_SCALE
    slope *= x - out
    slope += 1
    slope /= below
    slope *= g
    return (slope,)


give_kernel(_gelu_tanh, _gelu_tanh_forward, _gelu_tanh_backward)


def gelu(x: Operand, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """x Phi(x), Phi the standard normal distribution, exactly or by tanh; Hendrycks and Gimpel 2016."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu got approximate={approximate!r}: it must be "none" or "tanh".')
    return _gelu(x) if approximate == "none" else _gelu_tanh(x)
