"""The two limits across generations of hardware, from the card of AlexNet to a rack of Blackwell.

What each generation is comes from :mod:`dmcore.hardware.gpu` and :mod:`dmcore.hardware.catalog`; here it is
put in order of years, given to the closed forms and to the simulator, and held against the runs of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import MappingProxyType

import sympy as sp

from dmcore.algebra.checks import check_choice, check_positive, check_positive_integer
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import limits, memory_bandwidth, network
from dmcore.evidence.training_runs import TRAINING_RUNS, TrainingRun
from dmcore.hardware.catalog import ACCELERATORS
from dmcore.hardware.gpu import GPU
from dmcore.models.model import Model
from dmcore.simulator.ends import Bracket, bracket
from dmcore.simulator.split import Parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.sweep import D_MODELS, Sweep, sweep
from dmcore.studies import growth

__all__ = [
    "ALEXNET",
    "CHANGES",
    "GENERATIONS",
    "LAST_RUN",
    "REPORTED_SPLIT",
    "WIDTHS",
    "Generation",
    "changed",
    "factors",
    "gtx_580_run",
    "inner_reach",
    "largest_run_in",
    "linear_scaling",
    "runs_of",
    "trend",
    "with_node",
    "years_reached",
]

#: Widths to sweep: the paper's and smaller ones, down to 2048, since older cards end earlier.
WIDTHS: tuple[int, ...] = tuple(
    sorted(
        {
            *D_MODELS,
            *(
                odd * 2**power
                for odd in range(1, 16, 2)
                for power in range(5, 14)
                if 2048 <= odd * 2**power < D_MODELS[0]
            ),
        }
    )
)

#: The run that AlexNet was: an estimate of its compute, and when its paper was published.
ALEXNET = TrainingRun("AlexNet", "epoch2024models", 2012.92, 4.7e17, estimated=True)
#: The newest documented run, from which growth is counted.
LAST_RUN = TRAINING_RUNS["Llama 3.1 405B"]


@dataclass(frozen=True)
class Generation:
    """An accelerator in its time.

    Attributes
    ----------
    gpu : GPU
        Its figures.
    year : int
        When it was announced.
    word_bytes : int
        Bytes in a word of its arithmetic.
    status : mapping of str to str
        Where each figure is from: one of :data:`dmcore.hardware.entries.STATUSES`. That of a network level
        is for its size and bandwidth; hop latencies are assumed throughout.
    """

    gpu: GPU
    year: int
    word_bytes: int
    status: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the preset."""
        return self.gpu.name

    @cached_property
    def nanobatch_tokens(self) -> float:
        """Least nanobatch n, tokens."""
        return memory_bandwidth.node_nanobatch_tokens(self.gpu, self.word_bytes)

    @cached_property
    def shard_side_channels(self) -> float:
        """Side a of the smallest weight block of a node that the network keeps up with, channels."""
        return network.shard_side_channels(self.gpu, self.word_bytes)

    @cached_property
    def critical_flop(self) -> float:
        """T_crit at alpha = 0 and three months, FLOP."""
        return float(limits.critical_compute(self.gpu, word_bytes=self.word_bytes))

    @property
    def runs(self) -> Sweep:
        """The sweep of dense models on it, see :func:`runs_of`."""
        return runs_of(self.gpu, self.word_bytes)

    @cached_property
    def end(self) -> Bracket:
        """Where linear scaling ends, see :func:`linear_scaling`."""
        return linear_scaling(self.gpu, self.word_bytes)

    def mark(self, field: str) -> str:
        """A sign of where a figure is from: "?" if assumed, "*" if measured, none for a data sheet.

        Raises
        ------
        ValueError
            If the accelerator has no such figure.
        """
        check_choice("field", field, self.status)
        return {"assumption": "?", "measured": "*"}.get(self.status[field], "")

    @property
    def symbols(self) -> dict[str, float]:
        """What the closed forms take: G, F (MAC/s), the two bandwidths (bytes/s), and the words (bytes)."""
        return {
            "G": float(self.gpu.node_size),
            "F": self.gpu.peak_flop_per_s / FLOP_PER_MAC,
            "beta_hbm": self.gpu.hbm_bytes_per_s,
            "beta_net": self.gpu.inter_node_bytes_per_s,
            "w_P": float(self.word_bytes),
            "w_A": float(self.word_bytes),
        }


def _generations() -> Mapping[str, Generation]:
    found = [
        Generation(it.gpu, it.year, it.gpu.word_bytes, it.status)
        for it in ACCELERATORS.values()
        if it.year
    ]
    found.sort(key=lambda generation: generation.year)
    return MappingProxyType({generation.name: generation for generation in found})


#: Generations by the name of their preset, oldest first, read-only.
GENERATIONS: Mapping[str, Generation] = _generations()


# ---------------------------------------------------------------------------------- the simulator


@cache
def runs_of(gpu: GPU, word_bytes: int = 2, min_utilization: float = 0.001) -> Sweep:
    """The sweep of dense models on an accelerator, from small widths to the paper's largest.

    Parameters
    ----------
    gpu
        The accelerator.
    word_bytes
        Bytes in a word.
    min_utilization
        The sweep ends before the first run of a lower utilization.
    """
    return sweep(
        gpu,
        d_models=WIDTHS,
        word_bytes=word_bytes,
        min_utilization=min_utilization,
        progress=False,
    )


def linear_scaling(gpu: GPU, word_bytes: int = 2, min_utilization: float = 0.1) -> Bracket:
    """Where linear scaling ends on an accelerator.

    Parameters
    ----------
    gpu, word_bytes
        See :func:`runs_of`.
    min_utilization
        Where the sweep ends; far enough below the threshold of 0.8 of the useful rate by default.

    Raises
    ------
    ValueError
        If no run of the sweep is above the threshold, or none below.
    """
    found = runs_of(gpu, word_bytes, min_utilization)
    end = bracket(found)
    if end is None:
        raise ValueError(f"gpu must leave linear scaling within the sweep, got {gpu.name!r}")
    return end


#: The split that the authors' interactive tool is reported to find for 1e26 FLOP on GTX 580 cards.
REPORTED_SPLIT: Mapping[str, int] = MappingProxyType(
    {"data_parallel": 1024, "pipeline_parallel": 32, "tensor_parallel": 512}
)

#: The width of the simulator's model that is nearest to 1e26 FLOP.
GTX_580_WIDTH = 20480


def gtx_580_run(gpu: GPU | None = None, word_bytes: int = 4) -> TrainingStep:
    """One step of a run near 1e26 FLOP on 2**24 cards of 2010, in the split of :data:`REPORTED_SPLIT`.

    The report gives the degrees. That tensor slices fill each machine of eight, four along d_ff and
    two along d_model, and the zero-bubble schedule with 64 microbatches, are what the search prefers.

    Parameters
    ----------
    gpu
        The card, or a variant of it; the preset by default.
    word_bytes
        Bytes in a word.
    """
    split = Parallelism(
        data=(1, 1024),
        pipeline=(1, 32),
        slices_of_d=(2, 4),
        slices_of_f=(4, 16),
        microbatches=64,
        zero_bubble=True,
    )
    model = Model.from_laws(GTX_580_WIDTH, word_bytes=word_bytes)
    return training_step(gpu or GENERATIONS["GTX 580"].gpu, model, split)


# ------------------------------------------------------------------------------- changed hardware


def _of_latency(gpu: GPU, factor: float) -> GPU:
    levels = tuple(replace(level, latency_s=level.latency_s * factor) for level in gpu.network)
    return replace(gpu, matmul_latency_s=gpu.matmul_latency_s * factor, network=levels)


def _of_network(gpu: GPU, factor: float) -> GPU:
    *inner, outer = gpu.network
    return replace(gpu, network=(*inner, replace(outer, bytes_per_s=outer.bytes_per_s * factor)))


#: What can be changed by a factor, and how.
CHANGES: Mapping[str, Callable[[GPU, float], GPU]] = MappingProxyType(
    {
        "L2 bandwidth": lambda gpu, factor: replace(
            gpu, l2_bytes_per_s=gpu.l2_bytes_per_s * factor
        ),
        "registers": lambda gpu, factor: replace(
            gpu, register_bytes_per_block=gpu.register_bytes_per_block * factor
        ),
        "latencies": _of_latency,
        "network beyond the node": _of_network,
    }
)


def changed(gpu: GPU, what: str, factor: float) -> GPU:
    """An accelerator with one figure multiplied.

    Parameters
    ----------
    gpu
        The accelerator.
    what
        One of :data:`CHANGES`.
    factor
        Above 0.

    Raises
    ------
    ValueError
        If ``what`` is unknown or the factor not positive.
    """
    check_choice("what", what, CHANGES)
    check_positive("factor", factor, finite=True)
    return CHANGES[what](gpu, factor)


def with_node(gpu: GPU, size: int) -> GPU:
    """An accelerator with so many GPUs in a node, at the node's own speed.

    Raises
    ------
    ValueError
        If the size is not a whole number of at least 1.
    """
    check_positive_integer("size", size)
    node, *outer = gpu.network
    return replace(gpu, network=(replace(node, size=size), *outer))


@cache
def _inner_reach() -> sp.Expr:
    """GPUs to which the network inside a node can deal out the node's smallest weight block.

    A node's block has the side a that the outer network allows; each of its GPUs may slice that down to
    the side that the inner network allows, by the same formula with the other bandwidth.
    """
    (beta_net,) = symbols("beta_net")
    beta_node = sp.Symbol("beta_node", positive=True)
    side = network.derivation()["eq-shard-side-hardware"].equation.rhs
    return sp.simplify((side / side.subs(beta_net, beta_node)) ** 2)


def inner_reach(gpu: GPU) -> float:
    """GPUs in a node beyond which the node's own network is the slower one; not rounded.

    The closed form for the critical compute takes the inside of a node for free. That holds up to here.
    """
    return float(
        evaluate(
            _inner_reach(),
            beta_net=gpu.inter_node_bytes_per_s,
            beta_node=gpu.network[0].bytes_per_s,
        )
    )


# ------------------------------------------------------------------------------- from one to next

#: The symbols of the critical compute that hardware sets, with what they are in words.
_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "arithmetic": ("F",),
        "network": ("beta_net",),
        "memory": ("beta_hbm",),
        "node": ("G",),
        "word": ("w_P", "w_A"),
    }
)


def factors(old: str, new: str) -> dict[str, float]:
    """By what each part of the hardware multiplies T_crit from one generation to another, at alpha = 0.

    The closed form is a product of powers, so the factors multiply to the ratio of the two T_crit.

    Raises
    ------
    ValueError
        If a name is no generation.
    """
    for name, given in (("old", old), ("new", new)):
        check_choice(name, given, GENERATIONS)
    before, after = GENERATIONS[old].symbols, GENERATIONS[new].symbols
    formula = limits.critical_macs_of_hardware()
    (alpha,) = symbols("alpha")

    def power(name: str) -> float:
        return float(limits.elasticity(formula, symbols(name)[0]).subs(alpha, 0))

    found = {}
    for part, names in _PARTS.items():
        product = 1.0
        for name in names:
            product *= (after[name] / before[name]) ** power(name)
        found[part] = product
    return found


# --------------------------------------------------------------------------------- runs over time


def trend(first: TrainingRun = ALEXNET, last: TrainingRun = LAST_RUN) -> float:
    """Factor by which compute grew in a year between two runs."""
    return float((last.flop / first.flop) ** (1 / (last.year - first.year)))


def largest_run_in(year: float) -> float:
    """Training compute, FLOP, of the largest run in a year: the line through AlexNet and Llama 3.1."""
    return FLOP_PER_MAC * float(
        evaluate(growth.compute_in_year(), y=year, g=trend(), T_1=LAST_RUN.macs, y_1=LAST_RUN.year)
    )


def years_reached(compute_flop: float) -> tuple[float, float]:
    """When the largest run reaches a compute (FLOP), at growth of 5 and of 4 times a year from Llama 3.1."""
    early, late = (
        float(growth.year_of_compute(compute_flop, rate, LAST_RUN))
        for rate in (growth.FASTEST_GROWTH, growth.SLOWEST_GROWTH)
    )
    return early, late
