"""Critical batch size: how large a batch pays, how that grows with compute, how finely it is cut.

Data and pipeline parallelism both slice the batch. The batch cannot grow past the critical batch size
without wasting tokens, and no slice may be smaller than the nanobatch.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks.memory_bandwidth import node_nanobatch_tokens
from dmcore.hardware.gpu import GPU

__all__ = [
    "MICROBATCHES_PER_STAGE",
    "REFERENCE_BATCH_TOKENS",
    "REFERENCE_COMPUTE",
    "REFERENCE_LAYERS",
    "batch_law",
    "batch_per_layer",
    "batch_slices",
    "derivation",
    "largest_batch_slicing",
    "layer_law",
    "steps_of_batch",
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
#: A pipeline needs two microbatches for each stage to hide the time that messages take.
MICROBATCHES_PER_STAGE = 2

s, s_min, D, D_min, b, b_crit = symbols("s s_min D D_min b b_crit")
T, T_0, b_0, L_0, L, n = symbols("T T_0 b_0 L_0 L n")
alpha, alpha_b, alpha_L, N_DP, N_PP = symbols("alpha alpha_b alpha_L N_DP N_PP")


@cache
def tradeoff() -> sp.Eq:
    """Steps and tokens that reach the same loss (McCandlish et al. 2018, their S and E).

    Examples
    --------
    >>> tradeoff()
    Eq((D/D_min - 1)*(s/s_min - 1), 1)
    """
    return sp.Eq((s / s_min - 1) * (D / D_min - 1), 1)


@cache
def steps_of_batch() -> sp.Expr:
    """s: weight updates to a given loss, with batches of b tokens.

    Examples
    --------
    >>> steps_of_batch()
    s_min*(b + b_crit)/b
    """
    in_steps = tradeoff().subs({D: b * s, D_min: b_crit * s_min})
    (steps,) = (found for found in sp.solve(in_steps, s) if found != 0)
    return sp.factor(steps)


@cache
def tokens_of_batch() -> sp.Expr:
    """D, tokens: what the run reads to the same loss, with batches of b tokens.

    Examples
    --------
    >>> tokens_of_batch()
    D_min*(b + b_crit)/b_crit
    """
    return sp.factor(b * steps_of_batch().subs(s_min, D_min / b_crit))


@cache
def tradeoff_derivation() -> Derivation:
    """The steps from the trade-off to what a batch of b tokens costs.

    Examples
    --------
    >>> tradeoff_derivation()["eq-steps-of-batch"].agrees(s_min * (1 + b_crit / b))
    Eq(s, s_min*(b + b_crit)/b)  [solved for the steps]
    """
    return Derivation(
        "What a larger batch costs",
        (
            Step("eq-batch-tradeoff", tradeoff(), "measured, and argued from gradient noise"),
            Step("eq-critical-batch", sp.Eq(b_crit, D_min / s_min), "where both double"),
            Step.of("eq-steps-of-batch", s, steps_of_batch, "solved for the steps"),
            Step.of("eq-tokens-of-batch", D, tokens_of_batch, "times the batch"),
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
            Step("eq-microbatches", fed, two),
            Step.of("eq-batch-slicing", N_DP * N_PP, largest_batch_slicing, both, sp.Le),
        ),
    )


def batch_slices(gpu: GPU | str, batch_tokens: float = REFERENCE_BATCH_TOKENS) -> float:
    """The largest N_DP times N_PP that a batch feeds on clusters of a GPU.

    Examples
    --------
    >>> round(batch_slices("H100 SXM"))
    3388
    """
    return float(evaluate(largest_batch_slicing(), b=batch_tokens, n=node_nanobatch_tokens(gpu)))
