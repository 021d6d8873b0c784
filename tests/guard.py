"""The guard backend: CuPy's rules over NumPy's memory, so that everything can be tested for the GPU without one.

One idea: a program that runs on `GuardArray` and `guard` (in the place of cupy.ndarray and cupy) does nothing that CuPy
would refuse, and `guard.synchronizations` counts where it would have waited for the GPU. The rules:

* NumPy arrays and lists are refused as operands, and so is a silent conversion to NumPy; Python numbers and NumPy's
  scalars are taken. As in CuPy, lists and NumPy arrays may index; `guard.transfers` counts them.
* Reductions and full indexing give arrays without axes, never scalars.
* A function, method or keyword that CuPy lacks is refused, by the table of `cupy_surface.py`.
* What CuPy leaves undefined is poisoned: `empty` holds NaN, and so do elements assigned twice in one assignment.
* Integer arrays that index out of bounds wrap around.
* Matrix products go through our layer over cuBLASLt, whose library is simulated.

Importing this file registers the device "guard". Read `guard_array.py` next, `test_guard.py` for examples.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from autograd.backend import Backend, register_backend
from autograd.cuda.blas import WORKSPACE_BYTES, Blas
from autograd.cuda.products import Place, Products
from autograd.cuda.windows import sliding_windows

from .cupy_surface import FUNCTIONS, METHODS, SHARED, UFUNCS
from .guard_array import SCALARS, GuardArray, counts, guards_in, host_of, index_array, index_of, poison, refuse, wrap
from .simulated_cublaslt import SimulatedCublasLt

__all__ = ["GuardArray", "guard"]

# Parameters that must be arrays already; elsewhere numbers and lists are read as CuPy reads them.
OPERANDS = {"a", "a1", "a2", "ar", "ar1", "ar2", "arr", "ary", "array", "b", "dst", "m", "prototype", "x"}
CONVERTING = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"}
TAKES_NUMBERS = {*CONVERTING, "allclose", "isclose", "iscomplexobj", "isrealobj", "ndim", "shape", "size", "where"}

ATOMIC = ("int32", "float16", "float32", "float64", "complex64", "complex128", "uint32", "uint64")

# Functions whose result's shape or value the host must know before it can go on.
SYNCHRONIZING = {
    *("argwhere", "bincount", "compress", "delete", "extract", "flatnonzero", "nonzero", "place", "intersect1d"),
    *("setdiff1d", "setxor1d", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
    "lib.stride_tricks.sliding_window_view",  # it looks at the lengths on the device
}


# ---- functions ------------------------------------------------------------------------------------------------------


def _call(function: Any, args: Any, options: Any, *owners: GuardArray) -> Any:
    sources = [*owners, *guards_in([*args, *options.values()])]
    with np.errstate(all="ignore"):  # a GPU divides by zero without a word
        result = function(*host_of(tuple(args)), **{name: host_of(value) for name, value in options.items()})
    return wrap(result, *sources)


class Function:
    """One function of CuPy's, by its name from `cupy.`: its own parameters, NumPy's deed."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._signature = FUNCTIONS[name]
        self._host = (
            np.lib.array_utils.byte_bounds if name == "byte_bounds" else functools.reduce(getattr, name.split("."), np)
        )

    def __call__(self, *args: Any, **options: Any) -> Any:
        name = self.__name__
        try:
            given = self._signature.bind(*args, **options).arguments
        except TypeError as error:
            raise TypeError(f"cupy.{name}(): {error}") from None
        if name not in TAKES_NUMBERS:
            for parameter in OPERANDS & given.keys():
                if not isinstance(given[parameter], GuardArray):
                    refuse(given[parameter])
        for array in given.get("tup", ()):
            if not isinstance(array, GuardArray):
                raise TypeError("Only cupy arrays can be concatenated")
        if name in SYNCHRONIZING:
            counts.synchronizations += 1
        special = SPECIAL.get(name)
        return _call(self._host, args, options) if special is None else special(self._host, **given)


class Ufunc:
    """One elementwise function of CuPy's: arrays and numbers in, `out`, `dtype` and `casting` the only options."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.name = name
        self._host = getattr(np, name)
        self.nin, self.nout, self.nargs = self._host.nin, self._host.nout, self._host.nargs

    def __call__(self, *args: Any, **options: Any) -> Any:
        unknown = options.keys() - {"out", "dtype", "casting"}
        if unknown:
            raise TypeError(f"Wrong arguments {sorted(unknown)}")
        for value in args:
            if not isinstance(value, (GuardArray, *SCALARS)):
                refuse(value)
        if not isinstance(options.get("out"), (GuardArray, type(None))):
            raise TypeError("return arrays must be of ArrayType")
        return _call(self._host, args, options)

    def at(self, a: GuardArray, indices: Any, b: Any = None) -> None:
        """Unbuffered `a[indices] op= b`, for the operations and dtypes that have an atomic instruction."""
        if self.name not in ("add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"):
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        if a.dtype.name not in ATOMIC:
            raise TypeError(f"{self.name}.at only supports {', '.join(ATOMIC)} as data type")
        if not isinstance(b, (GuardArray, *SCALARS)):
            refuse(b)
        entries, _ = index_of(a, indices)
        self._host.at(a._host, entries, host_of(b))

    def outer(self, a: GuardArray, b: GuardArray, **options: Any) -> GuardArray:
        return self(a[(..., *[None] * b.ndim)], b, **options)

    def reduce(
        self, array: GuardArray, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> GuardArray:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"only `add.reduce` and `multiply.reduce` exist, not `{self.name}.reduce`")
        return _call(self._host.reduce, (array, axis, dtype, out, keepdims), {})


# ---- functions with a rule of their own -----------------------------------------------------------------------------


def _convert(function: Any, **given: Any) -> GuardArray:
    source = given.pop("obj") if "obj" in given else given.pop("a")
    given.pop("blocking", None)
    if isinstance(source, GuardArray):
        return wrap(function(source._host, **given), source)
    # A list of device arrays is stacked on the device; anything else comes from the host, and is always copied.
    if guards_in([source]):
        return wrap(function(host_of(source), **given))
    counts.transfers += 1
    return GuardArray(np.array(function(source, **given)))


def _empty(function: Any, **given: Any) -> GuardArray:
    array = function(**{name: host_of(value) for name, value in given.items()})
    array[...] = poison(array.dtype)
    return GuardArray(array)


def _where(function: Any, condition: Any, x: Any = None, y: Any = None) -> Any:
    if not isinstance(condition, GuardArray):
        refuse(condition)
    if x is None:
        return guard.nonzero(condition)
    for value in (x, y):
        if not isinstance(value, (GuardArray, *SCALARS)):
            refuse(value)
    return _call(function, (condition, x, y), {})


def _take(function: Any, a: GuardArray, indices: Any, axis: Any = None, out: Any = None) -> Any:
    if not isinstance(indices, SCALARS):
        indices = index_array(indices)
    return wrap(function(a._host, indices, axis, host_of(out), mode="wrap"), *guards_in([out]))


def _solve(function: Any, a: GuardArray, b: GuardArray) -> GuardArray:
    if b.ndim != 1 and a.shape[:-1] != b.shape[:-1]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")
    return _call(function, (a, b), {})


def _take_along_axis(function: Any, a: GuardArray, indices: GuardArray, axis: int | None) -> GuardArray:
    size = a.size if axis is None else a.shape[axis]
    return wrap(function(a._host, host_of(indices) % max(size, 1), axis))


def _put_along_axis(function: Any, arr: GuardArray, indices: GuardArray, values: Any, axis: int) -> None:
    function(arr._host, host_of(indices) % max(arr.shape[axis], 1), host_of(values), axis)


def _put(function: Any, a: GuardArray, ind: Any, v: Any, mode: str = "wrap") -> None:
    counts.synchronizations += mode == "raise"
    function(a._host, index_array(ind), host_of(v), mode=mode)


def _repeat(function: Any, a: GuardArray, repeats: Any, axis: Any = None) -> GuardArray:
    counts.synchronizations += isinstance(repeats, GuardArray)
    return wrap(function(a._host, host_of(repeats), axis))


def _answer(function: Any, **given: Any) -> GuardArray:
    """NumPy answers with a Python bool or int, CuPy with an array."""
    return GuardArray(np.asarray(function(**{name: host_of(value) for name, value in given.items()})))


SPECIAL = {
    **dict.fromkeys(CONVERTING, _convert),
    **dict.fromkeys(("allclose", "array_equal", "array_equiv", "count_nonzero"), _answer),
    "empty": _empty,
    "empty_like": _empty,
    "where": _where,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "put": _put,
    "put_along_axis": _put_along_axis,
    "repeat": _repeat,
    "linalg.solve": _solve,
}


# ---- methods and operators ------------------------------------------------------------------------------------------


def _get_method(array: GuardArray, name: str) -> Any:
    if name not in METHODS:
        raise AttributeError(f"'cupy.ndarray' object has no attribute '{name}'")
    return functools.partial(_call_method, array, name)


def _call_method(array: GuardArray, name: str, *args: Any, **options: Any) -> Any:
    try:
        METHODS[name].bind(*args, **options)
    except TypeError as error:
        raise TypeError(f"cupy.ndarray.{name}(): {error}") from None
    if name in ("take", "put", "repeat"):
        return getattr(guard, name)(array, *args, **options)
    if name == "scatter_add":
        return guard.add.at(array, *args, **options)
    if name in SYNCHRONIZING:
        counts.synchronizations += 1
    return _call(getattr(array._host, name), args, options, array)


def _array_ufunc(array: GuardArray, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """NumPy's ufuncs hand themselves over, as with CuPy: numpy.float32(2) * array works so."""
    if method != "__call__" or ufunc.__name__ not in UFUNCS | {"matmul"}:
        return NotImplemented
    if "out" in options:
        (options["out"],) = options["out"]
    return getattr(guard, ufunc.__name__)(*inputs, **options)


def _array_function(array: GuardArray, function: Any, types: Any, args: Any, options: Any) -> Any:
    path = ".".join([*function.__module__.split(".")[1:], function.__name__])
    return Function(path)(*args, **options) if path in FUNCTIONS else NotImplemented


def _operator(name: str, *, reflected: bool = False, in_place: bool = False) -> Any:
    def apply(self: GuardArray, *others: Any) -> Any:
        # An operand that opts out of NumPy's ufuncs (a Tensor does) gets to answer first.
        if any(getattr(other, "__array_ufunc__", 0) is None for other in others):
            return NotImplemented
        options = {"out": self} if in_place else {}
        return getattr(guard, name)(*((*others, self) if reflected else (self, *others)), **options)

    return apply


GuardArray.__getattr__ = _get_method
GuardArray.__array_ufunc__ = _array_ufunc
GuardArray.__array_function__ = _array_function

_BINARY = {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide"},
    **{"mod": "remainder", "pow": "power", "matmul": "matmul", "lshift": "left_shift", "rshift": "right_shift"},
    **{"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"},
}
for _short, _name in _BINARY.items():
    setattr(GuardArray, f"__{_short}__", _operator(_name))
    setattr(GuardArray, f"__r{_short}__", _operator(_name, reflected=True))
    if _short != "matmul":
        setattr(GuardArray, f"__i{_short}__", _operator(_name, in_place=True))
for _short, _name in {
    **{"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"},
    **{"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert", "divmod": "divmod"},
}.items():
    setattr(GuardArray, f"__{_short}__", _operator(_name))


# ---- the module -----------------------------------------------------------------------------------------------------


class Module:
    """Looks like cupy, or with a prefix like cupy.linalg, cupy.fft and cupy.lib.stride_tricks."""

    ndarray = GuardArray

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.__name__ = "guard." + prefix.rstrip(".") if prefix else "guard"

    @property
    def synchronizations(self) -> int:
        """How often the host has waited for the device since the tests began: compare before and after."""
        return counts.synchronizations

    @property
    def transfers(self) -> int:
        """How often something was copied from the host to the device."""
        return counts.transfers

    def __getattr__(self, name: str) -> Any:
        path = self._prefix + name
        if path in UFUNCS:
            found: Any = Ufunc(path)
        elif path in FUNCTIONS:
            found = Function(path)
        elif path in SHARED:
            found = getattr(np, path)
        elif any(known.startswith(path + ".") for known in FUNCTIONS):
            found = Module(path + ".")
        else:
            raise AttributeError(f"module 'cupy' has no attribute '{path}'")
        self.__dict__[name] = found
        return found

    def asnumpy(self, a: Any, stream: Any = None, order: str = "C", out: Any = None) -> np.ndarray:
        """The values as a NumPy array of their own; counted as a synchronization."""
        return a.get(stream, order, out) if isinstance(a, GuardArray) else np.asarray(a)


class GuardSurroundings:
    """What our products ask of CuPy, answered for memory of the host: the library that runs them is simulated."""

    def __init__(self) -> None:
        self.library = SimulatedCublasLt()
        self._workspace = np.empty(WORKSPACE_BYTES + 256, np.uint8)
        start = self._workspace.ctypes.data
        self._place = Place(0, 0, start + -start % 256, Blas(self.library))

    def address(self, array: GuardArray) -> int:
        return array._host.ctypes.data

    def place(self, array: GuardArray) -> Place:
        return self._place


guard = Module()
surroundings = GuardSurroundings()
products = Products(Module(), surroundings)
guard.matmul, guard.dot, guard.affine = products.matmul, products.dot, products.affine
guard.lib.stride_tricks.sliding_window_view = sliding_windows(guard.lib.stride_tricks.as_strided)
register_backend(
    "guard",
    Backend(
        array_type=GuardArray,
        module=guard,
        device_of=lambda array: "guard",
        from_host=lambda array, device: guard.asarray(array),
        to_host=guard.asnumpy,
        synchronize=lambda: None,
    ),
)
