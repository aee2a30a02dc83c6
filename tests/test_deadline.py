"""Utilization at the deadline: against a plain loop over clusters, and where linear scaling then ends."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from dmcore import Model, best_parallelism, sweep
from dmcore.hardware.catalog import get_gpu
from dmcore.simulator.deadline import FACTORS, utilization_at_deadline
from dmcore.simulator.ends import READINGS, End, at_the_deadline, first_run_below
from dmcore.simulator.search import NothingFitsError


def by_a_plain_loop(gpu, model, duration_s, factors):
    """All sizes from one expert's on, in order; those that are faster than every smaller one."""
    sizes = sorted({model.experts * m * 2**i for m in factors for i in range(40)})
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
    [
        ("H100 SXM", 53248, False),
        ("H100 SXM", 163840, False),
        ("H100 SXM", 20480, True),
        ("V100 SXM", 24576, True),
        ("V100 SXM", 49152, True),
    ],
)
@pytest.mark.parametrize(("years", "factors"), [(0.25, FACTORS), (0.4, FACTORS), (0.25, (1, 3))])
def test_agrees_with_a_plain_loop(name, d_model, sparse, years, factors):
    gpu, model = get_gpu(name), Model.from_laws(d_model, sparse)
    expected = by_a_plain_loop(gpu, model, years * 3.154e7, factors)
    found = utilization_at_deadline(name, model, years, factors=factors)
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_dip_of_the_papers_reading_is_a_short_run():
    """The run at 2.05e28 FLOP ends in 1.70 months; given its three months it stays above the level."""
    found = sweep("H100 SXM", d_models=(53248,))
    useful = found.gpu.efficiency
    assert found.training_flop[0] == pytest.approx(2.05e28, rel=2e-3)
    assert (found.months[0], found.utilization[0] / useful) == pytest.approx(
        (1.70, 0.790), abs=5e-3
    )
    assert found.utilization_at_deadline[0] / useful > 0.87
    step = best_parallelism("H100 SXM", found.steps[0].model, 9 * 2**19)
    assert (step.months, step.utilization / useful) == pytest.approx((2.65, 0.899), abs=5e-3)


def two_digits(flop):
    return float(f"{flop:.1e}")


@pytest.mark.parametrize(
    ("name", "sparse", "flop", "low", "high"),
    [
        ("H100 SXM", False, 8.7e28, 8.7e28, 1.7e29),
        ("A100 SXM", False, 1.2e29, 7.9e28, 1.2e29),
        ("V100 SXM", False, 3.8e27, 1.9e27, 4.7e27),
        ("H100 SXM Low Latency", False, 1.2e29, 1.1e29, 2.1e29),
        ("H100 SXM Global NVLink", False, 8.3e29, 8.3e29, 8.5e29),
        ("H100 SXM Global NVLink and LL", False, 7.4e31, 7.1e31, 7.4e31),
        ("H100 SXM", True, 3.4e29, 3.1e29, 3.4e29),
        ("A100 SXM", True, 3.3e29, 3.0e29, 3.3e29),
    ],
)
def test_ends(name, sparse, flop, low, high):
    found = sweep(name, sparse)
    assert found.end.low == found.end.high == found.end.flop  # one crossing
    assert two_digits(found.end.flop) == flop
    assert found.end_range.flop == found.end.flop
    assert [two_digits(found.end_range.low), two_digits(found.end_range.high)] == [low, high]


def test_a_curve_that_crosses_more_than_once_has_a_range():
    """On sparse V100s the runs at 1.0e28 and 1.4e28 FLOP are below the level, and the next is above again."""
    found = sweep("V100 SXM", sparse=True)
    above = found.utilization_at_deadline > 0.8 * found.gpu.efficiency
    assert above[6:11].tolist() == [True, False, False, True, False]
    assert [two_digits(found.end.low), two_digits(found.end.high)] == [7.6e27, 2.1e28]
    assert found.end.flop == pytest.approx(math.sqrt(found.end.low * found.end.high))
    assert [two_digits(found.end_range.low), two_digits(found.end_range.high)] == [1.4e27, 2.1e28]


def test_half_a_year_moves_the_end_as_the_square_law_says():
    """The closed form has the square of the duration, and 2.13 for its power with the simulator's laws."""
    by = sweep("H100 SXM", duration_years=0.5).end.flop / sweep("H100 SXM").end.flop
    assert by == pytest.approx(4.7, abs=0.05)
    papers = [first_run_below(sweep("H100 SXM", duration_years=years)) for years in (0.25, 0.5)]
    assert papers[1] / papers[0] > 19  # by the first run below


def test_gains_of_better_networks():
    ends = [
        sweep(f"H100 SXM{words}").end.flop
        for words in ("", " Low Latency", " Global NVLink", " Global NVLink and LL")
    ]
    latency, flat, both = (end / ends[0] for end in ends[1:])
    assert latency == pytest.approx(1.4, abs=0.05)
    assert flat == pytest.approx(9.6, abs=0.1)
    assert both == pytest.approx(850, abs=5)


def test_a_curve_that_never_was_linear_or_always_is_has_no_end():
    short = sweep("H100 SXM", d_models=(12288, 14336))
    assert short.end == short.end_range == End(None, None, None, "at the deadline")
    assert at_the_deadline(short, level=1.2).flop is None
    assert str(short.end) == "none"


def test_a_run_that_no_cluster_ends_in_time():
    assert utilization_at_deadline("H100 SXM", Model.from_laws(12288), 1e-5) is None
    # Even the smallest that holds the weights ends so long a run.
    assert utilization_at_deadline("H100 SXM", Model.from_laws(12288), 1e5) == pytest.approx(
        0.7, rel=1e-4
    )
    with pytest.raises(ValueError, match="duration_years must be positive"):
        utilization_at_deadline("H100 SXM", Model.from_laws(12288), 0)
    with pytest.raises(ValueError, match="level must be positive"):
        at_the_deadline(sweep("H100 SXM", d_models=(12288,)), 0)


def test_is_about_as_fast_as_a_sweep():
    """Measured in one run; twice to three times on a quiet machine, with leave for a busy one."""

    def seconds(what):
        start = time.process_time()
        what()
        return time.process_time() - start

    found = sweep("H100 SXM")
    assert found.end.flop  # warm
    a_sweep = min(seconds(lambda: sweep("H100 SXM")) for _ in range(3))
    an_end = min(seconds(lambda: at_the_deadline(sweep("H100 SXM"))) for _ in range(3)) - a_sweep
    assert an_end < 5 * a_sweep


def test_every_reading_has_a_name():
    assert next(iter(READINGS)) == "at the deadline"
    found = sweep("H100 SXM")
    assert READINGS["at the deadline"](found) == found.end.flop
    assert READINGS["first run below"](found) == found.linear_scaling_end
