"""Numbers for figures and tables: Figure 4.2, Table 4.1.

A caption is a paragraph in emphasis after a figure or beside a table, which any renderer of Markdown shows
well, or the caption that a table of results brings along. The build puts the number before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from docutils import nodes
from sphinx.application import Sphinx

CAPTION = re.compile(r"(<caption[^>]*>)")


def number_captions(document: nodes.document, prefix: str) -> None:
    """Number the captions of a page, each kind in its own order."""
    figures, tables = count(1), count(1)
    for node in list(document.findall(lambda node: isinstance(node, nodes.Element))):
        if isinstance(node, nodes.table):
            _label(_caption_beside(node), f"Table {prefix}{{}}.", tables)
        elif isinstance(node, nodes.raw) and node.get("format") == "html":
            _label_html(node, f"Table {prefix}{{}}.", tables)
        elif _is_picture(node):
            _label(_caption_after(node), f"Figure {prefix}{{}}.", figures)


def _is_picture(node: nodes.Element) -> bool:
    """Whether it is a cell that draws."""
    if "cell" not in node.get("classes", ()):
        return False
    drawn = ("<svg", "data-figure", "dm-live")
    pictures = (raw for raw in node.findall(nodes.raw) if any(m in raw.astext() for m in drawn))
    return (
        next(pictures, None) is not None or next(iter(node.findall(nodes.image)), None) is not None
    )


def _label(caption: nodes.paragraph | None, words: str, numbers: Iterator[int]) -> None:
    if caption is not None:
        caption["classes"].append("caption")
        caption.insert(0, nodes.strong("", words.format(next(numbers))))
        caption.insert(1, nodes.Text(" "))


def _label_html(raw: nodes.raw, words: str, numbers: Iterator[int]) -> None:
    def numbered(match: re.Match[str]) -> str:
        return f"{match[1]}<strong>{words.format(next(numbers))}</strong> "

    text = CAPTION.sub(numbered, raw.astext())
    raw.children = [nodes.Text(text)]
    raw.rawsource = text


def _caption_after(node: nodes.Element) -> nodes.paragraph | None:
    return _sole_emphasis(node.next_node(descend=False, siblings=True))


def _caption_beside(node: nodes.Element) -> nodes.paragraph | None:
    if node.parent is None:
        return None
    at = node.parent.index(node)
    before = node.parent[at - 1] if at else None
    return _caption_after(node) or _sole_emphasis(before)


def _sole_emphasis(node: nodes.Node | None) -> nodes.paragraph | None:
    """The node, if it is a paragraph all in emphasis that is no caption yet."""
    if not isinstance(node, nodes.paragraph) or "caption" in node["classes"]:
        return None
    alone = len(node.children) == 1 and isinstance(node[0], nodes.emphasis)
    return node if alone else None


def _on_page(app: Sphinx, document: nodes.document, page: str) -> None:
    numbers: dict[str, tuple[int, ...]] = app.env.toc_secnumbers.get(page, {})
    chapter = numbers.get("", ())
    number_captions(document, f"{chapter[0]}." if chapter else "")


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.connect("doctree-resolved", _on_page, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
