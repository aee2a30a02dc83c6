"""What the chapter on the simulator asserts of its one example."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from claims import values
from claims.ledger import Claim

from dmcore import GPUS, Extras, Model, best_parallelism
from dmcore.simulator import plain
from dmcore.simulator.step import TrainingStep
from dmcore.studies.one_model import best_splits, example

_GPU, _MODEL = GPUS["H100 SXM"], Model.from_laws(12288)


@cache
def _all() -> tuple[plain.Times, ...]:
    """Every split of the model on 512 GPUs, the fastest first."""
    timed = (plain.step(_GPU, _MODEL, split) for split in plain.candidates(_GPU, _MODEL, 512))
    return tuple(sorted(timed, key=lambda times: times.step_s))


def _best(n_gpu: int) -> TrainingStep:
    return best_splits()[n_gpu]


@cache
def _counted(n_gpu: int) -> TrainingStep:
    extras = Extras(activation_memory="full")
    return best_parallelism(_GPU, replace(_MODEL, extras=extras), n_gpu)


def _limited(times: plain.Times) -> bool:
    """Whether traffic takes longer than the matmuls."""
    return times.tensor_bandwidth_s + times.point_to_point_bandwidth_s > times.matmul_s


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}"


CLAIMS = (
    Claim(
        "The split that we are about to take apart needs {} seconds",
        lambda: values.shown(example().step_s, 3),
    ),
    Claim(
        "For our interleaved pipeline: {} in all, {} over the network, {} over NVLink.",
        lambda: str(sum(plain.hand_overs((2, 8), 12))),
        lambda: str(plain.hand_overs((2, 8), 12)[1]),
        lambda: str(plain.hand_overs((2, 8), 12)[0]),
    ),
    Claim(
        "On {} GPUs our split takes {} s: {} s of matmuls, {} s of bubble and {} s of gradient exchange.",
        lambda: str(example().n_gpu),
        lambda: values.shown(example().step_s, 3),
        lambda: values.shown(example().matmul_s, 3),
        lambda: values.shown(example().parts["bubble"], 3),
        lambda: values.shown(example().data_bandwidth_s),
    ),
    Claim(
        "The other {} s of traffic are hidden.",
        lambda: values.shown(example().tensor_bandwidth_s + example().point_to_point_bandwidth_s),
    ),
    Claim(
        "The best of the {} splits takes {} s.",
        lambda: _whole(len(_all())),
        lambda: values.shown(_all()[0].step_s, 3),
    ),
    Claim(
        "On 512 GPUs everything but the matmuls can be hidden.",
        holds=lambda: _all()[0].matmul_s > 0.9999 * _all()[0].step_s,
    ),
    Claim(
        "A third of all splits, {}, are within 5 % of the best.",
        lambda: _whole(sum(each.step_s <= 1.05 * _all()[0].step_s for each in _all())),
    ),
    Claim(
        "But the median takes {} s, and the worst takes {} s",
        lambda: values.shown(_all()[len(_all()) // 2].step_s, 3),
        lambda: values.shown(_all()[-1].step_s, 3),
    ),
    Claim(
        "More than half of the splits, {}, are limited by their traffic.",
        lambda: _whole(sum(_limited(each) for each in _all())),
        holds=lambda: 2 * sum(_limited(each) for each in _all()) > len(_all()),
    ),
    Claim(
        "It keeps the same degrees, but sends {} microbatches of {} tokens through them, and loses only "
        "half a percent of its speed.",
        lambda: _whole(_counted(512).parallelism.microbatches),
        lambda: _whole(_MODEL.batch_tokens / _counted(512).parallelism.microbatches),
        holds=lambda: 1.004 < _counted(512).step_s / _best(512).step_s < 1.006,
    ),
    Claim(
        "from 8,192 GPUs on the winner is the same with and without activations",
        holds=lambda: all(
            _counted(2**power).parallelism == _best(2**power).parallelism for power in range(13, 24)
        ),
    ),
    Claim(
        "utilization stays above {} % up to 8,192 GPUs and is {} % at 131,072.",
        lambda: _percent(_best(2**13).utilization),
        lambda: _percent(_best(2**17).utilization),
    ),
    Claim(
        "It falls to {} % at a million, where a matmul takes only 12 µs.",
        lambda: _percent(_best(2**20).utilization),
    ),
)
