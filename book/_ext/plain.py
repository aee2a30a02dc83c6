"""Plain Markdown in the sources, cross-references on the site.

The chapters are also read where nobody knows Sphinx: in JupyterLab, VS Code and Colab, on GitHub. So they
are written in what any renderer shows, and the build adds the rest:

===========================================  =========================================================
written                                      on the site
===========================================  =========================================================
``$N_{TP}$``                                 the symbol, linked to the notation with its meaning
``([Hoffmann et al., 2022](URL))``           a citation of the entry of the bibliography with that URL
``[Hoffmann et al. (2022)](URL)``            the same as part of the sentence
``[nanobatch](../book/glossary.md#term-x)``  the term, linked to its entry in the glossary
``[(3.4)](#eq-nanobatch)``                   the equation; the build fails if its number is another one
===========================================  =========================================================

Links to chapters are ordinary relative ones, which MyST resolves. A link that looks like a citation and
whose address is not in the bibliography fails the build.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from docutils import nodes
from pybtex.database import Entry, parse_file
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from dmcore.algebra.symbols import SYMBOLS

YEAR = r"(?:19|20)\d\d[a-z]?"
_LINK = r"\[([^\[\]]+)\]\(([^()\s]+)\)"
_LINKS = re.compile(rf"\(({_LINK}(?:; {_LINK})*)\)")
_ONE = re.compile(_LINK)
_TERM = re.compile(r"\[([^\[\]]+)\]\((?:[^()\s]*/)?glossary\.md#term-([^()\s]+)\)")
_EQUATION = re.compile(r"\[\((\d+(?:\.\d+)?)\)\]\(#(eq-[\w-]+)\)")
_CODE = re.compile(
    r"(^[ ]*(`{3,})(?!\{)[^\n]*\n.*?^[ ]*\2[ ]*$|(?<!`)``(?!`).+?(?<!`)``(?!`)|(?<!`)`[^`\n]+`(?!`))",
    re.S | re.M,
)


def address(entry: Entry) -> str:
    """Where a source of the bibliography is, as a link in a chapter gives it; empty if nowhere."""
    fields = entry.fields
    if fields.get("archiveprefix", fields.get("archivePrefix", "")) == "arXiv":
        return f"https://arxiv.org/abs/{fields['eprint']}"
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    return str(fields.get("url", ""))


def keys(bibliography: Path) -> Mapping[str, str]:
    """The key of each entry, by its address."""
    entries = parse_file(str(bibliography), bib_format="bibtex").entries
    found = {address(entry): key for key, entry in entries.items()}
    found.pop("", None)
    return found


def terms(glossary: str) -> Mapping[str, str]:
    """The terms of the glossary, by the ending of their anchor."""
    inside = re.findall(r"^```\{glossary\}$(.*?)^```$", glossary, re.S | re.M)
    found = (re.findall(r"^(?![: ])(\S.*)$", part, re.M) for part in inside)
    return {slug(term): term for part in found for term in part}


def slug(term: str) -> str:
    """The ending of a term's anchor."""
    return re.sub(r"[^\w]+", "-", term).strip("-")


def to_roles(
    text: str, known: Mapping[str, str], glossary: Mapping[str, str], typed: dict[str, str]
) -> str:
    """Markdown with the plain forms as roles of Sphinx; numbers typed for equations are kept in ``typed``.

    Raises
    ------
    ValueError
        If a link reads as a citation and its address is not that of a source, or a term is unknown.
    """

    def parenthesized(match: re.Match[str]) -> str:
        links = _ONE.findall(match[1])
        if not all(re.search(rf", {YEAR}$", name) for name, _ in links):
            return match[0]
        return "{cite:p}`" + ",".join(_key(name, url, known) for name, url in links) + "`"

    def in_sentence(match: re.Match[str]) -> str:
        if re.search(rf" \({YEAR}\)$", match[1]):
            return "{cite:t}`" + _key(match[1], match[2], known) + "`"
        if re.search(rf", {YEAR}$", match[1]):
            raise ValueError(
                f"a citation stands in parentheses, or has the year in them: {match[0]}"
            )
        return match[0]

    def term(match: re.Match[str]) -> str:
        if match[2] not in glossary:
            raise ValueError(f"the glossary has no term for {match[0]}")
        return f"{{term}}`{match[1]} <{glossary[match[2]]}>`"

    def equation(match: re.Match[str]) -> str:
        typed[match[2]] = match[1]
        return f"{{eq}}`{match[2]}`"

    def convert(part: str) -> str:
        part = _EQUATION.sub(equation, _TERM.sub(term, part))
        return re.sub(
            r"\[([^\[\]]+ \((?:19|20)\d\d[a-z]?\)|[^\[\]]+)\]\(([^()\s]+)\)",
            in_sentence,
            _LINKS.sub(parenthesized, part),
        )

    return "".join(piece if _CODE.fullmatch(piece) else convert(piece) for piece in _pieces(text))


def _pieces(text: str) -> list[str]:
    """The text in turn outside and inside of code."""
    pieces, start = [], 0
    for match in _CODE.finditer(text):
        pieces += [text[start : match.start()], match[0]]
        start = match.end()
    return [*pieces, text[start:]]


def _key(name: str, url: str, known: Mapping[str, str]) -> str:
    if url not in known:
        raise ValueError(f"no source of the bibliography has the address of [{name}]({url})")
    return known[url]


@cache
def _by_latex() -> Mapping[str, str]:
    return {info.latex: name for name, info in SYMBOLS.items()}


def _sources(app: Sphinx) -> tuple[Mapping[str, str], Mapping[str, str]]:
    root = Path(app.srcdir)
    glossary = root / "book/glossary.md"
    return (
        keys(root / app.config.bibtex_bibfiles[0]),
        terms(glossary.read_text("utf-8")) if glossary.is_file() else {},
    )


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    known, glossary = app.env.book_plain  # type: ignore[attr-defined]
    typed: dict[str, str] = {}

    def converted(text: str) -> str:
        return to_roles(text, known, glossary, typed)

    try:
        source[0] = (
            _in_notebook(source[0], converted) if _is_notebook(app, page) else converted(source[0])
        )
    except ValueError as error:
        raise ExtensionError(f"{page}: {error}") from error
    app.env.book_typed = {**getattr(app.env, "book_typed", {}), page: typed}  # type: ignore[attr-defined]


def _is_notebook(app: Sphinx, page: str) -> bool:
    return str(app.env.doc2path(page)).endswith(".ipynb")


def _in_notebook(text: str, converted: Callable[[str], str]) -> str:
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = converted("".join(cell["source"]))
    return json.dumps(notebook)


def _link_symbols(app: Sphinx, document: nodes.document) -> None:
    """Make each formula that is one symbol of the table a reference to it."""
    for math in list(document.findall(nodes.math)):
        name = _by_latex().get(math.astext().strip())
        if name is None or isinstance(math.parent, pending_xref | nodes.reference | nodes.title):
            continue
        reference = pending_xref(
            "",
            math.deepcopy(),
            refdomain="",
            reftype="book-symbol",
            reftarget=name,
            refdoc=app.env.docname,
            refexplicit=True,
        )
        math.replace_self(reference)


def _check_numbers(_app: Sphinx, env: BuildEnvironment) -> None:
    """Fail on an equation whose number on the site is not the one that a chapter types."""
    equations = env.get_domain("math").equations  # type: ignore[attr-defined]
    for page, typed in getattr(env, "book_typed", {}).items():
        for label, number in typed.items():
            if label not in equations:
                continue  # Sphinx tells of a label that nobody has
            home, count = equations[label]
            chapter = env.toc_secnumbers.get(home, {}).get("", ())
            right = ".".join(map(str, (*chapter[:1], count)))
            if right != number:
                raise ExtensionError(f"{page}: the equation {label} is ({right}), not ({number})")


def _begin(app: Sphinx, env: BuildEnvironment, _names: list[str]) -> None:
    env.book_plain = _sources(app)  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.connect("env-before-read-docs", _begin)
    app.connect("source-read", _read)
    app.connect("doctree-read", _link_symbols)
    app.connect("env-check-consistency", _check_numbers)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
