"""What the last moves told of how the loss is curved, and the gradient multiplied by the inverse of that curvature.

One idea: along a move s the gradient changed by y, so the inverse Hessian takes y to s. The product with a matrix that
does so for the last pairs, and is a multiple of the identity otherwise, needs the pairs alone, and no matrix.
Read `lbfgs.py` next, which moves by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from autograd.backend import Array, array_of, device_of
from autograd.tensor import bare

from .pytorch import value_as_ours

__all__ = ["Curvature", "Move", "loaded"]

LEAST = 1e-10  # s y at or below this tells of no curvature, or of one that no minimum has


class Move(NamedTuple):
    """A move by -t `against`, from a place where the gradient was `gradient`."""

    against: Array
    t: float
    gradient: Array


@dataclass
class Curvature:
    """The pairs (s, y, 1 / s y), the oldest first, and the last move, of which no pair is made yet.

    Vectors are of all parameters, end to end. `moves` and `evaluations` count from the beginning.
    """

    moves: int = 0
    evaluations: int = 0
    pairs: list[tuple[Array, Array, float]] = field(default_factory=list)
    scale: float = 1.0
    last: Move | None = None

    def copy(self) -> Curvature:
        """One that may learn while this one does not; the vectors, which nobody writes to, are the same."""
        return replace(self, pairs=[*self.pairs])

    def learn(self, gradient: Array, most: int) -> None:
        """Make a pair of the last move and of how the gradient changed along it, and keep the `most` newest ones."""
        if self.last is not None:
            self.add(self.last.against * -self.last.t, gradient - self.last.gradient, most)
        self.last = None

    def add(self, s: Array, y: Array, most: int) -> None:
        """Add a pair, unless it tells of no minimum."""
        product = float(s @ y)
        if product > LEAST:
            self.pairs = [*self.pairs, (s, y, 1 / product)][-most:]
            self.scale = product / float(y @ y)

    def applied_to(self, gradient: Array) -> Array:
        """H g, for g the gradient and H the inverse of the curvature. Nocedal and Wright 2006, algorithm 7.4."""
        q, shares = gradient.copy(), []
        for s, y, rho in reversed(self.pairs):
            shares.append(float(s @ q) * rho)
            q -= shares[-1] * y
        q *= self.scale
        for (s, y, rho), share in zip(self.pairs, reversed(shares), strict=True):
            q += (share - float(y @ q) * rho) * s
        return q

    def saved(self) -> dict[str, Any]:
        """Copies of it all, under PyTorch's names."""
        state = {
            "n_iter": self.moves,
            "func_evals": self.evaluations,
            "old_stps": [s.copy() for s, _, _ in self.pairs],
            "old_dirs": [y.copy() for _, y, _ in self.pairs],
            "ro": [rho for _, _, rho in self.pairs],
            "H_diag": self.scale,
        }
        if self.last is not None:
            against, t, gradient = self.last
            state |= {"d": -against, "t": t, "prev_flat_grad": gradient.copy()}
        return state


def loaded(state: Any, like: Array) -> Curvature:
    """What was saved, by PyTorch too, in vectors `like` this one. Raises ValueError for anything else."""
    if not isinstance(state, Mapping) or not {"n_iter", "func_evals"} <= state.keys():
        found = f"this one has {sorted(state)}" if isinstance(state, Mapping) else f"got {state!r}"
        raise ValueError(f'the state of LBFGS has "n_iter" and "func_evals", {found}: give what its state_dict() gave.')

    def vector(given: Any) -> Array:
        found = array_of(bare(value_as_ours(given)), like.dtype, device_of(like))
        if found.shape != like.shape:
            raise ValueError(
                f"the state dict has a vector of shape {found.shape}, and the parameters have {like.size} elements "
                "together: build the optimizer from the same parameters."
            )
        return found

    curvature = Curvature(int(state["n_iter"]), int(state["func_evals"]))
    moves, changes = state.get("old_stps") or [], state.get("old_dirs") or []
    for s, y in zip(moves, changes, strict=True):
        curvature.add(vector(s), vector(y), len(moves))
    if state.get("d") is not None:
        t = float(value_as_ours(state["t"]))
        curvature.last = Move(-vector(state["d"]), t, vector(state["prev_flat_grad"]))
    return curvature
