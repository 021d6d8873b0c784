"""Where the numbers of a NumPy array begin, told as every compiled extension module reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autograd.compile.native.addresses import data_address

whole = np.arange(60.0).reshape(4, 15)


@pytest.mark.parametrize(
    "array",
    [whole, whole[1:, ::-2], whole.T[3], np.array(2.0), np.zeros((0, 3)), np.broadcast_to(whole, (2, 4, 15))],
    ids=["whole", "part", "column", "0-d", "empty", "repeated"],
)
def test_it_is_the_address_that_numpy_tells(array: np.ndarray) -> None:
    assert data_address(array) == array.__array_interface__["data"][0]


def test_a_file_in_memory_has_one_too(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", "float32", "w+", shape=(7,))
    for x in (mapped, mapped[3:]):
        assert data_address(x) == x.__array_interface__["data"][0]


def test_what_is_no_array_has_none() -> None:
    with pytest.raises(AssertionError):
        data_address(np.float32(2))
