"""Schedules: options of an optimizer as functions of the step count.

One idea: a schedule is a closed form, (t, value at the start) -> value at step t, for an option of each group, usually
"lr". Calling `step()` adds one to t and writes the values; nothing is multiplied up from step to step, so nothing
drifts and any t can be asked for. Every class takes `option="momentum"` (or "beta1", "weight_decay", ...) to drive
another option by the same curve, and `Schedule` itself takes any function. A curve is a function of this file with its
numbers, so that a schedule can be copied and pickled with its optimizer.

An option has one schedule at a time: to combine several, write their values after one another with `SequentialLR` or
into one function for `Schedule`. (PyTorch lets schedules multiply into one another; here the second one would
overwrite the first, so `step()` refuses instead.)
Read `one_cycle.py` next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import cos, pi
from typing import Any

from autograd.hints import Elsewhere, Telling
from autograd.modes import refuse_in_trace
from autograd.words import OF_SCHEDULES

from .numbers import at_least, check_numbers, is_number, number
from .optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "InverseTimeLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "check_state",
    "groups_of",
    "per_group",
]

Curve = Callable[[int, float], float]  # (t, value at the start) -> value


class Schedule(Telling):
    """Drives options of an optimizer: `curves` gives, by an option's name, a function (t, start) -> value.

    A list of functions in the place of one has a function for each group. "beta1" is the first of `betas`. The values
    for t = 0 are written at once; call `step()` after each `optimizer.step()` (or each epoch, if t counts epochs).
    `Schedule(optimizer, {"momentum": lambda t, start: 0.99 - 0.49 * exp(-t / 100_000)})` is a momentum schedule.

    Raises ValueError for an option that the optimizer does not have, TypeError for what is no Optimizer.
    """

    def __init__(self, optimizer: Optimizer, curves: Mapping[str, Curve | list[Curve]]) -> None:
        groups = groups_of(type(self).__name__, optimizer)
        self.optimizer = optimizer
        self.last_epoch = 0  # PyTorch's name for t
        self.curves = {option: per_group(f"curves of {option!r}", c, len(groups)) for option, c in curves.items()}
        # Kept in the groups, so that a second schedule (of SequentialLR) starts from the same value as the first.
        self.initial = {
            option: [group.setdefault(f"initial_{option}", _read(group, option)) for group in groups]
            for option in curves
        }
        self._go_to(0, self.initial)

    def values(self, t: int) -> dict[str, list[float]]:
        """The values at step t: by option, one for each group."""
        return {
            option: [curve(t, start) for curve, start in zip(curves, self.initial[option], strict=True)]
            for option, curves in self.curves.items()
        }

    def step(self) -> None:
        """Go to the next t and write its values into the groups.

        Raises RuntimeError when somebody else has changed a scheduled option, or groups were added, TraceError inside
        a compiled function.
        """
        refuse_in_trace(f"calls {type(self).__name__}.step()")
        for option, values in self.last.items():
            found = [_read(group, option) for group in self.optimizer.param_groups]
            if found != values:
                raise RuntimeError(
                    f"{type(self).__name__} left {option} at {values} and finds {found}: something else changed it. "
                    "An option has one schedule at a time: use SequentialLR or one function for Schedule, load the "
                    "schedule's state together with the optimizer's, and make schedules after the last group is added."
                )
        self._go_to(self.last_epoch + 1, self.initial)

    def get_last_lr(self) -> list[float]:
        """The learning rate that each group has now."""
        refuse_in_trace("asks a schedule for its rates")
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The step count and the values at the start, as plain numbers; the curves are the program's."""
        refuse_in_trace("takes the state of a schedule")
        initial = {option: list(values) for option, values in self.initial.items()}
        return {"last_epoch": self.last_epoch, "initial": initial}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken, and write that step's values into the groups."""
        check_state(type(self).__name__, state_dict, "initial", "last_epoch")
        initial = state_dict["initial"]
        if initial.keys() != self.initial.keys() or any(len(initial[k]) != len(v) for k, v in self.initial.items()):
            raise ValueError(
                f"the state dict is of a schedule of {_described(initial)}, this one is of {_described(self.initial)}."
            )
        self._go_to(int(state_dict["last_epoch"]), {option: list(values) for option, values in initial.items()})

    def _go_to(self, t: int, initial: dict[str, list[float]]) -> None:
        """Write the values of step t, counted from these at the start; where one is refused, all is as before."""
        groups = self.optimizer.param_groups
        before, options = (self.last_epoch, self.initial), [dict(group) for group in groups]
        try:
            self.last_epoch, self.initial = t, initial
            last = self.values(t)
            for option, values in last.items():
                for group, value in zip(groups, values, strict=True):
                    _set(group, option, value)
        except BaseException:  # of a curve that has no such step, or a value out of range
            self.last_epoch, self.initial = before
            for group, old in zip(groups, options, strict=True):
                group.update(old)
            raise
        self.last = last

    def __repr__(self) -> str:
        return f"{type(self).__name__}(t={self.last_epoch}, {self.last})"


class ConstantLR(Schedule):
    """start * factor for the first `total_iters` steps, start from then on."""

    def __init__(
        self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, *, option: str = "lr"
    ) -> None:
        check_numbers("ConstantLR", factor=factor, total_iters=total_iters)
        super().__init__(optimizer, {option: partial(_constant, factor, total_iters)})


def _constant(factor: float, total_iters: int, t: int, start: float) -> float:
    return start * factor if t < total_iters else start


class StepLR(Schedule):
    """start * gamma^floor(t / step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, *, option: str = "lr") -> None:
        at_least(1, "StepLR: step_size", step_size)
        check_numbers("StepLR", gamma=gamma)
        super().__init__(optimizer, {option: partial(_in_steps, step_size, gamma)})


def _in_steps(step_size: int, gamma: float, t: int, start: float) -> float:
    return start * gamma ** (t // step_size)


class MultiStepLR(Schedule):
    """start * gamma^(number of milestones that t has reached)."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, *, option: str = "lr"
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR takes several milestones, [30, 80], got {milestones!r} alone.")
        check_numbers("MultiStepLR", gamma=gamma)
        reached = sorted(number("MultiStepLR: each of milestones", milestone) for milestone in milestones)
        super().__init__(optimizer, {option: partial(_at_milestones, reached, gamma)})


def _at_milestones(milestones: list[int], gamma: float, t: int, start: float) -> float:
    return start * gamma ** bisect_right(milestones, t)


class ExponentialLR(Schedule):
    """start * gamma^t."""

    def __init__(self, optimizer: Optimizer, gamma: float, *, option: str = "lr") -> None:
        check_numbers("ExponentialLR", gamma=gamma)
        super().__init__(optimizer, {option: partial(_exponential, gamma)})


def _exponential(gamma: float, t: int, start: float) -> float:
    return start * gamma**t


class InverseTimeLR(Schedule):
    """start / (1 + decay t). Robbins and Monro 1951 ask for such a rate; PyTorch has no name for it."""

    def __init__(self, optimizer: Optimizer, decay: float, *, option: str = "lr") -> None:
        check_numbers("InverseTimeLR", decay=decay)
        super().__init__(optimizer, {option: partial(_inverse, decay)})


def _inverse(decay: float, t: int, start: float) -> float:
    return start / (1 + decay * t)


class LinearLR(Schedule):
    """start times a factor that goes in a straight line from `start_factor` to `end_factor` in `total_iters` steps.

    With its defaults a warm-up of 5 steps: before a cosine of 95,
    `SequentialLR(optimizer, [LinearLR(optimizer), CosineAnnealingLR(optimizer, 95)], [5])`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        *,
        option: str = "lr",
    ) -> None:
        at_least(1, "LinearLR: total_iters", total_iters)
        check_numbers("LinearLR", start_factor=start_factor, end_factor=end_factor)
        super().__init__(optimizer, {option: partial(_line, start_factor, end_factor, total_iters)})


def _line(first: float, last: float, total_iters: int, t: int, start: float) -> float:
    return start * (first + (last - first) * min(t, total_iters) / total_iters)


class CosineAnnealingLR(Schedule):
    """eta_min + (start - eta_min) (1 + cos(pi t / T_max)) / 2: from start down to `eta_min` in `T_max` steps.

    Past T_max it rises again, as PyTorch's does. Loshchilov and Hutter 2017, equation 5, without restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, *, option: str = "lr") -> None:
        at_least(1, "CosineAnnealingLR: T_max", T_max)
        check_numbers("CosineAnnealingLR", eta_min=eta_min)
        super().__init__(optimizer, {option: partial(_cosine, T_max, eta_min)})


def _cosine(length: int, eta_min: float, t: int, start: float) -> float:
    return eta_min + (start - eta_min) * (1 + cos(pi * t / length)) / 2


class CosineAnnealingWarmRestarts(Schedule):
    """The cosine of CosineAnnealingLR from `start` to `eta_min` in `T_0` steps, and from the top again.

    Each cycle is `T_mult` times as long as the one before it. Loshchilov and Hutter 2017, equation 5.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, *, option: str = "lr"
    ) -> None:
        at_least(1, "CosineAnnealingWarmRestarts: T_0", T_0)
        at_least(1, "CosineAnnealingWarmRestarts: T_mult", T_mult)
        check_numbers("CosineAnnealingWarmRestarts", eta_min=eta_min)
        super().__init__(optimizer, {option: partial(_cosines, T_0, T_mult, eta_min)})


def _cosines(length: int, growth: int, eta_min: float, t: int, start: float) -> float:
    since = t % length if growth == 1 else t
    while since >= length:
        since, length = since - length, length * growth
    return _cosine(length, eta_min, since, start)


class PolynomialLR(Schedule):
    """start * (1 - t / total_iters)^power: down to 0 in `total_iters` steps, and 0 from then on."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, *, option: str = "lr") -> None:
        at_least(1, "PolynomialLR: total_iters", total_iters)
        check_numbers("PolynomialLR", power=power)
        super().__init__(optimizer, {option: partial(_polynomial, total_iters, power)})


def _polynomial(total_iters: int, power: float, t: int, start: float) -> float:
    return start * (1 - min(t, total_iters) / total_iters) ** power


class LambdaLR(Schedule):
    """start * lr_lambda(t), with a function for all groups or a list of one for each."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        *,
        option: str = "lr",
    ) -> None:
        factors = per_group("lr_lambda", lr_lambda, len(groups_of("LambdaLR", optimizer)))
        super().__init__(optimizer, {option: [_scaled(factor) for factor in factors]})


def _scaled(factor: Callable[[int], float]) -> Curve:
    if not callable(factor):
        raise TypeError(f"LambdaLR takes a function of t that gives a factor, got {factor!r}.")
    return partial(_times, factor)


def _times(factor: Callable[[int], float], t: int, start: float) -> float:
    return start * number(f"what lr_lambda gives for t = {t}", factor(t))


class SequentialLR(Schedule):
    """One schedule after another: `schedulers[i]` from milestone i - 1 on, each counting t from 0 at its turn.

    The schedules must drive the same options of the same optimizer. From here on only this one is stepped.
    """

    def __init__(self, optimizer: Optimizer, schedulers: list[Schedule], milestones: list[int]) -> None:
        for name, given in {"schedulers": schedulers, "milestones": milestones}.items():
            if not isinstance(given, (list, tuple)):
                raise TypeError(f"SequentialLR takes a list of {name}, got {given!r}.")
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR got {len(schedulers)} schedules and {len(milestones)} milestones: "
                "each schedule but the first needs the milestone at which it begins."
            )
        milestones = [number("SequentialLR: each of milestones", milestone) for milestone in milestones]
        if sorted(milestones) != milestones:
            raise ValueError(f"SequentialLR: milestones must rise, got {milestones}.")
        for schedule in schedulers:
            if not isinstance(schedule, Schedule):
                raise TypeError(f"SequentialLR takes schedules that are functions of t, got {type(schedule).__name__}.")
            if schedule.optimizer is not optimizer or schedule.curves.keys() != schedulers[0].curves.keys():
                raise ValueError("SequentialLR: all schedules must drive the same options of the same optimizer.")

        curves: dict[str, Curve | list[Curve]] = {}
        for option in schedulers[0].curves:
            turns = zip(*(schedule.curves[option] for schedule in schedulers), strict=True)
            curves[option] = [partial(_in_turn, list(ones), milestones) for ones in turns]
        super().__init__(optimizer, curves)


def _in_turn(curves: list[Curve], milestones: list[int], t: int, start: float) -> float:
    i = bisect_right(milestones, t)
    return curves[i](t - (milestones[i - 1] if i else 0), start)


for _name, _instead in OF_SCHEDULES.items():
    setattr(Schedule, _name, Elsewhere(_name, _instead))


def groups_of(name: str, optimizer: Any) -> list[dict[str, Any]]:
    """The groups of what a schedule is made for. Raises TypeError for what is no Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{name} takes an Optimizer of optim, got {_in_words(optimizer)}: write {name}(optimizer, ...)."
        )
    return optimizer.param_groups


def _in_words(thing: Any) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"


def per_group(what: str, given: Any, count: int) -> list[Any]:
    """A list with an entry for each group: the list that was given, or one thing for all."""
    if not isinstance(given, (list, tuple)):
        return [given] * count
    if len(given) != count:
        raise ValueError(f"{what}: got {len(given)} for an optimizer of {count} parameter groups.")
    return list(given)


def _read(group: dict[str, Any], option: str) -> float:
    """The value of an option in a group; "beta1" is the first of `betas`."""
    if option == "beta1" and "betas" in group:
        return float(group["betas"][0])
    value: Any = group.get(option)
    if not is_number(value):
        options = [k for k, v in group.items() if is_number(v) and not k.startswith("initial_")]
        options += ["beta1"] if "betas" in group else []
        raise ValueError(f"the optimizer has no option {option!r} to schedule; it has {', '.join(options)}.")
    return float(value)


def _set(group: dict[str, Any], option: str, value: float) -> None:
    if option == "beta1":
        group["betas"] = (value, *group["betas"][1:])
    else:
        group[option] = value


def check_state(name: str, state: Any, *parts: str) -> None:
    """Raise ValueError for what no schedule of this name gave as its state, which has these parts."""
    if not (isinstance(state, Mapping) and set(parts) <= state.keys()):
        got = f"one with {', '.join(map(str, state)) or 'nothing'}" if isinstance(state, Mapping) else repr(state)
        raise ValueError(
            f"{name}.load_state_dict takes a state with {', '.join(parts)}, got {got}: give what its own state_dict() "
            "gave."
        )


def _described(initial: dict[str, list[float]]) -> str:
    return " and ".join(f"{option} in {len(values)} groups" for option, values in initial.items())
