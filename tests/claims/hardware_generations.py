"""What the chapter on hardware before and after the paper's asserts."""

from __future__ import annotations

from claims import values
from claims.ledger import Claim

from dmcore.bottlenecks import limits
from dmcore.evidence.training_runs import LARGEST_ESTIMATE
from dmcore.hardware.variants import with_node
from dmcore.studies import generations
from dmcore.studies.generations import ALEXNET, GENERATIONS, LAST_RUN

YEARS = GENERATIONS["GB200 NVL72"].year - GENERATIONS["GTX 580"].year


def end(name: str) -> float:
    return GENERATIONS[name].end.flop or 0.0


def low(name: str) -> float:
    return GENERATIONS[name].end.span[0]


def high(name: str) -> float:
    return GENERATIONS[name].end.span[1]


def rise() -> float:
    return end("GB200 NVL72") / end("GTX 580")


def with_node_of(size: int) -> float:
    return generations.linear_scaling(with_node(GENERATIONS["B200 HGX"].gpu, size)).flop or 0.0


def changed(name: str, what: str, by: float) -> float:
    """The end with one figure multiplied, over the end as it is."""
    gpu = generations.changed(GENERATIONS[name].gpu, what, by)
    return (generations.linear_scaling(gpu).flop or 0.0) / end(name)


def outer(name: str, by: float) -> float:
    return changed(name, "network beyond the node", by)


def in_words(flop: float) -> str:
    return values.shown(flop, 2)


CLAIMS = (
    Claim(
        "So the newer chip has a fifth of the older one's limit",
        holds=lambda: (
            0.19
            < GENERATIONS["B200 HGX"].critical_flop / GENERATIONS["H100 SXM"].critical_flop
            < 0.21
        ),
    ),
    Claim(
        "GTX 580 cards would have scaled to {} FLOP, about what outsiders estimate for the largest run of "
        "2025",
        lambda: in_words(end("GTX 580")),
        holds=lambda: 0.8 < end("GTX 580") / LARGEST_ESTIMATE.flop < 1.25,
    ),
    Claim(
        "or anywhere between {} and {} FLOP over sets of cluster sizes.",
        lambda: in_words(low("GTX 580")),
        lambda: in_words(high("GTX 580")),
    ),
    Claim(
        "each with 72 Blackwell GPUs, scale to {} FLOP.",
        lambda: in_words(end("GB200 NVL72")),
        holds=lambda: GENERATIONS["GB200 NVL72"].gpu.node_size == 72,
    ),
    Claim(
        "has moved by a factor of {} in {} years, {} to {} over the ranges, or {} times a year, while the "
        "largest documented runs grew {} times a year.",
        lambda: values.shown(rise(), 2),
        lambda: str(YEARS),
        lambda: values.shown(low("GB200 NVL72") / high("GTX 580"), 1),
        lambda: values.shown(high("GB200 NVL72") / low("GTX 580"), 2),
        lambda: f"{rise() ** (1 / YEARS):.1f}",
        lambda: f"{generations.trend():.1f}",
    ),
    Claim(
        "it puts the end at {} FLOP ({} to {}) for the B200 and at {} ({} to {}) for the H100.",
        lambda: in_words(end("B200 HGX")),
        lambda: f"{low('B200 HGX') / 1e28:.1f}",
        lambda: f"{high('B200 HGX') / 1e28:.1f}",
        lambda: in_words(end("H100 SXM")),
        lambda: f"{low('H100 SXM') / 1e28:.1f}",
        lambda: f"{high('H100 SXM') / 1e28:.0f}",
    ),
    Claim(
        "the closed form doubles its limit, while the simulator",
        holds=lambda: (
            end("H200 SXM") == end("H100 SXM")
            and 1.9
            < GENERATIONS["H200 SXM"].critical_flop / GENERATIONS["H100 SXM"].critical_flop
            < 2.1
        ),
    ),
    Claim(
        "for two of them it even exceeds the",
        holds=lambda: (
            sum(
                it.critical_flop > limits.latency_limit()
                for name, it in GENERATIONS.items()
                if name.startswith("TPU")
            )
            == 2
        ),
    ),
    Claim(
        "a node of 72 scales to {} FLOP, a fifth further than one of 32, and one of 576 only twice as far "
        "as one of 72",
        lambda: in_words(with_node_of(72)),
        holds=lambda: (
            1.15 < with_node_of(72) / with_node_of(32) < 1.25
            and 1.8 < with_node_of(576) / with_node_of(72) < 2.2
        ),
    ),
    Claim(
        "From 8 to 16 GPUs in a node the simulator's end rises sixfold",
        holds=lambda: 5.5 < with_node_of(16) / with_node_of(8) < 6.5,
    ),
    Claim(
        "Half of it lowers the H100's and the B200's by 40 %",
        holds=lambda: all(
            0.57 < changed(name, "L2 bandwidth", 0.5) < 0.62 for name in ("H100 SXM", "B200 HGX")
        ),
    ),
    Claim(
        "Half of the registers bring the H100 down by a factor of {}",
        lambda: f"{1 / changed('H100 SXM', 'registers', 0.5):.0f}",
    ),
    Claim(
        "Doubled, it raises the end of the H100 sevenfold, that of the B200 tenfold and that of the GTX 580 "
        "a hundredfold; halved, it lowers them to a ninth, a sixth and a quarter.",
        holds=lambda: (
            [round(outer(name, 2)) for name in ("H100 SXM", "B200 HGX")] == [7, 10]
            and 95 < outer("GTX 580", 2) < 105
            and [round(1 / outer(n, 0.5)) for n in ("H100 SXM", "B200 HGX", "GTX 580")] == [9, 6, 4]
        ),
    ),
    Claim(
        "In 2012 the limit was a billion times the largest run, in 2024 it was {} times, and for the "
        "estimate of 2025 it is {}.",
        lambda: values.shown(end("H100 SXM") / LAST_RUN.flop, 2),
        lambda: values.shown(end("GB200 NVL72") / LARGEST_ESTIMATE.flop, 1),
        holds=lambda: 0.9e9 < end("GTX 580") / ALEXNET.flop < 1.1e9,
    ),
    Claim(
        "From the GTX 580 to the GB200 it rose by a factor of {} in {} years, {} to {} over the ranges, "
        "through networks, nodes, memory and shorter words; the largest runs grew by a factor of a billion "
        "in {}.",
        lambda: values.shown(rise(), 2),
        lambda: str(YEARS),
        lambda: values.shown(low("GB200 NVL72") / high("GTX 580"), 1),
        lambda: values.shown(high("GB200 NVL72") / low("GTX 580"), 2),
        lambda: f"{LARGEST_ESTIMATE.year - ALEXNET.year:.0f}",
        holds=lambda: 0.9e9 < LARGEST_ESTIMATE.flop / ALEXNET.flop < 1.1e9,
    ),
    Claim(
        "The B200 in nodes of eight scales less far than the H100.",
        holds=lambda: high("B200 HGX") < low("H100 SXM"),
    ),
    Claim(
        "that the B200 ends before the H100 and the GB200 after it holds over all of them.",
        holds=lambda: high("B200 HGX") < low("H100 SXM") and high("H100 SXM") < low("GB200 NVL72"),
    ),
)
