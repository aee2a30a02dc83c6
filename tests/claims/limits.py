"""What the chapter on the two limits asserts."""

import math
from dataclasses import replace

from claims import values
from claims.ledger import Claim

import dmcore
from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import critical_batch, latency, limits, network
from dmcore.evidence.training_runs import LARGEST_ESTIMATE, TRAINING_RUNS
from dmcore.hardware.gpu import NetworkLevel
from dmcore.models.words import FP8_AS_TRAINED

H100 = GPUS["H100 SXM"]
RUN = limits.cluster_at_limit(H100)
LLAMA = TRAINING_RUNS["Llama 3.1 405B"].flop
RATES = limits.node_rates(H100)
PIECE = float(evaluate(limits.piece_time(), RATES))
EIGHT_BIT = replace(
    H100, name="8 bit", flop_per_clock_per_thread=2 * H100.flop_per_clock_per_thread
)


def critical(digits=2, **changes):
    return lambda: values.shown(dmcore.critical_compute("H100 SXM", **changes), digits)


def wall():
    return values.shown(values.latency_limit())


def at_1e28(expr):
    """An expression in the width or compute of a run of 1e28 FLOP with 100 layers."""
    width = evaluate(limits.model_width(), T=5e27, L=100, r=20)
    return float(evaluate(expr, {"d": width, "a": RATES["a"]}))


def busy_at_1e28():
    return 8 * at_1e28(network.largest_tensor_parallelism()) * values.parts_of_batch()


def needed_at_1e28():
    return 8 * float(evaluate(limits.nodes_needed(), T=5e27, C=RATES["C"], t=limits.QUARTER_S))


def faster_network(factor):
    inside, beyond = H100.network
    level = NetworkLevel(beyond.size, factor * beyond.bytes_per_s, beyond.latency_s)
    return replace(H100, name="faster network", network=(inside, level))


def anchor(alpha):
    """Factor by which the anchor of the words raises the limits."""
    return dmcore.critical_compute(H100, alpha, reference_compute=1.5e23) / dmcore.critical_compute(
        H100, alpha
    )


def ends(law):
    return values.critical_compute(alpha=values.alpha_of_law(law))


def walls(law):
    return values.latency_limit(alpha=values.alpha_of_law(law))


def brute_force(share):
    """Factor on the latency limit with a batch of that share of the critical one."""
    steps = critical_batch.steps_of_batch()
    known = {"b_crit": 1, "s_min": 1}
    return float((evaluate(steps, known, b=1) / evaluate(steps, known, b=share)) ** 2)


def gpus_at_the_wall():
    needed = limits.nodes_needed()
    nodes = evaluate(needed, T=values.latency_limit() / 2, C=RATES["C"], t=limits.QUARTER_S)
    return 8 * float(nodes)


def eight_bit(words):
    return dmcore.critical_compute(EIGHT_BIT, word_bytes=words) / values.critical_compute()


CLAIMS = (
    Claim(
        "That makes {} × {} × 8 = {} million GPUs, {} times as many as we need.",
        lambda: f"{at_1e28(network.largest_tensor_parallelism()):.1f}",
        lambda: f"{values.parts_of_batch():,.0f}",
        lambda: f"{busy_at_1e28() / 1e6:.2f}",
        lambda: f"{busy_at_1e28() / needed_at_1e28():.2f}",
    ),
    Claim(
        "the critical compute is {} times as large",
        lambda: values.shown(values.critical_compute() / LLAMA, 1),
    ),
    Claim(
        "was Grok 4 at {} FLOP",
        lambda: values.shown(LARGEST_ESTIMATE.flop, 1),
    ),
    Claim(
        "From there it is a factor of {}.",
        lambda: values.shown(values.critical_compute() / LARGEST_ESTIMATE.flop, 1),
    ),
    Claim(
        "With batches of 4 million tokens and 100 layers, H100s can do up to {} FLOP in three months "
        "without waiting for data.",
        critical(),
    ),
    Claim(
        "Beyond {} FLOP a three-month run does not finish, however many GPUs it has. It would also need {} "
        "billion H100s even if none of them ever waited.",
        wall,
        lambda: values.shown(gpus_at_the_wall() / 1e9, 3),
    ),
    Claim(
        "a step in which nobody waits takes 12 × 100 × {} µs, or {} ms, and no step can take less than {} "
        "ms.",
        lambda: f"{1e6 * PIECE:.0f}",
        lambda: f"{1200e3 * PIECE:.0f}",
        lambda: f"{1e3 * evaluate(latency.least_step_time(), L=100, ell=9e-6):.1f}",
    ),
    Claim(
        "A time that is {} times shorter gives",
        lambda: f"{3 * PIECE / latency.MATMUL_LATENCY_S:.1f}",
        holds=lambda: math.isclose(
            (3 * PIECE / latency.MATMUL_LATENCY_S) ** 2,
            values.latency_limit() / values.critical_compute(),
        ),
    ),
    Claim(
        "The model has {} trillion parameters in 100 layers, each {} channels wide, and reads {} trillion "
        "tokens.",
        lambda: f"{RUN['P'] / 1e12:.1f}",
        lambda: f"{round(RUN['d'], -2):,.0f}",
        lambda: f"{RUN['D'] / 1e12:.0f}",
    ),
    Claim(
        "With 100 stages they add {} % to a network that is already full.",
        lambda: f"{100 * values.gradient_share(100):.0f}",
        holds=lambda: round(values.gradient_share(1)) == 11,
    ),
    Claim(
        "If they take as long as the work, the stages wait for a quarter of each step.",
        holds=lambda: (
            round(4 * values.waiting_share(100)) == 1
            and values.waiting_share(100, transfer=0) == 0
            and values.waiting_share(25, 4)
            < values.waiting_share(50, 2)
            < values.waiting_share(100)
        ),
    ),
    Claim(
        "With few stages, averaging gradients fills the network; with many, stages of a single block wait "
        "up to a quarter of the time.",
        holds=lambda: values.gradient_share(10) > 1 and 0.2 < values.waiting_share(1000) <= 0.25,
    ),
    Claim(
        "the critical compute varies by a factor of more than 5,000, and the latency limit by a factor of "
        "two million.",
        holds=lambda: (
            5000 < ends("deepseek") / ends("none") < 6000
            and round(walls("deepseek") / walls("none"), -6) == 2e6
        ),
    ),
    Claim(
        "which is {} % at \\alpha = 0.1 and {} % at \\alpha = 0.2",
        lambda: f"{100 * anchor(0.1) - 100:.0f}",
        lambda: f"{100 * anchor(0.2) - 100:.0f}",
    ),
    Claim(
        "which is {} at \\alpha = 0.2",
        lambda: f"{12.25 ** (0.4 / 0.6):.1f}",
        holds=lambda: math.isclose(
            dmcore.critical_compute(H100, 0.2)
            / dmcore.critical_compute(H100, 0.2, reference_compute=3.675e24),
            12.25 ** (0.4 / 0.6),
        ),
    ),
    Claim(
        "so the network needs {} GB/s for each GPU in place of 100",
        lambda: values.shown(100 * (values.latency_limit() / values.critical_compute()) ** 0.25),
        holds=lambda: (
            dmcore.critical_compute(faster_network(5.9))
            > values.latency_limit()
            > dmcore.critical_compute(faster_network(5.8))
        ),
    ),
    Claim(
        "finds with NVLink's 900 GB/s everywhere that waiting sets in at about {} FLOP",
        lambda: values.shown(values.end("H100 SXM Global NVLink")),
    ),
    Claim(
        "the critical compute is 1/0.7^4 = {} times as high, {} FLOP",
        lambda: f"{H100.efficiency**-4:.1f}",
        lambda: values.shown(H100.efficiency**-4 * values.critical_compute(), 1),
    ),
    Claim(
        "loses a fifth of the useful rate at about {}.",
        lambda: values.shown(values.end("H100 SXM"), 1),
    ),
    Claim(
        "The limit falls to a quarter, {} FLOP.",
        lambda: values.shown(eight_bit(FP8_AS_TRAINED) * values.critical_compute()),
        holds=lambda: math.isclose(eight_bit(FP8_AS_TRAINED), 1 / 4),
    ),
    Claim(
        "the limit rises to four times the old one, {}.",
        lambda: values.shown(eight_bit(1.0) * values.critical_compute()),
        holds=lambda: math.isclose(eight_bit(1.0), 4),
    ),
    Claim(
        "Four times the duration gives 4^2 = 16 and 4^3.33 = {}.",
        lambda: values.shown(4 ** (2 / 0.6), 3),
        holds=lambda: math.isclose(
            dmcore.critical_compute(H100, 0.2, 4 * limits.QUARTER_S)
            / dmcore.critical_compute(H100, 0.2),
            4 ** (2 / 0.6),
        ),
    ),
    Claim(
        "At k = 4 the limit rises by 64/25 = {}",
        lambda: f"{brute_force(4):.2f}",
    ),
    Claim(
        "As k \\to \\infty it rises by no more than 4, while the tokens grow without bound.",
        holds=lambda: math.isclose(brute_force(1e12), 4) and brute_force(1e6) < 4,
    ),
)
