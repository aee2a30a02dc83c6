"""Checks of arguments, shared by every module: a bad value is named, shown and told what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "check_choice",
    "check_count",
    "check_flag",
    "check_not_negative",
    "check_positive",
    "check_positive_integer",
    "check_real",
    "check_scalar",
    "check_together",
    "check_type",
    "named",
    "refuse",
    "whole_number",
]


def refuse(name: str, value: Any, allowed: str) -> NoReturn:
    """Raise the ValueError that names an argument, its value and what is allowed.

    Examples
    --------
    >>> refuse("d_model", -8, "positive")
    Traceback (most recent call last):
    ValueError: d_model must be positive, got -8
    """
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
        refuse(name, value, "positive and finite" if finite else "positive")


def check_not_negative(name: str, value: ArrayLike) -> None:
    """Refuse a value, or an array with an element, that is below zero or not a number.

    Examples
    --------
    >>> check_not_negative("latency_s", [0.0, 1e-6])
    """
    if not np.all(_real(name, value) >= 0):
        refuse(name, value, "zero or more")


def check_scalar(name: str, value: Any, *, finite: bool = True, zero: bool = False) -> None:
    """Refuse what is not one number above zero; infinity, and zero, if they are not allowed.

    Examples
    --------
    >>> check_scalar("hbm_bytes", [8e10, 9e10])
    Traceback (most recent call last):
    ValueError: hbm_bytes must be one number, got [80000000000.0, 90000000000.0]
    """
    check_real(name, value, scalar=True)
    if zero:
        check_not_negative(name, value)
    else:
        check_positive(name, value)
    if finite and not np.isfinite(float(value)):
        refuse(name, value, "finite")


def check_real(name: str, value: ArrayLike, *, scalar: bool = False) -> None:
    """Refuse what is neither a real number nor, unless it has to be one number, an array of them.

    Examples
    --------
    >>> check_real("alpha", 0.1 + 2j)
    Traceback (most recent call last):
    ValueError: alpha must be a real number or an array of them, got (0.1+2j)
    """
    if _real(name, value).ndim and scalar:
        refuse(name, value, "one number")


def check_flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False: a text such as "no" would be taken as True.

    Examples
    --------
    >>> check_flag("sparse", "no")
    Traceback (most recent call last):
    ValueError: sparse must be True or False, got 'no'
    """
    if not isinstance(value, (bool, np.bool_)):
        refuse(name, value, "True or False")


def check_type(name: str, value: Any, kind: type) -> None:
    """Refuse an object of another kind than the argument is.

    Examples
    --------
    >>> check_type("name", 3, str)
    Traceback (most recent call last):
    ValueError: name must be a str, got 3
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        refuse(name, value, f"{article} {kind.__name__}")


def check_together(**values: ArrayLike) -> None:
    """Refuse real numbers and arrays of them that do not broadcast to one shape.

    Examples
    --------
    >>> check_together(alpha=[0.1, 0.2], duration_s=[1.0, 2.0, 3.0])
    Traceback (most recent call last):
    ValueError: alpha, duration_s must broadcast to one shape, got shapes (2,), (3,)
    """
    shapes = [np.shape(value) for value in values.values()]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        names, told = ", ".join(values), ", ".join(map(str, shapes))
        raise ValueError(f"{names} must broadcast to one shape, got shapes {told}") from None


def check_positive_integer(name: str, value: Any, *, most: int | None = None) -> None:
    """Refuse a value that is not a whole number of at least one, or is above ``most``.

    ``True`` is no number here.

    Examples
    --------
    >>> check_positive_integer("layers", 0.5)
    Traceback (most recent call last):
    ValueError: layers must be a whole number of at least 1, got 0.5
    """
    _check_whole(name, value, least=1)
    if most is not None and value > most:
        refuse(name, value, f"at most {most:,}")


def check_count(name: str, value: Any) -> None:
    """Refuse a value that is not a whole number of at least zero.

    Examples
    --------
    >>> check_count("attention_kernels", 0)
    """
    _check_whole(name, value, least=0)


def _check_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        refuse(name, value, f"a whole number of at least {least}")


def whole_number(name: str, value: Any) -> int:
    """A value of at least one as an int; a float is taken if it is whole.

    Examples
    --------
    >>> whole_number("node_size", 72.0)
    72
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    check_positive_integer(name, value)
    return int(value)


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Refuse a value that is not one of the choices.

    Examples
    --------
    >>> check_choice("law", "cubic", ("linear", "square"))
    Traceback (most recent call last):
    ValueError: law must be one of 'linear', 'square', got 'cubic'
    """
    choices = tuple(choices)
    if not isinstance(value, Hashable) or value not in choices:
        refuse(name, value, "one of " + ", ".join(repr(choice) for choice in choices))


def _real(name: str, value: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        array = np.asarray(value)
        if array.dtype == object and array.ndim == 0 and isinstance(value, int):
            array = array.astype(float)  # longer than 64 bits
    except (ValueError, OverflowError, TypeError):
        refuse(name, value, "a real number or an array of them")
    if array.dtype == bool or not (
        np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)
    ):
        refuse(name, value, "a real number or an array of them")
    return array.astype(float, copy=False)


def named(argument: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a reader's own, whose TypeError tells which argument it was given as.

    Examples
    --------
    >>> named("layer_law", lambda d: d)(1, 2)
    Traceback (most recent call last):
    TypeError: layer_law must take 2 numbers: <lambda>() takes 1 positional argument but 2 were given
    """

    def of(*figures: float) -> Any:
        try:
            return function(*figures)
        except TypeError as error:
            raise TypeError(f"{argument} must take {len(figures)} numbers: {error}") from error

    return of
