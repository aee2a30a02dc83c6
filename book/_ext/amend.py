"""What the themes write and is amended here: names for what is read aloud, and what a file refuses.

Every amendment is made in the written page, so that it holds for each page and template alike, and
each is one line of :data:`AMENDMENTS`. The browser tests run axe-core on every page and show what
they are for.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

#: Patterns in a page, and what takes their place.
AMENDMENTS = [
    # A browser refuses to load a font ahead on a page opened as a file. The fonts themselves load,
    # since the stylesheet asks for them in a way that is allowed.
    (r'\s*<link rel="preload" as="font"[^>]*>', ""),
    # Without its script the page has the light theme; the script sets the reader's own.
    (r'(<html [^>]*data-theme=)"auto"', r'\1"light"'),
    # These say another thing aloud than they show.
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (r'(<button class="btn search-button-field[^>]*) aria-label="Search"', r"\1"),
    # The arrow that folds a part of the contents has no text; it is named by the link before it.
    (
        r'(<a class="[^"]*" href="[^"]*">([^<]*)</a><details[^>]*><summary)>',
        r'\1 aria-label="Pages of: \2">',
    ),
    # Roles for lists of sources that are out of use, and a list of which links would be items.
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    (r' role="doc-(?:biblioentry|backlink)"', ""),
    # The logo stands in no part of the page that can be jumped to.
    (
        r'<div class="(bd-sidebar-primary[^"]*)">',
        r'<div class="\1" role="complementary" aria-label="Book">',
    ),
]
#: A search engine shows about so many characters of a description.
DESCRIPTION = 160


def _amend_pages(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        written = page.read_text("utf-8")
        amended = written
        for pattern, replacement in AMENDMENTS:
            amended = re.sub(pattern, replacement, amended)
        if amended != written:
            page.write_text(amended, "utf-8")


def _pack_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Write each notebook also as a script, for pages opened as files (book/_static/book.js)."""
    if error is not None or app.builder.format != "html":
        return
    for notebook in Path(app.outdir, "_sources").rglob("*.ipynb"):
        call = f"saveNotebook({json.dumps(notebook.name)}, {json.dumps(notebook.read_text('utf-8'))});\n"
        notebook.with_name(f"{notebook.name}.js").write_text(call, "utf-8")


def _describe(
    _app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Tell what a page is about in its head: the bold question, or else its first paragraph."""
    if doctree is None:
        return
    first = next(iter(doctree.findall(nodes.paragraph)), None)
    if first is None:
        return
    text = " ".join(first.astext().split())
    if len(text) > DESCRIPTION:
        text = text[: DESCRIPTION - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    context["metatags"] = (
        context.get("metatags", "") + f'\n<meta name="description" content="{html.escape(text)}">'
    )


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _amend_pages)
    app.connect("build-finished", _pack_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
