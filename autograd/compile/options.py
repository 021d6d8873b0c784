"""Options: numbers that a call of eager code is given, and that may be others at the next one.

One idea: what was made of a function holds for other numbers too, as long as they lead it the same way, so Python asks
whether they do, and works out what follows from them; what a call costs is one function of its options, made of texts.
Read `lengths.py` next.
"""

# Note [Which way it goes]
# A function may ask for the truth of a number, as in `if momentum`, and then goes one way or another. What was made of
# it is right where all these questions have the answers that they had then, so there is one for each way.

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .expression import Expression, function_of
from .number import Number
from .program import Program, Variable
from .trace import Trace

__all__ = ["WAYS", "Numbers", "Options", "in_trace", "kind_of"]

Options = dict[str, Any]

WAYS = 8  # of one kind of arguments, that are remembered


def kind_of(option: Any) -> Any:
    """What of an option a way is for: of numbers not their values. Raises TypeError for what may change unseen."""
    kind = type(option)
    if kind is float or kind is int:
        return kind
    if kind is tuple:
        return tuple(map(kind_of, option))
    if kind in (bool, str, type(None), type):
        return option
    raise TypeError(f"an option of a loop is a plain number, got a {kind.__name__}.")


def in_trace(trace: Trace, options: Options) -> Options:
    """Options as a trace takes them: numbers are worked out anew from those of each call."""
    return {name: _traced(trace, name, options, option) for name, option in options.items()}


def _traced(trace: Trace, text: str, options: Options, option: Any) -> Any:
    if type(option) is tuple:
        return tuple(_traced(trace, f"{text}[{i}]", options, x) for i, x in enumerate(option))
    return Number(trace, Expression(text, options)) if type(option) in (int, float) else option


class Numbers:
    """The wanted numbers of a program, for options with these names, and the guards under which it is the right one.

    `work_out(**options)` gives the numbers, or None where these lead another way. `text` is all that it asks.
    """

    def __init__(
        self,
        program: Program,
        wanted: Sequence[Variable],
        guards: Sequence[tuple[Expression, Any]],
        names: Iterable[str],
    ) -> None:
        lines, scopes = [], []
        for i, (question, answer) in enumerate(guards):
            lines.append(f"if {question.text} != answer{i}: return None")
            scopes += [question.scope, {f"answer{i}": answer}]
        again = {variable: expression for expression, variable in program.numbers}
        lines.append(f"return [{', '.join(again[variable].text for variable in wanted)}]")
        scopes += [again[variable].scope for variable in wanted]
        self.work_out: Callable[..., list[Any] | None] = function_of(lines, scopes, ", ".join(names))
        self.text = (*lines, *(repr(answer) for _, answer in guards))
