"""How fast the simulator is: ``make bench``. No test; pytest does not collect it by itself.

A plain Python search of the same space takes about 6 s for the H100 sweep and 230 s for the whole set.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from dmcore.hardware.catalog import names
from dmcore.models.model import Model
from dmcore.prediction.command import predict_file
from dmcore.prediction.measured import FILE
from dmcore.simulator.search import best_parallelism
from dmcore.simulator.sweep import sweep

GPUS = (
    "V100 SXM",
    "A100 SXM",
    "H100 SXM",
    "H100 SXM Low Latency",
    "H100 SXM Global NVLink",
    "H100 SXM Global NVLink and LL",
    "H100 SXM Infinite Network and LL",
)
LAWS = ("default", "none", "deepseek")
MODEL = Model.from_laws(36864)


def whole_set():
    """Every sweep of the paper's figures, and how many runs they have."""
    return sum(
        len(sweep(gpu, sparse, law))
        for gpu in names(paper=True)
        for sparse in (False, True)
        for law in LAWS
    )


def in_new_python(code):
    """What a program prints, as numbers."""
    program = [sys.executable, "-c", code]
    return [float(word) for word in subprocess.check_output(program, text=True).split()]


def test_h100_dense_sweep(benchmark):
    assert len(benchmark(sweep, "H100 SXM")) == 31


def test_superpod_dense_sweep(benchmark):
    benchmark.pedantic(sweep, ("H100 SXM Superpod",), rounds=3, warmup_rounds=1)


def test_whole_set(benchmark):
    benchmark.extra_info["runs"] = benchmark.pedantic(whole_set, rounds=3, warmup_rounds=1)


def test_best_parallelism_at_a_million_gpus(benchmark):
    best = benchmark(best_parallelism, "H100 SXM", MODEL, 2**20)
    benchmark.extra_info.update(candidates=best.candidates, timed=best.timed)


def test_thousand_predictions(benchmark, tmp_path):
    """From a file, the rows of the package's table and again; the aim is 2 s at most."""
    head, *rows = FILE.read_text("utf-8").splitlines(keepends=True)
    file = tmp_path / "runs.csv"
    file.write_text(head + "".join((rows + rows)[:1000]), "utf-8")
    assert benchmark(predict_file, file).predicted == 1000
    assert benchmark.stats["max"] < 4, "half a second is usual; a busy machine may take longer"


def test_first_sweep_of_a_process(benchmark):
    """With the import of SymPy and the compilation of each expression."""
    code = "from dmcore import sweep; sweep('H100 SXM')"
    benchmark.pedantic(in_new_python, (code,), rounds=5)


@pytest.mark.parametrize("module", ["dmcore", "dmcore.hardware.catalog", "dmcore.simulator.search"])
def test_import(benchmark, module):
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    seconds = benchmark.pedantic(
        lambda: benchmark.extra_info.setdefault("import_s", []).extend(in_new_python(code)),
        rounds=5,
    )
    assert seconds is None
    print(f"\n{module}: {min(benchmark.extra_info['import_s']):.3f} s besides Python's own start")


def test_peak_memory_of_the_whole_set(benchmark):
    code = (
        "import resource, sys; sys.path.insert(0, 'tests'); import bench_simulator;"
        "bench_simulator.whole_set();"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    start = time.perf_counter()
    (mib,) = benchmark.pedantic(in_new_python, (code,), rounds=1)
    benchmark.extra_info["peak_mib"] = mib
    print(f"\nwhole set in a new process: {time.perf_counter() - start:.1f} s, peak {mib:.0f} MiB")
    assert mib < 500
