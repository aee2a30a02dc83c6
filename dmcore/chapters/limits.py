"""Figures of the chapter on the two limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import limits as model
from dmcore.bottlenecks.critical_batch import (
    REFERENCE_BATCH_TOKENS,
    REFERENCE_COMPUTE,
    REFERENCE_LAYERS,
)
from dmcore.chapters.common import DATA_SHEET_GPUS, MONTH_S, gpu_menu, gpu_values, sliders
from dmcore.evidence import training_runs
from dmcore.show.explorer import Axis, Band, Curve, Explorer, Mark
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, label_line, scale_axis

__all__ = [
    "alpha_explorer",
    "duration_explorer",
    "needed_and_fed",
    "sensitivity",
]

_FLOP = 1 / FLOP_PER_MAC  # how many MAC one FLOP is
_NODE = 8
_GPU = 1 / _NODE  # how many nodes one GPU is
_RUN = Axis("training compute", 1e23 * _FLOP, 1e34 * _FLOP, "FLOP", _FLOP, log=True)
_GPUS = Axis("GPUs", 1, 1e14, "", log=True)
_LIMIT = Axis("training compute", 1e22 * _FLOP, 1e36 * _FLOP, "FLOP", _FLOP, log=True)
_CONSTANTS = {"T_0": REFERENCE_COMPUTE, "G": _NODE, "w_P": 2.0, "w_A": 2.0}


def needed_and_fed(gpu: str = "H100 SXM") -> SvgFigure:
    """GPUs that a three-month run needs and GPUs that it can keep busy, against its compute (FLOP).

    With constant batch and depth. Documented runs stand on the line of what they would need.
    """
    critical, limit = model.critical_compute(gpu), model.latency_limit()
    flop = np.geomspace(_RUN.low, _RUN.high, 120) / _FLOP
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
    with canvas(alt, height=4.2) as ((axes,), finish):
        scale_axis(axes, "x", _RUN)
        scale_axis(axes, "y", _GPUS)
        for start, end, color, text in (
            (flop[0], critical, COLORS[2], "fine"),
            (critical, limit, COLORS[1], "wasteful"),
            (limit, flop[-1], COLORS[3], "impos-\nsible"),
        ):
            axes.axvspan(start, end, color=color, alpha=0.13, linewidth=0)
            axes.annotate(
                text,
                (np.sqrt(start * end), 5e13),
                ha="center",
                va="top",
                color=color,
            )
        axes.plot(flop, needed, color=COLORS[0])
        axes.plot(flop, fed, color=INK)
        label_line(axes, flop, needed, "needed", COLORS[0], 0.66)
        axes.annotate(
            "can be\nkept busy",
            (flop[64], fed[64]),
            xytext=(2, -4),
            textcoords="offset points",
            va="top",
        )
        axes.plot([critical], [meeting], "o", color=INK, markersize=5)
        for value, color, height in ((critical, COLORS[1], 1e9), (limit, COLORS[3], 60)):
            axes.axvline(value, color=color, linestyle="--", linewidth=1.2)
            axes.annotate(
                f"{readable(value, 2)}",
                (value, height),
                xytext=(-5, 0),
                textcoords="offset points",
                rotation=90,
                ha="right",
                va="center",
                color=color,
            )
        for run in training_runs.TRAINING_RUNS.values():
            (gpus,) = _cluster(model.nodes_needed(), gpu, np.array([run.flop]))
            axes.plot([run.flop], [gpus], "o", color=COLORS[0], markersize=4)
            axes.annotate(
                run.name.removesuffix(" 405B"),
                (run.flop, gpus),
                xytext=(-6, 2) if run.name == "GPT-4" else (6, -2),
                textcoords="offset points",
                ha="right" if run.name == "GPT-4" else "left",
                va="bottom" if run.name == "GPT-4" else "top",
            )
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
    with canvas(alt, height=5.6, rows=2, sharex=True) as ((top, bottom), finish):
        for axes, low, high, title in (
            (top, 1e26, 1e33, "critical compute"),
            (bottom, 1e30, 1e37, "latency limit"),
        ):
            scale_axis(axes, "x", Axis("α, batch growth less depth growth", 0, 0.2))
            scale_axis(axes, "y", Axis(title, low, high, "FLOP", log=True))
            axes.set_xticks([0, 0.05, 0.1, 0.15, 0.2], ["0", "0.05", "0.1", "0.15", "0.2"])
        top.set_xlabel("")
        places = {"V100 SXM": (0.5, -4, "top"), "A100 SXM": (0.5, 6, "bottom")}
        for (name, ys), color in zip(critical.items(), COLORS, strict=False):
            top.plot(alpha, ys, color=color)
            at, up, side = places.get(name, (0.55, -6, "top"))
            index = round(at * (len(alpha) - 1))
            top.annotate(
                name.removesuffix(" SXM"),
                (alpha[index], ys[index]),
                xytext=(5 if side == "top" else -5, up),
                textcoords="offset points",
                ha="left" if side == "top" else "right",
                va=side,
                color=color,
            )
        bottom.plot(alpha, latency, color=COLORS[3])
        label_line(bottom, alpha, latency, "any GPU, 9 µs", COLORS[3], 0.6)
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
            Curve(_critical(), "critical compute", label_at=0.95),
            Curve(model.latency_macs(), "latency limit", label_at=0.95),
        ),
        controls=(
            gpu_menu(),
            *sliders("F beta_hbm beta_net ell alpha b_0 L_0"),
        ),
        bands=_bands(),
        marks=tuple(
            Mark(model.QUARTER_S, training_runs.TRAINING_RUNS[name].flop * _FLOP, name)
            for name in ("GPT-3", "Llama 3.1 405B")
        ),
        readouts=_readouts({"t": model.QUARTER_S}, "in three months"),
        constants={**_CONSTANTS, "r": model.TOKENS_PER_PARAMETER},
    )


def alpha_explorer() -> Explorer:
    """Both limits against alpha, for a GPU and a duration to choose."""
    return Explorer(
        name="limits-alpha",
        title="The limits and the batch law",
        alt="Both limits against alpha: they rise slowly at first, then without bound towards 1/2",
        x_symbol="alpha",
        x=Axis("α, batch growth less depth growth", 0, 0.35),
        y=Axis("training compute", 1e26 * _FLOP, 1e40 * _FLOP, "FLOP", _FLOP, log=True),
        curves=(
            *(
                Curve(_critical(), name.removesuffix(" SXM"), gpu_values(name), True, place)
                for name, place in zip(("V100 SXM", "A100 SXM"), (0.45, 0.6), strict=True)
            ),
            Curve(_critical(), "your GPU", label_at=0.98),
            Curve(model.latency_macs(), "latency limit", label_at=0.5),
        ),
        controls=(gpu_menu(), *sliders("F beta_hbm beta_net t ell b_0 L_0")),
        bands=_bands(),
        readouts=_readouts({"alpha": 0}, "at α = 0"),
        constants={**_CONSTANTS, "r": model.TOKENS_PER_PARAMETER},
    )


def _critical() -> sp.Expr:
    return model.critical_macs_of_hardware()


def _bands() -> tuple[Band, ...]:
    """Where GPUs wait, and where no run ends; with enough latency the first region is gone."""
    limit = model.latency_macs()
    return (
        Band("impossible", above=limit),
        Band("wasteful", above=sp.Min(_critical(), limit), below=limit),
    )


def _readouts(fixed: dict[str, float], where: str) -> tuple[Number, ...]:
    values = {symbols(name)[0]: value for name, value in fixed.items()}
    critical, limit = _critical().subs(values), model.latency_macs().subs(values)
    return (
        Number(f"Critical compute {where}", critical, "FLOP", _FLOP),
        Number(f"Latency limit {where}", limit, "FLOP", _FLOP),
        Number("Limit over critical compute", limit / critical),
    )


def _cluster(expr: sp.Expr, gpu: str, flop: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """GPUs, from an expression of nodes in terms of T, for constant batch and depth."""
    known: dict[str, Any] = {
        "T": flop * _FLOP,
        "t": model.QUARTER_S,
        "alpha": 0.0,
        "b_0": REFERENCE_BATCH_TOKENS,
        "L_0": REFERENCE_LAYERS,
        "T_0": REFERENCE_COMPUTE,
        "r": model.TOKENS_PER_PARAMETER,
        **model.node_rates(gpu),
    }
    nodes = evaluate(expr, {free.name: known[free.name] for free in expr.free_symbols})
    return np.asarray(nodes, dtype=float) / _GPU
