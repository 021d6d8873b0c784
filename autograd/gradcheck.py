"""gradcheck: are the rules right? Compare them with what f does when its input moves a little.

One idea: along one random direction of plus and minus ones the slope of f is one number, and the rules predict it. Two
calls of f measure it, whatever the size of the input, and a rule that is one per cent off is one per cent off in that
number. Only when the numbers differ is f asked again, element by element, to show where. Read `drawing.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .backend import Array, array_of, device_of, is_array, is_floating, module_of, to_host
from .functional import vjp
from .modes import enable_grad
from .random import Generator
from .tensor import Tensor, bare, wrap
from .tree import flatten, paths, unflatten

__all__ = ["Element", "Finding", "Verdict", "gradcheck", "gradgradcheck"]

_DRAWS = 3  # directions for each input: one could be blind by chance, in three that has never been seen
_SEARCHED = 2000  # elements, at most, that are looked at one by one when a slope is wrong
_SHOWN = 5
_ROUNDING = 2.0**-52


@dataclass(frozen=True)
class Element:
    """The derivative by one element of an input: what the rules say, and what differences say."""

    index: tuple[int, ...]
    analytic: float
    numeric: float


@dataclass(frozen=True)
class Finding:
    """One input along one direction: the first that is wrong, else the steepest."""

    name: str
    shape: tuple[int, ...]
    analytic: float  # the slope that the rules predict
    numeric: float  # the slope that was measured
    error: float  # their difference, relative to the larger one
    allowed: float  # what that may be
    worst: tuple[Element, ...] = ()  # only where the check failed
    searched: int = 0  # how many elements were looked at to find those

    @property
    def ok(self) -> bool:
        """Whether the error is within what is allowed; NaN is not."""
        return self.error <= self.allowed

    def tells_more_than(self, other: Finding) -> bool:
        """Whether this is the one to show of two findings about one input."""
        return other.ok and (not self.ok or abs(self.numeric) > abs(other.numeric))

    def __str__(self) -> str:
        text = (
            f"{self.name} of shape {self.shape}: rules {self.analytic:.9g}, differences {self.numeric:.9g}, "
            f"relative error {self.error:.1e} (allowed {self.allowed:.1e})"
        )
        if self.ok:
            return f"  right  {text}"
        text = f"  WRONG  {text}"
        if self.worst:
            text += f"\n         the worst of {self.searched} elements that were looked at:"
        for element in self.worst:
            place = str(list(element.index)) if element.index else "the number"
            text += f"\n           {place}: rules {element.analytic:.9g}, differences {element.numeric:.9g}"
        return text


@dataclass(frozen=True)
class Verdict:
    """What a check found: true when all is right; as text, the numbers for each input."""

    what: str
    findings: tuple[Finding, ...]
    reason: str = ""  # why nothing could be compared

    @property
    def ok(self) -> bool:
        """Whether every input's derivative is right."""
        return not self.reason and all(finding.ok for finding in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{self.what}: {'right' if self.ok else 'WRONG'}"]
        if self.reason:
            lines.append(f"  {self.reason}")
        return "\n".join([*lines, *map(str, self.findings)])

    __repr__ = __str__  # so that a failing `assert gradcheck(...)` shows the numbers


def gradcheck(
    f: Callable[..., Any], *inputs: Any, eps: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-8, seed: int = 0
) -> Verdict:
    """Whether the gradients of f at `inputs` are the slopes of f, measured by central differences of step `eps`.

    Inputs are float64 Tensors or arrays, Python floats, and nested lists, tuples and dictionaries of them; f may give
    any of these. Integers, and whatever else is no array, are handed to f and not checked. A slope may be off by
    `rtol` of itself, by `atol`, and by what rounding f's value costs. Choose inputs away from kinks.

    Raises TypeError for inputs of lower precision, in which differences see three digits at best, and ValueError when
    there is nothing to check.
    """
    leaves, structure = flatten(inputs)
    names = [f"input {path[1:].replace(']', '', 1)}" for path in paths(structure)]
    return _check("gradcheck", lambda *xs: f(*unflatten(structure, xs)), leaves, names, eps, rtol, atol, seed)


def gradgradcheck(
    f: Callable[..., Any], *inputs: Any, eps: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-8, seed: int = 0
) -> Verdict:
    """Whether the second derivatives of f at `inputs` are right: `gradcheck` of f's gradient.

    The gradient is that of f's value, weighted at random; these weights are inputs of the check too.
    Arguments and errors are those of `gradcheck`.
    """
    leaves, structure = flatten(inputs)
    names = [f"input {path[1:].replace(']', '', 1)}" for path in paths(structure)]
    checked = _checked(leaves, names)
    generator = Generator(seed, stream=1)

    def value(*xs: Any) -> list[Any]:
        given = dict(zip(checked, xs, strict=True))
        full = [given.get(i, leaf) for i, leaf in enumerate(leaves)]
        return _floating(flatten(f(*unflatten(structure, full)))[0])

    def gradient(*xs_and_weights: Any) -> Any:
        xs, weights = xs_and_weights[: len(checked)], xs_and_weights[len(checked) :]
        return vjp(value, *xs)[1](list(weights))

    xs = list(checked.values())
    weights = [_weights(generator, y) for y in _evaluate(value, xs)]
    names = [names[i] for i in checked] + [f"weight of output {i}" for i in range(len(weights))]
    return _check("gradgradcheck", gradient, [*xs, *weights], names, eps, rtol, atol, seed)


def _check(
    what: str,
    f: Callable[..., Any],
    leaves: list[Any],
    names: list[str],
    eps: float,
    rtol: float,
    atol: float,
    seed: int,
) -> Verdict:
    checked = _checked(leaves, names)
    xs = list(checked.values())

    def value(*xs: Any) -> list[Any]:
        given = dict(zip(checked, xs, strict=True))
        return _floating(flatten(f(*[given.get(i, leaf) for i, leaf in enumerate(leaves)]))[0])

    first, again = _evaluate(value, xs), _evaluate(value, xs)
    if any(to_host(a).tobytes() != to_host(b).tobytes() for a, b in zip(first, again, strict=True)):
        return Verdict(what, (), "f is not deterministic: two calls with the same inputs gave different values.")
    probe = _Probe(value, xs, eps, rtol, atol, noise=2 * _ROUNDING * sum(map(_size, first)) / eps)
    shown: list[Finding | None] = [None] * len(xs)
    generator = Generator(seed)
    for _ in range(_DRAWS):
        weights = [_weights(generator, y) for y in first]
        gradients = vjp(value, *map(wrap, xs))[1](weights)
        for i, (position, x) in enumerate(checked.items()):
            finding = probe.along(i, _signs(generator, x), gradients[i].data, weights, names[position])
            before = shown[i]
            if before is None or finding.tells_more_than(before):
                shown[i] = finding
    return Verdict(what, tuple(finding for finding in shown if finding is not None))


@dataclass(frozen=True)
class _Probe:
    """How derivatives are measured at one place."""

    value: Callable[..., list[Any]]
    xs: list[Array]
    eps: float
    rtol: float
    atol: float
    noise: float  # the slope that rounding alone may show

    def along(self, i: int, direction: Array, gradient: Array, weights: list[Array], name: str) -> Finding:
        """Rules and differences for input i along a direction."""
        analytic, numeric = float((gradient * direction).sum()), self.slope(i, direction, weights)
        error, allowed = self.compare(analytic, numeric)
        finding = Finding(name, direction.shape, analytic, numeric, error, allowed)
        if finding.ok:
            return finding
        elements = list(self.elements(i, gradient, weights))
        elements.sort(key=self.badness, reverse=True)
        return Finding(
            name, direction.shape, analytic, numeric, error, allowed, tuple(elements[:_SHOWN]), searched=len(elements)
        )

    def slope(self, i: int, direction: Array, weights: list[Array]) -> float:
        """How fast the weighted value grows as input i moves along a direction."""
        ahead, behind = (
            _evaluate(self.value, [x + step * direction if j == i else x for j, x in enumerate(self.xs)])
            for step in (self.eps, -self.eps)
        )
        # Subtracting element by element loses less than subtracting two sums.
        grown = sum(float((w * (a - b)).sum()) for w, a, b in zip(weights, ahead, behind, strict=True))
        return grown / (2 * self.eps)

    def compare(self, analytic: float, numeric: float) -> tuple[float, float]:
        """The relative error, and the one that is allowed."""
        scale = max(abs(analytic), abs(numeric)) or 1.0
        return abs(analytic - numeric) / scale, self.rtol + (self.atol + self.noise) / scale

    def elements(self, i: int, gradient: Array, weights: list[Array]) -> Iterator[Element]:
        """Input i, element by element."""
        x = self.xs[i]
        for place in range(min(x.size, _SEARCHED)):
            index = _unravel(place, x.shape)
            direction = module_of(x).zeros_like(x)
            direction[index] = 1
            yield Element(index, float(gradient[index]), self.slope(i, direction, weights))

    def badness(self, element: Element) -> float:
        """How many times more than allowed an element is off; NaN is worst."""
        error, allowed = self.compare(element.analytic, element.numeric)
        return error / allowed if error == error else float("inf")


def _checked(leaves: Sequence[Any], names: Sequence[str]) -> dict[int, Array]:
    """The arrays to be checked, by their position among the leaves."""
    checked = {}
    for position, (x, name) in enumerate(zip(leaves, names, strict=True)):
        if isinstance(x, float):
            checked[position] = array_of(x, dtype="float64")
        elif isinstance(x, Tensor) or is_array(x):
            array = bare(x)
            if not is_floating(array.dtype):
                continue
            if array.dtype != "float64":
                raise TypeError(
                    f"{name} is of {array.dtype}; differences need float64 to see more than three digits: "
                    "check with x.astype('float64')."
                )
            checked[position] = array
    if not checked:
        raise ValueError("there is nothing to check: no input is a float64 Tensor or array, or a float.")
    return checked


def _evaluate(value: Callable[..., list[Any]], xs: Sequence[Array]) -> list[Array]:
    """The value as arrays."""
    with enable_grad():  # so that `x += 1` in f binds a name, and writes into nothing
        return [y.data for y in value(*map(wrap, xs))]


def _floating(outputs: list[Any]) -> list[Any]:
    found = [y if isinstance(y, Tensor) else wrap(array_of(y)) for y in outputs]
    found = [y for y in found if is_floating(y.dtype)]
    if not found:
        raise ValueError("there is nothing to check: f gives nothing of floating point.")
    return found


def _signs(generator: Generator, like: Array) -> Array:
    """Plus and minus ones of the shape and the device of an array, in float64."""
    return 2.0 * generator.integers(0, 2, like.shape, device=device_of(like)) - 1.0


def _weights(generator: Generator, like: Array) -> Array:
    """How much each element of the value counts: plus or minus 0.5 to 1.5, so that slopes seldom cancel."""
    sizes = generator.uniform(like.shape, 0.5, 1.5, dtype="float64", device=device_of(like))
    return sizes * _signs(generator, like)


def _size(y: Array) -> float:
    return float(abs(y).sum())


def _unravel(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    index = []
    for length in reversed(shape):
        place, rest = divmod(place, length)
        index.append(rest)
    return tuple(reversed(index))
