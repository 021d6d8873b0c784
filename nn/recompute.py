"""Checkpoints: a part of a network that keeps nothing for backward but its inputs, and is computed again there.

One idea: what was recorded says which leaves and which inputs the part reads; then the record is dropped, and one node
from these to the result takes its place. When a gradient arrives there, the part runs once more, recorded, with twins
of what it reads, at which its own graph ends. Read `serialize.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from autograd import gradients, random
from autograd.hints import telling
from autograd.modes import autocast, casting, enable_grad, is_batching, is_recording, is_tracing
from autograd.ops.elementwise import positive
from autograd.primitive import Rule
from autograd.random import Generator
from autograd.tensor import Edge, Node, Tensor, edge_of, wrap
from autograd.tree import flatten, unflatten
from autograd.writes import clock

from .call import standing_in
from .module import Module

__all__ = ["checkpoint"]


@telling
def checkpoint(function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """What `function(*inputs, **options)`, one Tensor, is, without keeping what it computes on the way for backward.

    There it is computed again, which takes the time of one more forward, with the same random numbers: those of
    `autograd.random.default`, and of the generators of the layers where `function` is a Module or a method of one. It
    must do the same again, and reads what others compute from its inputs alone. A BatchNorm inside counts its batch
    twice. Parameters hold others for the time of the second run, so two threads cannot share them. Gradients of every
    order are those of the call without it; inside a compiled function and in a `vmap` it is that call.

    Chen, Xu, Zhang and Guestrin 2016. Raises TypeError for a result that is no Tensor, ValueError where `function`
    reads a Tensor that was computed outside of it, and is no input.
    """
    if not is_recording() or is_tracing() is not None or is_batching():
        return function(*inputs, **options)
    again = _Again(function, (inputs, options))
    start = clock()
    out = function(*inputs, **options)
    if not isinstance(out, Tensor):
        raise TypeError(f"checkpoint: the function must give one Tensor, got a {type(out).__name__}: call it outside.")
    if out.node is None or out.node.serial < start:  # nothing was recorded
        return out
    return wrap(out.data, again.node(out.node, start))


class _Again:
    """The operation of one checkpoint, as a node has one: the gradients of what the part reads."""

    name, variadic, elementwise = "checkpoint", None, False

    def __init__(self, function: Callable[..., Any], given: Any) -> None:
        self.function = function
        leaves, self.structure = flatten(given)
        # A result by itself, for x[i] = v in the function gives x another array and node.
        self.given = [wrap(x.data, x.node) if isinstance(x, Tensor) and x.node is not None else x for x in leaves]
        self.cast = casting() is not None
        self.draws = [(generator, generator.state_dict()) for generator in _generators(function)]
        self.sources: list[Tensor] = []
        self.arrived: Any = None  # the gradient that came last
        self.found: dict[int, Any] = {}  # what it gave, until that is asked for

    def node(self, last: Node, start: int) -> Node:
        """The node from what was read since `start` to the result, to which `last` leads."""
        # Others may draw from the default generator meanwhile, so one from which nothing was drawn is left alone.
        self.draws = [(generator, state) for generator, state in self.draws if generator.state_dict() != state]
        inputs = {edge: x for x in self.given if isinstance(x, Tensor) and (edge := edge_of(x)) is not None}
        edges = tuple(_read(last, start, inputs))
        self.sources = [edge if isinstance(edge, Tensor) else inputs[edge] for edge in edges]
        return Node(self, edges, {"inputs": tuple(x.data for x in self.sources)}, last.shape, last.dtype)

    def rule(self, position: int) -> Rule:
        """The gradient of one source."""
        return Rule(partial(self.gradient, position), ())

    def gradient(self, position: int, g: Any) -> Any:
        """That of one source, with those of all others, which come of the same run."""
        if self.arrived is not g:
            self.arrived, self.found = g, dict(enumerate(self.gradients(g)))
        found = self.found.pop(position)
        if not self.found:
            self.arrived = None
        return found

    def gradients(self, g: Any) -> list[Any]:
        """Those of all sources: Tensors with a graph of their own where `g` is one, and else arrays."""
        recorded = isinstance(g, Tensor)
        with enable_grad(), autocast(enabled=self.cast), _drawn_again(self.draws):
            twins = [positive(x) if recorded else wrap(x.data).requires_grad_() for x in self.sources]
            twin_of = {id(x): _like(x, twin) for x, twin in zip(self.sources, twins, strict=True)}
            inputs, options = unflatten(self.structure, [twin_of.get(id(x), x) for x in self.given])
            leaves = [(x, twin) for x, twin in zip(self.sources, twins, strict=True) if x.node is None]
            with standing_in(leaves):
                out = self.function(*inputs, **options)
        found = gradients(out, twins, g, create_graph=recorded, allow_unused=True)
        return [x if recorded or x is None else x.data for x in found]


def _like(source: Tensor, twin: Tensor) -> Tensor:
    """The twin as the function is given it: of a result a result, into which may be written."""
    if source.node is None:
        return twin
    edge = edge_of(twin)
    return wrap(twin.data, Node(positive, (edge,), {}, twin.shape, twin.dtype))


def _read(last: Node, start: int, inputs: Mapping[Edge, Tensor]) -> Iterator[Edge]:
    """The leaves, and the edges of inputs, from which what was recorded since `start` leads to `last`."""
    waiting: list[Node] = [last]
    seen: set[Edge] = {last}
    while waiting:
        for edge in waiting.pop().parents:
            if edge is None or edge in seen:
                continue
            seen.add(edge)
            if isinstance(edge, Tensor) or edge in inputs:
                yield edge
            elif edge.serial < start:
                raise ValueError(
                    f"checkpoint: the function reads a Tensor of shape {edge.shape} that was computed outside of it: "
                    "give it as an input."
                )
            else:
                waiting.append(edge)


def _generators(function: Any) -> list[Generator]:
    """The default one, and those of the layers of a Module, or of the Module of a method."""
    module = getattr(function, "__self__", function)
    held = [value for m in module.modules() for value in vars(m).values()] if isinstance(module, Module) else []
    return list(dict.fromkeys([random.default, *(value for value in held if isinstance(value, Generator))]))


@contextmanager
def _drawn_again(draws: list[tuple[Generator, dict[str, int]]]) -> Iterator[None]:
    """Inside, generators go on from these states; afterwards from where they were."""
    before = [(generator, generator.state_dict()) for generator, _ in draws]
    try:
        for generator, state in draws:
            generator.load_state_dict(state)
        yield
    finally:
        for generator, state in before:
            generator.load_state_dict(state)
