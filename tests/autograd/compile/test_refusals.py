"""What cannot be written down is refused at the first call, with the line, and nothing has changed afterwards.

One idea: a step that fails in the middle of a trace must leave the world as if it had not been called: each refusal is
provoked at the end of a whole training step, when there is most to take back.
"""

from __future__ import annotations

import collections
import inspect
import itertools
import math
import random
import re
import types
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.errors import GradientError, ShapeError, TraceError
from tests.autograd.compile.conftest import plain_slots
from tests.autograd.compile.worlds import Training, assert_same, tensor, world

OUTSIDE = np.zeros(2)  # an array of the user's, which a compiled function tries to change

# By values deciding the course; each stands in one line, which the error names.
DECIDE: dict[str, Callable[[Tensor], Any]] = {
    "if": lambda loss: 1 if loss > 1 else 0,
    "bool": lambda loss: bool(loss),
    "float": lambda loss: float(loss),
    "int": lambda loss: int(loss),
    "item": lambda loss: loss.item(),
    "tolist": lambda loss: loss.tolist(),
    "asarray": lambda loss: np.asarray(loss),
    "numpy": lambda loss: loss.numpy(),
    "max": lambda loss: max(loss, loss + 1.0),
    "math": lambda loss: math.sqrt(loss),
    "format": lambda loss: f"{loss:.3f}",
    "str": lambda loss: str(loss),
    "index": lambda loss: [1, 2, 3][loss.astype("int64")],
    "range": lambda loss: range(loss.astype("int64")),
    "in": lambda loss: 1.0 in loss.reshape(1),
    "while": lambda loss: any(loss > k for k in range(3)),
    "finite": lambda loss: bool(np.isfinite(loss.data)),
}
# By changing what is no Tensor.
CHANGE: dict[str, Callable[[Tensor], Any]] = {
    "slice": lambda loss: OUTSIDE.__setitem__(slice(None), loss.data),
    "out": lambda loss: np.add(loss.data, 1.0, out=OUTSIDE),
    "in place": lambda loss: OUTSIDE.__iadd__(loss.data),
    "method": lambda loss: loss.data.sum(out=OUTSIDE[:1].reshape(())),
}


def failing(act: Callable[[Tensor], Any]) -> tuple[Training, Callable[..., Any]]:
    training = Training()

    def step(x: Tensor, y: Tensor) -> Any:
        training.step(x, y)
        ag.random.default.uniform((3,))
        return act(training.loss(training.model(x), y).detach())

    return training, step


@pytest.mark.parametrize("name", [*DECIDE, *CHANGE])
def test_the_step_is_refused_and_nothing_has_changed(name: str) -> None:
    act = {**DECIDE, **CHANGE}[name]
    training, step = failing(act)
    x, y = training.batch()
    training.step(x, y)  # there is something to lose
    before, draw = training.world(), training.dropout.draw
    compiled = ag.compile(step)
    for _ in range(2):
        with pytest.raises(TraceError) as error:
            compiled(x, y)
    assert_same(training.world(), before)
    assert training.dropout.draw == draw
    assert plain_slots()
    assert compiled.programs == []
    assert "not traced" in compiled.explain() or "nothing is traced" in compiled.explain()
    np.testing.assert_array_equal(OUTSIDE, np.zeros(2))
    if name in DECIDE:
        assert f"{__file__}:{inspect.getsourcelines(act)[1]}" in str(error.value)


@pytest.mark.parametrize("name", DECIDE)
def test_what_is_refused_works_as_written(name: str) -> None:
    _, step = failing(DECIDE[name])
    refusals = []
    with ag.compile_disabled():
        try:
            ag.compile(step)(*Training().batch())
        except (TypeError, IndexError) as error:  # range() of a Tensor is nothing that Python knows
            refusals.append(type(error))
    assert TraceError not in refusals


def test_an_error_of_the_users_own_changes_nothing() -> None:
    def fail(loss: Tensor) -> None:
        raise KeyError("mine")

    training, step = failing(fail)
    x, y = training.batch()
    before = training.world()
    with pytest.raises(KeyError, match="mine"):
        ag.compile(step)(x, y)
    # The order of the state is laid out, but no step was made.
    assert_same(training.world(), before)
    assert plain_slots()
    fresh = Training()
    fresh.batch()
    assert_same(fresh.step(x, y), training.step(x, y))
    assert_same(training.world(), fresh.world())


def test_iterating_over_rows_is_no_decision() -> None:
    function = ag.compile(lambda x: sum((row * k for k, row in enumerate(x)), start=0.0))
    for x in (tensor([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]), tensor([0.0, 1.0], [1.0, 0.0], [2.0, 2.0])):
        assert_same(function(x), x[1] + x[2] * 2)


def test_iterating_over_values_that_decide_is_refused() -> None:
    def positive(x: Tensor) -> Any:
        return [value for value in x if value > 0]

    with pytest.raises(TraceError, match="item"):
        ag.compile(positive)(tensor(1.0, -1.0))


def test_a_graph_from_outside_is_refused() -> None:
    w = tensor(2.0, requires_grad=True)
    y = w * 3.0
    for call in (lambda: ag.compile(lambda: y * 1.0)(), lambda: ag.compile(lambda z: z * 1.0)(y)):
        with pytest.raises(GradientError, match="recorded outside"):
            call()
    assert w.grad is None
    assert ag.compile(lambda z: z * 2.0)(y.detach()).tolist() == [12.0]


def test_a_write_that_another_tensor_would_see_is_refused() -> None:
    array = np.zeros(3)
    one, other = ag.asarray(array), ag.asarray(array)

    def write() -> Tensor:
        with ag.no_grad():
            one.__iadd__(1.0)
        return other * 1.0

    with pytest.raises(TraceError, match="same memory"):
        ag.compile(write)()
    np.testing.assert_array_equal(array, np.zeros(3))
    assert ag.compile(lambda: one + other)().tolist() == [0.0, 0.0, 0.0]  # to read both is fine


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("part", [slice(None), slice(1, None)])
def test_a_write_into_an_array_of_numpys_is_refused(part: slice, executor: Any) -> None:
    array = np.zeros(3)

    def write(x: Tensor) -> Tensor:
        with ag.no_grad():
            shared = ag.asarray(array[part])
            shared += x
        return shared

    with pytest.raises(TraceError, match="a NumPy array was changed in place"):
        ag.compile(write, executor=executor)(tensor(1.0))
    assert not array.any()


def test_a_write_into_an_array_of_numpys_that_is_made_inside_and_read_again_is_refused() -> None:
    def write(x: Tensor) -> Tensor:
        made = np.zeros(3)
        with ag.no_grad():
            shared = ag.asarray(made)
            shared += x
        return Tensor(made + 1.0)  # which NumPy adds while it is traced, when nothing has been written

    x = tensor(1.0, 2.0, 3.0)
    assert write(x).tolist() == [2.0, 3.0, 4.0]
    with pytest.raises(TraceError, match="a NumPy array was changed in place"):
        ag.compile(write)(x)


@settings(max_examples=200)
@given(
    parts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(1, 3), st.booleans()), max_size=6),
    again=st.integers(0, 5),
)
def test_what_shares_memory_is_found_wherever_it_lies(parts: list[tuple[int, int, int, bool]], again: int) -> None:
    memory = np.zeros((2, 24))
    touched = [(ag.asarray(memory[i % 2, i : i + n * step : step]), writes) for i, n, step, writes in parts]
    touched += [(x, True) for x, _ in touched[again : again + 1]]  # one Tensor for both is fine

    def touch() -> None:
        with ag.no_grad():
            for x, writes in touched:
                x.__iadd__(1.0) if writes else x + 1.0

    changed = {id(x) for x, writes in touched if writes}
    pairs = [(x.data, y.data) for x, _ in touched for y, _ in touched if id(x) in changed and x is not y]
    if not any(np.may_share_memory(*pair) for pair in pairs):
        ag.compile(touch)()
        return
    with pytest.raises(
        TraceError, match=r"changes a Tensor of shape .* and also reads another array in the same memory"
    ):
        ag.compile(touch)()
    assert not memory.any()


def _itself(w: Tensor) -> Tensor:
    return w.detach()


def _turned_view(w: Tensor) -> Tensor:
    return ag.asarray(w.data[::-1])


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("alias", [_itself, _turned_view])
def test_an_argument_in_the_memory_of_what_is_changed_is_refused(alias: Any, executor: str) -> None:
    w = tensor(1.0, 2.0)

    def write(x: Tensor) -> Tensor:
        with ag.no_grad():
            w[...] = w * 2.0
        return x + 1.0

    function = ag.compile(write, executor=executor)
    for _ in range(2):  # at the first call, and where there is a program already
        before = w.tolist()
        with pytest.raises(TraceError, match="same memory"):
            function(alias(w))
        assert w.tolist() == before
        assert function(tensor(3.0, 4.0)).tolist() == [4.0, 5.0]
    wanted = w.data * 2.0
    assert_same(ag.compile(write, fallback=True)(alias(w)), alias(Tensor(wanted)).data + 1.0)


def test_a_container_that_is_given_and_changed_is_refused() -> None:
    def put(batch: dict[str, Tensor]) -> Tensor:
        batch["y"] = batch["x"] * 2.0
        return batch["y"]

    def take(batch: dict[str, Tensor]) -> Tensor:
        return batch.pop("x")

    def replace(batch: dict[str, Tensor]) -> Tensor:
        batch["x"] = batch["x"] * 2.0
        return batch["x"]

    for function in (put, take, replace):
        batch = {"x": tensor(1.0)}
        with pytest.raises(TraceError, match="list, dictionary or dataclass that it is given"):
            ag.compile(function)(batch)
        assert list(batch) == ["x"]
        ag.compile(lambda batch, function=function: function(dict(batch)))(batch)


SHARING: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {
    "another Tensor's array": lambda w, u, x: setattr(w, "data", u.data),
    "a part of it": lambda w, u, x: setattr(w, "data", u.data[::-1]),
    "an argument's array": lambda w, u, x: setattr(w, "data", x.data),
}


@pytest.mark.parametrize("name", SHARING)
def test_to_share_the_memory_of_another_tensor_is_refused(name: str) -> None:
    w, u = tensor(1.0, 2.0), tensor(3.0, 4.0)
    with pytest.raises(TraceError, match=re.escape("assign a copy, w.data = u.data.copy(), or write w[...] = u.")):
        ag.compile(lambda x: SHARING[name](w, u, x))(tensor(5.0, 6.0))
    assert w.tolist() == [1.0, 2.0]

    def exchange() -> None:  # two that change places share nothing
        w.data, u.data = u.data, w.data

    def copy() -> None:
        w.data = u.data.copy()

    ag.compile(exchange)()
    assert (w.tolist(), u.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    ag.compile(copy)()
    assert w.tolist() == [1.0, 2.0]


class Answer:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


HIDING: dict[str, Callable[[Tensor], Any]] = {
    "Answer": Answer,
    "set": lambda x: {x},
    "deque": lambda x: collections.deque([x]),
    "dict_values": lambda x: {"logits": x}.values(),
    "function": lambda x: lambda: x,
    "generator": lambda x: (row for row in x),
}


@pytest.mark.parametrize("kind", HIDING)
def test_a_result_that_hides_its_tensors_is_refused(kind: str) -> None:
    with pytest.raises(TraceError, match=f"returns a {kind}, whose Tensors it would compute at the first call only"):
        ag.compile(lambda x: (HIDING[kind](x * 2.0), x))(tensor(1.0))
    model = Answer(tensor(3.0))  # what was there before the call comes back as it is
    assert ag.compile(lambda x: (model, x))(tensor(1.0))[0] is model


def test_a_gradient_that_is_no_tensor_is_named_where_it_is_assigned() -> None:
    w = Tensor([1.0], requires_grad=True)

    @ag.compile
    def assign(x: Any) -> None:
        w.grad = x

    for grad in ([1.0], 1.0):
        with pytest.raises(TypeError, match=r"tensor\.grad must be a Tensor or None, got a \w+: assign Tensor"):
            assign(grad)
        assert w.grad is None


def test_an_async_function_is_refused_where_it_is_given() -> None:
    async def later(x: Tensor) -> Tensor:
        return x * 2.0

    async def one_by_one(x: Tensor) -> AsyncIterator[Tensor]:
        yield x * 2.0

    for function in (later, one_by_one):
        with pytest.raises(TypeError, match=f"{function.__name__}, an async function, of which a call runs nothing"):
            ag.compile(function)


TAKEN: dict[str, Callable[[], tuple[Callable[..., Any], Any]]] = {
    "an iterator": lambda: (next, iter([1.0, 2.0, 3.0])),
    "a generator": lambda: (next, (float(n) for n in (1, 2, 3))),
    "a count": lambda: (next, itertools.count(1)),
    "a list": lambda: (lambda batches: batches.pop(0), [1.0, 2.0, 3.0]),
    "a long list": lambda: (lambda batches: batches.pop(0), [float(n) for n in range(1, 100)]),
    "a deque": lambda: (lambda batches: batches.popleft(), collections.deque([1.0, 2.0, 3.0])),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_would_be_taken_at_the_first_call_only_is_refused(name: str) -> None:
    take, batches = TAKEN[name]()
    with pytest.raises(TraceError, match="at the first call only: take them outside"):
        ag.compile(lambda x: x * take(batches))(tensor(1.0))
    take, batches = TAKEN[name]()
    function = ag.compile(lambda x: x * take(batches), fallback=True)
    found = [function(tensor(1.0)).item() for _ in range(2)]
    assert found[1] == found[0] + 1.0


def test_an_iterator_that_is_given_is_refused() -> None:
    with pytest.raises(TraceError, match="finds a generator"):
        ag.compile(lambda x, batches: x * next(batches))(tensor(1.0), (n for n in (1, 2)))


GENERATORS = np.random.default_rng(0), np.random.RandomState(0), random.Random(0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: GENERATORS[0].normal(),
        lambda generator=GENERATORS[1]: generator.rand(),
        lambda generators=GENERATORS: generators[2].random(),
        lambda: np.random.rand(),
        lambda: random.gauss(0, 1),
    ],
    ids=["Generator", "RandomState", "Random", "NumPy's own", "Python's own"],
)
def test_random_numbers_of_others_are_refused_and_not_used_up(draw: Callable[..., Any]) -> None:
    states = np.random.get_state(), random.getstate()
    with pytest.raises(TraceError, match="draws from a random generator of"):
        ag.compile(lambda x: x * draw())(tensor(1.0))
    assert random.getstate() == states[1]
    assert str(np.random.get_state()) == str(states[0])


def test_a_schedule_inside_is_refused() -> None:
    training = Training()
    schedules = [optim.StepLR(training.optimizer, 1, 0.5), optim.ReduceLROnPlateau(training.optimizer)]
    for step in (schedules[0].step, lambda: schedules[1].step(1.0)):
        before = training.world(), [schedule.state_dict() for schedule in schedules]

        @ag.compile
        def whole(x: Tensor, y: Tensor, step: Any = step) -> None:
            training.step(x, y)
            step()

        with pytest.raises(TraceError, match=r"a compiled function calls \w+\.step\(\)"):
            whole(*training.batch())
        assert_same((training.world(), [schedule.state_dict() for schedule in schedules]), before)


@pytest.mark.parametrize("what", ["optimizer", "schedule", "generator"])
def test_a_state_that_is_taken_inside_is_refused(what: str) -> None:
    training = Training()
    schedules = optim.StepLR(training.optimizer, 1, 0.5), optim.ReduceLROnPlateau(training.optimizer)
    of = {"optimizer": [training.optimizer], "schedule": schedules, "generator": [ag.random.Generator(0)]}[what]
    for one in of:
        with pytest.raises(TraceError, match=f"a compiled function takes the state of an? {what}"):
            ag.compile(one.state_dict)()
    if what == "schedule":
        for one in of:
            with pytest.raises(TraceError, match="a compiled function asks a schedule for its rates"):
                ag.compile(one.get_last_lr)()


def test_an_optimizer_that_is_made_inside_is_refused() -> None:
    weight = nn.Parameter([1.0, 2.0])
    with pytest.raises(TraceError, match="makes an optimizer, SGD, which would be done at one call only"):
        ag.compile(lambda: optim.SGD([weight], lr=0.1).step())()


def test_anomaly_inside_is_refused() -> None:
    def function(x: Tensor) -> Tensor:
        with ag.anomaly():
            return x * 2.0

    with pytest.raises(TraceError, match=r"enters anomaly\(\), which would be done at one call only: do it outside"):
        ag.compile(function)(tensor(1.0))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda group: group.update(lr=0.5),
        lambda group: group.__setitem__("momentum", 0.5),
        lambda group: group.update({"weight_decay": 0.1}),
        lambda group: group.__ior__({"lr": 0.5}),
        lambda group: group.pop("lr"),
        lambda group: group.__delitem__("lr"),
        lambda group: group.setdefault("name", "first"),
    ],
)
def test_an_option_that_is_changed_inside_is_refused(change: Callable[[Any], Any], first: bool) -> None:
    training = Training()
    before = training.world()

    @ag.compile
    def step(x: Tensor, y: Tensor) -> None:
        if first:
            change(training.optimizer.param_groups[0])
        training.step(x, y)
        change(training.optimizer.param_groups[0])

    for _ in range(2):
        with pytest.raises(TraceError, match="changes the options of an optimizer"):
            step(*training.batch())
        assert_same(training.world(), before)


@pytest.mark.parametrize(
    "act", [lambda: ag.random.seed(0), lambda: ag.random.Generator(0), lambda: ag.random.default.spawn(7)]
)
def test_a_generator_that_is_made_or_seeded_inside_is_refused(act: Callable[[], Any]) -> None:
    before = ag.random.default.state_dict()
    with pytest.raises(TraceError, match=r"a compiled function (makes|seeds) a generator"):
        ag.compile(lambda x: (act(), x)[1])(tensor(1.0))
    assert ag.random.default.state_dict() == before


def test_a_write_to_a_view_of_another_tensor_is_refused() -> None:
    base = tensor(1.0, 2.0, 3.0)
    part = ag.asarray(base.data[:2])

    def write() -> Tensor:
        with ag.no_grad():
            part[0] = 5.0
        return base.sum()

    with pytest.raises(TraceError, match="same memory"):
        ag.compile(write)()
    assert base.tolist() == [1.0, 2.0, 3.0]


def test_an_array_kept_from_an_earlier_trace_is_refused() -> None:
    kept: list[Tensor] = []

    @ag.compile
    def function(x: Tensor, k: int) -> Tensor:
        kept.append(x * 2.0)
        return kept[0] + x

    function(tensor(1.0), 1)
    with pytest.raises(TraceError, match=r"earlier trace was kept, .*, or write it into a Tensor that is there"):
        function(tensor(1.0), 2)
    assert plain_slots()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda kept: kept * 2.0, "kept, in an attribute or a list, and was given to multiply"),
        (lambda kept: kept.tolist(), "was turned into a"),
        (repr, r"as printing does, at .*: it has no value. Return what outlives a call, or write it into a Tensor"),
        (lambda kept: kept + tensor(1.0), "arrays of two kinds, .*: one was made in a compiled function or a vmap and"),
    ],
)
def test_an_array_kept_from_a_trace_says_so_outside(use: Callable[[Tensor], Any], message: str) -> None:
    kept: list[Tensor] = []

    @ag.compile
    def function(x: Tensor) -> Tensor:
        kept.append(x * 2.0)
        return x

    function(tensor(1.0))
    with pytest.raises((TraceError, TypeError), match=message):
        use(kept[0])


def test_clipping_that_looks_at_the_norm_is_refused() -> None:
    w = tensor(1.0, requires_grad=True)
    w.grad = tensor(7.0)

    def step() -> None:
        w.grad = None
        (w * 2.0).sum().backward()
        optim.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)

    with pytest.raises(TraceError, match="true"):
        ag.compile(step)()
    assert w.grad.tolist() == [7.0]


# ---- bugs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda x: np.allclose(x.data, 1.0), id="allclose"),
        pytest.param(lambda x: np.array_equal(x.data, np.ones(2)), id="array_equal"),
        pytest.param(lambda x: x.data.tobytes(), id="tobytes"),
        pytest.param(lambda x: np.copyto(OUTSIDE, x.data), id="copyto"),
    ],
)
def test_values_that_leave_by_a_function_of_numpy_are_refused(act: Callable[[Tensor], Any]) -> None:
    try:
        with pytest.raises(TraceError):
            ag.compile(act)(tensor(1.0, 2.0))
    finally:
        OUTSIDE[...] = 0.0


@pytest.mark.parametrize("find", [ag.nonzero, ag.unique_values, ag.unique_all])
def test_what_finds_as_many_as_there_are_is_refused(find: Callable[[Tensor], Any]) -> None:
    with pytest.raises(TraceError, match="nonzero, whose result has a length that depends on values"):
        ag.compile(find)(tensor(1.0, 0.0, 3.0))


def test_slogdet_of_one_matrix_is_computed_anew() -> None:
    function = ag.compile(lambda x: ag.linalg.slogdet(x)[1])
    first, second = tensor([2.0, 0.0], [0.0, 3.0]), tensor([5.0, 0.0], [0.0, 7.0])
    function(first)
    assert_same(function(second), ag.linalg.slogdet(second)[1])


@pytest.mark.parametrize("mask", [lambda x: x > 2.0, lambda x: x.data > 2.0], ids=["Tensor", "array"])
def test_an_index_of_bools_is_refused(mask: Callable[[Tensor], Any]) -> None:
    with pytest.raises(TraceError, match=r"Index by places, nonzero\(mask\) outside of the function, or multiply by"):
        ag.compile(lambda x: x[mask(x)].mean())(tensor(1.0, 2.0, 3.0))


def test_a_failed_trace_leaves_no_graph_behind() -> None:
    w, p = tensor(1.0, 2.0), tensor(5.0, requires_grad=True)

    def function() -> None:
        w[0] = (p * 2.0).sum()
        float(w.sum())

    with pytest.raises(TraceError):
        ag.compile(function)()
    assert w.tolist() == [1.0, 2.0]
    assert w.node is None
    assert not w.requires_grad


def test_a_failed_trace_leaves_requires_grad_alone() -> None:
    w = tensor(1.0)
    with pytest.raises(TraceError):
        ag.compile(lambda: float(w.requires_grad_().sum()))()
    assert not w.requires_grad


def _tensor_in_place(x: Tensor) -> Tensor:
    with ag.no_grad():
        x += 1.0
    return x.sum()


def _tensor_item(x: Tensor) -> Tensor:
    x[0] = 9.0
    return x.sum()


def _array_in_place(x: Any) -> Any:
    x += 1.0
    return x.sum()


@pytest.mark.parametrize(
    ("written", "make"),
    [(_tensor_in_place, Tensor), (_tensor_item, Tensor), (_array_in_place, np.array)],
    ids=["Tensor, off the record", "Tensor, on the record", "array"],
)
def test_a_write_to_an_argument_is_kept_or_refused(written: Any, make: Any) -> None:
    wanted, found = make(np.array([1.0, 2.0])), make(np.array([1.0, 2.0]))
    written(wanted)
    try:
        ag.compile(written)(found)
    except TraceError:
        return
    np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def _asks_for_a_gradient(x: Tensor) -> Any:
    return ag.gradients(x.requires_grad_().square().sum(), [x])[0]


def _leaves_a_gradient(x: Tensor) -> Any:
    x.grad = x * 2.0
    return x.sum()


def _goes_back_to_it(x: Tensor) -> Any:
    x.requires_grad_().square().sum().backward()
    x.requires_grad_(False)
    return x.grad


@pytest.mark.parametrize("written", [_asks_for_a_gradient, _leaves_a_gradient, _goes_back_to_it])
def test_what_would_be_left_on_an_argument_is_refused(written: Any) -> None:
    x = tensor(1.0, 2.0)
    with pytest.raises(TraceError, match=r"of an argument.*x\.detach\(\)"):
        ag.compile(written)(x)
    assert not x.requires_grad
    assert x.grad is None


def test_a_copy_of_an_argument_may_be_asked_for_its_gradient() -> None:
    def written(x: Tensor) -> Any:
        x = x.detach().requires_grad_()
        x.square().sum().backward()
        return x.grad

    function = ag.compile(written)
    for x in (tensor(1.0, 2.0), tensor(3.0)):
        assert function(x).tolist() == written(x).tolist() == (x * 2.0).tolist()


def test_an_argument_that_is_asked_for_a_part_of_the_call_only() -> None:
    def written(x: Tensor) -> Any:
        (slope,) = ag.gradients(x.requires_grad_().square().sum(), [x])
        x.requires_grad_(False)
        return slope

    x = tensor(1.0, 2.0)
    assert ag.compile(written)(x).tolist() == written(x).tolist()


@pytest.mark.usefixtures("kernels_off")
def test_max_norm_can_be_compiled() -> None:
    first, second = (Training(penalties=[optim.MaxNorm(0.1)]) for _ in range(2))
    step = ag.compile(second.step)
    for _ in range(3):
        x, y = first.batch()
        assert_same(step(x, y), first.step(x, y))
    assert_same(world(second.model, second.optimizer), world(first.model, first.optimizer))


# ---- with a fallback -----------------------------------------------------------------------------------------------


def test_with_a_fallback_what_cannot_be_traced_runs_as_written_and_says_why() -> None:
    w = tensor(1.0, requires_grad=True)

    @ag.compile(fallback=True)
    def function(x: Tensor) -> Any:
        w.grad = None
        (w * x).sum().backward()
        return w.grad.data * 2.0 if float(w.grad.data[0]) > 0 else None

    assert function.refused is None
    for k in (3.0, 4.0):
        assert function(tensor(k)).tolist() == [2 * k]
        assert "was turned into a Python float" in function.refused
    assert function.programs == []


def test_with_a_fallback_a_wrong_call_is_an_error_and_no_refusal() -> None:
    @ag.compile(fallback=True)
    def function(x: Tensor) -> Tensor:
        return x @ tensor(1.0, 2.0)

    with pytest.raises(ShapeError) as caught:
        function(tensor(1.0, 2.0, 3.0))
    with pytest.raises(ShapeError) as wanted:
        function.function(tensor(1.0, 2.0, 3.0))
    assert str(caught.value) == str(wanted.value)
    assert function.refused is None
    assert function(tensor(1.0, 2.0)).tolist() == 5.0
    assert len(function.programs) == 1


def test_with_a_fallback_what_keeps_changing_is_traced_a_few_times_only() -> None:
    layer = nn.LeakyReLU(0.0)
    function = ag.compile(lambda x: layer(x), fallback=True)
    for k in range(12):
        layer.negative_slope = 1.0 + k
        assert function(tensor(-1.0)).tolist() == [-1.0 - k]
    assert function.refused == "what it finds around it keeps changing: it was traced 8 times"


def test_with_a_fallback_what_is_made_at_the_first_call_is_compiled_at_the_second() -> None:
    kept = types.SimpleNamespace(by=None)

    def written(x: Tensor) -> Tensor:
        if kept.by is None:
            kept.by = np.array([2.0])
        return x * Tensor(kept.by)

    function = ag.compile(written, fallback=True)
    for k in (1.0, 2.0, 3.0):
        assert function(tensor(k)).tolist() == [2 * k]
    assert (function.refused, len(function.programs)) == (None, 2)


def test_with_a_fallback_what_changes_itself_runs_as_written_from_the_second_call() -> None:
    class Counting(nn.Module):
        count = 0

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            return x * float(self.count)

    model = Counting()
    function = ag.compile(lambda x: model(x), fallback=True)
    for _ in range(3):
        assert function(tensor(1.0)).tolist() == [model.count]
    assert "changed by itself at every call" in function.refused
