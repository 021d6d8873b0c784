"""Threads: one pool for BLAS and for our own loops.

One idea: two pools of threads on the same cores wait for each other's turns and cost ten times what they gain. OpenBLAS
lets its host run its jobs, so there is one pool, ours, and both work in it: a product between two loops finds the other
cores awake. What is computed does not depend on how many threads there are, see Note [Parts].
Read `numbers.py` next.
"""

# Note [Parts]
# Work is cut into parts whose number follows from its size alone, and sums over parts are added up in their order. So
# the same program gives the same bits with one thread and with many. (OpenBLAS cuts its products by the number of
# threads, and may round otherwise.)

# Note [A part is taken once]
# `ticket` holds the number of the job in its upper bits and, in its lower, how many parts nobody has taken. Whoever
# brings it down by one has taken that part. A thread that wakes up late finds another job's number there and fails, so
# what it read of a job that is over does no harm. BLAS's parts wait for each other: all of them must run at once, which
# they do since there are as many threads as parts, and each takes the next one that is free.

# Note [Places in OpenBLAS]
# OpenBLAS's parts work in buffers of its own, numbered by thread. Its own threads, which LAPACK still wakes, have the
# first numbers, so ours take the last ones: then a solve and a product in two Python threads do not meet.

# Note [Parts do not share]
# A part must not begin another job, for the pool has one owner at a time. Products inside parts are so small that
# OpenBLAS does them alone (`SINGLE` in source.py).

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from typing import Any

from .library import Blas, UntrustedFolder, address_of, blas, load

__all__ = ["in_pool", "runner"]

SOURCE = r"""
#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef void part_t(int place, void *item, int extra);

static struct { part_t *f; char *items; size_t size; int extra; int threads; } job;
static atomic_ullong ticket;          /* see Note [A part is taken once] */
static atomic_int unfinished, bell, sleepers;
static int workers;                   /* threads beside the caller's */
static int last_place;                /* see Note [Places in OpenBLAS] */
static int (*threads_of_blas)(void);
static pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER, door = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t rung = PTHREAD_COND_INITIALIZER;

static void rest(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static double microseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static void work(int thread) {
  unsigned long long seen = atomic_load(&ticket);
  while (seen & 0xffff) {
    if (thread >= job.threads) return;
    part_t *f = job.f;
    void *item = job.items + ((seen & 0xffff) - 1) * job.size;
    int extra = job.extra;
    if (atomic_compare_exchange_weak(&ticket, &seen, seen - 1)) {
      f(last_place - thread, item, extra);
      atomic_fetch_sub(&unfinished, 1);
      seen = atomic_load(&ticket);
    }
  }
}

static void *worker(void *number) {
  int thread = (int)(long)number, heard = 0;
  for (;;) {
    double since = microseconds();
    for (int turn = 1; atomic_load(&bell) == heard; turn++) {
      rest();
      if (turn % 64 == 0 && microseconds() - since > 100) {  /* nothing for a while: sleep */
        pthread_mutex_lock(&door);
        atomic_fetch_add(&sleepers, 1);
        while (atomic_load(&bell) == heard) pthread_cond_wait(&rung, &door);
        atomic_fetch_sub(&sleepers, 1);
        pthread_mutex_unlock(&door);
      }
    }
    heard = atomic_load(&bell);
    work(thread);
  }
  return 0;
}

static void hire(int wanted) {
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&detached, 8 << 20);
  for (pthread_t thread; workers < wanted; workers++)
    if (pthread_create(&thread, &detached, worker, (void *)(long)(workers + 1))) break;
  pthread_attr_destroy(&detached);
}

/* Does all parts, on as many threads; gives 0 where there are not enough of them. */
static int together(part_t *f, int parts, int threads, char *items, size_t size, int extra) {
  if (workers < threads - 1) hire(threads - 1);
  if (workers < threads - 1) return 0;
  job.f = f; job.items = items; job.size = size; job.extra = extra; job.threads = threads;
  atomic_store(&unfinished, parts);
  atomic_store(&ticket, ((atomic_load(&ticket) >> 16) + 1) << 16 | parts);
  atomic_fetch_add(&bell, 1);
  if (atomic_load(&sleepers)) {
    pthread_mutex_lock(&door);
    pthread_cond_broadcast(&rung);
    pthread_mutex_unlock(&door);
  }
  work(0);
  for (long turn = 1; atomic_load(&unfinished); turn++) {
    rest();
    if (turn % 4096 == 0) sched_yield();  /* somebody else may need this core to finish */
  }
  return 1;
}

/* What OpenBLAS calls instead of waking its own threads: parts that wait for each other. */
static void for_blas(int wait, part_t *f, int parts, size_t size, void *items, int extra) {
  pthread_mutex_lock(&owner);
  if (!together(f, parts, parts, items, size, extra)) {
    fprintf(stderr, "tapegrad: the system gives no further thread to a matrix product; set OPENBLAS_NUM_THREADS=1.\n");
    abort();
  }
  pthread_mutex_unlock(&owner);
}

/* part(i, p, n) for i = 0 ... parts - 1, in any order, side by side. */
typedef void loop_t(int part, char **p, const double *n);
typedef struct { loop_t *f; char **p; const double *n; } loop_job;
static loop_job loop;
static int numbers[0x10000];
static void one(int place, void *item, int extra) { loop.f(*(int *)item, loop.p, loop.n); }

void run(loop_t *f, int parts, char **p, const double *n) {
  int threads = threads_of_blas ? threads_of_blas() : 1;
  if (threads > parts) threads = parts;
  if (threads > 1) {
    pthread_mutex_lock(&owner);
    loop.f = f; loop.p = p; loop.n = n;
    int done = together(one, parts, threads, (char *)numbers, sizeof(int), 0);
    pthread_mutex_unlock(&owner);
    if (done) return;
  }
  for (int part = 0; part < parts; part++) f(part, p, n);
}

/* A forked child has one thread, whatever its parent had. */
static void alone(void) {
  workers = 0;
  atomic_store(&ticket, 0);
  atomic_store(&sleepers, 0);
  pthread_mutex_init(&owner, 0);
  pthread_mutex_init(&door, 0);
  pthread_cond_init(&rung, 0);
}

void begin(void (*set_callback)(void *), int (*threads)(void), int places) {
  for (int i = 0; i < 0x10000; i++) numbers[i] = i;
  last_place = places - 1;
  threads_of_blas = threads;
  pthread_atfork(0, 0, alone);
  set_callback((void *)for_blas);
}
"""


@functools.cache
def runner(blas: Blas) -> int:
    """The address of `run(part, parts, p, n)`, which does the parts of a loop side by side; 0 where it cannot be had.

    From the first call on NumPy's products run in the same threads.
    """
    if not blas.set_callback or blas.threads() * 2 > blas.places:
        return 0
    library = load(SOURCE)
    if library is None:
        return 0
    library.begin(ctypes.c_void_p(blas.set_callback), ctypes.c_void_p(blas.get_threads), blas.places)
    return address_of(library.run)


def in_pool(source: str, functions: Iterable[str] = ()) -> Any:
    """The library of a source whose functions work in the pool; None where it cannot be had.

    Its `setup(sgemm, dgemm, run)` is called with the addresses of these. The `functions` are of (parts, p, n).
    """
    found = blas()
    try:
        pool = 0 if found is None else runner(found)
        library = load(source) if pool else None
    except UntrustedFolder:
        return None
    if found is None or library is None:
        return None
    library.setup(*map(ctypes.c_void_p, (found.single, found.double, pool)))
    for name in functions:
        getattr(library, name).argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    return library
