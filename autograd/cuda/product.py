"""Product: everything that the choice of an algorithm for a matrix product depends on.

One idea: a matrix product is a plain value that can be compared, hashed and printed, and knows nothing of a GPU. It
speaks of rows, as NumPy does; `blas.py` turns it into the words of cuBLASLt, and is to be read next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["DTYPES", "EPILOGUES", "Epilogue", "Product"]

DTYPES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}  # with the bytes of an element


class Epilogue(NamedTuple):
    """What is done to the result before it is stored."""

    number: int
    bias: str = ""  # the vector beside it: "in" of length n, or "out" of length n or m
    aux: str = ""  # the matrix beside it: "bits" (of ReLU) or "values" (of GELU)


# By our names. `aux` is what a forward leaves for its backward: for ReLU a bit for each element, set where it was let
# through; for GELU what went into it. The d* forms multiply by the activation's slope there; with "_bgrad" they also
# store the sums of the result over its rows, the gradient of the bias before that activation. "bgrad_a" stores the
# sums of op(a) over k, of length m, "bgrad_b" those of op(b), of length n. GELU is the form with tanh.
EPILOGUES: dict[str | None, Epilogue] = {
    None: Epilogue(1),
    "bias": Epilogue(4, "in"),
    "relu": Epilogue(2),
    "relu_bias": Epilogue(6, "in"),
    "gelu": Epilogue(32),
    "gelu_bias": Epilogue(36, "in"),
    "relu_aux": Epilogue(130, "", "bits"),
    "relu_aux_bias": Epilogue(134, "in", "bits"),
    "gelu_aux": Epilogue(160, "", "values"),
    "gelu_aux_bias": Epilogue(164, "in", "values"),
    "drelu": Epilogue(136, "", "bits"),
    "dgelu": Epilogue(192, "", "values"),
    "drelu_bgrad": Epilogue(152, "out", "bits"),
    "dgelu_bgrad": Epilogue(208, "out", "values"),
    "bgrad_a": Epilogue(512, "out"),
    "bgrad_b": Epilogue(256, "out"),
}


@dataclass(frozen=True)
class Product:
    """c = op(a) @ op(b), all by rows: op(a) is (m, k), op(b) is (k, n), c is (m, n).

    `lda`, `ldb`, `ldc` count the elements from one row, as stored, to the next. An operand "transposed" is stored the
    other way round: a as (k, m), b as (n, k). Of a stack of `batch` products `stride_a`, `stride_b`, `stride_c` count
    the elements from one matrix to the next; 0 takes the same one for all.

    `dtype` is "float64", "float32", "float16" or "bfloat16"; half precision is summed up in float32. `tf32` lets
    float32 be rounded to 10 bits before it is multiplied. `accumulate` adds to what c holds. `epilogue` is a name of
    `EPILOGUES`.

    Raises ValueError for a description that cannot be right.
    """

    m: int
    n: int
    k: int
    a_transposed: bool
    b_transposed: bool
    lda: int
    ldb: int
    ldc: int
    dtype: str
    batch: int = 1
    stride_a: int = 0
    stride_b: int = 0
    stride_c: int = 0
    accumulate: bool = False
    tf32: bool = False
    epilogue: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"a Product has dtype {' or '.join(DTYPES)}, got {self.dtype!r}.")
        if self.epilogue not in EPILOGUES:
            raise ValueError(f"a Product has epilogue {', '.join(map(str, EPILOGUES))}, got {self.epilogue!r}.")
        if min(self.m, self.n, self.k, self.batch) < 1:
            raise ValueError(f"a Product needs m, n, k and batch of 1 at least, got {self}.")
        for name, distance, (_, columns) in (("lda", self.lda, self.a_stored), ("ldb", self.ldb, self.b_stored)):
            if distance < columns:
                raise ValueError(f"{name} is {distance}, but a stored row has {columns} elements, in {self}.")
        if self.ldc < self.n:
            raise ValueError(f"ldc is {self.ldc}, but a row has {self.n} elements, in {self}.")
        if self.tf32 and self.dtype != "float32":
            raise ValueError(f"tf32 is a way to multiply float32, not {self.dtype}.")

    @classmethod
    def packed(
        cls, m: int, n: int, k: int, dtype: str, a_transposed: bool = False, b_transposed: bool = False, **more: Any
    ) -> Product:
        """A Product of matrices whose rows lie one after the other without gaps, and stacks likewise."""
        lda, ldb = m if a_transposed else k, k if b_transposed else n
        if more.get("batch", 1) > 1:
            more = {"stride_a": m * k, "stride_b": k * n, "stride_c": m * n, **more}
        return cls(m, n, k, a_transposed, b_transposed, lda, ldb, n, dtype, **more)

    @property
    def a_stored(self) -> tuple[int, int]:
        """The shape of a as it lies in memory."""
        return (self.k, self.m) if self.a_transposed else (self.m, self.k)

    @property
    def b_stored(self) -> tuple[int, int]:
        """The shape of b as it lies in memory."""
        return (self.n, self.k) if self.b_transposed else (self.k, self.n)

    @property
    def aux_ld(self) -> int:
        """The elements from a row of `aux` to the next, bits for ReLU; 0 where the epilogue has none."""
        granule = {"bits": 128, "values": 8}.get(EPILOGUES[self.epilogue].aux)
        return 0 if granule is None else -(-self.n // granule) * granule

    @property
    def operand_bytes(self) -> tuple[int, int, int]:
        """The bytes from the first element to the last of a, b and c."""
        size, more = DTYPES[self.dtype], self.batch - 1
        return (
            size * (self.a_stored[0] * self.lda + more * self.stride_a),
            size * (self.b_stored[0] * self.ldb + more * self.stride_b),
            size * (self.m * self.ldc + more * self.stride_c),
        )

    @property
    def bias_bytes(self) -> int:
        """The size of the bias, or of the sums."""
        return DTYPES[self.dtype] * max(self.m, self.n) if EPILOGUES[self.epilogue].bias else 0

    @property
    def aux_bytes(self) -> int:
        """The size of `aux`."""
        elements = self.batch * self.m * self.aux_ld
        return elements // 8 if EPILOGUES[self.epilogue].aux == "bits" else elements * DTYPES[self.dtype]

    def __str__(self) -> str:
        a, b = (
            f"({', '.join(map(str, stored))}){'.T' if turned else ''}"
            for stored, turned in ((self.a_stored, self.a_transposed), (self.b_stored, self.b_transposed))
        )
        batch = f"{self.batch} times " if self.batch > 1 else ""
        more = (("tf32", self.tf32), ("added to c", self.accumulate), (f"epilogue {self.epilogue}", self.epilogue))
        said = "".join(f", {words}" for words, holds in more if holds)
        rows = f"rows {self.lda}, {self.ldb} and {self.ldc} apart"
        return f"the {self.dtype} product {batch}{a} @ {b} with {rows}{said}"
