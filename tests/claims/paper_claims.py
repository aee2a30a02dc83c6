"""What the page on the paper's claims asserts: every sentence of the abstract, checked."""

from __future__ import annotations

import math
from functools import cache

from claims import values
from claims.ledger import Claim

import dmcore
from dmcore.evidence.training_runs import LARGEST_ESTIMATE, TRAINING_RUNS
from dmcore.simulator import ends
from dmcore.studies.validation import COMPARABLE, compare

LLAMA = TRAINING_RUNS["Llama 3.1 405B"].flop


@cache
def _swept(**laws: object) -> dmcore.Sweep:
    return dmcore.sweep("H100 SXM", **laws)


@cache
def _end(**laws: object) -> float:
    found = ends.at_the_deadline(_swept(**laws)).flop
    assert found is not None
    return found


def _last(**laws: object) -> float:
    return float(_swept(**laws).training_flop[-1])


def _years(factor: float, pace: float) -> float:
    return math.log(factor, pace)


@cache
def _measured() -> tuple[float, ...]:
    return tuple(sorted(compare(run).ratio for run in COMPARABLE))


def _shown(value, digits=2):
    return lambda: values.shown(value() if callable(value) else value, digits)


end_sparse = _shown(lambda: _end(sparse=True))
end_dense = _shown(values.end)
critical = _shown(values.critical_compute)

CLAIMS = (
    Claim(
        "| [Utilization falls from about 10²⁸ FLOP on]"
        "(#claim-utilization) "
        "| holds for the formula; the search puts it four to nine times higher |",
        holds=lambda: (
            4.4 < values.end_range()[0] / values.critical_compute() < 4.6
            and 8.5 < values.end_range()[1] / values.critical_compute() < 9.5
        ),
    ),
    Claim("from about 10²⁸ FLOP on", holds=lambda: 1e28 < values.critical_compute() < 3e28),
    Claim(
        "| [No run above about 10³¹ FLOP is feasible](#claim-wall) | holds with a condition",
        holds=lambda: 1e31 < values.latency_limit() < 3e31,
    ),
    Claim(
        "All {} published measurements that we compare lie below what the simulator allows, "
        "at {} to {} % of it",
        lambda: str(len(_measured())),
        _shown(lambda: 100 * _measured()[0]),
        _shown(lambda: 100 * _measured()[-1]),
        holds=lambda: _measured()[-1] < 1,
    ),
    Claim(
        "linear scaling on H100s ends at {} FLOP for the sparse models of the paper and at {} FLOP for dense "
        "ones, a factor of {}.",
        end_sparse,
        end_dense,
        _shown(lambda: _end(sparse=True) / values.end()),
    ),
    Claim(
        "data movement begins to lower utilization significantly above about 10²⁸ FLOP.",
        holds=lambda: 1e28 < values.critical_compute() < 3e28,
    ),
    Claim("The formula gives {} FLOP for the H100, if batch and depth grow alike", critical),
    Claim(
        "The paper's sweep finds the first run below 80 % of the useful rate at {} FLOP, in close agreement.",
        _shown(values.paper_end),
        holds=lambda: (
            ends.LINEAR_SCALING == 0.8
            and abs(values.paper_end() / values.critical_compute() - 1) < 0.1
        ),
    ),
    Claim(
        "and the run at {} FLOP takes only {} months.",
        _shown(values.paper_end),
        _shown(lambda: _months_of_paper_end()),
    ),
    Claim(
        "utilization falls through the same level at {} FLOP, and between {} and {} FLOP with other choices "
        "of cluster sizes",
        end_dense,
        _shown(lambda: values.end_range()[0]),
        _shown(lambda: values.end_range()[1]),
    ),
    Claim(
        "at \\alpha = 0.1 the formula gives {} FLOP.",
        _shown(lambda: values.critical_compute(alpha=0.1)),
    ),
    Claim(
        "Llama 3.1 405B of July 2024, with {} FLOP",
        _shown(LLAMA),
    ),
    Claim(
        "From there it is a factor of {} to 10²⁸ FLOP, and {} to the formula's {}.",
        _shown(1e28 / LLAMA),
        _shown(lambda: values.critical_compute() / LLAMA),
        critical,
    ),
    Claim("Grok 4 at some {} FLOP", _shown(LARGEST_ESTIMATE.flop, 1)),
    Claim(
        "which leaves a factor of {} to 10²⁸ and {} to {}.",
        _shown(1e28 / LARGEST_ESTIMATE.flop),
        _shown(lambda: values.critical_compute() / LARGEST_ESTIMATE.flop),
        critical,
    ),
    Claim(
        "A factor of 100 takes {} years at 4 times a year, and {} years at 5 times.",
        _shown(_years(100, 4)),
        _shown(_years(100, 5)),
    ),
    Claim(
        "Counted from Llama 3.1 to {} FLOP it takes {} to {} years, until 2028 or early 2029.",
        critical,
        _shown(lambda: _years(values.critical_compute() / LLAMA, 5)),
        _shown(lambda: _years(values.critical_compute() / LLAMA, 4)),
        holds=lambda: (
            2024.56 + _years(values.critical_compute() / LLAMA, 5) > 2028
            and 2024.56 + _years(values.critical_compute() / LLAMA, 4) < 2029.3
        ),
    ),
    Claim(
        "Counted from the estimate for Grok 4 it takes {} to {} years",
        _shown(lambda: _years(values.critical_compute() / LARGEST_ESTIMATE.flop, 5)),
        _shown(lambda: _years(values.critical_compute() / LARGEST_ESTIMATE.flop, 4)),
    ),
    Claim(
        "To the end that the simulator finds at the deadline, {} FLOP, it is a year more.",
        end_dense,
        holds=lambda: all(
            0.8 < _years(values.end() / values.critical_compute(), pace) < 1.2 for pace in (4, 5)
        ),
    ),
    Claim(
        "a run of more than about 10³¹ FLOP is infeasible",
        holds=lambda: 1e31 < values.latency_limit() < 3e31,
    ),
    Claim("## No run above about 10³¹ FLOP", holds=lambda: 1e31 < values.latency_limit() < 3e31),
    Claim(
        "The formula gives {} FLOP, and the largest run that the search finds on H100s has {} FLOP, at {} % "
        "of the peak.",
        _shown(values.latency_limit),
        _shown(_last),
        _shown(lambda: 100 * _swept().utilization[-1], 1),
    ),
    Claim(
        "With the batch law of DeepSeek the search finds runs of more than 10³⁶ FLOP.",
        holds=lambda: _last(batch_scaling="deepseek") > 1e36,
    ),
    Claim(
        "With a constant batch the last run has {} FLOP.",
        _shown(lambda: _last(batch_scaling="none")),
    ),
    Claim(
        "the chain of a layer takes {} µs instead of {}, and the formula falls to {} FLOP",
        _shown(lambda: values.chain_us(1)),
        _shown(values.chain_us),
        _shown(lambda: values.latency_limit() * values.wall_share(1)),
    ),
    Claim(
        "With the batch law of DeepSeek linear scaling ends at {} FLOP instead of {}.",
        _shown(lambda: _end(batch_scaling="deepseek")),
        end_dense,
    ),
    Claim(
        "With depth growing half as fast it ends at {} FLOP, and the largest run that ends in time grows "
        "from {} to {} FLOP.",
        _shown(lambda: _end(layer_law="half power")),
        _shown(_last),
        _shown(lambda: _last(layer_law="half power")),
    ),
    Claim(
        "With layers whose inside is four times as wide and the paper's depth, it ends at {} FLOP, and the "
        "largest run stays where it was.",
        _shown(lambda: _end(aspect_ratio=16)),
        holds=lambda: _last(aspect_ratio=16) == _last(),
    ),
    Claim(
        "The {} lies within the range that the choice of cluster sizes gives",
        lambda: values.shown(_end(aspect_ratio=16)),
        holds=lambda: values.end_range()[0] < _end(aspect_ratio=16) < values.end_range()[1],
    ),
    Claim(
        "the place of the first limit is four to nine times higher if the simulation is read",
        holds=lambda: all(4 < end / values.critical_compute() < 9.5 for end in values.end_range()),
    ),
)


def _months_of_paper_end() -> float:
    found = values.sweep("H100 SXM")
    return float(found.months[found.training_flop.tolist().index(values.paper_end())])
