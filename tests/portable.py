"""Runs the tests of the model and the notebooks as on another machine: each result must be the same.

First on a processor without any of the optional instructions for which NumPy has routines of their own;
then on one thread, with another hash seed, locale and time zone, in a folder with a space and an umlaut
in its name, as a user who may write nothing there but ``_build``.

    python tests/portable.py [--short] [--jobs N]
"""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
#: Where ties between splits show first.
SHORT = ("tests/test_search.py", "tests/test_sweep.py")
NOT_COPIED = (
    ".git",
    ".venv",
    "_build",
    "node_modules",
    "__pycache__",
    "*.egg-info",
    ".*_cache",
    ".hypothesis",
    ".benchmarks",
)
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "BLIS")
ELSEWHERE = {
    **{f"{library}_NUM_THREADS": "1" for library in THREADS},
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "20281001",
    "LC_ALL": "C",
    "TZ": "Pacific/Auckland",
}


def found_features() -> list[str]:
    """The optional instructions that NumPy has routines for and finds on this processor."""
    return list(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))


def plain_processor() -> dict[str, str]:
    """Variables with which NumPy, and the C library of Linux, use none of them.

    Raises
    ------
    RuntimeError
        If NumPy uses some all the same.
    """
    features = found_features()
    variables = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(features),
        # The routines of glibc for exp, log and powers round differently where these are.
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    }
    print(
        f"NumPy's optional instructions, off: {', '.join(features) or 'none was found'}", flush=True
    )
    left = subprocess.run(
        [sys.executable, "-c", "import portable; print(*portable.found_features())"],
        env={**os.environ, **variables, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if left:
        raise RuntimeError(f"NPY_DISABLE_CPU_FEATURES must turn off all of them, left {left}")
    return variables


@contextmanager
def read_only_copy() -> Iterator[Path]:
    """A copy of the checkout that nobody may write to, but for its folder ``_build``."""
    with tempfile.TemporaryDirectory(prefix="limits ") as folder:
        copy = Path(folder, "ein schöner Ort", "checkout")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        (copy / "_build").mkdir()
        kept = [path for path in [copy, *copy.rglob("*")] if path.name != "_build"]
        for path in kept:
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
        try:
            yield copy
        finally:
            for path in kept:
                path.chmod(path.stat().st_mode | stat.S_IWUSR)


def without_privileges(folder: Path) -> list[str]:
    """What to put before a command so that it may not write to a folder that is read-only.

    Root may write anywhere, unless it gives up its capabilities. The user stays the same, since another
    one may be unable to read the Python in root's home.

    Raises
    ------
    RuntimeError
        If the folder can be written to all the same.
    """
    before: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            raise RuntimeError(
                "setpriv is missing: install util-linux, or run this as another user"
            )
        before = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    trial = "import pathlib; pathlib.Path('trial').touch()"
    if not subprocess.run(
        [*before, sys.executable, "-c", trial], cwd=folder, stderr=subprocess.DEVNULL
    ).returncode:
        raise RuntimeError(f"{folder} must be read-only, a file could be written there")
    return before


def check(
    name: str, arguments: list[str], folder: Path, variables: dict[str, str], before: list[str]
) -> bool:
    """Run pytest with the package of that folder, and say how it went."""
    print(f"== {name}", flush=True)
    begin = time.monotonic()
    done = subprocess.run(
        [*before, sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": str(folder)},
    )
    outcome = "FAILED" if done.returncode else "ok"
    print(f"== {name}: {outcome}, {time.monotonic() - begin:.0f} s", flush=True)
    return done.returncode == 0


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; the exit code is 1 if one failed."""
    parser = argparse.ArgumentParser(
        description="Run the tests of the model as on another machine."
    )
    parser.add_argument("--short", action="store_true", help="only the search on a plain processor")
    parser.add_argument("--jobs", type=int, default=2, help="tests to run at the same time")
    options = parser.parse_args(arguments)
    jobs = ["-n", str(options.jobs)]
    model = [*jobs, "--dist", "worksteal", "--benchmark-disable"]
    if options.short:
        return int(not check("search", [*model, *SHORT], ROOT, plain_processor(), []))
    model += ["-m", "model"]
    notebooks = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", "-p", "no:benchmark"]
    notebooks += [*jobs, "--dist", "loadfile"]
    notebooks += sorted(f"notebooks/{path.name}" for path in ROOT.glob("notebooks/*.ipynb"))
    passed = []
    plain = plain_processor()
    passed.append(check("model on a plain processor", model, ROOT, plain, []))
    passed.append(check("notebooks on a plain processor", notebooks, ROOT, plain, []))
    with read_only_copy() as copy, tempfile.TemporaryDirectory() as home:
        before = without_privileges(copy)
        variables = {**ELSEWHERE, "HOME": home}
        passed.append(check("model elsewhere", model, copy, variables, before))
        passed.append(check("notebooks elsewhere", notebooks, copy, variables, before))
    return int(not all(passed))


if __name__ == "__main__":
    sys.exit(main())
