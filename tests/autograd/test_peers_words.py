"""Live against PyTorch: what `autograd/words/` says to write for a word of PyTorch's gives PyTorch's numbers.

One idea: a sentence that leads to another number is worse than none, so each that is a formula is run as it stands.
Run by `make test-peers`.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.words import METHODS, NAMES

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


X = np.array([[0.3, -1.2, 2.0, 0.7], [1.5, 0.4, -0.6, -2.1], [0.1, 0.9, -0.2, 1.1]])
NUMBERS: dict[str, Any] = {
    **{"x": X, "y": X[::-1] * 0.5 + 0.3, "a": X, "p": X * 0.7 + 0.2, "n": -X + 0.4, "b": X * 2.0, "c": X.T + 0.1},
    **{"square": X @ X.T + np.eye(3), "var": X * X + 0.5, "holes": np.where(X > 1.0, np.nan, X), "line": X[0]},
    **{"sign": np.where(X > 0, 1.0, -1.0), "image": np.arange(48.0).reshape(1, 4, 3, 4), "share": np.full((3, 4), 0.3)},
    **{"indices": np.array([[0, 2], [1, 1]]), "near": X / 4 + 0.5},
}
OURS = {"margin": 0.5, "threshold": 0.2, "value": -3.0, "groups": 2, "dim": -1, "h": 3, "w": 4, "k": 2}
SOLVED = {"L": "autograd.linalg.cholesky(square)", "b": "x"}
PLACES = {"rows": "autograd.asarray([0, 2, 2, 1])", "columns": "autograd.asarray([0, 1, 2, 2])"}
SPARSE = {"values": "line", "n": "3", **PLACES}

# Of which table, the word, what ours is called with in place of x, y, ... and what PyTorch says.
FORMULAS: list[tuple[Any, str, dict[str, str], str]] = [
    ("nn.functional", "channel_shuffle", {"x": "image", "n": "1"}, "F.channel_shuffle(image, 2)"),
    (
        "nn.functional",
        "cosine_embedding_loss",
        {"y": "sign[:, 0]", "b": "n"},
        "F.cosine_embedding_loss(a, n, sign[:, 0], 0.5)",
    ),
    ("nn.functional", "embedding_bag", {"weight": "x"}, "F.embedding_bag(indices, x)"),
    ("nn.functional", "gaussian_nll_loss", {}, "F.gaussian_nll_loss(x, y, var)"),
    ("nn.functional", "glu", {}, "F.glu(x, dim=-1)"),
    ("nn.functional", "hardshrink", {}, "F.hardshrink(x)"),
    ("nn.functional", "hinge_embedding_loss", {"y": "sign", "margin": "1.0"}, "F.hinge_embedding_loss(x, sign)"),
    ("nn.functional", "instance_norm", {"x": "image", "channels": "4"}, "F.instance_norm(image)"),
    ("nn.functional", "margin_ranking_loss", {"y": "sign"}, "F.margin_ranking_loss(a, b, sign, margin=0.5)"),
    ("nn.functional", "multilabel_soft_margin_loss", {"y": "share"}, "F.multilabel_soft_margin_loss(x, share)"),
    ("nn.functional", "poisson_nll_loss", {}, "F.poisson_nll_loss(x, y)"),
    ("nn.functional", "soft_margin_loss", {"y": "sign"}, "F.soft_margin_loss(x, sign)"),
    ("nn.functional", "softmin", {}, "F.softmin(x, dim=-1)"),
    ("nn.functional", "softshrink", {}, "F.softshrink(x)"),
    ("nn.functional", "tanhshrink", {}, "F.tanhshrink(x)"),
    ("nn.functional", "threshold", {}, "F.threshold(x, 0.2, -3.0)"),
    ("autograd", "cov", {}, "torch.cov(x)"),
    ("autograd", "column_stack", {}, "torch.column_stack([x, y])"),
    ("autograd", "hstack", {"x": "image", "y": "image"}, "torch.hstack([image, image])"),
    ("autograd", "vstack", {}, "torch.vstack([x, y])"),
    ("autograd", "cholesky_solve", SOLVED, "torch.cholesky_solve(x, torch.linalg.cholesky(square))"),
    ("autograd", "expit", {}, "torch.special.expit(x)"),
    ("autograd", "gammaln", {}, "torch.special.gammaln(x)"),
    ("autograd", "psi", {}, "torch.special.psi(x)"),
    ("autograd", "mvlgamma", {"x": "x + 5.0", "p": "3"}, "torch.mvlgamma(x + 5, 3)"),
    ("autograd", "addcdiv", {"b": "var", "value": "2.0"}, "torch.addcdiv(x, a, var, value=2)"),
    ("autograd", "addcmul", {"value": "2.0"}, "torch.addcmul(x, a, b, value=2)"),
    ("autograd", "addmv", {"bias": "line[:3]", "y": "line"}, "torch.addmv(line[:3], x, line)"),
    (
        "autograd",
        "addr",
        {"bias": "square", "x": "line[:3]", "y": "line[:3]"},
        "torch.addr(square, line[:3], line[:3])",
    ),
    ("autograd", "adjoint", {}, "torch.adjoint(x)"),
    ("autograd", "angle", {}, "torch.angle(x)"),
    ("autograd", "cummax", {}, "torch.cummax(x, -1).values"),
    ("autograd", "cummin", {}, "torch.cummin(x, -1).values"),
    ("autograd", "cumulative_trapezoid", {"x": "line", "y": "line ** 2"}, "torch.cumulative_trapezoid(line**2, line)"),
    ("autograd", "diagflat", {}, "torch.diagflat(x)"),
    ("autograd", "entr", {"x": "var - 0.5"}, "torch.special.entr(var - 0.5)"),
    ("autograd", "fmax", {"x": "holes"}, "torch.fmax(holes, y)"),
    ("autograd", "fmin", {"y": "holes"}, "torch.fmin(x, holes)"),
    ("autograd", "hann_window", {"n": "5"}, "torch.hann_window(5, dtype=torch.float64)"),
    ("autograd", "hamming_window", {"n": "5"}, "torch.hamming_window(5, dtype=torch.float64)"),
    ("autograd", "logaddexp2", {}, "torch.logaddexp2(x, y)"),
    (
        "autograd",
        "mode",
        {"x": "autograd.asarray([1.0, 2.0, 2.0])"},
        "torch.mode(torch.tensor([1.0, 2.0, 2.0])).values",
    ),
    ("autograd", "msort", {}, "torch.msort(x)"),
    ("autograd", "ndtr", {}, "torch.special.ndtr(x)"),
    ("autograd", "xlog1py", {"y": "var"}, "torch.special.xlog1py(x, var)"),
    ("nn.functional", "adaptive_max_pool1d", {"size": "2"}, "F.adaptive_max_pool1d(x, 2)"),
    ("autograd", "lerp", {}, "torch.lerp(x, y, share)"),
    ("autograd", "log_sigmoid", {}, "F.logsigmoid(x)"),
    ("autograd", "logcumsumexp", {"x": "line * 500.0"}, "torch.logcumsumexp(line * 500.0, 0)"),
    ("autograd", "logdet", {"x": "square"}, "torch.logdet(square)"),
    ("autograd", "logit", {"x": "share"}, "torch.logit(share)"),
    ("autograd", "nan_to_num", {"x": "holes"}, "torch.nan_to_num(holes)"),
    ("autograd", "nanmean", {"x": "holes"}, "torch.nanmean(holes)"),
    ("autograd", "nansum", {"x": "holes"}, "torch.nansum(holes)"),
    (
        "autograd",
        "sparse_coo_tensor",
        SPARSE,
        "torch.sparse_coo_tensor([[0, 2, 2, 1], [0, 1, 2, 2]], line, (3, 3), check_invariants=True) @ x",
    ),
    ("autograd", "std_mean", {}, "torch.std_mean(x)"),
    ("autograd", "var_mean", {}, "torch.var_mean(x)"),
    ("autograd", "cdist", {}, "torch.cdist(x, y)"),
    ("autograd", "addmm", {"bias": "square", "y": "c"}, "torch.addmm(square, x, c)"),
    ("autograd", "exp2", {}, "torch.exp2(x)"),
    ("autograd", "trapezoid", {"x": "line", "y": "line ** 2"}, "torch.trapezoid(line**2, line)"),
    ("autograd", "vander", {"x": "line", "n": "4"}, "torch.vander(line)"),
    ("Tensor", "aminmax", {}, "tuple(torch.aminmax(x))"),
    ("Tensor", "deg2rad", {}, "torch.deg2rad(x)"),
    ("Tensor", "dist", {}, "torch.dist(x, y)"),
    ("Tensor", "fmod", {"y": "var"}, "torch.fmod(x, var)"),
    ("Tensor", "frac", {}, "torch.frac(x)"),
    ("Tensor", "heaviside", {"x": "x - x[0, 0]"}, "torch.heaviside(x - x[0, 0], torch.tensor(-3.0).double())"),
    ("Tensor", "inner", {}, "torch.inner(x, y)"),
    ("Tensor", "kthvalue", {}, "torch.kthvalue(x, 2).values"),
    ("Tensor", "rot90", {}, "torch.rot90(x)"),
    ("Tensor", "sinc", {"x": "x - x[0, 0]"}, "torch.sinc(x - x[0, 0])"),
    ("Tensor", "unfold", {"size": "2", "step": "1"}, "x.unfold(1, 2, 1)"),
    ("Tensor", "vdot", {"x": "line", "y": "line + 1.0"}, "torch.vdot(line, line + 1.0)"),
    ("Tensor", "xlogy", {"x": "x - x[0, 0]", "y": "abs(x - x[0, 0])"}, "torch.xlogy(x - 0.3, abs(x - 0.3))"),
    ("autograd.linalg", "cond", {"x": "square"}, "torch.linalg.cond(square)"),
    ("autograd.linalg", "multi_dot", {"b": "x.T + 0.1", "c": "x"}, "torch.linalg.multi_dot([a, c, x])"),
    ("autograd.linalg", "lstsq", {"a": "c", "b": "c[:, :2]"}, "torch.linalg.lstsq(c, c[:, :2]).solution"),
]


def tensors(make: Any) -> dict[str, Any]:
    return {name: make(value.copy()) for name, value in NUMBERS.items()}


@pytest.mark.parametrize(("room", "word", "given", "theirs"), FORMULAS, ids=str)
def test_what_to_write_gives_pytorchs_numbers(
    torch: Any, room: str, word: str, given: dict[str, str], theirs: str
) -> None:
    known = {**tensors(ag.asarray), **OURS, "autograd": ag, "nn": nn, "math": math}
    known |= {name: eval(text, known) for name, text in given.items()}
    ours = METHODS[word] if room == "Tensor" else NAMES[room][word]
    formula, _, where = re.split(" for |, or |, with |, along ", ours)[0].partition(", where ")
    before, _, after = formula.partition(", then ")
    exec(before if after else where, known)
    found = eval(after or formula, known)
    expected = eval(theirs, {**tensors(torch.from_numpy), "torch": torch, "F": torch.nn.functional})
    pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    for one, other in pairs:
        np.testing.assert_allclose(one.data, other.numpy(), rtol=1e-10, atol=1e-12)
