"""IDX bytes: what was written comes back, and every kind of damage is named."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recipe.data.idx import DataError, parse

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx(array: np.ndarray) -> bytes:
    """The IDX file that holds `array`, written independently of the reader."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.name], array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@st.composite
def arrays(draw):
    dtype = np.dtype(draw(st.sampled_from(sorted(CODES))))
    return draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)))


@given(arrays())
def test_what_was_written_comes_back(array):
    read = parse(idx(array))
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, array)


@given(arrays(), st.data())
def test_a_file_cut_anywhere_is_an_error(array, data):
    whole = idx(array)
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DataError, match=r"^cut\.idx (is cut short|is not an IDX file)"):
        parse(whole[:length], "cut.idx")


def test_bytes_after_the_end_are_an_error():
    with pytest.raises(DataError, match=r"long\.idx is too long: 12 bytes, its header, of shape \(3,\), asks for 11"):
        parse(idx(np.zeros(3, np.uint8)) + b"x", "long.idx")


HEADS = [b"\x1f\x8b\x08\x00", b"\x00\x00\x07\x01", b"\x00\x00\x08\x00", b"\x00\x01\x08\x01", b""]


@pytest.mark.parametrize("head", HEADS)
def test_another_magic_number_is_an_error_that_shows_it(head):
    with pytest.raises(DataError, match=f"^odd.idx is not an IDX file: it begins with {head.hex(' ') or 'nothing'}, "):
        parse(head + bytes(8) if head else head, "odd.idx")
