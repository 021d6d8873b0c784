"""Drawings show every node once, with its shape, and never break the page they stand in."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograd import Tensor
from autograd.drawing import _items, _layers, _order, _place, draw

SVG = "{http://www.w3.org/2000/svg}"


def leaf(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


def small_graph():
    w, x = leaf(3, 4), leaf(2, 3)
    hidden = (x @ w).exp()
    return w, x, (hidden * hidden + 2.0 * hidden).sum()


def test_text_is_one_line_a_node_in_the_order_of_making():
    w, x, y = small_graph()
    assert draw(y, names={"w": w, "x": x}) == "\n".join(
        [
            "x                      (2, 3) float64, a leaf",
            "w                      (3, 4) float64, a leaf",
            "%1 = matmul(x, w)      (2, 4) float64",
            "%2 = exp(%1)           (2, 4) float64",
            "%3 = multiply(%2, %2)  (2, 4) float64",
            "%4 = multiply(·, %2)   (2, 4) float64",
            "%5 = add(%3, %4)       (2, 4) float64",
            "%6 = sum(%5)           () float64",
        ]
    )


def test_leaves_without_a_name_are_numbered():
    _, _, y = small_graph()
    assert draw(y).splitlines()[0].startswith("leaf1 ")
    assert "matmul(leaf1, leaf2)" in draw(y)


def test_a_leaf_and_a_plain_tensor_can_be_drawn():
    assert draw(leaf(2)) == "leaf1  (2,) float64, a leaf"
    for format in ("text", "dot", "svg"):
        assert "(3,) float32" in draw(Tensor([1.0, 2.0, 3.0]), format=format)


def test_several_tensors_share_one_drawing():
    x = leaf(2)
    y = x * x
    text = draw([y.sum(), y.exp()])
    assert text.count("multiply(") == 1
    assert "sum(%1)" in text
    assert "exp(%1)" in text


def test_dot_has_a_node_and_an_arrow_for_each():
    w, x, y = small_graph()
    dot = draw(y, format="dot", names={"w": w, "x": x})
    assert len(re.findall(r"^  n\d+ \[", dot, re.M)) == 8
    assert len(re.findall(r"^  n\d+ -> n\d+;", dot, re.M)) == 9
    assert dot.startswith("digraph {")
    assert dot.endswith("}")


@example("\\")
@example('"')
@example("a\\nb")
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")))
def test_names_are_escaped(name):
    x = leaf(2)
    y = x * x
    root = ElementTree.fromstring(draw(y, format="svg", names={name: x}))
    titles = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert (name or "leaf1") in titles
    label = re.search(r'n0 \[label="((?:[^"\\]|\\.)*)", fillcolor', draw(y, format="dot", names={name: x}))
    assert label is not None
    read = re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), label[1])
    assert read == f"{name or 'leaf1'}\n(2,) float64"


def test_svg_shows_each_node_once_with_its_shape():
    _, _, y = small_graph()
    root = ElementTree.fromstring(draw(y, format="svg"))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert sorted(texts[::2]) == sorted(["leaf1", "leaf2", "matmul", "exp", "multiply", "multiply", "add", "sum"])
    assert texts.count("(2, 4) float64") == 5
    # Lines: two from hidden to its square are one.
    assert len(list(root.iter(f"{SVG}path"))) == 8


def random_graph(choices):
    tensors = [leaf(2), leaf(2), leaf(2)]
    for a, b in choices:
        tensors.append(tensors[a % len(tensors)] * tensors[b % len(tensors)])
    return tensors[-1]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30))
def test_boxes_stand_apart_and_below_what_they_are_made_of(choices):
    root = ElementTree.fromstring(draw(random_graph(choices), format="svg"))
    left, top, width, height = map(float, root.get("viewBox").split())
    boxes = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in root.iter(f"{SVG}rect")][1:]
    for i, (x, y, w, h) in enumerate(boxes):
        assert left <= x
        assert top <= y
        assert x + w <= left + width
        assert y + h <= top + height
        for x2, y2, w2, _ in boxes[:i]:
            assert y != y2 or x + w <= x2 or x2 + w2 <= x


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30))
def test_lines_lead_one_layer_down(choices):
    items, _ = _items([random_graph(choices)], {}, 1000)
    layers = _layers(items)
    _order(layers)
    _place(layers)
    assert sum(point.item is not None for layer in layers for point in layer) == len(items)
    for layer, below in zip(layers, [*layers[1:], []], strict=True):
        assert all(end in below for point in layer for end in point.below)


def test_a_leaf_stands_right_above_what_first_uses_it():
    x, late = leaf(2), leaf(2)
    y = ((x * x).exp() * late).exp() * late
    items, _ = _items([y], {"late": late}, 1000)
    layers = _layers(items)
    (level,) = [i for i, layer in enumerate(layers) for point in layer if point.item and point.item.name == "late"]
    assert [point.item.title for point in layers[level] if point.item] == ["exp", "late"]


def test_a_large_graph_is_cut_with_a_sentence():
    x = leaf(2)
    y = x
    for _ in range(5000):
        y = y * 1.0
    text = draw(y, limit=3)
    assert text.splitlines() == [
        "The 3 newest of 5000 operations are drawn; limit=5000 draws all.",
        "%1 = multiply(..., ·)  (2,) float64",
        "%2 = multiply(%1, ·)   (2,) float64",
        "%3 = multiply(%2, ·)   (2,) float64",
    ]
    for format in ("dot", "svg"):
        drawing = draw(y, format=format, limit=3)
        assert "The 3 newest of 5000 operations are drawn" in drawing
        assert "4997 older operations" in drawing
        assert len(draw(y, format=format)) < 50_000
    assert "newest" not in draw(y, limit=5000)


def test_an_unknown_format_is_refused():
    with pytest.raises(ValueError, match="format is 'png'; a graph can be drawn as 'text', 'dot', 'svg'"):
        draw(leaf(2), format="png")


def test_drawing_keeps_the_graph_usable():
    x = leaf(2)
    y = (x * x).sum()
    draw(y, format="svg")
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_notebook_shows_values_and_graph():
    x = leaf(2)
    html = (x * x)._repr_html_()
    assert html.startswith("<pre>Tensor([1. 1.]")
    assert "made by multiply" in html
    assert "<svg" in html
    plain = x._repr_html_()
    assert "requires_grad=True" in plain
    assert "<svg" not in plain
    assert "&lt;" not in plain
    large = Tensor(np.ones((100, 100)))._repr_html_()
    assert large == "<pre>Tensor of shape (100, 100), float64, on cpu</pre>"
