"""The diagnosis, scored: banks of training runs of which it is known what is wrong, and whether verdict and remedy are
right.

One idea: a set-up is options of a run, with a name for what is spoilt beside them, so that the remedy offered to a user
can be carried out on it as it stands. Read `setups.py`, the banks (`broken.py`, `variants.py`, `confirming.py`,
`fresh.py`, `final.py`, `healthy.py`) and `score.py` in this order.
"""
