"""How the algorithms of matrix products in compiled steps are chosen: as cuBLASLt expects, unless you ask for a trial.

One idea: a trial costs time once and may find another algorithm, which adds up in another order, so it is asked for.
The setting is a context variable, as that of `precision.py` is. Read `convolutions.py` next.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Literal

__all__ = ["get_matmul_algorithms", "is_timed", "matmul_algorithms"]

Algorithms = Literal["expected", "timed"]

_timed: ContextVar[bool] = ContextVar("autograd.cuda.timed", default=False)

is_timed = _timed.get


class matmul_algorithms:
    """How functions compiled in this thread choose the algorithms of products on a GPU: "expected" or "timed".

    "expected" takes what cuBLASLt expects to be the fastest. "timed" runs the first eight of its list when a function
    is compiled, and takes the fastest; where that pays, products do the ReLU or GELU beside them too, and its backward.
    What was found is kept in the user's folder (TAPEGRAD_CACHE), so that later runs on this machine take the same ones,
    to the last bit. Another algorithm adds up in another order: results differ within the rounding of the dtype.
    Called, it sets; in a `with` statement it also sets back:

        with autograd.cuda.matmul_algorithms("timed"):
            loss = train_step(x, y)

    Raises ValueError for another word. Source: NVIDIA, cuBLAS documentation, cublasLtMatmulAlgoGetHeuristic().
    """

    def __init__(self, algorithms: Algorithms) -> None:
        if algorithms not in ("expected", "timed"):
            raise ValueError(f'matmul_algorithms is "expected" or "timed", got {algorithms!r}.')
        self._before = _timed.get()
        _timed.set(algorithms == "timed")

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        _timed.set(self._before)


def get_matmul_algorithms() -> Algorithms:
    """What `matmul_algorithms` has set in this thread, "expected" or "timed"."""
    return "timed" if _timed.get() else "expected"
