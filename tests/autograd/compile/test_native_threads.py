"""The pool of threads: the same bits however many there are, BLAS inside it, forks, and several Python threads at once.

One idea: what a program gives must not depend on who computed which part; so each program is run with one thread and
with several, cut into many parts, and compared bit for bit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd as ag
import nn
import nn.functional as F
import optim
from autograd import Tensor
from autograd.compile.native import executor, parts, threads
from autograd.compile.native.library import blas, load

RUNS = load("int one(void) { return 1; }") is not None and blas() is not None and blas().set_callback != 0
pytestmark = pytest.mark.skipif(not RUNS, reason="no C compiler, or a BLAS that brings its own threads")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every loop is cut into as many parts as can be."""
    monkeypatch.setattr(parts, "_GRAIN", 1)


def step_of(seed: int) -> Any:
    ag.random.seed(seed)
    model = nn.Sequential(nn.Linear(20, 96), nn.LayerNorm(96), nn.GELU(), nn.Linear(96, 5))
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    rng = np.random.default_rng(seed)
    x, y = Tensor(rng.normal(size=(40, 20)).astype("float32")), Tensor(rng.integers(0, 5, 40))

    def step() -> Tensor:
        optimizer.zero_grad()
        hidden = model(x)
        scores = ag.softmax(hidden.reshape(8, 5, 5) @ hidden.reshape(8, 5, 5), axis=-1)
        loss = F.cross_entropy(hidden, y) + (scores * scores).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, model


def train(executor: str) -> list[np.ndarray]:
    step, model = step_of(0)
    step = ag.compile(step, executor=executor)
    losses = [step().numpy() for _ in range(6)]
    return [*losses, *(p.data.copy() for p in model.parameters())]


@pytest.mark.usefixtures("many_parts", "kernels_off")
def test_parts_give_the_numbers_of_the_whole() -> None:
    for wanted, found in zip(train("numpy"), train("native"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-6)


@pytest.mark.usefixtures("many_parts")
def test_a_program_in_parts_runs_them_in_the_pool() -> None:
    step, _ = step_of(0)
    compiled = ag.compile(step, executor="native")
    compiled()
    text = next(iter(compiled._entries.values()))[0].run_program.source
    assert "run(loop" in text
    assert "run(product" in text


PROGRAM = """
import hashlib, sys
import numpy as np
from autograd.compile.native import parts
parts._GRAIN = 1
from tests.autograd.compile.test_native_threads import train
print(hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in train("native"))).hexdigest())
"""


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    found = set()
    for count in ("1", "2", "5"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": count, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


HAMMER = """
import os, sys, threading
import numpy as np
from autograd.compile.native.library import blas
from autograd.compile.native.threads import runner
assert runner(blas())
rng = np.random.default_rng(0)
shapes = [(300, 200, 250), (64, 700, 90), (500, 500, 1)]
pairs = [(rng.normal(size=(a, b)), rng.normal(size=(b, c))) for a, b, c in shapes]
wanted = [a @ b for a, b in pairs]
square = rng.normal(size=(250, 250))

def products():
    for _ in range(40):
        for (a, b), out in zip(pairs, wanted):
            assert np.array_equal(a @ b, out)

def solves():
    for _ in range(15):
        assert np.allclose(square @ np.linalg.solve(square, np.eye(250)), np.eye(250), atol=1e-6)

def watched(work):
    try:
        work()
    except BaseException as error:
        failed.append(error)

failed = []
works = [threading.Thread(target=watched, args=(work,)) for work in (products, products, solves, solves)]
for work in works: work.start()
for work in works: work.join()
assert not failed, failed
child = os.fork()
if not child:
    products()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("right")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("count", ["2", "4"])
def test_blas_works_in_the_pool_from_several_threads_and_after_a_fork(count: str) -> None:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": count, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", HAMMER],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "right\n", done.stderr


@pytest.mark.usefixtures("many_parts")
def test_programs_of_several_python_threads_share_the_pool() -> None:
    wanted = train("native")
    found: list[Any] = [None] * 3

    def work(place: int) -> None:
        step, model = steps[place]
        losses = [step().numpy() for _ in range(6)]
        found[place] = [*losses, *(p.data.copy() for p in model.parameters())]

    steps = [step_of(0) for _ in found]
    steps = [(ag.compile(step, executor="native"), model) for step, model in steps]
    workers = [threading.Thread(target=work, args=(place,)) for place in range(len(found))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for arrays in found:
        for a, b in zip(wanted, arrays, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_blas_without_callbacks_keeps_its_threads_and_loops_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    old = blas()._replace(set_callback=0)
    assert threads.runner(old) == 0
    monkeypatch.setattr(parts, "_GRAIN", 1)
    monkeypatch.setattr(executor, "blas", lambda: old)
    wanted = train("native")
    monkeypatch.undo()
    monkeypatch.setattr(parts, "_GRAIN", 1)
    for a, b in zip(wanted, train("native"), strict=True):
        np.testing.assert_array_equal(a, b)
