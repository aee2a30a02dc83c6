"""Runs the notebooks that have to be run, one on each core, before myst-nb would run them in turn.

What comes out goes into the cache from which myst-nb reads. If notebooks fail, the build ends with the
name of each and the reason.

A notebook is run again when its code changes, or a module of the package that its code reaches
(book/_ext/closure.py): a change of one study does not run all chapters.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from closure import Closure
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.util.display import status_iterator

# Each kernel would warn that others on this machine might listen to it.
KERNEL_ARGUMENTS = ["--log-level=ERROR"]
# The kernel of the environment in which the book is built, whatever else is installed.
KERNEL = "python3"
ROOT = Path(__file__).resolve().parents[2]
# Under which an execution keeps the digest of the modules that it reached.
REACHED = "reached"
COLOR = re.compile(r"\x1b\[[0-9;]*m")


class NotebookError(SphinxError):
    """Notebooks cannot be run."""

    category = "Notebooks that cannot be run"


def _execute(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    if app.config.nb_execution_mode != "cache" or not app.config.nb_execution_cache_path:
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    notebooks = [
        (str(env.doc2path(page)), notebook)
        for page in sorted(pages)
        if (notebook := _notebook(env, str(env.doc2path(page)))) is not None
    ]
    _require_kernel(notebooks)
    reached: dict[str, str] = env.book_reached  # type: ignore[attr-defined]  # by _outdated, just before
    digests = {str(env.doc2path(page)): digest for page, digest in reached.items()}
    lacking = [job for job in notebooks if not _is_kept(cache, job[1], digests[job[0]])]
    if not lacking:
        return

    def run(job: tuple[str, NotebookNode]) -> ExecutionResult:
        path, notebook = job
        folder = str(Path(path).parent)
        try:
            return single_nb_execution(
                notebook,
                cwd=folder,
                timeout=app.config.nb_execution_timeout,
                allow_errors=False,
                extra_arguments=KERNEL_ARGUMENTS,
            )
        except Exception as error:  # such as a kernel that dies: told with the others, below
            return ExecutionResult(notebook, folder, 0, error)

    failures = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (path, _), result in status_iterator(
            zip(lacking, pool.map(run, lacking), strict=True),
            "running notebooks... ",
            "brown",
            len(lacking),
            app.verbosity,
            lambda done: Path(done[0][0]).stem,
        ):
            if result.err is not None:
                reason = COLOR.sub("", str(result.err)).strip()
                failures.append(f"{path}: {type(result.err).__name__}\n{reason}")
                continue
            join_streams(result.nb)
            data = {"execution_seconds": result.time, REACHED: digests[path]}
            bundle = CacheBundleIn(result.nb, path, data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    if failures:
        raise NotebookError("\n\n".join(failures))


def _require_kernel(notebooks: list[tuple[str, NotebookNode]]) -> None:
    """An editor may store the name of a kernel that only its author has."""
    named = (
        (path, notebook.metadata.get("kernelspec", {}).get("name", KERNEL))
        for path, notebook in notebooks
    )
    wrong = [
        f"{path}: its kernel must be {KERNEL}, got {name!r}"
        for path, name in named
        if name != KERNEL
    ]
    if wrong:
        raise NotebookError("\n".join([*wrong, "make normalize mends it"]))


def join_streams(notebook: NotebookNode) -> None:
    """Join what a cell wrote to one stream in a row: where it is cut is a matter of time.

    myst-nb's own way (``nb_merge_streams``) ends a line at each cut.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = list(_joined(cell.outputs))


def _joined(outputs: list[NotebookNode]) -> Iterator[NotebookNode]:
    last: NotebookNode | None = None
    for output in outputs:
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
            continue
        if last:
            yield last
        last = output
    if last:
        yield last


def _notebook(env: BuildEnvironment, path: str) -> NotebookNode | None:
    """A page as the notebook that myst-nb takes it for, if it does."""
    text = Path(path).read_text("utf-8")
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)  # type: ignore[attr-defined]
    return reader and reader.read(text)


def _digest(closure: Closure, notebook: NotebookNode) -> str:
    """Of what the outputs of a notebook hang on in the package."""
    return closure.digest(cell.source for cell in notebook.cells if cell.cell_type == "code")


def _is_kept(cache: JupyterCacheAbstract, notebook: NotebookNode, digest: str) -> bool:
    """Whether the cache has the notebook as it would come out now; what is old is taken out of it."""
    try:
        record = cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    if record.data.get(REACHED) != digest:
        cache.remove_cache(record.pk)
        return False
    return True


def _outdated(_app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Pages of notebooks whose modules have changed since they were read."""
    closure = Closure(ROOT)
    known: dict[str, str] = getattr(env, "book_reached", {})
    now = {}
    for page in env.found_docs:
        notebook = _notebook(env, str(env.doc2path(page)))
        if notebook is not None:
            now[page] = _digest(closure, notebook)
    env.book_reached = now  # type: ignore[attr-defined]
    return [page for page, digest in sorted(now.items()) if known.get(page) != digest]


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.connect("env-get-outdated", _outdated)
    app.connect("env-before-read-docs", _execute)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
