"""The small models behind the pictures of parallelism, against the formulas of the book."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPUS, Model
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import network
from dmcore.simulator import pipeline, traffic
from dmcore.studies.ring import ring_all_reduce
from dmcore.studies.schedule import idle_share, plain_schedule
from dmcore.studies.slicing import Slicing, words_by_way

DEGREES = st.integers(1, 4)


@given(st.tuples(*[DEGREES] * 5))
def test_shares_are_all_the_work_and_no_two_alike(degrees):
    slicing = Slicing(*degrees)
    shares = list(slicing.shares())
    assert len(shares) == len(set(shares)) == slicing.gpus
    assert sum(share.work for share in shares) == 1
    assert sum(share.weights for share in shares) == slicing.data


def test_one_way_cuts_one_thing():
    assert next(Slicing(data=4).shares()).weights == 1
    assert next(Slicing(pipeline=4).shares()).batch == (Fraction(0), Fraction(1))


@given(st.tuples(*[st.sampled_from([1, 2, 8])] * 5))
def test_words_are_those_of_the_simulator(degrees):
    slicing = Slicing(*degrees)
    gpu = GPUS["H100 SXM Global NVLink"]
    load = traffic.load_of(Model(d_model=512, d_ff=2048, layers=64, batch_sequences=2**9))
    names = ("data", "slices_of_d", "slices_of_f", "pipeline", "expert")
    columns = {
        name: np.array([[float(degree)]]) for name, degree in zip(names, degrees, strict=True)
    }
    found = traffic.traffic(gpu, load, slicing.gpus, **columns, interleaving=np.ones((1, 1)))
    words = words_by_way(slicing, d=512.0, f=2048.0, layers=64.0, params=2.0**27, batch=2.0**20)
    rate = slicing.gpus * gpu.network[0].bytes_per_s / 2 / 2
    assert words["data"] / rate == pytest.approx(found.data_bandwidth_s[0])
    assert words["tensor"] / rate == pytest.approx(found.tensor_bandwidth_s[0])
    passed_on = words["pipeline"] + words["expert"]
    assert passed_on / rate == pytest.approx(found.point_to_point_bandwidth_s[0])


@given(st.integers(1, 12))
def test_ring_sums_everything_everywhere_with_the_words_of_the_formula(peers):
    states = list(ring_all_reduce(peers))
    assert all(sums == frozenset(range(peers)) for row in states[-1].summed for sums in row)
    words = peers  # one to a chunk
    assert sum(len(state.messages) for state in states) == network.all_reduce_words(peers, words)


@given(st.integers(2, 12))
def test_no_contribution_is_added_twice_and_no_move_is_idle(peers):
    states = list(ring_all_reduce(peers))
    for before, after in pairwise(states):
        for message in after.messages:
            given_sum = before.summed[message.sender][message.chunk]
            held = before.summed[message.receiver][message.chunk]
            assert not held & given_sum or held < given_sum


@given(st.integers(1, 9), st.integers(1, 20))
def test_schedule_idles_as_the_formula_says(stages, microbatches):
    tasks = plain_schedule(stages, microbatches)
    formula = evaluate(pipeline.bubble_fraction(), N_PP=stages, K=microbatches, v=1)
    assert idle_share(tasks) == pytest.approx(formula, abs=1e-12)


@given(st.integers(1, 6), st.integers(1, 8))
def test_schedule_is_possible(stages, microbatches):
    tasks = plain_schedule(stages, microbatches)
    at = {(task.stage, task.microbatch, task.backward): task for task in tasks}
    assert len(at) == 2 * stages * microbatches
    for task in tasks:
        before = task.stage + 1 if task.backward else task.stage - 1
        if 0 <= before < stages:
            assert at[before, task.microbatch, task.backward].end <= task.start
        if task.backward:
            assert at[task.stage, task.microbatch, False].end <= task.start
    for stage in range(stages):
        own = sorted((task for task in tasks if task.stage == stage), key=lambda task: task.start)
        assert all(a.end <= b.start for a, b in pairwise(own))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: Slicing(data=0), "data"),
        (lambda: list(ring_all_reduce(0)), "peers"),
        (lambda: plain_schedule(0, 4), "stages"),
        (lambda: plain_schedule(2, 1.5), "microbatches"),
    ],
)
def test_bad_values_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
