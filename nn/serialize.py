"""Saving and loading: a state as a safetensors file, which holds numbers and names and can run nothing.

One idea: a file is written beside its final place and moved there in one step of the file system, so whatever happens
in the middle, a full disk or a kill, the previous file stays whole. Read `init.py` next.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autograd.backend import array_of, to_host
from autograd.hints import telling
from autograd.tensor import Tensor

from .module import Module

__all__ = ["load", "load_metadata", "save"]


def save(
    state: Module | Mapping[str, Any], path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a state (or a Module's) to `path` as safetensors, with texts beside it; PyTorch and others can read it.

    The folder must exist. When writing fails, the error is raised and a previous file at `path` is as it was.

    Raises TypeError for what is no Tensor or array and for texts that are none, ImportError without the safetensors
    library.
    """
    library = _safetensors()
    state = state.state_dict() if isinstance(state, Module) else state
    if not isinstance(state, Mapping):
        raise TypeError(f"save takes a Module or a state, then the path; got a {type(state).__name__} first.")
    arrays = {name: _host_array(name, value) for name, value in state.items()}
    for key, text in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"save: metadata are texts by name, got {key!r}: {text!r}; write numbers with str().")
    _write(Path(path), library.numpy.save(arrays, dict(metadata) if metadata else None))


def _host_array(name: str, value: Any) -> Any:
    if not isinstance(name, str):
        raise TypeError(f"save: a name in the state must be a text, got {name!r}.")
    if isinstance(value, Mapping):
        raise TypeError(
            f"save: {name} is a dict, and a file holds Tensors by name, nothing nested: write "
            f'**model.state_dict("{name}.") in its place, or pickle the whole.'
        )
    try:
        array = to_host(value.data if isinstance(value, Tensor) else array_of(value, copy=None))
    except (TypeError, ValueError) as error:
        raise TypeError(f"save: {name} is no Tensor and no array: {error}") from None
    return array.copy(order="C")  # the library writes memory as it lies, whatever the strides say


def _write(path: Path, content: bytes) -> None:
    """Put a file in the place of another, or leave that one alone."""
    path = Path(os.path.realpath(path))  # through a link to the file behind it
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to save {path.name} in: make it first.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file in it to save to.")
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError) and error.filename is None:  # a full disk
            error.filename = str(path)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself outlast a power cut, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@telling
def load(path: str | os.PathLike[str], device: str = "cpu") -> dict[str, Tensor]:
    """The Tensors of a safetensors file by name, for `Module.load_state_dict`.

    Raises FileNotFoundError for no file, ValueError for one that is no whole safetensors file, ImportError without the
    safetensors library.
    """
    arrays, _ = _read(Path(path))
    return {name: Tensor(array_of(array, None, device, copy=None)) for name, array in arrays.items()}


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts that were saved beside the Tensors. Raises as `load`."""
    return _read(Path(path))[1]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    library = _safetensors()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} to load.")
    try:
        with library.safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except library.SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}{_of_torch(path)}.") from error


def _of_torch(path: Path) -> str:
    """What to do with a file of torch.save, a zip archive, which only PyTorch can read."""
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    told = "; one of torch.save's is read by torch.load, and saved again by safetensors.torch.save_file"
    return told if is_zip else ""


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "saving and loading need the safetensors library, which is not installed here: pip install safetensors."
        ) from error
    return safetensors
