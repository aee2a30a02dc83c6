"""Critical batch size: the trade-off, the laws of growth, and how finely a batch is cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import same_unit, symbols, token, unit_of
from dmcore.bottlenecks import critical_batch
from dmcore.chapters import critical_batch as figures
from dmcore.evidence.training_runs import RUNS_WITH_BATCH
from dmcore.models.laws import BATCH_LAWS, effective_alpha
from dmcore.show.plots import draw_explorer

batches = st.floats(1e3, 1e10)
computes = st.floats(1e18, 1e33)
exponents = st.floats(0, 0.5)
LAWS = {"T_0": 3e23, "b_0": 4e6, "L_0": 100.0}


# ---------------------------------------------------------------------------------- the trade-off


@given(b=batches, b_crit=batches, s_min=st.floats(1, 1e9))
def test_steps_and_tokens_of_a_batch_lie_on_the_hyperbola(b: float, b_crit: float, s_min) -> None:
    steps = evaluate(critical_batch.steps_of_batch(), b=b, b_crit=b_crit, s_min=s_min)
    tokens = evaluate(critical_batch.tokens_of_batch(), b=b, b_crit=b_crit, D_min=b_crit * s_min)
    assert tokens == pytest.approx(b * steps)
    # The two excesses, as computed by hand: their product is one.
    assert steps / s_min == pytest.approx(1 + b_crit / b)
    assert tokens / (b_crit * s_min) == pytest.approx(1 + b / b_crit)


def test_at_the_critical_batch_both_are_twice_the_least() -> None:
    assert evaluate(critical_batch.steps_of_batch(), b=7.0, b_crit=7.0, s_min=5.0) == 10
    assert evaluate(critical_batch.tokens_of_batch(), b=7.0, b_crit=7.0, D_min=3.0) == 6


@pytest.mark.parametrize(("share", "steps", "tokens"), [(1e-6, 0.5, 1.0), (1e6, 1.0, 2.0)])
def test_doubling_saves_steps_below_and_wastes_tokens_above(share, steps, tokens) -> None:
    both = np.array([share, 2 * share])
    s = evaluate(critical_batch.steps_of_batch(), b=both, b_crit=1, s_min=1)
    D = evaluate(critical_batch.tokens_of_batch(), b=both, b_crit=1, D_min=1)
    assert s[1] / s[0] == pytest.approx(steps, rel=1e-5)
    assert D[1] / D[0] == pytest.approx(tokens, rel=1e-5)


@given(gradient=batches, noise=batches, b=batches)
def test_best_step_of_a_noisy_gradient(gradient: float, noise: float, b: float) -> None:
    """No other rate gains more, and the share of the gain is 1 / (1 + b_crit / b)."""
    known = {"h_grad": gradient, "h_noise": noise, "b": b, "gamma": 1.0}
    best = evaluate(critical_batch.best_rate(), known)
    assert best == pytest.approx(1 / (gradient + noise / b))
    gains = [
        evaluate(critical_batch.step_gain(), known, epsilon=share * best) for share in (0.9, 1, 1.1)
    ]
    assert max(gains) == gains[1]
    critical = evaluate(critical_batch.noise_scale(), h_grad=gradient, h_noise=noise)
    share = evaluate(critical_batch.gain_share(), h_grad=gradient, h_noise=noise, b=b)
    assert share == pytest.approx(1 / (1 + critical / b))


def test_tradeoff_is_the_published_relation() -> None:
    s, s_min, D, D_min = symbols("s s_min D D_min")
    relation = critical_batch.tradeoff()
    assert sp.simplify(relation.lhs - relation.rhs - ((s / s_min - 1) * (D / D_min - 1) - 1)) == 0
    assert not same_unit(s, D)


# -------------------------------------------------------------------------------------- the laws


def test_baselines_are_the_papers() -> None:
    assert critical_batch.REFERENCE_BATCH_TOKENS == 4e6
    assert critical_batch.REFERENCE_LAYERS == 100
    assert critical_batch.REFERENCE_COMPUTE == 3e23


@given(T=computes, growth=exponents, depth=exponents)
def test_laws_are_powers_of_compute_through_their_anchor(T, growth, depth) -> None:
    b = evaluate(critical_batch.batch_law(), T=T, T_0=3e23, b_0=4e6, alpha_b=growth)
    L = evaluate(critical_batch.layer_law(), T=T, T_0=3e23, L_0=100, alpha_L=depth)
    ratio = math.log(T / 3e23)
    assert math.log(b / 4e6) == pytest.approx(growth * ratio, abs=1e-9)
    assert math.log(L / 100) == pytest.approx(depth * ratio, abs=1e-9)
    quotient = evaluate(critical_batch.batch_per_layer(), T=T, alpha=growth - depth, **LAWS)
    assert quotient == pytest.approx(b / L)


def test_only_the_difference_of_the_exponents_is_left() -> None:
    left = {symbol.name for symbol in critical_batch.batch_per_layer().free_symbols}
    assert left == {"T", "T_0", "b_0", "L_0", "alpha"}


@pytest.mark.parametrize("law", ["batch_law", "layer_law"])
def test_exponents_below_zero_are_refused_by_name(law: str) -> None:
    expr = getattr(critical_batch, law)()
    values = {name.name: 1.0 for name in expr.free_symbols}
    exponent = "alpha_b" if law == "batch_law" else "alpha_L"
    with pytest.raises(ValueError, match=exponent):
        evaluate(expr, {**values, exponent: -0.1})


@given(T=computes, power=exponents)
def test_law_in_tokens_has_half_the_power_in_compute(T: float, power: float) -> None:
    known = {"b_0": 4e6, "alpha_D": power}
    tokens, start = math.sqrt(20 * T / 3), math.sqrt(20 * 3e23 / 3)
    in_tokens = evaluate(critical_batch.token_law(), known, D=tokens, D_0=start)
    in_compute = evaluate(critical_batch.token_law_of_compute(), known, T=T, T_0=3e23)
    assert in_tokens == pytest.approx(in_compute)
    assert in_compute == pytest.approx(4e6 * (T / 3e23) ** (power / 2))


def test_measured_law_starts_at_the_papers_batch() -> None:
    law = critical_batch.measured_law()
    assert law(3e23) == 2048
    found = effective_alpha(law)
    assert float(found.alpha_b) == 0.235
    (T,) = symbols("T_FLOP")
    tokens = float(found.batch_of_compute.subs(T, 1e28))
    assert tokens == pytest.approx(2**22 * (1e28 / 3e23) ** 0.235)
    # the tokens of a sparse model of the same compute are more by the root of its sparsity
    E, S = symbols("E S")
    known = {T: 1e24, S: 1}
    grown = law.expression.subs(known).subs(E, 16) / law.expression.subs(known).subs(E, 1)
    assert float(grown) == pytest.approx(4**0.47)


# ------------------------------------------------------------------------------------- the cutting


@given(transfer=st.floats(0, 100))
def test_microbatches_fill_a_round(transfer: float) -> None:
    count = evaluate(critical_batch.microbatches_per_stage(), x_transfer=transfer)
    assert count == pytest.approx(1 + transfer)


def test_a_slice_holds_two_nanobatches() -> None:
    assert critical_batch.MICROBATCHES_PER_STAGE == 2
    assert evaluate(critical_batch.largest_batch_slicing(), b=1200, n=100) == 6
    assert unit_of(critical_batch.largest_batch_slicing()) == 1


@pytest.mark.parametrize(
    ("name", "nodes"), [("V100 SXM", 7166.6), ("A100 SXM", 4986.1), ("H100 SXM", 3387.8)]
)
def test_slices_of_the_baseline_batch(name: str, nodes: float) -> None:
    assert critical_batch.batch_slices(name) == pytest.approx(nodes, abs=0.05)
    assert critical_batch.batch_slices(GPUS[name], 8e6) == pytest.approx(2 * nodes, rel=1e-4)


def test_slices_refuse_bad_arguments() -> None:
    with pytest.raises(ValueError, match="gpu must be"):
        critical_batch.batch_slices("H200")
    for bad in (0, -4e6, math.nan):
        with pytest.raises(ValueError, match="batch_tokens must be"):
            critical_batch.batch_slices("H100 SXM", bad)


@pytest.mark.parametrize("title", ["derivation", "tradeoff_derivation"])
def test_both_sides_of_every_step_have_one_unit(title: str) -> None:
    derivation = getattr(critical_batch, title)()
    for step in derivation:
        assert same_unit(step.equation.lhs, step.equation.rhs), step
    units = {step.label: unit_of(step.equation.rhs) for step in derivation}
    for label in ("eq-batch-law", "eq-microbatches", "eq-noise-scale", "eq-tokens-of-batch"):
        assert units.get(label, token) == token
    for label in ("eq-layer-law", "eq-batch-slicing", "eq-steps-of-batch"):
        assert units.get(label, 1) == 1


# ------------------------------------------------------------------------------------------ figures


def test_figures_tell_their_numbers() -> None:
    assert "both are 2" in figures.tradeoff().alt
    assert "With 6 it computes in all" in figures.two_microbatches().alt
    marked = {mark.label: mark.y for mark in figures.batch_laws_explorer().marks}
    for run in RUNS_WITH_BATCH:
        assert marked[run.name] == run.largest_batch
    assert marked["if dense"] == pytest.approx(62914560 / (671 / 37) ** 0.5, rel=1e-3)


def test_explorer_starts_at_the_anchor_and_draws_every_law() -> None:
    explorer = figures.batch_laws_explorer()
    assert len(explorer.curves) == 2 + len(BATCH_LAWS)
    yours = explorer.curves[0].expr
    values = explorer.with_values({"alpha_b": 0.4})
    needed = {name: values[name] for name in ("T_0", "b_0", "alpha_b")}
    # 3e23 FLOP, in MAC
    assert evaluate(yours, T=1.5e23, **needed) == pytest.approx(4e6)
    assert draw_explorer(explorer, {"alpha_b": 0.4}).svg.startswith("<svg")
