"""A Module as a function of its parameters: for derivatives by all of them, and for many examples at once.

One idea: for the time of one call each parameter holds what another Tensor holds, array and graph, and afterwards its
own again. So the Module itself computes, with its hooks and its mode, and gradients go to the Tensors that were given.
Read `recompute.py` next, which calls so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from autograd.errors import ShapeError
from autograd.ops.elementwise import positive
from autograd.tensor import Node, Tensor, edge_of

from .state import tensors_of

if TYPE_CHECKING:
    from .module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module, parameters: Mapping[str, Tensor], args: Any = (), kwargs: Mapping[str, Any] | None = None
) -> Any:
    """What `module(*args, **kwargs)` gives with these Tensors, by name, in the place of parameters and buffers.

    Those that are not named keep their own; one that the Module shares may be given by any of its names. `args` is a
    tuple, or one argument that is none. The Module is changed for the time of the call, so two threads cannot share it.
    Gradients of each example, for one:

        def loss(parameters, x, y):
            return nn.functional.cross_entropy(nn.functional_call(model, parameters, x), y)

        parameters = {name: p.detach() for name, p in model.named_parameters()}
        vmap(grad(loss), in_axes=(None, 0, 0))(parameters, x, y)

    Raises ValueError for a name that the Module does not have and for different Tensors for a shared parameter,
    ShapeError for a Tensor of another shape, TypeError for what is no Tensor.
    """
    if isinstance(module, type) or not hasattr(module, "named_parameters") or not isinstance(parameters, Mapping):
        raise TypeError(
            "functional_call takes a Module, then a dict of Tensors by the names of its parameters, got a "
            f"{type(module).__name__} and a {type(parameters).__name__}."
        )
    if not isinstance(kwargs or {}, Mapping):
        raise TypeError(f"functional_call takes kwargs as a dict, got a {type(kwargs).__name__}.")
    # A shared one stands under each of its names here, as in a state_dict.
    known: dict[str, Tensor] = {**dict(tensors_of(module)), **dict(module.named_buffers())}
    given: dict[int, tuple[Tensor, Tensor]] = {}
    for name, tensor in parameters.items():
        if name not in known:
            raise ValueError(f"functional_call: {type(module).__name__} has no parameter or buffer {name!r}.")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"functional_call: {name!r} must be a Tensor, got a {type(tensor).__name__}.")
        if tensor.shape != known[name].shape:
            raise ShapeError(
                f"functional_call: {name!r} has shape {known[name].shape}, the Tensor for it {tensor.shape}."
            )
        before = given.setdefault(id(known[name]), (known[name], tensor))[1]
        if before.data is not tensor.data or before.node is not tensor.node:
            raise ValueError(
                f"functional_call: {name!r} is shared under several names, and they got different Tensors."
            )
    with standing_in([*given.values()]):
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


@contextmanager
def standing_in(pairs: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
    before = [(own, own.data, own.node, own.requires_grad) for own, _ in pairs]
    given = [(own, other.data, _node(other), other.requires_grad) for own, other in pairs]
    _set(given)
    try:
        yield
        for (own, other), (_, data, _, _) in zip(pairs, given, strict=True):
            if own.data is not data and not own.requires_grad:
                other.data = own.data  # a running statistic has moved
    finally:
        _set(before)


def _node(tensor: Tensor) -> Node | None:
    """The node of a Tensor; of a leaf that requires a gradient one that leads on to it."""
    if tensor.node is not None or not tensor.requires_grad:
        return tensor.node
    return Node(positive, (edge_of(tensor),), {}, tensor.shape, tensor.dtype)


def _set(states: list[tuple[Tensor, Any, Node | None, bool]]) -> None:
    for tensor, data, node, requires_grad in states:
        tensor.data, tensor.node, tensor.requires_grad = data, node, requires_grad
