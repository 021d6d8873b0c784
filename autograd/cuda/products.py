"""Matrix products of an array library, done by cuBLASLt: `matmul` and `dot` as NumPy has them, and `affine`.

One idea: how two arrays are multiplied is worked out once for their shapes, strides and dtype, and looked up ever
after. What cuBLASLt cannot do (integers, complex numbers, mixed dtypes, empty arrays) the library does itself, and
`ArrayModule` is that library with these products in the place of its own. So no operation knows about it: it asks for
`xp.matmul` and gets this one. Read `windows.py` next.
"""

from __future__ import annotations

import functools
import itertools
import operator
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple, Protocol

from ..backend import Array, Module
from .blas import ALIGNMENT, Blas, Plan, UnsupportedProduct
from .operands import Multiplication, multiplication
from .precision import is_tf32
from .product import DTYPES
from .remainder import remainder_of
from .windows import sliding_windows

__all__ = ["ArrayModule", "Place", "Products", "Surroundings"]

_EPILOGUES = {(None, False): None, (None, True): "bias", ("relu", False): "relu", ("relu", True): "relu_bias"}

MOST = 4096  # ways kept; a program whose shapes never come back shall not collect them for ever


class Place(NamedTuple):
    """Where products run: a GPU, a stream, and memory to work in."""

    device: int
    stream: int  # its handle
    workspace: int  # the address of WORKSPACE_BYTES
    blas: Blas


class Surroundings(Protocol):
    """What the products have to ask of an array library."""

    def address(self, array: Array) -> int:
        """Where an array begins in the memory of the GPU."""

    def place(self, array: Array) -> Place:
        """Where to run a product of this array."""


class Way:
    """How arrays of certain shapes are multiplied: a `Multiplication` in bytes, with the plans made so far."""

    def __init__(self, way: Multiplication, dtype: Any) -> None:
        self.product, self.shape, self.dtype = way.product, way.shape, dtype
        self.copy_a, self.copy_b = way.copy_a, way.copy_b
        self.offsets = [(a * dtype.itemsize, b * dtype.itemsize, c * dtype.itemsize) for a, b, c in way.offsets]
        # The lowest bit set in any of these, or in an address, is what all addresses are multiples of.
        self.alignment = functools.reduce(operator.or_, itertools.chain(*self.offsets), ALIGNMENT)
        self.plans: dict[tuple[int, int, str | None], Plan] = {}  # by device, alignment and epilogue
        self.refused: set[str | None] = set()  # the epilogues that cuBLASLt has no algorithm for


class Products:
    """The products of `library`, done by cuBLASLt where it can."""

    def __init__(self, library: Module, surroundings: Surroundings) -> None:
        self.library, self._array = library, library.ndarray
        self.address, self.place = surroundings.address, surroundings.place
        self._ways: dict[Any, Way | None] = {}

    def matmul(self, a: Array, b: Array, out: Array = None, **options: Any) -> Array:
        """NumPy's matmul."""
        done = None if options else self._done(self._way(a, b), a, b, out)
        return self.library.matmul(a, b, out=out, **options) if done is None else done

    def dot(self, a: Array, b: Array, out: Array = None) -> Array:
        """NumPy's dot, which is matmul for vectors and matrices."""
        if getattr(a, "ndim", 0) in (1, 2) and getattr(b, "ndim", 0) in (1, 2):
            return self.matmul(a, b, out)
        return self.library.dot(a, b, out)

    def affine(self, x: Array, weight: Array, bias: Array | None, activation: str | None) -> Array:
        """x W^T + b, then ReLU where `activation` is "relu": x (..., k), weight (n, k), bias (n,), of one dtype."""
        epilogue = _EPILOGUES[activation, bias is not None]
        if bias is None or bias.flags.c_contiguous:
            done = self._done(self._way(x, weight.T), x, weight.T, None, epilogue, bias)
            if done is not None:
                return done
        out = self.matmul(x, weight.T)
        if bias is not None:
            out += bias
        return self.library.maximum(out, 0, out=out) if activation == "relu" else out

    def _way(self, a: Array, b: Array) -> Way | None:
        if type(a) is not self._array or type(b) is not self._array:
            return None  # the library says what it takes
        # The number of a dtype is had at once, its hash is worked out anew each time.
        key = (a.dtype.num, b.dtype.num, a.shape, b.shape, a.strides, b.strides, is_tf32())
        try:
            return self._ways[key]
        except KeyError:
            if len(self._ways) >= MOST:
                self._ways.clear()
            self._ways[key] = _found(a, b)
            return self._ways[key]

    def _done(
        self, way: Way | None, a: Array, b: Array, out: Array | None, epilogue: str | None = None, bias: Any = None
    ) -> Array | None:
        """The product, or None where cuBLASLt cannot do it; what it has refused is not asked for again."""
        if way is None or epilogue in way.refused:
            return None
        try:
            return self._run(way, a, b, out, epilogue, bias)
        except UnsupportedProduct:
            way.refused.add(epilogue)
            return None

    def _run(self, way: Way, a: Array, b: Array, out: Array | None, epilogue: str | None, bias: Array | None) -> Array:
        a = self.library.ascontiguousarray(a) if way.copy_a else a
        b = self.library.ascontiguousarray(b) if way.copy_b else b
        c = out if out is not None and self._takes(out, way, a, b) else self.library.empty(way.shape, way.dtype)
        address, place = self.address, self.place(a)
        at_a, at_b, at_c, at_bias = address(a), address(b), address(c), 0 if bias is None else address(bias)
        bits = way.alignment | at_a | at_b | at_c | at_bias
        key = (place.device, bits & -bits, epilogue)
        plan = way.plans.get(key)
        if plan is None:
            plan = way.plans[key] = place.blas.plan(replace(way.product, epilogue=epilogue), bits & -bits)
        for in_a, in_b, in_c in way.offsets:
            plan.run(at_a + in_a, at_b + in_b, at_c + in_c, at_bias, 0, place.stream, place.workspace)
        if out is not None and out is not c:
            out[...] = c
            return out
        return c

    def _takes(self, out: Array, way: Way, a: Array, b: Array) -> bool:
        """Whether the result can be written to `out` at once."""
        fits = out.shape == way.shape and out.dtype == way.dtype and out.flags.c_contiguous
        return fits and not any(self.library.may_share_memory(out, x) for x in (a, b))


def _found(a: Array, b: Array) -> Way | None:
    dtype = a.dtype
    if dtype != b.dtype or dtype.name not in DTYPES or 0 in (a.ndim, b.ndim, a.size, b.size):
        return None
    of_a, of_b = (tuple(stride // dtype.itemsize for stride in x.strides) for x in (a, b))
    tf32 = is_tf32() and dtype.name == "float32"
    try:
        return Way(multiplication(a.shape, of_a, b.shape, of_b, dtype.name, tf32), dtype)
    except ValueError:
        return None  # the library says what is wrong


class ArrayModule(ModuleType):
    """An array library with products, windows and a remainder of ours; `xp` on its arrays everywhere."""

    def __init__(self, library: Module, products: Products) -> None:
        super().__init__(library.__name__, library.__doc__)
        self._library = library
        self.matmul, self.dot, self.affine = products.matmul, products.dot, products.affine
        as_strided = library.lib.stride_tricks.as_strided
        tricks = SimpleNamespace(as_strided=as_strided, sliding_window_view=sliding_windows(as_strided))
        self.lib = SimpleNamespace(stride_tricks=tricks)
        self.remainder = remainder_of(library)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._library, name)
        setattr(self, name, found)  # not asked again
        return found
