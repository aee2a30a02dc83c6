"""Memory bandwidth: the least nanobatch, and the share of the peak that a smaller one leaves."""

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
from dmcore.algebra.symbols import mac, parameter, same_unit, second, symbols, token, unit_of
from dmcore.bottlenecks import memory_bandwidth
from dmcore.chapters import memory_bandwidth as figures
from dmcore.show.plots import draw_explorer

rates = st.floats(1e8, 1e18)
tokens = st.floats(1, 1e6)


@pytest.mark.parametrize(
    ("name", "nanobatch"), [("V100 SXM", 279.07), ("A100 SXM", 401.12), ("H100 SXM", 590.35)]
)
def test_least_nanobatches(name: str, nanobatch: float) -> None:
    assert memory_bandwidth.node_nanobatch_tokens(name) == pytest.approx(nanobatch, abs=0.005)
    assert memory_bandwidth.node_nanobatch_tokens(GPUS[name]) == pytest.approx(nanobatch, abs=0.005)


@given(name=st.sampled_from(sorted(GPUS)), w=st.floats(0.25, 8))
def test_nanobatch_is_the_formula_by_hand(name: str, w: float) -> None:
    gpu = GPUS[name]
    C, M = 8 * gpu.peak_flop_per_s / 2, 8 * gpu.hbm_bytes_per_s / (2 * w)
    assert memory_bandwidth.node_nanobatch_tokens(gpu, w) == pytest.approx(C / M)


@given(C=rates, M=rates, P_node=st.floats(1, 1e15))
def test_times_are_equal_at_the_nanobatch(C: float, M: float, P_node: float) -> None:
    n = evaluate(memory_bandwidth.nanobatch(), C=C, M=M)
    arithmetic = evaluate(memory_bandwidth.arithmetic_time(), P_node=P_node, n=n, C=C)
    reading = evaluate(memory_bandwidth.memory_time(), P_node=P_node, M=M)
    assert arithmetic == pytest.approx(reading)


@given(C=rates, M=rates, share=st.floats(0.001, 0.999), excess=st.floats(1, 1000))
def test_roofline_is_a_slope_and_a_roof(C: float, M: float, share: float, excess: float) -> None:
    roof, knee = memory_bandwidth.roofline(), C / M
    assert evaluate(roof, n=share * knee, C=C, M=M) == pytest.approx(share)
    assert evaluate(roof, n=excess * knee, C=C, M=M) == pytest.approx(1)


def test_32_bit_sums_of_gradients_cost_what_the_paper_counts() -> None:
    (w, sums) = symbols("w_P w_G")
    ratio = memory_bandwidth.counted_nanobatch() / memory_bandwidth.nanobatch_of_hardware()
    assert sp.simplify(ratio.subs(sums, 2 * w)) == 1
    assert sp.simplify(ratio.subs(sums, w)) == sp.Rational(2, 3)


def test_nanobatch_is_the_balance_times_the_bytes_of_two_directions() -> None:
    (w,) = symbols("w_P")
    assert sp.simplify(memory_bandwidth.derivation().result) == sp.simplify(
        2 * w * memory_bandwidth.machine_balance()
    )


def test_size_of_the_node_cancels() -> None:
    names = {symbol.name for symbol in memory_bandwidth.derivation().result.free_symbols}
    assert names == {"F", "beta_hbm", "w_P"}


def test_both_sides_of_every_step_have_the_unit_that_they_tell() -> None:
    expected = {
        "eq-arithmetic-rate": mac / second,
        "eq-memory-rate": parameter / second,
        "eq-memory-condition": second,
        "eq-nanobatch": token,
        "eq-roofline": 1,
        "eq-counted-nanobatch": token,
        "eq-nanobatch-hardware": token,
    }
    derivation = memory_bandwidth.derivation()
    assert {step.label for step in derivation} == set(expected)
    for step in derivation:
        assert same_unit(step.equation.lhs, step.equation.rhs)
        assert unit_of(step.equation.rhs) == expected[step.label]


@given(factor=st.floats(0.1, 10), w=st.floats(0.5, 4))
def test_scaling_with_peak_bandwidth_and_word(factor: float, w: float) -> None:
    gpu = GPUS["H100 SXM"]
    base = memory_bandwidth.node_nanobatch_tokens(gpu, w)
    faster = replace(gpu, max_clock_hz=factor * gpu.max_clock_hz)
    wider = replace(gpu, hbm_bytes_per_s=factor * gpu.hbm_bytes_per_s)
    assert memory_bandwidth.node_nanobatch_tokens(faster, w) == pytest.approx(factor * base)
    assert memory_bandwidth.node_nanobatch_tokens(wider, w) == pytest.approx(base / factor)
    assert memory_bandwidth.node_nanobatch_tokens(gpu, factor * w) == pytest.approx(factor * base)


@pytest.mark.parametrize("w", [0, -2, math.nan])
def test_words_without_bytes_are_refused(w: float) -> None:
    with pytest.raises(ValueError, match="word_bytes must be"):
        memory_bandwidth.node_nanobatch_tokens("H100 SXM", w)


def test_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'V100 SXM'.*got 'K80'"):
        memory_bandwidth.node_nanobatch_tokens("K80")


def test_figure_tells_the_knees() -> None:
    alt = figures.rooflines().alt
    for text in ("V100 SXM 279", "A100 SXM 401", "H100 SXM 590"):
        assert text in alt


def test_explorer_reads_the_nanobatch_of_what_is_chosen() -> None:
    explorer = figures.nanobatch_explorer()
    (menu,) = explorer.menus
    for name, values in menu.options.items():
        found = explorer.read(explorer.readouts[0], explorer.with_values(values))
        assert found == pytest.approx(memory_bandwidth.node_nanobatch_tokens(name))
    shares = explorer.along_x(explorer.curves[0].expr, explorer.defaults())
    assert np.all(np.diff(shares) >= 0)
    assert shares[-1] == 1
    assert draw_explorer(explorer, {"w_P": 1.0}).svg.startswith("<svg")
