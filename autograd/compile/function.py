"""compile: a function that is traced at its first call and replayed afterwards.

One idea: a program is right for one kind of call (shapes, dtypes, Python arguments) and while its guards hold; another
kind of call gets a program of its own. Whatever cannot be told apart by these is an error while tracing, never a wrong
number later. Read `program.py` first, `replay.py` and `spare.py` next.
"""

from __future__ import annotations

import copy
import functools
import os
import threading
import time
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from ..backend import is_array
from ..cuda.precision import is_tf32
from ..errors import TraceError
from ..modes import casting, is_recording, is_tracing, is_watching
from ..tensor import Tensor, wrap
from ..tree import Structure, flatten, unflatten
from ..writes import owner_of
from .cuda import Cuda, device_named
from .expression import Expression, Same, function_of
from .native import Native, missing
from .passes import simplified
from .program import Program
from .replay import Replay
from .spare import lone_array, spare_array
from .steps import arrays_of, count_of, side_by_side, slice_of
from .surroundings import Loose, questions_about
from .trace import GradOf, Trace, shares, touched
from .traced import Traced
from .watch import data_of, set_grad, watching

__all__ = ["Compiled", "compile", "disabled"]

Executor = Literal["native", "numpy"]

_KEPT = 16  # programs of one function
_ENOUGH = 8  # traces of a function with a fallback: one that needs more would hardly do anything else

_off: ContextVar[bool] = ContextVar("autograd.compile.off", default=False)


@contextmanager
def disabled() -> Iterator[None]:
    """Inside, compiled functions run as they are written."""
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


def compile(
    function: Callable[..., Any] | None = None,
    *,
    disable: bool = False,
    executor: Executor | None = None,
    fallback: bool = False,
) -> Any:
    """A function that does what `function` does, a whole training step say, faster.

    The first call traces it: it runs once on arrays that write down what is done with them. Later calls replay what was
    written down. Parameters, optimizer state, running statistics and random generators are found again at each call;
    a call of other shapes or dtypes, with other Python arguments, or after train() or eval() is traced anew. Arrays
    that it returns are new ones, outside any graph.

    What it cannot do raises TraceError at the first call, which changes nothing: to let values decide the course (`if
    loss > 1`, `float(loss)`), to change NumPy arrays or a list that it is given, to call a schedule. What Python does
    besides, such as printing or appending to a list that it finds, is done while tracing only; so are NumPy's own
    functions and random numbers.

    `executor="native"` runs C, made by the system's compiler and kept in the user's cache; "numpy", which is also taken
    where there is no compiler, runs NumPy's functions, and gives the bits that eager code gives without its hand-made
    kernels. The environment variable TAPEGRAD_EXECUTOR names the one to take where none is given. On a GPU a program is
    one CUDA graph of kernels and products; to name an executor for it here is an error.

    `fallback=True` is for functions of which one does not know what they do: one that cannot be traced, or cannot be C
    where "native" is wanted, or would be traced anew again and again, runs as it is written from then on, and `refused`
    says why.

    `disable=True`, the environment variable TAPEGRAD_COMPILE=0 and `compile_disabled()` run the function as written.
    A decorator with and without brackets.
    """
    if function is None:
        return functools.partial(compile, disable=disable, executor=executor, fallback=fallback)
    return Compiled(function, disable, executor, fallback)


class Compiled:
    """A function made by `compile`. `explain()` shows its programs.

    `refused` says why it runs as it is written, where it has a fallback and took it; `trace_seconds` is how long all
    its traces took, C compiler included.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        disable: bool = False,
        executor: Executor | None = None,
        fallback: bool = False,
    ) -> None:
        self._named = executor
        self.executor: str = executor or os.environ.get("TAPEGRAD_EXECUTOR") or "native"
        if self.executor not in ("native", "numpy"):
            raise ValueError(f'compile() got executor={self.executor!r}: it must be "native" or "numpy".')
        if not callable(function):
            raise TypeError(f"compile() takes a function, got a {type(function).__name__}.")
        self.function, self.disable = function, disable or os.environ.get("TAPEGRAD_COMPILE") == "0"
        self.fallback = fallback
        self.refused: str | None = None
        self.trace_seconds = 0.0
        self._traced = 0
        self._entries: OrderedDict[Any, list[_Entry]] = OrderedDict()
        self._lock = threading.RLock()
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result, from its program."""
        if self._as_written:
            return self.function(*args, **kwargs)
        key, arrays = _kind_of_call(args, kwargs)
        with self._lock:  # the arrays that a program works in belong to one call at a time
            entries, entry = self._found(key, arrays)
            if entry is not None:
                return entry.run(arrays)
            try:
                entry = self._trace(args, kwargs)
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

    @property
    def _as_written(self) -> bool:
        """Whether a call made now runs the function itself."""
        off = self.disable or self.refused is not None or _off.get()
        return off or is_tracing() is not None or is_watching() is not None

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

    def _found(self, key: Any, arrays: list[Any]) -> tuple[list[_Entry], _Entry | None]:
        """The programs for this kind of call, and the one that is right for a call made now with these arrays."""
        entries = self._entries.get(key)
        if entries is None:
            entries = self._entries[key] = []
        self._entries.move_to_end(key)
        for entry in entries:
            if entry.holds() and not entry.touches(arrays):
                return entries, entry
        return entries, None

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Entry:
        """A program for this call; with a fallback only one that is worth having."""
        wants_c = self.fallback and self.executor == "native"
        if wants_c and (lacking := missing()) is not None:
            raise TraceError(lacking)
        if self.fallback and self._traced == _ENOUGH:
            raise TraceError(f"what it finds around it keeps changing: it was traced {_ENOUGH} times")
        began = time.perf_counter()
        try:
            entry = _Entry.trace(self.function, *flatten((args, kwargs)), self.executor)
        finally:
            self.trace_seconds += time.perf_counter() - began
            self._traced += 1
        if self._named is not None and isinstance(entry.run_program, Cuda):
            raise ValueError(
                f'compile(executor="{self._named}") runs on the host, but the function works on arrays of '
                f'"{entry.device}": leave it out, a GPU has an executor of its own.'
            )
        if wants_c and isinstance(entry.run_program, Replay):
            raise TraceError("the C compiler failed")
        if self.fallback and not entry.holds():
            raise TraceError("what it finds around it is changed by itself at every call")
        return entry

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


class _Entry:
    """A program with its guards and its executor."""

    def __init__(self, trace: Trace, structure: Structure, leaves: list[Any], executor: str) -> None:
        self.effects = trace.effects
        self.with_grad = [tensor for tensor, grad in trace.grads.values() if grad is not None]
        self.without_grad = [tensor for tensor, grad in trace.grads.values() if grad is None]
        self.structure, self.leaves, self.device = structure, leaves, trace.device
        alone = structure.kind is None and not isinstance(leaves[0], tuple)
        self.one = leaves[0] if alone else None  # for a result that is one array
        self.traced = trace.program
        self.program = simplified(self.traced)
        self.run_program = _executor(self.program, executor, trace.device)
        gradients = dict(enumerate(self.with_grad, len(self.program.results) - len(self.with_grad)))
        self.replaced = [(i, gradients[i]) for i in self.run_program.takes if i in gradients]
        self._spare = lone_array if isinstance(self.run_program, Cuda) else spare_array
        set_anew = {id(tensor) for tensor in self.with_grad}
        # A gradient that is added to lies in another array after each call.
        self._adds = any(isinstance(place, GradOf) and id(place.tensor) in set_anew for place, _ in self.program.places)
        self.guards = [(q, answer) for q, answer in trace.guards if not isinstance(q, Loose) or q() == answer]
        if isinstance(self.run_program, Cuda):
            self.guards.append((Expression.of(is_tf32), is_tf32()))  # its products are made for this precision
        self._written = [place for place, _ in self.program.writes]
        self._owned: set[int] = set()  # the owners of the memory of those
        self._bound: list[Any] = []  # the arrays of the places, for which the program is set up
        self._ask = self._questions()
        self._bind()

    @classmethod
    def trace(cls, function: Callable[..., Any], leaves: list[Any], structure: Structure, executor: str) -> _Entry:
        """Run the function once and forget what came out; gives its program."""
        trace = Trace()
        for question in questions_about(function, leaves):
            trace.guard(question)
        seen = [_traced(trace, leaf) for leaf in leaves]
        args, kwargs = unflatten(structure, seen)
        try:
            with watching(trace):
                result = function(*args, **kwargs)
                _refuse_other((args, kwargs), seen, structure)
                given, shape = flatten(result)
                outcome = [_outcome(trace, leaf) for leaf in given]
                gradients = [(tensor, grad) for tensor, grad in trace.grads.values()]
                arrays = [x for x in outcome if isinstance(x, Traced)]
                arrays += [grad.data for _, grad in gradients if grad is not None]
                trace.program.results = [x.variable for x in arrays]
            changes = trace.changes()
            with_variables = [(place, traced.variable) for place, traced in changes]
        except BaseException:
            trace.undo()
            raise
        trace.program.writes = with_variables
        fixed = [_kind_of_result(x) if isinstance(y, Traced) else (x,) for x, y in zip(given, outcome, strict=True)]
        entry = cls(trace, shape, fixed, executor)
        trace.undo()
        return entry

    def holds(self) -> bool:
        """Whether the program is right for a call made now."""
        answers = self._ask()
        if answers is None:
            return False
        if answers:
            return True
        # Some array is another than at the last call: does it look the same, and lie apart from what is written to?
        moved = False
        for (place, variable), before in zip(self.program.places, self._bound, strict=True):
            array = place.get()
            if array.shape != variable.shape or array.dtype != variable.dtype or type(array) is not type(before):
                return False
            moved = moved or not (array is before or isinstance(place, GradOf))
        if moved and shares(self._written, [place for place, _ in self.program.places]) is not None:
            return False
        self._bind()
        return True

    def touches(self, arguments: list[Any]) -> bool:
        """Whether a call with these arrays would write into one of them; only what has the same owner can."""
        if self._owned.isdisjoint([id(owner_of(array)) for array in arguments]):
            return False
        return touched(self._written, arguments) is not None

    def _questions(self) -> Callable[..., Any]:
        """A function that gives None where the guards do not hold, else whether each place has the array it had."""
        lines, scopes = [], []
        for i, (question, answer) in enumerate(self.guards):
            lines.append(f"if {question.text} != answer{i}: return None")
            scopes += [question.scope, {f"answer{i}": answer}]
        same = ["True"]
        for i, (place, _) in enumerate(self.program.places):
            where = place.expression()
            if where.text not in where.scope:  # not an array that is always the same
                same.append(f"{where.text} is bound[{i}]")
                scopes += [where.scope, {"bound": self._bound}]
        return function_of([*lines, f"return {' and '.join(same)}"], scopes)

    def _bind(self) -> None:
        """Take the arrays that are there now for those to work on."""
        self._bound[:] = [place.get() for place, _ in self.program.places]
        self._owned = {id(owner_of(place.get())) for place in self._written if not isinstance(place, GradOf)}
        self.run_program.bind(self._bound)

    def run(self, arguments: list[Any]) -> Any:
        """The function's result for these arrays, with all that it leaves behind."""
        spare = {i: self._spare(tensor) for i, tensor in self.replaced}
        results, writes = self.run_program(arguments, spare)
        for place, array in writes:
            place.put(array)
        self._leave_gradients(results[-len(self.with_grad) :])
        for effect in self.effects:
            effect()
        return self.result(results)

    def run_steps(self, arguments: list[Any], count: int) -> tuple[int, list[Any]]:
        """As many of `count` calls as can be one, and their results, each in an array for all of these calls.

        All that Python does for these calls is done first, call by call, and then the program runs. It ends before a
        call for which this program is not the right one, and with 0 where it has to run call by call.
        """
        program = self.run_program
        if not isinstance(program, Cuda) or self._adds:
            return 0, []
        spare = {i: self._spare(tensor) for i, tensor in self.replaced}
        steps = program.steps(count, spare)
        if steps is None:
            return 0, []
        done, results = 0, []
        try:
            while done < count and (not done or self._ask()):
                program.ask(steps, done)
                if not done:
                    self._leave_gradients(program.gradients(spare))
                for effect in self.effects:
                    effect()
                done += 1
        finally:  # what was asked for before an error is done, as it would be call by call
            if done:
                results = program.run_steps(steps, arguments, done)
        return done, results

    def _leave_gradients(self, arrays: list[Any]) -> None:
        for tensor in self.without_grad:
            set_grad(tensor, None)
        for tensor, array in zip(self.with_grad, arrays, strict=False):
            set_grad(tensor, wrap(array))

    def result(self, results: list[Any], count: int | None = None) -> Any:
        """What the function gives, made of the program's results; of those of `count` calls where that is given."""
        if self.one is not None:
            return self.one(results[0])
        arrays = iter(results)
        given = [
            leaf(next(arrays)) if not isinstance(leaf, tuple) else leaf[0] if count is None else [leaf[0]] * count
            for leaf in self.leaves
        ]
        return unflatten(self.structure, given)

    def explain(self) -> str:
        """The program as text, and how it is run."""
        return f"{self.program}\n\n{self.run_program.explain()}"


def _executor(program: Program, name: str, device: str | None) -> Native | Replay | Cuda:
    if device not in (None, "cpu"):
        return Cuda(program, device_named(device))
    if name == "native":
        native = Native.of(program)
        if native is not None:
            return native
    return Replay(program)


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
            return tuple(key), arrays  # Tensors alone: no need to look further
    leaves, structure = flatten((args, kwargs))
    key, arrays = [structure, is_recording(), casting()], []
    for leaf in leaves:
        if isinstance(leaf, Tensor) and not leaf.requires_grad:
            arrays.append(leaf.data)
            key.append((leaf.data.shape, leaf.data.dtype, type(leaf.data)))
        elif is_array(leaf):
            arrays.append(leaf)
            key.append((leaf.shape, leaf.dtype, type(leaf), "array"))
        elif isinstance(leaf, (bool, int, float, complex, str, bytes, types.NoneType)):
            key.append((type(leaf), leaf.hex() if isinstance(leaf, float) else leaf))  # tells -0.0 from 0.0
        else:
            key.append(Same(leaf))
    return tuple(key), arrays


def _traced(trace: Trace, leaf: Any) -> Any:
    """An argument as the function sees it while it is traced."""
    if isinstance(leaf, Tensor) and not leaf.requires_grad:
        return trace.wrapped(trace.argument(data_of(leaf)))
    return trace.argument(leaf) if is_array(leaf) else leaf


def _refuse_other(tree: Any, leaves: list[Any], structure: Structure) -> None:
    """Raise TraceError where the arguments are not the tree any more that was made of these leaves."""
    now, kind = flatten(tree)
    if kind != structure or any(x is not y for x, y in zip(now, leaves, strict=True)):
        raise TraceError(
            "a compiled function changes a list or dictionary that it is given, which would be seen at this call only: "
            "copy it first, as in dict(batch), or return the new one."
        )


def _kind_of_result(leaf: Any) -> Callable[[Any], Any]:
    """What makes of an array the thing that the function returned."""
    return wrap if isinstance(leaf, Tensor) else _itself


def _itself(array: Any) -> Any:
    return array


def _outcome(trace: Trace, leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return trace.lift(leaf.data)
    return trace.lift(leaf) if is_array(leaf) else leaf
