"""Sparse models: the experts cancel from both limits, and what is left is the depth."""

from __future__ import annotations

import pytest
import sympy as sp

from dmcore.algebra.derivation import equivalent
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import experts, limits
from dmcore.models.laws import DEPTH_LAWS, SPARSITY_LAWS, effective_alpha
from dmcore.models.model import Model
from dmcore.studies.experts import changes, dense_depth, outcomes

b, b_dense, E, T, L, d = symbols("b b_dense E T L d")


def test_experts_cancel_from_both_limits():
    for sparse, dense in (
        (experts.critical_macs_fixed, limits.critical_macs_fixed),
        (experts.latency_macs_fixed, limits.latency_macs_fixed),
    ):
        assert E not in sparse().free_symbols
        assert equivalent(sparse(), dense().subs(b, b_dense))


def test_one_expert_is_a_dense_model():
    for sparse, dense in (
        (experts.largest_cluster(), limits.largest_cluster()),
        (experts.training_tokens(), limits.training_tokens()),
        (experts.model_width(), limits.model_width()),
    ):
        assert equivalent(sparse.subs(E, 1), dense)


def test_a_batch_that_does_not_grow_lets_experts_starve():
    """Both limits then fall as one over the experts."""
    busy = experts.largest_cluster_of_compute()
    (limit,) = sp.solve(sp.Eq(limits.nodes_needed(), busy), T)
    assert limits.elasticity(limit, E) == -1
    t = symbols("t")[0]
    (wall,) = sp.solve(sp.Eq(t, experts.least_run_time_of_compute()), T)
    assert limits.elasticity(wall, E) == -1


def test_exponents_of_the_authors_comments():
    alpha = effective_alpha(sparse=True)
    width = 1 / (4 * sp.Rational("1.3751") - 2 * sp.Rational("0.5") + 2)  # of d, by hand: 1/6.5004
    assert float(alpha.alpha_L) == pytest.approx(0.1154, abs=5e-5)
    assert float(alpha.alpha_L / sp.Rational("0.7502")) == pytest.approx(0.1538, abs=5e-5)
    assert alpha.alpha_L / sp.Rational("0.7502") == width
    assert float(alpha.alpha) == pytest.approx(1 / 6 - 0.1154, abs=5e-5)


@pytest.mark.parametrize("width", [12288, 40960, 114688])
def test_depth_is_that_of_a_dense_model_of_equal_compute(width):
    made = Model.from_laws(width, sparse=True, layer_law=dense_depth())
    deep = effective_alpha().layers_of_compute.subs(symbols("T_FLOP")[0], made.training_flop)
    assert made.experts == SPARSITY_LAWS["default"](width, 4 * width)
    assert made.layers == pytest.approx(
        float(deep), rel=0.15
    )  # numbers that divide are so far apart
    assert made.layers > DEPTH_LAWS["default"](width, 4 * width)


def test_depth_is_the_gain():
    dense, sparse, as_deep, starved = outcomes()
    assert [one.change for one in (dense, sparse, as_deep, starved)] == list(changes())
    assert 2 < sparse.critical_flop / dense.critical_flop < 3
    assert as_deep.critical_flop == pytest.approx(dense.critical_flop, rel=1e-9)
    assert as_deep.limit_flop == pytest.approx(dense.limit_flop, rel=1e-9)
    assert sparse.last_run_flop > 3.5 * dense.last_run_flop
    assert 0.9 < as_deep.last_run_flop / dense.last_run_flop < 1.1
    assert starved.critical_flop < dense.critical_flop / 5
    assert starved.last_run_flop < dense.last_run_flop / 5
