"""Saving: what is loaded is what was saved, and no accident in the middle of writing destroys the file before it."""

from __future__ import annotations

import builtins
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nn
from autograd import Tensor

ROOT = Path(__file__).resolve().parents[2]


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_what_is_loaded_is_what_was_saved(tmp_path):
    model, other = net(), net()
    nn.save(model, tmp_path / "model.safetensors", metadata={"epoch": "3"})
    state = nn.load(str(tmp_path / "model.safetensors"))
    assert state.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert state[name].dtype == tensor.dtype
        assert np.array_equal(state[name].data, tensor.data)
    other.load_state_dict(state)
    assert nn.load_metadata(tmp_path / "model.safetensors") == {"epoch": "3"}
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_arrays_of_any_dtype_shape_and_layout(tmp_path):
    square = np.arange(6.0).reshape(2, 3)
    state = {
        "turned": square.T,
        "every second": square[:, ::2],
        "backwards": square[::-1],
        "scalar": Tensor(np.float16(1.5)),
        "empty": np.zeros((0, 3), "float32"),
        "integers": Tensor([1, 2]),
        "bools": np.array([True, False]),
        "view": Tensor(square)[0],
    }
    nn.save(state, tmp_path / "file")
    for name, tensor in nn.load(tmp_path / "file").items():
        wanted = state[name].data if isinstance(state[name], Tensor) else state[name]
        assert tensor.dtype == wanted.dtype
        assert np.array_equal(tensor.data, wanted)
    assert nn.load_metadata(tmp_path / "file") == {}


def test_loaded_tensors_can_be_written_to(tmp_path):
    nn.save({"a": Tensor([1.0])}, tmp_path / "file")
    nn.load(tmp_path / "file")["a"].data[...] = 2.0


def failing(error):
    def fail(*args):
        raise error

    return fail


@pytest.mark.parametrize("where", ["fsync", "replace"])
@pytest.mark.parametrize("make", [lambda: OSError(28, "No space left on device"), KeyboardInterrupt])
def test_a_failure_leaves_the_file_before_it_whole(tmp_path, monkeypatch, where, make):
    path, error = tmp_path / "model.safetensors", make()
    nn.save(net(), path)
    before = path.read_bytes()
    monkeypatch.setattr(nn.serialize.os, where, failing(error))
    with pytest.raises(type(error)) as caught:
        nn.save(net(), path)
    assert getattr(caught.value, "filename", str(path)) == str(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def run(code, path, **options):
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); path = {str(path)!r}\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, **options)


def test_a_disk_that_is_full_in_the_middle_leaves_the_file_before_it_whole(tmp_path):
    path = tmp_path / "model.safetensors"
    nn.save({"a": np.ones(10)}, path)
    before = path.read_bytes()
    # The system refuses to let any file grow beyond 100 kB: writing stops in the middle.
    code = """
import numpy, resource, nn
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
nn.save({"a": numpy.ones(100_000)}, path)
"""
    result = run(code, path)
    assert "OSError: [Errno 27] File too large" in result.stderr
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_a_kill_in_the_middle_leaves_the_file_before_it_whole(tmp_path):
    path = tmp_path / "model.safetensors"
    nn.save({"a": np.ones(10)}, path)
    before = path.read_bytes()
    code = """
import numpy, os, signal, nn.serialize
nn.serialize.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
nn.save({"a": numpy.ones(100)}, path)
"""
    assert run(code, path).returncode == -9
    assert path.read_bytes() == before
    nn.save({"a": np.zeros(10)}, path)  # what the kill left beside it is in nobody's way
    assert nn.load(path)["a"].tolist() == [0.0] * 10


def test_a_link_is_followed_and_the_file_is_readable_as_others_are(tmp_path):
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    usual = stat.S_IMODE((tmp_path / "real").stat().st_mode)
    nn.save({"a": Tensor([1.0])}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert nn.load(tmp_path / "real")["a"].tolist() == [1.0]
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == usual


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    nn.save(net(), path)
    whole = path.read_bytes()
    for content in (b"", b"not safetensors at all", whole[: len(whole) // 2], whole[:-1], whole[1:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.safetensors is damaged or no safetensors file"):
            nn.load(path)
    path.write_bytes(b"PK\x03\x04 and what torch.save writes")
    with pytest.raises(ValueError, match=r"no safetensors file: .*; one of torch\.save's is read by torch\.load"):
        nn.load(path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*elsewhere"):
        nn.load(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*no folder to save file in: make it first."):
        nn.save({}, tmp_path / "no folder" / "file")


@pytest.mark.parametrize(
    ("state", "metadata", "text"),
    [
        ({"a": "text"}, None, "a is no Tensor"),
        ({1: Tensor([1.0])}, None, "a name in the state must be a text, got 1"),
        ({}, {"epoch": 3}, r"metadata are texts by name, got 'epoch': 3; write numbers with str\(\)"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path, state, metadata, text):
    with pytest.raises(TypeError, match=text):
        nn.save(state, tmp_path / "file", metadata=metadata)
    assert os.listdir(tmp_path) == []


def test_without_the_library_there_is_one_clear_sentence(tmp_path, monkeypatch):
    true_import = builtins.__import__

    def without(name, *args):
        if name.startswith("safetensors"):
            raise ImportError(f"No module named {name!r}")
        return true_import(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (lambda: nn.save({}, tmp_path / "file"), lambda: nn.load(tmp_path / "file")):
        with pytest.raises(ImportError, match="pip install safetensors"):
            call()


@pytest.mark.peers
def test_files_go_to_pytorch_and_come_from_it(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    ours = net()
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    save_file(theirs.state_dict(), tmp_path / "theirs")
    ours.load_state_dict(nn.load(tmp_path / "theirs"))
    np.testing.assert_allclose(ours.eval()(Tensor(x)).data, theirs.eval()(torch.tensor(x)).detach(), rtol=1e-5)
    other = net()
    nn.save(other, tmp_path / "ours", metadata={"by": "tapegrad"})
    theirs.load_state_dict(load_file(tmp_path / "ours"))
    np.testing.assert_allclose(other.eval()(Tensor(x)).data, theirs(torch.tensor(x)).detach(), rtol=1e-5)
