"""The search: against the plain exhaustive one, its bounds, its counts, and why nothing fits."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulator_strategies import (
    clusters,
    gpus,
    models,
    models_with_extras,
    small_enough,
)

from dmcore.hardware.catalog import GPUS
from dmcore.hardware.gpu import NetworkLevel
from dmcore.models.model import Extras, Model
from dmcore.simulator import plain, quickest, search
from dmcore.simulator.bound import joined_beyond, least_traffic, lower_bound, matmul_bound
from dmcore.simulator.candidates import (
    candidates_of,
    degrees_of,
    layouts_of,
    level_sizes,
    matmul_times,
)
from dmcore.simulator.search import NothingFitsError, best_parallelism, smallest_cluster
from dmcore.simulator.split import DEGREES, Parallelism
from dmcore.simulator.step import training_step
from dmcore.simulator.sweep import sweep
from dmcore.simulator.times import step_seconds
from dmcore.simulator.traffic import load_of
from dmcore.simulator.whole_numbers import divisors, ordered_factorizations

SMALL = Model(d_model=256, d_ff=1024, layers=12, batch_sequences=96, experts=6, seq_len=16)


@settings(deadline=None, max_examples=120)
@given(gpus(), models_with_extras, clusters, st.booleans())
def test_agrees_with_the_plain_search(gpu, model, n_gpu, latency):
    assume(small_enough(gpu, n_gpu))
    times, split, count = plain.best(gpu, model, n_gpu, latency)
    if times is None:
        with pytest.raises(NothingFitsError, match=r"memory|divisibility"):
            best_parallelism(gpu, model, n_gpu, zero_bubble_latency=latency)
        return
    best = best_parallelism(gpu, model, n_gpu, zero_bubble_latency=latency)
    assert best.candidates == count
    assert 1 <= best.timed <= count
    assert best.n_gpu == n_gpu
    assert best.step_s == pytest.approx(times.step_s, rel=1e-9)
    used = plain.utilization(gpu, model, n_gpu, times)
    assert best.utilization == pytest.approx(used, rel=1e-9)
    assert best.run_s == pytest.approx(plain.run_s(model, times), rel=1e-9)
    assert best.parallelism == split
    listed = list(search.candidates(gpu, model, n_gpu))
    assert len(listed) == count
    assert set(listed) == set(plain.candidates(gpu, model, n_gpu))


@pytest.mark.parametrize("gpu", ["V100 SXM", "H100 SXM", "H100 SXM Low Latency"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("options", [Extras(), Extras(True, "selective")], ids=["paper", "extras"])
def test_agrees_with_the_plain_search_at_full_size(gpu, sparse, options):
    model = Model.from_laws(20480, sparse, extras=options)
    n_gpu = model.experts * 2**13
    times, split, count = plain.best(GPUS[gpu], model, n_gpu)
    best = best_parallelism(gpu, model, n_gpu)
    assert best.step_s == pytest.approx(times.step_s, rel=1e-12)
    assert best.parallelism == split
    assert best.candidates == count
    assert best.timed < count / 4


@settings(deadline=None, max_examples=120)
@given(gpus(), models_with_extras, clusters, st.booleans())
def test_bounds_are_below_the_time_of_every_layout(gpu, model, n_gpu, latency):
    candidates = candidates_of(gpu, model, n_gpu)
    assume(len(candidates))
    matmul = matmul_times(gpu, model, candidates)
    least_matmul = matmul_bound(gpu, model, n_gpu, candidates)
    assert np.all(least_matmul <= matmul * (1 + 1e-12))
    least = least_traffic(gpu, model, n_gpu, candidates)
    bound = lower_bound(candidates, least, matmul, latency)
    looser = lower_bound(candidates, least, least_matmul, latency)
    assert np.all(looser <= bound * (1 + 1e-12))

    layouts, owner = layouts_of(level_sizes(gpu, n_gpu), degrees_of(candidates))
    degrees = dict(zip(DEGREES, layouts.astype(float), strict=True))
    step, moved = step_seconds(
        gpu,
        load_of(model),
        float(n_gpu),
        degrees,
        candidates.microbatches[owner].astype(float),
        candidates.interleaving[owner].astype(float),
        candidates.zero_bubble[owner],
        matmul[owner],
        latency,
    )
    slack = 1 + 1e-12
    assert np.all(bound[owner] <= step * slack)
    assert np.all(least.data_s[owner] <= (moved.data_bandwidth_s + moved.data_latency_s) * slack)
    assert np.all(
        least.latency_s[owner]
        <= (moved.tensor_latency_s + moved.point_to_point_latency_s) * slack + 1e-18
    )
    assert np.all(
        least.bandwidth_s[owner]
        <= (moved.tensor_bandwidth_s + moved.point_to_point_bandwidth_s) * slack + 1e-18
    )


def test_bound_is_close_enough_to_save_work():
    model = Model.from_laws(36864)
    best = best_parallelism("H100 SXM", model, 2**20)
    assert best.timed < best.candidates / 10


@settings(deadline=None, max_examples=60)
@given(gpus(), models_with_extras, clusters)
def test_every_layout_splits_degrees_and_levels_exactly(gpu, model, n_gpu):
    candidates = candidates_of(gpu, model, n_gpu)
    assume(len(candidates))
    degrees = degrees_of(candidates)
    assert np.all(degrees.prod(axis=0) == n_gpu)
    sizes = level_sizes(gpu, n_gpu)
    layouts, owner = layouts_of(sizes, degrees)
    assert np.array_equal(layouts.prod(axis=1), degrees[:, owner])
    assert np.all(layouts.prod(axis=0) == np.array(sizes)[:, None])
    distinct = {(i, layout.tobytes()) for i, layout in zip(owner, layouts.T, strict=True)}
    assert len(distinct) == len(owner)


def test_cutoff_keeps_the_winner_or_finds_none():
    gpu, model = GPUS["H100 SXM"], Model.from_laws(12288)
    best = best_parallelism(gpu, model, 4096)
    winner, _ = quickest.fastest(gpu, model, 4096, best.step_s * (1 + 1e-6), False)
    assert winner == best.parallelism
    winner, _ = quickest.fastest(gpu, model, 4096, best.step_s * (1 - 1e-6), False)
    assert winner is None


def test_equal_times_go_to_the_least_bandwidth_time():
    """An odd batch leaves tensor parallelism, which hides behind the products in every layout."""
    gpu = replace(
        GPUS["H100 SXM"],
        network=(NetworkLevel(4, 1e15, 0.0), NetworkLevel(None, 1e14, 0.0)),
    )
    model = Model(256, 1024, 3, 81, seq_len=81)
    found = []
    for split in plain.candidates(gpu, model, 16):
        times = plain.step(gpu, model, split)
        found.append((times.step_s, times.bandwidth_s))
    least = min(found)
    assert any(step == least[0] and moved > 1.1 * least[1] for step, moved in found)
    best = best_parallelism(gpu, model, 16)
    moved = best.tensor_bandwidth_s + best.data_bandwidth_s + best.point_to_point_bandwidth_s
    assert (best.step_s, moved) == pytest.approx(least, rel=1e-12)


FREE = replace(
    GPUS["H100 SXM"],
    network=(NetworkLevel(8, math.inf, 0.0), NetworkLevel(None, math.inf, 0.0)),
)

#: Clusters of which several splits are equally fast, in bandwidth as well.
TIED = {
    "free network": (FREE, SMALL, 96),
    "a run of the paper": (GPUS["H100 SXM"], Model.from_laws(12288), 8192),
}


def all_timed(gpu, model, n_gpu):
    """Every layout of the plain search with its times."""
    return [(plain.step(gpu, model, split), split) for split in plain.candidates(gpu, model, n_gpu)]


@pytest.mark.parametrize("case", TIED)
def test_equal_times_have_one_winner_in_any_order(case, monkeypatch):
    gpu, model, n_gpu = TIED[case]
    timed = all_timed(gpu, model, n_gpu)
    least = min(times.step_s for times, _ in timed)
    tied = [times for times, _ in timed if times.step_s <= least * (1 + 1e-12)]
    moved = [times.bandwidth_s for times in tied]
    assert sum(each <= min(moved) * (1 + 1e-12) for each in moved) > 1, "no tie to break"
    winner = best_parallelism(gpu, model, n_gpu).parallelism
    assert winner == plain.first(timed)[1]

    rng = np.random.default_rng(3)
    candidates = candidates_of
    monkeypatch.setattr(
        quickest,
        "candidates_of",
        lambda *args: (found := candidates(*args)).take(rng.permutation(len(found))),
    )
    for _ in range(5):
        assert best_parallelism(gpu, model, n_gpu).parallelism == winner
        assert plain.first([timed[i] for i in rng.permutation(len(timed))])[1] == winner


def test_times_that_differ_by_rounding_are_equal(monkeypatch):
    """The last bits of a time, which hang on the processor, choose no split."""
    gpu, model, n_gpu = TIED["a run of the paper"]
    winner = best_parallelism(gpu, model, n_gpu).parallelism
    exact = quickest.step_seconds
    rng = np.random.default_rng(5)

    def rounded_otherwise(*args):
        step, moved = exact(*args)
        return step * (1 + rng.integers(-3, 4, len(step)) * 2.0**-52), moved

    monkeypatch.setattr(quickest, "step_seconds", rounded_otherwise)
    for _ in range(10):
        assert best_parallelism(gpu, model, n_gpu).parallelism == winner


def test_ties_prefer_little_tensor_parallelism_and_short_pipelines():
    """If everything took the same time, the order alone would decide: all replicas, one microbatch."""
    gpu, model, n_gpu = TIED["free network"]
    candidates = candidates_of(gpu, model, n_gpu)

    def first(some):
        layouts, owner = layouts_of(level_sizes(gpu, n_gpu), degrees_of(some))
        ones = np.ones(len(owner))
        return quickest.first_of([quickest.Layouts(ones, ones, ones, layouts, some.take(owner))])

    winner = first(candidates)
    assert winner == Parallelism(data=(4, 4), expert=(2, 3)), "experts before replicas in a node"
    winner = first(candidates.take(candidates.data == 1))
    assert winner is not None
    assert (winner.tensor_parallel, winner.pipeline_parallel) == (4, 4)
    assert winner.slices_of_d[0] * winner.slices_of_f[0] == 4, "tensor parallelism inside the node"


def test_nanobatches_that_are_rounded_down():
    """Nine experts do not divide a batch of 2**k tokens, so the products do less than the arithmetic."""
    sparse = sweep(
        "H100 SXM Infinite Network and LL",
        sparse=True,
        batch_scaling="none",
        duration_years=0.5914813977891054,
        d_models=(57344,),
    )
    assert sparse.n_gpu.tolist() == [150_994_944]
    assert sparse.utilization[0] == pytest.approx(0.4406, abs=5e-5)
    model = Model.from_laws(26624, True, "none")
    assert smallest_cluster("H100 SXM", model, 3.3073387592851304).n_gpu == 147_456


def arithmetic_only(gpu):
    """A GPU whose products take their arithmetic and latency, and nothing besides."""
    return replace(
        gpu,
        hbm_bytes_per_s=math.inf,
        l2_bytes_per_s=math.inf,
        shared_bytes_per_clock_per_sm=math.inf,
        network=(NetworkLevel(None, math.inf, 0.0),),
    )


def test_first_cluster_that_is_tried():
    """It has the useful FLOP/s of the run; that some of its time is latency is no reason to skip it."""
    gpu, model = arithmetic_only(GPUS["H100 SXM"]), Model(2048, 8192, 4, 8, 9, 64)
    step = best_parallelism(gpu, model, 9)
    rate = 9 * gpu.useful_flop_per_s
    latency_s = 6 * model.layers * gpu.matmul_latency_s * model.steps
    assert model.training_flop / rate < step.run_s < model.training_flop / rate + latency_s
    assert smallest_cluster(gpu, model, step.run_s * (1 + 1e-9) / 3.154e7).n_gpu == 9


@settings(deadline=None, max_examples=60)
@given(
    gpus(),
    models,
    st.integers(0, 4),
    st.sampled_from([-1e-3, -1e-6, -1e-8, 1e-8, 1e-6, 1e-3]),
    st.booleans(),
)
def test_smallest_cluster_at_a_threshold(gpu, model, doublings, beyond, free):
    """A duration within 1e-3 to 1e-8 of what one of the clusters takes."""
    if free:
        gpu = arithmetic_only(gpu)
    n_gpu = model.experts * 2**doublings
    assume(small_enough(gpu, n_gpu))
    winner, _, _ = plain.best(gpu, model, n_gpu)
    assume(winner is not None)
    duration_s = plain.run_s(model, winner) * (1 + beyond)
    smallest = plain.smallest_cluster(gpu, model, duration_s, n_gpu)
    try:
        found = smallest_cluster(gpu, model, duration_s / 3.154e7, min_utilization=1e-12)
    except NothingFitsError:
        assert smallest is None
    else:
        assert (found.n_gpu > n_gpu) if smallest is None else (found.n_gpu == smallest[0])


@settings(deadline=None, max_examples=25)
@given(gpus(), models_with_extras, st.floats(1e-12, 1e-4))
def test_smallest_cluster_agrees_with_the_plain_one(gpu, model, duration_years):
    gpu = replace(gpu, matmul_latency_s=max(gpu.matmul_latency_s, 1e-7))
    largest = 16 * model.experts
    assume(small_enough(gpu, largest))
    smallest = plain.smallest_cluster(gpu, model, duration_years * 3.154e7, largest)
    try:
        found = smallest_cluster(gpu, model, duration_years, min_utilization=1e-12)
    except NothingFitsError:
        assert smallest is None
    else:
        if smallest is None:
            assert found.n_gpu > largest
        else:
            assert found.n_gpu == smallest[0]
            assert found.step_s == pytest.approx(smallest[1].step_s, rel=1e-9)


def test_clusters_that_are_left_out_are_used_too_little():
    gpu, model = GPUS["H100 SXM"], Model.from_laws(212992)
    with pytest.raises(NothingFitsError, match=r"no cluster of up to [\d,]+ GPUs"):
        smallest_cluster(gpu, model)
    *_, largest = search._clusters(gpu, model, 0.25 * 3.154e7, 0.001)
    for n_gpu in (2 * largest, 4 * largest):
        assert best_parallelism(gpu, model, n_gpu).utilization < 0.001


def test_clusters_past_64_bits():
    """An absurd run still counts its GPUs exactly."""
    model = Model.from_laws(12288 * 128, True, "deepseek")
    step = smallest_cluster("H100 SXM Infinite Network and LL", model)
    assert step.n_gpu > 2**58
    again = best_parallelism(step.gpu, model, step.n_gpu * 64)
    assert again.n_gpu == step.n_gpu * 64 > 2**64


def test_latency_sets_a_least_duration():
    model = Model.from_laws(12288)
    with pytest.raises(NothingFitsError, match=r"duration_years must be above 0\.00") as error:
        smallest_cluster("H100 SXM", model, 1e-5)
    assert "got 1e-05" in str(error.value)


def test_winner_can_be_timed_again():
    best = best_parallelism("A100 SXM", SMALL, 48)
    assert training_step("A100 SXM", SMALL, best.parallelism).step_s == best.step_s
    assert best.binding in best.parts


def test_corrected_latency_never_helps():
    authors = best_parallelism("H100 SXM", SMALL, 96)
    corrected = best_parallelism("H100 SXM", SMALL, 96, zero_bubble_latency=True)
    assert corrected.step_s >= authors.step_s


@pytest.mark.parametrize(
    ("n_gpu", "sizes"),
    [(1, (1, 1, 1)), (6, (6, 1, 1)), (12, (6, 2, 1)), (7 * 11, (7, 11, 1)), (1024, (8, 32, 4))],
)
def test_level_sizes_shrink_with_the_cluster(n_gpu, sizes):
    assert level_sizes(GPUS["H100 SXM Superpod"], n_gpu) == sizes


@settings(deadline=None)
@given(st.integers(1, 5000))
def test_divisors(n):
    assert divisors(n).tolist() == [i for i in range(1, n + 1) if n % i == 0]


def test_ordered_factorizations():
    ways = ordered_factorizations(12, 3)
    assert np.all(ways.prod(axis=1) == 12)
    assert len({tuple(way) for way in ways.tolist()}) == len(ways) == 6 * 3


def test_why_nothing_fits():
    model = Model.from_laws(12288)
    with pytest.raises(NothingFitsError, match=r"memory: n_gpu must be at least 29 .*got 8"):
        best_parallelism("H100 SXM", model, 8)
    with pytest.raises(NothingFitsError, match=r"divisibility: .*d_model 12288.*got 1,009"):
        best_parallelism("H100 SXM", model, 1009)
    only_data = Model(7, 7, 1, 8, seq_len=1)
    cramped = replace(GPUS["H100 SXM"], hbm_bytes=200.0)
    with pytest.raises(NothingFitsError, match=r"memory: 8 GPUs divide .* only with 8 or more"):
        best_parallelism(cramped, only_data, 8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: best_parallelism("H200", SMALL, 8), "gpu must be"),
        (lambda: best_parallelism("H100 SXM", SMALL, 0), "n_gpu must be a whole number.*0"),
        (lambda: best_parallelism("H100 SXM", SMALL, 8.0), "n_gpu"),
        (lambda: smallest_cluster("H100 SXM", SMALL, 0), "duration_years must be positive"),
        (lambda: smallest_cluster("H100 SXM", SMALL, math.inf), "duration_years"),
        (lambda: smallest_cluster("H100 SXM", SMALL, min_utilization=0), "min_utilization"),
        (
            lambda: best_parallelism("H100 SXM", replace(SMALL, d_model=2**50), 8),
            r"d_model \* d_ff must be at most",
        ),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@settings(deadline=None, max_examples=80)
@given(gpus(), models_with_extras, clusters, st.booleans())
def test_levels_beyond_as_one_are_no_slower(gpu, model, n_gpu, latency):
    """Of every layout, in all kinds of traffic; with one level beyond, it is the same GPU."""
    candidates = candidates_of(gpu, model, n_gpu)
    assume(len(candidates) and len(gpu.network) == 3)
    layouts, owner = layouts_of(level_sizes(gpu, n_gpu), degrees_of(candidates))
    of_each, matmul = candidates.take(owner), matmul_times(gpu, model, candidates)[owner]

    def seconds(gpu, layouts):
        step, moved = step_seconds(
            gpu,
            load_of(model),
            float(n_gpu),
            dict(zip(DEGREES, layouts.astype(float), strict=True)),
            of_each.microbatches.astype(float),
            of_each.interleaving.astype(float),
            of_each.zero_bubble,
            matmul,
            latency,
        )
        return [step, *(getattr(moved, field.name) for field in fields(moved))]

    beyond = np.concatenate([layouts[:, :1], layouts[:, 1:].prod(axis=1, keepdims=True)], axis=1)
    for joined, exact in zip(
        seconds(joined_beyond(gpu, 0), beyond), seconds(gpu, layouts), strict=True
    ):
        assert np.all(joined <= exact * (1 + 1e-12))
    assert joined_beyond(gpu, 1) is gpu


def test_three_levels_need_few_exact_times():
    best = best_parallelism("H100 SXM Superpod", Model.from_laws(36864), 2**20)
    assert best.timed < best.candidates / 100
