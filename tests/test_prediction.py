"""The expected model: units of its terms, rows that cannot be, the command, and the scores it reaches."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import plain_prediction
import pytest

import dmcore
from dmcore import Software, Split, Transformer, predict_step
from dmcore.algebra.symbols import byte, second, unit_of
from dmcore.prediction.columns import columns, take
from dmcore.prediction.command import predict_file
from dmcore.prediction.constants import constants, fitted
from dmcore.prediction.fit import leave_one_out
from dmcore.prediction.layer import attention_weights
from dmcore.prediction.machines import find_machine, machines
from dmcore.prediction.measured import FILE, measured, rank_correlations, score
from dmcore.prediction.rows import case_of
from dmcore.prediction.step import step_parts, tokens_per_s
from dmcore.prediction.terms import TERMS

LLAMA = Transformer(80, 8192, 28672, 64, kv_heads=8, mlp_matrices=3, vocab=128256, seq_len=8192)
SPLIT = Split(64, 128, tp=4, pp=4, cp=2, vp=5)


@pytest.mark.parametrize("name", TERMS)
def test_terms_are_seconds(name):
    assert unit_of(TERMS[name].expr) == (byte / second if name == "ring" else second)
    assert TERMS[name].text


def test_constants_are_few_and_lie_within_their_ranges():
    assert len(fitted()) <= 10
    for name, it in fitted().items():
        assert it.low <= it.without_one_source[0] <= it.without_one_source[1] <= it.high, name
        assert it.low < it.value < it.high, name


# ------------------------------------------------------------------------------------------ rows

ROW = {"gpu": "H100", "n_gpu": "64", "layers": "80", "d_model": "8192", "n_heads": "64", "tp": "4"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gpu": "H900"}, "gpu must be one of .*'H900'"),
        ({"gpu": ""}, "gpu is not told"),
        ({"d_model": ""}, "d_model is not told"),
        ({"layers": "many"}, "layers must be a number, got 'many'"),
        ({"tp": "5"}, "tp, pp and cp must divide n_gpu 64, got 5 x 1 x 1"),
        ({"pp": "4", "dp": "8"}, "multiply to n_gpu 64, got 4 x 4 x 1 x 8"),
        ({"n_heads": "6"}, "tp must divide the heads 6, got 4"),
        ({"precision": "fp6"}, "precision must be one of"),
        ({"experts": "6", "ep": "4"}, "ep must divide the experts 6, got 4"),
        ({"pp": "90", "n_gpu": "720"}, "pp must be no more than the layers 80"),
        ({"batch_sequences": "-8"}, "batch_sequences must be a number of at least 0, at most"),
    ],
)
def test_a_row_that_cannot_be_is_refused(change, reason):
    row = {**ROW, "pp": "1", **change}
    with pytest.raises(ValueError, match=reason):
        case_of(row)


def test_every_name_in_the_tables_is_a_machine():
    with FILE.open(newline="", encoding="utf-8") as file:
        assert {find_machine(row["gpu"]).family for row in csv.DictReader(file)}
    for name, it in machines().items():
        assert find_machine(name) is it
    for name in ("NVIDIA B300", "gb300 nvl72", "MI300X", "TPU v7x", "A100", "H100 80GB HBM3"):
        assert find_machine(name).gpu.hbm_bytes > 0


@pytest.mark.parametrize("column", ["tp", "pp", "vp", "n_gpu", "batch_sequences", "microbatch", "software",
                                    "vocab", "d_ff", "n_heads", "recompute", "ep", "experts"])  # fmt: skip
def test_whatever_is_not_told_is_assumed(column):
    with FILE.open(newline="", encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["experts"] and row["pp"] == "4")
    case = case_of({**row, column: ""})
    assert np.isfinite(tokens_per_s(columns([case]))).all()


# --------------------------------------------------------------------------------------- command


def run(*arguments):
    command = [sys.executable, "-W", "error", "-m", "dmcore", "predict", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "runs.csv"
    file.write_text(
        "id,gpu,n_gpu,layers,d_model,n_heads,tp,colour\n"
        "good,H100,8,32,4096,32,1,red\n"
        "heads,H100,8,32,4096,4,8,red\n"
        "huge,H100,8,400,20480,160,8,red\n"
        "who,Z80,8,32,4096,32,1,red\n"
        "degrees,H100,8,32,4096,32,3,red\n"
        "blank,,8,32,4096,32,1,red\n"
        "words,H100,8,many,4096,32,1,red\n",
        "utf-8",
    )
    return file


def test_command_predicts_what_can_be_and_names_the_rest(table):
    told = run(table)
    assert told.returncode == 0
    [row] = csv.DictReader(io.StringIO(told.stdout))
    assert row["id"] == "good"
    assert 0 < float(row["low"]) < float(row["tok_s_gpu"]) < float(row["high"])
    for words in ("'colour' is not known", "heads: not predicted: tp must divide the heads 4",
                  "huge: not predicted: memory is exceeded", "who: not predicted: gpu must be one of",
                  "degrees: not predicted: tp, pp and cp must divide n_gpu 8, got 3 x 1 x 1",
                  "blank: not predicted: gpu is not told",
                  "words: not predicted: layers must be a number"):  # fmt: skip
        assert words in told.stderr
    assert run("--strict", table).returncode == 1
    table.write_text("id,gpu,layers,d_model\na,Z80,1,1\n", "utf-8")
    assert run(table).returncode == 2
    assert "No such file" in run(table.with_name("none.csv")).stderr


@pytest.mark.parametrize("head", ["gpu,layers", "layers,d_model", "", "a,b,c"])
def test_a_table_without_the_columns_it_needs_is_refused(tmp_path, head):
    file = tmp_path / "runs.csv"
    file.write_text(f"{head}\n1,2,3\n", "utf-8")
    with pytest.raises(ValueError, match="must have the columns gpu, layers and d_model"):
        predict_file(file)


def test_a_row_with_memory_nearly_exceeded_is_doubted(tmp_path):
    file = tmp_path / "runs.csv"
    file.write_text(
        "id,gpu,n_gpu,layers,d_model,tp,pp,fsdp\nfull,A100 40GB,8,32,8192,8,1,none\n", "utf-8"
    )
    answer = predict_file(file)
    assert (answer.predicted, answer.refused) == (1, 0)
    assert (
        "full: predicted, but doubtful: weights, optimizer and layer inputs take 1."
        in answer.reports[0]
    )


def test_anchor_scales_to_ones_own_software(table, tmp_path):
    free = predict_file(table)
    mine = tmp_path / "mine.csv"
    rate = float(free.csv.splitlines()[1].split(",")[1])
    mine.write_text(
        f"id,gpu,n_gpu,layers,d_model,n_heads,tp,tok_s_gpu\nown,H100,8,32,4096,32,1,{rate / 2}\n",
        "utf-8",
    )
    [row] = csv.DictReader(io.StringIO(run("--anchor", mine, table).stdout))
    assert float(row["tok_s_gpu"]) == pytest.approx(rate / 2, rel=1e-4)
    mine.write_text("id,gpu,layers,d_model\nown,H100,32,4096\n", "utf-8")
    assert "must have a run that was measured" in run("--anchor", mine, table).stderr


# ------------------------------------------------------------------------------------------ step


def test_predictions_of_many_rows_are_those_of_one():
    runs = measured()
    every = step_parts(runs.c)
    for i in range(0, len(runs.rate), 97):
        one = step_parts(take(runs.c, [i]))
        for name, value in one.items():
            assert value[0] == pytest.approx(every[name][i], rel=1e-12), name


def test_thousand_rows_cost_no_more_than_a_few_times_one():
    """In units of evaluating one row: what is vectorized does not grow with the rows."""
    from time import process_time

    few = take(measured().c, [0])
    many = take(measured().c, np.arange(1000) % len(measured().rate))
    times = []
    for c in (few, many):
        step_parts(c)
        start = process_time()
        for _ in range(5):
            step_parts(c)
        times.append(process_time() - start)
    assert times[1] < 20 * times[0]


def test_more_of_a_bad_thing_takes_longer():
    plain = predict_step("H100", LLAMA, SPLIT).step_s
    worse = {
        "recompute": replace(SPLIT, recompute="full"),
        "no interleaving": replace(SPLIT, vp=1),
        "sequence parallel": replace(SPLIT, sequence_parallel=False),
    }
    for name, split in worse.items():
        assert predict_step("H100", LLAMA, split).step_s > plain, name
    assert predict_step("H100", LLAMA, SPLIT, Software(year=2022.0)).step_s > plain
    assert predict_step("H100", LLAMA, SPLIT, Software(precision="fp8")).step_s < plain
    assert predict_step(dmcore.get_gpu("H100 SXM"), LLAMA, SPLIT).step_s == plain
    with pytest.raises(ValueError, match="tp must divide the heads 64, got 3"):
        predict_step("H100", LLAMA, Split(48, 48, tp=3))


# ---------------------------------------------------------------------------------------- scores


@pytest.fixture(scope="module")
def unseen():
    """Each source predicted with constants fitted to the others."""
    return leave_one_out(measured())[0]


def test_scores_on_sources_that_were_left_out(unseen):
    runs = measured()
    dense = score(runs, unseen, runs.scored & ~runs.moe)
    experts = score(runs, unseen, runs.scored & runs.moe)
    assert (dense.rows, experts.rows) == (420, 43)
    assert dense.median < 0.07
    assert dense.p90 < 0.17
    assert dense.mean_of_groups < 0.09
    assert experts.median < 0.16
    assert experts.p90 < 0.48
    assert experts.mean_of_groups < 0.22
    assert abs(score(runs, unseen, runs.scored & (runs.kind == "TPU")).bias) < 0.1


def test_order_of_splits_of_a_source_that_was_left_out(unseen):
    found = dict(rank_correlations(measured(), unseen).values())
    assert found[41] > 0.7
    assert found[25] > 0.8


def test_the_constants_of_the_file_are_those_of_the_fit():
    from dmcore.prediction.fit import fit

    again = fit(measured(), steps=3)
    for name, it in fitted().items():
        assert again[name] == pytest.approx(it.value, abs=0.02 * (it.high - it.low)), name
    assert constants()["near"] == 0.8


def test_latent_attention_of_deepseek_v3_by_hand():
    """Its configuration: 128 heads of 128 + 64 and 128 channels, ranks 1536 and 512, 7168 channels."""
    c = {"d": 7168.0, "h": 128.0, "h_kv": 128.0, "d_head": 128.0, "latent": 1.0}
    queries = 7168 * 1536 + 1536 * 128 * (128 + 64)
    keys_and_values = 7168 * (512 + 64) + 512 * 128 * (128 + 128)
    out = 128 * 128 * 7168
    assert float(attention_weights(c)) == queries + keys_and_values + out == 187_105_280


def test_plain_arithmetic_agrees():
    """The same model in plain Python, a run at a time, with other constants too."""
    runs = measured()
    rows = [{name: float(c[i]) for name, c in runs.c.items()} for i in range(len(runs.rate))]
    others = {name: it.low + 0.4 * (it.high - it.low) for name, it in fitted().items()}
    for k in (constants(), {**constants(), **others, "x_shard": 0.6}):
        plain = np.array([plain_prediction.tokens_per_s(row, k) for row in rows])
        assert np.abs(plain / tokens_per_s(runs.c, k) - 1).max() < 1e-9
