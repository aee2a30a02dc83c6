"""A book of a page or two, built with the settings and extensions of the whole one."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import yaml

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))


def build(
    folder: Path, notebooks: dict[str, Any], *options: str, index: str = "# Book\n", **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Write a book of an index and notebooks, and build it in ``folder/_build``.

    Parameters
    ----------
    folder
        An empty folder.
    notebooks
        Each notebook, by its file's name without ending.
    *options
        For ``jupyter-book build``.
    index
        The first page, in MyST.
    **settings
        In place of those of ``_config.yml``.
    """
    config = {**copy.deepcopy(CONFIG), **settings}
    config["sphinx"]["local_extensions"] = {
        name: str(ROOT / path) for name, path in CONFIG["sphinx"]["local_extensions"].items()
    }
    for name in ("book/_static", "book/references.bib"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    (folder / "_config.yml").write_text(yaml.safe_dump(config), "utf-8")
    toc = {"format": "jb-book", "root": "index", "chapters": [{"file": name} for name in notebooks]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc), "utf-8")
    (folder / "index.md").write_text(index, "utf-8")
    for name, notebook in notebooks.items():
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", "-q", *options, folder],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "NO_COLOR": "1"},
    )
