"""What the build prepares: npm packages served from the site, strictness, and cached executions.

A published page loads nothing from outside, so whatever a page needs from npm is fetched here once,
by the versions and hashes of ``book/_web/package-lock.json``, and copied into the site. To add a
package, name it in ``book/_web/package.json``, renew the lock (``make web-lock``) and add a line to
:data:`VENDORED`.

``make env`` runs this file as a program, which fetches the packages, so that a build needs no network.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util import logging

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "book" / "_web"
WEB_FILES = ("package.json", "package-lock.json", ".npmrc")
#: Seconds that fetching them may take, on a slow line.
FETCH_TIMEOUT = 300


@dataclass(frozen=True)
class Vendored:
    """Files of one npm package that the site serves, under ``_static/vendor/<name>/``.

    Attributes
    ----------
    folder : str
        Inside the package; ``files`` are relative to it.
    files : tuple of str
        Names or patterns.
    css : tuple of str
        Those of them that every page links to.
    """

    folder: str
    files: tuple[str, ...]
    css: tuple[str, ...] = ()


VENDORED = {
    "katex": Vendored("dist", ("katex.min.css", "fonts/*.woff2"), css=("katex.min.css",)),
}


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension. What has to hold before any other one reads it is set here."""
    # A plain `jupyter-book build .` is as strict as `make book`: any warning fails it, at its end.
    app.keep_going = True
    app.warningiserror = False
    # The kernels of the notebooks inherit these.
    os.environ["DMCORE_PAGE"] = "1"
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    app.add_config_value("book_sources", "", "env", [str])
    # Early, since other extensions copy these values at the same event.
    app.connect("config-inited", _configure, priority=100)
    app.connect("builder-inited", _install_assets, priority=100)
    app.connect("build-finished", _forget_warned_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def node_program(name: str) -> str:
    """Path of ``node`` or ``npm``: that of this environment, else the one on PATH.

    Raises
    ------
    ExtensionError
        If there is none.
    """
    here = Path(sys.executable).parent
    found = shutil.which(name, path=str(here)) or shutil.which(name)
    if found is None:
        raise ExtensionError(f"{name} is missing: run pip install -r requirements.txt")
    return found


def node_environment() -> dict[str, str]:
    """Environment in which npm finds the node that belongs to it."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(folders)}


def node_modules(build: Path) -> Path:
    """The folder of the locked npm packages under the build folder, fetched when it is not there.

    Raises
    ------
    ExtensionError
        If npm fails; the message holds what it said.
    """
    home = build / "web" / _digest([WEB / name for name in WEB_FILES])
    if not (home / "node_modules").is_dir():
        # Fetched aside, so that an interrupted fetch leaves nothing that looks complete.
        partial = home.with_name(f"{home.name}.{os.getpid()}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in WEB_FILES:
            shutil.copy(WEB / name, partial / name)
        logger.info("fetching npm packages into %s", home)
        try:
            subprocess.run(
                [node_program("npm"), "ci"],
                cwd=partial,
                env=node_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                timeout=FETCH_TIMEOUT,
                check=True,
            )
        except subprocess.SubprocessError as error:
            shutil.rmtree(partial)
            raise ExtensionError(
                "the npm packages of book/_web could not be fetched. With a network, `make env` fetches "
                f"them once and for all:\n{error}\n{error.output or ''}"
            ) from error
        try:
            partial.rename(home)
        except OSError:  # another build was first
            shutil.rmtree(partial)
    return home / "node_modules"


def _configure(app: Sphinx, config: Config) -> None:
    # Executions are kept under what all of them hang on; what of the package each notebook hangs on is
    # kept with it (book/_ext/execute.py).
    shared = _digest([ROOT / "requirements.lock", Path(__file__).with_name("execute.py")])
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".jupyter_cache" / shared)
    # Symbols are typeset on every page, so that a change of them (or of the extensions, the data or the
    # bibliography) makes Sphinx read all pages again.
    symbols = _digest([ROOT / "dmcore" / "algebra" / "symbols.py"])
    config.book_sources = shared + symbols + _digest(sorted(Path(__file__).parent.glob("*")))


def _install_assets(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    build = Path(app.outdir).parent
    packages = node_modules(build)
    static = packages.parent / "static"
    for name, vendored in VENDORED.items():
        source = packages / name / vendored.folder
        target = static / "vendor" / name
        for path in sorted(found for pattern in vendored.files for found in source.glob(pattern)):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".css":
                copy.write_text(_keep_shipped_fonts(path.read_text("utf-8")), "utf-8")
            else:
                shutil.copy(path, copy)
        for css in vendored.css:
            app.add_css_file(f"vendor/{name}/{css}")
    app.config.html_static_path.append(str(static))


def _keep_shipped_fonts(css: str) -> str:
    """Leave out older font formats: every browser that shows the book reads woff2."""
    return re.sub(r',\s*url\([^)]*\.(?:woff|ttf)\)\s*format\("[^"]*"\)', "", css)


def _forget_warned_pages(app: Sphinx, _error: Exception | None) -> None:
    """After a build with warnings read everything again, or the next one would pass in silence."""
    if app._warncount:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    try:
        print(f"npm packages are in {node_modules(ROOT / '_build')}")
    except ExtensionError as error:
        sys.exit(str(error))
