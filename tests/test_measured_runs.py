"""The published runs are consistent: with their own figures, with their shapes, with one another."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import sympy as sp

from dmcore.algebra.expressions import evaluate
from dmcore.evidence.measured_runs import MEASURED_RUNS, RUNS_BY_NAME
from dmcore.evidence.utilization import (
    counted_flop_per_token,
    equivalent_d_ff,
    equivalent_model,
    equivalent_parallelism,
    gpt_hardware_flop_per_token,
    gpt_model_flop_per_token,
    gpt_parameters,
    model_flop_per_token,
    model_flop_utilization,
    parameter_utilization,
    peak_flop_per_s,
    published_flop_per_s_per_gpu,
    recomputation_factor,
    shape_parameters,
    tokens_per_s,
)
from dmcore.hardware.catalog import get_gpu
from dmcore.simulator.step import training_step

BIBLIOGRAPHY = (Path(__file__).parents[1] / "book" / "references.bib").read_text("utf-8")
DENSE = [run for run in MEASURED_RUNS if run.params_active is None]
FITTING = [run for run in DENSE if not run.name.startswith("PaLM")]


def each(runs):
    runs = list(runs)
    return pytest.mark.parametrize("run", runs, ids=[run.name for run in runs])


@each(MEASURED_RUNS)
def test_has_a_source(run):
    assert re.search(rf"^@\w+\{{{run.source},", BIBLIOGRAPHY, re.MULTILINE)
    assert run.table
    assert run.notes


@each(MEASURED_RUNS)
def test_split_divides(run):
    degrees = run.tensor_parallel, run.pipeline_parallel, run.data_parallel, run.context_parallel
    assert math.prod(degrees) == run.n_gpu
    assert (run.pipeline_slots or run.layers) % run.pipeline_parallel == 0
    assert run.d_model % run.tensor_parallel == 0
    assert run.batch_sequences % (run.data_parallel * (run.microbatch or 1)) == 0
    if run.gpu != "TPU v4":
        assert run.n_gpu % 8 == 0
        assert run.tensor_parallel <= 8


@each(DENSE)
def test_shape_makes_the_published_parameters(run):
    # 1.65 is printed as 1.7; a source without a vocabulary misses its embeddings
    assert shape_parameters(run) == pytest.approx(
        run.params, rel=0.035 if run.params < 5e9 else 0.013
    )


@each(run for run in MEASURED_RUNS if run.source == "narayanan2021")
def test_equation_2_makes_the_printed_digits(run):
    counted = evaluate(gpt_parameters(), d=run.d_model, L=run.layers, S=2048, V=51200)
    assert abs(counted - run.params) <= 0.051e9


@each(run for run in MEASURED_RUNS if run.source == "narayanan2021" and run.table == "Table 1")
def test_share_of_the_peak_is_that_of_an_a100(run):
    share = run.measured_flop_per_s_per_gpu / 312e12
    assert share == pytest.approx(run.measured_peak_share, abs=0.0051)


def test_largest_run_of_table_1_makes_502_pflop_per_s():
    run = RUNS_BY_NAME["Megatron-LM 1008B on 3072"]
    assert run.n_gpu * run.measured_flop_per_s_per_gpu == pytest.approx(502e15, rel=0.003)


def test_table_2_prints_the_days_that_its_rates_make():
    """Days for 3e11 tokens, from hardware FLOP: six figures the data does not hold."""
    days = (84, 43, 23, 156, 80, 42)
    for run, printed in zip(MEASURED_RUNS[10:16], days, strict=True):
        assert 3e11 / tokens_per_s(run) / 86400 == pytest.approx(printed, abs=0.9)


@each([run for run in MEASURED_RUNS if run.token_rate])
def test_tokens_and_flop_agree(run):
    """What a source prints in two ways is the same, as this module counts FLOP."""
    counted = run.token_rate * counted_flop_per_token(run) / run.n_gpu
    assert counted == pytest.approx(published_flop_per_s_per_gpu(run), rel=0.016)


@each([run for run in MEASURED_RUNS if run.measured_mfu and run.measured_flop_per_s_per_gpu])
def test_rate_and_mfu_agree(run):
    share = run.measured_flop_per_s_per_gpu / peak_flop_per_s(run)
    assert share == pytest.approx(run.measured_mfu, abs=0.0075)


@each(MEASURED_RUNS)
def test_counts_are_ordered(run):
    """6 P is less than model FLOP, and model FLOP less than what is counted with recomputation."""
    assert 6 * run.active_params <= model_flop_per_token(run) * 1.001
    assert model_flop_per_token(run) <= counted_flop_per_token(run)
    parameters, model = parameter_utilization(run), model_flop_utilization(run)
    assert 0.1 < parameters <= model * 1.001 < 0.7


def test_palm_paper_gives_the_mfu_of_mt_nlg_and_its_own():
    """Worked out by others from the same figures, with and without attention scores."""
    run = RUNS_BY_NAME["MT-NLG 530B on 2240"]
    assert model_flop_utilization(run) == pytest.approx(0.302, abs=0.0015)
    assert parameter_utilization(run) == pytest.approx(0.297, abs=0.0015)
    palm = RUNS_BY_NAME["PaLM 540B on 6144"]
    assert parameter_utilization(palm) == pytest.approx(0.457, abs=0.0005)
    assert palm.token_rate * model_flop_per_token(palm) / 6144 / 275e12 == pytest.approx(
        0.462, abs=0.0005
    )


def test_recomputation_makes_eight_flop_of_six():
    factor = recomputation_factor()
    (vocabulary,) = (symbol for symbol in factor.free_symbols if symbol.name == "V")
    assert sp.simplify(factor.subs(vocabulary, 0)) == sp.Rational(3, 4)
    shape = {"d": 25600, "L": 128, "S": 2048, "V": 51200}
    ratio = evaluate(gpt_model_flop_per_token(), shape) / evaluate(
        gpt_hardware_flop_per_token(), shape
    )
    assert ratio == pytest.approx(evaluate(factor, shape))
    assert 0.75 < ratio < 0.7503
    run = RUNS_BY_NAME["Megatron-LM 1008B on 3072"]
    assert model_flop_utilization(run) == pytest.approx(ratio * 163e12 / peak_flop_per_s(run))


@each(MEASURED_RUNS)
def test_equivalent_model_has_the_parameters(run):
    model = equivalent_model(run)
    assert model.params == pytest.approx(run.params, rel=0.003)
    assert model.batch_tokens == run.batch_tokens
    assert model.d_ff % run.tensor_parallel == 0
    assert model.params / model.experts == pytest.approx(run.active_params, rel=0.01)


def test_gpt_3_folds_into_six_widths():
    run = RUNS_BY_NAME["Megatron-LM 174.6B on 384"]
    assert equivalent_d_ff(run) == pytest.approx(6 * 12288, rel=0.005)
    assert equivalent_d_ff(run, 48) == 2 * equivalent_d_ff(run)


@each(FITTING)
def test_simulator_takes_the_run(run):
    """And with as much interleaving as there can be, it is above what was measured."""
    slots = (run.pipeline_slots or run.layers) // run.pipeline_parallel
    split = equivalent_parallelism(run, slots)
    assert split.n_gpu == run.n_gpu
    step = training_step(get_gpu(run.gpu), equivalent_model(run), split)
    assert parameter_utilization(run) < step.utilization < 1
    as_published = training_step(
        get_gpu(run.gpu), equivalent_model(run), equivalent_parallelism(run)
    )
    assert as_published.utilization <= step.utilization * 1.1


def test_placement_on_the_network():
    llama = equivalent_parallelism(RUNS_BY_NAME["Llama 3 405B on 16384"])
    assert (llama.slices_of_f, llama.data, llama.pipeline) == ((8, 1), (1, 128), (1, 16))
    bloom = equivalent_parallelism(RUNS_BY_NAME["BLOOM 176B on 384"])
    assert (bloom.slices_of_f, bloom.data, bloom.pipeline) == ((4, 1), (2, 4), (1, 12))
    palm = equivalent_parallelism(RUNS_BY_NAME["PaLM 540B on 6144"])
    assert (palm.slices_of_f, palm.data) == ((12, 1), (256, 2))
    with pytest.raises(ValueError, match="memory needed"):
        training_step(get_gpu("TPU v4"), equivalent_model(RUNS_BY_NAME["PaLM 540B on 6144"]), palm)


def test_experts_are_refused_where_only_dense_runs_make_sense():
    run = RUNS_BY_NAME["DeepSeek-V3 671B on 2048"]
    for function in (shape_parameters, equivalent_parallelism):
        with pytest.raises(ValueError, match="run must be dense"):
            function(run)


def test_names_are_unique_and_every_source_is_used():
    assert len(RUNS_BY_NAME) == len(MEASURED_RUNS) >= 40


def test_bad_runs_are_refused():
    run = MEASURED_RUNS[0]
    for change, message in (
        ({"n_gpu": 31}, "degrees must multiply to n_gpu 31, got 32"),
        ({"batch_sequences": 33}, "batch_sequences must divide"),
        ({"expert_parallel": 5}, "expert_parallel must divide data_parallel 32, got 5"),
        ({"source": ""}, "source must name a source"),
        ({"measured_flop_per_s_per_gpu": None}, "something must be measured"),
        ({"layers": 0}, "layers must be a whole number"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(run, **change)
    gated = replace(RUNS_BY_NAME["Llama 3 405B on 8192"], counts_recomputation=True)
    with pytest.raises(ValueError, match="GPT's shape"):
        counted_flop_per_token(gated)
