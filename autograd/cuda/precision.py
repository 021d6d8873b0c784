"""How exactly float32 is multiplied on the GPU: exactly, unless you ask for TF32.

One idea: the setting is a context variable, so it belongs to one thread, and can be set for good or for a block.
Read `algorithms.py` next.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Literal

__all__ = ["get_matmul_precision", "is_tf32", "matmul_precision"]

Precision = Literal["float32", "tf32"]

_tf32: ContextVar[bool] = ContextVar("autograd.cuda.tf32", default=False)

is_tf32 = _tf32.get  # asked once for each product, so this is the bare C method


class matmul_precision:
    """How products of float32 are computed on the GPU in this thread: "float32", exactly, or "tf32".

    "tf32" rounds the factors to 10 bits after the point (a relative error of about 5e-4 each) and sums up in float32;
    a Hopper GPU does this about seven times as fast. Other dtypes are not touched. Called, it sets; in a `with`
    statement it also sets back:

        with autograd.cuda.matmul_precision("tf32"):
            loss = train_step(x, y)

    Raises ValueError for another word. Source: NVIDIA, cuBLAS documentation, CUBLAS_COMPUTE_32F_FAST_TF32.
    """

    def __init__(self, precision: Precision) -> None:
        if precision not in ("float32", "tf32"):
            raise ValueError(f'matmul_precision is "float32" or "tf32", got {precision!r}.')
        self._before = _tf32.get()
        _tf32.set(precision == "tf32")

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _tf32.set(self._before)


def get_matmul_precision() -> Precision:
    """What `matmul_precision` has set in this thread, "float32" or "tf32"."""
    return "tf32" if _tf32.get() else "float32"
