"""What `anomaly()` does: find the operation and the line where the first NaN or Inf is born.

One idea: check each result as it is made, so the first bad one is named and nothing has to be traced back.
Read `primitive.py` next, which calls this file inside `anomaly()` only.
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

from .backend import Array, arrays_in, is_array, is_number, module_of
from .batching import every_example
from .errors import AnomalyError
from .modes import Watch, is_watching

if TYPE_CHECKING:
    from .tensor import Node

__all__ = ["check_backward", "check_forward", "inside_rule", "release", "user_line"]

_HOUSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ROOMS = tuple(os.path.join(_HOUSE, room) + os.sep for room in ("autograd", "nn", "optim"))


def check_forward(name: str, given: list[Any], out: Array, node: Node | None) -> None:
    """Raise AnomalyError when `out` is the first result that is not finite; else note the line, lock what is kept.

    `given` are the inputs and the options: a mask's -inf is a number among them.
    """
    line = user_line()
    if not _finite(out) and all(map(_may_bear, given)):
        raise AnomalyError(f"{name} gave {_kind(out)} in the forward pass, from finite inputs, at {line}.")
    if node is not None:
        node.line = line
        watch = is_watching()
        assert watch is not None
        _lock(watch, node)


def check_backward(name: str, line: str | None, g: Array, gradient: Array) -> None:
    """Raise AnomalyError when a rule turned a finite gradient into one that is not."""
    if not _finite(gradient) and _finite(g):
        what = f"{_kind(gradient)} in the backward pass"
        raise AnomalyError(f"the gradient of {name} gave {what}, for {_where(line)}.")


def inside_rule(name: str, line: str | None, error: AnomalyError) -> AnomalyError:
    """The error of an operation that a rule of `name` was made of, as an error of that rule."""
    return AnomalyError(f"the gradient of {name} is not finite in the backward pass, for {_where(line)}: {error}")


def _where(line: str | None) -> str:
    return f"the operation made at {line}" if line else "an operation recorded outside anomaly()"


def user_line() -> str:
    """File and line of the innermost caller outside this project's own rooms."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_ROOMS):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _may_bear(given: Any) -> bool:
    """Whether nothing that is not finite came with this input or option."""
    if is_number(given):
        return bool(given - given == 0)
    return not is_array(given) or _finite(given)


def _finite(array: Array) -> bool:
    array = every_example(array)
    return array.dtype.kind in "biu" or bool(module_of(array).isfinite(array).all())


def _kind(array: Array) -> str:
    array = every_example(array)
    return "NaN" if bool(module_of(array).isnan(array).any()) else "Inf"


def _lock(watch: Watch, node: Node) -> None:
    """Make saved arrays read-only until the node is used or dies or the block ends."""
    arrays = [array for value in (node.saved or {}).values() for array in arrays_in(value) if _writeable(array)]
    for array in arrays:
        array.flags.writeable = False
    watch.unlock[node] = weakref.finalize(node, _unlock, arrays)


def release(node: Node) -> None:
    """Make the saved arrays of a used node writeable again."""
    watch = is_watching()
    unlock = watch.unlock.pop(node, None) if watch is not None else None
    if unlock is not None:
        unlock()


_waiting: list[Array] = []  # views to be unlocked as soon as the array behind them is


def _unlock(arrays: list[Array]) -> None:
    _waiting[:] = [array for array in [*_waiting, *arrays] if not _made_writeable(array)]


def _made_writeable(array: Array) -> bool:
    try:
        array.flags.writeable = True
    except ValueError:  # NumPy refuses for a view while the array behind it is read-only
        return False
    return True


def _writeable(array: Array) -> bool:
    return bool(getattr(getattr(array, "flags", None), "writeable", False))  # CuPy has no such flag
