"""Figures of the chapters that sweep the simulator over growing models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dmcore.algebra.numbers import readable
from dmcore.hardware.catalog import names
from dmcore.models.laws import BATCH_LAWS
from dmcore.show.explorer import Axis
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis
from dmcore.simulator.ends import first_run_below, never_linear
from dmcore.simulator.sweep import Sweep, sweep

__all__ = [
    "COMPUTE",
    "ends",
    "gpus_needed",
    "mix",
    "own_sweep",
    "own_sweep_choices",
    "time_shares",
    "utilization",
]

Floats = NDArray[np.float64]

#: Training compute, the x axis of every sweep.
COMPUTE = Axis("training compute", 1e24, 1e33, "FLOP", log=True)
_UTILIZATION = Axis("utilization", 0, 1, "%", 0.01)


def utilization(
    sweeps: Mapping[str, Sweep],
    *,
    limits_flop: Mapping[str, float] | None = None,
    label_at: Mapping[str, tuple[float, str]] | None = None,
    last_flop: float = COMPUTE.high,
    height: float = 3.4,
) -> SvgFigure:
    """Utilization (share of the peak) against training compute (FLOP), a line to a sweep.

    Parameters
    ----------
    sweeps
        Sweeps by the label of their line.
    limits_flop
        Compute to mark by a vertical line of the sweep's color, such as T_crit; by label.
    label_at
        Where a label stands: beside the line where its utilization first falls to that percentage, at
        its "left" or "right".
    last_flop
        Right end of the compute axis.
    height
        Height in inches.
    """
    ends = {label: first_run_below(found) for label, found in sweeps.items()}
    told = ", ".join(
        f"{label}: {found.utilization[0]:.0%} at first, linear scaling "
        + (f"to {readable(end)} FLOP" if end else "never" if never_linear(found) else "throughout")
        for (label, found), end in zip(sweeps.items(), ends.values(), strict=True)
    )
    with canvas(f"Utilization against training compute. {told}.", height=height) as (
        (axes,),
        finish,
    ):
        scale_axis(axes, "x", replace(COMPUTE, high=last_flop))
        scale_axis(axes, "y", _UTILIZATION)
        for (label, found), color in zip(sweeps.items(), COLORS, strict=False):
            percent = found.utilization * 100
            axes.plot(found.training_flop, percent, color=color)
            if limits_flop and label in limits_flop:
                axes.axvline(limits_flop[label], color=color, linestyle=":", linewidth=1.2)
            end = ends[label]
            if end is not None:
                axes.plot(
                    [end], percent[found.training_flop == end], "o", color=color, markersize=5
                )
            level, side = (label_at or {}).get(label, (35.0, "right"))
            index = int(np.argmax(percent <= level)) or len(found) - 1
            axes.annotate(
                label,
                (found.training_flop[index], percent[index]),
                xytext=(7 if side == "right" else -9, 0),
                textcoords="offset points",
                ha="left" if side == "right" else "right",
                va="center",
                color=color,
            )
        return finish()


def ends(sweeps: Mapping[str, Sweep], closed_forms: Mapping[str, float] | None = None) -> SvgFigure:
    """Where linear scaling ends (FLOP), a row to a sweep; rings mark a closed form's T_crit."""
    closed_forms = closed_forms or {}
    rows = {
        label: first_run_below(found) or float(found.training_flop[-1])
        for label, found in sweeps.items()
        if not never_linear(found)
    }
    told = ", ".join(
        f"{label} {readable(end)}"
        + (f" (closed form {readable(closed_forms[label])})" if label in closed_forms else "")
        for label, end in rows.items()
    )
    with canvas(
        f"Training compute, in FLOP, at which linear scaling ends: {told}.",
        height=0.9 + 0.5 * len(rows),
    ) as ((axes,), finish):
        everything = [*rows.values(), *(v for v in closed_forms.values() if np.isfinite(v))]
        low, high = np.log10(min(everything)), np.log10(max(everything))
        scale_axis(
            axes,
            "x",
            Axis(
                "linear scaling ends at",
                10 ** np.floor(low - 1),
                10 ** np.ceil(high + 1),
                "FLOP",
                log=True,
            ),
        )
        axes.set_ylim(len(rows) - 0.4, -0.7)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="y", visible=False)
        for row, (label, end) in enumerate(rows.items()):
            color = COLORS[row % len(COLORS)]
            axes.plot([end], [row], "o", color=color, markersize=7)
            closed = closed_forms.get(label, np.inf)
            if np.isfinite(closed):
                axes.plot([closed], [row], "o", color=color, markersize=9, fillstyle="none")
            left = np.log10(end) - low < 0.55 * (high - low)
            axes.annotate(
                f"{label}: {readable(end)}",
                (end, row),
                xytext=(0 if left else 6, 9),
                textcoords="offset points",
                ha="left" if left else "right",
                color=color,
            )
        return finish()


def mix(found: Sweep) -> SvgFigure:
    """How the cluster of each run is divided: degrees of parallelism stacked as decades of GPUs."""
    degrees = {
        "data": found.data_parallel,
        "pipeline": found.pipeline_parallel,
        "tensor": found.tensor_parallel,
        "expert": found.expert_parallel,
    }
    degrees = {name: degree for name, degree in degrees.items() if degree.max() > 1}
    last = ", ".join(f"{name} {int(degree[-1]):,}" for name, degree in degrees.items())
    alt = (
        f"Degrees of parallelism on {found.gpu.name} against training compute, stacked: their "
        f"product is the number of GPUs. At {readable(found.training_flop[-1])} FLOP: {last}."
    )
    top = float(np.log10(found.n_gpu.astype(float)).max())
    with canvas(alt) as ((axes,), finish):
        low, high = found.training_flop[0], found.training_flop[-1]
        scale_axis(axes, "x", Axis("training compute", low, high, "FLOP", log=True))
        scale_axis(axes, "y", Axis("degree, stacked", 0, top * 1.05, "powers of ten"))
        _stack(
            axes,
            found.training_flop,
            {f"{name} parallel": np.log10(degree) for name, degree in degrees.items()},
        )
        return finish()


def time_shares(found: Sweep) -> SvgFigure:
    """Where the time of a step goes against training compute: shares that add up to 100 %."""
    shares = _shares(found)
    told = ", ".join(
        f"{group} {share[0]:.0%} to {share[-1]:.0%}" for group, share in shares.items()
    )
    alt = f"Shares of a step's time on {found.gpu.name}, from the first run to the last: {told}."
    with canvas(alt) as ((axes,), finish):
        low, high = found.training_flop[0], found.training_flop[-1]
        scale_axis(axes, "x", Axis("training compute", low, high, "FLOP", log=True))
        scale_axis(axes, "y", Axis("share of a step's time", 0, 1, "%", 0.01))
        _stack(axes, found.training_flop, {name: 100 * share for name, share in shares.items()})
        return finish()


def gpus_needed(sweeps: Mapping[str, Sweep]) -> SvgFigure:
    """GPUs of the smallest cluster that ends each run in time, against training compute (FLOP)."""
    told = ", ".join(
        f"{label} {readable(float(found.n_gpu[-1]))} at {readable(found.training_flop[-1])} FLOP"
        for label, found in sweeps.items()
    )
    with canvas(f"GPUs needed against training compute; at the end: {told}.") as ((axes,), finish):
        scale_axis(axes, "x", COMPUTE)
        scale_axis(axes, "y", Axis("GPUs", 1e3, 1e12, log=True))
        for index, ((label, found), color) in enumerate(zip(sweeps.items(), COLORS, strict=False)):
            axes.plot(found.training_flop, found.n_gpu, color=color)
            at = len(found) * (index + 2) // (len(sweeps) + 3)
            left = index % 2 == 0
            axes.annotate(
                label,
                (found.training_flop[at], found.n_gpu[at]),
                xytext=(-6 if left else 6, 6 if left else -10),
                textcoords="offset points",
                ha="right" if left else "left",
                color=color,
            )
        return finish()


def own_sweep(sparse: bool = False) -> Callable[..., SvgFigure]:
    """A function of a GPU's name and a batch law that sweeps and draws: the widget of a chapter."""

    def draw(gpu: str, batch_law: str, show: str) -> SvgFigure:
        found = sweep(gpu, sparse=sparse, batch_scaling=batch_law)
        if show == "parallelism":
            return mix(found)
        if show == "time":
            return time_shares(found)
        return utilization({gpu: found})

    return draw


def own_sweep_choices() -> dict[str, tuple[str, ...]]:
    """What the reader of :func:`own_sweep` chooses among."""
    return {
        "gpu": names("H100 SXM"),
        "batch_law": tuple(BATCH_LAWS),
        "show": ("utilization", "parallelism", "time"),
    }


def _shares(found: Sweep) -> dict[str, Floats]:
    """Shares of a step: what arithmetic needs at the useful rate, and what each obstacle adds."""
    step = np.array([one.step_s for one in found.steps])
    parts = {
        name: np.array([one.parts[name] for one in found.steps]) for name in found.steps[0].parts
    }
    arithmetic = np.array([one.arithmetic_s for one in found.steps]) / found.gpu.efficiency
    products = np.array([one.matmul_s for one in found.steps]) - parts["matmul latency"]
    seconds = {
        "arithmetic": arithmetic,
        "memory": products - arithmetic,
        "network": parts["tensor, pipeline and expert bandwidth"] + parts["data bandwidth"],
        "latency": parts["matmul latency"]
        + parts["tensor, pipeline and expert latency"]
        + parts["data latency"],
        "bubble": parts["bubble"],
    }
    return {name: value / step for name, value in seconds.items()}


def _stack(axes: Axes, x: Floats, layers: Mapping[str, Floats]) -> None:
    """Areas one above the other, each named inside where it is thickest."""
    bottom = np.zeros(len(x))
    for (name, thickness), color in zip(layers.items(), _spread(len(layers)), strict=True):
        top = bottom + thickness
        axes.fill_between(x, bottom, top, color=color, alpha=0.28, linewidth=0)
        axes.plot(x, top, color=color, linewidth=1.2)
        inside = slice(len(x) // 8, len(x) - len(x) // 8)
        widest = len(x) // 8 + int(np.argmax(thickness[inside]))
        if thickness[widest] > 0.05 * axes.get_ylim()[1]:
            axes.annotate(
                name,
                (x[widest], bottom[widest] + thickness[widest] / 2),
                ha="right" if widest > len(x) / 2 else "left",
                va="center",
                color=INK,
            )
        bottom = top


def _spread(count: int) -> Sequence[str]:
    return COLORS[:count]
