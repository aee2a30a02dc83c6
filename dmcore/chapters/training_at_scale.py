"""Figures of the chapter on training at scale, and of the front page."""

from __future__ import annotations

import numpy as np
import sympy as sp
from matplotlib.axes import Axes

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits, memory_bandwidth, network
from dmcore.chapters.common import CONSTANTS, FLOP, compute_axis, gpu_menu, sliders
from dmcore.evidence import training_runs
from dmcore.show.colors import COLORS, INK, LIMITS
from dmcore.show.explorer import Axis, Band, Curve, Explorer, Mark, Menu, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_line, label_point
from dmcore.show.plots import SvgFigure, canvas
from dmcore.studies import growth

__all__ = ["cluster_explorer", "compute_by_year", "year_explorer"]

_COMPUTE = compute_axis(1e22, 1e34)
_YEAR = Axis("year", 2017, 2040)
_GROWTH = Slider("g", "Growth of compute in a year", 1.5, 10, 4.5)
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
    """GPUs that a run needs and GPUs that it can keep busy against its compute (FLOP).

    Documented runs are marked at the foot, since most makers do not tell all that their place needs.
    """
    C, G, a, n = symbols("C G a n")
    of_hardware = {
        C: memory_bandwidth.arithmetic_rate(),
        n: memory_bandwidth.nanobatch_of_hardware(),
        a: network.shard_side_of_hardware(),
    }
    needed, fed = (
        sp.simplify(G * nodes.subs(of_hardware))
        for nodes in (limits.nodes_needed(), limits.largest_cluster_of_compute())
    )
    critical, limit = limits.critical_macs_of_hardware(), limits.latency_macs()
    return Explorer(
        name="cluster-size",
        title="GPUs that a run needs, and GPUs that it can keep busy",
        alt="The GPUs that a run needs rise in proportion to its compute; those that it can keep busy "
        "rise more slowly. Where the lines cross, GPUs begin to wait",
        x_symbol="T",
        x=compute_axis(1e23, 1e34),
        y=Axis("GPUs", 1, 1e12, log=True),
        curves=(Curve(needed, "needed"), Curve(fed, "can be kept busy", color=COLORS[2])),
        controls=(gpu_menu(), *sliders("t alpha L_0 beta_net ell")),
        bands=(
            Band("GPUs wait", sp.Min(critical, limit), limit, True, color=LIMITS["critical"]),
            Band("no run ends", above=limit, vertical=True, color=LIMITS["latency"]),
        ),
        marks=tuple(
            Mark(run.macs, 3.0, run.name.removesuffix(" 405B"))
            for run in _runs()
            if run.name not in ("PaLM", "GPT-4")
        ),
        readouts=(
            Number("GPUs begin to wait above", critical, "FLOP", FLOP),
            Number("No run ends in time above", limit, "FLOP", FLOP),
        ),
        constants=CONSTANTS,
    )


def _runs() -> tuple[training_runs.TrainingRun, ...]:
    return (*training_runs.TRAINING_RUNS.values(), training_runs.LARGEST_ESTIMATE)


def _bounds() -> dict[str, float]:
    """The two limits in FLOP: a run of three months on H100s, with no growth of the batch."""
    return {
        "critical": float(limits.critical_compute("H100 SXM")),
        "latency": float(limits.latency_limit()),
    }
