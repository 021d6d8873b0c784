"""Permutations: what is done element by element is done where the elements lie, and the view is taken afterwards.

One idea: f(x^T) = f(x)^T for every elementwise f, so a permutation of axes sinks below it, through sums along axes too,
until it meets its inverse and both are gone. Layers speak (N, C, H, W), and convolution and pooling keep channels last:
with this pass nothing between them is ever moved. Read `split_sums.py` next.
"""

# Note [Who moves]
# Where operands lie differently one of them must be copied. Parameters and the state of an optimizer stay as they are,
# since they are written at the end; all else follows the operand that was permuted.

# Note [Planes]
# Images that lie with their channels in axis 1 are as many images of one channel, which is last too. Pooling windows
# that lie side by side is as fast there, and so are sums of any windows, so such images are pooled as they lie. An
# executor says where maxima of other windows are, too, and which convolutions read them so; where channels are
# convolved one by one, what is made lies so too.

# Note [Results as they lie]
# A result with its channels in axis 1 need not have them there in memory, as in eager code, so that nothing is moved:
# what a convolution makes has them last, but see Note [Planes].
# The gradient of a weight shall lie as the weight does, since an optimizer walks over both.

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from ...backend import host
from ...convolution import convolve_planes, convolve_planes_input, geometry_of
from ...pooling import are_beside
from ..program import CASTS, Instruction, Program, Variable, axes_of, replace_variables
from .rewriting import Rewriting

__all__ = ["ReadsPlanes", "with_sunk_permutations"]

# They read and write arrays in order, channels last.
_CHANNELS_LAST = {
    "convolve",
    "convolve_input",
    "convolve_weight",
    "pool_pick",
    "pool_places",
    "pool_put",
    "pool_spread",
    "pool_sum",
}
_IN_PLANES: dict[str, Callable[..., Any]] = {"convolve": convolve_planes, "convolve_input": convolve_planes_input}
_LEADING = {"pool_pick": 1, "pool_places": 0, "pool_put": 1, "pool_spread": 0, "pool_sum": 0}  # which says how all lie
_SUMS = {"pool_spread", "pool_sum"}
_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_REDUCTIONS = {"add.reduce", "max", "maximum.reduce", "mean", "min", "sum"}
_REDUCTIONS |= {"ndarray.max", "ndarray.mean", "ndarray.min", "ndarray.sum"}
_VIEWS = {"broadcast_to", "flip", "getitem", "moveaxis", "swapaxes", "transpose"}

Order = tuple[int, ...]
ReadsPlanes = Callable[[Instruction, Sequence[bool]], tuple[bool, ...]]


def with_sunk_permutations(program: Program, in_order: bool = True, reads_planes: ReadsPlanes | None = None) -> Program:
    """The program with permutations as late as possible, where it has instructions that want channels last.

    Its results are `in_order` in memory, or see Note [Results as they lie]. `reads_planes` says which inputs an
    instruction reads as they lie, of those with their channels in axis 1, see Note [Planes].
    """
    if not any(instruction.name in _CHANNELS_LAST for instruction in program.instructions):
        return program
    return _Sinking(program, reads_planes).program(in_order)


class _Sinking(Rewriting):
    """One walk over a program. `form[v]` is (u, order) where v is u with its axes in another order."""

    def __init__(self, program: Program, reads_planes: ReadsPlanes | None) -> None:
        super().__init__(program)
        self.reads_planes = reads_planes or (lambda instruction, lie: (False,) * len(lie))
        self.constants = dict(program.constants)
        self.form: dict[Variable, tuple[Variable, Order]] = {}
        self.home = {variable for _, variable in program.places}  # see Note [Who moves]
        self.copies: dict[Any, Variable] = {}
        self.weights: set[Variable] = set()  # gradients of weights, channels last
        last = [instruction for instruction in program.instructions if instruction.name in _CHANNELS_LAST]
        self.wanted = {
            variable
            for instruction in last
            for variable, read in zip(instruction.inputs, self._could_read(instruction), strict=True)
            if isinstance(variable, Variable) and not read
        }

    def program(self, in_order: bool) -> Program:
        """What comes of it."""
        result = self.packed if in_order else self.given
        for old in self.before.instructions:
            inputs, options = replace_variables((old.inputs, old.options), self.now)
            self.step(Instruction(old.name, old.function, inputs, options, old.out))
        return replace(
            self.before,
            results=[result(self.now(variable)) for variable in self.before.results],
            writes=[(place, self.packed(self.now(variable))) for place, variable in self.before.writes],
            checks=[self.now(variable) for variable in self.before.checks],
            instructions=self.instructions,
            constants=list(self.constants.items()),
        )

    def step(self, instruction: Instruction) -> None:
        """Put one instruction behind the others, in the first of these forms that it has."""
        forms = (self.transposed, self.pooled_planes, self.convolved_planes, self.packed_images, self.reduced)
        if not any(form(instruction) for form in (*forms, self.elementwise)):
            self.add(instruction)

    def transposed(self, instruction: Instruction) -> bool:
        """A permutation of more than two axes is only noted."""
        inputs = instruction.inputs
        if instruction.name != "transpose" or len(inputs) != 2 or not isinstance(inputs[1], tuple):
            return False
        x, axes = inputs
        if len(axes) < 3:
            return False
        u, order = self.form.get(x, (x, tuple(range(len(axes)))))
        self.view(u, tuple(order[axis] for axis in axes), instruction.out)
        return True

    def are_planes(self, x: Any) -> bool:
        """Whether these are images, their channels last, that lie with them in axis 1."""
        u, order = self.form.get(x, (None, ()))
        return u is not None and order == _LAST and self._lies_in_order(u)

    def _reads_planes(self, instruction: Instruction) -> tuple[bool, ...]:
        """Which of its inputs are read as they lie, with their channels in axis 1."""
        return self.reads_planes(instruction, [self.are_planes(x) for x in instruction.inputs])

    def _could_read(self, instruction: Instruction) -> tuple[bool, ...]:
        return self.reads_planes(instruction, [True] * len(instruction.inputs))

    def convolved_planes(self, instruction: Instruction) -> bool:
        """Convolve channel by channel as they lie, see Note [Planes]; False where they are not apart."""
        if instruction.name not in _IN_PLANES or not self._reads_planes(instruction)[0]:
            return False
        name, (x, w), out = instruction.name, instruction.inputs, instruction.out
        if not geometry_of(name, x.shape, w.shape, **instruction.options).is_depthwise:
            return False
        inner = self.variable(tuple(out.shape[axis] for axis in _FIRST), out.dtype)
        function = _IN_PLANES[name]
        inputs = self.form[x][0], self.packed(w)
        self.add(replace(instruction, name=function.__name__, function=function, inputs=inputs, out=inner))
        self.view(inner, _LAST, out)
        return True

    def packed_images(self, instruction: Instruction) -> bool:
        """What wants channels last has them so in memory, but where it reads them as they lie."""
        if instruction.name not in _CHANNELS_LAST:
            return False
        read = zip(instruction.inputs, self._reads_planes(instruction), strict=True)
        self.add(replace(instruction, inputs=tuple(x if as_it_lies else self.packed(x) for x, as_it_lies in read)))
        if instruction.name == "convolve_weight":
            self.weights.add(instruction.out)
        return True

    def pooled_planes(self, instruction: Instruction) -> bool:
        """Pool images as they lie, see Note [Planes]; False where channels are last, or that is slower."""
        if instruction.name not in _LEADING:
            return False
        options = {name: value for name, value in instruction.options.items() if name != "length"}
        u, order = self.form.get(instruction.inputs[_LEADING[instruction.name]], (None, ()))
        if u is None or order != _LAST or not self._lies_in_order(u):
            return False
        if instruction.name not in _SUMS and not are_beside(**options) and not all(self._could_read(instruction)):
            return False
        planes = []
        for x in instruction.inputs:
            first = self.packed(self.turned(x, _FIRST))
            shape = (first.shape[0] * first.shape[1], *first.shape[2:], 1)
            planes.append(self.added("reshape", host.reshape, (first, shape), shape, x.dtype))
        batch, *space, channels = instruction.out.shape
        inner = self.variable((batch * channels, *space, 1), instruction.out.dtype)
        self.add(replace(instruction, inputs=tuple(planes), out=inner))
        shape = (batch, channels, *space)
        self.view(self.added("reshape", host.reshape, (inner, shape), shape, inner.dtype), _LAST, instruction.out)
        return True

    def elementwise(self, instruction: Instruction) -> bool:
        """Do it where its permuted operands lie; False where none is."""
        if not _is_elementwise(instruction):
            return False
        out = instruction.out
        whole = [x for x in instruction.inputs if isinstance(x, Variable) and x.shape == out.shape]
        if any(x in self.home for x in whole):
            self.home.add(out)
            given = tuple(self.packed(x) if x in whole else x for x in instruction.inputs)
            self.add(replace(instruction, inputs=given))
            return True
        orders = [self.form[x][1] for x in whole if x in self.form]
        if not orders:
            return False
        order = orders[0]
        back = _inverse(order)
        inputs = tuple(self.turned(x, back) if isinstance(x, Variable) else x for x in instruction.inputs)
        inner = self.variable(tuple(out.shape[axis] for axis in back), out.dtype)
        self.add(replace(instruction, inputs=inputs, out=inner))
        if not self.weights.isdisjoint(x for x in inputs if isinstance(x, Variable)):
            self.weights.add(inner)
        self.view(inner, order, out)
        return True

    def reduced(self, instruction: Instruction) -> bool:
        """Reduce along the axes where they lie."""
        if instruction.name not in _REDUCTIONS or len(instruction.inputs) != 1:
            return False
        source, out, options = instruction.inputs[0], instruction.out, instruction.options
        if source not in self.form or not options.keys() <= {"axis", "keepdims"}:
            return False
        u, order = self.form[source]
        kept = options.get("keepdims", False)
        axes = {order[a] for a in axes_of(instruction, len(order))}
        if source in self.wanted and not _at_an_end(axes, len(order)):
            self.add(replace(instruction, inputs=(self.packed(source),)))  # it is brought in order for others anyway
            return True
        rest = [a for a in order if kept or a not in axes]
        places = tuple(sorted(rest).index(a) for a in rest)
        inner = self.variable(tuple(out.shape[a] for a in _inverse(places)), out.dtype)
        self.add(replace(instruction, inputs=(u,), options={**options, "axis": tuple(sorted(axes))}, out=inner))
        self.view(inner, places, out)
        return True

    def view(self, u: Variable, order: Order, out: Variable) -> None:
        """Let `out` be u with its axes in this order."""
        if order == tuple(range(len(order))):
            self.same[out] = u
            return
        self.form[out] = u, order
        self.add(Instruction("transpose", host.transpose, (u, order), {}, out))

    def turned(self, x: Variable, back: Order) -> Variable:
        """x, which broadcasts to as many axes as `back` has, with its axes in that order, and in memory so."""
        if x.dtype is None or not x.shape:
            return x
        if (x, back) in self.copies:
            return self.copies[x, back]
        shape = (1,) * (len(back) - len(x.shape)) + x.shape
        new = tuple(shape[axis] for axis in back)
        u, order = self.form.get(x, (x, tuple(range(len(shape)))))
        of = self.maker.get(x)
        if len(x.shape) == len(back) and tuple(order[axis] for axis in back) == tuple(range(len(back))):
            found = u
        elif x in self.constants:
            found = self.variable(new, x.dtype)
            self.constants[found] = host.ascontiguousarray(self.constants[x].reshape(shape).transpose(back))
        elif of is not None and of.name == "broadcast_to":
            small = self.turned(of.inputs[0], back)
            found = self.added("broadcast_to", host.broadcast_to, (small, new), new, x.dtype)
        else:
            if shape != x.shape:
                u = self.added("reshape", host.reshape, (x, shape), shape, x.dtype)
                order = tuple(range(len(shape)))
            found = self.variable(new, x.dtype)
            self.view(u, tuple(order[axis] for axis in back), found)
            found = self.packed(found)
        self.copies[x, back] = found
        return found

    def packed(self, x: Any) -> Any:
        """x in memory in the order of its axes: itself where it lies so, else a copy."""
        if not isinstance(x, Variable) or self._lies_in_order(x):
            return x
        if x not in self.copies:
            self.copies[x] = self.added("ascontiguousarray", host.ascontiguousarray, (x,), x.shape, x.dtype)
        return self.copies[x]

    def given(self, x: Variable) -> Variable:
        """x as a result, see Note [Results as they lie]."""
        of = self.maker.get(x)
        seen = of.inputs[0] if of is not None and of.name == "reshape" else x
        u, _ = self.form.get(seen, (None, None))
        as_it_lies = u in self.maker and self._lies_in_order(u) and u not in self.weights
        return x if as_it_lies else self.packed(x)

    def _lies_in_order(self, x: Variable) -> bool:
        if x in self.form:
            u, order = self.form[x]
            long = [axis for axis in order if u.shape[axis] != 1]
            return long == sorted(long) and self._lies_in_order(u)
        of = self.maker.get(x)
        if of is not None and of.name == "reshape" and isinstance(of.inputs[0], Variable):
            return self._lies_in_order(of.inputs[0]) or prod(x.shape) == prod(of.inputs[0].shape) == 1
        return of is None or of.name not in _VIEWS

    def added(self, name: str, function: Any, inputs: Any, shape: tuple[int, ...], dtype: Any) -> Variable:
        """The variable of a new instruction."""
        out = self.variable(shape, dtype)
        self.add(Instruction(name, function, inputs, {}, out))
        return out


def _is_elementwise(instruction: Instruction) -> bool:
    function = instruction.function
    cast = instruction.name in CASTS and instruction.options.keys() <= {"dtype"}
    if cast or instruction.name == "where":
        return len(instruction.out.shape) > 2
    if not isinstance(function, host.ufunc) or function.signature is not None:  # matmul is a ufunc of whole matrices
        return False
    return function.nout == 1 and len(instruction.out.shape) > 2


def _at_an_end(axes: set[int], count: int) -> bool:
    """Whether these axes are the first or the last ones."""
    return axes in (set(range(len(axes))), set(range(count - len(axes), count)))


def _inverse(order: Order) -> Order:
    return tuple(sorted(range(len(order)), key=order.__getitem__))
