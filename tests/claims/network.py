"""What the chapter on network bandwidth asserts."""

from claims import values
from claims.ledger import Claim

from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import composition, limits, memory_bandwidth, network


def side(gpu="H100 SXM"):
    return network.shard_side_channels(gpu)


def width(flop):
    """Channels of a model of 100 layers and 20 tokens for each parameter."""
    return evaluate(limits.model_width(), T=flop / 2, L=100, r=20)


def nodes(channels, *, exact=False):
    """H100 nodes that can share a layer."""
    short, every = network.largest_tensor_parallelism, network.largest_tensor_parallelism_exact
    return evaluate((every if exact else short)(), d=channels, a=side())


def too_many(m, q):
    """Numbers that the shorter formula counts, over those that are sent, where f = 4 d."""
    grid = {"d": 1, "f": 4, "m": m, "q": q}
    return evaluate(network.words_per_token(), grid) / evaluate(
        network.words_per_token_exact(), grid
    )


def nvlink_share():
    """Time of NVLink over that of the network, with blocks cut into 2 by 4 and square."""
    grid = {"d": 1, "f": 4, "m": 4, "q": 16}
    of_gpus = {**grid, "m": 8, "q": 64}
    count = network.words_per_token_exact()
    inside = evaluate(count, of_gpus) - evaluate(count, grid)
    inner, outer = (level.bytes_per_s for level in GPUS["H100 SXM"].network)
    return inside / evaluate(network.words_per_token(), grid) * outer / inner


def replica_tokens():
    """Tokens of a replica whose gradients take as long as its arithmetic."""
    gpu = GPUS["H100 SXM"]
    C = 8 * gpu.peak_flop_per_s / 2
    rates = {"C": C, "G": 8, "w_P": 2, "beta_net": gpu.inter_node_bytes_per_s}
    return evaluate(composition.gradient_share(), rates, N_DP=1, b=1)


def shown(value, digits=3):
    return lambda: values.shown(value() if callable(value) else value, digits)


def percent(value):
    return lambda: f"{value():.0%}".replace("%", " %")


CLAIMS = (
    Claim(
        "A batch of four million tokens can be cut into about {} such nanobatches.",
        lambda: values.shown(4e6 / values.nanobatch("H100 SXM"), 2),
    ),
    Claim(
        "Each line crosses 1 at the smallest side with which the network keeps up: {} channels",
        shown(side),
    ),
    Claim("20,000 becomes {}.", shown(side)),
    Claim(
        "The nodes that share a layer also share a nanobatch.",
        holds=lambda: (
            {s.name for s in memory_bandwidth.nanobatch_of_hardware().free_symbols}
            == {"F", "w_P", "beta_hbm"}
        ),
    ),
    Claim(
        "An H100 node can share a layer with others as long as its block is at least {} channels on a "
        "side, that is, {} million weights of each matrix.",
        shown(side),
        shown(lambda: side() ** 2 / 1e6, 2),
    ),
    Claim(
        "From the V100 to the A100 the network became four times as fast and the arithmetic only {} "
        "times, so the side shrank.",
        shown(lambda: GPUS["A100 SXM"].peak_flop_per_s / GPUS["V100 SXM"].peak_flop_per_s, 2),
        holds=lambda: side("A100 SXM") < side("H100 SXM") < side("V100 SXM"),
    ),
    Claim(
        "A model for a run of 10²⁸ FLOP would be about {} channels wide",
        shown(lambda: width(1e28), 4),
    ),
    Claim(
        "That is {} times the side of a block, so a layer can be shared by $4 \\times 4.05^2 \\approx "
        "{}$ nodes, or about {} GPUs",
        shown(lambda: width(1e28) / side()),
        shown(lambda: nodes(width(1e28)), 2),
        shown(lambda: 8 * nodes(width(1e28))),
    ),
    Claim(
        "on a grid of 1 by 4 nodes it counts {} times as many numbers as are sent",
        shown(lambda: too_many(1, 4), 2),
    ),
    Claim(
        "gives a third more at 10²⁸ FLOP and {} more at 2.3 × 10³¹.",
        percent(lambda: nodes(width(2.3e31), exact=True) / nodes(width(2.3e31)) - 1),
        holds=lambda: abs(nodes(width(1e28), exact=True) / nodes(width(1e28)) - 4 / 3) < 0.01,
    ),
    Claim(
        "NVLink is busy for 2/9 or {} of that time.",
        percent(nvlink_share),
        holds=lambda: abs(nvlink_share() - 2 / 9) < 0.001,
    ),
    Claim("It takes an H100 as long as the arithmetic of {} tokens", shown(replica_tokens)),
    Claim(
        "Llama 3.1 gave each of its 128 replicas 125,000 tokens "
        "([Grattafiori et al., 2024](https://arxiv.org/abs/2407.21783)), so its gradients "
        "would add {}.",
        percent(lambda: replica_tokens() / 125e3),
    ),
)
