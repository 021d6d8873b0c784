"""Several calls as one: the same as one after the other, to the last bit and in all that they leave behind.

One idea: twins train on the same batches, one call by call, one several calls at a time, and everything that a step can
change is compared after each round. How often a recording is played tells whether the host was asked once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import DeviceError, Tensor
from autograd.backend import to_host
from autograd.compile.cuda import device_named
from autograd.random import Generator

from . import simulated
from .worlds import assert_same, world

K = 4


@pytest.fixture
def plays(device: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one number for each recording that is played: how many commands it has."""
    target, found = device_named(Tensor(0.0, device=device).device), []  # "cuda" may be "cuda:0" there
    record = target.record

    def counted(runs: Any, after: Any) -> Callable[[], Any]:
        play, many = record(runs, after), len(runs)

        def run() -> None:
            found.append(many)
            play()

        return run

    monkeypatch.setattr(target, "record", counted)
    return found


class Twin:
    """A training whose step is compiled: `layers` make the model, `update` the optimizer."""

    def __init__(
        self, device: str, layers: Callable[[Generator], Any], update: Callable[[Any], Any], **how: Any
    ) -> None:
        self.generator = Generator(5)
        self.model = nn.Sequential(*layers(self.generator)).to(device)
        self.optimizer = update(self.model.parameters())
        self.how = how
        self.step = ag.compile(self.written)

    def written(self, x: Tensor, y: Tensor) -> Any:
        if self.how.get("forget", True):
            self.optimizer.zero_grad()
        out = self.model(x)
        loss = nn.functional.mse_loss(out, y)
        loss.backward()
        if "clip" in self.how:
            optim.clip_grad_norm_(self.model.parameters(), self.how["clip"])
        self.optimizer.step()
        if self.how.get("several"):
            return {"loss": loss, "out": (out, None), "seen": 5, "mean": out.mean(axis=0)}
        return loss

    def one_by_one(self, xs: Tensor, ys: Tensor) -> list[Any]:
        return [self.step(xs[i], ys[i]) for i in range(len(xs))]

    def world(self) -> dict[str, Any]:
        return world(self.model, self.optimizer, self.generator)

    @property
    def program(self) -> Any:
        return next(reversed(self.step._entries.values()))[0].run_program


def dense(generator: Generator) -> list[Any]:
    return [nn.Linear(3, 6, generator=generator), nn.Tanh(), nn.Linear(6, 2, generator=generator)]


def dropped(generator: Generator) -> list[Any]:
    first, *rest = dense(generator)
    return [first, nn.Dropout(0.5, generator=generator), *rest]


def normed(generator: Generator) -> list[Any]:
    first, *rest = dense(generator)
    return [first, nn.BatchNorm1d(6), *rest]


class Sorted(nn.Module):
    """Its input in order, which no kernel of ours does."""

    def forward(self, x: Tensor) -> Tensor:
        return ag.sort(x, axis=-1)


def ordered(generator: Generator) -> list[Any]:
    first, *rest = dense(generator)
    return [first, Sorted(), *rest]


def batches(device: str, count: int = K, rows: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    shapes = (count, rows, 3), (count, rows, 2)
    x, y = (rng.normal(size=shape).astype("float32") for shape in shapes)
    return Tensor(x, device=device), Tensor(y, device=device)


def stacked(results: list[Any]) -> Any:
    """Losses call by call as `steps` gives them."""
    return np.stack([to_host(result.data) for result in results])


def on_host(tree: Any) -> Any:
    return ag.map_tree(lambda x: to_host(x.data) if isinstance(x, Tensor) else x, tree)


TRAININGS = {
    "momentum": (dense, lambda p: optim.SGD(p, lr=0.1, momentum=0.9), {}),
    "adam": (dense, lambda p: optim.Adam(p, lr=0.01, amsgrad=True), {}),
    "nadam": (dense, lambda p: optim.NAdam(p, lr=0.01), {}),
    "adamw": (dense, lambda p: optim.AdamW(p, lr=0.01), {}),
    "clipping": (dense, lambda p: optim.AdamW(p, lr=0.01), {"clip": 0.1}),
    "dropout": (dropped, lambda p: optim.Adam(p, lr=0.01), {}),
    "batch norm": (normed, lambda p: optim.SGD(p, lr=0.1), {}),
}


@simulated.needed
@pytest.mark.parametrize("name", TRAININGS)
def test_steps_are_calls_one_after_the_other(name: str, device: str, plays: list[int]) -> None:
    layers, update, how = TRAININGS[name]
    one, many = Twin(device, layers, update, **how), Twin(device, layers, update, **how)
    for round_number in range(4):
        xs, ys = batches(device, seed=round_number)
        wanted = one.one_by_one(xs, ys)
        plays.clear()
        found = many.step.steps(xs, ys)
        assert found.device.startswith(device)
        assert_same(to_host(found.data), stacked(wanted))
        assert_same(many.world(), one.world())
        if round_number:
            assert plays == [K * len(many.program.tape.commands)]
    assert len(many.step.programs) == len(one.step.programs)
    (steps,) = many.program._steps.values()
    assert steps.count == K


@simulated.needed
def test_a_rule_that_becomes_another_within_the_steps_is_noticed(device: str) -> None:
    # RAdam begins to divide in its sixth step, the second of the second round.
    one, many = (Twin(device, dense, lambda p: optim.RAdam(p, lr=0.01)) for _ in range(2))
    for round_number in range(3):
        xs, ys = batches(device, seed=round_number)
        wanted = one.one_by_one(xs, ys)
        assert_same(to_host(many.step.steps(xs, ys).data), stacked(wanted))
        assert_same(many.world(), one.world())


@simulated.needed
def test_what_cupy_does_a_part_of_is_done_call_by_call(device: str, plays: list[int]) -> None:
    twins = [Twin(device, ordered, lambda p: optim.AdamW(p, lr=0.01)) for _ in range(2)]
    for round_number in range(3):
        xs, ys = batches(device, seed=round_number)
        wanted = twins[0].one_by_one(xs, ys)
        plays.clear()
        assert_same(to_host(twins[1].step.steps(xs, ys).data), stacked(wanted))
        assert_same(twins[1].world(), twins[0].world())
    assert "CuPy: " in twins[1].step.explain()
    assert len(plays) >= K
    assert not twins[1].program._steps


@simulated.needed
def test_several_results(device: str, plays: list[int]) -> None:
    one, many = (Twin(device, dense, lambda p: optim.SGD(p, lr=0.1), several=True) for _ in range(2))
    for round_number in range(3):
        xs, ys = batches(device, seed=round_number)
        calls = one.one_by_one(xs, ys)
        plays.clear()
        found = many.step.steps(xs, ys)
        assert found["seen"] == [5] * K
        assert found["out"][1] is None
        assert found["out"][0].shape == (K, 5, 2)
        for i, call in enumerate(calls):
            for wanted, got in ((call["loss"], found["loss"][i]), (call["out"][0], found["out"][0][i])):
                assert_same(to_host(got.data), to_host(wanted.data))
            assert_same(to_host(found["mean"].data)[i], to_host(call["mean"].data))
        assert_same(many.world(), one.world())
    assert len(plays) == 1


@simulated.needed
def test_rates_that_change_between_calls_and_numbers_of_steps(device: str, plays: list[int]) -> None:
    one, many = (Twin(device, dropped, lambda p: optim.Adam(p, lr=0.01)) for _ in range(2))
    recorded = []
    for round_number, count in enumerate([2, 2, 3, 2, 1, 5, 3, 6, 2, 2, 4, 5]):
        for twin in (one, many):
            twin.optimizer.param_groups[0]["lr"] = 0.01 / (1 + round_number)
        xs, ys = batches(device, count, seed=round_number)
        wanted = one.one_by_one(xs, ys)
        plays.clear()
        assert_same(to_host(many.step.steps(xs, ys).data), stacked(wanted))
        assert_same(many.world(), one.world())
        recorded.append(len(plays))
    assert recorded[1:] == [1] * 11
    assert len(many.step.programs) == 1
    assert list(many.program._steps) == [6, 2, 4, 5]  # a few are kept, those used last


@simulated.needed
def test_steps_and_single_calls_take_turns(device: str) -> None:
    one, many = (Twin(device, dropped, lambda p: optim.SGD(p, lr=0.1, momentum=0.9)) for _ in range(2))
    for round_number in range(4):
        xs, ys = batches(device, seed=round_number)
        one.one_by_one(xs, ys)
        many.step.steps(xs, ys)
        x, y = xs[1], ys[2]
        assert_same(to_host(many.step(x, y).data), to_host(one.step(x, y).data))
        assert_same(many.world(), one.world())


@simulated.needed
@pytest.mark.parametrize("keep", [lambda grad: grad, lambda grad: grad.data, lambda grad: grad.data[0]])
def test_a_gradient_that_somebody_keeps_stays_as_it_is(keep: Any, device: str) -> None:
    one, many = (Twin(device, dense, lambda p: optim.Adam(p, lr=0.01)) for _ in range(2))
    kept = []
    for round_number in range(6):
        xs, ys = batches(device, seed=round_number)
        one.one_by_one(xs, ys)
        many.step.steps(xs, ys)
        assert_same(many.world(), one.world())
        if round_number in (0, 2):
            held = keep(many.model[0].weight.grad)
            kept.append((held, to_host(held.data if isinstance(held, Tensor) else held).copy()))
        for held, values in kept:
            np.testing.assert_array_equal(to_host(held.data if isinstance(held, Tensor) else held), values)


@simulated.needed
def test_results_are_arrays_of_their_own(device: str) -> None:
    many = Twin(device, dense, lambda p: optim.SGD(p, lr=0.1))
    xs, ys = batches(device)
    losses = [many.step.steps(xs, ys) for _ in range(4)]
    values = [to_host(loss.data).copy() for loss in losses]
    many.step.steps(xs, ys)
    for loss, value in zip(losses, values, strict=True):
        np.testing.assert_array_equal(to_host(loss.data), value)
    assert len(set(np.concatenate(values).tolist())) == 4 * K


@simulated.needed
def test_parameters_and_state_may_be_replaced(device: str, plays: list[int]) -> None:
    one, many = (Twin(device, dense, lambda p: optim.Adam(p, lr=0.01)) for _ in range(2))
    for round_number in range(8):
        xs, ys = batches(device, seed=round_number)
        wanted = one.one_by_one(xs, ys)
        plays.clear()
        assert_same(to_host(many.step.steps(xs, ys).data), stacked(wanted))
        assert_same(many.world(), one.world())
        assert (len(plays) == 1) == (round_number not in (0, 3, 6)), round_number
        if round_number == 2:
            for twin in (one, many):
                twin.model[0].weight.data = twin.model[0].weight.data * 0.5
        if round_number == 5:
            for twin in (one, many):
                twin.optimizer.load_state_dict(twin.optimizer.state_dict())


@simulated.needed
def test_new_shapes_and_modes_are_traced_anew(device: str, plays: list[int]) -> None:
    one, many = (Twin(device, dropped, lambda p: optim.SGD(p, lr=0.1)) for _ in range(2))
    for round_number in range(10):
        for twin in (one, many):
            twin.model.train(round_number not in (6, 7))
        xs, ys = batches(device, rows=5 + (round_number in (4, 5)), seed=round_number)
        wanted = one.one_by_one(xs, ys)
        plays.clear()
        assert_same(to_host(many.step.steps(xs, ys).data), stacked(wanted))
        assert_same(many.world(), one.world())
        assert (len(plays) == 1) == (round_number not in (0, 4, 6)), round_number
    assert len(many.step.programs) == len(one.step.programs) == 3


@simulated.needed
def test_gradients_that_are_added_up(device: str) -> None:
    one, many = (Twin(device, dense, lambda p: optim.SGD(p, lr=0.01), forget=False) for _ in range(2))
    for round_number in range(4):
        xs, ys = batches(device, seed=round_number)
        wanted = one.one_by_one(xs, ys)
        assert_same(to_host(many.step.steps(xs, ys).data), stacked(wanted))
        assert_same(many.world(), one.world())
        if round_number == 1:
            for twin in (one, many):
                twin.optimizer.zero_grad()


@simulated.needed
def test_gradients_of_several_batches_and_then_one_update(device: str) -> None:
    def training(together: bool) -> Iterator[Any]:
        model = nn.Sequential(*dense(Generator(3))).to(device)
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        def gradients(x: Tensor, y: Tensor) -> Tensor:
            loss = nn.functional.mse_loss(model(x), y) / K
            loss.backward()
            return loss

        def update() -> None:
            optimizer.step()
            optimizer.zero_grad()

        gradients, update = ag.compile(gradients), ag.compile(update)
        for round_number in range(4):
            xs, ys = batches(device, seed=round_number)
            if together:
                losses = to_host(gradients.steps(xs, ys).data)
            else:
                losses = stacked([gradients(xs[i], ys[i]) for i in range(K)])
            added = world(model)
            update()
            yield losses, added, world(model, optimizer)

    for found, wanted in zip(training(True), training(False), strict=True):
        assert_same(found, wanted)


class Slower(optim.SGD):
    """SGD that goes on at a tenth of the rate after six steps."""

    @staticmethod
    def update(xp: Any, w: Any, g: Any, state: Any, t: Any, *, lr: Any, **options: Any) -> None:
        if t > 6:
            w -= lr * 0.1 * g
        else:
            w -= lr * g


class Failing(optim.SGD):
    """SGD that cannot make step 7."""

    @staticmethod
    def update(xp: Any, w: Any, g: Any, state: Any, t: Any, *, lr: Any, **options: Any) -> None:
        w -= lr / (7 - t) * g


@simulated.needed
def test_a_guard_that_changes_its_mind_between_two_steps(device: str, plays: list[int]) -> None:
    one, many = (Twin(device, dropped, lambda p: Slower(p, lr=0.1)) for _ in range(2))
    for round_number in range(5):
        xs, ys = batches(device, seed=round_number)
        wanted = one.one_by_one(xs, ys)
        plays.clear()
        assert_same(to_host(many.step.steps(xs, ys).data), stacked(wanted))
        assert_same(many.world(), one.world())
    assert len(many.step.programs) == 2
    assert len(plays) == 1


@simulated.needed
def test_an_error_between_two_steps_comes_after_the_steps_before_it(device: str) -> None:
    one, many = (Twin(device, dropped, lambda p: Failing(p, lr=0.1)) for _ in range(2))
    xs, ys = batches(device)
    one.one_by_one(xs, ys)
    many.step.steps(xs, ys)
    for twin in (lambda: one.one_by_one(xs, ys), lambda: many.step.steps(xs, ys)):
        with pytest.raises(ZeroDivisionError):
            twin()
    assert_same(many.world(), one.world())
    assert {entry["step"] for entry in many.optimizer._entries} == {6}


@simulated.needed
def test_a_backward_over_weights_that_were_written_is_refused(device: str) -> None:
    many = Twin(device, dense, lambda p: optim.SGD(p, lr=0.1))
    xs, ys = batches(device)
    for _ in range(2):
        many.step.steps(xs, ys)
    loss = (many.model(xs[0]) ** 2).mean()
    many.step.steps(xs, ys)
    with pytest.raises(ag.WrittenError):
        loss.backward()


@simulated.needed
def test_draws_and_arguments_of_many_kinds(device: str) -> None:
    generators = [Generator(5), Generator(5)]

    def written(generator: Generator, batch: dict[str, Any], scale: float, rows: Any) -> Any:
        mask = generator.keep_mask((7, 33), 0.3)
        return Tensor(mask), batch["x"] * scale + ag.random.uniform((3,), generator=generator), rows + 1

    one, many = (ag.compile(lambda *args, g=g: written(g, *args)) for g in generators)
    for round_number in range(3):
        rng = np.random.default_rng(round_number)
        x, rows = (Tensor(rng.integers(0, 9, (K, 2, 3)).astype(dtype), device=device) for dtype in ("float32", "int64"))
        calls = [one({"x": x[i]}, 2.0, rows.data[i]) for i in range(K)]
        found = many.steps({"x": x}, 2.0, rows.data)
        for i, wanted in enumerate(zip(*calls, strict=True)):
            got = found[i].data if isinstance(found[i], Tensor) else found[i]
            assert_same(to_host(got), np.stack([to_host(w.data if isinstance(w, Tensor) else w) for w in wanted]))
        assert generators[0].state_dict() == generators[1].state_dict()


@simulated.needed
def test_an_argument_may_lie_in_any_way(device: str) -> None:
    double = ag.compile(lambda x: x * 2.0)
    values = np.arange(2 * 3 * K, dtype="float32").reshape(2, 3, K)
    xs = ag.permute_dims(Tensor(values, device=device), (2, 1, 0))
    for _ in range(3):
        np.testing.assert_array_equal(double.steps(xs).numpy(), values.T * 2)


@simulated.needed
def test_an_argument_on_another_device_is_refused(device: str) -> None:
    many = Twin(device, dense, lambda p: optim.SGD(p, lr=0.1))
    xs, ys = batches(device)
    for _ in range(2):
        many.step.steps(xs, ys)
    before = many.world()
    with pytest.raises(DeviceError, match=r'works on arrays of "cpu" and also reads one of'):
        many.step.steps(*batches("cpu"))
    assert_same(many.world(), before)


# On the host


@pytest.mark.parametrize("how", [{"executor": "native"}, {"executor": "numpy"}, {"disable": True}])
def test_on_the_host_it_is_a_loop(how: dict[str, Any]) -> None:
    one, many = (Twin("cpu", normed, lambda p: optim.Adam(p, lr=0.01), clip=0.5) for _ in range(2))
    one.step, many.step = (ag.compile(twin.written, **how) for twin in (one, many))
    for round_number in range(3):
        xs, ys = batches("cpu", seed=round_number)
        wanted = one.one_by_one(xs, ys)
        assert_same(many.step.steps(xs, ys).detach(), stacked(wanted))
        assert_same(many.world(), one.world())


def test_inside_another_compiled_function() -> None:
    inner = ag.compile(lambda x: (x * 2.0).sum())
    outer = ag.compile(lambda xs: inner.steps(xs) + 1.0)
    assert outer(Tensor([[1.0, 2.0], [3.0, 4.0]])).tolist() == [7.0, 15.0]


def test_a_method() -> None:
    class Scaled:
        scale = 2.0

        @ag.compile
        def step(self, x: Tensor) -> Tensor:
            return x * self.scale

    scaled = Scaled()
    assert scaled.step.steps(Tensor([1.0, 2.0])).tolist() == [2.0, 4.0]
    assert scaled.step(Tensor(1.0)).item() == 2.0
    assert len(scaled.step.programs) == 1
    assert scaled.step == scaled.step
    assert scaled.step != Scaled().step
    other = copy.deepcopy(scaled.step)
    assert other.__func__ is scaled.step.__func__
    assert other.__self__ is not scaled


def test_a_method_is_read_by_another_compiled_function() -> None:
    class Scaled:
        def __init__(self) -> None:
            self.scale = 2.0

        @ag.compile
        def step(self, x: Tensor) -> Tensor:
            return x * self.scale

    scaled = Scaled()
    method = scaled.step
    outer = ag.compile(lambda x: method(x) + 1.0)
    for scale in (2.0, 3.0):
        scaled.scale = scale
        assert outer(Tensor(1.0)).item() == scale + 1.0


def test_arrays_without_axes_stay_arrays() -> None:
    kinds = []
    function = ag.compile(lambda x: kinds.append(type(x)) or x * 2)
    found = function.steps(np.arange(3.0))
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [0.0, 2.0, 4.0]
    assert len(kinds) == 1  # one trace


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((), {}, "there is no array among them"),
        ((2.0,), {}, "there is no array among them"),
        ((np.ones((4, 2)), np.ones((3, 2))), {}, r"got 4 \(args\[0\]\), 3 \(args\[1\]\)"),
        ((np.ones((4, 2)),), {"y": {"a": np.ones(5)}}, r"got 4 \(args\[0\]\), 5 \(kwargs\['y'\]\['a'\]\)"),
        ((np.ones((4, 2)), np.array(1.0)), {}, r"first axis, but args\[1\] has none"),
        ((np.ones((0, 2)),), {}, r"the first axis of args\[0\] has length 0"),
    ],
)
def test_arguments_that_do_not_say_how_many_steps(args: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ag.compile(lambda *args, **options: None).steps(*args, **options)


def test_results_that_cannot_be_stacked() -> None:
    seen: list[int] = []

    def growing(x: Tensor) -> Tensor:
        seen.append(1)
        return Tensor([1.0] * len(seen))

    with pytest.raises(ValueError, match=r"step 1 gave result: .*\[2\] where step 0 gave result: .*\[1\]. All 2 steps"):
        ag.compile(growing, disable=True).steps(Tensor([1.0, 2.0]))
