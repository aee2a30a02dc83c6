"""Figures of the chapter that holds the simulator against measured runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes

from dmcore.evidence.measured_runs import (
    RUNS_BY_NAME,
    MeasuredRun,
    equivalent_model,
    equivalent_parallelism,
)
from dmcore.hardware.catalog import get_gpu
from dmcore.models.model import Model
from dmcore.show.explorer import Axis
from dmcore.show.page import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.studies.validation import COMPARABLE, Comparison, compare, family, places

__all__ = [
    "measured_and_predicted",
    "more_gpus",
    "one_run",
    "run_choices",
    "steps_divided",
    "strong_scaling",
]

_GPU_COLORS = MappingProxyType(
    {"A100 SXM 80 GB": COLORS[0], "A100 SXM 80 GB Jean Zay": COLORS[2], "H100 SXM": COLORS[1]}
)

#: Runs with a label in the scatter: its text, and where it stands.
_LABELLED: Mapping[str, tuple[str, float, float, str]] = MappingProxyType(
    {
        "MegaScale 175B on 256": ("MegaScale, 256", -6, 0, "right"),
        "MegaScale 175B on 12288": ("MegaScale, 12 288", -8, 4, "right"),
        "Selective recomputation 530B on 280": ("530B, 280", 7, 2, "left"),
        "Selective recomputation 22B on 8": ("22B, 8", 6, -2, "left"),
        "MT-NLG 530B on 3360": ("MT-NLG, 3360", -7, -6, "right"),
        "Megatron-LM 1.7B on 32": ("1.7B, 32", 6, -4, "left"),
        "Llama 3 405B on 16384": ("Llama 3, 16 384", -24, -15, "right"),
        "Nemotron-4 340B on 1536": ("Nemotron-4, 1536", -26, 10, "right"),
    }
)

#: What is drawn as one: words, color and the parts of :data:`dmcore.studies.validation.PARTS`.
_GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("arithmetic", COLORS[0], ("arithmetic at the peak",)),
    ("slower products", COLORS[2], ("slower matrix products",)),
    ("recomputed", COLORS[1], ("recomputation",)),
    ("tensor messages", COLORS[3], ("exposed tensor messages",)),
    ("bubble, gradients", COLORS[4], ("pipeline bubble", "messages of the model")),
    ("attention, optimizer", COLORS[5], ("attention scores", "optimizer")),
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
    with canvas(alt, height=4.7) as ((axes,), finish):
        scale_axis(axes, "x", Axis("simulated utilization", 0.3, 0.9, "%", 0.01))
        scale_axis(axes, "y", Axis("measured utilization", 0.2, 0.9, "%", 0.01))
        line = np.array([20.0, 90.0])
        axes.plot(line, line, color=INK, linewidth=1)
        axes.plot(line, line / 2, color=INK, linewidth=0.8, linestyle=":")
        axes.annotate("as simulated", (47, 49), rotation=40, ha="center", va="bottom")
        axes.annotate("half of it", (47, 22), rotation=23, ha="center", va="bottom")
        for each in everything:
            _draw_dot(axes, each)
        axes.annotate("A100", (88, 75), ha="right", color=COLORS[0])
        axes.annotate("H100", (65.5, 50), ha="center", color=COLORS[1])
        return finish()


def steps_divided(names: Sequence[str]) -> SvgFigure:
    """Where the time of measured steps goes, in shares of each: computed sizes, and the rest."""
    chosen = [compare(RUNS_BY_NAME[name]) for name in names]
    rows = [_grouped(each) for each in chosen]
    told = "; ".join(
        f"{name}: " + ", ".join(f"{words} {share:.0%}" for words, share in row.items() if share)
        for name, row in zip(names, rows, strict=True)
    )
    with canvas(f"Shares of the measured step. {told}.", height=1.5 + 0.66 * len(rows)) as (
        (axes,),
        finish,
    ):
        _start_bars(axes, len(rows), "share of the measured step")
        for place, (name, row) in enumerate(zip(names, rows, strict=True)):
            axes.annotate(
                name, (0, place - 0.25), xytext=(0, 1), textcoords="offset points", va="bottom"
            )
            _draw_bar(axes, place, row)
        return finish()


def one_run(run: str) -> SvgFigure:
    """Steps of one run, all in units of the measured one: measured, simulated, and the best split's."""
    found = compare(RUNS_BY_NAME[run])
    bars = {
        f"measured, {found.measured:.0%} of the peak": _grouped(found),
        f"simulated, {found.predicted:.0%}": _simulated(found, found.step),
        f"not interleaved, {found.plain.utilization:.0%}": _simulated(found, found.plain),
        f"best split, {found.best.utilization:.0%}": _simulated(found, found.best),
    }
    told = "; ".join(
        f"{name}: " + ", ".join(f"{words} {share:.0%}" for words, share in row.items() if share)
        for name, row in bars.items()
    )
    with canvas(f"{run}, in shares of the measured step. {told}.", height=3.9) as (
        (axes,),
        finish,
    ):
        axes.set_title(run, loc="left")
        _start_bars(axes, len(bars), "share of the measured step")
        axes.set_xlim(0, 100 * max(1.0, *(sum(row.values()) for row in bars.values())))
        for place, (name, row) in enumerate(bars.items()):
            axes.annotate(
                name, (0, place - 0.25), xytext=(0, 1), textcoords="offset points", va="bottom"
            )
            _draw_bar(axes, place, row)
        return finish()


def run_choices() -> dict[str, tuple[str, ...]]:
    """The runs that :func:`one_run` takes; Llama 3 on most GPUs comes first."""
    first = "Llama 3 405B on 16384"
    return {"run": (first, *(run.name for run in COMPARABLE if run.name != first))}


def strong_scaling() -> SvgFigure:
    """Utilization against GPUs for one model and one batch, over that on the fewest GPUs.

    The band is the simulator's: with no interleaving below, with the most there can be above.
    """
    panels = {
        "768 sequences to a batch": ("small", 95.3, 1),
        "6144 sequences to a batch": ("large", 87.8, 3),
    }
    told = []
    lines = {}
    for title, (batch, *_) in panels.items():
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
    with canvas(alt, height=5.6, rows=2) as (rows, finish):
        for axes, (title, found) in zip(rows, lines.items(), strict=True):
            axes.set_title(title, loc="left")
            _draw_scaling(axes, found, *panels[title][1:])
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


@cache
def more_gpus() -> GridFigure:
    """Simulated utilization against GPUs for published models and batches: their split, and the best."""
    columns = (
        Column("n_gpu", "GPUs"),
        Column("utilization", "utilization", "%", 0.01),
        Column("tensor", "tensor parallel"),
        Column("pipeline", "pipeline parallel"),
        Column("data", "data parallel"),
        Column("bubble", "pipeline bubble", "%", 0.01),
        Column("binding", "most of the step"),
    )
    runs: dict[tuple[str, ...], Runs] = {}
    for words, name in _GROWN.items():
        run = RUNS_BY_NAME[name]
        for how in (_THEIRS, _INTERLEAVED, _BEST):
            runs[words, how] = _tabled(_grow(run, how))
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
        columns=columns,
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
            ("tensor", "pipeline", "data"),
            multiply=True,
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


def _tabled(steps: Sequence[TrainingStep]) -> Runs:
    return Runs(
        {
            "n_gpu": [step.n_gpu for step in steps],
            "utilization": [step.utilization for step in steps],
            "tensor": [step.parallelism.tensor_parallel for step in steps],
            "pipeline": [step.parallelism.pipeline_parallel for step in steps],
            "data": [step.parallelism.data_parallel for step in steps],
            "bubble": [step.bubble_fraction for step in steps],
            "binding": [step.binding for step in steps],
        }
    )


# -------------------------------------------------------------------------------------- drawing


def _draw_dot(axes: Axes, each: Comparison) -> None:
    color = _GPU_COLORS[each.run.gpu]
    x, y = 100 * each.predicted, 100 * each.measured
    axes.plot([100 * each.plain.utilization, x], [y, y], color=color, linewidth=0.9, alpha=0.6)
    axes.plot([x], [y], "o", color=color, markersize=4.5)
    if each.run.name in _LABELLED:
        text, right, up, side = _LABELLED[each.run.name]
        axes.annotate(
            text,
            (x, y),
            xytext=(right, up),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=9,
        )


def _grouped(each: Comparison) -> dict[str, float]:
    """Shares of the measured step by the words of the figure."""
    shares = each.shares
    row = {words: sum(shares[part] for part in parts) for words, _, parts in _GROUPS}
    return {**row, "rest": shares["rest"]}


def _simulated(each: Comparison, step: TrainingStep) -> dict[str, float]:
    """A simulated step in shares of the measured one, by the same words."""
    rows = dict.fromkeys((words for words, _, _ in _GROUPS), 0.0)
    rows["arithmetic"] = step.arithmetic_s
    rows["slower products"] = step.matmul_s - step.arithmetic_s
    rows["bubble, gradients"] = step.step_s - step.matmul_s
    return {words: seconds / each.step_s for words, seconds in rows.items()} | {"rest": 0.0}


def _start_bars(axes: Axes, count: int, title: str) -> None:
    """An empty chart of so many bars, with the words for their parts above, in their colors."""
    scale_axis(axes, "x", Axis(title, 0, 1, "%", 0.01))
    axes.set_ylim(count - 0.45, -2.15)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    words = [*((name, color) for name, color, _ in _GROUPS), ("rest", INK)]
    for number, (name, color) in enumerate(words):
        row, column = divmod(number, 2)
        axes.annotate(
            f"\N{BLACK SQUARE} {name}" if name != "rest" else "\N{WHITE SQUARE} rest",
            (0.5 * column, -1.95 + 0.36 * row),
            xycoords=("axes fraction", "data"),
            va="center",
            color=color,
        )


def _draw_bar(axes: Axes, place: int, row: Mapping[str, float]) -> None:
    colors = {words: color for words, color, _ in _GROUPS}
    left = 0.0
    for words, share in row.items():
        width = 100 * share
        color = colors.get(words)
        if color:
            axes.barh(place, width, 0.46, left, color=color, alpha=0.55, linewidth=0)
        elif share:
            axes.barh(place, width, 0.46, left, fill=False, edgecolor=INK, linestyle=":")
        if width >= 4:
            axes.annotate(f"{width:.0f}", (left + width / 2, place), ha="center", va="center")
        left += width


def _draw_scaling(
    axes: Axes, found: Mapping[str, list[Comparison]], label_at: float, named_at: int
) -> None:
    of = found["MegaScale"]
    gpus = np.array([each.run.n_gpu for each in of], dtype=float)
    scale_axis(axes, "x", Axis("GPUs", gpus[0] * 0.95, gpus[-1] * 1.05))
    scale_axis(axes, "y", Axis("of that on the fewest", 0.78, 1.02, "%", 0.01))
    axes.set_xticks(gpus, [f"{count:.0f}" for count in gpus])
    plain = np.array([each.plain.utilization for each in of])
    most = np.array([each.predicted for each in of])
    axes.fill_between(
        gpus, 100 * plain / plain[0], 100 * most / most[0], color=COLORS[5], alpha=0.2, linewidth=0
    )
    axes.annotate(
        "simulated",
        (gpus[-1], label_at),
        color=COLORS[5],
        va="center",
        ha="right",
    )
    for (words, each), color, up in zip(
        found.items(), (COLORS[0], COLORS[1]), (9, -9), strict=True
    ):
        values = np.array([one.measured for one in each])
        place = named_at if words == "MegaScale" else len(each) - 1
        axes.plot(gpus, 100 * values / values[0], "o-", color=color, markersize=4.5)
        axes.annotate(
            _MEASURED[words],
            (gpus[place], 100 * values[place] / values[0]),
            xytext=(0, up),
            textcoords="offset points",
            ha="right" if place == len(each) - 1 else "left",
            va="center",
            color=color,
        )
