"""What the chapter on the reader's own cluster asserts of the H100 and of changes to it."""

from __future__ import annotations

from functools import cache

from claims import values
from claims.ledger import Claim

import dmcore
from dmcore.hardware.variants import custom_gpu, faster_network

H100 = dmcore.GPUS["H100 SXM"]


@cache
def changed(**figures: float) -> dmcore.Sweep:
    return dmcore.sweep(custom_gpu(H100, **figures))


def end(**figures: float) -> float:
    """The end of linear scaling with some figures changed, over that as it is."""
    return (changed(**figures).end.flop or 0.0) / values.end()


def last(**figures: float) -> float:
    return float(changed(**figures).training_flop[-1] / values.sweep("H100 SXM").training_flop[-1])


@cache
def use(gpu: dmcore.GPU = H100):
    return dmcore.largest_run(gpu, 24_576, 90 / 365).step


@cache
def months(number: int) -> float:
    return dmcore.sweep("H100 SXM", duration_years=number / 12).end.flop or 0.0


def marked() -> int:
    """The run of the sweep that is nearest to 10^29 FLOP."""
    return int(abs(values.sweep("H100 SXM").training_flop / 1e29 - 1).argmin())


CLAIMS = (
    Claim(
        "the run of {} FLOP that the figure marks can be done on {} million H100s.",
        lambda: values.shown(float(values.sweep("H100 SXM").training_flop[marked()])),
        lambda: f"{values.sweep('H100 SXM').n_gpu[marked()] / 1e6:.0f}",
    ),
    Claim(
        "It ends after {} months, and {} % of their peak is used.",
        lambda: f"{values.sweep('H100 SXM').months[marked()]:.1f}",
        lambda: f"{100 * values.sweep('H100 SXM').utilization[marked()]:.0f}",
    ),
    Claim(
        "beyond {} FLOP no cluster ends in three months",
        lambda: values.shown(float(values.sweep("H100 SXM").training_flop[-1])),
    ),
    Claim(
        "The faster network moves the end of linear scaling ten times as far and a node of 64 seven times, "
        "and neither moves the largest run.",
        holds=lambda: (
            9.5 < end(beta_beyond=800e9) < 10.5
            and 6.5 < end(node_size=64) < 7.5
            and last(beta_beyond=800e9) == last(node_size=64) == 1
        ),
    ),
    Claim(
        "at a fifth of the compute with twice the peak, and at a 35th with four times",
        holds=lambda: (
            4.5 < 1 / end(F_peak=2 * H100.peak_flop_per_s) < 5.5
            and round(1 / end(F_peak=4 * H100.peak_flop_per_s)) == 35
            and last(F_peak=4 * H100.peak_flop_per_s) == 1
        ),
    ),
    Claim(
        "a tenth of it moves the largest run almost ninetyfold, and a tenth of a hop's two and a half times.",
        holds=lambda: (
            85 < last(ell_kernel=0.45e-6) < 90
            and 2.4 < last(ell_node=0.1125e-6, ell_beyond=0.1125e-6) < 2.6
        ),
    ),
    Claim(
        "for the H100 at three months that changes nothing",
        holds=lambda: dmcore.sweep("H100 SXM", zero_bubble_latency=True).end.flop == values.end(),
    ),
    Claim(
        "It is a model of a trillion parameters and a run of {} FLOP, at {} % of the peak.",
        lambda: values.shown(use().model.training_flop),
        lambda: f"{100 * use().utilization:.0f}",
        holds=lambda: 0.95e12 < use().model.params < 1.05e12,
    ),
    Claim(
        "a quarter of the network's bandwidth costs the H100s only three and a half of their {} percent",
        lambda: f"{100 * use().utilization:.0f}",
        holds=lambda: (
            0.034
            < use().utilization - use(faster_network(H100, 1 / 4, outermost_only=True)).utilization
            < 0.036
        ),
    ),
    Claim(
        "With three, linear scaling ends at {} FLOP, and a month more takes it to {} FLOP.",
        lambda: values.shown(months(3)),
        lambda: values.shown(months(4)),
    ),
)
