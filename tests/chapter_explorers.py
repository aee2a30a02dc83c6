"""Finds the explorers of the book, for the tests that go through all of them."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import dmcore.chapters
from dmcore.show.explorer import Explorer


def explorers() -> dict[str, Explorer]:
    """Every explorer of the book by its name: what the ``*_explorer`` functions of dmcore.chapters give.

    Raises
    ------
    ValueError
        If two have one name, which is part of their addresses.
    """
    found: dict[str, Explorer] = {}
    for info in pkgutil.iter_modules(dmcore.chapters.__path__, "dmcore.chapters."):
        module = import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if not name.endswith("_explorer") or function.__module__ != info.name:
                continue
            parameters = inspect.signature(function).parameters.values()
            if any(parameter.default is parameter.empty for parameter in parameters):
                continue
            explorer = function()
            if explorer.name in found:
                raise ValueError(f"name must be unique in the book, got {explorer.name!r} twice")
            found[explorer.name] = explorer
    return found
