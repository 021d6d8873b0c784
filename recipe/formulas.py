"""Formulas: what an update and an evaluation compute, compiled where that can be done and pays.

One idea: each is a plain function, and `autograd.compile` makes another of it that does the same, so the loop with its
events never sees which of the two ran. Which one it is follows from the configuration and the number of the update
alone, never from a clock: a run that is resumed goes the same way, to the last bit. Read `trainer.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import autograd as ag
from autograd.backend import Array
from autograd.tensor import Tensor, wrap
from nn.module import Module
from nn.settings import Hooked
from optim import Optimizer, clip_grad_norm_, clip_grad_value_

from .given import check_output
from .rows import pieces

__all__ = ["AFTER", "Compile", "Formulas"]

Compile = bool | Literal["auto"]

# Note [When compiling pays]
# A formula is traced and made into C in 0.2 to 0.5 s the first time, and in 0.02 to 0.05 s when its library is kept
# from an earlier run. An update then saves 0.3 ms (784-32-32-10, 32 rows) to 2 ms (784-512-512-10, 128 rows): the
# second repays that after some 500 updates, the first after some 2000, or 200 with the library kept. Whoever waits as
# long as it takes to repay never loses more than half. So "auto" begins after 500 updates, and leaves alone what comes
# once an epoch, a last batch of fewer rows. How many updates are still to come does not count: a run that is made
# longer must not have other bits.
AFTER = 500


class Formulas:
    """`gradients`, `update` and `outputs` of a model, a loss and an optimizer.

    `compile` True compiles all of them, False none, "auto" as in Note [When compiling pays]. A formula that cannot be
    compiled runs as it is written, and `way` says why. `refused` has the reasons that an earlier run found, by formula.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        optimizer: Optimizer,
        *,
        device: str = "cpu",
        compile: Compile = "auto",
        refused: Mapping[str, str] | None = None,
    ) -> None:
        if compile not in (True, False, "auto"):
            raise ValueError(f'compile={compile!r}: True, False or "auto" is wanted.')
        self.parts = (model, loss, optimizer)
        self._compile = compile
        self._hooked = [Hooked(module) for module in (model, loss) if isinstance(module, Module)]
        self._written = _written(model, loss, optimizer)
        self._compiled = {name: ag.compile(formula, fallback=True) for name, formula in self._written.items()}
        for name, why in (refused or {}).items():
            self._compiled[name].refused = why
        # A GPU has an executor of its own.
        self._executor = self._compiled["update"].executor if device == "cpu" else device.partition(":")[0]
        self._never = self._why_never()

    def _why_never(self) -> str | None:
        """Why nothing is compiled in this run, whatever it does."""
        if not self._compile:
            return "compile is false"
        if self._compiled["update"].disable:
            return "TAPEGRAD_COMPILE is 0"
        if self._compile == "auto" and self._executor == "numpy":
            return "TAPEGRAD_EXECUTOR is numpy, which is slower"
        return None

    def run(self, name: str, *arguments: Any, step: int, whole: bool) -> Any:
        """A formula of these arguments after `step` updates, on a `whole` batch or one of fewer rows."""
        due = self._compile is True or (whole and step >= AFTER)
        if due and self._never is None and (name == "update" or not self._has_hooks()):
            return self._compiled[name](*arguments)
        return self._written[name](*arguments)

    def _has_hooks(self) -> bool:
        # What a hook does besides would be done while tracing only.
        return any(hooked() for hooked in self._hooked)

    # What is said of it

    @property
    def refused(self) -> dict[str, str]:
        """Why a formula cannot be compiled, by its name."""
        return {name: formula.refused for name, formula in self._compiled.items() if formula.refused is not None}

    def way(self, step: int) -> dict[str, Any]:
        """How updates are made after `step` of them: what is compiled, by what, and why the rest is not."""
        general = self._never
        if general is None and self._compile == "auto" and step <= AFTER:
            general = f"compiling begins after {AFTER} updates"
        reasons = {"gradients": general, "update": general}
        if general is None:
            reasons |= {name: why for name, why in self.refused.items() if name in reasons}
            if self._has_hooks():
                reasons["gradients"] = "the model has hooks"
        return {
            "compiled": [name for name, why in reasons.items() if why is None],
            "executor": self._executor,
            "after": AFTER if self._compile == "auto" else 0,
            "why_not": {name: " ".join(why.split()) for name, why in reasons.items() if why is not None},
            "trace_seconds": sum(formula.trace_seconds for formula in self._compiled.values()),
        }

    def describe(self, step: int) -> str:
        """The same in words: "compiled (native) after 500 updates, traced in 0.8 s", or "eager: " and why."""
        way = self.way(step)
        if not way["compiled"]:
            return f"eager: {way['why_not']['gradients']}"
        after = f" after {way['after']} updates" if way["after"] else ""
        text = f"compiled ({way['executor']}){after}, traced in {way['trace_seconds']:.1f} s"
        if way["why_not"]:
            text = f"{way['compiled'][0]} {text}"
        return text + "".join(f"; {name} eager: {why}" for name, why in way["why_not"].items())


def _written(
    model: Module, loss: Callable[[Tensor, Tensor], Tensor], optimizer: Optimizer
) -> dict[str, Callable[..., Any]]:
    """The formulas as they are written, by name."""
    moved = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    # Their gradients count where the model's are clipped or measured.
    others = [parameter for parameter in model.parameters() if id(parameter) not in moved]

    def computed(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        output = model(x)
        check_output("model", output)
        value = loss(output, y)
        check_output("loss", value)
        return output, value

    def gradients(x: Tensor, y: Tensor, count: int) -> tuple[Array, list[tuple[Array, Array]]]:
        """Set the gradients of the mean loss; gives that loss, and loss and output of each of `count` pieces."""
        optimizer.zero_grad()
        for parameter in others:
            parameter.grad = None
        total: Any = None
        seen = []
        for part_x, part_y in pieces(x.data, y.data, count):
            output, value = computed(wrap(part_x), wrap(part_y))
            seen.append((value.data, output.data))
            if len(part_x) < len(x):
                value = value * (len(part_x) / len(x))
            value.backward()
            total = value.data if total is None else total + value.data
        return total, seen

    def update(clip_value: float | None, clip_norm: float | None) -> None:
        """Clip the gradients and move the parameters."""
        if clip_value is not None:
            clip_grad_value_(model.parameters(), clip_value)
        if clip_norm is not None:
            clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()

    def outputs(x: Tensor, y: Tensor) -> tuple[Array, Array]:
        """The mean loss and the model's output."""
        output, value = computed(x, y)
        return value.data, output.data

    return {"gradients": gradients, "update": update, "outputs": outputs}
