"""Runs that take a search to find, simulated when the book is built, for a reader to pick among."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from dmcore.algebra.checks import check_choice, check_positive
from dmcore.algebra.numbers import readable
from dmcore.show.colors import COLORS
from dmcore.show.explorer import Axis
from dmcore.show.labels import label_area, label_line
from dmcore.show.page import axis_data, page_html
from dmcore.show.plots import SvgFigure, panels, scale_axis

__all__ = ["Choice", "Column", "GridFigure", "Mix", "Runs", "column_data"]


@dataclass(frozen=True)
class Choice:
    """A menu of a grid: a label and the texts to choose among, the first of them by default.

    Raises
    ------
    ValueError
        If the default is no option.

    Examples
    --------
    >>> Choice("GPU", ("A100 SXM", "H100 SXM")).default
    'A100 SXM'
    """

    label: str
    options: tuple[str, ...]
    default: str = ""

    def __post_init__(self) -> None:
        if not self.default and self.options:
            object.__setattr__(self, "default", self.options[0])
        check_choice("default", self.default, self.options)


@dataclass(frozen=True)
class Column:
    """A column of runs.

    Attributes
    ----------
    name : str
        Key of its values, and its heading in the download.
    label : str
        What it is, in words.
    unit : str
        Unit shown to the reader.
    per_unit : float
        How many of the values' units make one shown unit.
    shown : bool
        Whether the page shows it for the run that is read off.

    Examples
    --------
    >>> Column("utilization", "Utilization", "%", 0.01).per_unit
    0.01
    """

    name: str
    label: str
    unit: str = ""
    per_unit: float = 1.0
    shown: bool = True

    def __post_init__(self) -> None:
        check_positive("per_unit", self.per_unit, finite=True)


@dataclass(frozen=True)
class Runs:
    """The runs of one combination of choices, in order along the x axis; perhaps none.

    Attributes
    ----------
    columns : mapping of str to sequence of float or str
        Values of each column, all of one length.
    facts : mapping of str to float or None
        A number of all these runs together for each of the figure's facts; None where there is none.
    note : str
        Why there are no more runs, as a sentence.

    Raises
    ------
    ValueError
        If the columns differ in length.

    Examples
    --------
    >>> len(Runs({"flop": [1e24, 1e25], "binding": ["memory", "network"]}))
    2
    """

    columns: Mapping[str, Sequence[float] | Sequence[str]]
    facts: Mapping[str, float | None] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        if len({len(values) for values in self.columns.values()}) != 1:
            lengths = {name: len(values) for name, values in self.columns.items()}
            raise ValueError(f"columns must be of one length, got {lengths}")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def numbers(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """A column as an array."""
        return np.asarray(self.columns[name], dtype=float)


@dataclass(frozen=True)
class Mix:
    """Columns stacked below the figure: such as degrees of parallelism, whose product is the cluster.

    Attributes
    ----------
    title : str
        Of the axis.
    alt : str
        What it shows, for who cannot see it.
    columns : tuple of str
        Names, from the bottom up.
    multiply : bool
        Whether the columns multiply, so that their logarithms to base 2 are stacked, rather than add.
    colors : tuple of str
        Of the columns.
    high : float, optional
        End of the axis, as a logarithm to base 2 if the columns multiply; by default the tallest stack.

    Examples
    --------
    >>> mix = Mix("GPUs", "Two degrees that multiply", ("data", "tensor"), multiply=True)
    >>> [part.tolist() for part in mix.stacked(Runs({"data": [8], "tensor": [4]}))]
    [[3.0], [2.0]]
    """

    title: str
    alt: str
    columns: tuple[str, ...]
    multiply: bool = False
    colors: tuple[str, ...] = COLORS
    high: float | None = None

    def stacked(self, runs: Runs) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
        """The height of each column of those runs."""
        columns = [runs.numbers(name) for name in self.columns]
        return [np.log2(column) for column in columns] if self.multiply else columns


@dataclass(frozen=True)
class GridFigure:
    """Runs that were simulated on a grid, for a reader to pick among.

    Attributes
    ----------
    name, title, alt : str
        As of an :class:`~dmcore.show.explorer.Explorer`.
    choices : tuple of Choice
        Menus; the grid is their product.
    columns : tuple of Column
        In order of the download.
    x, y : Axis
        Ranges in the columns' units.
    x_column, y_column : str
        Names of the columns that are drawn.
    runs : mapping of tuple of str to Runs
        For each combination of options, in order of the choices.
    start : float
        Where along x a run is read off at the start, in the column's unit.
    end_label : str
        What the largest x among the runs is called.
    facts : tuple of Column
        Numbers of all runs of a combination together; their names are keys of ``Runs.facts``.
    lines : str
        Label of the menu whose options are all drawn, the chosen one in full; empty for one line.
    mix : Mix, optional
        Columns stacked below.
    digits : int
        Significant digits to which floats are written into the page.

    Raises
    ------
    ValueError
        If a combination, a column or a fact is missing, a name unknown, or ``start`` off the x axis.

    Examples
    --------
    >>> figure = GridFigure(
    ...     "one", "One run", "One run", (Choice("GPU", ("H100",)),), (Column("x", "x"), Column("y", "y")),
    ...     Axis("x", 0, 2), Axis("y", 0, 2), "x", "y", {("H100",): Runs({"x": [1.0], "y": [2.0]})}, 1.0,
    ... )
    >>> figure.nearest(("H100",), 0.0)
    {'x': 1.0, 'y': 2.0}
    """

    name: str
    title: str
    alt: str
    choices: tuple[Choice, ...]
    columns: tuple[Column, ...]
    x: Axis
    y: Axis
    x_column: str
    y_column: str
    runs: Mapping[tuple[str, ...], Runs]
    start: float
    end_label: str = "Largest run"
    facts: tuple[Column, ...] = ()
    lines: str = ""
    mix: Mix | None = None
    digits: int = 12

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        for given in (self.x_column, self.y_column, *(self.mix.columns if self.mix else ())):
            check_choice("column", given, names)
        if self.lines:
            check_choice("lines", self.lines, [choice.label for choice in self.choices])
        if not self.x.low <= self.start <= self.x.high:
            raise ValueError(f"start must lie on the x axis, got {self.start!r}")
        for key in self.combinations():
            if key not in self.runs:
                raise ValueError(f"runs must hold every combination, and lacks {key!r}")
            runs = self.runs[key]
            lacking = [name for name in names if name not in runs.columns]
            lacking += [fact.name for fact in self.facts if fact.name not in runs.facts]
            if lacking:
                raise ValueError(f"runs of {key!r} must have {', '.join(lacking)}")

    def combinations(self) -> list[tuple[str, ...]]:
        """Every combination of options."""
        return list(product(*(choice.options for choice in self.choices)))

    def default(self) -> tuple[str, ...]:
        """The combination at the start."""
        return tuple(choice.default for choice in self.choices)

    def nearest(self, choice: tuple[str, ...], x: float) -> dict[str, float | str]:
        """The run nearest to a place on the x axis: its value in each column.

        Raises
        ------
        ValueError
            If there is no such combination, or it has no runs.
        """
        check_choice("choice", choice, self.runs)
        runs = self.runs[choice]
        if not len(runs):
            raise ValueError(f"choice must have runs, got {choice!r}: {runs.note}")
        place = np.log if self.x.log else np.asarray
        row = int(np.argmin(np.abs(place(runs.numbers(self.x_column)) - place(x))))
        return {column.name: runs.columns[column.name][row] for column in self.columns}

    def still(self, choice: tuple[str, ...] | None = None) -> SvgFigure:
        """The figure with one combination chosen; that of the start by default.

        Raises
        ------
        ValueError
            If there is no such combination.
        """
        choice = self.default() if choice is None else choice
        check_choice("choice", choice, self.runs)
        told = f"{self.alt.rstrip('.')}. Shown: {', '.join(choice)}"
        runs = self.runs[choice]
        if len(runs):
            end = readable(float(runs.numbers(self.x_column).max()) / self.x.per_unit)
            told += f". {self.end_label}: {end} {self.x.unit}".rstrip()
        with panels(told, 2 if self.mix else 1, height=5.4 if self.mix else 3.4) as (axes, finish):
            axes[0].set_title(self.title, loc="left")
            scale_axis(axes[0], "x", self.x)
            scale_axis(axes[0], "y", self.y)
            self._draw_lines(axes[0], choice)
            if self.mix:
                scale_axis(axes[1], "x", self.x)
                self._draw_mix(axes[1], self.mix, choice)
            return finish()

    def _draw_lines(self, axes: Any, choice: tuple[str, ...]) -> None:
        at = [menu.label for menu in self.choices].index(self.lines) if self.lines else None
        options = self.choices[at].options if at is not None else ("",)
        for index, option in enumerate(options):
            key = choice if at is None else (*choice[:at], option, *choice[at + 1 :])
            runs = self.runs[key]
            xs = runs.numbers(self.x_column) / self.x.per_unit
            ys = runs.numbers(self.y_column) / self.y.per_unit
            color = COLORS[index % len(COLORS)]
            chosen = key == choice
            axes.plot(xs, ys, color=color, alpha=1 if chosen else 0.55)
            label_line(axes, xs, ys, option, color)

    def _draw_mix(self, axes: Any, mix: Mix, choice: tuple[str, ...]) -> None:
        runs = self.runs[choice]
        axes.set_ylabel(mix.title)
        axes.set_ylim(0, self._tallest(mix))
        if mix.multiply:
            axes.yaxis.set_major_formatter(lambda value, _: f"$2^{{{value:g}}}$")
        if not len(runs):
            return
        xs = runs.numbers(self.x_column) / self.x.per_unit
        below = np.zeros(len(runs))
        for name, part, color in zip(mix.columns, mix.stacked(runs), mix.colors, strict=False):
            above = below + part
            axes.fill_between(xs, below, above, color=color, alpha=0.32, linewidth=0, step="mid")
            label = next(column.label for column in self.columns if column.name == name)
            label_area(axes, xs, below, above, label, color)
            below = above

    def spec(self) -> dict[str, Any]:
        """The figure as data for the page's script."""
        return {
            "kind": "grid",
            "name": self.name,
            "title": self.title,
            "alt": self.alt,
            "x": axis_data(self.x),
            "y": axis_data(self.y),
            "xColumn": self.x_column,
            "yColumn": self.y_column,
            "start": self.start,
            "endLabel": self.end_label,
            "lines": self.lines,
            "menus": [
                {"label": menu.label, "options": list(menu.options), "default": menu.default}
                for menu in self.choices
            ],
            "columns": [column_data(column) for column in self.columns],
            "facts": [column_data(fact) for fact in self.facts],
            "mix": self.mix
            and {
                "title": self.mix.title,
                "alt": self.mix.alt,
                "columns": list(self.mix.columns),
                "colors": [COLORS.index(color) for color in self.mix.colors],
                "powers": self.mix.multiply,
                "high": self._tallest(self.mix),
            },
            "series": [
                {
                    "choice": [
                        menu.options.index(option)
                        for menu, option in zip(self.choices, key, strict=True)
                    ],
                    "columns": [
                        self._packed(self.runs[key].columns[column.name]) for column in self.columns
                    ],
                    "facts": [self.runs[key].facts[fact.name] for fact in self.facts],
                    "note": self.runs[key].note,
                }
                for key in self.combinations()
            ],
        }

    def _tallest(self, mix: Mix) -> float:
        """End of the axis of the stacked columns, the same for all combinations."""
        if mix.high is not None:
            return mix.high
        tops = (sum(mix.stacked(runs)) for runs in self.runs.values() if len(runs))
        return 1.04 * max((float(np.max(top)) for top in tops), default=1.0)

    def _packed(self, values: Sequence[float] | Sequence[str]) -> Any:
        """Values as JSON: few digits, whole numbers without a point, each text only once."""
        if any(isinstance(value, str) for value in values):
            texts = sorted({str(value) for value in values})
            return {"texts": texts, "places": [texts.index(str(value)) for value in values]}
        return [_short(float(value), self.digits) for value in values]

    def _repr_html_(self) -> str:
        return page_html(self.name, self.spec(), self.still())

    def __repr__(self) -> str:
        return f"<figure of {len(self.runs)} series: {self.alt}>"


def column_data(column: Column) -> dict[str, Any]:
    """A column as the page's script gets it.

    Examples
    --------
    >>> column_data(Column("n_gpu", "GPUs"))["per"]
    1.0
    """
    return {
        "name": column.name,
        "label": column.label,
        "unit": column.unit,
        "per": column.per_unit,
        "shown": column.shown,
    }


def _short(value: float, digits: int) -> float | int:
    if value.is_integer() and abs(value) < 2**53:
        return int(value)
    return float(f"{value:.{digits - 1}e}")
