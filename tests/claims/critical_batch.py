"""What the chapter on the critical batch size asserts."""

import math

from claims import values
from claims.ledger import Claim

from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import critical_batch
from dmcore.evidence.training_runs import RUNS_WITH_BATCH

RUNS = {run.name: run for run in RUNS_WITH_BATCH}
V3, LLAMA, PALM = RUNS["DeepSeek-V3"], RUNS["Llama 3.1 405B"], RUNS["PaLM"]


def steps(share):
    """Steps over the fewest, with a batch of that share of the critical one."""
    return float(evaluate(critical_batch.steps_of_batch(), b=share, b_crit=1, s_min=1))


def tokens(share):
    """Tokens over the fewest."""
    return float(evaluate(critical_batch.tokens_of_batch(), b=share, b_crit=1, D_min=1))


def million(law, flop, digits=2):
    return lambda: values.shown(values.batch_of_law(law, flop) / 1e6, digits)


def signed(number):
    return f"{number:.2f}".replace("-", "−")


def between(first, second):
    """The exponent that leads from one run's batch to another's."""
    grown = math.log(second.largest_batch / first.largest_batch)
    return grown / math.log(second.flop / first.flop)


CLAIMS = (
    Claim(
        "At the critical batch a run takes twice the fewest steps and reads twice the fewest tokens. Even "
        "an infinite batch saves no more than half of those steps.",
        holds=lambda: steps(1) == tokens(1) == 2 and math.isclose(steps(1e12), 1),
    ),
    Claim(
        "a tenth of the critical batch needs {} times the fewest steps but only {} times the fewest tokens",
        lambda: f"{steps(0.1):.0f}",
        lambda: f"{tokens(0.1):.1f}",
    ),
    Claim(
        "A batch of 4 million tokens can be cut into {} parts for H100 nodes.",
        lambda: f"{values.parts_of_batch():,.0f}",
    ),
    Claim(
        "Proposals run from {} to {}, and the measurements on small models suggest about {}.",
        lambda: signed(values.alpha_of_law("none")),
        lambda: signed(values.alpha_of_law("deepseek")),
        lambda: signed(values.alpha_of_law("tokens")),
        holds=lambda: values.alpha_of_law("none") < values.alpha_of_law("default"),
    ),
    Claim(
        "used up to 16 million tokens",
        holds=lambda: LLAMA.largest_batch == 16e6,
    ),
    Claim(
        "where the sixth root gives {} million and DeepSeek's law {} million",
        million("default", LLAMA.flop),
        million("deepseek", LLAMA.flop),
    ),
    Claim(
        "so a dense model of the same compute would have {} million",
        lambda: f"{V3.dense_batch / 1e6:.1f}",
    ),
    Claim(
        "That lies between the {} million of the sixth root and the {} million of DeepSeek's own law.",
        million("default", V3.flop),
        million("deepseek", V3.flop, 3),
        holds=lambda: (
            values.batch_of_law("default", V3.flop)
            < V3.dense_batch
            < values.batch_of_law("deepseek", V3.flop)
        ),
    ),
    Claim(
        "At 10³¹ FLOP the outer laws are a factor of {} apart.",
        lambda: values.shown(
            values.batch_of_law("deepseek", 1e31) / values.batch_of_law("none", 1e31)
        ),
    ),
    Claim(
        "the same Llama gives {}.",
        lambda: f"{between(PALM, LLAMA):.2f}",
    ),
    Claim(
        "The 16 million tokens make 16,000,000/(2 × 590.4) = {} parts.",
        lambda: f"{values.parts_of_batch(tokens=16e6):,.0f}",
    ),
    Claim(
        "twice the tokens for each parameter give 2^0.235 = {} times the batch",
        lambda: f"{2 ** float(critical_batch.TOKEN_EXPONENT / 2):.2f}",
    ),
)
