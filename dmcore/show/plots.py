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
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

from dmcore.algebra.numbers import power_of_ten, readable
from dmcore.show.explorer import Axis, Explorer

__all__ = [
    "COLORS",
    "INK",
    "SvgFigure",
    "canvas",
    "draw_explorer",
    "label_line",
    "scale_axis",
]

#: Text and axes. Becomes the page's own text colour.
INK = "#101112"
#: Colours of data, told apart by readers with any colour vision, and by lightness in print.
#: Each becomes a CSS variable with a shade for light and one for dark pages.
COLORS = ("#0a6ab0", "#c2500b", "#0b7f5f", "#8e459c", "#8c6c0c", "#58666e")

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
    """

    svg: str
    alt: str

    def _repr_html_(self) -> str:
        return f'<figure class="dm-figure" style="margin:0">{self.svg}</figure>'

    def __repr__(self) -> str:
        return f"<figure: {self.alt}>"


@contextmanager
def canvas(
    alt: str, *, height: float = 3.4, rows: int = 1, **options: Any
) -> Iterator[tuple[list[Axes], Callable[[], SvgFigure]]]:
    """Axes to draw on, one below the other, and a function that gives the finished figure.

    Parameters
    ----------
    alt
        What the figure shows, in words.
    height
        Height in inches at a width of 4.7.
    rows
        Number of axes.
    options
        As of ``matplotlib.figure.Figure.subplots``.

    Raises
    ------
    ValueError
        If ``alt`` is empty.
    """
    if not alt.strip():
        raise ValueError(f"alt must say what the figure shows, got {alt!r}")
    with mpl.rc_context(dict(_STYLE)):
        figure = Figure(figsize=(4.7, height))
        axes = figure.subplots(rows, 1, squeeze=False, **options)
        yield list(axes[:, 0]), lambda: _finish(figure, alt)


def scale_axis(axes: Axes, which: str, axis: Axis) -> None:
    """Give the x or y axis its range, scale, title and ticks, in the shown unit."""
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


def label_line(
    axes: Axes, x: ArrayLike, y: ArrayLike, text: str, color: str, at: float = 0.6
) -> None:
    """Write a line's name beside it, at a share of its visible length.

    The label stands above where the line is flat or falls away, so that it does not cross it.
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    (left, right), (bottom, top) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    seen = (xs >= left) & (xs <= right) & (ys >= bottom) & (ys <= top) & np.isfinite(ys)
    if not seen.any():
        return
    xs, ys = xs[seen], ys[seen]
    index = round(at * (len(xs) - 1))
    rising = ys[-1] > ys[0]
    axes.annotate(
        text,
        (xs[index], ys[index]),
        xytext=(-4 if rising else 4, 4),
        textcoords="offset points",
        ha="right" if rising else "left",
        va="bottom",
        color=color,
    )


def draw_explorer(explorer: Explorer, changes: Mapping[str, float] | None = None) -> SvgFigure:
    """The figure of an explorer, at its defaults or with some values changed.

    Raises
    ------
    ValueError
        If a change names no symbol of the figure.
    """
    values = explorer.with_values(changes or {})
    xs = explorer.x_values() / explorer.x.per_unit
    readings = [
        f"{readout.label}: {readable(explorer.read(readout, values))} {readout.unit}".strip()
        for readout in explorer.readouts
    ]
    alt = ". ".join([explorer.alt.rstrip("."), *readings])
    with canvas(alt) as ((axes,), finish):
        axes.set_title(explorer.title, loc="left")
        scale_axis(axes, "x", explorer.x)
        scale_axis(axes, "y", explorer.y)
        for band, color in zip(explorer.bands, reversed(COLORS), strict=False):
            _draw_band(axes, explorer, band, values, xs, color)
        labels = np.linspace(0.75, 0.45, max(len(explorer.curves), 2))
        for curve, color, at in zip(explorer.curves, _cycle(COLORS), labels, strict=False):
            ys = explorer.along_x(curve.expr, values, curve.fixed) / explorer.y.per_unit
            axes.plot(xs, ys, color=color, linestyle="--" if curve.dashed else "-")
            place = float(at) if curve.label_at is None else curve.label_at
            label_line(axes, xs, ys, curve.label, color, place)
        for mark in explorer.marks:
            x, y = mark.x / explorer.x.per_unit, mark.y / explorer.y.per_unit
            axes.plot([x], [y], "o", color=INK, markersize=4)
            axes.annotate(mark.label, (x, y), xytext=(5, -3), textcoords="offset points", va="top")
        return finish()


def _draw_band(
    axes: Axes,
    explorer: Explorer,
    band: Any,
    values: Mapping[str, float],
    xs: np.ndarray[Any, Any],
    color: str,
) -> None:
    bottom, top = axes.get_ylim()
    edges = [
        np.full(len(xs), edge)
        if expr is None
        else np.clip(explorer.along_x(expr, values) / explorer.y.per_unit, bottom, top)
        for expr, edge in ((band.above, bottom), (band.below, top))
    ]
    axes.fill_between(xs, edges[0], edges[1], color=color, alpha=0.14, linewidth=0)
    widest = int(np.argmax(np.log(edges[1] / edges[0]) if explorer.y.log else edges[1] - edges[0]))
    middle = (
        np.sqrt(edges[0][widest] * edges[1][widest])
        if explorer.y.log
        else (edges[0][widest] + edges[1][widest]) / 2
    )
    share = widest / (len(xs) - 1)
    axes.annotate(
        band.label,
        (xs[widest], middle),
        xytext=(6 if share < 0.5 else -6, 0),
        textcoords="offset points",
        ha="left" if share < 0.5 else "right",
        va="center",
        color=color,
    )


def _cycle(colors: Sequence[str]) -> Iterator[str]:
    while True:
        yield from colors


def _log_tick(value: float, decades: float) -> str:
    exponent = np.log10(value)
    if decades <= 4 and 1e-3 <= value < 1e6:
        return readable(value, 1)
    return power_of_ten(round(exponent))


def _finish(figure: Figure, alt: str) -> SvgFigure:
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
