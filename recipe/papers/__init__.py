"""Settings of papers whose test errors a run can be held against, one TOML file each.

One idea: a file holds what the source says, where it says so and what is estimated; the options in it are those of
`../config.py`, and a table [paper] has the figure and the band in which a run must end. Read a file beside this one,
then `files.py` and `outcome.py`.
"""

from .files import NAMES, Paper, in_words, paper, text_of

__all__ = ["NAMES", "Paper", "in_words", "paper", "text_of"]
