"""The paper's series of models as expected, beside the bound."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dmcore import Model, Software, sweep
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.prediction.step import predict_step
from dmcore.studies.expected import SideBySide, same_size, side_by_side, smallest_expected

LATE = Software("Megatron", 2024.3)


def test_the_transformer_has_the_weights_of_the_model():
    model = Model.from_laws(16384)
    shape = same_size(model)
    weights = shape.layers * (4 * shape.d_model**2 + 2 * shape.d_model * shape.d_ff)
    assert weights == model.params
    assert (shape.seq_len, shape.heads * shape.head_dim) == (model.seq_len, model.d_model)


def test_the_smallest_cluster_ends_in_time_and_half_of_it_does_not():
    model = Model.from_laws(16384)
    found = smallest_expected("H100 SXM", model, 0.25, LATE)
    step = predict_step("H100", same_size(model), found.chosen.split, LATE).step_s
    assert step * model.steps <= 0.25 * SIMULATOR_YEAR_S
    used = model.training_flop / (found.n_gpu * 989.4e12 * step * model.steps)
    assert found.utilization == pytest.approx(used, rel=1e-3)
    longer = smallest_expected("H100 SXM", model, 0.5, LATE)
    shorter = smallest_expected("H100 SXM", model, 0.125, LATE)
    assert longer.n_gpu < found.n_gpu < shorter.n_gpu
    assert smallest_expected("H100 SXM", model, 1e-4, LATE) is None


def test_the_bound_is_that_of_a_sweep():
    widths = (12288, 53248)
    both = side_by_side("H100 SXM", widths, software=LATE)
    found = sweep("H100 SXM", d_models=widths)
    assert [one.n_gpu for one in both.bound] == found.n_gpu.tolist()
    assert [one.utilization for one in both.bound] == found.utilization.tolist()
    assert both.expected[1] is None
    assert both.table().rows[1][-2:] == ("none", "")


def test_ends_are_read_from_the_runs():
    models = tuple(SimpleNamespace(training_flop=flop) for flop in (1e24, 1e25, 1e26, 1e27))
    runs = [SimpleNamespace(utilization=used) for used in (0.5, 0.45, 0.39, 0.5)]
    both = SideBySide(models, tuple(runs), (runs[0], None, runs[1], None))
    assert both.first_below() == (1e26, 1e25)
    assert both.first_below(0.5) == (None, 1e25)
    assert both.largest() == (1e27, 1e26)
    none = SideBySide(models[:1], (None,), (None,))
    assert none.largest() == (0.0, 0.0)


def test_what_cannot_be_is_named():
    model = Model.from_laws(12288)
    with pytest.raises(ValueError, match="model must be dense, with d_ff above 2 d_model"):
        smallest_expected("H100 SXM", replace(model, d_ff=2 * model.d_model))
    with pytest.raises(ValueError, match="gpu must be"):
        side_by_side("H900", [12288])
