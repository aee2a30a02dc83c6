"""Time that GPUs spend passing data, at each level of the network they sit in, by one rule.

All traffic is hand-overs along chains. A pipeline of p stages is one: a token passes them v times, which
are v p - 1 hand-overs, and its gradient comes back. In an all-reduce p peers pass on a growing sum, which
are p - 1 hand-overs, and the total comes back. Members are numbered so that neighbors share a node where
they can. Of v p - 1 hand-overs v p/p_in - 1 then leave the groups of p_in, and the difference stays inside:
a level of the network carries what leaves the levels inside it, less what leaves its own groups.

Experts are a second reason to leave a group: at each boundary between layers at which the pipeline stays,
the share of the tokens whose expert lies outside leaves nevertheless.

======================  =======================  ==================================  =============
what is summed, passed  numbers in a hand-over   time                                latency
======================  =======================  ==================================  =============
slices of d, of f       d_ff, d_model a token    slowest level: sums overlap         each level
replicas                all gradients, once      slowest level                       each level
stages and experts      d_model a token          all levels: one after the other     each hand-over
======================  =======================  ==================================  =============

Degrees are float arrays of shape ``(levels, candidates)``, node first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import symbols
from dmcore.hardware.gpu import GPU
from dmcore.models.model import Model
from dmcore.models.words import Words
from dmcore.simulator import attention_messages

__all__ = [
    "Traffic",
    "TrafficLoad",
    "hand_over_latency",
    "hand_over_time",
    "hand_overs",
    "hand_overs_leaving",
    "hand_overs_with_experts",
    "load_of",
    "product_above",
    "traffic",
    "traffic_by_level",
]

Array = NDArray[np.float64]


@cache
def hand_overs_leaving() -> sp.Expr:
    """Hand-overs of a chain that leave the groups of a level: none if there is one group only.

    ``p_out`` is the number of groups, p/p_in, and v how often the chain is passed.

    >>> float(value_of(hand_overs_leaving(), v=12, p_out=8))
    95.0
    """
    v, p_out = symbols("v p_out")
    return sp.Piecewise((v * p_out - 1, p_out > 1), (0, True))


@cache
def hand_overs_with_experts() -> sp.Expr:
    """Boundaries of layers that a token crosses to leave a group, for the next stage or an expert.

    ``n_out`` of the L - 1 are those of the pipeline; at the others the share ``s_out`` of the tokens
    has its expert outside.

    Examples
    --------
    >>> hand_overs_with_experts()
    n_out + s_out*(L - n_out - 1)
    """
    L, n_out, s_out = symbols("L n_out s_out")
    return n_out + (L - 1 - n_out) * s_out


@cache
def hand_over_time() -> sp.Expr:
    """Seconds in which u numbers are handed over at a level, and as many come back.

    All GPUs share the work. The bandwidth ``beta`` of each counts both directions: half of it sends.

    Examples
    --------
    >>> hand_over_time()
    4*u*w/(N_GPU*beta)
    """
    u, w, N_GPU, beta = symbols("u w N_GPU beta")
    return 2 * u * w / (N_GPU * beta / 2)


@cache
def hand_over_latency() -> sp.Expr:
    """Seconds of waiting for so many hand-overs in a row, there and back.

    Examples
    --------
    >>> hand_over_latency()
    2*ell_hop*n_hand
    """
    n_hand, hop = symbols("n_hand ell_hop")
    return 2 * n_hand * hop


@dataclass(frozen=True)
class TrafficLoad:
    """What a model has to move in one step, in numbers (words), as floats.

    Attributes
    ----------
    over_d, over_f : float
        Numbers that the slices of d_model sum up, and those of d_ff: of all tokens and layers.
    rounds : float
        All-reduces of each that follow one another.
    passed : float
        Numbers that the batch carries over one boundary between layers.
    layers, params : float
        Of the model.
    words : Words
        Bytes of each number.
    attention_params : float
        Those of the parameters whose gradients groups of experts sum up as well.
    """

    over_d: float
    over_f: float
    rounds: float
    passed: float
    layers: float
    params: float
    words: Words
    attention_params: float

    @property
    def bytes_each(self) -> tuple[float, float, float]:
        """Bytes of a number of tensor, point-to-point and data traffic."""
        activation = float(self.words.activations)
        return activation, activation, float(self.words.gradients)


@lru_cache(maxsize=256)
def load_of(model: Model) -> TrafficLoad:
    """What a model has to move in one step.

    >>> load_of(Model(d_model=512, d_ff=2048, layers=3, batch_sequences=2)).rounds
    6.0
    """
    times = model.extras.forward_passes + 1.0  # forward, and once backward
    over_d, over_f, sums = times * model.d_ff, times * model.d_model, times
    if model.extras.attention:
        over_d += model.count(attention_messages.inside_all_reduced())
        over_f += model.count(attention_messages.outside_all_reduced())
        sums *= 2
    tokens, layers = float(model.batch_tokens), float(model.layers)
    return TrafficLoad(
        over_d=over_d * layers * tokens,
        over_f=over_f * layers * tokens,
        rounds=sums * layers,
        passed=model.d_model * tokens,
        layers=layers,
        params=float(model.params),
        words=model.words,
        attention_params=float(model.attention_params),
    )


@dataclass(frozen=True)
class Traffic:
    """Seconds of one step that each kind of traffic takes, for each candidate."""

    tensor_bandwidth_s: Array
    tensor_latency_s: Array
    point_to_point_bandwidth_s: Array
    point_to_point_latency_s: Array
    data_bandwidth_s: Array
    data_latency_s: Array

    @property
    def bandwidth_s(self) -> Array:
        """All that bandwidth sets, together; decides between candidates that are equally fast."""
        return self.tensor_bandwidth_s + self.data_bandwidth_s + self.point_to_point_bandwidth_s

    def over_all_levels(self) -> Traffic:
        """Of arrays ``(levels, candidates)``: sums overlap, so the slowest level counts; the rest adds up."""
        return Traffic(
            self.tensor_bandwidth_s.max(axis=0),
            self.tensor_latency_s.sum(axis=0),
            self.point_to_point_bandwidth_s.sum(axis=0),
            self.point_to_point_latency_s.sum(axis=0),
            self.data_bandwidth_s.max(axis=0),
            self.data_latency_s.sum(axis=0),
        )


def product_above(degrees: Array) -> Array:
    """Products of the degrees at all levels above each one; of all degrees first.

    The shape is ``(levels + 1, candidates)``: row i + 1 is for level i, row 0 for below the node.

    >>> product_above(np.array([[8.0], [4.0]])).ravel().tolist()
    [32.0, 4.0, 1.0]
    """
    above = np.ones((len(degrees) + 1, *degrees.shape[1:]))
    for level in reversed(range(len(degrees))):
        np.multiply(above[level + 1], degrees[level], out=above[level])
    return above


def hand_overs(
    load: TrafficLoad,
    *,
    data: Array,
    slices_of_d: Array,
    slices_of_f: Array,
    pipeline: Array,
    expert: Array,
    interleaving: Array,
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """Numbers that each level hands over one way in a step, and hand-overs in a row.

    Each for tensor, point-to-point and data traffic.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> from dmcore.simulator.split import DEGREES
    >>> load = load_of(Model(512, 2048, 12, 64))
    >>> degrees = dict.fromkeys(DEGREES, np.ones((2, 1))) | {"interleaving": np.ones(1)}
    >>> degrees["data"] = np.array([[8.0], [1.0]])
    >>> numbers, in_a_row = hand_overs(load, **degrees)
    >>> [passed.ravel().tolist() for passed in numbers]
    [[0.0, 0.0], [0.0, 0.0], [176160768.0, 0.0]]
    """

    def carried(leaving: Array) -> Array:
        return np.asarray(leaving[:-1] - leaving[1:])

    # an all-reduce passes once through its chain: p_out - 1 hand-overs leave, also if p_out is 1
    tensor = load.over_d * carried(product_above(slices_of_d))
    tensor += load.over_f * carried(product_above(slices_of_f))
    gradients = carried(product_above(data)) * (load.params - load.attention_params)
    together = data
    if load.attention_params:
        together = data * expert
        gradients += carried(product_above(together)) * load.attention_params

    groups = product_above(expert)
    leaving = value_of(hand_overs_leaving(), v=interleaving, p_out=product_above(pipeline))
    # of the words a share stays inside a level; of the waits none does: the last token decides
    passed, waits = (
        carried(value_of(hand_overs_with_experts(), L=load.layers, n_out=leaving, s_out=outside))
        for outside in (1 - 1 / groups, groups > 1)
    )
    sums = (slices_of_d > 1).astype(float) + (slices_of_f > 1)
    in_a_row = np.asarray(sums * load.rounds), waits, (together > 1).astype(float)
    return (tensor, passed * load.passed, gradients), in_a_row


def traffic_by_level(
    gpu: GPU, load: TrafficLoad, n_gpu: float | Array, *, interleaving: Array, **degrees: Array
) -> Traffic:
    """Seconds of each kind of traffic at each level, ``(levels, candidates)``. Checks nothing.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> from dmcore.simulator.split import DEGREES
    >>> load = load_of(Model(512, 2048, 12, 64))
    >>> degrees = dict.fromkeys(DEGREES, np.ones((2, 1))) | {"interleaving": np.ones(1)}
    >>> degrees["data"] = np.array([[8.0], [1.0]])
    >>> traffic_by_level(get_gpu("H100 SXM"), load, 8.0, **degrees).data_bandwidth_s.shape
    (2, 1)
    """
    words, in_a_row = hand_overs(load, interleaving=interleaving, **degrees)
    network = {"N_GPU": n_gpu, "beta": _column(gpu, "bytes_per_s")}
    tensor, passed, gradients = (
        value_of(hand_over_time(), u=u, w=w, **network)
        for u, w in zip(words, load.bytes_each, strict=True)
    )
    hop = _column(gpu, "latency_s")
    tensor_wait, passing_wait, data_wait = (
        value_of(hand_over_latency(), n_hand=count, ell_hop=hop) for count in in_a_row
    )
    return Traffic(tensor, tensor_wait, passed, passing_wait, gradients, data_wait)


def traffic(
    gpu: GPU, load: TrafficLoad, n_gpu: float | Array, *, interleaving: Array, **degrees: Array
) -> Traffic:
    """Seconds of each kind of traffic in one step, over all levels; degrees by name. Checks nothing.

    Examples
    --------
    >>> from dmcore.hardware.catalog import get_gpu
    >>> from dmcore.simulator.split import DEGREES
    >>> load = load_of(Model(512, 2048, 12, 64))
    >>> degrees = dict.fromkeys(DEGREES, np.ones((2, 1))) | {"interleaving": np.ones(1)}
    >>> degrees["data"] = np.array([[8.0], [1.0]])
    >>> traffic(get_gpu("H100 SXM"), load, 8.0, **degrees).data_bandwidth_s.shape
    (1,)
    """
    by_level = traffic_by_level(gpu, load, n_gpu, interleaving=interleaving, **degrees)
    return by_level.over_all_levels()


def _column(gpu: GPU, figure: str) -> Array:
    """A figure of each network level, to broadcast over candidates."""
    return np.array([[getattr(level, figure)] for level in gpu.network])
