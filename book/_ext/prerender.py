"""Mathematics typeset by KaTeX while the book is built, so that a page needs no script for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from docutils import nodes
from offline import node_modules, node_program
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

SERVER = Path(__file__).with_name("katex_server.cjs")


class Typesetter:
    """A KaTeX process, started with the first formula, and what it has typeset so far."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._done: dict[tuple[str, bool], dict[str, str]] = {}

    def typeset(self, tex: str, build: Path, *, display: bool) -> dict[str, str]:
        """``{"html": ...}`` or ``{"error": ...}`` of one formula."""
        key = (tex, display)
        if key not in self._done:
            self._done[key] = self._ask({"tex": tex, "display": display}, build)
        return self._done[key]

    def _ask(self, request: dict[str, object], build: Path) -> dict[str, str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [node_program("node"), str(SERVER), str(node_modules(build) / "katex")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError("KaTeX ended early; what it said stands above")
        return dict(json.loads(answer))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


_typesetter = Typesetter()


def _html(translator: HTML5Translator, node: nodes.Element, tex: str, *, display: bool) -> str:
    build = Path(translator.builder.outdir).parent
    answer = _typesetter.typeset(tex, build, display=display)
    if "error" in answer:
        logger.warning("%s in formula %r", answer["error"], tex, location=node, type="katex")
        return f"<code>{translator.encode(tex)}</code>"
    return answer["html"]


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a line of text."""
    html = _html(self, node, node.astext(), display=False)
    self.body.append(f"{self.starttag(node, 'span', '', CLASS='math')}{html}</span>")
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula, in a box that scrolls when it is wider than the page."""
    tex = node.astext().strip()
    if r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    html = _html(self, node, tex, display=True)
    self.body.append(self.starttag(node, "div", CLASS="math displayed"))
    self.body.append(f'<div class="scroll">{html}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _close(_app: Sphinx, _error: Exception | None) -> None:
    _typesetter.close()


def setup(app: Sphinx) -> dict[str, object]:
    """Register the renderer; ``html_math_renderer: katex`` selects it."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_block, None))
    app.connect("build-finished", _close)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
