"""Critical batch size: how many ways a batch can be cut, and how that grows with compute.

Data and pipeline parallelism both slice the batch. The batch cannot grow past the critical batch size
without wasting tokens, and no slice may be smaller than the nanobatch.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from dmcore.derivation import Derivation, Step
from dmcore.symbols import symbols

__all__ = [
    "MICROBATCHES_PER_STAGE",
    "REFERENCE_BATCH_TOKENS",
    "REFERENCE_COMPUTE",
    "REFERENCE_LAYERS",
    "batch_law",
    "derivation",
    "largest_batch_slicing",
    "layer_law",
    "batch_per_layer",
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
