"""The rules: the lecture's questions in the lecture's order, each a pure function from facts to a finding.

One idea: a rule judges numbers and measures nothing, and its lines stand in `thresholds.py`, each with its reason. Read
`shared.py`, `set_up.py`, `training.py` and `validation.py` in this order, then `../verdict.py` for how findings become
a verdict.
"""

from .set_up import SET_UP
from .shared import bad_on_training
from .training import TRAINING
from .validation import VALIDATION

__all__ = ["SET_UP", "TRAINING", "VALIDATION", "bad_on_training"]
