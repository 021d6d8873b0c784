"""Numbers that tell how a run stands, each a pure function of host arrays.

One idea: what the diagnosis reads is measured here and judged elsewhere, so every number can be checked against a
hand-made array. Read `probe.py` for who looks at a network, `evidence.py` for when.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = [
    "agreement_by_chance",
    "contradicted_share",
    "entropy",
    "equal_rows",
    "error_of_difference",
    "fall_in_second_half",
    "identical_units",
    "histogram",
    "label_counts",
    "late_share_of_fall",
    "movement",
    "norm",
    "rms",
    "row_cosine",
    "share_rising",
    "shift",
    "softmax",
]

Array = np.ndarray[Any, Any]

# A wide first layer on many rows: sums of squares in float32 would lose what the thresholds look for.
_WIDE = np.float64


# The data


def equal_rows(train_x: Array, val_x: Array) -> tuple[float, float]:
    """What share of the rows of `val_x` stands in `train_x` too, and what share of `train_x` has an equal in it.

    Rows are equal byte for byte, found by their hashes. The second share is what the first would be by chance: it is
    large where only few different inputs exist.
    """
    train = Counter(_hashes(train_x))
    leaked = sum(row in train for row in _hashes(val_x.astype(train_x.dtype, copy=False)))
    repeated = sum(count for count in train.values() if count > 1)
    return leaked / max(len(val_x), 1), repeated / max(len(train_x), 1)


def _hashes(x: Array) -> list[bytes]:
    return [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in x]


def shift(x: Array, other: Array) -> float | None:
    """How far the mean or the std of `other` is from that of `x`, whichever is more, in units of the latter.

    What is beyond ten std of x counts as ten: a feature that hardly varies in x, then standardised, would else decide
    alone. None where x does not vary.
    """
    mean, std = float(x.mean(dtype=_WIDE)), float(x.std(dtype=_WIDE))
    if not std > 0:
        return None
    a, b = (np.clip(part, mean - 10 * std, mean + 10 * std) for part in (x, other))
    return float(
        max(abs(b.mean(dtype=_WIDE) - a.mean(dtype=_WIDE)), abs(b.std(dtype=_WIDE) - a.std(dtype=_WIDE))) / std
    )


def label_counts(y: Array, classes: int) -> list[int]:
    """How many rows there are of each class."""
    return [int(n) for n in np.bincount(y, minlength=classes)]


def entropy(y: Array) -> float:
    """The entropy of the labels in y, in nats: 0 when all are one class, ln C when C classes are equally frequent."""
    counts = np.unique(y, return_counts=True)[1]
    shares = counts / max(int(counts.sum()), 1)
    return float(-(shares * np.log(shares)).sum()) + 0.0  # + 0.0: no negative zero


# The network's weights and gradients


def rms(x: Array) -> float:
    """The root of the mean of the squares."""
    return float(np.sqrt(np.mean(np.square(x, dtype=_WIDE)))) if x.size else 0.0


def norm(arrays: Iterable[Array]) -> float:
    """The Euclidean norm of all elements of several arrays together."""
    return math.sqrt(sum(float(np.square(x, dtype=_WIDE).sum()) for x in arrays))


def movement(now: Sequence[Array], start: Sequence[Array]) -> float | None:
    """||now - start|| / ||start||: how far the weights went, or None when they started at zero."""
    size = norm(start)
    return norm(a - b for a, b in zip(now, start, strict=True)) / size if size else None


def identical_units(weight: Array) -> float | None:
    """How much the units (rows) of a weight differ: their spread over the mean |w|; 0 when all compute the same.

    None for a single unit, which has nobody to be like.
    """
    if len(weight) < 2:
        return None
    size = float(np.abs(weight).mean(dtype=_WIDE))
    return float(weight.std(axis=0, dtype=_WIDE).mean()) / size if size else 0.0


def histogram(x: Array, bins: int = 60) -> dict[str, Any]:
    """Counts and edges of `bins` equal bins over the range of x; none where x is not finite.

    Values that differ by rounding alone, which no bin could tell apart, count as all the same: half a unit either side.
    """
    if not np.isfinite(x).all():
        return {"counts": [], "edges": []}
    least, largest = float(x.min()), float(x.max())
    if largest - least <= bins * np.spacing(x.dtype.type(max(-least, largest))):
        least, largest = least - 0.5, largest + 0.5
    counts, edges = np.histogram(x, bins, (least, largest))
    return {"counts": counts.tolist(), "edges": [float(edge) for edge in edges]}


# What flows through it


def row_cosine(rows: Array) -> float | None:
    """The mean cosine between two different rows: near 1 when the network hardly tells its inputs apart.

    Rows that are all zero have no direction and stay out; None when fewer than two are left.
    """
    flat = rows.reshape(len(rows), -1).astype(_WIDE)
    norms = np.linalg.norm(flat, axis=1)
    units = flat[norms > 0] / norms[norms > 0, None]
    n = len(units)
    # The sum over all pairs is the squared length of the sum; the n pairs of a row with itself add 1 each.
    return float((np.square(units.sum(axis=0)).sum() - n) / (n * (n - 1))) if n > 1 else None


# What comes out of it


def softmax(logits: Array) -> Array:
    """The probabilities of (rows, classes) logits."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def contradicted_share(probabilities: Array, y: Array) -> float:
    """The share of rows for which the network gives another class than the label more than 0.7."""
    return float(((probabilities.max(axis=1) > 0.7) & (probabilities.argmax(axis=1) != y)).mean())


def error_of_difference(share: float, rows: int, other: float, other_rows: int) -> float:
    """The standard error of the difference of two shares, each of so many rows."""
    return math.sqrt(share * (1.0 - share) / rows + other * (1.0 - other) / other_rows)


def agreement_by_chance(predicted: Sequence[int], labels: Sequence[int]) -> float:
    """The accuracy that these predictions would have if they knew nothing of the rows (Cohen's chance agreement).

    Both are counts by class. For equally frequent classes this is 1 / C.
    """
    p, q = np.asarray(predicted, _WIDE), np.asarray(labels, _WIDE)
    return float((p / p.sum() * (q / q.sum())).sum())


# Curves


def share_rising(losses: Sequence[float]) -> float | None:
    """The share of the steps from one epoch to the next in which the loss rose by more than a twentieth of itself.

    Less than that is the unrest of small batches on a level stretch. None when there are fewer than three steps.
    """
    steps = list(pairwise(losses))
    return sum(after > before * 1.05 for before, after in steps) / len(steps) if len(steps) >= 3 else None


def late_share_of_fall(losses: Sequence[float], guess: float | None = None) -> float | None:
    """What share of all that the loss fell came in the second half of the epochs; None for fewer than four.

    What is above the loss of guessing is gone after a few updates and does not count. 0 where it fell by less than a
    fiftieth in all: of that no share can be told from noise.
    """
    if len(losses) < 4 or not math.isfinite(losses[-1]):
        return None
    highest = math.inf if guess is None else guess
    first, middle, last = (min(losses[i], highest) for i in (0, (len(losses) - 1) // 2, -1))
    return (middle - last) / (first - last) if first - last > 0.02 * first else 0.0


def fall_in_second_half(losses: Sequence[float]) -> float | None:
    """By what share of itself the loss fell over the second half of the epochs; None for fewer than four."""
    if len(losses) < 4 or not math.isfinite(losses[-1]):
        return None
    middle = losses[(len(losses) - 1) // 2]
    return (middle - losses[-1]) / middle if middle else 0.0
