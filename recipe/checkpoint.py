"""Checkpoints: the state of a trainer as one safetensors file.

One idea: the state is nested dictionaries; its arrays become tensors, and the rest, with a mark where each array stood,
becomes JSON in the file's metadata. No pickle, so opening a file never runs what is in it. The file is replaced whole
or not at all, see `nn.save`, and a digest tells one that was changed since. Read `callbacks/checkpoint.py` for when.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import nn
from autograd.backend import is_array, to_host
from autograd.tensor import Tensor, bare

from .errors import UsageError

__all__ = ["CheckpointError", "load", "save"]

_ARRAY = "$array"  # {"$array": name} stands in the JSON where an array was


class CheckpointError(UsageError):
    """A checkpoint that is missing or cannot be used; the text names the file and the remedy."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state to `path`, all or nothing."""
    arrays: dict[str, Any] = {}
    rest = json.dumps(_taken_apart(state, "state", arrays))
    nn.save(arrays, path, metadata={"state": rest, "digest": _digest(rest, arrays)})


def load(path: Path) -> dict[str, Any]:
    """The state in the file at `path`; tuples have become lists, and the keys of dictionaries text.

    Raises CheckpointError for a file that is missing, damaged, changed since it was saved, or no checkpoint.
    """
    if Path(path).is_dir():
        raise CheckpointError(f"{path} is a folder: name the checkpoint.safetensors in it.")
    try:
        arrays = {name: tensor.data for name, tensor in nn.load(path).items()}
        metadata = nn.load_metadata(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist: the run saved nothing there, or the path is another.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be used: {error}") from None
    if "state" not in metadata:
        raise CheckpointError(f"{path} holds weights but no state of a run: name a run's checkpoint.safetensors.")
    if "digest" in metadata and metadata["digest"] != _digest(metadata["state"], arrays):
        raise CheckpointError(
            f"{path} cannot be used: it holds something else than was saved there; restore it, or train anew."
        )
    try:
        state = _put_together(json.loads(metadata["state"]), arrays)
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be used: its state is damaged ({error!r}).") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} cannot be used: it holds no state of a run.")
    return state


def _digest(rest: str, arrays: Mapping[str, Any]) -> str:
    """Of all that a file holds: the text, and of each array the name, the dtype, the shape and the numbers."""
    digest = hashlib.sha256(rest.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {arrays[name].shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _taken_apart(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """`value` fit for JSON; its arrays go into `arrays`, named by where they stood."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Tensor) or is_array(value):
        arrays[name] = to_host(bare(value))
        return {_ARRAY: name}
    if isinstance(value, dict):
        return {str(key): _taken_apart(item, f"{name}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_taken_apart(item, f"{name}/{i}", arrays) for i, item in enumerate(value)]
    return value


def _put_together(value: Any, arrays: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _put_together(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_together(item, arrays) for item in value]
    return value
