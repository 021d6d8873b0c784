"""The IDX format: a magic number, the lengths of the axes, then the elements, big-endian.

One idea: the header says exactly how many bytes must follow, so every kind of damage can be named.
Source: the format's description at the end of "The MNIST database of handwritten digits" (LeCun, Cortes, Burges).
Read `mnist.py` next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["DataError", "parse"]

# The magic number's third byte is the type of the elements.
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class DataError(ValueError):
    """A data file that is missing or not what it should be; the text names the file and the remedy."""


def parse(raw: bytes, source: str = "the bytes") -> np.ndarray[Any, Any]:
    """The array that the bytes of an IDX file hold, in this machine's byte order.

    The shape and the dtype are the header's; single-byte elements share the memory of `raw` and are read-only. Raises
    DataError, beginning with `source`, when the header is no IDX header or the number of bytes is not the header's.
    """
    if len(raw) < 4 or raw[0] or raw[1] or raw[2] not in _TYPES or not raw[3]:
        raise DataError(
            f"{source} is not an IDX file: it begins with {raw[:4].hex(' ') or 'nothing'}, where two zero bytes, "
            "a type from 08 to 0e and the number of axes were wanted."
        )
    dtype, start = np.dtype(_TYPES[raw[2]]), 4 + 4 * raw[3]
    if len(raw) < start:
        raise DataError(f"{source} is cut short: {len(raw)} bytes, inside an IDX header of {start}.")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", count=raw[3], offset=4))
    wanted = start + math.prod(shape) * dtype.itemsize
    if len(raw) != wanted:
        fault = "is cut short" if len(raw) < wanted else "is too long"
        raise DataError(f"{source} {fault}: {len(raw)} bytes, its header, of shape {shape}, asks for {wanted}.")
    elements = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    return elements.astype(dtype.newbyteorder("="), copy=False)
