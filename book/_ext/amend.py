"""What the themes write and is amended here: names for what is read aloud, and what a file refuses.

Every amendment is made in the written page, so that it holds for each page and template alike, and
each is an entry of :data:`AMENDMENTS`. One that finds nothing where it must fails the build, since a
theme of another version may write the page in another way. The browser tests run axe-core on every
page and show what they are for.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError


@dataclass(frozen=True)
class Amendment:
    """A pattern in a page, and what takes its place.

    Attributes
    ----------
    pattern, replacement : str
        As :func:`re.sub` takes them.
    where : str
        A pattern of what the amendment is for. A page that has it and lacks ``pattern`` was written
        in another way than the amendment knows; the empty one is on every page.
    """

    pattern: str
    replacement: str
    where: str = ""


AMENDMENTS = [
    # A browser refuses to load a font ahead on a page opened as a file. The fonts themselves load,
    # since the stylesheet asks for them in a way that is allowed.
    Amendment(r'\s*<link rel="preload" as="font"[^>]*>', ""),
    # The icons are drawn by a font as well as by this script, which is half of what a first visit loads
    # and keeps the page from showing before it is there.
    Amendment(r'\s*<script src="[^"]*/fontawesome/[^"]*/js/all\.min\.js[^"]*">\s*</script>', ""),
    # Without its script the page has the light theme; the script sets the reader's own.
    Amendment(r'(<html [^>]*data-theme=)"auto"', r'\1"light"'),
    # These say another thing aloud than they show.
    Amendment(
        r'<summary aria-label="Toggle hidden content">',
        "<summary>",
        where=r'<details class="[^"]*\bhide\b',
    ),
    Amendment(r'(<button class="btn search-button-field[^>]*) aria-label="Search"', r"\1"),
    # The arrow that folds a part of the contents has no text; it is named by the link before it.
    Amendment(
        r'(<a class="[^"]*" href="[^"]*">([^<]*)</a><details[^>]*><summary)>',
        r'\1 aria-label="Pages of: \2">',
        where="toctree-toggle",
    ),
    # Roles for lists of sources that are out of use, and a list of which links would be items.
    Amendment(
        r'<div role="list" class="citation-list">',
        '<div class="citation-list">',
        where='class="citation"',
    ),
    Amendment(r' role="doc-(?:biblioentry|backlink)"', "", where='class="citation"'),
    # The logo stands in no part of the page that can be jumped to.
    Amendment(
        r'<div class="(bd-sidebar-primary[^"]*)">',
        r'<div class="\1" role="complementary" aria-label="Book">',
    ),
]
#: The id of the cell that tells what a downloaded notebook needs.
NEEDS = "needs"
#: A search engine shows about so many characters of a description.
DESCRIPTION = 160

#: Names of the pages that this build writes.
_written: list[str] = []


def amend(page: str) -> tuple[str, list[str]]:
    """A page with every amendment, and the patterns that match nothing where they must."""
    lacking = []
    amended = page
    for each in AMENDMENTS:
        needed = re.search(each.where, page) is not None
        amended, count = re.subn(each.pattern, each.replacement, amended)
        if needed and not count:
            lacking.append(each.pattern)
    return amended, lacking


def _amend_pages(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    # A page of an earlier build is amended already.
    new = {Path(app.builder.get_outfilename(page)) for page in _written}
    faults: dict[str, list[str]] = {}
    for page in Path(app.outdir).rglob("*.html"):
        written = page.read_text("utf-8")
        amended, lacking = amend(written)
        if amended != written:
            page.write_text(amended, "utf-8")
        if page in new:
            for pattern in lacking:
                faults.setdefault(pattern, []).append(str(page.relative_to(app.outdir)))
    if faults:
        told = (
            f"{pattern!r} in {min(pages)} and {len(pages) - 1} other pages"
            for pattern, pages in faults.items()
        )
        raise ExtensionError(
            "The themes write what is amended in another way than before; book/_ext/amend.py finds "
            f"no {'; no '.join(told)}"
        )


def with_needs(notebook: str, address: str = "") -> str:
    """A notebook that tells in its first cell what it needs, for those who have downloaded nothing else.

    ``address`` is the repository's, if it has one; a notebook that already tells stays as it is.
    """
    parts = json.loads(notebook)
    if parts["cells"][0].get("id") == NEEDS:
        return notebook
    where = (
        f"`pip install git+{address}`" if address else "`pip install .` in a copy of the repository"
    )
    text = (
        "> **What this notebook needs.** Python 3.11 or newer and the package `dmcore`, which comes with "
        f"the book: {where}.\n> Links to other chapters work where their notebooks lie beside this one."
    )
    cell = {"cell_type": "markdown", "id": NEEDS, "metadata": {}, "source": text}
    parts["cells"].insert(0, cell)
    return json.dumps(parts, ensure_ascii=False, indent=1) + "\n"


def _pack_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Tell in each notebook to download what it needs, and write it also as a script.

    A page that is opened as a file saves it from there (book/_static/book.js).
    """
    if error is not None or app.builder.format != "html":
        return
    for notebook in Path(app.outdir, "_sources").rglob("*.ipynb"):
        told = with_needs(notebook.read_text("utf-8"), getattr(app.config, "book_address", ""))
        notebook.write_text(told, "utf-8")
        call = f"saveNotebook({json.dumps(notebook.name)}, {json.dumps(notebook.read_text('utf-8'))});\n"
        notebook.with_name(f"{notebook.name}.js").write_text(call, "utf-8")


def _describe(
    _app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Tell what a page is about in its head: the bold question, or else its first paragraph."""
    _written.append(page)
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
    _written.clear()
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _amend_pages)
    app.connect("build-finished", _pack_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
