"""Parts: into how many pieces work is cut, to be done side by side.

One idea: the number follows from the size of the work alone, so that results do not depend on the machine's threads.
Read `loops.py` next.
"""

# Note [How many parts]
# A loop is worth a second thread when it takes ten microseconds or more; waking one that has gone to sleep takes as
# long. Work is counted in simple operations on one element, of which a core does ten thousand or more in a microsecond.

from __future__ import annotations

__all__ = ["parts_of"]

_GRAIN = 60_000
_MOST_PARTS = 16


def parts_of(work: int, pieces: int) -> int:
    """Into how many parts to cut so many operations on so many pieces that can be done apart."""
    if work < 2 * _GRAIN:
        return 1  # at once: most loops of eager code are small
    return max(1, min(_MOST_PARTS, work // _GRAIN, pieces))
