"""MNIST: the arrays are the original's, and each way in which a file can be wrong is one clear error."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tracemalloc

import numpy as np
import pytest

from recipe.data import DataError, mnist

LABELS = "t10k-labels-idx1-ubyte"
IMAGES = "t10k-images-idx3-ubyte"
REMEDY = f"Put the original {LABELS}.gz there, or name no folder to use the project's own copy."


@pytest.fixture(scope="module")
def data():
    return mnist.load()


@pytest.fixture
def folder(tmp_path):
    """A folder with the four files, to be spoilt."""
    for name in mnist.FILES:
        shutil.copy(mnist.SHIPPED / f"{name}.gz", tmp_path)
    return tmp_path


def test_shapes_types_and_range(data):
    assert (data.x_train.shape, data.x_train.dtype) == ((60000, 784), np.float32)
    assert (data.x_test.shape, data.x_test.dtype) == ((10000, 784), np.float32)
    assert (data.y_train.shape, data.y_train.dtype) == ((60000,), np.int64)
    assert (data.y_test.shape, data.y_test.dtype) == ((10000,), np.int64)
    assert (data.x_train.min(), data.x_train.max()) == (0.0, 1.0)


def test_known_facts_of_the_original(data):
    assert np.bincount(data.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert abs(data.x_train.mean() - 0.1307) < 1e-4


def test_the_readme_lists_the_sums_that_are_checked():
    text = (mnist.SHIPPED / "README.md").read_text()
    for name, file in mnist.FILES.items():
        with gzip.open(mnist.SHIPPED / f"{name}.gz") as packed:
            assert hashlib.sha256(packed.read()).hexdigest() == file.sha256
        assert f"| {name} |" in text
        assert file.sha256 in text


def test_a_folder_of_the_user_is_read(folder):
    assert mnist.load(folder).y_test[0] == 7


def test_a_missing_file_is_named(folder):
    path = folder / f"{LABELS}.gz"
    path.unlink()
    with pytest.raises(DataError) as caught:
        mnist.load(folder)
    assert str(caught.value) == (f"{path} cannot be read (No such file or directory). {REMEDY}")


def spoil_body(packed):
    middle = len(packed) // 2
    return packed[:middle] + bytes(64) + packed[middle + 64 :]


WRONG = {
    "damaged": (spoil_body, "is damaged: it cannot be decompressed"),
    "no gzip": (lambda packed: b"<html>404</html>", "is damaged: it cannot be decompressed"),
    "cut short": (lambda packed: packed[:-100], "is cut short: its gzip stream does not end"),
    "empty": (lambda packed: b"", "is cut short: its gzip stream does not end"),
    "cut before packing": (lambda packed: gzip.compress(gzip.decompress(packed)[:-1]), "is cut short: 10007 bytes"),
    "wrong magic": (lambda packed: gzip.compress(b"P5 28 28 255"), "is not an IDX file: it begins with 50 35 20 32"),
    "one label changed": (
        lambda packed: gzip.compress(gzip.decompress(packed)[:-1] + b"\x09"),
        "is not the original: its sha256 is ",
    ),
    "other shape": (
        lambda packed: gzip.compress(b"\x00\x00\x08\x01\x00\x00\x00\x02\x01\x02"),
        "is mislabelled: it holds an array of shape (2,), not (10000,)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named_with_its_fault_and_the_remedy(case, tmp_path):
    spoil, fault = WRONG[case]
    path = tmp_path / f"{LABELS}.gz"
    path.write_bytes(spoil((mnist.SHIPPED / f"{LABELS}.gz").read_bytes()))
    with pytest.raises(DataError) as caught:
        mnist.read(path)
    assert str(caught.value).startswith(f"{path} {fault}")
    assert str(caught.value).endswith(f" {REMEDY}")


def test_a_bomb_is_not_unpacked_beyond_the_largest_file(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "_LONGEST", 10_000)
    path = tmp_path / f"{LABELS}.gz"
    path.write_bytes(gzip.compress(bytes(30_000_000)))
    tracemalloc.start()
    with pytest.raises(DataError, match="unpacks to more than 10000 bytes"):
        mnist.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_labels_in_the_place_of_images_are_recognised(folder):
    shutil.copy(folder / f"{LABELS}.gz", folder / f"{IMAGES}.gz")
    with pytest.raises(DataError, match=f"is mislabelled: it holds {LABELS}, not {IMAGES}"):
        mnist.load(folder)


def test_each_place_has_its_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for path, remedy in [
        (mnist.SHIPPED / f"{LABELS}.gz", "Restore it with `git checkout -- "),
        (mnist.cache_folder() / f"{LABELS}.gz", "Delete it and run again"),
    ]:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"nothing")
        with pytest.raises(DataError, match=remedy):
            mnist.read(path)


def test_the_cache_follows_the_xdg_specification(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert str(mnist.cache_folder()) == "/elsewhere/tapegrad/mnist"
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert mnist.cache_folder() == tmp_path / ".cache" / "tapegrad" / "mnist"
