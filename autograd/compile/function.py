"""compile: a function that is traced at its first call and replayed afterwards.

One idea: a program is right for one kind of call (shapes, dtypes, Python arguments) and while its guards hold; another
kind of call gets a program of its own. Whatever cannot be told apart by these is an error while tracing, never a wrong
number later. Read `program.py` next.
"""

# Note [Traced again and again]
# What a function reads may be another at each call, as a count is that it computes with, and to trace it takes up to a
# thousand times as long as to run it as it is written. So after a number of traces a call for which there is no program
# is run as it is written, and traced only if it is the 32nd, the 64th, the 128th such call, and so on. What then stays
# as it is has its program again before it was called twice as often.

from __future__ import annotations

import copy
import functools
import inspect
import operator
import os
import sys
import threading
import time
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Literal

from ..backend import host, is_array, plain
from ..blocks import Block
from ..errors import TraceError
from ..hints import telling
from ..modes import casting, is_batching, is_recording, is_tracing, is_watching, set_inside
from ..tensor import Tensor, wrap
from ..tree import Structure, flatten, unflatten
from .cuda import Cuda
from .entry import Entry
from .expression import Same
from .program import Program
from .steps import arrays_of, count_of, side_by_side, slice_of

__all__ = ["Compiled", "compile", "disabled"]

Executor = Literal["native", "numpy"]

_KEPT = 16  # programs of one function
_ENOUGH = 8  # traces of a function with a fallback: one that needs more would hardly do anything else

_off: ContextVar[bool] = ContextVar("autograd.compile.off", default=False)


def disabled() -> Block:
    """Inside, compiled functions run as they are written. A context manager and a decorator."""
    return Block("compile_disabled", lambda: set_inside(_off, True))


@telling
def compile(
    function: Callable[..., Any] | None = None,
    *,
    disable: bool = False,
    executor: Executor | None = None,
    fallback: bool = False,
) -> Any:
    """A function that does what `function` does, a whole training step say, faster. A decorator too.

    The first call traces it: it runs once on arrays that write down what is done with them. Later calls replay that.
    Parameters, optimizer state, running statistics and random generators are found again at each call. Arguments may be
    lists, tuples, dictionaries, and dataclasses given to `tree.register`; of other objects each is a kind of its own.
    Arrays that it returns are new ones, outside any graph.

    It is traced anew for other shapes or dtypes, for other Python arguments, after train() or eval(), and where
    something else that it reads has changed: a global, an attribute, what a closure or a list holds, the numbers in an
    array of up to 64 KiB that NumPy itself reads. So it is at each call where it is given another Python number each
    time, keeps a count and reads it, or is a method of an object in which a number changes: make such numbers Tensors.
    After 17 traces a warning says what changes, and most calls of such kinds run as they are written from then on.

    What it cannot do raises TraceError at the first call, which then changes nothing: to let values decide the course
    (`if loss > 1`, `float(loss)`), to change NumPy arrays or a list that it is given, to call a schedule, to take what
    the next call would find gone (an item of an iterator, a random number of NumPy's). What Python does besides, such
    as printing or appending to a list that it finds, is done while tracing only.

    Some changes it does not see, such as those inside larger arrays that NumPy reads, or in containers of more than
    1,024 entries; the clock and files are looked at once. `docs/compiled-step.md` lists them, in section 7: give such
    things as arguments.

    `executor="native"` runs C, made by the system's compiler and kept in the user's cache; "numpy", which is also taken
    where there is no compiler, runs NumPy's functions, and gives the bits that eager code gives without its hand-made
    kernels. The environment variable TAPEGRAD_EXECUTOR names the one to take where none is given. On a GPU a program is
    one CUDA graph of kernels and products; to name an executor for it here is an error.

    `fallback=True` is for functions of which one does not know what they do: one that cannot be traced, or cannot be C
    where "native" is wanted, or would be traced anew again and again, runs as it is written from then on, and `refused`
    says why.

    `disable=True`, the environment variable TAPEGRAD_COMPILE=0 and `compile_disabled()` run the function as written.
    """
    if function is None:
        return functools.partial(compile, disable=disable, executor=executor, fallback=fallback)
    return Compiled(function, disable, executor, fallback)


class Compiled:
    """A function made by `compile`. `explain()` shows its programs.

    `refused` says why it runs as it is written, where it has a fallback and took it; `trace_seconds` is how long all
    its traces took, C compiler included.
    """

    def __init__(self, function: Callable[..., Any], disable: bool, executor: Executor | None, fallback: bool) -> None:
        # What a function is marked with it has too; the attributes of another object are that object's.
        of_its_own = isinstance(function, (types.FunctionType, types.MethodType))
        functools.update_wrapper(self, function, updated=("__dict__",) if of_its_own else ())
        self._named = executor
        self.executor: str = executor or os.environ.get("TAPEGRAD_EXECUTOR") or "native"
        if self.executor not in ("native", "numpy"):
            raise ValueError(f'compile() got executor={self.executor!r}: it must be "native" or "numpy".')
        if not callable(function):
            raise TypeError(f"compile() takes a function, got a {type(function).__name__}.")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"compile() got {function.__qualname__}, an async function, of which a call runs nothing yet: compile "
                "what it calls."
            )
        self.function, self.disable = function, disable or os.environ.get("TAPEGRAD_COMPILE") == "0"
        self.fallback = fallback
        self.refused: str | None = None
        self.trace_seconds = 0.0
        self._traced = 0
        self._missed = 0  # calls for which there was no program; see Note [Traced again and again]
        self._settled = True  # whether the last trace changed nothing that it found around it
        self._entries: OrderedDict[Any, list[Entry]] = OrderedDict()
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result, from its program."""
        if self._as_written:
            return self.function(*args, **kwargs)
        key, arrays = _kind_of_call(args, kwargs)
        with self._lock:  # the arrays that a program works in belong to one call at a time
            entries, entry = self._found(key, arrays)
            if entry is not None:
                return entry.run(arrays)
            self._missed += 1
            if self._missed > _KEPT + 1 and not _is_power_of_two(self._missed):
                return _apart(self.function(*args, **kwargs))
            try:
                entry = self._trace(args, kwargs, entries)
            except Exception as error:
                if not self.fallback:
                    raise
                why = str(error) if isinstance(error, TraceError) else f"{type(error).__name__}: {error}"
            else:
                result = entry.run(arrays)  # by the program too, so that a call gives the same bits whenever it comes
                entries[:] = [entry, *entries[: _KEPT - 1]]
                while len(self._entries) > _KEPT:
                    self._entries.popitem(last=False)
                return result
        result = self.function(*args, **kwargs)  # where the call itself is wrong, this says so, and nothing is refused
        self.refused = why
        return result

    def __repr__(self) -> str:
        name, count = getattr(self.function, "__qualname__", repr(self.function)), len(self.programs)
        state = f"{count} program{'' if count == 1 else 's'}" if self.refused is None else f"refused, {self.refused}"
        return f"<compiled {name}: {state}>"

    def __reduce__(self) -> Any:
        """A copy, of deepcopy or pickle, compiles a copy of the function, and has no programs; a global is its name."""
        name = getattr(self, "__qualname__", "")
        with suppress(AttributeError, KeyError):
            if operator.attrgetter(name)(sys.modules[self.__module__]) is self:
                return name
        return Compiled, (self.function, self.disable, self._named, self.fallback)

    @property
    def _as_written(self) -> bool:
        """Whether a call made now runs the function itself."""
        off = self.disable or self.refused is not None or _off.get()
        return off or is_tracing() is not None or is_watching() is not None or bool(is_batching())

    def steps(self, *args: Any, **kwargs: Any) -> Any:
        """Several calls as one: `fast.steps(xs, ys)` does what `[fast(x, y) for x, y in zip(xs, ys)]` does.

        Every array among the arguments has one more axis in front, all of one length, and each call gets a slice; other
        arguments are the same in all calls. Every array among the results is that of all calls, stacked along a new
        first axis; what is no array comes as a list. Everything else, weights, state, gradients and random numbers, is
        as after so many calls; what Python could change between them, such as a learning rate, is the same in all.

        On a GPU they are one CUDA graph once a program has been called a few times, so that the host, which takes
        longer than a GPU for a step of a small model, is asked once. Where CuPy does a part of the program, or a result
        or a buffer has to be copied after each call, and on the CPU, it is a loop. Each number of calls is recorded
        apart, and a few are kept.

        Raises ValueError where there is no array among the arguments, or their first axes differ.
        """
        leaves, structure = flatten((args, kwargs))
        count = count_of(leaves, structure)
        given: list[Any] = []
        if not self._as_written:
            key, _ = _kind_of_call(*unflatten(structure, slice_of(leaves, 0)))
            with self._lock:
                arrays = arrays_of(leaves)
                _, entry = self._found(key, arrays)
                if entry is not None:
                    done, results = entry.run_steps(arrays, count)
                    if done == count:
                        return entry.result(results, count)
                    given = [entry.result([x[step, ...] for x in results]) for step in range(done)]
        for step in range(len(given), count):
            args, kwargs = unflatten(structure, slice_of(leaves, step))
            given.append(self(*args, **kwargs))
        return side_by_side(given)

    def _found(self, key: Any, arrays: list[Any]) -> tuple[list[Entry], Entry | None]:
        """The programs for this kind of call, and the one that is right for a call made now with these arrays."""
        entries = self._entries.get(key)
        if entries is None:
            entries = self._entries[key] = []
        self._entries.move_to_end(key)
        for entry in entries:
            if entry.holds() and not entry.touches(arrays):
                return entries, entry
        return entries, None

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any], entries: list[Entry]) -> Entry:
        """A program for this call, beside those there are; with a fallback only one that is worth having."""
        if self.fallback and self._traced == _ENOUGH:
            raise TraceError(f"what it finds around it keeps changing: it was traced {_ENOUGH} times")
        changed = entries[0].changed() if entries and self._traced == _KEPT else None  # tracing may change it back
        began = time.perf_counter()
        try:
            entry = Entry.trace(self.function, *flatten((args, kwargs)), self.executor, only=self.fallback)
        finally:
            self.trace_seconds += time.perf_counter() - began
            self._traced += 1
        if self._traced == _KEPT + 1 and not self.fallback:
            self._warn(changed)
        if self._named is not None and isinstance(entry.run_program, Cuda):
            raise ValueError(
                f'compile(executor="{self._named}") runs on the host, but the function works on arrays of '
                f'"{entry.device}": leave it out, a GPU has an executor of its own.'
            )
        if self.fallback:
            was_settled, self._settled = self._settled, entry.settles()
            if not (was_settled or self._settled):
                raise TraceError("what it finds around it is changed by itself at every call")
        return entry

    def _warn(self, changed: str | None) -> None:
        """Say that tracing has become what this function is busy with, and why that may be."""
        around = max(map(len, self._entries.values())) >= _KEPT // 2
        why = "its arguments change"
        if around:
            why = "what it reads around it, such as a count, changes" if changed is None else f"{changed} changes"
        warnings.warn(
            f"{getattr(self.function, '__qualname__', self.function)} was traced {self._traced} times, which took "
            f"{self.trace_seconds:.1f} s: {why} from call to call. Other shapes, other Python values and other things "
            "around it are traced anew, but most calls from now on run as they are written: give numbers that change "
            "as Tensors.",
            stacklevel=4,
        )

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else _Method(self, instance)

    @property
    def programs(self) -> list[Program]:
        """The programs traced so far, those used last at the end."""
        return [entry.program for entries in self._entries.values() for entry in entries]

    @property
    def traces(self) -> list[Program]:
        """The same as they were written down, before any pass."""
        return [entry.traced for entries in self._entries.values() for entry in entries]

    def explain(self) -> str:
        """The programs as text, one instruction a line, each with the steps in which it is run."""
        if not self.programs:
            return "nothing is traced yet: call the function first."
        return "\n\n".join(entry.explain() for entries in self._entries.values() for entry in entries)


class _Method:
    """A compiled function as a method of an object: what Python's own is, and all that the function has."""

    __slots__ = ("__func__", "__self__")

    def __init__(self, compiled: Compiled, instance: Any) -> None:
        self.__func__, self.__self__ = compiled, instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def steps(self, *args: Any, **kwargs: Any) -> Any:
        """Several calls as one, see `Compiled.steps`."""
        return self.__func__.steps(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in self.__slots__:  # of one that is not made yet
            raise AttributeError(name)
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Method) and self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __deepcopy__(self, memo: dict[int, Any]) -> _Method:
        return _Method(self.__func__, copy.deepcopy(self.__self__, memo))


def _is_power_of_two(count: int) -> bool:
    return count.bit_count() == 1


def _apart(result: Any) -> Any:
    """A result as a program gives it: its arrays are new ones, outside any graph."""
    leaves, structure = flatten(result)
    copies = [wrap(x.data.copy()) if isinstance(x, Tensor) else x.copy() if is_array(x) else x for x in leaves]
    return unflatten(structure, copies)


def _kind_of_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any]]:
    """What tells programs apart, and the arrays among the arguments."""
    key: list[Any] = [is_recording(), casting()]
    arrays = []
    if not kwargs:
        for x in args:
            if type(x) is not Tensor or x.requires_grad:
                break
            array = x.data
            arrays.append(array)
            key += (array.shape, array.dtype, type(array))
        else:
            if len(args) == len(set(map(id, args))):
                return tuple(key), arrays  # Tensors alone: no need to look further
    leaves, structure = flatten((args, kwargs))
    key, arrays = [structure, *_numbers_in(structure), is_recording(), casting()], []
    first: dict[int, int] = {}
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor) and not leaf.requires_grad:
            arrays.append(leaf.data)
            key.append((leaf.data.shape, leaf.data.dtype, type(leaf.data), first.setdefault(id(leaf), place)))
        elif is_array(leaf):
            array = plain(leaf)
            arrays.append(array)
            key.append((array.shape, array.dtype, type(array), first.setdefault(id(leaf), place), "array"))
        elif isinstance(leaf, (bool, int, float, complex, str, bytes, types.NoneType)):
            key.append((type(leaf), repr(leaf) if isinstance(leaf, (float, complex)) else leaf))  # tells -0.0 from 0.0
        elif isinstance(leaf, host.generic) and leaf.dtype.kind in "biufc":
            key.append((type(leaf), leaf.tobytes()))
        else:
            key.append(Same(leaf))
    return tuple(key), arrays


def _numbers_in(structure: Structure) -> Iterator[Any]:
    """The keys of dictionaries that are numbers, as what tells 1 from 1.0 and True, which are equal keys."""
    for key in structure.keys if structure.kind is not None and issubclass(structure.kind, dict) else ():
        if isinstance(key, (bool, int, float, complex)):
            yield type(key), repr(key)
    for part in structure.parts:
        yield from _numbers_in(part)
