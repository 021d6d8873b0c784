"""Dropout as an ensemble: the many thinned networks in one, their averages, and the one network that stands for them.

One idea: a network with M units under dropout is 2^M networks that share their weights. Training draws one of them at
a time; at test time the weights times 1 - p are to stand for the average of all. Here both sides can be computed and
compared: by sampling (`monte_carlo.py`), exactly for few units (`exact.py`), and with the factor left out
(`single.py`). Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, sections 1, 7.5 and 10.
Read `masks.py` first.
"""

from .average import Ensemble
from .convert import convert_dropout
from .exact import enumerate_masks
from .monte_carlo import mc_curve, mc_predict
from .single import scaled_predict, unscaled_predict

__all__ = [
    "Ensemble",
    "convert_dropout",
    "enumerate_masks",
    "mc_curve",
    "mc_predict",
    "scaled_predict",
    "unscaled_predict",
]
