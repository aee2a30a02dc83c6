"""What the chapter on the certainty of the limits asserts."""

from __future__ import annotations

from functools import cache

import numpy as np
from claims import values
from claims.ledger import Claim

from dmcore.bottlenecks import critical_batch
from dmcore.evidence.training_runs import LARGEST_ESTIMATE
from dmcore.models.laws import effective_alpha
from dmcore.studies import uncertainty

DRAWS = 200_000


@cache
def drawn(limit: str, prior: str = "") -> np.ndarray:
    """Draws of a limit under a prior, FLOP."""
    draws = uncertainty.sample(uncertainty.assumptions(prior=prior), DRAWS)
    return uncertainty.limit_flop(limit, draws)


def ends(limit: str) -> uncertainty.Interval:
    return uncertainty.credible_interval(drawn(limit))


def medians(limit: str) -> list[float]:
    return [interval.median for interval, _ in uncertainty.under_priors(limit).values()]


def shares(limit: str) -> list[float]:
    return [share for _, share in uncertainty.under_priors(limit).values()]


def effect(limit: str, symbol: str) -> float:
    beliefs = uncertainty.assumptions()
    found = {each.assumption.symbol: each for each in uncertainty.tornado(limit, beliefs)}
    return found[symbol].decades


def percent(share: float) -> str:
    return f"{100 * share:.0f}"


def priors_agree() -> bool:
    """The paper's number is in every interval, none is narrow, and the order of the limits stays."""
    for limit in uncertainty.LIMITS:
        paper = uncertainty.limit_flop(limit, {})
        for interval, _ in uncertainty.under_priors(limit).values():
            if not interval.low < paper < interval.high or interval.decades < 3:
                return False
    return all(
        np.mean(drawn("latency", prior) < drawn("critical", prior)) < 0.006
        for prior in uncertainty.PRIORS
    )


CLAIMS = (
    Claim(
        "The critical compute of a cluster of H100s is {} FLOP",
        lambda: values.shown(values.critical_compute()),
    ),
    Claim(
        "the limit becomes {} times as large, and at 0.2 a thousand times",
        lambda: f"{values.critical_compute(alpha=0.1) / values.critical_compute():.0f}",
        holds=lambda: 950 < values.critical_compute(alpha=0.2) / values.critical_compute() < 1050,
    ),
    Claim(
        "90 % of the draws put the critical compute between {} and {} FLOP, and the latency limit "
        "between {} and {}.",
        lambda: values.shown(ends("critical").low),
        lambda: values.shown(ends("critical").high),
        lambda: values.shown(ends("latency").low),
        lambda: values.shown(ends("latency").high),
    ),
    Claim(
        "An interval of seven or eight powers of ten is an admission",
        holds=lambda: [round(ends(limit).decades) for limit in uncertainty.LIMITS] == [7, 8],
    ),
    Claim(
        "The batch grows with the power 0.47 of the tokens, which is the power {} of compute, while the "
        "depth of the paper's simulated models grows with the power {}. So the measurements say that "
        "$\\alpha$ is about {}.",
        lambda: f"{float(effective_alpha(critical_batch.measured_law()).alpha_b):.3f}",
        lambda: f"{float(effective_alpha().alpha_L):.3f}",
        lambda: f"{values.alpha_of_law('tokens'):.2f}",
    ),
    Claim(
        "at equal parameters a layer keeps half as many nodes busy, as if the batch were half, and the "
        "chain of products that latency counts is 9/4 as long.",
        holds=lambda: abs(values.chain_us(1) / values.chain_us() - 9 / 4) < 1e-9,
    ),
    Claim(
        "the median of the critical compute lies anywhere between {} and {} FLOP",
        lambda: values.shown(min(medians("critical"))),
        lambda: values.shown(max(medians("critical"))),
    ),
    Claim(
        "What holds under every choice that we tried is that the latency limit comes after the",
        holds=priors_agree,
    ),
    Claim(
        "powers of ten and the network {}.",
        lambda: f"{effect('critical', 'beta_net'):.1f}",
        holds=lambda: round(effect("critical", "alpha"), 1) == 4.9,
    ),
    Claim(
        "The share of draws below the paper's number goes from {} to {} % for the critical compute "
        "and from {} to {} % for the latency limit",
        lambda: percent(min(shares("critical"))),
        lambda: percent(max(shares("critical"))),
        lambda: percent(min(shares("latency"))),
        lambda: percent(max(shares("latency"))),
    ),
    Claim(
        "in {} % of the draws the latency limit comes after the critical compute, under every prior.",
        lambda: f"{100 * (1 - np.mean(drawn('latency') < drawn('critical'))):.1f}",
        holds=priors_agree,
    ),
    Claim(
        "Under six choices of prior the median of the critical compute goes from {} to {} FLOP, "
        "and the share of draws below the paper's number from {} to {} %.",
        lambda: values.shown(min(medians("critical"))),
        lambda: values.shown(max(medians("critical"))),
        lambda: percent(min(shares("critical"))),
        lambda: percent(max(shares("critical"))),
        holds=lambda: len(uncertainty.PRIORS) == 6,
    ),
    Claim(
        "the median of the critical compute is {} FLOP, a third of the paper's number",
        lambda: values.shown(
            uncertainty.credible_interval(
                uncertainty.limit_flop(
                    "critical",
                    {**uncertainty.sample(uncertainty.assumptions(), DRAWS), "alpha": 0.0},
                )
            ).median
        ),
    ),
    Claim(
        "{} % of the draws lie below that estimate",
        lambda: percent(np.mean(drawn("critical") < LARGEST_ESTIMATE.flop)),
    ),
    Claim(
        "To know more, one has to measure how the critical batch grows, on runs far larger than {} FLOP.",
        lambda: values.shown(uncertainty.assumptions()[2].low, 1).removeprefix("1 × "),
        holds=lambda: effect("latency", "alpha") > 2 * effect("latency", "ell"),
    ),
)
