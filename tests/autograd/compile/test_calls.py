"""How a compiled function is made, called and switched off, and what it gives.

One idea: to a caller it is the function itself: the same results in the same containers, in memory of their own.
"""

from __future__ import annotations

import copy
import operator
import pickle
import sys
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.compile.entry import Entry
from autograd.compile.trace import Trace
from autograd.compile.watch import paused, watching
from autograd.errors import AnomalyError, TraceError
from autograd.modes import is_tracing
from tests.autograd.compile.worlds import Training, assert_same, both_step, tensor, twins

pytestmark = pytest.mark.usefixtures("kernels_off")


def test_an_interrupt_while_a_trace_ends_does_not_leave_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    managers = []

    @contextmanager
    def interrupted(trace: Any) -> Iterator[None]:
        managers.append(watching(trace))  # kept, as a traceback keeps it
        managers[-1].__enter__()
        yield
        raise KeyboardInterrupt

    x = tensor(1.0, 2.0)
    fast = ag.compile(lambda x: x * 2.0)
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[Entry.__module__], "watching", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fast(x)
    assert is_tracing() is None
    assert_same((x * 2.0).data, fast(x).data)


def test_a_pause_that_is_cut_off_does_not_begin_the_trace_again() -> None:
    with watching(Trace()):
        cut = paused()
        cut.__enter__()  # and Ctrl-C comes before it is left
    assert is_tracing() is None
    del cut
    assert is_tracing() is None


class Counted:
    """A function that notes how often Python runs it, in a list; a number would grow at each call."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @property
    def calls(self) -> int:
        return len(self.seen)

    def __call__(self, x: Tensor) -> Tensor:
        self.seen.append("called")
        return x * 2.0


# ---- switches ------------------------------------------------------------------------------------------------------


def test_it_runs_once_in_python() -> None:
    counted = Counted()
    function = ag.compile(counted)
    for k in range(3):
        assert function(tensor(1.0 + k)).tolist() == [2.0 + 2 * k]
    assert counted.calls == 1


def test_disable_runs_it_as_written() -> None:
    counted = Counted()
    function = ag.compile(counted, disable=True)
    for _ in range(3):
        assert function(tensor(1.0)).tolist() == [2.0]
    assert counted.calls == 3
    assert function.programs == []


@pytest.mark.parametrize(("value", "calls"), [("0", 3), ("1", 1), ("", 1)])
def test_the_environment_switches_it_off_and_on(monkeypatch: pytest.MonkeyPatch, value: str, calls: int) -> None:
    monkeypatch.setenv("TAPEGRAD_COMPILE", value)
    counted = Counted()
    function = ag.compile(counted)
    for _ in range(3):
        function(tensor(1.0))
    assert counted.calls == calls


def test_compile_disabled_ends_with_its_block() -> None:
    counted = Counted()
    function = ag.compile(counted)
    with ag.compile_disabled():
        function(tensor(1.0))
        function(tensor(1.0))
    assert counted.calls == 2
    function(tensor(1.0))
    function(tensor(1.0))
    assert counted.calls == 3


def test_inside_anomaly_it_runs_as_written() -> None:
    function = ag.compile(lambda x: ag.log(x))
    function(tensor(1.0))
    with ag.anomaly(), np.errstate(all="ignore"), pytest.raises(AnomalyError, match="log"):
        function(tensor(-1.0))
    with np.errstate(all="raise"):
        assert np.isnan(function(tensor(-1.0)).data).all()


# ---- forms ---------------------------------------------------------------------------------------------------------


def test_a_decorator_with_and_without_brackets() -> None:
    @ag.compile
    def one(x: Tensor) -> Tensor:
        """One."""
        return x + 1.0

    @ag.compile()
    def two(x: Tensor) -> Tensor:
        return x + 2.0

    @ag.compile(disable=True)
    def three(x: Tensor) -> Tensor:
        return x + 3.0

    for _ in range(2):
        assert [f(tensor(0.0)).tolist() for f in (one, two, three)] == [[1.0], [2.0], [3.0]]
    assert (one.__name__, one.__doc__) == ("one", "One.")
    assert [len(f.programs) for f in (one, two, three)] == [1, 1, 0]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a function, got a Tensor"):
        ag.compile(tensor(1.0))


def test_as_a_method_each_object_is_its_own() -> None:
    class Model:
        def __init__(self, w: float) -> None:
            self.w = tensor(w, requires_grad=True)

        @ag.compile
        def step(self, x: Tensor) -> Tensor:
            self.w.grad = None
            (self.w * x).sum().backward()
            return self.w * x

    a, b = Model(2.0), Model(3.0)
    for x in (1.0, 5.0):
        assert a.step(tensor(x)).tolist() == [2 * x]
        assert b.step(tensor(x)).tolist() == [3 * x]
        assert a.w.grad.tolist() == b.w.grad.tolist() == [x]
    assert len(Model.step.programs) == 2


def test_nested_compiled_functions_are_one_program() -> None:
    inner = ag.compile(lambda x: x * 2.0)
    outer = ag.compile(lambda x: inner(x) + inner(x + 1.0))
    assert outer(tensor(1.0)).tolist() == [6.0]
    assert outer(tensor(2.0)).tolist() == [10.0]
    assert inner.programs == []
    assert inner(tensor(4.0)).tolist() == [8.0]
    assert (len(inner.programs), len(outer.programs)) == (1, 1)


def test_a_compiled_function_shows_its_name_and_what_became_of_it() -> None:
    @ag.compile(fallback=True)
    def doubled(x):
        return x * 2 if x.size < 3 else x * float(x.sum())

    name = doubled.__qualname__
    assert repr(doubled) == f"<compiled {name}: 0 programs>"
    doubled(ag.ones(2))
    assert repr(doubled) == f"<compiled {name}: 1 program>"
    doubled(ag.ones(3))
    assert repr(doubled).startswith(f"<compiled {name}: refused, inside a compiled function")


def test_a_module_whose_attributes_have_names_of_its_own() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            self.function, self.disable, self.steps = nn.Linear(2, 2), True, 3

        def forward(self, x: Tensor) -> Tensor:
            return self.function(x) * 2.0

    model, x = Named(), ag.ones((4, 2))
    compiled = ag.compile(model)
    assert_same(compiled(x), model(x).detach())
    assert_same(compiled.steps(x[None])[0], compiled(x))
    assert len(compiled.programs) == 1


class Stepping:
    """An object that holds its own compiled step."""

    def __init__(self) -> None:
        self.w = tensor(1.0, requires_grad=True)
        self.step = ag.compile(self.written, executor="numpy")

    def written(self, x: Tensor) -> Tensor:
        with ag.no_grad():
            self.w += x
        return self.w.detach()


@ag.compile
def doubled(x: Tensor) -> Tensor:
    """A compiled function that has a name."""
    return x * 2.0


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_an_object_steps_by_itself(copied: Callable[[Any], Any]) -> None:
    first = Stepping()
    first.step(tensor(1.0))
    second = copied(first)
    assert second.step(tensor(3.0)).tolist() == [5.0]
    assert (first.w.tolist(), second.w.tolist()) == ([2.0], [5.0])
    assert (len(second.step.programs), second.step.executor) == (1, "numpy")
    assert copied(doubled) is doubled


def test_explain_shows_a_line_for_each_instruction() -> None:
    function = ag.compile(lambda x: ag.exp(x) * 2.0)
    assert "nothing is traced" in function.explain()
    function(tensor(1.0, 2.0))
    text = function.explain()
    assert "float64[2]" in text
    assert "exp" in text
    assert "multiply" in text


# ---- results -------------------------------------------------------------------------------------------------------

Pair = namedtuple("Pair", "first second")


def test_results_keep_their_containers() -> None:
    @ag.compile
    def function(x: Tensor, *, more: Any = None) -> Any:
        y = x * 2.0
        return {"y": y, "none": None, "plain": (1, "word", [x.shape, 2.5, True]), "pair": Pair(x, more)}

    for k in (1.0, 2.0):
        found = function(tensor(k), more=[tensor(k + 1)])
        assert list(found) == ["y", "none", "plain", "pair"]
        assert found["y"].tolist() == [2 * k]
        assert found["none"] is None
        assert found["plain"] == (1, "word", [(1,), 2.5, True])
        assert isinstance(found["pair"], Pair)
        assert found["pair"].first.tolist() == [k]
        assert found["pair"].second[0].tolist() == [k + 1]
    assert len(function.programs) == 1


def test_an_ordered_dictionary_is_given_and_comes_back_as_one() -> None:
    ordered = OrderedDict(b=tensor(1.0), a=tensor(2.0))
    found = ag.compile(lambda given: OrderedDict((k, v * 2.0) for k, v in given.items()))(ordered)
    assert type(found) is OrderedDict
    assert [(k, v.tolist()) for k, v in found.items()] == [("b", [2.0]), ("a", [4.0])]


def test_nothing_can_be_given() -> None:
    w = tensor(1.0, requires_grad=True)

    @ag.compile
    def function() -> None:
        w.grad = None
        (w * 3.0).sum().backward()

    for _ in range(2):
        assert function() is None
        assert w.grad.tolist() == [3.0]


@pytest.mark.parametrize("take", [lambda x: x, lambda x: x[1:], lambda x: x.T, lambda x: x.detach(), lambda x: x * 1.0])
def test_results_share_memory_with_nothing(take: Callable[[Tensor], Tensor]) -> None:
    w, x = tensor([1.0, 2.0], [3.0, 4.0], requires_grad=True), tensor([5.0, 6.0], [7.0, 8.0])
    function = ag.compile(lambda x: (take(x), take(w), take(x), take(w * x)))
    earlier: list[tuple[Any, Any]] = []
    for k in range(3):
        x.data[...] += k
        found = function(x)
        wanted = [take(x), take(w), take(x), take(w * x)]
        assert_same(list(found), wanted)
        for i, one in enumerate(found):
            assert not one.requires_grad
            assert one.node is None
            for other in (x, w, *found[:i], *(y for y, _ in earlier)):
                assert not np.shares_memory(one.data, other.data)
        earlier += [(one, one.data.copy()) for one in found]
        for one, as_given in earlier:
            assert_same(one, as_given)  # no later call writes into what was given


def test_gradients_share_memory_with_nothing() -> None:
    w, v = tensor(1.0, requires_grad=True), tensor(1.0, requires_grad=True)

    @ag.compile
    def function(x: Tensor) -> Any:
        w.grad = v.grad = None
        (w + v + x).sum().backward()
        return w.grad, v.grad

    kept = []
    for _ in range(2):
        found = function(tensor(1.0))
        arrays = [t.data for t in (w.grad, v.grad, *found)]
        kept += arrays
        assert not any(np.shares_memory(a, b) for i, a in enumerate(kept) for b in kept[:i])


def test_writing_into_an_argument_afterwards_harms_nothing() -> None:
    function = ag.compile(lambda x: x * 1.0)
    x = tensor(1.0, 2.0)
    first = function(x)
    x.data[...] = 9.0
    assert first.tolist() == [1.0, 2.0]
    assert function(x).tolist() == [9.0, 9.0]


def test_arguments_of_any_layout() -> None:
    function = ag.compile(lambda x: (x @ x.T, x.sum(axis=0)))
    base = np.arange(24.0).reshape(4, 6)
    for array in (base[:, ::2], base[:, ::-2], np.asfortranarray(base[:, :3])):
        x = ag.asarray(array)
        assert_same(list(function(x)), [x @ x.T, x.sum(axis=0)])
    assert len(function.programs) == 1


def test_an_array_given_is_an_array() -> None:
    assert isinstance(ag.compile(lambda x: np.exp(x))(np.ones(2)), np.ndarray)


def test_inference_alone() -> None:
    training = Training()
    model = training.model.eval()
    function = ag.compile(lambda x: model(x))
    for _ in range(3):
        x, _ = training.batch()
        with ag.no_grad():
            assert_same(function(x), model(x))


def test_the_loss_goes_down() -> None:
    _, second, step = twins(p=0.0)
    x, y = second.batch(rows=20)
    losses = [step(x, y).item() for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_step_without_batch_of_its_own() -> None:
    first, second, _ = twins()
    x, y = second.batch()
    step = ag.compile(lambda: second.step(x, y))
    for _ in range(3):
        assert_same(step(), first.step(x, y))
        assert_same(second.world(), first.world())


# ---- derivatives ---------------------------------------------------------------------------------------------------


def test_gradients_of_a_part_without_elements_add_up() -> None:
    def step(x: Tensor) -> Tensor:
        def total(x: Tensor) -> Tensor:
            part = x[:0]
            return part.sum() + ag.flatten(part).sum() + x.sum()

        return ag.grad(total)(x)

    np.testing.assert_array_equal(ag.compile(step)(ag.ones((5, 2))).numpy(), np.ones((5, 2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda f: ag.value_and_grad(f),
        lambda f: ag.grad(f),
        lambda f: ag.hessian(f),
        lambda f: ag.grad(lambda x: ag.grad(f)(x).sum()),
        lambda f: lambda x: ag.hvp(f, x, x * 2.0),
        lambda f: lambda x: ag.jvp(f, (x,), (x * 2.0,)),
        lambda f: lambda x: ag.vjp(f, x)[1](ag.asarray(np.array(2.0))),
    ],
    ids=["value_and_grad", "grad", "hessian", "grad of grad", "hvp", "jvp", "vjp"],
)
@pytest.mark.parametrize("kind", [Tensor, np.asarray])
def test_derivatives_of_functions(make: Any, kind: Any) -> None:
    written = make(lambda x: (ag.tanh(x) * x**3).sum())
    function = ag.compile(written)
    for values in ([1.0, 2.0], [0.5, -0.3], [3.0, 0.0]):
        x = kind(np.array(values))
        found, wanted = function(x), written(x)
        assert_same(
            [found] if isinstance(found, Tensor) else list(found),
            [wanted] if isinstance(wanted, Tensor) else list(wanted),
        )


# ---- writes in place -----------------------------------------------------------------------------------------------


def test_in_place_on_the_record() -> None:
    def run(compiled: bool) -> Any:
        w = tensor(1.0, 2.0, 3.0, requires_grad=True)

        def function(v: Tensor) -> Tensor:
            w.grad = None
            y = w * 2.0
            y[0] = v.sum()
            y += v
            y[1:] *= y[:2]
            y -= 1.0
            y[y.shape[0] - 1] = y[0] * w[2]
            y.sum().backward()
            return y

        step = ag.compile(function) if compiled else function
        return [(step(tensor(k, 1.0, 2.0)).detach(), w.grad) for k in (1.0, 2.0, 3.0)]

    assert_same(run(True), run(False))


def test_in_place_off_the_record_and_through_views() -> None:
    def run(compiled: bool) -> Any:
        w = tensor([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
        twin = w.detach()  # the same memory, made outside; here it is not read inside

        def function(v: Tensor) -> Any:
            with ag.no_grad():
                row, column = w[0].detach(), w.T
                row += v.sum()
                column[0] = v
                flat = w.reshape(-1)
                flat[1:3] *= 2.0
                w[1, 1:] -= flat[2]
                inner = column[1:]
                inner /= 2.0
                w.data[0, 0] = 7.0
                w.data[...] += 1.0
            return row * 1.0, column * 1.0, flat * 1.0, inner * 1.0, w * 1.0

        step = ag.compile(function) if compiled else function
        results = [list(step(tensor(k, k + 1.0))) for k in (1.0, 2.0, 3.0)]
        return [*results, w, twin]

    assert_same(run(True), run(False))


@pytest.mark.parametrize("executor", ["native", "numpy"])
def test_one_element_is_a_view_as_any_part_is(executor: Any) -> None:
    def run(compiled: bool) -> Any:
        w = tensor([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])

        def function(v: Tensor) -> Any:
            one, other, last, number = w[0, 1], w[1][np.int64(-1)], w.reshape(-1)[-1], w.data[1, 1] * 1
            with ag.no_grad():
                w[...] = w * v
                one += 10.0
            return one * 1.0, other * 1.0, last * 1.0, Tensor(number), w * 1.0

        step = ag.compile(function, executor=executor) if compiled else function
        return [*(list(step(tensor(k))) for k in (1.0, 2.0, 3.0)), w]

    assert_same(run(True), run(False))


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda x: x.copy(),
    "columns": np.asfortranarray,
    "a part": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "turned round": lambda x: x[::-1].copy()[::-1],
}
RESHAPED: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda w: w.reshape(-1),
    "of the transpose": lambda w: w.T.reshape(-1),
    "of a part": lambda w: w[:, 1:].reshape(-1),
    "and on": lambda w: w.reshape((3, 2))[1:],
}


@pytest.mark.parametrize("executor", ["native", "numpy"])
@pytest.mark.parametrize("reshaped", RESHAPED.values(), ids=RESHAPED)
@pytest.mark.parametrize("first", LAYOUTS)
def test_a_reshape_is_a_view_or_a_copy_as_the_array_lies(
    first: str, reshaped: Callable[[Any], Any], executor: Any
) -> None:
    def run(compiled: bool) -> Any:
        w = tensor(0.0)

        def function(v: Tensor) -> Any:
            with ag.no_grad():
                before, part = reshaped(w), reshaped(w)
                w[...] = w * 2.0
                part += v
            return before * 1.0, w * 1.0

        step = ag.compile(function, executor=executor) if compiled else function
        results = []
        for lies in (first, *LAYOUTS, first):
            w.data = LAYOUTS[lies](np.arange(1.0, 7.0).reshape(2, 3))
            results += [*step(tensor(1.0)), Tensor(w.data)]
        return results

    assert_same(run(True), run(False))


MAKERS: dict[str, Callable[[], Tensor]] = {
    "zeros": lambda: ag.zeros(3),
    "full": lambda: ag.full((3,), 2.0),
    "arange": lambda: ag.arange(3, dtype="float32"),
    "a row of eye": lambda: ag.eye(3)[1],
    "numbers": lambda: Tensor([1.0, 2.0, 3.0]),
    "an array": lambda: Tensor(np.ones(3, "float32")),
}


@pytest.mark.parametrize("executor", ["numpy", "native"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("write", [lambda t, x: operator.iadd(t, x), lambda t, x: operator.setitem(t, 1, x[0])])
def test_a_tensor_made_inside_is_written_into_anew_at_each_call(make: Any, write: Any, executor: Any) -> None:
    def fill(x: Tensor) -> Tensor:
        with ag.no_grad():
            made = make()
            write(made, x)
            write(made, x * x)
        return made * 1.0

    fast, x = ag.compile(fill, executor=executor), Tensor([1.0, 2.0, 3.0])
    for given in (x, x, x * 2.0):
        assert fast(given).tolist() == fill(given).tolist()


def test_in_place_keeps_the_dtype() -> None:
    def run(compiled: bool) -> Any:
        w = tensor(1.0, 2.0, dtype="float32")

        def function(v: Tensor) -> Tensor:
            w.data += v.data / 3.0
            w.data[:1] *= v.data[1:]
            return w * 1.0

        step = ag.compile(function) if compiled else function
        return [step(tensor(0.1, 0.7)), step(tensor(0.3, 0.9)), w]

    assert_same(run(True), run(False))


def test_in_place_refuses_what_numpy_refuses() -> None:
    w = tensor(1, 2, dtype="int64")

    def function(v: Tensor) -> None:
        w.data += v.data

    for step in (function, ag.compile(function)):
        with pytest.raises(TypeError):
            step(tensor(0.5, 0.5))
    assert w.tolist() == [1, 2]


def test_a_buffer_counts_on() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            self.register_buffer("total", Tensor(np.zeros(2)))
            self.register_buffer("count", Tensor(np.zeros((), "int64")))

        def forward(self, x: Tensor) -> Tensor:
            with ag.no_grad():
                self.total += x
                self.count.data = (self.count + 1).data
            return self.total / self.count

    one, other = Mean(), Mean()
    function = ag.compile(lambda x: other(x))
    for k in range(4):
        assert_same(function(tensor(k, 1.0)), one(tensor(k, 1.0)))
        assert_same([other.total, other.count], [one.total, one.count])
    assert len(function.programs) == 1


def test_random_numbers_go_on() -> None:
    generator, twin = ag.random.Generator(3), ag.random.Generator(3)

    def written(x: Tensor, source: Any) -> Any:
        source.uniform((2,))  # a draw that nobody uses counts too
        noise = ag.random.uniform((3,), dtype="float64", generator=source)
        return x * noise, x[source.permutation(3)], x + source.normal((3,), dtype="float64")

    function = ag.compile(lambda x: written(x, generator))
    for _ in range(3):
        x = tensor(1.0, 2.0, 3.0)
        assert_same(list(function(x)), list(written(x, twin)))
        assert generator.state_dict() == twin.state_dict()


def test_a_draw_that_is_made_into_no_numbers_counts_too() -> None:
    generator = ag.random.Generator(3)

    def written(x: Tensor) -> Tensor:
        generator.next()
        return x * 1.0

    function = ag.compile(written)
    for k in range(1, 4):
        function(tensor(1.0))
        assert generator.draw == k


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda a: a.sort(), id="sort"),
        pytest.param(lambda a: a.fill(0.5), id="fill"),
        pytest.param(lambda a: np.copyto(a, a[::-1].copy()), id="copyto"),
        pytest.param(lambda a: np.put(a, [0], 7.0), id="put"),
    ],
)
def test_methods_that_change_in_place_are_kept_or_refused(change: Callable[[Any], Any]) -> None:
    def written(x: Tensor) -> Tensor:
        y = x * 2.0
        change(y.data)
        return y

    function = ag.compile(written)
    for x in (tensor(3.0, 1.0), tensor(9.0, 5.0)):
        try:
            found = function(x)
        except TraceError:
            return
        assert_same(found, written(x))


def test_steps_written_and_compiled_can_take_turns() -> None:
    first, second, step = twins()
    for k in range(6):
        x, y = first.batch()
        second.batch()
        wanted = first.step(x, y)
        found = step(x, y) if k % 2 else second.step(x, y)
        assert_same(found, wanted)
        assert_same(second.world(), first.world())
    both_step(first, second, step)


def test_a_backward_over_weights_written_by_a_program_is_refused() -> None:
    training = Training(p=0.0)
    step = ag.compile(training.step)
    x, y = training.batch()
    step(x, y)
    loss = training.loss(training.model(x), y)
    step(x, y)
    with pytest.raises(ag.WrittenError):
        loss.backward()
