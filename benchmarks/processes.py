"""Work shared among processes of one thread each.

One idea: networks as small as the lecture's gain nothing from a second thread, and two pools of threads on two cores
wait for each other; so each core gets a process, and what comes out does not depend on how many there are. A pipe on
which nothing is ever sent tells them when there is nobody any more to work for.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from .measure import BenchmarkError

__all__ = ["shared_out"]

T = TypeVar("T")

_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def shared_out(do: Callable[..., T], work: Sequence[tuple[Any, ...]], processes: int = 2) -> Iterator[tuple[int, T]]:
    """do(*arguments) for each arguments of `work`, each with its place there, as they end.

    `do` is a function of a module, and what it gives can be pickled. What it raises is raised here, and the rest is
    given up: the processes end with this call, and with this process, however that ends.
    """
    if not work:
        return
    # Not forked: a child would inherit the threads' locks, and BLAS would have as many threads as its parent.
    context = multiprocessing.get_context("spawn")
    until, end = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(min(processes, len(work)), context, initializer=_work_until, initargs=(until,))
    with end, until, _one_thread(), pool:
        places = {pool.submit(do, *arguments): place for place, arguments in enumerate(work)}
        try:
            for future in as_completed(places):
                yield places[future], future.result()
        except BrokenProcessPool:
            raise BenchmarkError("a process ended without a word; perhaps the memory was full.") from None
        except BaseException:
            end.close()  # before the pool waits for its processes
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _work_until(end: Connection) -> None:
    """Let this process end when the other side of the pipe is closed, by whoever began it or by its death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that is waited for

    def wait() -> None:
        with suppress(EOFError, OSError):
            end.recv_bytes()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that are started within it have one thread each."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ |= _ONE_THREAD
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
