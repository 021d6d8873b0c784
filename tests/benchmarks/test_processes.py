"""Processes that share work end with the one that began them, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import os, sys, time
from benchmarks.processes import shared_out

def work(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(600)

if __name__ == "__main__":
    for _ in shared_out(work, [(sys.argv[1],)] * 2):
        pass
"""


def goes_on(process: int) -> bool:
    """Whether there is such a process, and more of it than its exit status."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked at in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_those_that_work_end_with_the_one_that_began_them(number, tmp_path):
    program, began = tmp_path / "program.py", tmp_path / "began"
    program.write_text(PROGRAM)
    began.mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(program), str(began)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers: list[int] = []
    try:
        assert wait_until(lambda: len([*began.iterdir()]) == 2)
        workers = [int(path.name) for path in began.iterdir()]
        parent.send_signal(number)
        assert parent.wait(timeout=30)
        assert wait_until(lambda: not any(map(goes_on, workers)), 30)
        _, errors = parent.communicate()
        assert "SpawnProcess" not in errors  # what a worker that is ended would have to say is nobody's concern
    finally:
        for process in [parent.pid, *workers]:
            if goes_on(process):
                os.kill(process, signal.SIGKILL)
        parent.wait()
