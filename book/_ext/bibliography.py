"""A bibliography whose labels are what the text cites: Hoffmann et al., 2022, and no numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


class AuthorYearLabels(BaseLabelStyle):
    """Labels of the first author and the year, as the reference style author_year has them."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """The label of each entry."""
        for entry in sorted_entries:
            names = [person.rich_last_names for person in entry.persons["author"]]
            written = [" ".join(str(part) for part in parts) for parts in names]
            first = " and ".join(written) if len(written) < 3 else f"{written[0]} et al."
            yield f"{first}, {entry.fields['year']}"


class AuthorYear(Style):
    """The plain style with those labels."""

    default_label_style = AuthorYearLabels


def setup(app: Sphinx) -> dict[str, object]:  # noqa: ARG001 (as Sphinx calls it)
    """Register the style."""
    register_plugin("pybtex.style.formatting", "author_year", AuthorYear)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
