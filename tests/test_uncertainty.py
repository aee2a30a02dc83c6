"""Distributions of the limits, against quantiles worked out in other ways."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from zlib import crc32

import numpy as np
import pytest
import sympy as sp

from dmcore.algebra.symbols import SYMBOLS
from dmcore.bottlenecks import limits
from dmcore.chapters import uncertainty as figures
from dmcore.hardware.catalog import GPUS, get_gpu
from dmcore.studies import doubt, uncertainty
from dmcore.studies.uncertainty import Assumption, assumptions, growth_of_runs, limit_flop, sample

BELIEFS = (*assumptions(), growth_of_runs())
UNSURE = tuple(belief for belief in BELIEFS if belief.low < belief.high)
BY_SYMBOL = {belief.symbol: belief for belief in BELIEFS}
LIMITS = tuple(uncertainty.LIMITS)
DRAWS = 100_000
BOOK = Path(__file__).parents[1] / "book"


def known(belief: Assumption, value: float) -> Assumption:
    return replace(belief, low=value, high=value)


def each(beliefs):
    return pytest.mark.parametrize("belief", beliefs, ids=lambda belief: belief.symbol)


@each(UNSURE)
def test_draws_have_the_stated_quantiles(belief):
    drawn = sample([belief], DRAWS)[belief.symbol]
    assert drawn.shape == (DRAWS,)
    for share in (0.05, 0.5, 0.95):
        # the share of draws below the point, to five standard errors
        error = 5 * (share * (1 - share) / DRAWS) ** 0.5
        assert np.mean(drawn < belief.quantile(share)) == pytest.approx(share, abs=error)


@each(UNSURE)
def test_low_and_high_are_what_the_shape_says(belief):
    if belief.shape == "lognormal":
        assert belief.quantile(0.05) == pytest.approx(belief.low)
        assert belief.quantile(0.95) == pytest.approx(belief.high)
        assert belief.quantile(0.5) == pytest.approx((belief.low * belief.high) ** 0.5)
    elif belief.shape == "normal":
        assert belief.quantile(0.05) == pytest.approx(belief.low, abs=1e-12)
        assert belief.quantile(0.95) == pytest.approx(belief.high)
        assert belief.quantile(0.5) == pytest.approx((belief.low + belief.high) / 2)
    else:
        drawn = sample([belief], DRAWS)[belief.symbol]
        assert belief.low <= drawn.min() <= drawn.max() <= belief.high
        assert belief.quantile(0.25) == pytest.approx(0.75 * belief.low + 0.25 * belief.high)


@each(BELIEFS)
def test_beliefs_have_reasons_and_hold_the_baseline(belief):
    assert belief.label
    assert belief.reason.endswith(".")
    assert belief.symbol in SYMBOLS
    # the paper has no attention, and every model has some
    assert belief.low <= belief.baseline <= belief.high or belief.symbol == "xi"
    keys = re.findall(r"@\w+\{([^,]+),", (BOOK / "references.bib").read_text("utf-8"))
    assert set(belief.sources) <= set(keys)


def test_seeds_reproduce_and_differ():
    first, again, other = (
        sample(UNSURE, 1000, 3),
        sample(UNSURE, 1000, 3),
        sample(UNSURE, 1000, 4),
    )
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])


def test_draws_of_one_belief_do_not_depend_on_the_others():
    together = sample(BELIEFS, 1000)
    for belief in BELIEFS:
        np.testing.assert_array_equal(
            sample([belief], 1000)[belief.symbol], together[belief.symbol]
        )
    assert abs(np.corrcoef(together["b_p"], together["t"])[0, 1]) < 0.15


def test_draws_do_not_depend_on_the_table_of_symbols():
    """The first draw of the latency is made of its name and the seed, and of nothing else."""
    deviation = np.random.default_rng([0, crc32(b"ell")]).standard_normal(1)
    belief = BY_SYMBOL["ell"]
    drawn = sample([belief], 1)["ell"]
    assert np.log(drawn) == pytest.approx(
        np.log(belief.quantile(0.5))
        + deviation * np.log(belief.high / belief.quantile(0.5)) / 1.6448536
    )


def test_draws_of_all_beliefs_are_evaluated_together():
    """All of a million at once, none of them one by one: a limit is called once with arrays."""
    draws = sample(BELIEFS)
    for limit in LIMITS:
        assert limit_flop(limit, draws).shape == (1_000_000,)


# ------------------------------------------------------------------------------------- the limits


@pytest.mark.parametrize("gpu", [*GPUS][:6])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.2])
def test_baseline_is_that_of_the_limits(gpu, alpha):
    if np.isfinite(GPUS[gpu].inter_node_bytes_per_s):
        found = limit_flop("critical", {"alpha": alpha}, gpu)
        assert found == pytest.approx(limits.critical_compute(gpu, alpha), rel=1e-9)
    assert limit_flop("latency", {"alpha": alpha}, gpu) == pytest.approx(
        limits.latency_limit(alpha), rel=1e-9
    )


@pytest.mark.parametrize("limit", LIMITS)
def test_beliefs_without_doubt_recover_the_baseline(limit):
    sure = [known(belief, belief.baseline) for belief in BELIEFS]
    drawn = limit_flop(limit, sample(sure, 1000))
    np.testing.assert_allclose(drawn, limit_flop(limit, {}), rtol=1e-9)
    interval = uncertainty.credible_interval(drawn)
    assert interval.decades == pytest.approx(0, abs=1e-9)
    for effect in uncertainty.tornado(limit, sure):
        assert effect.decades == pytest.approx(0, abs=1e-9)


def test_another_gpu_brings_its_node():
    gpu = "GB200 NVL72"
    assert uncertainty.baseline(gpu)["G"] == 72
    assert limit_flop("critical", {}, gpu) == pytest.approx(
        limits.critical_compute(get_gpu(gpu)), rel=1e-9
    )


@pytest.mark.parametrize("limit", LIMITS)
@each(UNSURE)
def test_limits_are_monotone_in_beliefs(limit, belief):
    """A belief shifted up moves every quantile the way the elasticity says, or not at all."""
    draws = sample(BELIEFS, 2000)
    shift = {"alpha": 0.05}.get(belief.symbol)
    moved = draws[belief.symbol] + shift if shift else draws[belief.symbol] * 1.3
    before, after = limit_flop(limit, draws), limit_flop(limit, {**draws, belief.symbol: moved})
    signs = {"L_0": -1, "r": -1, "F": -1, "ell": -1, "xi": -1}
    if belief.symbol not in uncertainty.needed(limit):
        np.testing.assert_array_equal(before, after)
    elif belief.symbol != "alpha":
        sign = signs.get(belief.symbol, 1)
        assert np.all(sign * (after - before) > 0)
        shares = np.linspace(0.05, 0.95, 7)
        assert np.all(sign * (np.quantile(after, shares) - np.quantile(before, shares)) > 0)
    else:
        assert np.all(after > before)


@pytest.mark.parametrize("limit", LIMITS)
def test_tornado_is_the_limit_at_two_points(limit):
    effects = uncertainty.tornado(limit, BELIEFS)
    decades = [round(each.decades, 9) for each in effects]  # equal ones stay in their order
    assert decades == sorted(decades, reverse=True)
    middle = {belief.symbol: belief.quantile(0.5) for belief in BELIEFS}
    expr = {
        "critical": limits.critical_macs_of_hardware(),
        "latency": limits.latency_macs(),
    }[limit]
    names = {symbol.name for symbol in expr.free_symbols} - {"b_0", "T_0"} | {"b_p", "xi"}
    assert {each.assumption.symbol for each in effects} == names & set(BY_SYMBOL)
    for each in effects:
        belief = each.assumption
        for share, found in ((0.05, each.at_low), (0.95, each.at_high)):
            values = {**middle, belief.symbol: belief.quantile(share)}
            assert found == limit_flop(limit, values)
        if belief.symbol not in (
            "alpha",
            "b_p",
            "xi",
        ):  # a power: the elasticity times the decades of the belief
            symbol = SYMBOLS[belief.symbol].symbol
            (alpha,) = (SYMBOLS["alpha"].symbol,)
            power = float(limits.elasticity(expr, symbol).subs(alpha, middle["alpha"]))
            width = np.log10(belief.quantile(0.95) / belief.quantile(0.05))
            assert each.decades == pytest.approx(abs(power) * width)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("alpha", [0.0, 0.03, 0.15])
def test_lognormal_doubts_add_as_computed(limit, alpha):
    """Monte Carlo against the closed form, with every belief lognormal."""
    lognormal = [
        replace(belief, shape="lognormal")
        for belief in assumptions()
        if belief.symbol not in ("alpha", "xi")
    ]
    drawn = limit_flop(limit, {**sample(lognormal, DRAWS), "alpha": alpha})
    interval = uncertainty.credible_interval(drawn)
    for upper, found in ((False, interval.low), (True, interval.high)):
        bound = doubt.bound_flop(limit, lognormal, alpha, upper)
        assert np.log(found) == pytest.approx(
            np.log(bound), abs=0.02 * np.log(interval.high / interval.low)
        )


def test_doubts_add_like_the_sides_of_a_right_angle():
    """By hand, for the latency limit: powers 2, -2, -1 ... at alpha = 0."""
    t, ell = BY_SYMBOL["t"], BY_SYMBOL["ell"]
    bound = doubt.bound_flop("latency", [t, ell], 0.0)
    t_width, ell_width = np.log(2), np.log(10) / 2
    middle = limits.latency_limit(latency_s=(3e-6 * 30e-6) ** 0.5)
    assert bound == pytest.approx(middle * np.exp(np.hypot(2 * t_width, 2 * ell_width)))


def test_no_doubt_leaves_the_limit():
    for limit in LIMITS:
        for upper in (False, True):
            expr = doubt.bound_at_alpha(limit, upper)
            sure = expr.subs({doubt.doubt(name): 1 for name in doubt.doubtful_symbols(limit)})
            assert sp.simplify(sure / uncertainty.limit_macs(limit)) == 1


def test_credible_interval_of_a_normal():
    values = np.random.default_rng(1).normal(10, 2, DRAWS)
    interval = uncertainty.credible_interval(values, 0.5)
    half = 2 * NormalDist().inv_cdf(0.75)
    assert (interval.low, interval.median, interval.high) == pytest.approx(
        (10 - half, 10, 10 + half), abs=0.05
    )
    assert interval.share == 0.5


def test_years_of_the_baseline_and_of_a_sure_growth():
    baseline = limit_flop("critical", {})
    rate = growth_of_runs().baseline
    run = uncertainty.LATEST_RUN
    by_hand = run.year + np.log(baseline / run.flop) / np.log(rate)
    assert uncertainty.limit_years(baseline, rate) == pytest.approx(by_hand)
    draws = sample(BELIEFS, 5000)
    flop = limit_flop("critical", draws)
    fast, slow = (uncertainty.limit_years(flop, factor) for factor in (5.0, 4.0))
    late = flop > run.flop
    assert np.all(fast[late] < slow[late])


# ---------------------------------------------------------------------------------------- figures


def test_explorer_is_the_bound():
    """The live figure's bands are the closed form, at its own defaults."""
    explorer = figures.doubt_explorer()
    values = explorer.defaults()
    for band, limit in zip(explorer.bands, reversed(LIMITS), strict=True):
        beliefs = []
        for name in doubt.doubtful_symbols(limit):
            middle, factor = values[name], values[f"u_{name}"]
            shown = BY_SYMBOL[name]
            beliefs.append(
                replace(shown, shape="lognormal", low=middle / factor, high=middle * factor)
            )
        assert band.above is not None
        assert band.below is not None
        for expr, upper in ((band.above, False), (band.below, True)):
            drawn = 2 * explorer.along_x(expr, values)
            for place in (0, 80, 160):
                alpha = float(explorer.x_values()[place])
                assert drawn[place] == pytest.approx(
                    doubt.bound_flop(limit, beliefs, alpha, upper), rel=1e-9
                )


def test_figures_tell_their_numbers():
    draws = sample(BELIEFS, 20_000)
    told = figures.densities(draws).alt
    assert "1.9 × 10²⁸" in told
    assert "2.3 × 10³¹" in told
    assert "network bandwidth" in figures.tornados(assumptions()).alt
    assert "90 % between" in figures.years(draws).alt


# ----------------------------------------------------------------------------------- the priors


def test_a_batch_measured_elsewhere_is_carried_by_its_law():
    """The paper's own law leads from its batch at 1e20 FLOP back to 4 million tokens."""
    paper = uncertainty.baseline()
    carried = {"T_p": 1e20, "b_p": BY_SYMBOL["b_p"].baseline}
    assert carried["b_p"] == pytest.approx(paper["b_p"] * (1e20 / 3e23) ** 0.13639, rel=1e-4)
    for limit in LIMITS:
        assert limit_flop(limit, carried) == pytest.approx(limit_flop(limit, {}))
    steeper = {**carried, "alpha": 0.1}  # three thousand times the compute, to the power 0.1
    by_hand = limit_flop("latency", {"alpha": 0.1, "b_p": paper["b_p"] * 3000**0.1})
    assert limit_flop("latency", steeper) == pytest.approx(by_hand)


def test_all_of_attention_is_that_of_the_corrected_forms():
    from dmcore.studies.corrections import CORRECTIONS

    found = {limit: limit_flop(limit, {"xi": 1.0}) / limit_flop(limit, {}) for limit in LIMITS}
    assert found["critical"] == pytest.approx(1 / 4)
    assert found["latency"] == pytest.approx((36 / 81) ** 2)
    attention = CORRECTIONS[2]
    assert attention.critical_flop() / limit_flop("critical", {}) == pytest.approx(1 / 4, rel=0.02)


@pytest.mark.parametrize("prior", uncertainty.PRIORS)
def test_the_order_of_the_limits_does_not_depend_on_the_batch(prior):
    draws = sample(assumptions(prior=prior), 20_000)
    early = np.mean(limit_flop("latency", draws) < limit_flop("critical", draws))
    known = {**draws, "alpha": 0.0, "b_p": 1e6, "T_p": 3e23}
    assert early == np.mean(limit_flop("latency", known) < limit_flop("critical", known))
    assert early < 0.01


def test_priors_move_the_median_by_two_powers_of_ten():
    rows = uncertainty.under_priors("critical", draws=20_000)
    medians = [interval.median for interval, _ in rows.values()]
    assert 100 < max(medians) / min(medians) < 400
    paper = limit_flop("critical", {})
    assert all(interval.low < paper < interval.high for interval, _ in rows.values())
    shares = [share for _, share in rows.values()]
    assert min(shares) < 0.2 < 0.6 < max(shares)


def test_uniform_ends_are_laws_of_the_simulation():
    alpha = assumptions(prior="anything published")[0]
    assert (alpha.shape, alpha.low, alpha.high) == (
        "uniform",
        pytest.approx(-0.1364, abs=1e-4),
        pytest.approx(0.1907, abs=1e-4),
    )
    with pytest.raises(ValueError, match="prior must be one of"):
        assumptions(prior="nobody's")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: replace(BY_SYMBOL["r"], low=50.0), "low"),
        (lambda: replace(BY_SYMBOL["r"], low=0.0), "low"),
        (lambda: replace(BY_SYMBOL["r"], high=float("inf")), "high"),
        (lambda: replace(BY_SYMBOL["r"], shape="cauchy"), "shape"),
        (lambda: replace(BY_SYMBOL["r"], symbol="no"), "symbol"),
        (lambda: BY_SYMBOL["r"].quantile(1.0), "share"),
        (lambda: assumptions("H200"), "gpu"),
        (lambda: sample(BELIEFS, 0), "draws"),
        (lambda: sample([BY_SYMBOL["r"], BY_SYMBOL["r"]], 10), "different symbols"),
        (lambda: limit_flop("memory", {}), "limit"),
        (lambda: limit_flop("critical", {"alpha": 0.5}), "alpha"),
        (lambda: limit_flop("critical", {"t": -1.0}), "t"),
        (lambda: uncertainty.tornado("memory", BELIEFS), "limit"),
        (lambda: doubt.doubt("no"), "symbol"),
        (lambda: doubt.doubtful_symbols("memory"), "limit"),
        (lambda: doubt.bound_at_alpha("memory"), "limit"),
        (
            lambda: doubt.bound_flop(
                "latency", [Assumption("t", "uniform", -9.0, 1.0, 0.5, "", "")], 0.0
            ),
            "t",
        ),
        (lambda: uncertainty.credible_interval(np.ones(3), 1.0), "share"),
        (lambda: uncertainty.limit_years(1e28, 0.5), "growth"),
    ],
)
def test_bad_values_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
