"""Scenarios: what each changes, what they add up to, and the end of a zigzag."""

from __future__ import annotations

import math

import pytest
import sympy as sp

from dmcore import GPUS
from dmcore.bottlenecks import limits
from dmcore.chapters import ways_around as figures
from dmcore.models.laws import DEPTH_LAWS, SIMULATOR_YEAR_S
from dmcore.simulator.sweep import D_MODELS, sweep
from dmcore.studies import scenarios
from dmcore.studies.change import (
    BASELINE,
    WIDTHS,
    Change,
    closed_form_latency_s,
    own_laws,
    swept,
    together,
)
from dmcore.studies.scenarios import SCENARIOS, headline_table

H100 = GPUS["H100 SXM"]
NAMES = (
    "as it is",
    "constant batch",
    "1 year",
    "HBM × 10",
    "network × 10",
    "latency ÷ 10",
    "infinite network",
    "experts",
    "network, latency by 10",
    "192 layers, DeepSeek",
)


@pytest.fixture(scope="module")
def table():
    return headline_table(NAMES)


# ---------------------------------------------------------------------------------- what they are


def test_widths_are_the_papers_and_wider_ones() -> None:
    assert WIDTHS[: len(D_MODELS)] == D_MODELS
    assert WIDTHS[-1] == 2**25


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_says_what_it_is(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.name == name
    assert len(name) <= 25  # the labels of a picture as wide as a phone
    assert scenario.words.endswith(".")
    assert scenario.kind in ("hardware", "run", "model")
    assert (scenario.changes == 0) == (scenario is BASELINE)


def test_baseline_is_the_papers_sweep_and_the_closed_form_of_its_laws(table) -> None:
    paper = sweep("H100 SXM")
    assert table.baseline.linear_end == paper.end_range
    assert table.baseline.last_run_flop == paper.training_flop[-1]
    assert table.baseline.critical_flop == pytest.approx(
        limits.critical_compute("H100 SXM", duration_s=SIMULATOR_YEAR_S / 4, **own_laws())
    )
    latency = closed_form_latency_s(H100)
    assert latency == pytest.approx(9e-6)
    limit = limits.latency_limit(latency_s=latency, duration_s=SIMULATOR_YEAR_S / 4, **own_laws())
    assert table.baseline.limit_flop == pytest.approx(limit)


def test_changes_are_applied_in_their_order_and_to_any_gpu() -> None:
    network, latency = SCENARIOS["network × 10"], SCENARIOS["latency ÷ 10"]
    both = together("both", "", network, latency)
    a100 = GPUS["A100 SXM"]
    assert both.applied_to(a100) == latency.applied_to(network.applied_to(a100))
    assert both.changes == 2
    assert together("", "", Change("", gpu="A100 SXM"), network).applied_to() == network.applied_to(
        a100
    )
    with pytest.raises(ValueError, match=r"set years twice.*'b'"):
        together("", "", Change("a", years=1), Change("b", years=2))
    with pytest.raises(ValueError, match=r"set gpu twice.*'b'"):
        together("", "", network, Change("b", gpu="A100 SXM"))


def test_closed_forms_take_laws_of_your_own_and_refuse_what_has_no_expression() -> None:
    assert Change("", batch="none").critical_flop() < BASELINE.critical_flop()
    with pytest.raises(ValueError, match="must be a text or a BatchLaw"):
        Change("", batch=lambda *_: 2048).critical_flop()


def test_a_sweep_is_done_once_for_equal_arguments() -> None:
    same = Change("another name", "other words")
    assert swept(same, widths=(12288,)) is swept(BASELINE, widths=(12288,))


def test_slower_depth_starts_with_the_papers_layers_and_has_half_its_power() -> None:
    layers, law = DEPTH_LAWS["default"], DEPTH_LAWS["half power"]
    assert law(12288, 4 * 12288) == layers(12288, 4 * 12288) == 192
    wide = 12288 * 64
    assert layers(wide, 4 * wide) / 192 == pytest.approx(64**0.75, rel=0.15)
    assert law(wide, 4 * wide) / 192 == pytest.approx(64**0.375, rel=0.15)
    assert own_laws(depth_law=sp.Integer(192))["alpha"] == pytest.approx(1 / 6)


def test_layers_of_another_shape_have_as_many_parameters() -> None:
    for name, ratio in (("d_ff = d_model", 1), ("d_ff = 64 d_model", 64)):
        widths = SCENARIOS[name].sweep_arguments()["d_models"]
        assert [ratio * width**2 for width in widths] == [4 * d**2 for d in WIDTHS]


# ------------------------------------------------------------------------------- what becomes of them


def test_network_moves_the_waste_and_not_the_wall_and_latency_the_wall(table) -> None:
    assert 0.9 < table.gain("network × 10") < 1.4
    assert table.gain("network × 10", "critical_flop") == pytest.approx(
        4 / (1 - 2 * own_laws()["alpha"])
    )
    assert table.gain("network × 10", "last_run_flop") == 0
    assert table.gain("latency ÷ 10", "critical_flop") == 0
    assert table.gain("latency ÷ 10", "limit_flop") == pytest.approx(
        2 / (1 - 2 * own_laws()["alpha"])
    )
    assert table.gain("latency ÷ 10", "last_run_flop") > 2
    assert table.gain("HBM × 10") == pytest.approx(0)


def test_two_changes_can_be_worth_more_than_their_sum(table) -> None:
    alone = table.gain("network × 10") + table.gain("latency ÷ 10")
    assert table.gain("network, latency by 10") > alone + 1


def test_latency_limit_is_close_above_the_last_run(table) -> None:
    for one in table:
        if not one.out_of_widths:
            assert 0.5 < one.last_run_flop / one.limit_flop < 1, one.change.name


def test_what_is_infinite_or_unfinished_says_so(table) -> None:
    assert table["experts"].critical_flop == pytest.approx(
        limits.critical_compute(
            "H100 SXM", duration_s=SIMULATOR_YEAR_S / 4, **own_laws(sparse=True)
        )
    )
    assert table["infinite network"].critical_flop == math.inf
    (unfinished,) = (one for one in table if one.out_of_widths)
    assert unfinished.change.name == "192 layers, DeepSeek"
    assert unfinished.linear_throughout
    assert unfinished.linear_end.flop is None
    assert unfinished.linear_flop == unfinished.last_run_flop
    assert not any(one.linear_throughout for one in table if one is not unfinished)


def test_table_is_ranked_by_single_changes(table) -> None:
    ranked = [one.change.name for one in table.ranked()]
    assert ranked[:2] in (["1 year", "infinite network"], ["infinite network", "1 year"])
    assert ranked[-1] == "constant batch"
    assert not {"as it is", "network, latency by 10"} & set(ranked)


def test_tables_of_where_gpus_wait_and_where_runs_end(table) -> None:
    waiting, ending = table.waiting(), table.ending()
    assert [row[0] for row in waiting.rows] == [row[0] for row in ending.rows] == list(NAMES)
    rows = {row[0]: row[1:] for row in waiting.rows}
    assert rows["network × 10"][0] == "4.6 × 10³²"
    assert (rows["network × 10"][1], rows["network × 10"][-1]) == ("+4.3", "+1.1")
    assert rows["infinite network"][:2] == ("∞", "+∞")
    assert rows["192 layers, DeepSeek"][2:] == ("≥ 3.6 × 10³⁸", "–", "–", "+9.6")
    last = {row[0]: row[3:] for row in ending.rows}
    assert last["network × 10"] == ("2.7 × 10³¹", "+0.0")
    assert last["192 layers, DeepSeek"][0] == "≥ 3.6 × 10³⁸"


def test_unknown_names_are_refused(table) -> None:
    with pytest.raises(ValueError, match="names must be of"):
        headline_table(("as it is", "warp drive"))
    with pytest.raises(ValueError, match="name must be one of"):
        table["warp drive"]
    with pytest.raises(ValueError, match="at least one"):
        scenarios.ScenarioTable(())


# --------------------------------------------------------------------------------------- pictures


def test_pictures_say_their_numbers(table) -> None:
    waste, end = figures.ranking(table), figures.ends(table)
    assert "network × 10 +1.1 (+4.3)" in waste.alt
    assert "infinite network +1.2 (infinite)" in waste.alt
    assert "latency ÷ 10 +2.3 (+2.1)" in end.alt
    assert "3 more move neither" in end.alt
    assert "192 layers, DeepSeek" in end.svg
    assert "≥ 7.1 and 16.1" in end.svg
