"""A disk that is full: the error names the file that did not fit, and what stood there before stays."""

from __future__ import annotations

import errno
import os

import pytest

from benchmarks.claims.kept import Kept
from benchmarks.output import save
from benchmarks.plot import Panel, can_draw, draw


@pytest.fixture
def full(monkeypatch):
    """Nothing that is written fits, and Python names no file."""

    def fsync(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("recipe.files.os.fsync", fsync)


def test_a_result(full, tmp_path):
    (tmp_path / "speed-cpu.json").write_text("before")
    with pytest.raises(OSError, match=r"speed-cpu\.json"):
        save({"benchmark": "speed", "device": "cpu"}, tmp_path)
    assert (tmp_path / "speed-cpu.json").read_text() == "before"


@pytest.mark.skipif(not can_draw(), reason="Matplotlib is not installed")
def test_a_picture(full, tmp_path):
    (tmp_path / "a.svg").write_text("before")
    with pytest.raises(OSError, match=r"a\.svg"):
        draw([Panel("", "", ["tiny"], {"ours": {"tiny": (1.0, 0.5, 2.0)}})], "", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == "before"


def test_the_parts_of_a_run(full, tmp_path):
    with pytest.raises(OSError, match=r"parts\.jsonl"):
        Kept(tmp_path / "parts.jsonl", {"quick": True})


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_one_more_part(tmp_path):
    kept = Kept(tmp_path / "parts.jsonl", {"quick": True})
    kept.path.unlink()
    kept.path.symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"parts\.jsonl"):
        kept.add({"work": {}})
