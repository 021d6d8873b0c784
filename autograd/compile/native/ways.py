"""Ways: by which of the functions in C a convolution, or one of its gradients, is done.

One idea: what each way costs follows from the shapes, counted in multiplications of one number, so the cheapest is
chosen without a trial and every machine chooses the same. Read `shares.py` next, which calls them.
"""

# Note [What a way costs]
# The factors were fitted to 60 convolutions with one thread (AVX-512, float32). A product of matrices multiplies as
# fast as anything, but its windows must be laid out (or their adjoint added up): each number of them costs as much as
# twenty multiplications, and more where the runs that are copied are short. The direct way lays out nothing, but fills
# whole vectors of features, and is slower where the weights leave the first cache, or where sums are kept in registers
# for one row of results only, as for the weight's gradient. Groups side by side read two vectors for a multiplication.

from __future__ import annotations

from math import prod

from ...convolution import Geometry
from . import depthwise, direct, winograd
from .shares import Way

__all__ = ["WAYS", "way_of"]

WAYS = {
    "wino": Way(winograd.FUNCTIONS, winograd.work_of, "wino_t", "convolution (Winograd)"),
    "side": Way(depthwise.FUNCTIONS, depthwise.work_of, "ring_t", "convolution (groups side by side)"),
    "direct": Way(direct.FUNCTIONS, direct.work_of, "ring_t", "convolution (direct)"),
}

_LANES = 8  # floats of a vector
_NEAR, _CACHED = 512, 1024  # vectors of weights that lie in the first cache, and that do not leave it altogether


def way_of(name: str, geo: Geometry, dtype: object) -> str:
    """The name of the fastest way to do "convolve", "convolve_input" or "convolve_weight"; "blocks" of windows else."""
    if dtype == "float32" and winograd.pays(geo):
        return "wino"
    costs = {"blocks": _blocks(geo), "direct": _direct(name, geo)}
    if geo.groups > 1:
        costs["side"] = _side(geo)
    return min(costs, key=costs.__getitem__)


# Of one window of one group, see Note [What a way costs].


def _blocks(geo: Geometry) -> float:
    run = geo.channels // geo.groups
    if geo.groups == 1 and geo.dilation[1] == 1:
        run *= geo.size[1]
    laid_out = 0.0 if geo.is_pointwise else 20 + 200 / run
    return geo.kernel * (geo.features // geo.groups + laid_out)


def _direct(name: str, geo: Geometry) -> float:
    read, made = geo.channels // geo.groups, geo.features // geo.groups
    if name == "convolve_input":
        read, made = made, read
    taps = prod(geo.size) * read
    slow = 1.0 if taps <= _NEAR else 1.1 if taps <= _CACHED else 1.6
    return (1.4 if name == "convolve_weight" else slow) * taps * _whole(made)


def _side(geo: Geometry) -> float:
    return 1.5 * geo.kernel * (geo.features // geo.groups) * _whole(geo.groups) / geo.groups


def _whole(count: int) -> int:
    """Numbers in as many vectors as hold so many."""
    return -(-count // _LANES) * _LANES
