"""The constants that no data sheet tells, with their ranges and how well they are known."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_choice

__all__ = ["Constant", "constants", "fitted", "spread"]

FILE = Path(__file__).with_name("constants.toml")


@dataclass(frozen=True)
class Constant:
    """A fitted constant: its value, the range physics allows, and its uncertainty.

    Attributes
    ----------
    value, low, high : float
        The fitted value, and the range in which it was sought.
    without_one_source : tuple of float
        Its least and greatest value if the rows of one source are left out.
    text : str
        What it means.

    Examples
    --------
    >>> fitted()["eta_Hopper"].low < fitted()["eta_Hopper"].value < fitted()["eta_Hopper"].high
    True
    """

    value: float
    low: float
    high: float
    without_one_source: tuple[float, float]
    text: str


@cache
def _file() -> Mapping[str, Any]:
    return tomllib.loads(FILE.read_text("utf-8"))


@cache
def fitted() -> Mapping[str, Constant]:
    """The constants fitted to measured runs, by name.

    Examples
    --------
    >>> len(fitted()) <= 10
    True
    """
    found = {}
    for name, it in _file()["constant"].items():
        around = tuple(it.get("without_one_source", (it["value"], it["value"])))
        low, high = it["range"]
        found[name] = Constant(it["value"], low, high, around, it["text"])
    return MappingProxyType(found)


@cache
def constants() -> Mapping[str, float]:
    """All constants by name: those fitted, and those fixed at what others measured.

    Examples
    --------
    >>> constants()["near"]
    0.8
    """
    fixed = {name: float(it["value"]) for name, it in _file()["fixed"].items()}
    return MappingProxyType({**{name: it.value for name, it in fitted().items()}, **fixed})


@checked
def spread(family: str, anchored: bool = False) -> tuple[float, float]:
    """Factors on a prediction between which four of five measured rates lie, scaled to own runs or not.

    Examples
    --------
    >>> low, high = spread("dense")
    >>> low < 1 < high
    True
    """
    check_choice("family", family, _file()["spread"])
    low, high = _file()["anchored" if anchored else "spread"][family]
    return float(low), float(high)
