"""Utilization at the deadline: against a plain loop over clusters, and where linear scaling then ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dmcore import Model, best_parallelism, sweep
from dmcore.hardware.catalog import get_gpu
from dmcore.simulator.deadline import (
    FACTORS,
    End,
    at_deadline,
    end_at_deadline,
    utilization_at_deadline,
)
from dmcore.simulator.search import NothingFitsError


def by_a_plain_loop(gpu, model, duration_s):
    """All sizes from one expert's on, in order; those that are faster than every smaller one."""
    sizes = sorted({model.experts * m * 2**i for m in FACTORS for i in range(40)})
    records = []
    for n_gpu in sizes:
        if n_gpu < model.training_flop / (2 * duration_s * gpu.peak_flop_per_s):
            continue  # takes twice as long at least
        try:
            run_s = best_parallelism(gpu, model, n_gpu).run_s
        except NothingFitsError:
            continue
        if not records or run_s < records[-1][1]:
            records.append((n_gpu, run_s))
        if run_s <= duration_s:
            break
    (late, late_s), (early, early_s) = records[-2:]
    assert early_s <= duration_s < late_s
    x = np.interp(
        -math.log(duration_s), [-math.log(late_s), -math.log(early_s)], np.log([late, early])
    )
    return model.training_flop / (math.exp(x) * gpu.peak_flop_per_s * duration_s)


@pytest.mark.parametrize(
    ("name", "d_model", "sparse"),
    [("H100 SXM", 53248, False), ("H100 SXM", 20480, True), ("V100 SXM", 49152, True)],
)
@pytest.mark.parametrize("years", [0.25, 0.4])
def test_agrees_with_a_plain_loop(name, d_model, sparse, years):
    gpu, model = get_gpu(name), Model.from_laws(d_model, sparse)
    expected = by_a_plain_loop(gpu, model, years * 3.154e7)
    assert utilization_at_deadline(name, model, years) == pytest.approx(expected, rel=1e-12)


def test_the_dip_of_the_papers_reading_is_a_short_run():
    """The run at 2.05e28 FLOP ends in 1.70 months; given its three months it stays above the level."""
    found = sweep("H100 SXM", d_models=(53248,))
    useful = found.gpu.efficiency
    assert found.training_flop[0] == pytest.approx(2.05e28, rel=2e-3)
    assert (found.months[0], found.utilization[0] / useful) == pytest.approx(
        (1.70, 0.790), abs=5e-3
    )
    assert at_deadline(found)[0] / useful > 0.87
    step = best_parallelism("H100 SXM", found.steps[0].model, 9 * 2**19)
    assert (step.months, step.utilization / useful) == pytest.approx((2.65, 0.899), abs=5e-3)


@pytest.mark.parametrize(
    ("name", "sparse", "flop"),
    [
        ("H100 SXM", False, 8.7e28),
        ("A100 SXM", False, 1.2e29),
        ("V100 SXM", False, 3.8e27),
        ("H100 SXM", True, 3.4e29),
    ],
)
def test_ends(name, sparse, flop):
    end = end_at_deadline(sweep(name, sparse))
    assert end.low == end.high == end.flop
    assert float(f"{end.flop:.1e}") == flop


def test_a_curve_that_crosses_more_than_once_has_a_range():
    end = end_at_deadline(sweep("V100 SXM", sparse=True))
    assert end.low < end.flop < end.high


def test_a_curve_that_never_was_linear_or_always_is_has_no_end():
    short = sweep("H100 SXM", d_models=(12288, 14336))
    assert end_at_deadline(short).flop is None
    assert end_at_deadline(short, level=1.2).flop is None
    assert End(None, None, "x").flop is None


def test_a_run_that_no_cluster_ends_in_time():
    assert utilization_at_deadline("H100 SXM", Model.from_laws(12288), 1e-5) is None
    with pytest.raises(ValueError, match="duration_years must be positive"):
        utilization_at_deadline("H100 SXM", Model.from_laws(12288), 0)
