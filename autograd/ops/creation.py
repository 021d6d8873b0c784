"""New Tensors: filled, counted, copied in the shape of others.

One idea: made on the host by NumPy, then moved where they shall live; `..._like` makes them where the other lives.
`dtype` is float32 unless numbers say otherwise: Python ints make int64, bools bool.
Read `../fused.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, ParamSpec

from ..backend import Array, array_of, exchanged, module_of
from ..errors import ShapeError
from ..hints import telling
from ..tensor import Operand, Tensor, bare, wrap
from .cast import astype, to
from .elementwise import positive
from .shape import broadcast_to, lengths_of, reshape

__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]

P = ParamSpec("P")

_host = module_of(0.0)


def _made(array: Array, device: str | None, requires_grad: bool) -> Tensor:
    tensor = wrap(array_of(array, device=device, copy=None))
    return tensor.requires_grad_() if requires_grad else tensor


def _dtype_of(*numbers: Any) -> Any:
    """The dtype of Tensors made from Python numbers: float32, int64 or bool; NumPy's numbers keep theirs."""
    return array_of(list(numbers)).dtype


def asarray(
    obj: Any, *, dtype: Any = None, device: str | None = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """`obj` (a Tensor, an array, numbers, nested lists of numbers) as a Tensor that shares its memory when it can.

    A Tensor comes back as it is, or stays in the graph when it must change. `copy=True` never shares, False never
    copies.

    Raises ValueError when copy=False and a copy is needed, TypeError for what is no array of numbers.
    """
    if not isinstance(obj, Tensor):
        return _made(array_of(obj, dtype, device, copy), None, requires_grad)
    result = obj if dtype is None else astype(obj, dtype, copy=False)
    result = result if device is None else to(result, device)
    if copy is False and result is not obj:
        raise ValueError("asarray: copy=False, but another dtype or device needs a copy.")
    if copy and result is obj:
        result = positive(obj) if obj.dtype.kind != "b" else astype(obj, obj.dtype)
    return result.requires_grad_() if requires_grad else result


def from_dlpack(x: Any, *, device: str | None = None, copy: bool | None = None) -> Tensor:
    """An array of another library (of PyTorch, JAX, ...) as a Tensor in the same memory, by the protocol DLPack.

    `device` moves it, `copy=True` never shares, False never copies. Raises TypeError for what does not speak DLPack.
    """
    return asarray(x if isinstance(x, Tensor) else exchanged(x), device=device, copy=copy)


# Filled


def _of_one_shape(make: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The function, which tells whoever gives it lengths one by one that they are one argument."""
    told = telling(make)

    @functools.wraps(make)
    def made(*args: P.args, **options: P.kwargs) -> Tensor:
        if len(args) > 1 and all(isinstance(n, int) for n in args):
            raise TypeError(f"{make.__name__} takes the shape as one argument: {make.__name__}({args}).")
        return told(*args, **options)

    return made


@_of_one_shape
def zeros(
    shape: int | Sequence[int], *, dtype: Any = "float32", device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor of zeros."""
    return _made(_host.zeros(lengths_of(shape), dtype=dtype or "float32"), device, requires_grad)


@_of_one_shape
def ones(
    shape: int | Sequence[int], *, dtype: Any = "float32", device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor of ones."""
    return _made(_host.ones(lengths_of(shape), dtype=dtype or "float32"), device, requires_grad)


@_of_one_shape
def empty(
    shape: int | Sequence[int], *, dtype: Any = "float32", device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A Tensor whose elements are whatever stood in memory."""
    return _made(_host.empty(lengths_of(shape), dtype=dtype or "float32"), device, requires_grad)


@telling
def full(
    shape: int | Sequence[int],
    fill_value: Any,
    *,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A Tensor of one number; its dtype is that of the number: float32, int64 or bool."""
    dtype = _dtype_of(fill_value) if dtype is None else dtype
    return _made(_host.full(lengths_of(shape), fill_value, dtype=dtype), device, requires_grad)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    *,
    k: int = 0,
    dtype: Any = "float32",
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A matrix of zeros with ones on its diagonal, `k` places above the main one."""
    return _made(_host.eye(n_rows, n_cols, k=k, dtype=dtype or "float32"), device, requires_grad)


# In the shape, dtype and place of another


def _like(make: str, x: Operand, dtype: Any, device: str | None, requires_grad: bool, *value: Any) -> Tensor:
    array = bare(x)
    return _made(getattr(module_of(array), make)(array, *value, dtype=dtype), device, requires_grad)


def zeros_like(x: Operand, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape, dtype and place of x."""
    return _like("zeros_like", x, dtype, device, requires_grad)


def ones_like(x: Operand, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape, dtype and place of x."""
    return _like("ones_like", x, dtype, device, requires_grad)


def empty_like(x: Operand, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Whatever stood in memory, in the shape, dtype and place of x."""
    return _like("empty_like", x, dtype, device, requires_grad)


def full_like(
    x: Operand, fill_value: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """One number in the shape, dtype and place of x."""
    return _like("full_like", x, dtype, device, requires_grad, fill_value)


# Counted


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from `start` up to, not including, `stop`, `step` apart; arange(n) counts from 0 to n - 1.

    int64 when all three are ints, else float32.
    """
    if stop is None:
        start, stop = 0, start
    dtype = _dtype_of(start, stop, step) if dtype is None else dtype
    return _made(_host.arange(start, stop, step, dtype=dtype), device, requires_grad)


@telling
def linspace(
    start: float,
    stop: float,
    num: int,
    *,
    endpoint: bool = True,
    dtype: Any = "float32",
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`, which is the last of them unless endpoint=False."""
    return _made(_host.linspace(start, stop, num, endpoint=endpoint, dtype=dtype or "float32"), device, requires_grad)


def meshgrid(*arrays: Operand, indexing: Literal["xy", "ij"] = "xy") -> tuple[Tensor, ...]:
    """The coordinates of every point of a grid, an array for each axis: each vector repeated along the others' axes.

    With "ij" the axes are in the order of the arrays; with "xy" the first two change places, as in plots.

    Raises ShapeError for what is no vector.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f'meshgrid: indexing {indexing!r} is neither "xy" nor "ij".')
    if any(isinstance(x, (list, tuple)) for x in arrays):
        raise TypeError("meshgrid takes its vectors one by one, Tensors or arrays: meshgrid(x, y).")
    if any(x.ndim > 1 for x in arrays):
        raise ShapeError(f"meshgrid: needs vectors, got shapes {', '.join(str(x.shape) for x in arrays)}.")
    order = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        order[:2] = 1, 0
    lengths = [x.shape[0] if x.ndim else 1 for x in arrays]
    shape = tuple(lengths[i] for i in order)
    return tuple(
        broadcast_to(reshape(x, tuple(n if order[axis] == i else 1 for axis, n in enumerate(shape))), shape)
        for i, x in enumerate(arrays)
    )
