"""Figures as inline SVG that follows the page: its text colour, its font, its light or dark theme.

Every figure is drawn at the width of a phone, so that nothing is too small to read there, and is
only scaled up elsewhere.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dmcore.algebra.numbers import power_of_ten, readable
from dmcore.show.colors import COLORS, INK
from dmcore.show.explorer import Axis, Band, Explorer
from dmcore.show.labels import label_area, label_line, label_point, place_labels

__all__ = [
    "SvgFigure",
    "canvas",
    "draw_explorer",
    "panels",
    "rows_axis",
    "scale_axis",
]

_STYLE: Mapping[str, Any] = {
    "figure.figsize": (4.7, 3.4),
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlecolor": INK,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLORS),
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "text.color": INK,
    "font.size": 10.5,
    "lines.linewidth": 2.0,
    "patch.linewidth": 0.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "dmcore",
    "mathtext.default": "regular",
}


@dataclass(frozen=True)
class SvgFigure:
    """A finished figure. A notebook or page shows it; ``svg`` is its text.

    Attributes
    ----------
    svg : str
        One ``<svg>`` element, with its own description for screen readers.
    alt : str
        What the figure shows, in words.

    Examples
    --------
    >>> SvgFigure("<svg/>", "Nothing to see")
    <figure: Nothing to see>
    """

    svg: str
    alt: str

    def _repr_html_(self) -> str:
        return f'<figure class="dm-figure" style="margin:0">{self.svg}</figure>'

    def __repr__(self) -> str:
        return f"<figure: {self.alt}>"


@contextmanager
def panels(
    alt: str, rows: int, *, height: float, **options: Any
) -> Iterator[tuple[list[Axes], Callable[[], SvgFigure]]]:
    """As :func:`canvas`, with several axes one below the other; options as of ``Figure.subplots``.

    Examples
    --------
    >>> with panels("Two panels.", 2, height=4, sharex=True) as ((top, bottom), finish):
    ...     finish()
    <figure: Two panels.>
    """
    if not alt.strip():
        raise ValueError(f"alt must say what the figure shows, got {alt!r}")
    with mpl.rc_context(dict(_STYLE)):
        figure = Figure(figsize=(4.7, height), dpi=72)  # a pixel is a point, as in the SVG
        axes = figure.subplots(rows, 1, squeeze=False, **options)
        yield list(axes[:, 0]), lambda: _finish(figure, alt)


@contextmanager
def canvas(
    alt: str, x: Axis | None = None, y: Axis | None = None, *, height: float = 3.4, title: str = ""
) -> Iterator[tuple[Axes, Callable[[], SvgFigure]]]:
    """Axes to draw on, and a function that gives the finished figure with its labels placed.

    Parameters
    ----------
    alt
        What the figure shows, in words.
    x, y
        Range, scale and title of each axis.
    height
        Height in inches at a width of 4.7.
    title
        Above the axes.

    Raises
    ------
    ValueError
        If ``alt`` is empty.

    Examples
    --------
    >>> with canvas("A line that rises.", Axis("x", 0, 1), Axis("y", 0, 1)) as (axes, finish):
    ...     _ = axes.plot([0, 1], [0, 1])
    ...     finish()
    <figure: A line that rises.>
    """
    with panels(alt, 1, height=height) as ((axes,), finish):
        axes.set_title(title, loc="left")
        for which, axis in (("x", x), ("y", y)):
            if axis is not None:
                scale_axis(axes, which, axis)
        yield axes, finish


def rows_axis(
    axes: Axes, labels: Sequence[str], above: float = 0.6, below: float = 0.4, names: bool = True
) -> None:
    """Turn the y axis into rows from the top down, each with its name unless drawn elsewhere.

    Examples
    --------
    >>> with canvas("Rows.") as (axes, finish):
    ...     rows_axis(axes, ["first", "second"])
    ...     [label.get_text() for label in axes.get_yticklabels()]
    ['first', 'second']
    """
    axes.set_ylim(len(labels) - 1 + below, -above)
    axes.set_yticks(range(len(labels)) if names else [], labels if names else [])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)


def scale_axis(axes: Axes, which: str, axis: Axis) -> None:
    """Give the x or y axis its range, scale, title and ticks, in the shown unit.

    Examples
    --------
    >>> with canvas("An axis.") as (axes, finish):
    ...     scale_axis(axes, "x", Axis("batch", 1e6, 1e9, "million tokens", 1e6, log=True))
    ...     [float(end) for end in axes.get_xlim()]
    [1.0, 1000.0]
    """
    low, high = axis.low / axis.per_unit, axis.high / axis.per_unit
    getattr(axes, f"set_{which}label")(axis.title)
    if axis.log:
        getattr(axes, f"set_{which}scale")("log")
        decades = np.log10(high / low)
        mpl_axis = getattr(axes, f"{which}axis")
        mpl_axis.set_major_locator(LogLocator(numticks=7 if which == "x" else 9))
        mpl_axis.set_major_formatter(FuncFormatter(lambda value, _: _log_tick(value, decades)))
        mpl_axis.set_minor_formatter(NullFormatter())
        mpl_axis.set_minor_locator(LogLocator(subs=()))
    getattr(axes, f"set_{which}lim")(low, high)


def draw_explorer(explorer: Explorer, changes: Mapping[str, float] | None = None) -> SvgFigure:
    """The figure of an explorer, at its defaults or with some values changed.

    Raises
    ------
    ValueError
        If a change names no symbol of the figure.

    Examples
    --------
    >>> from dmcore.chapters.memory_bandwidth import nanobatch_explorer
    >>> draw_explorer(nanobatch_explorer(), {"w_P": 1}).alt.split(". ")[1]
    'Least nanobatch: 295 tokens'
    """
    values = explorer.with_values(changes or {})
    xs = explorer.x_values() / explorer.x.per_unit
    readings = [
        f"{readout.label}: {readable(explorer.read(readout, values))} {readout.unit}".strip()
        for readout in explorer.readouts
    ]
    alt = ". ".join([explorer.alt.rstrip("."), *readings])
    with canvas(alt, explorer.x, explorer.y, title=explorer.title) as (axes, finish):
        for band, color in zip(explorer.bands, reversed(COLORS), strict=False):
            _draw_band(axes, explorer, band, values, xs, band.color or color)
        for curve, color in zip(explorer.curves, cycle(COLORS), strict=False):
            color = curve.color or color
            ys = explorer.along_x(curve.expr, values, curve.fixed) / explorer.y.per_unit
            axes.plot(xs, ys, color=color, linestyle="--" if curve.dashed else "-")
            label_line(axes, xs, ys, curve.label, color)
        for mark in explorer.marks:
            x, y = mark.x / explorer.x.per_unit, mark.y / explorer.y.per_unit
            axes.plot([x], [y], "o", color=INK, markersize=4)
            label_point(axes, x, y, mark.label, INK)
        return finish()


def _draw_band(
    axes: Axes,
    explorer: Explorer,
    band: Band,
    values: Mapping[str, float],
    xs: np.ndarray[Any, Any],
    color: str,
) -> None:
    unit, (low, high) = explorer.y.per_unit, axes.get_ylim()
    if band.vertical:
        unit, (low, high) = explorer.x.per_unit, axes.get_xlim()
    below, above = (
        np.full(len(xs), edge)
        if expr is None
        else np.clip(explorer.along_x(expr, values) / unit, low, high)
        for expr, edge in ((band.above, low), (band.below, high))
    )
    if band.vertical:
        axes.axvspan(below[0], above[0], color=color, alpha=0.14, linewidth=0)
        space = np.geomspace if explorer.x.log else np.linspace
        across = space(below[0], above[0], 3)  # its middle among them, which the name may point at
        label_area(axes, across, *axes.get_ylim(), band.label, color)
        return
    axes.fill_between(xs, below, above, color=color, alpha=0.14, linewidth=0)
    label_area(axes, xs, below, above, band.label, color)


def _log_tick(value: float, decades: float) -> str:
    exponent = np.log10(value)
    if decades <= 4 and 1e-3 <= value < 1e6:
        return readable(value, 1)
    return power_of_ten(round(exponent))


def _finish(figure: Figure, alt: str) -> SvgFigure:
    place_labels(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return SvgFigure(_for_page(buffer.getvalue(), alt), alt)


def _for_page(svg: str, alt: str) -> str:
    """Strip what only a file needs, hand colours and font over to the page, describe the picture."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor")
    for number, color in enumerate(COLORS, start=1):
        svg = svg.replace(color, f"var(--dm-c{number}, {color})")
    svg = re.sub(
        r"(font(?:-family)?: [^;\"]*?)(?:'[^']*'(?:, )?)+(?:, )?(sans-serif)", r"\1\2", svg
    )
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()  # type: ignore[union-attr]
    opening = (
        f'<svg class="dm-svg" role="img" viewBox="0 0 {width} {height}" '
        f'style="width:100%;max-width:36rem;height:auto" aria-label="{html.escape(alt)}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"^<svg[^>]*>", opening, svg, count=1)
