"""Critical batch size: how large a batch pays, how that grows with compute, how finely it is cut.

Data and pipeline parallelism both slice the batch. The batch cannot grow past the critical batch size
without wasting tokens, and no slice may be smaller than the nanobatch.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_scalar
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks.memory_bandwidth import node_nanobatch_tokens
from dmcore.hardware.gpu import GPU
from dmcore.models import laws

__all__ = [
    "MICROBATCHES_PER_STAGE",
    "REFERENCE_BATCH_TOKENS",
    "REFERENCE_COMPUTE",
    "REFERENCE_LAYERS",
    "TOKEN_EXPONENT",
    "batch_law",
    "batch_per_layer",
    "batch_slices",
    "best_rate",
    "derivation",
    "gain_share",
    "largest_batch_slicing",
    "layer_law",
    "measured_law",
    "microbatches_per_stage",
    "noise_scale",
    "step_gain",
    "steps_of_batch",
    "token_law",
    "token_law_of_compute",
    "tokens_of_batch",
    "tradeoff",
    "tradeoff_derivation",
]

#: Critical batch size at the reference compute, tokens (paper's baseline).
REFERENCE_BATCH_TOKENS = 4e6
#: Layers at the reference compute (paper's baseline).
REFERENCE_LAYERS = 100
#: The reference compute: 3e23 FLOP in words. The authors' code divides a MAC count by it, and so does
#: this module by default, to reproduce their figures; 1.5e23 MAC is the figure that the words imply.
REFERENCE_COMPUTE = 3e23
#: Exponent of the critical batch in training tokens, as measured on small models (Zhang et al. 2024 and
#: Bergsma et al. 2025 find 0.46 to 0.47).
TOKEN_EXPONENT = sp.Rational("0.47")
#: A pipeline whose microbatches come back to a stage after one round needs two for each stage to hide
#: messages that take as long as the work.
MICROBATCHES_PER_STAGE = 2

s, s_min, D, D_min, b, b_crit = symbols("s s_min D D_min b b_crit")
epsilon, gamma, h_grad, h_noise = symbols("epsilon gamma h_grad h_noise")
x_gain, K_stage, x_transfer = symbols("x_gain K_stage x_transfer")
T, T_0, D_0, b_0, L_0, L, n, r = symbols("T T_0 D_0 b_0 L_0 L n r")
alpha, alpha_b, alpha_L, alpha_D = symbols("alpha alpha_b alpha_L alpha_D")
N_DP, N_PP = symbols("N_DP N_PP")


def step_gain() -> sp.Expr:
    """What one step of learning rate epsilon takes from the loss, to second order.

    Examples
    --------
    >>> step_gain()
    -epsilon**2*(h_grad + h_noise/b)/2 + epsilon*gamma
    """
    return epsilon * gamma - epsilon**2 / 2 * (h_grad + h_noise / b)


@cache
def best_rate() -> sp.Expr:
    """The learning rate epsilon that gains most: the smaller, the noisier the gradient is.

    Examples
    --------
    >>> sp.limit(best_rate(), b, sp.oo)
    gamma/h_grad
    """
    (rate,) = sp.solve(sp.diff(step_gain(), epsilon), epsilon)
    return gamma / sp.expand(gamma / rate)


@cache
def gain_share() -> sp.Expr:
    """Gain of the best step with b tokens over that with a batch without bound.

    Examples
    --------
    >>> gain_share().subs(b, h_noise / h_grad)
    1/2
    """
    gain = sp.simplify(step_gain().subs(epsilon, best_rate()))
    return 1 / sp.expand(sp.simplify(sp.limit(gain, b, sp.oo) / gain))


@cache
def noise_scale() -> sp.Expr:
    """b_crit, tokens: the batch with which a step gains half of what any step can.

    Examples
    --------
    >>> noise_scale()
    h_noise/h_grad
    """
    (half,) = sp.solve(sp.Eq(gain_share(), sp.Rational(1, 2)), b)
    return half


@cache
def tradeoff() -> sp.Eq:
    """Steps and tokens that reach the same loss (McCandlish et al. 2018, their S and E).

    Examples
    --------
    >>> tradeoff()
    Eq((D/D_min - 1)*(s/s_min - 1), 1)
    """
    left = (s / s_min - 1) * (D / D_min - 1)
    return sp.Eq(left, sp.simplify(left.subs({s: steps_of_batch(), D: tokens_of_batch()})))


@cache
def steps_of_batch() -> sp.Expr:
    """s: weight updates to a given loss, with batches of b tokens, if b_crit stays the same all along.

    Examples
    --------
    >>> steps_of_batch()
    s_min*(1 + b_crit/b)
    """
    return s_min / gain_share().subs(h_noise, b_crit * h_grad)


@cache
def tokens_of_batch() -> sp.Expr:
    """D, tokens: what the run reads to the same loss, with batches of b tokens.

    Examples
    --------
    >>> tokens_of_batch()
    D_min*(b/b_crit + 1)
    """
    return D_min * sp.expand(b * steps_of_batch().subs(s_min, 1 / b_crit))


@cache
def tradeoff_derivation() -> Derivation:
    """The steps from one noisy step of training to what a batch of b tokens costs.

    Examples
    --------
    >>> tradeoff_derivation()["eq-steps-of-batch"].agrees(s_min * (1 + b_crit / b))
    Eq(s, s_min*(1 + b_crit/b))  [half the gain, twice the steps]
    """
    return Derivation(
        "What a larger batch costs",
        (
            Step.of("eq-best-rate", epsilon, best_rate, "the rate that gains most"),
            Step.of("eq-gain-share", x_gain, gain_share, "over a step without noise"),
            Step.of("eq-noise-scale", b_crit, noise_scale, "a step gains half of that"),
            Step.of("eq-steps-of-batch", s, steps_of_batch, "half the gain, twice the steps"),
            Step("eq-critical-batch", sp.Eq(b_crit, D_min / s_min), "where both double"),
            Step.of("eq-tokens-of-batch", D, tokens_of_batch, "times the batch"),
            Step("eq-batch-tradeoff", tradeoff(), "the batch cancels", made_by=tradeoff),
        ),
    )


def batch_law() -> sp.Expr:
    """b, tokens: the critical batch size as a power of training compute.

    Examples
    --------
    >>> batch_law()
    b_0*(T/T_0)**alpha_b
    """
    return b_0 * (T / T_0) ** alpha_b


def layer_law() -> sp.Expr:
    """L: the depth as a power of training compute.

    Examples
    --------
    >>> layer_law()
    L_0*(T/T_0)**alpha_L
    """
    return L_0 * (T / T_0) ** alpha_L


@cache
def batch_per_layer() -> sp.Expr:
    """B / L, tokens: only the difference of the two exponents counts.

    Examples
    --------
    >>> batch_per_layer()
    b_0*(T/T_0)**alpha/L_0
    """
    ratio = sp.powsimp(batch_law() / layer_law())
    return sp.powsimp(ratio.subs(alpha_b, alpha + alpha_L))


def token_law() -> sp.Expr:
    """b, tokens: the critical batch size as a power of the training tokens.

    Examples
    --------
    >>> token_law()
    b_0*(D/D_0)**alpha_D
    """
    return b_0 * (D / D_0) ** alpha_D


@cache
def token_law_of_compute() -> sp.Expr:
    """:func:`token_law` of runs that have the same tokens for each parameter: half the power of compute.

    Examples
    --------
    >>> token_law_of_compute()
    b_0*(T/T_0)**(alpha_D/2)
    """
    compute = laws.training_macs().subs({symbols("E")[0]: 1, symbols("P")[0]: D / r})
    (tokens,) = sp.solve(sp.Eq(T, compute), D)
    square = sp.simplify((tokens / tokens.subs(T, T_0)) ** 2)
    return b_0 * square ** (alpha_D / 2)


@cache
def measured_law() -> laws.BatchLaw:
    """:func:`token_law` for the simulator, from the paper's batch of 4 Mi tokens at 3e23 FLOP.

    The start is our choice, since the studies define the critical batch in different ways.

    Examples
    --------
    >>> law = measured_law()
    >>> law.label, round(float(laws.effective_alpha(law).alpha), 3)
    ('power of tokens', 0.099)
    """
    T_FLOP, P, S = symbols("T_FLOP P S")
    (params,) = sp.solve(sp.Eq(T_FLOP, laws.training_flop()), P)
    tokens = laws.training_tokens().subs(P, params)
    start = tokens.subs({T_FLOP: sp.Integer(3) * 10**23, symbols("E")[0]: 1})
    known = {D: tokens, D_0: start, b_0: laws.CONSTANT_BATCH_TOKENS, alpha_D: TOKEN_EXPONENT}
    words = "as the training tokens to the 0.47"
    return laws.BatchLaw("tokens", words, token_law().subs(known) / S, label="power of tokens")


@cache
def microbatches_per_stage() -> sp.Expr:
    """K_stage: how many keep a stage busy, if a microbatch comes back after one round of all stages.

    A turn is what a microbatch computes at a stage, and the way to the next takes x_transfer turns.
    :mod:`dmcore.studies.schedule` has the schedules for which this is right.

    Examples
    --------
    >>> microbatches_per_stage().subs(x_transfer, 1)
    2
    """
    (count,) = sp.solve(sp.Eq(K_stage * N_PP, N_PP * (1 + x_transfer)), K_stage)
    return count


def largest_batch_slicing() -> sp.Expr:
    """The largest N_DP times N_PP: every stage of every replica has two nanobatches in flight.

    Examples
    --------
    >>> largest_batch_slicing()
    b/(2*n)
    """
    return b / (MICROBATCHES_PER_STAGE * n)


@cache
def derivation() -> Derivation:
    """The steps from the two power laws to the batch's share of the parallelism.

    Examples
    --------
    >>> derivation().result
    b/(2*n)
    """
    fed = sp.Ge(b / N_DP, MICROBATCHES_PER_STAGE * N_PP * n)
    two = "a replica's batch feeds two nanobatches to each stage"
    both = "data and pipeline parallelism share the batch"
    return Derivation(
        "What the batch allows",
        (
            Step.of("eq-batch-law", b, batch_law, "larger runs bear larger batches"),
            Step.of("eq-layer-law", L, layer_law, "larger models are deeper"),
            Step.of("eq-batch-per-layer", b / L, batch_per_layer, "one exponent remains"),
            Step.of("eq-token-law", b, token_law, "measured on small models"),
            Step.of("eq-token-law-of-compute", b, token_law_of_compute, "tokens in compute"),
            Step.of("eq-microbatches-per-stage", K_stage, microbatches_per_stage, "never idle"),
            Step("eq-microbatches", fed, two),
            Step.of("eq-batch-slicing", N_DP * N_PP, largest_batch_slicing, both, sp.Le),
        ),
    )


@checked
def batch_slices(gpu: GPU | str, batch_tokens: float = REFERENCE_BATCH_TOKENS) -> float:
    """The largest N_DP times N_PP that a batch feeds on clusters of a GPU.

    Examples
    --------
    >>> round(batch_slices("H100 SXM"))
    3388
    """
    check_scalar("batch_tokens", batch_tokens)
    return float(evaluate(largest_batch_slicing(), b=batch_tokens, n=node_nanobatch_tokens(gpu)))
