"""Initialisers with PyTorch's names and arguments: each fills a Tensor in place, outside any graph, and returns it.

One idea: a layer starts well when the signal keeps its size on the way through, forward and backward; so the spread of
a weight follows from its fan-in and fan-out, and from the gain that its activation asks for. Numbers are drawn on the
host, the same on every device. Read `autograd/random.py` for the generator, `linear.py` for a use.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from numbers import Real
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ParamSpec

from autograd import random
from autograd.backend import is_array, module_of, move
from autograd.random import Draw, Generator
from autograd.tensor import Tensor
from autograd.writes import mark_written

from .functional.given import number

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

P = ParamSpec("P")

_GAINS = {
    **dict.fromkeys(["linear", "sigmoid", "conv1d", "conv2d", "conv3d"], 1.0),
    **dict.fromkeys(["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"], 1.0),
    "tanh": 5.0 / 3.0,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4.0,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before this activation are spread wider than before none.

    `param` is the negative slope of "leaky_relu" (0.01). Raises ValueError for a name that PyTorch does not know. A
    self-normalising network (SELU) wants "linear", not the 3/4 of "selu".
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f'no gain is known for "{nonlinearity}": take one of {", ".join([*_GAINS, "leaky_relu"])}.')
    return _GAINS[nonlinearity]


def _of_a_tensor(fill: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The initialiser, which raises TypeError where something else than a Tensor shall be filled."""

    @functools.wraps(fill)
    def filled(*args: P.args, **options: P.kwargs) -> Tensor:
        given = args[0] if args else options.get("tensor")
        if not isinstance(given, Tensor):
            hint = ": give it a weight of it, layer.weight" if hasattr(given, "parameters") else ""
            hint = ": give it the Tensor of this array, layer.weight for layer.weight.data" if is_array(given) else hint
            raise TypeError(f"{fill.__name__} fills a Tensor, got a {type(given).__name__}{hint}.")
        return fill(*args, **options)

    return filled


@_of_a_tensor
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers spread evenly over [a, b). Raises ValueError where a is above b."""
    number("uniform_", "b", b)
    number("uniform_", "a", a, f"it must be a number, at most b={b}", most=b)
    return _fill(tensor, _draw(generator).uniform(tensor.shape, a, b, _drawn_dtype(tensor)))


@_of_a_tensor
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers of the normal distribution. Raises ValueError for std < 0."""
    number("normal_", "std", std, "it must be 0 or greater", 0)
    return _fill(tensor, _draw(generator).normal(tensor.shape, mean, std, _drawn_dtype(tensor)))


@_of_a_tensor
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with numbers of the normal distribution cut off at a and b (both in units of the weights, not of std).

    Raises ValueError unless a < b and std > 0.
    """
    if not (a < b and std > 0):
        raise ValueError(f"trunc_normal_ needs a < b and std > 0, got a={a}, b={b}, std={std}.")
    lower, upper = (a - mean) / std, (b - mean) / std
    u = _draw(generator).uniform(tensor.size, dtype="float64")
    # A distribution function is exact near 0 and coarse near 1: work on the side where the interval's mass is small.
    side = 1.0 if lower + upper <= 0 else -1.0
    z = side * _between(u, *sorted((side * lower, side * upper)))
    return _fill(tensor, (z * std + mean).clip(a, b).reshape(tensor.shape))


def _between(u: Any, lower: float, upper: float) -> Any:
    """Standard normal numbers in [lower, upper] from even ones in [0, 1), by the inverse of the distribution."""
    normal = NormalDist()
    start, stop = _share_below(lower), _share_below(upper)
    # inv_cdf refuses 0 and 1; the caller cuts what lies outside.
    shares = (start + (stop - start) * u).clip(1e-300, 1.0 - 2.0**-53)
    return module_of(u).asarray([normal.inv_cdf(share) for share in shares.tolist()], dtype="float64")


def _share_below(z: float) -> float:
    """The standard normal distribution function, exact far below zero too (NormalDist.cdf is not)."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@_of_a_tensor
def constant_(tensor: Tensor, val: Any) -> Tensor:
    """Fill with one value. Raises TypeError for what is no number."""
    if not isinstance(val, Real) and getattr(val, "shape", None) != ():
        raise TypeError(f"constant_ fills with a number, got {val!r}, a {type(val).__name__}.")
    return _fill(tensor, val)


@_of_a_tensor
def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return _fill(tensor, 1)


@_of_a_tensor
def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return _fill(tensor, 0)


@_of_a_tensor
def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: as many inputs as there is room for pass a linear layer unchanged."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_ fills a matrix, and this Tensor has shape {tensor.shape}: give it 2 dimensions.")
    return _fill(tensor, module_of(tensor.data).eye(*tensor.shape, dtype=tensor.dtype))


@_of_a_tensor
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight (out, in, *kernel_size) so that channels pass it unchanged, in each group by itself.

    Raises ValueError unless the windows have 1, 2 or 3 dimensions and `groups` divides the channels out.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(
            "dirac_ fills the weight of a convolution, (out, in, *kernel_size) with 1 to 3 dimensions of kernel_size, "
            f"and this Tensor has shape {tensor.shape}."
        )
    out_channels, in_channels, *kernel_size = tensor.shape
    if groups < 1 or out_channels % groups:
        raise ValueError(f"dirac_ got groups={groups}, which does not divide the {out_channels} channels out.")
    zeros_(tensor)
    centre = tuple(size // 2 for size in kernel_size)
    for channel in range(out_channels):
        within = channel % (out_channels // groups)
        if within < in_channels:
            tensor.data[(channel, within, *centre)] = 1
    mark_written(tensor.data)
    return tensor


@_of_a_tensor
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill evenly over [-bound, bound), bound = gain sqrt(6 / (fan_in + fan_out)): keeps the size of both passes.

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, equation 16.
    Raises ValueError for fewer than 2 dimensions.
    """
    gain = number("xavier_uniform_", "gain", gain, "it must be 0 or greater", 0)
    bound = gain * math.sqrt(6.0 / max(1, sum(_fans(tensor, "xavier_uniform_"))))
    return uniform_(tensor, -bound, bound, generator)


@_of_a_tensor
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill normally with std = gain sqrt(2 / (fan_in + fan_out)); otherwise as `xavier_uniform_`."""
    gain = number("xavier_normal_", "gain", gain, "it must be 0 or greater", 0)
    std = gain * math.sqrt(2.0 / max(1, sum(_fans(tensor, "xavier_normal_"))))
    return normal_(tensor, 0.0, std, generator)


@_of_a_tensor
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill evenly over [-bound, bound), bound = gain sqrt(3 / fan): keeps one pass's size through rectifiers.

    `mode` "fan_in" keeps the forward pass, "fan_out" the backward one; `a` is the slope of "leaky_relu". He, Zhang, Ren
    and Sun, "Delving deep into rectifiers", 2015, equations 10 and 14. Raises ValueError for fewer than 2 dimensions or
    a mode or nonlinearity that is not known.
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return uniform_(tensor, -bound, bound, generator)


@_of_a_tensor
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill normally with std = gain / sqrt(fan); otherwise as `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_"), generator)


def fill_layer(weight: Tensor, bias: Tensor | None, generator: Generator | None = None) -> None:
    """Fill both evenly over [-bound, bound), bound = 1 / sqrt(fan_in): how PyTorch's layers start."""
    # The gain of the slope sqrt(5) is sqrt(2 / (1 + 5)), which takes away the sqrt(3) of the bound.
    kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    if bias is not None:
        fan_in = math.prod(weight.shape[1:])
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        uniform_(bias, -bound, bound, generator)


@_of_a_tensor
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with `gain` times a random matrix of orthonormal rows or columns, whichever are fewer.

    Axes after the first are taken as one. Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks", 2013. Raises ValueError for fewer than 2 dimensions.
    """
    _at_least_2d(tensor, "orthogonal_")
    if tensor.size == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    tall = _draw(generator).normal((max(rows, columns), min(rows, columns)), dtype="float64")
    xp = module_of(tall)
    q, r = xp.linalg.qr(tall)
    # With the signs of r's diagonal every orthogonal matrix is equally likely (Mezzadri 2007, section 5).
    q *= xp.sign(r.diagonal())
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


@_of_a_tensor
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix normally, but for the share `sparsity` of each column, rounded up, which is zero.

    Martens, "Deep learning via Hessian-free optimization", 2010. Raises ValueError unless the Tensor is a matrix and
    sparsity lies from 0 to 1.
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_ fills a matrix, and this Tensor has shape {tensor.shape}: give it 2 dimensions.")
    number("sparse_", "sparsity", sparsity, "the share of zeros in a column is from 0 to 1", 0, 1)
    zeros = math.ceil(sparsity * tensor.shape[0])
    numbers = _draw(generator).normal(tensor.shape, 0.0, std, "float64")
    # Each column of `order` holds the row numbers in random order, so just `zeros` of them are below `zeros`.
    order = _draw(generator).uniform(tensor.shape, dtype="float64").argsort(axis=0)
    return _fill(tensor, numbers * (order >= zeros))


def _draw(generator: Generator | None) -> Draw:
    return (random.default if generator is None else generator).next()


def _drawn_dtype(tensor: Tensor) -> str:
    """What to draw in: narrower types than float32 are rounded from it, as every other value that is put there."""
    return "float64" if tensor.dtype == "float64" else "float32"


def _fill(tensor: Tensor, values: Any) -> Tensor:
    """Put host numbers into the Tensor's own memory."""
    if not isinstance(values, (int, float)):
        values = move(values.astype(tensor.dtype, copy=False), tensor.device)
    tensor.data[...] = values
    mark_written(tensor.data)
    return tensor


def _at_least_2d(tensor: Tensor, name: str) -> None:
    if tensor.ndim < 2:
        raise ValueError(
            f"{name} needs the fan-in and fan-out of a weight (out, in, *kernel_size), and this Tensor has shape "
            f"{tensor.shape}: give it at least 2 dimensions, or fill it with uniform_ or normal_."
        )


def _fans(tensor: Tensor, name: str) -> tuple[int, int]:
    """How many inputs feed one output of a weight (out, in, *kernel_size), and how many outputs one input feeds."""
    _at_least_2d(tensor, name)
    out_features, in_features, *kernel_size = tensor.shape
    return in_features * math.prod(kernel_size), out_features * math.prod(kernel_size)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str, name: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(tensor, name), strict=True))
    if mode not in fans:
        raise ValueError(f'{name} got mode="{mode}": take "fan_in" or "fan_out".')
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fans[mode]))


if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("nn.init", name)
