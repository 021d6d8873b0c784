"""Linear sums: a sum of a weighted sum, as the same weighted sum of sums, where its weights come too late for its loop.

One idea: the gradient of a normalisation takes off its own mean, and it is a sum of arrays, each times a few numbers
that follow from sums over all of them: (g s + z t), with s and t the same along what is summed. Its sum is s sum(g) +
t sum(z), which needs no array to be made and read again. It rounds otherwise. Read `products.py` next.
"""

# Note [Too late]
# A sum along rows is made in the loop that makes its elements, and what follows from it for each row can be read there.
# A number that follows from a sum of such sums, over the samples of a batch or the channels of a group, cannot; nor can
# one that follows from a sum down the rows, as over the pixels of images that have their channels last. So a weight is
# too late where a sum of what is smaller than the array leads to it, or a sum of such an array that goes down its rows.

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

from ...backend import host
from ..program import Instruction, Program, Variable, axes_of

__all__ = ["with_linear_sums"]

_SUMS = {"add.reduce", "ndarray.sum", "sum"}
_MEANS = {"mean", "ndarray.mean"}
_VIEWS = {"broadcast_to", "expand_dims", "ndarray.reshape", "reshape"}
_LARGE = 1 << 12  # elements; of fewer nothing is worth it
_MOST = 6  # terms


class _Term(NamedTuple):
    """An array to be summed, with its sign, and what its sum is multiplied with or divided by."""

    array: Variable
    sign: int = 1
    weights: tuple[tuple[Any, Any], ...] = ()  # a function, and the number


def with_linear_sums(program: Program) -> Program:
    """The program with sums of weighted sums as weighted sums of sums, see Note [Too late]."""
    return _Linear(program).program()


class _Linear:
    """One walk over a program."""

    def __init__(self, program: Program) -> None:
        self.before = program
        self.maker = {instruction.out: instruction for instruction in program.instructions}
        self.count = max((v.index for i in program.instructions for v in (i.out, *i.variables())), default=0)
        self.instructions: list[Instruction] = []

    def program(self) -> Program:
        """What comes of it."""
        for instruction in self.before.instructions:
            terms = self._terms_of(instruction)
            if terms:
                self._put(instruction, terms)
            else:
                self.instructions.append(instruction)
        return replace(self.before, instructions=self.instructions)

    def _terms_of(self, instruction: Instruction) -> list[_Term]:
        """What a sum is made of; nothing where it is to stay as it is."""
        source: Any = instruction.inputs[0] if len(instruction.inputs) == 1 else None
        axis: Any = instruction.options.get("axis")
        known = instruction.name in _SUMS and instruction.options.keys() <= {"axis", "keepdims"}
        if not known or not isinstance(source, Variable) or source.dtype is None or source.dtype.kind != "f":
            return []
        if source.dtype.itemsize < 4:  # what has no weights yet may sum up to more than there is, or be rounded away
            return []
        if source.dtype != instruction.out.dtype or prod(source.shape) < _LARGE or axis is None:
            return []
        axes = axes_of(instruction, len(source.shape))
        terms = self._terms(_Term(source), source.shape, axes)
        late = (self._is_late(x, prod(source.shape)) for term in terms for _, x in term.weights)
        return terms if len(terms) <= _MOST and any(late) else []

    def _terms(self, term: _Term, shape: tuple[int, ...], axes: set[int]) -> list[_Term]:
        made = self.maker.get(term.array)
        if made is None or made.options or term.array.dtype is None:
            return [term]
        inputs = made.inputs
        whole = [isinstance(x, Variable) and x.shape == shape and x.dtype == term.array.dtype for x in inputs]
        if made.name == "negative" and whole == [True]:
            return self._terms(term._replace(array=inputs[0], sign=-term.sign), shape, axes)
        few = [self._few(x, shape, axes, term.array.dtype) for x in inputs]
        if made.name in ("add", "subtract") and whole == [True, True] and few == [None, None]:
            first = term._replace(array=inputs[0])
            second = term._replace(array=inputs[1], sign=term.sign if made.name == "add" else -term.sign)
            return [*self._terms(first, shape, axes), *self._terms(second, shape, axes)]
        for i in range(2 if made.name == "multiply" else 1 if made.name == "divide" else 0):
            if whole[i] and few[1 - i] is not None and few[i] is None:
                weights = (*term.weights, (made.function, few[1 - i]))
                return self._terms(term._replace(array=inputs[i], weights=weights), shape, axes)
        return [term]

    def _few(self, x: Any, shape: tuple[int, ...], axes: set[int], dtype: Any) -> Any:
        """What is the same along the axes, as it is there once; None where it is not."""
        if isinstance(x, (int, float)):
            return x
        if not isinstance(x, Variable):
            return None
        if x.dtype is None:
            return x
        made = self.maker.get(x)
        if made is not None and made.name == "broadcast_to" and isinstance(made.inputs[0], Variable):
            x = made.inputs[0]
        lead = len(shape) - len(x.shape)
        same = all(a < lead or x.shape[a - lead] == 1 for a in axes)
        return x if same and x.dtype == dtype else None

    def _is_late(self, x: Any, size: int) -> bool:
        """Whether a sum of something smaller than an array of this size leads to a weight."""
        waiting, seen = [x], set()
        while waiting:
            variable = waiting.pop()
            made = self.maker.get(variable) if isinstance(variable, Variable) and variable not in seen else None
            if made is None:
                continue
            seen.add(variable)
            if made.name in _SUMS | _MEANS and _goes_down(made, size):
                return True
            read = [v for v in made.variables() if v.dtype is not None and prod(v.shape) < size]
            if made.name in _SUMS | _MEANS and read and 1 < prod(read[0].shape) != prod(variable.shape):
                return True
            waiting += read
        return False

    def _put(self, instruction: Instruction, terms: list[_Term]) -> None:
        """A sum of weighted sums in the place of one."""
        source, out = terms[0].array, instruction.out
        axes = axes_of(instruction, len(source.shape))
        shape = tuple(1 if a in axes else n for a, n in enumerate(source.shape))
        options = {"axis": tuple(sorted(axes)), "keepdims": True}
        total: Variable | None = None
        for term in terms:
            found = self._made(host.sum, (term.array,), options, shape, out.dtype)
            for function, x in reversed(term.weights):
                found = self._made(function, (found, x), {}, shape, out.dtype)
            if total is not None:
                total = self._made(host.add if term.sign > 0 else host.subtract, (total, found), {}, shape, out.dtype)
            else:
                total = found if term.sign > 0 else self._made(host.negative, (found,), {}, shape, out.dtype)
        self.instructions.append(Instruction("reshape", host.reshape, (total, out.shape), {}, out))

    def _made(self, function: Any, inputs: Any, options: Any, shape: tuple[int, ...], dtype: Any) -> Variable:
        self.count += 1
        out = Variable(self.count, shape, dtype)
        self.instructions.append(Instruction(function.__name__, function, inputs, options, out))
        return out


def _goes_down(instruction: Instruction, size: int) -> bool:
    """Whether it sums a whole array of this size, and not along rows."""
    source = instruction.inputs[0]
    if not isinstance(source, Variable) or prod(source.shape) != size:
        return False
    ndim = len(source.shape)
    axes = axes_of(instruction, ndim)
    return axes != {*range(ndim - len(axes), ndim)} or len(axes) == ndim
