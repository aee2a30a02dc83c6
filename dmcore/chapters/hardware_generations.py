"""Figures of the chapter on hardware before and after the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits
from dmcore.chapters.common import CONSTANTS, FLOP, SLIDERS, compute_axis, sliders
from dmcore.evidence import training_runs
from dmcore.hardware.variants import with_node
from dmcore.show.colors import COLORS, INK, LIMITS, STATUS
from dmcore.show.drawing import box
from dmcore.show.explorer import Axis, Curve, Explorer, Mark, Menu, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, panels, rows_axis, scale_axis
from dmcore.simulator.ends import End
from dmcore.studies import generations as model
from dmcore.studies import growth
from dmcore.studies.generations import GENERATIONS

__all__ = [
    "FIELDS",
    "across_years",
    "halved_and_doubled",
    "limit_year_explorer",
    "node_sizes",
    "steps",
    "where_figures_are_from",
]

#: The figures of an accelerator that matter most to the limits, in words, by their field.
FIELDS: Mapping[str, str] = {
    "hbm_bytes_per_s": "memory bandwidth",
    "network[0]": "network in the node",
    "network[1]": "network beyond it",
    "efficiency": "efficiency",
    "l2_bytes_per_s": "L2 bandwidth",
    "register_bytes_per_block": "registers",
    "matmul_latency_s": "latencies",
}


def across_years() -> SvgFigure:
    """Training compute (FLOP) against the year: where each generation ends, and the largest runs.

    A bar is the range of the simulator's end, a ring is the closed form at alpha = 0.
    """
    spans = {name: generation.end for name, generation in GENERATIONS.items()}
    told = "; ".join(
        f"{name} ({GENERATIONS[name].year}) {span}, "
        f"closed form {readable(GENERATIONS[name].critical_flop, 2)}"
        for name, span in spans.items()
    )
    documented = (model.ALEXNET, *training_runs.TRAINING_RUNS.values())
    alt = (
        "Training compute in FLOP against the year. The limit of each generation, as the simulator "
        f"finds it: {told}. The largest runs, far below and rising faster: "
        + ", ".join(f"{run.name} {readable(run.flop, 2)}" for run in documented)
        + "."
    )
    y = Axis("training compute", 1e17, 1e33, "FLOP", log=True)
    with canvas(alt, Axis("year", 2009, 2029.5), y, height=5.2) as (axes, finish):
        axes.set_xticks([2010, 2015, 2020, 2025])
        years = np.array([model.ALEXNET.year, model.LAST_RUN.year, 2027.0])
        largest = [model.largest_run_in(year) for year in years]
        axes.plot(years[:2], largest[:2], color=COLORS[0])
        axes.plot(years[1:], largest[1:], color=COLORS[0], linestyle=":")
        text = f"largest runs:\n{model.trend():.1f} times a year"
        label_line(axes, years[:2], largest[:2], text, COLORS[0])
        for run in documented:
            axes.plot([run.year], [run.flop], "o", color=COLORS[0], markersize=4)
        for run in (model.ALEXNET, model.LAST_RUN):
            label_point(axes, run.year, run.flop, run.name.removesuffix(" 405B"), COLORS[0])
        limit = limits.latency_limit()
        axes.axhline(limit, color=LIMITS["latency"], linestyle="--", linewidth=1.2)
        label_line(axes, [2009, 2029], [limit, limit], "latency limit", LIMITS["latency"])
        for name, span in spans.items():
            tpu = name.startswith("TPU")  # drawn to the right of the others of its year
            year, color = GENERATIONS[name].year + 0.45 * tpu, COLORS[2 if tpu else 1]
            axes.plot([year, year], span.span, color=color, linewidth=6, solid_capstyle="round")
            closed = GENERATIONS[name].critical_flop
            axes.plot([year], [closed], "o", color=INK, markersize=5, fillstyle="none")
            middle = float(np.sqrt(np.prod(span.span)))
            if name in _BESIDE:
                _name_beside(axes, (year, middle), name, color)
            else:
                label_point(axes, year, middle, _short(name), color)
        return finish()


#: Where the names of the crowded years stand: year, FLOP; at the side they are in the order of their bars.
_BESIDE = {
    "H100 SXM": (2022.0, 5e27),
    "H200 SXM": (2022.9, 2.5e30),
    "TPU v5p": (2026.0, 7e30),
    "GB200 NVL72": (2026.0, 1.3e30),
    "TPU v6e": (2026.0, 2.2e29),
    "B200 HGX": (2026.0, 2.3e28),
}


def _name_beside(axes: Axes, bar: tuple[float, float], name: str, color: str) -> None:
    """Name a bar away from the others, with a thin line to it."""
    axes.annotate(
        _short(name),
        bar,
        _BESIDE[name],
        color=color,
        ha="left" if _BESIDE[name][0] > bar[0] + 1 else "center",
        va="center",
        arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8},
    )


def where_figures_are_from() -> SvgFigure:
    """Which figures of each accelerator are from a data sheet, measured, or assumed: a letter each."""
    counts = {
        name: sum(generation.status[field] == "assumption" for field in FIELDS)
        for name, generation in GENERATIONS.items()
    }
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    alt = (
        "A table of letters: for each accelerator and each of seven figures D for data sheet, M for "
        f"measured or A for assumed. Assumed figures of seven: {told}. Peak arithmetic is from a data "
        "sheet everywhere."
    )
    with canvas(alt, height=4.6) as (axes, finish):
        axes.set_xlim(-0.6, len(FIELDS) - 0.4)
        axes.set_ylim(len(GENERATIONS) + 0.4, -0.6)
        for row, generation in enumerate(GENERATIONS.values()):
            for column, field in enumerate(FIELDS):
                status = generation.status[field]
                corner = (column - 0.44, row - 0.4)
                box(axes, corner, (0.88, 0.8), STATUS[status], alpha=0.16, width=0)
                axes.text(
                    column,
                    row,
                    status[0].upper(),
                    ha="center",
                    va="center",
                    color=STATUS[status],
                )
        axes.set_yticks(range(len(GENERATIONS)), list(GENERATIONS))
        axes.set_xticks(range(len(FIELDS)), list(FIELDS.values()), rotation=55, ha="left")
        axes.xaxis.tick_top()
        for (status, color), at in zip(STATUS.items(), (-0.4, 2.1, 4.4), strict=True):
            text = f"{status[0].upper()} {status.replace('assumption', 'assumed')}"
            axes.text(at, len(GENERATIONS), text, va="center", color=color)
        axes.tick_params(length=0)
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return finish()


def steps(names: tuple[str, ...]) -> SvgFigure:
    """From each generation to the next: powers of ten by which each part moves T_crit (alpha = 0)."""
    pairs = list(pairwise(names))
    found = {f"{_short(old)} → {_short(new)}": model.factors(old, new) for old, new in pairs}
    told = "; ".join(
        f"{pair}: "
        + ", ".join(f"{part} {np.log10(by):+.1f}" for part, by in parts.items() if by != 1)
        + f", together {np.log10(np.prod(list(parts.values()))):+.1f}"
        for pair, parts in found.items()
    )
    alt = f"Powers of ten by which each part of the hardware moves the critical compute. {told}."
    x = Axis("change of T_crit", -9.5, 9.5, "powers of ten")
    with canvas(alt, x, height=0.9 + 0.95 * len(pairs)) as (axes, finish):
        rows_axis(axes, list(found), below=0.55, names=False)
        axes.axvline(0, color=INK, linewidth=0.8)
        for row, (pair, parts) in enumerate(found.items()):
            _draw_parts(axes, row, parts)
            total = float(np.log10(np.prod(list(parts.values()))))
            axes.plot([total], [row + 0.13], "D", color=INK, markersize=6)
            text = f"{pair}: {readable(10**total, 2)} times"
            axes.text(0, row - 0.2, text, ha="center", va="center")
        return finish()


def _draw_parts(axes: Axes, row: int, parts: Mapping[str, float]) -> None:
    """Bars that add up to each side of no change; named in the first row, or if they are rare."""
    ends = {1: 0.0, -1: 0.0}
    for (part, by), color in zip(parts.items(), COLORS, strict=False):
        decades = float(np.log10(by))
        if abs(decades) < 0.02:
            continue
        side = 1 if decades > 0 else -1
        axes.barh(row + 0.13, decades, left=ends[side], height=0.3, color=color, alpha=0.75)
        if row == 0 or part in ("word", "node"):
            label_point(axes, ends[side] + decades / 2, row + 0.28, part, color)
        ends[side] += decades


def node_sizes(gpu_name: str, sizes: tuple[int, ...]) -> SvgFigure:
    """End of linear scaling (FLOP) against the GPUs in a node: the simulator's bars, and the closed form."""
    gpu = GENERATIONS[gpu_name].gpu
    spans = {size: model.linear_scaling(with_node(gpu, size)) for size in sizes}
    closed = [limits.critical_compute(with_node(gpu, size)) for size in sizes]
    told = "; ".join(
        f"{size} GPUs: {span}, closed form {readable(flop, 2)}"
        for (size, span), flop in zip(spans.items(), closed, strict=True)
    )
    alt = f"End of linear scaling of {gpu_name} in FLOP against the GPUs in a node. {told}."
    x = Axis("GPUs in a node", sizes[0] / 1.6, sizes[-1] * 1.6, log=True)
    y = Axis("linear scaling ends", 1e27, 1e32, "FLOP", log=True)
    with canvas(alt, x, y) as (axes, finish):
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.plot(sizes, closed, "o-", color=COLORS[0], fillstyle="none")
        label_line(axes, sizes, closed, "closed form", COLORS[0])
        for size, span in spans.items():
            axes.plot(
                [size, size],
                span.span,
                color=COLORS[1],
                linewidth=6,
                solid_capstyle="round",
            )
        label_line(axes, sizes, [span.span[0] for span in spans.values()], "simulator", COLORS[1])
        return finish()


def halved_and_doubled(names: tuple[str, ...]) -> SvgFigure:
    """End of linear scaling (FLOP) with one figure halved and doubled, a panel to an accelerator.

    The band is the end with the preset as it is.
    """
    spans = {
        (name, what, factor): model.linear_scaling(
            model.changed(GENERATIONS[name].gpu, what, factor)
        )
        for name in names
        for what in model.CHANGES
        for factor in (0.5, 2.0)
    }
    told = "; ".join(
        f"{name} with {'half' if factor < 1 else 'twice'} the {what}: {span}"
        for (name, what, factor), span in spans.items()
    )
    alt = f"Where linear scaling ends, in FLOP, if one figure is halved or doubled. {told}."
    with panels(alt, len(names), height=0.6 + 1.85 * len(names), sharex=True) as (each, finish):
        for axes, name in zip(each, names, strict=True):
            title = "linear scaling ends" if axes is each[-1] else ""
            scale_axis(axes, "x", Axis(title, 1e23, 1e31, "FLOP" if title else "", log=True))
            axes.axvspan(*GENERATIONS[name].end.span, color=INK, alpha=0.16, linewidth=0)
            axes.set_title(name, loc="left")
            rows_axis(axes, list(model.CHANGES), above=0.5, below=0.5)
            for row, what in enumerate(model.CHANGES):
                for factor, color, offset in ((0.5, COLORS[3], -0.17), (2.0, COLORS[0], 0.17)):
                    _bar(axes, spans[name, what, factor], row + offset, color)
        first = spans[names[0], next(iter(model.CHANGES)), 0.5], COLORS[3], "halved", -0.17
        second = spans[names[0], next(iter(model.CHANGES)), 2.0], COLORS[0], "doubled", 0.17
        for span, color, text, offset in (first, second):
            label_point(each[0], span.span[1], offset, text, color)
        return finish()


def limit_year_explorer() -> Explorer:
    """Compute (FLOP) against the year: when the largest run meets the limits of an accelerator."""
    T, T_1, y_1 = symbols("T T_1 y_1")
    critical, limit = limits.critical_macs_of_hardware(), limits.latency_macs()
    reached = growth.year_reached()
    size = Slider("G", "GPUs in a node", 1, 10000, 8, log=True)
    peak = replace(SLIDERS["F"], low=1e12 * FLOP)
    rate = Slider("g", "Growth of compute in a year", 1.5, 10, 4.5)
    return Explorer(
        name="hardware-generations",
        title="When runs meet the limits",
        alt=(
            "Training compute against the year: the largest run grows by a factor each year and "
            "crosses the critical compute of the chosen accelerator, then the latency limit"
        ),
        x_symbol="y",
        x=Axis("year", 2012, 2045),
        y=compute_axis(1e16, 1e35),
        curves=(
            Curve(growth.compute_in_year(), "largest run"),
            Curve(critical, "critical compute", dashed=True, color=LIMITS["critical"]),
            Curve(limit, "latency limit", dashed=True, color=LIMITS["latency"]),
        ),
        controls=(
            Menu(
                "Accelerator",
                {name: generation.symbols for name, generation in GENERATIONS.items()},
                "GB200 NVL72",
            ),
            rate,
            peak,
            *sliders("beta_hbm beta_net"),
            size,
            *sliders("alpha"),
        ),
        readouts=(
            Number("Critical compute", critical, "FLOP", FLOP),
            Number(
                "Critical compute met, years after 2025 begins", reached.subs(T, critical) - 2025
            ),
            Number("Latency limit", limit, "FLOP", FLOP),
            Number("Latency limit met, years after 2025 begins", reached.subs(T, limit) - 2025),
        ),
        marks=(
            Mark(model.ALEXNET.year, model.ALEXNET.macs, "AlexNet"),
            *(Mark(run.year, run.macs, "") for run in training_runs.TRAINING_RUNS.values()),
        ),
        constants={**CONSTANTS, T_1.name: model.LAST_RUN.macs, y_1.name: model.LAST_RUN.year},
    )


def _short(name: str) -> str:
    return name if name.startswith(("GTX", "TPU")) else name.split(" ")[0]


def _bar(axes: Axes, span: End, row: float, color: str) -> None:
    # A span of a few percent would be no more than a hair, so its ends are round.
    axes.plot(span.span, [row, row], color=color, linewidth=5, solid_capstyle="round")
