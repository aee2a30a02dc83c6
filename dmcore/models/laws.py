"""Scaling laws of the paper's simulation: how depth, experts, batch and training grow with a model.

Each law is one SymPy expression of a continuous model, which the simulation then rounds to
:func:`closest_round` numbers, so that a model divides well over a cluster.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import (
    check_choice,
    check_positive_integer,
    check_scalar,
    named,
    whole_number,
)
from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols

__all__ = [
    "BATCH_LAWS",
    "DEPTH_LAWS",
    "FF_RATIO",
    "GPT3_WIDTH",
    "MATRICES_PER_LAYER",
    "PASSES",
    "ROUNDINGS",
    "SIMULATOR_YEAR_S",
    "SPARSITY_LAWS",
    "TOKENS_PER_PARAMETER",
    "BatchLaw",
    "BatchScaling",
    "EffectiveAlpha",
    "ShapeLaw",
    "ShapeScaling",
    "batch_sequences",
    "closest_round",
    "effective_alpha",
    "parameters",
    "resolved",
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
#: Width of GPT-3, where the laws of depth and sparsity are anchored.
GPT3_WIDTH = 12288


# ------------------------------------------------------------------------------------ expressions


@cache
def parameters() -> sp.Expr:
    """P: two matrices of d x f for each layer and expert. Attention is left out.

    Examples
    --------
    >>> parameters()
    2*E*L*d*f
    """
    d, f, L, E = symbols("d f L E")
    return MATRICES_PER_LAYER * d * f * L * E


@cache
def training_tokens() -> sp.Expr:
    """D: 20 tokens for each parameter (Hoffmann et al. 2022, rounded by the paper).

    Examples
    --------
    >>> training_tokens()
    20*P
    """
    (P,) = symbols("P")
    return TOKENS_PER_PARAMETER * P


@cache
def training_macs() -> sp.Expr:
    """T, MAC: each active parameter meets each token once forward and twice backward.

    Examples
    --------
    >>> training_macs()
    3*D*P/E
    """
    P, D, E = symbols("P D E")
    return PASSES * (P / E) * D


@cache
def training_flop() -> sp.Expr:
    """T, in FLOP, of a model that is trained on as many tokens as the laws say.

    Examples
    --------
    >>> training_flop()
    120*P**2/E
    """
    (D,) = symbols("D")
    return FLOP_PER_MAC * training_macs().subs(D, training_tokens())


# ------------------------------------------------------------------------------- numbers that divide

_ROUND_NUMBERS = sorted({m * 2**i for m in (1, 3, 5, 7, 9) for i in range(60)})


def closest_round(x: float) -> int:
    """The closest number of the form m 2**i with m one of 1, 3, 5, 7, 9; the smaller on a tie.

    Examples
    --------
    >>> closest_round(1000), closest_round(11)
    (1024, 10)
    """
    check_scalar("x", x)
    above = min(bisect_left(_ROUND_NUMBERS, x), len(_ROUND_NUMBERS) - 1)
    neighbours = _ROUND_NUMBERS[max(above - 1, 0) : above + 1]
    return min(neighbours, key=lambda number: (abs(number - x), number))


def _shared(sequences: float, experts: int) -> int:
    return experts * closest_round(sequences / experts)


#: How a batch law becomes a whole number: (sequences, experts) -> sequences. The page's script has each
#: under the same name (book/_live/simulator.js).
ROUNDINGS: Mapping[str, Callable[[float, int], int]] = MappingProxyType(
    {
        "multiple of the experts": _shared,
        "whole sequences down": lambda sequences, _: math.floor(sequences),
        "as told if that divides": lambda sequences, experts: (
            _shared(sequences, experts) if sequences % experts else int(sequences)
        ),
    }
)


# ---------------------------------------------------------------------------------- laws as objects


def _check_symbols(law: BatchLaw | ShapeLaw, allowed: str) -> None:
    free = {symbol.name for symbol in law.expression.free_symbols}
    if not free <= set(allowed.split()):
        raise ValueError(
            f"expression must be of no other symbols than {allowed}, got {law.expression}"
        )


@dataclass(frozen=True)
class BatchLaw:
    """A law of the batch. Called, it gives the whole number of sequences in a batch.

    One in :data:`BATCH_LAWS` is known by name and stands in all menus and in the page's own sweep.

    Attributes
    ----------
    name : str
        By which :func:`~dmcore.simulator.sweep.sweep` knows it.
    words : str
        How the batch grows, as a menu says it.
    expression : sympy.Expr
        Sequences before rounding, of the training FLOP, the experts and the sequence length: symbols
        ``T_FLOP``, ``E`` and ``S``.
    rounding : str
        One of :data:`ROUNDINGS`.
    label : str
        What stands at its line in a picture; the name if empty.

    Examples
    --------
    >>> T, S = symbols("T_FLOP S")
    >>> law = BatchLaw("faster", "as compute to the 0.4", T**0.4 / S / 1000, "multiple of the experts")
    >>> law(1e24), float(effective_alpha(law).alpha_b)
    (2048, 0.4)
    """

    name: str
    words: str
    expression: sp.Expr
    rounding: str = "multiple of the experts"
    label: str = ""

    def __post_init__(self) -> None:
        check_choice("rounding", self.rounding, ROUNDINGS)
        object.__setattr__(self, "expression", sp.sympify(self.expression))
        object.__setattr__(self, "label", self.label or self.name)
        _check_symbols(self, "T_FLOP E S")

    def __call__(self, training_flop: float, experts: int = 1, seq_len: int = 2048) -> int:
        """Sequences in a batch, as :func:`batch_sequences`."""
        of = {"T_FLOP": float(training_flop), "E": float(experts), "S": float(seq_len)}
        sequences = ROUNDINGS[self.rounding](value_of(self.expression, **of), experts)
        return whole_number(f"batch of the law {self.name!r} at a seq_len of {seq_len}", sequences)


@dataclass(frozen=True)
class ShapeLaw:
    """A law of the depth, or of the experts. Called with (d_model, d_ff), it gives a whole number.

    Attributes
    ----------
    name : str
        By which :func:`~dmcore.simulator.sweep.sweep` knows it, if it is in :data:`DEPTH_LAWS` or
        :data:`SPARSITY_LAWS`.
    words : str
        How the number grows, as a menu says it.
    expression : sympy.Expr
        The number before it is rounded to a :func:`closest_round` one, of the widths ``d`` and ``f``.

    Examples
    --------
    >>> DEPTH_LAWS["default"](12288, 49152), SPARSITY_LAWS["default"](12288, 49152)
    (192, 8)
    >>> ShapeLaw("always 100", "100 layers always", 100)(12288, 49152)
    96
    """

    name: str
    words: str
    expression: sp.Expr

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", sp.sympify(self.expression))
        _check_symbols(self, "d f")

    def __call__(self, d_model: int, d_ff: int) -> int:
        """The number for a model of this shape."""
        check_positive_integer("d_model", d_model)
        check_positive_integer("d_ff", d_ff)
        return closest_round(value_of(self.expression, d=float(d_model), f=float(d_ff)))


#: A batch law's name, a :class:`BatchLaw`, or any callable
#: (training FLOP, experts, sequence length) -> whole number of sequences.
BatchScaling = str | Callable[[float, int, int], int]

#: The name of a law of shape, a :class:`ShapeLaw`, or any callable (d_model, d_ff) -> whole number.
ShapeScaling = str | Callable[[int, int], int]


def _batch_laws() -> tuple[BatchLaw, ...]:
    T, E, S = symbols("T_FLOP E S")
    return (
        # The paper's: 4 Mi tokens at 3e23 FLOP.
        BatchLaw(
            "default",
            "as compute to the 1/6",
            sp.sqrt(E) * (T / (3 * sp.Integer(10) ** 23)) ** sp.Rational(1, 6) * 2048 * 2048 / S,
            label="simulator",
        ),
        # The fit of DeepSeek LLM (2024).
        BatchLaw(
            "deepseek",
            "DeepSeek: compute to the 0.33",
            sp.sqrt(E) * sp.Rational("0.2920") * T ** sp.Rational("0.3271") / S,
            label="DeepSeek LLM",
        ),
        BatchLaw(
            "none",
            "constant, 4.2 million tokens",
            CONSTANT_BATCH_TOKENS / S,
            "whole sequences down",
            label="constant",
        ),
    )


def _depth_laws() -> tuple[ShapeLaw, ...]:
    d, f = symbols("d f")
    power = sp.Rational("0.3751")
    fit = sp.Rational("0.10056") * (d * f) ** power  # to Hoffmann's shapes
    start = sp.Float(
        FF_RATIO * GPT3_WIDTH**2
    )  # as many layers there; exact roots are huge integers
    half = sp.Rational("0.10056") * start ** (power / 2) * (d * f) ** (power / 2)
    return (
        ShapeLaw("default", "grows as in the paper", fit),
        ShapeLaw("half power", "grows half as fast", half),
        ShapeLaw("192 layers", "192 layers always", sp.Integer(192)),
    )


def _sparsity_laws() -> tuple[ShapeLaw, ...]:
    d, f = symbols("d f")
    experts = 8 * sp.sqrt(d * f / (FF_RATIO * GPT3_WIDTH**2))
    return (ShapeLaw("default", "8 experts at the width of GPT-3, growing with it", experts),)


#: The laws of the batch by name, the paper's first, read-only: each appears wherever there is a choice.
BATCH_LAWS: Mapping[str, BatchLaw] = MappingProxyType({law.name: law for law in _batch_laws()})
#: The laws of depth by name, read-only.
DEPTH_LAWS: Mapping[str, ShapeLaw] = MappingProxyType({law.name: law for law in _depth_laws()})
#: The laws of the number of experts by name, read-only.
SPARSITY_LAWS: Mapping[str, ShapeLaw] = MappingProxyType(
    {law.name: law for law in _sparsity_laws()}
)


def resolved(argument: str, law: Any, known: Mapping[str, BatchLaw | ShapeLaw]) -> Any:
    """A law by its name among those known; what can be called is passed through.

    Examples
    --------
    >>> resolved("layer_law", "192 layers", DEPTH_LAWS).words
    '192 layers always'
    """
    if callable(law):
        return law if isinstance(law, BatchLaw | ShapeLaw) else named(argument, law)
    check_choice(argument, law, known)
    return known[law]


def _expression(argument: str, law: Any, known: Mapping[str, BatchLaw | ShapeLaw]) -> sp.Expr:
    """What a closed form needs of a law: its expression."""
    if isinstance(law, sp.Expr | int):
        return sp.sympify(law)
    law = resolved(argument, law, known)
    if not isinstance(law, BatchLaw | ShapeLaw):
        raise ValueError(f"{argument} must have an expression, as a BatchLaw has, got {law!r}")
    return law.expression


@dataclass(frozen=True)
class EffectiveAlpha:
    """Growth exponents of the simulation in training compute, as exact SymPy numbers.

    ``alpha`` is that of the batch less that of the layers, on which the closed forms depend; the last
    two are the laws of a model with f = 4 d as functions of the training FLOP. The batch of a sparse
    model is the one over the root of its experts, which is what counts in the closed forms
    (:mod:`dmcore.bottlenecks.experts`).

    Examples
    --------
    >>> f"{effective_alpha('default').alpha:.3f}"
    '0.030'
    """

    alpha_b: sp.Expr
    alpha_L: sp.Expr
    alpha: sp.Expr
    layers_of_compute: sp.Expr
    batch_of_compute: sp.Expr


@checked
@lru_cache(maxsize=64)
def effective_alpha(
    batch_scaling: str | BatchLaw = "default",
    depth_law: str | ShapeLaw | sp.Expr | int = "default",
    sparse: bool = False,
) -> EffectiveAlpha:
    """The exponents that the simulation's laws imply, rounding aside, for a model with f = 4 d.

    The layer law and P = 2 d f L give compute as a power of the width; that is solved for the width,
    and put back into the laws.

    Parameters
    ----------
    batch_scaling : str or BatchLaw
        A law of :data:`BATCH_LAWS` by name, or one of your own.
    depth_law : str, ShapeLaw or sympy.Expr
        A law of :data:`DEPTH_LAWS` by name, or one of your own: a power of d and f, or a constant.
    sparse : bool
        Whether there are experts, as many as the paper's law says.

    Examples
    --------
    >>> [round(float(effective_alpha(sparse=experts).alpha), 3) for experts in (False, True)]
    [0.03, 0.051]
    """
    d, f, L, P, T, E, S = symbols("d f L P T_FLOP E S")
    usual = {f: FF_RATIO * d}
    experts = SPARSITY_LAWS["default"].expression.subs(usual) if sparse else sp.Integer(1)
    depth = _expression("depth_law", depth_law, DEPTH_LAWS).subs(usual)
    compute = training_flop().subs(P, parameters()).subs({**usual, E: experts, L: depth})
    coefficient, power = sp.powsimp(sp.expand(compute)).as_independent(d)
    width = (T / coefficient) ** (1 / power.as_base_exp()[1])
    depth_of_compute = sp.powsimp(depth.subs(d, width))
    batch = _expression("batch_scaling", batch_scaling, BATCH_LAWS) * S / sp.sqrt(E)
    batch = sp.powsimp(sp.expand(batch.subs(E, experts.subs(d, width))))

    def exponent(law: sp.Expr) -> sp.Expr:
        return sp.simplify(T * sp.diff(sp.log(law), T))

    alpha_b, alpha_L = exponent(batch), exponent(depth_of_compute)
    return EffectiveAlpha(alpha_b, alpha_L, alpha_b - alpha_L, depth_of_compute, batch)


def batch_sequences(
    training_flop: float,
    experts: int = 1,
    seq_len: int = 2048,
    batch_scaling: BatchScaling = "default",
) -> int:
    """Sequences in a batch.

    Parameters
    ----------
    training_flop : float
        Training compute in FLOP.
    experts : int
        Experts, one of them active; 1 is a dense model.
    seq_len : int
        Tokens in a sequence.
    batch_scaling : str or callable
        One of :data:`BATCH_LAWS` by name, or a law of your own: a :class:`BatchLaw`, or a callable that
        takes ``(training_flop, experts, seq_len)`` and returns a whole number of sequences, taken as
        it is; ``closest_round`` is there to make one that divides well.

    Raises
    ------
    ValueError
        If an argument is out of range, the name unknown, or the callable's batch no whole number.

    Examples
    --------
    >>> batch_sequences(3e23), batch_sequences(3e29), batch_sequences(3e29, batch_scaling="none")
    (2048, 20480, 2048)
    """
    check_scalar("training_flop", training_flop)
    check_positive_integer("experts", experts)
    check_positive_integer("seq_len", seq_len)
    law = resolved("batch_scaling", batch_scaling, BATCH_LAWS)
    return whole_number("batch_scaling(...)", law(training_flop, int(experts), int(seq_len)))
