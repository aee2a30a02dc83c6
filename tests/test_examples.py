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
    """Public functions of a module whose docstring has no example: those that ``__all__`` lists, if any."""
    tree = ast.parse(text).body
    functions = [node for node in tree if isinstance(node, ast.FunctionDef)]
    listed = next(
        (
            ast.literal_eval(node.value)
            for node in tree
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ),
        [node.name for node in functions if not node.name.startswith("_")],
    )
    return [
        f"{name}.{node.name}"
        for node in functions
        if node.name in listed and ">>>" not in (ast.get_docstring(node) or "")
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in finder.find(module, name, globs={**vars(module)}):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


#: The room that only draws, which the book itself runs; and what is read as one text, from top to bottom.
WITHOUT = ("dmcore.chapters.", "dmcore.simulator.plain")


def test_every_public_function_has_an_example():
    texts = sources()
    lacking = [
        one
        for name in MODULES
        if not name.startswith(WITHOUT)
        for one in without_example(name, texts[name])
    ]
    assert lacking == []


def test_a_lacking_example_is_found():
    text = 'def open():\n    """Words."""\ndef shown():\n    """\n    >>> 1\n    1\n    """\ndef _own(): ...'
    assert without_example("dmcore.x", text) == ["dmcore.x.open"]
    assert without_example("dmcore.x", f'__all__ = ["shown"]\n{text}') == []
