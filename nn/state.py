"""What a Module holds, as a whole: its state, loaded or moved all at once or not at all.

One idea: everything is looked at first and changed afterwards, so an error leaves the Module as it was.
Read `call.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from autograd.backend import array_of, host, is_floating
from autograd.backend import move as moved
from autograd.ops.cast import astype
from autograd.tensor import Tensor
from autograd.writes import mark_written

from . import module as modules
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Differences", "load", "move", "refuse_hidden", "tensors_of"]


class Differences(NamedTuple):
    """What a state lacked, and what it had that the Module has no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def tensors_of(module: Module, prefix: str = "", _above: tuple[int, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    """Parameters and persistent buffers by name, a shared one under each of its names."""
    if not _above:
        refuse_hidden(dict(module.named_modules()))
    held = tuple(vars(module).items())
    persistent = vars(module).get("_buffers", {})
    yield from ((prefix + name, value) for name, value in held if isinstance(value, Parameter))
    for name, keep in persistent.items():
        if keep and vars(module)[name] is not None:
            yield prefix + name, vars(module)[name]
    above = (*_above, id(module))
    for name, value in held:
        if isinstance(value, modules.Module) and id(value) not in above:
            yield from tensors_of(value, f"{prefix}{name}.", above)


# ---- hidden in plain containers -------------------------------------------------------------------------------------


def refuse_hidden(owners: Mapping[str, Module]) -> None:
    """Raise TypeError for a Module or Parameter that only a plain list, tuple, set or dict holds.

    One that is an attribute of a Module as well is found there, so a second list of it does no harm.
    """
    found = {id(module) for module in owners.values()}
    for module in owners.values():
        found.update(id(value) for value in vars(module).values() if isinstance(value, Parameter))
    for path, module in owners.items():
        for name, value in vars(module).items():
            for hidden in _inside(value):
                if id(hidden) not in found:
                    _refuse(f"{path}.{name}" if path else name, type(module).__name__, value, hidden)


def _inside(value: Any) -> Iterator[Any]:
    """The Modules and Parameters inside a plain container, however deep."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if not isinstance(value, (list, tuple, set, frozenset)):
        return
    for item in value:
        if isinstance(item, (Parameter, modules.Module)):
            yield item
        else:
            yield from _inside(item)


def _refuse(path: str, owner: str, container: Any, hidden: Any) -> None:
    kind = "Parameter" if isinstance(hidden, Parameter) else "Module"
    form = "Dict" if isinstance(container, dict) else "List"
    raise TypeError(
        f"{owner} holds a {type(hidden).__name__} in a plain {type(container).__name__}, {path}, where it would not be "
        f"trained, moved or saved: make it nn.{kind}{form}(...)."
    )


# ---- loading --------------------------------------------------------------------------------------------------------


def load(module: Module, state: Mapping[str, Any], strict: bool) -> Differences:
    """Copy a state into a Module; see `Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise TypeError(f"load_state_dict takes a dict of Tensors by name, got a {type(state).__name__}.")
    places = dict(tensors_of(module))
    arrays = {name: _array(name, value) for name, value in state.items() if name in places}
    # A shared parameter is there if any of its names is.
    given = {id(places[name]) for name in arrays}
    missing = [name for name, place in places.items() if id(place) not in given]
    unexpected = [name for name in state if name not in places]
    wrong = [text for name in arrays if (text := _misfit(name, places[name], arrays[name]))]
    wrong += [] if wrong else _at_odds(places, arrays)
    if wrong or (strict and (missing or unexpected)):
        raise ValueError(_report(module, missing, unexpected, wrong, strict))
    ready = [
        (places[name], moved(astype(array, dtype=places[name].dtype), places[name].device))
        for name, array in arrays.items()
    ]
    for place, array in ready:
        place.data[...] = array
        mark_written(place.data)
    return Differences(missing, unexpected)


def _array(name: str, value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.data
    if hasattr(value, "detach"):  # a tensor of PyTorch's
        value = value.detach().cpu().numpy()
    try:
        return array_of(value, copy=None)
    except (TypeError, ValueError) as error:
        raise TypeError(f"load_state_dict: {name} is no Tensor and no array: {error}") from None


def _misfit(name: str, place: Tensor, array: Any) -> str | None:
    if array.shape != place.shape:
        return f"{name} is {place.shape} here and {array.shape} in the state"
    if isinstance(place.data, host.ndarray) and not place.data.flags.writeable:
        return f"{name} is read-only here"
    if is_floating(array.dtype) and not is_floating(place.dtype):
        return f"{name} is {place.dtype} here and {array.dtype} in the state"
    return None


def _at_odds(places: Mapping[str, Tensor], arrays: Mapping[str, Any]) -> Iterator[str]:
    """Names of one shared parameter that have different values in the state."""
    first: dict[int, str] = {}
    for name, array in arrays.items():
        other = first.setdefault(id(places[name]), name)
        if other != name and array is not arrays[other]:
            one, two = (moved(each, "cpu") for each in (arrays[other], array))
            if not ((one == two) | ((one != one) & (two != two))).all():
                yield f"{other} and {name} are one Tensor here and differ in the state"


def _report(module: Module, missing: list[str], unexpected: list[str], wrong: list[str], strict: bool) -> str:
    lines = [f"load_state_dict of {type(module).__name__}: the state does not fit, and nothing was loaded."]
    parts = [("wrong shape, kind or value", wrong), ("missing in the state", missing), ("no place for", unexpected)]
    for title, names in parts if strict else parts[:1]:
        if names:
            more = f", and {len(names) - 20} more" if len(names) > 20 else ""
            lines.append(f"  {title} ({len(names)}): {', '.join(names[:20])}{more}")
    if strict and not wrong:
        lines.append("Pass strict=False to load what fits by name.")
    return "\n".join(lines)


# ---- moving ---------------------------------------------------------------------------------------------------------


def move(module: Module, targets: list[Any]) -> None:
    """Give every parameter and buffer, and the gradients, arrays on another device or of another dtype."""
    device, dtype = _device_and_dtype(targets)
    tensors = [*module.parameters(), *module.buffers()]
    tensors += [tensor.grad for tensor in tensors if tensor.grad is not None]
    arrays = [_moved(tensor.data, device, dtype) for tensor in tensors]
    for tensor, array in zip(tensors, arrays, strict=True):
        tensor.data = array


def _device_and_dtype(targets: list[Any]) -> tuple[str | None, Any]:
    device, dtype = None, None
    for target in targets:
        try:
            dtype = host.dtype(target)
        except TypeError:
            device = target
    if dtype is not None and not is_floating(dtype):
        raise TypeError(f"a Module cannot become {dtype}: parameters carry gradients, so only floating point will do.")
    if device is not None and not isinstance(device, str):
        raise TypeError(f'to() takes a device such as "cuda" or a dtype such as "float64", got {device!r}.')
    return device, dtype


def _moved(array: Any, device: str | None, dtype: Any) -> Any:
    if dtype is not None and is_floating(array.dtype):
        array = astype(array, dtype=dtype)
    return array if device is None else moved(array, device)
