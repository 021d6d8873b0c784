"""Batching: an array that stands for one example and holds all of them; what `vmap` calls a function with.

One idea: this is one more kind of array beside NumPy's, CuPy's and a trace's. It shows the shape of one example, its
module has the functions that forwards ask of `xp`, and each of them does all examples at once, with the module of the
array that it holds. So every forward, rule, loss and derivative that runs on arrays runs on it unchanged, and it holds
whatever is an array: NumPy's, CuPy's, a trace's, or one of its own kind. Read `array.py` first, then `parts.py`,
`rules.py`, `instructions.py` and `module.py`; `autograd/vmap.py` leads in and out.
"""

from .array import Batched, deepest, every_example
from .module import Batch

__all__ = ["Batch", "Batched", "deepest", "every_example"]
