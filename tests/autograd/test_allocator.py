"""The allocator's settings: made at import, and left alone when asked."""

from __future__ import annotations

import sys

import pytest

from autograd import allocator


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has these settings")
def test_glibc_is_told_both_settings(monkeypatch):
    told = {}

    class Library:
        def __init__(self, name):
            pass

        @staticmethod
        def mallopt(setting, value):
            told[setting] = value
            return 1

    monkeypatch.delenv("TAPEGRAD_MALLOC", raising=False)
    monkeypatch.setattr(allocator.ctypes, "CDLL", Library)
    assert allocator.keep_freed_memory()
    assert told == {-1: 2**31 - 1, -3: 2**31 - 1}


def test_the_switch_leaves_the_allocator_alone(monkeypatch):
    monkeypatch.setenv("TAPEGRAD_MALLOC", "0")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("the allocator was touched"))
    assert not allocator.keep_freed_memory()


def test_a_library_without_the_settings_is_no_error(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert not allocator.keep_freed_memory()
