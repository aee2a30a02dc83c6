"""Attention and activation memory: their formulas against published counts, and as options of a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy as sp

from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import network
from dmcore.hardware.catalog import GPUS
from dmcore.models import activation_memory, attention
from dmcore.models.model import Extras, Model
from dmcore.simulator import attention_messages
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.split import Parallelism
from dmcore.simulator.step import training_step
from dmcore.simulator.sweep import sweep

SHAPE = {"d": 12288.0, "f": 4 * 12288.0, "S": 2048.0, "w_A": 2.0, "w_mask": 1.0}


def value(expr, **more):
    known = {**SHAPE, **more}
    return value_of(expr, **{each.name: known[each.name] for each in expr.free_symbols})


def test_projections_are_an_mlp_of_half_the_width():
    """As parameters, as messages and as arithmetic: two matrices of d x 2d."""
    d, f = symbols("d f")
    passes = sp.Symbol("F_passes", positive=True)
    words = attention_messages.words_per_token().subs(passes, 1)
    assert sp.expand(words - network.words_per_token_exact().subs(f, 2 * d)) == 0
    assert attention.layer_parameters() == (2 * d * f).subs(f, 2 * d)


def test_messages_of_megatron():
    """With heads on every GPU: one all-reduce of d words forward and one backward."""
    d, m, q = symbols("d m q")
    passes = sp.Symbol("F_passes", positive=True)
    words = attention_messages.words_per_token().subs({m: 1, passes: 1})
    assert sp.expand(words - 2 * network.all_reduce_words(q, d)) == 0


def test_palm_counts_twice_the_scores():
    """12 L H Q T FLOP for a token (Chowdhery et al. 2022, appendix B), all S tokens instead of half."""
    flop = 2 * network.PASSES * value(attention.score_macs())
    assert flop == 12 * SHAPE["d"] * SHAPE["S"] / 2


def test_activations_as_published():
    """34 d bytes for a token in a layer, 21 d of the MLP's, and 5 S for each head (Korthikanti et al.)."""
    d = SHAPE["d"]
    assert value(activation_memory.mlp_bytes()) == 21 * d
    assert value(activation_memory.mlp_bytes() + activation_memory.attention_bytes()) == 34 * d
    heads = d / attention.HEAD_CHANNELS
    assert value(activation_memory.score_bytes()) == 5 * SHAPE["S"] * heads
    assert value(activation_memory.boundary_bytes()) == 2 * d


@pytest.mark.parametrize(
    ("zero_bubble", "stages", "v", "expected"),
    [
        (False, 8, 1, 8),
        (False, 8, 2, 8 + 7 / 2),  # L (1 + (p - 1) / (p v)) layers in all
        (True, 8, 1, 15),  # 2 p - 1
        (False, 1, 1, 1),
        (True, 1, 1, 1),
        (False, 64, 4, 40),  # no more than there are
    ],
)
def test_microbatches_in_flight(zero_bubble, stages, v, expected):
    expr = activation_memory.microbatches_in_flight(zero_bubble)
    values = {"N_PP": stages, "K": 40, "v": v}
    assert (
        value_of(expr, **{each.name: values[each.name] for each in expr.free_symbols}) == expected
    )


MODEL = Model(1024, 4096, 8, 64, seq_len=512)
ATTENDING = replace(MODEL, extras=Extras(attention=True))


def test_model_with_attention():
    assert ATTENDING.attention_params == 4 * 1024**2 * 8
    assert ATTENDING.params == 12 * 1024**2 * 8
    per_token = 6 * (12 * 1024**2 + 512 * 1024) * 8
    assert ATTENDING.training_flop == pytest.approx(per_token * 20 * ATTENDING.params)
    sparse = replace(ATTENDING, experts=4)
    assert sparse.params == (4 * 8 + 4) * 1024**2 * 8
    assert sparse.training_flop == pytest.approx(per_token * 20 * sparse.params)


def test_from_laws_counts_attention_before_the_batch():
    def from_laws(extras):
        return Model.from_laws(98304, False, lambda flop, *_: round(flop / 1e24), extras=extras)

    paper, model = from_laws(Extras()), from_laws(Extras(attention=True))
    assert model.layers == paper.layers
    assert model.batch_tokens > 2 * paper.batch_tokens
    assert model.params == pytest.approx(1.5 * paper.params)


def test_utilization_is_of_all_model_arithmetic():
    for extras in (Extras(True), Extras(True, "recompute"), Extras(False, "recompute")):
        step = training_step("H100 SXM", replace(MODEL, extras=extras), Parallelism(slices_of_f=8))
        run_flop = step.run_s * step.n_gpu * step.gpu.peak_flop_per_s
        assert step.utilization == pytest.approx(step.model.training_flop / run_flop)


def test_recomputation_does_a_third_more():
    quick = replace(GPUS["H100 SXM"], matmul_latency_s=0.0, l2_bytes=1e15, hbm_bytes_per_s=1e18)
    quick = replace(quick, l2_bytes_per_s=1e18)
    again = replace(MODEL, extras=Extras(activation_memory="recompute"))
    once = training_step(quick, MODEL, Parallelism())
    twice = training_step(quick, again, Parallelism())
    assert twice.matmul_s == pytest.approx(4 / 3 * once.matmul_s)
    assert twice.arithmetic_s == once.arithmetic_s
    split = Parallelism(slices_of_d=2, slices_of_f=4)
    messages = [
        training_step("H100 SXM", each, split).tensor_bandwidth_s for each in (MODEL, again)
    ]
    assert messages[1] == pytest.approx(1.5 * messages[0])


@pytest.mark.parametrize("attending", [False, True])
def test_less_kept_is_less_memory(attending):
    def held(kept):
        model = replace(MODEL, extras=Extras(attending, kept))
        return training_step("H100 SXM", model, Parallelism(slices_of_f=8, microbatches=8))

    nothing, full, selective, again = map(held, (None, "full", "selective", "recompute"))
    assert nothing.activation_bytes == 0
    assert nothing.memory_bytes < again.memory_bytes < selective.memory_bytes <= full.memory_bytes
    assert (selective.memory_bytes < full.memory_bytes) == attending
    assert full.memory_bytes == pytest.approx(nothing.memory_bytes + full.activation_bytes)
    layer = (34 if attending else 21) * 1024
    assert selective.activation_bytes == pytest.approx(layer * 8 * 64 * 512 / 8 / 8)


def test_activations_may_not_fit():
    roomy = training_step("H100 SXM", MODEL, Parallelism())
    gpu = replace(GPUS["H100 SXM"], hbm_bytes=1.01 * roomy.memory_bytes)
    model = replace(MODEL, extras=Extras(activation_memory="full"))
    with pytest.raises(ValueError, match="memory needed on each GPU"):
        training_step(gpu, model, Parallelism())
    tight = replace(gpu, hbm_bytes=1.000001 * roomy.memory_bytes)
    with pytest.raises(
        NothingFitsError, match=r"memory: 1 GPUs .*hold the weights, but not the act"
    ):
        best_parallelism(tight, model, 1)


def test_search_takes_more_microbatches_to_fit():
    model = Model.from_laws(12288)
    keeping = replace(model, extras=Extras(activation_memory="full"))
    paper = best_parallelism("H100 SXM", model, 1024)
    found = best_parallelism("H100 SXM", keeping, 1024)
    assert found.parallelism.microbatches > paper.parallelism.microbatches
    assert found.memory_bytes <= found.gpu.hbm_bytes
    assert 0.9 * paper.utilization < found.utilization < paper.utilization


def test_heads_divide_the_width():
    model = Model(24, 96, 1, 64, extras=Extras(attention=True))
    with pytest.raises(ValueError, match="slices_of_f must divide d_model 24 for attention"):
        training_step("H100 SXM Global NVLink", model, Parallelism(slices_of_f=32))


def test_attention_costs_a_sweep_its_reach():
    paper, found = sweep("H100 SXM"), sweep("H100 SXM", extras=Extras(attention=True))
    assert found.training_flop[-1] < paper.training_flop[-1] / 3
    assert found.steps[0].model.extras.attention


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"attention": 1}, "attention must be True or False, got 1"),
        ({"activation_memory": "some"}, "activation_memory must be one of .*'some'"),
    ],
)
def test_bad_extras(change, words):
    with pytest.raises(ValueError, match=words):
        Extras(**change)
