"""The shape of a layer: what the ratio of its two widths, rho = d_ff / d_model, does to the limits.

:mod:`dmcore.bottlenecks.network` has the usual ratio of 4 built in. Here the same words and times are taken
with any ratio.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import refuse
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import critical_batch, limits, network
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models import laws

__all__ = [
    "best_grid_ratio",
    "critical_compute_exact",
    "derivation",
    "largest_cluster_of_compute",
    "largest_tensor_parallelism",
    "largest_tensor_parallelism_exact",
    "parameters",
    "shard_side",
    "tensor_parallelism_of_parameters",
]


@cache
def parameters() -> sp.Expr:
    """P: the matrices of all layers, of d by rho d.

    Examples
    --------
    >>> parameters()
    2*L*d**2*rho
    """
    d, f, rho = symbols("d f rho")
    (E,) = symbols("E")
    return laws.parameters().subs({f: rho * d, E: 1})


@cache
def best_grid_ratio() -> sp.Expr:
    """Slices of d_ff for each slice of d_model, q / m, that move the fewest words.

    Examples
    --------
    >>> best_grid_ratio()
    rho
    """
    d, f, m, q, N_TP, rho = symbols("d f m q N_TP rho")
    words = network.words_per_token().subs({f: rho * d, q: N_TP / m})
    (slices,) = sp.solve(sp.Eq(sp.diff(words, m), 0), m)
    return sp.simplify(N_TP / slices / slices)


@cache
def shard_side() -> sp.Expr:
    """a, channels: the side of the smallest square block that the network keeps up with.

    Examples
    --------
    >>> shard_side()
    4*C/(3*W)
    """
    d, f, m, q, a, rho = symbols("d f m q a rho")
    grid = {f: rho * d, q: best_grid_ratio() * d / a, m: d / a}
    equation = sp.Eq(network.network_time().subs(grid), network.arithmetic_time().subs(grid))
    (side,) = sp.solve(equation, a)
    return sp.simplify(side)


@cache
def largest_tensor_parallelism() -> sp.Expr:
    """N_TP: as many square blocks of side a as a matrix of d by rho d holds.

    Examples
    --------
    >>> largest_tensor_parallelism()
    d**2*rho/a**2
    """
    d, a, m = symbols("d a m")
    return (m * m * best_grid_ratio()).subs(m, d / a)


@cache
def tensor_parallelism_of_parameters() -> sp.Expr:
    """:func:`largest_tensor_parallelism` in terms of the parameters and the layers: the ratio is gone.

    Examples
    --------
    >>> tensor_parallelism_of_parameters()
    P/(2*L*a**2)
    """
    d, P = symbols("d P")
    (width,) = sp.solve(sp.Eq(parameters(), P), d)
    return sp.simplify(largest_tensor_parallelism().subs(d, width))


@cache
def largest_cluster_of_compute() -> sp.Expr:
    """N: nodes that can be kept busy, in terms of the training compute T, for any ratio.

    Examples
    --------
    >>> largest_cluster_of_compute().has(*symbols("rho"))
    False
    """
    P, D, T, L, r, b = symbols("P D T L r b")
    (params,) = sp.solve(sp.Eq(limits.training_macs().subs(D, r * P), T), P)
    nodes = tensor_parallelism_of_parameters() * critical_batch.largest_batch_slicing()
    per_layer = nodes.subs(P, params).subs(b, L * critical_batch.batch_per_layer())
    return sp.powsimp(sp.simplify(per_layer), force=True)


@cache
def largest_tensor_parallelism_exact() -> sp.Expr:
    """N_TP at which network and arithmetic take equally long, with every word counted.

    The first slice of a width needs no message, which :func:`largest_tensor_parallelism` neglects.

    Examples
    --------
    >>> largest_tensor_parallelism_exact()
    (sqrt(rho)/2 + 1/(2*sqrt(rho)) + d*sqrt(rho)/a)**2
    """
    d, f, m, q, a, C, N_TP, rho = symbols("d f m q a C N_TP rho")
    slices = sp.sqrt(N_TP / best_grid_ratio())
    ratio = network.words_per_token_exact() / network.words_per_token() * network.network_time()
    grid = {m: slices, q: N_TP / slices, f: rho * d}
    (rate,) = sp.solve(sp.Eq(a, shard_side()), C)
    root = sp.Dummy("root", positive=True)
    balance = sp.simplify(((ratio / network.arithmetic_time()).subs(grid) - 1).subs(C, rate))
    (blocks,) = sp.solve(sp.numer(sp.together(balance.subs(N_TP, root**2))), root)
    return sp.expand(blocks) ** 2


@cache
def derivation() -> Derivation:
    """The steps from a layer of any shape to a critical compute that does not know the shape.

    Examples
    --------
    >>> derivation().steps[0].label
    'eq-ratio-parameters'
    """
    m, q, a, P, N_TP = symbols("m q a P N_TP")
    return Derivation(
        "Layers of any shape",
        (
            Step("eq-ratio-parameters", sp.Eq(P, parameters()), "two matrices of d by rho d"),
            Step("eq-ratio-grid", sp.Eq(q / m, best_grid_ratio()), "the fewest words"),
            Step("eq-ratio-side", sp.Eq(a, shard_side()), "the two times are equal"),
            Step(
                "eq-ratio-tensor", sp.Le(N_TP, largest_tensor_parallelism()), "blocks in a matrix"
            ),
            Step(
                "eq-ratio-tensor-parameters",
                sp.Le(N_TP, tensor_parallelism_of_parameters()),
                "in terms of the parameters",
            ),
            Step(
                "eq-ratio-tensor-exact",
                sp.Le(N_TP, largest_tensor_parallelism_exact()),
                "with every word counted",
            ),
        ),
    )


@checked
def critical_compute_exact(
    gpu: GPU | str,
    ratio: float,
    *,
    alpha: float = 0.0,
    duration_s: float = limits.QUARTER_S,
    reference_batch_tokens: float = critical_batch.REFERENCE_BATCH_TOKENS,
    reference_layers: float = critical_batch.REFERENCE_LAYERS,
    reference_compute: float = critical_batch.REFERENCE_COMPUTE,
    layers_exponent: float = 0.0,
) -> float:
    """T_crit, FLOP, for layers of any shape, with every word of the all-reduces counted.

    Parameters
    ----------
    gpu
        A :class:`~dmcore.hardware.gpu.GPU` or the name of a preset, with a finite network.
    ratio
        d_ff / d_model.
    alpha, duration_s, reference_batch_tokens, reference_layers, reference_compute
        As in :func:`dmcore.bottlenecks.limits.critical_compute`.
    layers_exponent
        alpha_L, the exponent of depth growth: here the depth itself counts.

    Examples
    --------
    >>> f"{critical_compute_exact('H100 SXM', 4):.1e}"
    '3.0e+28'
    """
    gpu = get_gpu(gpu)
    if not 1e-6 <= ratio <= 1e6:
        refuse("ratio", ratio, "from 1e-6 to 1e6")
    if not -1 < layers_exponent < 1:
        refuse("layers_exponent", layers_exponent, "between -1 and 1")
    start = limits.critical_compute(
        gpu,
        alpha,
        duration_s,
        reference_batch_tokens=reference_batch_tokens,
        reference_layers=reference_layers,
        reference_compute=reference_compute,
    )
    if np.isinf(gpu.inter_node_bytes_per_s):
        raise ValueError(f"gpu must have a finite network, got {gpu.name!r}")
    if not 0 < start < np.inf:
        raise ValueError(f"duration_s must be that of a run, got {duration_s!r}")
    known = {
        **limits.node_rates(gpu),
        "t": duration_s,
        "rho": ratio,
        "r": limits.TOKENS_PER_PARAMETER,
        "T_0": reference_compute,
        "b_0": reference_batch_tokens,
        "L_0": reference_layers,
        "alpha_L": layers_exponent,
        "alpha_b": alpha + layers_exponent,
    }

    def excess(log_macs: float) -> float:
        """Logarithm of the nodes needed over the nodes that can be kept busy."""
        values = {**known, "T": np.exp(log_macs)}
        return float(np.log(evaluate(_needed_over_busy(), values)))

    # The ratio of both grows with T, and the neglected messages only ever raise the limit.
    return float(FLOP_PER_MAC * np.exp(_crossing(excess, float(np.log(start / FLOP_PER_MAC)))))


def _crossing(excess: Callable[[float], float], start: float) -> float:
    """Where a rising function that is not positive at the start crosses zero, to a float's precision."""
    low = high = start
    while excess(high) < 0:
        low, high = high, high + 1
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return low


@cache
def _needed_over_busy() -> sp.Expr:
    P, D, T, L, r, b, d = symbols("P D T L r b d")
    (params,) = sp.solve(sp.Eq(limits.training_macs().subs(D, r * P), T), P)
    (width,) = sp.solve(sp.Eq(parameters(), P), d)
    nodes = largest_tensor_parallelism_exact() * critical_batch.largest_batch_slicing()
    nodes = nodes.subs(d, width).subs(P, params)
    laws = {b: critical_batch.batch_law(), L: critical_batch.layer_law()}
    return limits.nodes_needed() / nodes.subs(laws)
