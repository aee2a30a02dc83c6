"""Arguments of public functions held against their annotations: what is of another kind is named."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike

from dmcore.algebra.checks import check_real, refuse

__all__ = ["checked"]

F = TypeVar("F", bound=Callable[..., Any])
#: Whether a value is of a kind, and what the kind is called.
Kind = tuple[Callable[[Any], bool], str]

_NAMED: dict[Any, Kind] = {
    float: (
        lambda value: (
            not isinstance(value, np.ndarray) and _is_number(value, scalar=True) and value == value
        ),
        "one number",
    ),
    int: (
        lambda value: isinstance(value, (int, np.integer)) and not isinstance(value, bool),
        "a whole number",
    ),
    bool: (lambda value: isinstance(value, (bool, np.bool_)), "True or False"),
    str: (lambda value: isinstance(value, str), "a text"),
    ArrayLike: (
        lambda value: _is_number(value) and not np.isnan(np.asarray(value, dtype=float)).any(),
        "a real number or an array of them",
    ),
    types.NoneType: (lambda value: value is None, "None"),
}
#: What is not looked into.
_WHOLE = (Callable, np.ndarray, type)


def checked(function: F) -> F:
    """Refuse arguments of other kinds than the annotations say, before anything is computed with them.

    Of what is allowed within a kind, such as numbers above zero, the function itself decides.

    Examples
    --------
    >>> @checked
    ... def bubble(stages: int, *, zero: bool = False) -> float:
    ...     return 0.0 if zero else 1 - 1 / stages
    >>> bubble(4, zero="no")
    Traceback (most recent call last):
    ValueError: zero must be True or False, got 'no'
    """
    parameters = inspect.signature(function).parameters.values()
    names = [each.name for each in parameters if each.kind == each.POSITIONAL_OR_KEYWORD]
    kinds: dict[str, Kind] = {}

    @functools.wraps(function)
    def call(*given: Any, **by_name: Any) -> Any:
        if not kinds:  # not before its first use, when all that annotations name is there
            kinds.update(_kinds_of(inspect.unwrap(function)))
        small = False
        for name, value in (*zip(names, given, strict=False), *by_name.items()):
            allowed, words = kinds.get(name, (None, ""))
            if allowed and not allowed(value):
                refuse(name, value, words)
            small = small or isinstance(value, np.integer)
        if small:  # one of 8 bits overflows soon
            plain = {name: _plain(value) for name, value in by_name.items()}
            return function(*map(_plain, given), **plain)
        return function(*given, **by_name)

    for name in ("cache_clear", "cache_info"):  # of a function that remembers its answers
        if hasattr(function, name):
            setattr(call, name, getattr(function, name))
    return call  # type: ignore[return-value]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, np.integer) else value


def _kinds_of(function: Callable[..., Any]) -> Iterator[tuple[str, Kind]]:
    hints = get_type_hints(function)
    for name, hint in hints.items():
        kind = _kind(hint)
        if kind:
            yield name, kind


@functools.cache
def _kind(hint: Any) -> Kind | None:
    """Kind of an annotation; None if it allows anything."""
    if hint in _NAMED:
        return _NAMED[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = [_kind(each) for each in inner]
        if None in kinds:
            return None
        tests = [each[0] for each in kinds if each]
        words = " or ".join(each[1] for each in kinds if each)
        return lambda value: any(test(value) for test in tests), words
    if isinstance(origin, type):
        return _many(origin, () if origin in _WHOLE else inner)
    if isinstance(hint, type) and hint not in (Any, object):
        name = hint.__name__
        return lambda value: isinstance(
            value, hint
        ), f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
    return None


def _many(origin: type, inner: tuple[Any, ...]) -> Kind:
    """Kind of a collection: of its elements, or of a mapping's values, those that can be looked at twice."""
    kinds = {
        _kind(each)
        for each in (inner[-1:] if issubclass(origin, Mapping) else inner)
        if each is not ...
    }
    of = kinds.pop() if len(kinds) == 1 else None
    name = origin.__name__
    words = f"{'an' if name[0].upper() in 'AEIOU' else 'a'} {name}" + (f" of {of[1]}" if of else "")

    def allowed(value: Any) -> bool:
        if not isinstance(value, origin) or isinstance(value, bytes):
            return False
        if of is None or not isinstance(value, (str, list, tuple, set, np.ndarray, Mapping)):
            return True
        if isinstance(value, np.ndarray) and not value.ndim:
            return False
        elements = value.values() if isinstance(value, Mapping) else value
        return all(map(of[0], elements))

    return allowed, words


def _is_number(value: Any, *, scalar: bool = False) -> bool:
    try:
        check_real("", value, scalar=scalar)
    except ValueError:
        return False
    return True
