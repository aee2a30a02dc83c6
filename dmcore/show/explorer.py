"""What an interactive figure is, as data: curves that are expressions, and controls of their symbols.

The same :class:`Explorer` is drawn by :mod:`dmcore.show.plots`, moved by :mod:`dmcore.show.widgets` in a
kernel, and by the reader in the published page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.checks import check_choice, check_positive, check_positive_integer
from dmcore.algebra.expressions import evaluate

__all__ = ["Axis", "Band", "Curve", "Explorer", "Mark", "Menu", "Readout", "Slider"]


@dataclass(frozen=True)
class Slider:
    """A control of one symbol.

    Attributes
    ----------
    symbol : str
        Name of the symbol it sets.
    label : str
        What it is, in words.
    low, high, default : float
        Range and start, in the symbol's unit.
    unit : str
        Unit shown to the reader; empty for a pure number.
    per_unit : float
        How many of the symbol's units make one shown unit (1e9 for bytes/s shown as GB/s).
    log : bool
        Whether equal movements multiply rather than add.
    whole : bool
        Whether only whole numbers are allowed.

    Raises
    ------
    ValueError
        If low < default < high fails at either end, or a logarithmic range touches zero.

    Examples
    --------
    >>> Slider("beta_net", "Network", 1e9, 1e13, 1e11, "GB/s", 1e9, log=True).low
    1000000000.0
    """

    symbol: str
    label: str
    low: float
    high: float
    default: float
    unit: str = ""
    per_unit: float = 1.0
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        check_positive("per_unit", self.per_unit, finite=True)
        if not self.low <= self.default <= self.high or self.low == self.high:
            raise ValueError(
                f"default must lie between low and high, got {self.low!r}, {self.default!r}, "
                f"{self.high!r} for {self.symbol!r}"
            )
        if self.log:
            check_positive("low", self.low)


@dataclass(frozen=True)
class Menu:
    """A choice that sets several symbols at once, such as a GPU.

    Attributes
    ----------
    label : str
        What is chosen.
    options : mapping of str to mapping of str to float
        For each option, the value of each symbol it sets. Sliders of those symbols follow.
    default : str
        The option at the start.

    Raises
    ------
    ValueError
        If the default is no option, or options set different symbols.

    Examples
    --------
    >>> Menu("GPU", {"old": {"F": 1.0}, "new": {"F": 8.0}}, "new").options["new"]
    {'F': 8.0}
    """

    label: str
    options: Mapping[str, Mapping[str, float]]
    default: str

    def __post_init__(self) -> None:
        check_choice("default", self.default, self.options)
        if len({frozenset(option) for option in self.options.values()}) > 1:
            raise ValueError(f"options must all set the same symbols, got {dict(self.options)!r}")


@dataclass(frozen=True)
class Axis:
    """A range with a label. ``per_unit`` as in :class:`Slider`.

    Examples
    --------
    >>> Axis("batch", 1e6, 1e9, "tokens", log=True).title
    'batch (tokens)'
    """

    label: str
    low: float
    high: float
    unit: str = ""
    per_unit: float = 1.0
    log: bool = False

    def __post_init__(self) -> None:
        check_positive("per_unit", self.per_unit, finite=True)
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low!r} and {self.high!r}")
        if self.log:
            check_positive("low", self.low)

    @property
    def title(self) -> str:
        """Label with its unit in brackets."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Curve:
    """A line: an expression of the x symbol and of the controls, with a label drawn beside it.

    ``fixed`` holds values of symbols that this curve does not take from the controls, so that one
    expression can be drawn for several GPUs. ``color`` is the next of the palette by default.

    Examples
    --------
    >>> Curve(sp.Symbol("n") ** 2, "square").dashed
    False
    """

    expr: sp.Expr
    label: str
    fixed: Mapping[str, float] = field(default_factory=dict)
    dashed: bool = False
    color: str | None = None


@dataclass(frozen=True)
class Band:
    """A shaded part of the picture between two expressions of x (``None``: the edge).

    Examples
    --------
    >>> Band("too slow", above=sp.Integer(1)).below is None
    True
    """

    label: str
    above: sp.Expr | None = None
    below: sp.Expr | None = None
    vertical: bool = False
    color: str | None = None


@dataclass(frozen=True)
class Mark:
    """A labelled point, in the units of the symbols.

    Examples
    --------
    >>> Mark(2020.4, 1.5e23, "GPT-3").label
    'GPT-3'
    """

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Readout:
    """A number below the figure: an expression of the controls, ``per_unit`` as in Slider.

    Examples
    --------
    >>> Readout("square", sp.Symbol("n") ** 2, "tokens").unit
    'tokens'
    """

    label: str
    expr: sp.Expr
    unit: str = ""
    per_unit: float = 1.0


@dataclass(frozen=True)
class Explorer:
    """A figure with controls.

    Attributes
    ----------
    name : str
        Unique in the book; part of the address that keeps the settings.
    title, alt : str
        What it shows, for everybody and for who cannot see it.
    x_symbol : str
        Symbol that runs along the x axis.
    x, y : Axis
        Ranges in the symbols' units.
    curves : tuple of Curve
        At least one.
    controls : tuple of Slider or Menu
        In order.
    readouts : tuple of Readout
        Numbers shown below. Their expressions are of controls only.
    bands, marks : tuples
        Shaded parts and points.
    constants : mapping of str to float
        Values of the symbols that nothing else sets.
    points : int
        Points to a curve.

    Raises
    ------
    ValueError
        If a symbol of an expression is set by nothing.

    Examples
    --------
    >>> n, k = sp.symbols("n k")
    >>> line = Explorer(
    ...     "line", "A line", "A line", "n", Axis("n", 0, 2), Axis("y", 0, 9), (Curve(k * n, "k n"),),
    ...     (Slider("k", "slope", 1, 4, 3),), points=3,
    ... )
    >>> line.along_x(line.curves[0].expr, line.with_values({"k": 4}))
    array([0., 4., 8.])
    """

    name: str
    title: str
    alt: str
    x_symbol: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    controls: tuple[Slider | Menu, ...] = ()
    readouts: tuple[Readout, ...] = ()
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    points: int = 161

    def __post_init__(self) -> None:
        check_positive_integer("points", self.points)
        known = set(self.defaults())
        for curve in self.curves:
            self._require(curve.expr, known | {self.x_symbol} | set(curve.fixed))
        for band in self.bands:
            for expr in (band.above, band.below):
                if expr is not None:
                    self._require(expr, known | {self.x_symbol})
        for readout in self.readouts:
            self._require(readout.expr, known)

    def _require(self, expr: sp.Expr, known: set[str]) -> None:
        unset = sorted({symbol.name for symbol in expr.free_symbols} - known)
        if unset:
            raise ValueError(
                f"controls or constants of {self.name!r} must set {', '.join(unset)}, "
                f"which {expr} needs"
            )

    @property
    def sliders(self) -> tuple[Slider, ...]:
        """The controls that are sliders."""
        return tuple(control for control in self.controls if isinstance(control, Slider))

    @property
    def menus(self) -> tuple[Menu, ...]:
        """The controls that are menus."""
        return tuple(control for control in self.controls if isinstance(control, Menu))

    def defaults(self) -> dict[str, float]:
        """Value of every symbol at the start: constants, then sliders, then what menus set."""
        values = dict(self.constants)
        values.update({slider.symbol: slider.default for slider in self.sliders})
        for menu in self.menus:
            values.update(menu.options[menu.default])
        return values

    def with_values(self, changes: Mapping[str, float]) -> dict[str, float]:
        """The defaults with some values changed.

        Raises
        ------
        ValueError
            If a change names no symbol of the figure.
        """
        values = self.defaults()
        for name in changes:
            check_choice("changes", name, values)
        return {**values, **changes}

    def x_values(self) -> NDArray[np.float64]:
        """Points along the x axis, in the unit of the x symbol."""
        space = np.geomspace if self.x.log else np.linspace
        return np.asarray(space(self.x.low, self.x.high, self.points), dtype=float)

    def along_x(
        self, expr: sp.Expr, values: Mapping[str, float], fixed: Mapping[str, float] | None = None
    ) -> NDArray[np.float64]:
        """An expression's values along the x axis, in its own unit."""
        everything: dict[str, Any] = {**values, **(fixed or {}), self.x_symbol: self.x_values()}
        needed = {symbol.name for symbol in expr.free_symbols}
        found = evaluate(expr, {name: everything[name] for name in needed})
        return np.broadcast_to(np.asarray(found, dtype=float), (self.points,)).copy()

    def read(self, readout: Readout, values: Mapping[str, float]) -> float:
        """A readout's number, in its shown unit."""
        needed = {symbol.name for symbol in readout.expr.free_symbols}
        found = evaluate(readout.expr, {name: values[name] for name in needed})
        return float(found) / readout.per_unit
