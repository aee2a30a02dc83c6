"""Laws of the simulation: rounding, reference figures, exponents, bad input."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from dmcore.algebra.expressions import value_of
from dmcore.models import laws
from dmcore.models.laws import (
    BATCH_LAWS,
    DEPTH_LAWS,
    SPARSITY_LAWS,
    BatchLaw,
    ShapeLaw,
    batch_sequences,
    closest_round,
    effective_alpha,
)
from dmcore.models.model import Model

ROWS = list(
    csv.DictReader((Path(__file__).parent / "data" / "sweeps.csv").read_text().splitlines())
)
ROUND = {m * 2**i for m in (1, 3, 5, 7, 9) for i in range(60)}


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda r: f"{r['gpu']}-{r['kind']}-{r['batch_scaling']}-{r['d_model']}"
)
def test_reference_shapes(row):
    model = Model.from_laws(int(row["d_model"]), row["kind"] == "sparse", row["batch_scaling"])
    found = (model.layers, model.experts, model.batch_tokens, model.params)
    assert found == tuple(
        int(row[name]) for name in ("layers", "sparsity", "batch_tokens", "params")
    )
    assert model.training_flop == pytest.approx(float(row["training_flop"]), rel=1e-14)


@settings(deadline=None)
@given(st.floats(0.1, 1e17))
def test_closest_round_is_closest(x):
    found = closest_round(x)
    assert found in ROUND
    assert all(abs(found - x) <= abs(other - x) for other in ROUND)


def test_closest_round_takes_the_smaller_on_a_tie():
    assert closest_round(11) == 10  # of 10 and 12
    assert closest_round(17) == 16  # of 16 and 18
    assert closest_round(0.2) == 1


def test_laws_at_known_points():
    assert DEPTH_LAWS["default"](12288, 4 * 12288) == 192
    assert SPARSITY_LAWS["default"](12288, 4 * 12288) == 8
    assert batch_sequences(3e23) * 2048 == 2**22
    assert batch_sequences(3e23, seq_len=4096) * 4096 == 2**22
    assert batch_sequences(1e30, batch_scaling="none", seq_len=1000) == 2**22 // 1000
    assert value_of(BATCH_LAWS["deepseek"].expression, T_FLOP=1e24, E=1.0, S=1.0) == pytest.approx(
        0.2920 * 1e24**0.3271, rel=1e-12
    )


@pytest.mark.parametrize("batch_scaling", ["default", "deepseek"])
@pytest.mark.parametrize("experts", [2, 7, 14])
def test_sparse_batch_is_a_multiple_of_the_experts(batch_scaling, experts):
    batch = batch_sequences(3e26, experts, batch_scaling=batch_scaling)
    assert batch % experts == 0
    assert batch // experts in ROUND


def test_batch_callable_gets_what_it_is_promised_and_is_used_as_it_is():
    asked = []

    def law(training_flop, sparsity, seq_len):
        asked.append((training_flop, sparsity, seq_len))
        return 1234.0

    assert batch_sequences(1e25, 3, 512, law) == 1234
    assert asked == [(1e25, 3, 512)]


@pytest.mark.parametrize("rounding", laws.ROUNDINGS)
def test_a_law_of_your_own_goes_into_the_simulator_and_the_closed_forms(rounding):
    T, E, S = (sp.Symbol(name, positive=True) for name in ("T_FLOP", "E", "S"))
    law = BatchLaw("own", "as compute to the 0.4", E * T ** sp.Rational(2, 5) / S, rounding)
    model = Model.from_laws(12288, True, law)
    unrounded = value_of(law.expression, T_FLOP=model.training_flop, E=8.0, S=2048.0)
    assert model.batch_sequences == pytest.approx(unrounded, rel=0.15)
    assert (rounding == "whole sequences down") == (model.batch_sequences == int(unrounded))
    assert effective_alpha(law).alpha_b == sp.Rational(2, 5)


def test_slower_depth_has_half_the_power_and_starts_with_as_many_layers():
    slow, paper = DEPTH_LAWS["half power"], DEPTH_LAWS["default"]
    assert slow(12288, 4 * 12288) == paper(12288, 4 * 12288)
    d = sp.Symbol("d", positive=True)
    powers = [sp.simplify(d * sp.diff(sp.log(law.expression), d)) for law in (slow, paper)]
    assert float(2 * powers[0]) == pytest.approx(float(powers[1]))


def test_effective_alpha_are_the_exponents_of_the_laws():
    alpha = effective_alpha()
    assert alpha.alpha_b == sp.Rational(1, 6)
    assert alpha.alpha == alpha.alpha_b - alpha.alpha_L
    assert effective_alpha("none").alpha_b == 0
    # measured on the unrounded laws: depth against compute of two widths
    d = np.array([2e4, 4e4])
    depth = value_of(DEPTH_LAWS["default"].expression, d=d, f=4 * d)
    compute = 120 * (2 * d * 4 * d * depth) ** 2
    slope = np.diff(np.log(depth)) / np.diff(np.log(compute))
    assert float(alpha.alpha_L) == pytest.approx(slope[0], rel=1e-9)
    at = alpha.layers_of_compute.subs(sp.Symbol("T_FLOP", positive=True), compute[0])
    assert float(at) == pytest.approx(depth[0], rel=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: batch_sequences(-1.0), "training_flop must be positive.*-1.0"),
        (lambda: batch_sequences(math.inf), "training_flop"),
        (lambda: batch_sequences(1e24, 0), "experts must be a whole number.*0"),
        (lambda: batch_sequences(1e24, seq_len=0), "seq_len"),
        (lambda: batch_sequences(1e24, batch_scaling="slow"), "batch_scaling.*'default'.*'slow'"),
        (lambda: batch_sequences(1e24, batch_scaling=lambda *_: 2.5), "batch_scaling.*2.5"),
        (lambda: batch_sequences(1e24, batch_scaling=lambda *_: 0), "batch_scaling.*0"),
        (lambda: batch_sequences(1e24, seq_len=2**23, batch_scaling="none"), "seq_len"),
        (lambda: DEPTH_LAWS["default"](0, 4), "d_model"),
        (lambda: SPARSITY_LAWS["default"](4, -4), "d_ff"),
        (lambda: closest_round(0), "x must be positive"),
        (lambda: effective_alpha("linear"), "batch_scaling"),
        (lambda: effective_alpha(depth_law="deep"), "depth_law.*'half power'.*'deep'"),
        (lambda: effective_alpha(lambda *_: 1), "batch_scaling must be a text or a BatchLaw"),
        (lambda: Model.from_laws(12288, layer_law="deep"), "layer_law.*'deep'"),
        (lambda: Model.from_laws(12288, True, sparsity_law="all"), "sparsity_law.*'all'"),
        (lambda: BatchLaw("x", "x", sp.Symbol("T")), "expression.*T_FLOP E S.*T"),
        (lambda: BatchLaw("x", "x", sp.Integer(1), "up"), "rounding.*'up'"),
        (lambda: ShapeLaw("x", "x", sp.Symbol("L")), "expression.*d f.*L"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
