"""Kinds of options: what a value must be, said once for checking, for messages and for --help.

One idea: a kind is a function that gives the value in its final form or raises ValueError, with words for what it
wants. Read `config.py` next.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Kind", "choice", "literal", "number", "one_or_several", "optional", "several", "switch", "text", "whole"]


@dataclass(frozen=True)
class Kind:
    """`wanted` says in words what a value must be; `accept` gives it in its final form, or raises ValueError."""

    wanted: str
    accept: Callable[[Any], Any]
    metavar: str
    is_text: bool = False
    is_switch: bool = False  # its flag needs no value

    def of_text(self, given: str) -> Any:
        """The value that the text of a flag means."""
        return self.accept(given if self.is_text else literal(given))


def literal(given: str) -> Any:
    """What a text means: a number, true, false, none, several of these with commas between, or the text itself."""
    if "," in given:
        return [literal(part.strip()) for part in given.strip().removesuffix(",").split(",")]
    words = {"true": True, "false": False, "none": None}
    if given.lower() in words:
        return words[given.lower()]
    for form in (int, float):
        try:
            return form(given)
        except ValueError:
            continue
    return given


def _refuse(condition: bool) -> None:
    if condition:
        raise ValueError


def whole(least: int, most: int | None = None) -> Kind:
    """A whole number from `least` up to `most`."""

    def accept(value: Any) -> int:
        _refuse(isinstance(value, bool) or not isinstance(value, int) or value < least)
        _refuse(most is not None and value > most)
        return int(value)

    bounds = f"from {least} up" if most is None else f"from {least} to {most}"
    return Kind(f"a whole number {bounds}", accept, "N")


def number(
    *, above: float | None = None, least: float | None = None, below: float | None = None, most: float | None = None
) -> Kind:
    """A finite number, within bounds that belong to it (`least`, `most`) or do not (`above`, `below`)."""

    def accept(value: Any) -> float:
        _refuse(isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max)
        _refuse(above is not None and not value > above)
        _refuse(least is not None and not value >= least)
        _refuse(below is not None and not value < below)
        _refuse(most is not None and not value <= most)
        return float(value)

    bounds = [("above", above), ("from", least), ("below", below), ("to", most)]
    words = " ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    return Kind(f"a number {words}" if words else "a number", accept, "X")


def choice(names: Sequence[str]) -> Kind:
    """One of some names."""

    def accept(value: Any) -> str:
        _refuse(value not in names)
        return str(value)

    return Kind(f"one of {', '.join(names)}", accept, "NAME", is_text=True)


def text(wanted: str, metavar: str = "TEXT", without: str = "") -> Kind:
    """Any text but the empty one, and those that have one of the characters in `without`."""

    def accept(value: Any) -> str:
        _refuse(not isinstance(value, str) or not value or any(sign in value for sign in without))
        return str(value)

    return Kind(wanted, accept, metavar, is_text=True)


def switch(*others: str) -> Kind:
    """true or false, or one of some words."""

    def accept(value: Any) -> bool | str:
        _refuse(not isinstance(value, bool) and value not in others)
        return value

    words = ("true", "false", *others)
    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", accept, "|".join(words), is_switch=True)


def several(kind: Kind, wanted: str, counts: Sequence[int] | None = None) -> Kind:
    """A list of values of one kind, of one of the lengths in `counts`; a single value is a list of one, none is
    empty.
    """

    def accept(value: Any) -> tuple[Any, ...]:
        items = [] if value is None else value if isinstance(value, (list, tuple)) else [value]
        _refuse(counts is not None and len(items) not in counts)
        return tuple(kind.accept(item) for item in items)

    return Kind(wanted, accept, f"{kind.metavar},{kind.metavar}")


def one_or_several(kind: Kind, wanted: str) -> Kind:
    """A value of one kind, or a list of at least one of them."""

    def accept(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return kind.accept(value)
        _refuse(not value)
        return tuple(kind.accept(item) for item in value)

    return Kind(wanted, accept, f"{kind.metavar}[,{kind.metavar}]")


def optional(kind: Kind) -> Kind:
    """A value of a kind, or none."""

    def accept(value: Any) -> Any:
        return None if value is None or value == "none" else kind.accept(value)

    return Kind(f"{kind.wanted}, or none", accept, kind.metavar, kind.is_text)
