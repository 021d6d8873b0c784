"""Random numbers: one counter-based generator, the same bits on every device.

One idea: a draw's bits depend only on (seed, stream, number of the draw, position of the element), never on what was
drawn before. So the state of a generator is three integers, any code may draw the same numbers again (the backward of
dropout, a kernel written in C or CUDA), and the first n numbers of a draw do not depend on how many were asked for.

A `Generator` counts draws; a `Draw` is one of them and turns its words into numbers. The functions of the module give
Tensors, the methods of both classes give bare arrays. Read `backend.py` first.
"""

from __future__ import annotations

import math
import operator
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .backend import Array, host, module_of, move
from .batching import Batched
from .errors import VmapError
from .hints import Elsewhere, telling
from .modes import is_batching, is_tracing, refuse_in_trace
from .tensor import Tensor, wrap
from .words import OF_GENERATORS

__all__ = [
    "Draw",
    "Generator",
    "default",
    "keep_probability",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "seed",
    "uniform",
]

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
_WORD = 2**64
_QUARTER = 2**16


def _shape_and_size(shape: Shape) -> tuple[tuple[int, ...], int]:
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


def _word(name: str, value: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}.") from None
    if not 0 <= number < _WORD:
        raise ValueError(f"{name} must be a whole number from 0 to 2**64 - 1, got {value}.")
    return number


def dropped_of_65536(p: float) -> int:
    """The number that a quarter of a word must reach for a mask of dropout with probability `p` to keep its element."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"a probability must be from 0 to 1, got p={p}.")
    return round(p * _QUARTER)


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
        shape, count = _shape_and_size(shape)
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
        shape, count = _shape_and_size(shape)
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
        shape, count = _shape_and_size(shape)
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
        shape, count = _shape_and_size(shape)
        mask = self._parts(count, "<u2") >= dropped_of_65536(p)
        return move(mask.reshape(shape), device)

    def permutation(self, n: Shape) -> Array:
        """The numbers from 0 to n - 1 in random order: a host array of int64, to index with.

        Of a shape, a permutation along its last axis for each place of the others.
        """
        shape, total = _shape_and_size(n)
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


def _runs_apart() -> list[Any]:
    """The runs of vmap inside of which this is, the outermost first, whose examples do not share their draws."""
    return [run for run in is_batching() if run.randomness != "same"]


def _check_numbers(name: str, instead: str, *numbers: Any) -> None:
    """Raise TypeError for arrays, which would be taken in the order of the draw, and Tensors that lead somewhere."""
    for x in numbers:
        leads_on = isinstance(x, Tensor) and (x.requires_grad or isinstance(x.data, Batched))
        if leads_on or getattr(x, "ndim", 0) > 0:
            raise TypeError(
                f"{name} draws with one number for all, got a {type(x).__name__} of shape {x.shape}: write {instead}, "
                "which takes arrays and has gradients."
            )


# Guards the count of every generator: taking a number is too short for threads to wait for one another.
_counting = threading.Lock()


class Generator:
    """A source of random numbers that is seeded, counted and saved with a checkpoint.

    Every draw takes the next number of a count, under a lock: two threads never get the same numbers. `seed=None` takes
    64 bits from the operating system. Generators of one seed and different streams are independent.

    Raises ValueError when seed or stream is not from 0 to 2**64 - 1, TraceError inside a compiled function.
    """

    def __init__(self, seed: int | None = None, *, stream: int = 0) -> None:
        refuse_in_trace("makes a generator")
        self.seed = secrets.randbits(64) if seed is None else _word("seed", seed)
        self.stream = _word("stream", stream)
        self.draw = 0

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, stream={self.stream}, draw={self.draw})"

    def next(self) -> Draw:
        """The next draw, to be turned into numbers once or, the same numbers, several times.

        Raises VmapError inside vmap, unless all examples shall have the same numbers.
        """
        if _runs_apart():
            raise VmapError("a draw inside vmap is that of all examples: take it outside, or ask for numbers.")
        return self._next()

    def _next(self) -> Draw:
        trace = is_tracing()
        if trace is None:
            return self.take()
        traced: Draw = trace.draw(self)  # a compiled function takes a new draw at each call
        return traced

    def take(self) -> Draw:
        """The next draw, now, also while a trace is made."""
        with _counting:
            draw = Draw(self.seed, self.stream, self.draw)
            self.draw += 1
        return draw

    def uniform(
        self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = "float32", device: str = "cpu"
    ) -> Array:
        """Numbers spread evenly over [low, high), as `Draw.uniform`. Raises TypeError for arrays as bounds."""
        _check_numbers("uniform", "low + (high - low) * rand(shape)", low, high)
        return self._numbers(shape, lambda draw, shape: draw.uniform(shape, low, high, dtype, device))

    def normal(
        self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = "float32", device: str = "cpu"
    ) -> Array:
        """Numbers of the normal distribution, as `Draw.normal`. Raises TypeError for an array as mean or std."""
        _check_numbers("normal", "mean + std * randn(shape)", mean, std)
        if not std >= 0:
            raise ValueError(f"normal got std={std}: a standard deviation is at least 0.")
        return self._numbers(shape, lambda draw, shape: draw.normal(shape, mean, std, dtype, device))

    def integers(self, low: int, high: int, shape: Shape, device: str = "cpu") -> Array:
        """Integers from low to high - 1, of dtype int64, as `Draw.integers`."""
        return self._numbers(shape, lambda draw, shape: draw.integers(low, high, shape, device))

    def keep_mask(self, shape: Shape, p: float, device: str = "cpu") -> Array:
        """True where dropout with probability `p` keeps an element, as `Draw.keep_mask`."""
        return self._numbers(shape, lambda draw, shape: draw.keep_mask(shape, p, device))

    def permutation(self, n: int) -> Array:
        """The numbers from 0 to n - 1 in random order: a host array of int64, as `Draw.permutation`."""
        return self._numbers(n, lambda draw, shape: draw.permutation(shape))

    def _numbers(self, shape: Shape, of: Callable[[Draw, Shape], Array]) -> Array:
        """Numbers of the next draw; inside vmap those of all examples, one draw long, where each has its own."""
        runs = _runs_apart()
        if not runs:
            return of(self._next(), shape)
        if any(run.randomness == "error" for run in runs):
            raise VmapError(
                'random numbers were drawn inside vmap: write vmap(f, randomness="different") where each example shall '
                'have its own, "same" where one draw is for all, or draw outside and pass them.'
            )
        numbers = of(self._next(), (*(run.count for run in runs), *_shape_and_size(shape)[0]))
        for run in runs:  # from the outermost on; see `batching/array.py`
            numbers = Batched(run, numbers, own=True)
        return numbers

    def spawn(self, stream: int) -> Generator:
        """A generator of the same seed that counts its own draws on another stream, independent of this one.

        It depends on the seed and the stream alone, not on how many numbers were drawn here. Raises ValueError for this
        generator's own stream, which would give the same numbers again.
        """
        if stream == self.stream:
            raise ValueError(f"spawn({stream}) would repeat the numbers of {self!r}: choose another stream.")
        return Generator(self.seed, stream=stream)

    def state_dict(self) -> dict[str, int]:
        """The state: {"seed", "stream", "draw"}; `draw` is the number that the next draw will take."""
        refuse_in_trace("takes the state of a generator")
        with _counting:
            return {"seed": self.seed, "stream": self.stream, "draw": self.draw}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state that `state_dict` gave. Raises ValueError when it is not one; nothing has changed then."""
        if not isinstance(state, Mapping) or set(state) != {"seed", "stream", "draw"}:
            came = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
            raise ValueError(
                f"the state of a generator holds seed, stream and draw, but {came} came: pass what state_dict() gave."
            )
        refuse_in_trace("seeds a generator")
        words = {name: _word(name, state[name]) for name in ("seed", "stream", "draw")}
        with _counting:
            self.seed, self.stream, self.draw = words["seed"], words["stream"], words["draw"]


def keep_probability(p: float) -> float:
    """The probability with which `keep_mask(shape, p)` keeps an element: 1 - p, rounded to 16 binary digits.

    Inverted dropout that divides by exactly this number is unbiased. p = 0 and p = 1 are exact.
    """
    return 1.0 - dropped_of_65536(p) / _QUARTER


for _name, _instead in OF_GENERATORS.items():
    setattr(Generator, _name, Elsewhere(_name, _instead))

default = Generator()


def seed(n: int | None = None) -> None:
    """Start the default generator anew from `n`, or from the operating system's entropy."""
    default.load_state_dict(Generator(n).state_dict())


@telling
def uniform(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    *,
    dtype: Any = "float32",
    device: str = "cpu",
    generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A Tensor of numbers spread evenly over [low, high)."""
    _check_places("uniform", shape, low, high)
    return _tensor((generator or default).uniform(shape, low, high, dtype, device), requires_grad)


@telling
def normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    dtype: Any = "float32",
    device: str = "cpu",
    generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A Tensor of numbers of the normal distribution with this mean and standard deviation."""
    _check_places("normal", shape, mean, std)
    return _tensor((generator or default).normal(shape, mean, std, dtype, device), requires_grad)


def _check_places(name: str, shape: Any, *numbers: Any) -> None:
    """Raise TypeError for a call in NumPy's order, numbers first."""
    if isinstance(numbers[-1], (tuple, list)):
        told = ", ".join(repr(part) for part in (numbers[-1], shape, *numbers[:-1]))
        raise TypeError(f"{name} takes the shape first: {name}({told}).")


def _given(lengths: tuple[Any, ...]) -> Any:
    """A shape given as one tuple or as several numbers."""
    return lengths[0] if len(lengths) == 1 else lengths


def rand(*shape: int | tuple[int, ...], **options: Any) -> Tensor:
    """A Tensor of numbers spread evenly over [0, 1): rand(2, 3), rand((2, 3)); options as `uniform`."""
    return uniform(_given(shape), **options)


def randn(*shape: int | tuple[int, ...], **options: Any) -> Tensor:
    """A Tensor of standard normal numbers: randn(2, 3), randn((2, 3)); options as `normal`."""
    return normal(_given(shape), **options)


@telling
def randint(low: int, high: int, shape: Shape, *, device: str = "cpu", generator: Generator | None = None) -> Tensor:
    """A Tensor of integers from low to high - 1, of dtype int64."""
    return _tensor((generator or default).integers(low, high, shape, device), False)


def permutation(n: int, *, device: str = "cpu", generator: Generator | None = None) -> Tensor:
    """A Tensor of the numbers from 0 to n - 1 in random order, of dtype int64."""
    return _tensor(move((generator or default).permutation(n), device), False)


def _tensor(array: Array, requires_grad: bool) -> Tensor:
    return wrap(array).requires_grad_(requires_grad)


if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from .hints import missing  # only a wrong name asks for this

        raise missing("autograd.random", name)
