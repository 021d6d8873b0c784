"""MNIST: the handwritten digits as four arrays, from files whose every byte was checked.

One idea: a file counts only when the sha256 of its decompressed bytes is the original's; what else is wrong with a
file is looked at only in order to say it. The files come from the project's own copy (`mnist/` beside this module),
else from the user's cache, else from a public mirror. Read `split.py` and `batches.py` next.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .fetch import Opener, fetch, open_https
from .idx import DataError, parse

__all__ = ["Dataset", "cache_folder", "load", "locate", "read"]

Array = np.ndarray[Any, Any]

SHIPPED = Path(__file__).resolve().parent / "mnist"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


@dataclass(frozen=True)
class _File:
    sha256: str  # of the decompressed bytes
    shape: tuple[int, ...]


FILES = {
    "train-images-idx3-ubyte": _File(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", (60000, 28, 28)
    ),
    "train-labels-idx1-ubyte": _File("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", (60000,)),
    "t10k-images-idx3-ubyte": _File(
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", (10000, 28, 28)
    ),
    "t10k-labels-idx1-ubyte": _File("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", (10000,)),
}
_LONGEST = 47_040_016  # bytes of the largest file, decompressed: nothing is unpacked beyond it


@dataclass(frozen=True)
class Dataset:
    """Rows and labels: x is float32 of shape (rows, features) with values in [0, 1], y is int64 of shape (rows,)."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array


def load(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """MNIST: 60,000 rows to train on and 10,000 to test with, 784 pixels each, divided by 255.

    With `folder` the four .gz files must lie there; without, they come from the project's copy, the user's cache or a
    mirror. Raises DataError, naming the file and the remedy, where one is missing, damaged, cut short or another than
    its name says.
    """
    arrays = {}
    for name in FILES:
        path = locate(name) if folder is None else Path(folder) / f"{name}.gz"
        arrays[name] = read(path)
    return Dataset(
        x_train=_rows(arrays["train-images-idx3-ubyte"]),
        y_train=arrays["train-labels-idx1-ubyte"].astype(np.int64),
        x_test=_rows(arrays["t10k-images-idx3-ubyte"]),
        y_test=arrays["t10k-labels-idx1-ubyte"].astype(np.int64),
    )


def _rows(images: Array) -> Array:
    pixels = images.reshape(len(images), -1).astype(np.float32)
    pixels /= np.float32(255)
    return pixels


def cache_folder() -> Path:
    """Where fetched files are kept: $XDG_CACHE_HOME/tapegrad/mnist, or ~/.cache/tapegrad/mnist."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG Base Directory Specification: a relative path is to be ignored.
    base = Path(home) if os.path.isabs(home) else Path(os.path.expanduser("~/.cache"))
    return base / "tapegrad" / "mnist"


def locate(
    name: str,
    *,
    shipped: Path = SHIPPED,
    cache: Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    open_url: Opener = open_https,
) -> Path:
    """The path of one of the four files: in the project's copy, else in the cache, else fetched into the cache.

    Raises DataError where it is nowhere and no mirror gave it.
    """
    cache = cache_folder() if cache is None else cache
    for folder in (shipped, cache):
        if (folder / f"{name}.gz").exists():
            return folder / f"{name}.gz"
    path = cache / f"{name}.gz"
    try:
        fetch(path, mirrors, partial(_unpack, name), open_url)
    except DataError as error:
        raise DataError(
            f"{error} It is not in {shipped} either. Run again with a network, or put the file into {cache} by hand."
        ) from None
    return path


def read(path: Path) -> Array:
    """The uint8 array in the .gz file at `path`, whose name says which of the four it is; its sha256 is checked.

    Raises DataError, naming the file and the remedy, where it is missing or not the original.
    """
    if path.parent == SHIPPED:
        remedy = f"Restore it with `git checkout -- {path}`."
    elif path.parent == cache_folder():
        remedy = "Delete it and run again: it is then fetched anew."
    else:
        remedy = f"Put the original {path.name} there, or name no folder to use the project's own copy."
    try:
        return parse(_unpack(path.name.removesuffix(".gz"), path.read_bytes(), str(path)), str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}). {remedy}") from None
    except DataError as error:
        raise DataError(f"{error} {remedy}") from None


def _unpack(name: str, packed: bytes, source: str) -> bytes:
    """The decompressed bytes of the file `name`; DataError, beginning with `source`, unless they are the original's."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        raw = inflate.decompress(packed, _LONGEST + 1)
    except zlib.error as error:
        raise DataError(f"{source} is damaged: it cannot be decompressed ({error}).") from None
    if len(raw) > _LONGEST:
        raise DataError(f"{source} unpacks to more than {_LONGEST} bytes, which no file of MNIST does.")
    if not inflate.eof:
        raise DataError(f"{source} is cut short: its gzip stream does not end ({len(packed)} bytes are there).")
    digest = hashlib.sha256(raw).hexdigest()
    if digest == FILES[name].sha256:
        return raw
    # It is refused; the rest looks for the most helpful reason.
    for other, file in FILES.items():
        if digest == file.sha256:
            raise DataError(f"{source} is mislabelled: it holds {other}, not {name}.")
    shape = parse(raw, source).shape
    if shape != FILES[name].shape:
        raise DataError(f"{source} is mislabelled: it holds an array of shape {shape}, not {FILES[name].shape}.")
    raise DataError(f"{source} is not the original: its sha256 is {digest}, not {FILES[name].sha256}.")
