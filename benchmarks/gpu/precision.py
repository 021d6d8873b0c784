"""How exactly matrices are multiplied: one word, and what it is called in each framework.

One idea: everybody is told the same, by a variable of its process, and tells what it understood, which the result
keeps. Read `pytorch.py` next.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..contender import Contender

__all__ = ["PRECISIONS", "Precision", "told", "wanted"]

_VARIABLE = "TAPEGRAD_BENCHMARKS_PRECISION"


@dataclass(frozen=True)
class Precision:
    """A precision, in everybody's words."""

    word: str
    name: str
    tapegrad: Literal["float32", "tf32"]  # autograd.cuda.matmul_precision
    torch_allow_tf32: bool  # of torch.backends.cuda.matmul and torch.backends.cudnn
    jax_matmul: str  # jax_default_matmul_precision: a level, or a lax.DotAlgorithmPreset
    autocast: bool = False  # to bfloat16, in tapegrad and PyTorch
    apart: float = 0.0  # the share by which losses may differ where a workload allows less

    @property
    def ending(self) -> str:
        """That of the result's name."""
        return "" if self.word == "float32" else f"-{self.word}"


# TF32 rounds factors to 10 bits, an error of 5e-4 each, bfloat16 to 7, and results too, an error of 4e-3; and
# frameworks order their sums differently. JAX has no autocast: its factors are rounded, its arrays stay in float32. Its
# word "bfloat16" means TF32 on a GPU, so it is told an algorithm, which convolutions do not know: they take TF32.
_KNOWN = (
    Precision("float32", "float32, TF32 off", "float32", False, "highest"),
    Precision("tf32", "float32, factors rounded to TF32", "tf32", True, "tensorfloat32", apart=1e-2),
    Precision("bfloat16", "bfloat16 by autocast", "float32", False, "BF16_BF16_F32", True, apart=5e-2),
)
PRECISIONS = {precision.word: precision for precision in _KNOWN}


def told(contender: Contender, precision: Precision) -> Contender:
    """The contender, whose process will want this precision."""
    return replace(contender, environment={**contender.environment, _VARIABLE: precision.word})


def wanted(environment: Mapping[str, str] = os.environ) -> Precision:
    """The precision that this process, or one with another environment, was told."""
    return PRECISIONS[environment.get(_VARIABLE, "float32")]
