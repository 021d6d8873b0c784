"""When a program may be used again, and when the function is traced anew.

One idea: whatever is changed between two calls, the compiled step must do what the step as written does; how many
programs there are afterwards says whether it was told apart by a guard or found again at the call.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.backend import to_host
from autograd.errors import TraceError
from autograd.modes import is_tracing
from autograd.tensor import wrap
from tests.autograd.compile import simulated
from tests.autograd.compile.worlds import Training, assert_same, both_step, tensor, twins, world
from tests.opspecs.laws import same_bits

pytestmark = pytest.mark.usefixtures("kernels_off")


def after(change: Callable[[Training], Any], programs: int, **options: Any) -> None:
    """Two steps, a change to both trainings, two more steps: equal throughout, and so many programs in the end."""
    first, second, step = twins(**options)
    for _ in range(2):
        both_step(first, second, step)
    before = len(step.programs)
    change(first)
    change(second)
    for _ in range(2):
        both_step(first, second, step)
    assert len(step.programs) - before == programs


# ---- the call ------------------------------------------------------------------------------------------------------


def test_shapes_and_dtypes_have_programs_of_their_own() -> None:
    first, second, step = twins()
    for rows in (5, 7, 5, 7):
        both_step(first, second, step, rows)
    assert len(step.programs) == 2
    both_step(first, second, step, dtype="float64")
    assert len(step.programs) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [(2, 3), (2, 2.0), (1, True), (1.0, 2.0), ("sum", "mean"), (None, 1), ((1, 2), (1, 3)), ([0], [1])],
)
def test_another_python_argument_is_another_program(one: Any, other: Any) -> None:
    @ag.compile
    def function(x: Tensor, kind: Any) -> Any:
        seen.append(kind)
        return x * len(seen), kind

    seen: list[Any] = []
    x = tensor(1.0)
    for kind in (one, other, one, other):
        _, back = function(x, kind)
        assert back == kind
        assert type(back) is type(kind)
    assert seen == [one, other]


def test_other_containers_and_keywords_are_other_programs() -> None:
    function = ag.compile(lambda batch, scale=1.0: batch["x"] * scale if isinstance(batch, dict) else batch[0])
    x = tensor(3.0)
    assert function({"x": x}).tolist() == [3.0]
    assert function({"x": x}, scale=2.0).tolist() == [6.0]
    assert function((x,)).tolist() == [3.0]
    assert len(function.programs) == 3


@pytest.mark.parametrize("make", [lambda k: tensor(k), lambda k: np.array([k])])
@pytest.mark.parametrize("given", [lambda a, b: (a, b), lambda a, b: ({"a": a}, [b])])
def test_what_is_given_twice_is_one_thing(make: Any, given: Any) -> None:
    def written(*args: Any) -> Any:
        a, b = (
            next(iter(x.values() if isinstance(x, dict) else x)) if isinstance(x, (dict, list)) else x for x in args
        )
        return a * 2.0 + b if a is b else a * 3.0 + b

    function, one, other = ag.compile(written), make(1.0), make(1.0)
    for a, b in ((one, other), (one, one), (other, one), (other, other)):
        assert_same(function(*given(a, b)), written(*given(a, b)))
    assert len(function.programs) == 2


def test_another_dataclass_of_the_same_kind_needs_one_program() -> None:
    @ag.tree.register
    @dataclass
    class Batch:
        x: Tensor
        by: float

    function = ag.compile(lambda batch: Batch(batch.x * batch.by, batch.by))
    for x, by in ((1.0, 2.0), (3.0, 2.0), (3.0, 5.0)):
        found = function(Batch(tensor(x), by))
        assert (type(found), found.x.tolist(), found.by) == (Batch, [x * by], by)
    assert len(function.programs) == 2


def test_recording_off_is_another_program() -> None:
    w = tensor(2.0, requires_grad=True)
    function = ag.compile(lambda x: ((w * x).requires_grad, w * x))
    assert function(tensor(3.0))[0] is True
    with ag.no_grad():
        found, y = function(tensor(3.0))
    assert found is False
    assert y.tolist() == [6.0]
    assert len(function.programs) == 2


def test_sixteen_kinds_are_kept() -> None:
    function = ag.compile(lambda x, k: x * k)
    x = tensor(1.0)
    for k in range(16):
        assert function(x, k).tolist() == [k]
    with pytest.warns(UserWarning, match="was traced 17 times"):
        assert function(x, 16).tolist() == [16]
    assert len(function.programs) == 16
    assert function(x, 0).tolist() == [0]
    assert len(function.programs) == 16


def test_the_kind_used_longest_ago_goes_first() -> None:
    traced: list[int] = []

    @ag.compile
    def function(x: Tensor, k: int) -> Tensor:
        traced.append(k)
        return x * k

    x = tensor(1.0)
    for k in range(16):
        function(x, k)
    function(x, 0)
    with pytest.warns(UserWarning, match="was traced 17 times"):
        function(x, 16)  # 1 goes
    function(x, 0)
    function(x, 1)
    assert traced == [*range(16), 16, 1]


@pytest.mark.filterwarnings("ignore:.* was traced 17 times")
def test_what_changes_at_every_call_is_run_as_written_but_now_and_then() -> None:
    """It would take up to a thousand times as long otherwise; what stays as it is then has its program again."""
    traced: list[float] = []
    w = tensor(2.0, requires_grad=True)

    @ag.compile
    def function(x: Tensor, k: float) -> tuple[Tensor, list[Any], float]:
        if is_tracing() is not None:
            traced.append(k)
        return w * x * k, [x.data * k, w], k

    x = tensor(3.0)
    for k in range(300):
        y, (array, same), number = function(x, float(k))
        assert (y.tolist(), array.tolist(), same.tolist(), number) == ([6.0 * k], [3.0 * k], [2.0], k)
        assert not y.requires_grad  # as of a program, results are new arrays outside any graph
        assert same is not w
        assert not np.shares_memory(same.data, w.data)
    assert traced == [*range(17), 31, 63, 127, 255]
    for _ in range(300):
        function(x, -1.0)
    assert traced[21:] == [-1.0]


def test_minus_zero_is_another_argument() -> None:
    function = ag.compile(lambda x, k: x * k)
    assert not np.signbit(function(tensor(1.0), 0.0).data).any()
    assert np.signbit(function(tensor(1.0), -0.0).data).all()


def test_a_number_of_numpy_is_an_argument_as_pythons_is() -> None:
    function = ag.compile(lambda x, k: x * k)
    for k in (0.0, 2.0, 0.0, 2.0, -0.0):
        assert same_bits(function(tensor(1.0), np.float32(k)), tensor(k))
    assert len(function.programs) == 3


def test_nan_is_an_argument_like_any_other() -> None:
    function = ag.compile(lambda x, k: x * k)
    for _ in range(3):
        function(tensor(1.0), float("nan"))
    assert len(function.programs) == 1


# ---- the model -----------------------------------------------------------------------------------------------------


def test_train_and_eval_are_guarded() -> None:
    first, second, step = twins()
    for mode in (True, False, True, False):
        first.model.train(mode)
        second.model.train(mode)
        both_step(first, second, step)
    assert len(step.programs) == 2


def test_another_rate_of_dropout_is_guarded() -> None:
    after(lambda t: setattr(t.model[3], "p", 0.75), programs=1)


def test_another_momentum_of_batch_norm_is_guarded() -> None:
    after(lambda t: setattr(t.model[1], "momentum", 0.5), programs=1)


def test_an_added_layer_is_guarded() -> None:
    after(lambda t: t.model.add_module("5", nn.Tanh()), programs=1)


def test_a_replaced_layer_is_guarded() -> None:
    after(lambda t: t.model.__setitem__(2, nn.Tanh()), programs=1)


def test_a_new_parameter_is_guarded() -> None:
    # Two: the optimizer does not know it, so that from the second call on its gradient is there already.
    after(lambda t: setattr(t.model[4], "bias", nn.Parameter(np.ones(2, "float32"), "bias")), programs=2)


def test_an_added_and_a_removed_hook_are_guarded() -> None:
    handles: list[Any] = []

    def add(training: Training) -> None:
        handles.append(training.model[0].register_forward_hook(lambda module, inputs, output: output * 2.0))

    after(add, programs=1)
    first, second, step = twins()
    add(first)
    add(second)
    both_step(first, second, step)
    for handle in handles[-2:]:
        handle.remove()
    both_step(first, second, step)
    assert len(step.programs) == 2


def test_a_hook_that_came_and_went_needs_no_new_program() -> None:
    after(lambda t: t.model[0].register_forward_hook(lambda module, inputs, output: None).remove(), programs=0)


def test_a_pre_hook_changes_the_input() -> None:
    after(lambda t: t.model[4].register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1.0,)), programs=1)


def test_replaced_values_of_a_parameter_are_found() -> None:
    after(lambda t: setattr(t.model[0].weight, "data", np.ones((4, 3), "float32")), programs=0)


def test_values_written_in_place_are_found() -> None:
    def change(training: Training) -> None:
        with ag.no_grad():
            training.model[0].weight[...] = 1.0

    after(change, programs=0)


def test_a_parameter_of_another_dtype_is_guarded() -> None:
    first, second, step = twins()
    both_step(first, second, step)
    first.model.double()
    second.model.double()
    for _ in range(2):
        both_step(first, second, step, dtype="float64")


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_the_shape_and_dtype_of_a_tensor_that_is_not_read_otherwise_are_guarded(executor: str) -> None:
    w = tensor(1.0, 2.0)
    function = ag.compile(lambda x: (x * w.shape[0] * w.ndim).astype(w.dtype), executor=executor)
    for array in (np.ones(2), np.zeros(2), np.ones((3, 1)), np.ones((3, 1), "float32"), np.ones(2)):
        w.data = array
        found = function(tensor(1.0))
        assert (found.tolist(), found.dtype) == ([array.shape[0] * array.ndim], array.dtype)
    assert len(function.programs) == 3


def test_a_loaded_model_is_found() -> None:
    state = {name: t.data * 0.5 for name, t in Training(seed=3).model.state_dict().items()}
    state["1.num_batches_tracked"] = np.array(4)
    after(lambda t: t.model.load_state_dict(state), programs=0)


def test_a_frozen_parameter_is_guarded() -> None:
    after(lambda t: t.model[0].weight.requires_grad_(False), programs=1)


def test_parameters_that_are_passed_over_as_frozen_are_guarded() -> None:
    model = nn.Linear(2, 2)

    def trained() -> list[Tensor]:
        return [p.detach() * 2.0 for p in model.parameters() if p.requires_grad]

    compiled = ag.compile(trained)
    model.bias.requires_grad_(False)
    for count in (1, 2, 1):
        assert len(compiled()) == count
        model.bias.requires_grad_(not model.bias.requires_grad)
    assert len(compiled.programs) == 2


def test_a_parameter_that_is_frozen_inside_stays_frozen() -> None:
    w = tensor(2.0, requires_grad=True)

    @ag.compile
    def function(x: Tensor) -> Tensor:
        w.requires_grad_(False)
        return w * x

    for _ in range(3):
        assert function(tensor(3.0)).tolist() == [6.0]
        assert w.requires_grad is False
    assert len(function.programs) == 2


def test_a_parameter_that_is_frozen_for_a_part_of_the_step_needs_one_program() -> None:
    w, v = tensor(2.0, requires_grad=True), tensor(3.0, requires_grad=True)

    @ag.compile
    def function(x: Tensor) -> None:
        w.requires_grad_(False)
        v.grad = None
        (w * v * x).sum().backward()
        w.requires_grad_(True)

    for _ in range(3):
        function(tensor(1.0))
        assert (w.requires_grad, w.grad, v.grad.tolist()) == (True, None, [2.0])
    assert len(function.programs) == 1


def test_parameters_that_come_to_lie_in_one_memory_are_guarded() -> None:
    one, other = tensor(1.0), tensor(1.0)

    @ag.compile
    def function(x: Tensor) -> Tensor:
        with ag.no_grad():
            one[...] = one + x
        return other * 2.0

    assert function(tensor(1.0)).tolist() == [2.0]
    other.data = one.data
    with pytest.raises(TraceError, match="same memory"):
        function(tensor(1.0))
    assert one.tolist() == [2.0]
    other.data = one.data.copy()
    assert function(tensor(1.0)).tolist() == [4.0]


READ = {
    "parameters": lambda model: [p.detach() for p in model.parameters()],
    "names": lambda model: dict(model.named_buffers()),
    "state": lambda model: model.state_dict(),
    "places": lambda model: [model[0].weight.detach(), model[1].running_mean, ag.full((1,), len(model))],
    "path": lambda model: model.get_submodule("0").weight.detach(),
}
REPLACED = {
    "parameter": lambda model: setattr(model[0], "weight", nn.Parameter(np.ones((2, 2), "float32"))),
    "buffer": lambda model: setattr(model[1], "running_mean", tensor(7.0, 8.0)),
    "layer": lambda model: operator.setitem(model, 0, nn.Linear(2, 2)),
    "end": lambda model: model.append(nn.Linear(2, 1)),
}


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("change", REPLACED)
def test_what_a_model_holds_is_guarded_where_it_is_not_called(read: str, change: str) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))

    def written() -> Any:
        return READ[read](model)

    compiled = ag.compile(written)
    assert_same(compiled(), written())
    REPLACED[change](model)
    assert_same(compiled(), written())


def test_a_list_of_numbers_in_a_module_is_guarded() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            self.by = [2.0]

        def forward(self, x: Tensor) -> Tensor:
            return x * self.by[0]

    model = Scale()
    function = ag.compile(lambda x: model(x))
    assert function(tensor(1.0)).tolist() == [2.0]
    model.by[0] = 5.0
    assert function(tensor(1.0)).tolist() == [5.0]


@pytest.mark.filterwarnings("ignore:.* was traced 17 times")
def test_a_function_in_a_module_is_guarded_also_after_it_is_gone() -> None:
    class Act(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return self.act(x)

    model = Act()
    function = ag.compile(lambda x: model(x))
    for k in range(20):
        for by in (k, k + 100, k):  # each frees the one before, whose place in memory a later one takes
            model.act = eval(f"lambda x: x * {by}.0")
        assert function(tensor(1.0)).tolist() == [k]


# ---- gradients -----------------------------------------------------------------------------------------------------


def test_a_gradient_that_is_there_already_is_added_to() -> None:
    w = tensor(1.0, 2.0, requires_grad=True)

    @ag.compile
    def function(x: Tensor) -> None:
        (w * x).sum().backward()

    function(tensor(3.0, 4.0))
    assert w.grad.tolist() == [3.0, 4.0]
    function(tensor(3.0, 4.0))
    assert w.grad.tolist() == [6.0, 8.0]
    assert len(function.programs) == 2
    function(tensor(1.0, 1.0))
    assert w.grad.tolist() == [7.0, 9.0]
    w.grad = None
    function(tensor(5.0, 5.0))
    assert w.grad.tolist() == [5.0, 5.0]
    w.grad = tensor(100.0, 100.0)
    function(tensor(5.0, 5.0))
    assert w.grad.tolist() == [105.0, 105.0]
    assert len(function.programs) == 2


def test_a_gradient_that_is_only_read_stays_where_it_is() -> None:
    w = tensor(1.0, 2.0, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    update = ag.compile(optimizer.step)
    for k in range(4):
        w.grad = given = tensor(1.0 * k, 2.0)
        update()
        assert w.grad is given
    assert w.tolist() == [1.0 - 0.5 * 6, 2.0 - 0.5 * 8]
    assert [len(program.results) for program in update.programs] == [0]


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("guard", marks=simulated.needed)])
def test_a_gradient_that_is_edited_is_the_array_that_others_see(executor: str, device: str) -> None:
    def run(compiled: bool) -> Any:
        w = tensor(1.0, 2.0).to(device).requires_grad_()

        def in_place() -> None:
            w.grad.data *= 0.5

        def assigned() -> None:
            w.grad.data = w.grad.data * 0.25

        options = {"executor": executor} if device == "cpu" else {}
        seen = []
        for function in (in_place, assigned):
            step = ag.compile(function, **options) if compiled else function
            for k in (1.0, 2.0, 3.0):
                w.grad = tensor(8.0 * k, 4.0).to(device)
                held = w.grad.data
                step()
                seen.append((w.grad.numpy().tolist(), to_host(held).tolist()))
        return seen

    assert run(True) == run(False)


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize(
    "lie_together",
    [
        lambda one, other: setattr(other, "grad", one.detach()),
        lambda one, other: setattr(one, "grad", wrap(one.data[::-1])),
        lambda one, other: setattr(other, "grad", one.grad),
        lambda one, other: setattr(other, "grad", wrap(one.grad.data)),
    ],
)
def test_gradients_that_come_to_lie_in_memory_that_is_written_to_are_guarded(lie_together: Any, executor: str) -> None:
    one, other = tensor(1.0, 2.0, requires_grad=True), tensor(3.0, 4.0, requires_grad=True)
    optimizer = optim.SGD([one, other], lr=0.5)

    @ag.compile(executor=executor)
    def function() -> None:
        for w in (one, other):
            w.grad.data *= 0.5
        optimizer.step()

    def fresh() -> None:
        one.grad, other.grad = tensor(4.0, 8.0), tensor(8.0, 4.0)

    fresh(), function()
    assert (one.tolist(), other.tolist()) == ([0.0, 0.0], [1.0, 3.0])
    fresh(), lie_together(one, other)
    with pytest.raises(TraceError, match="same memory"):
        function()
    assert (one.tolist(), other.tolist()) == ([0.0, 0.0], [1.0, 3.0])
    fresh(), function()
    assert (one.tolist(), other.tolist()) == ([-1.0, -2.0], [-1.0, 2.0])
    assert len(function.programs) == 1


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_an_argument_that_is_a_gradient_which_is_edited_is_refused(executor: str) -> None:
    w = tensor(1.0, 2.0, requires_grad=True)

    @ag.compile(executor=executor)
    def function(x: Tensor) -> Tensor:
        w.grad.data *= 0.5
        return x + 1.0

    for _ in range(2):  # at the first call, and where there is a program already
        w.grad = tensor(2.0, 4.0)
        with pytest.raises(TraceError, match="same memory"):
            function(w.grad)
        assert function(tensor(3.0, 4.0)).tolist() == [4.0, 5.0]
        assert w.grad.tolist() == [1.0, 2.0]


# ---- the optimizer -------------------------------------------------------------------------------------------------


def test_a_schedule_needs_one_program_only() -> None:
    first, second, step = twins()
    schedules = [optim.OneCycleLR(t.optimizer, max_lr=0.1, total_steps=10) for t in (first, second)]
    rates = set()
    for _ in range(8):
        both_step(first, second, step)
        for schedule in schedules:
            schedule.step()
        rates.add(second.optimizer.param_groups[0]["lr"])
    assert len(step.programs) == 1
    assert len(rates) == 8


def test_other_betas_need_one_program_only() -> None:
    after(lambda t: t.optimizer.param_groups[0].update(betas=(0.5, 0.9)), programs=0)


def test_weight_decay_that_leaves_zero_is_guarded() -> None:
    after(lambda t: t.optimizer.param_groups[0].update(weight_decay=0.1), programs=1)
    after(lambda t: t.optimizer.param_groups[0].update(weight_decay=0.2), programs=0, weight_decay=0.1)


@pytest.mark.parametrize("option", [{"maximize": True}, {"amsgrad": True}])
def test_switches_of_an_optimizer_are_guarded(option: dict[str, Any]) -> None:
    after(lambda t: t.optimizer.param_groups[0].update(option), programs=1)


def test_penalties_are_guarded() -> None:
    after(
        lambda t: setattr(t.optimizer.param_groups[0]["penalties"][0], "lam", 0.5),
        programs=1,
        penalties=[optim.L2(0.1)],
    )
    after(lambda t: t.optimizer.param_groups[0].update(penalties=()), programs=1, penalties=[optim.L1(0.1)])


@pytest.mark.parametrize("number", [np.float64, np.float32])
def test_a_number_of_numpy_among_the_options_of_a_penalty(number: Any) -> None:
    for penalty, end in ((optim.L1(number(0.25), "proximal"), 0.0), (optim.L2(number(0.25)), -0.125)):
        for way in (ag.compile, lambda function: function):
            w = tensor(1.0, 1.0, requires_grad=True)
            optimizer = optim.SGD([w], lr=0.5, penalties=[penalty])

            def step(x: Tensor, w: Tensor = w, optimizer: optim.Optimizer = optimizer) -> None:
                optimizer.zero_grad()
                (w * x).sum().backward()
                optimizer.step()

            way(step)(tensor(1.0, 2.0))
            np.testing.assert_array_equal(w.data, np.array([0.375, end], "float32"))


class Pull(optim.Penalty):
    """A penalty of the user's own, with an option that nothing shows."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def add_gradient(self, xp: Any, w: Any, g: Any) -> Any:
        return g + self.strength


OF_THE_RULE = {"scale": 1.0}


class ScaledRule(optim.SGD):
    """A rule of the user's own, which reads a global."""

    @staticmethod
    def update(xp: Any, w: Any, g: Any, state: Any, t: int, *, lr: float, **others: Any) -> None:
        w -= lr * OF_THE_RULE["scale"] * g


def test_what_ones_own_penalty_or_rule_reads_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for way in (ag.compile, lambda function: function):
        w, penalty = tensor(1.0, 1.0, requires_grad=True), Pull(0.5)
        optimizer = ScaledRule([w], lr=0.5, penalties=[penalty])

        def step(x: Tensor, w: Tensor = w, optimizer: optim.Optimizer = optimizer) -> None:
            optimizer.zero_grad()
            (w * x).sum().backward()
            optimizer.step()

        chosen, values = way(step), []
        for strength, scale in ((0.5, 1.0), (3.0, 1.0), (3.0, 4.0)):
            penalty.strength = strength
            monkeypatch.setitem(OF_THE_RULE, "scale", scale)
            chosen(tensor(1.0, 2.0))
            values.append(w.data.copy())
        results.append(values)
    np.testing.assert_array_equal(*results)


def sgd(momentum: float) -> tuple[Any, Any, Any]:
    w = tensor(1.0, -2.0, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, momentum=momentum)

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        (w * w * x).sum().backward()
        optimizer.step()

    return w, optimizer, step


def test_momentum_is_guarded_where_it_decides() -> None:
    x = tensor(1.0, 2.0)
    w, optimizer, step = sgd(0.0)
    v, other, written = sgd(0.0)
    compiled = ag.compile(step)
    for momentum in (0.0, 0.0, 0.9, 0.9, 0.5, 0.5, 0.0):
        optimizer.param_groups[0]["momentum"] = other.param_groups[0]["momentum"] = momentum
        compiled(x)
        written(x)
        assert_same(w, v)
    assert_same(optimizer.state_dict(), other.state_dict())
    assert len(compiled.programs) == 2


def test_momentum_needs_one_program_from_the_first_step_on() -> None:
    w, _, step = sgd(0.9)
    v, _, written = sgd(0.9)
    compiled = ag.compile(step)
    for _ in range(4):
        compiled(tensor(1.0, 2.0))
        written(tensor(1.0, 2.0))
        assert_same(w, v)
    assert len(compiled.programs) == 1


@pytest.mark.parametrize("rule", [optim.Adam, optim.NAdam, optim.RAdam])
def test_steps_within_one_call_are_counted_on(rule: Any) -> None:
    def steps() -> None:
        for _ in range(2):
            optimizer.zero_grad()
            (w * w + w * v).sum().backward()
            optimizer.step()
        v.grad = None  # so that the next step finds one parameter younger than the other
        optimizer.step()
        (w * v).sum().backward()
        optimizer.step()

    found = []
    for written in (steps, ag.compile(steps)):
        w, v = tensor(1.0, 2.0, requires_grad=True), tensor(3.0, -1.0, requires_grad=True)
        optimizer = rule([w, v], lr=0.1)
        written()
        written()
        found.append(world(None, optimizer, w, v))
    assert found[0]["optimizer"]["state"][0]["step"] == 8
    assert_same(found[1], found[0])


def test_a_loaded_optimizer_is_found() -> None:
    first, second, step = twins()
    both_step(first, second, step)
    state = copy.deepcopy(first.optimizer.state_dict())
    for _ in range(2):
        both_step(first, second, step)
    first.optimizer.load_state_dict(state)
    second.optimizer.load_state_dict(state)
    for _ in range(2):
        both_step(first, second, step)


def test_an_added_group_is_guarded() -> None:
    def add(training: Training) -> None:
        training.extra = Tensor(np.ones(2, "float32"), requires_grad=True)
        training.extra.grad = Tensor(np.ones(2, "float32"))
        training.optimizer.add_param_group({"params": [training.extra]})

    after(add, programs=1)


def test_state_has_the_order_of_an_eager_step() -> None:
    orders = []
    for names in (("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), ("b", "a", "d", "c", "f", "e")):

        class Many(optim.Optimizer):
            @staticmethod
            def slots(options: dict[str, Any], names: Any = names) -> dict[str, float]:
                return dict.fromkeys(names, 0.0)

            @staticmethod
            def check(options: dict[str, Any]) -> None:
                pass

            @staticmethod
            def update(xp: Any, w: Any, g: Any, state: Any, t: Any, *, lr: Any) -> None:
                w -= lr * g

        w = tensor(1.0, requires_grad=True)
        optimizer = Many([w], {"lr": 0.1})
        w.grad = tensor(1.0)
        ag.compile(optimizer.step)()
        orders.append([name for name in optimizer.state_dict()["state"][0] if name != "step"] == list(names))
    assert orders == [True, True]


def test_a_generator_that_was_reloaded_is_found() -> None:
    after(lambda t: t.dropout.load_state_dict({"seed": 99, "stream": 3, "draw": 12}), programs=0)
    after(lambda t: ag.random.seed(5), programs=0)
