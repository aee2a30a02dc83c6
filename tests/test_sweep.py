"""Sweeps: the reference figures row by row, and what a reader does with a sweep."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dmcore.hardware.catalog import GPUS
from dmcore.models.model import Extras, Model
from dmcore.simulator import ends
from dmcore.simulator import sweep as module
from dmcore.simulator.step import MONTH_S
from dmcore.simulator.sweep import D_MODELS, sweep

DATA = Path(__file__).parent / "data"
KEY = ("gpu", "kind", "batch_scaling")


def read(name):
    return list(csv.DictReader((DATA / name).read_text().splitlines()))


def reference_sweeps():
    sweeps = defaultdict(list)
    for row in read("sweeps.csv"):
        sweeps[tuple(row[name] for name in KEY)].append(row)
    return sweeps


REFERENCE = reference_sweeps()
ENDS = {
    tuple(row[name] for name in KEY): float(row["training_flop"])
    for row in read("linear_scaling_ends.csv")
}


@pytest.fixture(scope="module")
def h100():
    return sweep("H100 SXM")


@pytest.mark.parametrize("key", REFERENCE, ids="-".join)
def test_reference(key):
    gpu, kind, batch_scaling = key
    found, rows = sweep(gpu, kind == "sparse", batch_scaling), REFERENCE[key]
    for name in ("d_model", "layers", "batch_tokens", "params", "n_gpu"):
        assert getattr(found, name).tolist() == [int(row[name]) for row in rows], name
    assert found.experts.tolist() == [int(row["sparsity"]) for row in rows]
    for name in ("training_flop", "utilization", "months"):
        expected = np.array([float(row[name]) for row in rows])
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-9)
    assert found.linear_scaling_end == pytest.approx(ENDS[key], rel=1e-12)
    assert found.ended_by  # none of these sweeps runs out of widths


def test_all_reference_ends_are_checked():
    assert set(ENDS) == set(REFERENCE)


def test_widths_of_the_paper():
    assert D_MODELS[0] == 12288
    assert D_MODELS[-1] == 12288 * 128
    assert all((d // (d & -d)) <= 15 for d in D_MODELS)
    assert len(set(D_MODELS)) == len(D_MODELS)


def test_columns_belong_together(h100):
    product = (
        h100.data_parallel * h100.tensor_parallel * h100.pipeline_parallel * h100.expert_parallel
    )
    assert np.array_equal(product, h100.n_gpu)
    assert np.array_equal(h100.tensor_parallel, h100.slices_of_d * h100.slices_of_f)
    assert len(h100) == len(h100.steps) == len(h100.d_model) == len(h100.zero_bubble)
    flop_per_s = h100.n_gpu * h100.utilization * h100.gpu.peak_flop_per_s
    np.testing.assert_allclose(h100.training_flop / flop_per_s / MONTH_S, h100.months)
    assert np.all(h100.months <= 3)
    with pytest.raises(ValueError, match="read-only"):
        h100.n_gpu[0] = 1


def test_csv(h100, tmp_path):
    path = tmp_path / "sweep.csv"
    text = h100.to_csv(path)
    assert path.read_text() == text == h100.to_csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(h100)
    assert [float(row["utilization"]) for row in rows] == h100.utilization.tolist()
    assert [int(row["n_gpu"]) for row in rows] == h100.n_gpu.tolist()
    used = [float(row["utilization_at_deadline"]) for row in rows]
    assert used == h100.utilization_at_deadline.tolist()
    assert {row["gpu"] for row in rows} == {"H100 SXM"}


def test_shown(h100):
    assert "H100 SXM" in repr(h100)
    assert "31 runs" in repr(h100)
    assert "linear scaling to 8.7e+28 FLOP" in repr(h100)
    page = h100._repr_html_()
    assert page.count("<tr>") == len(h100) + 1
    assert "196,608" in page


def test_widths_can_be_given():
    some = sweep("H100 SXM", d_models=(16384, 12288))
    assert some.d_model.tolist() == [16384, 12288]
    assert some.ended_by == ""
    assert some.linear_scaling_end is None
    assert "linear scaling throughout" in repr(some)


def test_a_gpu_that_is_never_linear_has_no_end(h100):
    """Its first run is below the level already, which is no end of linear scaling."""
    slow = replace(h100.gpu, hbm_bytes_per_s=h100.gpu.hbm_bytes_per_s / 100)
    found = sweep(slow, d_models=(12288, 16384, 65536))
    assert ends.never_linear(found)
    assert not ends.never_linear(h100)
    assert found.linear_scaling_end is None
    for name, reading in ends.READINGS.items():
        assert reading(found) is None, name
        assert reading(h100) > h100.training_flop[0], name
        assert reading(h100, 0.5) > reading(h100, 0.9), name
    assert "linear scaling never" in repr(found)


def test_no_run_at_all_says_why():
    none = sweep("H100 SXM", duration_years=1e-6, d_models=[12288])
    assert len(none) == 0
    assert none.n_gpu.dtype == np.int64
    assert "duration_years must be above" in none.ended_by
    assert none.ended_by in repr(none)
    assert none.linear_scaling_end is None
    assert none.to_csv().count("\n") == 1
    assert "<table" in none._repr_html_()


def test_low_utilization_ends_a_sweep(h100):
    ended = sweep("H100 SXM", min_utilization=0.1)
    above = h100.utilization >= 0.1
    assert len(ended) == np.argmin(above)
    assert "utilization" in ended.ended_by


def test_options_reach_the_model():
    found = sweep(
        "H100 SXM",
        True,
        lambda _flop, experts, _seq_len: 2**12 * experts,
        seq_len=1024,
        duration_years=0.5,
        d_models=[12288],
        aspect_ratio=8,
        layer_law=lambda *_: 96,
        sparsity_law=lambda *_: 6,
        word_bytes=1,
        extras=Extras(True, "selective"),
        zero_bubble_latency=True,
    )
    (step,) = found.steps
    assert step.model == Model(
        12288, 8 * 12288, 96, 2**12 * 6, 6, 1024, 1, Extras(True, "selective")
    )
    assert step.zero_bubble_latency
    assert found.d_ff.tolist() == [8 * 12288]


def test_longer_runs_need_no_more_gpus(h100):
    longer = sweep("H100 SXM", duration_years=0.5, d_models=D_MODELS[:12])
    assert np.all(longer.n_gpu <= h100.n_gpu[:12])


def test_corrected_zero_bubble_latency_costs(h100):
    corrected = sweep("H100 SXM", zero_bubble_latency=True, d_models=D_MODELS[20:24])
    run_s = [step.run_s for step in h100.steps[20:24]]
    same = corrected.n_gpu == h100.n_gpu[20:24]
    assert np.all((corrected.months * MONTH_S >= run_s) | ~same)
    assert np.all(corrected.n_gpu >= h100.n_gpu[20:24])


def test_faster_network_helps(h100):
    links = GPUS["H100 SXM"].network
    faster = replace(
        GPUS["H100 SXM"],
        network=tuple(replace(level, bytes_per_s=2 * level.bytes_per_s) for level in links),
    )
    found = sweep(faster, d_models=D_MODELS[12:20])
    assert np.all(found.n_gpu <= h100.n_gpu[12:20])


def test_columns_past_64_bits():
    found = sweep("H100 SXM Infinite Network and LL", True, "deepseek", d_models=[D_MODELS[-1]])
    (step,) = found.steps
    assert found.params.dtype == float
    assert int(found.params[0]) == step.model.params
    assert str(step.model.params) in found.to_csv()


class TestProgress:
    def test_none_by_default_without_a_terminal(self, capfd, monkeypatch):
        monkeypatch.setattr(module, "_PATIENCE_S", -1.0)
        sweep("H100 SXM", d_models=D_MODELS[:2])
        assert capfd.readouterr() == ("", "")

    def test_none_while_it_is_quick(self, capfd):
        sweep("H100 SXM", d_models=D_MODELS[:2], progress=True)
        assert capfd.readouterr() == ("", "")

    def test_shown_when_it_takes_long(self, capfd, monkeypatch):
        monkeypatch.setattr(module, "_PATIENCE_S", -1.0)
        sweep("H100 SXM", d_models=D_MODELS[:2], progress=True)
        out, err = capfd.readouterr()
        assert out == ""
        assert "[##########          ] d_model 14336" in err
        assert err.endswith("\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"gpu": "TPU"}, "gpu must be"),
        ({"batch_scaling": "fast"}, "batch_scaling must be one of .*'deepseek'.*'fast'"),
        ({"seq_len": 0}, "seq_len"),
        ({"duration_years": -1}, "duration_years must be positive"),
        ({"d_models": [0]}, "d_models must be a whole number"),
        ({"aspect_ratio": -4}, "aspect_ratio"),
        ({"word_bytes": 0}, "word_bytes"),
        ({"min_utilization": 0}, "min_utilization"),
        ({"layer_law": lambda *_: 0}, r"layer_law\(\.\.\.\) must be a whole number"),
        ({"sparse": True, "sparsity_law": lambda *_: 0.5}, r"sparsity_law\(\.\.\.\) .* 0\.5"),
    ],
)
def test_bad_input(arguments, words):
    with pytest.raises(ValueError, match=words):
        sweep(**{"gpu": "H100 SXM", **arguments})
