"""The page of symbols, made from :data:`dmcore.algebra.symbols.SYMBOLS`, and links to it.

``{symbol-table}`` lists every symbol; ``{sym}`` followed by a symbol's name typesets it as a link to
its row.
"""

from __future__ import annotations

from itertools import groupby

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

from dmcore.algebra.symbols import SYMBOLS, SymbolInfo

REFERENCE = "book-symbol"
HEADINGS = ("Symbol", "Meaning", "Unit", "In code")


def _target(name: str) -> str:
    # Ids are made here and not by docutils, which would fold N and n into one.
    return f"symbol-{name}"


class SymbolTable(SphinxDirective):
    """The table of all symbols in their groups, each row with an id of its own."""

    def run(self) -> list[nodes.Node]:
        """Build the table and note which page it is on."""
        self.env.book_symbols_page = self.env.docname  # type: ignore[attr-defined]
        table = nodes.tgroup(cols=len(HEADINGS))
        table += [nodes.colspec(colwidth=width) for width in (10, 60, 20, 10)]
        head = nodes.thead()
        head += _row([nodes.paragraph(text=text) for text in HEADINGS])
        body = nodes.tbody()
        for group, members in groupby(SYMBOLS.items(), key=lambda item: item[1].group):
            title = nodes.entry("", nodes.paragraph("", "", nodes.strong(text=group)))
            title["morecols"] = len(HEADINGS) - 1
            body += nodes.row("", title)
            for name, info in members:
                row = _row(_cells(name, info))
                row["ids"].append(_target(name))
                body += row
        table += [head, body]
        return [nodes.table("", table, classes=["symbols"])]


def _cells(name: str, info: SymbolInfo) -> list[nodes.paragraph]:
    return [
        nodes.paragraph("", "", nodes.math(info.latex, info.latex)),
        nodes.paragraph(text=info.description),
        nodes.paragraph(text=info.unit_name or "pure number"),
        nodes.paragraph("", "", nodes.literal(name, name)),
    ]


def _row(cells: list[nodes.paragraph]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


class SymbolRole(SphinxRole):
    """A symbol in running text, with its meaning as a tooltip."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Typeset the symbol as a reference that is resolved once all pages are read."""
        name = self.text.strip()
        if name not in SYMBOLS:
            message = self.inliner.reporter.error(
                f"name must be one of {', '.join(SYMBOLS)}, got {name!r}", line=self.lineno
            )
            return [nodes.literal(name, name)], [message]
        math = nodes.math(SYMBOLS[name].latex, SYMBOLS[name].latex)
        reference = pending_xref(
            "",
            math,
            refdomain="",
            reftype=REFERENCE,
            reftarget=name,
            refdoc=self.env.docname,
            refexplicit=True,
        )
        return [reference], []


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.reference | None:
    page = getattr(env, "book_symbols_page", None)
    if node["reftype"] != REFERENCE or page is None:
        return None
    info = SYMBOLS[node["reftarget"]]
    title = f"{info.description} ({info.unit_name})" if info.unit_name else info.description
    target = _target(node["reftarget"])
    link = make_refnode(app.builder, node["refdoc"], page, target, content, title)
    link["classes"].append("symbol")
    return link


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive, the role and their links."""
    app.add_directive("symbol-table", SymbolTable)
    app.add_role("sym", SymbolRole())
    app.connect("missing-reference", _resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
