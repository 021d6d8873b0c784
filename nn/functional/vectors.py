"""Vectors beside one another: each of length 1, the angle between two, and their distance.

One idea: a network that embeds is judged by angles and distances of what it gives, so these are functions of vectors
along one axis, each a formula on norms whose slope at 0 is finite. Read `loss.py` next, whose triplets are compared so.
"""

from __future__ import annotations

import autograd as ag
from autograd.hints import telling
from autograd.linalg import vector_norm
from autograd.ops.cast import floated
from autograd.tensor import Operand, Tensor

from .given import check_arrays, number

__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]


@telling
def normalize(input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Tensor:
    """input divided by its p-norm along `dim`, or by eps where that is more; the shape is input's.

    Raises ValueError for an axis that is not there.
    """
    check_arrays("normalize", input=input)
    norms = vector_norm(input, axis=dim, keepdims=True, ord=number("normalize", "p", p))
    return input / ag.clip(norms, number("normalize", "eps", eps), None)


@telling
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along `dim`, a norm below eps counting as eps.

    x1 and x2 broadcast to (..., D, ...), with D at `dim`, which the result, (..., ...), has not. Raises ShapeError for
    shapes that do not broadcast.
    """
    check_arrays("cosine_similarity", x1=x1, x2=x2)
    eps = number("cosine_similarity", "eps", eps)
    # Each is made shorter before they meet, since a sum of squares would be too large for float16.
    one, other = (normalize(x, dim=dim, eps=eps) for x in ag.broadcast_arrays(x1, x2))
    return ag.sum(one * other, axis=dim)


@telling
def pairwise_distance(x1: Operand, x2: Operand, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis: eps is added to each element.

    x1 and x2 broadcast to (..., D) and give (...), or (..., 1) with `keepdim`. Raises ShapeError for shapes that do not
    broadcast.
    """
    check_arrays("pairwise_distance", x1=x1, x2=x2)
    difference = ag.subtract(floated(x1, x2), x2) + number("pairwise_distance", "eps", eps)
    return vector_norm(difference, axis=-1, keepdims=keepdim, ord=number("pairwise_distance", "p", p))
