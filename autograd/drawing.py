"""Drawings of a graph: as text, in Graphviz' language (DOT), and as a picture (SVG).

One idea: first the graph becomes a list of items, oldest first, each with a label and the items it was made from; text,
DOT and picture are three ways to print that list. The picture needs no other program: layers from top to bottom, in
each layer an order in which few lines cross, long lines led around by way-points. This is the last file of the engine;
`compile/__init__.py` opens the compiled step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from .tensor import Node, Tensor

__all__ = ["as_html", "draw"]

_LIMIT = 60  # operations that are still readable in one drawing
_VALUES = 1000  # elements that a notebook still shows


@dataclass
class _Item:
    """One box: a leaf, an operation, or what stands for all that is left out."""

    name: str  # how other lines of the text call it
    title: str
    detail: str  # shape and dtype
    kind: str  # "leaf", "operation", "older"
    parents: list[int | None] = field(default_factory=list)  # None for an input through which no gradient flows


def draw(
    tensors: Tensor | Sequence[Tensor],
    *,
    format: str = "text",
    names: Mapping[str, Tensor] | None = None,
    limit: int = _LIMIT,
) -> str:
    """The graph behind one or several Tensors: what made them, down to the leaves, each node once.

    `format` is "text" (one operation a line), "dot" (for Graphviz) or "svg" (a picture). `names` names leaves, for
    example `dict(model.named_parameters())`. Of a graph with more than `limit` operations the newest are drawn, and a
    sentence says how many are not. An input through which no gradient flows is no part of the graph; text shows a dot.

    Raises ValueError for another format.
    """
    writers = {"text": _as_text, "dot": _as_dot, "svg": _as_svg}
    if format not in writers:
        raise ValueError(f"format is {format!r}; a graph can be drawn as {', '.join(map(repr, writers))}.")
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    return writers[format](*_items(roots, names or {}, limit))


def as_html(tensor: Tensor) -> str:
    """A Tensor as a notebook shows it: its values when they are few, and the graph behind it."""
    text = repr(tensor)
    if tensor.size > _VALUES:
        text = f"Tensor of shape {tensor.shape}, {tensor.dtype}, on {tensor.device}"
    values = f"<pre>{escape(text)}</pre>"
    return values if tensor.node is None else values + draw(tensor, format="svg")


# The list of items


def _items(roots: list[Tensor], names: Mapping[str, Tensor], limit: int) -> tuple[list[_Item], str]:
    """What is to be drawn, parents first, and a sentence about what is not."""
    nodes = _nodes(roots)
    drawn = sorted(nodes, key=lambda node: node.serial)[-limit:] if limit > 0 else []
    missing = len(nodes) - len(drawn)
    known = {tensor: name for name, tensor in names.items()}
    items: list[_Item] = []
    place: dict[Any, int] = {}  # of a Node, of a leaf, of "older"

    def put(key: Any, item: _Item) -> int:
        place[key] = len(items)
        items.append(item)
        return place[key]

    def place_of(edge: Node | Tensor | None) -> int | None:
        if edge is None:
            return None
        if isinstance(edge, Tensor):
            return place[edge] if edge in place else put(edge, _leaf(edge, known, items))
        if edge in place:
            return place[edge]
        older = _Item("...", "...", f"{missing} older operations", "older")
        return place["older"] if "older" in place else put("older", older)

    for node in drawn:
        parents = [place_of(parent) for parent in node.parents]
        title = node.primitive.name
        name = f"%{sum(item.kind == 'operation' for item in items) + 1}"
        put(node, _Item(name, title, f"{node.shape} {node.dtype}", "operation", parents))
    for tensor in roots:
        place_of(tensor if tensor.node is None else tensor.node)
    if not missing:
        return items, ""
    return items, f"The {len(drawn)} newest of {len(nodes)} operations are drawn; limit={len(nodes)} draws all."


def _nodes(roots: list[Tensor]) -> set[Node]:
    waiting = [tensor.node for tensor in roots if tensor.node is not None]
    seen = set(waiting)
    while waiting:
        for parent in waiting.pop().parents:
            if isinstance(parent, Node) and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return seen


def _leaf(tensor: Tensor, known: Mapping[Tensor, str], items: list[_Item]) -> _Item:
    name = known.get(tensor) or f"leaf{sum(item.kind == 'leaf' for item in items) + 1}"
    return _Item(name, name, f"{tensor.shape} {tensor.dtype}", "leaf")


# Text and DOT


def _as_text(items: list[_Item], said: str) -> str:
    rows = []
    for item in items:
        if item.kind == "operation":
            inputs = ", ".join("·" if i is None else items[i].name for i in item.parents)
            rows.append((f"{item.name} = {item.title}({inputs})", item.detail))
        elif item.kind == "leaf":
            rows.append((item.name, f"{item.detail}, a leaf"))
    width = max((len(left) for left, _ in rows), default=0)
    lines = [said] if said else []
    return "\n".join([*lines, *(f"{left:<{width}}  {right}" for left, right in rows)])


def _as_dot(items: list[_Item], said: str) -> str:
    lines = ["digraph {", '  node [shape=box, style="rounded,filled", fontname=monospace, fontsize=11];']
    if said:
        lines.append(f"  label={_quoted(said)};")
    for i, item in enumerate(items):
        label = f"{item.title}\n{item.detail}"
        lines.append(f'  n{i} [label={_quoted(label)}, fillcolor="{_FILL[item.kind]}"];')
    for i, item in enumerate(items):
        lines += [f"  n{parent} -> n{i};" for parent in item.parents if parent is not None]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


# The picture

_FILL = {"leaf": "#dcefdc", "operation": "#e3eaf6", "older": "#eeeeee"}
_HEIGHT, _BETWEEN, _GAP, _MARGIN, _LETTER = 38.0, 34.0, 18.0, 12.0, 6.7  # pixels


@dataclass(eq=False)
class _Point:
    """A box, or (without an item) a way-point of a line that passes through a layer."""

    item: _Item | None
    width: float
    x: float = 0.0  # of the middle
    y: float = 0.0  # of the top
    above: list[_Point] = field(default_factory=list)
    below: list[_Point] = field(default_factory=list)


def _as_svg(items: list[_Item], said: str) -> str:
    layers = _layers(items)
    _order(layers)
    _place(layers)
    points = [point for layer in layers for point in layer]
    left = min((p.x - p.width / 2 for p in points), default=0.0) - _MARGIN
    right = max([p.x + p.width / 2 for p in points] + [left + 2 * _MARGIN + _LETTER * len(said)]) + _MARGIN
    head = _BETWEEN if said else 0.0
    height = max((p.y for p in points), default=0.0) + _HEIGHT + 2 * _MARGIN + head
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right - left:.0f}" height="{height:.0f}" '
        f'viewBox="{left:.1f} {-_MARGIN - head:.1f} {right - left:.1f} {height:.1f}" '
        'font-family="monospace" font-size="11" text-anchor="middle">',
        "<title>graph</title>",
        f'<rect x="{left:.1f}" y="{-_MARGIN - head:.1f}" width="{right - left:.1f}" height="{height:.1f}" '
        'fill="#ffffff"/>',
    ]
    if said:
        lines.append(f'<text x="{left + _MARGIN:.1f}" y="{-head / 2:.1f}" text-anchor="start">{escape(said)}</text>')
    lines += [_line(point, end) for point in points if point.item for end in point.below]
    lines += [_box(point, point.item) for point in points if point.item]
    return "\n".join([*lines, "</svg>"])


def _layers(items: list[_Item]) -> list[list[_Point]]:
    """Boxes by depth, every line cut into pieces that lead from one layer to the next."""
    depth = [0] * len(items)
    for i, item in enumerate(items):
        depth[i] = 1 + max((depth[p] for p in item.parents if p is not None), default=0)
    children: list[list[int]] = [[] for _ in items]
    for i, item in enumerate(items):
        for parent in {p for p in item.parents if p is not None}:
            children[parent].append(i)
    for i, item in enumerate(items):
        if item.kind != "operation" and children[i]:  # a leaf stands right above the first that uses it
            depth[i] = min(depth[child] for child in children[i]) - 1
    first = min(depth, default=0)
    layers: list[list[_Point]] = [[] for _ in range(max(depth, default=0) - first + 1)]
    boxes = [_Point(item, 16 + _LETTER * max(len(item.title), len(item.detail))) for item in items]
    for i, box in enumerate(boxes):
        layers[depth[i] - first].append(box)
    for i, box in enumerate(boxes):
        for child in children[i]:
            above = box
            for level in range(depth[i] + 1, depth[child]):
                way_point = _Point(None, 0.0)
                layers[level - first].append(way_point)
                _join(above, way_point)
                above = way_point
            _join(above, boxes[child])
    return layers


def _join(above: _Point, below: _Point) -> None:
    above.below.append(below)
    below.above.append(above)


def _order(layers: list[list[_Point]]) -> None:
    """Sort each layer by where its neighbours stand, down and up in turn, so that few lines cross."""
    for sweep in range(6):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            place = {point: i for other in layers for i, point in enumerate(other)}
            where = {}
            for point in layer:
                neighbours = point.above if down else point.below
                where[point] = _mean([float(place[n]) for n in neighbours], float(place[point]))
            layer.sort(key=where.__getitem__)


def _place(layers: list[list[_Point]]) -> None:
    """Give each point its place: as near as possible to the middle of its neighbours, none over another."""
    for level, layer in enumerate(layers):
        for point in layer:
            point.y = level * (_HEIGHT + _BETWEEN)
        _spread(layer, [0.0] * len(layer))
    for sweep in range(6):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            _spread(layer, [_mean([n.x for n in point.above + point.below], point.x) for point in layer])


def _spread(layer: list[_Point], wanted: list[float]) -> None:
    """Put the points of a layer at the wanted places, moved apart where they would touch."""
    for i, (point, x) in enumerate(zip(layer, wanted, strict=True)):
        before = layer[i - 1]
        point.x = x if i == 0 else max(x, before.x + (before.width + point.width) / 2 + _GAP)
    shift = _mean([x - point.x for point, x in zip(layer, wanted, strict=True)], 0.0)
    for point in layer:
        point.x += shift


def _mean(numbers: list[float], default: float) -> float:
    return sum(numbers) / len(numbers) if numbers else default


def _line(start: _Point, end: _Point) -> str:
    x, y = start.x, start.y + _HEIGHT
    path = f"M {x:.1f} {y:.1f}"
    while True:
        middle = (y + end.y) / 2
        path += f" C {x:.1f} {middle:.1f} {end.x:.1f} {middle:.1f} {end.x:.1f} {end.y:.1f}"
        if end.item:
            break
        x, y = end.x, end.y + _HEIGHT
        path += f" L {x:.1f} {y:.1f}"
        end = end.below[0]
    head = f"M {end.x - 3.5:.1f} {end.y - 7:.1f} L {end.x:.1f} {end.y:.1f} L {end.x + 3.5:.1f} {end.y - 7:.1f}"
    return f'<path d="{path} {head}" fill="none" stroke="#667788"/>'


def _box(point: _Point, item: _Item) -> str:
    left = point.x - point.width / 2
    return (
        f'<rect x="{left:.1f}" y="{point.y:.1f}" width="{point.width:.1f}" height="{_HEIGHT}" rx="5" '
        f'fill="{_FILL[item.kind]}" stroke="#8899aa"/>'
        f'<text x="{point.x:.1f}" y="{point.y + 16:.1f}" font-weight="bold">{escape(item.title)}</text>'
        f'<text x="{point.x:.1f}" y="{point.y + 30:.1f}" fill="#445566">{escape(item.detail)}</text>'
    )
