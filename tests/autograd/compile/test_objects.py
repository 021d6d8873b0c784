"""Objects with a compiled step: what the step reads of them is guarded, all else may change from call to call.

One idea: a trainer counts its steps and keeps its last loss. A step that is traced anew for each of them is a thousand
times as slow, and one that misses a number it reads is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import operator
import sys
from abc import ABC
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.errors import TraceError
from tests.autograd.compile.worlds import tensor

pytestmark = pytest.mark.usefixtures("kernels_off")

T = TypeVar("T")


class Trainer:
    """Something with a step, which reads `by`, and with much besides."""

    def __init__(self) -> None:
        self.by, self.count, self.best, self.name = 2.0, 0, 0.0, "first"
        self.last: Any = None
        self.history: tuple[float, ...] = ()

    def step(self, x: Tensor) -> Tensor:
        return x * self.by

    @ag.compile
    def compiled(self, x: Tensor) -> Tensor:
        return x * self.by


class Above(ABC, Generic[T]):
    """Bases without code."""


class Derived(Trainer, Above[int]):
    pass


def _by_closure(trainer: Trainer) -> Callable[[Tensor], Tensor]:
    return ag.compile(lambda x: trainer.step(x))


def _by_argument(trainer: Trainer) -> Callable[[Tensor], Tensor]:
    compiled = ag.compile(lambda trainer, x: trainer.step(x))
    return functools.partial(compiled, trainer)


WAYS = [
    lambda trainer: ag.compile(trainer.step),
    lambda trainer: ag.compile(functools.partial(type(trainer).step, trainer)),
    lambda trainer: trainer.compiled,
    _by_closure,
    _by_argument,
]


@pytest.mark.parametrize("kind", [Trainer, Derived])
@pytest.mark.parametrize("way", WAYS)
def test_what_the_step_does_not_read_may_change(way: Callable[[Trainer], Any], kind: type[Trainer]) -> None:
    trainer = kind()
    step = way(trainer)
    programs = getattr(step, "func", step)
    before = len(programs.programs)
    for i in range(4):
        loss = step(tensor(3.0))
        assert loss.tolist() == [6.0]
        trainer.count += 1
        trainer.last, trainer.best, trainer.name = loss, 1.0 / (i + 1), f"step {i}"
        trainer.history = (*trainer.history, loss.item())
    assert len(programs.programs) == before + 1
    trainer.by = 5.0
    assert step(tensor(3.0)).tolist() == [15.0]


def _matched(x: Tensor, thing: Any) -> Tensor:
    match thing:
        case Trainer(by=by):
            return x * by
    return x


@dataclasses.dataclass
class Options:
    by: float = 2.0


READ = {
    "getmembers": (Trainer, lambda x, thing: x * dict(inspect.getmembers(thing))["by"]),
    "getattr_static": (Trainer, lambda x, thing: x * inspect.getattr_static(thing, "".join("by"))),
    "its own __getattribute__": (Trainer, lambda x, thing: x * thing.__getattribute__("by")),
    "that of object": (Trainer, lambda x, thing: x * object.__getattribute__(thing, "by")),
    "attrgetter of a name that is made": (Trainer, lambda x, thing: x * operator.attrgetter("".join("by"))(thing)),
    "eval": (Trainer, lambda x, thing: x * eval("thing.b" + "y", {"thing": thing})),
    "a pattern": (Trainer, _matched),
    "asdict": (Options, lambda x, thing: x * dataclasses.asdict(thing)["by"]),
    "astuple": (Options, lambda x, thing: x * dataclasses.astuple(thing)[0]),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("reached", ["closure", "argument", "self"])
def test_what_is_read_without_its_name_in_the_code_is_guarded(name: str, reached: str) -> None:
    kind, read = READ[name]
    thing = kind()
    if reached == "closure":
        function = ag.compile(lambda x: read(x, thing))
    elif reached == "argument":
        function = functools.partial(ag.compile(lambda thing, x: read(x, thing)), thing)
    else:
        kind = type("Kind", (kind,), {"step": lambda self, x: read(x, self)})
        thing = kind()
        function = ag.compile(thing.step)
    assert function(tensor(3.0)).tolist() == [6.0]
    thing.by = 5.0
    assert function(tensor(3.0)).tolist() == [15.0]


class Named(argparse.Namespace):
    """Of a class of Python's, whose code is not read."""

    def step(self, x: Tensor) -> Tensor:
        return x * float(str(self).partition("=")[2][:-1])


def test_what_a_library_reads_of_an_object_of_its_own_class_is_guarded() -> None:
    for way in WAYS[:2]:
        thing = Named(by=2.0)
        function = way(thing)
        assert function(tensor(3.0)).tolist() == [6.0]
        thing.by = 5.0
        assert function(tensor(3.0)).tolist() == [15.0]


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package of others', installed."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "of_others.py").write_text("def scaled(x, thing):\n    return x * thing.by\n")
    monkeypatch.syspath_prepend(str(folder))
    yield __import__("of_others")
    del sys.modules["of_others"]


@pytest.mark.parametrize("imported", [False, True])
def test_what_code_of_others_reads_of_the_object_is_guarded(others: Any, imported: bool) -> None:
    class Scaled:
        def __init__(self) -> None:
            self.by = 2.0

        def step(self, x: Tensor) -> Tensor:
            return others.scaled(x, self)  # type: ignore[no-any-return]

    class Importing(Scaled):
        def step(self, x: Tensor) -> Tensor:
            import of_others  # type: ignore[import-not-found]

            return of_others.scaled(x, self)  # type: ignore[no-any-return]

    thing = Importing() if imported else Scaled()
    function = ag.compile(thing.step)
    assert function(tensor(3.0)).tolist() == [6.0]
    thing.by = 5.0
    assert function(tensor(3.0)).tolist() == [15.0]


# Modules


class Layer(nn.Module):
    """Reads `by`, `table` and what is in `parts`, counts its calls, and keeps what it gave."""

    def __init__(self) -> None:
        self.inner = nn.Dropout(0.0)
        self.by, self.calls, self.epoch, self.kept = 2.0, 0, 0, []
        self.last: Tensor | None = None
        self.table, self.parts = tensor(0.0), (1.0,)
        self.register_buffer("scale", tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.kept.append(x.shape)
        y = self.inner(x) * self.by * self.parts[0] + self.table
        self.last = y
        return y


def _below_another(layer: Any) -> Any:
    model = nn.Sequential(nn.Identity(), layer)
    return ag.compile(lambda x: model(x))


MODULE_WAYS = [
    lambda layer: ag.compile(layer),
    lambda layer: ag.compile(layer.forward),
    lambda layer: ag.compile(lambda x: layer(x)),
    _below_another,
]


@pytest.mark.parametrize("way", MODULE_WAYS)
def test_what_a_module_does_not_read_may_change(way: Callable[[Layer], Any]) -> None:
    layer = Layer()
    function = way(layer)
    for epoch in range(4):
        loss = function(tensor(3.0))
        assert loss.tolist() == [6.0]
        layer.epoch, layer.last = epoch, loss
        assert layer.calls == epoch + 1
    assert len(function.programs) == 1


CHANGES = {
    "a number": (lambda layer: setattr(layer, "by", 5.0), 15.0),
    "a tuple": (lambda layer: setattr(layer, "parts", (4.0,)), 24.0),
    "a Tensor": (lambda layer: setattr(layer, "table", tensor(1.0)), 7.0),
    "a number of a Module of this package": (lambda layer: setattr(layer.inner, "p", 1.0), 0.0),
    "a Module": (lambda layer: setattr(layer, "inner", nn.LeakyReLU(0.5)), 6.0),
    "a mode": (lambda layer: (setattr(layer.inner, "p", 1.0), layer.eval()), 6.0),
    "a hook": (lambda layer: layer.inner.register_forward_hook(lambda module, inputs, y: y * 3.0), 18.0),
}


@pytest.mark.parametrize("way", MODULE_WAYS)
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_module_reads_is_guarded(name: str, way: Callable[[Layer], Any]) -> None:
    change, wanted = CHANGES[name]
    layer = Layer()
    function = way(layer)
    assert function(tensor(3.0)).tolist() == [6.0]
    change(layer)
    assert function(tensor(3.0)).tolist() == [wanted]


def test_another_buffer_of_a_module_is_guarded() -> None:
    layer = Layer()
    buffers = ag.compile(lambda x: x * next(layer.buffers()))
    assert buffers(tensor(3.0)).tolist() == [3.0]
    layer.scale = tensor(2.0)
    assert buffers(tensor(3.0)).tolist() == [6.0]


def test_what_code_of_others_reads_of_a_module_is_guarded(others: Any) -> None:
    class Scaling(nn.Module):
        def __init__(self) -> None:
            self.by = 2.0

        def forward(self, x: Tensor) -> Tensor:
            return others.scaled(x, self)  # type: ignore[no-any-return]

    for way in MODULE_WAYS:
        layer: Any = Scaling()
        function = way(layer)
        assert function(tensor(3.0)).tolist() == [6.0]
        layer.by = 5.0
        assert function(tensor(3.0)).tolist() == [15.0]


def test_a_module_of_a_class_of_this_package_is_guarded_as_a_whole() -> None:
    class Own(nn.Dropout):
        """Reads p as the class above it does."""

    layer = Own(0.0)
    function = ag.compile(lambda x: layer(x))
    assert function(tensor(3.0)).tolist() == [3.0]
    layer.p = 1.0
    assert function(tensor(3.0)).tolist() == [0.0]


# What a function leaves in objects


class Lengths:
    def __init__(self) -> None:
        self.length = 0

    def step(self, x: Tensor) -> Tensor:
        self.length = x.shape[0]
        return x * 2.0


class LengthsOfAModule(nn.Module):
    length = 0

    def forward(self, x: Tensor) -> Tensor:
        name = "length"  # this way is to be seen too
        setattr(self, name, x.shape[0])
        return x * 2.0

    def step(self, x: Tensor) -> Tensor:
        return self(x)


@pytest.mark.parametrize("kind", [Lengths, LengthsOfAModule])
@pytest.mark.parametrize(
    "way", [lambda thing: ag.compile(thing.step), lambda thing: ag.compile(lambda x: thing.step(x))]
)
def test_a_number_that_is_left_is_that_of_the_last_call(way: Callable[[Any], Any], kind: Any) -> None:
    thing = kind()
    step = way(thing)
    for length in (2, 3, 2, 3, 3, 2):
        step(ag.ones(length))
        assert thing.length == length
    before = len(step.programs)
    for _ in range(3):
        step(ag.ones(2))
    assert len(step.programs) == before  # as long as nobody else leaves another


class Counting:
    """Counts calls and rows, in a slot too, and calls of another."""

    __slots__ = ("calls", "other", "rows", "share")

    def __init__(self, other: Counting | None = None) -> None:
        self.calls, self.rows, self.share, self.other = 0, 0, 0.0, other

    def step(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.rows += x.shape[0]
        if self.other is not None:
            x = self.other.step(x) + self.other.step(x)
        return x * 2.0

    def failing(self, x: Tensor) -> Tensor:
        self.calls += 1
        if x.shape[0] == 3:
            raise ValueError("three")
        return x * float(x.sum()) if x.shape[0] == 4 else x


def test_whole_numbers_that_are_counted_grow_at_each_call() -> None:
    written, compiled = Counting(Counting()), Counting(Counting())
    step = ag.compile(lambda x: compiled.step(x))
    for length in (2, 3, 2, 2, 3):
        assert step(ag.ones(length)).tolist() == written.step(ag.ones(length)).tolist()
        for one, other in ((compiled, written), (compiled.other, written.other)):
            assert one is not None
            assert other is not None
            assert (one.calls, one.rows) == (other.calls, other.rows)
    assert len(step.programs) == 2
    compiled.calls = 100  # who sets it anew goes on from there
    step(ag.ones(2))
    assert compiled.calls == 101
    assert len(step.programs) == 2


def test_a_call_that_fails_or_is_done_as_written_counts_once() -> None:
    counting = Counting()
    step = ag.compile(counting.failing)
    with pytest.raises(ValueError, match="three"):
        step(ag.ones(3))
    assert counting.calls == 1
    fallback = ag.compile(counting.failing, fallback=True)
    assert fallback(ag.ones(4)).tolist() == [4.0] * 4
    assert fallback.refused is not None
    assert counting.calls == 2


class Anew(Counting):
    """What is no count: it begins anew, here or in another method, or is multiplied."""

    __slots__ = ("again", "half", "here", "read", "twice")

    def __init__(self) -> None:
        super().__init__()
        self.again, self.here, self.twice, self.read = 5, 5, 1, 0
        self.half: float = 0

    def begin(self) -> None:
        self.again = 0

    def step(self, x: Tensor) -> Tensor:
        self.begin()
        self.again += 1
        self.here = 0
        self.here += 1
        self.twice *= 2
        self.calls += 3
        self.calls -= 1
        self.half += 0.5
        self.read += 1
        return x * self.read


def test_a_number_that_begins_anew_or_is_multiplied_is_no_count() -> None:
    written, compiled = Anew(), Anew()
    step = ag.compile(compiled.step)
    for _ in range(4):
        if written.read == 2:
            written.read = compiled.read = 1
        assert step(ag.ones(2)).tolist() == written.step(ag.ones(2)).tolist()
        for name in ("again", "here", "twice", "calls", "half", "read"):
            assert getattr(compiled, name) == getattr(written, name), name


class Attending(nn.Module):
    """Keeps what it computes with."""

    def __init__(self) -> None:
        self.weights: Any = None

    def forward(self, x: Tensor) -> Tensor:
        self.weights = nn.functional.softmax(x)
        return (self.weights * x).sum()


def test_what_a_module_sets_before_it_reads_it_needs_one_program() -> None:
    model = Attending()
    function = ag.compile(lambda x: model(x))
    for i in range(4):
        x = tensor(0.0, float(i))
        assert function(x).tolist() == pytest.approx((nn.functional.softmax(x) * x).sum().item())
    assert len(function.programs) == 1
    with pytest.raises(TraceError, match="was kept"):
        model.weights * 1.0


class Behind:
    """Reads k and sets it afterwards."""

    def __init__(self) -> None:
        self.k = 2.0

    def step(self, x: Tensor) -> Tensor:
        y = x * self.k
        self.k = 3.0
        return y


class Sometimes(Behind):
    def step(self, x: Tensor) -> Tensor:
        if x.shape[0] == 1:
            self.k = 3.0
        return x * self.k


class OfAnother(Behind):
    def __init__(self, other: Behind) -> None:
        super().__init__()
        self.other = other

    def step(self: Any, x: Tensor) -> Any:
        self.k = 7.0
        self = self.other
        y = x * self.k
        self.k = 3.0
        return y


class Around(Behind):
    def step(self, x: Tensor) -> Tensor:
        y = x * 0.0
        for i in range(2):
            if i == 1:
                self.k = 3.0
            y = y + x * self.k
        return y


@pytest.mark.parametrize("make", [Behind, Sometimes, Around, lambda: OfAnother(Behind())])
def test_what_is_read_before_it_is_set_is_guarded(make: Callable[[], Any]) -> None:
    written, compiled = make(), make()
    step = ag.compile(compiled.step)
    for x in (tensor(1.0, 1.0), tensor(1.0), tensor(1.0, 1.0), tensor(1.0, 1.0)):
        assert step(x).tolist() == written.step(x).tolist()
        assert compiled.k == written.k
    for thing in (written, compiled):
        getattr(thing, "other", thing).k = 5.0
    assert step(x).tolist() == written.step(x).tolist()


def test_a_mode_that_is_set_inside_is_set_at_each_call_and_needs_two_programs() -> None:
    model = nn.Sequential(nn.Identity(), nn.Dropout(1.0))

    @ag.compile
    def train(x: Tensor) -> Tensor:
        model.train()
        return model(x)

    @ag.compile
    def evaluate(x: Tensor) -> Tensor:
        model.eval()
        return model(x)

    for _ in range(4):
        assert train(tensor(3.0)).tolist() == [0.0]
        assert [module.training for module in model.modules()] == [True] * 3
        assert evaluate(tensor(3.0)).tolist() == [3.0]
        assert [module.training for module in model.modules()] == [False] * 3
    assert max(len(train.programs), len(evaluate.programs)) <= 2


COUNT = 0


def _an_attribute() -> tuple[Any, Callable[[], None]]:
    trainer = Trainer()
    return trainer.step, lambda: setattr(trainer, "by", trainer.by + 1.0)


def _a_global() -> tuple[Any, Callable[[], None]]:
    def count() -> None:
        global COUNT
        COUNT += 1

    return lambda x: x * COUNT, count


def _a_layer() -> tuple[Any, Callable[[], None]]:
    layer = nn.Dropout(0.0)
    return lambda x: layer(x), lambda: setattr(layer, "p", (layer.p + 0.1) % 1.0)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_an_attribute, "the attribute by of a Trainer changes"),
        (_a_global, "the global COUNT changes"),
        (_a_layer, "a setting of a Dropout changes"),
    ],
)
def test_whoever_is_traced_at_every_call_is_told_what_changes(make: Callable[[], Any], what: str) -> None:
    function, change = make()
    compiled = ag.compile(function, executor="numpy")

    def call() -> None:
        compiled(tensor(1.0))
        change()

    for _ in range(16):
        call()
    with pytest.warns(UserWarning, match=f"was traced 17 times, .*: {what} from call to call"):
        call()
