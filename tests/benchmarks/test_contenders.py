"""The contenders themselves: same numbers for all, losses that move, and peers that agree with us."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from benchmarks import layers, operations, overhead, run, speed
from benchmarks.layers.table import LAYERS
from benchmarks.measure import BenchmarkError, check_agreement, workers
from benchmarks.operations.table import OPERATIONS as ALL_OPERATIONS
from benchmarks.operations.table import job_name as job_of
from benchmarks.overhead.operations import MODES, OPERATIONS, job_name
from benchmarks.speed import hips, mygrad
from benchmarks.speed.by_hand import make_update
from benchmarks.speed.environment import peer_folder
from benchmarks.speed.models import make_optimizer
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


@pytest.mark.parametrize("job", [*SMALL, "lenet", "gpt"])
def test_every_start_has_the_same_numbers(job):
    a, b = WORKLOADS[job].data(), WORKLOADS[job].data()
    assert list(a.parameters) == list(b.parameters)
    for x, y in zip([*a.parameters.values(), a.x, a.y], [*b.parameters.values(), b.x, b.y], strict=True):
        np.testing.assert_array_equal(x, y)
        assert x is not y


def test_the_networks_are_those_of_the_bar():
    assert [w.about() for w in WORKLOADS.values()] == [
        "16-32-2, batch 32, sgd",
        "64-19 x 64-10, batch 100, sgd",
        "784-512-512-10, batch 128, sgd",
        "784-512-512-10, batch 128, adam",
        "784-2048-2048-10, batch 512, sgd",
        "conv 32, conv 64, pool, 9216-128-10, batch 64, sgd",
        "4 layers, 128 wide, 4 heads, 65 tokens, batch 16 x 64, adamw",
    ]
    deep = WORKLOADS["deep"].data().parameters
    weights = [p.shape for name, p in deep.items() if name.endswith("weight")]
    assert weights == [(64, 64)] * 19 + [(10, 64)]
    for workload in WORKLOADS.values():
        assert {p.dtype for p in workload.data().parameters.values()} == {np.dtype("float32")}


def test_a_text_says_at_each_place_what_comes_next():
    data = WORKLOADS["gpt"].data()
    following = data.y.reshape(data.x.shape)
    np.testing.assert_array_equal(following[:, :-1], data.x[:, 1:])
    assert set(((following - 2 * data.x) % 65).ravel()) == {0, 1, 2}
    assert sum(p.size for p in data.parameters.values()) == 818_176


WRONG = [
    *((job, {"lr": 1.05e-3}) for job in ("tiny", "deep", "mlp-adam")),
    *((job, {"momentum": 0.89}) for job in SMALL),
    *((job, {"optimizer": "adam"}) for job in SMALL),
    ("mlp-adam", {"optimizer": "sgd"}),
]
# Seconds a training, so left to the tests of peers.
WRONG_LATER = [
    ("lenet", {"lr": 1.05 * 3e-3}),
    ("lenet", {"momentum": 0.89}),
    ("gpt", {"lr": 1.05e-3}),
    ("gpt", {"weight_decay": 0.0}),
]


@pytest.mark.parametrize(
    ("job", "wrong"), [*WRONG, *(pytest.param(*case, marks=pytest.mark.peers) for case in WRONG_LATER)]
)
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


@pytest.fixture(params=LAYERS)
def layer(request, monkeypatch):
    """The name of a layer, of which two samples are asked, or times."""
    usual = LAYERS[request.param]
    monkeypatch.setitem(LAYERS, request.param, replace(usual, shape=(2, *usual.shape[1:])))
    return request.param


def test_a_layer_can_be_named_among_others():
    assert not [name for name in LAYERS if "," in name]  # which parts the names of --only


def test_every_layer_takes_a_step_and_forgets_its_gradients(layer):
    step = layers.all_contenders()["tapegrad"].prepare(layer)
    first, second = (layers.all_contenders()["tapegrad"].value(step()) for _ in range(2))
    assert np.isfinite(first)
    assert second == pytest.approx(first, rel=1e-5)
    _, leaves = step()
    assert all((leaf.grad.data != 0).any() for leaf in leaves)


@pytest.mark.peers
@pytest.mark.parametrize("peer", ["torch", "torch-channels-last", "tapegrad-native"])
def test_peers_have_our_layers(layer, peer):
    contenders = layers.all_contenders()
    if not contenders[peer].is_installed() or not contenders[peer].does(layer):
        pytest.skip("not asked")
    assert losses(contenders[peer], layer, 2) == pytest.approx(losses(contenders["tapegrad"], layer, 2), rel=1e-4)


def test_what_is_built_in_the_first_step_is_known():
    built = {name for name, contender in speed.all_contenders().items() if contender.builds()}
    assert built == {"tapegrad-native", "tapegrad-numpy", "torch-compile", "jax"}


def test_peers_in_folders_of_their_own_are_found_there_alone(tmp_path, monkeypatch):
    for module, name, package in ((hips, "hips", "autograd"), (mygrad, "mygrad", "mygrad")):
        contender = speed.all_contenders()[name]
        assert contender.environment["PYTHONPATH"] == str(module.FOLDER) == str(peer_folder(name))
        assert not contender.ours
        monkeypatch.setattr(module, "FOLDER", tmp_path / name)
        assert not contender.is_installed()  # though an `autograd` can be imported here: ours
        (tmp_path / name / package).mkdir(parents=True)
        assert contender.is_installed()
    assert run.present([speed.all_contenders()["hips"]]) == ([speed.all_contenders()["hips"]], {})


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_an_optimizer_by_hand_takes_our_steps(optimizer):
    workload = replace(WORKLOADS["tiny"], optimizer=optimizer, lr=0.01)
    start = workload.data().parameters
    by_hand = {name: p.copy() for name, p in start.items()}
    ours = {name: nn.Parameter(p.copy()) for name, p in start.items()}
    update, optimizer = make_update(workload, by_hand), make_optimizer(optim, workload, ours.values())
    draw = np.random.default_rng(0)
    for _ in range(5):
        grads = {name: draw.standard_normal(p.shape, np.float32) for name, p in start.items()}
        update(grads)
        for name, p in ours.items():
            p.grad = ag.Tensor(grads[name])
        optimizer.step()
    for name, p in by_hand.items():
        assert p.dtype == np.float32
        np.testing.assert_allclose(p, ours[name].data, rtol=2e-6, atol=1e-7)


@pytest.mark.peers
@pytest.mark.parametrize("job", ["tiny", "deep", "mlp-adam", "lenet", "gpt"])
def test_peers_have_our_losses(job):
    """Each in a process of its own, as in a run; what is not installed is not asked."""
    contenders = speed.all_contenders()
    asked = ["tapegrad", "torch", "torch-fused", "torch-compile", "jax", "hips", "mygrad"]
    here, _ = run.present([contenders[name] for name in asked if contenders[name].does(job)])
    with workers(here, 1) as started:
        values = {name: worker.ask("prepare", job=job, steps=20)["values"] for name, worker in started.items()}
    assert len(values) > 1
    check_agreement(job, values, WORKLOADS[job].agreement())


@pytest.mark.peers
@pytest.mark.parametrize("operation", OPERATIONS)
def test_pytorch_has_our_values_and_gradients(operation):
    pytest.importorskip("torch")
    contenders = overhead.all_contenders()
    for mode in MODES:
        job = job_name(operation, mode)
        assert losses(contenders["torch"], job, 2) == pytest.approx(losses(contenders["tapegrad"], job, 2), rel=1e-5)


@pytest.fixture(params=[job_of(name, "small") for name in ALL_OPERATIONS])
def operation_job(request):
    return request.param


def test_an_operation_can_be_named_among_others():
    assert not [name for name in ALL_OPERATIONS if "," in name or ":" in name]


def test_every_operation_goes_there_and_back(operation_job):
    ours = operations.all_contenders()["tapegrad"]
    first, second = losses(ours, operation_job, 2)
    assert np.isfinite(first)
    assert second == first


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # of kl_div, in PyTorch, which means to change that
def test_pytorch_has_our_operations(operation_job):
    contenders = operations.all_contenders()
    if not contenders["torch"].is_installed():
        pytest.skip("not asked")
    assert losses(contenders["torch"], operation_job, 2) == pytest.approx(
        losses(contenders["tapegrad"], operation_job, 2), rel=1e-4
    )
