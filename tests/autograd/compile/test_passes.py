"""Passes that leave things out, what nobody reads and what was computed already, and one that writes sums for einsum.

One idea: a pass is from program to program, so each test is a program before it and one after, as text.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.compile.passes import simplified
from autograd.compile.passes.common import without_repetition
from autograd.compile.passes.dead import without_dead
from autograd.compile.passes.early import with_early_sums
from autograd.compile.passes.norms import with_plain_norms
from autograd.compile.passes.row_sums import with_row_sums
from autograd.compile.passes.split_sums import with_split_sums
from autograd.compile.program import Instruction, Program, Variable


class Box:
    """A place with a name."""

    def __init__(self, name: str) -> None:
        self.name, self.array = name, np.zeros(2)

    def __str__(self) -> str:
        return self.name

    def get(self) -> Any:
        return self.array

    def put(self, array: Any) -> None:
        self.array = array


def program(*lines: tuple[Any, ...], arguments: int = 1, places: int = 0, give: Any = (), write: Any = ()) -> Program:
    """A program over float64[2]: lines are (function, inputs, options); variables are numbered as in its text.

    Arguments come first, then places; V(3) in an input is the third variable.
    """
    variables = [Variable(i + 1, (2,), np.dtype("float64")) for i in range(arguments + places + len(lines))]
    made = Program(arguments=variables[:arguments])
    boxes = [Box(f"box {i + 1}") for i in range(places)]
    made.places = list(zip(boxes, variables[arguments:], strict=False))

    def named(value: Any) -> Any:
        if isinstance(value, V):
            return variables[value - 1]
        if type(value) in (tuple, list):
            return type(value)(map(named, value))
        return value

    for (function, inputs, *options), out in zip(lines, variables[arguments + places :], strict=True):
        given = {name: named(value) for name, value in (options[0] if options else {}).items()}
        made.instructions.append(Instruction(function.__name__, function, named(inputs), given, out))
    made.results = [variables[i - 1] for i in give]
    made.writes = [(boxes[box - 1], variables[i - 1]) for box, i in write]
    return made


class V(int):
    """The number of a variable."""


def text(made: Program) -> list[str]:
    """The lines of a program without dtypes."""
    return str(made).replace(": float64[2]", "").splitlines()


# ---- dead ----------------------------------------------------------------------------------------------------------


def test_what_nobody_reads_is_left_out() -> None:
    before = program(
        (np.exp, (V(1),)),
        (np.sin, (V(1),)),
        (np.cos, (V(3),)),
        (np.add, (V(2), V(1))),
        give=[5],
    )
    assert text(without_dead(before)) == ["%1 = argument", "%2 = exp(%1)", "%5 = add(%2, %1)", "give %5"]
    assert len(before.instructions) == 4  # the program that came in is as it was


def test_what_is_read_inside_containers_and_options_stays() -> None:
    before = program(
        (np.exp, (V(1),)),
        (np.sin, (V(1),)),
        (np.cos, (V(1),)),
        (np.tan, (V(1),)),
        (np.stack, ([V(2), V(1)],), {"out": (V(3),)}),
        give=[6],
    )
    assert text(without_dead(before)) == [
        "%1 = argument",
        "%2 = exp(%1)",
        "%3 = sin(%1)",
        "%6 = stack([%2, %1], out=(%3,))",
        "give %6",
    ]


def test_what_is_written_stays_and_places_nobody_reads_go() -> None:
    before = program((np.exp, (V(2),)), (np.sin, (V(3),)), arguments=1, places=2, write=[(2, 4)])
    assert text(without_dead(before)) == ["%1 = argument", "%2 = box 1", "%4 = exp(%2)", "box 2 <- %4", "give nothing"]


def test_a_result_that_is_an_argument_needs_no_instruction() -> None:
    assert text(without_dead(program((np.exp, (V(1),)), give=[1]))) == ["%1 = argument", "give %1"]


# ---- repetition ----------------------------------------------------------------------------------------------------


def test_what_was_computed_already_is_taken_from_there() -> None:
    before = program(
        (np.exp, (V(1),)),
        (np.exp, (V(1),)),
        (np.multiply, (V(2), V(3))),
        (np.multiply, (V(3), V(3))),
        (np.add, (V(4), V(5))),
        give=[6, 3],
    )
    assert text(without_repetition(before)) == [
        "%1 = argument",
        "%2 = exp(%1)",
        "%4 = multiply(%2, %2)",
        "%6 = add(%4, %4)",
        "give %6, %2",
    ]
    assert len(before.instructions) == 5


def test_writes_are_named_anew() -> None:
    before = program((np.exp, (V(1),)), (np.exp, (V(1),)), arguments=0, places=1, write=[(1, 3)])
    assert text(without_repetition(before)) == ["%1 = box 1", "%2 = exp(%1)", "box 1 <- %2", "give nothing"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((np.add, (V(1), 1)), (np.add, (V(1), 1.0))),
        ((np.add, (V(1), 1)), (np.add, (V(1), True))),
        ((np.add, (V(1), 1.0)), (np.add, (V(1), np.float32(1.0)))),
        ((np.add, (V(1), 1.0)), (np.add, (V(1), 2.0))),
        ((np.add, (V(1), 1.0)), (np.subtract, (V(1), 1.0))),
        ((np.sum, (V(1),), {"axis": 0}), (np.sum, (V(1),), {"axis": None})),
        ((np.sum, (V(1),), {"axis": 0}), (np.sum, (V(1),), {"axis": (0,)})),
        ((np.stack, ([V(1), V(1)],)), (np.stack, ((V(1), V(1)),))),
        ((operator.getitem, (V(1), slice(0, 1))), (operator.getitem, (V(1), slice(0, 2)))),
        ((operator.getitem, (V(1), Ellipsis)), (operator.getitem, (V(1), None))),
        ((np.astype, (V(1), np.dtype("float32"))), (np.astype, (V(1), np.dtype("float64")))),
        pytest.param(
            (np.multiply, (V(1), 0.0)),
            (np.multiply, (V(1), -0.0)),
        ),
        ((np.divide, (V(1), np.float32(0.0))), (np.divide, (V(1), np.float32(-0.0)))),
        ((np.multiply, (V(1), 0.5)), (np.multiply, (V(1), np.float64(0.5)))),
        ((np.multiply, (V(1), complex(1.0, 0.0))), (np.multiply, (V(1), complex(1.0, -0.0)))),
    ],
)
def test_what_differs_in_anything_is_no_repetition(one: Any, other: Any) -> None:
    before = program(one, other, give=[2, 3])
    assert text(without_repetition(before)) == text(before)


@pytest.mark.parametrize(
    "line",
    [
        (np.sum, (V(1),), {"axis": (0,), "keepdims": True}),
        (operator.getitem, (V(1), (slice(0, 1), None, Ellipsis))),
        (np.astype, (V(1), np.dtype("float32"))),
        (np.stack, ([V(1), V(1)],)),
    ],
)
def test_what_is_equal_in_all_is_a_repetition(line: Any) -> None:
    assert len(without_repetition(program(line, line, give=[2, 3])).instructions) == 1


def test_what_cannot_be_compared_stays() -> None:
    indices = np.array([0, 1])
    line = (np.take, (V(1), indices))
    assert len(without_repetition(program(line, line, give=[2, 3])).instructions) == 2


def test_both_passes_together() -> None:
    before = program((np.exp, (V(1),)), (np.exp, (V(1),)), (np.sin, (V(3),)), (np.add, (V(2), V(3))), give=[5])
    assert text(without_dead(without_repetition(before))) == [
        "%1 = argument",
        "%2 = exp(%1)",
        "%5 = add(%2, %2)",
        "give %5",
    ]


def test_constants_that_are_equal_are_one_array() -> None:
    ones = np.ones, ((2,),)
    before = program(ones, ones, (np.hypot, (V(2), V(1))), (np.hypot, (V(3), V(4))), give=[5])
    assert text(simplified(before)) == [
        "%1 = argument",
        "%2 = constant",
        "%3 = hypot(%2, %1)",
        "%4 = hypot(%2, %3)",
        "give %4",
    ]


def test_zeros_like_another_are_known_without_it() -> None:
    before = program((np.exp, (V(1),)), (np.zeros_like, (V(2),)), (np.full_like, (V(2), 3.0)), give=[3, 4])
    after = simplified(before)
    assert text(after) == ["%1 = argument", "%2 = constant", "%3 = constant", "give %2, %3"]
    assert [array.tolist() for _, array in after.constants] == [[0.0, 0.0], [3.0, 3.0]]
    assert len(simplified(program((np.full_like, (V(1), V(2))), arguments=2, give=[3])).instructions) == 1


# ---- numbers -------------------------------------------------------------------------------------------------------


def test_a_constant_of_one_number_is_that_number_beside_an_array_of_its_dtype() -> None:
    thirds = np.full, ((2,), 1 / 3)
    before = program(thirds, (np.multiply, (V(2), V(1))), (np.subtract, (V(3), V(2))), give=[4])
    assert text(simplified(before)) == [
        "%1 = argument",
        "%2 = multiply(0.3333333333333333, %1)",
        "%3 = subtract(%2, 0.3333333333333333)",
        "give %3",
    ]


@pytest.mark.parametrize("number", [0.0, np.nan])
def test_a_constant_of_zeros_or_nan_stays_an_array(number: float) -> None:
    before = program((np.full, ((2,), number)), (np.multiply, (V(2), V(1))), give=[3])
    assert text(simplified(before))[1:3] == ["%2 = constant", "%3 = multiply(%2, %1)"]


@pytest.mark.parametrize(
    ("dtype", "shape", "layout"),
    [("float32", (2, 2), (8, 4)), ("float64", (2, 1), (8,)), ("float64", (2, 2), (8, 16))],
)
def test_a_constant_that_decides_what_the_result_is_like_stays_an_array(
    dtype: str, shape: tuple[int, ...], layout: tuple[int, ...]
) -> None:
    x = Variable(1, shape, np.dtype(dtype), layout)
    twos, out = (Variable(i, (2, 2), np.dtype("float64"), (16, 8)) for i in (2, 3))
    made = Program(arguments=[x], results=[out])
    made.instructions = [Instruction("full", np.full, ((2, 2), 2.0), {}, twos)]
    made.instructions += [Instruction("multiply", np.multiply, (x, twos), {}, out)]
    assert str(simplified(made).instructions[0]).endswith("multiply(%1, %2)")


def test_a_mean_s_gradient_reads_no_array_of_one_number() -> None:
    x = Tensor(np.arange(6.0), requires_grad=True)

    @ag.compile(executor="numpy")
    def fast(t: Tensor) -> Tensor:
        return ag.grad(lambda x: ((x - t) ** 2).mean())(x)

    t = Tensor(np.linspace(0.0, 1.0, 6))
    np.testing.assert_array_equal(fast(t).data, ag.grad(lambda x: ((x - t) ** 2).mean())(x).data)
    assert not fast.programs[0].constants


# ---- row sums ------------------------------------------------------------------------------------------------------


def of_einsum(subscripts: str, dtype: str) -> Program:
    x, out = Variable(1, (2, 3), np.dtype(dtype)), Variable(2, (2,), np.dtype(dtype))
    made = Program(arguments=[x], results=[out])
    made.instructions = [Instruction("einsum", np.einsum, (subscripts, x, x), {}, out)]
    return made


def test_products_of_rows_become_a_product_and_a_sum() -> None:
    after = with_row_sums(of_einsum("ij,ij->i", "float32"))
    assert str(after).splitlines() == [
        "%1: float32[2, 3] = argument",
        "%3: float32[2, 3] = multiply(%1, %1)",
        "%2: float32[2] = sum(%3, axis=1)",
        "give %2",
    ]


def of_sum(function: Any, **options: Any) -> Program:
    x = Variable(1, (2, 3, 4, 5), np.dtype("float32"))
    shape = function(np.ones(x.shape), **options).shape
    out = Variable(2, shape, np.dtype("float32"))
    made = Program(arguments=[x], results=[out])
    made.instructions = [Instruction(function.__name__, function, (x,), options, out)]
    return made


@pytest.mark.parametrize("function", [np.sum, np.mean])
def test_a_sum_over_first_and_last_axes_is_a_sum_of_sums(function: Any) -> None:
    name = function.__name__
    assert str(with_split_sums(of_sum(function, axis=(0, -1, 2), keepdims=True))).splitlines()[1:3] == [
        f"%3: float32[2, 3, 1, 1] = {name}(%1, axis=(2, 3), keepdims=True)",
        f"%2: float32[1, 3, 1, 1] = {name}(%3, axis=(0,), keepdims=True)",
    ]
    assert str(with_split_sums(of_sum(function, axis=(0, 2, 3)))).splitlines()[1:3] == [
        f"%3: float32[2, 3] = {name}(%1, axis=(2, 3), keepdims=False)",
        f"%2: float32[3] = {name}(%3, axis=(0,), keepdims=False)",
    ]


@pytest.mark.parametrize("axis", [None, (0, 1), (2, 3), (0, 1, 2, 3), (1, 2), (0, 2), 0])
def test_other_sums_stay(axis: Any) -> None:
    before = of_sum(np.sum, axis=axis)
    assert str(with_split_sums(before)) == str(before)


def of_norm(names: str, shape: tuple[int, ...] = (2, 3), dtype: str = "float32") -> Program:
    """The norm of three arrays, of all their elements: by vdot and `names` of a stack of three numbers."""
    arrays = [Variable(i, shape, np.dtype(dtype)) for i in (1, 2, 3)]
    numbers = [Variable(i, (), np.dtype(dtype)) for i in (4, 5, 6)]
    stack, out = Variable(7, (3,), np.dtype(dtype)), Variable(8, (), np.dtype(dtype))
    made = Program(arguments=arrays, results=[out])
    made.instructions = [
        Instruction("vdot", np.vdot, (x, x), {}, number) for x, number in zip(arrays, numbers, strict=True)
    ]
    made.instructions.append(Instruction("stack", np.stack, (numbers,), {}, stack))
    made.instructions.append(Instruction(names, getattr(np, names), (stack,), {}, out))
    return made


@pytest.mark.parametrize(("name", "joined"), [("sum", "add"), ("max", "maximum")])
def test_a_norm_of_many_arrays_is_sums_and_a_line_of_arithmetic(name: str, joined: str) -> None:
    after = without_dead(with_plain_norms(of_norm(name)))
    assert str(after).splitlines()[3:] == [
        "%9: float32[2, 3] = multiply(%1, %1)",
        "%4: float32[] = sum(%9)",
        "%10: float32[2, 3] = multiply(%2, %2)",
        "%5: float32[] = sum(%10)",
        "%11: float32[2, 3] = multiply(%3, %3)",
        "%6: float32[] = sum(%11)",
        f"%12: float32[] = {joined}(%4, %5)",
        f"%8: float32[] = {joined}(%12, %6)",
        "give %8",
    ]


def test_other_stacks_and_products_stay() -> None:
    before = of_norm("sum", dtype="int64")
    assert str(with_plain_norms(before)) == str(before)
    before = of_norm("argmax")
    assert [i.name for i in with_plain_norms(before).instructions][-2:] == ["stack", "argmax"]


@pytest.mark.parametrize(("subscripts", "dtype"), [("ij,ij->j", "float32"), ("ij,ij->i", "bool")])
def test_other_einsums_stay(subscripts: str, dtype: str) -> None:
    before = of_einsum(subscripts, dtype)
    assert str(with_row_sums(before)) == str(before)


# ---- early sums ----------------------------------------------------------------------------------------------------


def of_mean(function: Any, read: int = 2) -> Program:
    """A mean over labels that count, after a product; `function` makes their weights of argument 1 or 2."""
    x, labels, product, weights, loss, count, mean, slope = (
        Variable(i + 1, shape, np.dtype("float32"))
        for i, shape in enumerate([(2, 2), (2,), (2, 2), (2,), (2,), (), (2,), (2,)])
    )
    made = Program(arguments=[x, labels], results=[mean, slope])
    made.instructions = [
        Instruction("matmul", np.matmul, (x, x), {}, product),
        Instruction(function.__name__, function, ((x, labels, product)[read - 1], -100), {}, weights),
        Instruction("multiply", np.multiply, (labels, product), {}, loss),
        Instruction("sum", np.sum, (weights,), {}, count),
        Instruction("divide", np.divide, (loss, count), {}, mean),
        Instruction("divide", np.divide, (weights, count), {}, slope),
    ]
    return made


def order(made: Program) -> list[int]:
    return [instruction.out.index for instruction in made.instructions]


def test_a_sum_of_what_is_given_comes_first_with_what_follows_from_it() -> None:
    before = of_mean(np.not_equal)
    assert order(before) == [3, 4, 5, 6, 7, 8]
    assert order(with_early_sums(before)) == [4, 6, 8, 3, 5, 7]


@pytest.mark.parametrize("made", [of_mean(np.not_equal, read=3), of_mean(np.matmul), of_mean(np.cumsum)])
def test_a_sum_of_what_is_computed_stays_where_it_is(made: Program) -> None:
    assert order(with_early_sums(made)) == order(made)


def test_a_sum_that_has_to_wait_stays_where_it_is() -> None:
    made = of_mean(np.not_equal)
    made.instructions[1].after = made.instructions[0].out
    assert order(with_early_sums(made)) == order(made)
