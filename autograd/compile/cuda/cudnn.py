"""cuDNN: the instructions that it does, described as it knows them.

One idea: a convolution or an attention is a plain value, and the device is asked whether it does that. Where it does
not, a convolution is windows and products, and a trace has no attention in one piece to begin with. Read
`convolution.py` next, which is that other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...convolution import geometry_of
from ...cuda.attentions import READS, Attention
from ...cuda.convolutions import DTYPES, Convolution
from ..native.kernels import Memory, Refs
from ..native.layout import Ref, whole
from ..native.schedule import Call, Step
from ..native.template import is_packed
from ..program import Instruction, Variable
from .commands import Command
from .device import device_named
from .operations import Does, Operands, Operated, Room, Spot, is_aligned, operate

__all__ = ["attends", "operation_of", "with_statistics"]

# Note [Convolutions that are ours]
# Float64, and float32 that is not to be rounded: see `../../cuda/convolutions.py`, Note [What cuDNN is not given]. And
# those of each channel by itself, of no numbers, and of dtypes that cuDNN does not know.

# Note [What forward leaves for backward]
# Backward needs the result and its statistics: for each query the logarithm of the sum of its exponentials. Forward has
# both at hand, but an instruction gives one array. So the statistics are an instruction of their own, which backward
# asks for; where it does, the attention of the same queries and keys, which was done before, leaves them beside its
# result. Where nobody asks, as in inference, it makes none. Statistics of no attention are CuPy's.

_KINDS = {"convolve": "forward", "convolve_input": "input", "convolve_weight": "weight"}
_ATTENTIONS = {"attend": "inference", "attend_gradients": "backward"}  # before `with_statistics`
_STEP = 8  # elements of half precision: rows of attention must begin at multiples of 16 bytes


def operation_of(instruction: Instruction, refs: Refs, tf32: bool, does: Does) -> Operated | None:
    """The step of an instruction that the device does; None for every other."""
    if instruction.name in _KINDS:
        return _convolved(instruction, refs, tf32, does)
    if instruction.name in _ATTENTIONS:
        return _attended(_ATTENTIONS[instruction.name], instruction, refs, does)
    return None


def _convolved(instruction: Instruction, refs: Refs, tf32: bool, does: Does) -> Operated | None:
    operation = _convolution(instruction, tf32)
    if operation is None or not does(operation):
        return None
    reads, out, room = [refs[variable] for variable in instruction.inputs], instruction.out, Room()
    operands = Operands(reads, room, lambda ref: is_packed(ref) and is_aligned(ref))

    def commands(memory: Memory) -> Iterator[Command]:
        yield from operands.copied(memory)
        spots = [operands.spot(ref, memory) for ref in reads] + [Spot.of(whole(out), memory)]
        roles = (*operation.reads, *operation.writes)
        yield operate(operation, dict(zip(roles, spots, strict=True)), repr(out))

    return Operated(instruction, reads, scratch=room.scratch, about="cuDNN", commands=commands)


def _convolution(instruction: Instruction, tf32: bool) -> Convolution | None:
    """A convolution as cuDNN shall do it; None for another, see Note [Convolutions that are ours]."""
    if "groups" not in instruction.options:
        return None  # NumPy's convolve, which is another function
    first, second = instruction.inputs
    geo = geometry_of(instruction.name, first.shape, second.shape, **instruction.options)
    dtype = str(instruction.out.dtype)
    if geo.is_empty or geo.is_depthwise or dtype not in DTYPES or {str(x.dtype) for x in (first, second)} != {dtype}:
        return None
    if dtype == "float32" and not tf32:
        return None
    return Convolution.of(_KINDS[instruction.name], geo, dtype)


# Attention


def attends(device: str, shape: tuple[int, ...], dtype: str, *, causal: bool, scale: float) -> bool:
    """Whether a device does attention of queries, keys and values of this shape (N, H, L, E), and its adjoint."""
    described = [_attention(kind, shape, dtype, causal=causal, scale=scale) for kind in READS]
    return all(attention is not None and device_named(device).does(attention) for attention in described)


def _attention(kind: str, shape: tuple[int, ...], dtype: str, *, causal: bool, scale: float) -> Attention | None:
    try:
        n, h, length, e = shape
        lies = n, h, length, e
        return Attention.packed(kind, lies, lies, lies, dtype, scale=scale, causal=causal)
    except ValueError:
        return None  # of no numbers, or of a dtype that it does not know


def _attended(
    kind: str, instruction: Instruction, refs: Refs, does: Does, statistics: Variable | None = None
) -> Operated | None:
    """The step of an attention of this kind, or of its adjoint; "forward" leaves `statistics` beside the result."""
    out, reads, room = instruction.out, [refs[variable] for variable in instruction.inputs], Room()
    n, length, heads, width = instruction.inputs[0].shape
    operation = _attention(kind, (n, heads, length, width), str(out.dtype), **instruction.options)
    if operation is None:
        return None
    operands = Operands(reads, room, _lies_well)
    made = [role for role in operation.writes if role != "stats"]  # beside each other in the result
    row, step = heads * width, heads * width * len(made)
    alone, beside = (length * row, width, row, 1), (length * step, width, step, 1)  # along N, H, L and E
    lies = {
        role: alone if ref in operands.copies else _by_head(ref.strides)
        for role, ref in zip(operation.reads, reads, strict=True)
        if role != "stats"
    }
    operation = operation.where(**lies, **dict.fromkeys(made, beside))
    if not does(operation):
        return None

    def commands(memory: Memory) -> Iterator[Command]:
        yield from operands.copied(memory)
        spots = {role: operands.spot(ref, memory) for role, ref in zip(operation.reads, reads, strict=True)}
        target = Spot.of(whole(out), memory)
        spots |= {role: target.on(i * row * out.dtype.itemsize) for i, role in enumerate(made)}
        if statistics is not None:
            spots["stats"] = Spot.of(whole(statistics), memory)
        yield operate(operation, spots, repr(out))

    return Operated(instruction, reads, scratch=room.scratch, second=statistics, about="cuDNN", commands=commands)


def with_statistics(steps: list[Step], refs: Refs, does: Does) -> list[Step]:
    """The steps in which an attention leaves its statistics where a later step would have computed them.

    See Note [What forward leaves for backward].
    """
    done: list[Step | None] = list(steps)
    attentions: dict[Any, tuple[int, Operated]] = {}  # whose statistics nobody wanted so far, each with its place
    for i, step in enumerate(steps):
        if isinstance(step, Operated) and step.instruction.name == "attend":
            attentions.setdefault(_scored(step.instruction, refs), (i, step))
        elif isinstance(step, Call) and step.instruction.name == "attend_statistics":
            found = attentions.pop(_scored(step.instruction, refs), None)
            if found is None:
                continue
            place, attention = found
            both = _attended("forward", attention.instruction, refs, does, step.instruction.out)
            if both is not None:
                done[place], done[i] = both, None
    return [step for step in done if step is not None]


def _scored(instruction: Instruction, refs: Refs) -> tuple[Any, ...]:
    """What the scores of an attention are made of: queries, keys and options."""
    queries, keys = instruction.inputs[:2]
    return refs[queries], refs[keys], *instruction.options.items()


def _lies_well(ref: Ref) -> bool:
    """Whether cuDNN can read (N, L, H, E), or statistics (N, H, L), where it lies."""
    if len(ref.shape) == 3:
        return is_packed(ref) and is_aligned(ref)
    *rows, last = ref.strides
    return (last == 1 or ref.shape[-1] == 1) and is_aligned(ref) and all(step % _STEP == 0 for step in rows)


def _by_head(strides: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The strides of (N, L, H, E) as those of (N, H, L, E)."""
    n, length, heads, _ = strides
    return n, heads, length, 1
