"""Finds printed numbers that another processor could print otherwise: those close to a rounding boundary.

Runs notebooks with each formatted float of theirs and of ``dmcore`` formatted three times, as it is and
moved by 1e-9 of itself either way. Where the texts differ, the number is printed to digits that rounding
in the last bits may flip: print fewer or more of them. ``python tests/near_rounding.py NOTEBOOK...``
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.abc
import importlib.machinery
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

MOVED = 1e-9
FOUND: list[str] = []
PLACE = "_format_and_look"


def hangs(value: Any, spec: str) -> bool:
    """Whether the text of a number changes when it moves a little; whole numbers do not move."""
    if not isinstance(value, float | np.floating) or not np.isfinite(value):
        return False
    number = float(value)
    if not re.search(r"[.a-zA-Z%]", spec):  # all digits: those that were written down are few
        return len(repr(number)) > 12
    return len({format(number * (1 + by), spec) for by in (-MOVED, 0, MOVED)}) > 1


def look(value: Any, spec: str, conversion: int, where: str) -> str:
    """What ``format`` gives; a number that could flip is noted with its place."""
    if conversion in (ord("r"), ord("s")):
        value = repr(value) if conversion == ord("r") else str(value)
    if hangs(value, spec):
        FOUND.append(f"{where}: {value!r} as {spec or 'all digits'!r}")
    return format(value, spec)


class Formatted(ast.NodeTransformer):
    """Puts ``look`` in the place of each formatted value of an f-string."""

    def __init__(self, file: str) -> None:
        self.file = file

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.FormattedValue:
        self.generic_visit(node)
        spec = node.format_spec or ast.Constant("")
        where = ast.Constant(f"{self.file}:{node.lineno}")
        call = ast.Call(
            ast.Name(PLACE, ast.Load()),
            [node.value, spec, ast.Constant(node.conversion), where],
            [],
        )
        return ast.copy_location(ast.FormattedValue(call, -1, None), node)


def transformed(source: str, file: str) -> CodeType:
    """The code of a source whose formatted values are looked at."""
    tree = ast.fix_missing_locations(Formatted(file).visit(ast.parse(source)))
    return compile(tree, file, "exec")


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module of ``dmcore`` with its formatted values looked at."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return transformed(self.get_data(path).decode("utf-8"), path)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of ``dmcore`` for :class:`Loader`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] != "dmcore":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin:
            spec.loader = Loader(name, spec.origin)
        return spec


def numbers_that_hang(notebook: Path) -> Iterator[str]:
    """Places of a notebook, or of ``dmcore`` in its run, that print a number close to a boundary."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    FOUND.clear()
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        transformer = Formatted(f"{notebook.name} {cell['id']}")
        shell.ast_transformers[:] = [transformer]
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(source, silent=True).raise_error()
    yield from dict.fromkeys(FOUND)


def main(paths: Sequence[str]) -> int:
    """Print what was found; the exit code is 1 if anything was."""
    setattr(builtins, PLACE, look)
    sys.meta_path.insert(0, Finder())
    found = [place for path in paths for place in numbers_that_hang(Path(path))]
    print("\n".join(found) or "no printed number sits close to a rounding boundary")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
