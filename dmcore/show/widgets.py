"""Figures that a reader moves: ipywidgets in a kernel, a live figure in the published page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor, log10
from typing import Any, Protocol

import ipywidgets as ipw

from dmcore.algebra.derivation import building_page
from dmcore.algebra.numbers import readable
from dmcore.algebra.tables import html_table
from dmcore.show.explorer import Explorer, Menu, Slider
from dmcore.show.grid import GridFigure, Runs
from dmcore.show.page import LiveFigure
from dmcore.show.plots import SvgFigure, draw_explorer

__all__ = ["explore", "interact"]


class Simulated(Protocol):
    """A figure of runs that are simulated anew for each setting, as of a cluster of the reader's own.

    Known by what it can do, so that a chapter without a simulation loads no simulator.

    Examples
    --------
    >>> from dmcore.chapters.your_cluster import cluster
    >>> figure: Simulated = cluster()
    >>> figure.start.name
    'your-cluster'
    """

    @property
    def controls(self) -> tuple[Slider | Menu, ...]:
        """Sliders and menus."""

    @property
    def start(self) -> GridFigure:
        """Its picture and facts at the start."""

    def runs(self, values: Mapping[str, float]) -> Runs:
        """What is simulated at some settings."""

    def still(self, runs: Runs | None = None) -> SvgFigure:
        """The picture of some runs."""


def explore(explorer: Explorer | GridFigure | Simulated) -> Any:
    """The figure of an explorer, of simulated runs, or of a cluster to simulate, with its controls.

    Returns
    -------
    ipywidgets.VBox or LiveFigure or GridFigure or Simulated
        A widget in a kernel; while the book is built, a figure that the page's script makes live.

    Examples
    --------
    >>> from dmcore.chapters.memory_bandwidth import nanobatch_explorer
    >>> type(explore(nanobatch_explorer())).__name__
    'VBox'
    """
    if isinstance(explorer, GridFigure):
        return explorer if building_page() else _pick(explorer)
    if not isinstance(explorer, Explorer):
        return explorer if building_page() else _simulate(explorer)
    if building_page():
        return LiveFigure(explorer)

    def draw(**values: float) -> str:
        figure = draw_explorer(explorer, values)
        settings = explorer.with_values(values)
        rows = [
            (readout.label, f"{readable(explorer.read(readout, settings), 4)} {readout.unit}")
            for readout in explorer.readouts
        ]
        return f"{figure._repr_html_()}{html_table(rows)}"

    return _panel(explorer.controls, draw)


def interact(
    draw: Callable[..., SvgFigure],
    controls: tuple[Slider | Menu, ...] = (),
    choices: Mapping[str, tuple[str, ...]] | None = None,
) -> Any:
    """Any function that draws a figure, with controls of its arguments.

    Parameters
    ----------
    draw
        Takes the symbols of the controls, and the names of the choices, as keywords.
    controls
        Sliders and menus.
    choices
        For each further keyword of ``draw``, the texts to choose among; the first is the start.

    Returns
    -------
    ipywidgets.VBox or SvgFigure
        A widget in a kernel; while the book is built, the figure at its defaults.

    Examples
    --------
    >>> from dmcore.chapters.parallelism import SCHEDULE_CONTROLS, schedule
    >>> len(interact(schedule, SCHEDULE_CONTROLS).children)
    3
    """
    choices = choices or {}
    if building_page():
        values: dict[str, Any] = {name: options[0] for name, options in choices.items()}
        for control in controls:
            values.update(
                {control.symbol: control.default}
                if isinstance(control, Slider)
                else control.options[control.default]
            )
        return draw(**values)
    return _panel(controls, lambda **given: draw(**given)._repr_html_(), choices)


def _pick(figure: GridFigure) -> ipw.VBox:
    # A picker starts at its first option.
    choices = {
        choice.label: (choice.default, *(each for each in choice.options if each != choice.default))
        for choice in figure.choices
    }
    return interact(lambda **given: figure.still(tuple(given.values())), choices=choices)


def _simulate(figure: Simulated) -> ipw.VBox:
    def draw(**values: float) -> str:
        runs = figure.runs(values)
        rows = [
            (fact.label, "none" if value is None else f"{readable(value, 4)} {fact.unit}")
            for fact in figure.start.facts
            for value in (runs.facts[fact.name],)
        ]
        return f"{figure.still(runs)._repr_html_()}{html_table(rows)}"

    # A sweep takes longer than a slider's next step, so it waits for the hand to rest.
    return _panel(figure.controls, draw, continuous=False)


def _panel(
    controls: tuple[Slider | Menu, ...],
    draw: Callable[..., str],
    choices: Mapping[str, tuple[str, ...]] | None = None,
    continuous: bool = True,
) -> ipw.VBox:
    """Controls over an HTML view that is drawn again when one of them moves."""
    view = ipw.HTML()
    sliders = {
        control.symbol: (control, _slider(control, continuous))
        for control in controls
        if isinstance(control, Slider)
    }
    menus = [
        (control, _dropdown(control.label, tuple(control.options), control.default))
        for control in controls
        if isinstance(control, Menu)
    ]
    pickers = {
        name: _dropdown(name.replace("_", " "), options, options[0])
        for name, options in (choices or {}).items()
    }
    busy = [False]

    def redraw(_: object = None) -> None:
        if busy[0]:
            return
        values: dict[str, Any] = {name: picker.value for name, picker in pickers.items()}
        for menu, dropdown in menus:
            values.update(menu.options[dropdown.value])
        values.update(
            {name: slider.value * control.per_unit for name, (control, slider) in sliders.items()}
        )
        view.value = draw(**values)

    def follow(menu: Menu, option: str) -> None:
        busy[0] = True
        for name, value in menu.options[option].items():
            if name in sliders:
                control, slider = sliders[name]
                slider.value = value / control.per_unit
        busy[0] = False
        redraw()

    for menu, dropdown in menus:
        dropdown.observe(lambda change, menu=menu: follow(menu, change["new"]), names="value")
    for widget in [*(slider for _, slider in sliders.values()), *pickers.values()]:
        widget.observe(redraw, names="value")
    for menu, dropdown in menus:
        follow(menu, dropdown.value)
    redraw()
    ordered = [
        sliders[control.symbol][1]
        if isinstance(control, Slider)
        else next(dropdown for menu, dropdown in menus if menu is control)
        for control in controls
    ]
    return ipw.VBox([*pickers.values(), *ordered, view])


def _slider(control: Slider, continuous: bool = True) -> Any:
    unit = f" ({control.unit})" if control.unit else ""
    shared = {
        "description": f"{control.label}{unit}",
        "style": {"description_width": "16em"},
        "layout": ipw.Layout(width="34em", max_width="100%"),
        "continuous_update": continuous,
    }
    low, high, default = (
        bound / control.per_unit for bound in (control.low, control.high, control.default)
    )
    if control.whole:
        return ipw.IntSlider(value=int(default), min=int(low), max=int(high), **shared)
    if control.log:
        # A logarithmic slider takes the powers of ten of its ends.
        return ipw.FloatLogSlider(
            value=default,
            min=log10(low),
            max=log10(high),
            step=0.0005,
            readout_format=".4g",
            **shared,
        )
    step = 10.0 ** floor(log10((high - low) / 100))  # a round one, so that the start lies on it
    return ipw.FloatSlider(
        value=default, min=low, max=high, step=step, readout_format=".4g", **shared
    )


def _dropdown(label: str, options: tuple[str, ...], default: str) -> Any:
    return ipw.Dropdown(
        description=label,
        options=options,
        value=default,
        style={"description_width": "16em"},
        layout=ipw.Layout(width="34em", max_width="100%"),
    )
