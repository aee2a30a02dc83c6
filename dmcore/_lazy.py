"""Packages whose modules and names are imported when they are first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

_NONE: Mapping[str, str] = MappingProxyType({})


def on_first_use(
    package: str, homes: Mapping[str, str] = _NONE
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package that has all its modules as attributes.

    Parameters
    ----------
    package : str
        Its name.
    homes : mapping of str to str
        Names that the package gives besides, and the module in it where each of them is at home.
    """

    def modules() -> set[str]:
        return {found.name for found in iter_modules(sys.modules[package].__path__)}

    def get(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        if name in modules():
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        own = (name for name in vars(sys.modules[package]) if name.startswith("__"))
        return sorted({*own, *homes, *modules()})

    return get, names
