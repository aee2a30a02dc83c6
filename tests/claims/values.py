"""Quantities that more than one page speaks of: each is computed here, once, so that pages agree."""

from __future__ import annotations

from functools import cache

import dmcore
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import composition, critical_batch, latency, limits, memory_bandwidth
from dmcore.models import laws
from dmcore.studies import schedule


def shown(value: float, digits: int = 2) -> str:
    """A number as prose has it: 590, 26,400 or 1.9 × 10²⁸."""
    return readable(value, digits)


def nanobatch(gpu: str) -> float:
    """Least tokens that share one reading of the weights."""
    return memory_bandwidth.node_nanobatch_tokens(gpu)


def critical_compute(gpu: str = "H100 SXM", alpha: float = 0.0) -> float:
    """Largest run without waste in the closed form, FLOP."""
    return dmcore.critical_compute(gpu, alpha=alpha)


def latency_limit(alpha: float = 0.0) -> float:
    """Largest run that ends in time in the closed form, FLOP."""
    return dmcore.latency_limit(alpha=alpha)


@cache
def sweep(gpu: str, *, sparse: bool = False) -> dmcore.Sweep:
    """The paper's sweep of models on a GPU."""
    return dmcore.sweep(gpu, sparse=sparse)


def paper_end(gpu: str = "H100 SXM", *, sparse: bool = False) -> float | None:
    """The end of linear scaling as the paper reads it: the first run below, powers of two; FLOP."""
    return sweep(gpu, sparse=sparse).linear_scaling_end


def wall_share(attention_kernels: int = 0, norm_reductions: int = 0) -> float:
    """The latency limit with a full layer's chain, over that of the two matmuls of an MLP."""
    layer = latency.layer_latency_s
    return float((layer() / layer(attention_kernels, norm_reductions)) ** 2)


def chain_us(attention_kernels: int = 0, norm_reductions: int = 0) -> float:
    """The chain of a layer, forward and backward, microseconds."""
    return 1e6 * latency.layer_latency_s(attention_kernels, norm_reductions)


def steps_that_fit() -> float:
    """Steps of 100 layers for which three months have room."""
    return float(evaluate(latency.steps_that_fit(), t=limits.QUARTER_S, L=100, ell=9e-6))


def parts_of_batch(gpu: str = "H100 SXM", tokens: float = 4e6) -> float:
    """Replicas times stages that a batch feeds."""
    return critical_batch.batch_slices(gpu, tokens)


def batch_of_law(law: str, flop: float) -> float:
    """Tokens in the batch of a dense run by a law of the simulator, or by the measured one, "tokens"."""
    known = {**laws.BATCH_LAWS, "tokens": critical_batch.measured_law()}
    (compute,) = symbols("T_FLOP")
    return float(laws.effective_alpha(known[law]).batch_of_compute.subs(compute, flop))


def alpha_of_law(law: str) -> float:
    """Exponent of the batch by a law, less that of the depth."""
    known = {**laws.BATCH_LAWS, "tokens": critical_batch.measured_law()}
    return float(laws.effective_alpha(known[law]).alpha)


def end(gpu: str = "H100 SXM") -> float:
    """Where linear scaling ends in the simulator with every run at its deadline, FLOP."""
    return sweep(gpu).end.flop or 0.0


def end_range(gpu: str = "H100 SXM") -> tuple[float, float]:
    """The lowest and the highest end, over sets of cluster sizes; FLOP."""
    found = sweep(gpu).end_range
    return found.low or 0.0, found.high or 0.0


def gradient_share(stages: int) -> float:
    """Time for averaging gradients over that of a step of H100s, with the fewest tokens for each stage."""
    sheet = {"beta_hbm": dmcore.GPUS["H100 SXM"].hbm_bytes_per_s, "beta_net": 100e9}
    return float(evaluate(composition.gradient_share_of_stages(), sheet, N_PP=stages))


def waiting_share(stages: int, blocks: int = 1, transfer: float = 1.0) -> float:
    """Share of a step that a pipeline waits with two microbatches for each stage, at least."""
    known = {"N_PP": stages, "K": 2 * stages, "v": blocks, "x_transfer": transfer}
    return float(evaluate(schedule.least_waiting_share(), known))
