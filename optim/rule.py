"""Rule: how one array of weights moves, as it is written, or as one piece of work.

One idea: a rule is written in array operations, each of which is a pass over memory of its own, or a launch. Traced
once, with the penalties around it, it reads and writes every number once: a loop in C, or one kernel of a GPU.
Read `optimizer.py` next, which asks for it at each step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from autograd.backend import host, module_of
from autograd.compile.cuda.in_place import InTape
from autograd.compile.in_place import InPlace
from autograd.compile.native.in_place import InLoop
from autograd.modes import is_tracing
from autograd.ops.cast import single

from .penalty import Penalty

__all__ = ["Rule"]


class Rule(NamedTuple):
    """The `update` of an optimizer with its options, and what stands around it."""

    update: Callable[..., None]
    options: dict[str, Any]
    penalties: tuple[Penalty, ...]
    maximize: Any

    def move(self, xp: Any, w: Any, g: Any, state: dict[str, Any], t: Any) -> None:
        """Move the weights `w` against the gradient `g` in their `t`-th step, element by element.

        Weights of 16 bits are rounded once a step: squares of small gradients, and Adam's eps, are 0 in float16.
        """
        wide = single(w)
        if wide is not w:
            self.move(xp, wide, single(g), state, t)
            w[...] = wide.astype(w.dtype)
            return
        if self.maximize:
            g = -g
        for penalty in self.penalties:
            g = penalty.add_gradient(xp, w, g)
        self.update(xp, w, g, state, t, **self.options)
        for penalty in self.penalties:
            penalty.shrink(xp, w, self.options["lr"])

    def move_at_once(self, xp: Any, w: Any, g: Any, state: dict[str, Any], t: int) -> bool:
        """The same in one go, for flat arrays; gives whether that was done."""
        kind = InLoop if xp is host else InTape
        if not kind.takes(w) or is_tracing() is not None or not self._is_known():
            return False
        given = {"names": tuple(state), "t": t, "maximize": self.maximize}
        for i, penalty in enumerate(self.penalties):
            given |= {f"penalty{i}": (type(penalty), *vars(penalty).items())}
        return _at_once(self.update, kind)([w, *state.values()], [g], {**given, **self.options})

    def _is_known(self) -> bool:
        """Whether all that it does stands here: what is the user's own may read anything and is asked at each step."""
        kinds: set[type[Penalty]] = set(map(type, self.penalties))
        functions = [function for kind in kinds for function in (kind.add_gradient, kind.shrink)]
        return all(map(_is_ours, (self.update, *kinds, *functions)))


def _is_ours(thing: Any) -> bool:
    # A function that wraps one of ours has its `__module__`, but globals of its own.
    home = thing.__module__ if isinstance(thing, type) else getattr(thing, "__globals__", {}).get("__name__", "")
    return bool(home.partition(".")[0] == __package__)


@cache
def _at_once(update: Callable[..., None], kind: type[InPlace]) -> InPlace:
    def function(written: Any, read: Any, options: dict[str, Any]) -> None:
        (w, *state), (g,) = written, read
        names, t, maximize = map(options.pop, ("names", "t", "maximize"))
        penalties = tuple(_penalty(*options.pop(name)) for name in [*options] if name.startswith("penalty"))
        rule = Rule(update, options, penalties, maximize)
        rule.move(module_of(w), w, g, dict(zip(names, state, strict=True)), t)

    return kind(function)


def _penalty(kind: type[Penalty], *attributes: tuple[str, Any]) -> Penalty:
    """A penalty with these attributes, of which numbers are those of a trace."""
    penalty = object.__new__(kind)
    vars(penalty).update(attributes)
    return penalty
