"""The operations that are timed, on matrices of two sizes, and what they are given.

One idea: most are written alike in both frameworks, as a function of one name or with the same operators; the others
stand under the same key in `tapegrad.py` and `pytorch.py`. Read `tapegrad.py` next.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contender import Step
from ..given_gradient import GivenGradient

__all__ = ["AGREEMENT", "NAMED", "OPERATIONS", "OPERATORS", "SIZES", "Operations", "inputs_of", "job_name"]

AGREEMENT = {1: 1e-3, 20: 1e-3}
SIZES = {"small": (16, 16), "large": (512, 512)}  # rows and columns

# What each is given. x and y are numbers, p positive ones, u shares between 0 and 1, all of them matrices; row and
# column are one row and one column. These want their gradient; mask (of bools), and places do not: rows of x, columns
# in another order, labels (a column for each row), four of each row.
OPERATIONS: dict[str, str] = {
    # Functions of the module itself
    **dict.fromkeys(("exp", "sin", "cos", "tanh", "sinh", "asinh", "atan", "expm1", "erf", "square", "abs"), "x"),
    **dict.fromkeys(("negative", "sigmoid"), "x"),
    **dict.fromkeys(("log", "sqrt", "log1p", "reciprocal", "lgamma"), "p"),
    **dict.fromkeys(("asin", "acos", "atanh"), "u"),
    **dict.fromkeys(("maximum", "minimum", "atan2", "hypot", "logaddexp"), "x y"),
    **dict.fromkeys(("where",), "mask x y"),
    **dict.fromkeys(("tril", "sum", "mean", "prod"), "x"),
    # Functions of nn.functional
    **dict.fromkeys(("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus"), "x"),
    **dict.fromkeys(("softsign", "hardtanh", "hardsigmoid", "hardswish", "logsigmoid", "normalize"), "x"),
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), "x target"),
    **dict.fromkeys(("cross_entropy", "nll_loss"), "x labels"),
    "binary_cross_entropy": "u target",
    "binary_cross_entropy_with_logits": "x target",
    "kl_div": "x target",
    **dict.fromkeys(("linear", "cosine_similarity"), "x y"),
    "embedding": "rows x",
    # Operators
    **dict.fromkeys(("x + y", "x - y", "x * y", "x / y"), "x y"),
    **dict.fromkeys(("x + row", "x * row"), "x row"),
    **dict.fromkeys(("x + column", "x * column", "x / column"), "x column"),
    **dict.fromkeys(("x * 2.0", "x ** 2", "x ** 3", "2.0 ** x"), "x"),
    "p ** 0.5": "p",
    "p ** x": "p x",
    "x @ y": "x y",
    "column * row": "column row",
    "x.T * 2.0": "x",
    "a slice": "x",
    "picked rows": "x rows",
    "picked columns": "x order",
    "picked places": "x range labels",
    "picked by a mask": "x mask",
    "a chain of five": "x y",
    # Written otherwise
    **dict.fromkeys(("clip", "flip rows", "roll rows", "repeat rows", "tile", "pad", "sorted rows", "top 5"), "x"),
    **dict.fromkeys(("max of all", "var of all"), "x"),
    **dict.fromkeys((f"{name} of rows" for name in ("sum", "mean", "max", "var", "norm", "logsumexp")), "x"),
    **dict.fromkeys((f"{name} of columns" for name in ("sum", "mean", "max", "var", "logsumexp")), "x"),
    **dict.fromkeys(("softmax of rows", "softmax of columns", "log_softmax of rows", "log_softmax of columns"), "x"),
    **dict.fromkeys(("cumsum of rows", "cumsum of columns", "diff of rows", "diff of columns", "median of rows"), "x"),
    **dict.fromkeys(("prod of rows", "prod of columns", "cumprod of rows"), "u"),
    **dict.fromkeys(("concat rows", "concat columns", "stack", "einsum of rows"), "x y"),
    "gather one": "x column_of_labels",
    "gather four": "x four",
    "layer_norm": "x row",
    "rms_norm": "x row",
    "gelu by tanh": "x",
}

NAMED = [name for name in OPERATIONS if name.isidentifier()]

OPERATORS: dict[str, Callable[..., Any]] = {
    "x + y": lambda x, y: x + y,
    "x - y": lambda x, y: x - y,
    "x * y": lambda x, y: x * y,
    "x / y": lambda x, y: x / y,
    "x + row": lambda x, row: x + row,
    "x * row": lambda x, row: x * row,
    "x + column": lambda x, column: x + column,
    "x * column": lambda x, column: x * column,
    "x / column": lambda x, column: x / column,
    "x * 2.0": lambda x: x * 2.0,
    "x ** 2": lambda x: x**2,
    "x ** 3": lambda x: x**3,
    "2.0 ** x": lambda x: 2.0**x,
    "p ** 0.5": lambda p: p**0.5,
    "p ** x": lambda p, x: p**x,
    "x @ y": lambda x, y: x @ y,
    "column * row": lambda column, row: column * row,
    "x.T * 2.0": lambda x: x.T * 2.0,
    "a slice": lambda x: x[1:, ::2],
    "picked rows": lambda x, rows: x[rows],
    "picked columns": lambda x, order: x[:, order],
    "picked places": lambda x, rows, labels: x[rows, labels],
    "picked by a mask": lambda x, mask: x[mask],
    "a chain of five": lambda x, y: ((x * y + x) * 0.5 - y).tanh(),
}


def job_name(operation: str, size: str) -> str:
    """The name of a job, such as "exp: small"."""
    return f"{operation}: {size}"


def inputs_of(job: str) -> list[tuple[NDArray[Any], bool]]:
    """The arrays that a job is given, always the same, and whether the gradient of each is wanted."""
    operation, _, size = job.rpartition(": ")
    rows, columns = SIZES[size]
    rng = np.random.default_rng(0)
    made: dict[str, Callable[[], NDArray[Any]]] = {
        "x": lambda: rng.standard_normal((rows, columns)),
        "y": lambda: rng.standard_normal((rows, columns)),
        "p": lambda: np.abs(rng.standard_normal((rows, columns))) + 0.1,
        "u": lambda: rng.random((rows, columns)) * 0.98 + 0.01,
        "row": lambda: rng.standard_normal(columns),
        "column": lambda: np.abs(rng.standard_normal((rows, 1))) + 0.1,
        "target": lambda: rng.random((rows, columns), dtype=np.float32),
        "mask": lambda: rng.random((rows, columns)) < 0.5,
        "rows": lambda: rng.integers(0, rows, rows),
        "range": lambda: np.arange(rows),
        "order": lambda: rng.permutation(columns),
        "labels": lambda: rng.integers(0, columns, rows),
        "column_of_labels": lambda: rng.integers(0, columns, (rows, 1)),
        "four": lambda: rng.integers(0, columns, (rows, 4)),
    }
    given = [(word, made[word]()) for word in OPERATIONS[operation].split()]
    wanted = ("x", "y", "p", "u", "row", "column")
    return [(array.astype(np.float32) if word in wanted else array, word in wanted) for word, array in given]


class Operations(GivenGradient):
    """A framework that is asked for single operations."""

    @abstractmethod
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """A function for each name in OPERATIONS."""

    def prepare(self, job: str) -> Step:
        """The operation on random numbers, and the way back from a random gradient."""
        function = self.functions()[job.rpartition(": ")[0]]
        given = [(self.tensor(array, wanted), wanted) for array, wanted in inputs_of(job)]
        tensors = [tensor for tensor, _ in given]
        return self.there_and_back(lambda: function(*tensors), [tensor for tensor, wanted in given if wanted])
