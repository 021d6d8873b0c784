"""Precision: what adds up many numbers loses no more than a rounding or two of the result, of 16 bits above all.

One idea: in their own precision a sum of ones stops at 2048, or in bfloat16 at 256, so NumPy's mean of ten thousand is
near 0. Each function is compared with double precision on the same numbers, forward and back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd as ag
import optim
from autograd import Tensor
from nn import functional as F

N = 20_000
LABELS, ZEROS = np.zeros(N, "int64"), np.zeros((4, N), "int64")

Case = tuple[Callable[..., Tensor], list[tuple[int, ...]]]
CASES: dict[str, Case] = {
    "sum of columns": (lambda x: ag.sum(x, axis=0) / N, [(N, 4)]),
    "sum of rows": (lambda x: ag.sum(x, axis=1) / N, [(4, N)]),
    "mean": (ag.mean, [(4 * N, 4)]),
    "mean of columns": (lambda x: ag.mean(x, axis=0), [(N, 4)]),
    "variance": (lambda x: ag.var(x, axis=0), [(N, 4)]),
    "deviation": (ag.std, [(N, 4)]),
    "broadcast": (lambda x: ag.sum(ag.broadcast_to(x, (N, 4))) / N, [(4,)]),
    "logsumexp": (lambda x: ag.logsumexp(x, axis=0), [(N, 4)]),
    "softmax": (lambda x: F.softmax(x, dim=0) * N, [(N, 4)]),
    "log_softmax": (lambda x: F.log_softmax(x, dim=0), [(N, 4)]),
    "cumsum": (lambda x: ag.cumsum(x, axis=0) / N, [(N, 4)]),
    "cross_entropy": (lambda x: F.cross_entropy(x, LABELS), [(N, 8)]),
    "cross_entropy of shares": (lambda x, y: F.cross_entropy(x, y.detach()), [(N, 8), (N, 8)]),
    "nll_loss": (lambda x: F.nll_loss(x, LABELS), [(N, 8)]),
    "mse_loss": (F.mse_loss, [(N, 4), (N, 4)]),
    "bce": (lambda x, y: F.binary_cross_entropy_with_logits(x, y.detach()), [(N, 4), (N, 4)]),
    "kl_div": (lambda x, y: F.kl_div(x, y.detach(), "batchmean"), [(4 * N, 4), (4 * N, 4)]),
    "layer_norm": (lambda x: F.layer_norm(x, (N,)), [(4, N)]),
    "batch_norm": (lambda x: F.batch_norm(x, None, None, training=True), [(8, 4, 50, 50)]),
    "avg_pool": (lambda x: F.avg_pool2d(x, 100), [(1, 2, 100, 100)]),
    "index_add": (lambda x: ag.index_add(x, LABELS, axis=0, length=2) / N, [(N, 4)]),
    "scatter_add": (lambda x: ag.scatter_add(x, ZEROS, axis=1, length=2) / N, [(4, N)]),
    "take": (lambda x: ag.take(x, LABELS, axis=0) / N, [(2, 3)]),
    "linear": (lambda x, y: F.linear(x, y) / N, [(4, N), (3, N)]),
}
# Their slopes are made of the result, as PyTorch's are, and e to the power of 10 is 10 times as far off as 10 is.
OF_RESULT = {"logsumexp", "softmax", "log_softmax"}


def _kind(name: str) -> Any:
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if name == "bfloat16" else name)


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "eps"), [("float16", 2.0**-11), ("bfloat16", 2.0**-8)])
def test_many_numbers_are_added_up_in_single_precision(name: str, dtype: str, eps: float) -> None:
    function, shapes = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [(rng.random(shape) / 2 + 0.5).astype(_kind(dtype)) for shape in shapes]

    def loss(*given: Tensor) -> tuple[Tensor, Tensor]:
        out = function(*given)
        weights = np.cos(np.arange(out.size)).reshape(out.shape) + 2.0  # in double: only `function` is looked at
        return ag.sum(ag.astype(out, "float64") * weights), out

    gradients = ag.value_and_grad(loss, argnums=tuple(range(len(arrays))), has_aux=True)
    (_, out), slopes = gradients(*(Tensor(array.astype("float64")) for array in arrays))
    for run in (gradients, ag.compile(gradients)):
        (_, found), back = run(*map(Tensor, arrays))
        for one, right in ((found, out), *zip(back, slopes, strict=True)):
            # NumPy multiplies bfloat16, and has it beside Python's floats, in float32.
            assert one.dtype == _kind(dtype) or (dtype == "bfloat16" and one.dtype == "float32")
            roundings = 30 if name in OF_RESULT and one is not found else 4
            off = np.abs(one.data.astype("float64") - right.data).max()
            # A gradient of 1e-5 has few bits in float16.
            assert off <= roundings * eps * np.abs(right.data).max() + (2.0**-24 if dtype == "float16" else 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_penalties_see_all_of_a_large_weight(dtype: str) -> None:
    w = np.full((3, N), 0.5).astype(_kind(dtype))
    for penalty in (optim.L1(0.01), optim.L2(0.01)):
        assert float(penalty._loss(np, w)) == pytest.approx(float(penalty._loss(np, w.astype("float64"))), rel=1e-6)
    for axis in (None, 1):
        long = w.copy()
        optim.MaxNorm(2.0, axis=axis).project(np, long)
        assert long.dtype == w.dtype
        np.testing.assert_allclose(np.linalg.norm(long.astype(float), axis=1), 2.0, rtol=1e-2)


@pytest.mark.parametrize("norm", [F.layer_norm, F.rms_norm])
@pytest.mark.parametrize("length", [5_000, 20_000, 1_000_000])
def test_the_mean_of_a_long_row_is_exact(norm: Any, length: int) -> None:
    """Added up one to the next, a million lose a ten-thousandth."""
    x = np.linspace(0.5, 1.0, 2 * length).reshape(2, length).astype("float32")

    def loss(x: Tensor) -> tuple[Tensor, Tensor]:
        out = norm(x, length)
        return ag.sum(out**3), out

    both = ag.value_and_grad(loss, has_aux=True)
    (_, wanted), slope = both(Tensor(x.astype("float64")))
    for run in (both, ag.compile(both)):
        (_, out), back = run(Tensor(x))
        assert np.abs(out.data - wanted.data).max() < 1e-6 * np.abs(wanted.data).max()
        assert np.abs(back.data - slope.data).max() < 1e-5 * np.abs(slope.data).max()
