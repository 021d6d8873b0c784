"""Draws: random numbers made by the GPU, the same to the last bit as those of `autograd/draws.py`.

One idea: a thread makes one block of four words of Philox and what numbers there are in them. Which draw it is stands
in three words on the device that are written before each launch, so a replayed graph draws anew.
Read `../native/draws.py` first: what is made of words is said there.
"""

from __future__ import annotations

from math import prod

from ..native.draws import PARTS, PHILOX, text_of
from ..native.kernels import Kernel, Memory, Refs
from ..native.layout import whole
from ..native.members import ctype
from ..program import Instruction
from .commands import Launch
from .nests import Elements, Launches, kernel_over

__all__ = ["GENERATOR", "KERNELS"]

GENERATOR = """typedef unsigned long long word;
static __device__ void product(word a, word b, word *high, word *low) {
  *high = __umul64hi(a, b);
  *low = a * b;
}
""" + PHILOX.replace("static inline", "static __device__")


def drawn(instruction: Instruction, refs: Refs) -> Kernel | None:
    """A draw of uniform numbers, integers, masks or words."""
    found = text_of(instruction)
    if found is None:
        return None
    draw, (bits, value, added) = found
    out, each = instruction.out, 4 * 64 // bits
    count = prod(out.shape)
    number = value.format("u.parts[k]")
    if added:  # apart from the product before it: both in one would round as one
        number = f"__{'f' if out.dtype == 'float32' else 'd'}add_rn({number}, {added})"
    body = [
        "word seed[2] = {x0[0], x0[1]};",
        f"union {{ word words[4]; {PARTS[bits]} parts[{each}]; }} u = {{{{(word)i + 1, x0[2], 0, 0}}}};",
        "philox(seed, u.words);",
        f"for (int k = 0; k < {each}; k++) if (i * {each} + k < {count}) y0[i * {each} + k] = {number};",
    ]

    def launches(memory: Memory) -> list[Launch]:
        slot, start = memory.place(draw)
        words = Elements("uint64", (slot, start), (slot, start, start + 24))
        target = Elements.of(whole(out), memory)
        return [kernel_over(f"draw, {ctype(out.dtype)}", -(-count // each), [words], [target], body)]

    return Launches(instruction, [], draw=draw, launches=launches)


KERNELS = dict.fromkeys(("draw.integers", "draw.keep_mask", "draw.uniform", "draw.words"), drawn)
