"""Runs the notebooks that have to be run, one on each core, before myst-nb would run them in turn.

What comes out goes into the cache from which myst-nb reads. A notebook that fails does not, so that
myst-nb runs it again and reports it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import create_nb_reader
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.display import status_iterator

# Each kernel would warn that others on this machine might listen to it.
KERNEL_ARGUMENTS = ["--log-level=ERROR"]


def _execute(app: Sphinx, env: BuildEnvironment, pages: list[str]) -> None:
    if app.config.nb_execution_mode != "cache" or not app.config.nb_execution_cache_path:
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    notebooks = [(path, _notebook(env, path)) for path in map(env.doc2path, sorted(pages))]
    lacking = [
        (path, notebook)
        for path, notebook in notebooks
        if notebook is not None and not _is_kept(cache, notebook)
    ]
    if not lacking:
        return

    def run(job: tuple[str, NotebookNode]) -> ExecutionResult:
        path, notebook = job
        return single_nb_execution(
            notebook,
            cwd=str(Path(path).parent),
            timeout=app.config.nb_execution_timeout,
            allow_errors=False,
            extra_arguments=KERNEL_ARGUMENTS,
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (path, _), result in status_iterator(
            zip(lacking, pool.map(run, lacking), strict=True),
            "running notebooks... ",
            "brown",
            len(lacking),
            app.verbosity,
            lambda done: Path(done[0][0]).stem,
        ):
            if result.err is None:
                bundle = CacheBundleIn(result.nb, path, data={"execution_seconds": result.time})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def _notebook(env: BuildEnvironment, path: str) -> NotebookNode | None:
    """A page as the notebook that myst-nb takes it for, if it does."""
    text = Path(path).read_text("utf-8")
    reader = create_nb_reader(path, env.myst_config, env.mystnb_config, text)  # type: ignore[attr-defined]
    return reader and reader.read(text)


def _is_kept(cache: JupyterCacheAbstract, notebook: NotebookNode) -> bool:
    try:
        cache.match_cache_notebook(notebook)
    except KeyError:
        return False
    return True


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.connect("env-before-read-docs", _execute)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
