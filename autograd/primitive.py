"""Primitives: a function on arrays, and beneath it one rule for the gradient of each input.

One idea: a rule speaks operators and other primitives, never the array module, so the same rule runs on arrays
(a first backward, at full speed), on Tensors (every order above) and on traces (the compiled step). The names of its
parameters are the list of what a node keeps: an input, `<input>_shape`, an option, or `out`; nothing else is kept.

    @elementwise
    def exp(xp, x):
        return xp.exp(x)

    exp.vjp(lambda g, out: g * out)

Fused functions, in `fused.py`, add hand-made kernels. Read `ops/elementwise.py` next, then `fused.py` and
`engine.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec

from .anomaly import check_forward
from .backend import Array, Module, device_of, host, is_array, is_floating, is_number, module_of, modules, plain
from .batching import deepest
from .errors import DeviceError, GradientError, RuleError
from .hints import of_keywords, of_places
from .modes import is_recording, is_tracing, is_watching
from .shapes import is_axis
from .tensor import Edge, Node, Tensor, bare, wrap
from .wholes import part_of
from .words import FEWER_ARRAYS

__all__ = ["Operation", "Primitive", "Rule", "Saved", "elementwise", "primitive", "primitives", "register", "view"]

P = ParamSpec("P")

primitives: dict[str, Primitive[Any]] = {}  # every primitive by name; the tests' table must have a row for each


@dataclass(frozen=True)
class Saved:
    """One thing that a rule names: where the node finds it when it is made."""

    name: str
    kind: str  # "input", "shape", "option", "out"; of a variadic primitive also "inputs", "shapes", "position"
    source: Any  # the input's position, or the option's name


@dataclass(frozen=True)
class Rule:
    """The gradient of one input: a function of g, the gradient of the result, and of what the node kept.

    `gather`, where there is one, adds the same to what has arrived: a function of that, or None, and of all that the
    rule takes. It gives what shall be sent, or None where it was added.
    """

    function: Callable[..., Any]
    keeps: tuple[Saved, ...]
    gather: Callable[..., Any] | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What it takes besides g, in this order."""
        return tuple(keep.name for keep in self.keeps)


class Operation(Generic[P]):
    """What primitives and fused functions share: a name, a signature, and how a call is read."""

    elementwise = False

    def __init__(self, function: Callable[..., Any], skip: int) -> None:
        signature = inspect.signature(function)
        parameters = list(signature.parameters.values())[skip:]
        self.name = function.__name__.lstrip("_")  # `_reshape` stands behind a function reshape
        self.inputs = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        self.signature = signature.replace(parameters=parameters)
        plain = [p.replace(annotation=p.empty) for p in parameters]
        self.call = f"{self.name}{signature.replace(parameters=plain, return_annotation=signature.empty)}"  # for texts
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__signature__ = self.signature
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.call}>"

    def __reduce__(self) -> str:
        """Copied and pickled as a function is: by its name in its module."""
        return str(self.__wrapped__.__name__)

    def bind(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Inputs given by keyword put into their places; raises TypeError for a call that does not fit."""
        try:
            bound = self.signature.bind(*inputs, **options)
        except TypeError as error:
            self.refuse(inputs, options, error)
        if self.variadic:
            return inputs, options
        bound.apply_defaults()
        given = {name: value for name, value in options.items() if name in self.options}
        return tuple(bound.arguments[name] for name in self.inputs), given

    def refuse(self, inputs: tuple[Any, ...], options: dict[str, Any], error: TypeError) -> NoReturn:
        """Raise a TypeError that shows the signature, unless the call fits it and something else is wrong."""
        hint = ""
        if len(inputs) > len(self.inputs) and not self.variadic:
            by_name = [self.signature.parameters[option] for option in self.options]
            hint = of_places(self.name, list(self.inputs), by_name, inputs[len(self.inputs) :])
        if len(inputs) == 1 and not options and self.name in FEWER_ARRAYS:
            hint = f"; {FEWER_ARRAYS[self.name]}"
        hint += of_keywords(options, self.signature.parameters)
        raise TypeError(f"{self.call}: {error}{hint}.") from None

    def fits(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> bool:
        """Whether the call fits the signature."""
        try:
            self.signature.bind(*inputs, **options)
        except TypeError:
            return False
        return True

    def read(self, inputs: tuple[Any, ...]) -> tuple[Module, list[Any], list[Edge | None], bool | None]:
        """The inputs of a call: their module, the bare arrays, where the gradient of each goes, and whether any does.

        The last is None where there is no Tensor at all.
        """
        xp = kind = requires_grad = None
        arrays = list(inputs)
        edges: list[Edge | None] = [None] * len(inputs)
        for position, x in enumerate(inputs):
            if isinstance(x, Tensor):
                if x.requires_grad:
                    requires_grad = True
                    edges[position] = x.node or x
                elif requires_grad is None:
                    requires_grad = False
                arrays[position] = x = x.data
            if x is None or type(x) is kind:  # the kind of the array before it
                continue
            kind = type(x)
            module = modules.get(kind)
            if module is None:
                if is_number(x):
                    continue
                module = module_of(x)
                arrays[position] = plain(x)
                kind = None  # another of its kind may have another module
            if xp is None:
                xp = module
            elif module is not xp:
                return self.read(self._joined(inputs, arrays, x))
        if xp is None:
            xp = host
        elif xp is not host and len(arrays) > 1:
            self._check_devices(arrays)
        return xp, arrays, edges, requires_grad

    def _joined(self, inputs: tuple[Any, ...], arrays: list[Any], other: Array) -> tuple[Any, ...]:
        """The inputs with those from outside brought into the run of vmap, or the trace, that the others belong to."""
        batch = deepest(*map(bare, inputs))
        if batch is not None:
            return tuple(map(batch.joined, inputs))
        trace = is_tracing()
        if trace is None:
            self._refuse_devices(arrays, other)
        return tuple(trace.lift(x) if is_array(x) else x for x in inputs)

    def carries(self, dtype: Any) -> bool:
        """Whether a result of this dtype carries the gradient of inputs that require one; integers and bools never do.

        Raises GradientError for complex numbers, through which a gradient would be lost unseen.
        """
        if dtype.kind == "f":
            return True
        if dtype.kind == "c":
            raise GradientError(
                f"{self.name} gave {dtype} from a Tensor that requires a gradient; complex numbers carry none here: "
                "keep real and imaginary parts as two Tensors, or detach() what goes in."
            )
        return is_floating(dtype)

    def _check_devices(self, arrays: list[Any]) -> None:
        first = None
        for array in arrays:
            if type(array) in modules or (array is not None and is_array(array)):
                if first is None:
                    first = array
                elif device_of(array) != device_of(first):
                    self._refuse_devices(arrays, array)

    def _refuse_devices(self, arrays: list[Any], other: Array) -> NoReturn:
        first = next(a for a in arrays if is_array(a))
        if device_of(first) == device_of(other):
            raise TypeError(
                f"{self.name} got arrays of two kinds, {type(first).__name__} and {type(other).__name__}: one was made "
                "in a compiled function or a vmap and kept, and has no value outside; return it from there."
            )
        raise DeviceError(
            f'{self.name} got arrays on "{device_of(first)}" and "{device_of(other)}"; '
            f'nothing moves by itself: bring them together with .to("{device_of(first)}").'
        )


def register(operation: Operation[Any], kind: str, known: dict[str, Any]) -> None:
    """Note an operation by its name. Raises RuleError for a name that is taken.

    In `__main__`, which is a prompt, a notebook or a script, a later one replaces an earlier one: a cell runs twice.
    """
    other = known.get(operation.name)
    if other is not None and not (operation.__module__ == other.__module__ == "__main__"):
        raise RuleError(
            f"there is a {kind} {operation.name} already, in {other.__module__}: give this one another name."
        )
    known[operation.name] = operation


class Primitive(Operation[P]):
    """A function on arrays with a rule for the gradient of each input. Made by `@primitive` and `@elementwise`."""

    def __init__(self, forward: Callable[Concatenate[Any, P], Any], elementwise: bool) -> None:
        super().__init__(forward, skip=1)
        first = next(iter(inspect.signature(forward).parameters), None)
        if first != "xp":
            raise RuleError(
                f"the forward of {self.name} begins with {first!r}; the first parameter is xp, the module that its "
                f"arrays belong to: def {self.name}(xp, ...)."
            )
        self.forward = forward
        self.elementwise = elementwise
        self.rules: dict[str, Rule] = {}
        self._by_position: tuple[Rule | None, ...] = (None,) * len(self.inputs)
        register(self, "primitive", primitives)

    def __call__(self, *inputs: P.args, **options: P.kwargs) -> Tensor:
        """The forward on arrays; on Tensors also recorded."""
        for x in inputs:
            if isinstance(x, Tensor):
                return self._on_tensors(inputs, options)
        for x in options.values():
            if isinstance(x, Tensor):
                return self._on_tensors(*self.bind(inputs, options))
        xp = modules.get(type(inputs[0])) if len(inputs) == 1 else None  # a bare array; most rules are of one
        if xp is None:
            xp, inputs, _, _ = self.read(inputs)  # type: ignore[assignment]
        return self._forward(xp, inputs, options)

    def _forward(self, xp: Module, arrays: Any, options: dict[str, Any]) -> Array:
        try:
            return self.forward(xp, *arrays, **options)
        except TypeError as error:
            if not self.fits(tuple(arrays), options):
                self.bind(tuple(arrays), options)
            self._refuse_none(arrays)
            axis = options.get("axis")
            if isinstance(axis, list):
                raise TypeError(f"{self.name} takes several axes as a tuple: axis={tuple(axis)}, not {axis}.") from None
            if axis is not None and not is_axis(axis):
                words = f"{self.name} got axis={axis!r}: an axis is a whole number, several are a tuple of them."
                raise TypeError(words) from None
            if isinstance(axis, tuple) and "tuple" in str(error):
                raise TypeError(f"{self.name} takes one axis, got axis={axis}.") from None
            if _is_of_dtypes(str(error)):
                names = (str(getattr(x, "dtype", type(x).__name__)) for x in arrays if x is not None)
                kinds = " and ".join(dict.fromkeys(names))
                raise TypeError(f"{self.name} is not defined for {kinds}; use astype.") from error
            raise error
        except OverflowError:  # NumPy's texts name C's types
            given = next((x for x in arrays if isinstance(x, int) and not isinstance(x, bool)), None)
            if given is None:
                raise
            kinds = " and ".join(sorted({str(x.dtype) for x in arrays if hasattr(x, "dtype")}))
            number = str(given) if given.bit_length() < 65 else f"a whole number of {given.bit_length()} bits"
            raise OverflowError(
                f"{self.name} got {number} beside {kinds}, which does not hold it; use astype."
            ) from None

    def _one_array(self, xp: Module, out: Any) -> Array:
        """What a forward gave, where that is no array yet: NumPy gives scalars where CuPy gives 0-d arrays."""
        if is_array(out):
            return module_of(out).asarray(out)
        if is_number(out):
            return xp.asarray(out)
        raise TypeError(
            f"the forward of {self.name} gave a {type(out).__name__}; a primitive gives one array: let it return that, "
            "and make several primitives for several arrays."
        )

    def _refuse_none(self, arrays: Any) -> None:
        for name, x in zip(self.inputs, arrays, strict=False):
            if x is None and self.default(name) is inspect.Parameter.empty:
                raise TypeError(
                    f"{self.name} got None for {name}; wanted is an array, a Tensor or a number: does the function "
                    "that made it return its result?"
                ) from None

    def _on_tensors(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
        if options and not options.keys() <= self.options.keys():
            inputs, options = self.bind(inputs, options)  # rules find inputs by position
        xp, arrays, edges, requires_grad = self.read(inputs)
        out = self._forward(xp, arrays, options)
        if type(out) not in modules:
            out = self._one_array(xp, out)
        node = None
        if requires_grad and is_recording() and self.carries(out.dtype):
            node = self._node(edges, arrays, options, out)
        if is_watching():
            check_forward(self.name, [*arrays, *options.values()], out, node)
        return wrap(out, node)

    def _node(self, edges: list[Edge | None], arrays: list[Any], options: dict[str, Any], out: Array) -> Node | None:
        saved: dict[str, Any] = {}
        joined = False
        for position, edge in enumerate(edges):
            if edge is None:
                continue
            rule = self.rule(position)
            if rule is None:
                edges[position] = None
                continue
            joined = True
            for keep in rule.keeps:
                if keep.name not in saved:
                    saved[keep.name] = self._keep(keep, arrays, options, out)
        return Node(self, tuple(edges), saved, out.shape, out.dtype) if joined else None

    def _keep(self, keep: Saved, arrays: list[Any], options: dict[str, Any], out: Array) -> Any:
        match keep.kind:
            case "input":
                return arrays[keep.source] if keep.source < len(arrays) else self.default(keep.name)
            case "shape":
                return _shape(arrays[keep.source])
            case "option":
                return options.get(keep.source, self.options[keep.source])
            case "out":
                return out
            case "inputs":
                return tuple(arrays)
            case "shapes":
                return tuple(map(_shape, arrays))
        return None  # "position": the engine fills it in

    def default(self, name: str) -> Any:
        """The value of an input that was not given."""
        return self.signature.parameters[name].default

    def rule(self, position: int) -> Rule | None:
        """The rule of the input at this position; None where no gradient goes."""
        if self.variadic:
            return self.rules.get(self.variadic)
        return self._by_position[position]

    def vjp(self, *function: Callable[..., Any], **functions: Callable[..., Any]) -> Any:
        """Declare the rules: one function for the first (or every variadic) input, or one by each input's name.

        A rule is a function of g and of what the node shall keep. Raises RuleError, with the names that exist, where it
        asks for something else.
        """
        if function:
            functions = {(*self.inputs, self.variadic or "")[0]: function[0]}
        for name, rule in functions.items():
            if name not in (*self.inputs, self.variadic):
                raise RuleError(f"{self.name} has no input {name!r}; its inputs are {', '.join(self.inputs)}.")
            if name in self.rules:
                raise RuleError(f"{self.name} has a rule for {name!r} already.")
            self.rules[name] = Rule(rule, self._read(rule))
        self._by_position = tuple(self.rules.get(name) for name in self.inputs)
        return function[0] if function else None

    def vjp_gathered(self, function: Callable[..., Any]) -> None:
        """Declare how the gradient of the only input is added to what has arrived, where that is less work.

        `function` is the `gather` of its `Rule`.
        """
        (name,) = self.inputs
        self.rules[name] = replace(self.rules[name], gather=function)
        self._by_position = (self.rules[name],)

    def replace_rules(self, change: Callable[[Rule], Rule]) -> None:
        """Put what `change` makes of each rule in its place: the same function, done in another way."""
        self.rules = {name: change(rule) for name, rule in self.rules.items()}
        self._by_position = tuple(self.rules.get(name) for name in self.inputs)

    def _read(self, rule: Callable[..., Any]) -> tuple[Saved, ...]:
        first, *names = inspect.signature(rule).parameters
        if first != "g":
            raise RuleError(f"a rule of {self.name} begins with {first!r}; the first parameter is g, the gradient.")
        known = self._known()
        unknown = [name for name in names if name not in known]
        if unknown:
            raise RuleError(f"a rule of {self.name} asks for {', '.join(unknown)}; there are: {', '.join(known)}.")
        return tuple(known[name] for name in names)

    def _known(self) -> dict[str, Saved]:
        """Everything that a rule of this primitive may name."""
        found = [Saved(name, "input", position) for position, name in enumerate(self.inputs)]
        found += [Saved(f"{name}_shape", "shape", position) for position, name in enumerate(self.inputs)]
        found += [Saved(name, "option", name) for name in self.options]
        found += [Saved("out", "out", None)]
        if self.variadic:
            found += [Saved(self.variadic, "inputs", None), Saved(f"{self.variadic}_shapes", "shapes", None)]
            found += [Saved("i", "position", None)]
        return {keep.name: keep for keep in found}


class View(Primitive[P]):
    """A primitive whose result lies in the memory of its input, as NumPy's views do, and is a part of it."""

    def _on_tensors(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> Tensor:
        part = Primitive._on_tensors(self, inputs, options)
        return part_of(part, inputs[0]) if inputs and isinstance(inputs[0], Tensor) else part


def _is_of_dtypes(text: str) -> bool:
    """Whether this is a text of NumPy's about dtypes, which names neither our function nor the dtypes, or not so."""
    return (
        text.startswith("ufunc ")
        or " boolean " in text
        or "could not be promoted by" in text
        or text.endswith("is unsupported in linalg")
    )


def _shape(x: Any) -> tuple[int, ...]:
    return getattr(x, "shape", ())


def primitive(forward: Callable[Concatenate[Any, P], Any]) -> Primitive[P]:
    """Make a primitive of a forward `f(xp, *arrays, **options)` that gives one array."""
    return Primitive(forward, elementwise=False)


def elementwise(forward: Callable[Concatenate[Any, P], Any]) -> Primitive[P]:
    """Make a primitive whose inputs broadcast against each other; the engine undoes that for the gradients."""
    return Primitive(forward, elementwise=True)


def view(forward: Callable[Concatenate[Any, P], Any]) -> Primitive[P]:
    """Make a primitive whose result is a view of its input."""
    return View(forward, elementwise=False)
