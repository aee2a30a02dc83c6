"""Training runs and their growth: closed forms against arithmetic done another way."""

import math

import numpy as np
import pytest

from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks.limits import QUARTER_S, critical_compute
from dmcore.evidence import training_runs
from dmcore.hardware.catalog import GPUS
from dmcore.studies import growth

LLAMA = training_runs.TRAINING_RUNS["Llama 3.1 405B"]


@pytest.mark.parametrize(
    "name", [name for name, run in training_runs.TRAINING_RUNS.items() if run.params]
)
def test_documented_compute_is_six_times_parameters_times_tokens(name):
    run = training_runs.TRAINING_RUNS[name]
    assert run.computed_flop == pytest.approx(6 * run.params * run.tokens, rel=1e-12)
    assert run.computed_flop == pytest.approx(run.flop, rel=0.02)


def test_runs_are_in_order_of_time_and_compute():
    table = list(training_runs.TRAINING_RUNS.values())
    assert table == sorted(table, key=lambda run: run.year)
    assert table == sorted(table, key=lambda run: run.flop)


@pytest.mark.parametrize("rate", [1.5, 4.0, 4.5, 5.0])
def test_year_reached_is_found_by_growing_step_by_step(rate):
    target = critical_compute("H100 SXM")
    year = growth.year_of_compute(target, rate, LLAMA)
    day = math.log(rate) / 36525
    days = 0
    log_compute = math.log(LLAMA.flop)
    while log_compute < math.log(target):
        log_compute += day
        days += 1
    assert year == pytest.approx(LLAMA.year + days / 36525, abs=1e-4)


def test_the_two_forms_of_growth_undo_each_other():
    years = np.linspace(2018.0, 2040.0, 23)
    macs = evaluate(growth.compute_in_year(), y=years, g=4.5, T_1=LLAMA.macs, y_1=LLAMA.year)
    np.testing.assert_allclose(growth.year_of_compute(2 * macs, 4.5, LLAMA), years, rtol=1e-12)


def test_longest_run_is_the_best_of_many_starts():
    rate = 4.5
    durations = np.linspace(0.01, 3, 30_000)
    best = durations[np.argmax(durations * rate**-durations)]
    assert evaluate(growth.longest_run(), g=rate) == pytest.approx(best, abs=2e-4)


def test_a_chinchilla_model_costs_what_was_asked():
    params, tokens = training_runs.chinchilla_model(1e25)
    assert tokens / params == pytest.approx(20)
    assert 6 * params * tokens == pytest.approx(1e25)


def test_gpus_do_the_work_in_time():
    gpu = GPUS["H100 SXM"]
    count = training_runs.gpus_needed(1e26, gpu)
    assert count * gpu.useful_flop_per_s * QUARTER_S == pytest.approx(1e26)
    assert training_runs.gpus_needed(1e26, gpu, utilization=0.35) == pytest.approx(
        count * gpu.efficiency / 0.35
    )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: growth.year_of_compute(1e28, 1.0, LLAMA), "growth"),
        (lambda: growth.year_of_compute(-1.0, 4.0, LLAMA), "compute_flop"),
        (lambda: training_runs.gpus_needed(1e26, "H100 SXM", utilization=1.2), "utilization"),
        (lambda: training_runs.gpus_needed(1e26, "H100"), "gpu"),
        (lambda: training_runs.TrainingRun("x", "", 2020.0, 1e20), "source"),
        (lambda: training_runs.TrainingRun("x", "y", 2020.0, -1e20), "flop"),
    ],
)
def test_bad_values_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
