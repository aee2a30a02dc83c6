"""Launch buttons: none without the repository's address, and with one what Colab has to be told.

Text inside ``{with-address}`` is on the page only if ``repository.url`` of ``_config.yml`` is set;
``ADDRESS`` and ``BRANCH`` in it stand for what is set there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

#: The id of its first section, and the note on its page that it is there; launch menus link to it.
PLACE = "elsewhere"


def _configure(_app: Sphinx, config: Config) -> None:
    options = config.html_theme_options
    config.book_address = (options.get("repository_url") or "").rstrip("/")
    config.book_branch = options.get("repository_branch") or "main"
    if not config.book_address:
        options.pop("repository_url", None)
        options.pop("launch_buttons", None)


class WithAddress(SphinxDirective):
    """What is told only of a book whose repository has an address."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Parse the content, with the address filled in."""
        if not self.config.book_address:
            return []
        text = "\n".join(self.content)
        text = text.replace("ADDRESS", self.config.book_address)
        text = text.replace("BRANCH", self.config.book_branch)
        source, _ = self.get_source_info()
        node = nodes.Element()
        lines = StringList(text.splitlines(), source=source)
        before = set(self.state.document.findall(nodes.section))
        self.state.nested_parse(lines, self.content_offset, node, match_titles=True)
        for section in self.state.document.findall(nodes.section):
            if section not in before:
                section["ids"].append(PLACE)
                self.env.metadata[self.env.docname][PLACE] = ""
                break
        return node.children


def _buttons(
    app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Buttons where they lead somewhere: Colab opens no page but a notebook, and lacks ``dmcore``."""
    groups = context.get("header_buttons", [])
    launch = next((group for group in groups if group.get("label") == "launch-buttons"), None)
    if launch is None:
        return
    if Path(app.env.doc2path(page)).suffix != ".ipynb":
        groups.remove(launch)
        return
    home = next((name for name, notes in app.env.metadata.items() if PLACE in notes), None)
    if home is not None:
        launch["buttons"].append(
            {
                "type": "link",
                "text": "What Colab needs first",
                "url": f"{context['pathto'](home)}#{PLACE}",
                "icon": "fas fa-circle-info",
            }
        )


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.add_config_value("book_address", "", "env", [str])
    app.add_config_value("book_branch", "", "env", [str])
    app.add_directive("with-address", WithAddress)
    # Early, since other extensions copy these values at the same event; and after the theme.
    app.connect("config-inited", _configure, priority=100)
    app.connect("html-page-context", _buttons, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
