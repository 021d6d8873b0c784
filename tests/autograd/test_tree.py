"""Trees come back as they were taken apart, and a tree of another structure is refused with the place."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd.tree import flatten, flatten_like, map_tree, paths, register, unflatten

Pair = namedtuple("Pair", "first second")


@register
@dataclass(frozen=True, slots=True)
class State:
    first: Any
    second: Any = None
    made: int = field(default=0, init=False)

    def __post_init__(self):
        object.__setattr__(self, "made", self.made + 1)


LEAVES = st.integers() | st.text(max_size=2)
TREES = st.recursive(
    LEAVES | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(Pair, inner, inner)
        | st.builds(State, inner, inner)
    ),
    max_leaves=12,
)


@given(TREES)
def test_round_trip(tree):
    leaves, structure = flatten(tree)
    again = unflatten(structure, leaves)
    assert again == tree
    assert type(again) is type(tree)
    assert all(leaf is not None for leaf in leaves)
    assert flatten_like(tree, structure) == leaves
    assert flatten(again) == (leaves, structure)


@given(TREES)
def test_paths_lead_to_the_leaves(tree):
    leaves, structure = flatten(tree)
    found = paths(structure)
    assert len(found) == len(leaves)
    for leaf, path in zip(leaves, found, strict=True):
        assert eval(f"tree{path}", {"tree": tree}) == leaf


def test_dictionaries_keep_their_order_and_are_matched_by_key():
    leaves, structure = flatten({"b": 1, "a": 2})
    assert leaves == [1, 2]
    assert flatten_like({"a": 20, "b": 10}, structure) == [10, 20]
    assert unflatten(flatten(OrderedDict(b=1))[1], [5]) == {"b": 5}


def test_map():
    assert map_tree(lambda x: x + 1, {"a": [1, (2, None)], "b": Pair(3, 4)}) == {"a": [2, (3, None)], "b": Pair(4, 5)}


def test_map_of_several_trees():
    weights, slopes = {"a": [1, (2, None)], "b": 3}, {"b": 30, "a": [10, (20, None)]}
    assert map_tree(lambda w, g: w - g, weights, slopes) == {"a": [-9, (-18, None)], "b": -27}
    with pytest.raises(ValueError, match=r"tree 3 of map_tree\['a'\]\[1\] is a int, where a tuple with 2 part"):
        map_tree(max, weights, slopes, {"a": [1, 2], "b": 3})


def test_a_dataclass_is_put_together_without_init():
    assert map_tree(lambda x: x + 1, [State(1)])[0].made == 2  # a part, not counted again
    with pytest.raises(ValueError, match=r"it\.second is a int, where a list with 1 part"):
        flatten_like(State(1, 2), flatten(State(1, [2]))[1], "it")
    with pytest.raises(ValueError, match=r"it is a dict with the keys .*, where a State with 3 part"):
        flatten_like({"first": 1, "second": 2, "made": 1}, flatten(State(1, 2))[1], "it")


@pytest.mark.parametrize("kind", [Pair, object, State(1)])
def test_only_a_class_with_fields_is_registered(kind):
    with pytest.raises(TypeError, match=r"register (takes a dataclass|got Pair, which is a tuple)"):
        register(kind)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"a": [1, 2]}, r"it is a dict with the keys 'a', where a dict with the keys 'a', 'b' was expected"),
        ({"a": [1], "b": 3}, r"it\['a'\] is a list with 1 part\(s\), where a list with 2 part\(s\)"),
        ({"a": 1, "b": 3}, r"it\['a'\] is a int, where a list"),
        ({"a": [1, [2]], "b": 3}, r"it\['a'\]\[1\] is a list with 1 part\(s\), where one array or number"),
        ({"a": [1, None], "b": 3}, r"it\['a'\]\[1\] is None, where one array or number"),
        ({"a": {0: 1, 1: 2}, "b": 3}, r"it\['a'\] is a dict"),
    ],
)
def test_another_structure_is_refused_with_the_place(tree, said):
    _, structure = flatten({"a": [1, 2], "b": 3})
    with pytest.raises(ValueError, match=said):
        flatten_like(tree, structure, "it")
