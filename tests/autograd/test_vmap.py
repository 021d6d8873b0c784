"""vmap: its axes and trees, what it does with derivatives and with what it finds around it, and what it refuses.

One idea: a loop over the examples says what is right. That it is so for every operation stands in `test_vmap_laws.py`.
"""

from __future__ import annotations

import functools
import pickle
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor, VmapError, compile, grad, gradients, hessian, hvp, jacobian, jvp, no_grad, vjp, vmap
from autograd.ops.window import windows
from autograd.tree import flatten, map_tree
from nn import functional as F

RNG = np.random.default_rng(0)
X, Y, W = RNG.normal(size=(5, 3)), RNG.normal(size=5), RNG.normal(size=3)


def loss(w: Any, x: Any, y: Any) -> Any:
    return ag.square(ag.tanh(x @ w) - y)


def curved(x: Any) -> Any:
    return (ag.sin(x) * x.sum()).sum()


def close(found: Any, wanted: Any) -> None:
    found, wanted = np.asarray(found.detach()), np.asarray(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def each(f: Any, *columns: Any) -> np.ndarray:
    """What a loop gives."""
    return np.stack([np.asarray(f(*row).detach()) for row in zip(*columns, strict=True)])


# ---- axes and trees -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("axis", "out"), [(np.int64(0), 0), (1, 1), (-1, -1), (2, -2), (-3, 0)])
def test_examples_lie_along_any_axis(axis, out):
    x = RNG.normal(size=(2, 3, 4))
    wanted = np.stack([np.exp(part) for part in np.moveaxis(x, axis, 0)], axis=out)
    close(vmap(ag.exp, axis, out)(x), wanted)


def test_axes_are_numbers_none_or_trees_like_the_arguments():
    def f(p, q):
        return {"sum": p["a"] + q[0] * q[1], "first": p["a"]}

    p, q = {"a": X, "b": "a word"}, [W, X.T]
    found = vmap(f, in_axes=({"a": 0, "b": None}, [None, 1]), out_axes={"sum": 1, "first": 0})(p, q)
    close(found["sum"], (X + W * X).T)
    close(found["first"], X)


def test_arrays_by_keyword_are_taken_along_axis_0_and_other_options_passed_on():
    close(vmap(lambda x, *, y, times: x * y * times)(X, y=Y, times=2.0), X * Y[:, None] * 2.0)


def test_what_does_not_depend_on_the_examples_is_repeated_or_left_alone():
    repeated, number, alone = vmap(lambda x: (Tensor(W), 3.0, W), out_axes=(1, 0, None))(X)
    close(repeated, np.stack([W] * 5, 1))
    assert number.tolist() == [3.0] * 5
    close(alone, W)
    shared = Tensor(W, requires_grad=True)
    vmap(lambda x: shared)(X).sum().backward()
    assert shared.grad.tolist() == [5.0] * 3


def test_no_examples_give_no_results():
    assert vmap(lambda x: (x @ x, ag.exp(x)))(X[:0])[1].shape == (0, 3)
    assert vmap(hessian(curved))(X[:0]).shape == (0, 3, 3)


WRONG = {
    "lengths": (
        lambda: vmap(ag.add)(X, Y[:3]),
        "argument 0 has 5 examples along axis 0, argument 1 has 3 along axis 0",
    ),
    "in a tree": (lambda: vmap(lambda p: p["a"])({"a": X, "b": Y[:2]}), r"argument 0 at \['b'\] has 2 along axis 0"),
    "by keyword": (lambda: vmap(lambda x, *, y: x)(X, y=Y[:3]), "argument 'y' has 3 along axis 0"),
    "no examples": (lambda: vmap(ag.exp, None)(X), "no argument has examples"),
    "too few": (lambda: vmap(ag.add, (0,))(X, Y), r"got 2 argument\(s\), and in_axes has 1 entries"),
    "no such axis": (lambda: vmap(ag.exp, 2)(X), r"argument 0, of shape \(5, 3\), has no axis 2"),
    "a number": (lambda: vmap(ag.add)(X, 1.0), "argument 1 is a float, without examples; let its in_axes be None"),
    "another tree": (lambda: vmap(lambda p: p, [{"b": 0}])({"a": X}), r"in_axes\[0\]={'b': 0} for a dict of 1 part"),
    "results differ": (lambda: vmap(ag.exp, out_axes=None)(X), "differs from example to example"),
    "no such place": (lambda: vmap(ag.exp, out_axes=3)(X), r"gave shape \(3,\) for an example"),
}


@pytest.mark.parametrize("name", WRONG)
def test_axes_that_do_not_fit_are_refused(name):
    call, text = WRONG[name]
    with pytest.raises(ValueError, match=text):
        call()


# ---- derivatives ----------------------------------------------------------------------------------------------------


def test_the_gradient_of_each_example():
    close(vmap(grad(loss), (None, 0, 0))(W, X, Y), each(lambda x, y: grad(loss)(W, x, y), X, Y))


def test_from_outside_a_weight_gets_the_sum_and_each_example_its_own():
    w, x = Tensor(W, requires_grad=True), Tensor(X, requires_grad=True)
    vmap(lambda x, y: loss(w, x, y))(x, Y).sum().backward()
    close(w.grad, each(lambda x, y: grad(loss)(W, x, y), X, Y).sum(0))
    close(x.grad, each(lambda x, y: grad(loss, 1)(W, x, y), X, Y))


def test_what_is_the_same_for_all_counts_for_each():
    w = Tensor(W, requires_grad=True)
    vmap(lambda x: (x * w).sum() + (w * w).sum())(X).sum().backward()
    close(w.grad, X.sum(0) + 5 * 2 * W)


@pytest.mark.parametrize(
    "derivative",
    [
        hessian(curved),
        jacobian(lambda x: ag.tanh(x) * x[0]),
        lambda x: hvp(curved, x, x * 2.0),
        lambda x: jvp(ag.sin, (x,), (Tensor(W),))[1],
        lambda x: vjp(ag.sin, x)[1](Tensor(W))[0],
        grad(lambda x: (grad(curved)(x) ** 2).sum()),
        grad(lambda x: x[0] * x[1] + x[0] * x[0] + (x[1:] * x[:-1]).sum()),
    ],
)
def test_derivatives_of_each_example(derivative):
    close(vmap(derivative)(X), each(derivative, map(Tensor, X)))
    close(compile(vmap(derivative))(Tensor(X)), each(derivative, map(Tensor, X)))


def test_a_pullback_from_outside_takes_many_weights_at_once():
    layer = nn.Linear(3, 4).double()
    f = lambda x: F.gelu(layer(x))  # noqa: E731
    _, pullback = vjp(f, Tensor(X[0]))
    close(vmap(lambda v: pullback(v)[0])(np.eye(4)), jacobian(f)(Tensor(X[0])).detach())
    close(vmap(lambda v: hvp(curved, Tensor(W), v))(np.eye(3)), hessian(curved)(W))


def test_the_derivative_of_a_derivative_of_each_example():
    def total(w):
        return (vmap(grad(loss), (None, 0, 0))(w, X, Y) ** 2).sum()

    def loop(w):
        return sum((grad(loss)(w, x, y) ** 2).sum() for x, y in zip(X, Y, strict=True))

    close(grad(total)(W), grad(loop)(W))
    close(hessian(total)(W), hessian(loop)(W))


def test_runs_inside_each_other_have_axes_of_their_own():
    gram = vmap(lambda a: vmap(lambda b: (a * b).sum(), 1)(X.T))(X)
    close(gram, X @ X.T)
    cross = vmap(lambda x: vmap(lambda w: grad(loss)(w, x, 0.5))(X))(X)
    close(cross, np.stack([[np.asarray(grad(loss)(w, x, 0.5)) for w in X] for x in X]))
    inner = lambda x: vmap(lambda y: jacobian(lambda t: ag.sin(t) * y)(x), out_axes=2)(Y)  # noqa: E731
    close(vmap(inner, out_axes=1)(X), np.stack([np.asarray(inner(x)) for x in X], 1))


def test_what_both_of_two_runs_find_gets_the_sum_over_both():
    w = Tensor(W, requires_grad=True)
    out = vmap(lambda a: vmap(lambda b: ag.tanh(a @ w) * (b * w).sum())(X))(X)
    out.sum().backward()
    close(w.grad, grad(lambda w: sum((ag.tanh(a @ w) * (b * w).sum() for a in X for b in X), 0.0))(W))
    inner = lambda a: vmap(lambda b: grad(lambda w: a[0] * (b * w * w).sum())(w))(X).sum()  # noqa: E731
    (found,) = gradients(vmap(inner)(X).sum(), [w])
    close(found, 2 * X[:, 0].sum() * X.sum(0))


def test_room_made_inside_two_runs_is_written_to_by_both():
    gram = lambda a: lambda b: ag.overlap_add(ag.windows(a * b, size=2), length=3)  # noqa: E731
    close(vmap(lambda a: vmap(gram(a))(X))(X), np.stack([np.stack([gram(a)(b) for b in X]) for a in X]))


def test_room_is_made_for_every_run_whose_examples_are_written():
    def f(w, vectorize=True):
        rows = vmap(lambda x: ag.take_along_axis(x * w, ag.argsort(x * w), axis=-1) * x)
        return ag.sin(jacobian(rows, vectorize=vectorize)(X[:2])).sum()

    close(vmap(grad(f))(X), each(grad(functools.partial(f, vectorize=False)), X))


def test_random_programs_of_transformations():
    rng = np.random.default_rng(1)
    for _ in range(12):
        f, ndim = curved, 0
        for step in rng.permutation(["grad", "vmap", "jacobian", "vmap"])[: rng.integers(2, 5)]:
            if step == "grad" and ndim == 0:
                f, ndim = grad(f), 1
            elif step == "jacobian" and ndim < 2:
                f, ndim = jacobian(f), ndim + 1
        close(vmap(f, 1, -1)(X.T), np.moveaxis(each(f, map(Tensor, X)), 0, -1))
        nested = vmap(vmap(f), 1)(np.stack([X, X + 1.0], 1))
        close(nested, np.stack([each(f, map(Tensor, x)) for x in (X, X + 1.0)]))


# ---- modules --------------------------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    def __init__(self):
        self.steps, self.out = nn.GRU(2, 4, batch_first=True), nn.Linear(4, 4)

    def forward(self, x):
        return self.out(self.steps(x)[0][:, -1])


class Attending(nn.Module):
    def __init__(self):
        self.table = nn.Embedding(7, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 4)

    def forward(self, x):
        return self.out(self.layer(self.table(x)).mean(1))


MODELS = {
    "dense": (lambda: nn.Sequential(nn.Linear(3, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 4)), (5, 3)),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, groups=2),
            nn.BatchNorm2d(4).eval(), nn.Flatten(), nn.Linear(4, 4),
        ),
        (5, 2, 6, 6),
    ),
    "recurrent": (Recurrent, (5, 3, 2)),
    "attention": (Attending, None),
}  # fmt: skip


def test_gradients_of_each_example_by_the_weight_of_a_linear_are_products_of_numbers_and_lie_in_rows():
    layer, x = nn.Linear(4, 3).double(), RNG.normal(size=(5, 1, 4))

    def loss(weight, x):
        return (F.linear(x, weight, layer.bias.detach()) ** 2).sum()

    found = vmap(grad(loss), (None, 0))(layer.weight.detach(), x)
    close(found, each(lambda x: grad(loss)(layer.weight.detach(), x), x))
    assert found.data.flags.c_contiguous
    compiled = compile(vmap(grad(loss), (None, 0)))
    close(compiled(layer.weight.detach(), Tensor(x)), found.numpy())
    assert str(compiled.programs[0]).count("= matmul(") == 1  # forward; backward BLAS would be called once an example


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_each_example_by_the_parameters_of_a_module(name):
    make, shape = MODELS[name]
    model = make().double()
    x, y = RNG.integers(0, 7, (5, 6)) if shape is None else RNG.normal(size=shape), RNG.integers(0, 4, 5)
    own = dict(model.named_parameters())
    parameters = {name: p.detach() for name, p in own.items()}

    def loss(parameters, x, y):
        return F.cross_entropy(nn.functional_call(model, parameters, x[None]), y[None])

    found = vmap(grad(loss), (None, 0, 0))(parameters, x, y)
    compiled = compile(vmap(grad(loss), (None, 0, 0)))(parameters, Tensor(x), Tensor(y))
    for i in range(5):
        model.zero_grad()
        F.cross_entropy(model(Tensor(x[i : i + 1])), Tensor(y[i : i + 1])).backward()
        for name, p in own.items():
            close(found[name][i], p.grad)
            close(compiled[name][i], p.grad)


# ---- what is refused ------------------------------------------------------------------------------------------------

SHARED = Tensor(W, requires_grad=True)


def _written(x: Any) -> Any:
    with no_grad():
        SHARED[0] = x[0]
    return x


def _through_other_view(x: Any) -> Any:
    column = x.reshape((3, 1))
    with no_grad():
        column += 1.0
    return x


def _beneath_other_view(x: Any) -> Any:
    column = x.reshape((3, 1))
    with no_grad():
        x += 1.0
    return column


def _beside_copy(x: Any) -> Any:
    picked = x[[1, 1]]
    flat = picked.reshape(-1)
    with no_grad():
        picked *= 2.0
    return flat


REFUSED = {
    "written beside a copy": (lambda x: _beside_copy(ag.stack([x, x])), "could not follow"),
    "if": (lambda x: x if x.sum() > 0 else -x, "asked for its number"),
    "float": (lambda x: float(x[0]), "asked for its number"),
    "item": (lambda x: x.sum().item(), "asked for its number"),
    "index": (lambda x: [1, 2, 3][x[0].astype("int64")], "asked for its number"),
    "list": (lambda x: x.tolist(), "asked for its values"),
    "print": (lambda x: print(x), "asked for its values"),
    "pickle": (lambda x: pickle.dumps(x), "was pickled"),
    "mask": (lambda x: x[x > 0], "another number of elements"),
    "where": (lambda x: ag.nonzero(x), "another length for each example"),
    "random": (lambda x: F.dropout(x), 'write vmap\\(f, randomness="different"\\)'),
    "draw": (lambda x: nn.Linear(3, 3)(x), "a draw inside vmap is that of all examples"),
    "backward": (lambda x: (x * SHARED).sum().backward(), r"write vmap\(grad\(f\)\)"),
    "sum of gradients": (lambda x: gradients((x * SHARED).sum(), [SHARED])[0], r"write grad\(f\)\(w\)"),
    "written outside": (_written, "write to a Tensor that is the same for all"),
    "written through a view": (_through_other_view, "could not follow"),
    "written beneath a view": (_beneath_other_view, "could not follow"),
    "another device": (lambda x: x.to("guard"), "asked for its values"),
    "running statistics": (
        lambda x: nn.BatchNorm1d(3).double()(x[None] * Tensor(np.ones((2, 1)))),
        "track_running_stats",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_each_examples_own_is_refused(name):
    f, text = REFUSED[name]
    with pytest.raises(VmapError, match=text):
        vmap(f)(Tensor(X))
    assert SHARED.grad is None
    assert SHARED.tolist() == W.tolist()


def test_a_wrong_label_is_refused_though_another_example_has_it():
    with pytest.raises(ValueError, match="labels from 0 to 9"):
        vmap(F.cross_entropy)(Tensor(X), Tensor([0, 1, 9, 2, 0]))
    with pytest.raises(IndexError, match="indices from -1"):
        vmap(F.embedding, (0, None))(Tensor([0, 1, -1]), Tensor(X))


@pytest.mark.parametrize(
    "use",
    [
        lambda kept: print(kept),
        lambda kept: kept.detach().numpy(),
        lambda kept: print(kept + SHARED),
        lambda kept: (kept * SHARED).sum().backward(),
        lambda kept: gradients(kept.sum(), [SHARED]),
        lambda kept: vmap(lambda x: x + kept)(X),
        lambda kept: vmap(lambda x: kept)(X),
    ],
)
def test_what_is_kept_from_a_run_is_refused_afterwards(use):
    kept = []
    vmap(lambda x: kept.append(x * SHARED) or x)(X)
    with pytest.raises(VmapError, match=r"over|kept"):
        use(kept[0])
    assert SHARED.grad is None


def test_a_result_outlives_the_run():
    w = Tensor(W, requires_grad=True)
    out = vmap(lambda x: ag.cumsum(x * w)[1])(X)
    with no_grad():
        w *= 1.0
    out = vmap(lambda x: (x * w)[Tensor([0, 0, 2])])(X)
    out.sum().backward()
    close(w.grad, X.sum(0) * [2, 0, 1])


def test_writes_in_place_stay_with_the_example():
    def f(x):
        y = x * 1.0
        with no_grad():
            y += 1.0
            y[0] = x[2]
            x[1] = 7.0
        return y, x

    before = X.copy()
    y, x = vmap(f)(X)
    close(y, np.stack([X[:, 2], X[:, 1] + 1, X[:, 2] + 1], 1))
    close(x, np.stack([X[:, 0], np.full(5, 7.0), X[:, 2]], 1))
    assert (before == X).all()


def test_writes_go_through_views_in_both_directions():
    def f(x):
        part, rest = x[1:], x[1:][1:]
        with no_grad():
            part += 1.0
            x[2] = 7.0 * x[0]
        return x, part, rest

    for found in zip(vmap(f)(X), zip(*[f(Tensor(row)) for row in X], strict=True), strict=True):
        close(found[0], np.stack([np.asarray(row) for row in found[1]]))


def test_positions_of_examples_index_what_is_the_same_for_all():
    table = Tensor(RNG.normal(size=(4, 3)), requires_grad=True)
    places = np.array([[0, 1], [3, 3], [2, 0]])
    out = vmap(lambda i: table[i])(places)
    close(out, np.asarray(table.detach())[places])
    out.sum().backward()
    close(table.grad, np.bincount(places.ravel(), minlength=4)[:, None] * np.ones((4, 3)))


def test_a_compiled_function_takes_a_mask_that_is_the_same_for_all_as_it_is_at_each_call():
    mask = np.array([True, False, True])
    slope = compile(vmap(grad(lambda x: (x[mask] ** 2).sum())))
    for _ in range(2):
        close(slope(Tensor(X)), 2 * X * mask)
        mask[1:] = [True, False]


def test_anomaly_and_autocast_see_the_examples():
    with pytest.raises(ag.AnomalyError, match="log gave NaN"), ag.anomaly(), np.errstate(all="ignore"):
        vmap(lambda x: ag.log(x))(np.array([1.0, -1.0]))
    x = Tensor(X.astype("float32"))
    with ag.autocast():
        wanted = x @ x.T
        close(vmap(lambda row: x @ row)(x), np.asarray(wanted))


DRAWS = {
    "dropout": lambda x, g: F.dropout(x, 0.5, generator=g),
    "uniform": lambda x, g: x + ag.random.uniform(x.shape, 1.0, 2.0, dtype=x.dtype, generator=g),
    "normal": lambda x, g: x * ag.random.normal((), generator=g),
    "integers": lambda x, g: ag.random.randint(0, 99, (2, 2), generator=g),
    "permutation": lambda x, g: x[ag.random.permutation(3, generator=g)],
}


@pytest.mark.parametrize("run", [lambda f: f, compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", DRAWS)
def test_each_example_draws_its_own_numbers_or_all_the_same(name, run):
    f, x = DRAWS[name], np.ones((6, 3)) * [1.0, 2.0, 3.0]
    alone = np.asarray(f(Tensor(x[0]), ag.random.Generator(7)))
    for how in ("same", "different"):
        g = ag.random.Generator(7)
        found = np.asarray(run(vmap(lambda x: f(x, g), randomness=how))(Tensor(x)))  # noqa: B023
        np.testing.assert_array_equal(found[0], alone)
        assert (found == found[0]).all() == (how == "same")
        assert g.draw == 1


def test_random_numbers_in_runs_inside_each_other():
    def drawn(outer, inner):
        return np.asarray(vmap(lambda x: vmap(lambda y: ag.random.rand(), randomness=inner)(x), randomness=outer)(X))

    for outer in ("different", "same"):
        for inner in ("different", "same"):
            found = drawn(outer, inner)
            wanted = (5 if outer == "different" else 1) * (3 if inner == "different" else 1)
            assert found.shape == (5, 3)
            assert len(np.unique(found)) == wanted
    with pytest.raises(VmapError, match="random numbers were drawn inside vmap"):
        drawn("error", "different")
    with pytest.raises(ValueError, match=r"randomness True is none of \"error\", \"different\" and \"same\"."):
        vmap(ag.exp, randomness=True)


def test_a_gradient_meets_the_numbers_that_were_drawn():
    w = Tensor(np.ones(3), requires_grad=True)
    slope = grad(lambda w: F.dropout(w * w, 0.5).sum())
    out, slopes = vmap(lambda x: (F.dropout(x * w, 0.5), slope(w)), randomness="different")(X)
    (found,) = gradients(out.sum(), [w])
    close(found, np.asarray(out.detach()).sum(0))
    assert {0.0, 4.0} == set(np.asarray(slopes.detach()).ravel())


def test_a_compiled_function_inside_is_run_as_written():
    close(vmap(compile(lambda x: ag.exp(x).sum()))(X), np.exp(X).sum(1))


def test_a_name_of_another_library_is_told():
    with pytest.raises(TypeError, match="in_dims is called in_axes here"):
        vmap(ag.exp, in_dims=0)


MATRIX = np.random.default_rng(5).normal(size=(3, 4))


@pytest.mark.parametrize(
    ("f", "given"),
    [
        (lambda x: ag.tanh(x) @ MATRIX, (MATRIX[:, 0],)),
        (lambda x: (x * x).sum(), (MATRIX,)),
        (lambda x: x[:0], (MATRIX[0],)),
        (lambda x: Tensor(MATRIX), (MATRIX[0],)),
        (lambda x: {"a": x["b"][0] ** 3, "c": [x["b"][1].T @ MATRIX]}, ({"b": (MATRIX, MATRIX)},)),
        (lambda x: ag.softmax(ag.reshape(x, (4, 3))), (MATRIX.astype("float32"),)),
        (lambda x: F.relu(F.linear(x, Tensor(MATRIX))), (MATRIX,)),
        (lambda x: F.conv1d(ag.reshape(x, (1, 3, 4)), Tensor(MATRIX[None, :, :2])), (MATRIX,)),
    ],
)
@pytest.mark.parametrize("run", [lambda f: f, ag.compile], ids=["eager", "compiled"])
def test_all_rows_of_a_jacobian_at_once_are_those_of_many_walks(f, given, run):
    x = map_tree(Tensor, given[0])
    wanted, found = (flatten(run(ag.jacobian(f, vectorize=at_once))(x)) for at_once in (False, True))
    assert found[1] == wanted[1]
    for a, b in zip(found[0], wanted[0], strict=True):
        assert (a.shape, a.dtype, a.requires_grad) == (b.shape, b.dtype, b.requires_grad)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6 if a.dtype == "float32" else 1e-12)


def test_derivatives_of_every_order_go_through_rows_at_once():
    x, w = Tensor(MATRIX[:, 1]), Tensor(MATRIX, requires_grad=True)

    def f(x, w):
        return ag.sin(x @ w) * ag.exp(x).sum()

    def both(what):
        return (what(functools.partial(ag.jacobian, vectorize=at_once)) for at_once in (False, True))

    for what in (
        lambda jacobian: jacobian(jacobian(f))(x, w),
        lambda jacobian: jacobian(jacobian(f, 1), 1)(x, w),
        lambda jacobian: ag.jacobian(jacobian(f, 1))(x, w),
        lambda jacobian: jacobian(jacobian(jacobian(f)))(x, w),
        lambda jacobian: jacobian(lambda w: vmap(lambda x: f(x, w), out_axes=1)(MATRIX.T))(w),
        lambda jacobian: jacobian(lambda w: vmap(jacobian(f, 1), (1, None))(MATRIX, w))(w),
        lambda jacobian: ag.hessian(lambda x: vmap(lambda w: f(x, w).sum())(MATRIX[None]).sum(), vectorize=True)(x),
        lambda jacobian: ag.grad(lambda w: (jacobian(f)(x, w) ** 2).sum())(w),
        lambda jacobian: ag.vmap(jacobian(f, 1), in_axes=(0, None))(Tensor(MATRIX.T), w),
        lambda jacobian: ag.gradients((jacobian(f)(x, w) ** 2).sum(), [w])[0],
    ):
        wanted, found = both(what)
        np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-11, atol=1e-13)
    wanted, found = (ag.hessian(lambda x: f(x, w).sum(), vectorize=how)(x) for how in (False, True))
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("count", [0, 2])
def test_parts_of_what_is_empty_are_written_to_in_a_compiled_function(count: int) -> None:
    def slopes(weight: Any, x: Any) -> Any:
        return vjp(lambda x: windows(x, size=(2,), stride=(1,), dilation=(1,)), x)[1](weight)

    given = ag.ones((3, count, 4, 2)), ag.ones((3, count, 5))
    close(compile(vmap(slopes), executor="numpy")(*given)[0], each(lambda w, x: slopes(w, x)[0], *given))
