"""Containers: Modules that hold other Modules or parameters, in order or by name.

One idea: what stands in a container is an attribute of it, named by its place or key, so that it is found like any
other. Read `serialize.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, Self, TypeVar

from autograd.tensor import Tensor

from . import functional as F
from .activation import ReLU
from .conv import Conv1d, Conv2d
from .linear import Linear
from .module import Module
from .parameter import Parameter
from .settings import count, held

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Residual", "Sequential"]

T = TypeVar("T", Module, Parameter)


class _Row(Module, Generic[T]):
    """What lists of Modules and of Parameters share: items are the attributes "0", "1", ..."""

    _kind: type
    _row = "[a, b, c]"  # how a row of them is given, for the errors

    def _check(self, item: Any) -> None:
        if not isinstance(item, self._kind):
            name, kind = type(self).__name__, self._kind.__name__
            if isinstance(item, type) and issubclass(item, self._kind):
                raise TypeError(f"{name} holds {kind}s, got the class {item.__name__}: make one, {item.__name__}(...).")
            if self._kind is Module and callable(item):
                function = getattr(item, "__name__", repr(item))
                raise TypeError(
                    f"{name} holds {kind}s, got the function {function}: write its layer, as nn.ReLU() for relu, "
                    "or a Module of your own that calls it in forward."
                )
            row = _of_tensor(item) or f"write {name}({self._row})"
            raise TypeError(f"{name} holds {kind}s, got a {type(item).__name__}: {row}.")

    def __len__(self) -> int:
        return len(self._items())

    def _items(self) -> list[T]:
        items: list[Any] = [value for value in held(self).values() if isinstance(value, self._kind)]
        return items

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    def __getitem__(self, index: int | slice) -> Any:
        """The item at a place; of a slice a row of its own, with the same items."""
        items: Any = self._items()[index]
        row: Any = type(self)
        return row(items) if isinstance(index, slice) else items

    def __setitem__(self, index: int, item: T) -> None:
        self._check(item)
        setattr(self, str(range(len(self))[index]), item)

    def __delitem__(self, index: int | slice) -> None:
        items = self._items()
        del items[index]
        self._number(items)

    def _number(self, items: list[T]) -> None:
        """Hold these instead, by their places."""
        for name in [name for name, value in vars(self).items() if isinstance(value, self._kind)]:
            delattr(self, name)
        for place, item in enumerate(items):
            setattr(self, str(place), item)

    def insert(self, index: int, item: T) -> Self:
        """Put one more before the place `index`; those behind it move on. Gives the container, as do the next two."""
        self._check(item)
        items = self._items()
        items.insert(index, item)
        self._number(items)
        return self

    def append(self, item: T) -> Self:
        """Put one more at the end, under the first number from the length on that no other has."""
        self._check(item)
        place = len(self)
        while str(place) in held(self):  # of a slice, whose items keep their names
            place += 1
        setattr(self, str(place), item)
        return self

    def extend(self, items: Iterable[T]) -> Self:
        """Put several more at the end."""
        if not isinstance(items, Iterable) or isinstance(items, Tensor):
            name = type(self).__name__
            raise TypeError(f"{name} takes several at once, got a {type(items).__name__}: write [a, b, c].")
        for item in items:
            self.append(item)
        return self

    def __iadd__(self, items: Iterable[T]) -> Self:
        return self.extend(items)

    def pop(self, index: int) -> T:
        """Take out the one at the place `index`, and give it; those behind it move up."""
        item = self[index]
        del self[index]
        return item


class _Table(Module, Generic[T]):
    """What dicts of Modules and of Parameters share: items are attributes, named by their keys."""

    _kind: type

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> T:
        if key not in self.keys():
            raise KeyError(key)
        return vars(self)[key]

    def __setitem__(self, key: str, item: T) -> None:
        if not isinstance(item, self._kind):
            way = _of_tensor(item) or f"write {type(self).__name__}({{name: a, other: b}})"
            raise TypeError(f"{type(self).__name__} holds {self._kind.__name__}s, got a {type(item).__name__}: {way}.")
        if key not in self.keys():
            self._check_name(key)
        setattr(self, key, item)

    def __delitem__(self, key: str) -> None:
        if key not in self.keys():
            raise KeyError(key)
        delattr(self, key)

    def pop(self, key: str) -> T:
        """Take out what stands under a key, and give it."""
        item = self[key]
        del self[key]
        return item

    def keys(self) -> list[str]:
        """The keys, in the order in which they were put in."""
        return [name for name, value in held(self).items() if isinstance(value, self._kind)]

    def values(self) -> list[T]:
        """What they stand for."""
        return [vars(self)[key] for key in self.keys()]

    def items(self) -> list[tuple[str, T]]:
        """Keys and what they stand for."""
        return [(key, vars(self)[key]) for key in self.keys()]

    def update(self, items: Mapping[str, T] | Iterable[tuple[str, T]]) -> None:
        """Put in several: a dict of them, or pairs of a key and what it stands for."""
        pairs: Any = items.items() if isinstance(items, (Mapping, _Table)) else items
        try:
            new = dict(pairs)
        except (TypeError, ValueError):
            name = type(self).__name__
            raise TypeError(f"{name} takes a dict, {{name: a, other: b}}, got a {type(items).__name__}.") from None
        for key, item in new.items():
            self[key] = item

    def clear(self) -> None:
        """Take out everything."""
        for key in self.keys():
            del self[key]


def _of_tensor(item: Any) -> str:
    """What to write for a Tensor that is no Parameter."""
    return "write nn.Parameter(tensor)" if isinstance(item, Tensor) and not isinstance(item, Parameter) else ""


# Note [Linear and ReLU]
# A Linear or a convolution with a ReLU behind it is computed as one node: the same numbers to the last bit, without the
# array between them. Where a hook wants to see that array, or a forward was assigned to one of them, they stay two.


def _are_one_node(module: Any, following: Any) -> bool:
    if type(following) is not ReLU or type(module) not in _WITH_RELU:
        return False
    return not any(half.is_hooked or "forward" in vars(half) for half in (module, following))


_WITH_RELU: dict[type, Callable[[Any, Any], Any]] = {
    Linear: lambda layer, x: F.linear(x, layer.weight, layer.bias, activation="relu"),
    Conv1d: lambda layer, x: layer.convolved(x, "relu"),
    Conv2d: lambda layer, x: layer.convolved(x, "relu"),
}


def _joined(modules: Iterable[Module]) -> Iterator[Callable[[Any], Any]]:
    """The Modules as functions, two that are one node as one."""
    left = iter(modules)
    waiting = next(left, None)
    while waiting is not None:
        module, waiting = waiting, next(left, None)
        if _are_one_node(module, waiting):
            yield partial(_WITH_RELU[type(module)], module)
            waiting = next(left, None)
        else:
            yield module


class Sequential(_Row[Module]):
    """Calls its Modules one after the other: Sequential(Linear(784, 100), ReLU(), Linear(100, 10)).

    A dict of Modules names them. `model[0]` is a Module, `model[:2]` a Sequential of the same Modules. A Linear or a
    convolution and a ReLU behind it are computed as one, see Note [Linear and ReLU].
    """

    __slots__ = ("_plan",)  # beside the attributes, which are what is printed, saved and copied

    _kind = Module
    _row = "a, b, c"

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named: Mapping[str, Any] = modules[0]
        else:
            named = {str(place): module for place, module in enumerate(modules)}
        for name, module in named.items():
            self._check(module)
            self.add_module(name, module)

    def forward(self, x: Any) -> Any:
        for step in self._steps():
            x = step(x)
        return x

    def _steps(self) -> list[Callable[[Any], Any]]:
        """What forward calls; it stands in `_plan`, with the count of changes for which it was found."""
        changes = count()
        plan = getattr(self, "_plan", None)
        if plan is None or plan[0] != changes:
            plan = changes, list(_joined(self._items()))
            object.__setattr__(self, "_plan", plan)
        return plan[1]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Sequential(dict(list(self.named_items())[index]))
        return self._items()[index]

    def named_items(self) -> Iterator[tuple[str, Module]]:
        """The Modules with their names, a shared one at each of its places."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def __setitem__(self, index: int, item: Module) -> None:
        self._check(item)
        setattr(self, [name for name, _ in self.named_items()][index], item)


class ModuleList(_Row[Module]):
    """A list of Modules that are trained, moved and saved; it has no forward of its own."""

    _kind = Module

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)


class ModuleDict(_Table[Module]):
    """A dict of Modules that are trained, moved and saved; it has no forward of its own."""

    _kind = Module

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        self.update({} if modules is None else modules)


class ParameterList(_Row[Parameter]):
    """A list of Parameters that are trained, moved and saved."""

    _kind = Parameter

    def __init__(self, parameters: Iterable[Parameter] = ()) -> None:
        self.extend(parameters)


class ParameterDict(_Table[Parameter]):
    """A dict of Parameters that are trained, moved and saved."""

    _kind = Parameter

    def __init__(self, parameters: Mapping[str, Parameter] | Iterable[tuple[str, Parameter]] | None = None) -> None:
        self.update({} if parameters is None else parameters)


class Residual(Module):
    """x + f(x), f being the Modules one after the other; with `shortcut`, shortcut(x) + f(x).

    He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", equation 1. Raises ValueError when f
    changes the shape and no shortcut does the same.
    """

    def __init__(self, *modules: Module, shortcut: Module | None = None) -> None:
        self.body = modules[0] if len(modules) == 1 else Sequential(*modules)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        change = self.body(x)
        straight = x if self.shortcut is None else self.shortcut(x)
        if change.shape != straight.shape:
            raise ValueError(
                f"Residual cannot add f(x) of shape {change.shape} to {straight.shape}: f must keep the shape of x, or "
                "pass a shortcut such as Linear that changes it in the same way."
            )
        return straight + change
