"""Networks of straight pieces (ReLU, LeakyReLU, maxout): which linear network each input meets, and how many there are.

One idea: a rectifier or a maxout unit picks one of a few straight lines, so once every unit has picked, the network is
one affine map of its input: the lecture's "thinner linear network". Another input picks another one, so the whole stays
non-linear. Read `layers.py` first.
"""

from .effective import EffectiveLinear, effective_linear
from .regions import Regions, linear_regions
from .wins import piece_wins

__all__ = ["EffectiveLinear", "Regions", "effective_linear", "linear_regions", "piece_wins"]
