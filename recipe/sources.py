"""Where the rows of a run come from: MNIST, a folder of IDX files, or a small synthetic set.

One idea: whatever the source, a run gets the same six arrays, and one seeded draw decides which rows train and in which
order they stand. What a folder holds can change, so a digest tells whether it did. Read `data/split.py` first.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from autograd.random import Generator

from .config import SYNTHETIC, ConfigError, DataConfig
from .data import DataError, Dataset, Parts, Standardize, lecture_split, mnist, split, synthetic
from .data.idx import parse

__all__ = ["load_parts", "load_with_digest", "mended"]

SPLIT = 0  # the stream of the seed from which the split is drawn
_CLASSES = 65_536  # there is one output for each
_ROWS = 3000  # of a synthetic set: 60 % train, 20 % validate, 20 % test


def load_parts(config: DataConfig, seed: int) -> Parts:
    """The rows to train on, to validate and to test with: x float32 of shape (rows, features), y int64.

    Raises DataError for files that are missing or not what they should be, ConfigError for too many rows asked for.
    """
    return load_with_digest(config, seed)[0]


def load_with_digest(config: DataConfig, seed: int) -> tuple[Parts, str | None]:
    """The rows, and a digest of what the files of a folder hold, packed or not; None for what is built in, which is
    always the same. Raises as above.
    """
    generator = Generator(seed, stream=SPLIT)
    digest = None
    if config.source == "mnist":
        parts = _limited(lecture_split(mnist.load(), generator=generator), config.limit_rows)
    elif config.source in SYNTHETIC:
        make = synthetic.blobs if config.source == "blobs" else synthetic.spirals
        x, y = make(_ROWS, generator=generator)
        train, valid, test = split(x, y, [0.6, 0.2, 0.2], generator=generator, stratify=True)
        parts = _limited(Parts(*train, *valid, *test), config.limit_rows)
    else:
        data, digest = _folder(Path(config.source))
        train, valid = split(data.x_train, data.y_train, [5 / 6, 1 / 6], generator=generator)
        parts = _limited(Parts(*train, *valid, data.x_test, data.y_test), config.limit_rows)
    if config.train_on_validation:
        parts = _with_validation(parts)
    return mended(parts, config), digest


def mended(parts: Parts, config: DataConfig) -> Parts:
    """The rows after what the configuration does to all of them: leaked ones left out, then standardised.

    Raises ConfigError where every training row is a leaked one.
    """
    if config.drop_leaked:
        parts = _without_leaked(parts)
    return _standardized(parts) if config.standardize else parts


def _without_leaked(parts: Parts) -> Parts:
    """The training rows of which no exact copy validates or tests."""
    seen = {row.tobytes() for x in (parts.x_valid, parts.x_test) for row in x}
    kept = np.array([row.tobytes() not in seen for row in parts.x_train])
    if not kept.any():
        raise ConfigError("data.drop_leaked leaves no row to train on: each of them validates or tests as well.")
    return parts._replace(x_train=parts.x_train[kept], y_train=parts.y_train[kept])


def _with_validation(parts: Parts) -> Parts:
    x, y = ((parts.x_train, parts.x_valid), (parts.y_train, parts.y_valid))
    return parts._replace(x_train=np.concatenate(x), y_train=np.concatenate(y))


def _limited(parts: Parts, rows: int | None) -> Parts:
    if rows is None:
        return parts
    if rows > len(parts.x_train):
        raise ConfigError(f"data.limit_rows = {rows}, but there are {len(parts.x_train)} rows to train on.")
    return parts._replace(x_train=parts.x_train[:rows], y_train=parts.y_train[:rows])


def _standardized(parts: Parts) -> Parts:
    scale = Standardize.fit(parts.x_train)
    return parts._replace(
        x_train=scale.transform(parts.x_train),
        x_valid=scale.transform(parts.x_valid),
        x_test=scale.transform(parts.x_test),
    )


def _folder(folder: Path) -> tuple[Dataset, str]:
    """The four IDX files of a folder, named like MNIST's, and their digest; bytes are divided by 255, other numbers
    kept.
    """
    if folder.is_file():
        raise DataError(f"data.source = {folder} is a file: wanted is a folder with four IDX files named like MNIST's.")
    if not folder.is_dir():
        raise DataError(
            f"data.source = {folder}: there is no such folder, and what is built in is mnist, {', '.join(SYNTHETIC)}."
        )
    digest = hashlib.sha256()
    x_train, y_train = _pair(folder, "train", digest)
    x_test, y_test = _pair(folder, "t10k", digest)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(f"{folder}: the train images have {x_train.shape[1]} pixels, the t10k ones {x_test.shape[1]}.")
    if not max(y_train.max(), y_test.max()):
        raise DataError(f"{folder}: every label is 0, and one class leaves nothing to learn; wanted are 0, 1, 2, ...")
    if len(x_train) < 6:
        raise DataError(f"{folder}: {len(x_train)} rows to train on are too few to keep a sixth for validation.")
    return Dataset(x_train, y_train, x_test, y_test), digest.hexdigest()


def _pair(folder: Path, part: str, digest: Any) -> tuple[Any, Any]:
    images, labels = (_read(folder, f"{part}-{name}-ubyte", digest) for name in ("images-idx3", "labels-idx1"))
    if images.ndim < 2 or labels.ndim != 1 or len(images) != len(labels) or not images.size:
        raise DataError(
            f"{folder}: the {part} files hold images of shape {images.shape} and labels of shape {labels.shape}; "
            "wanted are (rows, ...) and (rows,), with at least one row and one pixel."
        )
    if labels.dtype.kind not in "ui" or labels.min() < 0:
        raise DataError(f"{folder}: the {part} labels are {labels.dtype} from {labels.min()}; wanted are 0, 1, 2, ...")
    if labels.max() >= _CLASSES:
        raise DataError(f"{folder}: the {part} labels reach {labels.max()}; wanted are classes below {_CLASSES}.")
    x = images.reshape(len(images), -1).astype(np.float32)
    if images.dtype == np.uint8:
        x /= np.float32(255)
    if not np.isfinite(x).all():
        raise DataError(f"{folder}: the {part} images hold NaN or infinite numbers; mend the file.")
    return x, labels.astype(np.int64)


def _read(folder: Path, name: str, digest: Any) -> Any:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            break
    else:
        raise DataError(f"{folder} has neither {name} nor {name}.gz: put the four files there, or use --data mnist.")
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            inflate = zlib.decompressobj(wbits=31)
            raw = inflate.decompress(raw)
            if not inflate.eof:
                raise DataError(f"{path} is cut short: its gzip stream does not end.")
        digest.update(raw)
        return parse(raw, str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    except zlib.error as error:
        raise DataError(f"{path} is damaged: it cannot be decompressed ({error}).") from None
