"""Blocks as `with` and as decorators: of functions of every kind, several times, and when something fails."""

from __future__ import annotations

import asyncio

import pytest

import autograd as ag
from autograd.modes import casting, is_recording, is_watching


def test_a_generator_runs_inside_and_its_user_outside():
    @ag.no_grad()
    def steps():
        """Some steps."""
        got = yield is_recording()
        try:
            yield got, is_recording()
        except KeyError:
            yield "caught", is_recording()
        return is_recording()

    made = steps()
    assert (next(made), is_recording()) == (False, True)
    assert (made.send(3), is_recording()) == ((3, False), True)
    assert (made.throw(KeyError()), is_recording()) == (("caught", False), True)
    with pytest.raises(StopIteration) as end:
        next(made)
    assert end.value.value is False
    assert steps.__doc__ == "Some steps."


def test_a_generator_that_is_closed_ends_inside():
    seen = []

    @ag.no_grad()
    def steps():
        try:
            yield
        finally:
            seen.append(is_recording())

    made = steps()
    next(made)
    made.close()
    assert seen == [False]


def test_what_waits_is_inside_and_what_runs_meanwhile_is_not():
    @ag.no_grad()
    async def waits(event):
        await event.wait()
        return is_recording()

    async def both():
        event = asyncio.Event()
        waiting = asyncio.create_task(waits(event))
        await asyncio.sleep(0)
        meanwhile = is_recording()
        event.set()
        return await waiting, meanwhile, is_recording()

    assert asyncio.run(both()) == (False, True, True)


def test_one_block_serves_many_times():
    quiet = ag.no_grad()
    for _ in range(2):
        with quiet, quiet:
            assert not is_recording()
        assert is_recording()


def test_recursion_and_errors_leave_the_mode_as_it_was():
    @ag.no_grad()
    def down(n):
        if not n:
            raise ValueError("the end")
        with ag.enable_grad():
            down(n - 1)

    for _ in range(2):
        with pytest.raises(ValueError, match="the end"):
            down(3)
        assert is_recording()


@pytest.mark.parametrize(
    ("block", "mode"), [(ag.anomaly, is_watching), (ag.autocast, casting), (ag.no_grad, lambda: not is_recording())]
)
def test_every_block_is_a_decorator_of_every_function(block, mode):
    @block()
    def plain():
        return mode()

    @block()
    def steps():
        yield mode()

    @block()
    async def waits():
        return mode()

    assert plain()
    assert all(steps())
    assert asyncio.run(waits())
    assert not mode()


def test_what_it_cannot_stand_above_is_named():
    async def steps():
        yield 1

    for what in (steps, 3):
        with pytest.raises(TypeError, match=r"@no_grad\(\) stands above a function, got .*: write `with no_grad\(\):`"):
            ag.no_grad()(what)
    with pytest.raises(TypeError, match=r"above a function write @no_grad\(\), with its brackets"):

        @ag.no_grad
        def forgotten():
            return 1


def test_a_dtype_that_is_not_for_autocast_is_named_where_it_is_given():
    with pytest.raises(ValueError, match="autocast multiplies in"):
        ag.autocast("float16")
