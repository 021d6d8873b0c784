"""Batches: every row once an epoch, a fresh seeded order each time, and exact resume from any point."""

from __future__ import annotations

import json
import re
import threading
import time
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.random import Generator, default
from recipe.data import Batches

X = np.arange(46, dtype=np.float32).reshape(23, 2)
Y = np.arange(23)


def batches(**options) -> Batches:
    options = {"batch_size": 5, "generator": Generator(7), **options}
    return Batches(X, Y, **options)


def rows(given) -> list[list[int]]:
    """The row numbers of each batch, once x and y are seen to belong together."""
    got = []
    for x, y in given:
        np.testing.assert_array_equal(x, X[y])
        got.append(y.tolist())
    return got


def flat(lists) -> list:
    return list(chain.from_iterable(lists))


def batch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


@given(size=st.integers(1, 30), drop_last=st.booleans(), shuffle=st.booleans(), prefetch=st.integers(0, 3))
def test_an_epoch_gives_every_row_once(size, drop_last, shuffle, prefetch):
    if drop_last and size > len(X):
        return
    b = batches(batch_size=size, drop_last=drop_last, shuffle=shuffle, prefetch=prefetch)
    epoch = rows(b)
    assert len(epoch) == len(b)
    assert all(len(batch) == size for batch in (epoch if drop_last else epoch[:-1]))
    seen = flat(epoch)
    assert len(seen) == len(set(seen)) == (len(X) // size * size if drop_last else len(X))
    if not shuffle:
        assert seen == list(range(len(seen)))


def test_epochs_differ_and_one_seed_gives_them_again():
    b, again = batches(), batches()
    epochs = [rows(b) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert epochs == [rows(again) for _ in range(3)]


def test_prefetch_changes_nothing_but_the_time():
    plain, ahead = batches(), batches(prefetch=3)
    for _ in range(2):
        assert rows(plain) == rows(ahead)
        assert plain.state_dict() == ahead.state_dict()


@given(st.integers(0, 14), st.integers(0, 2), st.integers(0, 2))
def test_resume_goes_on_exactly_where_the_state_was_taken(steps, before, after):
    whole = batches(prefetch=before)
    history, state = [], whole.state_dict()
    for _ in range(3):
        for batch in whole:
            history.append(batch[1].tolist())
            if len(history) == steps:
                state = json.loads(json.dumps(whole.state_dict()))
    resumed = batches(generator=Generator(99), prefetch=after)
    resumed.load_state_dict(state)
    rest = flat(rows(resumed) for _ in range(4))
    assert rest[: len(history) - steps] == history[steps:]


def test_a_state_taken_at_the_last_batch_resumes_into_an_epoch_with_nothing_left():
    b = batches()
    for _ in b:
        state = b.state_dict()
    between = b.state_dict()
    resumed = batches()
    resumed.load_state_dict(state)
    assert rows(resumed) == []
    assert resumed.state_dict() == between
    assert rows(resumed) == rows(b)


def test_a_state_taken_between_epochs_resumes_with_the_next_whole_one():
    b = batches()
    list(b)
    resumed = batches()
    resumed.load_state_dict(b.state_dict())
    epoch = rows(resumed)
    assert len(epoch) == len(b)
    assert epoch == rows(b)


def test_resume_leaves_a_shared_generator_where_it_was():
    shared = Generator(3)
    b = batches(generator=shared)
    given = iter(b)
    next(given)
    shared.uniform((2,))  # somebody else draws in the middle of the epoch
    state, draw = b.state_dict(), shared.draw
    following = shared.uniform((2,))
    other = Generator(0)
    batches(generator=other).load_state_dict(state)
    assert other.draw == draw
    np.testing.assert_array_equal(other.uniform((2,)), following)


def test_batches_that_draw_nothing_leave_the_generator_alone():
    b = batches(shuffle=False)
    given = iter(b)
    next(given)
    state = b.state_dict()
    b.generator.next()
    b.load_state_dict(state)
    assert b.generator.draw == 1
    assert rows(b) == rows(batches(shuffle=False))[1:]


def test_loading_and_saving_at_once_changes_nothing():
    b = batches()
    next(iter(b))
    state = b.state_dict()
    resumed = batches()
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state


def test_a_new_iteration_after_one_left_early_is_a_new_epoch():
    b = batches()
    for _ in b:
        break
    assert sorted(flat(rows(b))) == Y.tolist()


def test_without_a_generator_the_default_one_draws():
    before = default.draw
    list(Batches(X, Y, 5))
    assert default.draw == before + 1
    list(Batches(X, Y, 5, shuffle=False))
    assert default.draw == before + 1


class Broken:
    """Rows that cannot be read from the row 10 on."""

    def __len__(self):
        return len(X)

    def __getitem__(self, rows):
        if rows.stop > 10:
            raise RuntimeError("row 10 is broken")
        return X[rows]


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_an_error_while_gathering_surfaces_at_its_batch(prefetch):
    given = iter(Batches(Broken(), Y, 5, shuffle=False, prefetch=prefetch))
    assert len(next(given)[0]) == 5
    assert len(next(given)[0]) == 5
    with pytest.raises(RuntimeError, match="row 10 is broken"):
        next(given)
    assert batch_threads() == []


def test_the_thread_ends_with_the_epoch_and_with_a_consumer_that_stops_early():
    b = batches(prefetch=2)
    given = iter(b)
    next(given)
    assert len(batch_threads()) == 1
    given.close()
    assert batch_threads() == []
    for _ in b:
        break
    assert batch_threads() == []
    list(b)
    assert batch_threads() == []


def test_no_more_is_gathered_ahead_than_was_asked_for():
    gathered, four = [], threading.Event()

    class Counting(Broken):
        def __getitem__(self, rows):
            gathered.append(rows.start)
            if len(gathered) == 4:
                four.set()
            return X[rows]

    given = iter(Batches(Counting(), Y, 2, shuffle=False, prefetch=3))
    next(given)
    assert four.wait(timeout=30)
    time.sleep(0.02)  # room for a fifth, if there were one
    given.close()
    assert gathered == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((X, Y[:5], 4, {}), "Batches got 23 rows of x and 5 of y: one row of y per row of x is wanted."),
        ((X, Y, 0, {}), "Batches got batch_size=0: 1 or more is wanted."),
        ((X, Y, 4, {"prefetch": -1}), "Batches got prefetch=-1: 0 or more is wanted."),
        ((X[:0], Y[:0], 4, {}), "Batches got 0 rows, which make no batch: batch_size=4, drop_last=False."),
        ((X, Y, 24, {"drop_last": True}), "Batches got 23 rows, which make no batch: batch_size=24, drop_last=True."),
    ],
)
def test_wrong_arguments(arguments, text):
    x, y, size, options = arguments
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Batches(x, y, size, **options)


def test_labels_that_are_missing_are_named():
    with pytest.raises(TypeError, match=r"Batches takes arrays of rows, got a NoneType as y."):
        Batches(X, None, 4)


def test_a_state_of_other_batches_is_refused_and_changes_nothing():
    other = batches(batch_size=4)
    b = batches()
    before = b.state_dict()
    with pytest.raises(ValueError, match="batch_size is 5 here and was 4 in the checkpoint"):
        b.load_state_dict(other.state_dict())
    assert b.state_dict() == before
