"""Data of real runs: files that are read strictly, with sources that the bibliography knows."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dmcore.evidence.measured_runs import MEASURED_RUNS, MeasuredRun
from dmcore.evidence.tables import records
from dmcore.evidence.training_runs import (
    LARGEST_ESTIMATE,
    RUNS_WITH_BATCH,
    TRAINING_RUNS,
    TrainingRun,
)

BIBLIOGRAPHY = (Path(__file__).parents[1] / "book" / "references.bib").read_text("utf-8")
KEYS = set(re.findall(r"^@\w+\{([^,]+),", BIBLIOGRAPHY, re.MULTILINE))
RUNS = records(TrainingRun, "training_runs.toml")
LLAMA = TRAINING_RUNS["Llama 3.1 405B"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_run_has_a_source_in_the_bibliography(run):
    assert run.source in KEYS


def test_names_are_unique_and_every_run_is_used():
    assert len({run.name for run in RUNS}) == len(RUNS)
    assert {*TRAINING_RUNS.values(), *RUNS_WITH_BATCH, LARGEST_ESTIMATE} == set(RUNS)
    assert max(RUNS, key=lambda run: run.flop) == LARGEST_ESTIMATE


#: Copied by hand from the sources: FLOP, parameters, tokens.
PUBLISHED = {
    "GPT-3": (3.14e23, 175e9, 300e9),
    "PaLM": (2.56e24, 540e9, 780e9),
    "GPT-4": (2.1e25, None, None),
    "Llama 3.1 405B": (3.8e25, 405e9, 15.6e12),
    "DeepSeek-V3": (6 * 37e9 * 14.8e12, None, 14.8e12),
    "Grok 4": (5e26, None, None),
}


def test_figures_are_those_of_the_sources():
    found = {run.name: (run.flop, run.params, run.tokens) for run in RUNS}
    assert {name: found[name][1:] for name in found} == {
        name: PUBLISHED[name][1:] for name in PUBLISHED
    }
    for name, (flop, *_) in PUBLISHED.items():
        assert found[name][0] == pytest.approx(flop)


def test_megascale_is_interleaved_as_its_paper_says():
    runs = [run for run in MEASURED_RUNS if run.source == "jiang2024megascale"]
    assert {(run.interleaving, run.vocabulary) for run in runs} == {(6, 64_000)}
    published = {run.name: run.interleaving for run in MEASURED_RUNS if run.interleaving}
    assert published["Selective recomputation 175B on 64"] == 3
    assert published["Selective recomputation 530B on 280"] == 3
    assert published["Selective recomputation 1T on 512"] == published["BLOOM 176B on 384"] == 1


@pytest.mark.parametrize(
    "bad", [{"flop": 0.0}, {"batch_tokens": -1.0}, {"batch_tokens": math.inf}, {"source": ""}]
)
def test_runs_are_checked(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        replace(LLAMA, **bad)


def test_a_batch_that_is_not_told():
    with pytest.raises(ValueError, match=r"batch_tokens must be told.*'GPT-4'"):
        _ = TRAINING_RUNS["GPT-4"].largest_batch


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[run]]\nname = "x"', r"runs.toml, row 1 \(x\): source, year, flop must be given"),
        (
            '[[run]]\nname = "x"\nsource = "s"\nyear = 2020\nflop = 1\nfllop = 2',
            r"row 1 \(x\): columns must be among name, .*got fllop",
        ),
        (
            '[[run]]\nname = "x"\nsource = "s"\nyear = 2020\nflop = "many"',
            r"row 1 \(x\): flop must be of type float, got 'many'",
        ),
        (
            '[[run]]\nname = "x"\nsource = "s"\nyear = 2020\nflop = -1',
            r"row 1 \(x\): flop must be positive",
        ),
        (
            '[[run]]\nname = "x"\nsource = "s"\nyear = 2020\nflop = 1\nlandmark = 1',
            r"landmark must be of type bool, got 1",
        ),
    ],
)
def test_a_toml_file_with_a_mistake(tmp_path, text, words):
    path = tmp_path / "runs.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        records(TrainingRun, path)


def test_a_csv_file_of_ones_own(tmp_path):
    head = "name,source,table,year,gpu,n_gpu,tensor_parallel,pipeline_parallel,data_parallel,"
    head += "batch_sequences,seq_len,d_model,d_ff,layers,params,step_s,counts_recomputation\n"
    row = "mine,here,all,2026,H100 SXM,8,8,1,1,64,2048,4096,16384,32,6.7e9,2.5,{}\n"
    path = tmp_path / "mine.csv"
    path.write_text(head + row.format("yes"))
    (run,) = records(MeasuredRun, path)
    assert (run.n_gpu, run.step_s, run.counts_recomputation, run.microbatch) == (8, 2.5, True, None)
    path.write_text(head + row.format("True"))
    with pytest.raises(ValueError, match="counts_recomputation must be of type bool, got 'True'"):
        records(MeasuredRun, path)
