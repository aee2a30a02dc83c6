"""Figures of the chapter on training at scale, and of the landing page."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import sympy as sp
from matplotlib.axes import Axes

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits
from dmcore.bottlenecks.memory_bandwidth import arithmetic_rate
from dmcore.chapters.common import CONSTANTS, FLOP, compute_axis, gpu_menu, sliders
from dmcore.evidence import training_runs
from dmcore.show.colors import COLORS, INK, LIMITS
from dmcore.show.explorer import Axis, Curve, Explorer, Mark, Menu, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_area, label_line, label_point
from dmcore.show.plots import SvgFigure, canvas
from dmcore.studies import growth

__all__ = ["cluster_explorer", "compute_by_year", "compute_scale", "year_explorer"]

_COMPUTE = compute_axis(1e22, 1e34)
_YEAR = Axis("year", 2017, 2040)
_GROWTH = Slider("g", "Growth of compute in a year", 1.5, 10, 4.5)
_UTILIZATION = Slider("eta", "Utilization", 0.05, 1, 0.4, "%", 0.01)
_ANCHOR = training_runs.TRAINING_RUNS["Llama 3.1 405B"]


def compute_by_year() -> SvgFigure:
    """Training compute (FLOP) against the year: documented runs, their trend, and the two limits."""
    bounds = _bounds()
    slow, fast = (
        [float(growth.year_of_compute(flop, rate, _ANCHOR)) for flop in bounds.values()]
        for rate in (growth.SLOWEST_GROWTH, growth.FASTEST_GROWTH)
    )
    told = "; ".join(f"{run.name} {readable(run.flop, 2)} FLOP" for run in _runs())
    alt = (
        f"Training compute against the year, on a logarithmic scale. Runs: {told}. Growing 4 to 5 "
        f"times a year, compute meets the critical compute of the H100, "
        f"{readable(bounds['critical'], 2)} FLOP, in {fast[0]:.1f} to {slow[0]:.1f}, and the "
        f"latency limit, {readable(bounds['latency'], 2)} FLOP, in {fast[1]:.1f} to {slow[1]:.1f}."
    )
    with canvas(alt, _YEAR, _COMPUTE, height=4.3) as (axes, finish):
        years = np.linspace(_ANCHOR.year, _YEAR.high, 60)
        slope = [
            _ANCHOR.flop * rate ** (years - _ANCHOR.year)
            for rate in (growth.SLOWEST_GROWTH, growth.FASTEST_GROWTH)
        ]
        axes.fill_between(years, slope[0], slope[1], color=COLORS[0], alpha=0.25, linewidth=0)
        label_line(axes, years, slope[1], "4 to 5 times\na year", COLORS[0])
        for run in _runs():
            text = run.name + "\n(estimate)" * run.estimated
            _draw_run(axes, run, run.year, run.flop, text)
        for (name, flop), early, late in zip(bounds.items(), fast, slow, strict=True):
            color = LIMITS[name]
            axes.axhline(flop, color=color, linestyle="--")
            axes.plot([early, late], [flop, flop], color=color, linewidth=5, solid_capstyle="butt")
            text = "GPUs wait above" if name == "critical" else "no run ends above"
            level = [_YEAR.low, early], [flop, flop]
            label_line(axes, *level, f"{text}\n{readable(flop, 2)} FLOP", color)
            label_point(axes, late, flop, f"{early:.1f}\nto {late:.1f}", color)
        return finish()


def _draw_run(axes: Axes, run: training_runs.TrainingRun, x: float, y: float, text: str) -> None:
    """A documented run, whose mark is empty if it is an estimate."""
    filling = "none" if run.estimated else INK
    axes.plot([x], [y], "o", color=INK, markersize=5, markerfacecolor=filling)
    label_point(axes, x, y, text, INK)


def compute_scale() -> SvgFigure:
    """One axis of training compute (FLOP), split at the two limits, with documented runs on it."""
    bounds = _bounds()
    critical, limit = bounds.values()
    low, high = 1e23, 1e34
    told = ", ".join(f"{run.name} {readable(run.flop, 2)}" for run in _runs())
    alt = (
        f"A scale of training compute in FLOP. Up to {readable(critical, 2)} a cluster of H100s can "
        f"be kept busy; up to {readable(limit, 2)} a run ends in three months, but wastes GPUs; "
        f"beyond, no run ends in time. On the scale: {told}."
    )
    x = Axis("training compute of a three-month run", low, high, "FLOP", log=True)
    with canvas(alt, x, Axis("", 0, 1), height=2.3) as (axes, finish):
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        zones = (
            (low, critical, LIMITS["fine"], "GPUs\ncan be\nkept busy"),
            (critical, limit, LIMITS["critical"], "GPUs\nwait for\ndata"),
            (limit, high, LIMITS["latency"], "no run\nends in\ntime"),
        )
        for start, end, color, text in zones:
            axes.axvspan(start, end, color=color, alpha=0.16, linewidth=0)
            label_area(axes, [start, end], 0.5, 1, text, color)
        for name, flop in bounds.items():
            axes.axvline(flop, color=LIMITS[name])
            label_line(axes, [flop, flop], [0, 0.5], readable(flop, 2), LIMITS[name])
        heights = cycle((0.08, 0.2, 0.08, 0.32))
        for run, height in zip(_runs(), heights, strict=False):
            _draw_run(axes, run, run.flop, height, run.name.removesuffix(" 405B"))
        return finish()


def year_explorer() -> Explorer:
    """Compute (FLOP) against the year, with growth, its anchor and the limits' assumptions to move."""
    critical, limit = limits.critical_macs(), limits.latency_macs()
    (T,) = symbols("T")
    reached = growth.year_reached()
    anchors = {run.name: {"T_1": run.macs, "y_1": run.year} for run in _runs()}
    return Explorer(
        name="compute-by-year",
        title="When growth meets the limits",
        alt="Training compute grows along a straight line on a logarithmic scale and crosses two "
        "level lines, the critical compute and the latency limit",
        x_symbol="y",
        x=_YEAR,
        y=_COMPUTE,
        curves=(
            Curve(growth.compute_in_year(), "largest run"),
            Curve(critical, "critical compute, H100", dashed=True, color=LIMITS["critical"]),
            Curve(limit, "latency limit", dashed=True, color=LIMITS["latency"]),
        ),
        controls=(Menu("Counted from", anchors, _ANCHOR.name), _GROWTH, *sliders("t alpha")),
        readouts=(
            Number("Critical compute", critical, "FLOP", FLOP),
            Number("Latency limit", limit, "FLOP", FLOP),
            Number(
                "Critical compute met, years after 2025 begins", reached.subs(T, critical) - 2025
            ),
            Number("Latency limit met, years after 2025 begins", reached.subs(T, limit) - 2025),
        ),
        marks=tuple(Mark(run.year, run.macs, "") for run in _runs()),
        constants={**CONSTANTS, **limits.node_rates("H100 SXM")},
    )


def cluster_explorer() -> Explorer:
    """GPUs against training compute (FLOP), with the GPU, the duration and the utilization to move."""
    T, C, G = symbols("T C G")
    gpus = sp.simplify(G * training_runs.busy_nodes().subs(C, arithmetic_rate()))
    return Explorer(
        name="cluster-size",
        title="GPUs that a run needs",
        alt="The number of GPUs rises in proportion to training compute",
        x_symbol="T",
        x=compute_axis(1e23, 1e30),
        y=Axis("GPUs", 10, 1e10, log=True),
        curves=(Curve(gpus, "GPUs"),),
        controls=(gpu_menu("F"), *sliders("F t"), _UTILIZATION),
        readouts=(
            Number("For Llama 3.1 405B", gpus.subs(T, _ANCHOR.macs), "GPUs"),
            Number("For 10²⁸ FLOP", gpus.subs(T, 1e28 * FLOP), "GPUs"),
        ),
    )


def _runs() -> tuple[training_runs.TrainingRun, ...]:
    return tuple(training_runs.TRAINING_RUNS.values())


def _bounds() -> dict[str, float]:
    """The two limits in FLOP: a run of three months on H100s, with no growth of the batch."""
    return {
        "critical": float(limits.critical_compute("H100 SXM")),
        "latency": float(limits.latency_limit()),
    }
