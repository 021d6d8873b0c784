"""Expressions: short questions to Python that are asked at every call, several in one go.

One idea: a question is a text with the objects that it names, as in `group['lr'] * 2`, so that all that a call has to
ask becomes one function that Python compiles once, and no question costs a call of its own. Read `number.py` next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Expression", "Same", "function_of", "named"]


class Expression:
    """A Python expression with the objects that its names stand for. Called, it gives its value."""

    __slots__ = ("_code", "scope", "text")

    def __init__(self, text: str, scope: dict[str, Any]) -> None:
        self.text, self.scope = text, scope
        self._code: Any = None

    def __call__(self) -> Any:
        if self._code is None:
            self._code = compile(self.text, "<expression>", "eval")
        return eval(self._code, dict(self.scope))

    def __str__(self) -> str:
        """What it asks about, in words: an attribute, a global, a variable of a closure, or as it is written."""
        about = re.search(r"(o\d+)(, |\.get\(|\.__dict__\.get\()'(\w+)'", self.text)
        thing = self.scope.get(about[1]) if about else None
        if about and isinstance(thing, dict):
            return f"the global {about[3]}"
        if about:
            return f"the attribute {about[3]} of a {(thing if isinstance(thing, type) else type(thing)).__name__}"
        if ".cell_contents" in self.text:
            return "a variable of a closure"
        return re.sub(r"\bo\d+\b(\(\))?", lambda name: repr(self.scope.get(name[0].removesuffix("()"))), self.text)

    @classmethod
    def of(cls, question: Expression | Callable[[], Any]) -> Expression:
        """A question as an expression; a function is called."""
        if isinstance(question, Expression):
            return question
        name, scope = named(question)
        return cls(f"{name}()", scope)


def named(thing: Any) -> tuple[str, dict[str, Any]]:
    """A name for an object, the same whenever it is asked for, and the scope that binds it."""
    name = f"o{id(thing)}"
    return name, {name: thing}


def function_of(lines: Iterable[str], scopes: Iterable[dict[str, Any]], parameters: str = "") -> Callable[..., Any]:
    """A function of these lines, whose free names are those of the scopes."""
    scope: dict[str, Any] = {}
    for part in scopes:
        scope.update(part)
    source = "\n".join([f"def function({parameters}):", *(f"    {line}" for line in lines)])
    exec(compile(source, "<expressions>", "exec"), scope)
    found: Callable[..., Any] = scope["function"]
    return found


class Same:
    """A thing that is equal to itself alone; it is kept, so that no other can take its place in memory."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)
