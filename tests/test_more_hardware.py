"""The presets beyond the paper's agree with their data sheets and say what they assume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmcore.bottlenecks.memory_bandwidth import node_nanobatch_tokens
from dmcore.hardware.catalog import PRESETS, STATUSES, find_gpu, status_fields
from dmcore.hardware.gpu import GPUS
from dmcore.simulator.matmul import matmul_time

ALL = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)


@ALL
def test_peak_is_the_data_sheets(preset):
    assert preset.gpu.peak_flop_per_s == pytest.approx(preset.peak_flop_per_s, rel=0.01)


@ALL
def test_every_figure_has_a_status_and_every_assumption_a_rule(preset):
    assert set(preset.status) == set(status_fields(preset.gpu))
    assert set(preset.status.values()) <= set(STATUSES)
    for name, status in preset.status.items():
        assert (status == "data sheet") == (name not in preset.notes), name
    assert all(note.endswith((".", ").")) for note in preset.notes.values())


@ALL
def test_data_sheet_gives_memory_and_peak(preset):
    assert preset.status["hbm_bytes_per_s"] == preset.status["hbm_bytes"] == "data sheet"
    assert preset.source == preset.gpu.source
    assert preset.citations
    assert 2009 < preset.year < 2026


@ALL
def test_levels_of_the_memory_get_slower_outward(preset):
    gpu = preset.gpu
    assert gpu.l2_bytes_per_s > gpu.hbm_bytes_per_s > gpu.network[0].bytes_per_s
    assert gpu.network[0].bytes_per_s > gpu.network[1].bytes_per_s
    assert gpu.l2_bytes < gpu.hbm_bytes


@ALL
def test_large_matmul_reaches_what_the_efficiency_allows(preset):
    """No stand-in figure of the inside of a chip may bind by accident."""
    size, words = 16384, preset.word_bytes
    seconds = matmul_time(preset.gpu, size, size, size, word_bytes=words)
    reached = 2 * size**3 / seconds / preset.gpu.useful_flop_per_s
    assert reached == pytest.approx(1, abs=0.02)


def test_names_are_new_and_found():
    assert not set(PRESETS) & set(GPUS)
    assert find_gpu("H100 SXM") is GPUS["H100 SXM"]
    assert find_gpu("TPU v4") is PRESETS["TPU v4"].gpu
    with pytest.raises(ValueError, match=r"name must be one of .*'TPU v6e', got 'TPU v9'"):
        find_gpu("TPU v9")


def test_network_adapters_count_both_directions():
    """400 Gb/s each way is 100 GB/s, as in the paper's H100; a DGX A100 has 200 Gb/s for each GPU."""
    assert GPUS["H100 SXM"].inter_node_bytes_per_s == 2 * 400e9 / 8
    for name in ("H800 SXM", "H200 SXM", "B200 HGX", "GB200 NVL72"):
        assert find_gpu(name).inter_node_bytes_per_s == 2 * 400e9 / 8
    assert find_gpu("A100 SXM 80 GB").inter_node_bytes_per_s == 2 * 200e9 / 8
    assert find_gpu("A100 SXM 80 GB Jean Zay").inter_node_bytes_per_s == 2 * 4 * 100e9 / 8 / 8
    assert find_gpu("TPU v5p").network[0].bytes_per_s == 2 * 4800e9 / 8


def test_gtx_580_is_32_bit_fermi():
    preset = PRESETS["GTX 580"]
    gpu = preset.gpu
    assert preset.word_bytes == 4
    assert gpu.sms * gpu.threads_per_sm == 512
    assert gpu.blocks_per_sm * gpu.register_bytes_per_block == 128 * 1024
    assert gpu.l2_bytes == 786432


def test_same_chip_keeps_its_figures():
    for name, base in (
        ("A100 SXM 80 GB", "A100 SXM"),
        ("H200 SXM", "H100 SXM"),
        ("H800 SXM", "H100 SXM"),
    ):
        new, old = find_gpu(name), GPUS[base]
        assert new.peak_flop_per_s == old.peak_flop_per_s
        assert new.l2_bytes_per_s == old.l2_bytes_per_s


def test_rack_of_72():
    rack = find_gpu("GB200 NVL72")
    assert rack.node_size == 72
    assert rack.network[0].bytes_per_s * 72 == pytest.approx(130e12, rel=0.01)
    assert rack.hbm_bytes * 72 == pytest.approx(13.4e12, rel=0.01)
    assert rack.peak_flop_per_s * 72 == pytest.approx(180e15, rel=0.01)


def test_closed_forms_take_them():
    """The H200 makes do with a smaller nanobatch than the H100, by the bandwidth of its memory."""
    ratio = node_nanobatch_tokens("H100 SXM") / node_nanobatch_tokens(find_gpu("H200 SXM"))
    assert ratio == pytest.approx(4800 / 3352)


def test_bad_presets_are_refused():
    preset = PRESETS["H200 SXM"]
    with pytest.raises(ValueError, match="status must name exactly"):
        replace(preset, status={})
    with pytest.raises(ValueError, match=r"status\['sms'\] must be one of"):
        replace(preset, status={**preset.status, "sms": "guess"})
    with pytest.raises(ValueError, match="notes must explain 'efficiency'"):
        replace(preset, notes={})
