"""The README's recipes, done to the letter in a copy, show up everywhere a reader expects them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from copies import copy_writable

ROOT = Path(__file__).parents[1]
RECIPE = re.compile(
    r"(?P<how>Append to|Put into|Write|in) `(?P<path>[\w./]+)`"
    r"(?:, (?P<side>after|before) the line `(?P<line>[^`]+)`)?:\n\n"
    r"```\w+\n(?P<text>.*?)```\n",
    re.DOTALL,
)
CHAPTER = {
    "cells": [
        {
            "cell_type": "markdown",
            "id": "question",
            "metadata": {},
            "source": "# Between sites\n\n**How long do gradients take from site to site?**\n\nLong.",
        }
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}
#: What a reader would look at. Printed as JSON, with the copy as the package.
LOOK = """
import json, sys
sys.path.insert(0, "book/_ext")
from pathlib import Path
import numpy as np
import contents, dmcore
from dmcore.algebra.symbols import SYMBOLS, same_unit, second, unit_of
from dmcore.bottlenecks import between_sites
from dmcore.chapters import common, critical_batch, hardware_generations, measured_runs, your_cluster
from dmcore.evidence.measured_runs import RUNS_BY_NAME
from dmcore.models.laws import BATCH_LAWS, effective_alpha
from dmcore.prediction.published import faults, published
from dmcore.studies import scenarios, validation
from dmcore.studies.generations import GENERATIONS

gpu = dmcore.get_gpu("My GPU")
figure = your_cluster.cluster()
menus = [option for control in figure.controls for option in getattr(control, "options", {})]
text = json.dumps(figure.spec(), default=str)
swept = dmcore.sweep("My GPU", batch_scaling="faster", d_models=(12288, 16384))
table = scenarios.headline_table(("network × 3",))
outcome = scenarios.SCENARIOS["network × 3"]
print(json.dumps({
    "critical": dmcore.critical_compute(gpu),
    "sweep": swept.utilization.tolist(),
    "menus": menus,
    "formulas": text,
    "generations": list(GENERATIONS),
    "across": hardware_generations.across_years().alt,
    "batch": [curve.label for curve in critical_batch.batch_laws_explorer().curves],
    "alpha_b": float(effective_alpha("faster").alpha_b),
    "scenario": outcome.critical_flop() / scenarios.BASELINE.critical_flop(),
    "scenarios": [repr(table.waiting()), repr(table.ending())],
    "runs": [run.name for run in validation.COMPARABLE],
    "published": {row.id: [row.url, row.expected, row.rate] for row in published()},
    "faults": faults(),
    "ratio": validation.compare(RUNS_BY_NAME["My run on 64"]).ratio,
    "symbol": [SYMBOLS["beta_site"].unit_name, SYMBOLS["beta_site"].description],
    "unit": bool(same_unit(unit_of(between_sites.exchange_time()), second)),
    "lines": between_sites.derivation()["eq-between-sites"].lines,
    "front": "\\n".join(contents.listing(Path("."))),
}))
"""


def recipes():
    """How, where, after which line, and what, of each recipe."""
    readme = (ROOT / "README.md").read_text("utf-8")
    _, _, section = readme.partition("## Extending the book\n")
    section, _, _ = section.partition("\n## ")
    return [match.groupdict() for match in RECIPE.finditer(section)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    copy = tmp_path_factory.mktemp("extended")
    (copy / "book").mkdir()
    for name in ("dmcore", "notebooks", "book/_ext", "_toc.yml", "book/references.bib"):
        copy_writable(ROOT / name, copy / name)
    for recipe in recipes():
        path, line = copy / recipe["path"], recipe["line"]
        if line is not None:
            before, found, after = path.read_text("utf-8").partition(f"{line}\n")
            assert found, f"no such line in {recipe['path']}: {line}"
            put = (found, recipe["text"]) if recipe["side"] == "after" else (recipe["text"], found)
            path.write_text("".join((before, *put, after)), "utf-8")
        else:
            with path.open("w" if recipe["how"] == "Write" else "a", encoding="utf-8") as file:
                file.write(recipe["text"])
    (copy / "notebooks/between_sites.ipynb").write_text(json.dumps(CHAPTER), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_recipes_are_short():
    lines = {recipe["path"]: recipe["text"].strip().count("\n") + 1 for recipe in recipes()}
    assert len(lines) == 8
    assert lines["dmcore/hardware/accelerators.toml"] <= 12
    assert lines["dmcore/studies/scenarios.py"] <= 5
    assert lines["dmcore/evidence/measured_runs.csv"] <= 12
    assert lines["dmcore/models/laws.py"] <= 6


def test_a_gpu(seen):
    assert 1e26 < seen["critical"] < 1e31
    assert "My GPU" in seen["menus"]
    assert "My GPU" in seen["generations"]
    assert "My GPU" in seen["across"]


def test_a_law(seen):
    assert len(seen["sweep"]) == 2
    assert seen["alpha_b"] == pytest.approx(0.4)
    assert "as compute to the 0.4" in seen["menus"]
    assert "batch_faster" in seen["formulas"]
    assert "faster" in seen["batch"]


def test_a_scenario(seen):
    assert all("network × 3" in shown for shown in seen["scenarios"])
    assert seen["scenario"] > 1.5


def test_a_measured_run(seen):
    assert "My run on 64" in seen["runs"]
    assert 0.1 < seen["ratio"] < 1


def test_a_published_measurement(seen):
    assert seen["faults"] == []
    url, expected, rate = seen["published"]["mine-001"]
    assert url == "https://example.org/runs.html"
    assert 0.5 < expected / rate < 2


def test_a_symbol(seen):
    assert seen["symbol"] == ["bytes/s", "bandwidth between two sites, each way"]


def test_a_bottleneck_and_its_chapter(seen):
    assert seen["unit"]
    assert "P * w_P / beta_site" in seen["lines"]
    assert "{doc}`/notebooks/between_sites`: how long do gradients take" in seen["front"]
