"""Functions from functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp.

One idea: to differentiate f at x, call it on a twin of x, a Tensor with a node of its own that does nothing, and walk
from the result back to the twins. When x belongs to an outer derivative the twin's node leads on to x, so the result
has a graph and can be differentiated again: `grad(grad(grad(f)))`, in any mixture. See Note [When there is a graph].

Arguments are Tensors, arrays, Python floats, and trees of them (`tree.py`), nested lists and dictionaries say; results
come in the same containers, as Tensors. Nothing is ever added to a `.grad`. Read `gradcheck.py` next.
"""

# Note [When there is a graph]
# A derivative requires a gradient itself exactly when f's value depends on something that does, besides f's own
# arguments as given here: the variable of an outer derivative, a parameter that f closes over, an argument that is a
# Tensor with a history. Only then is it computed on Tensors (create_graph=True); else on bare arrays, at full speed.
# Under no_grad() f is still recorded, for there would be nothing to differentiate, but what comes out has no graph.

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

from . import engine
from .backend import Array, array_of, is_array, is_floating, is_number, module_of
from .errors import GradientError
from .hints import telling
from .leading import depends_on_more
from .modes import enable_grad, is_batching, is_recording, numbers_read
from .ops.elementwise import positive
from .ops.join import stack
from .ops.shape import reshape
from .tensor import Node, Tensor, edge_of, wrap
from .tree import Structure, flatten, flatten_like, map_tree, paths, to_register, unflatten
from .vmap import vmap

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]
Tree = Any  # an array, a Tensor, a number; nested lists, tuples and dictionaries of them


@telling
def grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """The function that gives the gradient of a scalar f with respect to argument `argnums` (a tuple for several).

    The gradient has the structure, shapes and dtypes of the argument; an argument that f does not use has zeros. With
    `has_aux` f returns `(value, aux)` and the result is `(gradient, aux)`. Keyword arguments pass through.

    Raises GradientError when f gives no scalar, TypeError for an argument or a value that is not floating point.
    """
    _check_call("grad", f, argnums, has_aux=has_aux)
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @_named("gradient", f)
    def gradient(*args: Any, **options: Any) -> Any:
        value, found = both(*args, **options)
        return (found, value[1]) if has_aux else found

    return gradient


@telling
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """The function that gives `(value, gradient)` of a scalar f, from one call of f; see `grad`.

    With `has_aux` f returns `(value, aux)`, and the result is `((value, aux), gradient)`.
    """
    _check_call("value_and_grad", f, argnums, has_aux=has_aux)

    @_named("value and gradient", f)
    def both(*args: Any, **options: Any) -> tuple[Any, Any]:
        twins = _Twins(f, args, argnums)
        y, aux = twins.call(options, has_aux)
        y = twins.scalar(y)
        with_graph = any(map(twins.lead_on, [y, *flatten(aux)[0]]))
        found = twins.gradients([y], [None], create_graph=with_graph)
        value = twins.released(y)
        return (value, map_tree(twins.released, aux)) if has_aux else value, found

    return both


@telling
def vjp(f: Function, *xs: Tree, has_aux: bool = False) -> Any:
    """`(y, pullback)`: y = f(*xs), and the function from a weight for each element of y to the gradients of xs.

    `pullback(v)`, with v of y's structure and shapes, is the tuple, one entry an argument, of v times the Jacobian. It
    may be called again and again; f is called once. With `has_aux` f returns `(y, aux)`, and the result is
    `(y, pullback, aux)`.
    """
    _check_call("vjp", f, has_aux=has_aux)
    twins = _Twins(f, xs, range(len(xs)))
    y, aux = twins.call({}, has_aux)
    outputs, structure = flatten(y)
    outputs = [twins.tensor(y) for y in outputs]
    leads_on = any(map(twins.lead_on, outputs))

    def pullback(v: Tree) -> tuple[Any, ...]:
        weights = flatten_like(v, structure, "the weight given to pullback")
        with_graph = is_recording() and (leads_on or any(map(_requires_grad, weights)))
        found: tuple[Any, ...] = twins.gradients(outputs, weights, create_graph=with_graph, retain_graph=True)
        return found

    y = unflatten(structure, map(twins.released, outputs))
    return (y, pullback, map_tree(twins.released, aux)) if has_aux else (y, pullback)


@telling
def jvp(f: Function, xs: Sequence[Tree], vs: Sequence[Tree], *, has_aux: bool = False) -> Any:
    """`(y, dy)`: y = f(*xs), and dy, how fast y changes as xs move along vs: the Jacobian times vs.

    xs and vs are tuples, one entry an argument, of the same structure. The pullback v -> v J is linear in v, so its own
    pullback is the product with J from the other side: a reverse-mode engine gives forward-mode derivatives by going
    backward twice. With `has_aux` f returns `(y, aux)`, and the result is `(y, dy, aux)`.
    """
    _check_call("jvp", f, has_aux=has_aux)
    if not (isinstance(xs, (tuple, list)) and isinstance(vs, (tuple, list))):
        raise TypeError("jvp takes points and directions as tuples, one entry an argument: jvp(f, (x,), (v,)).")
    twins = _Twins(f, tuple(xs), range(len(xs)))
    directions = flatten_like(tuple(vs), twins.structure, "vs")
    value, aux = twins.call({}, has_aux)
    outputs, structure = flatten(value)
    outputs = [twins.tensor(y) for y in outputs]
    with_graph = any(map(twins.lead_on, outputs)) or (is_recording() and any(map(_requires_grad, directions)))
    # What the pullback is asked at does not matter, since it is linear: zeros.
    weights = [_twin(module_of(y.data).zeros_like(y.data)) if y.requires_grad else y for y in outputs]
    pulled = flatten(twins.gradients(outputs, weights, create_graph=True))[0]
    found = _gradients(pulled, weights, directions, create_graph=with_graph)
    both = unflatten(structure, map(twins.released, outputs)), unflatten(structure, found)
    return (*both, map_tree(twins.released, aux)) if has_aux else both


@telling
def jacobian(
    f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False, vectorize: bool = False
) -> Function:
    """The function that gives every derivative of every element of f's value, by argument `argnums`.

    For an array in and an array out its shape is `out.shape + in.shape`; for containers, a tree like f's value of trees
    like the argument. It takes one walk backward per element of the value, or with `vectorize` one `vmap` of that walk,
    which is faster from some ten elements on, and holds the gradients of all of them at a time. With `has_aux` f
    returns `(value, aux)`, and the result is `(Jacobian, aux)`.

    Raises TypeError for an argument or a value that is not floating point.
    """
    _check_call("jacobian", f, argnums, has_aux=has_aux, vectorize=vectorize)

    @_named("Jacobian", f)
    def matrix(*args: Any, **options: Any) -> Any:
        twins = _Twins(f, args, argnums)
        value, aux = twins.call(options, has_aux)
        outputs, structure = flatten(value)
        outputs = [twins.floating(y) for y in outputs]
        with_graph = any(map(twins.lead_on, outputs))
        rows = _rows_at_once if vectorize else _rows
        found = unflatten(structure, [rows(twins, y, with_graph) for y in outputs])
        return (found, map_tree(twins.released, aux)) if has_aux else found

    return matrix


@telling
def hessian(
    f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False, vectorize: bool = False
) -> Function:
    """The function that gives every second derivative of a scalar f: the Jacobian of its gradient.

    For one array its shape is `in.shape + in.shape`. It takes one walk backward per element of the argument, or with
    `vectorize` one for all, as `jacobian` does; `hvp` gives a product with it in one walk. With `has_aux` f returns
    `(value, aux)`, and the result is `(Hessian, aux)`.
    """
    _check_call("hessian", f, argnums, has_aux=has_aux, vectorize=vectorize)
    return jacobian(grad(f, argnums, has_aux=has_aux), argnums, has_aux=has_aux, vectorize=vectorize)


def hvp(f: Function, x: Tree, v: Tree) -> Tree:
    """The Hessian of a scalar f at x times v, without making the Hessian; v and the result have x's structure."""
    _, pullback = vjp(grad(f), x)
    return pullback(v)[0]  # the Hessian is symmetric, so from which side v comes does not matter


class _Twins:
    """What f is called with in place of the arguments by which it is differentiated: the ends of its own graph."""

    def __init__(self, f: Function, args: tuple[Any, ...], argnums: int | Sequence[int]) -> None:
        self.f = f
        self.args = args
        self.single = not isinstance(argnums, Sequence)
        self.argnums = _places(f, len(args), argnums)
        leaves, self.structure = flatten(tuple(args[i] for i in self.argnums))
        for x, path in zip(leaves, paths(self.structure), strict=True):
            _check(f, x, self.argnums, path)
        self.tensors = [_twin(x) for x in leaves]
        self.read: list[Any] = []  # the shapes of Tensors that f has read as numbers

    def call(self, options: dict[str, Any], has_aux: bool) -> tuple[Any, Any]:
        """f's value, recorded, and what it gives beside."""
        args = list(self.args)
        # f gets Tensors of its own: `x += 1` in f changes what it was given, never the ends of the graph.
        given = unflatten(self.structure, [wrap(twin.data, twin.node) for twin in self.tensors])
        for i, arg in zip(self.argnums, given, strict=True):
            args[i] = arg
        told = numbers_read.set([])
        try:
            with enable_grad():
                result = self.f(*args, **options)
            return _with_aux(self.f, result) if has_aux else (result, None)
        finally:
            self.read = numbers_read.get() or []
            numbers_read.reset(told)

    def tensor(self, y: Any) -> Tensor:
        """One of f's values as a Tensor; a number is one that does not depend on the arguments.

        Raises TypeError for what is neither, GradientError for a number where f has read some of its Tensors.
        """
        if isinstance(y, Tensor):
            return y
        if is_array(y) or is_number(y):
            if self.read:
                raise GradientError(
                    f"{_name(self.f)} gave a {type(y).__name__} after it had read a Tensor as a number, with float(x), "
                    "x.item() or a function of `math`, and numbers have no graph: use autograd's functions."
                )
            return wrap(array_of(y, copy=None))
        hint = "; pass has_aux=True where it gives (value, aux)" if isinstance(y, tuple) else ""
        raise TypeError(f"{_name(self.f)} must give a Tensor to be differentiated, it gave a {type(y).__name__}{hint}.")

    def floating(self, y: Any) -> Tensor:
        """The same of floating point, in the terms of which alone there are slopes. Raises TypeError for another."""
        y = self.tensor(y)
        if not is_floating(y.dtype):
            raise TypeError(
                f"{_name(self.f)} gave {y.dtype}, which has no derivative: it changes by steps, or not at all. What "
                "shall stand beside a value goes into aux: give (value, aux), and pass has_aux=True."
            )
        return y

    def scalar(self, y: Any) -> Tensor:
        """The same of one element."""
        y = self.floating(y)
        if y.size != 1:
            raise GradientError(
                f"{_name(self.f)} must give a scalar for its gradient, it gave shape {y.shape}: "
                "reduce it with .sum() or .mean(), or use jacobian or vjp."
            )
        return y

    def lead_on(self, y: Any) -> bool:
        """Whether y, as seen from outside, still depends on something that requires a gradient."""
        return is_recording() and isinstance(y, Tensor) and depends_on_more(y, self.tensors)

    def released(self, y: Any) -> Any:
        """A value of f as the caller shall have it: without a graph that would end in our twins."""
        return wrap(y.data) if isinstance(y, Tensor) and y.requires_grad and not self.lead_on(y) else y

    def gradients(self, outputs: list[Tensor], weights: list[Any], **how: bool) -> Any:
        """The gradient for each argument, in the containers of the arguments."""
        found = unflatten(self.structure, _gradients(outputs, self.tensors, weights, **how))
        return found[0] if self.single else found


def _gradients(outputs: list[Tensor], inputs: list[Tensor], weights: list[Any], **how: bool) -> list[Tensor]:
    """`engine.gradients`, with zeros where outputs do not depend on an input."""
    live = [(y, weight) for y, weight in zip(outputs, weights, strict=True) if y.requires_grad]
    found: list[Tensor | None] = [None] * len(inputs)
    if live:
        ys, chosen = zip(*live, strict=True)
        found = engine.gradients(ys, inputs, chosen, allow_unused=True, **how)
    return [wrap(module_of(x.data).zeros_like(x.data)) if g is None else g for g, x in zip(found, inputs, strict=True)]


def _twin(x: Any) -> Tensor:
    """A Tensor with x's array and a node of its own, which leads on to x where x requires a gradient."""
    runs = is_batching()
    if runs:  # so that each example of the innermost run has a derivative of its own
        x = runs[-1].joined(x if isinstance(x, Tensor) else array_of(x, copy=None))
    data, edge = (x.data, edge_of(x)) if isinstance(x, Tensor) else (array_of(x, copy=None), None)
    return wrap(data, Node(positive, (edge,), {}, data.shape, data.dtype))


def _rows(twins: _Twins, y: Tensor, with_graph: bool) -> Any:
    """The Jacobian of one array of f's value: its rows, one walk each, under one another."""
    rows = []
    structure: Structure | None = None
    for element in range(y.size):
        found = twins.gradients([y], [_one_hot(y, element)], create_graph=with_graph, retain_graph=True)
        leaves, structure = flatten(found)
        rows.append(leaves)
    if structure is None:  # y is empty
        return _no_rows(twins, y)
    columns = zip(*rows, strict=True)
    stacked = [reshape(stack(column), shape=y.shape + column[0].shape) for column in columns]
    return unflatten(structure, stacked)


def _rows_at_once(twins: _Twins, y: Tensor, with_graph: bool) -> Any:
    """The same by one walk for all rows."""
    if not y.size:
        return _no_rows(twins, y)

    def row(weight: Tensor) -> Any:
        return twins.gradients([y], [weight], create_graph=with_graph, retain_graph=True)

    each = module_of(y.data).eye(y.size, dtype=y.dtype).reshape((y.size, *y.shape))
    rows, structure = flatten(vmap(row)(wrap(each)))
    return unflatten(structure, [reshape(x, shape=y.shape + x.shape[1:]) for x in rows])


def _no_rows(twins: _Twins, y: Tensor) -> Any:
    leaves, structure = flatten(twins.gradients([], []))
    return unflatten(structure, [_empty(y, x) for x in leaves])


def _one_hot(y: Tensor, element: int) -> Array:
    weight = module_of(y.data).zeros(y.size, dtype=y.dtype)
    weight[element] = 1
    return weight.reshape(y.shape)


def _empty(y: Tensor, x: Tensor) -> Tensor:
    return wrap(module_of(x.data).zeros(y.shape + x.shape, dtype=x.dtype))


def _check_call(what: str, f: Any, argnums: Any = 0, **flags: Any) -> None:
    """Refuse what other libraries' functions of the same names take."""
    if isinstance(f, Tensor):
        raise TypeError(f"{what} takes a function, got a Tensor; gradients(y, [x]) gives the gradients of a Tensor.")
    if not callable(f):
        raise TypeError(f"{what} takes a function, got a {type(f).__name__}.")
    numbers = argnums if isinstance(argnums, (tuple, list, range)) else [argnums]
    if not all(isinstance(number, Integral) and not isinstance(number, bool) for number in numbers):
        raise TypeError(
            f"{what} takes argnums, the place of an argument or of several, got a {type(argnums).__name__}; what it "
            f"gives is a function: {what}(f)(x)."
        )
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f"{what}: {name} must be True or False, got {value!r}.")


def _places(f: Function, count: int, argnums: int | Sequence[int]) -> tuple[int, ...]:
    places = tuple(argnums) if isinstance(argnums, Sequence) else (argnums,)
    for place in places:
        if not -count <= place < count:
            raise ValueError(
                f"{_name(f)} shall be differentiated by argument {place}, but was called with {count} positional "
                "argument(s); arguments by keyword are passed through, not differentiated."
            )
    found = tuple(place % count for place in places)
    if len(set(found)) < len(found):
        raise ValueError(f"argnums {argnums} names an argument of {_name(f)} twice; name each once.")
    return found


def _check(f: Function, x: Any, argnums: tuple[int, ...], path: str) -> None:
    place, _, rest = path[1:].partition("]")
    where = f"argument {argnums[int(place)]}{' at ' + rest if rest else ''} of {_name(f)}"
    if not (isinstance(x, Tensor) or is_array(x) or is_number(x)):
        what = "only a Tensor, an array or a float can be differentiated"
        kind, foreign = type(x).__name__, ""
        if hasattr(x, "__dlpack__"):
            kind, foreign = f"{type(x).__module__}.{kind}", ", write autograd.from_dlpack(x)"
        raise TypeError(f"{where} is a {kind}; {what}{foreign}{to_register(x)}.")
    dtype = array_of(x, copy=None).dtype if is_number(x) else x.dtype
    if not is_floating(dtype):
        kind = type(x).__name__ if is_number(x) else f"of {dtype}"
        raise TypeError(f"{where} is {kind}; only real floating point has derivatives: write 3.0 for 3, or use astype.")


def _with_aux(f: Function, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"with has_aux=True {_name(f)} must give (value, aux), it gave a {type(result).__name__}.")
    return result


def _requires_grad(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _name(f: Function) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _named(what: str, f: Function) -> Callable[[Function], Function]:
    """Give a derivative the signature and the name of what it is the derivative of."""

    def decorate(derivative: Function) -> Function:
        functools.update_wrapper(derivative, f, assigned=("__module__",), updated=())
        derivative.__name__ = derivative.__qualname__ = f"{what.replace(' ', '_')}_of_{_name(f)}"
        derivative.__doc__ = f"The {what} of {_name(f)}."
        return derivative

    return decorate
