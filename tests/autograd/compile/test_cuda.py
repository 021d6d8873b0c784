"""The cuda executor: whole trainings on the simulated GPU, what it leaves behind, and the tapes that it runs.

One idea: the tape is the same on every device, so its commands are compared as text: a fusion that is lost fails here.
Under `make test-gpu` the trainings run on a real one.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import DeviceError, Tensor
from autograd.backend import to_host
from autograd.compile.cuda import Tape, device_named
from autograd.compile.cuda import device as devices
from autograd.compile.cuda.commands import Command, order_of
from autograd.compile.passes import simplified
from autograd.compile.trace import program_of
from autograd.ops.index import survives_at
from autograd.random import Generator
from benchmarks.speed.models import make_model, make_optimizer
from benchmarks.speed.networks import CNN, GPT, MLP
from benchmarks.speed.tapegrad import training_step
from benchmarks.speed.workloads import Workload

from . import simulated
from .networks.training import compare, plans
from .test_networks import tried

pytestmark = simulated.needed


@pytest.mark.parametrize("kind", ["dense", "images"])
def test_ten_steps_of_random_networks(kind: str, device: str) -> None:
    @settings(max_examples=max(3, tried(kind) // 12), phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(plan=plans(kind, exact=False))
    def to_rounding(plan: dict[str, Any]) -> None:
        compare(plan, 1e-6, device)

    to_rounding()


@pytest.mark.parametrize(
    "step",
    [
        lambda x, device: x * 2 if x.device == "cpu" else x * 3,
        lambda x, device: x.to(device) + ag.ones(3, device=x.device),
        lambda x, device: x + Tensor(np.arange(3.0), device=device),
        lambda x, device: x + ag.random.randn(2, 3, device=device) + ag.random.randint(0, 9, 3, device=device),
        lambda x, device: ag.random.randn(3, device=device, dtype="float64"),  # nothing else says where it runs
        lambda x, device: x[:, ag.random.permutation(3, device=device)],
        lambda x, device: F.max_pool2d(x[None, None], 2) + F.conv2d(x[None, None], x[None, None, :1, :1]).mean(),
    ],
)
def test_in_a_step_arrays_are_on_the_device(step: Any, device: str) -> None:
    numbers, compiled = np.arange(6.0).reshape(2, 3), ag.compile(step)
    ag.random.seed(0)
    wanted = [step(Tensor(numbers, device=device), device).numpy() for _ in range(3)]
    ag.random.seed(0)
    for like in wanted:
        np.testing.assert_allclose(compiled(Tensor(numbers, device=device), device).numpy(), like, rtol=1e-6)


def test_a_step_on_a_device_brings_nothing_to_the_host(device: str) -> None:
    compiled = ag.compile(lambda x: x.to("cpu"))
    with pytest.raises(ag.TraceError, match="was turned into a NumPy array"):
        compiled(Tensor([1.0], device=device))


def test_several_places_along_one_of_many_axes_get_their_gradients(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAPEGRAD_EXECUTOR", raising=False)  # eager code adds as many up in C, where it may
    x = np.random.default_rng(0).normal(size=(33, 5, 4, 2, 4)).astype("float32")
    y = np.arange(x.size).reshape(x.shape) % 3 % 2
    slope = ag.grad(lambda x, y: (ag.take_along_axis(x, y, axis=3) ** 2).sum())
    found = ag.compile(slope)(Tensor(x, device=device), Tensor(y, device=device))
    np.testing.assert_allclose(found.numpy(), slope(Tensor(x), Tensor(y)).numpy(), rtol=1e-6)


class Small:
    """A training of one layer, with its step."""

    def __init__(self, device: str, **options: Any) -> None:
        self.model = nn.Sequential(nn.Linear(3, 4, generator=Generator(1)), nn.Tanh(), nn.Linear(4, 1)).to(device)
        self.model[2].weight.data[...] = 0.25
        self.model[2].bias.data[...] = 0.0
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.1, **options)
        self.x = Tensor(np.linspace(-1, 1, 15, dtype="float32").reshape(5, 3), device=device)
        self.step = ag.compile(self.as_written)

    def as_written(self) -> Tensor:
        self.optimizer.zero_grad()
        loss = (self.model(self.x) ** 2).mean()
        loss.backward()
        self.optimizer.step()
        return loss

    @property
    def weight(self) -> np.ndarray:
        return to_host(self.model[0].weight.data).copy()

    @property
    def program(self) -> Any:
        (entries,) = self.step._entries.values()
        return entries[0].run_program


def test_a_step_is_recorded_once_and_gradients_stay_where_they_are(device: str) -> None:
    eager, ours = Small("cpu"), Small(device)
    losses = []
    for _ in range(5):
        wanted, found = eager.as_written(), ours.step()
        assert found.device.startswith(device)
        losses.append((wanted.item(), found))
        np.testing.assert_allclose(ours.weight, eager.weight, rtol=1e-5)
    assert ours.program._recorded
    for wanted, found in losses:  # each loss is an array of its own
        assert found.item() == pytest.approx(wanted, rel=1e-5)
    address = device_named(ours.model[0].weight.device).address
    before = address(ours.model[0].weight.grad.data)
    ours.step()
    assert address(ours.model[0].weight.grad.data) == before
    assert ours.program._recorded


def test_an_update_of_its_own_does_not_keep_the_gradients_that_it_reads(device: str, monkeypatch: Any) -> None:
    ours, eager = Small(device), Small("cpu")
    target, recordings = device_named(ours.x.device), []
    record = target.record
    monkeypatch.setattr(target, "record", lambda *given: recordings.append(given) or record(*given))

    @ag.compile
    def gradients() -> Tensor:
        ours.optimizer.zero_grad()
        loss = (ours.model(ours.x) ** 2).mean()
        loss.backward()
        return loss

    update = ag.compile(lambda: ours.optimizer.step())
    known = []
    for _ in range(6):
        found = gradients()
        update()
        assert found.item() == pytest.approx(eager.as_written().item(), rel=1e-5)
        np.testing.assert_allclose(ours.weight, eager.weight, rtol=1e-5)
        known.append(len(recordings))
    assert 0 < known[3] == known[5]
    kept = [(p.grad.data, to_host(p.grad.data).copy()) for p in ours.model.parameters()]
    gradients(), update()
    for array, values in kept:
        np.testing.assert_array_equal(to_host(array), values)


_KEEPING = """
import sys
count = sys.getrefcount
def borrowed(x):  # without the references of this function and of its question
    return count(x) - 2
sys.getrefcount = borrowed
import numpy as np
import autograd as ag
from autograd.compile.passes import simplified
from autograd.compile.trace import program_of
from tests.autograd.compile import simulated
w = ag.Tensor(np.ones(2, "float32"), device="guard", requires_grad=True)
@ag.compile
def step(x):
    w.grad = None
    (w * x).sum().backward()
kept = []
for i in range(4):
    step(ag.Tensor(np.full(2, i, "float32"), device="guard"))
    kept.append(w.grad)
print([grad.tolist() for grad in kept])
"""


def test_a_gradient_stays_where_a_question_takes_no_reference() -> None:
    """Python 3.14 borrows what a variable holds to ask how often it is held."""
    out = subprocess.run([sys.executable, "-c", _KEEPING], capture_output=True, text=True, check=True).stdout
    assert out.strip() == str([[float(i)] * 2 for i in range(4)])


@pytest.mark.parametrize("keep", [lambda grad: grad, lambda grad: grad.data, lambda grad: grad.data[0]])
def test_a_gradient_that_somebody_keeps_stays_as_it_is(keep: Any, device: str) -> None:
    ours, eager = Small(device), Small("cpu")
    for _ in range(3):
        ours.step(), eager.as_written()
    kept = keep(ours.model[0].weight.grad)
    values = to_host(kept.data if isinstance(kept, Tensor) else kept).copy()
    for _ in range(3):
        ours.step(), eager.as_written()
    np.testing.assert_array_equal(to_host(kept.data if isinstance(kept, Tensor) else kept), values)
    wanted = eager.model[0].weight.grad.numpy()
    np.testing.assert_allclose(ours.model[0].weight.grad.numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("network", [MLP((5, 7, 6, 3), 4), CNN((4, 8), 2), GPT(2, 16, 2, 8, 2, 11)])
def test_nothing_is_read_that_an_earlier_call_left_in_the_memory(network: Any, device: str) -> None:
    workload = Workload("", network, "adamw", 0.0)
    eager, ours = training_step(workload), ag.compile(training_step(workload, device))
    for _ in range(4):
        assert ours().item() == pytest.approx(eager().item(), rel=1e-4)
        ((entry,),) = ours._entries.values()
        for memory in (entry.run_program._arena, entry.run_program._scratch):
            memory[...] = 0xFF  # NaN, whatever it is read as


def test_an_array_of_the_host_is_read_at_each_call(device: str) -> None:
    index, x = np.array([0, 2]), Tensor([1.0, 2.0, 3.0], device=device)
    compiled = ag.compile(lambda: x[index])
    for places in ([0, 2], [1, 0], [2, 2]):
        index[...] = places
        np.testing.assert_array_equal(to_host(compiled().data), [1.0 + place for place in places])


def test_a_mask_that_nobody_writes_to_is_sent_once(device: str) -> None:
    ours = ag.compile(training_step(Workload("", GPT(2, 16, 2, 8, 2, 11), "adamw", 0.0), device))
    ours()
    ((entry,),) = ours._entries.values()
    assert not entry.run_program._on_host


def test_parameters_may_move(device: str) -> None:
    ours, eager = Small(device), Small("cpu")
    for _ in range(3):
        ours.step(), eager.as_written()
    for training in (ours, eager):
        weight = training.model[0].weight
        weight.data = weight.data * 0.5
    for _ in range(3):
        ours.step(), eager.as_written()
    np.testing.assert_allclose(ours.weight, eager.weight, rtol=1e-5)
    assert len(ours.step.programs) <= 2


def test_rates_and_masks_are_new_at_each_step(device: str) -> None:
    def losses(where: str, compiled: bool) -> list[float]:
        model = nn.Sequential(nn.Dropout(0.5, generator=Generator(3)), nn.Linear(40, 1, generator=Generator(4)))
        optimizer = optim.Adam(model.to(where).parameters(), lr=0.1)
        x = Tensor(np.ones((8, 40), "float32"), device=where)

        def step(x: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = (model(x) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        step = ag.compile(step) if compiled else step
        found = []
        for i in range(5):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + i)
            found.append(step(x).item())
        return found

    np.testing.assert_allclose(losses(device, True), losses("cpu", False), rtol=1e-4)


def test_draws_are_those_of_the_host_to_the_last_bit(device: str) -> None:
    generators = [Generator(5), Generator(5)]
    kinds = [
        lambda g: g.keep_mask((7, 33), 0.3),
        lambda g: g.uniform((1001,)),
        lambda g: g.uniform((10,), -2.0, 3.0),
        lambda g: g.uniform((5,), dtype="float64"),
        lambda g: g.integers(-3, 1000, (17,)),
    ]

    def draw(x: Tensor, generator: Generator) -> list[Tensor]:
        return [Tensor(kind(generator)) for kind in kinds] + [x + 1]

    drawn = ag.compile(lambda x: draw(x, generators[1]))
    for _ in range(3):
        wanted = [Tensor(kind(generators[0])) for kind in kinds]
        found = drawn(Tensor(np.zeros(2, "float32"), device=device))
        for a, b in zip(wanted, found[:-1], strict=True):
            np.testing.assert_array_equal(to_host(b.data), a.data)


def test_a_model_that_moves_is_traced_anew(device: str) -> None:
    model = nn.Linear(3, 2)
    forward = ag.compile(lambda x: model(x))
    x = np.ones((4, 3), "float32")
    wanted = forward(Tensor(x)).numpy()
    model.to(device)
    np.testing.assert_allclose(forward(Tensor(x, device=device)).numpy(), wanted, rtol=1e-5)


def test_two_devices_in_one_step_are_refused(device: str) -> None:
    model = nn.Linear(3, 2).to(device)
    with pytest.raises(DeviceError, match=r"also reads one of|cpu"):
        ag.compile(lambda x: model(x))(Tensor(np.ones((4, 3), "float32")))


def test_an_executor_of_the_host_is_refused(device: str) -> None:
    double = ag.compile(lambda x: x * 2, executor="numpy")
    with pytest.raises(ValueError, match=r'executor="numpy".*"(guard|cuda:0)".*leave it out'):
        double(Tensor(np.ones(3, "float32"), device=device))
    assert double(Tensor(np.ones(3, "float32"))).tolist() == [2.0, 2.0, 2.0]


def test_rows_of_a_table_and_what_comes_back_to_them(device: str) -> None:
    numbers = np.random.default_rng(0).integers(0, 11, (6, 50))

    def gradient(where: str, compiled: bool) -> np.ndarray:
        table = nn.Embedding(11, 5, generator=Generator(2)).to(where)
        where_to = Tensor(numbers, device=where)

        def step() -> None:
            table.weight.grad = None
            (table(where_to) ** 2).sum().backward()

        step = ag.compile(step) if compiled else step
        step(), step()
        return table.weight.grad.numpy().copy()

    np.testing.assert_allclose(gradient(device, True), gradient("cpu", False), rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("executor", ["native", None])
def test_joined_arrays_are_moved_to_their_places(axis: int, executor: Any, device: str) -> None:
    x, y = (np.arange(12, dtype="float32").reshape(shape) for shape in ((3, 4), (4, 3)))
    join = ag.compile(
        lambda x, y: ag.concat([x.T, y + 1.0, x.T[:, :0] if axis else y[:0]], axis=axis), executor=executor
    )
    given = [Tensor(each, device="cpu" if executor else device) for each in (x, y)]
    for _ in range(3):
        np.testing.assert_array_equal(join(*given).numpy(), np.concatenate([x.T, y + 1], axis))
    assert not [line for line in join.explain().splitlines() if "Py: " in line and "concatenate" in line]


def test_an_argument_that_stays_is_read_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[Any] = []
    copy = simulated.Simulated.copy
    monkeypatch.setattr(simulated.Simulated, "copy", lambda self, *two: copied.append(two[1]) or copy(self, *two))
    fast = ag.compile(lambda x, y: (x * y + x, y))
    x, y, other = (Tensor(np.arange(4.0) + i, device="guard") for i in (1, 2, 3))

    def compare(x: Tensor, y: Tensor) -> list[Any]:
        """The arguments that are copied."""
        copied.clear()
        wanted = x.numpy() * y.numpy() + x.numpy(), y.numpy()
        for a, b in zip(fast(x, y), wanted, strict=True):
            np.testing.assert_array_equal(a.numpy(), b)
        return [array for array in copied if any(array is each.data for each in (x, y))]

    for _ in range(4):
        assert not compare(x, y)
        x.data += 1  # read at the next call
    assert compare(x, other) == [other.data]
    for each in (y, other, y, y):
        assert compare(x, each) == [each.data]  # for good
    turned = Tensor(np.arange(16.0), device="guard")[::4]
    assert compare(turned, y) == [turned.data, y.data]
    assert compare(x, y) == [x.data, y.data]


def test_an_argument_that_was_read_where_it_lay_is_let_go() -> None:
    fast = ag.compile(lambda x: x * 2.0)
    for i in range(4):
        x = Tensor(np.full(3, float(i)), device="guard")
        np.testing.assert_array_equal(fast(x).numpy(), np.full(3, 2.0 * i))
        if i == 0:
            first = weakref.ref(x.data)
    gc.collect()
    assert first() is None


class Behind(simulated.Simulated):
    """A device on which what stream a is told is done when another stream waits for it, and what b is told at once."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.now, self.played = "a", "a"
        self.left: list[Callable[[], Any]] = []

    def follow(self, before: Any) -> str:
        if before not in (None, self.now):
            self.catch_up()
        return self.now

    def catch_up(self) -> None:
        for run in self.left:
            run()
        self.left.clear()

    def _later(self, run: Callable[[], Any]) -> None:
        if self.now == "a":
            self.left.append(run)
        else:
            run()

    def copy(self, target: Any, source: Any) -> None:
        self._later(lambda: target.__setitem__(..., source))

    def library(self, source: str) -> Any:
        library = super().library(source)

        def launch(*what: Any) -> Callable[[], Any]:
            run = library.launch(*what)
            return lambda: self._later(run)

        return SimpleNamespace(launch=launch)

    def record(self, runs: Any, after: Any = None) -> Callable[[], Any]:
        def play() -> None:
            self.played = self.follow(self.played)
            for run in runs:
                run()

        return play


@pytest.mark.parametrize("calls", ["aaab", "aaabab", "aab", "aabaab"])
def test_a_call_on_another_stream_waits_before_it_writes_to_what_is_read(monkeypatch: Any, calls: str) -> None:
    device = Behind("guard")
    monkeypatch.setitem(devices._known, "guard", device)
    fast = ag.compile(lambda x: x * 2.0)
    given = [Tensor(np.full(3, float(number)), device="guard") for number in range(len(calls))]  # until all is done
    found = []
    for x, device.now in zip(given, calls, strict=True):
        found.append(fast(x))
    device.catch_up()
    for number, result in enumerate(found):
        np.testing.assert_array_equal(result.numpy(), np.full(3, 2.0 * number))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("executor", ["native", None])
def test_stacked_arrays_are_moved_to_their_places(axis: int, executor: Any, device: str) -> None:
    x, y = (np.arange(12, dtype="float32").reshape(shape) for shape in ((3, 4), (4, 3)))
    join = ag.compile(lambda x, y: ag.stack([x.T, y + 1.0, y], axis=axis), executor=executor)
    given = [Tensor(each, device="cpu" if executor else device) for each in (x, y)]
    for _ in range(3):
        np.testing.assert_array_equal(join(*given).numpy(), np.stack([x.T, y + 1, y], axis))
    assert not [line for line in join.explain().splitlines() if "Py: " in line and "stack" in line]


def test_many_pieces_are_moved_by_several_kernels(device: str) -> None:
    """A kernel is given 4 KB at most, which are the places of some 120 pieces."""
    x = np.arange(260, dtype="float32").reshape(130, 2)
    join = ag.compile(lambda x: ag.stack([*x[::-1]]))
    pick = ag.compile(lambda x: ag.grad(lambda x: sum((row @ row * i).sum() for i, row in enumerate(x)))(x))
    given = Tensor(x, device=device)
    for _ in range(3):
        np.testing.assert_array_equal(join(given).numpy(), x[::-1])
        np.testing.assert_array_equal(pick(given).numpy(), 2 * np.arange(130.0)[:, None] * x)
    for function in (join, pick):
        assert "CuPy: " not in function.explain()


@pytest.mark.parametrize("starts", [(0, 0), (0, 1), (0, 2, 1)])
@pytest.mark.parametrize("executor", ["native", None])
def test_of_parts_that_overlap_the_last_one_stays(starts: tuple[int, ...], executor: Any, device: str) -> None:
    def put(*pieces: Tensor) -> Tensor:
        out = Tensor(np.zeros((5, 3), "float32"), device=pieces[0].device)
        for piece, start in zip(pieces, starts, strict=True):
            out[start : start + 3] = piece
        return out

    pieces = [Tensor(np.full((3, 3), 1.0 + i, "float32")) for i in range(len(starts))]
    found = ag.compile(put, executor=executor)(*(x.to("cpu" if executor else device) for x in pieces))
    np.testing.assert_array_equal(found.numpy(), put(*pieces).numpy())


def test_a_loop_over_many_arrays_is_several_launches(device: str) -> None:
    def rows(x: Tensor) -> Tensor:
        return ag.stack([x[i] * 2.0 for i in range(len(x))])  # each is an array of its own

    numbers = np.arange(300, dtype="float32")
    np.testing.assert_array_equal(ag.compile(rows)(Tensor(numbers, device=device)).numpy(), 2 * numbers)


@pytest.mark.parametrize("wrong", [3, -1])
@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_wrong_label_shows_in_the_loss(
    wrong: int, is_compiled: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated.Simulated, "eager", True)
    loss = ag.value_and_grad(F.cross_entropy)
    loss = ag.compile(loss) if is_compiled else loss
    x = Tensor(np.zeros((4, 3), "float32"), device=device)
    assert loss(x, Tensor(np.array([0, 1, 2, 0]), device=device))[0].item() == pytest.approx(np.log(3))
    found, slope = loss(x, Tensor(np.array([0, 1, wrong, 0]), device=device))
    assert np.isnan(found.item())
    assert np.isnan(slope.numpy()).any()


def test_what_cupy_has_to_do_stands_between_recordings(device: str) -> None:
    x = np.random.default_rng(1).normal(size=(6, 4)).astype("float32")
    function = ag.compile(lambda x: ag.sort(x * 2.0, axis=-1) + 1.0)
    for scale in (1.0, -1.0, 3.0):
        found = function(Tensor(x * np.float32(scale), device=device))
        np.testing.assert_allclose(found.numpy(), np.sort(x * np.float32(scale) * 2, -1) + 1, rtol=1e-6)
    assert "CuPy: " in function.explain()


@pytest.mark.parametrize("index", [np.array([0, 2, 0]), (slice(None, None, -1), np.array([1, 1]))])
def test_the_last_of_several_writes_to_a_place_is_found_by_cupy(index: Any, device: str) -> None:
    x = np.zeros((3, 4))
    last = ag.compile(lambda x: survives_at(x, index=index))
    np.testing.assert_array_equal(last(Tensor(x, device=device)).numpy(), survives_at(x, index=index))


def test_a_method_of_a_ufunc_is_cupys(device: str) -> None:
    x = np.arange(3.0)
    outer = ag.compile(lambda x: Tensor(np.multiply.outer(x.data, x.data + 1)))
    np.testing.assert_array_equal(outer(Tensor(x, device=device)).numpy(), np.multiply.outer(x, x + 1))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ag.linalg.inv(x).sum(),
        lambda x: ag.linalg.cholesky(x).sum(),
        lambda x: ag.linalg.eigh(x).eigenvectors[0, 0] ** 2 + ag.linalg.matrix_norm(x, ord="nuc"),
        lambda x: ag.linalg.qr(x).Q[0, 1] + ag.linalg.svd(x).U[0, 0] ** 2,
    ],
    ids=["inv", "cholesky", "eigh", "qr and svd"],
)
def test_factors_of_a_matrix_in_a_step(f: Any, device: str) -> None:
    def step(x: Tensor) -> Tensor:
        return ag.value_and_grad(f)(x)

    compiled = ag.compile(step)
    for scale in (1.0, 2.0):
        x = np.diag([3.0, 2.0, 1.0]) * scale + 0.1
        wanted, found = step(Tensor(x)), compiled(Tensor(x, device=device))
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_allclose(b.cpu().numpy(), a.numpy(), rtol=1e-10, atol=1e-12)


def test_products_are_rounded_only_where_it_is_asked_for(device: str) -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.normal(size=(64, 64)).astype("float32") for _ in range(2))
    product = ag.compile(lambda a, b: a @ b)
    exact = a.astype("float64") @ b.astype("float64")

    def error() -> float:
        found = product(Tensor(a, device=device), Tensor(b, device=device)).numpy()
        return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))

    assert error() < 1e-6
    with ag.cuda.matmul_precision("tf32"):
        assert error() < 2e-3
    assert error() < 1e-6
    tapes = [entry.run_program.tape for entries in product._entries.values() for entry in entries]
    assert sorted(command.product.tf32 for tape in tapes for command in tape.commands) == [False, True]


# The tapes


def tape(network: Any, optimizer: str) -> list[str]:
    """The commands of a training step, without the names of variables."""
    return [str(command).partition(": %")[0] for command in tape_of(network, optimizer).commands]


def longest_chain(commands: list[Command]) -> int:
    """How many commands wait for one another."""
    depths: list[int] = []
    for needed in order_of(commands):
        depths.append(1 + max((depths[i] for i in needed), default=0))
    return max(depths)


def tape_of(network: Any, optimizer: str) -> Tape:
    """The tape of a training step; to write it takes no device."""
    workload = Workload("", network, optimizer, 0.0)
    data = workload.data()
    model = make_model(nn, network, lambda x: ag.split(x, 3, axis=-1))
    model.load_state_dict(data.state)
    update = make_optimizer(optim, workload, model.parameters())
    x, y = Tensor(data.x), Tensor(data.y)

    @ag.compile
    def step() -> Tensor:
        update.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        update.step()
        return loss

    step(), step()
    return Tape(step.programs[-1])


def test_commands_do_not_wait_for_memory() -> None:
    """They would wait in longer chains if memory were given on to the very next command."""
    assert longest_chain(tape_of(MLP((6, 5, 4, 3), 8), "adam").commands) == 12
    assert longest_chain(tape_of(CNN((32, 64, 128), 2), "sgd").commands) == 61


def test_a_share_of_a_loss_leaves_its_loop_to_all_of_the_gpu() -> None:
    """As a value of the only row it had one block do all of it."""
    arrays = [np.zeros(300_000, "float32"), np.float32(1.0)[...]]
    loss = ag.value_and_grad(lambda x, share: ag.mean(ag.exp(x)) * share)
    lines = str(Tape(simplified(program_of(loss, arrays, {})))).splitlines()
    (large,) = [line for line in lines if "1 x 300000" in line]
    assert "kernel <264 x 256>" in large


def test_images_less_their_mean_are_made_again_where_they_are_read() -> None:
    """By the loops for the variance, for the result, for the sums of backward and for the gradient."""
    lines = str(tape_of(CNN((32, 64, 128), 2), "sgd")).splitlines()
    for rows, channels in ((2048, 32), (512, 64)):
        assert sum(f"{rows} x {channels}, subtract" in line for line in lines) == 4


def test_pieces_of_an_array_do_not_wait_for_one_another(device: str) -> None:
    """Nor does a piece for one that lies between its bytes; whoever reads the array waits for all."""
    x, y = (Tensor(np.random.default_rng(i).normal(size=(5, 4)).astype("float32"), device=device) for i in range(2))
    joined = ag.compile(lambda x, y: ag.flip(ag.concat([x[:4], y.mT[:, :4]], axis=1), axis=0) * 2)
    for _ in range(3):
        made = joined(x, y)
    X, Y = to_host(x.data), to_host(y.data)
    np.testing.assert_array_equal(to_host(made.data), np.concatenate([X[:4], Y.T[:, :4]], axis=1)[::-1] * 2)
    assert order_of(Tape(joined.programs[-1]).commands) == [set(), set(), {0, 1}]


def test_the_tape_of_a_perceptron() -> None:
    assert tape(MLP((6, 5, 4, 3), 8), "adam") == [
        "kernel <1 x 128>: 1 x 8, not_equal multiply sum divide multiply where negative where",
        "product 8 x 6 by 6 x 5 + bias",
        "kernel <1 x 256>: 8 x 5, maximum greater",
        "product 8 x 5 by 5 x 4 + bias",
        "kernel <1 x 256>: 8 x 4, maximum greater",
        "product 8 x 4 by 4 x 3 + bias",
        "kernel <1 x 256>: 8 x 3, max isfinite where subtract exp sum equal add log subtract "
        "getitem negative where multiply sum set_at divide multiply multiply subtract sum",
        "product 8 x 3 by 3 x 4",
        "product 3 x 8 by 8 x 4",
        "kernel <1 x 256>: 8 x 4, multiply sum",
        "product 8 x 4 by 4 x 5",
        "product 4 x 8 by 8 x 5",
        "kernel <1 x 256>: 8 x 5, multiply sum",
        "product 5 x 8 by 8 x 6",
        "kernel <4 x 256, 4 jobs>: 1 partial sums",
        "kernel <6 x 256, 6 jobs>: 1 x 30, "
        "multiply multiply add multiply multiply multiply add sqrt add divide multiply subtract",
        "kernel <1 x 256>: 1 x 1, divide",
    ]


def test_layers_of_a_transformer_add_the_same_number_of_commands() -> None:
    one, two, three = (len(tape(GPT(layers, 8, 2, 4, 2, 7), "adamw")) for layers in (1, 2, 3))
    assert three - two == two - one <= 34


def test_the_tape_of_a_network_of_images() -> None:
    commands = tape(CNN((32, 64, 128), 2), "sgd")
    assert len(commands) <= 87
    assert not [command for command in commands if command.startswith("CuPy")]
    about = [command.partition(": ")[2] or command for command in commands]
    laid, spread = "2 samples as windows", "2 samples from their windows"
    pooled, put = ("pool_places, windows of 2 x 2", "pool_pick, windows of 2 x 2"), "pool_put, windows of 2 x 2"
    assert [text for text in about if "windows" in text or "product" in text] == [
        *(laid, "product 2048 x 27 by 27 x 32", *pooled),
        *(laid, "product 512 x 288 by 288 x 64", *pooled),
        *(laid, "product 128 x 576 by 576 x 128", *pooled),
        *("product 2 x 2048 by 2048 x 10 + bias", "product 2 x 10 by 10 x 2048", "product 10 x 2 by 2 x 2048"),
        *(put, "product 128 x 128 by 128 x 576", spread, laid, "product 128 x 128 by 128 x 576"),
        *(put, "product 512 x 64 by 64 x 288", spread, laid, "product 64 x 512 by 512 x 288"),
        *(put, laid, "product 32 x 2048 by 2048 x 27"),
    ]
