"""A chapter is run again when a module that it reaches has changed, and not when another one has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from copies import copy_writable

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from closure import Closure  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code(notebook):
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture
def copy(tmp_path):
    copy_writable(ROOT / "dmcore", tmp_path / "dmcore")
    return tmp_path


def digests(root):
    """What each chapter hangs on in the package of a folder."""
    closure = Closure(root)
    return {book.stem: closure.digest(code(book)) for book in NOTEBOOKS}


@pytest.fixture(scope="module")
def before():
    return digests(ROOT)


def changed(before, copy, path):
    """Names of the chapters whose digest changes when a line is added to a file."""
    with (copy / path).open("a", encoding="utf-8") as file:
        file.write("\n# a changed byte\n")
    after = digests(copy)
    return {name for name, digest in after.items() if digest != before[name]}


def test_a_copy_changes_nothing(before, copy):
    assert digests(copy) == before


@pytest.mark.parametrize(
    ("path", "runs", "rests"),
    [
        ("dmcore/studies/elasticities.py", {"elasticities"}, {"memory_bandwidth", "measured_runs"}),
        ("dmcore/chapters/latency.py", {"latency"}, {"network", "limits"}),
        ("dmcore/evidence/measured_runs.csv", {"measured_runs"}, {"memory_bandwidth"}),
        ("dmcore/simulator/search.py", {"simulator", "dense_models"}, {"memory_bandwidth"}),
    ],
)
def test_a_change_runs_the_chapters_that_reach_it(before, copy, path, runs, rests):
    found = changed(before, copy, path)
    assert runs <= found
    assert not rests & found


def test_what_is_at_the_bottom_runs_all(before, copy):
    changes = changed(before, copy, "dmcore/algebra/expressions.py")
    assert changes == {book.stem for book in NOTEBOOKS}


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from dmcore import sweep", "dmcore.simulator.sweep"),
        ("import dmcore\ndmcore.critical_compute('H100 SXM')", "dmcore.bottlenecks.limits"),
        ("import dmcore\ndmcore.studies.scenarios.SCENARIOS", "dmcore.studies.scenarios"),
        ("from dmcore.studies import scenarios", "dmcore.studies.scenarios"),
        ("import dmcore.show.plots", "dmcore.show.plots"),
        ("def late():\n    from dmcore.show import plots", "dmcore.show.plots"),
    ],
)
def test_every_way_to_import_is_seen(line, module):
    reached = Closure(ROOT).of([line])
    assert module in reached
    assert "dmcore.algebra.symbols" in reached or module == "dmcore.show.plots"
    assert "dmcore.chapters.limits" not in reached


def test_a_module_without_the_package_reaches_nothing():
    assert Closure(ROOT).of(["import numpy as np\nnp.sum([1])"]) == frozenset()


def test_what_python_loads_is_in_the_closure():
    """Held against a fresh interpreter that has run the imports of a chapter."""
    lines = "\n".join(code(ROOT / "notebooks/limits.ipynb")).splitlines()
    text = "\n".join(line for line in lines if line.startswith("from dmcore") and "(" not in line)
    probe = "\nimport sys; print(*(m for m in sys.modules if m.split('.')[0] == 'dmcore'))"
    done = subprocess.run(
        [sys.executable, "-c", text + probe], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split()) - {"dmcore._lazy"}
    assert len(loaded) > 10
    assert loaded <= Closure(ROOT).of([text])
