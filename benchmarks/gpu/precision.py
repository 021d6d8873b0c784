"""How exactly matrices are multiplied: one word, and what it is called in each framework.

One idea: everybody is told the same, and tells what it understood, which the result keeps. To add TF32, where factors
are rounded to 10 bits, add its row, with `autograd.cuda.matmul_precision("tf32")` for tapegrad, and its contenders.
Read `pytorch.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FLOAT32", "Precision"]


@dataclass(frozen=True)
class Precision:
    """A precision, in everybody's words. tapegrad is exact unless it is told otherwise, and so needs no word for it."""

    name: str
    torch_allow_tf32: bool  # of torch.backends.cuda.matmul and torch.backends.cudnn
    jax_matmul: str  # jax_default_matmul_precision


FLOAT32 = Precision("float32, TF32 off", False, "highest")
