"""Figures of the chapter on the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from dmcore.algebra.numbers import readable
from dmcore.hardware.catalog import GPUS, names
from dmcore.show.cluster import runs_of
from dmcore.show.colors import BOTTLENECKS, COLORS, INK, PARALLELISM
from dmcore.show.drawing import arrow, box, drawing
from dmcore.show.explorer import Axis
from dmcore.show.grid import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.labels import label_area, label_point
from dmcore.show.plots import SvgFigure, canvas, rows_axis
from dmcore.simulator import plain
from dmcore.simulator.step import TrainingStep
from dmcore.simulator.sweep import Sweep
from dmcore.studies.one_model import CAUSES, best_splits, causes, example, in_full

__all__ = [
    "all_splits",
    "breakdown",
    "cluster_map",
    "grid",
    "one_cluster",
    "overlap",
    "time_of",
    "walk",
]

_COLOR_OF = {name: BOTTLENECKS[name.removeprefix("kernel ")] for name in CAUSES}


def time_of(step: TrainingStep | None = None) -> SvgFigure:
    """Where the seconds of a step (the chapter's) go, and the traffic hidden behind them."""
    step = step or example()
    parts = {
        "arithmetic at the peak": (step.arithmetic_s, BOTTLENECKS["arithmetic"]),
        "reduced clock": (step.reduced_clock_s, BOTTLENECKS["memory"]),
        "bubble": (step.parts["bubble"], BOTTLENECKS["bubble"]),
        "gradients": (step.parts["data bandwidth"], BOTTLENECKS["gradients"]),
    }
    hidden = step.tensor_bandwidth_s + step.point_to_point_bandwidth_s
    told = ", ".join(f"{name} {readable(seconds)} s" for name, (seconds, _) in parts.items())
    alt = f"A bar of {step.step_s:.1f} s: {told}. Below it, hidden traffic of {hidden:.1f} s."
    with canvas(alt, height=2.0) as (axes, finish):
        axes.set_xlim(0, step.step_s * 1.12)
        axes.set_ylim(-0.95, 1.75)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("seconds of one step")
        axes.grid(visible=False)
        start = 0.0
        for name, (seconds, color) in parts.items():
            axes.barh(0.4, seconds, left=start, height=0.75, color=color, alpha=0.45)
            middle = start + seconds / 2
            if seconds > step.step_s / 5:
                axes.text(middle, 0.4, f"{name}\n{readable(seconds)} s", ha="center", va="center")
            else:
                label_point(axes, middle, 0.75, f"{name} {readable(seconds)} s", color)
            start += seconds
        box(axes, (0, -0.75), (hidden, 0.5), BOTTLENECKS["network"], alpha=0.2, dashed=True)
        axes.text(hidden * 1.06, -0.5, f"traffic, hidden: {readable(hidden, 2)} s", va="center")
        return finish()


def cluster_map() -> SvgFigure:
    """The 64 nodes of the chapter's split: four replicas of eight pairs, and one pair enlarged."""
    alt = (
        "Four rows of eight pairs of nodes: a row is a replica, a pair holds two stages. One pair is "
        "enlarged. Each of its two nodes has four GPUs of the first stage and four of the second, and "
        "the four hold a 2 by 2 part of the 2 by 4 blocks of every matrix."
    )
    with drawing(alt, (-0.05, 4.05), (-0.05, 3.5), 4.05) as (axes, finish):
        for replica in range(4):
            y = 3.0 - 0.26 * replica
            axes.text(0.62, y + 0.1, f"replica {replica + 1}", ha="right", va="center")
            for pair in range(8):
                for node in range(2):
                    corner = (0.7 + 0.41 * pair + 0.18 * node, y)
                    box(axes, corner, (0.17, 0.2), COLORS[5], alpha=0.15)
        axes.text(0.7, 3.28, "64 nodes; each pair holds two stages", va="bottom")
        for end in ((0.7, 0.0), (1.05, 4.0)):
            axes.plot(end, (2.22, 2.0), color=INK, linewidth=0.6)
        for node in range(2):
            left = 2.05 * node
            box(axes, (left, 0), (1.95, 2.0))
            axes.text(left + 0.98, 1.87, f"node {'AB'[node]}", ha="center", va="center")
            for stage in range(2):
                x, color = left + 0.1 + 0.9 * stage, COLORS[stage]
                axes.text(x + 0.425, 1.6, f"stage {stage + 1}", ha="center", color=color)
                for gpu in range(4):
                    row, column = divmod(gpu, 2)
                    block = f"d {row + 1}\nf {2 * node + column + 1}"
                    corner = (x + 0.43 * column, 0.85 - 0.75 * row)
                    box(axes, corner, (0.4, 0.68), color, block, alpha=0.3)
        return finish()


def walk(rounds: int = 12) -> SvgFigure:
    """A microbatch's way through 16 stages, two to a node, and back to the first."""
    chain = plain.hand_overs((2, 8), rounds)
    alt = (
        "Eight nodes with two stages each. Short arrows inside the nodes use NVLink, arrows to the "
        "next node and a long one from the last stage back to the first use the network. In "
        f"{rounds} rounds {chain[0]} arrows are inside nodes and {chain[1]} between them."
    )
    inside, between = BOTTLENECKS["gradients"], BOTTLENECKS["network"]
    with drawing(alt, (-0.05, 4.05), (-0.62, 0.85), 1.68) as (axes, finish):
        for node in range(8):
            x = 0.51 * node
            box(axes, (x, 0.1), (0.42, 0.42))
            axes.text(x + 0.21, 0.62, f"node {node + 1}", ha="center", size=8.5)
            for stage in range(2):
                name = str(2 * node + stage + 1)
                axes.text(x + 0.1 + 0.22 * stage, 0.4, name, ha="center", va="center", size=8.5)
            arrow(axes, (x + 0.08, 0.22), (x + 0.35, 0.22), inside)
            if node < 7:
                arrow(axes, (x + 0.36, 0.22), (x + 0.57, 0.22), between)
        axes.plot([3.9, 3.9, 0.1, 0.1], [0.16, -0.08, -0.08, 0.0], color=between, linewidth=1)
        arrow(axes, (0.1, -0.04), (0.1, 0.18), between)
        axes.text(2, -0.15, "to the next round", ha="center", va="top", color=between)
        told = f"NVLink: 8 in a round, {chain[0]} in {rounds}"
        axes.text(0, -0.42, told, va="top", color=inside)
        told = f"network: 7 in a round, {chain[1]} in {rounds}"
        axes.text(4, -0.42, told, va="top", ha="right", color=between)
        return finish()


def overlap(step: TrainingStep | None = None) -> SvgFigure:
    """One layer, forward, of two microbatches in turn: what the GPU and its links do when (ms)."""
    step = step or example()
    split, model = step.parallelism, step.model
    layers = 2 * model.layers // split.pipeline_parallel * split.microbatches  # there and back
    product = step.matmul_s / (3 * layers)
    sums = np.zeros((2, 2))  # in the middle and at the end of the layer, by level
    over_d, over_f = map(plain.hand_overs, (split.slices_of_d, split.slices_of_f))
    for level, traffic in enumerate(step.traffic_by_level):
        words = np.array([over_d[level] * model.d_ff, over_f[level] * model.d_model], dtype=float)
        sums[:, level] = traffic.tensor_s / layers * words / max(1.0, words.sum())
    names = ("matmuls", "NVLink", "network")
    told = ", ".join(
        f"{name} {1e3 * seconds:.1f} ms"
        for name, seconds in zip(names, (2 * product, *sums.sum(axis=0)), strict=True)
    )
    alt = (
        "A time line of one layer forward for two microbatches in turn. While the GPU multiplies one, "
        f"the sums of the other travel. Busy for each microbatch: {told}."
    )
    with canvas(alt, height=2.2) as (axes, finish):
        rows_axis(axes, names)
        axes.set_xlim(0, 6e3 * product)
        axes.set_xlabel("milliseconds")
        for turn in range(4):  # A up, B up, A down, B down
            color, start = COLORS[turn % 2], turn * product
            text = f"{'AB'[turn % 2]} {'up' if turn < 2 else 'down'}"
            axes.barh(0, 1e3 * product, left=1e3 * start, color=color, alpha=0.45, edgecolor=INK)
            axes.text(1e3 * (start + product / 2), 0, text, ha="center", va="center")
            for level in range(2):
                seconds, end = sums[turn // 2, level], start + product
                if seconds:
                    axes.barh(
                        level + 1,
                        1e3 * seconds,
                        left=1e3 * end,
                        color=color,
                        alpha=0.45,
                        edgecolor=INK,
                    )
                    label_point(axes, 1e3 * (end + seconds), level + 1, f"{1e3 * seconds:.0f}", INK)
        return finish()


def all_splits(seconds: Sequence[float], hidden: Sequence[bool], ours_s: float) -> SvgFigure:
    """Step times of all splits in rising order, by whether their traffic hides behind the matmuls."""
    order = np.argsort(seconds, kind="stable")
    times, behind = np.asarray(seconds)[order], np.asarray(hidden)[order]
    places = np.arange(1, len(times) + 1)
    rank = int(np.searchsorted(times, ours_s * (1 - 1e-9))) + 1
    alt = (
        f"Step times of {in_full(len(times))} splits in rising order, from {times[0]:.1f} to "
        f"{times[-1]:.0f} s. Our split is number {in_full(rank)}."
    )
    x, y = Axis("splits, the fastest first", 0, len(times)), Axis("step", 20, 500, "s", log=True)
    with canvas(alt, x, y, height=3.2) as (axes, finish):
        axes.set_yticks([20, 50, 100, 200, 500], ["20", "50", "100", "200", "500"])
        for hides, name in ((True, "matmuls take"), (False, "traffic takes")):
            color = BOTTLENECKS["arithmetic" if hides else "network"]
            of = behind == hides
            axes.plot(places[of], times[of], ".", color=color, markersize=2.5)
            middle = int(np.flatnonzero(of)[np.count_nonzero(of) * 3 // 4])
            label_point(axes, places[middle], times[middle], f"{name} longer", color)
        for place, text in ((1, "the best"), (rank, "ours")):
            axes.plot([place], [times[place - 1]], "o", color=INK, markersize=5)
            label_point(axes, place, times[place - 1], f"{text}: {times[place - 1]:.1f} s", INK)
        return finish()


def one_cluster(step: TrainingStep) -> SvgFigure:
    """A cluster as replicas, stages, nodes and GPUs, each level a box with the next one inside."""
    split, model = step.parallelism, step.model
    inside, nodes = split.level_products[0], split.tensor_parallel / split.level_products[0]
    tokens = model.batch_tokens // split.data_parallel
    rows = (
        (
            split.data_parallel,
            "replicas",
            f"each takes {readable(tokens)} tokens of the batch",
            "data",
        ),
        (
            split.pipeline_parallel,
            "stages in each",
            f"each holds {model.layers // split.pipeline_parallel} of {model.layers} layers",
            "pipeline",
        ),
        (
            round(nodes),
            "nodes in each",
            f"share matrices, {in_full(tokens // split.microbatches)} tokens at a time",
            "tensor",
        ),
        (inside, "GPUs in each", "a block of every matrix for each", "tensor"),
    )
    told = "; ".join(f"{in_full(count)} {name}, {text}" for count, name, text, _ in rows)
    alt = f"A cluster of {in_full(split.n_gpu)} GPUs: {told}."
    with drawing(alt, (-0.05, 4.05), (-0.05, 3.4), 3.9) as (axes, finish):
        axes.text(0, 3.25, f"{in_full(split.n_gpu)} {step.gpu.name}s", va="center")
        for row, (count, name, text, way) in enumerate(rows):
            y, color = 2.4 - 0.8 * row, PARALLELISM[way]
            shown = min(count, 16)
            for place in range(shown):
                last = place == shown - 1 and count > shown
                if not (count > shown and place == shown - 2):
                    box(axes, (0.25 * place, y), (0.21, 0.28), color, alpha=0.15 if last else 0.4)
                else:
                    axes.text(0.25 * place + 0.1, y + 0.14, "…", ha="center", va="center")
            axes.text(0, y + 0.42, f"{in_full(count)} {name}: {text}", va="center")
            if row < 3:
                for start, end in ((0.0, 0.0), (0.21, 0.25 * min(rows[row + 1][0], 16) - 0.04)):
                    axes.plot([start, end], [y, y - 0.26], color=INK, linewidth=0.5, alpha=0.6)
        return finish()


def breakdown() -> SvgFigure:
    """Where the time of a step goes, in percent, against the number of H100s."""
    found = best_splits()
    sizes = list(found)
    shares = {size: causes(step) for size, step in found.items()}
    last = shares[sizes[-1]]
    told = ", ".join(f"{name} {share:.0%}" for name, share in last.items())
    alt = (
        "Share of a step by cause against the cluster's size: all arithmetic at first. "
        f"With {in_full(sizes[-1])} GPUs: {told}."
    )
    places = np.arange(len(sizes))
    with canvas(alt, height=4.0) as (axes, finish):
        axes.set_xlim(-0.6, places[-1] + 4.3)
        axes.set_ylim(0, 101)
        axes.set_ylabel("share of a step (%)")
        axes.set_xlabel("GPUs in the cluster")
        axes.set_xticks(places[::2], [_short(size) for size in sizes[::2]])
        axes.grid(visible=False)
        bottom = np.zeros(len(sizes))
        for name in CAUSES:
            part = np.array([shares[size][name] for size in sizes]) * 100
            axes.bar(places, part, bottom=bottom, color=_COLOR_OF[name], width=0.95, alpha=0.3)
            label_area(axes, places, bottom, bottom + part, name, INK)
            bottom += part
        percent = [step.utilization * 100 for step in found.values()]
        axes.plot(places, percent, "o-", color=INK, linewidth=1.4, markersize=3.5)
        label_point(axes, places[-1], percent[-1], "utilization", INK)
        return finish()


def _short(size: int) -> str:
    """A power of two in the way of memory sizes: 8k is 8192."""
    for unit, suffix in ((2**20, "M"), (2**10, "k")):
        if size >= unit:
            return f"{size // unit}{suffix}"
    return str(size)


_GRID_GPUS = names("H100 SXM", page_grids=True)
_GRID_WIDTHS = (12288, 24576, 98304)


_COLUMNS = (
    Column("n_gpu", "GPUs"),
    Column("utilization", "Utilization", "%", 0.01),
    Column("days", "Length of the run", "days"),
    Column("data_parallel", "Data parallel"),
    Column("tensor_parallel", "Tensor parallel"),
    Column("pipeline_parallel", "Pipeline parallel"),
    Column("microbatches", "Microbatches"),
    Column("binding", "Most of the step"),
    *(Column(f"share {name}", name, "%", 0.01, shown=False) for name in CAUSES),
)


@cache
def grid() -> GridFigure:
    """Utilization against the number of GPUs for several GPUs and widths, each at its best split."""
    runs: dict[tuple[str, ...], Runs] = {
        (gpu, f"{width}"): _runs(gpu, best_splits(gpu, width, 8, 25))
        for gpu in _GRID_GPUS
        for width in _GRID_WIDTHS
    }
    return GridFigure(
        name="one-step",
        title="One model on more and more GPUs",
        alt="Utilization against the number of GPUs, each at its fastest split",
        choices=(
            Choice("GPU", _GRID_GPUS),
            Choice("Width d_model", tuple(map(str, _GRID_WIDTHS))),
        ),
        columns=_COLUMNS,
        x=Axis("GPUs in the cluster", 2**8, 2**25, log=True),
        y=Axis("utilization", 0, 0.9, "%", 0.01),
        x_column="n_gpu",
        y_column="utilization",
        runs=runs,
        start=2**20,
        end_label="Largest cluster",
        lines="Width d_model",
        mix=Mix(
            "share of a step",
            "Share of a step by cause against the number of GPUs",
            tuple(f"share {name}" for name in CAUSES),
            colors=tuple(_COLOR_OF.values()),
        ),
        digits=5,
    )


def _runs(gpu: str, found: Mapping[int, TrainingStep]) -> Runs:
    steps = list(found.values())
    parts = [causes(step) for step in steps]
    return runs_of(
        Sweep.from_steps(GPUS[gpu], steps),
        [column.name for column in _COLUMNS],
        "From 2⁸ to 2²⁵ GPUs; clusters that are missing cannot hold or divide the model.",
        {},
        days=[step.run_s / 86400 for step in steps],
        **{f"share {name}": [part[name] for part in parts] for name in CAUSES},
    )
