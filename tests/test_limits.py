"""The two limits: what comes out of the algebra, against formulas written out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPUS, evaluate
from dmcore.algebra.symbols import mac, same_unit, symbols, unit_of
from dmcore.bottlenecks import (
    composition,
    critical_batch,
    latency,
    limits,
    memory_bandwidth,
    network,
)
from dmcore.bottlenecks.summary import summary
from dmcore.chapters import limits as figures
from dmcore.hardware.gpu import NetworkLevel
from dmcore.hardware.variants import with_words
from dmcore.models import laws
from dmcore.models.words import Words
from dmcore.show.plots import draw_explorer

REAL = ("V100 SXM", "A100 SXM", "H100 SXM")
alphas = st.floats(-0.2, 0.3)
below = st.floats(0.0, 0.25)
factors = st.floats(0.1, 10)
ROOT = Path(__file__).parents[1]


def by_hand(gpu, alpha=0.0, t=limits.QUARTER_S, w=2.0, b_0=4e6, L_0=100.0, T_0=3e23) -> float:
    """T_crit in FLOP from data-sheet figures, written out with nothing of the package."""
    C = 8 * gpu.peak_flop_per_s / 2
    M = 8 * gpu.hbm_bytes_per_s / (2 * w)
    W = 8 * gpu.network[-1].bytes_per_s / (2 * w)
    n, a = C / M, 4 / 3 * C / W
    square = (b_0 / L_0 * T_0**-alpha * C * t / (a * a * n)) ** 2
    return 2 * (square / 960) ** (1 / (1 - 2 * alpha))


def latency_by_hand(alpha=0.0, t=limits.QUARTER_S, ell=9e-6, b_0=4e6, L_0=100.0, T_0=3e23) -> float:
    square = (b_0 / L_0 * T_0**-alpha * t / ell) ** 2
    return 2 * (3 / 320 * square) ** (1 / (1 - 2 * alpha))


# ---------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("name", "at_zero", "at_fifth"),
    [
        ("V100 SXM", "1.30e+27", "2.19e+29"),
        ("A100 SXM", "2.62e+28", "3.25e+31"),
        ("H100 SXM", "1.92e+28", "1.94e+31"),
    ],
)
def test_critical_compute_as_published(name: str, at_zero: str, at_fifth: str) -> None:
    assert f"{limits.critical_compute(name):.2e}" == at_zero
    assert f"{limits.critical_compute(name, 0.2):.2e}" == at_fifth


def test_latency_limit_as_published() -> None:
    assert f"{limits.latency_limit():.1e}" == "2.3e+31"


def test_baselines() -> None:
    assert limits.QUARTER_S == 365.25 * 86400 / 4 == 7889400
    assert limits.TOKENS_PER_PARAMETER == 20


@given(
    name=st.sampled_from(REAL),
    alpha=alphas,
    t=st.floats(1e5, 1e9),
    b_0=st.floats(1e4, 1e9),
    L_0=st.floats(10, 1000),
    T_0=st.floats(1e20, 1e26),
    w=st.sampled_from([0.5, 1.0, 2.0, 4.0]),
)
def test_critical_compute_is_the_formula_by_hand(name, alpha, t, b_0, L_0, T_0, w) -> None:
    found = limits.critical_compute(
        name,
        alpha,
        t,
        word_bytes=w,
        reference_batch_tokens=b_0,
        reference_layers=L_0,
        reference_compute=T_0,
    )
    assert found == pytest.approx(by_hand(GPUS[name], alpha, t, w, b_0, L_0, T_0), rel=1e-9)


@given(alpha=alphas, t=st.floats(1e5, 1e9), ell=st.floats(1e-7, 1e-3), b_0=st.floats(1e4, 1e9))
def test_latency_limit_is_the_formula_by_hand(alpha, t, ell, b_0) -> None:
    found = limits.latency_limit(alpha, t, ell, reference_batch_tokens=b_0)
    assert found == pytest.approx(latency_by_hand(alpha, t, ell, b_0), rel=1e-9)


def test_gradients_of_replicas_counted_by_hand() -> None:
    # 34 replicas of 100 stages of 90 nodes, as at the limit of the H100.
    gpu, replicas, stages, nodes, params, batch = GPUS["H100 SXM"], 34, 100, 90, 2e12, 4e6
    held = params / (nodes * stages)
    averaging_s = 2 * held * 2 / (8 * gpu.inter_node_bytes_per_s / 2)
    arithmetic_s = 6 * params * batch / (replicas * stages * nodes * 8 * gpu.peak_flop_per_s)
    rate = {"G": 8, "C": 8 * gpu.peak_flop_per_s / 2, "w_P": 2}
    rate["beta_net"] = gpu.inter_node_bytes_per_s
    found = evaluate(composition.gradient_share(), rate, N_DP=replicas, b=batch)
    assert found == pytest.approx(averaging_s / arithmetic_s)
    assert found == pytest.approx(0.112, abs=0.001)
    # One stage, and so few tokens that it is just kept busy: eleven times as long as the step.
    least = composition.gradient_share_of_stages()
    assert evaluate(least, N_PP=1, beta_hbm=3352, beta_net=100) == pytest.approx(11.17, abs=0.01)


# ---------------------------------------------------------------------------------------- algebra


def test_factors_and_exponent_come_out_of_the_algebra() -> None:
    alpha, r, T_0 = symbols("alpha r T_0")
    for macs, factor in (
        (limits.critical_macs(), sp.Rational(1, 960)),
        (limits.latency_macs(), sp.Rational(3, 320)),
    ):
        base, exponent = (macs / T_0).as_base_exp()
        assert sp.simplify(exponent - 1 / (1 - 2 * alpha)) == 0
        assert base.subs(r, 20).as_coeff_Mul()[0] == factor


def _clear() -> None:
    every = (laws, memory_bandwidth, network, latency, critical_batch, composition, limits)
    for module in every:
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Change a constant of a bottleneck, so that everything is derived anew; undone afterwards."""

    def change(module, name: str, value: int) -> None:
        assert getattr(module, name) != value
        for holder in {module, network} if hasattr(network, name) else {module}:
            monkeypatch.setattr(holder, name, value)
        _clear()

    yield change
    monkeypatch.undo()
    _clear()


@pytest.mark.parametrize(
    ("module", "name", "value", "critical", "wall"),
    [
        # T = passes r P^2, but a = (4 / passes) C / W is a symbol of its own here.
        (laws, "PASSES", 4, "1/1280", "1/80"),
        # Both matrices of a layer: half as many parameters, so d is wider by the root of two.
        (laws, "MATRICES_PER_LAYER", 1, "1/240", "3/320"),
        (critical_batch, "MICROBATCHES_PER_STAGE", 1, "1/240", "3/320"),
        (latency, "SEQUENTIAL_MATMULS_PER_LAYER", 8, "1/960", "3/1280"),
    ],
)
def test_each_part_is_in_the_factor(changed, module, name, value, critical, wall) -> None:
    (r,) = symbols("r")
    changed(module, name, value)
    assert limits.critical_macs_fixed().subs(r, 20).as_coeff_Mul()[0] == sp.Rational(critical)
    assert limits.latency_macs_fixed().subs(r, 20).as_coeff_Mul()[0] == sp.Rational(wall)


def test_changed_constants_are_undone() -> None:
    assert laws.PASSES == network.PASSES == 3
    assert limits.critical_compute("H100 SXM") == pytest.approx(by_hand(GPUS["H100 SXM"]))


@pytest.mark.parametrize(
    "steps",
    [
        limits.critical_derivation,
        limits.latency_derivation,
        limits.comparison,
        composition.gradients_derivation,
    ],
)
def test_both_sides_of_every_step_have_one_unit(steps) -> None:
    checked = 0
    for step in steps():
        if not step.numbers_put_in:
            assert same_unit(step.equation.lhs, step.equation.rhs), step
            checked += 1
    assert checked >= 1


def test_words_by_kind() -> None:
    """Twice the peak and half of every byte is four times the compute; 16-bit messages, a quarter."""
    twice = with_words(GPUS["H100 SXM"], 1)
    base = limits.critical_compute("H100 SXM")
    for words, factor in ((1, 4), (Words(1, 2, 2), 1 / 4), (2, 1 / 16), (Words(1, 2, 4), 1 / 4)):
        found = limits.critical_compute(twice, word_bytes=words)
        assert found / base == pytest.approx(factor, rel=1e-12)
    for mixed, by in ((Words(1, 2, 2), 4), (Words(2, 1, 2), 16), (Words(2, 2, 1), 1)):
        assert limits.critical_compute("H100 SXM", word_bytes=mixed) / base == pytest.approx(by)


def test_limits_are_in_mac_where_the_units_can_tell() -> None:
    # T_0 stands to the power of alpha, which takes its unit to cancel that of T.
    for macs in (limits.critical_macs(), limits.latency_macs(), limits.critical_macs_of_hardware()):
        assert sp.simplify(unit_of(macs) / mac) == 1


@given(name=st.sampled_from(REAL), alpha=below)
def test_lines_cross_at_the_critical_compute(name: str, alpha: float) -> None:
    T = limits.critical_compute(name, alpha) / 2
    rates = limits.node_rates(name)
    needed = evaluate(limits.nodes_needed(), T=T, C=rates["C"], t=limits.QUARTER_S)
    possible = evaluate(
        limits.largest_cluster_of_compute(),
        T=T,
        alpha=alpha,
        b_0=4e6,
        L_0=100,
        T_0=3e23,
        r=20,
        a=rates["a"],
        n=rates["n"],
    )
    assert needed == pytest.approx(possible, rel=1e-9)


@given(alpha=alphas)
def test_run_at_the_latency_limit_takes_just_as_long_as_it_may(alpha: float) -> None:
    T = limits.latency_limit(alpha) / 2
    tokens = math.sqrt(20 * T / 3)
    steps = tokens / (4e6 * (T / 3e23) ** alpha)  # of 100 layers at every compute
    assert steps * 4 * 100 * 9e-6 == pytest.approx(limits.QUARTER_S, rel=1e-9)


def test_hardware_form_agrees_and_names_the_data_sheet() -> None:
    macs = limits.critical_macs_of_hardware()
    names = {symbol.name for symbol in macs.free_symbols}
    assert {"G", "F", "beta_hbm", "beta_net", "w_P", "w_A"} < names
    assert not names & {"C", "n", "a", "M", "W"}
    gpu = GPUS["A100 SXM"]
    found = evaluate(
        macs,
        G=8,
        F=gpu.peak_flop_per_s / 2,
        beta_hbm=gpu.hbm_bytes_per_s,
        beta_net=gpu.inter_node_bytes_per_s,
        w_P=2,
        w_A=2,
        alpha=0.1,
        t=limits.QUARTER_S,
        b_0=4e6,
        L_0=100,
        T_0=3e23,
        r=20,
    )
    assert 2 * found == pytest.approx(limits.critical_compute(gpu, 0.1), rel=1e-12)


# ----------------------------------------------------------------------------------- elasticities


@pytest.mark.parametrize(
    ("name", "power"),
    [
        ("F", -4),
        ("G", 2),
        ("beta_hbm", 2),
        ("beta_net", 4),
        ("w_A", -4),
        ("w_P", -2),
        ("b_0", 2),
        ("L_0", -2),
        ("t", 2),
        ("r", -1),
        ("T_0", 0),
    ],
)
def test_powers_of_the_critical_compute(name: str, power: int) -> None:
    alpha, symbol = symbols(f"alpha {name}")
    found = limits.elasticity(limits.critical_macs_of_hardware(), symbol)
    assert found.subs(alpha, 0) == power
    if name == "T_0":
        power = -2 * alpha
    assert sp.simplify(found - power / (1 - 2 * alpha)) == 0


@pytest.mark.parametrize(("name", "power"), [("ell", -2), ("t", 2), ("b_0", 2), ("L_0", -2)])
def test_powers_of_the_latency_limit(name: str, power: int) -> None:
    alpha, symbol = symbols(f"alpha {name}")
    found = limits.elasticity(limits.latency_macs(), symbol)
    assert sp.simplify(found - power / (1 - 2 * alpha)) == 0


def test_elasticity_is_the_slope_in_logarithms_of_any_expression() -> None:
    b, n = symbols("b n")
    assert limits.elasticity(5 * b**3 / n, b) == 3
    assert limits.elasticity(b + n, b).subs({b: 1, n: 3}) == sp.Rational(1, 4)


def test_elasticity_refuses_what_is_not_there() -> None:
    b, n = symbols("b n")
    with pytest.raises(ValueError, match="symbol must be one of b, got 'n'"):
        limits.elasticity(b**2, n)


@given(name=st.sampled_from(REAL), alpha=below, factor=factors)
def test_scaling_in_hardware_and_time(name: str, alpha: float, factor: float) -> None:
    gpu, power = GPUS[name], 2 / (1 - 2 * alpha)
    base = limits.critical_compute(gpu, alpha)
    memory = replace(gpu, hbm_bytes_per_s=factor * gpu.hbm_bytes_per_s)
    fast = replace(gpu, max_clock_hz=factor * gpu.max_clock_hz)
    wide = replace(
        gpu, network=(gpu.network[0], NetworkLevel(None, factor * gpu.network[1].bytes_per_s))
    )
    for changed, slope in ((memory, power), (fast, -2 * power), (wide, 2 * power)):
        ratio = limits.critical_compute(changed, alpha) / base
        assert math.log(ratio) == pytest.approx(slope * math.log(factor), abs=1e-9)
    longer = limits.critical_compute(gpu, alpha, factor * limits.QUARTER_S)
    assert math.log(longer / base) == pytest.approx(power * math.log(factor), abs=1e-9)


def test_both_limits_rise_with_alpha() -> None:
    alpha = np.linspace(-0.2, 0.45, 40)
    for name in REAL:
        assert np.all(np.diff(np.log(limits.critical_compute(name, alpha))) > 0)
    assert np.all(np.diff(np.log(limits.latency_limit(alpha))) > 0)


# ------------------------------------------------------------------------------------- comparison


@given(name=st.sampled_from(REAL), alpha=below)
def test_latency_of_a_busy_node_makes_both_limits_one(name: str, alpha: float) -> None:
    rates = limits.node_rates(name)
    ell = evaluate(limits.busy_matmul_time(), rates)
    assert ell == pytest.approx(3 * rates["a"] ** 2 * rates["n"] / rates["C"])
    assert limits.latency_limit(alpha, latency_s=ell) == pytest.approx(
        limits.critical_compute(name, alpha), rel=1e-9
    )


def test_a100_has_the_shorter_piece_of_work_and_the_higher_limit() -> None:
    pieces = {name: evaluate(limits.busy_matmul_time(), limits.node_rates(name)) for name in REAL}
    assert {name: round(1e6 * piece) for name, piece in pieces.items()} == {
        "V100 SXM": 1196,
        "A100 SXM": 267,
        "H100 SXM": 312,
    }
    assert GPUS["A100 SXM"].peak_flop_per_s < GPUS["H100 SXM"].peak_flop_per_s
    assert limits.critical_compute("A100 SXM") > limits.critical_compute("H100 SXM")


@pytest.mark.parametrize("name", REAL)
def test_cluster_at_the_limit_is_consistent(name: str) -> None:
    run = limits.cluster_at_limit(name)
    assert 2 * run["T"] == pytest.approx(limits.critical_compute(name))
    assert run["T"] == pytest.approx(60 * run["P"] ** 2)
    assert run["D"] == pytest.approx(20 * run["P"])
    assert run["P"] == pytest.approx(8 * 100 * run["d"] ** 2)
    assert run["N"] == pytest.approx(run["N_TP"] * run["slices"])


def test_cluster_at_the_limit_refuses_what_has_none() -> None:
    with pytest.raises(ValueError, match="finite network"):
        limits.cluster_at_limit("H100 SXM Infinite Network and LL")
    with pytest.raises(ValueError, match="duration_s"):
        limits.cluster_at_limit("H100 SXM", -1)


# -------------------------------------------------------------------------------------- arguments


def test_arrays_broadcast() -> None:
    alpha, t = np.linspace(0, 0.2, 3), np.array([[1e6], [1e7]])
    found = limits.critical_compute("H100 SXM", alpha, t)
    assert found.shape == (2, 3)
    assert found[1, 2] == pytest.approx(limits.critical_compute("H100 SXM", 0.2, 1e7))
    assert limits.latency_limit(alpha, t, np.ones((4, 1, 1)) * 9e-6).shape == (4, 2, 3)
    assert isinstance(limits.critical_compute("H100 SXM"), float)
    assert isinstance(limits.latency_limit(), float)


def test_infinite_network_has_no_critical_compute() -> None:
    name = "H100 SXM Infinite Network and LL"
    assert limits.critical_compute(name) == math.inf
    many = limits.critical_compute(name, [0.0, 0.1])
    assert many.shape == (2,)
    assert np.all(np.isinf(many))


@pytest.mark.parametrize("alpha", [0.5, 0.7, [0.1, 0.5], math.nan])
def test_alpha_of_a_half_and_more_is_refused(alpha) -> None:
    with pytest.raises(ValueError, match="alpha must be"):
        limits.critical_compute("H100 SXM", alpha)
    with pytest.raises(ValueError, match="alpha must be"):
        limits.latency_limit(alpha)


@pytest.mark.parametrize("t", [0, -1.0, math.nan, math.inf, [1e6, -1e6]])
def test_durations_that_are_none_are_refused(t) -> None:
    with pytest.raises(ValueError, match="duration_s must be"):
        limits.critical_compute("H100 SXM", duration_s=t)
    with pytest.raises(ValueError, match="duration_s must be"):
        limits.latency_limit(duration_s=t)


@pytest.mark.parametrize(
    "argument",
    ["reference_batch_tokens", "reference_layers", "reference_compute", "tokens_per_parameter"],
)
def test_assumptions_must_be_positive(argument: str) -> None:
    for function in (
        lambda **given: limits.critical_compute("H100 SXM", **given),
        limits.latency_limit,
    ):
        with pytest.raises(ValueError, match=f"{argument} must be positive"):
            function(**{argument: -1.0})


def test_other_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"H100 SXM.*got 'B300'"):
        limits.critical_compute("B300")
    with pytest.raises(ValueError, match="word_bytes must be positive"):
        limits.critical_compute("H100 SXM", word_bytes=0)
    with pytest.raises(ValueError, match="latency_s must be positive"):
        limits.latency_limit(latency_s=-9e-6)


def test_anchor_in_words_raises_the_limit_little() -> None:
    for alpha in (0.0, 0.1, 0.2):
        quirk = limits.critical_compute("H100 SXM", alpha)
        words = limits.critical_compute("H100 SXM", alpha, reference_compute=1.5e23)
        assert words / quirk == pytest.approx(2 ** (2 * alpha / (1 - 2 * alpha)))


# ---------------------------------------------------------------------- figures and told numbers


def test_figures_tell_the_limits() -> None:
    assert "1.9 × 10²⁸" in figures.needed_and_fed().alt
    assert "2.3 × 10³¹" in figures.needed_and_fed().alt
    alt = figures.cluster().alt
    assert "34 replicas: 117,647 tokens each; 100 stages: a layer each, 2 × 588 tokens" in alt
    assert "2,448,000 GPUs in all" in alt


def test_explorer_starts_at_the_published_limits_and_follows_changes() -> None:
    explorer = figures.alpha_explorer()
    critical, wall, ratio = explorer.readouts
    values = explorer.defaults()
    assert explorer.read(critical, values) == pytest.approx(limits.critical_compute("H100 SXM"))
    assert explorer.read(wall, values) == pytest.approx(limits.latency_limit())
    faster = explorer.with_values({"beta_net": 2 * values["beta_net"]})
    assert explorer.read(critical, faster) == pytest.approx(16 * explorer.read(critical, values))
    assert explorer.read(ratio, faster) == pytest.approx(explorer.read(ratio, values) / 16)
    assert draw_explorer(explorer, {"L_0": 50.0}).svg.startswith("<svg")


def test_the_summary_has_the_numbers_of_the_chapters():
    found = {formula.words: formula for formula in summary("H100 SXM").formulas}
    assert found["least nanobatch of a tensor group"].value == (
        memory_bandwidth.node_nanobatch_tokens("H100 SXM")
    )
    assert found["critical compute"].number == "1.92 × 10²⁸ FLOP"
    assert found["latency limit"].value * 2 == pytest.approx(limits.latency_limit(), rel=1e-12)
    # At the limit all nodes that the run needs can just be kept busy.
    needed, kept = found["nodes that the run needs"], found["nodes kept busy"]
    assert needed.value == pytest.approx(kept.value, rel=1e-12)
    assert found["training compute"].value == pytest.approx(found["critical compute"].value)


def test_each_formula_of_the_summary_is_shown_in_its_chapter():
    for formula in summary("H100 SXM").formulas:
        chapter = Path(__file__).parents[1] / "notebooks" / f"{formula.chapter}.ipynb"
        assert formula.step.label in chapter.read_text("utf-8"), formula.words
