"""Entry: the program of one kind of call, with the guards under which it is right, and what runs it.

One idea: tracing asks questions of everything that it finds around the function and keeps the answers; as long as
all of them are the same, the program does what the function would do. All questions are one Python function, made of
their texts, since every call asks them. Read `replay.py` next.
"""

# Note [Gradients let go]
# A program that reads gradients, an update say, finds them at each call, and holds them only as long as it runs: else
# the program that makes them would see that somebody keeps the last ones, and make the next ones elsewhere.

from __future__ import annotations

from collections import deque
from collections.abc import Callable, ItemsView, Iterator, Set, ValuesView
from contextlib import suppress
from types import FunctionType
from typing import Any

from ..backend import is_array, plain
from ..cuda.algorithms import is_timed
from ..cuda.precision import is_tf32
from ..errors import TraceError
from ..modes import tracing
from ..tensor import Tensor, wrap
from ..tree import Structure, flatten, to_register, unflatten
from ..writes import owner_of
from .cuda import Cuda, device_named, is_device
from .effects import changes_of, gradients_of, settings_of
from .expression import Expression, function_of
from .holdings import Contents
from .native import Native, missing
from .once import Counted, Drawn, Left, Loose, Taken
from .passes import simplified
from .places import DataOf, GradOf, shares, touched
from .program import Program, layout_of
from .replay import Replay
from .spare import lone_array, spare_array
from .surroundings import questions_about
from .trace import Trace
from .traced import Traced
from .watch import data_of, set_grad, watching

__all__ = ["Entry"]


class Entry:
    """A program with its guards and its executor."""

    def __init__(self, trace: Trace, structure: Structure, leaves: list[Any], executor: str, only: bool) -> None:
        # What a call leaves behind besides its result.
        self.counts = [question for question, _ in trace.guards if isinstance(question, Counted)]
        self.effects = [*trace.effects, *settings_of(trace), *(count.grow for count in self.counts)]
        gradients = gradients_of(trace)
        self.with_grad = [tensor for tensor, grad in gradients if grad is not None]
        self.without_grad = [tensor for tensor, grad in gradients if grad is None]
        # What its result is made of.
        self.structure, self.leaves, self.device = structure, leaves, trace.device
        alone = structure.kind is None and not isinstance(leaves[0], tuple)
        self.one = leaves[0] if alone else None  # for a result that is one array
        # What runs, and which gradients it writes over those of the call before.
        self.traced = trace.program
        self.program = simplified(self.traced)
        self.run_program = _executor(self.program, executor, only, trace.device)
        is_on_gpu, places = isinstance(self.run_program, Cuda), self.program.places
        given = dict(enumerate(self.with_grad, len(self.program.results) - len(self.with_grad)))
        self.replaced = [(i, given[i]) for i in self.run_program.takes if i in given]
        self._spare = lone_array if is_on_gpu else spare_array
        # The arrays of the places, for which the program is set up; of gradients only while it runs.
        self._bound: list[Any] = []
        self._laid = {id(place) for place in trace.laid()}  # the places whose arrays must lie as they did
        self._written = [place for place, _ in self.program.writes]
        self._owned: set[int] = set()  # the owners of the memory of those
        self._gradients = [i for i, (place, _) in enumerate(places) if isinstance(place, GradOf)]
        self._edited = [i for i in self._gradients if places[i][0] in self._written]
        # A gradient that is added to lies in another array after each call.
        set_anew = {id(tensor) for tensor in self.with_grad}
        self._adds = any(isinstance(place, GradOf) and id(place.tensor) in set_anew for place, _ in places)
        self.guards = list(_guards(trace, self.program, is_on_gpu))
        self._ask = self._questions()
        self._bind()

    @classmethod
    def trace(
        cls, function: Callable[..., Any], leaves: list[Any], structure: Structure, executor: str, only: bool = False
    ) -> Entry:
        """Run the function once and forget what came out; gives its program.

        With `only`, raises TraceError where the program would be on the host and this executor cannot run it.
        """
        trace, entry = Trace(), None
        for question in questions_about(function, leaves, set(_classes(structure))):
            trace.guard(question)
        known: dict[int, Any] = {}  # what is given twice is one thing for the function too
        seen = [known.setdefault(id(leaf), _traced(trace, leaf)) for leaf in leaves]
        args, kwargs = unflatten(structure, seen)
        try:
            with watching(trace):
                result = function(*args, **kwargs)
                _refuse_other((args, kwargs), seen, structure)
                given, shape = flatten(result)
                outcome = [_outcome(trace, leaf) for leaf in given]
                arrays = [x for x in outcome if isinstance(x, Traced)]
                arrays += [grad.data for _, grad in gradients_of(trace) if grad is not None]
                trace.program.results = [x.variable for x in arrays]
            trace.program.writes = [(place, traced.variable) for place, traced in changes_of(trace)]
            fixed = [_kind_of_result(x) if isinstance(y, Traced) else (x,) for x, y in zip(given, outcome, strict=True)]
            entry = cls(trace, shape, fixed, executor, only)
        finally:
            tracing.set(None)  # `watching` saw to it, unless Ctrl-C came just when it ended
            trace.undo()
            if entry is not None or only:  # where a call follows that counts
                for question, _ in trace.guards:
                    if isinstance(question, Counted):
                        question.take_back()
        for leaf in given:
            _refuse_hidden(leaf)
        return entry

    def holds(self) -> bool:
        """Whether the program is right for a call made now."""
        answers = self._ask()
        if answers is None:
            return False
        if answers:
            return self._take_gradients()
        # Some array is another than at the last call: does it look the same, and lie apart from what is written to?
        places = [place for place, _ in self.program.places]
        if not all(self._is_like(i, place.get()) for i, place in enumerate(places)):
            return False
        if shares(self._written, places) is not None:
            return False
        self._bind()
        return True

    def settles(self) -> bool:
        """Whether it is right for the call after the one that it was traced for, too."""
        for count in self.counts:
            count.grow()
        try:
            return self.holds()
        finally:
            for count in self.counts:
                count.take_back()

    def changed(self) -> str | None:
        """What the program is not right for, in words; None where all questions are answered as they were."""
        return next((str(question) for question, answer in self.guards if question() != answer), None)

    def _take_gradients(self) -> bool:
        """Work on the gradients that are there now; whether they are like those before. See Note [Gradients let go]."""
        if not self._gradients:
            return True
        for i in self._gradients:
            array = self._bound[i] = self.program.places[i][0].get()
            if not self._is_like(i, array):
                return False
        if not self._lie_apart():
            return False
        self.run_program.bind(self._bound)
        return True

    def _lie_apart(self) -> bool:
        """Whether no gradient reaches into what is written to; only what has the same owner can."""
        if not self._written:
            return True
        found = {id(owner_of(self._bound[i])) for i in self._gradients}
        if self._owned.isdisjoint(found) and not (self._edited and len(found) < len(self._gradients)):
            return True
        return shares(self._written, [place for place, _ in self.program.places]) is None

    def _let_go(self) -> None:
        """See Note [Gradients let go]."""
        for i in self._gradients:
            self._bound[i] = None
        self.run_program.let_go([self.program.places[i][1] for i in self._gradients])

    def _is_like(self, i: int, array: Any) -> bool:
        """Whether an array is one that the program can have at this place."""
        place, variable = self.program.places[i]
        same = array.shape == variable.shape and array.dtype == variable.dtype and type(array) is self._kinds[i]
        return same and (id(place) not in self._laid or layout_of(array) == variable.layout)

    def touches(self, arguments: list[Any]) -> bool:
        """Whether a call with these arrays would write into one of them; only what has the same owner can."""
        given = {id(owner_of(array)) for array in arguments}
        if self._owned.isdisjoint(given) and given.isdisjoint([id(owner_of(self._bound[i])) for i in self._edited]):
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
            if where.text not in where.scope and i not in self._gradients:  # not an array that is always the same
                same.append(f"{where.text} is bound[{i}]")
                scopes += [where.scope, {"bound": self._bound}]
        return function_of([*lines, f"return {' and '.join(same)}"], scopes)

    def _bind(self) -> None:
        """Take the arrays that are there now for those to work on."""
        self._bound[:] = [place.get() for place, _ in self.program.places]
        self._kinds = [type(array) for array in self._bound]
        self._owned = {id(owner_of(place.get())) for place in self._written if not isinstance(place, GradOf)}
        self.run_program.bind(self._bound)

    def run(self, arguments: list[Any]) -> Any:
        """The function's result for these arrays, with all that it leaves behind."""
        spare = {i: self._spare(tensor) for i, tensor in self.replaced}
        results, writes = self.run_program(arguments, spare)
        self._let_go()
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
            self._let_go()
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


def _guards(trace: Trace, program: Program, is_on_gpu: bool) -> Iterator[tuple[Any, Any]]:
    """The questions of each call, with the answers for which the program is right."""
    for question, answer in trace.guards:
        if _stays(question, answer, trace):
            yield question, question() if isinstance(question, Left) else answer
    kept = {id(place) for place, _ in program.places}
    for place, _, _ in trace.captured:  # of an array that the program does without, the shape was read perhaps
        if isinstance(place, DataOf) and id(place) not in kept:
            array = place.expression()
            asked = Expression(f"({array.text}.shape, {array.text}.dtype, type({array.text}))", array.scope)
            yield asked, asked()
    # Products are made for this precision, and their algorithms were chosen in this way.
    yield from ((Expression.of(asked), asked()) for asked in (is_tf32, is_timed) if is_on_gpu)


def _stays(question: Any, answer: Any, trace: Trace) -> bool:
    """Whether a question is asked at each call."""
    if isinstance(question, Contents):
        return not trace.reads(question.array)
    if isinstance(question, Left):
        return question.stays()
    if isinstance(question, (Drawn, Taken)):
        question.refuse_changed()
    if isinstance(question, (Counted, Drawn)):
        return False
    if isinstance(question, Taken) and not question.is_history():
        return True
    return not isinstance(question, Loose) or question.stays(answer)


def _executor(program: Program, name: str, only: bool, device: str | None) -> Native | Replay | Cuda:
    if device not in (None, "cpu"):
        if not is_device(device):
            raise TraceError(f'programs cannot run on "{device}"')
        return Cuda(program, device_named(device))
    if name == "native":
        lacking = missing() if only else None
        native = None if lacking else Native.of(program)
        if native is not None:
            return native
        if only:
            raise TraceError(lacking or "the C compiler failed")
    return Replay(program)


def _classes(structure: Structure) -> Iterator[type]:
    """The classes of a tree's containers."""
    if structure.kind is not None:
        yield structure.kind
    for part in structure.parts:
        yield from _classes(part)


def _traced(trace: Trace, leaf: Any) -> Any:
    """An argument as the function sees it while it is traced."""
    if isinstance(leaf, Tensor) and not leaf.requires_grad:
        return trace.wrapped(trace.argument(data_of(leaf)))
    return trace.argument(plain(leaf)) if is_array(leaf) else leaf


def _refuse_other(tree: Any, leaves: list[Any], structure: Structure) -> None:
    """Raise TraceError where the arguments are not the tree any more that was made of these leaves."""
    now, kind = flatten(tree)
    if kind != structure or any(x is not y for x, y in zip(now, leaves, strict=True)):
        raise TraceError(
            "a compiled function changes a list, dictionary or dataclass that it is given, which would be seen at this "
            "call only: copy it first, as in dict(batch), or return the new one."
        )


def _refuse_hidden(leaf: Any) -> None:
    """Raise TraceError where a result that is no array has some inside, which a later call would not make anew."""
    if isinstance(leaf, Tensor) or is_array(leaf):
        return
    inside = [x for x in flatten(_inside(leaf))[0] if isinstance(x, Tensor) and isinstance(x.data, Traced)]
    if inside or isinstance(leaf, Iterator):
        raise TraceError(
            f"a compiled function returns a {type(leaf).__name__}, whose Tensors it would compute at the first call "
            f"only: return them in a tuple, a list or a dictionary{to_register(leaf)}."
        )


def _inside(thing: Any) -> list[Any]:
    """What a thing that is no tuple, list or dictionary holds: its items, the variables of a function, attributes."""
    if isinstance(thing, (Set, ValuesView, ItemsView, deque)):
        return list(thing)
    if isinstance(thing, FunctionType):
        found = []
        for cell in thing.__closure__ or ():
            with suppress(ValueError):  # a variable that was given nothing yet
                found.append(cell.cell_contents)
        return found
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(thing, "__dict__", {}).values(), *(getattr(thing, name, None) for name in slots)]


def _kind_of_result(leaf: Any) -> Callable[[Any], Any]:
    """What makes of an array the thing that the function returned."""
    return wrap if isinstance(leaf, Tensor) else _itself


def _itself(array: Any) -> Any:
    return array


def _outcome(trace: Trace, leaf: Any) -> Any:
    if isinstance(leaf, Tensor):
        return trace.lift(leaf.data)
    return trace.lift(leaf) if is_array(leaf) else leaf
