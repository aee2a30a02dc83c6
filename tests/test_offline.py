"""What a build needs from npm is fetched before, and a failure to fetch it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FETCH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import offline
try:
    print(offline.node_modules(Path(sys.argv[2])))
except offline.ExtensionError as error:
    sys.exit(str(error))
"""
EXTENSIONS = Path(__file__).parents[1] / "book" / "_ext"


def fetch(build, **variables):
    return subprocess.run(
        [sys.executable, "-c", FETCH, EXTENSIONS, build],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )


@pytest.mark.site
def test_failing_fetch_is_told_and_leaves_nothing(tmp_path):
    nobody = {"npm_config_registry": "http://127.0.0.1:9", "npm_config_cache": str(tmp_path / "no")}
    done = fetch(tmp_path, **nobody)
    assert done.returncode == 1
    assert "npm packages of book/_web could not be fetched" in done.stderr
    assert "make env" in done.stderr
    assert "ECONNREFUSED" in done.stderr
    assert list((tmp_path / "web").iterdir()) == []


@pytest.mark.site
def test_what_was_fetched_is_not_asked_for_again(site):
    done = fetch(site.parent, npm_config_registry="http://127.0.0.1:9", npm_config_offline="true")
    assert done.returncode == 0, done.stderr
    assert (Path(done.stdout.strip()) / "katex").is_dir()
