"""Epilogues: ReLU and GELU, forward and backward, done by the products beside which they stand.

One idea: cuBLASLt cuts off what is below 0 before it stores a product, and leaves a bit for each element that it let
through. The product that brings the gradient back takes these bits, lets through the same elements, and adds its rows
up, which is the gradient of a bias. So of a layer nothing is left but its products. Whether that is faster is asked of
the device. Read `windows.py` next.
"""

# Note [What pays]
# An epilogue saves a launch and passes over memory, but fewer algorithms know it, and they may be slower. So all of an
# activation is offered first, forward, backward and sums, then less of it, and an offer is taken where the device has
# timed its products to be worth it, with epilogues and without. A device that times nothing takes none.

# Note [Rounding in epilogues]
# Of bfloat16 an epilogue gives what loops give, but for when it is rounded. Loops are given the product rounded, add a
# bias of float32, and round what they make of the sum. An epilogue adds the bias, rounded, to the product before that
# is rounded, and rounds once; for GELU's slope that sum is rounded too. Its sums over rows are rounded at the end, as
# the gradient of the weight beside them is. So does `autocast` of PyTorch. What is wanted before it is rounded stays
# with the loops.

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ...cuda.blas import Product as Plain
from ..native.dialect import Dialect
from ..native.kernels import Refs
from ..native.products import Product
from ..native.schedule import Step
from ..program import Program, Variable
from .bends import Scene
from .changes import Change, Changes, Choice
from .products import plain

__all__ = ["Pays", "with_epilogues"]

# Products with epilogues; without; bytes that need not move; what all addresses are multiples of.
Pays = Callable[[Sequence[Plain], Sequence[Plain], int, int], bool]


def with_epilogues(
    steps: list[Step], program: Program, refs: Refs, dialect: Dialect, tf32: bool, pays: Pays
) -> list[Step]:
    """The steps in which products do what follows them, where that pays; see Note [What pays]."""
    scene, changes = Scene(steps, program, refs), Changes(program, refs, dialect)
    for offers in (_activations, partial(_sums, tf32=tf32)):
        for out in [step.instruction.out for step in scene.steps if isinstance(step, Product)]:
            for change in offers(scene, changes, out):
                if _is_worth_it(change, changes, tf32, pays):
                    scene = Scene(change.steps(), program, refs)
                    break
    return [*changes.casts_of_biases(scene.steps), *scene.steps]


def _activations(scene: Scene, changes: Changes, out: Variable) -> Iterator[Change]:
    """All of an activation, less of it, and forward alone."""
    source = scene.source_of(out)
    forward = None if source is None else scene.forward(source)
    if forward is None:
        return
    kind, aux = forward.kind, changes.aux_of(forward)

    def made(*choices: Choice) -> list[Change]:
        change = changes.made(scene, choices, aux)
        return [] if change is None else [change]

    first, ahead = Choice(forward, f"{kind}_aux"), Choice(forward, kind)
    backwards = [bend for bend in scene.backwards(forward) if made(Choice(bend, f"d{kind}"))]
    if any(bend.sums for bend in backwards):
        yield from made(first, *(Choice(bend, f"d{kind}_bgrad" if bend.sums else f"d{kind}") for bend in backwards))
    if backwards:
        yield from made(first, *(Choice(bend, f"d{kind}") for bend in backwards))
    yield from made(ahead) or (made(first) if kind == "gelu" else [])


def _sums(scene: Scene, changes: Changes, out: Variable, tf32: bool) -> Iterator[Change]:
    """Sums over the rows of a factor, but where that is rounded to be multiplied."""
    source = None if tf32 and out.dtype == "float32" else scene.source_of(out)
    bend = None if source is None else scene.summed(source)
    change = None if bend is None else changes.made(scene, [Choice(bend, bend.kind)])
    if change is not None:
        yield change


def _is_worth_it(change: Change, changes: Changes, tf32: bool, pays: Pays) -> bool:
    products = [*change.products.values()]
    apart, fused = ([plain(product, tf32) for product in some] for some in (change.before, products))
    told = [p for p in fused if p], [p for p in apart if p]
    return pays(*told, change.saved(), changes.alignment(products))
