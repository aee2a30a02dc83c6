"""Where the labels of a still figure stand: one algorithm, that of book/_live/plot/labels.js.

A label says what it names: a point, a line or an area. When all is drawn, each one takes the place that
covers least of lines, marks, bars and other labels, as near to what it names as there is room. Distances
are in points.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import ceil, hypot
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure, FigureBase
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike, NDArray

__all__ = ["label_area", "label_line", "label_point", "place_labels"]

Array = NDArray[np.float64]

_COVERED = 100.0  # what it costs a label to lie on another
_SAMPLE_COST, _STEP = 25.0, 3.0  # what a point of a line costs, and how far apart those are
_PADDING = 1.5
_CLOSE = 12.0  # farther than this, a thin line leads from a label to its point
#: Directions from a point to its label, the best first: where its left or right, lower or upper edge is.
_SIDES: tuple[tuple[float, int], ...] = (
    *((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)),
    *((0.6, 1), (-0.6, 1), (0.6, -1), (-0.6, -1)),
)


@dataclass(frozen=True)
class _Place:
    """A place for a label: what it would point at, its side of that, its distance, and its cost."""

    x: float
    y: float
    side: tuple[float, int]
    distance: float
    cost: float

    def box(self, width: float, height: float) -> tuple[float, float, float, float]:
        (right, up), corner = self.side, abs(self.side[0]) == abs(self.side[1]) == 1
        away = self.distance * (0.7 if corner else 1)
        x = self.x + right * (away * (abs(right) == 1) + width / 2)
        y = self.y + up * (away + height / 2)
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2


@dataclass(frozen=True)
class _Label:
    axes: Axes
    text: Annotation
    places: Callable[[float, float], Iterable[_Place]]
    needed: bool = True


_WAITING: WeakKeyDictionary[FigureBase, list[_Label]] = WeakKeyDictionary()


def label_point(axes: Axes, x: float, y: float, text: str, color: str, **style: Any) -> None:
    """Name a point: close to it, or a little away with a thin line to it.

    ``x`` and ``y`` are in the units of the axes; ``style`` is matplotlib's for a text.

    Examples
    --------
    >>> from dmcore.show.plots import canvas
    >>> with canvas("A point.") as (axes, finish):
    ...     label_point(axes, 0.5, 0.5, "half", "black")
    ...     "half" in finish().svg
    True
    """

    def places(*_: float) -> Iterable[_Place]:
        at_x, at_y = _pixels(axes, [x], [y])[0]
        return _around(at_x, at_y, (5.0, 9.0, 16.0, 24.0, 34.0, 46.0, 60.0))

    _wait(axes, text, color, style, places)


def label_line(axes: Axes, x: ArrayLike, y: ArrayLike, text: str, color: str, **style: Any) -> None:
    """Name a line: beside it, above or below, where there is most room.

    Examples
    --------
    >>> from dmcore.show.plots import canvas
    >>> with canvas("A line.") as (axes, finish):
    ...     label_line(axes, [0, 1], [0, 1], "rising", "black")
    ...     "rising" in finish().svg
    True
    """

    def places(*_: float) -> Iterator[_Place]:
        seen = _seen(axes, x, y)
        for share in np.linspace(0, 1, 25) if len(seen) else ():
            at_x, at_y = seen[round(share * (len(seen) - 1))]
            off = 8 * abs(float(share) - 0.6)
            for distance, (rank, side) in product((4.0, 9.0, 16.0), enumerate(_SIDES)):
                yield _Place(at_x, at_y, side, distance, off + 0.2 * rank + 0.8 * (distance - 4))

    _wait(axes, text, color, style, places)


def label_area(
    axes: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, text: str, color: str, **style: Any
) -> None:
    """Name the area between two lines: inside it, where it is high, or by a thin line from beside it.

    An area that can hardly be seen goes without a name.

    Examples
    --------
    >>> from dmcore.show.plots import canvas
    >>> with canvas("An area.") as (axes, finish):
    ...     label_area(axes, [0, 1], 0.2, [0.3, 1], "above", "black")
    ...     "above" in finish().svg
    True
    """
    xs = np.array(x, dtype=float)
    edges = [np.full(xs.shape, edge, dtype=float) for edge in (low, high)]

    def places(width: float, height: float) -> Iterator[_Place]:
        bottom, top = (_within(axes, _pixels(axes, xs, edge)) for edge in edges)
        thickness = top[:, 1] - bottom[:, 1]
        most = np.flatnonzero(thickness >= thickness.max() - 1e-6)
        thickest = most[len(most) // 2]
        if thickness[thickest] > _STEP:
            middle = (bottom[thickest] + top[thickest]) / 2
            yield from _around(
                float(middle[0]), float(middle[1]), (24.0, 34.0, 46.0, 60.0, 80.0), 12
            )
        left, right = bottom[0, 0] + width / 2 + 3, bottom[-1, 0] - width / 2 - 3
        for at_x in np.linspace(left, right, 17) if left <= right else ():
            over = np.linspace(at_x - width / 2 - 1, at_x + width / 2 + 1, 41)
            floor = float(np.interp(over, bottom[:, 0], bottom[:, 1]).max())
            roof = float(np.interp(over, top[:, 0], top[:, 1]).min())
            room = roof - floor - height
            for level in (0.5, 0.25, 0.75, 0.0, 1.0) if room >= 0 else ():
                at_y = floor + height / 2 + level * room
                cost = 100 / (10 + room) + 4 * abs(level - 0.5)
                cost += 3 * abs(at_x - (left + right) / 2) / (1 + right - left)
                yield _Place(float(at_x), at_y, (0, 0), 0, cost)

    _wait(axes, text, color, style, places, needed=False)


def place_labels(figure: Figure) -> None:
    """Put the labels of a figure where they cover least. Fixes its layout.

    Examples
    --------
    >>> figure = Figure(dpi=72)
    >>> place_labels(figure)  # none to place
    """
    labels = sorted(_WAITING.pop(figure, []), key=lambda label: not label.needed)
    if not labels:
        return
    # Texts are as wide as the SVG has them, which hints no fonts, and the layout follows from those.
    figure.draw(RendererSVG(*figure.bbox.size, io.StringIO(), image_dpi=72))
    figure.set_layout_engine("none")
    obstacles = np.concatenate([np.empty((0, 3)), *map(_obstacles, figure.axes)])
    # An annotation's own extent would have its thin line in it.
    extents = [Text.get_window_extent(label.text) for label in labels]
    sizes = [(ceil(extent.width), ceil(extent.height)) for extent in extents]
    boxes: dict[int, tuple[float, float, float, float]] = {}
    fixed = list(_texts(figure, {label.text for label in labels}))
    leaders: dict[int, Array] = {}
    for _ in range(2):  # again, now that those which come later have their places
        for index, label in enumerate(labels):
            width, height = sizes[index]
            boxes.pop(index, None)
            leaders.pop(index, None)
            taken = np.array([*fixed, *boxes.values()]).reshape(-1, 4)
            drawn = np.concatenate([obstacles, *leaders.values()])
            place = _best(label, list(label.places(width, height)), (width, height), taken, drawn)
            if place is None:
                label.text.set_visible(False)
                continue
            boxes[index] = place.box(width, height)
            leaders[index] = _move(label.text, place, boxes[index])


def _around(x: float, y: float, distances: Iterable[float], cost: float = 0) -> Iterator[_Place]:
    for distance, (rank, side) in product(distances, enumerate(_SIDES)):
        yield _Place(x, y, side, distance, cost + 0.5 * rank + 0.35 * (distance - 5))


def _wait(
    axes: Axes,
    text: str,
    color: str,
    style: dict[str, Any],
    places: Callable[[float, float], Iterable[_Place]],
    needed: bool = True,
) -> None:
    figure = axes.figure
    if not text or figure is None:
        return
    leader = {"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3}
    written = axes.annotate(
        text, (0, 0), (0, 0), "figure points", "figure points", leader, False, color=color, **style
    )
    written.set_in_layout(False)
    _WAITING.setdefault(figure, []).append(_Label(axes, written, places, needed))


def _best(
    label: _Label,
    places: list[_Place],
    size: tuple[float, float],
    taken: Array,
    drawn: Array,
) -> _Place | None:
    """The place that costs least, the first of those that cost the same; None if all cover others."""
    if not places:
        return None
    boxes = np.array([place.box(*size) for place in places])
    left, bottom, right, top = (boxes[:, side, None] for side in range(4))
    cost = np.array([place.cost for place in places])
    figure = label.axes.figure
    assert figure is not None
    for frame, price in ((label.axes.bbox, 3.0), (figure.bbox.padded(-2), 1000.0)):
        beyond = [frame.x0 - left, frame.y0 - bottom, right - frame.x1, top - frame.y1]
        cost += price * sum(np.maximum(0, over[:, 0]) for over in beyond)
    pad = _PADDING
    for x0, y0, x1, y1 in taken:
        wide = np.minimum(right, x1 + pad) - np.maximum(left, x0 - pad)
        tall = np.minimum(top, y1 + pad) - np.maximum(bottom, y0 - pad)
        covered = ((wide > 0) & (tall > 0))[:, 0]
        cost += np.where(covered, _COVERED + np.clip(wide * tall, 0, None)[:, 0], 0)
    for number, place in enumerate(places):
        if place.distance > _CLOSE:  # its thin line must not cross a label either
            x, y = (boxes[number, :2] + boxes[number, 2:]) / 2
            path = np.linspace((place.x, place.y), (x, y), 20)[:, None]
            crossed = (path > taken[:, :2]).all(axis=2) & (path < taken[:, 2:]).all(axis=2)
            cost[number] += _SAMPLE_COST * crossed.sum()
    x, y, reach = drawn[:, 0], drawn[:, 1], drawn[:, 2] + pad
    inside = (x > left - reach) & (x < right + reach) & (y > bottom - reach) & (y < top + reach)
    cost += _SAMPLE_COST * inside.sum(axis=1)
    best = int(np.argmin(cost.round(6)))
    return places[best] if label.needed or cost[best] < 2 * _SAMPLE_COST else None


def _move(text: Annotation, place: _Place, box: tuple[float, float, float, float]) -> Array:
    """Put a text into its place; points of the thin line that leads to what it names, if it is far."""
    right, up = place.side
    x = (box[0] + box[2]) / 2 - (right if abs(right) == 1 else 0) * (box[2] - box[0]) / 2
    y = (box[1] + box[3]) / 2 - up * (box[3] - box[1]) / 2
    text.set_visible(True)
    text.set_position((x, y))
    text.set_horizontalalignment("left" if right == 1 else "right" if right == -1 else "center")
    text.set_verticalalignment("bottom" if up == 1 else "top" if up == -1 else "center")
    text.xy = (place.x, place.y)
    assert text.arrow_patch is not None
    text.arrow_patch.set_visible(place.distance > _CLOSE)
    if place.distance <= _CLOSE:
        return np.empty((0, 3))
    return _dense(np.array([[x, y], [place.x, place.y]]), 0.0)[2:-1]


def _pixels(axes: Axes, x: ArrayLike, y: ArrayLike) -> Array:
    points = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    return np.asarray(axes.transData.transform(points), dtype=float)


def _within(axes: Axes, points: Array) -> Array:
    frame = axes.bbox
    return np.clip(points, (frame.x0, frame.y0), (frame.x1, frame.y1))


def _seen(axes: Axes, x: ArrayLike, y: ArrayLike) -> Array:
    """Points of a line inside the frame, evenly along it."""
    points = _dense(_pixels(axes, x, y), 0.0)[:, :2]
    frame = axes.bbox.padded(1)
    inside = (points >= (frame.x0, frame.y0)) & (points <= (frame.x1, frame.y1))
    return points[inside.all(axis=1)]


def _dense(points: Array, reach: float) -> Array:
    """A path's points, with more between them: x, y, and how far the drawn line reaches from there."""
    points = points[np.isfinite(points).all(axis=1)].clip(-1e4, 1e4)
    parts = [np.empty((0, 2)), points[-1:]]
    for start, end in pairwise(points):
        count = max(1, ceil(hypot(*(end - start)) / _STEP))
        parts.append(start + np.arange(count)[:, None] / count * (end - start))
    path = np.concatenate([*parts[:1], *parts[2:], parts[1]])
    return np.column_stack([path, np.full(len(path), reach)])


def _obstacles(axes: Axes) -> Array:
    """What labels must not lie on: lines, marks and bars, as points with the width of the pen."""
    (left, bottom), (right, top) = axes.bbox.min, axes.bbox.max
    edges = {"left": [[left, bottom], [left, top]], "bottom": [[left, bottom], [right, bottom]]}
    found = [
        _dense(np.array(edge), 0.5)
        for side, edge in edges.items()
        if axes.axison and axes.spines[side].get_visible()
    ]
    for line in axes.get_lines():
        points = np.asarray(line.get_transform().transform(line.get_xydata()), dtype=float)
        if line.get_linestyle() != "None":
            found.append(_dense(points, line.get_linewidth() / 2))
        if line.get_marker() not in ("None", None, ""):
            finite = points[np.isfinite(points).all(axis=1)]
            found.append(np.column_stack([finite, np.full(len(finite), line.get_markersize() / 2)]))
    for patch in axes.patches:
        alpha = patch.get_alpha()
        if isinstance(patch, Rectangle) and (alpha is None or alpha > 0.3):
            box = patch.get_window_extent()
            rows = np.arange(box.y0 + _STEP / 2, box.y1, _STEP)
            found += [_dense(np.array([[box.x0, row], [box.x1, row]]), 0.0) for row in rows]
    return np.concatenate([np.empty((0, 3)), *found])


def _texts(figure: Figure, labels: set[Annotation]) -> Iterator[tuple[float, float, float, float]]:
    """Boxes of the texts that stand where they are: ticks, titles, words of a drawing."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text not in labels and text.get_visible() and text.get_text().strip():
            box: Bbox = text.get_window_extent()
            yield box.x0, box.y0, box.x1, box.y1
