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


@cache
def tradeoff() -> sp.Eq:
    """Steps and tokens that reach the same loss (McCandlish et al. 2018, their S and E)."""
    s, s_min, D, D_min = symbols("s s_min D D_min")
    return sp.Eq((s / s_min - 1) * (D / D_min - 1), 1)


@cache
def _solved_tradeoff() -> tuple[sp.Expr, sp.Expr]:
    """Steps and tokens as functions of the batch: D = b s, and D_min = b_crit s_min."""
    s, s_min, D, D_min, b, b_crit = symbols("s s_min D D_min b b_crit")
    in_steps = tradeoff().subs({D: b * s, D_min: b_crit * s_min})
    (steps,) = (found for found in sp.solve(in_steps, s) if found != 0)
    tokens = (b * steps).subs(s_min, D_min / b_crit)
    return sp.factor(steps), sp.factor(tokens)


@cache
def steps_of_batch() -> sp.Expr:
    """s: weight updates to a given loss, with batches of b tokens."""
    return _solved_tradeoff()[0]


@cache
def tokens_of_batch() -> sp.Expr:
    """D, tokens: what the run reads to the same loss, with batches of b tokens."""
    return _solved_tradeoff()[1]


@cache
def tradeoff_derivation() -> Derivation:
    """The steps from the trade-off to what a batch of b tokens costs."""
    s, s_min, D, D_min, b_crit = symbols("s s_min D D_min b_crit")
    return Derivation(
        "What a larger batch costs",
        (
            Step("eq-batch-tradeoff", tradeoff(), "measured, and argued from gradient noise"),
            Step("eq-critical-batch", sp.Eq(b_crit, D_min / s_min), "where both double"),
            Step("eq-steps-of-batch", sp.Eq(s, steps_of_batch()), "solved for the steps"),
            Step("eq-tokens-of-batch", sp.Eq(D, tokens_of_batch()), "times the batch"),
        ),
    )


@cache
def batch_law() -> sp.Expr:
    """b, tokens: the critical batch size as a power of training compute."""
    T, T_0, b_0, alpha_b = symbols("T T_0 b_0 alpha_b")
    return b_0 * (T / T_0) ** alpha_b


@cache
def layer_law() -> sp.Expr:
    """L: the depth as a power of training compute."""
    T, T_0, L_0, alpha_L = symbols("T T_0 L_0 alpha_L")
    return L_0 * (T / T_0) ** alpha_L


@cache
def batch_per_layer() -> sp.Expr:
    """B / L, tokens: only the difference of the two exponents counts."""
    alpha, alpha_b, alpha_L = symbols("alpha alpha_b alpha_L")
    ratio = sp.powsimp(batch_law() / layer_law())
    return sp.powsimp(ratio.subs(alpha_b, alpha + alpha_L))


@cache
def largest_batch_slicing() -> sp.Expr:
    """The largest N_DP times N_PP: every stage of every replica has two nanobatches in flight."""
    b, n = symbols("b n")
    return b / (MICROBATCHES_PER_STAGE * n)


@cache
def derivation() -> Derivation:
    """The steps from the two power laws to the batch's share of the parallelism."""
    b, L, N_DP, N_PP, n = symbols("b L N_DP N_PP n")
    return Derivation(
        "What the batch allows",
        (
            Step("eq-batch-law", sp.Eq(b, batch_law()), "larger runs bear larger batches"),
            Step("eq-layer-law", sp.Eq(L, layer_law()), "larger models are deeper"),
            Step("eq-batch-per-layer", sp.Eq(b / L, batch_per_layer()), "one exponent remains"),
            Step(
                "eq-microbatches",
                sp.Ge(b / N_DP, MICROBATCHES_PER_STAGE * N_PP * n),
                "a replica's batch feeds two nanobatches to each stage",
            ),
            Step(
                "eq-batch-slicing",
                sp.Le(N_DP * N_PP, largest_batch_slicing()),
                "data and pipeline parallelism share the batch",
            ),
        ),
    )


def batch_slices(gpu: GPU | str, batch_tokens: float = REFERENCE_BATCH_TOKENS) -> float:
    """The largest N_DP times N_PP that a batch feeds on clusters of a GPU.

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset.
    batch_tokens
        Tokens in the batch.

    Raises
    ------
    ValueError
        If the preset is unknown or the batch is not positive.
    """
    return float(evaluate(largest_batch_slicing(), b=batch_tokens, n=node_nanobatch_tokens(gpu)))
