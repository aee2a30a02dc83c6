"""Elasticities: by SymPy against differences of the limits, and against sweeps of the simulator."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits
from dmcore.bottlenecks.critical_batch import REFERENCE_COMPUTE
from dmcore.chapters import elasticities as figures
from dmcore.hardware.variants import lower_latency
from dmcore.models.laws import batch_sequences
from dmcore.show.plots import draw_explorer
from dmcore.simulator.sweep import sweep
from dmcore.studies import elasticities
from dmcore.studies.change import own_laws
from dmcore.studies.elasticities import (
    LEVERS,
    Response,
    decades_per_alpha,
    elasticity_table,
    response,
)

H100 = GPUS["H100 SXM"]
ALPHA = 0.1
(alpha,) = symbols("alpha")
OWN = 1 / (1 - 2 * own_laws()["alpha"])


# ------------------------------------------------------------------------------ the closed forms


def limit_at(limit: str, **changes: float) -> float:
    values = {
        "alpha": ALPHA, "b_0": 4e6, "L_0": 100.0, "T_0": 3e23, "t": 7.9e6, "r": 20.0, "ell": 9e-6,
        "F": 5e14, "G": 8.0, "beta_hbm": 3.3e12, "beta_net": 1e11, "w_A": 2.0, "w_P": 2.0,
    } | changes  # fmt: skip
    forms = {"critical": limits.critical_macs_of_hardware(), "latency": limits.latency_macs()}
    return float(
        evaluate(forms[limit], {free.name: values[free.name] for free in forms[limit].free_symbols})
    )


@pytest.mark.parametrize("name", elasticities.ASSUMPTIONS)
@pytest.mark.parametrize("limit", ["critical", "latency"])
def test_a_factor_is_worth_its_elasticity(limit: str, name: str) -> None:
    values = {
        "b_0": 4e6, "L_0": 100.0, "T_0": 3e23, "t": 7.9e6, "r": 20.0, "ell": 9e-6, "F": 5e14,
        "G": 8.0, "beta_hbm": 3.3e12, "beta_net": 1e11, "w_A": 2.0, "w_P": 2.0,
    }  # fmt: skip
    gain = math.log(limit_at(limit, **{name: 1.7 * values[name]}) / limit_at(limit))
    power = elasticity_table().at(limit, name, ALPHA)
    assert gain / math.log(1.7) == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "critical", "latency"),
    [
        ("beta_net", 4, 0),
        ("beta_hbm", 2, 0),
        ("F", -4, 0),
        ("w_A", -4, 0),
        ("w_P", -2, 0),
        ("ell", 0, -2),
        ("t", 2, 2),
        ("L_0", -2, -2),
        ("r", -1, -1),
        ("T_0", 0, 0),
    ],
)
def test_powers_at_zero_alpha_by_hand(name: str, critical: int, latency: int) -> None:
    table = elasticity_table()
    assert table.at("critical", name, 0) == critical
    assert table.at("latency", name, 0) == latency


def test_all_powers_are_over_the_same_gap() -> None:
    table = elasticity_table()
    for powers in (table.critical, table.latency):
        for name, power in powers.items():
            whole = sp.simplify(power * (1 - 2 * alpha))
            assert whole.is_Integer or (name == "T_0" and whole == -2 * alpha)


@given(at=st.floats(-0.1, 0.3))
def test_slope_in_alpha_is_that_of_the_limits(at: float) -> None:
    step = 1e-6
    for limit in (lambda x: limits.critical_compute("H100 SXM", x), limits.latency_limit):
        difference = math.log10(limit(at + step) / limit(at - step)) / (2 * step)
        slope = evaluate(decades_per_alpha(), T=limit(at) / 2, T_0=REFERENCE_COMPUTE, alpha=at)
        assert slope == pytest.approx(difference, rel=1e-5)


def test_table_is_typeset_from_the_expressions() -> None:
    table = elasticity_table()
    shown = table._repr_markdown_()
    assert r"\frac{4}{1 - 2 \alpha}" in shown
    assert shown.count("\n|") == 1 + len(elasticities.ASSUMPTIONS)
    assert shown.endswith("for any α.*")
    with pytest.raises(ValueError, match="limit must be"):
        table.at("upper", "t", 0)
    with pytest.raises(ValueError, match="name must be"):
        table.at("critical", "d", 0)


# ---------------------------------------------------------------------------------- the simulator


def test_levers_change_the_sweep_by_their_factor_and_not_at_one() -> None:
    for lever in LEVERS.values():
        assert replace(lever.at(1.0).applied_to(H100), name=H100.name) == H100
        assert len(lever.at(2.0).differs) == 1
    assert LEVERS["duration"].at(2.0).years == 0.5
    law, larger = (LEVERS["batch"].at(factor).batch for factor in (1.0, 4.0))
    for flop in (1e24, 1e28, 3e31):
        assert law(flop, 1, 2048) == batch_sequences(flop)
        assert larger(flop, 1, 2048) == 4 * batch_sequences(flop)


def test_simulator_follows_the_power_of_duration_and_batch() -> None:
    for name in ("duration", "batch"):
        found = response(name)
        assert LEVERS[name].closed_form("critical") == pytest.approx(2 * OWN)
        assert found.slope(0.1, 10) == pytest.approx(2 * OWN, abs=0.15)
        assert found.slope(0.1, 10, "lasts") == pytest.approx(2 * OWN, abs=0.15)
        assert found.scatter(0.1, 10) < 0.12


def test_network_keeps_its_power_only_where_it_binds() -> None:
    alone, helped = response("network"), response("network", lower_latency(H100, 10))
    assert LEVERS["network"].closed_form("critical") == pytest.approx(4 * OWN)
    assert alone.slope(0.1, 1) > 2.5
    assert alone.slope(1, 10) < 1.5
    assert helped.slope(1, 5) == pytest.approx(4 * OWN, abs=0.6)
    assert alone.gain(10.0, "lasts") == 0


def test_latency_moves_the_last_run_by_the_power_of_its_limit() -> None:
    found = response("lower latency")
    assert LEVERS["lower latency"].closed_form("latency") == pytest.approx(2 * OWN)
    assert found.slope(0.1, 10, "lasts") == pytest.approx(2 * OWN, abs=0.15)
    assert LEVERS["lower latency"].closed_form("critical") == 0


def test_batch_exponent_moves_the_end_by_the_slope_in_alpha() -> None:
    changes, ends = np.array(elasticities.response_to_batch_exponent()).T
    laws = own_laws()
    macs = limits.critical_compute("H100 SXM", duration_s=3.154e7 / 4, **laws) / 2
    closed = evaluate(
        decades_per_alpha(), T=macs, T_0=laws["reference_compute"], alpha=laws["alpha"]
    )
    assert np.polyfit(changes, ends, 1)[0] == pytest.approx(closed, rel=0.12)
    # Without a change it is the plain sweep.
    assert ends[len(ends) // 2] == response("batch").ends[elasticities.FACTORS.index(1.0)]
    law = elasticities._batch_law(1.0, 0.06)
    assert law(3e23, 1, 2048) == 2048
    assert law(3e29, 1, 2048) == pytest.approx(2048 * 10 + 2048 * 12.9, rel=0.2)


def test_response_fits_a_line_through_what_is_known() -> None:
    found = Response("x", (0.1, 1.0, 10.0), (math.nan, 3.0, 5.0), (0.0, 1.0, 5.0))
    assert found.gain(10.0) == 2
    assert found.slope(0.1, 10) == pytest.approx(2)
    assert found.scatter(1, 10) == pytest.approx(0, abs=1e-12)
    # 0, 1, 5 lie 0.5, 1 and 0.5 off their line of slope 2.5.
    assert found.slope(0.1, 10, "lasts") == pytest.approx(2.5)
    assert found.scatter(0.1, 10, "lasts") == pytest.approx(math.sqrt(1.5 / 3))
    with pytest.raises(ValueError, match="two factors or more"):
        found.slope(0.1, 1)
    with pytest.raises(ValueError, match="factor must be"):
        found.gain(3.0)
    table = elasticities.table_of_responses(
        (replace(response("network"), ends=(math.nan, *response("network").ends[1:])),)
    )
    assert table.rows[0][:3] == ("network", "4.26", "–")


def test_bad_levers_and_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="lever must be"):
        response("hope")
    with pytest.raises(ValueError, match="factors must be positive"):
        response("network", H100, (0.0, 1.0))


# --------------------------------------------------------------------------------------- pictures


def test_explorer_gains_what_the_powers_say() -> None:
    explorer = figures.gains_explorer()
    critical, latency = explorer.readouts
    assert explorer.read(critical, explorer.defaults()) == pytest.approx(4)
    assert explorer.read(latency, explorer.defaults()) == pytest.approx(0)
    all_ten = dict.fromkeys(explorer.defaults(), 10.0)
    assert explorer.read(critical, all_ten) == pytest.approx(4 + 2 - 4 + 2 + 2 - 2)
    assert explorer.read(latency, all_ten) == pytest.approx(-2 + 2 + 2 - 2)
    assert "Gain" in draw_explorer(explorer).alt


def test_picture_of_the_exponent_says_its_ends() -> None:
    assert "at -0.03" in figures.exponent().alt


def test_plain_sweep_is_the_middle_of_every_response() -> None:
    ends = {response(name).ends[elasticities.FACTORS.index(1.0)] for name in ("network", "batch")}
    assert len(ends) == 1
    last = sweep(H100).training_flop[-1]
    assert response("network").lasts[0] == pytest.approx(math.log10(last))
