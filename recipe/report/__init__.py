"""The report of a run: one HTML page with every plot inside, and the numbers of each plot as CSV beside it.

One idea: a plot is a title, a table and a drawing of that table; the page only sets them one below the other.
Read `plot.py`, the plots in `curves.py`, `layers.py`, `exam.py` and `masks.py`, then `page.py` with `style.py`.
"""

from .write import report

__all__ = ["report"]
