"""Products: matrix products that BLAS can read where their factors lie.

One idea: a transposed matrix, or one whose rows lie apart, is a flag and a leading dimension, no copy.
Read `kernels.py` next.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from math import prod

from ..program import Instruction, Variable
from .layout import Ref, joined_axes

__all__ = ["Activation", "Product", "leading", "product_of"]


@dataclass(frozen=True)
class Activation:
    """What is done to a product before it is stored, by the name of an epilogue without its bias.

    `aux` is what "relu_aux" leaves for "drelu", which multiplies by the slope there; "drelu_bgrad" leaves the sums over
    its rows in `sums` besides. So it is of GELU. "bgrad_a" and "bgrad_b" leave the sums over the rows of a factor.
    """

    epilogue: str
    aux: Variable | None = None
    sums: Variable | None = None

    @property
    def is_backward(self) -> bool:
        """Whether it reads `aux`, and does not make it."""
        return self.epilogue.startswith("d")

    @property
    def makes(self) -> list[Variable]:
        """What it makes beside the product."""
        return [v for v in (None if self.is_backward else self.aux, self.sums) if v is not None]


@dataclass
class Product:
    """A matrix product for BLAS. cuBLASLt adds the bias to each of its rows, and does the activation, on the way."""

    instruction: Instruction
    a: Ref
    b: Ref
    bias: Ref | None = None
    activation: Activation | None = None

    @property
    def made(self) -> list[Variable]:
        """What it makes."""
        return [self.instruction.out, *(self.activation.makes if self.activation else ())]

    @property
    def beside(self) -> list[Variable]:
        """What it reads beside its factors, each as the variable whose memory it lies in."""
        bias = [] if self.bias is None else [self.bias.base]
        backward = self.activation is not None and self.activation.is_backward
        return bias + ([self.activation.aux] if backward and self.activation and self.activation.aux else [])


def product_of(instruction: Instruction, refs: dict[Variable, Ref], dtypes: Container[str]) -> Product | None:
    """A product of matrices of these dtypes, or of stacks of them, that BLAS can read where they lie."""
    if instruction.name not in ("matmul", "dot") or instruction.options or len(instruction.inputs) != 2:
        return None
    a, b = instruction.inputs
    out = instruction.out
    if not isinstance(a, Variable) or not isinstance(b, Variable) or str(out.dtype) not in dtypes:
        return None
    if a.dtype != out.dtype or b.dtype != out.dtype or 0 in (*a.shape, *b.shape):
        return None
    if len(a.shape) < 2 or len(b.shape) < 2 or (instruction.name == "dot" and len(a.shape) + len(b.shape) > 4):
        return None
    if any(leading(refs[x]) is None for x in (a, b)):
        return None
    return Product(instruction, _tall(refs[a]) if len(b.shape) == 2 else refs[a], refs[b])


def _tall(ref: Ref) -> Ref:
    """A stack of matrices as one tall matrix, where they lie one beneath the other."""
    if len(ref.shape) > 2:
        rows = joined_axes(ref.shape[:-1], ref.strides[:-1])
        if len(rows) < 2:
            step = rows[0][1] if rows else 0
            tall = Ref(ref.base, (prod(ref.shape[:-1]), ref.shape[-1]), (step, ref.strides[-1]), ref.offset)
            return tall if leading(tall) is not None else ref
    return ref


def leading(ref: Ref) -> tuple[bool, int] | None:
    """Whether a matrix lies transposed, and its leading dimension; None where BLAS cannot read it as it lies."""
    rows, columns = ref.shape[-2:]
    down, right = ref.strides[-2:]
    if columns == 1 or right == 1:
        step = down if rows > 1 else columns
        if (columns == 1 or right == 1) and step >= columns:
            return False, step
    if rows == 1 or down == 1:
        step = right if columns > 1 else rows
        if step >= rows:
            return True, step
    return None
