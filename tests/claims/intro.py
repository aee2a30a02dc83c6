"""What the front page asserts."""

from __future__ import annotations

import math
from functools import cache

from claims import values
from claims.ledger import Claim

from dmcore import GPUS
from dmcore.bottlenecks import limits
from dmcore.evidence.training_runs import LARGEST_ESTIMATE, TRAINING_RUNS
from dmcore.models.laws import BATCH_LAWS, effective_alpha
from dmcore.studies.scenarios import headline_table
from dmcore.studies.validation import COMPARABLE, compare


def _gpus(flop: float) -> float:
    """GPUs that do it in three months at their peak."""
    return flop / (GPUS["H100 SXM"].peak_flop_per_s * limits.QUARTER_S)


def _below_first_limit() -> float:
    return values.critical_compute() / LARGEST_ESTIMATE.flop


@cache
def _by_batch_law() -> tuple[float, ...]:
    """The first limit with the alpha of each of the simulator's batch laws, the lowest first."""
    alphas = (float(effective_alpha(law).alpha) for law in BATCH_LAWS)
    return tuple(sorted(values.critical_compute(alpha=alpha) for alpha in alphas))


@cache
def _found_over_formula() -> tuple[float, ...]:
    """The search's last run over the formula's limit, where the sweep is wide enough to tell."""
    table = headline_table()
    both = [one for one in table if one.limit_flop and not one.out_of_widths]
    return tuple(sorted(one.last_run_flop / one.limit_flop for one in both))


@cache
def _measured() -> tuple[float, ...]:
    return tuple(sorted(compare(run).ratio for run in COMPARABLE))


def _gain(gpu: str) -> float:
    return values.end(gpu) / values.end("H100 SXM")


CLAIMS = (
    Claim(
        "Llama 3.1 405B of July 2024, took {} FLOP",
        lambda: values.shown(TRAINING_RUNS["Llama 3.1 405B"].flop),
        holds=lambda: (
            TRAINING_RUNS["Llama 3.1 405B"].flop
            == max(run.flop for run in TRAINING_RUNS.values() if not run.estimated)
        ),
    ),
    Claim("Grok 4, at some {} FLOP", lambda: values.shown(LARGEST_ESTIMATE.flop, 1)),
    Claim(
        "That is a factor of about {} below the first limit, and at the pace of past years such a factor "
        "takes between two and three years.",
        lambda: values.shown(_below_first_limit(), 1),
        holds=lambda: all(2 < math.log(_below_first_limit(), pace) < 3 for pace in (4, 5)),
    ),
    Claim(
        "| GPUs begin to wait above | {} FLOP | {} million GPUs, all busy |",
        lambda: values.shown(values.critical_compute()),
        lambda: values.shown(_gpus(values.critical_compute()) / 1e6),
    ),
    Claim(
        "| no run finishes above (the latency wall) | {} FLOP | {} billion GPUs, even if all were busy |",
        lambda: values.shown(values.latency_limit()),
        lambda: values.shown(_gpus(values.latency_limit()) / 1e9, 1),
    ),
    Claim(
        "puts the first limit later, between {} and {} FLOP, depending on which cluster sizes",
        lambda: values.shown(values.end_range()[0]),
        lambda: values.shown(values.end_range()[1]),
        holds=lambda: values.end_range()[0] > values.critical_compute(),
    ),
    Claim(
        "in more than 25 scenarios, from better networks to smaller batches, the largest run that the "
        "search finds is {} to {} times what the formula says.",
        lambda: values.shown(_found_over_formula()[0]),
        lambda: values.shown(_found_over_formula()[-1]),
        holds=lambda: len(_found_over_formula()) > 25,
    ),
    Claim(
        "the exponents of the three batch laws that the paper compares spread the first limit, by its "
        "formula, from {} to 10³¹ FLOP.",
        lambda: values.shown(_by_batch_law()[0], 1),
        holds=lambda: len(_by_batch_law()) == 3 and 0.7e31 < _by_batch_law()[-1] < 1.4e31,
    ),
    Claim(
        "half the layers or twice the time allow four times the compute",
        holds=lambda: (
            abs(
                limits.critical_compute("H100 SXM", reference_layers=50) / values.critical_compute()
                - 4
            )
            < 1e-9
            and abs(
                limits.critical_compute("H100 SXM", duration_s=2 * limits.QUARTER_S)
                / values.critical_compute()
                - 4
            )
            < 1e-9
        ),
    ),
    Claim(
        "NVLink between all GPUs raises the first limit nearly ten times and a tenth of the latency by "
        "less than a half, while both at once raise it some {} times.",
        lambda: values.shown(_gain("H100 SXM Global NVLink and LL")),
        holds=lambda: (
            9 < _gain("H100 SXM Global NVLink") < 10 and 1.2 < _gain("H100 SXM Low Latency") < 1.5
        ),
    ),
    Claim(
        "sets it against {} published measurements, which reach {} to {} % of what it allows",
        lambda: str(len(_measured())),
        lambda: values.shown(100 * _measured()[0]),
        lambda: values.shown(100 * _measured()[-1]),
    ),
)
