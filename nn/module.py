"""Module: an object that holds parameters, buffers and other Modules, and computes with them.

One idea: a Module is its attributes. What is a Parameter is a parameter, what is a Module is a child, what was named to
`register_buffer` is a buffer; everything else here walks these attributes. So a subclass need not call
`super().__init__()`, and nothing stands in the way of an editor that looks for an attribute.
Read `parameter.py` next, then `linear.py`; `state.py`, `tree.py`, `hooks.py` and `settings.py` help here.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from autograd.hints import Elsewhere, of_keywords, of_places, refuse_foreign, telling
from autograd.modes import is_tracing
from autograd.ops.creation import zeros_like
from autograd.tensor import Tensor
from autograd.words import OF_MODULES

from . import state, tree
from .hooks import Handle, Hooks
from .parameter import Parameter
from .settings import assigned, attend, changed, held

__all__ = ["Module"]

# Attributes of the Module's own: made when they are first needed.
_BUFFERS = "_buffers"  # name of a buffer -> whether it belongs to the state
_HOOKS = "_hooks"


class Module:
    """The base of every layer and network: assign Parameters and Modules to attributes, and write `forward`.

        class Net(Module):
            def __init__(self):
                self.hidden, self.out = Linear(784, 100), Linear(100, 10)

            def forward(self, x):
                return self.out(relu(self.hidden(x)))

    The names and their meaning are PyTorch's. A Parameter or Module that stands in a plain list, tuple or dict would
    not be trained; the walk over the parameters refuses it with a TypeError.
    """

    training: bool = True  # whether Dropout drops, and normalisations learn their statistics
    _hooks: Hooks | None = None

    if not TYPE_CHECKING:  # which reads the arguments of __init__

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Raises TypeError for options of other libraries, and for arguments where no `__init__` takes them."""
            _refuse_arguments(cls, args, options)
            module = super().__new__(cls)
            trace = is_tracing()
            if trace is not None:
                trace.made[id(module)] = module
            return module

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the Module computes; each subclass writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward: write def forward(self, x).")

    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        """`forward`, with the hooks before and after it."""
        trace = is_tracing()
        if trace is not None:
            attend(trace, self, called=True)
        if self._hooks is None:
            return self.forward(*inputs, **options)
        return self._hooks.call(self, inputs, options)

    def extra_repr(self) -> str:
        """What stands between the brackets when the Module is printed."""
        return ""

    def __repr__(self) -> str:
        return tree.describe(self)

    def __dir__(self) -> list[str]:
        """The names that lead somewhere."""
        return [name for name in object.__dir__(self) if name not in OF_MODULES or hasattr(self, name)]

    def __setattr__(self, name: str, value: Any) -> None:
        old = vars(self).get(name)
        if isinstance(old, Parameter) and not (value is None or isinstance(value, Parameter)):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Parameter and cannot become a {type(value).__name__}, which would "
                f"not be trained: assign a Parameter, or change the values: with no_grad(): module.{name}[...] = value."
            )
        if isinstance(old, Module) and not (value is None or isinstance(value, (Module, Parameter))):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Module and cannot become a {type(value).__name__}, with which its "
                "parameters would be gone: assign a Module, or delete it first with del."
            )
        buffers = vars(self).get(_BUFFERS, {})
        if name in buffers and not (value is None or (isinstance(value, Tensor) and not isinstance(value, Parameter))):
            raise TypeError(
                f"{type(self).__name__}.{name} is a buffer and cannot become a {type(value).__name__}: "
                "assign a Tensor, or delete it first with del."
            )
        object.__setattr__(self, name, value)
        assigned(self, name, old)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        changed()
        vars(self).get(_BUFFERS, {}).pop(name, None)

    # What belongs to it

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a Tensor that is no parameter but moves with the Module and, if `persistent`, belongs to its state.

        Raises TypeError for what is no Tensor, ValueError for a name that is taken or holds a dot.
        """
        if tensor is not None and (not isinstance(tensor, Tensor) or isinstance(tensor, Parameter)):
            raise TypeError(f"buffer {name!r} must be a Tensor, it is a {type(tensor).__name__}: write Tensor(...).")
        self._check_name(name)
        vars(self).setdefault(_BUFFERS, {})[name] = persistent
        object.__setattr__(self, name, tensor)
        changed()

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """The same as assigning a Parameter, or None for a place without one, to the attribute `name`."""
        if not (parameter is None or isinstance(parameter, Parameter)):
            raise TypeError(f"{name!r} must be a Parameter, it is a {type(parameter).__name__}: write Parameter(...).")
        self._check_name(name)
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as assigning a Module, or None for a place without one, to the attribute `name`."""
        if not (module is None or isinstance(module, Module)):
            raise TypeError(f"{name!r} must be a Module, it is a {type(module).__name__}.")
        self._check_name(name)
        setattr(self, name, module)

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a name must be a text, got {name!r}: write {str(name)!r}.")
        if not name or "." in name:
            raise ValueError(f"{name!r} cannot be a name: it is empty or holds a dot, which joins names of the state.")
        if hasattr(self, name) and name not in vars(self).get(_BUFFERS, {}):
            raise ValueError(f"{type(self).__name__} has an attribute {name!r} already.")

    def children(self) -> Iterator[Module]:
        """The Modules that are attributes of this one, each once."""
        return (child for _, child in self.named_children())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The Modules that are attributes of this one with their names, each once."""
        seen: set[int] = set()
        for name, value in tuple(held(self).items()):
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def modules(self) -> Iterator[Module]:
        """This Module and all below it, each once, those above first."""
        return (module for _, module in self.named_modules())

    def named_modules(self, prefix: str = "", _seen: set[int] | None = None) -> Iterator[tuple[str, Module]]:
        """This Module and all below it with their names ("0.weight" has the Module "0"), each once."""
        seen = set() if _seen is None else _seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(_joined(prefix, name), seen)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once however often it is shared."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their names, each once.

        Raises TypeError for a Parameter or Module that hides in a plain list, tuple or dict.
        """
        owners = dict(self.named_modules(prefix)) if recurse else {prefix: self}
        state.refuse_hidden(owners)
        seen: set[int] = set()
        for path, module in owners.items():
            for name, value in tuple(held(module).items()):
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield _joined(path, name), value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their names, each once."""
        seen: set[int] = set()
        for path, module in dict(self.named_modules(prefix)).items() if recurse else [(prefix, self)]:
            for name in held(module).get(_BUFFERS, {}):
                value = vars(module)[name]
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield _joined(path, name), value

    def get_submodule(self, target: str) -> Module:
        """The Module of a dotted name ("layers.0"); raises AttributeError where there is none."""
        if not isinstance(target, str):
            raise TypeError(f'get_submodule takes a dotted name, such as "layers.0", got {target!r}.')
        module: Any = self
        for name in target.split(".") if target else ():
            child = held(module).get(name)
            if not isinstance(child, Module):
                raise AttributeError(f"{type(module).__name__} has no Module {name!r}, looking for {target!r}.")
            module = child
        return module

    # What is done to all of it

    def train(self, mode: bool = True) -> Self:
        """Go to training mode (or, with False, to evaluation mode), with all Modules below; gives the Module itself."""
        if not isinstance(mode, bool):
            raise TypeError(f"train() takes True or False, got {mode!r}.")
        modules = tuple(self.modules())  # a compiled function asks for all of them before one is changed
        for module in modules:
            module.training = mode
        trace = is_tracing()
        if trace is not None:
            trace.effects.append(functools.partial(_set_mode, modules, mode))
        return self

    def eval(self) -> Self:
        """Go to evaluation mode: the same as train(False)."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for the gradients of all parameters, or freeze them; gives the Module itself."""
        if not isinstance(requires_grad, bool):
            raise TypeError(f"requires_grad_() takes True or False, got {requires_grad!r}.")
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with `set_to_none=False` replace them by zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = zeros_like(parameter.grad)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with every Module, those below first; gives the Module itself."""
        if not callable(function):
            raise TypeError(f"apply takes a function of a Module, got {function!r}.")
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    @telling
    def to(self, *targets: Any, device: str | None = None, dtype: Any = None) -> Self:
        """Move parameters and buffers to a device ("cuda"), to a dtype ("float64"), or both; gives the Module itself.

        The Tensors stay the same objects and take new arrays, so make the optimizer afterwards. A dtype is for what is
        floating point; integer buffers keep theirs. Nothing has changed when an error is raised.
        """
        state.move(self, [target for target in (*targets, device, dtype) if target is not None])
        return self

    def cpu(self) -> Self:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self) -> Self:
        """On the first GPU."""
        return self.to("cuda")

    def float(self) -> Self:
        """With floating point as float32."""
        return self.to("float32")

    def double(self) -> Self:
        """With floating point as float64."""
        return self.to("float64")

    # State

    @telling
    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and persistent buffers by name, outside the graph: those of the Module now and later, so copy them
        (copy.deepcopy) to keep what they are.

        They share memory with the parameters; buffers, which get new arrays when they move, stand there themselves. A
        shared parameter stands under each of its names, as in PyTorch.
        """
        tensors = state.tensors_of(self)
        return {prefix + name: t.detach() if isinstance(t, Parameter) else t for name, t in tensors}

    @telling
    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> state.Differences:
        """Copy the values of a state into parameters and buffers; gives what was missing and what was left over.

        Values are Tensors, arrays or PyTorch's tensors; they are converted to dtype and device of what they go into.
        Raises ValueError, with everything that does not fit, for wrong shapes or kinds and, if `strict`, for names that
        are missing or unknown; nothing has changed then.
        """
        return state.load(self, state_dict, strict)

    # Hooks

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> Handle:
        """Call `hook(module, inputs)` before each forward; what it gives, unless None, replaces the inputs."""
        return self._own_hooks().add_before(hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> Handle:
        """Call `hook(module, inputs, output)` after each forward; what it gives, unless None, replaces the output."""
        return self._own_hooks().add_after(hook)

    @property
    def is_hooked(self) -> bool:
        """Whether there are hooks: then the Module is called by itself, never computed together with another."""
        return _HOOKS in vars(self) and not self._own_hooks().is_empty()

    def _own_hooks(self) -> Hooks:
        hooks = vars(self).setdefault(_HOOKS, Hooks())
        assert isinstance(hooks, Hooks)
        return hooks


def _set_mode(modules: tuple[Module, ...], training: bool) -> None:
    """Set it where it is another: who sets any tells all compiled functions to look again."""
    for module in modules:
        if module.training is not training:
            module.training = training


def _refuse_arguments(kind: type[Module], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    if kind.__init__ is object.__init__:
        if args or options:
            hint = of_keywords(options or ("inplace",), ())
            _refuse_inputs(kind, args)
            raise TypeError(f"{kind.__name__}() takes no arguments{hint}: write {kind.__name__}().")
    else:
        refuse_foreign(kind, options)
        _refuse_places(kind, args)


def _refuse_places(kind: type[Module], args: tuple[Any, ...]) -> None:
    """Raise TypeError for more arguments by place than there are, with what to write."""
    init: Any = kind.__init__
    known = list(inspect.signature(init, follow_wrapped=False).parameters.values())[1:]
    places = [p.name for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    extra = args[len(places) :]
    if not extra or any(p.kind is p.VAR_POSITIONAL for p in known):
        return
    _refuse_inputs(kind, args)
    by_name = [p for p in known if p.kind is p.KEYWORD_ONLY]
    in_place = len(extra) == 1 and extra[0] is True and not any(p.default is False for p in by_name)
    hint = of_keywords(("inplace",), ()) if in_place else of_places(kind.__name__, places, by_name, extra)
    raise TypeError(f"{kind.__name__} got {len(args)} arguments by place and takes {len(places)}{hint}.")


def _refuse_inputs(kind: type[Module], args: tuple[Any, ...]) -> None:
    """Raise TypeError where the inputs of a Module are given to its class, which makes one."""
    if args and all(getattr(value, "ndim", None) is not None for value in args):
        call = f"{kind.__name__}()({', '.join('xyz'[: len(args)])})"
        raise TypeError(f"{kind.__name__} makes a Module, which is called afterwards: write {call}.")


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


for _name, _instead in OF_MODULES.items():
    setattr(Module, _name, Elsewhere(_name, _instead))
