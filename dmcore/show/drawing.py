"""Boxes and arrows for pictures without axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from dmcore.show.colors import INK
from dmcore.show.plots import SvgFigure, canvas

__all__ = ["arrow", "box", "drawing"]

Point = tuple[float, float]


@contextmanager
def drawing(
    alt: str, x: Point, y: Point, height: float
) -> Iterator[tuple[Axes, Callable[[], SvgFigure]]]:
    """A frame without axes, from x[0] to x[1] and y[0] to y[1], that many inches high.

    Examples
    --------
    >>> with drawing("Nothing.", (0, 1), (0, 1), 2) as (axes, finish):
    ...     finish()
    <figure: Nothing.>
    """
    with canvas(alt, height=height) as (axes, finish):
        axes.set_position(
            (0, 0, 1, 1)
        )  # takes it out of the layout, which would make room for text
        axes.set_axis_off()
        axes.set_xlim(*x)
        axes.set_ylim(*y)
        yield axes, finish


def box(
    axes: Axes,
    corner: Point,
    size: Point,
    color: str | None = None,
    text: str = "",
    *,
    alpha: float = 0.45,
    edge: str = INK,
    width: float = 0.6,
    edge_alpha: float = 0.55,
    dashed: bool = False,
    rounded: float = 0,
    text_size: float | None = None,
) -> None:
    """A box with an edge, filled if it has a colour, and a text in its middle.

    Examples
    --------
    >>> with drawing("A box.", (0, 1), (0, 1), 2) as (axes, finish):
    ...     box(axes, (0, 0), (1, 1), INK, "inside")
    ...     "inside" in finish().svg
    True
    """
    (x, y), (wide, high) = map(float, corner), map(float, size)
    shape = f"round,pad=0,rounding_size={rounded}" if rounded else "square,pad=0"
    style = "--" if dashed else "-"
    if color is not None:
        axes.add_patch(
            FancyBboxPatch((x, y), wide, high, shape, facecolor=color, alpha=alpha, linewidth=0)
        )
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            wide,
            high,
            shape,
            facecolor="none",
            edgecolor=edge,
            linewidth=width,
            alpha=edge_alpha,
            linestyle=style,
        )
    )
    if text:
        middle = x + wide / 2, y + high / 2
        axes.text(*middle, text, ha="center", va="center", size=text_size, linespacing=1.05)


def arrow(axes: Axes, start: Point, end: Point, color: str = INK, style: str = "-|>") -> None:
    """An arrow from one place to another; ``"<->"`` and ``"-"`` are styles too.

    Examples
    --------
    >>> with drawing("An arrow.", (0, 1), (0, 1), 2) as (axes, finish):
    ...     arrow(axes, (0, 0), (1, 1))
    ...     len(axes.patches)
    1
    """
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=9,
            color=color,
            linewidth=1,
            shrinkA=0,
            shrinkB=0,
        )
    )
