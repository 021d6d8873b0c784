"""Operations: instructions that cuDNN does whole, where it is there and has an engine for them.

One idea: an instruction is described as a plain value, and the device is asked whether it does that; where it does not,
nothing is lost, since kernels and products do it too. Read `convolution.py` next, which is that other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from math import prod

from ...backend import host
from ...convolution import geometry_of
from ...cuda.convolutions import Convolution
from ...cuda.cudnn import ALIGNMENT
from ...cuda.graphs import Operation
from ...cuda.product import DTYPES
from ..native.kernels import Kernel, Memory, Refs
from ..native.layout import Ref
from ..native.template import is_packed
from ..program import Instruction, Variable
from .commands import Command, Operate, Place, Span, span_of
from .nests import packed_copy

__all__ = ["Does", "Operated", "operation_of"]

Does = Callable[[Operation], bool]  # whether a device has a way of its own

_KINDS = {"convolve": "forward", "convolve_input": "input", "convolve_weight": "weight"}


@dataclass
class Operated(Kernel):
    """An instruction that is one operation; `commands` are given where all lies."""

    _: KW_ONLY
    commands: Callable[[Memory], Iterator[Command]]


def operation_of(instruction: Instruction, refs: Refs, tf32: bool, does: Does) -> Operated | None:
    """The step of an instruction that the device does; None for every other."""
    operation = _convolution(instruction, tf32) if instruction.name in _KINDS else None
    return _operated(instruction, refs, operation) if operation is not None and does(operation) else None


def _convolution(instruction: Instruction, tf32: bool) -> Convolution | None:
    """A convolution as cuDNN has it; None for one of no numbers, of other dtypes, or of each channel by itself."""
    if "groups" not in instruction.options:
        return None  # NumPy's convolve, which is another function
    first, second = instruction.inputs
    geo = geometry_of(instruction.name, first.shape, second.shape, **instruction.options)
    dtype = str(instruction.out.dtype)
    if geo.is_empty or geo.is_depthwise or dtype not in DTYPES or {str(x.dtype) for x in (first, second)} != {dtype}:
        return None
    return Convolution.of(_KINDS[instruction.name], geo, dtype, tf32 and dtype == "float32")


def _operated(instruction: Instruction, refs: Refs, operation: Operation) -> Operated:
    """The step; what does not lie as cuDNN wants it is copied first, to scratch memory."""
    reads = [refs[variable] for variable in instruction.inputs]
    starts: dict[Ref, int] = {}
    taken = 0
    for ref in reads:
        if ref not in starts and not _lies_well(ref):
            starts[ref] = taken
            taken += -(-prod(ref.shape) * ref.base.dtype.itemsize // 256) * 256
    scratch = Variable(-1, (taken,), host.dtype("uint8")) if taken else None

    def commands(memory: Memory) -> Iterator[Command]:
        places, spans = list[Place](), list[Span]()
        for ref in reads:
            slot, start = memory.place(ref.base)
            place, span = (slot, start + ref.offset * ref.base.dtype.itemsize), span_of(ref.base, (slot, start))
            if ref in starts and scratch is not None:
                slot, start = memory.place(scratch)
                place = slot, start + starts[ref]
                span = slot, place[1], place[1] + prod(ref.shape) * ref.base.dtype.itemsize
                yield packed_copy(ref, place, memory)
            places.append(place)
            spans.append(span)
        out = instruction.out
        target = memory.place(out)
        given = dict(zip((*operation.reads, *operation.writes), (*places, target), strict=True))
        yield Operate(operation, tuple(given.items()), frozenset(spans), frozenset({span_of(out, target)}), repr(out))

    return Operated(instruction, reads, scratch=scratch, about="cuDNN", commands=commands)


def _lies_well(ref: Ref) -> bool:
    return is_packed(ref) and ref.offset * ref.base.dtype.itemsize % ALIGNMENT == 0
