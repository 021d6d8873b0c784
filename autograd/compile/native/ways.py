"""Ways: by which of the functions in C a convolution, or one of its gradients, is done.

One idea: what each way costs follows from the shapes, counted in multiplications of one number, so the cheapest is
chosen without a trial and every machine chooses the same. Read `shares.py` next, which calls them.
"""

# Note [What a way costs]
# The factors were fitted to 60 convolutions with one thread (AVX-512, float32). Where two are close the direct way is
# taken, since the time of windows that are laid out varies by a third between processes. A product of matrices
# multiplies as fast as anything, but its windows must be laid out (or their adjoint added up): each number of them
# costs as much as twenty multiplications, and more where the runs that are copied are short. The direct way lays out
# nothing, but fills whole vectors of features, packs the weights, each as dear as fifty multiplications, and is slower
# where these leave the second cache. For the weight's gradient it writes its sums every few rows, and each part has its
# own: where there are so few results that it is one part, other cores rest. Groups side by side read two vectors for a
# multiplication. Windows of one pixel are products of matrices as they lie; but BLAS shares a product among its threads
# by the rows and columns that it makes, and a weight's gradient has few of them and sums over all pixels. The direct
# way gives each part some pixels, as long as what a part sums up stays in the second cache.

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ...convolution import Geometry, geometry_of
from ..program import Instruction
from . import depthwise, direct, planes, winograd
from .pooling import are_fast_in_planes
from .shares import Way
from .template import TYPES

__all__ = ["PLANES", "WAYS", "adds_bias", "convolution_of", "reads_lying", "reads_planes", "way_of"]

WAYS = {
    "wino": Way(winograd.FUNCTIONS, winograd.work_of, "wino_t", "convolution (Winograd)"),
    "side": Way(
        depthwise.FUNCTIONS, depthwise.work_of, "ring_t", "convolution (groups side by side)", depthwise.PACKS, True
    ),
    "direct": Way(direct.FUNCTIONS, direct.work_of, "ring_t", "convolution (direct)", direct.PACKS, True),
    "plane": Way(planes.FUNCTIONS, planes.work_of, "plane_t", "convolution (planes)", planes.PACKS),
}

PLANES = {"convolve_planes": "convolve", "convolve_planes_input": "convolve_input"}
_IMAGES = {"convolve": (0,), "convolve_input": (0,), "convolve_weight": (0, 1)}  # which of the inputs are images
_MAXIMA = {"pool_pick", "pool_places", "pool_put"}
_LANES = 8  # floats of a vector
_CACHED = 1024  # vectors of weights that lie in the caches
_SUMS = 1 << 15  # numbers of a weight that lie in the second cache, 256 KiB or more, beside what is read
_PACKED = 50  # multiplications in which a weight is packed


def way_of(name: str, geo: Geometry, dtype: object) -> str:
    """The name of the fastest way to do "convolve", "convolve_input" or "convolve_weight"; "blocks" of windows else."""
    if geo.is_pointwise and not geo.is_depthwise:
        return "direct" if name == "convolve_weight" and _has_small_sums(geo) else "point"
    if dtype == "float32" and winograd.pays(geo):
        return "wino"
    costs = {"blocks": _blocks(geo), "direct": _direct(name, geo)}
    if geo.groups > 1:
        costs["side"] = _side(geo)
    return min(costs, key=costs.__getitem__)


def reads_lying(way: str, geo: Geometry) -> bool:
    """Whether images are read as they lie, their channels in axis 1 too."""
    return geo.is_depthwise or way == "point" or (way in WAYS and WAYS[way].turns)


def reads_planes(instruction: Instruction, lie: Sequence[bool]) -> tuple[bool, ...]:
    """Which inputs an instruction reads as they lie, of those that `lie` with their channels in axis 1.

    What is convolved channel by channel is made so, too, and maxima of windows are. Some ways to convolve turn images
    as they read them.
    """
    name = instruction.name
    if name in _MAXIMA:
        options = dict(instruction.options)
        _, width = options.pop("length", instruction.inputs[0].shape[1:3])
        known = str(instruction.inputs[0].dtype) in TYPES
        return (known and all(lie) and are_fast_in_planes(width, **options),) * len(lie)
    if name not in _IMAGES or "groups" not in instruction.options or str(instruction.out.dtype) not in TYPES:
        return (False,) * len(lie)
    _, geo = convolution_of(instruction)
    if geo.is_empty:
        return (False,) * len(lie)
    images = tuple(lies and place in _IMAGES[name] for place, lies in enumerate(lie))
    if geo.is_depthwise and name == "convolve_weight":
        return (all(images),) * 2
    return images if reads_lying(way_of(name, geo, instruction.out.dtype), geo) else (False,) * len(lie)


def adds_bias(instruction: Instruction) -> bool:
    """Whether the sums of an instruction begin with a bias, where it has one."""
    dtypes = {variable.dtype for variable in (*instruction.inputs, instruction.out)}
    if len(dtypes) > 1 or str(instruction.out.dtype) not in TYPES:
        return False
    name, geo = convolution_of(instruction)
    if geo.is_empty:
        return False
    way = "plane" if instruction.name in PLANES else way_of(name, geo, instruction.out.dtype)
    return way in WAYS and name in WAYS[way].packs


def convolution_of(instruction: Instruction) -> tuple[str, Geometry]:
    """What an instruction does to images with their channels last."""
    first, second = (x.shape for x in instruction.inputs[:2])
    name = instruction.name
    if name in PLANES:
        name, first = PLANES[name], (first[0], *first[2:], first[1])
    return name, geometry_of(name, first, second, **instruction.options)


# Of one window of one group, see Note [What a way costs].


def _blocks(geo: Geometry) -> float:
    run = geo.channels // geo.groups
    if geo.groups == 1 and geo.dilation[1] == 1:
        run *= geo.size[1]
    return geo.fan_in * (geo.features // geo.groups + 20 + 200 / run)


def _has_small_sums(geo: Geometry) -> bool:
    """Whether the gradient of a weight is several sums, each of which stays in the second cache."""
    return geo.groups == 1 and geo.fan_in * geo.features <= _SUMS and geo.batch * geo.windows >= 2 * direct.PIXELS


def _direct(name: str, geo: Geometry) -> float:
    read, made = geo.channels // geo.groups, geo.features // geo.groups
    if name == "convolve_input":
        read, made = made, read
    taps, results = prod(geo.size) * read, geo.batch * geo.windows
    if name == "convolve_weight":
        slow = 1.2 if results >= 2 * direct.PIXELS else 2.0
    else:
        slow = (1.0 if taps <= _CACHED else 1.03) + _PACKED / results
    return slow * taps * _whole(made)


def _side(geo: Geometry) -> float:
    return 1.5 * geo.fan_in * (geo.features // geo.groups) * _whole(geo.groups) / geo.groups


def _whole(count: int) -> int:
    """Numbers in as many vectors as hold so many."""
    return -(-count // _LANES) * _LANES
