"""Data: MNIST with every byte checked, batches, splits, standardisation, and small sets that need no file.

One idea: all data are host arrays, and every random choice is a counted draw of a seeded generator.
Read `mnist.py` first, with `idx.py` and `fetch.py` beneath it, then `split.py`, `batches.py` and `synthetic.py`.
"""

from typing import TYPE_CHECKING

from . import mnist, synthetic
from .batches import Batches
from .idx import DataError
from .mnist import Dataset
from .split import Parts, Standardize, lecture_split, split

__all__ = ["Batches", "DataError", "Dataset", "Parts", "Standardize", "lecture_split", "mnist", "split", "synthetic"]

if not TYPE_CHECKING:  # a type checker shall find what is not there

    def __getattr__(name):
        from autograd.hints import missing  # only a wrong name asks for this

        raise missing("recipe.data", name)
