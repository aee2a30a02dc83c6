"""How the build runs notebooks: what they print is kept as it is, and what fails is told by name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import small_book
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).parents[1]
# Built as text, for which nothing is fetched.
AS_TEXT = ("--builder", "custom", "--custom-builder", "text")
# What the pause is for: the kernel sends what was printed so far as a message of its own.
IN_PIECES = """\
import time
print("a", end=" ")
time.sleep(0.5)
print("b\\n")
time.sleep(0.5)
print("  c")
"""


@pytest.fixture(scope="module")
def execute():
    sys.path.insert(0, str(ROOT / "book/_ext"))  # where it finds its neighbours
    spec = importlib.util.spec_from_file_location("execute", ROOT / "book/_ext/execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook(*sources, kernel="python3"):
    cells = [new_markdown_cell("# Trial"), *map(new_code_cell, sources)]
    metadata = {"kernelspec": {"name": kernel, "display_name": "Python", "language": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def stream(text, name="stdout"):
    return new_output("stream", text=text, name=name)


def joined(execute, *outputs):
    made = new_notebook(cells=[new_code_cell(outputs=list(outputs)), new_markdown_cell("text")])
    execute.join_streams(made)
    return [(each.get("name"), each.get("text")) for each in made.cells[0].outputs]


def test_streams_are_joined_as_they_are(execute):
    pieces = ["a ", "b\n", "\n", "  c", "\n"]
    assert joined(execute, *map(stream, pieces)) == [("stdout", "a b\n\n  c\n")]


def test_what_lies_between_keeps_streams_apart(execute):
    figure = new_output("display_data", {"text/plain": "<figure>"})
    assert joined(
        execute, stream("a"), stream("b", "stderr"), stream("c"), figure, figure, stream("d")
    ) == [
        ("stdout", "a"),
        ("stderr", "b"),
        ("stdout", "c"),
        (None, None),
        (None, None),
        ("stdout", "d"),
    ]


@pytest.mark.site
def test_page_shows_what_is_printed_in_pieces(tmp_path):
    built = small_book.build(tmp_path, {"pieces": notebook(IN_PIECES)}, *AS_TEXT)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "_build/text/pieces.txt").read_text("utf-8")
    assert "\n   a b\n\n     c\n" in page


@pytest.mark.site
def test_every_notebook_that_fails_is_told_with_its_reason(tmp_path):
    """Each is run once, and those that succeed are kept."""
    ran = tmp_path / "ran"
    note = f"with open({str(ran)!r}, 'a') as file: file.write('.')"
    notebooks = {
        "good": notebook(note),
        "divides": notebook(note, "1 / 0"),
        "exits": notebook(note, "import os; os._exit(1)"),
    }
    built = small_book.build(tmp_path, notebooks, *AS_TEXT)
    assert built.returncode != 0
    assert "divides.ipynb: CellExecutionError" in built.stderr
    assert "ZeroDivisionError: division by zero" in built.stderr
    assert "exits.ipynb: DeadKernelError" in built.stderr
    assert "good.ipynb" not in built.stderr
    assert ran.read_text() == "..."


@pytest.mark.site
def test_notebook_of_another_kernel_is_told(tmp_path):
    notebooks = {"fine": notebook("1"), "foreign": notebook("2", kernel="my-laptop")}
    built = small_book.build(tmp_path, notebooks, *AS_TEXT)
    assert built.returncode != 0
    assert "foreign.ipynb: its kernel must be python3, got 'my-laptop'" in built.stderr
    assert "make normalize" in built.stderr
    assert "fine.ipynb" not in built.stderr


def test_what_was_run_before_a_module_changed_is_run_again(execute, tmp_path):
    cache = get_cache(tmp_path)
    made = notebook("print(1)")
    data = {"execution_seconds": 1.0, execute.REACHED: "as it was"}
    cache.cache_notebook_bundle(CacheBundleIn(made, "x.ipynb", data=data), check_validity=False)
    assert not execute._is_kept(cache, notebook("print(2)"), "as it was")
    assert execute._is_kept(cache, made, "as it was")
    assert not execute._is_kept(cache, made, "changed")
    assert not execute._is_kept(cache, made, "as it was"), "what is old is taken out"
