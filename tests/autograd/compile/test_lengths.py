"""What was made for rows of one length, and when it is taken for all."""

from __future__ import annotations

from dataclasses import dataclass

from autograd.compile.lengths import Lengths


@dataclass(eq=False)
class Made:
    text: str


def test_a_text_that_two_lengths_share_is_taken_for_all() -> None:
    known: Lengths[Made] = Lengths()
    assert known.ways(7) is None
    first, second = Made("same"), Made("same")
    known.add(7, first)
    assert known.ways(7) == [first]
    assert known.ways(8) is None
    known.add(8, second)
    for length in (7, 8, 9, 1000):
        assert known.ways(length) == [second]


def test_other_texts_are_for_their_lengths_alone() -> None:
    known: Lengths[Made] = Lengths()
    made = {length: Made(f"times {length}") for length in range(100)}
    for length, way in made.items():
        known.add(length, way)
    assert known.ways(99) == [made[99]]
    assert known.ways(1) is None  # too many are remembered no more
    assert known.ways(100) is None


def test_ways_of_one_length_are_no_proof_for_others() -> None:
    known: Lengths[Made] = Lengths()
    ways = [Made("same"), Made("same")]
    for way in ways:
        known.add(7, way)
    assert known.ways(7) == ways[::-1]
    assert known.ways(8) is None


def test_a_length_that_goes_another_way_has_both() -> None:
    known: Lengths[Made] = Lengths()
    for length in (7, 8):
        known.add(length, Made("same"))
    (every,) = known.ways(9) or []
    other = Made("other")
    known.add(9, other)
    assert known.ways(9) == [other, every]
    assert known.ways(7) == [every]
    known.add(10, Made("other"))
    assert [way.text for way in known.ways(7) or []] == ["other", "same"]


def test_what_cannot_be_made_stays_so_at_its_length() -> None:
    known: Lengths[Made] = Lengths()
    known.add(1, None)
    for length in (7, 8):
        known.add(length, Made("same"))
    assert known.ways(1) == []
    assert known.ways(2) != []


def test_without_rows_there_is_one_length() -> None:
    known: Lengths[Made] = Lengths()
    ways = [Made("a"), Made("b")]
    for way in ways:
        known.add(None, way)
    assert known.ways(None) == ways[::-1]
