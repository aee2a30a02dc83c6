"""One model on more and more GPUs: its fastest split on each cluster, and where the time goes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_count, check_positive_integer
from dmcore.algebra.equation import Equation, in_pieces
from dmcore.algebra.symbols import symbols
from dmcore.models import laws
from dmcore.models.model import Model
from dmcore.simulator import pipeline, traffic
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.split import Parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.times import arithmetic_time, cluster_memory, matmul_step_time

__all__ = [
    "CAUSES",
    "WIDTH",
    "best_splits",
    "causes",
    "equations",
    "example",
    "in_full",
]

#: Width of GPT-3, the model of the chapter.
WIDTH = 12288
#: What a step's time goes to, and the parts of a step that each one joins.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "arithmetic": ("matmul arithmetic",),
    "memory": ("matmul shared memory", "matmul L2", "matmul HBM"),
    "kernel latency": ("matmul latency",),
    "network": (
        "tensor, pipeline and expert bandwidth",
        "bubble",
        "tensor, pipeline and expert latency",
    ),
    "gradients": ("data bandwidth", "data latency"),
}


@cache
def equations() -> Mapping[str, Equation]:
    """The simulator's expressions of one training step, by label.

    Examples
    --------
    >>> equations()["eq-sim-ideal"].left
    t_ideal
    """
    ideal, matmul, leaving, crossed = symbols("t_ideal t_matmul n_out n_cross")
    transfer, hops = symbols("t_transfer t_hops")
    bubble, busy, schedule, held = symbols("x_bubble x_busy t_schedule B_cluster")
    (depth,) = symbols("L")
    found = (
        Equation("eq-sim-layers", depth, laws.DEPTH_LAWS["default"].expression.evalf(5)),
        Equation("eq-sim-ideal", ideal, arithmetic_time()),
        Equation("eq-sim-matmul", matmul, matmul_step_time()),
        Equation("eq-sim-hand-overs", leaving, traffic.hand_overs_leaving()),
        Equation("eq-sim-transfer", transfer, traffic.hand_over_time()),
        Equation("eq-sim-experts", crossed, traffic.hand_overs_with_experts()),
        Equation("eq-sim-hops", hops, traffic.hand_over_latency()),
        Equation("eq-sim-bubble", bubble, pipeline.bubble_fraction()),
        Equation(
            "eq-sim-schedule",
            schedule,
            in_pieces(pipeline.pipeline_time(False), {1 - pipeline.bubble_fraction(): busy}).subs(
                busy, 1 - bubble
            ),
        ),
        Equation("eq-sim-zero-bubble", schedule, pipeline.pipeline_time(True)),
        Equation("eq-sim-zero-bubble-latency", schedule, pipeline.pipeline_time(True, True)),
        Equation("eq-sim-memory", held, cluster_memory()),
    )
    return {equation.label: equation for equation in found}


@checked
@lru_cache(maxsize=16)
def best_splits(
    gpu: str = "H100 SXM", d_model: int = WIDTH, low: int = 9, high: int = 23
) -> Mapping[int, TrainingStep]:
    """The fastest step of the model of a width on 2**low to 2**high GPUs; sizes that fit only.

    Examples
    --------
    >>> found = best_splits(d_model=12288, low=11, high=12)
    >>> {n_gpu: step.parallelism.tensor_parallel for n_gpu, step in found.items()}
    {2048: 32, 4096: 32}
    """
    check_count("low", low)
    check_positive_integer("high", high, most=63)
    shape = Model.from_laws(d_model)
    found: dict[int, TrainingStep] = {}
    for power in range(low, high + 1):
        try:
            found[2**power] = best_parallelism(gpu, shape, 2**power)
        except NothingFitsError:
            continue
    return found


@cache
def example() -> TrainingStep:
    """The step that the chapter takes apart: 64 nodes, split in a way that is neither silly nor the best.

    Examples
    --------
    >>> round(example().step_s, 1)
    31.2
    """
    split = Parallelism(
        data=(1, 4),
        slices_of_d=(2, 1),
        slices_of_f=(2, 2),
        pipeline=(2, 8),
        microbatches=16,
        interleaving=12,
    )
    return training_step("H100 SXM", Model.from_laws(WIDTH), split)


@checked
def causes(step: TrainingStep) -> dict[str, float]:
    """Share of the step that goes to each of :data:`CAUSES`.

    Examples
    --------
    >>> (step,) = best_splits("H100 SXM", 12288, 11, 11).values()
    >>> round(causes(step)["arithmetic"], 3)
    0.999
    """
    return {
        name: sum(step.parts[part] for part in parts) / step.step_s
        for name, parts in CAUSES.items()
    }


@checked
def in_full(number: int) -> str:
    """A whole number with all its digits, in groups of three.

    Examples
    --------
    >>> in_full(1048576).split()
    ['1', '048', '576']
    """
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
