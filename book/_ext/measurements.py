"""The page of measurements, made from the table of the package: ``{measurements}`` and the part wanted.

``rows`` lists every measurement, folded by source, and a form that a script shows and answers; ``odd`` are
the rows that look wrong; ``unscored`` counts the reasons for leaving rows out; ``columns`` are those that a
row needs; ``example`` is the README's recipe for a row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dmcore.prediction import constants, measured
from dmcore.prediction.published import NEEDED, Published, groups_of, published

SCRIPT = "measurements.js"
#: What the form and the rows are marked with.
MARK = 'class="measured-'
_HEAD = (
    "Row and source", "GPUs", "Model", "Split", "Batch × length", "Tokens/s/GPU", "MFU", "Expected", "Scored",
)  # fmt: skip


def _table(head: Sequence[str], rows: Iterable[str], caption: str = "") -> str:
    """A table in a box that book.js stacks where it does not fit."""
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return (
        f'<div class="pst-scrollable-table-container"><table class="table">{told}'
        f"<thead><tr>{heads}</tr></thead><tbody>\n" + "\n".join(rows) + "\n</tbody></table></div>"
    )


def _link(row: Published) -> str:
    return f'<a href="{escape(row.url)}">{escape(row.id)}</a>'


def _row(row: Published) -> str:
    batch = f"{row.batch:,}" if row.batch else "?"
    gpus = f"{row.n_gpu:,} × {row.gpu}" if row.n_gpu else row.gpu
    numbers = (
        f"{batch} × {row.seq_len:,}",
        f"{row.rate:,.0f}",
        f"{100 * row.mfu:.0f}\N{NO-BREAK SPACE}%",
        f"{row.expected:,.0f} ({row.low:,.0f} to {row.high:,.0f})",
    )
    cells = [
        *(f"<td>{escape(text)}" for text in (gpus, f"{row.model}, {row.precision}", row.split)),
        *(f'<td class="number">{text}' for text in numbers),
        f"<td>{escape(row.unscored or 'yes')}",
    ]
    kind = "experts" if row.moe else "dense"
    return (
        f'<tr data-gpu="{row.kind}" data-model="{kind}" data-scored="{"no" if row.unscored else "yes"}">'
        f'<th scope="row">{_link(row)}</th>{"</td>".join(cells)}</td></tr>'
    )


def _title(rows: Sequence[Published]) -> str:
    """The title of a source, or what its titles have in common."""
    first = rows[0].title
    return first if {row.title for row in rows} == {first} else re.split("[:,(]", first)[0].strip()


def _groups() -> Iterator[str]:
    for source, rows in groups_of(published()).items():
        kinds = ", ".join(dict.fromkeys(row.gpu for row in rows))
        yield (
            f'<details class="measured-source" data-source="{escape(source)}"><summary>'
            f"<strong>{escape(source)}</strong> {escape(_title(rows))} ({escape(kinds)}): "
            f'<span class="measured-count">{len(rows)} rows</span></summary>'
            f"{_table(_HEAD, map(_row, rows))}</details>"
        )


def _menu(name: str, label: str, options: Iterable[str]) -> str:
    told = "".join(f'<option value="{escape(it)}">{escape(it)}</option>' for it in options)
    return (
        f'<label>{label} <select name="{name}"><option value="">all</option>{told}</select></label>'
    )


def _form() -> str:
    rows = published()
    menus = (
        _menu("gpu", "GPU", sorted({row.kind for row in rows})),
        _menu("model", "Model", ("dense", "experts")),
        _menu("source", "Source", groups_of(rows)),
        _menu("scored", "Scored", ("yes", "no")),
    )
    return (
        '<form class="measured-filter" hidden><label>Words <input type="search" name="words" '
        f'autocomplete="off" placeholder="llama fp8"></label>{"".join(menus)}'
        '<button type="reset">Show all</button><p role="status"></p></form>'
    )


def _rows() -> str:
    return "\n".join((_form(), *_groups()))


def _odd() -> str:
    rows = (
        f'<tr><th scope="row">{_link(row)}</th><td>{escape(row.model)}</td><td class="number">{row.rate:,.0f}'
        f'</td><td class="number">{row.expected:,.0f}</td><td>{escape("; ".join(row.oddities))}</td>'
        f"<td>{'no' if row.unscored else 'yes'}</td></tr>"
        for row in published()
        if row.oddities
    )
    head = ("Row and source", "Model", "Tokens/s/GPU", "Expected", "Why", "Scored")
    return _table(head, rows, "Rows that look wrong.")


def _unscored() -> str:
    reasons = Counter(row.unscored or "scored" for row in published())
    rows = (
        f'<tr><th scope="row">{escape(reason)}</th><td class="number">{count}</td></tr>'
        for reason, count in sorted(reasons.items(), key=lambda it: (-it[1], it[0]))
    )
    return _table(("Reason", "Rows"), rows, "Rows that are scored, and why others are not.")


def example(readme: str) -> str:
    """The line that the README's recipe appends to the table."""
    found = re.search(
        r"Append to `dmcore/prediction/throughput\.csv`:\n\n```\w+\n(.*?)```\n", readme, re.S
    )
    if found is None:
        raise ValueError("README.md has no recipe that appends to dmcore/prediction/throughput.csv")
    return found[1]


def _columns() -> str:
    rows = (
        f'<tr><th scope="row"><code>{name}</code></th><td>{escape(text)}</td></tr>'
        for name, text in NEEDED.items()
    )
    return _table(("Column", "What is in it"), rows, "Columns that a row cannot be without.")


_PARTS = {"rows": _rows, "odd": _odd, "unscored": _unscored, "columns": _columns}


class Measurements(SphinxDirective):
    """A part of the page, which is read again when the table, the constants or the recipe change."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The part as HTML, or the recipe as text."""
        part = directives.choice(self.arguments[0], (*_PARTS, "example"))
        readme = Path(self.env.srcdir) / "README.md"
        for path in (measured.FILE, constants.FILE, readme, __file__):
            self.env.note_dependency(str(path))
        if part == "example":
            text = example(readme.read_text("utf-8"))
            return [nodes.literal_block(text, text, language="text")]
        return [nodes.raw("", _PARTS[part](), format="html")]


def _add_script(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: Any
) -> None:
    if MARK in (context.get("body") or ""):
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive and its script."""
    app.add_directive("measurements", Measurements)
    app.connect("html-page-context", _add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
