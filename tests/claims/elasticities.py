"""What the chapter on elasticities asserts of the powers, of the simulator's and of their noise."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from claims import values
from claims.ledger import Claim

import dmcore
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks.critical_batch import REFERENCE_COMPUTE
from dmcore.hardware.variants import faster_network, lower_latency
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.studies import elasticities
from dmcore.studies.change import own_laws
from dmcore.studies.elasticities import LEVERS, Response

H100 = dmcore.GPUS["H100 SXM"]
QUIET = lower_latency(H100, 10)


@cache
def response(lever: str, gpu: dmcore.GPU = H100) -> Response:
    return elasticities.response(lever, gpu)


def power(name: str, alpha: float = 0.0, limit: str = "critical") -> float:
    return elasticities.elasticity_table().at(limit, name, alpha)


def law(lever: str) -> float:
    return LEVERS[lever].closed_form("critical")


def fixed(value, digits):
    return lambda: f"{value():.{digits}f}"


def ten(gpu: dmcore.GPU = H100) -> float:
    """Powers of ten that a tenfold better network buys."""
    return response("network", gpu).gain(10.0)


def of_alpha(flop: float, alpha: float) -> float:
    """Powers of ten for 0.01 more alpha."""
    slope = elasticities.decades_per_alpha()
    return evaluate(slope, T=flop / 2, T_0=REFERENCE_COMPUTE, alpha=alpha) / 100


@cache
def exponents() -> tuple[float, float, list[float]]:
    """Decades for a unit of alpha in the closed form and in the simulator, and dots over the line."""
    laws = own_laws()
    seconds = SIMULATOR_YEAR_S / 4
    flop = dmcore.critical_compute("H100 SXM", duration_s=seconds, **laws)
    slope = elasticities.decades_per_alpha()
    known = {"T": flop / 2, "T_0": laws["reference_compute"], "alpha": laws["alpha"]}
    changes, ends = zip(*elasticities.response_to_batch_exponent(), strict=True)
    closed = [
        dmcore.critical_compute(
            "H100 SXM", duration_s=seconds, **{**laws, "alpha": laws["alpha"] + by}
        )
        for by in changes
    ]
    over = [10**end / line for end, line in zip(ends, closed, strict=True)]
    return float(evaluate(slope, known)), float(np.polyfit(changes, ends, 1)[0]), over


CLAIMS = (
    Claim(
        "one percent more time or batch is worth {} percent more compute in the closed form and {} in the "
        "simulator, over a hundredfold range",
        fixed(lambda: law("duration"), 1),
        fixed(lambda: response("duration").slope(0.1, 10), 1),
        holds=lambda: (
            law("duration") == law("batch")
            and abs(response("batch").slope(0.1, 10) - response("duration").slope(0.1, 10)) < 0.1
        ),
    ),
    Claim(
        "{} percent for a percent of network bandwidth, and {} for a percent of memory bandwidth",
        fixed(lambda: law("network"), 1),
        fixed(lambda: law("HBM"), 1),
    ),
    Claim(
        "a tenfold better network is worth {} powers of ten and not {}.",
        fixed(ten, 1),
        fixed(lambda: law("network"), 1),
    ),
    Claim(
        "One percent more bandwidth gives four percent more compute at $\\alpha = 0$",
        holds=lambda: power("beta_net") == 4,
    ),
    Claim(
        "Duration, batch and depth count the same for both limits",
        holds=lambda: all(
            power(name, 0.1) == power(name, 0.1, "latency") for name in ("t", "b_0", "L_0")
        ),
    ),
    Claim(
        "The hardware appears only in the critical compute, and the latency $\\ell$ only in the latency "
        "limit.",
        holds=lambda: (
            not any(power(name, 0.1, "latency") for name in ("beta_net", "beta_hbm", "F", "G"))
            and power("ell", 0.1) == 0 != power("ell", 0.1, "latency")
        ),
    ),
    Claim(
        "the last row is zero at $\\alpha = 0$",
        holds=lambda: power("T_0") == 0 == power("T_0", 0.0, "latency"),
    ),
    Claim(
        "An error of 0.01 in $\\alpha$ moves the critical compute by a tenth of a power of ten at first, and "
        "by a quarter at $\\alpha = 0.2$.",
        holds=lambda: (
            round(of_alpha(dmcore.critical_compute("H100 SXM"), 0.0), 1) == 0.1
            and round(of_alpha(dmcore.critical_compute("H100 SXM", 0.2), 0.2), 2) == 0.25
        ),
    ),
    Claim(
        "All powers are a small number over $1 - 2\\alpha$: 4 for the network, 2 for memory, duration and "
        "batch, −4 for the GPU's peak",
        holds=lambda: (
            [power(name) for name in ("beta_net", "beta_hbm", "t", "b_0", "F")] == [4, 2, 2, 2, -4]
        ),
    ),
    Claim(
        "so the scatter around it measures the noise: {} and {} powers of ten.",
        *(
            fixed(lambda name=name: response(name).scatter(0.1, 10), 2)
            for name in ("duration", "batch")
        ),
    ),
    Claim(
        "other sets of cluster sizes put its end up to twice as high",
        holds=lambda: values.end() == values.end_range()[0] > 0.45 * values.end_range()[1],
    ),
    Claim(
        "So half the duration costs {} powers of ten where the law says {}, and twice the duration gains "
        "{}.",
        fixed(lambda: -response("duration").gain(0.5), 2),
        fixed(lambda: law("duration") * math.log10(2), 2),
        fixed(lambda: response("duration").gain(2.0), 2),
    ),
    Claim(
        "A mean power over a hundredfold range is within a tenth of the law, but do not read the gain from a "
        "factor of two more finely than a quarter of a power of ten.",
        holds=lambda: all(
            abs(response(name).slope(0.1, 10) / law(name) - 1) < 0.1
            and 0.2
            < max(abs(response(name).gain(by) - law(name) * math.log10(by)) for by in (0.5, 2.0))
            < 0.27
            for name in ("duration", "batch")
        ),
    ),
    Claim(
        "From a tenth to all of today's bandwidth the simulator gains {} of the closed form's {} powers of "
        "ten.",
        fixed(lambda: -response("network").gain(0.1), 1),
        fixed(lambda: law("network"), 1),
    ),
    Claim("From today's bandwidth to ten times as much it gains only {}.", fixed(ten, 1)),
    Claim(
        "At a tenth of the latency the network counts with a power of {} up to five times today's bandwidth",
        fixed(lambda: response("network", QUIET).slope(1, 5), 1),
    ),
    Claim(
        "And at ten times the network, latency counts with a power of {}.",
        fixed(lambda: response("lower latency", faster_network(H100, 10)).slope(1, 5), 1),
        holds=lambda: (
            abs(
                response("lower latency", faster_network(H100, 10)).slope(1, 5)
                - LEVERS["lower latency"].closed_form("latency")
            )
            < 0.1
        ),
    ),
    Claim(
        "it moves the end of linear scaling by {} powers of ten, a factor of {}.",
        fixed(ten, 1),
        fixed(lambda: 10 ** ten(), 0),
    ),
    Claim(
        "that is as much as {} times the time",
        fixed(lambda: 10 ** (ten() / law("duration")), 1),
    ),
    Claim(
        "as large as one of ten months today",
        holds=lambda: round(3 * 10 ** (ten() / law("duration"))) == 10,
    ),
    Claim(
        "it buys {} to {} years of growth",
        fixed(lambda: ten() / math.log10(5), 1),
        fixed(lambda: ten() / math.log10(4), 1),
    ),
    Claim(
        "With a tenth of the latency as well, the network would be worth {} powers of ten.",
        fixed(lambda: ten(QUIET), 1),
    ),
    Claim(
        "The closed form gains {} powers of ten for each unit of $\\alpha$, and the simulator {}.",
        fixed(lambda: exponents()[0], 1),
        fixed(lambda: exponents()[1], 1),
    ),
    Claim(
        "Its dots lie above the line by a factor of {} to {}",
        fixed(lambda: min(exponents()[2]), 1),
        fixed(lambda: max(exponents()[2]), 1),
    ),
    Claim(
        "0.1 in the exponent itself is worth about one power of ten",
        holds=lambda: 0.9 < 0.1 * exponents()[0] < 1.3,
    ),
    Claim("Time and batch are safe bets.", holds=lambda: response("batch").scatter(0.1, 10) < 0.15),
    Claim("Hardware has to improve in step.", holds=lambda: ten(QUIET) > 2 * ten()),
    Claim(
        "So the bandwidths have to grow by $2^{4/6} = {}$",
        lambda: f"{2 ** (4 / (power('beta_net') + power('beta_hbm'))):.2f}",
    ),
    Claim(
        "The power is $-1$ for both, so both fall to 20/38.5, or {}.",
        fixed(lambda: (38.5 / 20) ** power("r"), 2),
        holds=lambda: power("r") == power("r", 0.0, "latency") == -1,
    ),
)
