"""How exactly matrices are multiplied: one word, and what it is called in each framework.

One idea: everybody is told the same, by a variable of its process, and tells what it understood, which the result
keeps. Read `pytorch.py` next.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Literal

from ..contender import Contender

__all__ = ["FLOAT32", "TF32", "Precision", "told", "wanted"]

_VARIABLE = "TAPEGRAD_BENCHMARKS_PRECISION"


@dataclass(frozen=True)
class Precision:
    """A precision, in everybody's words."""

    name: str
    ending: str  # of the result's name
    tapegrad: Literal["float32", "tf32"]  # autograd.cuda.matmul_precision
    torch_allow_tf32: bool  # of torch.backends.cuda.matmul and torch.backends.cudnn
    jax_matmul: str  # jax_default_matmul_precision
    apart: float = 0.0  # the share by which losses may differ where a workload allows less


FLOAT32 = Precision("float32, TF32 off", "", "float32", False, "highest")
# Factors are rounded to 10 bits, an error of 5e-4 each, and frameworks order their sums differently.
TF32 = Precision("float32, factors rounded to TF32", "-tf32", "tf32", True, "tensorfloat32", 1e-2)


def told(contender: Contender, precision: Precision) -> Contender:
    """The contender, whose process will want this precision."""
    return replace(contender, environment={**contender.environment, _VARIABLE: precision.tapegrad})


def wanted() -> Precision:
    """The precision that this process was told."""
    return TF32 if os.environ.get(_VARIABLE) == TF32.tapegrad else FLOAT32
