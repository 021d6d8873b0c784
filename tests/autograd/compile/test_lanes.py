"""Two lanes of a recording: nothing begins before what it needs is done, and what needs nothing is beside it.

One idea: a stream knows what is done when its next command begins: all that was given to it, and what the events that
it waited for knew. So no GPU is needed to see whether an order is kept.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autograd.compile.cuda import gpu
from autograd.compile.cuda.commands import Job, Launch, order_of


class Stream:
    current: Any = None

    def __init__(self) -> None:
        self.known: set[int] = set()

    def __enter__(self) -> None:
        Stream.current = self

    def __exit__(self, *error: object) -> None:
        Stream.current = None

    def use(self) -> None:
        Stream.current = self

    def wait_event(self, event: Event) -> None:
        self.known |= event.known


class Event:
    def __init__(self, disable_timing: bool) -> None:
        pass

    def record(self, stream: Stream) -> None:
        self.known = set(stream.known)


def lanes_of(after: list[set[int]]) -> list[int]:
    """The lane of each command, with everything that it needs done before."""
    device: Any = object.__new__(gpu.GPU)
    device.recording, device.side = Stream(), Stream()
    device.recording.use()
    device.cupy = SimpleNamespace(cuda=SimpleNamespace(Event=Event, get_current_stream=lambda: Stream.current))
    lanes = []

    def run(number: int) -> None:
        assert after[number] <= Stream.current.known
        Stream.current.known.add(number)
        lanes.append(int(Stream.current is device.side))

    device._in_lanes([lambda number=number: run(number) for number in range(len(after))], after)
    assert device.recording.known == set(range(len(after))), "something may still run when the recording is over"
    return lanes


@given(st.lists(st.sets(st.integers(1, 6), max_size=4), max_size=30))
def test_nothing_begins_before_what_it_needs(backwards: list[set[int]]) -> None:
    lanes_of([{number - i for i in steps if i <= number} for number, steps in enumerate(backwards)])


def test_a_chain_is_one_lane() -> None:
    assert set(lanes_of([{number - 1} if number else set() for number in range(9)])) == {0}


def test_gradients_of_weights_are_beside_those_of_inputs() -> None:
    # For each layer the gradient of its input, and that of its weight, whichever comes first; at the end an update.
    assert lanes_of([set(), {0}, {0}, {1}, {1}, {3}, {2, 4, 5}]) == [0, 0, 1, 0, 1, 0, 0]
    lanes = lanes_of([set(), {0}, {0}, {2}, {2}, {4}, {1, 3, 5}])
    assert lanes[1] != lanes[2]
    assert lanes[3] != lanes[4]


def test_the_order_of_commands_is_that_of_the_bytes_they_touch() -> None:
    def launch(reads: str, writes: str) -> Launch:
        spans = [frozenset((0, ord(letter), ord(letter) + 1) for letter in letters) for letters in (reads, writes)]
        return Launch("", 1, (Job(1, 1, (), *spans),), "")

    commands = [launch("", "a"), launch("a", "b"), launch("", "c"), launch("c", "a"), launch("bc", "d")]
    assert order_of(commands) == [set(), {0}, set(), {0, 1, 2}, {1, 2}]
