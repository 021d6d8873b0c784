"""Traced: an array that writes down what is done with it.

One idea: tracing is one more kind of array beside NumPy's and CuPy's, with a module of its own (`tracer`), so every
forward, rule, loss and optimizer that runs on those runs on it unchanged. Each call of the module is done on real
values, which tells shape and dtype without a word of description, and written down as one instruction.
Read `hollow.py` next.
"""

# Note [Writing in place]
# A program changes nothing in place, a Traced does: `x += y` gives it the name of a new variable. A view knows the
# array it looks into: to write into the view is to write a new array into that one, and a view that was taken before
# names itself anew when it is next read. Values are NumPy arrays, and real views of each other: they need none of this.
# Where the new array would lie otherwise in memory than the one written to, it is laid as that one does: by that NumPy
# decides in which order it adds up later, and so how it rounds.

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any, NoReturn

from ..anomaly import user_line
from ..array_operators import give_operators
from ..backend import host, module_of
from ..errors import TraceError
from ..modes import is_tracing
from ..positions import read_at, written_at
from .number import Number
from .program import Variable, layout_of

__all__ = ["KEPT", "Traced", "record", "tracer"]

KEPT = "Return what outlives a call, or write it into a Tensor that is there, as by state[...] = new under no_grad()."


class Traced:
    """An array in a trace: its value, and the variable that names it in the program. See Note [Writing in place]."""

    __slots__ = ("__weakref__", "_seen", "_variable", "_version", "base", "path", "trace", "value")

    def __init__(
        self, trace: Any, value: Any, variable: Variable, base: Traced | None = None, path: Any = None
    ) -> None:
        self.trace, self.value, self._variable = trace, value, variable
        self.base = base  # the array that this is a view of
        self.path = path  # how: a function from that array to this
        self._version = 0
        self._seen = 0 if base is None else base.version

    # Its names

    @property
    def version(self) -> int:
        """How often the memory that it looks into was written to."""
        array = self
        while array.base is not None:
            array = array.base
        return array._version

    @property
    def variable(self) -> Variable:
        """The variable that has its present value."""
        if self.base is not None and self._seen != self.base.version:
            self._variable = self.trace.emit("view", self.path, (self.base.variable,), {}, self.value)
            self._seen = self.base.version
        return self._variable

    def write(self, variable: Variable) -> None:
        """Let it have another value, that of `variable`, and with it all that it is a view of."""
        if self.base is None:
            self.trace.writes_into(self)
            self._version += 1
        else:
            given = (self.base.variable, variable)
            self.base.write(self.trace.emit("write_view", _ThroughView(self.path), given, {}, self.base.value))
            self._seen = self.base.version
        self._variable = variable

    # What arrays have

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    nbytes = property(lambda self: self.value.nbytes)
    itemsize = property(lambda self: self.value.itemsize)
    T = property(lambda self: tracer.transpose(self))
    mT = property(lambda self: tracer.matrix_transpose(self))

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"Traced({self.dtype}, shape {self.shape})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not callable(getattr(host.ndarray, name, None)):
            raise AttributeError(f"an array in a compiled function has no {name!r}.")
        return lambda *inputs, **options: record(f"ndarray.{name}", _method(name), (self, *inputs), options)

    def __getitem__(self, key: Any) -> Any:
        for part in key if isinstance(key, tuple) else (key,):
            if isinstance(part, Traced) and part.dtype == "bool":
                what = "was indexed by an array of bools, which gives a length that depends on values"
                refuse(what, "Index by places, nonzero(mask) outside of the function, or multiply by the mask.")
            if isinstance(part, host.ndarray) and part.dtype == "bool":  # of NumPy alone: its values are known
                self.trace.hold(part)
        return record("getitem", read_at, (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        value = value if isinstance(value, Traced) else self.trace.lift(host.asarray(value, dtype=self.dtype))
        whole = key is Ellipsis and value.shape == self.shape
        if whole:
            new = value.variable if value.dtype == self.dtype else value.astype(self.dtype).variable
        else:
            new = self.trace.emit(
                "set_at", _set_at, (self.variable, self.trace.names(key), value.variable), {}, self.value
            )
        self.trace.assign(self.value, self.trace.values(key), value.value)
        self.write(new)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("was turned into a NumPy array, as printing does")

    def item(self, *args: Any) -> Any:
        """Refused: a number cannot leave a program before its end."""
        refuse("was asked for its number, as by item(), float() and if")

    def tolist(self) -> Any:
        """Refused, as `item`."""
        refuse("was turned into a list")

    def __bool__(self) -> bool:
        refuse("was asked whether it is true, as `if` and `while` do")

    def __float__(self) -> float:
        refuse("was turned into a Python float")

    def __int__(self) -> int:
        refuse("was turned into a Python int")

    def __index__(self) -> int:
        refuse("was used as a Python index")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's own functions, called on it directly."""
        for out in options.get("out", ()):
            if not isinstance(out, Traced):
                raise TraceError(
                    "a NumPy array was changed in place by a compiled function, which would see that change only once: "
                    "hold what changes in a Tensor."
                )
        function = getattr(tracer, ufunc.__name__)
        return (function if method == "__call__" else getattr(function, method))(*inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return record(function.__name__, function, args, options)


_INSTEAD = "Use where() instead of if, return what you want to look at, or take this part out of the function."


def refuse(what: str, instead: str = _INSTEAD) -> NoReturn:
    """Raise the error for values that would decide the course of a program, or were kept when it was written down."""
    if is_tracing() is None:
        raise TraceError(
            f"an array that a compiled function made while it was traced was kept, in an attribute or a list, and "
            f"{what}, at {user_line()}: it has no value. {KEPT}"
        )
    raise TraceError(
        f"inside a compiled function an array {what}, at {user_line()}: there it has no value yet. {instead}"
    )


@functools.cache
def _method(name: str) -> Callable[..., Any]:
    """A method as a function, one for each name; what has no axes may be a NumPy scalar when a program runs."""

    def call(x: Any, *inputs: Any, **options: Any) -> Any:
        return getattr(x, name)(*inputs, **options)

    call.__name__ = name
    return call


class _ThroughView:
    """A copy of `base` in which the part that `path` looks at is `value`."""

    __slots__ = ("path",)

    def __init__(self, path: Callable[[Any], Any]) -> None:
        self.path = path

    def __call__(self, base: Any, value: Any) -> Any:
        xp = module_of(base)
        out = xp.array(base)
        part = self.path(out)
        if xp.may_share_memory(part, out) or not part.size:
            part[...] = value
        else:  # it lies otherwise than in the trace, so a reshape copied it: which elements these are still holds
            out = xp.array(base, order="C")
            out.reshape(-1)[self.path(xp.arange(out.size).reshape(out.shape))] = value
        return out


def _set_at(x: Any, key: Any, value: Any) -> Any:
    out = module_of(x).array(x)
    out[key] = value
    written_at(out, key)
    return out


def record(name: str, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call `function` on the values, and write the call down; arrays come back as Traced."""
    trace = is_tracing()
    if trace is None:
        refuse(f"was given to {name}")
    if name in _IN_PLACE:
        return _IN_PLACE[name](*inputs, **options)
    if name.rpartition(".")[2] in _BY_VALUES:
        refuse(f"was given to {name}, whose result has a length that depends on values")
    outs = options.pop("out", None)
    if outs is not None and options.get("where", True) is not True:
        raise TraceError(f"{name}(out=..., where=...) cannot be compiled; use where() and an assignment.")
    values, named = trace.values(inputs), trace.values(options)
    with host.errstate(all="ignore"):
        result = trace.done(function, values, named)
    if isinstance(result, (host.ndarray, host.generic)):
        traced = _traced(trace, name, function, inputs, options, result)
        return traced if outs is None else _into(outs[0] if isinstance(outs, tuple) else outs, traced, name)
    if isinstance(result, (tuple, list)) and any(isinstance(part, (host.ndarray, host.generic)) for part in result):
        whole = trace.emit(name, function, trace.names(inputs), trace.names(options), None)
        parts = [
            Traced(trace, host.asarray(part), trace.emit("item", operator.getitem, (whole, i), {}, part))
            for i, part in enumerate(result)
        ]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    if name.rpartition(".")[2] not in _STATIC:
        refuse(f"was given to {name}, which makes of it what is no array")
    return result  # a shape, a dtype: the same at every call of this program


# Functions whose result is the same for all values; and those whose result's shape depends on values.
_STATIC = {"ndim", "shape", "size", "result_type", "can_cast", "promote_types", "broadcast_shapes", "isdtype"}
_STATIC |= {"iscomplexobj", "isrealobj", "finfo", "iinfo", "may_share_memory", "shares_memory", "issubdtype"}
_BY_VALUES = {"argwhere", "bincount", "compress", "extract", "flatnonzero", "nonzero", "setdiff1d", "setxor1d"}
_BY_VALUES |= {"intersect1d", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"}
_BY_VALUES |= {"histogram", "histogram_bin_edges", "trim_zeros"}


# Functions that give a view or a copy, whichever the strides of the array allow.
_BY_LAYOUT = {"ascontiguousarray", "asfortranarray", "ravel", "require", "reshape"}


def _fill(x: Any, value: Any) -> None:
    x[...] = value


def _copy_to(x: Any, value: Any) -> None:
    if not isinstance(x, Traced):
        refuse("was copied into a NumPy array that it finds outside")
    x[...] = value


def _sort(x: Any, axis: int = -1, **options: Any) -> None:
    x[...] = tracer.sort(x, axis=axis, **options)


def _no_writing(name: str) -> Callable[..., None]:
    return lambda *inputs, **options: refuse(f"was changed in place by {name}; assign to x[...] instead")


_IN_PLACE: dict[str, Callable[..., None]] = {
    "copyto": _copy_to,
    "ndarray.fill": _fill,
    "ndarray.sort": _sort,
    **{name: _no_writing(name) for name in ("fill_diagonal", "place", "put", "put_along_axis", "putmask")},
    **{
        f"ndarray.{name}": _no_writing(name)
        for name in ("byteswap", "partition", "put", "resize", "setfield", "setflags")
    },
}


def _traced(trace: Any, name: str, function: Any, inputs: Any, options: Any, result: Any) -> Traced:
    first = inputs[0] if inputs else None
    if isinstance(first, Traced) and isinstance(result, host.ndarray):
        if name.rpartition(".")[2] in _BY_LAYOUT:
            trace.lies(first)
        if result is first.value:
            return first
        if result.base is not None and host.may_share_memory(result, first.value):
            path = _Path(function, trace.values(inputs[1:]), trace.values(options))
            variable = trace.emit(name, function, trace.names(inputs), trace.names(options), result)
            return Traced(trace, result, variable, first, path)
    # A part without elements shares no memory, but a broadcast one is for reading only.
    result = host.asarray(result) if result.size else host.empty(result.shape, result.dtype)
    return Traced(trace, result, trace.emit(name, function, trace.names(inputs), trace.names(options), result))


class _Path:
    """From an array to a view of it."""

    __slots__ = ("function", "inputs", "options")

    def __init__(self, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.function, self.inputs, self.options = function, inputs, options

    def __call__(self, base: Any) -> Any:
        return self.function(base, *self.inputs, **self.options)


def _into(out: Any, result: Traced, name: str) -> Traced:
    if not isinstance(out, Traced):
        raise TraceError(f"{name}(out=...) would write into a NumPy array inside a compiled function: leave `out` out.")
    if result.dtype != out.dtype:
        if not host.can_cast(result.dtype, out.dtype, "same_kind"):
            raise TypeError(f"{name} cannot write {result.dtype} into an array of {out.dtype}; use astype.")
        result = result.astype(out.dtype)
    if result.shape != out.shape:
        raise ValueError(f"{name} cannot write shape {result.shape} into an array of shape {out.shape}.")
    if layout_of(result.value) != layout_of(out.value):
        result = record("laid_as", _laid_as, (result, out), {})
    out.trace.assign(out.value, ..., result.value)
    out.write(result.variable)
    return out


def _laid_as(x: Any, other: Any) -> Any:
    """x, lying in memory as another array does. See Note [Writing in place]."""
    out = module_of(x).empty_like(other)
    out[...] = x
    return out


# The module


class _Function:
    """One function of NumPy's, written down when it is called."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self.function = name, function

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return record(self.name, self.function, inputs, options)

    def __getattr__(self, method: str) -> Any:
        function = getattr(self.function, method)
        if method == "at":
            return lambda x, key, *values: _at(self.name, function, x, key, values)
        return _Function(f"{self.name}.{method}", function)


def _at(name: str, function: Any, x: Traced, key: Any, values: tuple[Any, ...]) -> None:
    """ufunc.at(x, key, values): a new x with the ufunc done at each place."""
    trace = x.trace
    given = (x.variable, trace.names(key), *map(trace.names, values))
    new = trace.emit(f"{name}.at", _At(name), given, {}, x.value)
    function(x.value, trace.values(key), *map(trace.values, values))
    x.write(new)


class _At:
    """A copy of x with the ufunc of that name done at each place; each array module has its own."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, x: Any, *given: Any) -> Any:
        xp = module_of(x)
        out = xp.array(x)
        getattr(xp, self.name).at(out, *given)
        written_at(out, given[0])
        return out


class _Tracer:
    """What `xp` is in a trace: NumPy's functions under their names, each of which writes itself down."""

    __name__ = "autograd.compile.tracer"
    ndarray = Traced

    def __init__(self, module: Any, prefix: str = "") -> None:
        self._module, self._prefix = module, prefix
        self._functions: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        found = self._functions.get(name)
        if found is None:
            thing = getattr(self._module, name)
            if isinstance(thing, type(host)) and not name.startswith("_"):
                found = _Tracer(thing, f"{self._prefix}{name}.")
            elif callable(thing) and not isinstance(thing, type):
                own = thing.__name__ if isinstance(thing, host.ufunc) else name  # abs is absolute
                found = _Function(self._prefix + own, thing)
            else:
                found = thing
            self._functions[name] = found
        return found


tracer: Any = _Tracer(host)


def _operand(x: Any) -> bool:
    return isinstance(x, (Traced, Number, bool, int, float, complex, host.ndarray, host.generic))


give_operators(Traced, _operand)
