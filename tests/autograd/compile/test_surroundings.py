"""What a compiled function reads around it: a change of it is seen at the next call, whatever way leads there.

One idea: each way is a function and a change; the compiled function must give what the one as written gives, before the
change and after it.
"""

from __future__ import annotations

import collections
import contextvars
import datetime
import functools
import math
import operator
import os
import random
import secrets
import threading
import time
import types
import weakref
from array import array as buffer
from collections.abc import Callable
from dataclasses import dataclass, field
from os import environ, getenv
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd as ag
import nn
import optim
from autograd import Tensor
from autograd.errors import TraceError
from nn.settings import held
from tests.autograd.compile.worlds import assert_same, tensor
from tests.opspecs.laws import same_bits

pytestmark = pytest.mark.usefixtures("kernels_off")

HERE = Path(__file__)
SCALE = 2.0  # a global that a compiled function reads


def test_a_global_and_a_closure_number_are_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    shift = 1.0

    @ag.compile
    def function(x: Tensor) -> Tensor:
        return x * SCALE + shift

    x = tensor(3.0)
    assert function(x).tolist() == [7.0]
    shift = 2.0
    assert function(x).tolist() == [8.0]
    monkeypatch.setitem(globals(), "SCALE", 10.0)
    assert function(x).tolist() == [32.0]
    shift = 1.0
    assert function(x).tolist() == [31.0]
    assert len(function.programs) == 4


class Scaled:
    """Something of the user's own with a number in it."""

    def __init__(self) -> None:
        self.by = 2.0

    def call(self, x: Tensor) -> Tensor:
        return x * self.by


def _attribute() -> tuple[Any, Callable[[], Any]]:
    thing = Scaled()
    return thing.call, lambda: setattr(thing, "by", 5.0)


def _entry_of_a_dictionary() -> tuple[Any, Callable[[], Any]]:
    options = {"by": 2.0}
    return lambda x: x * options["by"], lambda: options.update(by=5.0)


def _number_of_a_function_inside() -> tuple[Any, Callable[[], Any]]:
    by = 2.0

    def change() -> None:
        nonlocal by
        by = 5.0

    def inner(x: Tensor) -> Tensor:
        return x * by

    return lambda x: inner(x), change


def _default_argument() -> tuple[Any, Callable[[], Any]]:
    def function(x: Tensor, by: float = 2.0) -> Tensor:
        return x * by

    return function, lambda: setattr(function, "__defaults__", (5.0,))


def _set_scale(value: float) -> None:
    globals()["SCALE"] = value


def scaled(x: Tensor) -> Tensor:
    return x * SCALE


class Settings:
    """A class that is used as it is."""

    by = 2.0


@dataclass(slots=True)
class Slotted:
    by: float = 2.0


class Scaling(nn.Module):
    """A Module whose numbers are kept elsewhere."""

    def __init__(self) -> None:
        self.options = types.SimpleNamespace(by=2.0)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.options.by

    def other(self, x: Tensor) -> Tensor:
        return x * self.options.by


class ByTheGlobal(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * SCALE


class BelowByTheGlobal(ByTheGlobal):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Callable_:
    """Something that is called, with a property and a static method."""

    def __init__(self) -> None:
        self._by = 2.0

    @property
    def by(self) -> float:
        return self._by

    @staticmethod
    def by_the_global(x: Tensor) -> Tensor:
        return x * SCALE

    def __call__(self, x: Tensor) -> Tensor:
        return x * self._by


class Pair(NamedTuple):
    x: Tensor

    def by_the_global(self) -> Tensor:
        return self.x * SCALE

    @property
    def scaled(self) -> Tensor:
        return self.by_the_global()

    def __matmul__(self, other: Any) -> Tensor:
        return self.by_the_global()


class Making:
    def __init__(self, x: Tensor) -> None:
        self.x = x * SCALE


def _reached_by_the_global() -> dict[str, Callable[[Tensor], Any]]:
    model, thing = ByTheGlobal(), Callable_()
    inner, pair = ag.compile(lambda x: x * SCALE), Pair(tensor(1.0))
    return {
        "a function that is called": lambda x: scaled(x),
        "by its text": lambda x: x * globals()["SCALE"],
        "a function inside": lambda x: ag.vjp(lambda x: x * SCALE, x)[0],
        "a comprehension": lambda x: ag.stack([x * SCALE for _ in range(1)])[0],
        "a compiled function": lambda x: inner(x),
        "the forward of a Module": lambda x: model(x),
        "the forward of a class above": BelowByTheGlobal(),
        "the forward of a Module below": nn.Sequential(model, nn.Identity()),
        "a static method": lambda x: thing.by_the_global(x),
        "a method of a named tuple": lambda x: pair.by_the_global(),
        "a method of one in a list": lambda x: [pair][0].by_the_global(),
        "a property of one that is made": lambda x: Pair(x).scaled,
        "an operator of one that is made": lambda x: Pair(x) @ x,
        "the making of an object": lambda x: Making(x).x,
    }


@pytest.mark.parametrize("name", _reached_by_the_global())
def test_a_global_that_is_read_elsewhere_is_guarded(name: str) -> None:
    function = ag.compile(_reached_by_the_global()[name])
    try:
        for by in (2.0, 5.0, 2.0):
            _set_scale(by)
            assert function(tensor(1.0)).tolist() == [by]
    finally:
        _set_scale(2.0)


@pytest.mark.parametrize("read", [lambda pair: pair.by_the_global(), lambda pair: pair.scaled, lambda pair: pair @ 1])
def test_a_global_that_a_method_of_an_argument_reads_is_guarded(read: Callable[[Pair], Tensor]) -> None:
    function = ag.compile(read)
    try:
        for by in (2.0, 5.0):
            _set_scale(by)
            assert function(Pair(tensor(1.0))).tolist() == [by]
    finally:
        _set_scale(2.0)


@pytest.mark.parametrize(
    "read",
    [
        lambda: os.environ["TAPEGRAD_TEST"],
        lambda: os.environ.get("TAPEGRAD_TEST"),
        lambda: os.getenv("TAPEGRAD_TEST"),
        lambda: getenv("TAPEGRAD_TEST"),
        lambda: environ["TAPEGRAD_TEST"],
    ],
)
def test_the_environment_is_guarded(read: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(40):  # more than are compared one by one
        monkeypatch.setenv(f"TAPEGRAD_TEST_{i}", str(i))
    function = ag.compile(lambda x: x * float(read()))
    for by in (2.0, 2.0, 5.0):
        monkeypatch.setenv("TAPEGRAD_TEST", str(by))
        assert function(tensor(1.0)).tolist() == [by]
    assert len(function.programs) == 2


def _opened() -> int:
    with open(__file__) as file:
        return len(file.read())


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda: time.time(), "the clock"),
        (lambda: perf_counter(), "the clock"),
        (lambda: datetime.datetime.now().year, "the clock"),
        (lambda: secrets.randbelow(9), "random numbers that no seed decides"),
        (lambda: _opened(), "a file"),
        (lambda: len(Path(__file__).read_text()), "a file"),
        (lambda: len(HERE.read_bytes()), "a file"),
        (lambda: np.random.default_rng().random(), "random numbers that no seed decides"),
        (lambda: random.Random().random(), "random numbers that no seed decides"),
    ],
)
def test_what_is_another_at_each_call_is_warned_of(read: Callable[[], Any], what: str) -> None:
    with pytest.warns(UserWarning, match=f"uses {what} at its first call only, and goes on with what that gave"):
        ag.compile(lambda x: x * read())(tensor(1.0))
    ag.compile(lambda x: x * (time.sleep(0) is None))(tensor(1.0))
    ag.compile(lambda x: x * np.random.default_rng(0).random() * random.Random(0).random())(tensor(1.0))


def test_a_dataclass_that_holds_numpys_generator_is_read() -> None:
    @dataclass
    class Options:
        scale: float = 2.0
        rng: np.random.Generator = field(default_factory=np.random.default_rng)

        def scaled(self, x: Tensor) -> Tensor:
            return x * self.scale

    assert ag.compile(Options().scaled)(tensor(3.0)).tolist() == [6.0]


def _attribute_of_an_object() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by=2.0)
    return lambda x: x * options.by, lambda: setattr(options, "by", 5.0)


def _attribute_of_an_attribute() -> tuple[Any, Callable[[], Any]]:
    outer = types.SimpleNamespace(inner=types.SimpleNamespace(by=2.0))
    return lambda x: x * outer.inner.by, lambda: setattr(outer.inner, "by", 5.0)


def _attribute_far_down() -> tuple[Any, Callable[[], Any]]:
    a = types.SimpleNamespace(b=types.SimpleNamespace(c=types.SimpleNamespace(d=types.SimpleNamespace(by=2.0))))
    return lambda x: x * a.b.c.d.by, lambda: setattr(a.b.c.d, "by", 5.0)


def _attribute_by_its_text() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by=2.0)
    return lambda x: x * getattr(options, "by", 1.0), lambda: setattr(options, "by", 5.0)


def _attribute_by_an_attrgetter() -> tuple[Any, Callable[[], Any]]:
    options, get = types.SimpleNamespace(inner=types.SimpleNamespace(by=2.0)), operator.attrgetter("inner.by")
    return lambda x: x * get(options), lambda: setattr(options.inner, "by", 5.0)


def _attribute_by_a_methodcaller() -> tuple[Any, Callable[[], Any]]:
    class Options:
        by = 2.0

        def times(self, n: int) -> float:
            return self.by * n

    options, call = Options(), operator.methodcaller("times", n=1)
    return lambda x: x * call(options), lambda: setattr(options, "by", 5.0)


def _attribute_by_a_format() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by=2.0)
    return lambda x: x * float("{o.by:.3f}".format_map({"o": options})), lambda: setattr(options, "by", 5.0)


def _attribute_behind_a_weak_reference() -> tuple[Any, Callable[[], Any]]:
    class Options:
        by = 2.0

    options = Options()
    weak = weakref.ref(options)
    return lambda x: x * weak().by, lambda: setattr(options, "by", 5.0)


def _what_an_overload_reads() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by=2.0)

    @functools.singledispatch
    def by(_: object) -> float:
        return 1.0

    by.register(int, lambda _: options.by)
    return lambda x: x * by(3), lambda: setattr(options, "by", 5.0)


def _overload_that_comes() -> tuple[Any, Callable[[], Any]]:
    @functools.singledispatch
    def by(_: object) -> float:
        return 2.0

    return lambda x: x * by(3), lambda: by.register(int, lambda _: 5.0)


def _attribute_by_a_text_that_is_made() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by0=1.0, by1=2.0)

    def function(x: Tensor) -> Tensor:
        for i in range(2):
            x = x * getattr(options, f"by{i}")
        return x

    return function, lambda: setattr(options, "by1", 5.0)


def _attributes_by_their_names() -> tuple[Any, Callable[[], Any]]:
    options, names = types.SimpleNamespace(by=2.0), ("by",)
    return lambda x: x * max(getattr(options, name) for name in names), lambda: setattr(options, "by", 5.0)


def _attribute_by_a_path() -> tuple[Any, Callable[[], Any]]:
    outer = types.SimpleNamespace(inner=types.SimpleNamespace(by=2.0))
    path = "inner.by"
    return lambda x: x * functools.reduce(getattr, path.split("."), outer), lambda: setattr(outer.inner, "by", 5.0)


def _all_attributes() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by=2.0)
    return lambda x: x * sum(vars(options).values()), lambda: setattr(options, "more", 3.0)


def _own_attribute_by_a_text_that_is_made() -> tuple[Any, Callable[[], Any]]:
    class Own:
        by1 = 2.0

        def call(self, x: Tensor) -> Tensor:
            return x * getattr(self, f"by{1}")

    thing = Own()
    return lambda x: thing.call(x), lambda: setattr(thing, "by1", 5.0)


def _parameter_by_a_text_that_is_made() -> tuple[Any, Callable[[], Any]]:
    layer = nn.RNN(1, 1)
    layer.weight_hh_l0.data = layer.weight_hh_l0.data * 0.0 + 2.0

    def function(x: Tensor) -> Tensor:
        return x * getattr(layer, f"weight_hh_l{0}")[0]

    return function, lambda: setattr(layer, "weight_hh_l0", nn.Parameter([[5.0]]))


def _global_that_was_not_there() -> tuple[Any, Callable[[], Any]]:
    def function(x: Tensor) -> Tensor:
        try:
            return x * NOT_THERE
        except NameError:
            return x * 2.0

    own = types.FunctionType(function.__code__, {"tensor": tensor, "NameError": NameError})
    return own, lambda: own.__globals__.update(NOT_THERE=5.0)


def _name_that_was_not_bound() -> tuple[Any, Callable[[], Any]]:
    def function(x: Tensor) -> Tensor:
        try:
            return x * by
        except NameError:
            return x * 2.0

    def change() -> None:
        nonlocal by
        by = 5.0

    if False:
        by = 0.0
    return function, change


def _attribute_of_a_list() -> tuple[Any, Callable[[], Any]]:
    class Rows(list[float]):
        by = 2.0

    rows = Rows()
    return lambda x: x * rows.by, lambda: setattr(rows, "by", 5.0)


def _attribute_that_was_none() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by=None)
    return lambda x: x * (options.by or 2.0), lambda: setattr(options, "by", 5.0)


def _attribute_that_was_not_there() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace()
    return lambda x: x * (5.0 if hasattr(options, "by") else 2.0), lambda: setattr(options, "by", None)


def _attribute_of_a_class_that_was_not_there() -> tuple[Any, Callable[[], Any]]:
    class Options:
        pass

    options = Options()

    def function(x: Tensor) -> Tensor:
        try:
            return x * options.by
        except AttributeError:
            return x * 2.0

    return function, lambda: setattr(Options, "by", 5.0)


def _attribute_of_an_object_in_a_list() -> tuple[Any, Callable[[], Any]]:
    rows = [Slotted(1.0), Slotted(2.0)]
    return lambda x: x * rows[0].by * rows[1].by, lambda: setattr(rows[1], "by", 5.0)


def _number_of_a_function_in_a_dictionary() -> tuple[Any, Callable[[], Any]]:
    options = Slotted()
    acts = {"act": lambda x: x * options.by}
    return lambda x: acts["act"](x), lambda: setattr(options, "by", 5.0)


def _attribute_of_a_class() -> tuple[Any, Callable[[], Any]]:
    Settings.by = 2.0
    return lambda x: x * Settings.by, lambda: setattr(Settings, "by", 5.0)


def _attribute_in_a_slot() -> tuple[Any, Callable[[], Any]]:
    options = Slotted()
    return lambda x: x * options.by, lambda: setattr(options, "by", 5.0)


def _attribute_of_an_argument() -> tuple[Any, Callable[[], Any]]:
    outer = types.SimpleNamespace(inner=Slotted())

    def written(x: Tensor, outer: Any) -> Tensor:
        return x * outer.inner.by

    return functools.partial(written, outer=outer), lambda: setattr(outer.inner, "by", 5.0)


def _object_by_its_method() -> tuple[Any, Callable[[], Any]]:
    thing = Scaled()
    return lambda x: thing.call(x), lambda: setattr(thing, "by", 5.0)


def _object_that_is_called() -> tuple[Any, Callable[[], Any]]:
    thing = Callable_()
    return thing, lambda: setattr(thing, "_by", 5.0)


def _object_that_is_called_inside() -> tuple[Any, Callable[[], Any]]:
    thing = Callable_()
    return lambda x: thing(x), lambda: setattr(thing, "_by", 5.0)


def _property() -> tuple[Any, Callable[[], Any]]:
    thing = Callable_()
    return lambda x: x * thing.by, lambda: setattr(thing, "_by", 5.0)


def _property_that_is_kept() -> tuple[Any, Callable[[], Any]]:
    class Kept:
        def __init__(self, half: float) -> None:
            self.half = half

        @functools.cached_property
        def by(self) -> float:
            return 2.0 * self.half

    thing = Kept(1.0)

    def change() -> None:
        thing.half = 2.5
        del thing.by

    return lambda x: x * thing.by, change


def _object_in_a_module() -> tuple[Any, Callable[[], Any]]:
    model = Scaling()
    return lambda x: model(x), lambda: setattr(model.options, "by", 5.0)


def _object_in_a_module_by_another_method() -> tuple[Any, Callable[[], Any]]:
    model = Scaling()
    return lambda x: model.other(x), lambda: setattr(model.options, "by", 5.0)


def _object_that_is_replaced() -> tuple[Any, Callable[[], Any]]:
    options = Slotted()

    def change() -> None:
        nonlocal options
        options = Slotted(5.0)

    return lambda x: x * options.by, change


def _function_that_is_replaced() -> tuple[Any, Callable[[], Any]]:
    def act(x: Tensor) -> Tensor:
        return x * 2.0

    def other(x: Tensor) -> Tensor:
        return x * 5.0

    def change() -> None:
        nonlocal act
        act = other

    return lambda x: act(x), change


def _function_in_a_dictionary() -> tuple[Any, Callable[[], Any]]:
    acts = {"act": lambda x: x * 2.0}
    return lambda x: acts["act"](x), lambda: acts.update(act=lambda x: x * 5.0)


def _entry_of_a_list() -> tuple[Any, Callable[[], Any]]:
    options = [2.0]
    return lambda x: x * options[0], lambda: options.__setitem__(0, 5.0)


def _tensor_in_a_list() -> tuple[Any, Callable[[], Any]]:
    tensors = [tensor(2.0)]
    return lambda x: x * tensors[0], lambda: tensors.__setitem__(0, tensor(5.0))


def _list_in_a_dictionary() -> tuple[Any, Callable[[], Any]]:
    options = {"by": [2.0]}
    return lambda x: x * options["by"][0], lambda: options["by"].__setitem__(0, 5.0)


def _size_of_a_set() -> tuple[Any, Callable[[], Any]]:
    names = {"a", "b"}
    return lambda x: x * float(len(names)), lambda: names.update("cde")


def _number_of_numpy() -> tuple[Any, Callable[[], Any]]:
    by = np.float64(2.0)

    def change() -> None:
        nonlocal by
        by = np.float64(5.0)

    return lambda x: x * by, change


def _slice() -> tuple[Any, Callable[[], Any]]:
    part, both = slice(0, 1), tensor(2.0, 5.0)

    def change() -> None:
        nonlocal part
        part = slice(1, 2)

    return lambda x: x * both[part], change


def _rate_of_an_optimizer() -> tuple[Any, Callable[[], Any]]:
    optimizer = optim.SGD([tensor(1.0, requires_grad=True)], lr=2.0)
    group = optimizer.param_groups[0]
    return lambda x: x * optimizer.param_groups[0]["lr"], lambda: group.update(lr=5.0)


def _array_of_the_users() -> tuple[Any, Callable[[], Any]]:
    array = np.array([2.0])
    return lambda x: x * Tensor(array), lambda: array.__setitem__(0, 5.0)


def times(x: Tensor, options: Any) -> Tensor:
    return x * options.by


class Handing(nn.Module):
    """A Module that hands its options, or those it is given, to others."""

    def __init__(self) -> None:
        self.options = Slotted()
        self.below = Handed()

    def forward(self, x: Tensor, options: Any = None) -> Tensor:
        return times(x, self.options) if options is None else self.below(x, options)


class Handed(nn.Module):
    def forward(self, x: Tensor, options: Any) -> Tensor:
        return x * options.by


def _object_that_is_handed_on() -> tuple[Any, Callable[[], Any]]:
    options = Slotted()
    return lambda x: times(x, options), lambda: setattr(options, "by", 5.0)


def _part_that_is_handed_on() -> tuple[Any, Callable[[], Any]]:
    outer = types.SimpleNamespace(rows=[Slotted()])
    return lambda x: times(x, outer.rows[0]), lambda: setattr(outer.rows[0], "by", 5.0)


def _object_that_is_handed_on_with_its_method() -> tuple[Any, Callable[[], Any]]:
    thing = Scaled()

    def called(x: Tensor, thing: Any) -> Tensor:
        return thing.call(x)

    return lambda x: called(x, thing), lambda: setattr(thing, "by", 5.0)


def _object_that_a_module_hands_on() -> tuple[Any, Callable[[], Any]]:
    model = Handing()
    return lambda x: model(x), lambda: setattr(model.options, "by", 5.0)


def _object_that_is_handed_to_a_module() -> tuple[Any, Callable[[], Any]]:
    model, options = Handing(), Slotted()
    return lambda x: model(x, options), lambda: setattr(options, "by", 5.0)


def _object_that_a_method_hands_to_another() -> tuple[Any, Callable[[], Any]]:
    trainer = types.SimpleNamespace(options=Slotted(), loss=Handed())
    return lambda x: trainer.loss.forward(x, trainer.options), lambda: setattr(trainer.options, "by", 5.0)


class Syntax:
    """A class of the user's with numbers behind what Python's syntax calls."""

    def __init__(self) -> None:
        self.kept = {"by": 2.0}

    def __getitem__(self, name: str) -> float:
        return self.kept[name]

    def __getattr__(self, name: str) -> float:
        return self.__dict__["kept"][name]

    def __len__(self) -> int:
        return int(self.kept["by"])

    def __mul__(self, x: Tensor) -> Tensor:
        return x * self.kept["by"]

    def __enter__(self) -> float:
        return self.kept["by"]

    def __exit__(self, *error: Any) -> None:
        pass


def _by_syntax(written: Callable[[Tensor, Any], Any]) -> Callable[[], Any]:
    def make() -> tuple[Any, Callable[[], Any]]:
        thing = Syntax()
        return lambda x: written(x, thing), lambda: thing.kept.update(by=5.0)

    return make


def _with(x: Tensor, thing: Any) -> Any:
    with thing as by:
        return x * by


def _entry_of_a_deque() -> tuple[Any, Callable[[], Any]]:
    options = collections.deque([2.0])
    return lambda x: x * options[0], lambda: options.__setitem__(0, 5.0)


def _numbers(use: Callable[[Tensor, Any], Any]) -> Callable[[], Any]:
    """An array of the user's that NumPy or Python reads: the program holds what came of that."""

    def make() -> tuple[Any, Callable[[], Any]]:
        numbers = np.array([2.0, 1.0])
        return lambda x: use(x, numbers), lambda: numbers.__setitem__(0, 5.0)

    return make


def _attribute_of_a_default() -> tuple[Any, Callable[[], Any]]:
    options = types.SimpleNamespace(by=2.0)
    return lambda x, options=options: x * options.by, lambda: setattr(options, "by", 5.0)


def _method_that_is_replaced() -> tuple[Any, Callable[[], Any]]:
    class Own(Scaled):
        pass

    thing = Own()
    return lambda x: thing.call(x), lambda: setattr(Own, "call", lambda self, x: x * 5.0)


def _method_behind_another_that_is_replaced() -> tuple[Any, Callable[[], Any]]:
    class Base:
        def call(self, x: Tensor) -> Tensor:
            return x * 2.0

    class Own(Base):
        def call(self, x: Tensor) -> Tensor:
            return super().call(x)

    thing = Own()
    return lambda x: thing.call(x), lambda: setattr(Base, "call", lambda self, x: x * 5.0)


def _method_of_another_class() -> tuple[Any, Callable[[], Any]]:
    class Other:
        def call(self, x: Tensor) -> Tensor:
            return x * 5.0

    class Own:
        def call(self, x: Tensor) -> Tensor:
            return x * 2.0

    thing = Own()
    return lambda x: thing.call(x), lambda: setattr(thing, "__class__", Other)


def _function_of_a_class(kind: Any) -> Callable[[], Any]:
    def make() -> tuple[Any, Callable[[], Any]]:
        class Own:
            call = kind(lambda *given: given[-1] * 2.0)

        thing = Own()
        return lambda x: thing.call(x), lambda: setattr(Own, "call", kind(lambda *given: given[-1] * 5.0))

    return make


def _method_that_the_object_replaces() -> tuple[Any, Callable[[], Any]]:
    thing = Scaled()
    return lambda x: thing.call(x), lambda: setattr(thing, "call", lambda x: x * 5.0)


def _code_that_is_replaced() -> tuple[Any, Callable[[], Any]]:
    def inner(x: Tensor) -> Tensor:
        return x * 2.0

    return lambda x: inner(x), lambda: setattr(inner, "__code__", (lambda x: x * 5.0).__code__)


def _attribute_by_a_getter() -> tuple[Any, Callable[[], Any]]:
    thing = Scaled()
    return lambda x: x * operator.attrgetter("by")(thing), lambda: setattr(thing, "by", 5.0)


def _attribute_in_the_dictionary_of_an_object() -> tuple[Any, Callable[[], Any]]:
    thing = Scaled()
    return lambda x: x * thing.__dict__["by"], lambda: setattr(thing, "by", 5.0)


def _list_of_a_partial_call() -> tuple[Any, Callable[[], Any]]:
    options = [2.0]
    return functools.partial(lambda options, x: x * options[0], options), lambda: options.__setitem__(0, 5.0)


def _array_in_a_list() -> tuple[Any, Callable[[], Any]]:
    arrays = [np.array([2.0])]
    return lambda x: x * float(arrays[0][0]), lambda: arrays[0].fill(5.0)


def _array_of_the_object() -> tuple[Any, Callable[[], Any]]:
    thing = Scaled()
    thing.by = np.array(2.0)
    return lambda x: x * thing.by[()], lambda: thing.by.fill(5.0)


def _entry_of_a_large_dictionary() -> tuple[Any, Callable[[], Any]]:
    options = {f"option {i}": 2.0 for i in range(100)}
    return lambda x: x * options["option 50"], lambda: options.update({"option 50": 5.0})


def _number_in_one_of_many(kind: Any) -> Callable[[], Any]:
    def make() -> tuple[Any, Callable[[], Any]]:
        rows = [kind([(0, 2.0)]) for _ in range(40)]
        return lambda x: x * dict(rows[3])[0], lambda: rows[3].__setitem__(0, 5.0 if kind is dict else (0, 5.0))

    return make


def _length_of_a_very_large_list() -> tuple[Any, Callable[[], Any]]:
    rows = [0.0] * 2000
    return lambda x: x * (len(rows) / 1000.0), lambda: rows.extend([0.0] * 3000)


def _entry_of_a_large_list() -> tuple[Any, Callable[[], Any]]:
    options = [2.0] * 100
    return lambda x: x * options[50], lambda: options.__setitem__(50, 5.0)


def _first_of_a_dictionary() -> tuple[Any, Callable[[], Any]]:
    options = {"first": 2.0, "second": 5.0}
    return lambda x: x * next(iter(options.values())), lambda: options.update(first=options.pop("first"))


def _entry_of_a_mapping() -> tuple[Any, Callable[[], Any]]:
    options = {"by": 2.0}
    mapping = types.MappingProxyType(options)
    return lambda x: x * mapping["by"], lambda: options.update(by=5.0)


def _entry_of_a_chain() -> tuple[Any, Callable[[], Any]]:
    chain = collections.ChainMap({}, {"by": 2.0})
    return lambda x: x * chain["by"], lambda: chain.update(by=5.0)


def _number_in_a_buffer() -> tuple[Any, Callable[[], Any]]:
    numbers = buffer("d", [2.0])
    return lambda x: x * numbers[0], lambda: numbers.__setitem__(0, 5.0)


def _number_of_a_context() -> tuple[Any, Callable[[], Any]]:
    by = contextvars.ContextVar("by", default=2.0)
    return lambda x: x * by.get(), lambda: by.set(5.0)


def _number_of_a_thread() -> tuple[Any, Callable[[], Any]]:
    local = threading.local()
    local.by = 2.0
    return lambda x: x * local.by, lambda: setattr(local, "by", 5.0)


REACHED = [
    _attribute,
    _entry_of_a_dictionary,
    _number_of_a_function_inside,
    _default_argument,
    _attribute_of_an_object,
    _attribute_of_an_attribute,
    _attribute_far_down,
    _attribute_by_its_text,
    _attribute_by_an_attrgetter,
    _attribute_by_a_methodcaller,
    _attribute_by_a_format,
    _attribute_behind_a_weak_reference,
    _what_an_overload_reads,
    _overload_that_comes,
    _attribute_by_a_text_that_is_made,
    _attributes_by_their_names,
    _attribute_by_a_path,
    _all_attributes,
    _own_attribute_by_a_text_that_is_made,
    _parameter_by_a_text_that_is_made,
    _global_that_was_not_there,
    _name_that_was_not_bound,
    _attribute_of_a_list,
    _attribute_that_was_none,
    _attribute_that_was_not_there,
    _attribute_of_a_class_that_was_not_there,
    _attribute_of_an_object_in_a_list,
    _number_of_a_function_in_a_dictionary,
    _attribute_of_a_class,
    _attribute_in_a_slot,
    _attribute_of_an_argument,
    _object_by_its_method,
    _object_that_is_called,
    _object_that_is_called_inside,
    _property,
    _property_that_is_kept,
    _object_in_a_module,
    _object_in_a_module_by_another_method,
    _object_that_is_replaced,
    _function_that_is_replaced,
    _function_in_a_dictionary,
    _entry_of_a_list,
    _tensor_in_a_list,
    _list_in_a_dictionary,
    _size_of_a_set,
    _number_of_numpy,
    _slice,
    _rate_of_an_optimizer,
    _array_of_the_users,
    _object_that_is_handed_on,
    _part_that_is_handed_on,
    _object_that_is_handed_on_with_its_method,
    _object_that_a_module_hands_on,
    _object_that_is_handed_to_a_module,
    _object_that_a_method_hands_to_another,
    _by_syntax(lambda x, thing: x * thing["by"]),
    _by_syntax(lambda x, thing: x * thing.by),
    _by_syntax(lambda x, thing: x * len(thing)),
    _by_syntax(lambda x, thing: thing * x),
    _by_syntax(_with),
    _entry_of_a_deque,
    _numbers(lambda x, a: x * a.max()),
    _numbers(lambda x, a: x * np.square(a)[:1] / float(a[0])),
    _numbers(lambda x, a: x * 2.0 if a[0] < 3.0 else x * 5.0),
    _numbers(lambda x, a: x * Tensor(a[:1] * 1.0)),
    _numbers(lambda x, a: ag.full((1,), a[0], dtype="float32") * x),
    _attribute_of_a_default,
    _method_that_is_replaced,
    _method_behind_another_that_is_replaced,
    _method_of_another_class,
    _function_of_a_class(staticmethod),
    _function_of_a_class(classmethod),
    _function_of_a_class(lambda function: functools.partialmethod(function, 1)),
    _method_that_the_object_replaces,
    _code_that_is_replaced,
    _attribute_by_a_getter,
    _attribute_in_the_dictionary_of_an_object,
    _list_of_a_partial_call,
    _array_in_a_list,
    _array_of_the_object,
    _entry_of_a_large_dictionary,
    _entry_of_a_large_list,
    _length_of_a_very_large_list,
    _number_in_one_of_many(dict),
    _number_in_one_of_many(list),
    _first_of_a_dictionary,
    _entry_of_a_mapping,
    _entry_of_a_chain,
    _number_in_a_buffer,
    _number_of_a_context,
    _number_of_a_thread,
]


@pytest.mark.parametrize("make", REACHED)
def test_numbers_that_are_reached_another_way_are_guarded_too(make: Callable[[], Any]) -> None:
    written, change = make()
    function = ag.compile(written)
    assert function(tensor(1.0)).tolist() == [2.0]
    change()
    assert function(tensor(1.0)).tolist() == [5.0]


def test_an_array_that_the_program_reads_needs_one_program() -> None:
    numbers = np.array([2.0, 1.0])
    function = ag.compile(lambda x: x * numbers + numbers[:1])
    for by in (2.0, 5.0):
        numbers[0] = by
        assert function(tensor(1.0, 1.0)).tolist() == [2.0 * by, 1.0 + by]
    assert len(function.programs) == 1


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_another_mask_of_numpy_gives_another_length(executor: Any) -> None:
    mask = np.array([True, True, False])

    def written(x: Tensor) -> Any:
        changed = x * 1.0
        changed[mask] += x[mask]
        return x[mask] * 2.0, changed, ag.grad(lambda x: x[mask].square().sum())(x)

    function = ag.compile(written, executor=executor)
    for values in ([True, True, False], [True, False, False], [False, True, True]):
        mask[:] = values
        for found, wanted in zip(function(tensor(1.0, 2.0, 3.0)), written(tensor(1.0, 2.0, 3.0)), strict=True):
            assert_same(found, wanted)


@pytest.mark.parametrize(
    ("thing", "change"),
    [
        (Slotted(), lambda thing: setattr(thing, "by", 5.0)),
        ({2.0}, lambda thing: (thing.clear(), thing.add(5.0))),
        (collections.deque([2.0]), lambda thing: thing.__setitem__(0, 5.0)),
        (Scaled().call, lambda thing: setattr(thing.__self__, "by", 5.0)),
    ],
    ids=["an object for a helper", "a set", "a deque", "a function"],
)
def test_what_an_argument_holds_is_guarded(thing: Any, change: Callable[[Any], Any]) -> None:
    def written(x: Tensor, thing: Any) -> Tensor:
        if isinstance(thing, Slotted):
            return times(x, thing)
        return thing(x) if callable(thing) else x * next(iter(thing))

    function = ag.compile(written)
    assert function(tensor(1.0), thing).tolist() == [2.0]
    change(thing)
    for _ in range(2):
        assert function(tensor(1.0), thing).tolist() == [5.0]
    assert len(function.programs) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [(2, 2.0), (0.0, -0.0), (1, True), (0.5, np.float64(0.5)), (complex(2.0, 0.0), complex(2.0, -0.0))],
)
def test_an_equal_number_of_another_kind_is_guarded(one: Any, other: Any) -> None:
    def signed(x: Tensor, now: Any) -> Tensor:
        return x * (math.copysign(now.real, now.imag) if isinstance(now, complex) else now)

    number, options, groups = one, {"number": one}, [[one]]
    given = ag.compile(signed)
    module = nn.LeakyReLU(one)
    found = [
        ag.compile(lambda x: signed(x, number)),
        ag.compile(lambda x: signed(x, options["number"])),
        ag.compile(lambda x: signed(x, groups[0][0])),
        ag.compile(lambda x: signed(x, held(module)["negative_slope"])),
    ]
    x = Tensor([1.0, 2.0])
    for now in (one, other):
        number = options["number"] = groups[0][0] = module.negative_slope = now
        for result in (given(x, now), *(function(x) for function in found)):
            assert same_bits(result, signed(x, now))
            np.testing.assert_array_equal(np.signbit(result.data), np.signbit(signed(x, now).data))


@pytest.mark.parametrize(("one", "other"), [(2, 2.0), (1, True), (0.0, -0.0)])
def test_an_equal_key_of_another_kind_is_guarded(one: Any, other: Any) -> None:
    options = {one: 1.0}
    given = ag.compile(lambda x: [part * key for key, part in x.items()])
    found = ag.compile(lambda x: [x * key for key in options])
    x = Tensor([1, 2])
    for now in (one, other):
        options.clear()
        options[now] = 1.0
        for result in (*given({now: x}), *found(x)):
            assert same_bits(result, x * now)
            np.testing.assert_array_equal(np.signbit(result.data), np.signbit((x * now).data))


def test_what_a_function_changes_itself_while_it_is_traced_needs_no_second_program() -> None:
    history: dict[str, list[Any]] = {"seen": []}
    lines: list[Any] = []
    counts = types.SimpleNamespace(calls=0)

    @ag.compile
    def function(x: Tensor) -> Tensor:
        lines.append("called")
        history["seen"].append(x.shape)
        counts.calls += 1
        return x * 2.0

    for _ in range(3):
        function(tensor(1.0))
    assert len(function.programs) == 1


@pytest.mark.parametrize("counts", [False, True])
def test_whoever_is_traced_at_every_call_is_told_once(counts: bool) -> None:
    def function(x: Tensor, step: int) -> Tensor:
        calls["n"] += step
        return x * calls["n"] if counts else x * step

    calls = {"n": 0}
    fast = ag.compile(function, executor="numpy")
    message = "a variable of a closure changes" if counts else "its arguments change"
    with pytest.warns(
        UserWarning, match=f"was traced 17 times, .*: {message} from call to call. .* as Tensors"
    ) as told:
        given = [fast(tensor(1.0), 1 if counts else step).item() for step in range(20)]
    assert given == [step + counts for step in range(20)]
    assert len(told) == 1


def test_an_object_that_is_not_asked_for_any_name_may_count() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.by0 = 2.0

        def forward(self, x: Tensor) -> Tensor:
            return x * getattr(self, f"by{0}")

    loop = types.SimpleNamespace(net=Net(), count=0)
    function = ag.compile(lambda x: loop.net(x))
    for _ in range(3):
        assert function(tensor(1.0)).tolist() == [2.0]
        loop.count += 1
    assert len(function.programs) == 1


def _counts_in_an_attribute() -> Callable[[], int]:
    counts = types.SimpleNamespace(calls=0)

    def count() -> int:
        counts.calls += 1
        return counts.calls

    return count


def _counts_in_a_class() -> Callable[[], int]:
    class Counts:
        calls = 0

    def count() -> int:
        Counts.calls = Counts.calls + 1
        return Counts.calls

    return count


def _counts_in_a_list() -> Callable[[], int]:
    calls = [0]

    def count() -> int:
        calls[0] += 1
        return calls[0]

    return count


def _counts_in_a_list_of_lists() -> Callable[[], int]:
    calls = [[0]]

    def count() -> int:
        calls[0][0] += 1
        return calls[0][0]

    return count


@pytest.mark.parametrize(
    "make", [_counts_in_an_attribute, _counts_in_a_class, _counts_in_a_list, _counts_in_a_list_of_lists]
)
def test_a_count_that_the_function_keeps_and_reads_is_no_history(make: Callable[[], Callable[[], int]]) -> None:
    count = make()
    function = ag.compile(lambda x: x * 10.0 if count() % 3 == 0 else x)
    assert [function(tensor(1.0)).tolist() for _ in range(6)] == [[1.0], [1.0], [10.0]] * 2


def _in_an_attribute() -> Callable[[Tensor], Tensor]:
    kept = types.SimpleNamespace(h=tensor(0.0))

    def function(x: Tensor) -> Tensor:
        kept.h = kept.h + x
        return kept.h

    return function


def _in_a_list() -> Callable[[Tensor], Tensor]:
    kept = [tensor(0.0)]

    def function(x: Tensor) -> Tensor:
        kept[0] = kept[0] + x
        return kept[0]

    return function


def _behind_a_list() -> Callable[[Tensor], Tensor]:
    kept = [tensor(0.0)]

    def function(x: Tensor) -> Tensor:
        kept.append(kept[-1] + x)
        return kept[-1]

    return function


@pytest.mark.parametrize("make", [_in_an_attribute, _in_a_list, _behind_a_list])
def test_a_tensor_that_is_put_where_the_next_call_finds_it_is_an_error(make: Callable[[], Any]) -> None:
    function = ag.compile(make())
    function(tensor(1.0))
    with pytest.raises(TraceError, match="Return what outlives a call"):
        function(tensor(1.0))


def test_a_tensor_that_a_cache_keeps_is_an_error_at_the_next_trace() -> None:
    @functools.lru_cache
    def mask(n: int) -> Tensor:
        return ag.tril(ag.ones((n, n)))

    function = ag.compile(lambda x: (x * mask(x.shape[-1])).sum())
    assert function(ag.ones((2, 2))).item() == 3.0
    with pytest.raises(TraceError, match=r"was kept, in an attribute, a list or a cache such as lru_cache"):
        function(ag.ones((3, 2, 2)))


def test_containers_may_hold_themselves() -> None:
    options: dict[str, Any] = {"by": 2.0}
    rows: list[Any] = [2.0]
    options["all"] = options
    rows.append([rows])
    function = ag.compile(lambda x: x * options["by"] * rows[0])
    assert function(tensor(1.0)).tolist() == [4.0]
    options["by"] = rows[0] = 5.0
    assert function(tensor(1.0)).tolist() == [25.0]


@pytest.mark.parametrize("count", [3, 40])
@pytest.mark.parametrize("kind", [list, tuple, lambda things: dict(enumerate(things))], ids=["list", "tuple", "dict"])
def test_an_attribute_of_one_of_many_things_is_guarded(count: int, kind: Any) -> None:
    things = kind([types.SimpleNamespace(weight=tensor(1.0)) for _ in range(count)])
    compiled = ag.compile(lambda: things[0].weight + things[count - 1].weight)
    assert compiled().tolist() == [2.0]
    things[count - 1].weight = tensor(5.0)
    assert compiled().tolist() == [6.0]


def test_a_list_of_the_object_that_the_method_does_not_read_may_grow() -> None:
    class Loop:
        def __init__(self) -> None:
            self.losses: list[float] = []

        @ag.compile
        def step(self, x: Tensor) -> Tensor:
            return x * 2.0

    loop = Loop()
    for k in range(3):
        loop.losses.append(loop.step(tensor(float(k))).item())
    assert loop.losses == [0.0, 2.0, 4.0]
    assert len(Loop.__dict__["step"].programs) == 1
