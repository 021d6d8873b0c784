"""L-BFGS: Newton's method with the curvature that the last moves tell of.

One idea: all parameters are one vector, and each move goes against the gradient times the inverse of the curvature. How
far to go is found by trying, so a step asks for the loss several times, and makes several moves: where the other
optimizers have a rule for each element, this one is a loop around its closure.
Read `curvature.py` next, then `line_search.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, isfinite
from types import NoneType
from typing import Any

from autograd.backend import Array, Module, module_of
from autograd.errors import TraceError
from autograd.modes import enable_grad, is_tracing
from autograd.tensor import bare
from autograd.writes import mark_written

from .curvature import Curvature, Move, loaded
from .groups import Parameters, at_least_zero
from .line_search import Point, strong_wolfe
from .numbers import is_number, number
from .optimizer import Optimizer
from .runs import check_kinds, check_shape, in_dtype

__all__ = ["LBFGS"]

_CLOSURE = "a function that calls optimizer.zero_grad() and loss.backward() and returns the loss"


class LBFGS(Optimizer):
    """w <- w - t H g, with H the inverse of the curvature along the last `history_size` moves.

    A step makes up to `max_iter` such moves, and asks the closure for the loss up to `max_eval` times, once more at the
    end of a line search; `max_eval` is 5/4 of `max_iter` unless it is given. It ends early where no element of the
    gradient is above `tolerance_grad`, or where the loss or all weights move by less than `tolerance_change`. t is `lr`
    (in the very first move less), or with `line_search_fn="strong_wolfe"` a length near it that meets the strong Wolfe
    conditions. The loss must be the same function at each call, so no other batch and no dropout within a step.

    A parameter without a gradient stays where it is. All parameters are one group. A closure may be compiled; a step,
    which calls it as often as the values say, may not. Memory: two vectors of all parameters for each pair kept.

    Where a step fails, as for a loss that is NaN, the weights are as they were before it. Raises TypeError for a step
    without a closure, ValueError for a loss or a gradient that is not finite.

    Liu and Nocedal 1989; Nocedal and Wright 2006, algorithm 7.5.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = {"lr": lr, "max_iter": max_iter, "max_eval": max_eval, "history_size": history_size}
        if max_eval is None:
            defaults["max_eval"] = number("LBFGS: max_iter", max_iter) * 5 // 4
        defaults |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, {**defaults, "line_search_fn": line_search_fn})
        self._curvature = Curvature()

    @staticmethod
    def check(options: dict[str, Any]) -> None:
        at_least_zero(options, "lr", "tolerance_grad", "tolerance_change")
        for name in ("max_iter", "max_eval", "history_size"):
            if not isinstance(number(name, options[name]), int) or options[name] < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {options[name]}.")
        if options["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(f'line_search_fn must be None or "strong_wolfe", got {options["line_search_fn"]!r}.')
        if options["penalties"] or options["maximize"]:
            raise ValueError("the line search knows the closure's loss alone: add penalties to it, or turn its sign.")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the one group of parameters. Raises ValueError for another."""
        if self.param_groups:
            raise ValueError("LBFGS moves all parameters as one vector: give it one group, a list of them all.")
        super().add_param_group(param_group)

    @staticmethod
    def update(xp: Module, w: Array, g: Array, state: dict[str, Array], t: int, *, lr: float) -> None:
        w -= lr * g

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to `max_iter` moves; gives the loss as the closure returned it at first, before all of them."""
        if is_tracing() is not None:
            raise TraceError(
                "LBFGS asks for the loss as often as its values say, and a compiled function does the same at each "
                "call: compile the closure, and call optimizer.step(closure) outside of it."
            )
        if not callable(closure):
            raise TypeError(f"LBFGS asks for the loss several times: write step(closure), {_CLOSURE}; got {closure!r}.")
        self._check_given()
        devices = dict.fromkeys(p.device for p in self._given[0])
        if len(devices) > 1:
            raise ValueError(f"LBFGS: the parameters lie on {' and '.join(devices)}: bring all of them to one device.")
        before = self._weights()
        try:
            first, self._curvature = self._moved(closure, before, self._curvature.copy())
        except BaseException:
            self._place(before)
            raise
        return first

    def _moved(self, closure: Callable[[], Any], w: Array, curvature: Curvature) -> tuple[Any, Curvature]:
        """Move from the weights `w`; gives the first loss, and the curvature with what it learned on the way."""
        group, xp = self.param_groups[0], module_of(w)
        most = curvature.evaluations + group["max_eval"]

        def ask(trying: bool = False) -> tuple[Any, float, Array]:
            with enable_grad():
                given = closure()
            curvature.evaluations += 1
            loss, g = _number(given), self._gradient()
            if isfinite(loss) and isfinite(_largest(g)):
                return given, loss, g
            if trying:
                return given, inf, g
            raise ValueError(
                f"LBFGS: the loss is {loss}, or its gradient is not finite, after move {curvature.moves}: take a "
                'smaller lr, or line_search_fn="strong_wolfe"; the weights are as they were before this step.'
            )

        def go(t: float) -> Array:
            moved = w.copy()
            self.update(xp, moved, against, {}, curvature.moves, lr=t)
            self._place(moved)
            return moved

        def try_at(t: float) -> Point:
            go(t)
            _, loss, g = ask(trying=True)
            return Point(t, loss, -float(g @ against), g)

        first, loss, g = ask()
        for left in reversed(range(group["max_iter"])):
            if _largest(g) <= group["tolerance_grad"]:
                break
            curvature.moves += 1
            curvature.learn(g, group["history_size"])
            against = curvature.applied_to(g)
            here = Point(0.0, loss, -float(g @ against), g)
            if here.slope > -group["tolerance_change"]:  # PyTorch later learns from this move, which is not made
                break
            t = group["lr"] * (1.0 if curvature.moves > 1 else min(1.0, 1 / float(abs(g).sum())))
            searched = group["line_search_fn"] is not None and t > 0
            if searched:
                trials = most - curvature.evaluations
                t, loss, _, g = strong_wolfe(try_at, here, t, _largest(against), trials, w.dtype.type)
            w = go(t)
            curvature.last = Move(against, t, here.gradient)
            if not searched and left:  # after the last move nobody needs to know
                _, loss, g = ask()
            if curvature.evaluations >= most or abs(loss - here.loss) < group["tolerance_change"]:
                break
            if t * _largest(against) <= group["tolerance_change"]:
                break
        return first, curvature

    def _weights(self) -> Array:
        """All parameters end to end, in float32 at least."""
        return _end_to_end([p.data for p in self._given[0]])

    def _gradient(self) -> Array:
        """Their gradients end to end, zero where there is none. Raises ValueError where there is none at all."""
        parameters = self._given[0]
        kinds = {type(p.grad) for p in parameters}
        check_kinds(kinds)
        if kinds == {NoneType}:
            raise ValueError(f"LBFGS: the closure left no gradient in any parameter: it must be {_CLOSURE}.")
        arrays = []
        for p in parameters:
            g = module_of(p.data).zeros_like(p.data) if p.grad is None else p.grad.data
            check_shape(g.shape, p.shape)
            arrays.append(in_dtype(g, p.dtype))
        return _end_to_end(arrays)

    def _place(self, weights: Array) -> None:
        """Write these into the parameters, where they lie."""
        start = 0
        for p in self._given[0]:
            p.data[...] = weights[start : start + p.size].reshape(p.shape)
            mark_written(p.data)
            start += p.size

    def state_dict(self) -> dict[str, Any]:
        """The state in PyTorch's form: "state" has at 0 what the moves told, in vectors of all parameters."""
        found = super().state_dict()
        return {**found, "state": {0: self._curvature.saved()} if self._curvature.evaluations else {}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken, also that of PyTorch's; nothing is changed when it does not fit."""
        state = state_dict.get("state") if isinstance(state_dict, Mapping) else None
        curvature = loaded(next(iter(state.values())), self._weights()) if state else Curvature()
        super().load_state_dict({**state_dict, "state": {}} if state else state_dict)
        self._curvature = curvature


def _end_to_end(arrays: list[Array]) -> Array:
    """All elements in one vector, of float32 at least."""
    xp = module_of(arrays[0])
    return xp.concatenate([a.reshape(-1) for a in arrays]).astype(xp.result_type("float32", *arrays), copy=False)


def _largest(vector: Array) -> float:
    return float(abs(vector).max())


def _number(loss: Any) -> float:
    """The loss as a number. Raises TypeError for what is none."""
    array = bare(loss)
    if is_number(array):
        return float(array)
    if getattr(array, "size", None) != 1:
        raise TypeError(f"LBFGS: the closure must return the loss, one number, got {loss!r}: it must be {_CLOSURE}.")
    return float(array.reshape(()))
