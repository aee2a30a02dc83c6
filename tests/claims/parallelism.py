"""What the chapter on parallelism asserts."""

from __future__ import annotations

from functools import cache

from claims import values
from claims.ledger import Claim

from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import limits
from dmcore.evidence.training_runs import TRAINING_RUNS
from dmcore.simulator.pipeline import bubble_fraction
from dmcore.studies import schedule
from dmcore.studies.slicing import Slicing, words_by_way

_WIDTH = {"d": 12_288.0, "f": 49_152.0}


@cache
def _words(slicing: Slicing) -> float:
    """Words that 64 GPUs send in a step of a model of GPT-3's width with 128 layers."""
    size = float(evaluate(limits.parameters(), d=_WIDTH["d"], L=128))
    return sum(words_by_way(slicing, **_WIDTH, layers=128, params=size, batch=2**22).values())


def _over_quietest() -> float:
    one_way = (
        Slicing(data=64),
        Slicing(slices_of_d=4, slices_of_f=16),
        Slicing(slices_of_d=1, slices_of_f=64),
        Slicing(pipeline=64),
        Slicing(expert=64),
    )
    words = [_words(slicing) for slicing in one_way]
    return max(words) / min(words)


def _tokens_to_fetch_weights() -> float:
    """MAC per second over words per second of a node of H100s."""
    rates = limits.node_rates("H100 SXM")
    return 0.75 * rates["a"]  # a = 4/3 C/W


def _waits(stages: int, blocks: int, transfer: int) -> float:
    turns = schedule.zero_bubble_schedule(stages, 2 * stages, blocks, transfer)
    return schedule.waiting_share(turns)


def _years_alone() -> float:
    rate = 0.4 * GPUS["H100 SXM"].peak_flop_per_s
    return TRAINING_RUNS["Llama 3.1 405B"].flop / rate / (365.25 * 86400)


CLAIMS = (
    Claim(
        "One H100 would need about {} years for the compute of Llama 3.1, even at 40 % of its peak.",
        lambda: values.shown(round(_years_alone(), -3), 1),
    ),
    Claim(
        "there are four ways, and their degrees multiply.",
        holds=lambda: len(words_by_way(Slicing(), **_WIDTH, layers=1, params=1.0, batch=1.0)) == 4,
    ),
    Claim(
        "the most talkative way sends more than 250 times as many words as the quietest.",
        holds=lambda: 250 < _over_quietest() < 300,
    ),
    Claim(
        "instead of holding them asks for {} tokens per node of H100s, so four million tokens feed {} nodes.",
        lambda: f"{_tokens_to_fetch_weights():,.0f}",
        lambda: f"{4e6 / _tokens_to_fetch_weights():.0f}",
    ),
    Claim(
        "Replicas and pipeline stages together can use {} nodes with the same batch",
        lambda: f"{values.parts_of_batch():,.0f}",
    ),
    Claim(
        "A plain pipeline with two microbatches for each stage sits idle for about a third of the time.",
        holds=lambda: all(
            0.27 < evaluate(bubble_fraction(), N_PP=n, K=2 * n, v=1) < 1 / 3 for n in (4, 8, 64)
        ),
    ),
    Claim(
        "waits for nothing if transfers are short, but for up to a quarter of the time if they take as long "
        "as the computing and each stage holds one block of layers.",
        holds=lambda: all(
            _waits(stages, 1, 0) == 0 and 0.15 < _waits(stages, 1, 1) < 0.25
            for stages in (4, 8, 16)
        ),
    ),
)
