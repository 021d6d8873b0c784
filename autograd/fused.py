"""Fused functions: a composite whose definition is its truth, with a hand-made kernel for speed.

One idea: the definition, written in primitives, says what the function is, to every order; a kernel says the same for
arrays in one step forward and one back, as one fat node. First order on arrays takes the kernel; higher orders, and
whatever the kernel declines, take the definition. A law tests that both agree.

    @fused
    def gelu(x): return x * 0.5 * (1.0 + erf(x * 0.5 ** 0.5))

    gelu.kernel(forward, backward)

with `forward(xp, *arrays, **options)` giving (out, residuals), or NotImplemented for a case that the definition has to
do, and `backward(xp, g, needs, inputs, residuals, **options)` giving a gradient for each input, None where `needs` is
False. A kernel never writes into g, its inputs or its residuals, and gives a new array for each. Large arrays may be
done in C: `compile/native/eager.py` makes a loop of the definition, and `compile/cuda/eager.py` a kernel for a GPU.
To differentiate a gradient again the definition is computed again, which `gelu.recorded(gradients)` spares.
Read `engine.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .anomaly import check_forward
from .backend import Array, host, modules
from .batching import Batch
from .modes import is_recording, is_tracing, is_watching
from .primitive import Operation, P, register
from .tensor import Node, Tensor, wrap

__all__ = ["Fused", "fused", "fused_functions"]

fused_functions: dict[str, Fused[Any]] = {}  # every fused function by name; the tests' table must have a row for each


class Fused(Operation[P]):
    """A function defined in primitives, with a kernel. Made by `@fused`."""

    def __init__(self, definition: Callable[P, Any]) -> None:
        super().__init__(definition, skip=0)
        self.definition = definition
        parameters = [self.signature.parameters[name] for name in self.inputs]
        self.required = sum(p.default is p.empty for p in parameters)
        self.defaults = tuple(p.default for p in parameters)
        self.forward: Callable[..., Any] | None = None  # on the host, and so `backward`
        self.backward: Callable[..., Any] | None = None
        self.elsewhere: tuple[Callable[..., Any], ...] = ()  # the two of them on other devices
        self.recorded_gradients: Callable[..., Any] | None = None
        self.traced = False  # whether a trace takes those of other devices
        register(self, "fused function", fused_functions)

    def kernel(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        elsewhere: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
        traced: bool = False,
    ) -> None:
        """Declare the forward and the backward on arrays; `elsewhere` is both for devices other than the host.

        A trace takes the definition, unless these are instructions and shall be `traced` as such.
        """
        self.forward, self.backward, self.traced = forward, backward, traced
        self.elsewhere = elsewhere or (forward, backward)

    def recorded(self, gradients: Callable[..., Any]) -> Callable[..., Any]:
        """Declare the gradients in primitives: `gradients(g, needs, inputs, residuals, **options)`, of Tensors but for
        the residuals, gives one for each input, None where `needs` is False. A law holds them to the definition.
        """
        self.recorded_gradients = gradients
        return gradients

    def __call__(self, *inputs: P.args, **options: P.kwargs) -> Tensor:
        """The kernel on arrays and Tensors, the definition on everything else: in a trace, and in a run of vmap."""
        given: Any = inputs
        named: Any = self.options | options if options else self.options
        forward = self.forward
        if forward is None:
            return self.definition(*given, **options)
        if len(given) != len(self.inputs) or len(named) != len(self.options):
            given, named = self._completed(given, options)
        xp, arrays, edges, requires_grad = self.read(given)
        if xp is not host:
            if isinstance(xp, Batch) or (is_tracing() is not None and not self.traced):
                return self.definition(*given, **named)
            forward = self.elsewhere[0]
        result = forward(xp, *arrays, **named)
        if result is NotImplemented:
            return self.definition(*given, **named)
        out, residuals = result
        if requires_grad is None:
            return out
        if type(out) not in modules:
            out = xp.asarray(out)  # NumPy gives scalars where CuPy gives 0-d arrays
        node = None
        dtype = out.dtype
        if requires_grad and is_recording() and (dtype.kind == "f" or self.carries(dtype)):
            saved = {"module": xp, "inputs": arrays, "residuals": residuals, "options": named}
            node = Node(self, tuple(edges), saved, out.shape, dtype)
        if is_watching():
            check_forward(self.name, [*arrays, *named.values()], out, node)
        return wrap(out, node)

    def _completed(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The inputs and options of a call with the defaults of those left out; raises TypeError as `bind` does."""
        if not self.required <= len(inputs) <= len(self.inputs) or not options.keys() <= self.options.keys():
            inputs, options = self.bind(inputs, options)
        return inputs + self.defaults[len(inputs) :], self.options | options

    def gradients(self, saved: dict[str, Any], g: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        """The gradient of each input that `needs` one, by the kernel, from what its node kept."""
        xp = saved["module"]
        backward: Any = self.backward if xp is host else self.elsewhere[1]
        return backward(xp, g, needs, saved["inputs"], saved["residuals"], **saved["options"])


def fused(definition: Callable[P, Any]) -> Fused[P]:
    """Make a fused function of its definition in primitives; `.kernel(forward, backward)` adds the kernel."""
    return Fused(definition)
