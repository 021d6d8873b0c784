"""cuDNN: the instructions that it does, described as it knows them.

One idea: a convolution or an attention is a plain value, and the device is asked whether it does that. Where it does
not, a convolution is windows and products, and a trace has no attention in one piece to begin with. Read
`convolution.py` next, which is that other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ...convolution import geometry_of
from ...cuda.attentions import Attention
from ...cuda.convolutions import Convolution
from ...cuda.product import DTYPES
from ..native.kernels import Memory, Refs
from ..native.layout import Ref, whole
from ..native.template import is_packed
from ..program import Instruction
from .commands import Command
from .device import device_named
from .operations import Does, Operands, Operated, Room, Spot, is_aligned, operate

__all__ = ["attends", "operation_of"]

# Note [Weights are made again]
# Backward needs one number for each query, which forward has made: the logarithm of the sum of its exponentials. An
# instruction gives one array, so backward runs the forward once more to have it. That is a third of backward's own
# work, and a small part of a Transformer's; to hand it over would save it.

_KINDS = {"convolve": "forward", "convolve_input": "input", "convolve_weight": "weight"}
_STEP = 8  # elements of half precision: rows of attention must begin at multiples of 16 bytes


def operation_of(instruction: Instruction, refs: Refs, tf32: bool, does: Does) -> Operated | None:
    """The step of an instruction that the device does; None for every other."""
    if instruction.name in _KINDS:
        return _convolved(instruction, refs, tf32, does)
    if instruction.name in ("attend", "attend_gradients"):
        return _attended(instruction, refs, does)
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
    """A convolution as cuDNN has it; None for one of no numbers, of other dtypes, or of each channel by itself."""
    if "groups" not in instruction.options:
        return None  # NumPy's convolve, which is another function
    first, second = instruction.inputs
    geo = geometry_of(instruction.name, first.shape, second.shape, **instruction.options)
    dtype = str(instruction.out.dtype)
    if geo.is_empty or geo.is_depthwise or dtype not in DTYPES or {str(x.dtype) for x in (first, second)} != {dtype}:
        return None
    return Convolution.of(_KINDS[instruction.name], geo, dtype, tf32 and dtype == "float32")


# Attention


def attends(device: str, shape: tuple[int, ...], dtype: str, *, causal: bool, scale: float) -> bool:
    """Whether a device does attention of queries, keys and values of this shape (N, H, L, E), and its adjoint."""
    described = [_attention(kind, shape, dtype, causal=causal, scale=scale) for kind in ("forward", "backward")]
    return all(attention is not None and device_named(device).does(attention) for attention in described)


def _attention(kind: str, shape: tuple[int, ...], dtype: str, *, causal: bool, scale: float) -> Attention | None:
    try:
        n, h, length, e = shape
        lies = n, h, length, e
        return Attention.packed(kind, lies, lies, lies, dtype, scale=scale, causal=causal)
    except ValueError:
        return None  # of no numbers, or of a dtype that it does not know


def _attended(instruction: Instruction, refs: Refs, does: Does) -> Operated | None:
    """See Note [Weights are made again]."""
    out, room = instruction.out, Room()
    n, length, heads, width = shape = instruction.inputs[0].shape
    lies = n, heads, length, width
    forward, backward = (
        _attention(kind, lies, str(out.dtype), **instruction.options) for kind in ("forward", "backward")
    )
    if forward is None or backward is None:
        return None
    reads = [refs[variable] for variable in instruction.inputs]
    operands = Operands(reads, room, _lies_in_rows)
    row = heads * width
    alone, beside = (length * row, width, row, 1), (length * 3 * row, width, 3 * row, 1)  # along N, H, L and E
    at = {
        role: alone if ref in operands.copies else _by_head(ref.strides)
        for role, ref in zip(("q", "k", "v", "do"), reads, strict=False)
    }
    only = instruction.name == "attend"
    forward = forward.where(**{role: at[role] for role in "qkv"}, o=alone)
    if not only:
        backward = backward.where(**at, o=alone, dq=beside, dk=beside, dv=beside)
    if not does(forward) or not (only or does(backward)):
        return None
    size = prod(shape) * out.dtype.itemsize
    made = {"stats": (room.take(4 * n * heads * length), 4 * n * heads * length)}
    if not only:
        made["o"] = room.take(size), size

    def commands(memory: Memory) -> Iterator[Command]:
        yield from operands.copied(memory)
        spots = {role: operands.spot(ref, memory) for role, ref in zip(("q", "k", "v", "do"), reads, strict=False)}
        spots |= {role: room.spot(memory, *piece) for role, piece in made.items()}
        target = Spot.of(whole(out), memory)
        if only:
            yield operate(forward, {**spots, "o": target}, repr(out))
            return
        yield operate(forward, {role: spots[role] for role in (*forward.reads, *forward.writes)}, repr(out))
        spots |= {role: target.on(i * row * out.dtype.itemsize) for i, role in enumerate(("dq", "dk", "dv"))}
        yield operate(backward, spots, repr(out))

    return Operated(instruction, reads, scratch=room.scratch, about="cuDNN", commands=commands)


def _lies_in_rows(ref: Ref) -> bool:
    """Whether cuDNN can read (N, L, H, E) where it lies."""
    *rows, last = ref.strides
    return (last == 1 or ref.shape[-1] == 1) and is_aligned(ref) and all(step % _STEP == 0 for step in rows)


def _by_head(strides: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The strides of (N, L, H, E) as those of (N, H, L, E)."""
    n, length, heads, _ = strides
    return n, heads, length, 1
