"""Corrections: their closed forms against those of other modules, by hand, and what each may move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from dmcore.bottlenecks import limits, network
from dmcore.hardware.catalog import GPUS
from dmcore.models.model import Extras
from dmcore.simulator.sweep import sweep
from dmcore.studies.change import MEASURES
from dmcore.studies.corrections import (
    BASELINE,
    CORRECTIONS,
    Correction,
    anchor_effect,
    computed_once,
    critical_flop,
    headline,
    layer_chain_s,
    limit_flop,
    memory_shares,
    most_hidden_latency,
    run_of,
    tensor_parallelism,
)

NAMES = ("V100 SXM", "A100 SXM", "H100 SXM")
BY_NAME = {each.name: each for each in CORRECTIONS}


@pytest.mark.parametrize("gpu", NAMES)
def test_baseline_is_the_closed_form(gpu):
    assert critical_flop(gpu) == pytest.approx(limits.critical_compute(gpu), rel=1e-12)
    assert limit_flop() == pytest.approx(limits.latency_limit(), rel=1e-12)


def test_tensor_parallelism_is_the_network_modules():
    def same(exact, expr):
        return sp.simplify(computed_once(tensor_parallelism(False, exact)) - expr) == 0

    assert same(False, network.largest_tensor_parallelism())
    assert same(True, network.largest_tensor_parallelism_exact())


def test_attention_by_hand():
    """Three quarters of the slices, on two thirds of the area: half the nodes, and that squared."""
    d, a = sp.symbols("d a", positive=True)
    (S,) = (each for each in tensor_parallelism(True, False).free_symbols if each.name == "S")
    slices = computed_once(tensor_parallelism(True, False)).subs(S, 0)
    assert sp.simplify(slices - 3 * d**2 / a**2) == 0
    attended = Correction("", extras=Extras(attention=True), seq_len=1)
    assert critical_flop("H100 SXM", attended) == pytest.approx(
        limits.critical_compute("H100 SXM") / 4, rel=1e-3
    )
    assert limit_flop(attended) == pytest.approx(limits.latency_limit() * (4 / 9) ** 2, rel=1e-3)


def test_recomputation_by_hand():
    """Messages grow by 3/2, arithmetic by 4/3, and so do the nodes needed."""
    again = BY_NAME["activations recomputed"]
    slices = ((4 / 3) / (3 / 2)) ** 2
    expected = limits.critical_compute("A100 SXM") * (slices / (4 / 3)) ** 2
    assert critical_flop("A100 SXM", again) == pytest.approx(expected)
    assert limit_flop(again) == pytest.approx(limits.latency_limit() * (2 / 3) ** 2)


@pytest.mark.parametrize("gpu", NAMES)
def test_rates_by_hand(gpu):
    base = limits.critical_compute(gpu)
    useful = BY_NAME["useful rate"]
    # weights read twice, sums read and written once: 4 words of 3 products, where the paper has 6
    for bits, factor in ((16, (6 / 4) ** 2), (32, 1)):
        counted = BY_NAME[f"memory counted, {bits}-bit sums"]
        assert critical_flop(gpu, counted) == pytest.approx(factor * base)
    assert critical_flop(gpu, useful) == pytest.approx(base / GPUS[gpu].efficiency ** 4)
    assert critical_flop(gpu, BY_NAME["every word counted"]) > base


def test_chain():
    """Kernels of 4.5 and hops of 1.125 microseconds, four hops to a matmul with weights."""
    chains = [
        layer_chain_s(Extras(a, kept)) for a in (False, True) for kept in ("full", "recompute")
    ]
    assert [1e6 * chain for chain in chains] == pytest.approx([36, 54, 81, 121.5])


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.2])
def test_anchor(alpha):
    for factor in anchor_effect("H100 SXM", alpha):
        assert factor == pytest.approx(2 ** (2 * alpha / (1 - 2 * alpha)))


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("attention", [False, True])
def test_no_preset_waits_for_messages_in_a_zero_bubble_schedule(gpu, attention):
    waits, busy = most_hidden_latency(gpu, Extras(attention))
    assert waits < busy


@pytest.mark.parametrize("gpu", ["H100 SXM", "H100 SXM Global NVLink and LL"])
def test_so_its_latency_changes_nothing(gpu):
    paper, corrected = sweep(gpu), sweep(gpu, zero_bubble_latency=True)
    assert np.array_equal(paper.utilization, corrected.utilization)


def test_latency_bound_is_above_every_run():
    for step in run_of("H100 SXM").steps:
        waits, busy = most_hidden_latency("H100 SXM")
        layers = step.model.layers
        assert step.tensor_latency_s + step.point_to_point_latency_s <= waits * layers
        if step.parallelism.zero_bubble:
            assert step.matmul_s >= busy * layers


def test_headline_of_the_h100():
    base, found = headline("H100 SXM"), run_of("H100 SXM")
    assert base.linear_end == found.end_range
    assert base.last_run_flop == found.training_flop[-1]
    attended = headline("H100 SXM", BY_NAME["attention, 2,048 tokens"])
    change = {name: attended.decades_over(base, name) for name in MEASURES}
    assert change["critical_flop"] == pytest.approx(-0.6, abs=0.01)
    assert all(each < -0.1 for each in change.values())


def test_recomputation_is_measured_against_its_own_ceiling():
    again = headline("H100 SXM", BY_NAME["activations recomputed"])
    assert again.found.utilization[0] < 0.76 * 0.7
    assert again.linear_flop > 1e28


def test_only_what_changes_the_simulator_sweeps_again():
    assert run_of("H100 SXM", BY_NAME["useful rate"]) is run_of("H100 SXM")
    assert run_of("H100 SXM", replace(BASELINE, seq_len=8192)) is run_of("H100 SXM")
    assert run_of("H100 SXM", BY_NAME["activations kept"]) is not run_of("H100 SXM")


def test_memory_shares():
    found = run_of("H100 SXM")
    shares = memory_shares(found)
    assert shares[0] > 2  # the published split has no room
    assert np.all(shares[5:] < 1)
    kept = run_of("H100 SXM", BY_NAME["activations kept"])
    own = [step.memory_bytes / step.gpu.hbm_bytes for step in kept.steps]
    assert memory_shares(kept) == pytest.approx(own)
    assert max(own) <= 1


def test_infinite_network():
    with pytest.raises(ValueError, match="finite network"):
        critical_flop("H100 SXM Infinite Network and LL")
