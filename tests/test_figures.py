"""The still figures of the book, and that they are drawings only: no printed number comes from them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(path):
    """Source and whether anything is stored below, of each code cell."""
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield cell["id"], "".join(cell["source"]), bool(cell["outputs"])


def from_figures(tree, known):
    """Names that a cell binds to something of dmcore.chapters, and names it binds to something else."""
    made, other = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", None)
            for alias in node.names:
                whole = f"{module}.{alias.name}" if module else alias.name
                drawn = whole.startswith("dmcore.chapters")
                (made if drawn else other).add(alias.asname or alias.name)
        elif isinstance(node, ast.Assign):
            used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
            for target in node.targets:
                names = {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
                (made if used & (known | made) else other).update(names)
    return made, other - made


def printed_from_figures(cells):
    """Cells with stored output that use something made by a figure's module."""
    known: set[str] = set()
    for cell, source, has_output in cells:
        tree = ast.parse(source)
        made, other = from_figures(tree, known)
        known = known - other | made
        used = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name)} & known
        if has_output and used:
            yield f"{cell}: {', '.join(sorted(used))}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_printed_number_comes_from_a_figure(path):
    assert not list(printed_from_figures(code_cells(path)))


def test_a_printed_number_from_a_figure_is_found():
    cells = [
        ("picture", "from dmcore.chapters import limits as figures\nfigures.ends()", False),
        ("table", "table = figures.table()\nfor row in table: pass", False),
        ("print", "print(table.first)", True),
    ]
    assert list(printed_from_figures(cells)) == ["print: table"]
    assert not list(printed_from_figures([*cells[:2], ("new", "table = 3\nprint(table)", True)]))
