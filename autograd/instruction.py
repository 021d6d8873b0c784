"""Instructions: array functions of our own, which a trace writes down as one call.

One idea: NumPy has no convolution, so we wrote one; to a trace it shall be what `matmul` is, one function of the array
module, and not the hundred calls of which it is made. Then each executor may do it in its own best way.
Read `ops/convolution.py` for the first of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .batching import Batched, deepest
from .modes import is_tracing

__all__ = ["instruction"]

F = TypeVar("F", bound=Callable[..., Any])


def instruction(function: F) -> F:
    """A function of arrays and options that gives one new array, written down as one instruction in a trace.

    Under a trace it runs on NumPy arrays; it must not change what it is given, nor return a view of it.
    """

    @functools.wraps(function)
    def call(*inputs: Any, **options: Any) -> Any:
        for x in inputs:
            if isinstance(x, Batched):
                return deepest(*inputs).instruction(call, inputs, options, function)
        trace = is_tracing()
        if trace is None:
            return function(*inputs, **options)
        return trace.call(function.__name__, function, inputs, options)

    return cast("F", call)
