"""The form in which notebooks are stored, and the tool that brings them to it.

Git holds what a reader compares: text outputs. Figures and widgets are drawn again at each build, so
they are left out, and their cells carry a tag that has nbval run them without comparing.

    python tests/notebook_form.py [--execute] [--write] NOTEBOOK...
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

IGNORE_TAG = "nbval-ignore-output"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
TEXT_TYPES = {"text/plain", "text/markdown", "text/latex"}
TIMEOUT = 600

Notebook = dict[str, Any]
Cell = dict[str, Any]


def read(path: Path) -> Notebook:
    """The notebook of a file, as plain dictionaries with joined lines."""
    return nbformat.reads(path.read_text("utf-8"), as_version=4)


def text_of(notebook: Notebook) -> str:
    """The file's text: sorted keys, one line a line of source, a closing line feed."""
    return nbformat.writes(nbformat.from_dict(notebook)).rstrip("\n") + "\n"


def normalized(notebook: Notebook) -> Notebook:
    """The notebook in stored form. What only an author can mend is left as it is."""
    cells = [_normalized_cell(cell) for cell in notebook["cells"] if cell["source"].strip()]
    names = iter(f"cell-{number}" for number in range(1, 10**6))
    seen: set[str] = set()
    for cell in cells:
        if not cell["id"] or cell["id"] in seen:
            cell["id"] = next(name for name in names if name not in seen)
        seen.add(cell["id"])
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}


def problems(notebook: Notebook, text: str) -> list[str]:
    """What is wrong with a stored notebook, empty when it is in stored form."""
    found = list(_unmendable(notebook))
    if text != text_of(normalized(notebook)):
        found.append("is not in stored form: make normalize brings it there")
    return found


def execute(notebook: Notebook, folder: Path) -> Notebook:
    """The notebook after a run of all its cells."""
    from nbclient import NotebookClient

    client = NotebookClient(
        nbformat.from_dict(notebook),
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def _normalized_cell(cell: Cell) -> Cell:
    tags = list(cell["metadata"].get("tags", []))
    kept: Cell = {
        "cell_type": cell["cell_type"],
        "id": cell.get("id", ""),
        "metadata": {},
        "source": cell["source"].strip("\n"),
    }
    if cell["cell_type"] == "code":
        if any(_types(output) - TEXT_TYPES for output in cell["outputs"]):
            tags.append(IGNORE_TAG)
        kept["execution_count"] = None
        outputs = [] if IGNORE_TAG in tags else cell["outputs"]
        kept["outputs"] = list(_merged(_normalized_output(output) for output in outputs))
    if tags:
        kept["metadata"]["tags"] = sorted(set(tags))
    return kept


def _normalized_output(output: dict[str, Any]) -> dict[str, Any]:
    kept = dict(output)
    if "execution_count" in kept:
        kept["execution_count"] = None
    if "metadata" in kept:
        kept["metadata"] = {}
    return kept


def _merged(outputs: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The outputs, with what went to one stream in a row as one: how it is cut is chance."""
    last: dict[str, Any] | None = None
    for output in outputs:
        if last and output["output_type"] == "stream" and output.get("name") == last.get("name"):
            last["text"] += output["text"]
            continue
        if last:
            yield last
        last = output
    if last:
        yield last


def _types(output: dict[str, Any]) -> set[str]:
    return set(output.get("data", {}))


def _unmendable(notebook: Notebook) -> Iterator[str]:
    for number, cell in enumerate(notebook["cells"], start=1):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                yield f"cell {number} ends in {output['ename']}: {output['evalue']}"
            if output.get("name") == "stderr":
                yield f"cell {number} writes to stderr: {output['text'].strip()[:200]}"
        if "attachments" in cell:
            yield f"cell {number} has an attachment; a figure is drawn by code or kept in book/"


def main(arguments: list[str] | None = None) -> int:
    """Check the notebooks, or bring them to stored form; the exit code is 1 if any is not in it."""
    parser = argparse.ArgumentParser(description="Check the stored form of notebooks, or make it.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--write", action="store_true", help="bring them to stored form")
    parser.add_argument("--execute", action="store_true", help="run them before; needs --write")
    options = parser.parse_args(arguments)
    if options.execute and not options.write:
        parser.error("--execute needs --write")
    failed = False
    for path in options.paths:
        notebook = read(path)
        if options.execute:
            notebook = execute(notebook, path.parent)
        if options.write:
            notebook = normalized(notebook)
            path.write_text(text_of(notebook), "utf-8")
        found = problems(notebook, path.read_text("utf-8"))
        failed = failed or bool(found)
        for problem in found:
            print(f"{path} {problem}")
    if not failed:
        print(f"{len(options.paths)} notebooks in stored form")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
