"""Files that are whole or not there: written under a passing name, then renamed.

One idea: a rename is all or nothing, so neither a kill nor a full disk leaves half a file or costs the one before.
Read `checkpoint.py` next.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import EISDIR
from pathlib import Path
from typing import Any

__all__ = ["append_bytes", "write_bytes", "write_json"]


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` into the file at `path`, at once; what stood there before stays until then."""
    if path.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    # One name for every attempt, so that a kill leaves one such file at most and the next attempt takes it.
    passing = path.with_name(f".{path.name}.writing")
    with _naming(path):
        with open(passing, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(passing, path)


def append_bytes(path: Path, data: bytes) -> None:
    """Put `data` behind what the file at `path` holds; of a full disk a part of it may be there."""
    with _naming(path), open(path, "ab") as file:
        file.write(data)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Whatever fails inside names the file: of a full disk Python does not say which one did not fit."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write_json(path: Path, value: Any) -> None:
    """Put `value` into the file at `path` as JSON that every reader takes: what is not finite becomes null."""
    write_bytes(path, (json.dumps(finite(value), indent=1, allow_nan=False) + "\n").encode())


def finite(value: Any) -> Any:
    """`value` with None in the place of NaN and infinity, which JSON does not have, and NumPy's numbers made
    Python's.
    """
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
