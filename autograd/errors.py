"""The errors of the engine: each says what came, what was wanted, and what to do.

One idea: a user's mistake is a built-in kind of error (ValueError, TypeError, RuntimeError) with a name of its own, so
that both `except ValueError` and `except ShapeError` work. Read `backend.py` next; `allocator.py` stands beside it, and
`words/` and `hints.py`, which tell what other libraries call a thing.
"""

from __future__ import annotations

__all__ = [
    *("AnomalyError", "DeviceError", "GradientError", "RuleError", "ShapeError", "TraceError", "VmapError"),
    "WrittenError",
]


class ShapeError(ValueError):
    """Shapes that do not fit together."""


class DeviceError(ValueError):
    """Arrays of different devices in one call, or a device that is not there."""


class GradientError(RuntimeError):
    """A gradient that cannot be computed: nothing requires one, or the graph is spent."""


class WrittenError(GradientError):
    """An array that backward needs was written in place after it was saved."""


class AnomalyError(RuntimeError):
    """The first NaN or Inf, found by `anomaly()`."""


class TraceError(TypeError):
    """A function that `compile` cannot write down: its course depends on values, or it reaches what is out of reach."""


class VmapError(TypeError):
    """A function that `vmap` cannot call: it asks one example for its values, or writes to what all have in common."""


class RuleError(TypeError):
    """A primitive or a rule that is declared wrongly; raised at import, for those who write ops."""
