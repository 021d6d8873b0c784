"""Diagnosis: what is wrong with a training run, in the lecture's order, with the evidence for it.

One idea: evidence, rules, verdict. A callback measures while a run goes on and judges nothing; the rules judge numbers
and measure nothing; the verdict follows the rules in order and says "undecided" where they do not lead to one answer.
Read `measure.py`, `evidence.py`, `rules/__init__.py` and `verdict.py` in this order.
"""

from .evidence import Evidence
from .facts import Facts
from .thresholds import Line, Thresholds
from .verdict import Diagnosis, diagnose

__all__ = ["Diagnosis", "Evidence", "Facts", "Line", "Thresholds", "diagnose"]
