"""Tables of results as HTML, the same everywhere: right-aligned numbers, heads, a caption."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table"]


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
