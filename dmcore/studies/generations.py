"""The two limits across generations of hardware, from the card of AlexNet to a rack of Blackwell.

What each is comes from :mod:`dmcore.hardware.catalog`; here they are put in order of years, given to the
closed forms and to the simulator, and held against the runs of their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from math import prod
from types import MappingProxyType

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_choice, check_positive
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import limits, memory_bandwidth, network
from dmcore.evidence.training_runs import TRAINING_RUNS, TrainingRun
from dmcore.hardware import variants
from dmcore.hardware.catalog import ACCELERATORS
from dmcore.hardware.entries import Accelerator
from dmcore.hardware.gpu import GPU
from dmcore.models.model import Model
from dmcore.simulator.ends import End
from dmcore.simulator.search import MIN_UTILIZATION
from dmcore.simulator.split import Parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.sweep import D_MODELS, Sweep, sweep
from dmcore.studies import growth
from dmcore.studies.change import PAPERS_FROM_2048, Lever

__all__ = [
    "ALEXNET",
    "CHANGES",
    "GENERATIONS",
    "LAST_RUN",
    "REPORTED_SPLIT",
    "Generation",
    "changed",
    "factors",
    "gtx_580_run",
    "inner_reach",
    "largest_run_in",
    "linear_scaling",
    "runs_of",
    "trend",
    "years_reached",
]

#: The run that AlexNet was: an estimate of its compute, and when its paper was published.
ALEXNET = TrainingRun("AlexNet", "epoch2024models", 2012.92, 4.7e17, estimated=True)
#: The largest documented run, from which growth is counted.
LAST_RUN = TRAINING_RUNS["Llama 3.1 405B"]


class Generation(Accelerator):
    """An accelerator in its time: an entry of the catalog that has a year, and what follows from it.

    Examples
    --------
    >>> card = GENERATIONS["GTX 580"]
    >>> card.year, f"{card.critical_flop:.1e} FLOP", card.mark("efficiency")
    (2010, '1.5e+27 FLOP', '*')
    """

    @cached_property
    def nanobatch_tokens(self) -> float:
        """Least nanobatch n, tokens."""
        return memory_bandwidth.node_nanobatch_tokens(self.gpu)

    @cached_property
    def shard_side_channels(self) -> float:
        """Side a of the smallest weight block of a node that the network keeps up with, channels."""
        return network.shard_side_channels(self.gpu)

    @cached_property
    def critical_flop(self) -> float:
        """T_crit at alpha = 0 and three months, FLOP."""
        return float(limits.critical_compute(self.gpu))

    @property
    def runs(self) -> Sweep:
        """The sweep of dense models on it, see :func:`runs_of`."""
        return runs_of(self.gpu)

    @cached_property
    def end(self) -> End:
        """Where linear scaling ends, see :func:`linear_scaling`."""
        return linear_scaling(self.gpu)

    @property
    def symbols(self) -> dict[str, float]:
        """What the closed forms take, see :func:`~dmcore.hardware.variants.closed_form_values`."""
        return variants.closed_form_values(self.gpu)


#: Generations by name, oldest first, read-only: every accelerator of the catalog that has a year.
GENERATIONS: Mapping[str, Generation] = MappingProxyType(
    {
        it.name: Generation(**vars(it))
        for it in sorted(ACCELERATORS.values(), key=lambda it: it.year)
        if it.year
    }
)


# ---------------------------------------------------------------------------------- the simulator


@checked
@lru_cache(maxsize=64)
def runs_of(
    gpu: GPU, min_utilization: float = MIN_UTILIZATION, widths: tuple[int, ...] = PAPERS_FROM_2048
) -> Sweep:
    """The sweep of dense models on a GPU, down to a utilization of ``min_utilization``.

    Examples
    --------
    >>> runs_of(GENERATIONS["GTX 580"].gpu, 0.1).d_model[0] == PAPERS_FROM_2048[0] == 2048
    True
    """
    return sweep(gpu, d_models=widths, min_utilization=min_utilization, progress=False)


@checked
def linear_scaling(gpu: GPU, min_utilization: float = 0.1) -> End:
    """Where linear scaling ends on a GPU, over several sets of clusters, in a sweep to ``min_utilization``.

    The default is far enough below the threshold of 0.8 of the useful rate. Narrower models than the
    paper's are asked only if those leave no linear scaling: some of them divide no cluster well.

    Raises
    ------
    ValueError
        If no run of the sweep is above the threshold, or none below.

    Examples
    --------
    >>> str(linear_scaling(GENERATIONS["GTX 580"].gpu))
    '4.6 × 10²⁶ FLOP (1.0 × 10²⁶ to 3.7 × 10²⁷)'
    """
    for widths in (D_MODELS, PAPERS_FROM_2048):
        end = runs_of(gpu, min_utilization, widths).end_range
        if end.flop is not None:
            return end
    raise ValueError(f"gpu must leave linear scaling within the sweep, got {gpu.name!r}")


#: The split that the authors' interactive tool is reported to find for 1e26 FLOP on GTX 580 cards.
REPORTED_SPLIT: Mapping[str, int] = MappingProxyType(
    {"data_parallel": 1024, "pipeline_parallel": 32, "tensor_parallel": 512}
)

#: The width of the simulator's model that is nearest to 1e26 FLOP.
GTX_580_WIDTH = 20480


@checked
def gtx_580_run(gpu: GPU | None = None) -> TrainingStep:
    """One step of a run near 1e26 FLOP on 2**24 cards of 2010, in the split of :data:`REPORTED_SPLIT`.

    The report gives the degrees. That tensor slices fill each machine of eight, four along d_ff and
    two along d_model, and the zero-bubble schedule with 64 microbatches, are what the search prefers.
    ``gpu`` is the card, or a variant of it.

    Examples
    --------
    >>> f"{gtx_580_run().months:.2f} months"
    '2.97 months'
    """
    gpu = gpu or GENERATIONS["GTX 580"].gpu
    split = Parallelism(
        data=(1, 1024),
        pipeline=(1, 32),
        slices_of_d=(2, 4),
        slices_of_f=(4, 16),
        microbatches=64,
        zero_bubble=True,
    )
    model = Model.from_laws(GTX_580_WIDTH, word_bytes=gpu.word_bytes)
    return training_step(gpu, model, split)


# ------------------------------------------------------------------------------- changed hardware

#: What can be changed by a factor, and how.
CHANGES: Mapping[str, Lever] = MappingProxyType(
    {
        lever.name: lever
        for lever in (
            Lever.of_gpu("L2 bandwidth", variants.faster_l2),
            Lever.of_gpu("registers", variants.more_registers),
            Lever.of_gpu("latencies", lambda gpu, by: variants.lower_latency(gpu, 1 / by)),
            Lever.of_gpu(
                "network beyond the node", partial(variants.faster_network, outermost_only=True)
            ),
        )
    }
)


@checked
def changed(gpu: GPU, what: str, factor: float) -> GPU:
    """An accelerator of the same name with one of :data:`CHANGES` multiplied by a factor.

    Examples
    --------
    >>> card = GENERATIONS["GTX 580"].gpu
    >>> changed(card, "registers", 2).register_bytes_per_block / card.register_bytes_per_block
    2.0
    """
    check_choice("what", what, CHANGES)
    check_positive("factor", factor, finite=True)
    return replace(CHANGES[what].at(factor).applied_to(gpu), name=gpu.name)


@checked
def inner_reach(gpu: GPU) -> float:
    """GPUs in a node beyond which the node's own network is the slower one; not rounded.

    The closed form for the critical compute takes the inside of a node for free. That holds up to here:
    each of the GPUs that share a node's smallest block may slice it down to the side that the inner
    network allows, by the same formula with the other bandwidth.

    Examples
    --------
    >>> round(inner_reach(GENERATIONS["H100 SXM"].gpu))
    81
    """
    inner = replace(gpu, network=(replace(gpu.network[0], size=None),))
    return (network.shard_side_channels(gpu) / network.shard_side_channels(inner)) ** 2


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


@checked
def factors(old: str, new: str) -> dict[str, float]:
    """By what each part of the hardware multiplies T_crit from one generation to another, at alpha = 0.

    The closed form is a product of powers, so the factors multiply to the ratio of the two T_crit.

    Examples
    --------
    >>> round(factors("B200 HGX", "GB200 NVL72")["node"])
    81
    """
    for name, given in (("old", old), ("new", new)):
        check_choice(name, given, GENERATIONS)
    before, after = GENERATIONS[old].symbols, GENERATIONS[new].symbols
    formula = limits.critical_macs_of_hardware()
    (alpha,) = symbols("alpha")

    def power(name: str) -> float:
        return float(limits.elasticity(formula, symbols(name)[0]).subs(alpha, 0))

    return {
        part: prod((after[name] / before[name]) ** power(name) for name in names)
        for part, names in _PARTS.items()
    }


# --------------------------------------------------------------------------------- runs over time


@checked
def trend(first: TrainingRun = ALEXNET, last: TrainingRun = LAST_RUN) -> float:
    """Factor by which compute grew in a year between two runs.

    Examples
    --------
    >>> round(trend(), 1)
    4.8
    """
    return float((last.flop / first.flop) ** (1 / (last.year - first.year)))


@checked
def largest_run_in(year: float) -> float:
    """Training compute, FLOP, of the largest run in a year: the line through AlexNet and Llama 3.1.

    Examples
    --------
    >>> f"{largest_run_in(2026):.1e}"
    '3.6e+26'
    """
    check_positive("year", year, finite=True)
    return FLOP_PER_MAC * float(
        evaluate(growth.compute_in_year(), y=year, g=trend(), T_1=LAST_RUN.macs, y_1=LAST_RUN.year)
    )


@checked
def years_reached(compute_flop: float) -> tuple[float, float]:
    """When the largest run reaches a compute (FLOP), at growth of 5 and of 4 times a year from Llama 3.1.

    Examples
    --------
    >>> [round(year) for year in years_reached(1e28)]
    [2028, 2029]
    """
    early, late = (
        float(growth.year_of_compute(compute_flop, rate, LAST_RUN))
        for rate in (growth.FASTEST_GROWTH, growth.SLOWEST_GROWTH)
    )
    return early, late
