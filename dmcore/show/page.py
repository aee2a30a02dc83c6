"""Figures that a reader moves in the published page, without a kernel and without a network.

A figure is written into the page twice: as a still picture, which stays where scripts do not run, and as
data from which the page's script (book/_live) makes the live one. Of the expressions of an
:class:`~dmcore.show.explorer.Explorer` the page gets JavaScript.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from dmcore.algebra.expressions import compiled, javascript
from dmcore.show.colors import COLORS
from dmcore.show.explorer import Axis, Curve, Explorer, Menu, Slider
from dmcore.show.plots import SvgFigure, draw_explorer

__all__ = ["LiveFigure", "axis_data", "control_data", "numbers_data", "page_html"]


@dataclass(frozen=True)
class LiveFigure:
    """An explorer in the published page.

    Attributes
    ----------
    explorer : Explorer
        What it shows.

    Raises
    ------
    ValueError
        On display, if an expression has no JavaScript form.

    Examples
    --------
    >>> from dmcore.chapters.latency import run_time_explorer
    >>> LiveFigure(run_time_explorer()).spec()["x"]["unit"]
    'FLOP'
    """

    explorer: Explorer

    def spec(self) -> dict[str, Any]:
        """The figure as data for the page's script."""
        of = self.explorer
        return {
            "kind": "expressions",
            "name": of.name,
            "title": of.title,
            "alt": of.alt,
            "x": {"symbol": of.x_symbol, **axis_data(of.x)},
            "y": axis_data(of.y),
            "points": of.points,
            "constants": numbers_data(of.constants),
            "controls": [control_data(control) for control in of.controls],
            "curves": [_curve(curve) for curve in of.curves],
            "bands": [
                {"label": band.label, "vertical": band.vertical, **_color(band.color)}
                | {
                    side: _function(expr)
                    for side, expr in (("above", band.above), ("below", band.below))
                    if expr is not None
                }
                for band in of.bands
            ],
            "marks": [{"x": mark.x, "y": mark.y, "label": mark.label} for mark in of.marks],
            "readouts": [
                {"label": readout.label, "unit": readout.unit, "per": readout.per_unit}
                | _function(readout.expr)
                for readout in of.readouts
            ],
        }

    def _repr_html_(self) -> str:
        return page_html(self.explorer.name, self.spec(), draw_explorer(self.explorer))

    def __repr__(self) -> str:
        return f"<live figure: {self.explorer.alt}>"


def control_data(control: Slider | Menu) -> dict[str, Any]:
    """A control as data for the page's script.

    Examples
    --------
    >>> control_data(Menu("GPU", {"H100": {"F": 1.0}}, "H100"))
    {'label': 'GPU', 'options': {'H100': {'F': 1.0}}, 'default': 'H100'}
    """
    if isinstance(control, Slider):
        kind = {"default": control.default, "whole": control.whole}
        return {"symbol": control.symbol, **axis_data(control), **kind}
    return {
        "label": control.label,
        "options": {name: numbers_data(sets) for name, sets in control.options.items()},
        "default": control.default,
    }


def page_html(name: str, spec: Mapping[str, Any], still: SvgFigure) -> str:
    """The still figure and the data of the live one, as the page's script looks for them.

    Examples
    --------
    >>> page_html("x", {"alt": "</script>"}, SvgFigure("<svg/>", "x")).count("</script>")
    1
    """
    data = json.dumps(spec, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (
        f'<figure class="dm-live" id="fig-{html.escape(name)}" data-name="{html.escape(name)}">'
        f'<div class="dm-still">{still.svg}</div>'
        # No "</script>" can end the data early.
        f'<script type="application/json">{data.replace("<", chr(92) + "u003c")}</script></figure>'
    )


def _function(expr: sp.Expr) -> dict[str, Any]:
    symbols, _ = compiled(expr)
    return {"symbols": list(symbols), "js": javascript(expr)}


def _curve(curve: Curve) -> dict[str, Any]:
    drawn = {"label": curve.label, "dashed": curve.dashed, "fixed": numbers_data(curve.fixed)}
    return {**drawn, **_color(curve.color), **_function(curve.expr)}


def _color(color: str | None) -> dict[str, int]:
    """The place of a colour in the palette, which the page's script knows by number."""
    return {} if color is None else {"color": COLORS.index(color)}


def axis_data(of: Slider | Axis) -> dict[str, Any]:
    """Range, label and unit as data for the page's script.

    Examples
    --------
    >>> axis_data(Axis("batch", 1, 10, "tokens"))["unit"]
    'tokens'
    """
    return {
        "label": of.label,
        "unit": of.unit,
        "low": of.low,
        "high": of.high,
        "per": of.per_unit,
        "log": of.log,
    }


def numbers_data(values: Mapping[str, float]) -> dict[str, float | str]:
    """Values for JSON, which has no infinity: that becomes a text, which JavaScript reads as one.

    Examples
    --------
    >>> numbers_data({"beta": math.inf, "ell": 1})
    {'beta': 'Infinity', 'ell': 1.0}
    """
    return {
        name: float(value) if math.isfinite(value) else f"{'-' if value < 0 else ''}Infinity"
        for name, value in values.items()
    }
