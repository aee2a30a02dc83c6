"""The simulator held against measured runs: what it says of their own split, and what explains the gap.

The simulator is an upper bound. It leaves out attention, recomputed activations, messages that nothing
hides, and the optimizer. Each of these has a size that can be computed from the run; what is left after
them is the work of everything that no formula here knows: element-wise kernels, slow matrix products,
waiting for the slowest GPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from types import MappingProxyType

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_choice
from dmcore.algebra.expressions import evaluate, value_of
from dmcore.algebra.symbols import symbols
from dmcore.evidence.measured_runs import MEASURED_RUNS, MeasuredRun
from dmcore.evidence.utilization import (
    equivalent_model,
    equivalent_parallelism,
    model_flop_per_token,
    parameter_utilization,
    recomputation_factor,
)
from dmcore.hardware.catalog import get_gpu
from dmcore.simulator.pipeline import bubble_fraction
from dmcore.simulator.search import BestParallelism, best_parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.whole_numbers import divisors

__all__ = [
    "COMPARABLE",
    "FAMILIES",
    "LEFT_OUT",
    "OPTIMIZER_BYTES",
    "PARTS",
    "Comparison",
    "compare",
    "family",
    "optimizer_time",
    "places",
    "strong_scaling",
]

#: Runs that are not compared, and why.
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "PaLM 540B on 6144": "Each of its replicas spreads its weights over many chips in another way "
        "than the simulator knows; kept whole, they do not fit.",
        "Llama 3 405B on 16384 at 131072 tokens": "At this length most of the arithmetic is attention, "
        "which the simulator leaves out.",
        "DeepSeek-V3 671B on 2048": "It computes at 8 bit, and its experts are shared out among the "
        "replicas, unlike in the simulator.",
    }
)

#: The runs that are compared.
COMPARABLE: tuple[MeasuredRun, ...] = tuple(
    run for run in MEASURED_RUNS if run.name not in LEFT_OUT
)

#: Bytes that an optimizer moves for each parameter of a GPU. Adam at mixed precision reads a gradient,
#: a weight and two moments of 4 bytes, and writes all but the first and a weight of 2 bytes.
OPTIMIZER_BYTES = 4 * 4 + 3 * 4 + 2

#: What a measured step is divided into, in order: the first four are the simulator's.
PARTS = (
    "arithmetic at the peak",
    "slower matrix products",
    "messages of the model",
    "pipeline bubble",
    "attention scores",
    "recomputation",
    "exposed tensor messages",
    "optimizer",
)

#: Exchanges of a transformer's layer for each of the model's: one after attention, one after the MLP.
_EXCHANGES = 2
#: With the forward pass done again, three passes exchange where two did.
_EXCHANGES_RECOMPUTED = sp.Rational(3, 2)


@cache
def optimizer_time() -> sp.Expr:
    """Seconds in which a GPU changes all the weights that it holds, if memory alone binds.

    Every replica does it for itself. Shared out among the replicas it takes less by their number.

    Examples
    --------
    >>> optimizer_time()
    30*P/(N_PP*N_TP*beta_hbm)
    """
    P, N_TP, N_PP, beta_hbm = symbols("P N_TP N_PP beta_hbm")
    return OPTIMIZER_BYTES * P / (N_TP * N_PP * beta_hbm)


@cache
def _bubble_of_busy() -> sp.Expr:
    """Idle seconds for each busy second of a pipeline stage."""
    bubble = bubble_fraction()
    return sp.simplify(bubble / (1 - bubble))


@checked
def places(run: MeasuredRun) -> int:
    """Layers on a stage of the pipeline, with those an embedding takes: the most interleaving there is.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> places(RUNS_BY_NAME["Llama 3 405B on 16384"])
    8
    """
    return (run.pipeline_slots or run.layers) // run.pipeline_parallel


@dataclass(frozen=True)
class Comparison:
    """A measured run beside what the simulator says.

    Attributes
    ----------
    run : MeasuredRun
        The run.
    measured : float
        Utilization that was measured: 6 FLOP for each parameter and token, over the peak.
    step : TrainingStep
        The run's own split, interleaved as published, or else as much as there can be.
    plain : TrainingStep
        The same, interleaved as published, or else not at all.
    best : BestParallelism
        The best split of the same model and batch over as many GPUs.
    """

    run: MeasuredRun
    measured: float
    step: TrainingStep
    plain: TrainingStep
    best: BestParallelism

    @property
    def predicted(self) -> float:
        """Utilization of the run's own split, at most."""
        return self.step.utilization

    @property
    def ratio(self) -> float:
        """What was measured over what the simulator allows."""
        return self.measured / self.predicted

    @property
    def beaten(self) -> bool:
        """Whether the measured run is faster than its split can be without interleaving."""
        return self.measured > self.plain.utilization

    @property
    def step_s(self) -> float:
        """Seconds of the measured step."""
        return self.step.arithmetic_s / self.measured

    @cached_property
    def least_interleaving(self) -> int | None:
        """Least interleaving with which the simulator allows what was measured; None if none does."""
        for blocks in divisors(places(self.run)):
            split = equivalent_parallelism(self.run, int(blocks))
            step = training_step(self.step.gpu, self.step.model, split)
            if step.utilization >= self.measured:
                return int(blocks)
        return None

    @cached_property
    def parts(self) -> Mapping[str, float]:
        """Seconds of the measured step by cause, named as in :data:`PARTS`, and the ``"rest"``.

        They add up to :attr:`step_s`. The pipeline is taken as good as it can be, attention and the
        repeated forward pass run at the speed of the simulator's matrix products, and no tensor-parallel
        message is hidden. The rest may be below zero, if some are.
        """
        run, step = self.run, self.step
        attention = step.matmul_s * (model_flop_per_token(run) / (6 * run.active_params) - 1)
        repeated = 0.0
        exchanges = float(_EXCHANGES)
        if run.counts_recomputation:
            factor = evaluate(
                recomputation_factor(),
                d=run.d_model,
                L=run.layers,
                S=run.seq_len,
                V=run.vocabulary or 51200,
            )
            repeated = (step.matmul_s + attention) * (1 / factor - 1)
            exchanges *= float(_EXCHANGES_RECOMPUTED)
        exposed = exchanges * step.tensor_bandwidth_s
        busy = step.matmul_s + attention + repeated + exposed
        idle = value_of(
            _bubble_of_busy(),
            N_PP=float(run.pipeline_parallel),
            K=float(step.parallelism.microbatches),
            v=float(step.parallelism.interleaving),
        )
        found = dict.fromkeys(PARTS, 0.0)
        found["arithmetic at the peak"] = step.arithmetic_s
        found["slower matrix products"] = step.matmul_s - step.arithmetic_s
        found["messages of the model"] = (
            step.parts["tensor, pipeline and expert latency"]
            + step.data_bandwidth_s
            + step.data_latency_s
        )
        found["pipeline bubble"] = busy * float(idle)
        found["attention scores"] = attention
        found["recomputation"] = repeated
        found["exposed tensor messages"] = exposed
        found["optimizer"] = evaluate(
            optimizer_time(),
            P=run.params,
            N_TP=run.tensor_parallel,
            N_PP=run.pipeline_parallel,
            beta_hbm=step.gpu.hbm_bytes_per_s,
        )
        found["rest"] = self.step_s - sum(found.values())
        return MappingProxyType(found)

    @property
    def shares(self) -> Mapping[str, float]:
        """:attr:`parts` as shares of the measured step."""
        return MappingProxyType({name: part / self.step_s for name, part in self.parts.items()})

    @property
    def explained(self) -> float:
        """Utilization with everything of known size put in."""
        return self.step.arithmetic_s / (self.step_s - self.parts["rest"])


@checked
@lru_cache(maxsize=128)
def compare(run: MeasuredRun) -> Comparison:
    """What the simulator says of a measured run.

    Raises
    ------
    ValueError
        If the run is one of :data:`LEFT_OUT`; the message says why.

    Examples
    --------
    >>> from dmcore.evidence.measured_runs import RUNS_BY_NAME
    >>> f"{compare(RUNS_BY_NAME['Llama 3 405B on 16384']).ratio:.2f}"
    '0.63'
    """
    if run.name in LEFT_OUT:
        raise ValueError(f"run must be comparable, got {run.name!r}: {LEFT_OUT[run.name]}")
    gpu, model = get_gpu(run.gpu), equivalent_model(run)
    most = run.interleaving or places(run)
    step, plain = (
        training_step(gpu, model, equivalent_parallelism(run, blocks))
        for blocks in (most, run.interleaving)
    )
    best = best_parallelism(gpu, model, run.n_gpu)
    return Comparison(run, parameter_utilization(run), step, plain, best)


#: Runs of one model and one batch on growing clusters, by the words for them: the beginning of their
#: names, and sequences in their batch.
FAMILIES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "Megatron-LM 175B": ("Megatron-LM 174.6B", 1536),
        "Megatron-LM 530B": ("Megatron-LM 529.6B", 2240),
        "MT-NLG 530B": ("MT-NLG 530B", 1920),
        "MegaScale 175B, small batch": ("MegaScale 175B", 768),
        "MegaScale 175B, large batch": ("MegaScale 175B", 6144),
        "its Megatron-LM, small batch": ("MegaScale's Megatron-LM", 768),
        "its Megatron-LM, large batch": ("MegaScale's Megatron-LM", 6144),
    }
)


@checked
def family(name: str) -> tuple[MeasuredRun, ...]:
    """The runs of a family, smallest cluster first.

    Raises
    ------
    ValueError
        If there is no such family.

    Examples
    --------
    >>> [run.n_gpu for run in family(next(iter(FAMILIES)))]
    [384, 768, 1536]
    """
    check_choice("name", name, FAMILIES)
    beginning, batch = FAMILIES[name]
    runs = (
        run for run in COMPARABLE if run.name.startswith(beginning) and run.batch_sequences == batch
    )
    return tuple(sorted(runs, key=lambda run: run.n_gpu))


@checked
def strong_scaling(runs: Sequence[MeasuredRun]) -> dict[str, float]:
    """How much of its utilization a model loses from the smallest cluster to the largest.

    Parameters
    ----------
    runs
        Of one model and one batch, such as a :func:`family`.

    Returns
    -------
    dict of str to float
        What is left of the utilization as ``"measured"``, as ``"interleaved"`` by the simulator, and as
        ``"plain"`` by it without interleaving; with ``"n_gpu"``, the largest cluster over the smallest.

    Raises
    ------
    ValueError
        If the runs are not of one model and one batch, or fewer than two.

    Examples
    --------
    >>> list(strong_scaling(family(next(iter(FAMILIES)))))
    ['n_gpu', 'measured', 'interleaved', 'plain']
    """
    kinds = {(run.d_model, run.layers, run.batch_sequences, run.seq_len) for run in runs}
    if len(runs) < 2 or len(kinds) > 1:
        raise ValueError(
            "runs must be two or more of one model and one batch, "
            f"got {[run.name for run in runs]!r}"
        )
    first, last = (compare(each) for each in (runs[0], runs[-1]))
    return {
        "n_gpu": last.run.n_gpu / first.run.n_gpu,
        "measured": last.measured / first.measured,
        "interleaved": last.predicted / first.predicted,
        "plain": last.plain.utilization / first.plain.utilization,
    }
