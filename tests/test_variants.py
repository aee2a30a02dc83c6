"""Variants of a GPU change what they say and nothing else."""

from __future__ import annotations

from dataclasses import fields

import pytest

from dmcore import GPUS, critical_compute
from dmcore.hardware import variants
from dmcore.simulator.matmul import matmul_time

H100 = GPUS["H100 SXM"]
CHANGED = {
    variants.lower_latency: {"matmul_latency_s", "network"},
    variants.faster_network: {"network"},
    variants.faster_memory: {"hbm_bytes_per_s"},
    variants.faster_l2: {"l2_bytes_per_s"},
    variants.more_registers: {"register_bytes_per_block"},
    variants.faster_clock: {"max_clock_hz"},
}


@pytest.mark.parametrize("variant", CHANGED, ids=lambda it: it.__name__)
def test_a_variant_changes_what_it_says(variant):
    made = variant(H100, 2)
    differ = {it.name for it in fields(H100) if getattr(made, it.name) != getattr(H100, it.name)}
    assert differ == {*CHANGED[variant], "name"}
    assert made.name != H100.name
    assert [getattr(variant(made, 0.5), name) for name in differ - {"name"}] == [
        getattr(H100, name) for name in differ - {"name"}
    ]


@pytest.mark.parametrize("variant", CHANGED, ids=lambda it: it.__name__)
@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_factors_are_positive_and_finite(variant, bad):
    with pytest.raises(ValueError, match="factor must be"):
        variant(H100, bad)


def test_networks_by_level():
    outer = variants.faster_network(H100, 10, outermost_only=True)
    assert outer.network[0] == H100.network[0]
    assert outer.inter_node_bytes_per_s == 10 * H100.inter_node_bytes_per_s
    assert variants.with_node(H100, 72).network[1:] == H100.network[1:]
    with pytest.raises(ValueError, match="size must be a whole number"):
        variants.with_node(H100, 0)


def test_memories_with_caches():
    every = variants.faster_memory(H100, 4, caches=True)
    assert every.shared_bytes_per_s == 4 * H100.shared_bytes_per_s
    assert every.l2_bytes_per_s == 4 * H100.l2_bytes_per_s


def test_smaller_words_are_taken_by_formulas_and_simulator():
    half = variants.with_words(H100, 1)
    assert half.peak_flop_per_s == 2 * H100.peak_flop_per_s
    assert critical_compute(half) == critical_compute(half, word_bytes=1)
    assert matmul_time(half, 4096, 4096, 64) == matmul_time(half, 4096, 4096, 64, word_bytes=1)
    assert variants.with_words(half, 2).peak_flop_per_s == H100.peak_flop_per_s


def test_closed_forms_take_what_they_need():
    values = variants.closed_form_values(GPUS["GTX 580"])
    assert values["w_P"] == values["w_A"] == 4
    assert values["F"] == GPUS["GTX 580"].peak_flop_per_s / 2
