"""Figures of the chapter that holds the simulator against measured runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dmcore.evidence.measured_runs import RUNS_BY_NAME, MeasuredRun
from dmcore.evidence.utilization import equivalent_model, equivalent_parallelism
from dmcore.hardware.catalog import get_gpu
from dmcore.models.model import Model
from dmcore.prediction.measured import Measured
from dmcore.show.cluster import runs_of
from dmcore.show.colors import COLORS, INK, PARALLELISM, gpu_color
from dmcore.show.explorer import Axis
from dmcore.show.grid import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.labels import label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, panels, scale_axis
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.sweep import Sweep
from dmcore.studies.validation import COMPARABLE, Comparison, compare, family, places

__all__ = [
    "expected_and_measured",
    "measured_and_predicted",
    "more_gpus",
    "strong_scaling",
]

#: Runs with a label in the scatter, and its text.
_LABELLED: Mapping[str, str] = MappingProxyType(
    {
        "MegaScale 175B on 256": "MegaScale, 256",
        "MegaScale 175B on 12288": "MegaScale, 12 288",
        "Selective recomputation 530B on 280": "530B, 280",
        "Selective recomputation 22B on 8": "22B, 8",
        "MT-NLG 530B on 3360": "MT-NLG, 3360",
        "Megatron-LM 1.7B on 32": "1.7B, 32",
        "Llama 3 405B on 16384": "Llama 3, 16 384",
        "Nemotron-4 340B on 1536": "Nemotron-4, 1536",
    }
)


def measured_and_predicted() -> SvgFigure:
    """Measured utilization against what the simulator allows the same split, a dot to a run.

    A dot stands at the most interleaving there can be, or the published one; the thin line leads to none.
    """
    everything = [compare(run) for run in COMPARABLE]
    ratios = [each.ratio for each in everything]
    alt = (
        f"Measured utilization against that of the simulator for {len(everything)} runs. All dots lie "
        f"below the diagonal, at {min(ratios):.0%} to {max(ratios):.0%} of the simulator. "
        + "; ".join(
            f"{each.run.name}: {each.measured:.2f} measured, {each.predicted:.2f} simulated"
            for each in everything
            if each.run.name in _LABELLED
        )
        + "."
    )
    x = Axis("simulated utilization", 0.3, 0.9, "%", 0.01)
    y = Axis("measured utilization", 0.2, 0.9, "%", 0.01)
    with canvas(alt, x, y, height=4.7) as (axes, finish):
        line = np.array([20.0, 90.0])
        for share, words, width, style in (
            (1, "as simulated", 1, "-"),
            (0.5, "half of it", 0.8, ":"),
        ):
            axes.plot(line, share * line, color=INK, linewidth=width, linestyle=style)
            label_line(axes, line, share * line, words, INK)
        for each in everything:
            _draw_dot(axes, each)
        for words in dict.fromkeys(each.run.gpu.split()[0] for each in everything):
            of = [each for each in everything if each.run.gpu.split()[0] == words]
            xs, ys = [100 * each.predicted for each in of], [100 * each.measured for each in of]
            label_line(axes, xs, ys, words, gpu_color(words), fontweight="bold")
        return finish()


def expected_and_measured(runs: Measured, rate: NDArray[np.float64]) -> SvgFigure:
    """Measured model FLOP utilization against the predicted one, a dot to a row that is scored."""
    told, found = (100 * it * runs.mfu_per_rate for it in (runs.rate, rate))
    close = np.abs(runs.rate / rate - 1)[runs.scored]
    alt = (
        f"Measured against predicted utilization for {close.size} measurements. "
        f"{np.mean(close < 0.1):.0%} lie within 10 % of the diagonal and {np.mean(close < 0.2):.0%} "
        "within 20 %. Experts, drawn as rings, scatter most."
    )
    x = Axis("predicted MFU", 0, 75, "%")
    y = Axis("measured MFU", 0, 75, "%")
    with canvas(alt, x, y, height=4.7) as (axes, finish):
        line = np.array([0.0, 75.0])
        axes.fill_between(line, 0.8 * line, 1.25 * line, color=INK, alpha=0.08, linewidth=0)
        axes.plot(line, line, color=INK, linewidth=0.9)
        for kind, color in _KINDS.items():
            for rings in (False, True):
                of = runs.scored & (runs.kind == kind) & (runs.moe == rings)
                fill = "none" if rings else "full"
                axes.plot(
                    found[of], told[of], "o", color=color, markersize=4, fillstyle=fill,
                    markeredgewidth=0.9, alpha=0.75,
                )  # fmt: skip
        for place, (kind, color) in enumerate(_KINDS.items()):
            axes.annotate(
                f"\N{BLACK CIRCLE} {kind}",
                (0.03, 0.94 - 0.065 * place),
                xycoords="axes fraction",
                color=color,
            )
        return finish()


#: Kinds of chips and their colors; the TPU's is one that no GPU here has.
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "A100": gpu_color("A100 SXM"),
        "Hopper": gpu_color("H100 SXM"),
        "Blackwell": gpu_color("B200 HGX"),
        "TPU": COLORS[3],
    }
)


def strong_scaling() -> SvgFigure:
    """Utilization against GPUs for one model and one batch, over that on the fewest GPUs.

    The grey band is the simulator's, a line where the interleaving was published.
    """
    batches = {
        "768 sequences to a batch": "small",
        "6144 sequences to a batch": "large",
    }
    told = []
    lines = {}
    for title, batch in batches.items():
        found = {
            words: [compare(run) for run in family(f"{words} {rest}, {batch} batch")]
            for words, rest in (("MegaScale", "175B"), ("its", "Megatron-LM"))
        }
        lines[title] = found
        last, first = found["MegaScale"][-1], found["MegaScale"][0]
        told.append(
            f"{title}, {first.run.n_gpu} to {last.run.n_gpu} GPUs: simulated "
            f"{last.plain.utilization / first.plain.utilization:.0%} to "
            f"{last.predicted / first.predicted:.0%}, "
            + ", ".join(
                f"{_MEASURED[words]} {each[-1].measured / each[0].measured:.0%}"
                for words, each in found.items()
            )
        )
    alt = (
        f"What is left of the utilization when a model gets four times the GPUs. {'; '.join(told)}."
    )
    with panels(alt, 2, height=5.6) as (rows, finish):
        for axes, (title, found) in zip(rows, lines.items(), strict=True):
            axes.set_title(title, loc="left")
            _draw_scaling(axes, found)
        return finish()


_MEASURED = MappingProxyType({"MegaScale": "MegaScale", "its": "Megatron-LM"})


# ------------------------------------------------------------------- the same model on more GPUs

_GROWN = MappingProxyType(
    {
        "GPT 175B (MegaScale)": "MegaScale 175B on 3072",
        "Nemotron-4 340B": "Nemotron-4 340B on 6144",
        "Llama 3 405B": "Llama 3 405B on 16384",
        "GPT 530B (Megatron-LM)": "Megatron-LM 529.6B on 2240",
    }
)
_THEIRS, _INTERLEAVED, _BEST = "their split", "interleaved", "best split"
_FEWEST, _MOST = 128, 2**20


_COLUMNS = (
    Column("n_gpu", "GPUs"),
    Column("utilization", "utilization", "%", 0.01),
    Column("tensor_parallel", "tensor parallel"),
    Column("pipeline_parallel", "pipeline parallel"),
    Column("data_parallel", "data parallel"),
    Column("bubble_fraction", "pipeline bubble", "%", 0.01),
    Column("binding", "most of the step"),
)
_DEGREES = ("tensor", "pipeline", "data")


@cache
def more_gpus() -> GridFigure:
    """Simulated utilization against GPUs for published models and batches: their split, and the best."""
    runs: dict[tuple[str, ...], Runs] = {}
    for words, name in _GROWN.items():
        run = RUNS_BY_NAME[name]
        for how in (_THEIRS, _INTERLEAVED, _BEST):
            steps = _grow(run, how)
            names = [column.name for column in _COLUMNS]
            runs[words, how] = runs_of(Sweep.from_steps(get_gpu(run.gpu), steps), names, facts={})
    return GridFigure(
        name="more-gpus",
        title="The same model and batch on more GPUs",
        alt=(
            "Simulated utilization against the number of GPUs for a published model and batch. The "
            "published split ends where the batch has no more microbatches than the pipeline has stages; "
            "the best split goes on"
        ),
        choices=(
            Choice("model", tuple(_GROWN), "Llama 3 405B"),
            Choice("split", (_BEST, _INTERLEAVED, _THEIRS), _INTERLEAVED),
        ),
        columns=_COLUMNS,
        x=Axis("GPUs", _FEWEST, _MOST, log=True),
        y=Axis("simulated utilization", 0, 1, "%", 0.01),
        x_column="n_gpu",
        y_column="utilization",
        runs=runs,
        start=16384,
        end_label="Most GPUs",
        lines="split",
        mix=Mix(
            "degrees",
            "Degrees of tensor, pipeline and data parallelism",
            tuple(f"{way}_parallel" for way in _DEGREES),
            multiply=True,
            colors=tuple(PARALLELISM[way] for way in _DEGREES),
        ),
        digits=4,
    )


def _grow(run: MeasuredRun, how: str) -> list[TrainingStep]:
    """Steps of a run's model and batch on clusters that double, as long as the split is possible."""
    gpu, shape = get_gpu(run.gpu), _divisible(equivalent_model(run))
    found: list[TrainingStep] = []
    n_gpu = run.model_parallel
    while n_gpu <= _MOST:
        try:
            if how == _BEST:
                found.append(best_parallelism(gpu, shape, n_gpu))
            elif run.batch_sequences % (n_gpu // run.model_parallel) == 0:
                grown = replace(
                    run,
                    n_gpu=n_gpu,
                    data_parallel=n_gpu // run.model_parallel,
                    microbatch=None,
                )
                blocks = places(run) if how == _INTERLEAVED else 1
                found.append(training_step(gpu, shape, equivalent_parallelism(grown, blocks)))
        except (NothingFitsError, ValueError):
            pass  # too little memory at first, too few microbatches at last
        n_gpu *= 2
    return [step for step in found if step.n_gpu >= _FEWEST]


def _divisible(shape: Model) -> Model:
    """The same with a d_ff that large tensor-parallel degrees divide: less than 1 % off."""
    return replace(shape, d_ff=1024 * round(shape.d_ff / 1024))


# -------------------------------------------------------------------------------------- drawing


def _draw_dot(axes: Axes, each: Comparison) -> None:
    color = gpu_color(each.run.gpu)
    x, y = 100 * each.predicted, 100 * each.measured
    axes.plot([100 * each.plain.utilization, x], [y, y], color=color, linewidth=0.9, alpha=0.6)
    axes.plot([x], [y], "o", color=color, markersize=4.5)
    label_point(axes, x, y, _LABELLED.get(each.run.name, ""), INK, fontsize=9)


def _draw_scaling(axes: Axes, found: Mapping[str, list[Comparison]]) -> None:
    of = found["MegaScale"]
    gpus = np.array([each.run.n_gpu for each in of], dtype=float)
    scale_axis(axes, "x", Axis("GPUs", gpus[0] * 0.95, gpus[-1] * 1.05))
    scale_axis(axes, "y", Axis("of that on the fewest", 0.78, 1.02, "%", 0.01))
    axes.set_xticks(gpus, [f"{count:.0f}" for count in gpus])
    plain = np.array([each.plain.utilization for each in of])
    most = np.array([each.predicted for each in of])
    low, high = 100 * plain / plain[0], 100 * most / most[0]
    axes.fill_between(gpus, low, high, color=COLORS[5], alpha=0.2, linewidth=2)
    label_line(axes, gpus, (low + high) / 2, "simulated", COLORS[5])
    for (words, each), color in zip(found.items(), COLORS, strict=False):
        values = np.array([one.measured for one in each])
        percent = 100 * values / values[0]
        axes.plot(gpus, percent, "o-", color=color, markersize=4.5)
        label_line(axes, gpus, percent, _MEASURED[words], color)
