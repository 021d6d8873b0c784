"""What the user gives an optimizer, taken apart and checked: groups, names, Tensors, options.

One idea: every mistake is found where it is made, not at a later step. `numbers.py` says what a number is.
Read `optimizer.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from autograd.modes import refuse_in_trace
from autograd.tensor import Tensor

from .numbers import at_least, flag, is_number, number, plain
from .penalty import several

__all__ = ["Group", "Parameters", "at_least_zero", "named_parameters", "refuse_module", "split_groups", "within_one"]

Parameters = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]


_ELSEWHERE = {"learning_rate": "lr", "epsilon": "eps", "beta_1": "betas", "beta_2": "betas"}


class Group(dict[str, Any]):
    """A group of parameters and its options, as in `optimizer.param_groups`: a dictionary.

    Its numbers are Python's, see `numbers.py`. `check` raises for options out of range, whenever one of them is set,
    and leaves the group as it was. Inside a compiled function the group is only read. Raises TraceError for whatever
    would change it there.
    """

    def __init__(self, check: Callable[[dict[str, Any]], None], options: dict[str, Any]) -> None:
        self._check = check
        super().__init__({name: plain(value) for name, value in options.items()})
        check(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._check, dict(self))  # whole: with one option after another, some would be missing

    def fitting(self, changes: dict[str, Any]) -> dict[str, Any]:
        """The changes as the options take them, which they must also be able to together with those that stay."""
        fitting = {name: self._fitting(name, value) for name, value in changes.items()}
        self._check({**self, **fitting})
        return fitting

    def _fitting(self, name: str, value: Any) -> Any:
        """The value as this option takes it.

        Raises KeyError for an option that has another name here, and would change nothing, TypeError for no number, no
        flag or no penalties in the place of such.
        """
        if _ELSEWHERE.get(name) in self:
            raise KeyError(f"{name} is called {_ELSEWHERE[name]} here")
        if name == "penalties":
            taken = several(value)
            return value if isinstance(value, list) else taken  # to which more may be appended
        before = self.get(name)
        if isinstance(before, bool):
            return flag(name, value)
        if is_number(before):
            return number(name, value)
        if isinstance(before, tuple) and before and all(map(is_number, before)):
            if not isinstance(value, (tuple, list)) or len(value) != len(before):
                raise TypeError(f"{name} must be {len(before)} numbers, got {value!r}.")
            return tuple(number(name, part) for part in value)
        return plain(value)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, self.fitting({name: value})[name])

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]  # dict has overloads
        self.update(other)
        return self

    def setdefault(self, name: str, value: Any = None) -> Any:
        return self[name] if name in self else super().setdefault(name, self.fitting({name: value})[name])

    def update(self, *args: Any, **options: Any) -> None:
        super().update(self.fitting(dict(*args, **options)))


def _outside_a_trace(change: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(change)
    def changed(*args: Any, **options: Any) -> Any:
        refuse_in_trace("changes the options of an optimizer")
        return change(*args, **options)

    return changed


for _name in ("__delitem__", "__ior__", "__setitem__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(Group, _name, _outside_a_trace(getattr(Group, _name)))


def split_groups(params: Parameters, optimizer: str) -> Iterator[dict[str, Any]]:
    """The groups in what the user gave: each dictionary is one, all else together is one."""
    refuse_module(params, optimizer)
    if isinstance(params, (Tensor, dict)):
        raise TypeError(f"{optimizer} takes a list of parameters, got a {type(params).__name__}: put it in a list.")
    items = list(params)
    if not items:
        raise ValueError(
            f"{optimizer} got no parameters. A generator such as model.parameters() gives its items once: "
            "call it anew, or keep a list."
        )
    if not any(isinstance(item, dict) for item in items):
        yield {"params": items}
        return
    for item in items:
        if not isinstance(item, dict):
            raise TypeError(
                f"{optimizer} got groups and also a bare {type(item).__name__}: give either dictionaries or parameters."
            )
        yield item


def refuse_module(params: Any, who: str) -> None:
    """Raise TypeError for a model, or what is no collection at all, in the place of parameters."""
    if hasattr(params, "parameters") or not isinstance(params, Iterable):
        raise TypeError(f"{who} takes parameters, got a {type(params).__name__}: give it model.parameters().")


def named_parameters(params: Any, optimizer: str) -> tuple[list[str], list[Tensor]]:
    """Names (none when they were not given) and Tensors of one group, checked."""
    refuse_module(params, optimizer)
    items = [params] if isinstance(params, Tensor) else list(params)
    if not items:
        raise ValueError(f"{optimizer}: a parameter group is empty. A generator gives its items once: keep a list.")
    names = [item[0] for item in items if isinstance(item, tuple)]
    if names and len(names) != len(items):
        raise TypeError(f"{optimizer}: some parameters have names and some have none: name all of them or none.")
    parameters = [item[1] for item in items] if names else items
    for i, parameter in enumerate(parameters):
        if not isinstance(parameter, Tensor):
            kind = type(parameter)
            whose = f" of {kind.__module__.partition('.')[0]}" if kind.__name__ in ("Tensor", "Parameter") else ""
            raise TypeError(f"{optimizer}: parameter {i} is a {kind.__name__}{whose}; wanted is a Tensor of autograd.")
        if parameter.node is not None:
            raise ValueError(
                f"{optimizer}: parameter {names[i] if names else i} of shape {parameter.shape} is the result of an "
                "operation; only leaves can be optimized: give the Tensor that it was made from, or detach() it."
            )
    return names, parameters


def at_least_zero(options: dict[str, Any], *names: str) -> None:
    """Raise ValueError for an option below zero, or not a number at all."""
    for name in names:
        at_least(0, name, options[name])


def within_one(options: dict[str, Any], *names: str) -> None:
    """Raise ValueError for an option that is no share: outside [0, 1]."""
    for name in names:
        if not 0 <= number(name, options[name]) <= 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {options[name]}.")
