"""The small models behind the pictures of parallelism, against the formulas of the book."""

import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPUS, Model
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import network
from dmcore.chapters import parallelism as figures
from dmcore.simulator import pipeline, traffic
from dmcore.studies.ring import ring_all_reduce
from dmcore.studies.schedule import (
    Task,
    enough_microbatches,
    idle_share,
    least_waiting_share,
    plain_schedule,
    waiting_share,
    zero_bubble_schedule,
)
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


def test_a_backward_pass_takes_twice_as_long_as_a_forward():
    assert (Task(0, 0, False, 3).end, Task(0, 0, True, 3).end) == (4, 5)


TRANSFERS = st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1)])


@given(st.integers(1, 4), st.integers(1, 8), st.integers(1, 3), TRANSFERS)
def test_zero_bubble_schedule_is_possible(stages, microbatches, blocks, transfer):
    turns = zero_bubble_schedule(stages, microbatches, blocks, transfer)
    at = {(turn.kind, turn.block, turn.microbatch): turn for turn in turns}
    assert len(at) == len(turns) == 3 * stages * blocks * microbatches
    for (kind, block, microbatch), turn in at.items():
        assert turn.stage == block % stages
        on_the_way = transfer
        if kind == "weights":
            before, on_the_way = ("gradients", block, microbatch), 0
        elif kind == "forward":
            before = ("forward", block - 1, microbatch)
        elif block + 1 < stages * blocks:
            before = ("gradients", block + 1, microbatch)
        else:
            before, on_the_way = ("forward", block, microbatch), 0
        assert before not in at or at[before].start + 1 + on_the_way <= turn.start
    for stage in range(stages):
        own = sorted(turn.start for turn in turns if turn.stage == stage)
        assert all(b - a >= 1 for a, b in pairwise(own))


@given(st.integers(1, 5), st.integers(1, 12), st.integers(1, 3), TRANSFERS)
def test_nobody_waits_less_than_until_the_first_gradient(stages, microbatches, blocks, transfer):
    drawn = waiting_share(zero_bubble_schedule(stages, microbatches, blocks, transfer))
    values = {"N_PP": stages, "K": microbatches, "v": blocks, "x_transfer": float(transfer)}
    least = evaluate(least_waiting_share(), values)
    assert drawn >= least - 1e-12
    if blocks == 1 or microbatches == 2 * stages:
        assert drawn == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("transfer", [Fraction(0), Fraction(1, 2), Fraction(1)])
@pytest.mark.parametrize("stages", [2, 3, 6])
def test_one_microbatch_less_than_enough_waits(stages, transfer):
    enough = int(evaluate(enough_microbatches(), N_PP=stages, x_transfer=float(transfer)))
    assert waiting_share(zero_bubble_schedule(stages, enough, transfer=transfer)) == 0
    assert waiting_share(zero_bubble_schedule(stages, enough - 1, transfer=transfer)) > 0


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: zero_bubble_schedule(2, 4, 0), "blocks"),
        (lambda: zero_bubble_schedule(2, 4, transfer=-1), "transfer"),
        (lambda: Slicing(data=0), "data"),
        (lambda: list(ring_all_reduce(0)), "peers"),
        (lambda: plain_schedule(0, 4), "stages"),
        (lambda: plain_schedule(2, 1.5), "microbatches"),
    ],
)
def test_bad_values_are_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()


def test_chunks_fly_for_those_who_want_motion_only():
    """One flight for each message, from the sender's chunk, and none unless motion is welcome."""
    svg = figures.ring(4).svg
    flights = re.findall(r'class="dm-fly" x="([\d.]+)".*?--turn:(\d+);--x:(-?[\d.]+)px', svg)
    states = list(ring_all_reduce(4))
    assert len(flights) == sum(len(state.messages) for state in states)
    assert {int(turn) for _, turn, _ in flights} == set(range(6))
    before, motion = svg.split("@media (prefers-reduced-motion:no-preference)")
    assert ".dm-fly{opacity:0}" in before
    assert "animation" not in before
    assert "animation" in motion
