"""What the page on limitations asserts: every number of it that is not cited."""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy as sp
from claims import uncertainty as beliefs
from claims import values
from claims.ledger import Claim

import dmcore
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits, memory_bandwidth
from dmcore.bottlenecks.critical_batch import REFERENCE_BATCH_TOKENS, REFERENCE_LAYERS
from dmcore.evidence.training_runs import TRAINING_RUNS
from dmcore.models.words import FP8_AS_TRAINED, Words
from dmcore.studies import validation

H100 = dmcore.GPUS["H100 SXM"]
#: Bytes of weights, gradients and optimizer in the simulator, in mixed precision, with 32-bit sums.
BYTES = (10, 16, 18)


@cache
def example() -> dict[str, float]:
    return limits.cluster_at_limit("H100 SXM")


def gpus() -> float:
    return 8 * example()["N"]


def steps() -> float:
    return example()["D"] / REFERENCE_BATCH_TOKENS


def step_s() -> float:
    return limits.QUARTER_S / steps()


def between_failures() -> float:
    """Seconds between two failures of the example, at the rate of Llama 3.1's GPUs."""
    return 54 * 86400 / 419 * 16384 / gpus()


def state_bytes() -> float:
    return 16 * example()["P"] / gpus()


def state_s() -> float:
    return state_bytes() / (H100.inter_node_bytes_per_s / 2)


def lost(save_s: float) -> float:
    return (2 * save_s / between_failures()) ** 0.5


def activation_bytes() -> float:
    return 5 * example()["d"] * 2 * REFERENCE_LAYERS * REFERENCE_BATCH_TOKENS


def of_memory(stored: float) -> float:
    return stored / (gpus() * H100.hbm_bytes)


def node_weights() -> float:
    return example()["P"] / REFERENCE_LAYERS / example()["N_TP"]


def gradients_s() -> float:
    """Seconds to send twice 16 bits for each weight of a node, one way of its eight ports."""
    return 4 * node_weights() / (8 * H100.inter_node_bytes_per_s / 2)


def optimizer_s() -> float:
    return example()["P"] / gpus() * 30 / H100.hbm_bytes_per_s


def fsdp_tokens() -> float:
    """Tokens for each node that hide three transfers of all weights behind their arithmetic."""
    words = 8 * H100.inter_node_bytes_per_s / 2 / H100.word_bytes
    return limits.node_rates("H100 SXM")["C"] / words


def h100s(size: int) -> str:
    return f"{175e9 * size / H100.hbm_bytes:.0f}"


def anchored(compute: float) -> float:
    """The critical compute at alpha = 0.2 with both laws anchored at a compute."""
    return float(dmcore.critical_compute(H100, 0.2, reference_compute=compute))


def with_words(words: Words) -> float:
    return float(dmcore.critical_compute(H100, word_bytes=words))


def moved(gpu: str) -> float:
    """The end at the deadline over the paper's reading of it."""
    return values.end(gpu) / (values.paper_end(gpu) or 1)


def correlation() -> float:
    found = [validation.compare(run) for run in validation.COMPARABLE]
    logs = np.log([[each.measured, each.predicted] for each in found])
    return float(np.corrcoef(logs.T)[0, 1])


def accumulating(gradient_bytes: int) -> float:
    """The critical compute with sums of gradients of that many bytes, over the paper's."""
    tokens = evaluate(
        memory_bandwidth.counted_nanobatch(),
        F=H100.peak_flop_per_s / 2,
        beta_hbm=H100.hbm_bytes_per_s,
        w_P=2,
        w_G=gradient_bytes,
    )
    return float((values.nanobatch("H100 SXM") / tokens) ** 2)


def best_interval() -> bool:
    """Young's: the interval between checkpoints that loses the least, and what it loses."""
    delta, between, tau = sp.symbols("delta M tau", positive=True)
    share = delta / tau + tau / (2 * between)
    (best,) = sp.solve(sp.diff(share, tau), tau)
    return best == sp.sqrt(2 * delta * between) and bool(
        sp.simplify(share.subs(tau, best) - sp.sqrt(2 * delta / between)) == 0
    )


LLAMA = TRAINING_RUNS["Llama 3.1 405B"]
(r,) = symbols("r")

CLAIMS = (
    Claim(
        "the largest run without waste on H100s at $\\alpha = 0$, which",
        holds=lambda: np.isclose(2 * example()["T"], values.critical_compute()),
    ),
    Claim(
        "{} trillion parameters in 100 layers of {} channels, on {} million GPUs, with 4 million "
        "tokens to a batch.",
        lambda: values.shown(example()["P"] / 1e12, 3),
        lambda: values.shown(example()["d"], 3),
        lambda: values.shown(gpus() / 1e6, 2),
    ),
    Claim(
        "Such a run takes {} trillion tokens, or {} million steps, and a step takes an eighth of a second.",
        lambda: values.shown(example()["D"] / 1e12, 3),
        lambda: values.shown(steps() / 1e6, 2),
        holds=lambda: abs(step_s() - 1 / 8) < 0.002,
    ),
    Claim(
        "at most $2 S d$ MAC for each token and layer, against $8 d^2$, and with sequences of "
        "$S = 2048$ tokens $S / 4d$ is {} % for this model.",
        lambda: f"{100 * 2048 / 4 / example()['d']:.1f}",
    ),
    Claim(
        "so the chain of a layer is {} µs long in place of {}, and the latency limit falls to a fifth, "
        "from {} to {} FLOP.",
        lambda: values.shown(values.chain_us(1)),
        lambda: values.shown(values.chain_us()),
        lambda: values.shown(values.latency_limit()),
        lambda: values.shown(values.wall_share(1) * values.latency_limit()),
        holds=lambda: abs(values.wall_share(1) - 1 / 5) < 0.005,
    ),
    Claim(
        "It falls to {} if attention takes two kernels, and to {} if each normalization waits for an "
        "all-reduce of its own",
        lambda: f"{values.wall_share(2):.2f}",
        lambda: f"{values.wall_share(1, 2):.2f}",
    ),
    Claim(
        "it has {} replicas, a node keeps {} billion weights and sends and receives {} GB in each step, "
        "and that takes {} ms, or {} % of the step",
        lambda: f"{example()['slices'] / REFERENCE_LAYERS:.0f}",
        lambda: f"{node_weights() / 1e9:.1f}",
        lambda: f"{4 * node_weights() / 1e9:.1f}",
        lambda: f"{1e3 * gradients_s():.0f}",
        lambda: f"{100 * values.gradient_share(REFERENCE_LAYERS):.0f}",
    ),
    Claim(
        "so with a single stage the network would be busy for eleven times as long as the step lasts",
        holds=lambda: round(values.gradient_share(1)) == 11,
    ),
    Claim("stages it takes {}/", lambda: values.shown(values.gradient_share(1), 3)),
    Claim(
        "a step waits for a quarter of its time with two, and it takes four to wait for none.",
        holds=lambda: abs(values.waiting_share(1000) - 0.25) < 0.01,
    ),
    Claim(
        "The inputs of both matrices are $5 d$ words of 2 bytes for each token and layer, which for a "
        "whole batch makes {} TB, or {} % of the memory of this cluster.",
        lambda: values.shown(activation_bytes() / 1e12, 1),
        lambda: f"{100 * of_memory(activation_bytes()):.2f}",
    ),
    Claim(
        "asks for {} bytes where there is one replica: 2 for a weight and 8 for its gradient and the "
        "optimizer.",
        lambda: str(BYTES[0]),
    ),
    Claim(
        "A model of 175 billion parameters then fills {} to {} H100s and not {}.",
        lambda: h100s(BYTES[1]),
        lambda: h100s(BYTES[2]),
        lambda: h100s(BYTES[0]),
    ),
    Claim(
        "in the example, 18 bytes for each parameter are {} % of all memory.",
        lambda: f"{100 * of_memory(BYTES[2] * example()['P']):.2f}",
    ),
    Claim(
        "{} million GPUs would meet one in {} seconds, or every {} steps.",
        lambda: values.shown(gpus() / 1e6, 2),
        lambda: f"{between_failures():.0f}",
        lambda: values.shown(between_failures() / step_s(), 2),
    ),
    Claim(
        "With ten seconds to save, more than half of the example's time would go into saving and repeating.",
        holds=lambda: 0.5 < lost(10) < 0.55,
    ),
    Claim(
        "But each GPU has only {} MB of state, at 16 bytes for each of its weights, which its network "
        "port can send to a neighbor's memory in {} ms, and then the first term is {} %.",
        lambda: f"{state_bytes() / 1e6:.0f}",
        lambda: f"{1e3 * state_s():.1f}",
        lambda: f"{100 * lost(state_s()):.1f}",
    ),
    Claim(
        "ten seconds for that are {} %, and since both limits grow with the square of the duration, they "
        "would fall by a quarter.",
        lambda: f"{1000 / between_failures():.0f}",
        holds=lambda: abs((1 - 10 / between_failures()) ** 2 - 0.75) < 0.01,
    ),
    Claim(
        "each has {} million weights, and to read and write some 30 bytes for each takes {} µs, or {} % "
        "of the step.",
        lambda: f"{example()['P'] / gpus() / 1e6:.0f}",
        lambda: f"{1e6 * optimizer_s():.0f}",
        lambda: f"{100 * optimizer_s() / step_s():.2f}",
    ),
    Claim(
        "If the fullest has a quarter more than its share, all others wait for a fifth of the time.",
        holds=lambda: np.isclose(1 - 1 / (1 + 1 / 4), 1 / 5),
    ),
    Claim(
        "That is $3P$ words through each node's port in a step, against $3 P b / N$ MAC, so the tokens for "
        "each node must be at least",
        holds=lambda: evaluate(limits.training_macs(), P=1, D=1) == 3,
    ),
    Claim("{} on H100s.", lambda: values.shown(fsdp_tokens(), 3)),
    Claim(
        "A batch of 4 million tokens feeds {} nodes in this way, where data and pipeline parallelism feed "
        "{} and tensor parallelism multiplies them by {}.",
        lambda: f"{REFERENCE_BATCH_TOKENS / fsdp_tokens():.0f}",
        lambda: values.shown(example()["slices"], 4),
        lambda: f"{example()['N_TP']:.0f}",
    ),
    Claim(
        "half the bytes for each activation between nodes raise the critical compute {} times",
        lambda: f"{with_words(Words(2, 1, 2)) / values.critical_compute():.0f}",
    ),
    Claim(
        "Between failures that are $M$ apart, saving every $\\tau$ costs the share $\\delta/\\tau$ and "
        "repeating what was lost $\\tau/2M$",
        holds=best_interval,
    ),
    Claim("$$\\sqrt{2 \\delta / M} + R / M.$$", holds=best_interval),
    Claim(
        "uses them for training at 8 bits.",
        holds=lambda: FP8_AS_TRAINED.weights == 1 < FP8_AS_TRAINED.activations,
    ),
    Claim(
        "a model that will be used much is trained smaller and longer than the rule of 20 tokens says.",
        holds=lambda: LLAMA.tokens / LLAMA.params > limits.TOKENS_PER_PARAMETER == 20,
    ),
    Claim(
        "**20 tokens for each parameter.** Makers who care",
        holds=lambda: limits.TOKENS_PER_PARAMETER == 20,
    ),
    Claim(
        "At $\\alpha = 0$ both limits are inversely proportional to that number.",
        holds=lambda: all(
            limits.elasticity(limit, r) == -1
            for limit in (limits.critical_macs_fixed(), limits.latency_macs_fixed())
        ),
    ),
    Claim(
        "An answer of 30,000 tokens at 10 ms each takes five minutes, so that three months have room for "
        "{} such steps, on any number of GPUs.",
        lambda: values.shown(limits.QUARTER_S / 300, 2),
        holds=lambda: 30_000 * 0.010 == 300,
    ),
    Claim(
        "At $\\alpha = 0.2$ that alone multiplies both limits by {}; at $\\alpha = 0$ it changes nothing.",
        lambda: f"{anchored(3e23) / anchored(3.675e24):.1f}",
    ),
    Claim(
        "With FLOP over FLOP the critical compute would be {} times as high at $\\alpha = 0.2$.",
        lambda: f"{anchored(1.5e23) / anchored(3e23):.1f}",
    ),
    Claim(
        "If these have 32 bits, that makes exactly the paper's half; with 16 bits the least nanobatch is two "
        "thirds as large, and the critical compute {} times as high",
        lambda: f"{accumulating(2):.2f}",
        holds=lambda: np.isclose(accumulating(4), 1) and np.isclose(accumulating(2), 9 / 4),
    ),
    Claim(
        "{} % of the peak, the critical compute would be {} times as high.",
        lambda: f"{100 * H100.efficiency:.0f}",
        lambda: f"{H100.efficiency**-4:.1f}",
    ),
    Claim(
        "That a kernel of {} µs and four hops of {} µs add up to it is our reading.",
        lambda: f"{1e6 * H100.matmul_latency_s:.1f}",
        lambda: f"{1e6 * H100.network[0].latency_s:.3f}",
    ),
    Claim(
        "which moves it by up to a factor of four",
        holds=lambda: 3.5 < max(moved(gpu) for gpu in ("H100 SXM", "A100 SXM")) < 4.5,
    ),
    Claim(
        "over {} runs the correlation of measured with simulated utilization is {}",
        lambda: str(len(validation.COMPARABLE)),
        lambda: f"{correlation():.2f}",
    ),
    Claim(
        "between 0 and 0.2 the critical compute of the H100 moves by a factor of a thousand.",
        holds=lambda: 950 < values.critical_compute(alpha=0.2) / values.critical_compute() < 1050,
    ),
    Claim(
        "finds medians between {} and {} FLOP for the critical compute",
        lambda: values.shown(min(beliefs.medians("critical"))),
        lambda: values.shown(max(beliefs.medians("critical"))),
    ),
)
