"""One training step: against the plain reading, its breakdown, and the rules it refuses to break."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from itertools import islice, pairwise, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulator_strategies import clusters, gpus, models_with_extras

from dmcore.hardware.catalog import GPUS
from dmcore.models.model import Model
from dmcore.simulator import plain
from dmcore.simulator.split import Parallelism
from dmcore.simulator.step import training_step

MODEL = Model(d_model=512, d_ff=2048, layers=12, batch_sequences=48, experts=6, seq_len=64)
PLAN = Parallelism(
    data=(2, 4),
    slices_of_d=(1, 2),
    slices_of_f=(2, 2),
    pipeline=(1, 3),
    expert=(2, 3),
    microbatches=8,
    interleaving=2,
)


@settings(deadline=None, max_examples=150)
@given(gpus(), models_with_extras, clusters, st.booleans(), st.randoms())
def test_agrees_with_the_plain_one(gpu, model, n_gpu, latency, random):
    some = list(islice(plain.candidates(gpu, model, n_gpu), 2000))
    assume(some)
    for split in random.sample(some, min(3, len(some))):
        step = training_step(gpu, model, split, zero_bubble_latency=latency)
        times = plain.step(gpu, model, split, latency)._asdict()
        found = {name: getattr(step, name) for name in times}
        assert found == pytest.approx(times, rel=1e-9, abs=1e-20)
        levels = step.traffic_by_level
        assert max(each.tensor_s for each in levels) == pytest.approx(step.tensor_bandwidth_s)
        assert max(each.data_s for each in levels) == pytest.approx(step.data_bandwidth_s)
        passed = math.fsum(each.point_to_point_s for each in levels)
        assert passed == pytest.approx(step.point_to_point_bandwidth_s)
        assert math.fsum(each.latency_s for each in levels) == pytest.approx(
            step.tensor_latency_s + step.point_to_point_latency_s + step.data_latency_s
        )
        assert math.fsum(step.parts.values()) == pytest.approx(step.step_s, rel=1e-9)
        assert math.fsum(step.matmul_parts.values()) == pytest.approx(step.matmul_s, rel=1e-12)
        assert min(step.parts.values()) >= -1e-12 * step.step_s
        assert step.memory_bytes <= gpu.hbm_bytes
        assert 0 < step.utilization <= gpu.efficiency * (1 + 1e-12)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 4))
def test_hand_overs_of_the_rule_are_those_of_a_walk(degree, rounds):
    """A walk along the chain: each step goes over the outermost level whose place in it changes."""
    places = list(product(*map(range, reversed(degree)))) * rounds
    count = [0] * len(degree)
    for here, there in pairwise(places) if len(set(places)) > 1 else ():
        changed = [x != y for x, y in zip(here, there, strict=True)]
        count[len(degree) - 1 - changed.index(True)] += 1
    assert plain.hand_overs(tuple(degree), rounds) == count


def test_example_of_the_book_taken_apart():
    """GPT-3's width on 64 nodes of eight, two stages to two nodes: worked through by hand."""
    split = Parallelism(
        data=(1, 4),
        slices_of_d=(2, 1),
        slices_of_f=(2, 2),
        pipeline=(2, 8),
        microbatches=16,
        interleaving=12,
    )
    step = training_step("H100 SXM", Model.from_laws(12288), split)
    assert step.step_s == pytest.approx(31.17, abs=0.01)
    assert step.reduced_clock_s == pytest.approx(8.6, abs=0.05)
    node, beyond = step.traffic_by_level
    assert (node.tensor_s, beyond.tensor_s) == pytest.approx((3.61, 5.41), abs=0.005)
    assert (node.point_to_point_s, beyond.point_to_point_s) == pytest.approx(
        (0.15, 1.34), abs=0.005
    )
    assert (node.data_s, beyond.data_s) == pytest.approx((0, 0.11), abs=0.005)
    assert node.point_to_point_bytes / beyond.point_to_point_bytes == pytest.approx(96 / 95)
    assert beyond.data_bytes == 2 * 3 * step.model.params * 2


def test_figures_follow_from_the_step():
    step = training_step("H100 SXM", MODEL, PLAN)
    assert step.n_gpu == PLAN.n_gpu == 8 * 8 * 3 * 6
    flop = 6 * MODEL.params / MODEL.experts * MODEL.batch_tokens
    assert step.arithmetic_s == pytest.approx(flop / (step.n_gpu * step.gpu.peak_flop_per_s))
    assert step.run_s == pytest.approx(step.step_s * 20 * MODEL.params / MODEL.batch_tokens)
    assert step.months == pytest.approx(step.run_s / (3.154e7 / 12))
    assert step.utilization == pytest.approx(
        MODEL.training_flop / (step.run_s * step.n_gpu * step.gpu.peak_flop_per_s)
    )
    assert step.memory_bytes == MODEL.params * 2 * (8 + 4) / step.n_gpu
    assert step.binding in {*step.parts}


def test_zero_bubble_leaves_latency_out_unless_asked():
    plan = replace(PLAN, interleaving=1, zero_bubble=True)
    wide = tuple(replace(level, bytes_per_s=math.inf) for level in GPUS["H100 SXM"].network)
    quick = replace(GPUS["H100 SXM"], matmul_latency_s=0.0, network=wide)
    authors = training_step(quick, MODEL, plan)
    corrected = training_step(quick, MODEL, plan, zero_bubble_latency=True)
    latency = authors.tensor_latency_s + authors.point_to_point_latency_s
    data = authors.data_bandwidth_s + authors.data_latency_s
    assert latency > authors.matmul_s
    assert authors.step_s == pytest.approx(authors.matmul_s + data)
    assert corrected.step_s == pytest.approx(latency + data)
    assert corrected.parts["tensor, pipeline and expert latency"] == pytest.approx(
        latency - authors.matmul_s
    )
    # with a bubble the option changes nothing
    with_bubble = training_step("H100 SXM", MODEL, PLAN)
    assert training_step("H100 SXM", MODEL, PLAN, zero_bubble_latency=True).step_s == (
        with_bubble.step_s
    )


def test_slow_network_binds():
    h100 = GPUS["H100 SXM"]
    slow = replace(h100, network=tuple(replace(level, bytes_per_s=1e6) for level in h100.network))
    step = training_step(slow, MODEL, replace(PLAN, data=(2, 1)))
    assert step.binding == "tensor, pipeline and expert bandwidth"
    assert training_step(slow, MODEL, Parallelism(data=(8, 8))).binding == "data bandwidth"


def test_one_gpu_needs_no_network():
    step = training_step("V100 SXM", MODEL, Parallelism(microbatches=4))
    assert step.n_gpu == 1
    assert step.step_s == step.matmul_s


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"slices_of_d": (1, 3)}, "slices_of_d must divide d_model 512"),
        ({"slices_of_f": (2, 3)}, "slices_of_f must divide d_ff 2048"),
        ({"pipeline": (1, 5)}, "pipeline must divide layers 12"),
        ({"expert": (2, 5)}, "expert must divide experts 6"),
        ({"data": (1, 5)}, "data must divide batch_tokens 3072"),
        ({"data": (2, 512)}, "microbatches must divide the tokens"),
        ({"data": (1, 1024)}, "microbatches must divide the tokens .* 0,"),
        ({"microbatches": 5}, "microbatches must divide the tokens"),
        ({"microbatches": 2}, "microbatches must be at least 3 "),
        ({"microbatches": 4, "interleaving": 1, "zero_bubble": True}, "at least 6 "),
        ({"interleaving": 3}, "interleaving times the pipeline stages must divide layers 12"),
        ({"data": (4, 2)}, "at most its size 8, got 16"),
        ({"data": (2, 2, 2)}, "at most the 2 network levels"),
    ],
)
def test_impossible_combinations(change, words):
    with pytest.raises(ValueError, match=words):
        training_step("H100 SXM", MODEL, replace(PLAN, **change))


def test_too_little_memory():
    small = replace(GPUS["H100 SXM"], hbm_bytes=1e6)
    with pytest.raises(ValueError, match=r"memory needed on each GPU must be at most its 0.001 GB"):
        training_step(small, MODEL, PLAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": (0, 1)}, "data must be a whole number of at least 1, got 0"),
        ({"pipeline": 1.5}, "pipeline"),
        ({"microbatches": 0}, "microbatches"),
        ({"interleaving": 0}, "interleaving"),
        ({"zero_bubble": 1}, "zero_bubble must be True or False"),
        ({"interleaving": 2, "pipeline": 1}, "interleaving must be 1"),
        ({"interleaving": 2, "pipeline": 2, "zero_bubble": True}, "interleaving must be 1"),
    ],
)
def test_bad_parallelism(change, words):
    with pytest.raises(ValueError, match=words):
        Parallelism(**change)


def test_parallelism_fills_up_levels():
    plan = Parallelism(data=(1, 64), slices_of_f=8)
    assert plan.slices_of_f == (8, 1)
    assert plan.level_products == (8, 64)
    assert (plan.data_parallel, plan.tensor_parallel, plan.n_gpu) == (64, 8, 512)


@pytest.mark.parametrize(
    "change", [{"d_model": 0}, {"d_ff": -1}, {"layers": 1.5}, {"batch_sequences": True}]
)
def test_bad_model(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be a whole number"):
        Model(**{"d_model": 8, "d_ff": 8, "layers": 1, "batch_sequences": 1, **change})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"aspect_ratio": 0}, "aspect_ratio must be positive"),
        ({"aspect_ratio": 1 / 7}, "aspect_ratio must make d_ff a whole number"),
        ({"layer_law": lambda *_: 1.5}, r"layer_law.* got 1\.5"),
        ({"batch_scaling": "quick"}, "batch_scaling"),
        ({"seq_len": 0}, "seq_len"),
        ({"d_model": 0}, "d_model"),
    ],
)
def test_bad_laws(arguments, words):
    with pytest.raises(ValueError, match=words):
        Model.from_laws(**{"d_model": 1024, **arguments})


def test_laws_are_arguments_and_may_give_whole_floats():
    model = Model.from_laws(
        1024,
        True,
        lambda _flop, experts, _seq_len: experts * 8.0,
        seq_len=128,
        aspect_ratio=2.5,
        layer_law=lambda d, _f: d / 64,
        sparsity_law=lambda _d, f: f / 512,
        word_bytes=1,
    )
    assert model == Model(1024, 2560, 16, 40, 5, 128, 1)


def test_large_models_do_not_overflow():
    model = Model.from_laws(12288 * 128, True)
    exact = 2 * model.d_model * model.d_ff * model.layers * model.experts
    assert model.params == exact > 2**63
    assert model.training_flop == pytest.approx(120 * exact**2 / model.experts, rel=1e-14)


def test_shown_and_frozen():
    step = training_step("H100 SXM", MODEL, PLAN)
    assert "1,152 x H100 SXM" in repr(step)
    assert "<table" in step._repr_html_()
    assert step.binding in step._repr_html_()
    with pytest.raises(FrozenInstanceError):
        step.step_s = 0.0
    with pytest.raises(FrozenInstanceError):
        MODEL.layers = 1
