"""The catalog: its figures, where they are from, and what is refused in a file of one's own."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dmcore import critical_compute
from dmcore.bottlenecks.memory_bandwidth import node_nanobatch_tokens
from dmcore.hardware.catalog import (
    ACCELERATORS,
    GPUS,
    get_gpu,
    load_accelerators,
    names,
    read_accelerators,
)
from dmcore.hardware.entries import STATUSES, feeding_share, status_fields
from dmcore.simulator.matmul import matmul_time

REAL = pytest.mark.parametrize("name", names(hypothesis=False))
HERE = Path(__file__).parent
KEYS = set(
    re.findall(r"@\w+\{([^,]+),", (HERE.parent / "book" / "references.bib").read_text("utf-8"))
)
with (HERE / "data" / "accelerators.csv").open(newline="") as file:
    WRITTEN_OUT = {row.pop("name"): row for row in csv.DictReader(file)}


# ------------------------------------------------------------------------------- what it says


def written_out(gpu):
    """Every figure of a GPU to the last bit."""
    counted = ("word_bytes", "distributed_shared_memory")
    row = {
        name: str(int(getattr(gpu, name))) if name in counted else float(getattr(gpu, name)).hex()
        for name in ("word_bytes", *status_fields(gpu))
        if not name.startswith("network")
    }
    levels = (
        f"{level.size or '-'}:{level.bytes_per_s.hex()}:{level.latency_s.hex()}"
        for level in gpu.network
    )
    return {**row, "network": " ".join(levels)}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_figures_are_those_of_the_old_tables(name):
    """Results are compared to the last digit, so no conversion may touch a bit."""
    assert written_out(GPUS[name]) == WRITTEN_OUT[name]


def test_all_names_are_known():
    assert set(WRITTEN_OUT) <= set(ACCELERATORS)
    assert list(GPUS) == list(ACCELERATORS)
    assert names("H100 SXM", paper=True)[0] == "H100 SXM"
    assert sorted(names("H100 SXM")) == sorted(GPUS)
    with pytest.raises(ValueError, match=r"gpu must be .*'TPU v6e', got 'TPU v9'"):
        get_gpu("TPU v9")
    assert critical_compute("B200 HGX") == critical_compute(GPUS["B200 HGX"])


@pytest.mark.parametrize("name", ACCELERATORS)
def test_every_figure_has_a_status_and_a_source_or_a_rule(name):
    it = ACCELERATORS[name]
    assert set(it.status) == set(status_fields(it.gpu))
    assert set(it.status.values()) <= set(STATUSES)
    for figure, status in it.status.items():
        assert (status == "data sheet") == (figure not in it.notes), figure
        assert status == "assumption" or it.sources[figure] in KEYS, figure
    assert set(it.sources.values()) <= KEYS
    assert all(note.endswith((".", ").")) for note in it.notes.values())
    assert set(it.assumptions) == {
        figure for figure, status in it.status.items() if status == "assumption"
    }


@REAL
def test_data_sheet_gives_memory(name):
    it = ACCELERATORS[name]
    assert it.status["hbm_bytes_per_s"] == it.status["hbm_bytes"] == "data sheet"
    assert it.gpu.source


@REAL
def test_levels_of_the_memory_get_slower_outward(name):
    gpu = GPUS[name]
    assert gpu.l2_bytes_per_s > gpu.hbm_bytes_per_s > gpu.network[0].bytes_per_s
    assert gpu.network[0].bytes_per_s > gpu.network[1].bytes_per_s
    assert gpu.l2_bytes < gpu.hbm_bytes


@pytest.mark.parametrize("name", GPUS)
def test_large_matmul_reaches_what_the_efficiency_allows(name):
    """No stand-in figure of the inside of a chip may bind by accident."""
    gpu, size = GPUS[name], 16384
    seconds = matmul_time(gpu, size, size, size, word_bytes=gpu.word_bytes)
    reached = 2 * size**3 / seconds / gpu.useful_flop_per_s
    assert reached == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_feeding_share_is_what_a_large_matmul_reaches(factor):
    starved = replace(GPUS["H100 SXM"], flop_per_clock_per_thread=32 * factor)
    size = 65536
    seconds = matmul_time(starved, size, size, size)
    reached = 2 * size**3 / seconds / starved.useful_flop_per_s
    assert feeding_share(starved) == pytest.approx(reached, rel=0.05)


def test_network_adapters_count_both_directions():
    """400 Gb/s each way is 100 GB/s, as in the paper's H100; a DGX A100 has 200 Gb/s for each GPU."""
    assert GPUS["H100 SXM"].inter_node_bytes_per_s == 2 * 400e9 / 8
    for name in ("H800 SXM", "H200 SXM", "B200 HGX", "GB200 NVL72"):
        assert get_gpu(name).inter_node_bytes_per_s == 2 * 400e9 / 8
    assert get_gpu("A100 SXM 80 GB").inter_node_bytes_per_s == 2 * 200e9 / 8
    assert get_gpu("A100 SXM 80 GB Jean Zay").inter_node_bytes_per_s == 2 * 4 * 100e9 / 8 / 8
    assert get_gpu("TPU v5p").network[0].bytes_per_s == 2 * 4800e9 / 8


def test_gtx_580_is_32_bit_fermi():
    gpu = GPUS["GTX 580"]
    assert gpu.word_bytes == 4
    assert gpu.sms * gpu.threads_per_sm == 512
    assert gpu.blocks_per_sm * gpu.register_bytes_per_block == 128 * 1024
    assert gpu.l2_bytes == 786432


def test_same_chip_keeps_its_figures():
    for name, base in (
        ("A100 SXM 80 GB", "A100 SXM"),
        ("H200 SXM", "H100 SXM"),
        ("H800 SXM", "H100 SXM"),
    ):
        new, old = get_gpu(name), GPUS[base]
        assert new.peak_flop_per_s == old.peak_flop_per_s
        assert new.l2_bytes_per_s == old.l2_bytes_per_s


def test_rack_of_72():
    rack = get_gpu("GB200 NVL72")
    assert rack.node_size == 72
    assert rack.network[0].bytes_per_s * 72 == pytest.approx(130e12, rel=0.01)
    assert rack.hbm_bytes * 72 == pytest.approx(13.4e12, rel=0.01)
    assert rack.peak_flop_per_s * 72 == pytest.approx(180e15, rel=0.01)


def test_closed_forms_take_them():
    """The H200 makes do with a smaller nanobatch than the H100, by the bandwidth of its memory."""
    ratio = node_nanobatch_tokens("H100 SXM") / node_nanobatch_tokens(get_gpu("H200 SXM"))
    assert ratio == pytest.approx(4800 / 3352)


# ------------------------------------------------------------------------------- a file of one's own

B300 = """
[accelerator."B300 HGX"]
base = "Blackwell"
year = 2025
peak_TFLOP_per_s = 2500
hbm_TB_per_s = 8
hbm_GB = 288
network = [{ size = 8, GB_per_s = 1800 }, { GB_per_s = 200 }]
source = "nvidia2025blackwell"
text = "NVIDIA HGX B300 data sheet (2025)."
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "mine.toml"
        file.write_text(text, encoding="utf-8")
        return load_accelerators(file)

    return read


def test_own_accelerator(read):
    gpu = read(B300)["B300 HGX"]
    assert gpu.hbm_bytes == 288e9
    assert gpu.inter_node_bytes_per_s == 200e9
    assert gpu.peak_flop_per_s == pytest.approx(2500e12)
    assert critical_compute(gpu) > critical_compute("B200 HGX")
    assert "B300 HGX" not in GPUS


def test_what_is_missing_follows_from_the_h100(read):
    """Twice the arithmetic in an SM needs twice the registers and shared memory, and has them."""
    text = B300.replace('base = "Blackwell"', "flop_per_clock_per_thread = 64")
    gpu, h100 = read(text)["B300 HGX"], GPUS["H100 SXM"]
    assert gpu.register_bytes_per_block == 2 * h100.register_bytes_per_block
    assert gpu.shared_bytes_per_clock_per_sm == 2 * h100.shared_bytes_per_clock_per_sm
    assert gpu.l2_bytes_per_s / gpu.hbm_bytes_per_s == pytest.approx(6441 / 3352)
    assert feeding_share(gpu) == 1


def test_own_entry_may_build_on_another_of_its_file(read):
    more = '[accelerator.more]\nbase = "B300 HGX"\nhbm_GB = 576\nlatency_divided_by = 2\n'
    found = read(B300 + more)
    assert found["more"].hbm_bytes == 2 * found["B300 HGX"].hbm_bytes
    assert found["more"].matmul_latency_s == found["B300 HGX"].matmul_latency_s / 2


def test_own_defaults_go_before_the_packages(read):
    text = "[family.default]\nmatmul_latency_us = 9\n" + B300.replace('base = "Blackwell"\n', "")
    assert read(text)["B300 HGX"].matmul_latency_s == 9e-6
    assert read(text)["B300 HGX"].sms == GPUS["H100 SXM"].sms


def test_inherited_figures_keep_their_source():
    sources = ACCELERATORS["H200 SXM"].sources
    assert sources["hbm_bytes"] == "nvidia2023h200"
    assert sources["sms"] == sources["network[0]"] == "nvidia2022h100"
    assert sources["network[1]"] == "nvidia2024basepod"


def test_figures_given_anew_lose_the_old_origin(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[accelerator.new]\nbase = "H100 SXM"\nefficiency = 0.8\nsource = "own"\n')
    old, new = ACCELERATORS["H100 SXM"], read_accelerators(file)["new"]
    assert (old.status["efficiency"], new.status["efficiency"]) == ("measured", "data sheet")
    assert new.sources["efficiency"] == "own"
    assert new.status["sms"] == "data sheet"
    assert new.sources["sms"] == old.sources["sms"]


def test_who_measured_the_l2_bandwidth():
    """By others on three GPUs; on the H100 SXM by nobody, and so on none that has its ratio."""
    measured = {
        "V100 SXM": "jia2018volta",
        "A100 SXM": "chipsandcheese2023h100",
        "H100 PCIe": "chipsandcheese2023h100",
    }
    for name, it in ACCELERATORS.items():
        assert (it.status["l2_bytes_per_s"] == "measured") == (name in measured), name
    for name, key in measured.items():
        assert ACCELERATORS[name].sources["l2_bytes_per_s"] == key
    pcie, sxm = GPUS["H100 PCIe"], GPUS["H100 SXM"]
    assert sxm.l2_bytes_per_s == pytest.approx(pcie.l2_bytes_per_s * 132 / 114, rel=1e-4)


#: Copied by hand from sheets: TFLOP/s, TB/s and GB of the memory, SMs.
SHEETS = {
    "V100 SXM": (125, 0.9, 32, 80),
    "A100 SXM": (312, 1.555, 40, 108),
    "A100 SXM 80 GB": (312, 2.039, 80, 108),
    "H100 PCIe": (756, 2.039, 80, 114),
    "H100 SXM": (989.4, 3.35, 80, 132),
    "H800 SXM": (989.4, 3.35, 80, 132),
    "H200 SXM": (989.4, 4.8, 141, 132),
    "B200 HGX": (2250, 7.7, 180, 148),
    "GB200 NVL72": (2500, 8, 186, 152),
}


@pytest.mark.parametrize("name", SHEETS)
def test_figures_are_those_of_the_sheets(name):
    gpu = GPUS[name]
    peak, bandwidth, size, sms = SHEETS[name]
    assert gpu.peak_flop_per_s / 1e12 == pytest.approx(peak, rel=0.005)
    assert gpu.hbm_bytes_per_s / 1e12 == pytest.approx(bandwidth, rel=0.001)
    assert gpu.hbm_bytes / 1e9 == pytest.approx(size)
    assert gpu.sms == sms


def test_shared_memory_of_the_gb200_is_what_pytorch_reports():
    """Without the doubling that pairs of SMs make, at the clock it reports."""
    assert GPUS["GB200 NVL72"].sms * 128 * 2.062e9 == pytest.approx(40118.272e9, rel=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hbm_GB = 288", "", "hbm_GB must be given"),
        ("peak_TFLOP_per_s = 2500", "", "peak_TFLOP_per_s or max_clock_MHz must be given"),
        ("hbm_GB = 288", "hbm_GB = -1", "hbm_GB must be positive, got -1"),
        ("hbm_GB = 288", "hbm_GB = true", "hbm_GB must be .*, got True"),
        ("hbm_GB = 288", "hbm_TB = 1", "key must be one of .*'hbm_GB'.*, got 'hbm_TB'"),
        ("year = 2025", "efficiency = 1.5", "efficiency must be above 0 and at most 1, got 1.5"),
        ("year = 2025", "year = 'soon'", "year must be a whole number"),
        ("= 2500", "= inf", "peak_TFLOP_per_s must be positive and finite, got inf"),
        ("year = 2025", "paper = 1", "paper must be true or false, got 1"),
        ("year = 2025", "sms = 1.5", "sms must be a whole number"),
        ("year = 2025", "max_clock_MHz = 1000", "peak_TFLOP_per_s must be what rate"),
        ("year = 2025", "shared_bytes_per_clock_per_sm = 128", "must feed the arithmetic .* got"),
        ("year = 2025", "assumed = 1", "assumed must be a table of figures, got 1"),
        ("year = 2025", "assumed = { price = 'so' }", "figure must be one of .*, got 'price'"),
        ("year = 2025", "assumed = { 'network[3]' = 'so' }", "figure must be one of"),
        ('"Blackwell"', '"Rubin"', "base must be one of .*'Blackwell'.*, got 'Rubin'"),
        ("size = 8, ", "", r"network\[0\] must have GB_per_s and size, got"),
        ("size = 8", "size = 0", r"network\[0\]: size must be a whole number of at least 1, got 0"),
        ("GB_per_s = 200", "GB_per_s = 0", r"network\[1\]: GB_per_s must be positive, got 0"),
    ],
)
def test_bad_entries_are_refused(read, old, new, message):
    assert old in B300
    with pytest.raises(ValueError, match=rf"mine.toml, 'B300 HGX'.*{message}"):
        read(B300.replace(old, new))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[accelerator", "mine.toml must be a TOML file"),
        ("[gpu.mine]", "mine.toml: table must be one of 'family', 'accelerator', got 'gpu'"),
        ("accelerator = 3", "mine.toml: accelerator must be a table of entries, got 3"),
        ("[accelerator]\nmine = 3", "mine.toml, 'mine' must be a table, got 3"),
        ("[family.mine]\nprice = 3", "mine.toml, family 'mine': key must be one of"),
    ],
)
def test_bad_files_are_refused(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)
