"""What is declared of the package is true, and its wheel works alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from uv import find_uv_bin

import dmcore

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NEEDED = (ROOT / "requirements.txt").read_text("utf-8")
LOCKED = (ROOT / "requirements.lock").read_text("utf-8")
REGISTRY = "https://pypi.org/simple/numpy/"

WIDTHS = (4096, 8192)
USE = f"""
import json, pathlib, sys
import dmcore
from dmcore.chapters.inside_one_gpu import ceilings_explorer
from dmcore.show.widgets import explore

assert pathlib.Path(dmcore.__file__).is_relative_to(sys.prefix), dmcore.__file__
panel = explore(ceilings_explorer())
print(json.dumps([dmcore.sweep("H100 SXM", d_models={WIDTHS}).n_gpu.tolist(), repr(panel)]))
"""


def requirements(text: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def test_wheel_and_requirements_state_the_same_bounds():
    book = {each.name: each.specifier for each in requirements(NEEDED)}
    wheel = {each.name: each.specifier for each in map(Requirement, PROJECT["dependencies"])}
    assert wheel == {name: book[name] for name in wheel}
    (package,) = re.findall(r"^# The package\n(.*?)\n\n", NEEDED, re.MULTILINE | re.DOTALL)
    assert {each.name for each in requirements(package)} == set(wheel)


def test_lock_is_within_the_bounds():
    """Renewing it was not forgotten, and it holds nothing that nobody needs."""
    locked = {
        each.name: Version(next(iter(each.specifier)).version)
        for each in requirements(LOCKED)
        if each.marker is None
    }
    for need in requirements(NEEDED):
        assert locked[need.name] in need.specifier, need


def test_python_is_told_alike():
    (least,) = re.findall(r"\d+\.\d+", PROJECT["requires-python"])
    assert f"With Python {least} or newer" in (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"sys.version_info < ({least.replace('.', ', ')})" in makefile
    assert f"--python-version {least} " in makefile


def registry_answers() -> bool:
    """Whether the package registry can be reached, however it answers."""
    try:
        urllib.request.urlopen(REGISTRY, timeout=10).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def run(*command: object, folder: Path) -> str:
    """What a command prints, outside the repository and without what this environment sets."""
    kept = ("PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy")
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={name: os.environ[name] for name in kept if name in os.environ}
        | {name: value for name, value in os.environ.items() if name.startswith("UV_")},
        capture_output=True,
        text=True,
    )
    if done.returncode and Path(str(command[0])).stem == "uv" and not registry_answers():
        pytest.skip(f"the package registry cannot be reached: {done.stderr.strip()[-300:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.wheel
def test_wheel_works_alone(tmp_path):
    """In an empty environment outside the repository, with all that it declares and nothing else.

    A sweep and a widget run there, and who uses it is told its types.
    """
    uv, here = find_uv_bin(), Path(sys.executable)
    run(uv, "build", "--wheel", "--out-dir", tmp_path, ROOT, folder=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    python = tmp_path / "alone" / "bin" / "python"
    run(uv, "venv", "--python", here, tmp_path / "alone", folder=tmp_path)
    run(
        *(uv, "pip", "install", "--python", python),
        *("--constraint", ROOT / "requirements.lock", wheel),
        folder=tmp_path,
    )
    gpus, panel = json.loads(run(python, "-W", "error", "-c", USE, folder=tmp_path))
    assert gpus == dmcore.sweep("H100 SXM", d_models=WIDTHS).n_gpu.tolist()
    assert panel.startswith("VBox(")

    (tmp_path / "user.py").write_text(
        "import dmcore\n"
        + "".join(f"reveal_type(dmcore.{name})\n" for name in dmcore.__all__)
        + "sweep: dmcore.Sweep = dmcore.sweep('H100 SXM')\n"
        + "model: dmcore.Model = dmcore.Model.from_laws(8192)\n"
    )
    told = run(
        *(here, "-m", "mypy", "--strict", "--python-executable", python),
        *("--cache-dir", tmp_path / "cache", "user.py"),
        folder=tmp_path,
    )
    types = re.findall(r'Revealed type is "(.*)"', told)
    assert len(types) == len(dmcore.__all__), told
    assert not [each for each in types if each == "Any" or each.endswith("ModuleType")], told
