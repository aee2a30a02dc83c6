"""Generations of hardware: what the closed forms and the simulator say of them, and their sources."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dmcore.bottlenecks.limits import critical_compute
from dmcore.hardware.catalog import ACCELERATORS, GPUS, get_gpu
from dmcore.hardware.variants import with_node
from dmcore.models.model import Model
from dmcore.simulator.search import best_parallelism
from dmcore.simulator.sweep import D_MODELS, sweep
from dmcore.studies import generations as model
from dmcore.studies.change import PAPERS_FROM_2048
from dmcore.studies.generations import GENERATIONS

BIBLIOGRAPHY = Path(__file__).parents[1] / "book" / "references.bib"


def test_generations_are_presets_in_order_of_years():
    years = [generation.year for generation in GENERATIONS.values()]
    assert years == sorted(years)
    for name, generation in GENERATIONS.items():
        assert generation.gpu is get_gpu(name)
        assert generation.name == name


def test_citations_of_the_generations_are_in_the_bibliography():
    keys = set(re.findall(r"@\w+\{([^,]+),", BIBLIOGRAPHY.read_text(encoding="utf-8")))
    for name in GENERATIONS:
        assert set(ACCELERATORS[name].sources.values()) <= keys
    assert model.ALEXNET.source in keys


def test_marks_tell_assumptions():
    card = GENERATIONS["GTX 580"]
    assert card.mark("hbm_bytes_per_s") == ""
    assert card.mark("efficiency") == "*"
    assert card.mark("network[1]") == card.mark("matmul_latency_s") == "?"
    assert GENERATIONS["A100 SXM"].mark("l2_bytes_per_s") == "*"
    assert GENERATIONS["H100 SXM"].mark("l2_bytes_per_s") == "?"
    with pytest.raises(ValueError, match="field must be one of"):
        card.mark("price")


def test_words_of_the_gtx_580_are_of_32_bit():
    card = GENERATIONS["GTX 580"]
    assert card.nanobatch_tokens == pytest.approx(1.581e12 / 192.4e9 * 4, rel=1e-3)
    assert card.critical_flop == critical_compute(card.gpu, word_bytes=4)
    assert card.symbols["w_A"] == 4


def test_widths_hold_the_papers():
    assert set(D_MODELS) < set(PAPERS_FROM_2048)
    assert PAPERS_FROM_2048[0] == 2048
    assert list(PAPERS_FROM_2048) == sorted(set(PAPERS_FROM_2048))


@pytest.mark.parametrize(
    ("old", "new"), [("GTX 580", "V100 SXM"), ("H100 SXM", "B200 HGX"), ("B200 HGX", "GB200 NVL72")]
)
def test_factors_multiply_to_the_ratio_of_limits(old, new):
    product = math.prod(model.factors(old, new).values())
    ratio = GENERATIONS[new].critical_flop / GENERATIONS[old].critical_flop
    assert product == pytest.approx(ratio, rel=1e-9)


def test_node_of_72_counts_81_times():
    assert model.factors("B200 HGX", "GB200 NVL72")["node"] == pytest.approx(81)
    with pytest.raises(ValueError, match="new must be one of"):
        model.factors("B200 HGX", "R300")


def test_inner_reach_is_the_square_of_the_bandwidths():
    assert model.inner_reach(get_gpu("H100 SXM")) == pytest.approx(81)
    assert model.inner_reach(get_gpu("TPU v4")) == pytest.approx(48**2)


def test_reported_split_is_what_the_search_finds():
    step = model.gtx_580_run()
    found = best_parallelism(step.gpu, step.model, step.n_gpu)
    assert found.parallelism == step.parallelism
    for name, degree in model.REPORTED_SPLIT.items():
        assert getattr(step.parallelism, name) == degree
    assert step.n_gpu == 2**24
    assert step.model == Model.from_laws(model.GTX_580_WIDTH, word_bytes=4)
    assert step.model.training_flop == pytest.approx(1e26, rel=0.2)
    assert step.run_s < 3.154e7 / 4


def test_gtx_580_reaches_the_reported_share_with_a_network_a_quarter_faster():
    card = GENERATIONS["GTX 580"].gpu
    share = model.gtx_580_run().utilization / card.efficiency
    assert 0.75 < share < 0.8
    faster = model.gtx_580_run(model.changed(card, "network beyond the node", 1.25))
    assert faster.utilization / card.efficiency > 0.8


def test_h100_ends_where_the_papers_sweep_does():
    assert model.linear_scaling(GPUS["H100 SXM"]) == sweep("H100 SXM").end_range


def test_more_l2_bandwidth_is_no_matter_and_less_matters_less_than_the_network():
    gpu = get_gpu("B200 HGX")
    base = model.linear_scaling(gpu)
    l2, network = "L2 bandwidth", "network beyond the node"
    assert model.linear_scaling(model.changed(gpu, l2, 2)).flop == pytest.approx(
        base.flop, rel=0.01
    )
    halved = {what: model.linear_scaling(model.changed(gpu, what, 0.5)) for what in (l2, network)}
    assert halved[network].high < base.low < halved[l2].flop < base.flop
    assert model.linear_scaling(model.changed(gpu, network, 2)).low > base.high


def test_the_b200_ends_before_the_h100_and_the_gb200_after_it():
    """Over all sets of cluster sizes, which is what the chapter concludes from."""
    b200, h100, gb200 = (GENERATIONS[name].end for name in ("B200 HGX", "H100 SXM", "GB200 NVL72"))
    assert b200.high < h100.low < h100.high < gb200.low


def test_a_sweep_without_an_end_is_refused():
    perfect = replace(GPUS["H100 SXM Infinite Network and LL"], matmul_latency_s=0.0)
    perfect = replace(perfect, efficiency=1e-6)
    with pytest.raises(ValueError, match="gpu must leave linear scaling"):
        model.linear_scaling(perfect)


def test_changes_multiply_one_figure():
    gpu = get_gpu("GTX 580")
    slow = model.changed(gpu, "latencies", 2)
    assert slow.matmul_latency_s == 2 * gpu.matmul_latency_s
    assert [level.latency_s for level in slow.network] == [2.25e-6, 2.25e-6]
    wide = model.changed(gpu, "network beyond the node", 2)
    assert wide.network[0] == gpu.network[0]
    assert wide.inter_node_bytes_per_s == 2 * gpu.inter_node_bytes_per_s
    assert model.changed(gpu, "registers", 1) == gpu
    with pytest.raises(ValueError, match="what must be one of"):
        model.changed(gpu, "price", 2)
    with pytest.raises(ValueError, match="factor must be"):
        model.changed(gpu, "registers", 0)


def test_a_node_can_be_of_any_size():
    assert with_node(get_gpu("B200 HGX"), 72).node_size == 72
    with pytest.raises(ValueError, match="size must be"):
        with_node(get_gpu("B200 HGX"), 0)


def test_trend_goes_through_both_runs():
    assert model.largest_run_in(model.ALEXNET.year) == pytest.approx(model.ALEXNET.flop)
    assert model.largest_run_in(model.LAST_RUN.year) == pytest.approx(model.LAST_RUN.flop)
    assert 4 < model.trend() < 5


def test_faster_growth_reaches_a_limit_earlier():
    early, late = model.years_reached(1e29)
    assert model.LAST_RUN.year < early < late
    assert model.LAST_RUN.flop * 5 ** (early - model.LAST_RUN.year) == pytest.approx(1e29)


def test_alexnet_fits_on_two_cards_for_six_days():
    most = 2 * get_gpu("GTX 580").peak_flop_per_s * 6 * 86400
    assert 0.2 * most < model.ALEXNET.flop < most
