"""Figures of the chapter on training at scale, and of the landing page."""

from __future__ import annotations

import numpy as np
import sympy as sp

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import critical_batch, limits
from dmcore.bottlenecks.latency import MATMUL_LATENCY_S
from dmcore.bottlenecks.memory_bandwidth import arithmetic_rate
from dmcore.chapters.common import gpu_menu, sliders
from dmcore.evidence import training_runs
from dmcore.show.explorer import Axis, Curve, Explorer, Mark, Menu, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis
from dmcore.studies import growth

__all__ = ["cluster_explorer", "compute_by_year", "compute_scale", "year_explorer"]

_FLOP = 1 / FLOP_PER_MAC  # how many MAC one FLOP is
_COMPUTE = Axis("training compute", 1e22 * _FLOP, 1e34 * _FLOP, "FLOP", _FLOP, log=True)
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
        f"latency limit, {readable(bounds['limit'], 2)} FLOP, in {fast[1]:.1f} to {slow[1]:.1f}."
    )
    with canvas(alt, height=4.3) as ((axes,), finish):
        scale_axis(axes, "x", _YEAR)
        scale_axis(axes, "y", _COMPUTE)
        years = np.linspace(_ANCHOR.year, _YEAR.high, 60)
        slope = [
            _ANCHOR.flop * rate ** (years - _ANCHOR.year)
            for rate in (growth.SLOWEST_GROWTH, growth.FASTEST_GROWTH)
        ]
        axes.fill_between(years, slope[0], slope[1], color=COLORS[0], alpha=0.25, linewidth=0)
        axes.annotate(
            "4 to 5 times\na year", (2030.2, 1e30), va="center", ha="right", color=COLORS[0]
        )
        for run in _runs():
            axes.plot(
                [run.year], [run.flop], "o", color=INK, markersize=5, markerfacecolor=_filling(run)
            )
            left = run.estimated
            axes.annotate(
                f"{run.name}\n(estimate)" if run.estimated else run.name,
                (run.year, run.flop),
                xytext=(-7, 3) if left else (7, -3),
                textcoords="offset points",
                ha="right" if left else "left",
                va="bottom" if left else "top",
            )
        for (name, flop), color, early, late in zip(
            bounds.items(), (COLORS[1], COLORS[3]), fast, slow, strict=True
        ):
            axes.axhline(flop, color=color, linestyle="--")
            axes.plot([early, late], [flop, flop], color=color, linewidth=5, solid_capstyle="butt")
            text = "GPUs wait above" if name == "critical" else "no run ends above"
            axes.annotate(
                f"{text}\n{readable(flop, 2)} FLOP",
                (_YEAR.low, flop),
                xytext=(4, 4),
                textcoords="offset points",
                color=color,
            )
            axes.annotate(
                f"{early:.1f}\nto {late:.1f}",
                (late, flop),
                xytext=(6, -5),
                textcoords="offset points",
                va="top",
                color=color,
            )
        return finish()


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
    with canvas(alt, height=2.3) as ((axes,), finish):
        scale_axis(
            axes, "x", Axis("training compute of a three-month run", low, high, "FLOP", log=True)
        )
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        zones = (
            (low, critical, COLORS[2], "GPUs\ncan be\nkept busy"),
            (critical, limit, COLORS[1], "GPUs\nwait for\ndata"),
            (limit, high, COLORS[3], "no run\nends in\ntime"),
        )
        for start, end, color, text in zones:
            axes.axvspan(start, end, color=color, alpha=0.16, linewidth=0)
            axes.annotate(
                text,
                (start, 0.97),
                xytext=(5, 0),
                textcoords="offset points",
                va="top",
                color=color,
            )
        for flop, color in ((critical, COLORS[1]), (limit, COLORS[3])):
            axes.axvline(flop, color=color)
            axes.annotate(
                readable(flop, 2),
                (flop, 0.42),
                xytext=(5, 0),
                textcoords="offset points",
                va="top",
                color=color,
            )
        for run, height in zip(_runs(), (0.08, 0.2, 0.08, 0.32), strict=True):
            axes.plot(
                [run.flop], [height], "o", color=INK, markersize=5, markerfacecolor=_filling(run)
            )
            axes.annotate(
                run.name.removesuffix(" 405B"),
                (run.flop, height),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
            )
        return finish()


def year_explorer() -> Explorer:
    """Compute (FLOP) against the year, with growth, its anchor and the limits' assumptions to move."""
    critical, limit = limits.critical_macs(), limits.latency_macs()
    (T,) = symbols("T")
    reached = growth.year_reached()
    rates = limits.node_rates("H100 SXM")
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
            Curve(growth.compute_in_year(), "largest run", label_at=0.3),
            Curve(critical, "critical compute, H100", dashed=True, label_at=0.02),
            Curve(limit, "latency limit", dashed=True, label_at=0.02),
        ),
        controls=(Menu("Counted from", anchors, _ANCHOR.name), _GROWTH, *sliders("t alpha")),
        readouts=(
            Number("Critical compute", critical, "FLOP", _FLOP),
            Number("Latency limit", limit, "FLOP", _FLOP),
            Number(
                "Critical compute met, years after 2025 begins", reached.subs(T, critical) - 2025
            ),
            Number("Latency limit met, years after 2025 begins", reached.subs(T, limit) - 2025),
        ),
        marks=tuple(Mark(run.year, run.macs, "") for run in _runs()),
        constants={
            **rates,
            "ell": MATMUL_LATENCY_S,
            "b_0": critical_batch.REFERENCE_BATCH_TOKENS,
            "L_0": critical_batch.REFERENCE_LAYERS,
            "T_0": critical_batch.REFERENCE_COMPUTE,
            "r": limits.TOKENS_PER_PARAMETER,
        },
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
        x=Axis("training compute", 1e23 * _FLOP, 1e30 * _FLOP, "FLOP", _FLOP, log=True),
        y=Axis("GPUs", 10, 1e10, log=True),
        curves=(Curve(gpus, "GPUs", label_at=0.6),),
        controls=(gpu_menu("F"), *sliders("F t"), _UTILIZATION),
        readouts=(
            Number("For Llama 3.1 405B", gpus.subs(T, _ANCHOR.macs), "GPUs"),
            Number("For 10²⁸ FLOP", gpus.subs(T, 1e28 * _FLOP), "GPUs"),
        ),
    )


def _runs() -> tuple[training_runs.TrainingRun, ...]:
    return tuple(training_runs.TRAINING_RUNS.values())


def _filling(run: training_runs.TrainingRun) -> str:
    """A mark's inside: empty for an estimate."""
    return "none" if run.estimated else INK


def _bounds() -> dict[str, float]:
    """The two limits in FLOP: a run of three months on H100s, with no growth of the batch."""
    return {
        "critical": float(limits.critical_compute("H100 SXM")),
        "limit": float(limits.latency_limit()),
    }
