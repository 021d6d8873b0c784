"""Biases: what is added to every row of a product, added by the product itself.

One idea: cuBLASLt adds a row before it stores a result, so a loop that only did that is gone, and its pass over memory.
It wants the row in the dtype of the result. Read `formulas.py` next.
"""

# Note [Biases in bfloat16]
# Under `autocast` a product is rounded to bfloat16, and its bias is added in float32. Where that sum is only rounded
# once more, to be multiplied again, the bias is rounded and added by the product, and the sum rounded once: as
# PyTorch's `autocast` does. Where more is done with the sum, as in GELU, it stays as it is.

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..native.dialect import Dialect
from ..native.groups import Group, Member, Operand
from ..native.layout import Ref, whole
from ..native.products import Product
from ..native.schedule import Step, schedule
from ..program import Instruction, Program, Variable

__all__ = ["ALIGNED", "half_of", "new_variable", "table_and_row", "with_biases", "without_members"]

ALIGNED = 8  # columns: rows begin at multiples of 16 bytes, as where this was seen to work on a GPU

Found = tuple[Variable, Ref, list[Member]]  # a product, a row that is added to it, and the members that do so


def with_biases(steps: list[Step], program: Program, refs: dict[Variable, Ref], dialect: Dialect) -> list[Step]:
    """The steps in which a bias is added by the product that it belongs to, where nobody else reads that product.

    A loop that adds it to do more with the sum reads that sum from memory then, where the product was before: so a sum
    that is kept for backward, as that before GELU, is written once and not twice.
    """
    readers = Counter(refs[v].base for i in program.instructions for v in i.variables() if v in refs)
    readers.update(refs[v].base for v in program.kept())
    given = {variable for _, variable in program.places}
    made = {step.instruction.out: i for i, step in enumerate(steps) if isinstance(step, Product)}
    done, all_gone = list(steps), set[Variable]()
    halves: dict[Ref, Instruction] = {}
    for out, member, (factor, bias, gone) in _all_added(steps, readers):
        product = steps[made[factor]] if factor in made else None
        outside = bias.base in given  # so it is there already
        if not (isinstance(product, Product) and outside and readers[factor] == 1 and out.shape == factor.shape):
            continue
        if bias.base.dtype != out.dtype:
            if bias not in halves:
                halves[bias] = half_of(member.instruction, bias, refs)
            bias = refs[halves[bias].out]
        done[made[factor]] = replace(product, instruction=replace(product.instruction, out=out), bias=bias)
        all_gone.update(m.out for m in gone)
    casts = schedule(replace(program, instructions=[*halves.values()]), refs, dialect)
    return casts + without_members(done, all_gone)


def without_members(steps: list[Step], gone: set[Variable]) -> list[Step]:
    """The steps without these members, which are read from memory if at all, and without groups that have no other."""
    left: list[Step] = []
    for step in steps:
        if isinstance(step, Group) and not gone.isdisjoint(step.ways):
            step = replace(step, ways={variable: way for variable, way in step.ways.items() if variable not in gone})
        if not isinstance(step, Group) or step.ways:
            left.append(step)
    return left


def _all_added(steps: list[Step], readers: Counter[Variable]) -> Iterator[tuple[Variable, Member, Found]]:
    """What adds a row to a product: the sum, the member that gives it, and what it adds."""
    for step in steps:
        members = step.members if isinstance(step, Group) else {}
        for out, member in members.items():
            found = _added(member) or _added_and_rounded(members, member, readers)
            if found is not None:
                yield out, member, found


def _added(member: Member) -> Found | None:
    """What a row is added to, in each of its rows, by a member that does so, and the row."""
    if str(member.out.dtype) not in ("float32", "float64"):
        return None
    for table, row in table_and_row(member):
        if table.is_whole and table.base.dtype == row.base.dtype:
            return table.base, row, [member]
    return None


def _added_and_rounded(members: dict[Variable, Member], last: Member, readers: Counter[Variable]) -> Found | None:
    """The same where the last of three members rounds the sum to bfloat16, the product's dtype."""
    total = _cast_of(members, last, readers) if str(last.out.dtype) == "bfloat16" else None
    for table, row in table_and_row(total) if total is not None else ():
        first = members.get(table.base)
        if first is None or first.name != "positive" or readers[first.out] != 1:
            continue
        product = first.operands[0].ref
        fits = last.out.shape[-1] % ALIGNED == 0
        if fits and product is not None and product.is_whole and product.base.dtype == last.out.dtype:
            assert total is not None
            return product.base, row, [first, total, last]
    return None


def _cast_of(members: dict[Variable, Member], cast: Member, readers: Counter[Variable]) -> Member | None:
    """The member whose value a member casts, where nobody else reads it."""
    ref = cast.operands[0].ref if cast.name == "positive" else None
    return members.get(ref.base) if ref is not None and readers[ref.base] == 1 else None


def table_and_row(member: Member) -> Iterable[tuple[Ref, Ref]]:
    """The operands of an addition where the second may be a row, of the same dtype as the sum."""
    operands: list[Operand] = member.operands if member.name == "add" else []
    for table, row in (operands, operands[::-1]) if operands else ():
        if table.ref is None or row.ref is None or row.ref.base.dtype != member.out.dtype or not member.out.shape:
            continue
        if row.ref.shape == member.out.shape[-1:] and (row.ref.strides == (1,) or row.ref.shape == (1,)):
            yield table.ref, row.ref


def half_of(cast: Instruction, bias: Ref, refs: dict[Variable, Ref]) -> Instruction:
    """What casts a bias as this instruction casts something else."""
    half = new_variable(refs, bias.shape, cast.out.dtype)
    source = next(variable for variable, ref in refs.items() if ref == bias)
    return replace(cast, inputs=(source, *cast.inputs[1:]), out=half)


def new_variable(refs: dict[Variable, Ref], shape: tuple[int, ...], dtype: Any) -> Variable:
    """A variable more, with memory of its own."""
    made = Variable(1 + max(variable.index for variable in refs), shape, dtype)
    refs[made] = whole(made)
    return made
