"""What all optimizers share: groups of parameters, their state, and the walk that applies one rule to each.

One idea: a rule (`update` in a subclass) moves one array of weights along one array of gradients, element by element,
and knows nothing else. The base class turns the gradient round for `maximize`, lets the penalties add to it, applies
the rule over flat arrays, and lets the penalties have the last word.
Read `sgd.py` for a rule, `groups.py` for what is given, `layout.py` for the memory, `rule.py` for the rule as
one piece of work, `penalty.py` for the penalties, `state.py` for checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from inspect import signature
from operator import is_
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakSet

from autograd.backend import Array, module_of
from autograd.compile.surroundings import questions_about
from autograd.compile.watch import paused
from autograd.hints import Elsewhere, Telling
from autograd.modes import enable_grad, is_tracing, refuse_in_trace
from autograd.tensor import Tensor, wrap
from autograd.words import OF_OPTIMIZERS
from autograd.writes import mark_written

from .flat import Flat
from .groups import Group, Parameters, named_parameters, split_groups
from .layout import Layout
from .numbers import flag
from .penalty import Penalty, several
from .rule import Rule
from .runs import Piece, Run, check_shape, in_dtype
from .state import fitting, saved

__all__ = ["Optimizer"]

_LIVING: WeakSet[Optimizer] = WeakSet()
_meeting = RLock()  # held to add to it and to read it, which other threads do too


class Optimizer(Telling, ABC):
    """The base of every optimizer; a subclass gives the rule `update`, the names of its state and its checks.

    `params` is an iterable of Tensors, or of (name, Tensor), or of groups: dictionaries with "params" and the options
    that differ from the defaults. `param_groups` is PyTorch's: a list of dictionaries whose options may be changed
    between steps. `penalties` and `maximize` are options of every optimizer.

    From here on `parameter.data` is a view into one array that the parameters of a group share; an array that somebody
    else holds too stays where it is. Assigning `parameter.data` or moving the parameter to another device is noticed at
    the next step and loses nothing.

    Raises ValueError for an option out of range, for no parameters and for one given twice, TypeError for an option
    that is no number or no flag and for what is no Tensor, TraceError inside a compiled function.
    """

    _flags: ClassVar[set[str]] = set()  # the options that are True or False

    if not TYPE_CHECKING:  # which reads the arguments of __init__

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Raises TypeError for a subclass without a rule."""
            missing = " and ".join(sorted(cls.__abstractmethods__, reverse=True))
            if missing:
                raise TypeError(
                    f"{cls.__name__} is an optimizer without {missing}: write the rule as optim/sgd.py does; what "
                    "calls another optimizer's step(), as SAM does, is a class of its own that holds that one."
                )
            return super().__new__(cls, *args, **options)

    def __init__(
        self, params: Parameters, defaults: dict[str, Any], penalties: Iterable[Penalty] = (), maximize: bool = False
    ) -> None:
        refuse_in_trace(f"makes an optimizer, {type(self).__name__}")
        self.defaults = {**defaults, "maximize": maximize, "penalties": several(penalties)}
        self._rule_options = tuple(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self._given: list[list[Tensor]] = []  # the parameters of each group
        self._entries: list[dict[str, Any]] = []  # for each parameter, in the order of the groups: its steps and state
        self._layouts: list[Layout | None] = []
        with _meeting:
            _LIVING.add(self)
        for group in split_groups(params, type(self).__name__):
            self.add_param_group(group)

    # What a subclass writes.

    @staticmethod
    @abstractmethod
    def update(*args: Any, **options: Any) -> None:
        """update(xp, w, g, state, t, **options): move the weights `w` against the gradient `g` in their `t`-th step.

        `w`, `g` and every array of `state` are flat and of one length; `xp` is their module. The weights and the state
        are written to in place; `g` may be the user's own array and is only read.
        """

    @staticmethod
    def slots(options: dict[str, Any]) -> dict[str, float]:
        """The names of the state arrays that the rule needs under these options, each with its value at the start."""
        return {}

    @staticmethod
    @abstractmethod
    def check(options: dict[str, Any]) -> None:
        """Raise ValueError for options out of range."""

    @classmethod
    def _check_options(cls, options: dict[str, Any]) -> None:
        for option in cls._flags & options.keys():
            flag(f"{cls.__name__}: {option}", options[option])
        try:
            cls.check(options)
        except ValueError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None

    # The walk.

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step; those without are left alone and do not age.

        `closure`, when given, is called first, with recording on, and what it returns (the loss) is returned. Nothing
        has moved where a gradient is refused: one of another shape, of complex numbers, or that is no Tensor.
        """
        loss = None
        if closure is not None:
            if not callable(closure):
                raise TypeError(f"step takes a function that gives the loss, or nothing; got {closure!r}.")
            with enable_grad():
                loss = closure()
        trace = is_tracing()
        if trace is not None:
            trace.guard(self._is_as_given)
            self._check_given()
            for index, group in enumerate(self.param_groups):
                self._write_down(trace, index, group)
            return loss
        moves = []
        for group, layout in zip(self.param_groups, self._current_layouts(), strict=True):
            options = {name: group[name] for name in self._rule_options}
            slots = self.slots(options)
            for flat, penalties in layout.flats:
                flat.add_states(slots)
                rule = Rule(self.update, options, penalties, group["maximize"])
                for run, age in flat.runs():
                    moves.append((flat.xp, rule, run, age + 1, run.with_gradients()))
        for move in moves:  # what a gradient may be wrong in was found before
            _advance(*move)
        return loss

    def _write_down(self, trace: Any, index: int, group: dict[str, Any]) -> None:
        """The step of a group in a compiled function: parameter by parameter, with options that may change later."""
        with paused():
            slots = self.slots(group)
            flats = self._layout(index).flats
            for flat, _ in flats:
                flat.add_states(slots)
        options = {name: trace.option(group, name) for name in (*self._rule_options, "maximize")}
        maximize = options.pop("maximize")
        known = self._entries
        trace.guard(lambda: self._entries is known and len(known))
        trace.guard(lambda: list(group["penalties"]))
        for method in (self.update, *(method for penalty in group["penalties"] for method in penalty.moments())):
            for question in questions_about(method):
                trace.guard(question)
        for flat, penalties in flats:
            _advance_in_trace(trace, Rule(self.update, options, penalties, maximize), flat, slots)

    def _current_layouts(self) -> list[Layout]:
        """The layouts of all groups, before one of them is moved."""
        if len(self.param_groups) != len(self._layouts):
            self._check_given()
        return [self._layout(index) for index in range(len(self._layouts))]

    def _layout(self, index: int) -> Layout:
        """The flat arrays of a group, laid out anew when a parameter's array or the penalties have been replaced."""
        group, layout = self.param_groups[index], self._layouts[index]
        if layout is None or not layout.is_current(group):
            self._check_given()
            start = sum(len(g["params"]) for g in self.param_groups[:index])
            self._layouts[index] = layout = None  # so that only others hold its arrays
            layout = self._layouts[index] = Layout(group, self._entries[start:], self.slots(group))
        return layout

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with `set_to_none=False` replace them by zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    data = parameter.grad.data
                    parameter.grad = wrap(module_of(data).zeros_like(data))

    # Groups.

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take a further group: a dictionary with "params" and the options that differ from the defaults."""
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(
                f'{name}: a parameter group is a dictionary, {{"params": ...}}, got a {type(param_group).__name__}.'
            )
        if "params" not in param_group:
            raise ValueError(f'{name}: a parameter group needs "params"; this one has {sorted(param_group)}.')
        unknown = param_group.keys() - self.defaults.keys() - {"params", "name"}
        if unknown:
            raise ValueError(
                f"{name}: a parameter group has the unknown option {sorted(unknown)[0]!r}; "
                f"those known are {', '.join(sorted(self.defaults))}."
            )
        names, parameters = named_parameters(param_group["params"], name)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for i, parameter in enumerate(parameters):
            if id(parameter) in known:
                raise ValueError(
                    f"{name}: parameter {names[i] if names else i} of shape {parameter.shape} is given twice: "
                    "each may stand in one group only, and once."
                )
            known.add(id(parameter))
        options = {**self.defaults, **param_group, "params": parameters}
        options["penalties"] = several(options["penalties"])
        if names:
            options["param_names"] = names
        group = Group(self._check_options, options)
        entries: list[dict[str, Any]] = [{"step": 0} for _ in parameters]
        with _meeting:
            living = list(_LIVING)
        for other in living:
            other._let_go(parameters)
        layout = Layout(group, entries, {})
        self._layouts.append(layout)  # before its group, by which another thread may look for it
        self.param_groups.append(group)
        self._given.append(list(parameters))
        self._entries += entries

    def _let_go(self, parameters: list[Tensor]) -> None:
        """Hold no array of these, so that another optimizer may lay them out; what still moves them does so anew."""
        theirs = set(map(id, parameters))
        for i, group in enumerate(self.param_groups):
            if not theirs.isdisjoint(map(id, group["params"])):
                self._layouts[i] = None

    def __init_subclass__(cls) -> None:
        given = signature(cls.__init__).parameters
        cls._flags = {name for name, parameter in given.items() if isinstance(parameter.default, bool)}
        for name in given:
            if name not in ("self", "params") and not hasattr(cls, name):
                setattr(cls, name, Elsewhere(name, _in_groups(name)))

    def __setattr__(self, name: str, value: Any) -> None:
        """Raises AttributeError for an option, which would be set here and read from the groups."""
        if name == "learning_rate" or name in vars(self).get("defaults", ()):
            option = "lr" if name == "learning_rate" else name
            raise AttributeError(
                f"{type(self).__name__}.{name} would change no step; each group of parameters has its own, "
                f"write {_in_groups(option)} = ..."
            )
        object.__setattr__(self, name, value)

    def _is_as_given(self) -> bool:
        """Whether the groups hold the parameters that they were given."""
        if len(self.param_groups) != len(self._given):
            return False
        for group, given in zip(self.param_groups, self._given, strict=True):
            if len(group["params"]) != len(given) or not all(map(is_, group["params"], given)):
                return False
        return True

    def _check_given(self) -> None:
        if self._is_as_given():
            return
        name, groups, given = type(self).__name__, self.param_groups, self._given
        what = f"there are {len(groups)} groups, and {len(given)} were given"
        if len(groups) == len(given):
            index = next(
                i for i, group in enumerate(groups) if list(map(id, group["params"])) != list(map(id, given[i]))
            )
            what = f"group {index} has other parameters than it was given"
        raise ValueError(
            f"{name}: {what}. Between steps options may change, parameters may not: add_param_group takes more of "
            "them, those without a gradient stay as they are, and for anything else make a new optimizer."
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_layouts": [None] * len(self._layouts)}  # a copy lays out its own parameters

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            options = ", ".join(f"{name}={group[name]!r}" for name in self.defaults if group[name] not in ((), False))
            count = sum(p.size for p in group["params"])
            lines.append(f"{options}: {len(group['params'])} parameters, {count:,} elements")
        return f"{type(self).__name__}(\n" + "".join(f"  {line}\n" for line in lines) + ")"

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """The state as copies of arrays and plain numbers, in PyTorch's form.

        "state" has for each parameter that has made a step, by its index, its "step" and its arrays; "param_groups" the
        options and the indices. Penalties are objects of the program and stay out. Raises TraceError inside a compiled
        function.
        """
        refuse_in_trace("takes the state of an optimizer")
        self._check_given()
        return saved(self.param_groups, self._entries)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken; arrays may be arrays, Tensors or nested lists, and are copied.

        That of PyTorch's optimizer of the same name is taken too, as its `state_dict()` or `torch.load` gives it.
        Nothing is changed when it does not fit. Raises ValueError that says which group or parameter does not.
        """
        found = fitting(type(self).__name__, self.param_groups, self.defaults, state_dict)
        for group, options in zip(self.param_groups, found.options, strict=True):
            group.update(options)
        self._entries = found.entries
        self._layouts = [None] * len(self._layouts)


def _advance(xp: Any, rule: Rule, run: Run, t: int, pieces: list[tuple[Piece, Array]]) -> None:
    """Move the parameters of a run in their `t`-th step."""
    try:
        for piece, g in pieces:
            if not rule.move_at_once(xp, piece.weights, g, piece.state, t):
                for block in piece.blocks(g):
                    rule.move(xp, *block, t)
        for penalty in rule.penalties:
            for view in run.views:
                penalty.project(xp, view)
    finally:  # a step that breaks off may have moved some
        mark_written(run.data)
    for entry in run.entries:
        entry["step"] = t


def _advance_in_trace(trace: Any, rule: Rule, flat: Flat, slots: Iterable[str]) -> None:
    """Move those parameters that have a gradient in a compiled function, one by one."""
    moved = [(p, entry) for p, entry in zip(flat.parameters, flat.entries, strict=True) if p.grad is not None]
    entries = [entry for _, entry in moved]
    alike = len({trace.grown(entry, "step") for entry in entries}) == 1 and trace.guard(
        lambda: len({entry["step"] for entry in entries}) == 1
    )
    for parameter, entry in moved:
        w, grad = parameter.data, parameter.grad
        assert grad is not None
        g = trace.lift(grad.data)
        check_shape(g.shape, w.shape)
        g = in_dtype(g, w.dtype)
        xp = module_of(w)
        state = {name: trace.item(entry, name) for name in slots}
        t = trace.option(entries[0] if alike else entry, "step") + 1  # one number for all that are as old
        rule.move(xp, w, g, state, t)
        for penalty in rule.penalties:
            penalty.project(xp, w)
        mark_written(w)
    trace.count(entries, "step")


def _in_groups(option: str) -> str:
    return f'optimizer.param_groups[0]["{option}"]'


for _name, _instead in OF_OPTIMIZERS.items():
    setattr(Optimizer, _name, Elsewhere(_name, _instead))
