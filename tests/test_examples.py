"""The examples in the docstrings run, and every public function has one."""

from __future__ import annotations

import ast
import doctest
import importlib

import pytest
from rooms import sources

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = [name for name in sources() if name.count(".") == 2]


def without_example(name: str, text: str) -> list[str]:
    """Public functions and classes of a module whose docstring has no example.

    A class may have it in the docstring of one of its methods.
    """
    lacking = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            told = ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and not issubclass_of_error(node):
            told = ast.unparse(node)
        else:
            continue
        if not node.name.startswith("_") and ">>>" not in told:
            lacking.append(f"{name}.{node.name}")
    return lacking


def issubclass_of_error(node: ast.ClassDef) -> bool:
    return node.name.endswith("Error")


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in finder.find(module, name, globs={**vars(module)}):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_a_lacking_example_is_found():
    text = 'def open():\n    """Words."""\ndef shown():\n    """\n    >>> 1\n    1\n    """\ndef _own(): ...'
    assert without_example("dmcore.x", text) == ["dmcore.x.open"]
