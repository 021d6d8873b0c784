"""Fused functions: the kernel in the first order, the definition in every other case, the same numbers from both."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, gradients
from autograd.errors import RuleError, WrittenError
from autograd.fused import fused, fused_functions
from nn.functional import fused_conv, linear
from nn.functional.total_loss import total_loss

from .leaves import leaf, same


class Log:
    """What was called, in order."""

    def __init__(self):
        self.calls = []

    def __call__(self, word):
        self.calls.append(word)

    def take(self):
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def product(log):
    """x * y^2 * scale, with a kernel that declines integers."""
    before = dict(fused_functions)

    @fused
    def fat_product(x, y, *, scale=1.0):
        """x * y^2 * scale."""
        log("definition")
        return x * y * y * scale

    def forward(xp, x, y, *, scale):
        if x.dtype.kind != "f":
            return NotImplemented
        log("forward")
        return x * y * y * scale, x * y

    def backward(xp, g, needs, inputs, residuals, *, scale):
        log(f"backward {needs}")
        _, y = inputs
        return g * y * y * scale if needs[0] else None, g * 2.0 * residuals * scale if needs[1] else None

    fat_product.kernel(forward, backward)
    yield fat_product
    fused_functions.clear()
    fused_functions.update(before)


X, Y = np.array([1.0, 2.0]), np.array([3.0, 0.5])


def test_first_order_uses_the_kernel(product, log):
    x, y = leaf(X), leaf(Y)
    z = product(x, y, scale=2.0)
    assert z.node.primitive is product
    z.sum().backward()
    assert log.take() == ["forward", "backward (True, True)"]
    same(x.grad, 2 * Y**2)
    same(y.grad, 4 * X * Y)


def test_bare_arrays_stay_bare(product, log):
    z = product(X, Y)
    assert isinstance(z, np.ndarray)
    assert log.take() == ["forward"]


def test_create_graph_uses_the_definition(product, log):
    x, y = leaf(X), leaf(Y)
    first = gradients(product(x, y, scale=2.0).sum(), [x, y], create_graph=True)
    assert log.take() == ["forward", "definition"]
    same(first[0], 2 * Y**2)
    same(first[1], 4 * X * Y)
    (mixed,) = gradients(first[0].sum(), [y], create_graph=True)
    same(mixed, 4 * Y)
    (third,) = gradients(mixed.sum(), [y])
    same(third, [4.0, 4.0])


def test_needs_say_which_gradients_are_wanted(product, log):
    x, y = leaf(X), leaf(Y)
    product(x, Tensor(Y)).sum().backward()
    assert log.take()[-1] == "backward (True, False)"
    z = product(x * 1.0, y * 1.0).sum()
    log.take()
    gradients(z, [y], retain_graph=True)
    assert log.take() == ["backward (False, True)"]
    gradients(z, [x], create_graph=True)
    assert log.take() == ["definition"]


def test_a_declined_case_takes_the_definition(product, log):
    z = product(Tensor([1, 2]), Tensor([3, 4]))
    assert log.take() == ["definition"]
    assert z.tolist() == [9, 32]
    y = leaf(Y)
    product(np.array([1, 2]), y).sum().backward()
    assert log.take() == ["definition"]
    same(y.grad, 2 * np.array([1, 2]) * Y)


def test_inputs_may_come_by_keyword(product, log):
    x, y = leaf(X), leaf(Y)
    product(y=y, x=x).sum().backward()
    same(x.grad, Y**2)
    same(y.grad, 2 * X * Y)


def test_one_tensor_as_both_inputs(product):
    x = leaf(X)
    product(x, x).sum().backward()
    same(x.grad, 3 * X**2)
    (first,) = gradients(product(x, x).sum(), [x], create_graph=True)
    same(first, 3 * X**2)
    same(gradients(first.sum(), [x])[0], 6 * X)


def test_under_no_grad_no_node_is_made(product, log):
    with ag.no_grad():
        z = product(leaf(X), leaf(Y))
    assert not z.requires_grad
    assert log.take() == ["forward"]


def test_saved_arrays_of_kernels_are_watched(product):
    x, y = leaf(X), leaf(Y)
    z = product(x, y).sum()
    with ag.no_grad():
        y += 1.0
    with pytest.raises(WrittenError, match="fat_product needs its inputs"):
        z.backward()
    with ag.anomaly():
        z = product(x, y).sum()
        assert not x.data.flags.writeable
        z.backward()
    assert x.data.flags.writeable


def test_recorded_gradients_take_the_place_of_the_definition(product, log):
    @product.recorded
    def _(g, needs, inputs, residuals, *, scale):
        log(f"recorded {needs}")
        x, y = inputs
        assert residuals is not None
        return g * y * y * scale if needs[0] else None, 2.0 * g * x * y * scale if needs[1] else None

    x, y = leaf(X), leaf(Y)
    of_x, of_y = gradients(product(x, y, scale=3.0).sum(), [x, y], create_graph=True)
    (of_x_alone,) = gradients(product(x, y, scale=3.0).sum(), [x], create_graph=True)
    assert log.take() == ["forward", "recorded (True, True)", "forward", "recorded (True, False)"]
    same(of_x, 3.0 * Y * Y)
    same(of_x_alone, 3.0 * Y * Y)
    same(of_y, 6.0 * X * Y)
    same(gradients(of_x_alone.sum(), [y])[0], 6.0 * Y)  # y asked for no gradient of its own, and has its slope
    of_xy, of_yy = gradients(of_y.sum(), [x, y], create_graph=True)
    same(of_xy, 6.0 * Y)
    same(of_yy, 6.0 * X)
    same(gradients(of_xy.sum(), [y])[0], np.full_like(Y, 6.0))
    assert log.take() == []


WINDOWS = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


@pytest.mark.parametrize(
    ("operation", "shapes", "options"),
    [
        (linear, ((3, 2), (4, 2)), {}),
        (total_loss, ((3, 2), (3, 2)), {"kind": "square", "mean": True}),
        (fused_conv.conv, ((1, 2, 3, 3), (2, 2, 2, 2)), WINDOWS),
        (fused_conv.conv_transpose, ((1, 2, 3, 3), (2, 2, 2, 2)), {**WINDOWS, "length": (4, 4)}),
    ],
    ids=["linear", "loss", "conv", "conv_transpose"],
)
def test_layers_and_losses_are_not_computed_again_to_be_differentiated_twice(operation, shapes, options, monkeypatch):
    rng = np.random.default_rng(0)
    x, w = (leaf(rng.normal(size=shape)) for shape in shapes)
    out = operation(x, w, **options)
    monkeypatch.setattr(operation, "definition", None)
    of_x, of_w = gradients((out**3).sum(), [x, w], create_graph=True)
    (of_x.sum() + (of_w**2).sum()).backward()
    assert x.grad.shape == x.shape
    assert w.grad.shape == w.shape


def test_a_kernel_for_devices_is_called_there_and_that_for_the_host_nowhere_else(log):
    before = dict(fused_functions)

    @fused
    def fat_double(x):
        return x * 2.0

    def named(name, *, forward):
        def on_arrays(xp, *given):
            log(f"{name} {xp.__name__}")
            return (given[0] * 2.0, None) if forward else (given[0] * 2.0,)

        return on_arrays

    host, elsewhere = [
        [named(f"{place} {way}", forward=way == "forward") for way in ("forward", "backward")]
        for place in ("host", "elsewhere")
    ]
    fat_double.kernel(*host, elsewhere)
    try:
        fat_double(leaf(X)).sum().backward()
        assert log.take() == ["host forward numpy", "host backward numpy"]
        x = leaf(X).to("guard").detach().requires_grad_()
        fat_double(x).sum().backward()
        assert log.take() == ["elsewhere forward guard", "elsewhere backward guard"]
        same(x.grad.to("cpu"), [2.0, 2.0])
    finally:
        fused_functions.clear()
        fused_functions.update(before)


def test_a_call_may_leave_out_what_has_a_default(log):
    before = dict(fused_functions)

    @fused
    def fat_affine(x, factor=3.0, summand=1.0, *, scale=1.0):
        return (x * factor + summand) * scale

    def forward(xp, x, factor, summand, *, scale):
        log("kernel")
        return (x * factor + summand) * scale, None

    fat_affine.kernel(forward, lambda xp, g, needs, inputs, residuals, *, scale: (g * inputs[1] * scale, None, None))
    try:
        for call, wanted in [
            (lambda x: fat_affine(x), X * 3 + 1),
            (lambda x: fat_affine(x, 2.0), X * 2 + 1),
            (lambda x: fat_affine(x, 2.0, scale=4.0), (X * 2 + 1) * 4),
            (lambda x: fat_affine(x, summand=5.0), X * 3 + 5),
            (lambda x: fat_affine(scale=4.0, summand=5.0, x=x), (X * 3 + 5) * 4),
        ]:
            same(call(leaf(X)), wanted)
            assert log.take() == ["kernel"]
        for call in (
            lambda x: fat_affine(x, 1.0, 1.0, 1.0),
            lambda x: fat_affine(x, 1.0, 1.0, size=1.0),
            lambda x: fat_affine(x, size=1.0),
            lambda x: fat_affine(),
        ):
            with pytest.raises(TypeError, match="fat_affine"):
                call(leaf(X))
        assert log.take() == []
    finally:
        fused_functions.clear()
        fused_functions.update(before)


def test_gradients_that_are_one_array_are_kept_apart():
    before = dict(fused_functions)

    @fused
    def fat_sum(x, y):
        return x + y

    fat_sum.kernel(lambda xp, x, y: (x + y, None), lambda xp, g, needs, inputs, residuals: (g, g))
    try:
        x, y = leaf(X), leaf(Y)
        incoming = np.ones(2)
        fat_sum(x, y).backward(incoming)
        assert not np.shares_memory(x.grad.data, y.grad.data)
        assert not np.shares_memory(x.grad.data, incoming)
    finally:
        fused_functions.clear()
        fused_functions.update(before)


def test_without_a_kernel_it_is_its_definition():
    before = dict(fused_functions)
    try:

        @fused
        def fat_square(x):
            return x * x

        x = leaf(X)
        y = fat_square(x)
        assert y.node.primitive.name == "multiply"
        with pytest.raises(RuleError, match="there is a fused function fat_square already"):

            @fused
            def fat_square(x):
                return x
    finally:
        fused_functions.clear()
        fused_functions.update(before)


def test_a_call_that_does_not_fit_shows_the_signature(product):
    with pytest.raises(TypeError, match=r"fat_product\(x, y, \*, scale=1\.0\): .*unexpected keyword argument 'size'"):
        product(X, Y, size=3)
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        product(leaf(X))
    with pytest.raises(TypeError, match=r"options go by keyword: fat_product\(x, y, scale=2\.0\)"):
        product(leaf(X), leaf(Y), 2.0)
