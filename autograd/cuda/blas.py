"""Matrix products on the GPU: a product is described once, and run many times for the price of one call.

One idea: `plan` turns a `Product` into the words of cuBLASLt and asks it for an algorithm; `Plan.run` only adds
addresses. A plan may run while a CUDA graph is recorded; it should be made before. See Note [Rows as columns].
Read `operands.py` next, which finds the Product of two arrays.

    plan(Product.packed(128, 512, 784, "float32", b_transposed=True)).run(x.ptr, w.ptr, out.ptr, stream=s, workspace=w)

Source: NVIDIA, cuBLAS documentation, cublasLtMatmul().
"""

# Note [Rows as columns]
# cuBLASLt reads matrices by columns. What lies in memory as C = A B by rows is, read by columns, C^T = B^T A^T. So our
# b is its first factor, our a its second and n its number of rows, while the flags stay: an operand that we read as it
# is stored is read so by cuBLASLt too. Its bias, a number for each of its rows, thereby is one for each of our columns,
# as a layer has it, and the sums over its second factor (BGRADB) are the sums over our a.

# Note [Sums in the dtype of the result]
# Where k is long, an algorithm may share the sums of a product among blocks and add up what these found. Left alone,
# cuBLASLt also offers those that do so in the dtype of the result: of half precision every part is rounded then, and
# what remains where parts cancel has few digits or none. So for half precision only those are asked for that add up in
# the compute type, float32; a product that is not shared is none of these, and always offered.

from __future__ import annotations

import ctypes
from functools import cache, lru_cache, partial
from threading import Lock
from typing import Any, NamedTuple

from .cublaslt import (
    NOT_SUPPORTED,
    BlasError,
    Description,
    Heuristic,
    Layout,
    Opaque,
    Preference,
    UnsupportedProduct,
    check,
    library,
)
from .product import EPILOGUES, Product

__all__ = ["ALIGNMENT", "WORKSPACE_BYTES", "Blas", "BlasError", "Plan", "Product", "UnsupportedProduct", "plan"]

WORKSPACE_BYTES = 32 << 20  # the most that a plan asks for: what NVIDIA advises for Hopper
ALIGNMENT = 256  # bytes; CuPy's own arrays begin at multiples of 512
_HALVES, _IN_COMPUTE_TYPE = ("float16", "bfloat16"), 2  # cublasLtReductionScheme_t


class Kind(NamedTuple):
    """How numbers are stored, and how they are summed up."""

    data: int  # cudaDataType_t
    compute: int  # cublasComputeType_t
    scale: int  # cudaDataType_t of alpha and beta
    number: Any  # the same for ctypes


_KINDS = {
    "float64": Kind(1, 70, 1, ctypes.c_double),
    "float32": Kind(0, 68, 0, ctypes.c_float),
    "tf32": Kind(0, 77, 0, ctypes.c_float),
    "float16": Kind(2, 68, 0, ctypes.c_float),
    "bfloat16": Kind(14, 68, 0, ctypes.c_float),
}


class Plan:
    """A Product with the algorithm that cuBLASLt expects to be the fastest. Made by `plan`; threads may share it."""

    def __init__(self, blas: Blas, product: Product, alignment: int) -> None:
        lt, kind = blas.library, _KINDS["tf32" if product.tf32 else product.dtype]
        epilogue = EPILOGUES[product.epilogue]
        if epilogue.bias == "out" and product.batch > 1:
            raise UnsupportedProduct(f"cuBLASLt, {product}: it would write the sums of the whole stack to one place.")
        described = _describe(lt, kind, product)
        c = (product.m, product.n)
        first = _layout(lt, kind, product.b_stored, product.ldb, product.batch, product.stride_b)
        second = _layout(lt, kind, product.a_stored, product.lda, product.batch, product.stride_a)
        result = _layout(lt, kind, c, product.ldc, product.batch, product.stride_c)
        alpha, beta = kind.number(1), kind.number(product.accumulate)

        self.product, self._handle, self._matmul = product, blas.handle, lt.cublasLtMatmul
        self._described, self._bias, self._aux = described, 0, 0
        # An address that the epilogue has no use for would be refused.
        self._has_bias, self._has_aux = bool(epilogue.bias), bool(epilogue.aux)
        self._lock = Lock() if self._has_bias or self._has_aux else None
        # Which algorithms there are depends on how the addresses are aligned, and nothing else of them.
        self._point(alignment if epilogue.bias else 0, alignment if epilogue.aux else 0)
        self._alpha, self._beta = (ctypes.c_void_p(ctypes.addressof(x)) for x in (alpha, beta))
        self._description, self._b, self._a, self._c = (x.address for x in (described, first, second, result))
        self._kept = (first, second, result, alpha, beta)  # alive as long as their addresses are used
        self._asked = partial(_algorithms, lt, blas.handle, (described, first, second, result), product, alignment)
        self.use(self.algorithms(1)[0])

    def algorithms(self, most: int) -> list[Heuristic]:
        """So many algorithms at most that can do it, the one that cuBLASLt expects to be the fastest first."""
        return self._asked(most)

    def use(self, algorithm: Heuristic) -> None:
        """Run by this one of `algorithms` from now on; not where others share the plan."""
        self.workspace_bytes: int = algorithm.workspace_bytes  # what `run` needs to work in
        self._chosen, self._algorithm = algorithm, ctypes.c_void_p(ctypes.addressof(algorithm))

    def run(self, a: int, b: int, c: int, bias: int = 0, aux: int = 0, stream: int = 0, workspace: int = 0) -> None:
        """Start the product: all are addresses in the GPU's memory, `stream` is the handle of a CUDA stream.

        They must be multiples of the plan's alignment. `workspace` holds `workspace_bytes`, never more than
        WORKSPACE_BYTES, and is a multiple of 256; products that may run at the same time need one each. `bias` and
        `aux` are those of the epilogue, and left aside where it has none. Raises BlasError where cuBLASLt refuses.
        """
        if self._lock is None:
            status = self._start(a, b, c, stream, workspace)
        else:
            with self._lock:
                self._point(bias if self._has_bias else 0, aux if self._has_aux else 0)
                status = self._start(a, b, c, stream, workspace)
        if status:
            check(status, self.product)

    def _start(self, a: int, b: int, c: int, stream: int, workspace: int) -> int:
        return self._matmul(
            self._handle, self._description,
            self._alpha, b, self._b, a, self._a,
            self._beta, c, self._c, c, self._c,
            self._algorithm, workspace, self.workspace_bytes, stream,
        )  # fmt: skip

    def _point(self, bias: int, aux: int) -> None:
        """Put the two addresses into the description, where they are not there already."""
        if bias != self._bias:
            self._described.set(Description.BIAS_POINTER, ctypes.c_void_p(bias))
            self._bias = bias
        if aux != self._aux:
            self._described.set(Description.AUX_POINTER, ctypes.c_void_p(aux))
            self._aux = aux

    def __repr__(self) -> str:
        return f"<plan for {self.product}, {self.workspace_bytes:,} bytes of workspace>"


def _describe(lt: Any, kind: Kind, product: Product) -> Opaque:
    """What is to be done. See Note [Rows as columns]."""
    made = Opaque(lt, "MatmulDesc", kind.compute, kind.scale)
    made.set(Description.TRANSPOSE_A, ctypes.c_int32(product.b_transposed))
    made.set(Description.TRANSPOSE_B, ctypes.c_int32(product.a_transposed))
    made.set(Description.EPILOGUE, ctypes.c_uint32(EPILOGUES[product.epilogue].number))
    if product.aux_ld:
        made.set(Description.AUX_LEADING_DIMENSION, ctypes.c_int64(product.aux_ld))
        if product.batch > 1:
            made.set(Description.AUX_BATCH_STRIDE, ctypes.c_int64(product.m * product.aux_ld))
    return made


def _layout(lt: Any, kind: Kind, stored: tuple[int, int], distance: int, batch: int, stride: int) -> Opaque:
    """How a matrix, or a stack of them, lies in memory: its rows are cuBLASLt's columns."""
    rows, columns = stored
    made = Opaque(lt, "MatrixLayout", kind.data, columns, rows, distance)
    if batch > 1:
        made.set(Layout.BATCH_COUNT, ctypes.c_int32(batch))
        made.set(Layout.BATCH_STRIDE, ctypes.c_int64(stride))
    return made


def _algorithms(
    lt: Any, handle: Any, parts: tuple[Opaque, ...], product: Product, alignment: int, most: int
) -> list[Heuristic]:
    """See `Plan.algorithms`. Raises UnsupportedProduct where there is none."""
    preference = Opaque(lt, "MatmulPreference")
    preference.set(Preference.WORKSPACE_BYTES, ctypes.c_uint64(WORKSPACE_BYTES))
    if product.dtype in _HALVES:  # see Note [Sums in the dtype of the result]
        preference.set(Preference.REDUCTIONS, ctypes.c_uint32(_IN_COMPUTE_TYPE))
    for attribute in (Preference.ALIGNMENT_A, Preference.ALIGNMENT_B, Preference.ALIGNMENT_C, Preference.ALIGNMENT_D):
        preference.set(attribute, ctypes.c_uint32(alignment))
    found, count = (Heuristic * most)(), ctypes.c_int()
    addresses = [part.address for part in (*parts, parts[-1], preference)]
    status = lt.cublasLtMatmulAlgoGetHeuristic(handle, *addresses, most, ctypes.addressof(found), ctypes.byref(count))
    check(status, product)
    able = [algorithm for algorithm in found[: count.value] if not algorithm.state]
    check(0 if able else found[0].state or NOT_SUPPORTED, product)
    return able


class Blas:
    """cuBLASLt on one device: its handle, and the plans made so far."""

    def __init__(self, library: Any) -> None:
        self.library, self.handle = library, ctypes.c_void_p()
        check(library.cublasLtCreate(ctypes.byref(self.handle)), "its start")
        # Bounded: a program whose shapes never come back shall not collect plans for ever.
        self.plan = lru_cache(maxsize=4096)(self._plan)

    def _plan(self, product: Product, alignment: int = ALIGNMENT) -> Plan:
        return Plan(self, product, alignment)


@cache
def on_device(number: int) -> Blas:
    """cuBLASLt on a GPU, which must be CuPy's current one when it is first asked for."""
    return Blas(library())


def plan(product: Product, alignment: int = ALIGNMENT) -> Plan:
    """The plan of a product on CuPy's current GPU, made when it is first asked for; not while a graph is recorded.

    `alignment` is the power of two, in bytes, of which every address given to `Plan.run` is a multiple. Raises
    UnsupportedProduct where cuBLASLt has no algorithm, BlasError where it fails, DeviceError where it is missing.
    """
    from cupy.cuda.runtime import getDevice

    return on_device(getDevice()).plan(product, alignment)
