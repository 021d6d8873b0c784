"""The logarithm of the gamma function, and its slopes of every order, which no array module has.

One idea: above 1/2 each is a smooth factor times what is 0 where the function is 0, or, further out, Stirling's series;
a fraction of two polynomials gives the factor and what is left of the series to the last place. What lies below 1/2 is
mirrored there. The slopes beyond the second share one sum, Euler and Maclaurin's.
Read `shape.py` next.
"""

from __future__ import annotations

import math

from ..backend import Array, Module, is_floating
from ..primitive import elementwise
from ..tensor import Operand
from .cast import single
from .special import polynomial

__all__ = ["digamma", "lgamma", "polygamma"]

# Fractions of two polynomials, the highest power first, with the least squares of their relative error, found in 60
# digits. No coefficient is negative, so no digit cancels. Near is from 1/2 to 4, in powers of x; far is from 4 on, in
# powers of 1 / x^2.
NEAR = 4.0
_LGAMMA_NEAR = (  # lgamma(x) / ((x - 1) (x - 2))
    (
        *(0.002206561500339385, 1.5453374691892652, 63.18956275060361, 710.6504506452727, 2983.0705156579224),
        *(5216.26059576166, 3881.39888735956, 1173.4532423098965, 122.36293039699729, 2.7733703271802006),
    ),
    (
        *(0.36993274774386337, 24.503279669786625, 416.5006172124314, 2636.0647384243953, 7134.599045400405),
        *(8639.339952672057, 4602.983063348703, 995.2973215813026, 71.73109681219259, 1.0),
    ),
)
_LGAMMA_FAR = (  # (lgamma(x) - (x - 1/2) log(x) + x - log(2 pi) / 2) x
    (0.029708903270358824, 0.3222532936054501, 0.3845119294754549, 0.08333333333333293),
    (0.4531354749899689, 4.0124315990624755, 4.647476487030228, 1.0),
)
_DIGAMMA_NEAR = (  # digamma(x) / (x - its zero)
    (
        *(833.3743818077985, 776283.1236491555, 39321929.3786683, 578013827.890761),
        *(3358494448.638015, 8419497696.803301, 8596737077.890223, 2588205394.104211),
    ),
    (
        *(147929.9766692651, 10818184.332855824, 212654146.40025574, 1625265214.168624),
        *(5433760394.937782, 7793452694.335105, 3783004186.022237, 1.0),
    ),
)
_DIGAMMA_FAR = (  # (log(x) - 1 / (2 x) - digamma(x)) x^2
    (0.17207691322870808, 1.8872532186591173, 2.6269566360749583, 0.9316185697533033, 0.08333333333333333),
    (3.527455969340255, 25.42030351111665, 32.60380286912084, 11.279422837039366, 1.0),
)
_ZERO, _ZERO_REST = 1.4616321325302124, 1.2438149938918909e-08  # of digamma: a float32, and what that leaves out

# B2, B4, ...: Bernoulli's numbers, and how many terms are summed before they take over.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
_SUMMED = 9


def _wide(xp: Module, x: Operand) -> tuple[Array, Array]:
    """x as floats, and in float32 at least."""
    x = xp.asarray(x)
    x = x if is_floating(x.dtype) else x.astype("float64")
    return x, single(x)


def _mirrored(xp: Module, x: Array) -> tuple[Array, Array]:
    """x where that is at least 1/2 and 1 - x elsewhere; and pi x but for whole turns, 1/2 pi where x is more."""
    low = xp.minimum(x, 0.5)
    return xp.maximum(x, 1 - x), (low - xp.rint(low)) * math.pi


def _fraction(x: Array, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Array:
    above, below = coefficients
    return polynomial(x, above) / polynomial(x, below)


@elementwise
def lgamma(xp: Module, x: Operand) -> Array:
    """The logarithm of the absolute value of the gamma function; infinite at 0 and below it at whole numbers.

    For x > 0 within 1e-15 of the truth in float64 and 6e-7 in float32, relative to it. Abramowitz and Stegun, 6.1.17
    and 6.1.40.
    """
    given, x = _wide(xp, x)
    up, turn = _mirrored(xp, x)
    near, far = xp.minimum(up, NEAR), xp.maximum(up, NEAR)
    least = (near - 1) * (near - 2) * _fraction(near, _LGAMMA_NEAR)
    inverse = 1 / far
    stirling = (far - 0.5) * (xp.log(far) - 1) + (math.log(2 * math.pi) - 1) / 2
    out = xp.where(up < NEAR, least, stirling + inverse * _fraction(inverse * inverse, _LGAMMA_FAR))
    out = xp.where(x < 0.5, math.log(math.pi) - xp.log(xp.abs(xp.sin(turn))) - out, out)
    out = xp.where(x == -math.inf, math.inf, out)
    return out.astype(given.dtype, copy=False)


@lgamma.vjp
def _(g: Operand, x: Operand) -> Operand:
    return g * digamma(x)


@elementwise
def digamma(xp: Module, x: Operand) -> Array:
    """The slope of `lgamma`: -infinity at 0, NaN below it at whole numbers, where the slope has two signs.

    For x > 0 within 1e-15 of the truth in float64 and 6e-7 in float32, relative to it. Abramowitz and Stegun, 6.3.7 and
    6.3.18.
    """
    given, x = _wide(xp, x)
    up, turn = _mirrored(xp, x)
    near, far = xp.minimum(up, NEAR), xp.maximum(up, NEAR)
    least = ((near - _ZERO) - _ZERO_REST) * _fraction(near, _DIGAMMA_NEAR)
    inverse = 1 / far
    series = xp.log(far) - 0.5 * inverse - inverse * inverse * _fraction(inverse * inverse, _DIGAMMA_FAR)
    out = xp.where(up < NEAR, least, series)
    out = xp.where(x < 0.5, out - math.pi / xp.tan(_off_poles(xp, x, turn)), out)
    return out.astype(given.dtype, copy=False)


@digamma.vjp
def _(g: Operand, x: Operand) -> Operand:
    return g * polygamma(x, n=1)


def _off_poles(xp: Module, x: Array, turn: Array) -> Array:
    """NaN where x is whole and below 0, and else what it was."""
    return xp.where((x < 0) & (turn == 0), math.nan, turn)


@elementwise
def polygamma(xp: Module, x: Operand, *, n: int) -> Array:
    """The n-th derivative of `digamma`, for n at least 1.

    For x > 0 and n up to 8 within 3e-15 of the truth in float64 and 1e-6 in float32, relative to it. Raises ValueError
    for another n. Abramowitz and Stegun, 6.4.7 and 6.4.10, and 23.1.30 for the sum.
    """
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"polygamma: n must be a whole number of at least 1, got {n!r}; n = 0 is digamma(x).")
    given, x = _wide(xp, x)
    up, turn = _mirrored(xp, x)
    out = _sum_of_powers(up, n + 1) * float(math.factorial(n))
    sign = (-1.0) ** (n + 1)
    mirrored = polynomial(1 / xp.tan(_off_poles(xp, x, turn)), _slopes_of_cotangent(n)) * -(math.pi ** (n + 1))
    out = xp.where(x < 0.5, mirrored - out, out * sign)
    return out.astype(given.dtype, copy=False)


@polygamma.vjp
def _(g: Operand, x: Operand, n: int) -> Operand:
    return g * polygamma(x, n=n + 1)


def _sum_of_powers(x: Array, s: int) -> Array:
    """The sum of (x + k)^-s over all k from 0 on, for s above 1: Hurwitz' zeta function."""
    inverse = 1 / (x + _SUMMED)
    coefficients = [
        number * math.prod(range(s, s + 2 * j - 1)) / math.factorial(2 * j)
        for j, number in enumerate(_BERNOULLI, start=1)
    ]
    rest = polynomial(inverse * inverse, tuple(reversed(coefficients)))
    out = inverse ** (s - 1) * ((rest * inverse + 0.5) * inverse + 1 / (s - 1))
    for k in reversed(range(_SUMMED)):
        out += (1 / (x + k)) ** s
    return out


def _slopes_of_cotangent(n: int) -> tuple[float, ...]:
    """The n-th derivative of cot as a polynomial in cot, the highest power first: cot' = -(1 + cot^2)."""
    powers = [0, 1]  # of cot itself, the lowest first
    for _ in range(n):
        slope = [i * c for i, c in enumerate(powers)][1:]
        powers = [-a - b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return tuple(float(c) for c in reversed(powers))
