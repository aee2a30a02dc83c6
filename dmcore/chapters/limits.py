"""Figures of the chapter on the two limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits as model
from dmcore.chapters.common import (
    CONSTANTS,
    DATA_SHEET_GPUS,
    FLOP,
    MONTH_S,
    compute_axis,
    gpu_menu,
    gpu_values,
    sliders,
)
from dmcore.evidence import training_runs
from dmcore.show.colors import COLORS, INK, LIMITS, gpu_color
from dmcore.show.explorer import Axis, Band, Curve, Explorer, Mark
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_area, label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, panels, scale_axis

__all__ = [
    "alpha_explorer",
    "duration_explorer",
    "needed_and_fed",
    "sensitivity",
]

_RUN = compute_axis(1e23, 1e34)
_GPUS = Axis("GPUs", 1, 1e14, "", log=True)
_LIMIT = compute_axis(1e22, 1e36)


def needed_and_fed(gpu: str = "H100 SXM") -> SvgFigure:
    """GPUs that a three-month run needs and GPUs that it can keep busy, against its compute (FLOP).

    With constant batch and depth. Documented runs stand on the line of what they would need.
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
        f"of the GPUs waits. From {readable(limit, 2)} FLOP on no run ends in time. Documented runs "
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
            axes.plot([run.flop], [gpus], "o", color=COLORS[0], markersize=4)
            label_point(axes, run.flop, gpus, run.name.removesuffix(" 405B"), INK)
        return finish()


def sensitivity() -> SvgFigure:
    """Both limits (FLOP) against alpha: the critical compute of three GPUs, and the latency limit."""
    alpha = np.linspace(0, 0.2, 81)
    critical = {name: model.critical_compute(name, alpha) for name in DATA_SHEET_GPUS}
    latency = model.latency_limit(alpha)
    told = "; ".join(
        f"{name} {readable(ys[0])} to {readable(ys[-1])}" for name, ys in critical.items()
    )
    alt = (
        "Two panels against alpha from 0 to 0.2. Above, the critical compute in FLOP rises: "
        f"{told}. Below, the latency limit rises from {readable(latency[0], 2)} to "
        f"{readable(latency[-1], 2)} FLOP."
    )
    with panels(alt, 2, height=5.6, sharex=True) as ((top, bottom), finish):
        for axes, low, high, title in (
            (top, 1e26, 1e33, "critical compute"),
            (bottom, 1e30, 1e37, "latency limit"),
        ):
            scale_axis(axes, "x", Axis("α, batch growth less depth growth", 0, 0.2))
            scale_axis(axes, "y", Axis(title, low, high, "FLOP", log=True))
            axes.set_xticks([0, 0.05, 0.1, 0.15, 0.2], ["0", "0.05", "0.1", "0.15", "0.2"])
        top.set_xlabel("")
        for name, ys in critical.items():
            top.plot(alpha, ys, color=gpu_color(name))
            label_line(top, alpha, ys, name.removesuffix(" SXM"), gpu_color(name))
        bottom.plot(alpha, latency, color=LIMITS["latency"])
        label_line(bottom, alpha, latency, "any GPU, 9 µs", LIMITS["latency"])
        return finish()


def duration_explorer() -> Explorer:
    """Both limits against the duration of the run, with every assumption on a slider.

    The documented runs are drawn at three months, since most makers do not tell the duration.
    """
    return Explorer(
        name="limits",
        title="The two limits",
        alt=(
            "Training compute against the duration of a run: below the lower line GPUs can be kept "
            "busy, between the lines some wait, above the upper line no run ends in time. Documented "
            "runs are far below"
        ),
        x_symbol="t",
        x=Axis("duration of the run", MONTH_S / 2, 48 * MONTH_S, "months", MONTH_S, log=True),
        y=_LIMIT,
        curves=(
            Curve(_critical(), "critical compute", color=LIMITS["critical"]),
            Curve(model.latency_macs(), "latency limit", color=LIMITS["latency"]),
        ),
        controls=(
            gpu_menu(),
            *sliders("F beta_hbm beta_net ell alpha b_0 L_0"),
        ),
        bands=_bands(),
        marks=tuple(
            Mark(model.QUARTER_S, training_runs.TRAINING_RUNS[name].flop * FLOP, name)
            for name in ("GPT-3", "Llama 3.1 405B")
        ),
        readouts=_readouts({"t": model.QUARTER_S}, "in three months"),
        constants=CONSTANTS,
    )


def alpha_explorer() -> Explorer:
    """Both limits against alpha, for a GPU and a duration to choose."""
    return Explorer(
        name="limits-alpha",
        title="The limits and the batch law",
        alt="Both limits against alpha: they rise slowly at first, then without bound towards 1/2",
        x_symbol="alpha",
        x=Axis("α, batch growth less depth growth", 0, 0.35),
        y=compute_axis(1e26, 1e40),
        curves=(
            *(
                Curve(
                    _critical(), name.removesuffix(" SXM"), gpu_values(name), True, gpu_color(name)
                )
                for name in DATA_SHEET_GPUS[:2]
            ),
            Curve(_critical(), "your GPU", color=LIMITS["critical"]),
            Curve(model.latency_macs(), "latency limit", color=LIMITS["latency"]),
        ),
        controls=(gpu_menu(), *sliders("F beta_hbm beta_net t ell b_0 L_0")),
        bands=_bands(),
        readouts=_readouts({"alpha": 0}, "at α = 0"),
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


def _readouts(fixed: dict[str, float], where: str) -> tuple[Number, ...]:
    values = {symbols(name)[0]: value for name, value in fixed.items()}
    critical, limit = _critical().subs(values), model.latency_macs().subs(values)
    return (
        Number(f"Critical compute {where}", critical, "FLOP", FLOP),
        Number(f"Latency limit {where}", limit, "FLOP", FLOP),
        Number("Limit over critical compute", limit / critical),
    )


def _cluster(expr: sp.Expr, gpu: str, flop: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """GPUs, from an expression of nodes in terms of T, for constant batch and depth."""
    known: dict[str, Any] = {**CONSTANTS, **model.node_rates(gpu), "T": flop * FLOP, "alpha": 0.0}
    nodes = evaluate(expr, {free.name: known[free.name] for free in expr.free_symbols})
    return np.asarray(nodes, dtype=float) * CONSTANTS["G"]
