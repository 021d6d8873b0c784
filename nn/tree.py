"""How a Module is printed: its tree, the shapes of what it owns, and how many numbers that is.

One idea: one line for each Module, its own parameters and buffers at the line's end, the total at the bottom.
Read `linear.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from autograd.tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

__all__ = ["describe"]


def describe(module: Module) -> str:
    """The tree of a Module as text, with shapes, counts and a total."""
    text = "\n".join(_lines(module, ""))
    parameters = list(module.parameters())
    return f"{text}\n{_total(parameters)}" if parameters else text


def _lines(module: Module, label: str) -> list[str]:
    name = type(module).__name__
    children = list(module.named_children())
    extra = module.extra_repr()
    owned = _owned(module)
    if not children:
        return [f"{label}{name}({extra}){owned}"]
    lines = [f"{label}{name}({extra}{owned}"]
    for child_name, child in children:
        lines += ["  " + line for line in _lines(child, f"({child_name}): ")]
    return [*lines, ")"]


def _owned(module: Module) -> str:
    """The shapes of a Module's own parameters and buffers, and how many numbers the parameters are."""
    parameters = dict(module.named_parameters(recurse=False))
    shapes = [f"{name} {_shape(tensor)}" for name, tensor in parameters.items()]
    shapes += [f"buffer {name} {_shape(tensor)}" for name, tensor in module.named_buffers(recurse=False)]
    if not shapes:
        return ""
    count = f" = {_count(parameters.values()):,}" if parameters else ""
    return f"  {', '.join(shapes)}{count}"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _count(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.size for tensor in tensors)


def _total(parameters: Sequence[Tensor]) -> str:
    frozen = _count(p for p in parameters if not p.requires_grad)
    kinds = ", ".join(sorted({f"{p.dtype} on {p.device}" for p in parameters}))
    text = f"{_count(parameters):,} parameters, {kinds}"
    return f"{text}, {frozen:,} of them frozen" if frozen else text
