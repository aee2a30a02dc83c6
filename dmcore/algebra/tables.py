"""Tables of results as HTML, the same everywhere: right-aligned numbers, heads, a caption."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dmcore.algebra.checked import checked

__all__ = ["Table", "html_table"]


@checked
def html_table(
    rows: Iterable[Sequence[object]],
    head: Sequence[str] = (),
    caption: str = "",
    titles: Sequence[str] = (),
) -> str:
    """A table whose first column names the rows.

    Parameters
    ----------
    rows
        Cells of each row as they are to be read, the row's name first.
    head
        Name of each column, with its unit.
    caption
        What the table shows.
    titles
        For each row, why it is there: shown when the pointer rests on its name.

    Examples
    --------
    >>> html_table([("GPUs", "8"), ("speed", "<1")]).count("<th scope='row'")
    2
    """
    parts = [
        f"<caption style='text-align:left'>{html.escape(caption)}</caption>" if caption else ""
    ]
    if head:
        columns = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in head)
        parts.append(f"<thead><tr>{columns}</tr></thead>")
    parts.append("<tbody>")
    reasons = [f' title="{html.escape(title)}"' for title in titles]
    for number, (name, *cells) in enumerate(rows):
        reason = reasons[number] if reasons else ""
        numbers = "".join(
            f"<td style='text-align:right;white-space:nowrap'>{html.escape(str(cell))}</td>"
            for cell in cells
        )
        row_head = f"<th scope='row' style='text-align:left'{reason}>{html.escape(str(name))}</th>"
        parts.append(f"<tr>{row_head}{numbers}</tr>")
    # A wide table scrolls by itself on a phone, and by the keyboard.
    return (
        "<div style='overflow-x:auto' tabindex='0' role='region' "
        f"aria-label='{html.escape(caption or 'table', quote=True)}'>"
        f"<table class='table'>{''.join(parts)}</tbody></table></div>"
    )


@dataclass(frozen=True)
class Table:
    """A table to show in a notebook: :func:`html_table`, one row a line in the stored output.

    Examples
    --------
    >>> Table([("H100", "590")], ["GPU", "tokens"], "Nanobatches")
    GPU  | tokens
    H100 | 590
    """

    rows: Sequence[Sequence[object]]
    head: Sequence[str] = ()
    caption: str = ""

    def __repr__(self) -> str:
        lines = [
            [str(cell) for cell in row] for row in (*([self.head] if self.head else []), *self.rows)
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_markdown_(self) -> str:
        shown = html_table(self.rows, self.head, self.caption)
        return re.sub(r"(?=<(?:table|thead|tbody|tr)\b)", "\n", shown) + "\n"
