"""What Python itself asks of a Tensor: its truth, its number, its length, its text, its namespace.

One idea: each has an answer for one element only, or for the first axis, and says so otherwise. Those that look at the
values wait for a GPU. Read `operators.py` next.
"""

from __future__ import annotations

from typing import Any

from .tensor import Tensor

__all__ = ["as_index", "formatted", "length", "namespace", "one"]


def formatted(x: Tensor, spec: str) -> str:
    """f"{x:spec}": of one number, or of any Tensor without a spec."""
    if not spec:
        return str(x)
    if x.size != 1:
        raise TypeError(
            f"the format {spec!r} is for one number, this is a Tensor of shape {x.shape}: reduce it first, or leave "
            "the format out."
        )
    return format(x.data.item(), spec)


def one(x: Tensor, kind: type) -> Any:
    """The one element as a bool, an int or a float."""
    if x.size != 1:
        raise ValueError(
            f"{kind.__name__}() of a Tensor of shape {x.shape} is not one value: reduce it first, with any(), all() or "
            "sum()."
        )
    return kind(x.data.item() if kind is bool else x.item())


def as_index(x: Tensor) -> int:
    """The one integer as an index of a list."""
    if x.size != 1 or x.dtype.kind not in "iu":
        raise TypeError(f"only an integer Tensor of one element can be an index; this is {x.dtype}, shape {x.shape}.")
    return int(x.data.item())


def length(x: Tensor) -> int:
    """The length of the first axis."""
    if x.ndim == 0:
        raise TypeError("a Tensor without axes (a single number) has no length and cannot be iterated over.")
    return int(x.shape[0])


def namespace(api_version: str | None) -> Any:
    """The module that speaks the Array API for Tensors."""
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        raise ValueError(f"Array API version {api_version!r} is not known here; the newest is 2024.12.")
    import autograd

    return autograd
