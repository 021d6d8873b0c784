"""The contenders themselves: same numbers for all, losses that move, and peers that agree with us."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import overhead, speed
from benchmarks.measure import BenchmarkError, check_agreement
from benchmarks.overhead.operations import MODES, OPERATIONS, job_name
from benchmarks.speed.workloads import WORKLOADS

SMALL = ("tiny", "deep")


def losses(contender, job, steps=20):
    step = contender.prepare(job)
    return [contender.value(step()) for _ in range(steps)]


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """A contender reads its thread count from the environment."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


@pytest.mark.parametrize("job", SMALL)
def test_every_start_has_the_same_numbers(job):
    a, b = WORKLOADS[job].data(), WORKLOADS[job].data()
    for x, y in zip([*a.weights, *a.biases, a.x, a.y], [*b.weights, *b.biases, b.x, b.y], strict=True):
        np.testing.assert_array_equal(x, y)
        assert x is not y


def test_the_networks_are_those_of_the_bar():
    assert [w.about() for w in WORKLOADS.values()] == [
        "16-32-2, batch 32, sgd",
        "64-19 x 64-10, batch 100, sgd",
        "784-512-512-10, batch 128, sgd",
        "784-512-512-10, batch 128, adam",
        "784-2048-2048-10, batch 512, sgd",
    ]
    deep = WORKLOADS["deep"].data()
    assert [w.shape for w in deep.weights] == [(64, 64)] * 19 + [(10, 64)]
    assert {w.dtype for w in deep.weights} == {np.dtype("float32")}


WRONG = [
    *((job, {"lr": 1.05e-3}) for job in ("tiny", "deep", "mlp-adam")),
    *((job, {"momentum": 0.89}) for job in SMALL),
    *((job, {"optimizer": "adam"}) for job in SMALL),
    ("mlp-adam", {"optimizer": "sgd"}),
]


@pytest.mark.parametrize(("job", "wrong"), WRONG)
def test_a_slightly_wrong_training_is_seen(job, wrong, monkeypatch):
    workload = WORKLOADS[job]
    ours = speed.all_contenders()["tapegrad"]
    right = losses(ours, job)
    monkeypatch.setitem(WORKLOADS, job, replace(workload, **wrong))
    with pytest.raises(BenchmarkError, match="disagree"):
        check_agreement(job, {"a": right, "b": right, "wrong": losses(ours, job)}, workload.agreement())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_runs_in_every_mode_and_has_the_floors_value(operation):
    contenders = overhead.all_contenders()
    ours, floor = contenders["tapegrad"], contenders["numpy"]
    forward, backward = (job_name(operation, mode) for mode in MODES)
    assert losses(ours, forward, 1) == pytest.approx(losses(floor, forward, 1), rel=1e-6)
    assert np.isfinite(losses(ours, backward, 2)).all()
    assert floor.does(forward)
    assert not floor.does(backward)


def test_a_gradient_is_that_of_one_call_however_often_it_is_called():
    ours = overhead.all_contenders()["tapegrad"]
    assert losses(ours, job_name("times 2.0", MODES[1]), 3) == [2.0, 2.0, 2.0]


@pytest.mark.peers
@pytest.mark.parametrize("job", ["tiny", "deep", "mlp-adam"])
def test_pytorch_has_our_losses(job):
    pytest.importorskip("torch")
    contenders = speed.all_contenders()
    ours = losses(contenders["tapegrad"], job)
    for name in ("torch", "torch-fused"):
        theirs = losses(contenders[name], job)
        check_agreement(job, {"ours": ours, name: theirs}, WORKLOADS[job].agreement())


@pytest.mark.peers
@pytest.mark.parametrize("operation", OPERATIONS)
def test_pytorch_has_our_values_and_gradients(operation):
    pytest.importorskip("torch")
    contenders = overhead.all_contenders()
    for mode in MODES:
        job = job_name(operation, mode)
        assert losses(contenders["torch"], job, 2) == pytest.approx(losses(contenders["tapegrad"], job, 2), rel=1e-5)
