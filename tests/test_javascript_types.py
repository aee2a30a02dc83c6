"""What Python writes into the page has the types that the page's script is checked with."""

from __future__ import annotations

import copy
import json
import subprocess

import pytest
from chapter_explorers import explorers
from test_javascript import LIVE, node
from test_live import grid, small

from dmcore.chapters.your_cluster import cluster
from dmcore.show.page import LiveFigure

CHECK = LIVE.parent / "_web" / "check"


def faults(specs, folder):
    """What the compiler says of figures' data, each as a constant of its kind."""
    compiler = CHECK / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.is_file():
        pytest.skip("the checks of the JavaScript are not installed: make js installs them")
    program = folder / "figures.ts"
    program.write_text(
        f"import type * as spec from {json.dumps(str(LIVE / 'spec.d.ts'))};\n"
        + "".join(
            f"export const figure{index}: spec.{figure['kind'].title()}Spec = {json.dumps(figure)};\n"
            for index, figure in enumerate(specs)
        ),
        "utf-8",
    )
    config = {
        "extends": str(CHECK / "base.json"),
        "compilerOptions": {"lib": ["es2023"], "exactOptionalPropertyTypes": True},
        "files": [str(program)],
    }
    (folder / "tsconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [node(), compiler, "-p", folder], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_figures_of_the_book(tmp_path):
    found = [LiveFigure(explorer).spec() for explorer in explorers().values()]
    others = [LiveFigure(small()).spec(), grid().spec(), grid(mix=None, lines="").spec()]
    assert faults([*found, *others, cluster().spec()], tmp_path) == ""


@pytest.mark.parametrize("kind", ["expressions", "grid", "cluster"])
def test_every_key_is_in_the_types(tmp_path, kind):
    """A key that the types lack, or one that is missing, is found."""
    makers = {"expressions": lambda: LiveFigure(small()), "grid": grid, "cluster": cluster}
    spec = makers[kind]().spec()
    required = [key for key in spec if key != "kind"]
    more = {**copy.deepcopy(spec), "more": 1}
    fewer = [{other: spec[other] for other in spec if other != key} for key in required]
    told = faults([more, *fewer], tmp_path)
    assert "'\"more\"' does not exist" in told
    for key in required:
        assert f"Property '{key}' is missing" in told
