"""Checks of arguments, shared by every module: a bad value is named, shown and told what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["check_positive", "check_not_negative", "check_positive_integer", "check_choice"]


def _refuse(name: str, value: Any, allowed: str) -> None:
    raise ValueError(f"{name} must be {allowed}, got {value!r}")


def check_positive(name: str, value: ArrayLike, *, finite: bool = False) -> None:
    """Refuse a value, or an array with an element, that is not a number above zero.

    ``finite=True`` also refuses infinity, which is otherwise allowed: an infinite bandwidth is a
    useful hypothesis.

    Examples
    --------
    >>> check_positive("duration_s", -1.0)
    Traceback (most recent call last):
    ValueError: duration_s must be positive, got -1.0
    """
    array = _real(name, value)
    if not np.all(array > 0) or (finite and not np.all(np.isfinite(array))):
        _refuse(name, value, "positive and finite" if finite else "positive")


def check_not_negative(name: str, value: ArrayLike) -> None:
    """Refuse a value, or an array with an element, that is below zero or not a number.

    Examples
    --------
    >>> check_not_negative("latency_s", [0.0, 1e-6])
    """
    if not np.all(_real(name, value) >= 0):
        _refuse(name, value, "zero or more")


def check_positive_integer(name: str, value: Any) -> None:
    """Refuse a value that is not a whole number of at least one. ``True`` is no number here.

    Examples
    --------
    >>> check_positive_integer("layers", 0.5)
    Traceback (most recent call last):
    ValueError: layers must be a whole number of at least 1, got 0.5
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        _refuse(name, value, "a whole number of at least 1")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Refuse a value that is not one of the choices.

    Examples
    --------
    >>> check_choice("law", "cubic", ("linear", "square"))
    Traceback (most recent call last):
    ValueError: law must be one of 'linear', 'square', got 'cubic'
    """
    choices = tuple(choices)
    if value not in choices:
        _refuse(name, value, "one of " + ", ".join(repr(choice) for choice in choices))


def _real(name: str, value: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    array = np.asarray(value)
    if array.dtype == bool or not (
        np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)
    ):
        _refuse(name, value, "a real number or an array of them")
    return array.astype(float)
