"""Permutations sink: a program before, and one after, in which what met its inverse is gone."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from autograd.compile.passes.dead import without_dead
from autograd.compile.passes.permutations import with_sunk_permutations
from autograd.compile.program import Instruction, Program, Variable
from autograd.convolution import convolve, convolve_input, convolve_weight
from autograd.pooling import pool_pick, pool_places, pool_put, pool_sum

LAST, FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
POOL = {"size": (1, 1), "stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


class Build:
    """A program written line by line; shapes and values are found by running it."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self.program = Program()
        rng = np.random.default_rng(0)
        self.values: dict[Variable, Any] = {}
        for shape in shapes:
            variable = self._new(rng.normal(size=shape))
            self.program.arguments.append(variable)
        self.arguments = self.program.arguments

    def _new(self, value: Any) -> Variable:
        variable = Variable(len(self.values) + 1, np.shape(value), np.asarray(value).dtype)
        self.values[variable] = value
        return variable

    def __call__(self, function: Any, *inputs: Any, **options: Any) -> Variable:
        given = [self.values[x] if isinstance(x, Variable) else x for x in inputs]
        out = self._new(function(*given, **options))
        self.program.instructions.append(Instruction(function.__name__, function, inputs, options, out))
        return out

    def give(self, *results: Variable, in_order: bool = True, **more: Any) -> Program:
        """The program after the pass, when it was seen to give the same."""
        self.program.results = list(results)
        after = without_dead(with_sunk_permutations(self.program, in_order, **more))
        values = {variable: self.values[variable] for variable in after.arguments}
        values.update(after.constants)
        for old in after.instructions:
            given = [values[x] if isinstance(x, Variable) else x for x in old.inputs]
            values[old.out] = old.function(*given, **old.options)
            assert values[old.out].shape == old.out.shape, str(old)
        for before, now in zip(results, after.results, strict=True):
            np.testing.assert_allclose(values[now], self.values[before], rtol=1e-12)
        return after


def names(program: Program) -> list[str]:
    return [instruction.name for instruction in program.instructions]


def test_between_two_that_want_channels_last_nothing_is_permuted() -> None:
    build = Build((2, 3, 4, 5), (5,))
    x, bias = build.arguments
    first = build(np.transpose, build(pool_sum, x, **POOL), FIRST)
    small = build(np.reshape, bias, (5, 1, 1))
    shifted = build(np.maximum, build(np.add, first, small), 0.0)
    last = build(pool_sum, build(np.transpose, shifted, LAST), **POOL)
    assert names(build.give(last)) == ["pool_sum", "reshape", "reshape", "transpose", "add", "maximum", "pool_sum"]


def test_sums_go_along_the_axes_where_they_lie() -> None:
    build = Build((2, 3, 4, 5))
    first = build(np.transpose, build(pool_sum, build.arguments[0], **POOL), FIRST)
    mean = build(np.mean, first, axis=(0, 2, 3), keepdims=True)
    spread = build(np.subtract, first, build(np.broadcast_to, mean, first.shape))
    total = build(np.sum, spread, axis=(0, -1))
    after = build.give(build(pool_sum, build(np.transpose, spread, LAST), **POOL), total, build(np.sum, first))
    assert [i.options["axis"] for i in after.instructions if "axis" in i.options] == [(0, 1, 2), (0, 2), (0, 1, 2, 3)]
    assert "ascontiguousarray" in names(after)  # of the one result that is still turned


def test_results_need_not_lie_in_order_but_gradients_of_weights_do() -> None:
    build = Build((2, 3, 4, 5), (2, 2, 3, 6))
    x, y = build.arguments
    first = build(np.transpose, build(pool_sum, x, **POOL), FIRST)
    line = build(np.reshape, build(np.transpose, build(pool_sum, x, **POOL), FIRST), (2, 5, 12))
    assert names(build.give(build(np.add, first, 1.0), in_order=False)) == ["pool_sum", "add", "transpose"]
    assert names(build.give(line, in_order=False)) == ["pool_sum", "transpose", "reshape"]  # which copies
    assert "ascontiguousarray" in names(build.give(build(np.transpose, x, FIRST), in_order=False))  # of what is given
    options = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    weight = build(np.transpose, build(convolve_weight, x, y, size=(2, 2), **options), FIRST)
    scaled = build(np.multiply, weight, 2.0)
    for result in (weight, scaled, build(np.reshape, scaled, (6, 5, 4))):
        assert names(build.give(result, in_order=False)).count("ascontiguousarray") == 1


def test_a_sum_over_what_is_copied_anyway_is_one_over_the_copy() -> None:
    build = Build((2, 3, 4, 5))
    last = build(np.transpose, build.arguments[0], LAST)
    after = build.give(build(np.sum, last, axis=(0, 1, 2)), build(pool_places, last, **POOL))
    assert names(after) == ["transpose", "ascontiguousarray", "sum", "pool_places"]


def test_what_is_read_as_it_lies_is_not_copied() -> None:
    build = Build((2, 3, 4, 5), (2, 6, 4, 5))
    x, y = (build(np.transpose, image, LAST) for image in build.arguments)
    options = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    weight = build(convolve_weight, x, y, size=(1, 1), **options)
    total = build(np.sum, y, axis=(0, 1, 2))
    after = build.give(weight, total, in_order=False, reads_planes=lambda instruction, lie: tuple(lie))
    assert names(after) == ["transpose", "transpose", "convolve_weight", "sum"]
    after = build.give(weight, total, in_order=False, reads_planes=lambda instruction, lie: (False, lie[1]))
    assert names(after) == ["transpose", "transpose", "ascontiguousarray", "convolve_weight", "sum"]


def test_channels_by_themselves_are_convolved_where_they_lie() -> None:
    build = Build((2, 3, 4, 5), (3, 1, 2, 2), (2, 3, 3, 4))
    x, w, y = (build(np.transpose, array, LAST) for array in build.arguments)
    options = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 3}
    made = build(np.transpose, build(convolve, x, w, **options), FIRST)
    of_x = build(np.transpose, build(convolve_input, y, w, length=(4, 5), **options), FIRST)
    after = build.give(made, of_x, in_order=False, reads_planes=lambda instruction, lie: (lie[0], False))
    assert names(after) == ["transpose", "convolve_planes", "convolve_planes_input"]
    assert "convolve" in names(build.give(made, in_order=False))


def test_what_lies_otherwise_is_copied_once() -> None:
    build = Build((2, 3, 4, 5), (2, 5, 3, 4))
    x, other = build.arguments
    first = build(np.transpose, build(pool_sum, x, **POOL), FIRST)
    both = build(np.multiply, build(np.add, first, other), other)
    after = build.give(build(pool_sum, build(np.transpose, both, LAST), **POOL))
    assert names(after) == ["pool_sum", "transpose", "ascontiguousarray", "add", "multiply", "pool_sum"]


BESIDE = {"size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


def test_windows_that_lie_side_by_side_and_sums_are_pooled_where_channels_are_in_axis_1() -> None:
    build = Build((2, 3, 4, 5), (2, 3, 2, 2))
    images, g = (build(np.transpose, x, LAST) for x in build.arguments)
    places = build(pool_places, images, **BESIDE)
    out = build(np.transpose, build(pool_pick, images, places, **BESIDE), FIRST)
    of_x = build(np.transpose, build(pool_put, g, places, length=(4, 5), **BESIDE), FIRST)
    after = build.give(out, of_x)
    assert not {"transpose", "ascontiguousarray"} & {*names(after)}
    overlapping = {**BESIDE, "stride": (1, 2)}
    build = Build((2, 3, 4, 5))
    after = build.give(build(pool_places, build(np.transpose, build.arguments[0], LAST), **overlapping))
    assert names(after) == ["transpose", "ascontiguousarray", "pool_places"]
    build = Build((2, 3, 4, 5))
    places = build(pool_places, build(np.transpose, build.arguments[0], LAST), **overlapping)
    after = build.give(build(np.transpose, places, FIRST), reads_planes=lambda instruction, lie: tuple(lie))
    assert not {"transpose", "ascontiguousarray"} & {*names(after)}
    build = Build((2, 3, 4, 5))
    sums = build(pool_sum, build(np.transpose, build.arguments[0], LAST), **overlapping)
    assert not {"transpose", "ascontiguousarray"} & {*names(build.give(build(np.transpose, sums, FIRST)))}


def test_a_gradient_that_lies_otherwise_is_turned_for_planes() -> None:
    build = Build((2, 3, 4, 4), (2, 4, 4, 3))
    places = build(pool_places, build(np.transpose, build.arguments[0], LAST), **BESIDE)
    g = build(pool_sum, build.arguments[1], **BESIDE)
    build.give(build(np.transpose, build(pool_put, g, places, length=(4, 4), **BESIDE), FIRST))


def test_a_product_of_square_matrices_is_no_function_of_each_element() -> None:
    """NumPy's matmul is a ufunc as `add` is, and attention over the pixels of an image multiplies what was permuted."""
    build = Build((2, 4, 2, 2))
    pixels = build(np.reshape, build(pool_sum, build.arguments[0], **POOL), (2, 4, 4))
    turned = build(np.transpose, pixels, (0, 2, 1))
    build.give(build(np.matmul, turned, pixels), build(np.matmul, pixels, turned), build(np.matmul, turned, turned))


def test_what_is_permuted_and_has_fewer_axes_is_broadcast_as_it_is() -> None:
    build = Build((2, 3, 4, 5), (4, 5, 3))
    x, small = build.arguments
    first = build(np.transpose, build(pool_sum, x, **POOL), FIRST)
    turned = build(np.transpose, small, (1, 2, 0))
    last = build(pool_sum, build(np.transpose, build(np.add, first, turned), LAST), **POOL)
    after = names(build.give(last))
    assert after == ["pool_sum", "transpose", "reshape", "transpose", "ascontiguousarray", "add", "pool_sum"]


def test_parameters_stay_as_they_are() -> None:
    build = Build((2, 3, 4, 5), (2, 5, 3, 4))
    x, weight = build.arguments

    class Box:
        marks = True
        array = build.values[weight]

        def get(self) -> Any:
            return self.array

    box = Box()
    build.program.arguments.remove(weight)
    build.program.places.append((box, weight))
    gradient = build(np.transpose, build(pool_sum, x, **POOL), FIRST)
    new = build(np.subtract, build(np.multiply, weight, 0.5), gradient)
    build.program.writes.append((box, new))
    after = without_dead(with_sunk_permutations(build.program))
    assert names(after) == ["pool_sum", "transpose", "multiply", "ascontiguousarray", "subtract"]
    assert after.writes == [(box, new)]


def test_without_channels_last_a_program_stays_as_it_is() -> None:
    build = Build((2, 3, 4))
    turned = build(np.transpose, build.arguments[0], (2, 0, 1))
    build.program.results = [build(np.exp, turned), build(operator.neg, turned)]
    assert with_sunk_permutations(build.program) is build.program
