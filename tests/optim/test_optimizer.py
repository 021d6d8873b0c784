"""What all optimizers share: groups, missing gradients, memory, checkpoints, and what they say to mistakes."""

from __future__ import annotations

import copy
import gc
import json
import sys
import threading

import numpy as np
import pytest

import optim
from autograd import compile
from autograd.errors import WrittenError
from autograd.modes import is_recording, no_grad
from autograd.tensor import Tensor, wrap
from autograd.writes import clock, written_after
from tests.optim.helpers import flattened, give, parameter

RULES = [
    (optim.SGD, {}),
    (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (optim.Adagrad, {"initial_accumulator_value": 0.3}),
    (optim.Adadelta, {}),
    (optim.RMSprop, {"momentum": 0.5, "centered": True}),
    (optim.RMSprop, {"init": "lecture"}),
    (optim.Adam, {"amsgrad": True}),
    (optim.AdamW, {"weight_decay": 0.1}),
]
EACH_RULE = pytest.mark.parametrize(("rule", "options"), RULES, ids=lambda x: getattr(x, "__name__", ""))
SHAPES = [(3, 4), (4,), (), (2, 1, 3), (0, 5)]


def some_parameters(dtype="float64", seed=0):
    random = np.random.default_rng(seed)
    return [parameter(np.asarray(random.normal(size=s), dtype=dtype)) for s in SHAPES]


def some_gradients(seed):
    random = np.random.default_rng(seed)
    return [random.normal(size=s) for s in SHAPES]


def train(optimizer, parameters, seeds):
    for seed in seeds:
        give(parameters, some_gradients(seed))
        optimizer.step()


def bits(parameters):
    return [p.data.tobytes() for p in parameters]


# ---- groups ---------------------------------------------------------------------------------------------------------


def test_groups_have_their_own_options():
    one, two = parameter(np.ones(2)), parameter(np.ones(3))
    optimizer = optim.SGD([{"params": [one]}, {"params": [two], "lr": 0.5}], lr=0.1)
    give([one, two], [np.ones(2), np.ones(3)])
    optimizer.step()
    np.testing.assert_array_equal(one.data, np.full(2, 0.9))
    np.testing.assert_array_equal(two.data, np.full(3, 0.5))


def test_options_may_change_between_steps():
    p = parameter(np.zeros(1))
    optimizer = optim.SGD([p], lr=1.0)
    give([p], [[1.0]])
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.25
    optimizer.step()
    assert p.data[0] == -1.25


def test_one_that_was_refused_is_in_nobodys_way():
    w = some_parameters()
    with pytest.raises(TypeError) as kept:  # which holds what was begun, as a notebook does
        optim.SGD(w, lr=0.1, penalties=3)
    assert optim.SGD(w, lr=0.1).param_groups[0]["params"] == w
    assert kept


def test_threads_make_optimizers_at_the_same_time():
    def make():
        try:
            for _ in range(200):
                made.append(optim.SGD([parameter([1.0])]))
        except Exception as error:
            errors.append(error)

    made, errors, interval = [], [], sys.getswitchinterval()
    threads = [threading.Thread(target=make) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors
    assert len(made) == 800


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda groups, new: groups[0]["params"].append(new), "group 0 has other parameters than it was given"),
        (lambda groups, new: groups[1].update(params=[new]), "group 1 has other parameters than it was given"),
        (lambda groups, new: groups.pop(0), "there are 1 groups, and 2 were given"),
        (lambda groups, new: groups.append({"params": [new]}), "there are 3 groups, and 2 were given"),
        (lambda groups, new: groups.reverse(), "group 0 has other parameters than it was given"),
    ],
)
def test_parameters_that_come_or_go_another_way_are_refused(change, message, compiled):
    p, q, new = (parameter(np.zeros(2)) for _ in range(3))
    optimizer = optim.SGD([{"params": [p]}, {"params": [q], "lr": 0.5}], lr=0.1)

    def step(x):
        optimizer.zero_grad()
        (p * x + q * x).sum().backward()
        optimizer.step()

    chosen, x = compile(step) if compiled else step, Tensor(np.ones(2))
    chosen(x)
    chosen(x)
    change(optimizer.param_groups, new)
    for act in (lambda: chosen(x), optimizer.state_dict):
        with pytest.raises(ValueError, match=message):
            act()
    assert (p.data[0], q.data[0]) == (-0.2, -1.0)


@pytest.mark.parametrize("executor", ["native", "numpy"])
@pytest.mark.parametrize("number", [np.float64, np.float32, np.int64, np.array])
def test_numbers_of_numpy_are_options_as_pythons_are(number, executor, monkeypatch):
    monkeypatch.setenv("TAPEGRAD_EXECUTOR", executor)
    p = parameter(np.zeros(3, dtype="float32"))
    optimizer = optim.AdamW([p], lr=0.1, betas=(number(0), 0.5))

    def step(x):
        optimizer.zero_grad()
        (p * x).sum().backward()
        optimizer.step()

    compiled, x = compile(step), Tensor(np.ones(3, dtype="float32"))
    compiled(x)
    group = optimizer.param_groups[0]
    group["lr"] = number(2)
    group.update(eps=number(1), weight_decay=number(0))
    assert group.setdefault("initial_lr", number(1)) == 1
    group |= {"betas": (number(0), number(0))}
    for value in (group["lr"], group["eps"], group["weight_decay"], group["initial_lr"], *group["betas"]):
        assert type(value) is (int if number in (np.int64, np.array) else float)
    compiled(x)
    assert p.dtype == "float32"
    np.testing.assert_allclose(p.data, -0.1 - 2 / (1 + 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lr": "0.1"}, TypeError, "lr must be a number, got '0.1', a str"),
        ({"lr": Tensor(0.5)}, TypeError, "lr must be a number, got Tensor"),
        ({"betas": 0.9}, TypeError, r"betas must be 2 numbers, got 0\.9"),
        ({"betas": ("a", 0.9)}, TypeError, "betas must be a number, got 'a', a str"),
        ({"penalties": optim.L2(0.1)}, TypeError, "penalties takes several"),
        ({"penalties": None}, TypeError, "penalties takes a list of Penalty objects, got None"),
        ({"learning_rate": 1.0}, KeyError, "learning_rate is called lr here"),
    ],
)
def test_an_option_that_is_none_is_refused_where_it_is_set(options, error, message):
    optimizer = optim.Adam([parameter(np.ones(3))])
    group, (name, value) = optimizer.param_groups[0], *options.items()
    before = dict(group)

    def load():
        state = optimizer.state_dict()
        state["param_groups"][0]["eps"] = 1.0
        state["param_groups"][0][name] = value
        optimizer.load_state_dict(state)

    ways = [lambda: group.update(eps=1.0, **options), lambda: group.__setitem__(name, value)]
    for set_it in [*ways, *([] if name in ("penalties", "learning_rate") else [load])]:
        with pytest.raises(error, match=message):
            set_it()
        assert group == before


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (optim.Adam, {"betas": (1, 1)}, r"Adam: betas must be at least 0 and below 1, got \(1, 1\)"),
        (optim.AdamW, {"lr": -0.5}, r"AdamW: lr must be at least 0, got -0\.5"),
        (optim.Adadelta, {"eps": float("nan")}, "Adadelta: eps must be at least 0, got nan"),
        (optim.RMSprop, {"init": "mean"}, 'RMSprop: init must be "zero" or "lecture", got \'mean\''),
        (optim.SGD, {"momentum": 0.9, "nesterov": True, "dampening": 0.5}, "SGD: nesterov goes with no dampening"),
    ],
)
def test_an_option_out_of_range_is_refused_where_it_is_set(rule, options, message):
    optimizer = rule([parameter(np.ones(3))])
    group, (name, value) = optimizer.param_groups[0], list(options.items())[-1]
    state = optimizer.state_dict()
    state["param_groups"][0].update(options)
    loads = [lambda o: lambda: o.load_state_dict(state), lambda o: lambda: copy.deepcopy(o).load_state_dict(state)]
    group.update(dict(list(options.items())[:-1]))
    before = dict(group)
    for set_it in (
        lambda: group.__setitem__(name, value),
        lambda: group.update(weight_decay=0.5, **options),
        lambda: group.__ior__(options),
        *(load(optimizer) for load in loads),
    ):
        with pytest.raises(ValueError, match=message):
            set_it()
        assert group == before


def test_momentum_may_be_none_for_some_steps_under_nesterov():
    p = parameter(np.zeros(1))
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5, nesterov=True)
    optimizer.param_groups[0]["momentum"] = 0.0  # as a schedule may, which lets it grow from nothing
    give([p], [[1.0]])
    optimizer.step()
    assert p.data[0] == -1


def test_a_schedule_whose_value_is_out_of_range_changes_nothing():
    one, two = parameter(np.zeros(1)), parameter(np.zeros(1))
    optimizer = optim.SGD([{"params": [one]}, {"params": [two]}], lr=1.0, momentum=0.5)
    curves = {"lr": lambda t, start: start / (1 + t), "momentum": lambda t, start: start - 0.4 * t}
    schedule = optim.Schedule(optimizer, curves)
    schedule.step()
    before = [dict(group) for group in optimizer.param_groups]
    for _ in range(2):
        with pytest.raises(ValueError, match=r"SGD: momentum must be at least 0, got -0\.3"):
            schedule.step()
        assert [*optimizer.param_groups] == before
        assert schedule.last_epoch == 1


def test_momentum_may_begin_later():
    p = parameter(np.zeros(1))
    optimizer = optim.SGD([p], lr=1.0)
    for momentum in (0, 0.5, 0.5):
        optimizer.param_groups[0]["momentum"] = momentum
        give([p], [[1.0]])
        optimizer.step()
    assert p.data[0] == -1 - 1 - 1.5


def test_names_are_kept_and_used_in_errors():
    optimizer = optim.SGD([("a.weight", parameter([1.0])), ("a.bias", parameter([1.0]))])
    assert optimizer.param_groups[0]["param_names"] == ["a.weight", "a.bias"]
    result = wrap(np.ones(2))
    result.node = object()  # what an operation would leave
    with pytest.raises(ValueError, match=r"SGD: parameter a.weight of shape \(2,\) is the result of an operation"):
        optim.SGD([("a.weight", result)])


def test_a_group_added_later_takes_part():
    one, two = parameter(np.zeros(1)), parameter(np.zeros(1))
    optimizer = optim.Adam([one], lr=0.1)
    give([one], [[1.0]])
    optimizer.step()
    optimizer.add_param_group({"params": two, "lr": 0.2})
    give([one, two], [[1.0], [1.0]])
    optimizer.step()
    np.testing.assert_allclose([one.data[0], two.data[0]], [-0.2, -0.2], rtol=1e-6)
    assert [entry["step"] for entry in optimizer.state_dict()["state"].values()] == [2, 1]


P = parameter([1.0])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "SGD got no parameters. A generator such as model.parameters"),
        (iter([]), ValueError, "SGD got no parameters"),
        (P, TypeError, "SGD takes a list of parameters, got a Tensor: put it in a list"),
        ({"params": [P]}, TypeError, "got a dict"),
        ([P, P], ValueError, r"parameter 1 of shape \(1,\) is given twice"),
        ([{"params": [P]}, {"params": [P]}], ValueError, "is given twice"),
        ([("a", P), ("b", P)], ValueError, "parameter b of shape"),
        ([np.ones(2)], TypeError, "SGD: parameter 0 is a ndarray; wanted is a Tensor"),
        ([("a", P), parameter([1.0])], TypeError, "name all of them or none"),
        ([{"params": []}], ValueError, "a parameter group is empty"),
        ([{"weights": [P]}], ValueError, 'a parameter group needs "params"'),
        ([{"params": [P], "momentun": 0.9}], ValueError, "unknown option 'momentun'; those known are dampening, lr,"),
        ([{"params": [P], "lr": -1.0}], ValueError, "SGD: lr must be at least 0"),
        ([{"params": [P]}, parameter([1.0])], TypeError, "give either dictionaries or parameters"),
    ],
)
def test_mistakes_in_the_parameters(params, error, message):
    with pytest.raises(error, match=message):
        optim.SGD(params)


def test_a_subclass_without_a_rule_is_told_what_an_optimizer_is():
    class Sharp(optim.Optimizer):
        def __init__(self, params, base, rho=0.05):
            super().__init__(params, {"rho": rho})
            self.base = base

    message = (
        r"Sharp is an optimizer without update and check: write the rule as optim/sgd\.py does; what calls another"
    )
    with pytest.raises(TypeError, match=message):
        Sharp(some_parameters(), optim.SGD, rho=0.1)
    with pytest.raises(TypeError, match="Optimizer is an optimizer without update and check"):
        optim.Optimizer(some_parameters(), {})


def test_a_consumed_generator_is_explained():
    generator = (p for p in [P])
    optim.SGD(generator)
    with pytest.raises(ValueError, match="gives its items once"):
        optim.SGD(generator)


@pytest.mark.parametrize("penalties", [optim.L2(0.1), [0.1]])
def test_penalties_must_be_a_list_of_penalties(penalties):
    with pytest.raises(TypeError, match="penalties takes"):
        optim.SGD([P], penalties=penalties)


def test_repr_shows_each_group():
    text = repr(optim.SGD([{"params": [parameter(np.ones((3, 4)))]}, {"params": [P], "lr": 0.5}], lr=0.1))
    assert "lr=0.1" in text
    assert "lr=0.5" in text
    assert "1 parameters, 12 elements" in text


# ---- steps ----------------------------------------------------------------------------------------------------------


@EACH_RULE
def test_parameters_without_a_gradient_do_not_age(rule, options):
    # Each parameter must move as if it had an optimizer of its own, which steps only when there is a gradient.
    together = some_parameters()
    alone = some_parameters()
    optimizer = rule(together, lr=0.1, **options)
    own = [rule([p], lr=0.1, **options) for p in alone]
    random = np.random.default_rng(5)
    for seed in range(8):
        gradients = [None if random.random() < 0.4 else g for g in some_gradients(seed)]
        give(together, gradients)
        give(alone, gradients)
        optimizer.step()
        for o in own:
            o.step()
    assert bits(together) == bits(alone)


def test_frozen_parameters_stay():
    one, two = parameter(np.ones(2)), Tensor(np.ones(2))
    optimizer = optim.AdamW([one, two], weight_decay=0.5)
    give([one], [np.ones(2)])
    optimizer.step()
    np.testing.assert_array_equal(two.data, np.ones(2))
    assert (one.data < 1).all()


@EACH_RULE
def test_gradients_are_only_read(rule, options):
    # A large one is used where it lies; a small one is gathered. Neither may change, nor the array behind it.
    parameters = [parameter(np.ones((300, 200))), parameter(np.ones(7))]
    gradients = [np.full((300, 200), 0.5), np.full(7, 0.5)]
    for p, g in zip(parameters, gradients, strict=True):
        g.flags.writeable = False
        p.grad = wrap(g)
    optimizer = rule(parameters, penalties=[optim.L2(0.1), optim.L1(0.1)], maximize=True, **options)
    for _ in range(2):
        optimizer.step()
    np.testing.assert_array_equal(flattened(gradients), np.full(60_007, 0.5))


def test_gradients_of_any_layout_and_dtype_are_taken():
    one, two = parameter(np.zeros((200, 300), dtype="float32")), parameter(np.zeros((2, 3), dtype="float32"))
    wanted = [np.arange(60_000.0).reshape(200, 300) % 7, np.arange(6.0).reshape(2, 3)]
    one.grad, two.grad = wrap(np.asfortranarray(wanted[0])), wrap(wanted[1].T.copy().T)
    optim.SGD([one, two], lr=1.0).step()
    np.testing.assert_array_equal(one.data, -wanted[0])
    np.testing.assert_array_equal(two.data, -wanted[1])
    assert one.dtype == two.dtype == "float32"


def test_a_gradient_of_another_shape_is_refused():
    p = parameter(np.ones((2, 3)))
    p.grad = wrap(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"parameter of shape \(2, 3\) has a gradient of shape \(3, 2\)"):
        optim.SGD([p]).step()


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.ones(2), ValueError, r"parameter of shape \(3,\) has a gradient of shape \(2,\)"),
        (np.ones(3, "complex128"), TypeError, "parameter of float64 has a gradient of complex128"),
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_step_that_fails_moves_nothing(groups, bad, error, message):
    large, small, last = (parameter(np.ones(n)) for n in (20_000, 4, 3))
    both = [large, small, last] if groups == 1 else [{"params": [large, small]}, {"params": [last]}]
    optimizer = optim.Adam(both)
    give([large, small, last], [np.ones(20_000), np.ones(4), np.ones(3)])
    optimizer.step()
    before, state = bits([large, small, last]), repr(optimizer.state_dict())
    last.grad = wrap(bad)
    for _ in range(2):
        with pytest.raises(error, match=message):
            optimizer.step()
        assert (bits([large, small, last]), repr(optimizer.state_dict())) == (before, state)


@pytest.mark.parametrize("executor", ["native", "numpy"])
@pytest.mark.parametrize("shape", [(1,), (), (1, 3)])
def test_a_compiled_step_spreads_no_gradient_of_another_shape(shape, executor):
    p = parameter(np.ones(3))
    optimizer = optim.Adam([p])
    step = compile(optimizer.step, executor=executor)
    for is_first in (True, False):
        before = bits([p])
        p.grad = wrap(np.ones(shape))
        with pytest.raises(ValueError, match=r"parameter of shape \(3,\) has a gradient of shape"):
            step()
        assert bits([p]) == before
        if is_first:
            give([p], [np.ones(3)])
            step()


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64", "bool"])
@EACH_RULE
def test_a_compiled_step_makes_of_a_gradient_of_another_dtype_what_eager_code_does(rule, options, dtype):
    moved = []
    for make in (lambda f: f, lambda f: compile(f, executor="numpy")):
        p = parameter(np.asarray([1.0, -2.0, 3.0], "float32"))
        step = make(rule([p], lr=0.1, **options).step)
        for _ in range(2):
            p.grad = wrap(np.asarray([0.3, 1.7, 2.0]).astype(dtype))
            step()
        moved.append(bits([p]))
    assert moved[0] == moved[1]


def test_a_compiled_step_names_a_gradient_that_cannot_be_one():
    p = parameter(np.ones(3))
    step = compile(optim.Adam([p]).step)
    for is_first in (True, False):
        p.grad = wrap(np.ones(3, "complex128"))
        with pytest.raises(TypeError, match="parameter of float64 has a gradient of complex128"):
            step()
        p.grad = np.ones(3)
        with pytest.raises(TypeError, match=r"\.grad must be a Tensor or None, got a ndarray: assign Tensor"):
            step()
        if is_first:
            give([p], [np.ones(3)])
            step()


def test_closure_is_run_with_recording_and_its_loss_returned():
    p = parameter(np.zeros(1))
    seen = []

    def closure():
        seen.append(is_recording())
        give([p], [[1.0]])
        return "the loss"

    with no_grad():
        assert optim.SGD([p], lr=1.0).step(closure) == "the loss"
    assert seen == [True]
    assert p.data[0] == -1


def test_zero_grad_forgets_or_replaces():
    p = parameter(np.zeros(2))
    optimizer = optim.SGD([p])
    give([p], [np.ones(2)])
    held = p.grad
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(p.grad.data, np.zeros(2))
    np.testing.assert_array_equal(held.data, np.ones(2))  # whoever holds the old one keeps it
    optimizer.zero_grad()
    assert p.grad is None


def test_a_step_is_seen_as_a_write():
    moved, still = parameter(np.ones(3)), parameter(np.ones(3))
    optimizer = optim.SGD([moved, still])
    give([moved, still], [np.ones(3)] * 2)
    optimizer.step()
    before = clock()
    still.grad = None
    optimizer.step()
    assert written_after(moved.data, before)
    assert not written_after(still.data, before)


def test_backward_through_weights_that_a_step_has_changed_is_refused():
    x, w = parameter(np.ones((2, 3))), parameter(np.ones((3, 4)))
    optimizer = optim.Adam([w])
    for _ in range(2):
        w.grad = None
        loss = (x @ w).sum()
        loss.backward(retain_graph=True)
        optimizer.step()
    with pytest.raises(WrittenError, match="matmul"):
        loss.backward()


def test_a_step_that_breaks_off_is_seen_as_a_write():
    class Interrupting(optim.Penalty):
        def project(self, xp, w):
            if optimizer.state_dict()["state"]:
                raise KeyboardInterrupt

    p = parameter(np.ones(3))
    optimizer = optim.SGD([p], lr=1.0, penalties=[Interrupting()])
    give([p], [np.full(3, 0.5)])
    optimizer.step()
    loss = (p * p).sum()
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    with pytest.raises(RuntimeError, match="written in place"):
        loss.backward()


def test_an_optimizer_dies_without_the_collector():
    parameters = some_parameters()
    optimizer = optim.Adam(parameters, penalties=[optim.MaxNorm(1.0)])
    schedule = optim.StepLR(optimizer, 1)
    train(optimizer, parameters, range(2))
    schedule.step()
    while gc.collect():  # what other tests left, and what that leaves when it goes
        pass
    gc.disable()
    try:
        del optimizer, schedule
        assert gc.collect() == 0
    finally:
        gc.enable()


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_parameters_of_a_group_share_one_array():
    parameters = some_parameters()
    train(optim.Adam(parameters), parameters, [0])
    bases = {id(p.data.base) for p in parameters}
    assert len(bases) == 1
    assert [p.data.shape for p in parameters] == SHAPES


@pytest.mark.parametrize("compiled", [False, True])
def test_whoever_holds_an_array_of_a_parameter_sees_every_step(compiled):
    parameters = some_parameters()
    before, part = parameters[0].detach(), parameters[1].data[:1]  # an array, and a view of one
    optimizer = optim.Adam(parameters, lr=0.1)
    after = parameters[2].detach()
    step = compile(optimizer.step) if compiled else optimizer.step
    for numbers in (1.0, 2.0, 3.0):
        give(parameters, [np.full(shape, numbers) for shape in SHAPES])
        step()
        assert before.data.tobytes() == parameters[0].data.tobytes()
        assert part.tobytes() == parameters[1].data[:1].tobytes()
        assert after.data.tobytes() == parameters[2].data.tobytes()
        optimizer.load_state_dict(optimizer.state_dict())  # lays out anew


def test_an_array_that_others_hold_moves_as_it_would_alone():
    free, held = some_parameters(), some_parameters()
    arrays = [p.data for p in held[::2]]
    train(optim.Adam(free, lr=0.1), free, range(3))
    train(optim.Adam(held, lr=0.1), held, range(3))
    assert bits(free) == bits(held)
    assert [a.tobytes() for a in arrays] == [p.data.tobytes() for p in held[::2]]


def test_a_second_optimizer_shares_the_parameters_of_the_first():
    parameters = some_parameters()
    first = optim.SGD(parameters, lr=0.1)
    train(first, parameters, [0])
    second = optim.SGD(parameters, lr=0.1)
    train(second, parameters, [1])
    assert len({id(p.data.base) for p in parameters}) == 1
    train(first, parameters, [2])
    again = some_parameters()
    train(optim.SGD(again, lr=0.1), again, range(3))
    assert bits(parameters) == bits(again)


def test_what_cannot_be_written_to_moves_to_an_array_that_can():
    p = parameter(np.ones(3))
    before = p.data
    before.flags.writeable = False
    optimizer = optim.SGD([p], lr=1.0)
    give([p], [np.ones(3)])
    optimizer.step()
    assert (p.data == 0).all()
    assert (before == 1).all()


@EACH_RULE
def test_assigned_data_is_taken_up_and_nothing_is_lost(rule, options):
    left, right = some_parameters(), some_parameters()
    one, two = rule(left, lr=0.1, **options), rule(right, lr=0.1, **options)
    train(one, left, range(3))
    train(two, right, range(3))
    for p in right:
        p.data = p.data.copy()  # equal values in another array
    train(one, left, range(3, 6))
    train(two, right, range(3, 6))
    assert bits(left) == bits(right)


def test_assigned_values_are_used():
    p, q = parameter(np.zeros(2)), parameter(np.zeros(2))
    optimizer = optim.SGD([p, q], lr=1.0)
    give([p, q], [np.ones(2)] * 2)
    optimizer.step()
    p.data = np.array([10.0, 20.0])
    q.data[...] = 5.0  # in place: the view is the same
    optimizer.step()
    np.testing.assert_array_equal(p.data, [9.0, 19.0])
    np.testing.assert_array_equal(q.data, [4.0, 4.0])


def test_another_dtype_is_taken_up_with_the_state():
    p = parameter(np.zeros(3, dtype="float64"))
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5)
    give([p], [np.ones(3)])
    optimizer.step()
    p.data = p.data.astype("float32")
    give([p], [np.ones(3)])
    optimizer.step()
    assert p.dtype == "float32"
    np.testing.assert_array_equal(p.data, np.full(3, -2.5, dtype="float32"))


def test_another_shape_is_refused():
    p = parameter(np.zeros(3))
    optimizer = optim.Adam([p])
    give([p], [np.ones(3)])
    optimizer.step()
    p.data = np.zeros(4)
    give([p], [np.ones(4)])
    with pytest.raises(ValueError, match=r"has shape \(4,\) now, but its state 'exp_avg' has shape \(3,\)"):
        optimizer.step()


def test_mixed_dtypes_live_side_by_side():
    one, two = parameter(np.zeros(3, dtype="float32")), parameter(np.zeros(3, dtype="float64"))
    give([one, two], [np.ones(3)] * 2)
    optim.SGD([one, two], lr=0.1).step()
    assert (one.dtype, two.dtype) == ("float32", "float64")
    np.testing.assert_array_equal(one.data, np.full(3, -0.1, dtype="float32"))
    np.testing.assert_array_equal(two.data, np.full(3, -0.1))


def test_two_optimizers_may_share_parameters():
    p = parameter(np.zeros(2))
    one, two = optim.SGD([p], lr=1.0), optim.SGD([p], lr=10.0)
    give([p], [np.ones(2)])
    for _ in range(2):
        one.step()
        two.step()
    np.testing.assert_array_equal(p.data, [-22.0, -22.0])


# ---- checkpoints ----------------------------------------------------------------------------------------------------


@EACH_RULE
@pytest.mark.parametrize("through_json", [False, True])
def test_resumed_is_bit_identical_to_never_stopped(rule, options, through_json):
    parameters = some_parameters("float32")
    optimizer = rule(parameters, lr=0.1, **options)
    train(optimizer, parameters, range(4))
    saved, values = optimizer.state_dict(), [p.data.copy() for p in parameters]
    train(optimizer, parameters, range(4, 8))

    if through_json:
        # Lists do not remember the shape of an array without elements.
        shapes = {i: p.shape for i, p in enumerate(parameters)}
        saved = json.loads(json.dumps(saved, default=lambda array: array.tolist()))
        for i, entry in saved["state"].items():
            entry.update({k: np.reshape(v, shapes[int(i)]) for k, v in entry.items() if v == []})
    resumed = [parameter(v) for v in values]
    second = rule(resumed, lr=0.7, **options)  # the saved rate must win
    second.load_state_dict(saved)
    train(second, resumed, range(4, 8))
    assert bits(resumed) == bits(parameters)


def test_state_dict_is_a_copy_of_plain_things():
    parameters = some_parameters()
    optimizer = optim.Adam(parameters, penalties=[optim.L2(0.1)])
    assert optimizer.state_dict()["state"] == {}
    train(optimizer, parameters, [0])
    saved = optimizer.state_dict()
    before = saved["state"][0]["exp_avg"].copy()
    train(optimizer, parameters, [1])
    np.testing.assert_array_equal(saved["state"][0]["exp_avg"], before)
    assert saved["state"].keys() == {0, 1, 2, 3, 4}
    assert saved["state"][0]["step"] == 1
    assert saved["param_groups"] == [
        {
            "lr": 1e-3,
            "betas": (0.9, 0.999),
            "eps": 1e-8,
            "weight_decay": 0,
            "amsgrad": False,
            "maximize": False,
            "params": [0, 1, 2, 3, 4],
        }
    ]


@EACH_RULE
def test_a_copy_goes_on_by_itself(rule, options):
    parameters = some_parameters()
    optimizer = rule(parameters, lr=0.1, **options)
    train(optimizer, parameters, range(3))
    before = bits(parameters)
    twins, twin = copy.deepcopy((parameters, optimizer))
    train(twin, twins, range(3, 6))
    assert bits(parameters) == before
    train(optimizer, parameters, range(3, 6))
    assert bits(twins) == bits(parameters) != before


def test_state_without_a_step_stays_out():
    one, two = parameter(np.zeros(2)), parameter(np.zeros(3))
    optimizer = optim.Adam([one, two])
    give([one, two], [None, np.ones(3)])
    optimizer.step()
    assert optimizer.state_dict()["state"].keys() == {1}


def test_a_parameter_that_first_moves_after_loading_starts_as_it_would_have():
    def built():
        pair = [parameter(np.zeros(1)), parameter(np.zeros(1))]
        return pair, optim.Adagrad(pair, lr=0.1, initial_accumulator_value=0.5)

    parameters, optimizer = built()
    give(parameters, [[1.0], None])
    optimizer.step()
    others, second = built()
    second.load_state_dict(optimizer.state_dict())
    for each, chosen in ((parameters, optimizer), (others, second)):
        give(each, [None, [1.0]])
        chosen.step()
    assert others[1].data[0] == parameters[1].data[0] == pytest.approx(-0.1 / 1.5**0.5)


def test_loading_keeps_the_dtype_of_the_parameters():
    wide, narrow = some_parameters("float64"), some_parameters("float32")
    optimizer = optim.Adam(wide)
    train(optimizer, wide, [0])
    second = optim.Adam(narrow)
    second.load_state_dict(optimizer.state_dict())
    train(second, narrow, [1])
    assert second.state_dict()["state"][0]["exp_avg"].dtype == "float32"


def test_a_number_for_all_weights_is_loaded_as_pytorch_keeps_it():
    parameters, others = some_parameters("float64"), some_parameters("float64")
    optimizer, second = optim.NAdam(parameters), optim.NAdam(others)
    train(optimizer, parameters, [0, 1])
    state = optimizer.state_dict()
    product = state["state"][0]["mu_product"].reshape(-1)[0]
    for entry in state["state"].values():
        entry["mu_product"] = product
    second.load_state_dict(state)
    for index, entry in optimizer.state_dict()["state"].items():
        np.testing.assert_array_equal(second.state_dict()["state"][index]["mu_product"], entry["mu_product"])


HOW = {"foreach": None, "differentiable": False, "fused": None, "capturable": False, "max_lr": 0.5, "min_lr": 0.1}


@pytest.mark.parametrize(
    ("rule", "more", "missing"),
    [
        (lambda p: optim.SGD(p, lr=0.1), {}, ()),
        (lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5), {}, ("step",)),
        (lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True), {}, ("init",)),
        (lambda p: optim.Adam(p, lr=0.1), {"decoupled_weight_decay": False}, ()),
        (lambda p: optim.AdamW(p, lr=0.1), {"decoupled_weight_decay": True}, ()),
        (lambda p: optim.NAdam(p, lr=0.1), {}, ()),
    ],
)
def test_a_state_dict_of_pytorchs_is_taken(rule, more, missing):
    parameters = some_parameters()
    optimizer = rule(parameters)
    train(optimizer, parameters, range(3))
    state = optimizer.state_dict()
    for each in (*state["param_groups"], *state["state"].values()):
        for name in missing:
            each.pop(name, None)
    state["param_groups"][0].update(HOW, lr=np.array(0.1), **more)
    if isinstance(optimizer, optim.SGD):  # which keeps no step, and None or nothing where there is no momentum
        state["state"] = {i: {"momentum_buffer": None} | entry for i, entry in state["state"].items() if missing}
    others = [parameter(p.data.copy()) for p in parameters]
    second = rule(others)
    second.load_state_dict(state)
    assert second.param_groups[0].keys() == optimizer.param_groups[0].keys()
    for each, chosen in ((parameters, optimizer), (others, second)):
        train(chosen, each, range(3, 6))
    assert bits(others) == bits(parameters)


def test_a_state_of_lists_and_numbers_keeps_its_digits():
    parameters = [parameter(np.zeros(2)), parameter(np.zeros(()))]
    optimizer = optim.Adam(parameters)
    give(parameters, [np.array([0.1, 1 / 3]), np.array(0.7)])
    optimizer.step()
    state = optimizer.state_dict()
    listed = {i: {name: np.asarray(x).tolist() for name, x in entry.items()} for i, entry in state["state"].items()}
    other = optim.Adam([parameter(np.zeros(2)), parameter(np.zeros(()))])
    other.load_state_dict({**state, "state": listed})
    assert {
        i: {name: np.asarray(x).tolist() for name, x in e.items()} for i, e in other.state_dict()["state"].items()
    } == listed


def test_the_state_of_pytorchs_adamw_is_none_of_adams():
    state = adam_state()
    state["param_groups"][0]["decoupled_weight_decay"] = True
    with pytest.raises(ValueError, match=r"decoupled_weight_decay.* it was saved by another kind of optimizer"):
        optim.Adam([parameter(np.zeros(2)), parameter(np.zeros(3))]).load_state_dict(state)


def adam_state(**changes):
    optimizer = optim.Adam([parameter(np.zeros(2)), parameter(np.zeros(3))])
    give(optimizer.param_groups[0]["params"], [np.ones(2), np.ones(3)])
    optimizer.step()
    return optimizer.state_dict() | changes


@pytest.mark.parametrize(
    ("shapes", "rule", "change", "message"),
    [
        ([2], optim.Adam, {}, "has 2 parameters, this Adam's has 1: build the optimizer from the same parameters"),
        ([2, 4], optim.Adam, {}, r"'exp_avg' of parameter 1 has shape \(3,\) in the state dict, the"),
        ([2, 3], optim.SGD, {}, "it was saved by another kind of optimizer"),
        ([2, 3], optim.Adam, {"param_groups": []}, "has 0 parameter groups, this Adam has 1"),
        ([2, 3], optim.Adam, {"state": {7: {"step": 1}}}, "state for parameter 7, but there are 2 here"),
        ([2, 3], optim.Adam, {"state": {-1: {"step": 1}}}, "state for parameter -1, but there are 2 here"),
        ([2, 3], optim.Adam, {"state": {0: {"exp_avg": [0, 0]}}}, 'parameter 0 has no "step"'),
        *(
            ([2, 3], optim.Adam, {"state": {0: {"step": n}}}, f'"step" of parameter 0 is {n!r} in the state dict: it')
            for n in (-1, 1.5, "x", None, True, float("nan"))
        ),
        *(
            ([2, 3], optim.Adam, {"state": {0: {"step": 1, "exp_avg": x}}}, f"'exp_avg' of parameter 0 {what} in the")
            for x, what in (([True, False], "holds bool"), ([1j, 0], "holds complex128"), (3.0, r"has shape \(\)"))
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_changes_nothing(shapes, rule, change, message):
    parameters = [parameter(np.zeros(n)) for n in shapes]
    optimizer = rule(parameters, lr=0.5)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(adam_state(**change))
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.state_dict()["state"] == {}


def test_a_state_that_is_no_dict_is_named():
    with pytest.raises(ValueError, match='has "state" and "param_groups", got 3: give what its own'):
        optim.Adam([parameter([1.0])]).load_state_dict(3)


def test_a_gradient_that_is_no_tensor_is_refused_before_anything_moves():
    first, second = parameter([1.0, 2.0]), parameter([3.0])
    optimizer = optim.SGD([first, second], lr=0.5)
    give([first, second], [[1.0, 1.0], None])
    optimizer.step()  # the two are of different ages now, so they move one after the other
    before = first.data.copy()
    second.grad = np.ones(1, np.float32)
    with pytest.raises(TypeError, match=r"parameter\.grad must be a Tensor or None, got a ndarray"):
        optimizer.step()
    np.testing.assert_array_equal(first.data, before)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda o: o.step(3), TypeError, "step takes a function that gives the loss, or nothing; got 3"),
        (lambda o: o.load_state_dict({"state": {}, "param_groups": 3}), ValueError, "a list of dictionaries, got 3"),
        (lambda o: optim.L2(0.1, roles=None), TypeError, r"got None: write \('weight',\)"),
    ],
)
def test_what_is_of_another_kind_is_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call(optim.SGD([parameter([1.0])], lr=0.1))
