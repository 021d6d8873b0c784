"""Random graphs against a naive twin: an engine of single numbers, the slowest and most obvious that there is.

One idea: the twin knows no arrays, no broadcasting, no sharing and no order of walking. It writes a derivative out as a
new expression by the rules of the schoolbook, term by term, so whatever hypothesis can draw has one plain truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor, gradients
from autograd.functional import grad, hessian

# ---- the naive twin -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Scalar:
    """An expression in numbers: a variable, a constant, or an operation on expressions."""

    op: str
    args: tuple[Scalar, ...] = ()
    number: float = 0.0

    def __add__(self, other):
        return Scalar("+", (self, other))

    def __mul__(self, other):
        return Scalar("*", (self, other))

    def value(self, memo):
        """The number; `memo` remembers shared parts, and holds the numbers of the variables."""
        if id(self) not in memo:
            a = [arg.value(memo) for arg in self.args]
            memo[id(self)] = {
                "constant": lambda: self.number,
                "+": lambda: a[0] + a[1],
                "*": lambda: a[0] * a[1],
                "sin": lambda: math.sin(a[0]),
                "cos": lambda: math.cos(a[0]),
                "exp": lambda: math.exp(a[0]),
            }[self.op]()
        return memo[id(self)]

    def by(self, variable, memo):
        """The derivative, as an expression."""
        if self is variable:
            return constant(1.0)
        if id(self) not in memo:
            a = self.args
            d = [arg.by(variable, memo) for arg in a]
            memo[id(self)] = {
                "variable": lambda: constant(0.0),
                "constant": lambda: constant(0.0),
                "+": lambda: d[0] + d[1],
                "*": lambda: d[0] * a[1] + a[0] * d[1],
                "sin": lambda: Scalar("cos", a) * d[0],
                "cos": lambda: Scalar("sin", a) * constant(-1.0) * d[0],
                "exp": lambda: self * d[0],
            }[self.op]()
        return memo[id(self)]


def constant(number):
    return Scalar("constant", (), number)


class Grid:
    """A rectangle of expressions, with as much of an array's behaviour as the programs below need."""

    def __init__(self, cells):
        self.cells = cells  # a list of rows

    def zip(self, other, f):
        rows, columns = len(self.cells), len(self.cells[0])
        rows, columns = max(rows, len(other.cells)), max(columns, len(other.cells[0]))
        pick = lambda grid, i, j: grid.cells[i % len(grid.cells)][j % len(grid.cells[0])]  # noqa: E731
        return Grid([[f(pick(self, i, j), pick(other, i, j)) for j in range(columns)] for i in range(rows)])

    def map(self, op):
        return Grid([[Scalar(op, (cell,)) for cell in row] for row in self.cells])


def total(cells):
    result = constant(0.0)
    for cell in cells:
        result = result + cell
    return result


# ---- programs that both can run -------------------------------------------------------------------------------------

# A program is a list of steps; a step takes earlier values by number. Shapes are (1 or 2, 1 or 3), so all broadcast.
STEPS = {
    "add": (lambda x, y: x + y, lambda x, y: x.zip(y, lambda a, b: a + b)),
    "multiply": (lambda x, y: x * y, lambda x, y: x.zip(y, lambda a, b: a * b)),
    "add in place": (
        lambda x, y: _in_place(x, y),
        lambda x, y: x.zip(y, lambda a, b: a + b),
    ),
    "sin": (lambda x, y: x.sin(), lambda x, y: x.map("sin")),
    "exp of sin": (lambda x, y: x.sin().exp(), lambda x, y: x.map("sin").map("exp")),
    "sum of rows": (
        lambda x, y: x.sum(axis=0, keepdims=True),
        lambda x, y: Grid([[total(column) for column in zip(*x.cells, strict=True)]]),
    ),
    "sum of columns": (
        lambda x, y: x.sum(axis=1, keepdims=True),
        lambda x, y: Grid([[total(row)] for row in x.cells]),
    ),
    "first row": (lambda x, y: x[:1], lambda x, y: Grid(x.cells[:1])),
    "last column": (lambda x, y: x[:, -1:], lambda x, y: Grid([row[-1:] for row in x.cells])),
    "product with the transpose": (
        lambda x, y: (x @ x.T)[:1, :1],
        lambda x, y: Grid([[total(a * a for a in x.cells[0])]]),
    ),
    "first row written": (
        lambda x, y: _row_written(x, y),
        lambda x, y: Grid([[y.cells[0][0]] * len(x.cells[0]), *x.cells[1:]]),
    ),
}


def _in_place(x, y):
    result = x * 1.0
    shape = np.broadcast_shapes(x.shape, y.shape)
    result = result + np.zeros(shape)
    result += y
    return result


def _row_written(x, y):
    result = x * 1.0
    result[0] = y[0, 0]
    return result


steps = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8
)
numbers = st.integers(-15, 15).map(lambda n: n / 10)
inputs = st.lists(numbers, min_size=6, max_size=6), st.lists(numbers, min_size=3, max_size=3), numbers


def run(program, values, which):
    """The sum of the last value; earlier ones are used as often as the program says."""
    values = list(values)
    for name, i, j in program:
        values.append(STEPS[name][which](values[i % len(values)], values[j % len(values)]))
    return values[-1]


def naive(program, a, b, c):
    """Value, gradient and Hessian by the twin."""
    numbers_in = [*a, *b, c]
    variables = [Scalar("variable") for _ in numbers_in]
    rows = [Grid([variables[:3], variables[3:6]]), Grid([variables[6:9]]), Grid([[variables[9]]])]
    out = total(cell for row in run(program, rows, 1).cells for cell in row)
    known = {id(v): number for v, number in zip(variables, numbers_in, strict=True)}
    slopes = [out.by(v, {}) for v in variables]
    curves = [[slope.by(v, {}) for v in variables] for slope in slopes]
    held = [slopes, curves]  # expressions are known by id, so they must stay alive
    value = out.value(known)
    first = np.array([slope.value(known) for slope in slopes])
    second = np.array([[curve.value(known) for curve in row] for row in curves])
    assert held
    return value, first, second


def tensors(a, b, c):
    return np.reshape(a, (2, 3)), np.reshape(b, (1, 3)), np.reshape(c, (1, 1))


def close(found, expected):
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)


@given(steps, *inputs)
def test_values_and_both_derivatives_of_random_graphs(program, a, b, c):
    value, first, second = naive(program, a, b, c)
    if not np.isfinite(second).all() or np.abs(second).max() > 1e12:
        return
    leaves = [Tensor(x, requires_grad=True) for x in tensors(a, b, c)]
    y = run(program, leaves, 0).sum()
    close(y.item(), value)
    if not y.requires_grad:
        assert not first.any()
        return

    y.backward(retain_graph=True)
    by_backward = [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in leaves]
    close(np.concatenate([g.ravel() for g in by_backward]), first)

    found = gradients(y, leaves, create_graph=True, allow_unused=True)
    found = [Tensor(np.zeros(x.shape)) if g is None else g for g, x in zip(found, leaves, strict=True)]
    close(np.concatenate([g.detach().numpy().ravel() for g in found]), first)

    # The Hessian times ones: every second derivative takes part.
    weighted = sum((g.sum() for g in found), Tensor(np.zeros(())))
    rows = [np.zeros(x.shape) for x in leaves]
    if weighted.requires_grad:
        again = gradients(weighted, leaves, allow_unused=True)
        rows = [row if g is None else g.numpy() for row, g in zip(rows, again, strict=True)]
    close(np.concatenate([row.ravel() for row in rows]), second.sum(axis=0))


@given(steps, *inputs)
def test_the_transforms_say_the_same(program, a, b, c):
    _, first, second = naive(program, a, b, c)
    if not np.isfinite(second).all() or np.abs(second).max() > 1e12:
        return
    f = lambda p: run(program, p, 0).sum()  # noqa: E731
    p = list(tensors(a, b, c))
    close(np.concatenate([g.numpy().ravel() for g in grad(f)(p)]), first)
    blocks = [
        [block.numpy().reshape(x.size, y.size) for block, y in zip(row, p, strict=True)]
        for row, x in zip(hessian(f)(p), p, strict=True)
    ]
    close(np.block(blocks), second)


def test_the_twin_knows_its_calculus():
    # d2/dx2 of sin(x) exp(x) is 2 cos(x) exp(x)
    x = Scalar("variable")
    y = Scalar("sin", (x,)) * Scalar("exp", (x,))
    found = y.by(x, {}).by(x, {})
    assert math.isclose(found.value({id(x): 0.7}), 2 * math.cos(0.7) * math.exp(0.7))
