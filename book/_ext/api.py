"""Pages of the package, made from its docstrings: ``{api}`` documents a module, in one line.

A line ``package.*`` stands for all the modules of that package.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SECTION = """\
## `{module}`

```{{eval-rst}}
.. automodule:: {module}
   :members:
   :show-inheritance:
```
"""


class Api(SphinxDirective):
    """A section for each of the modules that are named in the body, one a line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the sections as MyST and parse them."""
        modules = (module for line in self.content for module in _modules(line.strip()))
        text = "\n".join(SECTION.format(module=module) for module in modules)
        source, _ = self.get_source_info()
        lines = StringList(text.splitlines(), source=source)
        node = nodes.Element()
        self.state.nested_parse(lines, self.content_offset, node, match_titles=True)
        return node.children


def _modules(line: str) -> Iterator[str]:
    if not line.endswith(".*"):
        yield line
        return
    package = line.removesuffix(".*")
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
        yield f"{package}.{found.name}"


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive."""
    app.add_directive("api", Api)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
