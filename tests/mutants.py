"""Puts small faults into copies of the code, one at a time, and tells how many the tests notice.

    python tests/mutants.py [python|javascript] [--number N] [--seed S] [--seconds T] [--only PART]

The faults are drawn evenly from the files. Each is put into a copy of the checkout, where the test files
that run its line are run, those first that run most of its file in the least time, until one fails or the
time is over. Stored outputs of the
notebooks and the browser do not count: they say what was, and what is seen. What no test notices is
printed; what changes nothing (`tests/data/equivalent_mutants.toml` says why) is left out of the share.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from queue import SimpleQueue

from mutations import Mutation, python_mutations

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = ROOT / "tests" / "data" / "equivalent_mutants.toml"
COPIED = (
    "dmcore",
    "tests",
    "book",
    "notebooks",
    "pyproject.toml",
    "README.md",
    "_toc.yml",
    "_config.yml",
)
#: Chapters draw figures, which the browser, the notebooks and the reader see.
LEFT_OUT = ("dmcore/chapters/",)
#: Scripts of the page that node runs in the tests; what draws and answers is the browser's.
SCRIPTS = (
    "address.js",
    "numbers.js",
    "planning.js",
    "quantities.js",
    "simulator.js",
    "runs/csv.js",
)
SCRIPT_TESTS = (
    "tests/test_page_properties.py",
    "tests/test_quantities.py",
    "tests/test_simulator_js.py",
    "tests/test_planning.py",
)


@dataclass(frozen=True)
class Mutant:
    """A file with one fault."""

    file: str
    source: str
    mutation: Mutation

    @property
    def line(self) -> int:
        """Number of the line."""
        return self.mutation.told(self.source)[0]

    @property
    def name(self) -> tuple[str, str, str]:
        """What tells it from others even when lines move: the file, the text of the line, the fault."""
        line, was, instead = self.mutation.told(self.source)
        return self.file, self.source.splitlines()[line - 1].strip(), f"{was} -> {instead}"

    def __str__(self) -> str:
        _, text, fault = self.name
        return f"{self.file}:{self.line}: {text}\n    {fault}"


def python_mutants(root: Path) -> dict[str, list[Mutant]]:
    """Every fault of every module, by file."""
    found = {}
    for path in sorted((root / "dmcore").rglob("*.py")):
        file, source = path.relative_to(root).as_posix(), path.read_text("utf-8")
        if not file.startswith(LEFT_OUT):
            found[file] = [Mutant(file, source, each) for each in python_mutations(source)]
    return found


def javascript_mutants(root: Path) -> dict[str, list[Mutant]]:
    """Every fault of the scripts that node runs, by file."""
    sources = {
        f"book/_live/{name}": (root / "book/_live" / name).read_text("utf-8") for name in SCRIPTS
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("node")), str(root / "tests" / "mutations.cjs")],
        input=json.dumps(sources),
        env={**os.environ, "NODE_PATH": str(root / "book/_web/check/node_modules")},
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        file: [Mutant(file, sources[file], Mutation(*each)) for each in faults]
        for file, faults in json.loads(done.stdout).items()
    }


def drawn(mutants: Mapping[str, Sequence[Mutant]], number: int, seed: int) -> list[Mutant]:
    """That many of them, as evenly over the files as can be."""
    chance = random.Random(seed)
    shuffled = [chance.sample(each, len(each)) for each in mutants.values()]
    chance.shuffle(shuffled)
    rounds = chain.from_iterable(zip_longest(*shuffled))
    return [each for each in rounds if each is not None][:number]


# ------------------------------------------------------------------------------------- running


def copy_of(root: Path, to: Path) -> Path:
    """What the tests need, to be changed."""
    for name in COPIED:
        source = root / name
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(source, to / name, ignore=left_out)
        elif source.exists():
            shutil.copy(source, to / name)
    return to


def run(root: Path, arguments: Sequence[str], seconds: float) -> int | None:
    """The code that pytest ends with in a checkout; None if it takes too long."""
    command = [sys.executable, "-m", "pytest", "-x", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, "--benchmark-disable", *arguments],
            cwd=root,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=max(seconds, 1),
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode


@dataclass(frozen=True)
class Reach:
    """What a test file runs: lines by file, and how long it takes, s."""

    seconds: float
    lines: Mapping[str, frozenset[int]]


def reaches(root: Path, files: Sequence[str], jobs: int) -> dict[str, Reach]:
    """What each test file runs, each measured in a process of its own, where nothing is cached yet."""

    def measured(file: str) -> Reach:
        with tempfile.TemporaryDirectory() as folder:
            data, told = Path(folder) / "data", Path(folder) / "told.json"
            begin = time.monotonic()
            coverage = [sys.executable, "-m", "coverage"]
            environment = {**os.environ, "PYTHONPATH": str(root), "COVERAGE_FILE": str(data)}
            tests = ["-m", "pytest", "-q", "-m", "model", "--benchmark-disable"]
            options = {"cwd": root, "env": environment, "capture_output": True}
            subprocess.run([*coverage, "run", "--source=dmcore", *tests, file], **options)
            took = time.monotonic() - begin
            subprocess.run([*coverage, "json", "-q", "-o", str(told)], **options)
            files = json.loads(told.read_text())["files"] if told.exists() else {}
        lines = {name: frozenset(each["executed_lines"]) for name, each in files.items()}
        return Reach(took, lines)

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(files, pool.map(measured, files), strict=True))


def statement(source: str, line: int) -> int:
    """The line that a statement begins in, which stands for it in what was measured."""
    within = [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(within)


def asked_of(mutant: Mutant, reach: Mapping[str, Reach]) -> list[list[str]]:
    """The runs of pytest that may notice it: the module's examples and own tests, then the likeliest."""
    module = mutant.file.removesuffix(".py").replace("/", ".")
    examples = ["tests/test_examples.py", "-k", f"[{module}]"]
    own = f"tests/test_{Path(mutant.file).stem}.py"
    line = statement(mutant.source, mutant.line)
    reached = [
        name
        for name, each in reach.items()
        if line in each.lines.get(mutant.file, ()) and name != "tests/test_examples.py"
    ]

    def seconds_a_line(name: str) -> float:
        return reach[name].seconds / len(reach[name].lines[mutant.file])

    reached.sort(key=lambda name: (name != own, seconds_a_line(name), name))
    return [examples, *([name, "-m", "model"] for name in reached)]


def survives(
    mutant: Mutant, root: Path, runs: Sequence[Sequence[str]], seconds: float
) -> bool | None:
    """Whether no run of pytest notices a fault, put into a copy of the checkout; None if time is over."""
    path = root / mutant.file
    end = time.monotonic() + seconds
    path.write_text(mutant.mutation.applied(mutant.source), "utf-8")
    try:
        for arguments in runs:
            code = run(root, arguments, end - time.monotonic())
            if code is None:
                return None
            if code not in (0, 5):  # 5: no test was chosen
                return False
    finally:
        path.write_text(mutant.source, "utf-8")
    return True


def survivors(
    mutants: Sequence[Mutant], runs: Sequence[Sequence[Sequence[str]]], seconds: float, jobs: int
) -> tuple[list[Mutant], list[Mutant]]:
    """Those that nothing notices, and those that time was over for; each is told as soon as it is known."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for index in range(jobs):
            copies.put(copy_of(ROOT, Path(folder) / str(index)))

        def judged(mutant: Mutant, arguments: Sequence[Sequence[str]]) -> bool | None:
            root = copies.get()
            try:
                alive = survives(mutant, root, arguments, seconds)
            finally:
                copies.put(root)
            if alive is not False:
                print(f"{'not noticed' if alive else 'time over'}: {mutant}", flush=True)
            return alive

        alive = list(pool.map(judged, mutants, runs))
    judgements = list(zip(mutants, alive, strict=True))
    return [mutant for mutant, each in judgements if each], [
        mutant for mutant, each in judgements if each is None
    ]


def equivalent() -> set[tuple[str, str, str]]:
    """Names of the mutants that change nothing."""
    entries = tomllib.loads(EQUIVALENT.read_text("utf-8")).get("mutant", [])
    return {(entry["file"], entry["line"], entry["fault"]) for entry in entries}


def main() -> None:
    """Draw, run, tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("language", choices=["python", "javascript"])
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600, help="for one mutant")
    parser.add_argument("--only", default="", help="files whose path has this in it")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    python = given.language == "python"
    every = python_mutants(ROOT) if python else javascript_mutants(ROOT)
    known = equivalent()
    chosen = drawn(
        {file: each for file, each in every.items() if given.only in file}, given.number, given.seed
    )
    chosen = [mutant for mutant in chosen if mutant.name not in known]
    if python:
        files = sorted(
            path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("test_*.py")
        )
        reach = kept_reaches(files, given.jobs)
        runs = [asked_of(mutant, reach) for mutant in chosen]
    else:
        runs = [[[name] for name in SCRIPT_TESTS]] * len(chosen)
    left, undecided = survivors(chosen, runs, given.seconds, given.jobs)
    decided = len(chosen) - len(undecided)
    noticed = decided - len(left)
    share = noticed / max(decided, 1)
    print(f"{given.language}: {noticed} of {decided} mutants noticed, {share:.1%}")
    print(f"  time was over for {len(undecided)} more")
    by_file = defaultdict(int)
    for mutant in left:
        by_file[mutant.file] += 1
    for file, count in sorted(by_file.items()):
        print(f"  {count} in {file}")


def kept_reaches(files: Sequence[str], jobs: int) -> dict[str, Reach]:
    """What each test file runs, from ``_build`` if neither it nor the package has changed since."""
    store = ROOT / "_build" / "reaches.json"
    newest = max(
        path.stat().st_mtime
        for folder in ("dmcore", "tests")
        for path in (ROOT / folder).rglob("*.py")
    )
    if not store.exists() or store.stat().st_mtime < newest:
        found = reaches(ROOT, files, jobs)
        store.parent.mkdir(exist_ok=True)
        text = {
            file: [each.seconds, {name: sorted(lines) for name, lines in each.lines.items()}]
            for file, each in found.items()
        }
        store.write_text(json.dumps(text))
    kept = json.loads(store.read_text())
    return {
        file: Reach(seconds, {name: frozenset(each) for name, each in lines.items()})
        for file, (seconds, lines) in kept.items()
    }


if __name__ == "__main__":
    main()
