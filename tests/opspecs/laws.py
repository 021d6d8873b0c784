"""The laws: what holds for every operation, each a function of a row and one call.

One idea: a law raises AssertionError for an operation that breaks it, so it can be run over the table on any device,
and can itself be tested with an operation that is wrong on purpose. `tests/autograd/test_laws.py` runs them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np

from autograd.backend import arrays_in, is_array, is_number, move, to_host
from autograd.engine import gradients
from autograd.fused import Fused
from autograd.modes import no_grad
from autograd.ops.creation import asarray
from autograd.primitive import Primitive, Rule
from autograd.tensor import Tensor

from .spec import Case, Spec

__all__ = [
    "Slope",
    "check_adjoint",
    "check_definition",
    "check_device",
    "check_dtypes",
    "check_forward",
    "check_layouts",
    "check_memory",
    "check_slope",
    "check_worlds",
    "has_gradient",
    "slope",
]


# ---- a call ---------------------------------------------------------------------------------------------------------


def has_gradient(spec: Spec) -> bool:
    """Whether a gradient goes to any of the inputs."""
    if spec.differentiable is not None:
        return bool(spec.differentiable)
    return not isinstance(spec.op, Primitive) or bool(spec.op.rules)


def placed(value: Any, device: str) -> Any:
    """Arrays, also those inside tuples and lists, on a device; everything else as it is."""
    if isinstance(value, np.ndarray):
        return move(value, device)
    if isinstance(value, (tuple, list)):
        return type(value)(placed(part, device) for part in value)
    return value


def leaves_of(spec: Spec, case: Case, device: str = "cpu") -> list[Tensor]:
    """A leaf for each input to which a gradient goes."""
    return [Tensor(case.inputs[i], device=device, requires_grad=True) for i in spec.differentiable_in(case)]


def cast(case: Case, dtypes: Sequence[str]) -> Case:
    """The same call with its floating point arrays in `dtypes`, taken in turn."""
    turns = itertools.cycle(dtypes)
    inputs = [x.astype(next(turns)) if _is_floating(x) else x for x in case.inputs]
    return Case(tuple(inputs), case.options)


def _is_floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def call(spec: Spec, case: Case, leaves: Sequence[Any], device: str = "cpu") -> Any:
    """The operation with `leaves` in the places of the differentiable inputs."""
    inputs = [placed(x, device) for x in case.inputs]
    for position, leaf in zip(spec.differentiable_in(case), leaves, strict=True):
        inputs[position] = leaf
    return spec.op(*inputs, **{name: placed(value, device) for name, value in case.options.items()})


def as_tensors(case: Case) -> list[Any]:
    """The inputs with every array as a Tensor."""
    return [Tensor(x) if isinstance(x, np.ndarray) else x for x in case.inputs]


def signs(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Plus and minus ones."""
    return rng.integers(0, 2, shape) * 2.0 - 1.0


def host(x: Any) -> np.ndarray:
    """A Tensor, an array or a number as a NumPy array."""
    return np.asarray(to_host(x.data if isinstance(x, Tensor) else x))


def same_bits(a: Any, b: Any) -> bool:
    """Whether two results agree in shape, dtype and every bit (NaN equals NaN)."""
    a, b = host(a), host(b)
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def assert_close(name: str, found: Any, wanted: Any, rtol: float) -> None:
    """Equal shapes, and values within `rtol` of the largest of them, or of 1."""
    found, wanted = host(found), np.asarray(wanted)
    assert found.shape == wanted.shape, f"{name} has shape {found.shape}, wanted {wanted.shape}"
    scale = float(np.max(np.abs(wanted[np.isfinite(wanted)]), initial=1.0))
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * scale, err_msg=name)


# ---- forward --------------------------------------------------------------------------------------------------------


def check_forward(spec: Spec, case: Case) -> None:
    """On bare arrays the operation equals its reference, in shape, in kind of dtype and in value."""
    found = spec.op(*case.inputs, **case.options)
    wanted = np.asarray(spec.reference(*case.inputs, **case.options))
    assert host(found).dtype.kind == wanted.dtype.kind, f"{spec.name} gave {host(found).dtype}, wanted {wanted.dtype}"
    assert_close(spec.name, found, wanted, spec.rtol)


def check_worlds(spec: Spec, case: Case, rng: np.random.Generator) -> None:
    """Arrays and Tensors agree to the last bit: forward, and in the first-order gradient of a primitive.

    The gradient of a fused function on arrays is its kernel's, with create_graph=True its definition's: these agree to
    `approximate`, see `check_definition`.
    """
    leaves = leaves_of(spec, case)
    bare = call(spec, case, [leaf.data for leaf in leaves])
    out = call(spec, case, leaves) if leaves else spec.op(*as_tensors(case), **case.options)
    assert same_bits(bare, out), f"{spec.name}: arrays gave {bare}, Tensors {out}"
    if not leaves or not out.requires_grad:
        return
    with no_grad():
        assert not call(spec, case, leaves).requires_grad
    weights = rng.normal(size=out.shape)
    first = gradients(out, leaves, weights, retain_graph=True, allow_unused=True)
    second = gradients(out, leaves, weights, create_graph=True, allow_unused=True)
    for a, b in zip(first, second, strict=True):
        assert a is not None, f"{spec.name}: an input with a rule got no gradient"
        assert not a.requires_grad, f"{spec.name}: a first-order gradient has a graph"
        if isinstance(spec.op, Fused):
            assert_close(f"{spec.name}: kernel", a, host(b), spec.approximate)
        else:
            assert same_bits(a, b), f"{spec.name}: the gradient on arrays is {a}, with create_graph=True {b}"


def check_dtypes(spec: Spec, case: Case, dtypes: Sequence[str]) -> None:
    """float32 in gives float32 out; a gradient has the dtype of its input, whatever the others are."""
    case = cast(case, dtypes)
    leaves = leaves_of(spec, case)
    out = call(spec, case, leaves)
    wanted = np.result_type(*[x.dtype for x in case.inputs if _is_floating(x)])
    assert out.dtype == wanted, f"{spec.name} gave {out.dtype}, wanted {wanted}"
    for leaf, g in zip(leaves, gradients(out, leaves, np.ones(out.shape, out.dtype)), strict=True):
        assert g.dtype == leaf.dtype, f"{spec.name}: gradient of {g.dtype} for an input of {leaf.dtype}"
        assert g.shape == leaf.shape
    exact = spec.reference(*cast(case, ["float64"]).inputs, **case.options)
    assert_close(f"{spec.name} in {', '.join(dtypes)}", out, exact, spec.rtol32)


@contextmanager
def rules_cannot_write(spec: Spec) -> Iterator[None]:
    """While a rule, or the backward of a kernel, is at work, the arrays that it was given are read-only."""
    operation: Any = spec.op

    def rule(position: int) -> Rule:
        found = type(operation).rule(operation, position)
        gather = found.gather

        def gathered(there: Any, *given: Any) -> Any:  # the sum is its own to write to, and nothing else
            return _read_only(functools.partial(gather, there))(*given)

        return replace(found, function=_read_only(found.function), gather=gathered if gather else None)

    if isinstance(operation, Primitive):
        watch: Any = mock.patch.object(operation, "rule", rule)
    elif isinstance(operation, Fused) and operation.backward is not None:
        watch = mock.patch.object(operation, "backward", _read_only(operation.backward))
    else:
        watch = nullcontext()
    with watch:
        yield


def _read_only(function: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*args: Any, **options: Any) -> Any:
        arrays = [a for a in arrays_in(list(args)) if isinstance(a, np.ndarray) and a.flags.writeable]
        for array in arrays:
            array.flags.writeable = False
        try:
            return function(*args, **options)
        finally:
            for array in arrays:
                array.flags.writeable = True

    return watched


def check_memory(spec: Spec, case: Case, rng: np.random.Generator) -> None:
    """Nothing that came in is written to; the gradients share memory with nothing, and not with each other."""
    leaves = leaves_of(spec, case)
    inputs = [leaf.data for leaf in leaves] + [x for x in case.inputs if isinstance(x, np.ndarray)]
    before = [x.copy() for x in inputs]
    out = call(spec, case, leaves)
    forward = host(out).copy()
    if leaves and out.requires_grad:
        weights = rng.normal(size=out.shape)
        kept = weights.copy()
        with rules_cannot_write(spec):
            found = [host(g) for g in gradients(out, leaves, weights)]
        for i, g in enumerate(found):
            for other in (*inputs, weights, out.data, *found[:i]):
                assert not np.shares_memory(g, other), f"{spec.name}: a gradient shares memory"
        assert same_bits(weights, kept), f"{spec.name} wrote to the gradient that came in"
    for x, copy in zip(inputs, before, strict=True):
        assert same_bits(x, copy), f"{spec.name} wrote to an input"
    assert same_bits(out, forward), f"{spec.name} wrote to its own result"


def lying_otherwise(x: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """The same numbers in arrays that lie otherwise in memory, each with what to call it."""
    records = np.zeros(x.shape, [("byte", "u1"), ("number", x.dtype)])
    records["number"] = x
    yield "in the fields of records", records["number"]
    unaligned = np.zeros(x.nbytes + 1, "u1")[1:].view(x.dtype).reshape(x.shape)
    unaligned[...] = x
    yield "at an odd address", unaligned
    read_only = x.copy()
    read_only.flags.writeable = False
    yield "read-only", read_only
    yield "of a class of its own", x.copy().view(_Own)
    if x.ndim:
        order = rng.permutation(x.ndim)
        yield f"in the order of axes {order}", np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        axis = int(rng.integers(x.ndim))
        yield f"backwards along axis {axis}", np.flip(np.flip(x, axis).copy(), axis)
        larger = np.full(tuple(2 * n + 1 for n in x.shape), 77, x.dtype)
        part = tuple(slice(1, None, 2) for _ in x.shape)
        larger[part] = x
        yield "every other element", larger[part]


class _Own(np.ndarray):
    """An array of a user's own class."""


def check_layouts(spec: Spec, case: Case, rng: np.random.Generator) -> None:
    """However an input lies in memory, the result and the gradients are the same, and it is left as it is."""
    plain = [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in case.inputs]
    wanted = _result_and_gradients(spec, Case(tuple(plain), case.options))
    for place, x in enumerate(plain):
        for name, other in lying_otherwise(x, rng) if isinstance(x, np.ndarray) else ():
            given = Case((*plain[:place], other, *plain[place + 1 :]), case.options)
            for a, b in zip(_result_and_gradients(spec, given), wanted, strict=True):
                assert a.dtype == b.dtype, f"{spec.name} with input {place} {name} gave {a.dtype}, else {b.dtype}"
                assert_close(f"{spec.name} with input {place} {name}", a, b, max(spec.rtol, 1e-10))
            assert same_bits(other, x), f"{spec.name} wrote to input {place}"


def _result_and_gradients(spec: Spec, case: Case) -> list[np.ndarray]:
    """What the operation gives for arrays where they lie, and the gradient for each differentiable one."""
    leaves = [asarray(case.inputs[i]).requires_grad_() for i in spec.differentiable_in(case)]
    out = call(spec, case, leaves)
    if not leaves or not out.requires_grad:
        return [host(out)]
    weights = np.cos(np.arange(out.size)).reshape(out.shape)
    return [host(out), *map(host, gradients(out, leaves, weights))]


# ---- slopes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slope:
    """A derivative along a direction: as the rules say, as differences say, and how large its parts are."""

    by_rules: float
    by_differences: float
    scale: float

    @property
    def agrees(self) -> bool:
        """Whether the two are one number, to what differences can tell."""
        return abs(self.by_rules - self.by_differences) <= 1e-5 * (1.0 + self.scale)


STEP = 1e-3


def slope(spec: Spec, case: Case, rng: np.random.Generator, order: int = 1) -> Slope:
    """The derivative of that order along random directions of plus and minus ones.

    F0 = <w, f(x)> with random w, and F(k+1) = <gradient of F(k), d(k)>; what is compared is the slope of F(order - 1).
    From the second order on, w is an input like x, so that the way of g through a rule is seen too.
    """
    arrays = [leaf.data for leaf in leaves_of(spec, case)]
    out = host(call(spec, case, arrays))
    arrays.append(rng.normal(size=out.shape))
    directions = [[signs(a.shape, rng) for a in arrays] for _ in range(order)]
    steps = directions.pop()
    if order == 1:
        steps[-1] = np.zeros_like(steps[-1])

    def value(h: float) -> float:
        leaves = [Tensor(a + h * d, requires_grad=True) for a, d in zip(arrays, steps, strict=True)]
        return float(_descended(spec, case, leaves, directions).item())

    # Differences at h and h/2 together cancel the error of h^2 (Richardson), so it is of h^4.
    near, far = ((value(h) - value(-h)) / (2 * h) for h in (STEP / 2, STEP))
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    top = _descended(spec, case, leaves, directions)
    found = gradients(top, leaves, allow_unused=True) if top.requires_grad else []
    products = [host(g) * d for g, d in zip(found, steps, strict=False) if g is not None]
    return Slope(
        sum((float(p.sum()) for p in products), 0.0),
        near + (near - far) / 3,
        sum((float(np.abs(p).sum()) for p in products), 0.0),
    )


def _descended(spec: Spec, case: Case, leaves: list[Tensor], directions: list[list[np.ndarray]]) -> Tensor:
    value = (call(spec, case, leaves[:-1]) * leaves[-1]).sum()
    for direction in directions:
        if not value.requires_grad:
            return Tensor(np.zeros(()))
        found = gradients(value, leaves, create_graph=True, allow_unused=True)
        value = Tensor(np.zeros(()))
        for g, d in zip(found, direction, strict=True):
            if g is not None:
                value = value + (g * d).sum()
    return value


def check_slope(spec: Spec, case: Case, rng: np.random.Generator, order: int) -> None:
    """The gradient of that order is the slope that differences measure."""
    found = slope(spec, case, rng, order)
    assert found.agrees, f"order {order} of {spec.name}: {found}"


# ---- adjoints, kernels, devices -------------------------------------------------------------------------------------


def check_adjoint(spec: Spec, case: Case, rng: np.random.Generator) -> None:
    """<f(x), y> = <x, f*(y)>, and the gradient of a linear operation is f*."""
    assert spec.adjoint is not None
    x, *others = case.inputs
    out = host(spec.op(*case.inputs, **case.options))
    y = rng.normal(size=out.shape)
    back = host(spec.adjoint(y, x, *others, **case.options))
    assert back.shape == x.shape, f"{spec.name}: f* gave shape {back.shape}, x has {x.shape}"
    scale = 1.0 + float(np.abs(out * y).sum())
    assert abs(float((out * y).sum()) - float((x * back).sum())) <= 1e-12 * scale
    (leaf,) = leaves_of(spec, case)
    (g,) = gradients(call(spec, case, [leaf]), [leaf], y)
    assert_close(f"{spec.name}: gradient", g, back, 1e-12)


def check_definition(spec: Spec, case: Case, rng: np.random.Generator) -> None:
    """A kernel equals the definition that it stands for, forward and backward, and so does what backward records."""
    leaves = leaves_of(spec, case)
    twins = leaves_of(spec, case)
    out = call(spec, case, leaves)
    assert isinstance(spec.op, Fused)
    inputs = list(case.inputs)
    for position, twin in zip(spec.differentiable_in(case), twins, strict=True):
        inputs[position] = twin
    wanted = spec.op.definition(*inputs, **case.options)
    assert_close(spec.name, out, host(wanted), spec.approximate)
    if not leaves:
        return
    weights = rng.normal(size=out.shape)
    alone = [gradients(out, [leaf], weights, create_graph=True, allow_unused=True)[0] for leaf in leaves]
    found = gradients(out, leaves, weights, allow_unused=True)
    true = gradients(wanted, twins, weights, allow_unused=True)
    for g, t in zip([*found, *alone], [*true, *true], strict=True):
        zeros = np.zeros(g.shape)  # an input on which the definition does not depend
        assert_close(f"{spec.name}: gradient", g, zeros if t is None else host(t), spec.approximate)


def check_device(spec: Spec, case: Case, rng: np.random.Generator, device: str, waits: Callable[[], int]) -> None:
    """Another device gives the numbers of the CPU, forward and backward, and the host never waits for it.

    `waits()` says how often it has waited so far.
    """
    here, there = leaves_of(spec, case), leaves_of(spec, case, device)
    weights = rng.normal(size=host(call(spec, case, here)).shape)
    g_there = move(weights, device)
    before = waits()
    out = call(spec, case, there, device)
    found = gradients(out, there, g_there) if there and out.requires_grad else []
    if not spec.synchronizes:
        assert waits() == before, f"{spec.name} made the host wait for the device"
    assert is_array(bare := out.data if isinstance(out, Tensor) else out) or is_number(bare)
    wanted = call(spec, case, here)
    assert_close(f"{spec.name} on {device}", out, host(wanted), spec.rtol)
    for g, w in zip(found, gradients(wanted, here, weights) if found else [], strict=True):
        assert g.device.startswith(device), f"{spec.name}: gradient on {g.device}"
        assert_close(f"{spec.name}: gradient on {device}", g, host(w), 1e-9)
