"""Layers of any shape: the usual ratio gives the usual formulas, and the ratio leaves the limit alone."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits, network
from dmcore.studies import shape

ratios = st.floats(0.25, 256)
d, m, L, a, rho = symbols("d m L a rho")


@pytest.mark.parametrize(
    ("general", "usual"),
    [
        (shape.parameters(), limits.parameters()),
        (m * shape.best_grid_ratio(), network.best_q()),
        (shape.shard_side(), network.shard_side()),
        (shape.largest_tensor_parallelism(), network.largest_tensor_parallelism()),
        (
            shape.largest_tensor_parallelism_exact(),
            network.largest_tensor_parallelism_exact(),
        ),
    ],
)
def test_the_usual_ratio_gives_the_usual_formula(general: sp.Expr, usual: sp.Expr) -> None:
    assert sp.simplify(general.subs(rho, network.FF_RATIO) - usual) == 0


def test_ratio_is_in_the_blocks_of_a_matrix_and_not_in_the_critical_compute() -> None:
    assert shape.largest_tensor_parallelism().has(rho)
    assert not shape.tensor_parallelism_of_parameters().has(rho)
    general, usual = (module.largest_cluster_of_compute() for module in (shape, limits))
    assert sp.simplify(general / usual) == 1


@given(ratio=ratios, width=st.floats(1e4, 1e6))
def test_best_grid_moves_the_fewest_words(ratio: float, width: float) -> None:
    nodes = 1e4

    def words(quotient: float) -> float:
        slices = np.sqrt(nodes / quotient)
        grid = {"m": slices, "q": quotient * slices, "d": width, "f": ratio * width}
        return float(evaluate(network.words_per_token(), grid))

    best = evaluate(shape.best_grid_ratio(), rho=ratio)
    assert words(best) < min(words(best * 1.1), words(best / 1.1))


@given(ratio=ratios, width=st.floats(1e5, 1e6))
def test_exact_blocks_are_those_at_which_the_times_are_equal(ratio: float, width: float) -> None:
    C, W = 4e15, 2e11
    side = float(evaluate(network.shard_side(), C=C, W=W))
    blocks = evaluate(shape.largest_tensor_parallelism_exact(), d=width, a=side, rho=ratio)
    slices = np.sqrt(blocks / ratio)
    sent = evaluate(
        network.words_per_token_exact(), d=width, f=ratio * width, m=slices, q=blocks / slices
    )
    done = evaluate(network.layer_macs(), d=width, f=ratio * width)
    assert sent / W == pytest.approx(done / C)


def test_every_word_counted_only_raises_the_limit_and_least_for_square_matrices() -> None:
    leading = limits.critical_compute("H100 SXM")
    found = {ratio: shape.critical_compute_exact("H100 SXM", ratio) for ratio in (0.25, 1, 4, 64)}
    assert leading < found[1] < found[4] < found[64]
    assert found[0.25] == pytest.approx(found[4])  # the two widths play one part


def test_exact_limit_is_where_needed_and_busy_nodes_are_as_many() -> None:
    ratio, t = 16.0, limits.QUARTER_S
    macs = shape.critical_compute_exact("H100 SXM", ratio) / 2
    rates = limits.node_rates("H100 SXM")
    params = np.sqrt(macs / 60)
    width = np.sqrt(params / (2 * ratio * 100))
    tensor = evaluate(shape.largest_tensor_parallelism_exact(), d=width, a=rates["a"], rho=ratio)
    assert macs / (rates["C"] * t) == pytest.approx(tensor * 4e6 / (2 * rates["n"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratio": 0.0}, "ratio must be from 1e-6 to 1e6"),
        ({"gpu": "H100 SXM Infinite Network and LL"}, "finite network"),
        ({"gpu": "H200"}, "gpu must be"),
    ],
)
def test_bad_arguments_are_named(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        shape.critical_compute_exact(**{"gpu": "H100 SXM", "ratio": 4.0, **changes})
