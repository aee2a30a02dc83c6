"""What the authors' code simplifies and what the model leaves out, put right one at a time.

Each :class:`Correction` changes the closed forms, the simulator, or both; :func:`headline` gives the
numbers that the book rests on with it. The closed forms are taken at alpha = 0: batch and depth at their
baseline. They are solved for the width of the model, since with attention or with every word counted
they are no powers of the training compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import cache

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_choice
from dmcore.algebra.expressions import evaluate, value_of
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import latency, limits, memory_bandwidth, network
from dmcore.bottlenecks.critical_batch import (
    REFERENCE_BATCH_TOKENS,
    REFERENCE_COMPUTE,
    REFERENCE_LAYERS,
)
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.hardware.variants import closed_form_values
from dmcore.models import attention
from dmcore.models.model import Extras
from dmcore.simulator import attention_messages
from dmcore.simulator.pipeline import microbatches_needed
from dmcore.simulator.sweep import D_MODELS, Sweep
from dmcore.simulator.times import activation_bytes, products_in_attention, products_in_mlp
from dmcore.simulator.traffic import hand_over_latency
from dmcore.studies.change import Change, Outcome, swept

__all__ = [
    "BASELINE",
    "CORRECTIONS",
    "Correction",
    "anchor_effect",
    "computed_once",
    "critical_flop",
    "headline",
    "layer_chain_s",
    "layer_macs",
    "memory_shares",
    "limit_flop",
    "most_hidden_latency",
    "run_of",
    "tensor_parallelism",
]


@dataclass(frozen=True, eq=False)
class Correction(Change):
    """A change that puts one thing right, or several.

    Of the baseline it changes ``extras``, ``seq_len`` and ``zero_bubble_latency``, and besides:

    Attributes
    ----------
    exact_words : bool
        Count every all-reduced word, as the simulator does (closed form).
    sum_bytes : int, optional
        Count all of the memory bandwidth, as the simulator does, and each byte that weights and the
        sums of their gradients move, if a sum has so many (closed form).
    useful_rate : bool
        Count with the arithmetic rate that long products reach, as the simulator does (closed form).
    anchored_in_flop : bool
        Put a FLOP count over the 3e23 FLOP at which batch and depth are anchored (closed forms).

    Examples
    --------
    >>> Correction("recomputed", extras=Extras(activation_memory="recompute")).counted
    0.75
    """

    _: KW_ONLY
    exact_words: bool = False
    sum_bytes: int | None = None
    useful_rate: bool = False
    anchored_in_flop: bool = False

    @property
    def changes_simulator(self) -> bool:
        """Whether the sweep may differ from the baseline's."""
        return self.zero_bubble_latency or self.extras != BASELINE.extras

    @property
    def changes_closed_forms(self) -> bool:
        """Whether it is one of the closed forms, which know neither memory nor schedules."""
        rates = self.exact_words or self.sum_bytes is not None or self.useful_rate
        more = self.extras.attention or self.extras.forward_passes > 1
        return rates or more or self.anchored_in_flop

    def critical_flop(self, gpu: GPU | str = "H100 SXM") -> float:
        """:func:`critical_flop` with the correction."""
        return critical_flop(gpu, self)

    def limit_flop(self, gpu: GPU | str = "H100 SXM") -> float:  # noqa: ARG002 (as of a Change)
        """:func:`limit_flop` with the correction, the same for all accelerators."""
        return limit_flop(self)


#: Nothing put right: the paper's model as its authors compute it.
BASELINE = Correction("as published", changes=0)

#: The corrections one by one, and the last all together.
CORRECTIONS: tuple[Correction, ...] = (
    Correction("zero-bubble latency", zero_bubble_latency=True),
    Correction("anchor in FLOP", anchored_in_flop=True),
    Correction("attention, 2,048 tokens", extras=Extras(attention=True)),
    Correction("attention, 8,192 tokens", extras=Extras(attention=True), seq_len=8192),
    Correction("attention, 131,072 tokens", extras=Extras(attention=True), seq_len=131072),
    Correction("activations kept", extras=Extras(activation_memory="full")),
    Correction("activations recomputed", extras=Extras(activation_memory="recompute")),
    Correction("every word counted", exact_words=True),
    Correction("memory counted, 16-bit sums", sum_bytes=2),
    Correction("memory counted, 32-bit sums", sum_bytes=4),
    Correction("useful rate", useful_rate=True),
    Correction(
        "all, nothing recomputed",
        extras=Extras(attention=True, activation_memory="selective"),
        zero_bubble_latency=True,
        exact_words=True,
        sum_bytes=2,
        useful_rate=True,
        anchored_in_flop=True,
    ),
)


# ---------------------------------------------------------------------------- the closed forms again

_S, _FORWARD, _SCORES = symbols("S F_passes F_scores")


@checked
def computed_once(expr: sp.Expr) -> sp.Expr:
    """An expression of this module without recomputation.

    Examples
    --------
    >>> computed_once(layer_macs(False))
    24*d**2
    """
    return sp.factor(expr.subs({_FORWARD: 1, _SCORES: 1}))


@checked
@cache
def layer_macs(with_attention: bool) -> sp.Expr:
    """MAC of a step for one token in one layer, what is computed again included, if d_ff = 4 d_model.

    Examples
    --------
    >>> layer_macs(False)
    8*d**2*(F_passes + 2)
    """
    d, f = symbols("d f")
    weights = (network.layer_macs() / network.PASSES).subs(f, network.FF_RATIO * d)
    scores = sp.Integer(0)
    if with_attention:
        weights += attention.layer_parameters()
        scores = attention.score_macs()
    backward = network.PASSES - 1
    return (_FORWARD + backward) * weights + (_SCORES + backward) * scores


@cache
def _layer_words(with_attention: bool) -> sp.Expr:
    """Channels all-reduced in a step for one token in one layer, over m by q peers."""
    d, f = symbols("d f")
    # forward and backward move the same words in an MLP
    words = network.words_per_token_exact().subs(f, network.FF_RATIO * d) * (_FORWARD + 1) / 2
    if with_attention:
        words += attention_messages.words_per_token()
    return sp.expand(words)


@checked
@cache
def tensor_parallelism(with_attention: bool, exact_words: bool) -> sp.Expr:
    """N_TP at which all-reduces last as long as arithmetic, on the best grid, in terms of d and a.

    The words are A m + B q + c. With m q = N_TP they are fewest where A m = B q: 2 sqrt(A B N_TP) + c.
    The negative c is what the peers need not send because they hold it; leading terms leave it out.

    Examples
    --------
    >>> computed_once(tensor_parallelism(False, exact_words=False))
    4*d**2/a**2
    """
    a, m, q, C, W = symbols("a m q C W")
    words = _layer_words(with_attention)
    per_m, per_q = words.coeff(m, 1), words.coeff(q, 1)
    rest = words.subs({m: 0, q: 0}) if exact_words else sp.Integer(0)
    (rate,) = sp.solve(sp.Eq(a, network.shard_side()), W)
    afforded = layer_macs(with_attention) * rate / C
    return sp.simplify((afforded - rest) ** 2 / (4 * per_m * per_q))


@cache
def _parameters(with_attention: bool) -> sp.Expr:
    (L,) = symbols("L")
    attended = L * attention.layer_parameters() if with_attention else sp.Integer(0)
    return limits.parameters() + attended


@cache
def _training_macs(with_attention: bool, executed: bool) -> sp.Expr:
    """MAC of a run on r tokens for each parameter, in terms of the width."""
    L, r = symbols("L r")
    macs = layer_macs(with_attention)
    if not executed:
        macs = computed_once(macs)
    return macs * L * r * _parameters(with_attention)


@cache
def _waste(with_attention: bool, exact_words: bool) -> sp.Expr:
    """Nodes that a run needs over nodes that it can keep busy, in terms of the width."""
    (T,) = symbols("T")
    needed = limits.nodes_needed().subs(T, _training_macs(with_attention, executed=True))
    fed = network.largest_tensor_parallelism() / limits.largest_cluster()
    return needed * fed / tensor_parallelism(with_attention, exact_words)


@checked
def layer_chain_s(extras: Extras) -> float:
    """Least time of a layer in a step, seconds: its chain, with fused attention if it has any.

    Examples
    --------
    >>> [round(1e6 * layer_chain_s(Extras(attention))) for attention in (False, True)]
    [36, 81]
    """
    return latency.layer_latency_s(int(extras.attention), forward_passes=extras.forward_passes)


def _known(correction: Correction) -> dict[str, float]:
    return {
        "S": correction.seq_len,
        "F_passes": correction.extras.forward_passes,
        "F_scores": correction.extras.score_passes,
        "L": REFERENCE_LAYERS,
        "b": REFERENCE_BATCH_TOKENS,
        "r": limits.TOKENS_PER_PARAMETER,
        "t": limits.QUARTER_S,
    }


def _value(expr: sp.Expr, known: Mapping[str, float]) -> float:
    return float(evaluate(expr, {each.name: known[each.name] for each in expr.free_symbols}))


@checked
def critical_flop(gpu: GPU | str, correction: Correction = BASELINE) -> float:
    """T_crit, FLOP, at alpha = 0 with a correction: where no more nodes can be kept busy than are needed.

    Examples
    --------
    >>> f"{critical_flop('H100 SXM', Correction('', useful_rate=True)):.1e}"
    '8.0e+28'
    """
    gpu = get_gpu(gpu)
    if np.isinf(gpu.inter_node_bytes_per_s):
        raise ValueError(f"gpu must have a finite network, got {gpu.name!r}")
    if correction.useful_rate:
        gpu = replace(gpu, max_clock_hz=gpu.useful_clock_hz, efficiency=1.0)
    known = {**_known(correction), **limits.node_rates(gpu)}
    if correction.sum_bytes is not None:
        figures = {**closed_form_values(gpu), "w_G": correction.sum_bytes}
        known["n"] = _value(memory_bandwidth.counted_nanobatch(), figures)
    attended = correction.extras.attention
    waste = _waste(attended, correction.exact_words)
    low, high = 1.0, 1e12  # channels; waste grows with the width
    for _ in range(60):  # halves the logarithm's range each time, down to a float's precision
        width = float(np.sqrt(low * high))
        low, high = (low, width) if _value(waste, known | {"d": width}) > 1 else (width, high)
    return FLOP_PER_MAC * _value(_training_macs(attended, executed=False), known | {"d": low})


@checked
def limit_flop(correction: Correction = BASELINE) -> float:
    """T_limit, FLOP, at alpha = 0 with a correction: what the steps that fit in a run can train.

    Examples
    --------
    >>> f"{limit_flop():.1e}"
    '2.3e+31'
    """
    known = _known(correction)
    known["ell"] = layer_chain_s(correction.extras) / latency.SEQUENTIAL_MATMULS_PER_LAYER
    tokens = _value(latency.steps_that_fit(), known) * REFERENCE_BATCH_TOKENS
    attended = correction.extras.attention
    P, d = symbols("P d")
    (width,) = sp.solve(sp.Eq(P, _parameters(attended)), d)
    known["d"] = _value(width, known | {"P": tokens / limits.TOKENS_PER_PARAMETER})
    return FLOP_PER_MAC * _value(_training_macs(attended, executed=False), known)


@checked
def anchor_effect(gpu: GPU | str, alpha: float) -> tuple[float, float]:
    """Factors by which T_crit and T_limit grow if a FLOP count stands over the anchor of 3e23 FLOP.

    Examples
    --------
    >>> [round(float(factor), 2) for factor in anchor_effect("H100 SXM", 0.1)]
    [1.19, 1.19]
    """
    anchor = REFERENCE_COMPUTE / FLOP_PER_MAC
    return (
        limits.critical_compute(gpu, alpha, reference_compute=anchor)
        / limits.critical_compute(gpu, alpha),
        limits.latency_limit(alpha, reference_compute=anchor) / limits.latency_limit(alpha),
    )


# ---------------------------------------------------------------------------------- the simulator


@checked
def run_of(gpu: GPU | str, correction: Correction = BASELINE) -> Sweep:
    """The dense sweep of a GPU with a correction.

    Examples
    --------
    >>> run_of("H100 SXM", CORRECTIONS[0]).steps[0].zero_bubble_latency
    True
    """
    # Without extras the length of a sequence changes nothing.
    return swept(correction if correction.changes_simulator else BASELINE, gpu, D_MODELS)


@checked
def memory_shares(found: Sweep, kept: str = "full") -> NDArray[np.float64]:
    """Share of a GPU's memory that each run of a sweep needs as it is split, if it keeps activations.

    Above 1 the split has no room for them; a search that counts them chooses another.

    Raises
    ------
    ValueError
        If ``kept`` is no kind of activation memory.

    Examples
    --------
    >>> bool(memory_shares(run_of("H100 SXM"))[0] > 1)
    True
    """
    check_choice("kept", kept, ("full", "selective", "recompute"))
    shares = []
    for step in found.steps:
        extras = replace(step.model.extras, activation_memory=kept)
        split = step.parallelism
        held = activation_bytes(
            replace(step.model, extras=extras),
            float(split.pipeline_parallel),
            float(split.microbatches),
            float(split.interleaving),
            split.zero_bubble,
        )
        weights = step.memory_bytes - step.activation_bytes
        shares.append((weights + float(held) / step.n_gpu) / found.gpu.hbm_bytes)
    return np.array(shares)


@checked
def most_hidden_latency(gpu: GPU | str, extras: Extras = Extras()) -> tuple[float, float]:  # noqa: B008
    """Seconds a layer: most that messages wait in a pass, and least that its products' own latency lasts.

    The first is for slices of both widths at each network level, and a pipeline boundary after each
    layer. The second is for a zero-bubble schedule, which has two microbatches to a stage. As long as
    the second is the larger, no zero-bubble schedule waits for the latency of messages.

    Examples
    --------
    >>> waits, products = most_hidden_latency("H100 SXM")
    >>> waits < products
    True
    """
    gpu = get_gpu(gpu)
    rounds = (extras.forward_passes + 1) * (2 if extras.attention else 1)
    waits = 2 * sum(
        value_of(hand_over_latency(), n_hand=float(rounds), ell_hop=level.latency_s)
        for level in gpu.network
    )
    hop = max(level.latency_s for level in gpu.network)
    waits += value_of(hand_over_latency(), n_hand=1.0, ell_hop=hop)
    products = products_in_mlp(extras) + products_in_attention(extras)
    return float(waits), microbatches_needed(1, True) * products * gpu.matmul_latency_s


@checked
def headline(gpu: GPU | str, correction: Correction = BASELINE) -> Outcome:
    """What becomes of a GPU, dense models, with a correction.

    Work done twice is allowed for: with layers computed again linear scaling ends at 0.8 of three quarters.

    Examples
    --------
    >>> f"{headline('H100 SXM').linear_flop:.2e}"
    '8.65e+28'
    """
    return Outcome(correction, run_of(gpu, correction), gpu)
