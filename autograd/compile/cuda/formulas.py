"""Formulas: what members of loops compute, as polynomials, so that two ways to write the same are seen to be the same.

One idea: a formula that adds and multiplies is a sum of products, whatever the order in which it does so, and tanh of a
known sum is one more letter in it. So GELU and its slope are found by what they are, not by how they are written. Read
`bends.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose, pi, prod, sqrt

from ..native.groups import Member
from ..program import Variable

__all__ = ["GELU", "GELU_BACKWARD", "G", "Z", "formula_of", "is_same"]

Powers = tuple[int, int, int]  # of z, of t = tanh(GELU's polynomial of z), and of g
Formula = Mapping[Powers, float]  # with its factor
Known = dict[Variable, Formula | None]

Z: Formula = {(1, 0, 0): 1.0}
G: Formula = {(0, 0, 1): 1.0}
_T: Formula = {(0, 1, 0): 1.0}
_A, _B = sqrt(2 / pi), 0.044715
_INNER: Formula = {(1, 0, 0): _A, (3, 0, 0): _A * _B}
# Hendrycks and Gimpel 2016, section 2: z (1 + t) / 2 with t = tanh(a (z + b z^3)); and g times its slope, which is
# (1 + t) / 2 + z (1 - t^2) a (1 + 3 b z^2) / 2.
GELU: Formula = {(1, 0, 0): 0.5, (1, 1, 0): 0.5}
GELU_BACKWARD: Formula = {
    (0, 0, 1): 0.5,
    (0, 1, 1): 0.5,
    (1, 0, 1): _A / 2,
    (1, 2, 1): -_A / 2,
    (3, 0, 1): 3 * _A * _B / 2,
    (3, 2, 1): -3 * _A * _B / 2,
}

_CLOSE = 1e-6  # of factors: less than float32 can tell
_MOST = 32  # products in a sum: GELU's slope needs six, and half a dozen on the way


def is_same(formula: Formula | None, wanted: Formula) -> bool:
    """Whether two formulas have the same factors, but for the rounding of float32."""
    if formula is None:
        return False
    return all(
        isclose(formula.get(powers, 0.0), wanted.get(powers, 0.0), rel_tol=_CLOSE, abs_tol=1e-12)
        for powers in formula.keys() | wanted.keys()
    )


def formula_of(variable: Variable, members: Mapping[Variable, Member], known: Known) -> Formula | None:
    """What members make of what is known; None where it is something else. What is found on the way is known then."""
    if variable not in known:
        known[variable] = None  # until it is found to be one
        member = members.get(variable)
        if member is not None and member.kind == "element":
            known[variable] = _of(member, members, known)
    return known[variable]


def _of(member: Member, members: Mapping[Variable, Member], known: Known) -> Formula | None:
    given: list[Formula] = []
    for operand in member.operands:
        if operand.ref is not None and operand.ref.is_whole and _is_alike(operand.ref.base, member.out):
            one = formula_of(operand.ref.base, members, known)
        elif type(operand.constant) in (int, float):
            one = {(0, 0, 0): float(operand.constant)}
        else:
            one = None
        if one is None:
            return None
        given.append(one)
    made = _combined(member.name, given)
    return made if made is not None and len(made) <= _MOST else None


def _is_alike(a: Variable, b: Variable) -> bool:
    return bool(a.dtype == b.dtype) and prod(a.shape) == prod(b.shape)


def _combined(name: str, given: list[Formula]) -> Formula | None:
    if name == "add":
        return _sum(*given)
    if name == "subtract":
        return _sum(given[0], _scaled(given[1], -1.0))
    if name == "positive":
        return given[0]
    if name == "negative":
        return _scaled(given[0], -1.0)
    if name == "multiply":
        return _product(*given)
    if name == "square":
        return _product(*given, *given)
    if name == "divide" and given[1].keys() == {(0, 0, 0)} and given[1][0, 0, 0]:
        return _scaled(given[0], 1 / given[1][0, 0, 0])
    return _T if name == "tanh" and is_same(given[0], _INNER) else None


def _sum(a: Formula, b: Formula) -> Formula:
    return {powers: a.get(powers, 0.0) + b.get(powers, 0.0) for powers in a.keys() | b.keys()}


def _scaled(a: Formula, factor: float) -> Formula:
    return {powers: factor * x for powers, x in a.items()}


def _product(a: Formula, b: Formula) -> Formula:
    made: dict[Powers, float] = {}
    for (i, j, k), x in a.items():
        for (p, q, r), y in b.items():
            powers = i + p, j + q, k + r
            made[powers] = made.get(powers, 0.0) + x * y
    return made
