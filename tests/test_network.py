"""Network bandwidth: words of tensor parallelism, the side of a block, and how many blocks fit."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import (
    activation,
    channel,
    mac,
    same_unit,
    second,
    token,
    unit_of,
)
from dmcore.bottlenecks import network
from dmcore.chapters import network as figures
from dmcore.hardware.gpu import NetworkLevel
from dmcore.show.plots import draw_explorer
from dmcore.simulator import traffic

widths = st.floats(1e3, 1e6)
rates = st.floats(1e9, 1e18)
slices = st.integers(1, 64)


def ring_words(m: int, q: int, d: int, f: int) -> int:
    """Words sent for one token and layer, counted message by message around rings of real blocks."""
    sent = 0
    for _ in ("forward", "backward"):
        for _ in range(q):  # each column of m nodes sums a slice of d_ff
            chunk = Fraction(f, q * m)
            sent += sum(2 * chunk for _ in range(m) for _ in range(m - 1))
        for _ in range(m):  # each row of q nodes sums a slice of d_model
            chunk = Fraction(d, m * q)
            sent += sum(2 * chunk for _ in range(q) for _ in range(q - 1))
    return int(sent)


@given(m=st.integers(1, 8), q=st.integers(1, 8), scale=st.integers(1, 5))
def test_exact_words_are_those_that_rings_send(m: int, q: int, scale: int) -> None:
    d, f = m * q * scale, 4 * m * q * scale
    words = evaluate(network.words_per_token_exact(), m=m, q=q, d=d, f=f)
    assert words == pytest.approx(ring_words(m, q, d, f))


def test_one_node_sends_nothing() -> None:
    assert evaluate(network.words_per_token_exact(), m=1, q=1, d=512, f=2048) == 0


@given(m=slices, q=slices, d=widths)
def test_leading_words_are_an_upper_bound_that_exceeds_by_four_widths_of_each(m, q, d) -> None:
    grid = {"m": m, "q": q, "d": d, "f": 4 * d}
    exact = evaluate(network.words_per_token_exact(), grid)
    leading = evaluate(network.words_per_token(), grid)
    assert leading - exact == pytest.approx(4 * (d + 4 * d))


@pytest.mark.parametrize(("m", "share"), [(1, 3 / 8), (2, 11 / 16), (16, 123 / 128)])
def test_share_of_the_leading_words_that_is_real(m: int, share: float) -> None:
    grid = {"m": m, "q": 4 * m, "d": 100, "f": 400}
    ratio = evaluate(network.words_per_token_exact(), grid) / evaluate(
        network.words_per_token(), grid
    )
    assert ratio == pytest.approx(share)


def test_units() -> None:
    assert unit_of(network.network_rate()) == activation / second
    assert unit_of(network.layer_macs()) * token == mac
    assert unit_of(network.words_per_token_exact()) == channel
    assert unit_of(network.words_per_token()) == channel
    assert same_unit(network.network_time(), network.arithmetic_time())
    assert unit_of(network.shard_side()) == channel
    for pure in (
        network.block_time_ratio(),
        network.time_ratio(),
        network.time_ratio_exact(),
        network.largest_tensor_parallelism(),
        network.largest_tensor_parallelism_exact(),
    ):
        assert unit_of(pure) == 1


@given(k=st.integers(1, 32))
def test_best_q_has_the_fewest_words_of_all_grids(k: int) -> None:
    nodes = 4 * k**2
    divisors = [m for m in range(1, nodes + 1) if nodes % m == 0]
    for words in (network.words_per_token(), network.words_per_token_exact()):
        cost = {m: evaluate(words, m=m, q=nodes // m, d=1, f=4) for m in divisors}
        best = min(cost, key=cost.__getitem__)
        assert best == k
        assert nodes // best == evaluate(network.best_q(), m=best)


def test_side_by_independent_arithmetic() -> None:
    flop_per_s = 32 * 128 * 132 * 1830e6
    words_per_s = 100e9 / 2 / 2
    assert network.shard_side_channels("H100 SXM") == pytest.approx(
        4 / 3 * (flop_per_s / 2) / words_per_s
    )
    assert (
        sp.simplify(
            network.shard_side()
            - sp.Rational(4, 3) * sp.Symbol("C", positive=True) / sp.Symbol("W", positive=True)
        )
        == 0
    )


@pytest.mark.parametrize(
    ("gpu", "channels"),
    [
        ("V100 SXM", 26791),
        ("A100 SXM", 16633),
        ("H100 SXM", 26385),
        ("H100 SXM Global NVLink", 2932),
    ],
)
def test_side_of_each_preset(gpu: str, channels: int) -> None:
    assert round(network.shard_side_channels(gpu)) == channels


@given(a=widths, C=rates, W=rates, factor=st.floats(1.01, 100))
def test_halving_a_side_doubles_the_communication(a, C, W, factor) -> None:
    ratio = evaluate(network.block_time_ratio(), a=a, C=C, W=W)
    assert evaluate(network.block_time_ratio(), a=a / factor, C=C, W=W) == pytest.approx(
        factor * ratio
    )


@given(C=rates, W=rates)
def test_times_are_equal_at_the_smallest_side(C: float, W: float) -> None:
    side = evaluate(network.shard_side(), C=C, W=W)
    assert evaluate(network.block_time_ratio(), a=side, C=C, W=W) == pytest.approx(1)


@given(nodes=st.floats(4, 1e6), d=widths, C=rates, W=rates)
def test_ratio_is_that_of_the_two_times(nodes, d, C, W) -> None:
    m, q = np.sqrt(nodes) / 2, 2 * np.sqrt(nodes)
    grid = {"d": d, "f": 4 * d, "m": m, "q": q}
    arithmetic = 24 * d**2 / C
    ratio = evaluate(network.time_ratio(), N_TP=nodes, d=d, C=C, W=W)
    assert ratio == pytest.approx((4 * m * 4 * d + 4 * q * d) / W / arithmetic)
    words = evaluate(network.words_per_token_exact(), grid)
    exact = evaluate(network.time_ratio_exact(), N_TP=nodes, d=d, C=C, W=W)
    assert exact == pytest.approx(words / W / arithmetic)
    assert 0 < exact < ratio


@given(C=rates, W=rates, d=widths)
def test_times_are_equal_at_the_largest_degree(C: float, W: float, d: float) -> None:
    side = evaluate(network.shard_side(), C=C, W=W)
    for largest, ratio in (
        (network.largest_tensor_parallelism(), network.time_ratio()),
        (network.largest_tensor_parallelism_exact(), network.time_ratio_exact()),
    ):
        nodes = evaluate(largest, d=d, a=side)
        # the exact ratio is a difference of two terms, which may be large
        size = evaluate(network.time_ratio(), N_TP=nodes, d=d, C=C, W=W)
        assert evaluate(ratio, N_TP=nodes, d=d, C=C, W=W) == pytest.approx(1, abs=1e-9 * (1 + size))


@given(d=widths, a=widths)
def test_largest_degree_counts_square_blocks(d: float, a: float) -> None:
    nodes = evaluate(network.largest_tensor_parallelism(), d=d, a=a)
    assert nodes == pytest.approx(d * 4 * d / a**2)
    exact = evaluate(network.largest_tensor_parallelism_exact(), d=d, a=a)
    assert exact == pytest.approx(4 * (d / a + 5 / 8) ** 2)
    assert exact > nodes


@given(factor=st.floats(0.1, 10))
def test_blocks_grow_with_the_square_of_network_and_width(factor: float) -> None:
    gpu = GPUS["H100 SXM"]
    inner, outer = gpu.network
    faster = replace(
        gpu, network=(inner, NetworkLevel(None, factor * outer.bytes_per_s, outer.latency_s))
    )
    largest = network.largest_tensor_parallelism()
    side, new_side = (network.shard_side_channels(each) for each in (gpu, faster))
    base = evaluate(largest, d=16384, a=side)
    assert evaluate(largest, d=16384, a=new_side) == pytest.approx(factor**2 * base)
    assert evaluate(largest, d=16384 * factor, a=side) == pytest.approx(factor**2 * base)
    assert network.shard_side_channels(gpu, 2 * factor) == pytest.approx(factor * side)


def test_infinite_network_needs_no_side() -> None:
    assert network.shard_side_channels("H100 SXM Infinite Network and LL") == 0


@pytest.mark.parametrize("word_bytes", [0, -1, float("nan")])
def test_bad_word_is_refused(word_bytes: float) -> None:
    with pytest.raises(ValueError, match="word_bytes must be"):
        network.shard_side_channels("H100 SXM", word_bytes)


def test_unknown_gpu_is_refused() -> None:
    with pytest.raises(ValueError, match="H200"):
        network.shard_side_channels("H200")


def test_derivation_holds_step_by_step() -> None:
    derivation = network.derivation()
    words = derivation["eq-all-reduced-words"].equation
    assert sp.expand(words.lhs - network.words_per_token_exact()) == 0
    assert sp.expand(words.rhs - network.words_per_token()) == 0
    assert derivation.result == network.largest_tensor_parallelism()


def test_figures_tell_their_numbers() -> None:
    alt = figures.time_against_side().alt.replace("\u202f", "")
    for number in ("26800", "16600", "26400", "2930"):
        assert number in alt
    assert "2 by 8" in figures.block_grid().alt
    # Seven hand-overs in a chain of eight; groups of four are left by one of them.
    between = evaluate(traffic.hand_overs_leaving(), v=1, p_out=2)
    assert between == 1
    assert evaluate(traffic.hand_overs_leaving(), v=1, p_out=8) - between == 6
    svg = figures.hand_overs().svg
    assert "the network carries 1" in svg
    assert svg.count("NVLink carries 3") == 2


@given(m=slices, q=slices)
def test_what_stays_in_a_node_is_what_leaves_its_gpus_less_what_leaves_it(m: int, q: int) -> None:
    # A node cuts its block in 2 by 4, as the chapter has it; counted as chains of GPUs.
    d, f = 128, 512
    of_gpus = evaluate(network.words_per_token_exact(), d=d, f=f, m=2 * m, q=4 * q)
    of_nodes = evaluate(network.words_per_token_exact(), d=d, f=f, m=m, q=q)
    assert of_gpus - of_nodes == pytest.approx(4 * m * f + 12 * q * d)


def test_explorer_reads_what_the_functions_compute() -> None:
    explorer = figures.blocks_explorer()
    values = explorer.with_values({"d": 12288})
    side, nodes, gpus, exact = (explorer.read(readout, values) for readout in explorer.readouts)
    assert side == pytest.approx(network.shard_side_channels("H100 SXM"))
    assert nodes == pytest.approx(4 * (12288 / side) ** 2)
    assert gpus == pytest.approx(8 * nodes)
    assert exact == pytest.approx(4 * (12288 / side + 5 / 8) ** 2)
    leading = explorer.along_x(explorer.curves[0].expr, values)
    assert leading == pytest.approx(np.sqrt(explorer.x_values() / nodes))
    assert "Most blocks" in draw_explorer(explorer).alt
