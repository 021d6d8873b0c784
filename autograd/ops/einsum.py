"""einsum: sums of products, written with a letter for each axis.

One idea: first bring the operands into a form without special cases (see `einsum`), in which every letter of an operand
stands in another one too or in the result. That form is closed: the gradient of one operand is the same sum of
products, with g in its place and its letters as the result. So one rule of one line is right at every order.
Read `rounded.py` next.
"""

from __future__ import annotations

import itertools
import math
import string
from functools import lru_cache
from typing import Any

from ..backend import Array, Module
from ..errors import ShapeError
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand, Tensor
from .diagonal import diagonal
from .reduce import sum
from .shape import moveaxis, permute_dims, squeeze

__all__ = ["einsum"]


@primitive
def _einsum(xp: Module, *xs: Operand, subscripts: str) -> Array:
    """A sum of products in tidied form: no letter twice in an operand, none in a single operand only."""
    terms, output = subscripts.split("->")
    return _contracted(xp, list(zip(terms.split(","), xs, strict=True)), output)


@_einsum.vjp
def _(g: Operand, i: int, xs: tuple[Operand, ...], subscripts: str) -> Operand:
    terms, output = subscripts.split("->")
    *before, mine = terms.split(",")[: i + 1]
    after = terms.split(",")[i + 1 :]
    return _einsum(g, *xs[:i], *xs[i + 1 :], subscripts=f"{','.join((output, *before, *after))}->{mine}")


# The forward, on arrays: two operands at a time, by one matrix product or one multiplication

Term = tuple[str, Array]  # a letter for each axis, and the operand


def _contracted(xp: Module, terms: list[Term], output: str) -> Array:
    while len(terms) > 1:
        pairs = itertools.combinations(terms, 2)
        first, second = next(pairs) if len(terms) == 2 else min(pairs, key=_work)
        terms = [term for term in terms if term is not first and term is not second]
        terms.append(_product(xp, first, second, needed=output + "".join(letters for letters, _ in terms)))
    letters, x = terms[0]
    return xp.transpose(x, [letters.index(c) for c in output])


def _work(pair: tuple[Term, Term]) -> int:
    """The number of multiplications of two operands."""
    lengths = {c: length for letters, x in pair for c, length in zip(letters, x.shape, strict=True)}
    return math.prod(lengths.values())


def _product(xp: Module, first: Term, second: Term, needed: str) -> Term:
    """The product of two operands, summed over the letters that nobody needs any more."""
    (a, x), (b, y) = first, second
    shared = [c for c in a if c in b and c in needed]
    summed = [c for c in a if c in b and c not in needed]
    only_a, only_b = [c for c in a if c not in b], [c for c in b if c not in a]
    lengths = dict(zip(a + b, x.shape + y.shape, strict=True))

    def shape(letters: list[str]) -> Shape:
        return tuple(lengths[c] for c in letters)

    def size(letters: list[str]) -> int:
        return math.prod(shape(letters))

    front = shape(shared)
    result = shared + only_a + only_b
    x = xp.transpose(x, [a.index(c) for c in shared + only_a + summed])
    y = xp.transpose(y, [b.index(c) for c in shared + summed + only_b])
    if not summed:
        return "".join(result), x.reshape(x.shape + (1,) * len(only_b)) * y.reshape(
            front + (1,) * len(only_a) + shape(only_b)
        )
    x = x.reshape((*front, size(only_a), size(summed)))
    y = y.reshape((*front, size(summed), size(only_b)))
    return "".join(result), xp.matmul(x, y).reshape(shape(result))


# Bringing operands into the tidied form


def einsum(subscripts: str, *operands: Operand) -> Tensor:
    """The sum of products that `subscripts` describes: NumPy's einsum.

    "ij,jk->ik" names the axes of each operand and of the result; letters missing from the result are summed over.
    Without "->" the result has, in alphabetical order, the letters that occur once. A letter twice in one operand walks
    its diagonal; "..." stands for any axes in front, which broadcast, as do axes of length 1.

    Raises TypeError and ValueError for subscripts that cannot be read, ShapeError for lengths that do not agree.
    """
    first: Any = subscripts
    if not isinstance(first, str):
        kind = type(first).__name__
        raise TypeError(f'einsum takes its subscripts first, a text, got a {kind}: einsum("ij,jk->ik", x, y).')
    if any(isinstance(x, (list, tuple)) for x in operands):
        raise TypeError("einsum takes its operands one by one, Tensors or arrays: einsum(subscripts, x, y).")
    shapes = tuple(x.shape for x in operands)
    read, output = _read(subscripts, shapes)
    lengths = _lengths(subscripts, read, shapes)
    terms, xs = list(read), list(operands)
    for i, letters in enumerate(read):
        terms[i], xs[i] = _distinct(subscripts, letters, xs[i])
        terms[i], xs[i] = _without_broadcast(terms[i], xs[i], lengths)
    for i, letters in enumerate(terms):
        elsewhere = output + "".join(terms[:i] + terms[i + 1 :])
        lone = tuple(axis for axis, c in enumerate(letters) if c not in elsewhere)
        if lone:
            xs[i] = sum(xs[i], axis=lone)
            terms[i] = "".join(c for c in letters if c in elsewhere)
    if len(xs) == 1:
        return permute_dims(xs[0], [terms[0].index(c) for c in output])
    return _einsum(*xs, subscripts=f"{','.join(terms)}->{output}")


@lru_cache(maxsize=256)
def _read(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[tuple[str, ...], str]:
    """The letters of each operand and of the result, one an axis, with letters in place of each "..."."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if not shapes or len(terms) != len(shapes):
        raise ValueError(f'einsum: "{subscripts}" describes {len(terms)} operand(s), got {len(shapes)}.')
    if set(text.replace("->", "").replace("...", "")) - set(string.ascii_letters + ","):
        raise ValueError(f'einsum: "{subscripts}" may hold letters, commas, one "->", and "..." once an operand.')
    if any(term.count("...") > 1 for term in (*terms, right)):
        raise ValueError(f'einsum: "{subscripts}" has "..." twice in one operand.')
    hidden = [_hidden(subscripts, term, shape) for term, shape in zip(terms, shapes, strict=True)]
    dots = "".join(c for c in string.ascii_letters if c not in text)[: max(hidden)]
    if not arrow:
        once = sorted(c for c in set(left) - set(",.") if left.count(c) == 1)
        right = ("..." if dots else "") + "".join(once)
    output = right.replace("...", dots)
    if len(set(output)) < len(output) or set(right) - set(left):
        raise ValueError(f'einsum: the result of "{subscripts}" must name letters of the operands, each once.')
    if dots and "..." not in right:
        raise ValueError(f'einsum: "{subscripts}" must say where "..." stands in the result.')
    full = (term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, hidden, strict=True))
    return tuple(full), output


def _hidden(subscripts: str, term: str, shape: Shape) -> int:
    """How many axes of an operand "..." stands for, or 0 without it; ShapeError where the letters are not the rest."""
    count = len(shape) - len(term.replace("...", ""))
    if count < 0 or (count and "..." not in term):
        raise ShapeError(f'einsum: "{term}" of "{subscripts}" does not name the axes of an operand of shape {shape}.')
    return count


@lru_cache(maxsize=256)
def _lengths(subscripts: str, terms: tuple[str, ...], shapes: tuple[Shape, ...]) -> dict[str, int]:
    """The length of each letter. Raises ShapeError when two operands do not agree on one."""
    lengths: dict[str, int] = {}
    for letters, shape in zip(terms, shapes, strict=True):
        for c, length in zip(letters, shape, strict=True):
            if lengths.setdefault(c, length) == 1:
                lengths[c] = length
            if length not in (1, lengths[c]):
                name = f'"{c}"' if c in subscripts else 'an axis of "..."'
                listed = ", ".join(map(str, shapes))
                raise ShapeError(
                    f'einsum: {name} of "{subscripts}" has the lengths {lengths[c]} and {length}, in shapes {listed}.'
                )
    return lengths


def _distinct(subscripts: str, letters: str, x: Operand) -> tuple[str, Operand]:
    """The operand with each letter once: the diagonal of axes that share one."""
    for c in dict.fromkeys(letters):
        while letters.count(c) > 1:
            first = letters.index(c)
            second = letters.index(c, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(
                    f'einsum: "{c}" of "{subscripts}" has the lengths {x.shape[first]} and {x.shape[second]} in one '
                    f"operand, of shape {x.shape}."
                )
            x = diagonal(moveaxis(x, (first, second), (-2, -1)))
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + c
    return letters, x


def _without_broadcast(letters: str, x: Operand, lengths: dict[str, int]) -> tuple[str, Operand]:
    """The operand without the axes of length 1 that are longer in another operand."""
    gone = tuple(axis for axis, c in enumerate(letters) if x.shape[axis] == 1 != lengths[c])
    if not gone:
        return letters, x
    return "".join(c for axis, c in enumerate(letters) if axis not in gone), squeeze(x, gone)


def tensordot_subscripts(a_ndim: int, b_ndim: int, of_a: Shape, of_b: Shape) -> str:
    """The subscripts of a tensordot over the axes `of_a` of a, paired with the axes `of_b` of b."""
    a, b = list(string.ascii_letters[:a_ndim]), list(string.ascii_letters[a_ndim : a_ndim + b_ndim])
    for i, j in zip(of_a, of_b, strict=True):
        b[j] = a[i]
    output = [c for c in a if c not in b] + [c for c in b if c not in a]
    return f"{''.join(a)},{''.join(b)}->{''.join(output)}"
