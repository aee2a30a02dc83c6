"""The closed forms under the simulator's own laws, so that the two can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC
from dmcore.bottlenecks import limits
from dmcore.bottlenecks.critical_batch import REFERENCE_COMPUTE
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S, BatchLaw, ShapeLaw, effective_alpha
from dmcore.simulator.sweep import sweep

__all__ = ["SideBySide", "closed_form_flop", "own_laws", "side_by_side"]


@dataclass(frozen=True)
class SideBySide:
    """Where a GPU stops scaling, told three ways; FLOP.

    Attributes
    ----------
    gpu : GPU
        The accelerator.
    baseline_flop : float
        T_crit at the paper's baseline, alpha = 0.
    own_laws_flop : float
        T_crit with the simulator's own batch and depth laws.
    simulator_flop : float
        The first run of the sweep that uses at most 0.8 of the useful rate.
    """

    gpu: GPU
    baseline_flop: float
    own_laws_flop: float
    simulator_flop: float


def own_laws(
    batch_scaling: str | BatchLaw = "default", depth_law: str | ShapeLaw | sp.Expr = "default"
) -> dict[str, float]:
    """The simulator's laws in the closed forms' terms: alpha, and batch (tokens) and layers at 3e23 FLOP.

    The laws as in :func:`~dmcore.models.laws.effective_alpha`.

    Raises
    ------
    ValueError
        If a law is unknown or has no expression.
    """
    laws = effective_alpha(batch_scaling, depth_law)
    at_reference = {
        name: float(evaluate(law, dict.fromkeys(map(str, law.free_symbols), REFERENCE_COMPUTE)))
        for name, law in (
            ("reference_layers", laws.layers_of_compute),
            ("reference_batch_tokens", laws.batch_of_compute),
        )
    }
    # The laws are of FLOP, so their anchor of 3e23 FLOP is half as many MAC.
    return {
        "alpha": float(laws.alpha),
        **at_reference,
        "reference_compute": REFERENCE_COMPUTE / FLOP_PER_MAC,
    }


def closed_form_flop(
    gpu: GPU | str, batch_scaling: str | BatchLaw = "default", duration_years: float = 0.25
) -> float:
    """T_crit, FLOP, with the simulator's own laws and year.

    Raises
    ------
    ValueError
        If the preset or the law is unknown, or the duration not positive.
    """
    found = limits.critical_compute(
        gpu, duration_s=duration_years * SIMULATOR_YEAR_S, **own_laws(batch_scaling)
    )
    return float(found)


def side_by_side(gpu: GPU | str, batch_scaling: str | BatchLaw = "default") -> SideBySide:
    """The three figures for a GPU, dense models.

    Raises
    ------
    ValueError
        If the preset or the law is unknown, or the sweep never leaves linear scaling.
    """
    gpu = get_gpu(gpu)
    end = sweep(gpu, batch_scaling=batch_scaling).linear_scaling_end
    if end is None:
        raise ValueError(f"gpu must leave linear scaling within the sweep, got {gpu.name!r}")
    return SideBySide(
        gpu,
        float(limits.critical_compute(gpu)),
        closed_form_flop(gpu, batch_scaling),
        end,
    )
