"""Tensor and Node: the data of a computation and of its graph, without any mathematics.

One idea: a Tensor is an array and, when a gradient may have to flow through it, the node that made it. A node knows
its primitive, its parents and the few arrays that its rules will need; it never holds its own Tensor, so no reference
goes in a circle and a graph dies with the last Tensor that is held. The methods and operators of Tensor are added by
`operators.py`. Read `primitive.py` next; `anomaly.py` and `instruction.py` stand before it.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from .backend import Array, array_of, device_of, is_array, is_floating, to_host
from .errors import GradientError
from .modes import is_recording, is_tracing, numbers_read
from .wholes import Wholes, part_of
from .writes import clock

if TYPE_CHECKING:
    from .operators import Surface
else:
    Surface = object

__all__ = ["Node", "Operand", "Tensor", "bare", "edge_of", "listed", "wrap"]


class Node:
    """One recorded operation: what made a Tensor, from what, and what its rules keep for backward.

    `parents` has one entry an input: the Node that made it, the Tensor itself when that is a leaf, or None when no
    gradient goes there. `saved` is what the rules named, by name; None once backward has used it. `serial` is the
    clock at birth, so a node is always younger than its parents. `shape` and `dtype` are the result's, and so its
    gradient's.
    """

    __slots__ = ("__weakref__", "dtype", "line", "parents", "primitive", "saved", "serial", "shape", "watcher")

    def __init__(
        self,
        primitive: Any,
        parents: tuple[Edge | None, ...],
        saved: dict[str, Any],
        shape: tuple[int, ...],
        dtype: Any,
    ) -> None:
        self.primitive = primitive
        self.parents = parents
        self.saved: dict[str, Any] | None = saved
        self.serial = clock()
        self.shape = shape
        self.dtype = dtype
        self.line: str | None = None  # where the user's program made it, inside `anomaly()`
        self.watcher: weakref.ref[Tensor] | None = None  # a Tensor that asked to keep its gradient

    def keeper(self) -> Tensor | None:
        """The Tensor that asked to keep its gradient, while it lives."""
        return None if self.watcher is None else self.watcher()

    def __repr__(self) -> str:
        return f"<Node {self.serial}: {self.primitive.name}, shape {self.shape}>"


class Tensor(Surface):
    """An array that can take part in a graph; its methods and operators record what is done with it.

    `data` is an array, a number or nested lists of numbers, and is copied (`asarray` shares). Arrays keep their dtype;
    Python floats become float32, ints int64. `device` is "cpu", "cuda" or "cuda:1". With `requires_grad=True` (floating
    point only) `backward()` adds its gradient to `.grad`.

    Raises TypeError for data that are no numbers, ValueError for ragged lists, DeviceError for a device not there,
    GradientError for a gradient asked of integers, and for a result with a graph that would be lost.
    """

    __slots__ = ("__weakref__", "data", "grad", "node", "requires_grad", "wholes")

    data: Array  # numpy.ndarray or cupy.ndarray
    grad: Tensor | None
    node: Node | None  # None for a leaf
    requires_grad: bool
    wholes: Wholes  # what it is a part of: see `wholes.py`

    # NumPy leaves `array * tensor` to the Tensor.
    __array_ufunc__ = None

    def __init__(self, data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            if data.node is not None and is_recording():
                raise GradientError("Tensor(x) would leave the graph unseen; take x as it is, or x.detach().")
            data = data.data
        elif is_array(data) and (trace := is_tracing()) is not None:
            data = trace.lift(data)  # an array of the user's may hold other numbers at the next call
        self.data = array_of(data, dtype, device)
        self.grad = None
        self.node = None
        self.wholes = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self.data.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self.data.ndim)

    @property
    def size(self) -> int:
        """The number of elements."""
        return _Count(self.data.size)

    @property
    def dtype(self) -> Any:
        """The dtype of the elements, as NumPy names it."""
        return self.data.dtype

    @property
    def device(self) -> str:
        """Where the array lives: "cpu", "cuda:0", ..."""
        return device_of(self.data)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self.node is None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask a leaf for its gradient, or stop asking; gives the Tensor itself."""
        if requires_grad and not is_floating(self.data.dtype):
            raise GradientError(
                f"a gradient was asked of a Tensor of {self.data.dtype}; only real floating point carries one: "
                "make it with dtype='float32', or use astype."
            )
        if self.node is not None and not requires_grad:
            raise GradientError("requires_grad can be turned off for leaves only; use detach() on a result.")
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> Tensor:
        """Keep `.grad` here too although an operation made it; gives the Tensor itself."""
        if self.node is not None:
            self.node.watcher = weakref.ref(self)
        elif not self.requires_grad:
            raise GradientError("retain_grad() on a Tensor that requires no gradient.")
        return self

    def detach(self) -> Tensor:
        """The same array outside the graph; memory is shared."""
        return part_of(wrap(self.data), self)

    def numpy(self) -> Any:
        """The values as a NumPy array; shares memory on the CPU, waits and copies from a GPU.

        Raises GradientError when a gradient is asked of it: say `detach()` first, so that the cut is seen.
        """
        if self.requires_grad:
            raise GradientError("numpy() would leave the graph unseen; write tensor.detach().numpy().")
        return to_host(self.data)

    def item(self) -> Any:
        """The one element as a Python number; waits for a GPU. Raises ValueError when there are more."""
        if self.data.size != 1:
            raise ValueError(f"item() needs exactly one element, this Tensor has shape {self.shape}.")
        return _told(self, self.data.item())

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers; waits for a GPU."""
        return _told(self, to_host(self.data).tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None:
            array = array.astype(dtype, copy=False)
        if copy is False and array is not self.data:
            raise ValueError(f"copy=False, but a Tensor of {self.dtype} on {self.device} must be copied for this.")
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        """The array for another library, in the same memory, as `numpy()` gives it to NumPy; see `from_dlpack`."""
        if self.requires_grad:
            raise GradientError("another library would leave the graph unseen; give it tensor.detach().")
        return self.data.__dlpack__(**{name: value for name, value in options.items() if value is not None})

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions take a Tensor as its array, as `numpy.asarray` does; nothing is recorded.

        Raises GradientError when a gradient is asked of it.
        """
        try:
            args, kwargs = _as_arrays(args), {name: _as_arrays(value) for name, value in kwargs.items()}
        except GradientError:
            raise GradientError(
                f"numpy.{function.__name__} would leave the graph unseen; use autograd's function of that kind, or "
                "give it tensor.detach().numpy()."
            ) from None
        return function(*args, **kwargs)

    def __getstate__(self) -> Any:
        if self.node is not None:
            raise GradientError("only a leaf can be pickled or copied; take tensor.detach() instead.")
        others, slots = cast(Any, super().__getstate__())
        return others, {**slots, "wholes": None}  # a copy is a part of nothing

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self.node is not None:
            raise GradientError("only a leaf can be copied deeply; copy tensor.detach() instead.")
        twin = copy.copy(self)
        twin.data = self.data.copy()
        twin.grad = copy.deepcopy(self.grad, memo)
        memo[id(self)] = twin
        return twin

    def __repr__(self) -> str:
        values = to_host(self.data)
        text = f"Tensor({_indent(str(values) if values.ndim else repr(values.item()))}"
        if values.dtype.name not in ("float32", "int64", "bool"):
            text += f", dtype={values.dtype}"
        if self.device != "cpu":
            text += f', device="{self.device}"'
        if self.node is not None:
            text += f", made by {self.node.primitive.name}"
        elif self.requires_grad:
            text += ", requires_grad=True"
        return text + ")"

    # Tensors compare element by element, so they are found in sets and dictionaries by identity.
    __hash__ = object.__hash__


def _told(tensor: Tensor, numbers: Any) -> Any:
    """These numbers; who differentiates by a Tensor that was read so is told, since they have no graph."""
    told = numbers_read.get()
    if told is not None and tensor.requires_grad:
        told.append(tensor.shape)
    return numbers


Edge = Node | Tensor
Operand = Any  # what an operation takes: a Tensor, an array, a number; mixed freely


class _Count(int):
    """A number of elements. In PyTorch `size` is a method, and a call of an int would say nothing of that."""

    def __call__(self, axis: int | None = None) -> Any:
        where = "" if axis is None else f"[{axis}]"
        raise TypeError(f"size is the number of elements here, {int(self)}; for the lengths write tensor.shape{where}.")


def _as_arrays(value: Any) -> Any:
    """The same with NumPy arrays in the place of Tensors, also inside tuples and lists."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(_as_arrays, value))
    return value.numpy() if isinstance(value, Tensor) else value


def _indent(text: str) -> str:
    return text.replace("\n", "\n" + " " * len("Tensor("))


def wrap(data: Array, node: Node | None = None) -> Tensor:
    """A Tensor around an array, not copied; with a node when a gradient may flow."""
    tensor = Tensor.__new__(Tensor)
    tensor.data = data
    tensor.grad = None
    tensor.node = node
    tensor.wholes = None
    tensor.requires_grad = node is not None
    return tensor


def bare(x: Any) -> Any:
    """The array of a Tensor; whatever is none as it is."""
    return x.data if isinstance(x, Tensor) else x


def edge_of(tensor: Tensor) -> Edge | None:
    """Where the gradient of a Tensor goes: its node, itself when it is a leaf, or nowhere."""
    try:
        if not tensor.requires_grad:
            return None
        return tensor if tensor.node is None else tensor.node
    except AttributeError:
        raise TypeError(f"wanted is a Tensor, or several of them in a list, got a {type(tensor).__name__}.") from None


def listed(tensors: Any) -> list[Tensor]:
    """Several Tensors, however they are given, as a list. Raises TypeError for what is not several."""
    if not isinstance(tensors, Iterable):
        raise TypeError(f"wanted is a Tensor, or several of them in a list, got a {type(tensors).__name__}.")
    return list(tensors)
