"""Every law over every row of the table of operations: see `tests/opspecs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st

from autograd.engine import gradients
from autograd.fused import Fused, fused_functions
from autograd.ops.cast import move
from autograd.ops.products import prod
from autograd.primitive import Primitive, Rule, primitives
from autograd.tensor import Tensor
from tests.guard import guard
from tests.opspecs import SPECS, Case, Spec, laws
from tests.opspecs.spec import Values, elementwise_cases, generators

ROOMS = ("autograd.", "nn.", "optim.", "recipe.")
WAYS = "autograd.vmap"  # the ways into a run of vmap and out of it have laws of their own, in test_vmap_laws.py


def over(examples: int, applies: Callable[[Spec], bool] = lambda spec: True) -> Callable[..., Any]:
    """Run a law over the rows to which it applies, with so many calls each."""

    def decorate(law: Callable[..., None]) -> Callable[..., None]:
        law = given(data=st.data(), rng=generators())(law)
        law = settings(max_examples=examples, suppress_health_check=list(HealthCheck))(law)
        return pytest.mark.parametrize("spec", [pytest.param(s, id=s.name) for s in SPECS if applies(s)])(law)

    return decorate


def to_order(order: int) -> Callable[[Spec], bool]:
    """Whether a row asks for that order."""
    return lambda spec: laws.has_gradient(spec) and spec.order >= order


def test_every_primitive_and_fused_function_has_a_row() -> None:
    covered = {id(spec.op) for spec in SPECS}
    registered = {**primitives, **fused_functions}
    missing = [
        name
        for name, operation in registered.items()
        if id(operation) not in covered and operation.__module__.startswith(ROOMS) and operation.__module__ != WAYS
    ]
    assert not missing, f"add a row in tests/opspecs for: {', '.join(missing)}"


def test_no_two_rows_have_one_name() -> None:
    names = [spec.name for spec in SPECS]
    assert len(set(names)) == len(names)


OF_ONE_AXIS = {"broadcast_to", "cumulative_prod", "cumulative_sum", "diag_embed"}


@pytest.mark.parametrize("spec", [pytest.param(s, id=s.name) for s in SPECS])
def test_the_first_case_of_a_row_holds_something(spec: Spec) -> None:
    seen: list[Case] = []
    settings(max_examples=1, phases=[Phase.generate])(given(spec.cases)(lambda case: seen.append(case)))()
    arrays = [x for x in seen[0].inputs if isinstance(x, np.ndarray)]
    assert all(x.size > 1 for x in arrays), f"{spec.name} begins with {seen[0]}"
    axes = max(sum(n > 1 for n in x.shape) for x in arrays)
    assert axes > 1 or spec.name in OF_ONE_AXIS, f"{spec.name} begins with {seen[0]}"


@pytest.mark.parametrize(
    "corner",
    [
        lambda x: x.ndim == 0,
        lambda x: x.ndim > 0 and x.size == 1,
        lambda x: x.size == 0,
        lambda x: x.size > 1 and not x.flags.c_contiguous,
        lambda x: x.size > 1 and x.strides[-1] < 0,
    ],
    ids=["0-d", "size 1", "empty", "strided", "backwards"],
)
def test_the_corners_are_among_the_cases(corner: Callable[[np.ndarray], bool]) -> None:
    find(elementwise_cases(Values()), lambda case: corner(case.inputs[0]))


@over(8)
def test_forward_equals_the_reference(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_forward(spec, data.draw(spec.cases))


@over(5)
def test_arrays_and_tensors_agree_to_the_last_bit(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_worlds(spec, data.draw(spec.cases), rng)


@over(8, to_order(1))
def test_the_gradient_is_the_slope(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_slope(spec, data.draw(spec.cases), rng, 1)


@over(5, to_order(2))
def test_the_gradient_of_the_gradient_is_its_slope(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_slope(spec, data.draw(spec.cases), rng, 2)


@over(4, to_order(3))
def test_the_third_order_is_the_slope_of_the_second(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_slope(spec, data.draw(spec.cases), rng, 3)


@over(4, lambda spec: laws.has_gradient(spec) and spec.same_dtype)
def test_float32_in_gives_float32_out_and_float32_gradients(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    case = data.draw(spec.cases)
    dtypes = data.draw(st.sampled_from([["float32"], ["float32"], ["float32", "float64"]]))
    assume(spec.differentiable_in(case))
    laws.check_dtypes(spec, case, dtypes)


@over(2)
def test_it_is_the_same_however_an_input_lies_in_memory(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_layouts(spec, data.draw(spec.cases), rng)


@over(4)
def test_nothing_is_written_and_no_memory_is_shared(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_memory(spec, data.draw(spec.cases), rng)


@over(8, lambda spec: spec.adjoint is not None)
def test_adjoint_pairs(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_adjoint(spec, data.draw(spec.cases), rng)


@over(10, lambda spec: isinstance(spec.op, Fused))
def test_a_kernel_equals_its_definition(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_definition(spec, data.draw(spec.cases), rng)


@over(4, lambda spec: spec.op is not move)
def test_cupys_rules_are_kept_without_waiting(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_device(spec, data.draw(spec.cases), rng, "guard", lambda: guard.synchronizations)


@pytest.mark.gpu
@over(5, lambda spec: spec.op is not move and spec.unique)
def test_the_gpu_gives_the_same_numbers(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    laws.check_device(spec, data.draw(spec.cases), rng, "cuda", lambda: 0)


# The checker itself


def one_per_cent_off(rule: Rule | None) -> Rule | None:
    """The same rule, and one per cent too large."""
    if rule is None:
        return None
    return Rule(lambda g, *kept: rule.function(g, *kept) * 1.01, rule.keeps)


@over(5, lambda spec: isinstance(spec.op, Primitive) and laws.has_gradient(spec))
def test_a_rule_one_per_cent_off_is_caught(spec: Spec, data: Any, rng: np.random.Generator) -> None:
    case = data.draw(spec.cases)
    operation = spec.op
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operation, "rule", lambda position: one_per_cent_off(type(operation).rule(operation, position)))
        wrong = laws.slope(spec, case, rng)
    # Parts that cancel along the direction drawn show nothing.
    assume(abs(wrong.by_rules) > 0.01 * (1.0 + wrong.scale))
    assert not wrong.agrees, f"{spec.name}: {wrong} passed"


def test_a_rule_that_is_blind_to_tensors_is_caught() -> None:
    def blind(g: Any, x: Any) -> Any:
        return g * Tensor(np.cos(x.data)) if isinstance(x, Tensor) else g * np.cos(x)

    spec = next(spec for spec in SPECS if spec.name == "sin")
    rule = Rule(blind, spec.op.rule(0).keeps)
    case = Case((np.array([0.3, 1.0, 1.7]),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec.op, "rule", lambda position: rule)
        assert laws.slope(spec, case, np.random.default_rng(0), 1).agrees
        assert not laws.slope(spec, case, np.random.default_rng(0), 2).agrees


def test_a_forward_that_reads_memory_as_it_lies_is_caught() -> None:
    spec = next(spec for spec in SPECS if spec.name == "exp")
    case, rng = Case((np.arange(60.0).reshape(3, 4, 5) / 60,)), np.random.default_rng(0)
    laws.check_layouts(spec, case, rng)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec.op, "forward", lambda xp, x: xp.exp(x.ravel(order="K")).reshape(x.shape))
        with pytest.raises(AssertionError, match="exp with input 0 in the order of axes"):
            laws.check_layouts(spec, case, rng)


def test_a_rule_that_writes_is_caught() -> None:
    def writes(g: Any, out: Any) -> Any:
        g *= out
        return g

    spec = next(spec for spec in SPECS if spec.name == "exp")
    keeps = spec.op.rule(0).keeps
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(spec.op), "rule", lambda operation, position: Rule(writes, keeps))
        with pytest.raises(ValueError, match="read-only"):
            laws.check_memory(spec, Case((np.ones(3),)), np.random.default_rng(0))


# Promises by name


def test_a_float32_array_times_a_python_number_stays_float32() -> None:
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = x * 2.0
    assert y.dtype == np.float32
    assert gradients(y.sum(), [x])[0].dtype == np.float32


def test_the_gradient_of_prod_at_a_zero_is_the_product_of_the_others() -> None:
    x = Tensor(np.array([0.0, 2.0, 3.0]), requires_grad=True)
    (g,) = gradients(prod(x), [x])
    assert g.tolist() == [6.0, 0.0, 0.0]
