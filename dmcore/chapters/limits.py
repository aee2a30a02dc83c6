"""Figures of the chapter on the two limits."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits as model
from dmcore.bottlenecks.critical_batch import (
    MICROBATCHES_PER_STAGE,
    REFERENCE_BATCH_TOKENS,
    REFERENCE_LAYERS,
)
from dmcore.chapters.common import (
    CONSTANTS,
    DATA_SHEET_GPUS,
    FLOP,
    compute_axis,
    gpu_menu,
    gpu_values,
    sliders,
)
from dmcore.evidence import training_runs
from dmcore.hardware.catalog import GPUS
from dmcore.show.colors import COLORS, INK, LIMITS, PARALLELISM, gpu_color
from dmcore.show.drawing import box, drawing
from dmcore.show.explorer import Axis, Band, Curve, Explorer
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_area, label_line, label_point
from dmcore.show.plots import SvgFigure, canvas

__all__ = ["alpha_explorer", "cluster", "needed_and_fed"]

_RUN = compute_axis(1e23, 1e34)
_GPUS = Axis("GPUs", 1, 1e14, "", log=True)


def needed_and_fed(gpu: str = "H100 SXM") -> SvgFigure:
    """GPUs that a three-month run needs and GPUs that it can keep busy, against its compute (FLOP).

    With constant batch and depth. Known runs, hollow if estimated, stand on the line of what they need.
    """
    critical, limit = model.critical_compute(gpu), model.latency_limit()
    flop = np.geomspace(_RUN.low, _RUN.high, 120) / FLOP
    needed, fed = (
        _cluster(expr, gpu, flop)
        for expr in (model.nodes_needed(), model.largest_cluster_of_compute())
    )
    (meeting,) = _cluster(model.nodes_needed(), gpu, np.array([critical]))
    told = ", ".join(
        f"{run.name} {readable(run.flop, 2)}" for run in training_runs.TRAINING_RUNS.values()
    )
    alt = (
        f"{gpu}s that a three-month run needs, and that it can keep busy, against its compute. The "
        f"lines meet at {readable(critical, 2)} FLOP and {readable(meeting, 2)} GPUs. Beyond, a part "
        f"of the GPUs waits. From {readable(limit, 2)} FLOP on no run ends in time. Known runs "
        f"are far to the left: {told} FLOP."
    )
    with canvas(alt, _RUN, _GPUS, height=4.2) as (axes, finish):
        for start, end, color, text in (
            (flop[0], critical, LIMITS["fine"], "fine"),
            (critical, limit, LIMITS["critical"], "wasteful"),
            (limit, flop[-1], LIMITS["latency"], "impos-\nsible"),
        ):
            axes.axvspan(start, end, color=color, alpha=0.13, linewidth=0)
            label_area(axes, [start, end], _GPUS.high / 1e3, _GPUS.high, text, color)
        axes.plot(flop, needed, color=COLORS[0])
        axes.plot(flop, fed, color=INK)
        label_line(axes, flop, needed, "needed", COLORS[0])
        label_line(axes, flop, fed, "can be\nkept busy", INK)
        axes.plot([critical], [meeting], "o", color=INK, markersize=5)
        heights = [_GPUS.low, _GPUS.high]
        for value, color in ((critical, LIMITS["critical"]), (limit, LIMITS["latency"])):
            axes.axvline(value, color=color, linestyle="--", linewidth=1.2)
            label_line(axes, [value, value], heights, readable(value, 2), color, rotation=90)
        for run in training_runs.TRAINING_RUNS.values():
            (gpus,) = _cluster(model.nodes_needed(), gpu, np.array([run.flop]))
            filling = "none" if run.estimated else COLORS[0]
            (dot,) = axes.plot([run.flop], [gpus], "o", color=COLORS[0], markersize=4)
            dot.set_markerfacecolor(filling)
            label_point(axes, run.flop, gpus, run.name.removesuffix(" 405B"), INK)
        return finish()


def cluster(gpu: str = "H100 SXM", grid: tuple[int, int] = (5, 18)) -> SvgFigure:
    """One cluster at the critical compute, opened level by level: replicas, stages, nodes, GPUs.

    Stages hold one layer each, and replicas are as many as the batch allows; ``grid`` says how the nodes
    that share a layer are arranged.
    """
    run, stages = model.cluster_at_limit(gpu), REFERENCE_LAYERS
    replicas = round(run["slices"] / stages)
    rows, columns = grid
    size = GPUS[gpu].node_size
    each = REFERENCE_BATCH_TOKENS / replicas
    microbatch = each / (MICROBATCHES_PER_STAGE * stages)
    same = f"all on the same {microbatch:.0f} tokens"
    levels = (
        (replicas, 1, "data", f"{replicas} replicas: {each:,.0f} tokens each"),
        (stages, 1, "pipeline", f"{stages} stages: a layer each, 2 × {microbatch:.0f} tokens"),
        (columns, rows, "tensor", f"{rows} × {columns} nodes: {same}"),
        (size, 1, "tensor", f"{size} GPUs: joined by NVLink"),
    )
    told = "; ".join(text for *_, text in levels)
    alt = (
        f"Four rows of boxes, in each of which one box is opened into the next row. From the top, {told}. "
        f"{replicas * stages * rows * columns * size:,} GPUs in all."
    )
    wide, pitch, tall = 10.0, 2.6, 0.62
    with drawing(alt, (-0.1, wide + 0.1), (-3 * pitch - 0.75, 0.9), 4.6) as (axes, finish):
        opened = None
        for level, (across, down, way, text) in enumerate(levels):
            high = -level * pitch
            width = min(wide / across, 1.2)
            deep = tall if down == 1 else tall * 2 / down
            left, bottom = (wide - width * across) / 2, high - deep * down
            if opened is not None:
                for corner, x in zip(opened[:2], (left, left + width * across), strict=True):
                    axes.plot([corner, x], [opened[2], high], color=INK, linewidth=0.6, alpha=0.55)
            chosen = across // 2
            for column, row in product(range(across), range(down)):
                here = column == chosen and row == down - 1
                place = left + column * width, bottom + (down - 1 - row) * deep
                strength = 0.85 if here else 0.25
                box(axes, place, (width, deep), PARALLELISM[way], alpha=strength, width=0.4)
            style: dict[str, Any] = {"va": "bottom", "ha": "center"}
            axes.text(wide / 2, high + 0.16, text, color=PARALLELISM[way], **style)
            opened = left + chosen * width, left + (chosen + 1) * width, bottom
        return finish()


def alpha_explorer() -> Explorer:
    """Both limits against alpha, with every other assumption on a slider."""
    return Explorer(
        name="limits",
        title="The two limits",
        alt=(
            "Both limits in FLOP against alpha: they rise slowly at first, then without bound towards "
            "1/2. Below the lower line GPUs can be kept busy, between the lines some wait, above the "
            "upper line no run ends in time"
        ),
        x_symbol="alpha",
        x=Axis("α, batch growth less depth growth", -0.15, 0.25),
        y=compute_axis(1e25, 1e38),
        curves=(
            *(
                Curve(
                    _critical(), name.removesuffix(" SXM"), gpu_values(name), True, gpu_color(name)
                )
                for name in DATA_SHEET_GPUS[:2]
            ),
            Curve(_critical(), "critical compute", color=LIMITS["critical"]),
            Curve(model.latency_macs(), "latency limit", color=LIMITS["latency"]),
        ),
        controls=(gpu_menu(), *sliders("F beta_hbm beta_net G w_P w_A ell b_0 L_0 r t")),
        bands=_bands(),
        readouts=_readouts(),
        constants=CONSTANTS,
    )


def _critical() -> sp.Expr:
    return model.critical_macs_of_hardware()


def _bands() -> tuple[Band, ...]:
    """Where GPUs wait, and where no run ends; with enough latency the first region is gone."""
    limit = model.latency_macs()
    return (
        Band("impossible", above=limit, color=LIMITS["latency"]),
        Band(
            "wasteful",
            above=sp.Min(_critical(), limit),
            below=limit,
            color=LIMITS["critical"],
        ),
    )


def _readouts() -> tuple[Number, ...]:
    (alpha,) = symbols("alpha")
    critical, limit = (macs.subs(alpha, 0) for macs in (_critical(), model.latency_macs()))
    return (
        Number("Critical compute at α = 0", critical, "FLOP", FLOP),
        Number("Latency limit at α = 0", limit, "FLOP", FLOP),
        Number("Limit over critical compute", limit / critical),
    )


def _cluster(expr: sp.Expr, gpu: str, flop: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """GPUs, from an expression of nodes in terms of T, for constant batch and depth."""
    known: dict[str, Any] = {**CONSTANTS, **model.node_rates(gpu), "T": flop * FLOP, "alpha": 0.0}
    nodes = evaluate(expr, {free.name: known[free.name] for free in expr.free_symbols})
    return np.asarray(nodes, dtype=float) * CONSTANTS["G"]
