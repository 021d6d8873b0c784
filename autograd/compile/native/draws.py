"""Draws: random numbers made in C, the same to the last bit as those of `autograd/draws.py`.

One idea: a random number depends on key, counter and position alone, so all that C is told of a generator are three
words (seed, stream, number of the draw), at each call anew. Read `recurrent.py` next.
"""

# Note [Draws in C]
# PHILOX is Note [Philox] of `autograd/draws.py` once more; `product` is all of it that CUDA says in another way, with
# __umul64hi. The blocks of a draw wait for nothing of each other, so the processor works on several at once. Words are
# made a piece at a time, small enough for the fastest cache, and what is made of their parts is as in Note [Words to
# numbers] there. Halves and quarters are read as a machine that stores low bytes first has them; on any other, and for
# the normal distribution, whose logarithm and cosine are NumPy's own, draws are left to NumPy.

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Callable
from math import prod
from typing import Any

from ...draws import dropped_of_65536
from ..program import Instruction, Variable
from .expressions import C_TYPES, constant
from .kernels import KERNELS, Listed, Statements
from .layout import Ref

__all__ = ["PARTS", "PHILOX", "PRODUCT", "text_of"]

PRODUCT = """typedef unsigned long long word;
static inline void product(word a, word b, word *high, word *low) {
  unsigned __int128 both = (unsigned __int128)a * b;
  *high = both >> 64;
  *low = both;
}
"""
PHILOX = """static inline void philox(const word *key, word *w) {
  word seed = key[0], stream = key[1], high0, low0, high2, low2;
  for (int i = 0; i < 10; i++) {
    product(0xD2E7470EE14C6C93ull, w[0], &high0, &low0);
    product(0xCA5A826395121157ull, w[2], &high2, &low2);
    w[0] = high2 ^ w[1] ^ seed, w[1] = low2, w[2] = high0 ^ w[3] ^ stream, w[3] = low0;
    seed += 0x9E3779B97F4A7C15ull, stream += 0xBB67AE8584CAA73Bull;
  }
}
"""
_BLOCKS = """static __attribute__((noinline))
void blocks(const word *restrict draw, word first, long count, word *restrict y) {
  for (long i = 0; i < count; i++, y += 4) {
    word w[4] = {first + i, draw[2], 0, 0};
    philox(draw, w);
    y[0] = w[0], y[1] = w[1], y[2] = w[2], y[3] = w[3];
  }
}
static __attribute__((noinline)) void add_float(float *y, long count, float x) {
  for (long i = 0; i < count; i++) y[i] += x;
}
static __attribute__((noinline)) void add_double(double *y, long count, double x) {
  for (long i = 0; i < count; i++) y[i] += x;
}"""

_PIECE = 512  # words
PARTS = {16: "unsigned short", 32: "unsigned int", 64: "word"}  # bits -> type
_FLOATS = {  # dtype -> bits of a part, those in [0, 1) that its highest bits make
    "float32": (32, "(float)(int)({0} >> 8) * 0x1p-24f"),
    "float64": (64, "(double)(long long)({0} >> 11) * 0x1p-53"),
}


# What C does, by method: from the instruction and its arguments to how wide the part of a word is that makes one number
# and the number, {0} being the part; then what is to be added to it by another function, which may be nothing: in one
# with the product before it both would round as one.

Text = tuple[int, str, str]


def _words(instruction: Instruction, given: dict[str, Any]) -> Text:
    return 64, "{0}", ""


def _keep_mask(instruction: Instruction, given: dict[str, Any]) -> Text:
    return 16, f"{{0}} >= {dropped_of_65536(given['p'])}", ""


def _integers(instruction: Instruction, given: dict[str, Any]) -> Text:
    low, high = operator.index(given["low"]), operator.index(given["high"])
    return 64, f"(long long)({{0}} % {high - low}ull + {low % 2**64}ull)", ""


def _uniform(instruction: Instruction, given: dict[str, Any]) -> Text | None:
    dtype, low, high = instruction.out.dtype, given["low"], given["high"]
    plain = {type(low), type(high)} <= {int, float}  # NumPy's scalars would have a say in the dtype
    if str(dtype) not in _FLOATS or not plain:
        return None
    bits, value = _FLOATS[str(dtype)]
    if (low, high) == (0.0, 1.0):
        return bits, value, ""
    return bits, f"{value} * {constant(high - low, dtype)}", constant(low, dtype)


_WRITERS: dict[str, Callable[[Instruction, dict[str, Any]], Text | None]] = {
    "draw.integers": _integers,
    "draw.keep_mask": _keep_mask,
    "draw.uniform": _uniform,
    "draw.words": _words,
}


def text_of(instruction: Instruction) -> tuple[Any, Text] | None:
    """The draw of an instruction and what is made of its words; None for what NumPy has to do."""
    draw, *others = instruction.variables()
    if sys.byteorder != "little" or others:
        return None
    bound = inspect.signature(instruction.function).bind(*instruction.inputs, **instruction.options)
    bound.apply_defaults()
    if bound.arguments.get("device", "cpu") != "cpu":
        return None
    text = _WRITERS[instruction.name](instruction, bound.arguments)
    return None if text is None else (draw, text)


def _kernel(instruction: Instruction, refs: dict[Any, Ref]) -> Statements | None:
    found = text_of(instruction)
    if found is None:
        return None
    draw, text = found

    def statements(listed: Listed) -> str:
        return _statements(instruction.out, text, listed.address(draw), listed.address(instruction.out))

    functions = (PRODUCT + PHILOX + _BLOCKS,)
    return Statements(instruction, [], statements=statements, functions=functions, draw=draw, about="draw")


def _statements(out: Variable, text: Text, draw: str, target: str) -> str:
    """What makes a draw into numbers."""
    (bits, value, added), kind, count = text, C_TYPES[str(out.dtype)], prod(out.shape)
    piece, block = _PIECE * 64 // bits, 4 * 64 // bits  # in numbers
    lines = [
        f"  union {{ word words[{_PIECE}]; {PARTS[bits]} parts[{piece}]; }} u;",
        f"  const void *draw = {draw};",
        f"  {kind} *y = (void *){target};",
        f"  for (long i = 0; i < {count}; i += {piece}, y += {piece}) {{",
        f"    long count = {count} - i < {piece} ? {count} - i : {piece};",
        f"    blocks(draw, 1 + i / {block}, (count + {block - 1}) / {block}, u.words);",
        f"    for (long j = 0; j < count; j++) y[j] = {value.format('u.parts[j]')};",
        f"    add_{kind}(y, count, {added});" if added else "",
        "  }",
    ]
    return "\n".join(filter(None, lines))


KERNELS.update(dict.fromkeys(_WRITERS, _kernel))
