"""The script of the live figures: bundled with the parts of d3 it uses, on the pages that need it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from offline import node_environment, node_modules, node_program
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from dmcore import __version__

SOURCE = Path(__file__).resolve().parents[1] / "_live"
#: What every live figure is marked with (dmcore.show.page).
MARK = 'class="dm-live"'


def _bundle(app: Sphinx) -> None:
    """One file of script and one of style, in a folder that offline.py makes part of the site."""
    if app.builder.format != "html":
        return
    packages = node_modules(Path(app.outdir).parent)
    # The worker goes into the script as a text: a page that is opened as a file may load no worker.
    worker = packages.parent / "worker" / "worker.txt"
    _esbuild(packages, "worker.js", f"--outfile={worker}")
    _esbuild(
        packages,
        "live.js",
        "live.css",
        f"--alias:dm-worker={worker}",
        "--loader:.txt=text",
        f"--define:DMCORE_VERSION={json.dumps(__version__)}",
        f"--banner:js={_notice(packages)}",
        f"--outdir={packages.parent / 'static' / 'live'}",
    )


def _esbuild(packages: Path, *arguments: str) -> None:
    """Bundle files of :data:`SOURCE`, with options of where to."""
    names = [str(SOURCE / each) if not each.startswith("-") else each for each in arguments]
    done = subprocess.run(
        [
            node_program("node"),
            str(packages / "esbuild" / "bin" / "esbuild"),
            *names,
            "--bundle",
            "--minify",
            "--format=iife",
            "--target=es2023",
            "--charset=utf8",
            "--log-level=warning",
        ],
        env={**node_environment(), "NODE_PATH": str(packages)},
        capture_output=True,
        text=True,
    )
    if done.returncode or done.stderr:
        raise ExtensionError(f"esbuild could not bundle {SOURCE}:\n{done.stderr}")


def _notice(packages: Path) -> str:
    """The licence of d3 asks that it be told wherever d3 is."""
    names = sorted(path.name for path in packages.glob("d3-*"))
    versions = (
        f"{name} {json.loads((packages / name / 'package.json').read_text('utf-8'))['version']}"
        for name in names
    )
    licence = (packages / "d3-scale" / "LICENSE").read_text("utf-8").strip()
    return f"/*! {', '.join(versions)}\n{licence}\n*/"


def _add_to_page(
    app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: Any
) -> None:
    if MARK in (context.get("body") or ""):
        app.add_js_file("live/live.js", loading_method="defer")
        app.add_css_file("live/live.css")


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension, which comes after that of ``offline``."""
    app.connect("builder-inited", _bundle, priority=200)
    app.connect("html-page-context", _add_to_page, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
