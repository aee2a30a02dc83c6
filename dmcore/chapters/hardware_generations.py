"""Figures of the chapter on hardware before and after the paper's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import critical_batch, limits
from dmcore.bottlenecks.latency import MATMUL_LATENCY_S
from dmcore.chapters import sweeps
from dmcore.chapters.common import SLIDERS, sliders
from dmcore.evidence import training_runs
from dmcore.hardware.variants import with_node
from dmcore.show.explorer import Axis, Curve, Explorer, Mark, Menu, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis
from dmcore.simulator.ends import Bracket
from dmcore.studies import generations as model
from dmcore.studies import growth
from dmcore.studies.generations import GENERATIONS

__all__ = [
    "FIELDS",
    "across_years",
    "halved_and_doubled",
    "limit_year_explorer",
    "node_sizes",
    "own_generation",
    "own_generation_choices",
    "steps",
    "where_figures_are_from",
]

_FLOP = 1 / FLOP_PER_MAC  # how many MAC one FLOP is
_NVIDIA, _TPU = COLORS[1], COLORS[2]

#: Where the label of a generation stands in the first picture: offset in points, and alignment.
_PLACES: Mapping[str, tuple[str, float, float, str]] = {
    "GTX 580": ("GTX 580", 8, -3, "left"),
    "V100 SXM": ("V100", -7, -3, "right"),
    "A100 SXM": ("A100", -7, -3, "right"),
    "H100 SXM": ("H100, H200", 10, -24, "right"),
    "TPU v4": ("TPU v4, v5p, v6e", -7, -3, "right"),
    "B200 HGX": ("B200", 9, -4, "left"),
    "GB200 NVL72": ("GB200", 12, -9, "left"),
}

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
_STATUS_COLORS = {"data sheet": COLORS[2], "measured": COLORS[0], "assumption": COLORS[1]}


def across_years() -> SvgFigure:
    """Training compute (FLOP) against the year: where each generation ends, and the largest runs.

    A bar spans the two crossings of the simulator, a ring is the closed form at alpha = 0.
    """
    spans = {name: generation.end for name, generation in GENERATIONS.items()}
    told = "; ".join(
        f"{name} ({GENERATIONS[name].year}) {readable(span.low, 2)} to {readable(span.high, 2)}, "
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
    with canvas(alt, height=5.2) as ((axes,), finish):
        scale_axis(axes, "x", Axis("year", 2009, 2028.5))
        scale_axis(axes, "y", Axis("training compute", 1e17, 1e33, "FLOP", log=True))
        axes.set_xticks([2010, 2015, 2020, 2025])
        years = np.array([model.ALEXNET.year, model.LAST_RUN.year, 2027.0])
        largest = [model.largest_run_in(year) for year in years]
        axes.plot(years[:2], largest[:2], color=COLORS[0])
        axes.plot(years[1:], largest[1:], color=COLORS[0], linestyle=":")
        axes.annotate(
            f"largest runs:\n{model.trend():.1f} times a year",
            (2016.5, model.largest_run_in(2016.5)),
            xytext=(9, -6),
            textcoords="offset points",
            va="top",
            color=COLORS[0],
        )
        for run in documented:
            axes.plot([run.year], [run.flop], "o", color=COLORS[0], markersize=4)
        for run in (model.ALEXNET, model.LAST_RUN):
            axes.annotate(
                run.name.removesuffix(" 405B"),
                (run.year, run.flop),
                xytext=(7, -3),
                textcoords="offset points",
                va="top",
                color=COLORS[0],
            )
        limit = limits.latency_limit()
        axes.axhline(limit, color=COLORS[3], linestyle="--", linewidth=1.2)
        axes.annotate(
            "latency limit",
            (2009.2, limit),
            xytext=(0, 3),
            textcoords="offset points",
            color=COLORS[3],
        )
        for name, span in spans.items():
            generation = GENERATIONS[name]
            tpu = name.startswith("TPU")
            year, color = generation.year + 0.45 * tpu, _TPU if tpu else _NVIDIA
            axes.plot(
                [year, year],
                [span.low, span.high],
                color=color,
                linewidth=6,
                solid_capstyle="round",
            )
            axes.plot(
                [year], [generation.critical_flop], "o", color=INK, markersize=5, fillstyle="none"
            )
            if name in _PLACES:
                text, right, up, side = _PLACES[name]
                axes.annotate(
                    text,
                    (year, span.middle),
                    xytext=(right, up),
                    textcoords="offset points",
                    ha=side,
                    color=color,
                )
        return finish()


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
    with canvas(alt, height=4.6) as ((axes,), finish):
        axes.set_xlim(-0.6, len(FIELDS) - 0.4)
        axes.set_ylim(len(GENERATIONS) + 0.4, -0.6)
        for row, generation in enumerate(GENERATIONS.values()):
            for column, field in enumerate(FIELDS):
                status = generation.status[field]
                color = _STATUS_COLORS[status]
                axes.add_patch(_cell(column, row, color))
                axes.annotate(
                    status[0].upper(), (column, row), ha="center", va="center", color=color
                )
        axes.set_yticks(range(len(GENERATIONS)), list(GENERATIONS))
        axes.set_xticks(range(len(FIELDS)), list(FIELDS.values()), rotation=55, ha="left")
        axes.xaxis.tick_top()
        for text, color, at in (
            ("D data sheet", _STATUS_COLORS["data sheet"], -0.4),
            ("M measured", _STATUS_COLORS["measured"], 2.1),
            ("A assumed", _STATUS_COLORS["assumption"], 4.4),
        ):
            axes.annotate(text, (at, len(GENERATIONS)), va="center", color=color)
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
    height = 0.9 + 0.95 * len(pairs)
    with canvas(alt, height=height) as ((axes,), finish):
        scale_axis(axes, "x", Axis("change of T_crit", -9.5, 9.5, "powers of ten"))
        axes.set_ylim(len(pairs) - 0.45, -0.6)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", visible=False)
        axes.axvline(0, color=INK, linewidth=0.8)
        for row, (pair, parts) in enumerate(found.items()):
            ends = {1: 0.0, -1: 0.0}
            for (part, by), color in zip(parts.items(), COLORS, strict=False):
                decades = float(np.log10(by))
                if abs(decades) < 0.02:
                    continue
                side = 1 if decades > 0 else -1
                axes.barh(row + 0.13, decades, left=ends[side], height=0.3, color=color, alpha=0.75)
                if part == "word":
                    axes.annotate(
                        part,
                        (ends[side] + decades, row + 0.13),
                        xytext=(4, 0),
                        textcoords="offset points",
                        va="center",
                        color=color,
                    )
                elif row == 0 or part == "node":
                    axes.annotate(
                        part,
                        (ends[side] + decades / 2, row + 0.42),
                        ha="center",
                        va="center",
                        color=color,
                    )
                ends[side] += decades
            total = float(np.log10(np.prod(list(parts.values()))))
            axes.plot([total], [row + 0.13], "D", color=INK, markersize=6)
            axes.annotate(
                f"{pair}: {readable(10**total, 2)} times",
                (0, row - 0.2),
                ha="center",
                va="center",
            )
        return finish()


def node_sizes(gpu_name: str, sizes: tuple[int, ...]) -> SvgFigure:
    """End of linear scaling (FLOP) against the GPUs in a node: the simulator's bars, and the closed form."""
    gpu = GENERATIONS[gpu_name].gpu
    spans = {size: model.linear_scaling(with_node(gpu, size)) for size in sizes}
    closed = [limits.critical_compute(with_node(gpu, size)) for size in sizes]
    told = "; ".join(
        f"{size} GPUs: {readable(span.low, 2)} to {readable(span.high, 2)}, closed form "
        f"{readable(flop, 2)}"
        for (size, span), flop in zip(spans.items(), closed, strict=True)
    )
    alt = f"End of linear scaling of {gpu_name} in FLOP against the GPUs in a node. {told}."
    with canvas(alt) as ((axes,), finish):
        scale_axis(axes, "x", Axis("GPUs in a node", sizes[0] / 1.6, sizes[-1] * 1.6, log=True))
        axes.set_xticks(sizes, [str(size) for size in sizes])
        scale_axis(axes, "y", Axis("linear scaling ends", 1e27, 1e32, "FLOP", log=True))
        axes.plot(sizes, closed, "o-", color=COLORS[0], fillstyle="none")
        axes.annotate(
            "closed form",
            (sizes[-2], closed[-2]),
            xytext=(-8, 4),
            textcoords="offset points",
            ha="right",
            color=COLORS[0],
        )
        for size, span in spans.items():
            axes.plot(
                [size, size],
                [span.low, span.high],
                color=_NVIDIA,
                linewidth=6,
                solid_capstyle="round",
            )
        axes.annotate(
            "simulator",
            (sizes[-2], spans[sizes[-2]].low),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
            color=_NVIDIA,
        )
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
        f"{name} with {'half' if factor < 1 else 'twice'} the {what}: {readable(span.low, 2)} to "
        f"{readable(span.high, 2)}"
        for (name, what, factor), span in spans.items()
    )
    alt = f"Where linear scaling ends, in FLOP, if one figure is halved or doubled. {told}."
    with canvas(alt, height=0.6 + 1.85 * len(names), rows=len(names), sharex=True) as (
        panels,
        finish,
    ):
        for axes, name in zip(panels, names, strict=True):
            title = "linear scaling ends" if axes is panels[-1] else ""
            scale_axis(axes, "x", Axis(title, 1e23, 1e31, "FLOP" if title else "", log=True))
            base = GENERATIONS[name].end
            axes.axvspan(base.low, base.high, color=INK, alpha=0.16, linewidth=0)
            axes.set_title(name, loc="left")
            axes.set_ylim(len(model.CHANGES) - 0.5, -0.5)
            axes.set_yticks(range(len(model.CHANGES)), list(model.CHANGES))
            axes.grid(axis="y", visible=False)
            for row, what in enumerate(model.CHANGES):
                for factor, color, offset in ((0.5, COLORS[3], -0.17), (2.0, COLORS[0], 0.17)):
                    _bar(axes, spans[name, what, factor], row + offset, color)
        top = panels[0]
        top.annotate("halved", (1.3e23, 0), va="center", color=COLORS[3])
        top.annotate("doubled", (1.3e23, 1), va="center", color=COLORS[0])
        return finish()


def limit_year_explorer() -> Explorer:
    """Compute (FLOP) against the year: when the largest run meets the limits of an accelerator."""
    T, T_1, y_1 = symbols("T T_1 y_1")
    critical, limit = limits.critical_macs_of_hardware(), limits.latency_macs()
    reached = growth.year_reached()
    size = Slider("G", "GPUs in a node", 1, 10000, 8, log=True)
    peak = replace(SLIDERS["F"], low=1e12 * _FLOP)
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
        y=Axis("training compute", 1e16 * _FLOP, 1e35 * _FLOP, "FLOP", _FLOP, log=True),
        curves=(
            Curve(growth.compute_in_year(), "largest run", label_at=0.4),
            Curve(critical, "critical compute", dashed=True, label_at=0.02),
            Curve(limit, "latency limit", dashed=True, label_at=0.02),
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
            Number("Critical compute", critical, "FLOP", _FLOP),
            Number(
                "Critical compute met, years after 2025 begins", reached.subs(T, critical) - 2025
            ),
            Number("Latency limit", limit, "FLOP", _FLOP),
            Number("Latency limit met, years after 2025 begins", reached.subs(T, limit) - 2025),
        ),
        marks=(
            Mark(model.ALEXNET.year, model.ALEXNET.macs, "AlexNet"),
            *(Mark(run.year, run.macs, "") for run in training_runs.TRAINING_RUNS.values()),
        ),
        constants={
            T_1.name: model.LAST_RUN.macs,
            y_1.name: model.LAST_RUN.year,
            "t": limits.QUARTER_S,
            "ell": MATMUL_LATENCY_S,
            "b_0": critical_batch.REFERENCE_BATCH_TOKENS,
            "L_0": critical_batch.REFERENCE_LAYERS,
            "T_0": critical_batch.REFERENCE_COMPUTE,
            "r": limits.TOKENS_PER_PARAMETER,
        },
    )


def own_generation() -> Callable[..., SvgFigure]:
    """A function of an accelerator, a figure of it and a factor that sweeps and draws: a widget."""

    def draw(accelerator: str, figure: str, times: str, show: str) -> SvgFigure:
        generation = GENERATIONS[accelerator]
        gpu = model.changed(generation.gpu, figure, float(times))
        found = model.runs_of(gpu)
        if show == "parallelism":
            return sweeps.mix(found)
        if show == "time":
            return sweeps.time_shares(found)
        base = generation.runs
        if times == "1":
            return sweeps.utilization({accelerator: base})
        return sweeps.utilization(
            {"as it is": base, f"times {times}": found},
            label_at={"as it is": (20, "left"), f"times {times}": (40, "right")},
        )

    return draw


def own_generation_choices() -> dict[str, tuple[str, ...]]:
    """What the reader of :func:`own_generation` chooses among."""
    first = "GTX 580"
    return {
        "accelerator": (first, *(name for name in GENERATIONS if name != first)),
        "figure": (
            "network beyond the node",
            *(what for what in model.CHANGES if what != "network beyond the node"),
        ),
        "times": ("2", "1", "0.25", "0.5", "4", "10"),
        "show": ("utilization", "parallelism", "time"),
    }


def _short(name: str) -> str:
    return name.split(" ")[0] if not name.startswith("GTX") else name


def _cell(column: float, row: float, color: str) -> Rectangle:
    return Rectangle(
        (column - 0.44, row - 0.4), 0.88, 0.8, facecolor=color, alpha=0.16, linewidth=0
    )


def _bar(axes: Axes, span: Bracket, row: float, color: str) -> None:
    # A span of a few percent would be no more than a hair, so its ends are round.
    axes.plot([span.low, span.high], [row, row], color=color, linewidth=5, solid_capstyle="round")
