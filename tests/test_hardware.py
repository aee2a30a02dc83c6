"""Presets of accelerators and networks, and what is refused as one."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPU, GPUS, NetworkLevel, get_gpu
from dmcore.hardware.catalog import names

H100 = GPUS["H100 SXM"]
REAL = ("V100 SXM", "A100 SXM", "H100 PCIe", "H100 SXM")
FIELDS = (
    "flop_per_clock_per_thread",
    "sms",
    "max_clock_hz",
    "efficiency",
    "l2_bytes_per_s",
    "l2_bytes",
    "hbm_bytes_per_s",
    "hbm_bytes",
    "distributed_shared_memory",
)
MIB = 2**20
# One column of the paper's table for each, in SI units but for the caches.
TABLE = {
    "V100 SXM": (8, 80, 1533e6, 0.90, 2155e9, 6 * MIB, 900e9, 32e9, False),
    "A100 SXM": (16, 108, 1410e6, 0.85, 5603e9, 40 * MIB, 1555e9, 40e9, False),
    "H100 PCIe": (32, 114, 1620e6, 0.55, 5563e9, 50 * MIB, 2039e9, 80e9, True),
    "H100 SXM": (32, 132, 1830e6, 0.70, 6441e9, 50 * MIB, 3352e9, 80e9, True),
}
NETWORKS = {
    "V100 SXM": ((8, 300e9), (None, 12.5e9)),
    "A100 SXM": ((8, 600e9), (None, 50e9)),
    "H100 PCIe": ((8, 900e9), (None, 100e9)),
    "H100 SXM": ((8, 900e9), (None, 100e9)),
    "H100 SXM Low Latency": ((8, 900e9), (None, 100e9)),
    "H100 SXM Global NVLink": ((None, 900e9),),
    "H100 SXM Global NVLink and LL": ((None, 900e9),),
    "H100 SXM Infinite Network and LL": ((None, math.inf),),
    "H100 SXM Superpod": ((8, 900e9), (32, 450e9), (None, 100e9)),
}


# ---------------------------------------------------------------------------------------- presets


@pytest.mark.parametrize("name", REAL)
def test_presets_are_the_papers_table(name: str) -> None:
    gpu = GPUS[name]
    assert tuple(getattr(gpu, field) for field in FIELDS) == TABLE[name]
    assert gpu.matmul_latency_s == 4.5e-6
    assert gpu.register_bytes_per_block == 64 * 1024
    assert gpu.blocks_per_sm == 4
    assert gpu.threads_per_sm == 128
    assert gpu.shared_bytes_per_clock_per_sm == 128
    assert gpu.useful_capacity == 0.75
    assert gpu.source


def test_the_papers_gpus_are_those_of_its_tables() -> None:
    assert set(names(paper=True)) == set(NETWORKS)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_are_the_papers(name: str) -> None:
    gpu = GPUS[name]
    assert tuple((level.size, level.bytes_per_s) for level in gpu.network) == NETWORKS[name]
    slow = "LL" not in name and "Low Latency" not in name
    for level in gpu.network:
        assert level.latency_s == pytest.approx(1.125e-6 if slow else 1.125e-7)
    assert gpu.matmul_latency_s == pytest.approx(4.5e-6 if slow else 4.5e-7)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(REAL)))
def test_hypotheses_change_nothing_but_network_and_latency(name: str) -> None:
    gpu = GPUS[name]
    same = replace(
        gpu,
        name=H100.name,
        network=H100.network,
        matmul_latency_s=H100.matmul_latency_s,
        source=H100.source,
    )
    assert same == H100
    assert gpu.name == name
    assert "Hypothesis" in gpu.source


@pytest.mark.parametrize(
    ("name", "peak"), [("V100 SXM", 125.6e12), ("A100 SXM", 311.9e12), ("H100 SXM", 989.4e12)]
)
def test_peaks(name: str, peak: float) -> None:
    assert GPUS[name].peak_flop_per_s == pytest.approx(peak, rel=5e-4)


@pytest.mark.parametrize("name", sorted(GPUS))
def test_useful_rates_follow_from_the_figures(name: str) -> None:
    gpu = GPUS[name]
    assert gpu.useful_clock_hz == pytest.approx(gpu.efficiency * gpu.max_clock_hz)
    rate = gpu.flop_per_clock_per_thread * gpu.threads_per_sm * gpu.sms
    assert gpu.peak_flop_per_s == pytest.approx(rate * gpu.max_clock_hz)
    assert gpu.useful_flop_per_s == pytest.approx(gpu.efficiency * gpu.peak_flop_per_s)
    shared = gpu.shared_bytes_per_clock_per_sm * gpu.sms * gpu.useful_clock_hz
    assert gpu.shared_bytes_per_s == pytest.approx(shared)
    assert gpu.useful_l2_bytes == gpu.useful_capacity * gpu.l2_bytes
    assert gpu.useful_register_bytes == gpu.useful_capacity * gpu.register_bytes_per_block


def test_nodes() -> None:
    assert H100.node_size == 8
    assert GPUS["H100 SXM Global NVLink"].node_size == 8
    assert H100.inter_node_bytes_per_s == 100e9
    assert GPUS["H100 SXM Superpod"].inter_node_bytes_per_s == 450e9
    assert GPUS["H100 SXM Infinite Network and LL"].inter_node_bytes_per_s == math.inf


def test_presets_are_read_only() -> None:
    with pytest.raises(TypeError):
        GPUS["H100 SXM"] = H100  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        H100.sms = 1  # type: ignore[misc]


def test_names_are_keys() -> None:
    for name, gpu in GPUS.items():
        assert gpu.name == name
        assert get_gpu(name) is gpu
        assert get_gpu(gpu) is gpu
    with pytest.raises(ValueError, match=r"'V100 SXM'.*got 'h100'"):
        get_gpu("h100")


# ---------------------------------------------------------------------------------------- refusals

NUMBERS = (
    "flop_per_clock_per_thread",
    "max_clock_hz",
    "efficiency",
    "l2_bytes_per_s",
    "l2_bytes",
    "hbm_bytes_per_s",
    "hbm_bytes",
    "register_bytes_per_block",
    "shared_bytes_per_clock_per_sm",
    "useful_capacity",
)


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("bad", [0, -1.0, math.nan, "fast"])
def test_figures_must_be_positive(field: str, bad) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        replace(H100, **{field: bad})


@pytest.mark.parametrize("field", ["sms", "blocks_per_sm", "threads_per_sm"])
@pytest.mark.parametrize("bad", [0, -8, 2.5, True])
def test_counts_must_be_whole(field: str, bad) -> None:
    with pytest.raises(ValueError, match=f"{field} must be a whole number"):
        replace(H100, **{field: bad})


@pytest.mark.parametrize("field", ["efficiency", "useful_capacity"])
def test_shares_are_at_most_one(field: str) -> None:
    assert getattr(replace(H100, **{field: 1.0}), field) == 1
    with pytest.raises(ValueError, match=f"{field} must be above 0 and at most 1, got 1.01"):
        replace(H100, **{field: 1.01})


def test_latency_may_be_zero_but_not_negative() -> None:
    assert replace(H100, matmul_latency_s=0.0).matmul_latency_s == 0
    with pytest.raises(ValueError, match="matmul_latency_s must be zero or more"):
        replace(H100, matmul_latency_s=-1e-6)


def test_distributed_shared_memory_is_yes_or_no() -> None:
    with pytest.raises(ValueError, match="distributed_shared_memory must be True or False, got 1"):
        replace(H100, distributed_shared_memory=1)


@pytest.mark.parametrize(
    "network",
    [
        (),
        (NetworkLevel(8, 1e9),),
        (NetworkLevel(None, 1e9), NetworkLevel(None, 1e9)),
        (NetworkLevel(None, 1e9), NetworkLevel(8, 1e9)),
    ],
)
def test_only_the_outermost_level_is_without_a_size(network) -> None:
    with pytest.raises(ValueError, match="network must"):
        replace(H100, network=network)


@pytest.mark.parametrize("size", [0, -8, 8.0, True])
def test_levels_have_whole_sizes(size) -> None:
    with pytest.raises(ValueError, match="size must be a whole number"):
        NetworkLevel(size, 1e9)


def test_levels_have_bandwidth_and_no_negative_latency() -> None:
    assert NetworkLevel(None, math.inf).latency_s == 1.125e-6
    for bad in (0, -1e9, math.nan):
        with pytest.raises(ValueError, match="bytes_per_s must be positive"):
            NetworkLevel(8, bad)
    with pytest.raises(ValueError, match="latency_s must be zero or more"):
        NetworkLevel(8, 1e9, -1e-6)


@given(clock=st.floats(1e6, 1e12), sms=st.integers(1, 1000), share=st.floats(0.01, 1))
def test_variants_keep_all_else(clock: float, sms: int, share: float) -> None:
    variant = replace(H100, name="mine", max_clock_hz=clock, sms=sms, efficiency=share)
    assert isinstance(variant, GPU)
    assert variant.peak_flop_per_s == pytest.approx(32 * 128 * sms * clock)
    assert variant.useful_flop_per_s <= variant.peak_flop_per_s
    assert variant.hbm_bytes_per_s == H100.hbm_bytes_per_s
