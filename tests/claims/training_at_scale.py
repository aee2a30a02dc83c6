"""What the chapter on training at scale asserts."""

from __future__ import annotations

import math

from claims import values
from claims.ledger import Claim

from dmcore import GPUS
from dmcore.algebra.symbols import FLOP_PER_MAC
from dmcore.evidence import training_runs
from dmcore.evidence.training_runs import LARGEST_ESTIMATE, TRAINING_RUNS
from dmcore.models.laws import PASSES
from dmcore.studies import growth

_LLAMA = TRAINING_RUNS["Llama 3.1 405B"]


def _year(flop: float, pace: float, run: training_runs.TrainingRun) -> float:
    return float(growth.year_of_compute(flop, pace, run))


def _at_first_limit() -> tuple[float, float]:
    return training_runs.chinchilla_model(values.critical_compute())


def _million_gpus() -> str:
    first = values.critical_compute()
    return values.shown(training_runs.gpus_needed(first, GPUS["H100 SXM"], utilization=1) / 1e6)


CLAIMS = (
    Claim(
        "Llama 3.1 405B of July 2024, took {} FLOP",
        lambda: values.shown(_LLAMA.flop),
    ),
    Claim(
        "outsiders put the largest of 2025, Grok 4, at {} FLOP",
        lambda: values.shown(LARGEST_ESTIMATE.flop, 1),
    ),
    Claim(
        "they meet the first limit, {} FLOP, between late 2027 and early 2029, depending on which of the "
        "two runs we count from.",
        lambda: values.shown(values.critical_compute()),
        holds=lambda: (
            2027.6 < _year(values.critical_compute(), 5, LARGEST_ESTIMATE) < 2028
            and 2029 < _year(values.critical_compute(), 4, _LLAMA) < 2029.3
        ),
    ),
    Claim(
        "A run of P parameters and D tokens takes {} P D FLOP.",
        lambda: str(FLOP_PER_MAC * PASSES),
    ),
    Claim(
        "At the first limit, {} FLOP, the Chinchilla rule trains {} trillion parameters on {} trillion "
        "tokens, and three months take {} million busy H100s.",
        lambda: values.shown(values.critical_compute()),
        lambda: values.shown(_at_first_limit()[0] / 1e12),
        lambda: values.shown(_at_first_limit()[1] / 1e12),
        _million_gpus,
    ),
    Claim(
        "in four years the ratio rose from {} tokens for each parameter to {}.",
        lambda: values.shown(300e9 / 175e9),
        lambda: values.shown((_LLAMA.tokens or 0) / (_LLAMA.params or 1), 3),
    ),
    Claim(
        "the largest runs meet the first limit between the middle of 2028 and early 2029.",
        holds=lambda: (
            2028.3 < _year(values.critical_compute(), 5, _LLAMA) < 2028.6
            and 2029 < _year(values.critical_compute(), 4, _LLAMA) < 2029.3
        ),
    ),
    Claim(
        "from there they meet it between late 2027 and early 2028.",
        holds=lambda: (
            2027.7 < _year(values.critical_compute(), 5, LARGEST_ESTIMATE) < 2028
            and 2028 < _year(values.critical_compute(), 4, LARGEST_ESTIMATE) < 2028.3
        ),
    ),
    Claim(
        "a factor of 100 at 4 to 5 times a year takes {} to {} years",
        lambda: values.shown(math.log(100, 5)),
        lambda: values.shown(math.log(100, 4)),
    ),
    Claim(
        "Llama 3.1 is a factor of {} below 10^28 and not 100",
        lambda: values.shown(1e28 / _LLAMA.flop),
    ),
)
