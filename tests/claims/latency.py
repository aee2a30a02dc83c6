"""What the chapter on latency asserts."""

import math

from claims import values
from claims.ledger import Claim

import dmcore
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import latency, limits, network
from dmcore.evidence.training_runs import TRAINING_RUNS


def wall(share=1.0):
    return values.shown(share * values.latency_limit())


def wall_with_kernel_gone():
    hops = evaluate(latency.matmul_latency(), ell_kernel=1e-15, ell_hop=latency.HOP_LATENCY_S)
    return values.shown(dmcore.latency_limit(latency_s=hops))


def days(flop, layers=100):
    tokens = evaluate(limits.training_tokens(), T=flop / 2, r=20)
    run = evaluate(latency.least_run_time(), D=tokens, b=4e6, L=layers, ell=9e-6)
    return float(run / 86400)


def nodes_of_a_layer_at_the_wall():
    width = evaluate(limits.model_width(), T=values.latency_limit() / 2, L=100, r=20)
    side = limits.node_rates("H100 SXM")["a"]
    return float(evaluate(network.largest_tensor_parallelism(), d=width, a=side))


def gpus_at_the_wall():
    rate = limits.node_rates("H100 SXM")["C"]
    needed = limits.nodes_needed()
    return float(8 * evaluate(needed, T=values.latency_limit() / 2, C=rate, t=limits.QUARTER_S))


def ring_share(hops):
    """The wall with that many hops in a forward pass through a layer, over the wall with eight."""
    forward = 2 * latency.KERNEL_LATENCY_S + hops * latency.HOP_LATENCY_S
    return (latency.layer_latency_s() / 2 / forward) ** 2


CLAIMS = (
    Claim(
        "so a step takes at least 400 times 9 µs, or {} ms",
        lambda: f"{1e3 * evaluate(latency.least_step_time(), L=100, ell=9e-6):.1f}",
    ),
    Claim(
        "In three months there is time for {} billion steps of 100 layers, and so for no run above "
        "{} FLOP, unless batches grow, models get shallower or latency falls.",
        lambda: values.shown(values.steps_that_fit() / 1e9, 3),
        wall,
    ),
    Claim(
        "In three months, 7.889 × 10^6 s / 3.6 × 10^-3 s = {} steps fit.",
        lambda: values.shown(values.steps_that_fit(), 3),
    ),
    Claim(
        "From the first row to the third the compute grows about {} times and the least time only {} "
        "times",
        lambda: values.shown(1e28 / TRAINING_RUNS["GPT-3"].flop),
        lambda: values.shown(math.sqrt(1e28 / TRAINING_RUNS["GPT-3"].flop), 3),
    ),
    Claim(
        "The second takes {} times as long.",
        lambda: (
            f"{evaluate(limits.piece_time(), limits.node_rates('H100 SXM')) / latency.MATMUL_LATENCY_S:.1f}"
        ),
    ),
    Claim("the wall would be at {} FLOP.", wall_with_kernel_gone),
    Claim(
        "these are {} nodes or {} GPUs, out of {} billion that the run would need in all",
        lambda: values.shown(nodes_of_a_layer_at_the_wall(), 3),
        lambda: values.shown(8 * nodes_of_a_layer_at_the_wall()),
        lambda: values.shown(gpus_at_the_wall() / 1e9, 3),
    ),
    Claim(
        "a full transformer layer has a chain of {} µs in place of {}, which brings the wall down to a "
        "fifth, {} FLOP",
        lambda: f"{values.chain_us(1):.0f}",
        lambda: f"{values.chain_us():.0f}",
        lambda: wall(values.wall_share(1)),
        holds=lambda: round(1 / values.wall_share(1)) == 5,
    ),
    Claim(
        "The wall moves by (4/9)^2 = {}, to {} FLOP.",
        lambda: values.shown(values.wall_share(1), 3),
        lambda: wall(values.wall_share(1)),
    ),
    Claim(
        "the chain is {} µs and the wall falls to {}.",
        lambda: f"{values.chain_us(2):.0f}",
        lambda: values.shown(values.wall_share(2)),
    ),
    Claim(
        "that adds 4 × 4.5 = {} µs to the 81, and the wall falls to {}.",
        lambda: f"{values.chain_us(1, 2) - values.chain_us(1):.0f}",
        lambda: values.shown(values.wall_share(1, 2)),
    ),
    Claim(
        "Ten times the layers make the chain ten times as long: {} days in place of {}.",
        lambda: f"{days(1e28, 1000):.0f}",
        lambda: f"{days(1e28):.1f}",
    ),
    Claim(
        "the wall falls to 1/4.5^2, a twentieth, or {} FLOP",
        lambda: wall(ring_share(64)),
        holds=lambda: round(1 / ring_share(64)) == 20,
    ),
    Claim(
        "the wall falls to a quarter, {} FLOP",
        lambda: wall(ring_share(24)),
        holds=lambda: math.isclose(ring_share(24), 1 / 4),
    ),
    Claim(
        "A step of a model with L layers has a chain of 4L matmuls.",
        holds=lambda: latency.SEQUENTIAL_MATMULS_PER_LAYER == 4,
    ),
)
