"""Every notebook is stored with text outputs only, and the tool for that does what it says."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest
from notebook_form import IGNORE_TAG, METADATA, main, normalized, problems, read, text_of

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def code(source, *outputs, tags=None):
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=3)
    if tags:
        cell["metadata"]["tags"] = tags
    return cell


def result(**data):
    data = {name.replace("_", "/"): value for name, value in data.items()}
    return nbformat.v4.new_output("execute_result", data, execution_count=3)


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", text=text, name=name)


def notebook(*cells):
    return nbformat.v4.new_notebook(
        cells=list(cells),
        metadata={"widgets": {}, "language_info": {"name": "python", "version": "3"}},
    )


def first(*cells):
    return normalized(notebook(*cells))["cells"][0]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebook(path):
    assert problems(read(path), path.read_text("utf-8")) == []


def test_text_outputs_are_kept_without_counts():
    cell = first(code("2", result(text_plain="2", text_latex="$2$")))
    assert cell["execution_count"] is None
    assert cell["outputs"][0]["execution_count"] is None
    assert cell["outputs"][0]["data"] == {"text/plain": "2", "text/latex": "$2$"}


@pytest.mark.parametrize("kind", ["text/html", "image/png", "image/svg+xml", "application/x-view"])
def test_figure_is_dropped_and_its_cell_tagged(kind):
    figure = nbformat.v4.new_output("display_data", {kind: "x", "text/plain": "<figure>"})
    cell = first(code("draw()", stream("1\n"), figure, tags=["hide-input"]))
    assert cell["outputs"] == []
    assert cell["metadata"] == {"tags": ["hide-input", IGNORE_TAG]}


def test_tagged_cell_has_no_outputs():
    assert first(code("clock()", stream("1.234\n"), tags=[IGNORE_TAG]))["outputs"] == []


def test_pieces_of_a_stream_are_joined():
    cell = first(code("f()", stream("1\n"), stream("2\n"), result(text_plain="3")))
    assert [output.get("text") for output in cell["outputs"]] == ["1\n2\n", None]


def test_metadata_and_empty_cells_go():
    made = normalized(notebook(nbformat.v4.new_markdown_cell("text"), code("\n")))
    assert made["metadata"] == METADATA
    assert [cell["source"] for cell in made["cells"]] == ["text"]


def test_twice_is_once_and_valid():
    made = notebook(code("f()", stream("1\n"), result(text_plain="3")), code("g()"))
    made["cells"][1]["id"] = made["cells"][0]["id"]
    once = normalized(made)
    assert normalized(copy.deepcopy(once)) == once
    assert problems(once, text_of(once)) == []
    nbformat.validate(nbformat.from_dict(once))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (stream("careful", "stderr"), "cell 1 writes to stderr: careful"),
        (nbformat.v4.new_output("error", ename="E", evalue="bad"), "cell 1 ends in E: bad"),
    ],
)
def test_what_only_an_author_can_mend_is_told(output, said):
    made = normalized(notebook(code("f()", output)))
    assert problems(made, text_of(made)) == [said]


def test_tool_runs_and_writes(tmp_path, capsys):
    path = tmp_path / "trial.ipynb"
    path.write_text(nbformat.writes(notebook(code("print(1 + 1)"))), "utf-8")
    assert main([str(path)]) == 1
    assert "make normalize" in capsys.readouterr().out
    assert main(["--execute", "--write", str(path)]) == 0
    assert read(path)["cells"][0]["outputs"][0]["text"] == "2\n"
    assert main([str(path)]) == 0
