"""The list of chapters of the front page: the parts of ``_toc.yml``, each chapter with its question.

A chapter begins with its title and, in bold, the question that it answers. A new chapter is therefore
listed as soon as it stands in ``_toc.yml``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

QUESTION = re.compile(r"^\*\*(.+?\?)\*\*", re.MULTILINE | re.DOTALL)


def question(notebook: Path) -> str:
    """The question of a chapter, in one line.

    Raises
    ------
    ValueError
        If its first cell asks none.
    """
    first = json.loads(notebook.read_text("utf-8"))["cells"][0]
    found = QUESTION.search("".join(first["source"]))
    if found is None:
        raise ValueError(f"{notebook.name}: the first cell must hold a question in bold, got none")
    return " ".join(found[1].split())


def listing(root: Path) -> Iterator[str]:
    """The list in MyST, line by line: the numbered parts of the table of contents."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    for part in toc["parts"]:
        if not part.get("numbered"):
            continue
        yield from (f"{part['caption']}:", "")
        for chapter in part["chapters"]:
            asked = question(root / f"{chapter['file']}.ipynb")
            yield f"- {{doc}}`/{chapter['file']}`: {asked[0].lower()}{asked[1:]}"
        yield ""


class Chapters(SphinxDirective):
    """The chapters, part by part."""

    def run(self) -> list[nodes.Node]:
        """Write the list as MyST and parse it; the page is read again when a chapter changes."""
        root = Path(self.env.srcdir)
        for path in (root / "_toc.yml", *sorted((root / "notebooks").glob("*.ipynb"))):
            self.env.note_dependency(str(path))
        source, _ = self.get_source_info()
        node = nodes.Element()
        lines = StringList(list(listing(root)), source=source)
        self.state.nested_parse(lines, self.content_offset, node)
        return node.children


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive."""
    app.add_directive("chapters", Chapters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
