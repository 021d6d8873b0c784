"""Backward: one walk from the newest node to the oldest.

One idea: a node is always younger than its parents, so when of all nodes that wait the youngest is taken first, every
gradient that it will ever receive has arrived. Nothing recurses, however long the chain. The same walk serves every
order, see Note [Two worlds]. Read `leading.py` next, then `operators.py`.
"""

# Note [Two worlds]
# The gradients that travel are bare arrays in a first-order backward: rules then call straight into NumPy or CuPy. With
# `create_graph=True` they are Tensors, and the very same rules record their own work, which is the next order's graph.

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import repeat
from operator import is_not
from typing import Any

from . import writes
from .anomaly import check_backward, inside_rule, release
from .backend import Array, array_of, arrays_in, is_array, is_floating, module_of, modules
from .batching import Batch, Batched, deepest
from .errors import AnomalyError, DeviceError, GradientError, ShapeError, VmapError, WrittenError
from .fused import Fused
from .hints import telling
from .leading import leading_to
from .modes import enable_grad, is_batching, is_recording, is_tracing, is_watching
from .ops.cast import astype
from .ops.elementwise import add, positive
from .ops.parts import Parts, whole
from .ops.shape import sum_to
from .primitive import Saved
from .tensor import Edge, Node, Tensor, bare, edge_of, listed, wrap

__all__ = ["backward", "gradients"]

_NOWHERE = repeat(None)

Gradient = Any  # an array in a first-order backward, a Tensor with create_graph=True


def backward(
    tensors: Tensor | Sequence[Tensor],
    gradients: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add to `.grad` of every leaf the derivative of `tensors`, weighted by `gradients` (ones for scalars).

    Saved arrays are dropped on the way unless `retain_graph` (or `create_graph`, with which `.grad` has a graph too).

    Raises GradientError when nothing requires a gradient, when a Tensor that is no scalar comes without its gradient,
    or when the graph was used before; WrittenError when something backward needs was written in place since.
    """
    if is_batching():
        raise VmapError(
            "backward() inside vmap would leave in .grad what only this call knows: write vmap(grad(f)), whose result "
            "has the gradient of each example."
        )
    if create_graph and not is_recording():
        with enable_grad():
            return backward(tensors, gradients, create_graph=True)
    roots = _roots(tensors, gradients, create_graph)
    arrived = _walk(roots, None, retain_graph or create_graph, create_graph)
    keepers = [(edge if isinstance(edge, Tensor) else edge.keeper(), g) for edge, g in arrived.items()]
    for keeper, g in keepers:
        if keeper is not None and keeper.grad is not None:
            _check_addable(keeper, g)
    for keeper, g in keepers:
        if keeper is not None:
            g = wrap(g) if type(g) in modules else _as_tensor(g)
            keeper.grad = g if keeper.grad is None else add(keeper.grad, g)


@telling
def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    weights: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> list[Tensor | None]:
    """The derivatives of `outputs`, weighted by `weights` (ones for scalars), with respect to each of `inputs`.

    Nothing is added to any `.grad`. `inputs` may be leaves or results. Work that leads to none of them is left out.

    Raises GradientError as `backward` does, and for an input on which the outputs do not depend, unless `allow_unused`
    (then its entry is None).
    """
    if create_graph and not is_recording():
        with enable_grad():
            return gradients(outputs, inputs, weights, create_graph=True, allow_unused=allow_unused)
    if isinstance(inputs, Tensor):
        raise TypeError("gradients takes the inputs as a list: gradients(y, [x]).")
    outputs, inputs = outputs if isinstance(outputs, Tensor) else listed(outputs), listed(inputs)
    edges = [edge_of(x) for x in inputs]
    for position, edge in enumerate(edges):
        if edge is None and not allow_unused:
            raise GradientError(f"input {position} requires no gradient; make it with requires_grad=True.")
    wanted = {edge for edge in edges if edge is not None}
    if is_batching():
        batch = deepest(*(y.data for y in ([outputs] if isinstance(outputs, Tensor) else outputs)))
        _refuse_sum(batch, inputs)
        if not create_graph and deepest(*map(bare, _listed(weights))) not in (None, batch):
            # A kernel knows nothing of examples; with Tensors its definition does the work.
            with enable_grad():
                found = gradients(outputs, inputs, weights, create_graph=True, allow_unused=allow_unused)
            return [None if g is None else g.detach() for g in found]
    roots = _roots(outputs, weights, create_graph)
    arrived = _walk(roots, wanted, retain_graph or create_graph, create_graph)
    found = [None if edge is None or edge not in arrived else _as_tensor(arrived[edge]) for edge in edges]
    if len(wanted) < len(edges):
        found = _apart(edges, found)
    if not allow_unused and any(g is None for g in found):
        position = next(i for i, g in enumerate(found) if g is None)
        raise GradientError(
            f"the outputs do not depend on input {position}; pass allow_unused=True to get None for it."
        )
    return found


def _apart(edges: list[Edge | None], found: list[Tensor | None]) -> list[Tensor | None]:
    """The gradients, one for each time that an input is given: what is written to one is not written to another."""
    seen: set[Edge | None] = {None}
    apart = []
    for edge, g in zip(edges, found, strict=True):
        apart.append(positive(g) if g is not None and edge in seen else g)
        seen.add(edge)
    return apart


def _roots(tensors: Tensor | Sequence[Tensor], weights: Any, create_graph: bool) -> dict[Edge, Gradient]:
    """The gradients that the walk begins with, by edge."""
    if isinstance(tensors, Tensor):
        return {_root(tensors): _seed(tensors, weights, create_graph)}
    tensors = listed(tensors)
    weights = [None] * len(tensors) if weights is None else _listed(weights)
    if len(weights) != len(tensors):
        raise ValueError(f"{len(tensors)} Tensors need as many gradients to begin with, got {len(weights)}: list them.")
    roots: dict[Edge, Gradient] = {}
    for tensor, weight in zip(tensors, weights, strict=True):
        edge, g = _root(tensor), _seed(tensor, weight, create_graph)
        roots[edge] = add(roots[edge], g) if edge in roots else g
    return roots


def _refuse_sum(batch: Batch | None, inputs: Sequence[Tensor]) -> None:
    """Raise VmapError where what is the same for all examples would get the sum of the gradients of an output."""
    if batch is not None and not all(batch.has(x.data) for x in inputs):
        raise VmapError(
            "inside vmap the gradient by a Tensor that is the same for all examples would be the sum over them: write "
            "grad(f)(w), whose result is each example's own, or differentiate outside vmap for the sum."
        )


def _listed(weights: Any) -> Any:
    """The weights given for one output or several, as several."""
    return weights if isinstance(weights, (list, tuple)) else [weights]


def _root(tensor: Tensor) -> Edge:
    edge = edge_of(tensor)
    if edge is None:
        raise GradientError(
            "this Tensor requires no gradient and was made by nothing that does: was it computed under no_grad(), "
            "by a compiled function, by a primitive without a rule, or from Tensors without requires_grad=True?"
        )
    return edge


def _seed(tensor: Tensor, weight: Any, create_graph: bool) -> Gradient:
    data = tensor.data
    xp = module_of(data)
    if isinstance(xp, Batch) and not xp.is_running:
        raise VmapError("backward() of a Tensor that was kept from a run of vmap that is over: let f return it.")
    if weight is None:
        if data.size != 1:
            raise GradientError(
                f"backward() of a Tensor of shape {tensor.shape} needs the gradient to begin with: "
                "reduce it first, with .sum() or .mean(), or pass a gradient of its shape."
            )
        g = xp.array(1, data.dtype, ndmin=data.ndim)  # all its axes have length 1
        g = xp.joined(g) if isinstance(xp, Batch) else g
        return wrap(g) if create_graph else g
    if not isinstance(weight, Tensor):
        trace = is_tracing()
        # A trace reads the caller's array, which may hold other numbers at its next call.
        weight = array_of(weight) if trace is None else trace.lift(array_of(weight, copy=None))
    if isinstance(xp, Batch):
        weight = deepest(data, bare(weight)).joined(weight)
    array = bare(weight)
    if array.shape != tensor.shape:
        raise ShapeError(f"the gradient has shape {array.shape}, the Tensor has shape {tensor.shape}; they must agree.")
    if array.dtype.kind == "c":
        raise TypeError(f"the gradient has dtype {array.dtype}, the Tensor {tensor.dtype}; give its real part alone.")
    if module_of(array) is not xp and not isinstance(array, Batched):
        raise DeviceError(f'the gradient is on another device than the Tensor, which is on "{tensor.device}".')
    if not create_graph:
        return array.astype(tensor.dtype, copy=tensor.node is None)  # a leaf keeps what it gets; a node only reads it
    return positive(astype(weight if isinstance(weight, Tensor) else wrap(array), dtype=tensor.dtype))


def _check_addable(tensor: Tensor, g: Gradient) -> None:
    there: Any = tensor.grad
    if not isinstance(there, Tensor):
        raise TypeError(f"tensor.grad must be a Tensor or None, got a {type(there).__name__}: assign Tensor(...).")
    if there.shape != g.shape:
        raise ShapeError(
            f"a Tensor of shape {tensor.shape} has a gradient of shape {there.shape}, to which one of shape {g.shape} "
            "cannot be added: assign a gradient of the Tensor's own shape, or None."
        )


def _walk(
    arrived: dict[Edge, Gradient], wanted: set[Edge] | None, retain_graph: bool, create_graph: bool
) -> dict[Edge, Gradient]:
    """Send gradients from the roots to the leaves, or to `wanted` only; what comes out shares memory with nothing."""
    goes, leading = (None, None) if wanted is None else leading_to(wanted, arrived)
    pieces = _tensor_pieces if create_graph else _array_pieces
    watching = is_watching()
    shared = set(arrived)  # those whose gradient others may hold as well, so that more is not added in place
    kept: dict[Edge, Gradient] = {}
    waiting = [(-edge.serial, edge) for edge in arrived if isinstance(edge, Node)]  # a heap: the youngest comes first
    heapify(waiting)
    while waiting:
        node = heappop(waiting)[1]
        g = arrived.pop(node)
        if type(g) is Parts:
            g = g.joined()
        if node.watcher is not None if wanted is None else node in wanted:
            kept[node] = positive(g)
        if leading is not None and node not in leading:
            continue
        if node.saved is None or writes.newest > node.serial:
            _check_usable(node)
        for parent, piece in pieces(node, g, goes, arrived, shared):
            if parent is None or piece is None:
                continue  # nobody asked
            if isinstance(piece, Parts):
                if isinstance(parent, Node):
                    heappush(waiting, (-parent.serial, parent))
                arrived[parent] = piece
                continue
            like: Any = parent.data if isinstance(parent, Tensor) else parent
            if piece.shape != like.shape or piece.dtype != like.dtype:
                piece = _fitted(node, like, piece)
            if watching:
                check_backward(node.primitive.name, node.line, bare(g), bare(piece))
            sent = arrived.get(parent)
            if type(sent) is Parts:
                sent = sent.joined()
            if sent is None:
                if parent is like:
                    heappush(waiting, (-parent.serial, parent))
                if piece is g or (bare(piece).base is not None and not _is_made(piece, create_graph)):
                    if parent is like:
                        shared.add(parent)
                    else:
                        piece = positive(piece)  # a leaf keeps what it gets; a node only reads it
                arrived[parent] = piece
            elif create_graph or parent in shared:
                arrived[parent] = add(sent, piece)
                shared.discard(parent)
            else:
                sent += piece
                arrived[parent] = sent
        if not retain_graph:
            node.saved = None
            if node.line is not None:
                release(node)
    arrived = {edge: whole(g) for edge, g in arrived.items() if wanted is None or edge in wanted}
    return arrived | kept if kept else arrived


def _is_made(piece: Gradient, create_graph: bool) -> bool:
    """Whether a rule made the memory of what it gave, and nobody else holds that."""
    return bare(piece).base is None or (not create_graph and writes.holds_alone(piece))


def _check_usable(node: Node) -> None:
    if node.saved is None:
        raise GradientError(
            f"the graph behind this {node.primitive.name} was used by an earlier backward, which dropped its arrays; "
            "give that one retain_graph=True to go through it twice."
        )
    for name, value in node.saved.items():
        for array in arrays_in(value):
            if writes.written_after(array, node.serial):
                at = f", made at {node.line}," if node.line else ""
                raise WrittenError(
                    f"{node.primitive.name}{at} needs its {name} for backward, but that array was written in place "
                    "since: write after backward(), or into a copy."
                )


def _array_pieces(
    node: Node, g: Array, goes: set[Edge] | None, arrived: dict[Edge, Gradient], shared: set[Edge]
) -> Iterable[tuple[Edge | None, Any]]:
    """What a node sends to each parent, as arrays; None, as either, where nothing goes.

    What a rule can add to what has `arrived`, where that is not `shared`, is added and not sent.
    """
    operation, saved = node.primitive, node.saved
    assert saved is not None
    if isinstance(operation, Fused):
        return zip(node.parents, operation.gradients(saved, g, _needs(node, goes)), strict=True)
    found: list[tuple[Edge | None, Any]] = []
    for position, parent in enumerate(node.parents):
        if parent is not None and (goes is None or parent in goes):
            rule = operation.rule(position)
            here = {**saved, "i": position} if operation.variadic else saved
            kept = [here[name] for name in rule.names]
            gather = None if parent in shared else rule.gather
            found.append((parent, rule.function(g, *kept) if gather is None else gather(arrived.get(parent), g, *kept)))
    return found


def _needs(node: Node, goes: set[Edge] | None) -> tuple[bool, ...]:
    """For each input of a node, whether its gradient is wanted."""
    if goes is None:
        return tuple(map(is_not, node.parents, _NOWHERE))
    return tuple([parent in goes for parent in node.parents])


def _tensor_pieces(node: Node, g: Tensor, goes: set[Edge] | None, *_: Any) -> Iterable[tuple[Edge | None, Any]]:
    """What a node sends to each parent, as Tensors with a graph of their own, into which nothing is added in place."""
    operation = node.primitive
    found: list[tuple[Edge | None, Any]] = []
    try:
        if isinstance(operation, Fused):
            return _by_definition(node, g, goes)
        for position, parent in enumerate(node.parents):
            if parent is not None and (goes is None or parent in goes):
                rule = operation.rule(position)
                kept = [_saved_tensor(node, keep, position) for keep in rule.keeps]
                found.append((parent, rule.function(g, *kept)))
        return found
    except AnomalyError as error:  # what a rule computes is watched as any forward is
        raise inside_rule(operation.name, node.line, error) from None


def _saved_tensor(node: Node, keep: Saved, position: int) -> Any:
    assert node.saved is not None
    value: Any = position if keep.kind == "position" else node.saved[keep.name]
    match keep.kind:
        case "input":
            return _tensor(value, node.parents[keep.source] if keep.source < len(node.parents) else None)
        case "inputs":
            return tuple(map(_tensor, value, node.parents))
        case "out":
            return _tensor(value, node)
    return value


def _tensor(value: Any, edge: Edge | None) -> Any:
    """A saved input as a Tensor again, joined to where it came from; numbers stay numbers."""
    if not is_array(value):
        return value
    if isinstance(edge, Tensor):
        if edge.data is value:
            return edge
        # The leaf holds another array by now: the saved value, with its gradient going to the leaf.
        return wrap(value, Node(positive, (edge,), {}, edge.shape, edge.dtype))
    return wrap(value, edge)


def _by_definition(node: Node, g: Tensor, goes: set[Edge] | None) -> list[tuple[Edge | None, Any]]:
    """The gradients of a fused function as it has them recorded, or through its definition, computed again."""
    assert node.saved is not None
    needs = _needs(node, goes)
    inputs = [_tensor(value, parent) for value, parent in zip(node.saved["inputs"], node.parents, strict=True)]
    recorded = node.primitive.recorded_gradients
    if recorded is not None:
        found = recorded(g, needs, inputs, node.saved["residuals"], **node.saved["options"])
        return list(zip(node.parents, found, strict=True))
    # Twins of the inputs mark where the definition's own graph ends.
    inputs = [positive(x) if needed else x for x, needed in zip(inputs, needs, strict=True)]
    out = node.primitive.definition(*inputs, **node.saved["options"])
    twins = [x for x, needed in zip(inputs, needs, strict=True) if needed]
    parents = [parent for parent, needed in zip(node.parents, needs, strict=True) if parent is not None and needed]
    found = gradients(out, twins, g, create_graph=True, allow_unused=True)
    return [(parent, piece) for parent, piece in zip(parents, found, strict=True) if piece is not None]


def _fitted(node: Node, like: Any, piece: Gradient) -> Gradient:
    """A rule's answer with the shape and the dtype of what it is the gradient of."""
    if node.primitive.elementwise and piece.shape != like.shape:
        piece = sum_to(piece, shape=like.shape)
    if piece.shape != like.shape:
        raise ShapeError(
            f"a rule of {node.primitive.name} gave a gradient of shape {piece.shape} "
            f"for an input of shape {like.shape}."
        )
    if not is_floating(like.dtype):
        raise GradientError(
            f"requires_grad was set on a Tensor of {like.dtype}; only real floating point carries a gradient: "
            "make it with dtype='float32', or use astype."
        )
    return piece if piece.dtype == like.dtype else astype(piece, dtype=like.dtype)


def _as_tensor(g: Gradient) -> Tensor:
    if type(g) in modules:
        return wrap(g)
    return g if isinstance(g, Tensor) else wrap(module_of(g).asarray(g))  # NumPy gives scalars, CuPy 0-d arrays
