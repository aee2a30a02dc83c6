"""Figures of the chapter on ways around the limits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from matplotlib.axes import Axes

from dmcore.algebra.numbers import readable
from dmcore.bottlenecks import limits
from dmcore.chapters import sweeps
from dmcore.hardware.catalog import GPUS
from dmcore.hardware.variants import faster_network, lower_latency
from dmcore.models.laws import BATCH_LAWS, DEPTH_LAWS, SIMULATOR_YEAR_S
from dmcore.show.cluster import runs_of
from dmcore.show.colors import COLORS, INK, LIMITS
from dmcore.show.explorer import Axis
from dmcore.show.grid import Choice, GridFigure, Runs
from dmcore.show.labels import label_line
from dmcore.show.plots import SvgFigure, canvas
from dmcore.simulator.sweep import Sweep, sweep
from dmcore.studies.change import WIDTHS, Outcome, own_laws
from dmcore.studies.scenarios import ScenarioTable

__all__ = ["combinations", "durations", "ends", "ranking", "shallow_and_wide"]

_KIND_COLORS = {"hardware": COLORS[0], "run": COLORS[1], "model": COLORS[2]}
_PICTURES = {
    "waste": ("linear_flop", "critical_flop", "where GPUs start to wait", "T_crit"),
    "end": ("last_run_flop", "limit_flop", "where runs end", "T_limit"),
}
_LOW, _HIGH = -2.6, 6.9  # decades that are drawn


def ranking(table: ScenarioTable) -> SvgFigure:
    """What each change does to the compute at which GPUs start to wait, in decades, the best first.

    Dots: linear scaling of the simulator, with a line over other sets of clusters. Rings: T_crit of the
    closed form.
    """
    return _ranked(table, "waste")


def ends(table: ScenarioTable) -> SvgFigure:
    """What each change does to the largest possible run, in decades, the best first.

    Dots: the last run of the simulator. Rings: T_limit of the closed form.
    """
    return _ranked(table, "end")


def _ranked(table: ScenarioTable, picture: str) -> SvgFigure:
    simulated, closed, words, limit = _PICTURES[picture]

    def gain(one: Outcome, measure: str = simulated) -> float | None:
        return one.decades_over(table.baseline, measure)

    ordered = sorted(table, key=lambda one: -round(gain(one) or 0.0, 9))
    moved = [
        one for one in ordered if abs(gain(one) or 0.0) > 0.04 or abs(gain(one, closed) or 0) > 0.04
    ]
    still = sum(one.change.changes == 1 for one in ordered if one not in moved)
    single = [one for one in moved if one.change.changes == 1]
    joint = [one for one in moved if one.change.changes > 1]
    told = "; ".join(
        f"{one.change.name} {_told(gain(one))} ({_told(gain(one, closed))})"
        for one in (*single, *joint)
    )
    alt = (
        f"Changes, one to a row, by how many powers of ten they move {words} in the simulator, and in "
        f"brackets what {limit} moves: {told}."
    )
    if still:
        alt += f" {still} more move neither."
    rows = [*enumerate(single), *enumerate(joint, start=len(single) + 2)]
    bottom = len(single) + len(joint) + 2
    x = Axis("change", _LOW, _HIGH, "powers of ten")
    with canvas(alt, x, height=1.0 + 0.265 * bottom) as (axes, finish):
        axes.set_ylim(bottom - 0.2, -1.7)
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=INK, linewidth=0.8)
        for row, one in rows:
            _draw_row(axes, row, one, table, simulated, closed)
        axes.set_yticks([row for row, _ in rows], [one.change.name for _, one in rows])
        axes.tick_params(axis="y", length=0)
        for tick, (_, one) in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(_KIND_COLORS[one.change.kind])
        others = f"{still} more: no change" if still else ""
        for row, text in (
            (-1, "one change"),
            (len(single), others),
            (len(single) + 1, "several at once"),
        ):
            axes.annotate(text, (_HIGH, row), ha="right", va="center", fontstyle="italic")
        axes.plot([_LOW + 0.2], [-1], "o", color=INK, markersize=6)
        axes.annotate("simulator", (_LOW + 0.5, -1), va="center")
        axes.plot([1.1], [-1], "o", color=INK, markersize=8, fillstyle="none")
        axes.annotate(limit, (1.4, -1), va="center")
        return finish()


def _draw_row(
    axes: Axes, row: int, one: Outcome, table: ScenarioTable, simulated: str, closed: str
) -> None:
    color = _KIND_COLORS[one.change.kind]
    found, formula = (one.decades_over(table.baseline, name) for name in (simulated, closed))
    beyond = [decades for decades in (found, formula) if decades is not None and decades > _HIGH]
    if beyond:
        text = " and ".join("∞" if np.isinf(decades) else f"{decades:.1f}" for decades in beyond)
        text = "≥ " * one.linear_throughout + text
        axes.plot([_HIGH - 0.15], [row], ">", color=color, markersize=6, fillstyle="none")
        axes.annotate(text, (_HIGH - 0.5, row), ha="right", va="center", color=color)
    base = table.baseline.linear_flop
    if simulated == "linear_flop" and one.linear_end.flop and base:
        span = np.minimum(np.log10(np.array(one.linear_end.span) / base), _HIGH)
        axes.plot(span, [row, row], color=color, linewidth=1.2)
    if formula is not None and formula <= _HIGH:
        axes.plot([formula], [row], "o", color=color, markersize=8, fillstyle="none")
    if found is not None and found <= _HIGH:
        axes.plot([found], [row], "o", color=color, markersize=6)


def _told(decades: float | None) -> str:
    return "unknown" if decades is None else "infinite" if np.isinf(decades) else f"{decades:+.1f}"


def shallow_and_wide(table: ScenarioTable) -> SvgFigure:
    """Utilization against compute (FLOP) for laws of depth and batch; dotted lines are T_crit."""
    names = (
        "as it is",
        "192 layers always",
        "DeepSeek's batch law",
        "192 layers, DeepSeek",
    )
    words = ("as it is", "192 layers", "DeepSeek's\nbatch", "both")
    found = {word: table[name].found for word, name in zip(words, names, strict=True)}
    critical = {
        word: table[name].critical_flop or float("inf")
        for word, name in zip(words, names, strict=True)
    }
    return sweeps.utilization(found, limits_flop=critical, last_flop=1e40)


def durations(table: ScenarioTable) -> SvgFigure:
    """Where GPUs start to wait and where runs end (FLOP), against the duration in months.

    Lines: the closed forms. Dots: the simulator.
    """
    months = {"1 month": 1, "as it is": 3, "6 months": 6, "1 year": 12, "2 years": 24}
    laws = own_laws()
    x = Axis("duration of the run", 0.8, 30, "months", log=True)
    y = Axis("training compute", 1e27, 1e35, "FLOP", log=True)
    xs = np.geomspace(x.low, x.high, 60)
    seconds = xs / 12 * SIMULATOR_YEAR_S
    lines = {
        "linear_flop": (
            limits.critical_compute("H100 SXM", duration_s=seconds, **laws),
            "GPUs wait (T_crit)",
            LIMITS["critical"],
        ),
        "last_run_flop": (
            limits.latency_limit(duration_s=seconds, **laws),
            "no run ends (T_limit)",
            LIMITS["latency"],
        ),
    }
    told = "; ".join(
        f"{name.replace('as it is', '3 months')} {readable(table[name].linear_flop or 0, 2)} and "
        f"{readable(table[name].last_run_flop, 2)}"
        for name in months
    )
    alt = (
        "Training compute against the duration of the run, both logarithmic. Two parallel lines of the "
        f"closed forms, and dots of the simulator along them, in FLOP: {told}."
    )
    with canvas(alt, x, y) as (axes, finish):
        axes.set_xticks([1, 3, 6, 12, 24], ["1", "3", "6", "12", "24"])
        for measure, (ys, label, color) in lines.items():
            axes.plot(xs, ys, color=color)
            label_line(axes, xs, ys, label, color)
            dots = [getattr(table[name], measure) for name in months]
            axes.plot(list(months.values()), dots, "o", color=color, markersize=6)
        return finish()


_DEPTHS = {law.words: law for law in DEPTH_LAWS.values()}
_BATCHES = {law.words: law for law in BATCH_LAWS.values()}


@cache
def combinations() -> GridFigure:
    """Utilization against training compute for laws of depth and batch, and for better hardware."""
    h100 = GPUS["H100 SXM"]
    hardware = {
        "H100": h100,
        "latency ÷ 10": lower_latency(h100, 10),
        "network × 10": faster_network(h100, 10),
        "both": lower_latency(faster_network(h100, 10), 10),
    }
    runs: dict[tuple[str, ...], Runs] = {}
    for depth, law in _DEPTHS.items():
        for batch, batch_law in _BATCHES.items():
            for machine, gpu in hardware.items():
                found = sweep(gpu, batch_scaling=batch_law, layer_law=law, d_models=WIDTHS)
                runs[depth, batch, machine] = _runs(found)
    return sweeps.sweep_grid(
        "ways-around",
        "Depth, batch and hardware together",
        "Utilization against training compute for four machines, at a law of depth and of batch",
        (
            Choice("Depth", tuple(_DEPTHS)),
            Choice("Batch", tuple(_BATCHES)),
            Choice("Hardware", tuple(hardware)),
        ),
        _COLUMNS,
        runs,
        x=replace(sweeps.COMPUTE, high=1e40),
        y=replace(sweeps.UTILIZATION, high=0.9),
        start=1e30,
        facts=(sweeps.END,),
        shown=True,
        digits=4,
    )


_COLUMNS = (
    "training_flop",
    "utilization_at_deadline",
    "n_gpu",
    "d_model",
    "layers",
    "batch_tokens",
)


def _runs(found: Sweep) -> Runs:
    note = (
        "No larger run ends in three months."
        if found.ended_by
        else "The sweep ran out of widths: larger runs would be possible."
    )
    return runs_of(found, _COLUMNS, note, {"end": found.end.flop})
