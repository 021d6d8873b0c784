"""Draws: random numbers as a function of where they stand, the same bits on every device.

One idea: the bits of a draw depend only on (seed, stream, number of the draw, position of the element), never on what
was drawn before. So any code may draw the same numbers again (the backward of dropout, a kernel written in C or CUDA),
and the first n numbers of a draw do not depend on how many were asked for. A `Draw` turns its words into numbers, which
are bare arrays. Read `random.py` next, which counts draws.
"""

from __future__ import annotations

import math
import operator
import threading
from dataclasses import dataclass
from typing import Any

from .backend import Array, host, module_of, move

__all__ = ["Draw", "Shape", "dropped_of_65536", "keep_probability", "philox_words", "shape_and_size"]

Shape = int | tuple[int, ...]

# Note [Philox]
# The words are those of Philox4x64-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
# 2011). The key is (seed, stream). The counter is four 64-bit words, lowest first: (block, draw, 0, 0); each counter
# value gives a block of four words. NumPy adds one to the counter *before* it makes a block, so from the counter
# (0, draw, 0, 0) its first block is that of (1, draw, 0, 0): word i of a draw is word i % 4 of the block whose
# lowest counter word is i // 4 + 1. C and CUDA code must count in the same way to give the same bits.

_philox_of_thread = threading.local()


def philox_words(seed: int, stream: int, draw: int, count: int) -> Array:
    """The first `count` 64-bit words of a draw, as a host array of uint64. See Note [Philox].

    Each thread keeps one bit generator and sets its counter: that takes 0.3 us, making a new one 7 us.
    """
    bits = getattr(_philox_of_thread, "bits", None)
    if bits is None:
        bits = _philox_of_thread.bits = host.random.Philox(0)
    bits.state = {
        "bit_generator": "Philox",
        "state": {"counter": (0, draw, 0, 0), "key": (seed, stream)},
        "buffer": (0, 0, 0, 0),
        "buffer_pos": 4,  # the buffer is used up: the next word starts a block
        "has_uint32": 0,
        "uinteger": 0,
    }
    return bits.random_raw(count)


# Note [Words to numbers]
# What each element is made of. All parts of a word are taken lowest bits first, on every machine.
#   uniform float64   word i                            (word >> 11) * 2^-53      in [0, 1)
#   uniform float32   half i % 2 of word i // 2         (half >> 8) * 2^-24       in [0, 1)
#   uniform float16   quarter i % 4 of word i // 4      (quarter >> 5) * 2^-11    in [0, 1)
#   keep_mask         quarter i % 4 of word i // 4      quarter >= round(65536 p)
#   integers          word i                            low + word % (high - low)
#   permutation       word i                            its lowest bits replaced by i, then sorted
#   normal            words i and i + 1, i even         u = word i, v = word i + 1 as uniform float64:
#                                                       element i     = sqrt(-2 log(1 - u)) cos(2 pi v)
#                                                       element i + 1 = sqrt(-2 log(1 - u)) sin(2 pi v)
# All are the same to the last bit on every device, but for normal (Box and Muller, 1958), computed in float64: there
# log, cos and sin may differ in the last place.

_FLOATS = {  # dtype -> the part of a word that makes one number, bits dropped, what one step is worth
    "float64": ("<u8", "<i8", 11, 2.0**-53),
    "float32": ("<u4", "<i4", 8, 2.0**-24),
    "float16": ("<u2", "<i2", 5, 2.0**-11),
}
_QUARTER = 2**16


def shape_and_size(shape: Shape) -> tuple[tuple[int, ...], int]:
    """A shape as a tuple, and how many elements it has. Raises ValueError for a negative size."""
    sizes = tuple(map(operator.index, shape)) if isinstance(shape, (tuple, list)) else (operator.index(shape),)
    if any(size < 0 for size in sizes):
        raise ValueError(f"shape {sizes} has a negative size: every size must be 0 or more.")
    return sizes, math.prod(sizes)


def _float_name(dtype: Any) -> str:
    """NumPy's name for the dtype: "float32" for "float32", numpy.float32 and numpy.dtype("float32")."""
    name = str(getattr(dtype, "name", getattr(dtype, "__name__", dtype)))
    if name not in _FLOATS:
        raise TypeError(f"random numbers are of dtype {', '.join(_FLOATS)}, not {name}: draw one and use astype.")
    return name


def dropped_of_65536(p: float) -> int:
    """The number that a quarter of a word must reach for a mask of dropout with probability `p` to keep its element."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"a probability must be from 0 to 1, got p={p}.")
    return round(p * _QUARTER)


def keep_probability(p: float) -> float:
    """The probability with which `keep_mask(shape, p)` keeps an element: 1 - p, rounded to 16 binary digits.

    Inverted dropout that divides by exactly this number is unbiased. p = 0 and p = 1 are exact.
    """
    return 1.0 - dropped_of_65536(p) / _QUARTER


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw of a generator: numbers that can be made again at any time, anywhere.

    The methods of one draw read the same bits: call one of them, as often as wanted.
    """

    seed: int
    stream: int
    draw: int

    def words(self, count: int) -> Array:
        """The first `count` 64-bit words, as a host array of uint64."""
        return philox_words(self.seed, self.stream, self.draw, count)

    def uniform(
        self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = "float32", device: str = "cpu"
    ) -> Array:
        """Numbers spread evenly over [low, high); where low + u (high - low) rounds up, `high` itself may appear.

        Raises TypeError for a dtype other than float16, float32 and float64.
        """
        shape, count = shape_and_size(shape)
        part, signed, dropped, step = _FLOATS[_float_name(dtype)]
        bits = self._parts(count, part)
        bits >>= dropped
        # As signed numbers, which the processor converts to floating point several at a time.
        numbers = bits.view(signed).astype(dtype)
        numbers *= step
        if (low, high) != (0.0, 1.0):
            numbers *= high - low
            numbers += low
        return move(numbers.reshape(shape), device)

    def normal(
        self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = "float32", device: str = "cpu"
    ) -> Array:
        """Numbers of the normal distribution with this mean and standard deviation. See Note [Words to numbers]."""
        shape, count = shape_and_size(shape)
        _float_name(dtype)
        words = self.words(count + count % 2)
        xp = module_of(words)
        u, v = (words >> 11).astype("float64").reshape(-1, 2).T * 2.0**-53
        radius, angle = xp.sqrt(-2.0 * xp.log1p(-u)), (2.0 * math.pi) * v
        numbers = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=1).reshape(-1)[:count]
        return move((numbers * std + mean).astype(dtype).reshape(shape), device)

    def integers(self, low: int, high: int, shape: Shape, device: str = "cpu") -> Array:
        """Integers from low to high - 1, of dtype int64.

        No value is more likely than another by more than one part in 2^64 / (high - low): less than 2^-40 for ranges
        up to 16 million. Raises ValueError for an empty range or one of more than 2^63 values.
        """
        shape, count = shape_and_size(shape)
        low, high = operator.index(low), operator.index(high)
        if not (0 < high - low <= 2**63 and low >= -(2**63) and high <= 2**63):
            raise ValueError(
                f"integers(low={low}, high={high}) has no range to draw from: low must be less than high, both must "
                "fit into 64 bits, and the range may hold 2**63 values at most."
            )
        words = self.words(count)
        words %= high - low
        return move((words.view("int64") + low).reshape(shape), device)

    def keep_mask(self, shape: Shape, p: float, device: str = "cpu") -> Array:
        """True where dropout with probability `p` keeps an element: bools, each True with `keep_probability(p)`."""
        shape, count = shape_and_size(shape)
        mask = self._parts(count, "<u2") >= dropped_of_65536(p)
        return move(mask.reshape(shape), device)

    def permutation(self, n: Shape) -> Array:
        """The numbers from 0 to n - 1 in random order: a host array of int64, to index with.

        Of a shape, a permutation along its last axis for each place of the others.
        """
        shape, total = shape_and_size(n)
        count = shape[-1]
        # With its own index in the lowest bits no word equals another, so that every way of sorting gives one order.
        index_bits = count.bit_length()
        words = self.words(total).reshape(shape)
        words >>= index_bits
        words <<= index_bits
        words |= module_of(words).arange(count, dtype="uint64")
        words.sort(axis=-1)
        words &= 2**index_bits - 1
        return words.view("int64")

    def _parts(self, count: int, part: str) -> Array:
        """The first `count` halves or quarters of the words, lowest first, whatever the machine's byte order."""
        per_word = 8 // int(part[-1])
        return self.words(-(-count // per_word)).astype("<u8", copy=False).view(part)[:count]
