"""What is asked for one function at a time: forward, and back from a given gradient.

One idea: a step gives the output and the leaves with their gradients, and its value is what all of them come to, so
contenders that agree have the same output and the same gradients. Read `layers/table.py` next, and
`operations/table.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contender import Contender, Step

__all__ = ["GivenGradient"]


class GivenGradient(Contender):
    """A framework that is asked for single functions."""

    @abstractmethod
    def tensor(self, array: NDArray[Any], wanted: bool = False) -> Any:
        """A tensor, which asks for its gradient where that is wanted."""

    def built(self, step: Step) -> Step:
        """The step as it is run."""
        return step

    def there_and_back(self, call: Callable[[], Any], leaves: Sequence[Any]) -> Step:
        """A call's output of random numbers, and the way back from a random gradient."""
        g = self.tensor(np.asarray(np.random.default_rng(1).standard_normal(tuple(call().shape)), np.float32))

        def step() -> Any:
            for leaf in leaves:
                leaf.grad = None
            out = call()
            out.backward(g)
            return out

        made = self.built(step)
        return lambda: (made(), leaves)

    def value(self, result: Any) -> float:
        """The mean square of the output, plus those of all gradients."""
        out, leaves = result
        return sum(float((x.detach() ** 2).mean().item()) for x in (out, *(leaf.grad for leaf in leaves)))
