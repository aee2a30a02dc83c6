"""Figures of the chapter that holds the simulator against measured runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes

from dmcore.evidence.measured_runs import RUNS_BY_NAME, MeasuredRun
from dmcore.evidence.utilization import equivalent_model, equivalent_parallelism
from dmcore.hardware.catalog import get_gpu
from dmcore.models.model import Model
from dmcore.show.cluster import runs_of
from dmcore.show.colors import BOTTLENECKS, COLORS, INK, PARALLELISM, gpu_color
from dmcore.show.explorer import Axis
from dmcore.show.grid import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.labels import label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, panels, rows_axis, scale_axis
from dmcore.simulator.search import NothingFitsError, best_parallelism
from dmcore.simulator.step import TrainingStep, training_step
from dmcore.simulator.sweep import Sweep
from dmcore.studies.validation import COMPARABLE, Comparison, compare, family, places

__all__ = [
    "measured_and_predicted",
    "more_gpus",
    "one_run",
    "run_choices",
    "steps_divided",
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

#: What is drawn as one: words, color and the parts of :data:`dmcore.studies.validation.PARTS`.
_GROUPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("arithmetic", BOTTLENECKS["arithmetic"], ("arithmetic at the peak",)),
    ("slower products", BOTTLENECKS["memory"], ("slower matrix products",)),
    ("recomputed", COLORS[2], ("recomputation",)),
    ("tensor messages", BOTTLENECKS["network"], ("exposed tensor messages",)),
    ("bubble, gradients", BOTTLENECKS["bubble"], ("pipeline bubble", "messages of the model")),
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


def steps_divided(names: Sequence[str]) -> SvgFigure:
    """Where the time of measured steps goes, in shares of each: computed sizes, and the rest."""
    chosen = [compare(RUNS_BY_NAME[name]) for name in names]
    rows = [_grouped(each) for each in chosen]
    told = "; ".join(
        f"{name}: " + ", ".join(f"{words} {share:.0%}" for words, share in row.items() if share)
        for name, row in zip(names, rows, strict=True)
    )
    alt = f"Shares of the measured step. {told}."
    with canvas(alt, height=1.5 + 0.66 * len(rows)) as (axes, finish):
        _draw_bars(axes, dict(zip(names, rows, strict=True)))
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
    with canvas(f"{run}, in shares of the measured step. {told}.", height=3.9, title=run) as (
        axes,
        finish,
    ):
        _draw_bars(axes, bars)
        axes.set_xlim(0, 100 * max(1.0, *(sum(row.values()) for row in bars.values())))
        return finish()


def run_choices() -> dict[str, tuple[str, ...]]:
    """The runs that :func:`one_run` takes; Llama 3 on most GPUs comes first."""
    first = "Llama 3 405B on 16384"
    return {"run": (first, *(run.name for run in COMPARABLE if run.name != first))}


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


def _draw_bars(axes: Axes, rows: Mapping[str, Mapping[str, float]]) -> None:
    """A bar to a row, with its name above, and the words for the parts on top, in their colors."""
    scale_axis(axes, "x", Axis("share of the measured step", 0, 1, "%", 0.01))
    rows_axis(axes, list(rows), above=2.15, below=0.55, names=False)
    axes.grid(visible=False)
    colors = {words: color for words, color, _ in _GROUPS}
    for number, name in enumerate((*colors, "rest")):
        line, column = divmod(number, 2)
        mark = "\N{WHITE SQUARE}" if name == "rest" else "\N{BLACK SQUARE}"
        axes.annotate(
            f"{mark} {name}",
            (0.5 * column, -1.95 + 0.36 * line),
            xycoords=("axes fraction", "data"),
            va="center",
            color=colors.get(name, INK),
        )
    for place, (name, row) in enumerate(rows.items()):
        axes.text(0, place - 0.27, name, va="bottom")
        left = 0.0
        for words, share in row.items():
            width = 100 * share
            if words in colors:
                axes.barh(place, width, 0.46, left, color=colors[words], alpha=0.55, linewidth=0)
            elif share:
                axes.barh(place, width, 0.46, left, fill=False, edgecolor=INK, linestyle=":")
            if width >= 4:
                axes.text(left + width / 2, place, f"{width:.0f}", ha="center", va="center")
            left += width


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
