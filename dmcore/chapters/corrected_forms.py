"""Figures of the chapter on what the model simplifies and leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from matplotlib.axes import Axes

from dmcore.chapters.common import DATA_SHEET_GPUS
from dmcore.chapters.sweeps import COMPUTE, END, UTILIZATION, sweep_grid
from dmcore.models.model import Extras
from dmcore.show.cluster import runs_of
from dmcore.show.colors import COLORS, INK
from dmcore.show.grid import Choice, GridFigure, Runs
from dmcore.show.labels import label_line
from dmcore.show.plots import SvgFigure, canvas, panels, rows_axis
from dmcore.simulator.ends import LINEAR_SCALING, at_the_deadline
from dmcore.studies.change import Outcome
from dmcore.studies.corrections import BASELINE, CORRECTIONS, Correction, headline, run_of

__all__ = ["changes", "options", "utilizations"]

#: Figures of a headline that are drawn: label and colour.
_WASTE = {"critical_flop": ("T_crit", COLORS[0]), "linear_flop": ("simulator", COLORS[1])}
_WALL = {"limit_flop": ("T_limit", COLORS[0]), "last_run_flop": ("simulator", COLORS[1])}


def changes(gpu: str = "H100 SXM") -> SvgFigure:
    """Factors by which each correction moves a GPU's headline numbers, a row to a correction.

    Above where the waste starts: T_crit and the end of linear scaling in the simulator. Below where
    runs end: T_limit and the simulator's last run, for the corrections that move them.
    """
    base = headline(gpu)
    all_of_them = {each: headline(gpu, each) for each in CORRECTIONS}
    walls = {
        each: found
        for each, found in all_of_them.items()
        if found.limit_flop != base.limit_flop or found.last_run_flop != base.last_run_flop
    }
    told = "; ".join(
        f"{each.name} {_times(found, base, 'critical_flop'):.2f} and "
        f"{_times(found, base, 'linear_flop'):.2f}"
        for each, found in all_of_them.items()
    )
    alt = (
        f"Factors by which corrections move the critical compute of the {gpu}, in the closed form and "
        f"in the simulator: {told}. Only attention and recomputation move the end of all runs, down."
    )
    heights = [len(all_of_them) + 1, len(walls) + 1]
    with panels(alt, 2, height=1.5 + 0.26 * sum(heights), height_ratios=heights, sharex=True) as (
        (waste, wall),
        finish,
    ):
        _rows(waste, "Where the waste starts", all_of_them, base, _WASTE)
        _rows(wall, "Where runs end", walls, base, _WALL)
        wall.set_xlabel("changed by a factor of")
        return finish()


def _times(found: Outcome, base: Outcome, measure: str) -> float:
    decades = found.decades_over(base, measure)
    return float("nan") if decades is None else float(10**decades)


def _rows(
    axes: Axes,
    title: str,
    found: Mapping[Correction, Outcome],
    base: Outcome,
    drawn: Mapping[str, tuple[str, str]],
) -> None:
    axes.set_title(title, loc="left")
    axes.set_xscale("log")
    axes.set_xlim(0.1, 10)
    axes.set_xticks([0.1, 0.3, 1, 3, 10], ["÷10", "÷3", "1", "×3", "×10"])
    axes.set_xticks([], minor=True)
    rows_axis(axes, [each.name for each in found], above=1.4, below=0.6)
    axes.axvline(1, color=INK, linewidth=0.8)
    for number, (name, (label, color)) in enumerate(drawn.items()):
        closed = number == 0
        axes.annotate(
            f"{'○' if closed else '●'} {label}",
            (0.03 + 0.6 * number, 0.985),
            xycoords="axes fraction",
            va="top",
            color=color,
        )
        for row, (correction, figures) in enumerate(found.items()):
            touched = correction.changes_closed_forms if closed else correction.changes_simulator
            if not touched:
                continue
            theirs, ours = getattr(base, name), getattr(figures, name)
            if ours and theirs:
                axes.plot(
                    [ours / theirs],
                    [row],
                    "o",
                    color=color,
                    fillstyle="none" if closed else "full",
                    markersize=9 if closed else 5.5,
                )


def utilizations(gpu: str = "H100 SXM") -> SvgFigure:
    """Utilization (share of the peak) against training compute (FLOP): as published, and with extras."""
    drawn = {
        "as published": BASELINE,
        "with attention": Correction("", extras=Extras(attention=True)),
        "attention, recomputed": Correction("", extras=Extras(True, "recompute")),
    }
    found = {label: run_of(gpu, each) for label, each in drawn.items()}
    told = ", ".join(
        f"{label} from {each.utilization[0]:.0%} to a last run of {each.training_flop[-1]:.1e} FLOP"
        for label, each in found.items()
    )
    alt = f"Utilization of the {gpu} against training compute: {told}."
    with canvas(alt, _COMPUTE, _UTILIZATION) as (axes, finish):
        for (label, each), color in zip(found.items(), COLORS, strict=False):
            axes.plot(each.training_flop, 100 * each.utilization, color=color)
            label_line(axes, each.training_flop, 100 * each.utilization, label, color)
        return finish()


_COMPUTE = replace(COMPUTE, high=1e32)
_UTILIZATION = replace(UTILIZATION, high=0.9)

_GPUS = DATA_SHEET_GPUS[:0:-1]  # the two newest
_SEQUENCES = {
    "left out": 2048,
    "2,048 tokens": 2048,
    "8,192 tokens": 8192,
    "131,072 tokens": 131072,
}
_KEPT = {
    "not counted": None,
    "all kept": "full",
    "all but scores": "selective",
    "recomputed": "recompute",
}


@cache
def options() -> GridFigure:
    """Utilization against training compute for each way to count attention and activation memory."""
    runs: dict[tuple[str, ...], Runs] = {}
    for gpu in _GPUS:
        for kept, memory in _KEPT.items():
            for attention, tokens in _SEQUENCES.items():
                extras = Extras(attention != "left out", memory)
                runs[gpu, kept, attention] = _runs(
                    gpu, Correction("", extras=extras, seq_len=tokens)
                )
    return sweep_grid(
        "corrected-forms",
        "What is counted",
        "Utilization against training compute with attention for sequences of several lengths",
        (
            Choice("GPU", _GPUS),
            Choice("Activations", tuple(_KEPT)),
            Choice("Attention", tuple(_SEQUENCES)),
        ),
        _COLUMNS,
        runs,
        x=_COMPUTE,
        y=_UTILIZATION,
        start=1e28,
        facts=(END,),
        shown=True,
        digits=4,
    )


_COLUMNS = (
    "training_flop",
    "utilization_at_deadline",
    "n_gpu",
    "d_model",
    "microbatches",
    "memory_bytes",
    "binding",
)


def _runs(gpu: str, correction: Correction) -> Runs:
    found = run_of(gpu, correction)
    end = at_the_deadline(found, LINEAR_SCALING * correction.counted)
    return runs_of(found, _COLUMNS, "No larger run ends in three months.", {"end": end.flop})
