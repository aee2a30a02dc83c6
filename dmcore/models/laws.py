"""Scaling laws of the paper's simulation: how depth, experts, batch and training grow with a model.

Each law is one SymPy expression of a continuous model, which the simulation then rounds to
:func:`closest_round` numbers, so that a model divides well over a cluster.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy as sp

from dmcore.algebra.checks import check_choice, check_positive, check_positive_integer
from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import FLOP_PER_MAC, simulator_symbols, symbols

__all__ = [
    "FF_RATIO",
    "MATRICES_PER_LAYER",
    "PASSES",
    "TOKENS_PER_PARAMETER",
    "BATCH_SCALINGS",
    "BatchScaling",
    "EffectiveAlpha",
    "ShapeLaw",
    "SIMULATOR_YEAR_S",
    "batch_law",
    "batch_sequences",
    "closest_round",
    "effective_alpha",
    "layer_law",
    "layers",
    "parameters",
    "sparsity",
    "sparsity_law",
    "training_flop",
    "training_macs",
    "training_tokens",
]

#: d_ff / d_model, the usual choice.
FF_RATIO = 4
#: A layer is one MLP: d to f, and back.
MATRICES_PER_LAYER = 2
#: One forward and two backward (input gradients, weight gradients), each as long as the forward.
PASSES = 3
#: Training tokens for each parameter (the Chinchilla rule, as the paper takes it).
TOKENS_PER_PARAMETER = 20

#: Seconds in a year, as the paper's simulation rounds it.
SIMULATOR_YEAR_S = 3.154e7

#: Tokens in a batch that does not scale.
CONSTANT_BATCH_TOKENS = 2**22

#: The batch laws known by name.
BATCH_SCALINGS = ("default", "none", "deepseek")

#: (training FLOP, sparsity, sequence length) -> whole number of sequences in a batch.
BatchScaling = str | Callable[[float, int, int], int]

#: (d_model, d_ff) -> whole number: of layers, or of experts.
ShapeLaw = Callable[[int, int], int]


# ------------------------------------------------------------------------------------ expressions


@cache
def parameters() -> sp.Expr:
    """P: two matrices of d x f for each layer and expert. Attention is left out."""
    d, f, L = symbols("d f L")
    (E,) = simulator_symbols("E")
    return MATRICES_PER_LAYER * d * f * L * E


@cache
def training_tokens() -> sp.Expr:
    """D: 20 tokens for each parameter (Hoffmann et al. 2022, rounded by the paper)."""
    (P,) = symbols("P")
    return TOKENS_PER_PARAMETER * P


@cache
def training_macs() -> sp.Expr:
    """T, MAC: each active parameter meets each token once forward and twice backward."""
    P, D = symbols("P D")
    (E,) = simulator_symbols("E")
    return PASSES * (P / E) * D


@cache
def training_flop() -> sp.Expr:
    """T, in FLOP, of a model that is trained on as many tokens as the laws say."""
    (D,) = symbols("D")
    return FLOP_PER_MAC * training_macs().subs(D, training_tokens())


@cache
def layer_law() -> sp.Expr:
    """Layers before rounding (the paper's fit to published models)."""
    d, f = symbols("d f")
    return sp.Rational("0.10056") * (d * f) ** sp.Rational("0.3751")


@cache
def sparsity_law() -> sp.Expr:
    """Experts before rounding, one of them active: 8 at the width of GPT-3."""
    d, f = symbols("d f")
    return 8 * sp.sqrt(d * f / (4 * 12288**2))


@cache
def batch_law(batch_scaling: str = "default") -> sp.Expr:
    """Sequences in a batch before rounding, from the training FLOP, sparsity E and length S.

    "default": the paper's, 4 Mi tokens at 3e23 FLOP, growing with the sixth root. "deepseek": the fit
    of DeepSeek LLM (2024). "none": constant.

    Raises
    ------
    ValueError
        If ``batch_scaling`` is none of these names.
    """
    check_choice("batch_scaling", batch_scaling, BATCH_SCALINGS)
    T, E, S = simulator_symbols("T_FLOP E S")
    if batch_scaling == "default":
        return sp.sqrt(E) * (T / (3 * sp.Integer(10) ** 23)) ** sp.Rational(1, 6) * 2048 * 2048 / S
    if batch_scaling == "deepseek":
        return sp.sqrt(E) * sp.Rational("0.2920") * T ** sp.Rational("0.3271") / S
    return CONSTANT_BATCH_TOKENS / S


@dataclass(frozen=True)
class EffectiveAlpha:
    """Growth exponents of the simulation in training compute, as exact SymPy numbers.

    Attributes
    ----------
    alpha_b, alpha_L, alpha : sympy.Expr
        Exponents of the batch, of the layers, and their difference, on which the closed forms depend.
    layers_of_compute, batch_of_compute : sympy.Expr
        The laws of a dense model with f = 4 d as functions of the training FLOP.
    """

    alpha_b: sp.Expr
    alpha_L: sp.Expr
    alpha: sp.Expr
    layers_of_compute: sp.Expr
    batch_of_compute: sp.Expr


@cache
def effective_alpha(
    batch_scaling: str = "default", depth_law: sp.Expr | None = None
) -> EffectiveAlpha:
    """The exponents that the simulation's laws imply, rounding aside, for a dense model with f = 4 d.

    The layer law and P = 2 d f L give compute as a power of the width; that is solved for the width,
    and put back into the laws. Another law of depth, a power of d and f or a constant, can stand for
    the paper's.

    Raises
    ------
    ValueError
        If ``batch_scaling`` is not the name of a law.
    """
    d, f, L, P = symbols("d f L P")
    T, E, S = simulator_symbols("T_FLOP E S")
    dense = {f: FF_RATIO * d, E: 1}
    depth = (layer_law() if depth_law is None else sp.sympify(depth_law)).subs(dense)
    compute = training_flop().subs(P, parameters()).subs(dense).subs(L, depth)
    coefficient, power = sp.powsimp(sp.expand(compute)).as_independent(d)
    width = (T / coefficient) ** (1 / power.as_base_exp()[1])
    depth_of_compute = sp.powsimp(depth.subs(d, width))
    batch_of_compute = batch_law(batch_scaling).subs(E, 1) * S

    def exponent(law: sp.Expr) -> sp.Expr:
        return sp.simplify(T * sp.diff(sp.log(law), T))

    alpha_b, alpha_L = exponent(batch_of_compute), exponent(depth_of_compute)
    return EffectiveAlpha(alpha_b, alpha_L, alpha_b - alpha_L, depth_of_compute, batch_of_compute)


# --------------------------------------------------------------------------- rounded, for a model

_ROUND_NUMBERS = sorted({m * 2**i for m in (1, 3, 5, 7, 9) for i in range(60)})


def closest_round(x: float) -> int:
    """The closest number of the form m 2**i with m one of 1, 3, 5, 7, 9; the smaller on a tie.

    Raises
    ------
    ValueError
        If x is not positive and finite.
    """
    check_positive("x", x, finite=True)
    above = min(bisect_left(_ROUND_NUMBERS, x), len(_ROUND_NUMBERS) - 1)
    neighbours = _ROUND_NUMBERS[max(above - 1, 0) : above + 1]
    return min(neighbours, key=lambda number: (abs(number - x), number))


def layers(d_model: int, d_ff: int) -> int:
    """Layers of a model of this shape.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1.
    """
    _check_shape(d_model, d_ff)
    return closest_round(value_of(layer_law(), d=float(d_model), f=float(d_ff)))


def sparsity(d_model: int, d_ff: int) -> int:
    """Experts of a sparse model of this shape, one of them active for each token.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1.
    """
    _check_shape(d_model, d_ff)
    return closest_round(value_of(sparsity_law(), d=float(d_model), f=float(d_ff)))


def batch_sequences(
    training_flop: float,
    sparsity: int = 1,
    seq_len: int = 2048,
    batch_scaling: BatchScaling = "default",
) -> int:
    """Sequences in a batch.

    The laws by name are rounded to a multiple of the number of experts, but for "none", which is
    rounded down. A callable takes ``(training_flop, sparsity, seq_len)`` and returns a whole number of
    sequences, taken as it is; ``closest_round`` is there to make one that divides well.

    Parameters
    ----------
    training_flop : float
        Training compute in FLOP.
    sparsity : int
        Experts, one of them active; 1 is a dense model.
    seq_len : int
        Tokens in a sequence.
    batch_scaling : str or callable
        "default", "none", "deepseek", or a law of your own.

    Raises
    ------
    ValueError
        If an argument is out of range, the name unknown, or the callable's batch no whole number.
    """
    check_positive("training_flop", training_flop, finite=True)
    check_positive_integer("sparsity", sparsity)
    check_positive_integer("seq_len", seq_len)
    if callable(batch_scaling):
        return _whole("batch_scaling(...)", batch_scaling(training_flop, sparsity, seq_len))
    law = batch_law(batch_scaling)
    sequences = value_of(law, T_FLOP=float(training_flop), E=float(sparsity), S=float(seq_len))
    if batch_scaling == "none":
        return _whole(f"batch of {CONSTANT_BATCH_TOKENS} tokens // seq_len", math.floor(sequences))
    return sparsity * closest_round(sequences / sparsity)


def _check_shape(d_model: int, d_ff: int) -> None:
    check_positive_integer("d_model", d_model)
    check_positive_integer("d_ff", d_ff)


def _whole(name: str, value: Any) -> int:
    """A number as an int, if it is whole: laws of a reader's own often return a float."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    check_positive_integer(name, value)
    return int(value)
