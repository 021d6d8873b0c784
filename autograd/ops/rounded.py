"""Rounded: products of float32 as `autocast` wants them, in bfloat16.

One idea: to multiply in bfloat16 is to cast both factors, multiply, and cast back, and all of these are primitives with
rules: so the gradients are multiplied in bfloat16 as well, at every order, wherever backward runs. Between the casts
there is nothing but the product; no other operation ever sees bfloat16. Read `linalg.py` next.
"""

# Note [Bfloat16 on the host]
# A GPU multiplies bfloat16 as it is. The host has no product of it worth the name, but float32 holds both factors and
# their products without a loss, so there the factors are cast to bfloat16 and back, and the product is float32's,
# rounded at the end: the numbers of the GPU, but for the order of its sums.

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..backend import device_of, float32
from ..modes import casting, is_tracing
from ..tensor import Operand, bare
from .cast import astype

__all__ = ["rounded"]


def _never(a: Operand, b: Operand, options: dict[str, Any]) -> bool:
    return False


def rounded(
    product: Callable[..., Any], unless: Callable[[Operand, Operand, dict[str, Any]], bool] = _never
) -> Callable[..., Any]:
    """The product of two operands, bilinear, that inside `autocast` is made in bfloat16, `unless` it gains nothing."""

    @functools.wraps(product)
    def call(a: Operand, b: Operand, **options: Any) -> Any:
        dtype = casting()
        if dtype is None or not (_is_float32(a) and _is_float32(b)) or unless(a, b, options):
            return product(a, b, **options)
        a, b = astype(a, dtype), astype(b, dtype)
        if _is_on_host(a):  # see Note [Bfloat16 on the host]
            return astype(astype(product(astype(a, float32), astype(b, float32), **options), dtype), float32)
        return astype(product(a, b, **options), float32)

    return call


def _is_on_host(x: Operand) -> bool:
    """Whether it is multiplied on the host, now or when the program runs that is being written down."""
    trace = is_tracing()
    if trace is not None:
        return trace.device in (None, "cpu")
    return device_of(bare(x)) == "cpu"


def _is_float32(x: Operand) -> bool:
    return getattr(x, "dtype", None) == float32
