"""The simulator beside measured runs: what a comparison says, against figures worked out another way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dmcore.chapters import measured_runs as figures
from dmcore.evidence.measured_runs import MEASURED_RUNS, RUNS_BY_NAME
from dmcore.evidence.utilization import equivalent_parallelism, parameter_utilization
from dmcore.hardware.catalog import GPUS, get_gpu
from dmcore.simulator.step import training_step
from dmcore.studies import validation
from dmcore.studies.validation import COMPARABLE, LEFT_OUT, PARTS, compare

LLAMA = RUNS_BY_NAME["Llama 3 405B on 16384"]
ONE_NODE = RUNS_BY_NAME["Selective recomputation 22B on 8"]


def each(runs):
    return pytest.mark.parametrize("run", runs, ids=[run.name for run in runs])


def test_every_run_is_compared_or_left_out_with_a_reason():
    assert {run.name for run in COMPARABLE} | set(LEFT_OUT) == set(RUNS_BY_NAME)
    assert len(COMPARABLE) + len(LEFT_OUT) == len(MEASURED_RUNS)
    assert all(reason.endswith(".") for reason in LEFT_OUT.values())


@each(COMPARABLE)
def test_bound_holds(run):
    """Measured is below the run's own split, at its best, and that below the best split."""
    found = compare(run)
    assert found.measured == parameter_utilization(run)
    assert found.measured < found.predicted
    assert found.plain.utilization <= found.predicted <= found.best.utilization * 1.0001
    assert found.best.utilization <= get_gpu(run.gpu).efficiency
    assert found.step.n_gpu == found.best.n_gpu == run.n_gpu
    assert found.ratio == pytest.approx(found.measured / found.predicted)


@each(COMPARABLE)
def test_parts_add_up_to_the_measured_step(run):
    found = compare(run)
    assert set(found.parts) == {*PARTS, "rest"}
    assert math.fsum(found.parts.values()) == pytest.approx(found.step_s)
    assert math.fsum(found.shares.values()) == pytest.approx(1)
    assert all(part >= 0 for part in found.parts.values())
    assert found.shares["arithmetic at the peak"] == pytest.approx(found.measured)
    assert found.measured < found.explained < found.predicted
    if run.step_s:  # what the source printed is the step that is divided
        assert found.step_s == pytest.approx(run.step_s, rel=0.01)


@each(COMPARABLE)
def test_only_llama_beats_a_plain_pipeline(run):
    found = compare(run)
    assert found.beaten == (run is LLAMA)
    assert found.least_interleaving == (2 if run is LLAMA else 1)


def test_llama_bubble_by_hand():
    """16 stages, 16 microbatches: 15 of 31 turns idle; 15 of 143 with 8 blocks to a stage."""
    found = compare(LLAMA)
    assert found.plain.bubble_fraction == pytest.approx(15 / 31)
    assert found.step.bubble_fraction == pytest.approx(15 / 143)
    # no plain pipeline could be as fast, whatever else the simulator gets wrong
    assert (1 - 15 / 31) * GPUS["H100 SXM"].efficiency < found.measured
    split = equivalent_parallelism(LLAMA, 2)
    assert training_step(found.step.gpu, found.step.model, split).utilization > found.measured


def test_one_node_has_no_pipeline_and_no_replicas():
    found = compare(ONE_NODE)
    assert found.parts["pipeline bubble"] == 0
    assert found.step.data_bandwidth_s == 0
    assert found.parts["recomputation"] == 0
    # 4 exchanges a layer of 2 * 7/8 of the activations, at 300 GB/s in each direction
    words = 4 * 2 * 7 / 8 * 48 * 4 * 2048 * 6144
    assert found.parts["exposed tensor messages"] == pytest.approx(2 * words / 300e9)
    # 30 bytes for each of the weights on a GPU
    assert found.parts["optimizer"] == pytest.approx(30 * 22e9 / 8 / 2039e9)
    # attention: S / 6d of the arithmetic, of products with 22e9 weights
    flop = 72 * 48 * 6144**2 * (1 + 2048 / (6 * 6144) + 51200 / (12 * 48 * 6144))
    share = flop / (6 * 22e9) - 1
    assert found.parts["attention scores"] == pytest.approx(found.step.matmul_s * share)


def test_recomputation_is_a_third_of_the_products():
    found = compare(RUNS_BY_NAME["Megatron-LM 1008B on 3072"])
    products = found.step.matmul_s + found.parts["attention scores"]
    assert found.parts["recomputation"] == pytest.approx(products / 3, rel=0.002)
    kept = compare(RUNS_BY_NAME["Selective recomputation 1T on 512"])
    assert kept.parts["recomputation"] == 0


def test_bubble_is_idle_time_for_busy_time():
    found = compare(LLAMA)
    parts = found.parts
    busy = found.step.matmul_s + parts["attention scores"] + parts["exposed tensor messages"]
    assert parts["pipeline bubble"] / (busy + parts["pipeline bubble"]) == pytest.approx(15 / 143)


def test_the_same_split_is_the_same_step():
    """MegaScale and the Megatron-LM beside it differ in nothing that the simulator knows."""
    for gpus in (256, 1024, 12288):
        theirs, old = (
            compare(RUNS_BY_NAME[f"{name} 175B on {gpus}"])
            for name in ("MegaScale", "MegaScale's Megatron-LM")
        )
        assert theirs.predicted == old.predicted
        assert theirs.measured > 1.2 * old.measured


@pytest.mark.parametrize("name", validation.FAMILIES)
def test_families_are_one_model_on_growing_clusters(name):
    runs = validation.family(name)
    assert len(runs) >= 3
    assert [run.n_gpu for run in runs] == sorted({run.n_gpu for run in runs})
    left = validation.strong_scaling(runs)
    first, last = compare(runs[0]), compare(runs[-1])
    assert left["measured"] == last.measured / first.measured
    assert left["n_gpu"] == runs[-1].n_gpu / runs[0].n_gpu
    assert left["plain"] <= left["interleaved"] < 1
    published = runs[0].interleaving is not None  # and then there is one pipeline, not a band
    assert (left["plain"] == left["interleaved"]) == published
    # the level is off by a factor of two, the change by less than ten points
    assert left["plain"] - 0.10 < left["measured"] < left["interleaved"] + 0.03


def test_the_bound_predicts_no_better_than_a_constant():
    """Over these runs the simulated level says next to nothing about the measured one."""
    found = [compare(run) for run in COMPARABLE]
    measured, predicted, useful = (
        np.log([get(each) for each in found])
        for get in (
            lambda each: each.measured,
            lambda each: each.predicted,
            lambda each: each.step.gpu.efficiency,
        )
    )
    assert np.corrcoef(measured, predicted)[0, 1] == pytest.approx(0.07, abs=0.005)
    assert np.std(measured - predicted) > np.std(measured - useful)


def test_figures_tell_what_they_show():
    assert "45 runs" in figures.measured_and_predicted().alt
    assert "MegaScale 93%" in figures.strong_scaling().alt


def test_grown_clusters_end_where_the_microbatches_do():
    grid = figures.more_gpus()
    theirs = grid.runs["Llama 3 405B", "interleaved"]
    assert theirs.columns["n_gpu"][-1] == 16384
    assert theirs.columns["utilization"][-1] == pytest.approx(compare(LLAMA).predicted, rel=0.003)
    best = grid.runs["Llama 3 405B", "best split"]
    assert best.columns["n_gpu"][-1] == 2**20
    ends = dict(zip(best.columns["n_gpu"], best.columns["utilization"], strict=True))
    for gpus, value in zip(theirs.columns["n_gpu"], theirs.columns["utilization"], strict=True):
        assert value <= ends[gpus] * 1.0001


@pytest.mark.parametrize(
    ("call", "name"),
    [
        *(
            ((lambda run=RUNS_BY_NAME[name]: compare(run)), "run must be comparable")
            for name in LEFT_OUT
        ),
        (lambda: validation.family("GPT-3"), "name"),
        (lambda: validation.strong_scaling([LLAMA]), "runs"),
        (lambda: validation.strong_scaling([ONE_NODE, LLAMA]), "runs"),
        (lambda: validation.strong_scaling([LLAMA, replace(LLAMA, batch_sequences=4096)]), "runs"),
    ],
)
def test_bad_values_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
