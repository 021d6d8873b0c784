"""Random numbers: generators, and the functions that give Tensors of their numbers.

One idea: the state of a generator is three integers, since a draw needs nothing else (`draws.py`): the seed, the stream
and a count. A `Generator` counts draws; its methods give bare arrays, the functions of the module Tensors.
"""

from __future__ import annotations

import operator
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .backend import Array, move
from .batching import Batched
from .draws import Draw, Shape, keep_probability, shape_and_size
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

_WORD = 2**64


def _word(name: str, value: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {value!r}.") from None
    if not 0 <= number < _WORD:
        raise ValueError(f"{name} must be a whole number from 0 to 2**64 - 1, got {value}.")
    return number


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

    def give_back(self, draw: Draw) -> None:
        """Let the next draw be this one, the last that was taken; where another was taken since, it is gone."""
        with _counting:
            if Draw(self.seed, self.stream, self.draw - 1) == draw:
                self.draw -= 1

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
        numbers = of(self._next(), (*(run.count for run in runs), *shape_and_size(shape)[0]))
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
