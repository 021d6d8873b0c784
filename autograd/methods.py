"""The methods of Tensor that have a name, a line each, by family: all of them calls of the functions in `ops/`.

One idea: `Methods` is written as a class that Tensor would inherit from, so editors and type checkers see real methods;
`operators.py`, which is next, adds the operators and puts both onto Tensor.
"""

from __future__ import annotations

from typing import Any

from . import engine
from .errors import ShapeError
from .ops import (
    cast,
    choice,
    discrete,
    elementwise,
    extrema,
    linalg,
    products,
    reduce,
    special,
    stable,
    trigonometric,
)
from .ops import shape as shapes_
from .shapes import Axis, Shape
from .tensor import Operand, Tensor

__all__ = ["Methods"]


class Methods:
    """What can be done with a Tensor by name."""

    __slots__ = ()

    # Gradients

    def backward(
        self: Any, gradient: Operand = None, *, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add to `.grad` of every leaf the derivative of this Tensor, weighted by `gradient` (1 for a scalar)."""
        engine.backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

    # Elementwise

    def abs(self) -> Tensor:
        """The absolute value."""
        return elementwise.abs(self)

    def exp(self) -> Tensor:
        """e to the power of each element."""
        return elementwise.exp(self)

    def expm1(self) -> Tensor:
        """exp(x) - 1, right also for small x."""
        return elementwise.expm1(self)

    def log(self) -> Tensor:
        """The natural logarithm."""
        return elementwise.log(self)

    def log1p(self) -> Tensor:
        """log(1 + x), right also for small x."""
        return elementwise.log1p(self)

    def log2(self) -> Tensor:
        """The logarithm to base 2."""
        return elementwise.log2(self)

    def log10(self) -> Tensor:
        """The logarithm to base 10."""
        return elementwise.log10(self)

    def sqrt(self) -> Tensor:
        """The square root."""
        return elementwise.sqrt(self)

    def rsqrt(self) -> Tensor:
        """1 / sqrt(x)."""
        return elementwise.rsqrt(self)

    def square(self) -> Tensor:
        """x * x."""
        return elementwise.square(self)

    def reciprocal(self) -> Tensor:
        """1 / x."""
        return elementwise.reciprocal(self)

    def sin(self) -> Tensor:
        """The sine; x in radians."""
        return trigonometric.sin(self)

    def cos(self) -> Tensor:
        """The cosine; x in radians."""
        return trigonometric.cos(self)

    def tan(self) -> Tensor:
        """The tangent; x in radians."""
        return trigonometric.tan(self)

    def tanh(self) -> Tensor:
        """The hyperbolic tangent."""
        return trigonometric.tanh(self)

    def erf(self) -> Tensor:
        """The error function."""
        return special.erf(self)

    def sign(self) -> Tensor:
        """-1, 0 or 1."""
        return discrete.sign(self)

    def floor(self) -> Tensor:
        """Rounded down."""
        return discrete.floor(self)

    def ceil(self) -> Tensor:
        """Rounded up."""
        return discrete.ceil(self)

    def trunc(self) -> Tensor:
        """Rounded towards zero."""
        return discrete.trunc(self)

    def round(self) -> Tensor:
        """Rounded to the nearest, halves to even."""
        return discrete.round(self)

    def isnan(self) -> Tensor:
        """Where NaN."""
        return discrete.isnan(self)

    def isinf(self) -> Tensor:
        """Where infinite."""
        return discrete.isinf(self)

    def isfinite(self) -> Tensor:
        """Where neither NaN nor infinite."""
        return discrete.isfinite(self)

    def pow(self, exponent: Operand) -> Tensor:
        """Each element to a power."""
        return elementwise.pow(self, exponent)

    def clip(self, low: Operand = None, high: Operand = None) -> Tensor:
        """Limited to [low, high]; None for no limit."""
        return choice.clip(self, low, high)

    def maximum(self, other: Operand) -> Tensor:
        """The larger of two, element by element."""
        return choice.maximum(self, other)

    def minimum(self, other: Operand) -> Tensor:
        """The smaller of two, element by element."""
        return choice.minimum(self, other)

    # Reductions over `axis`: one, several, or all of them for None

    def sum(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """The sum."""
        return reduce.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """The mean."""
        return reduce.mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """The product."""
        return products.prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """The largest element."""
        return extrema.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """The smallest element."""
        return extrema.min(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Whether all are true."""
        return reduce.all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """Whether any is true."""
        return reduce.any(self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
        """log(sum(exp(x))), without overflow."""
        return stable.logsumexp(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, *, correction: float = 0, keepdims: bool = False) -> Tensor:
        """The mean squared distance from the mean; the divisor is n - correction."""
        return reduce.var(self, axis=axis, correction=correction, keepdims=keepdims)

    def std(self, axis: Axis = None, *, correction: float = 0, keepdims: bool = False) -> Tensor:
        """The square root of `var`."""
        return reduce.std(self, axis=axis, correction=correction, keepdims=keepdims)

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Where the largest element is."""
        return extrema.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Tensor:
        """Where the smallest element is."""
        return extrema.argmin(self, axis=axis, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Running sums along an axis."""
        return products.cumsum(self, axis=axis)

    def norm(self: Any, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The Euclidean norm; `axis` goes by keyword, since elsewhere the first argument is the order of the norm."""
        return reduce.norm(self, axis=axis, keepdims=keepdims)

    def softmax(self, axis: int = -1) -> Tensor:
        """exp(x) / sum(exp(x)) along an axis."""
        return stable.softmax(self, axis=axis)

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-x)), without overflow."""
        return stable.sigmoid(self)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """The logarithm of `softmax`, without overflow."""
        return stable.log_softmax(self, axis=axis)

    # Shape

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements under another shape; one length may be -1."""
        return shapes_.reshape(self, shape=_given(shape))

    def permute_dims(self, *axes: Any) -> Tensor:
        """The axes in another order."""
        return shapes_.permute_dims(self, axes=_given(axes))

    def transpose(self: Any, *axes: Any) -> Tensor:
        """The axes in another order, reversed when none is named, as in NumPy."""
        return shapes_.permute_dims(self, axes=_order(self, axes))

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Two axes exchanged."""
        return shapes_.swapaxes(self, axis1=axis1, axis2=axis2)

    def flatten(self: Any, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        """The axes from start to end as one."""
        return shapes_.flatten(self, start_axis=start_axis, end_axis=end_axis)

    def ravel(self: Any) -> Tensor:
        """All elements along one axis."""
        return shapes_.reshape(self, shape=(-1,))

    def expand_dims(self, axis: Axis) -> Tensor:
        """With a new axis of length 1."""
        return shapes_.expand_dims(self, axis=axis)

    def unsqueeze(self, axis: int) -> Tensor:
        """With a new axis of length 1; PyTorch's name for `expand_dims`."""
        return shapes_.expand_dims(self, axis=axis)

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Without axes of length 1."""
        return shapes_.squeeze(self, axis=axis)

    def broadcast_to(self, *shape: Any) -> Tensor:
        """Repeated along axes of length 1 to a shape."""
        return shapes_.broadcast_to(self, shape=_given(shape))

    @property
    def T(self: Any) -> Tensor:
        """The transpose of a matrix (ndim 2); `mT` transposes stacks of them."""
        return linalg.transpose_of_matrix(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return linalg.matrix_transpose(self)

    # Kind and place

    def astype(self, dtype: Any) -> Tensor:
        """With elements of another dtype."""
        return cast.astype(self, dtype=dtype)

    def float(self) -> Tensor:
        """As float32."""
        return cast.astype(self, dtype="float32")

    def double(self) -> Tensor:
        """As float64."""
        return cast.astype(self, dtype="float64")

    def to(self: Any, *targets: Any, device: str | None = None, dtype: Any = None) -> Tensor:
        """On another device ("cuda"), of another dtype ("float64"), or both."""
        for target in (*targets, device, dtype):
            self = self if target is None else cast.to(self, target)
        return self

    def cpu(self: Any) -> Tensor:
        """On the CPU."""
        return cast.to(self, "cpu")

    def cuda(self: Any) -> Tensor:
        """On the first GPU."""
        return cast.to(self, "cuda")

    def clone(self) -> Tensor:
        """A copy that stays in the graph."""
        return elementwise.positive(self)


def _given(parts: tuple[Any, ...]) -> Shape:
    """A shape or axes given as one tuple or as several numbers."""
    return tuple(parts[0]) if len(parts) == 1 and isinstance(parts[0], (tuple, list)) else parts


def _order(x: Any, axes: tuple[Any, ...]) -> Shape:
    """The axes for `transpose`, which are the whole new order in NumPy, but two to be exchanged in PyTorch."""
    if axes == (0, 1) and x.ndim == 2:
        raise ShapeError("transpose(0, 1) names the order that the axes have already; write T, or swapaxes(0, 1).")
    if len(axes) == 2 and x.ndim > 2:
        raise ShapeError(f"transpose takes all {x.ndim} axes in their new order, or none; write swapaxes{axes}.")
    return _given(axes) or tuple(reversed(range(x.ndim)))
