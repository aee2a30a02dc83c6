"""Figures of the chapter on latency."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import latency as model
from dmcore.bottlenecks import limits
from dmcore.chapters.common import CONSTANTS, FLOP, compute_axis, sliders
from dmcore.show.colors import COLORS, INK
from dmcore.show.drawing import arrow, box, drawing
from dmcore.show.explorer import Axis, Curve, Explorer
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import SvgFigure, panels, rows_axis

__all__ = ["DAY_S", "dependency_chain", "latency_shares", "run_time_explorer"]

#: Seconds.
DAY_S = 86400.0

_RUN_TIME = Axis("least run time", 1e-3 * DAY_S, 1e4 * DAY_S, "days", DAY_S, log=True)

_LAYERS = 3  # of the drawn model
_COLUMNS = {"forward": 0.0, "backward": 2.3, "weights": 4.6}
_WIDTH, _HEIGHT, _PITCH = 1.7, 0.66, 0.98


def dependency_chain() -> SvgFigure:
    """The matmuls of one step in three layers: which must wait for which."""
    path = model.SEQUENTIAL_MATMULS_PER_LAYER * _LAYERS
    microseconds = path * model.MATMUL_LATENCY_S * 1e6
    alt = (
        f"One step of a model of {_LAYERS} layers. The matmuls of the forward pass go up, two in each "
        "layer, and those of the backward pass come down, two in each layer: "
        f"{path} in a row, at least {readable(microseconds)} microseconds. "
        "From each matmul of the backward pass a weight gradient hangs off to the side."
    )
    rows = [(layer, which) for layer in range(1, _LAYERS + 1) for which in ("first", "second")]
    top = (len(rows) - 1) * _PITCH
    colors = {"forward": COLORS[0], "backward": COLORS[1], "weights": COLORS[5]}
    ahead, back, aside = _COLUMNS.values()
    half = _HEIGHT / 2
    middle: dict[str, Any] = {"ha": "center", "va": "center"}

    def to(start: tuple[float, float], end: tuple[float, float], color: str) -> None:
        arrow(axes, start, end, color, "->")

    with drawing(alt, (-0.95, 5.55), (-1.75, top + 1.1), 5) as (axes, finish):
        for name, heading in zip(
            _COLUMNS, ("forward", "backward", "weight\ngradients"), strict=True
        ):
            axes.text(_COLUMNS[name], top + 0.75, heading, color=colors[name], **middle)
        for index, (layer, which) in enumerate(rows):
            y = index * _PITCH
            for name, x in _COLUMNS.items():
                box(
                    axes,
                    (x - _WIDTH / 2, y - half),
                    (_WIDTH, _HEIGHT),
                    colors[name],
                    f"layer {layer}\n{which}",
                    alpha=0.12,
                    edge=colors[name],
                    width=1,
                    edge_alpha=1,
                    dashed=name == "weights",
                    rounded=0.1,
                    text_size=10,
                )
            to((back + _WIDTH / 2, y - 0.1), (aside - _WIDTH / 2, y - 0.1), colors["weights"])
            if index:
                low, high = y - _PITCH + half, y - half
                to((ahead, low), (ahead, high), colors["forward"])
                to((back, high), (back, low), colors["backward"])
        to((ahead + _WIDTH / 2, top), (back - _WIDTH / 2, top), INK)
        to((ahead, -0.85), (ahead, -half), colors["forward"])
        to((back, -half), (back, -0.85), colors["backward"])
        axes.text(ahead, -1.05, "a batch", **middle)
        axes.text(back, -1.05, "next batch", **middle)
        total = f"{path} matmuls in a row × 9 µs = {readable(microseconds)} µs at least"
        axes.text(2.3, -1.52, total, **middle)
        return finish()


def latency_shares(gpu: str = "H100 SXM") -> SvgFigure:
    """A matmul that waits for nothing but latency beside one that hides its messages, and its parts."""
    piece = 1e6 * evaluate(limits.piece_time(), limits.node_rates(gpu))
    whole, kernel, hop = (
        1e6 * seconds
        for seconds in (model.MATMUL_LATENCY_S, model.KERNEL_LATENCY_S, model.HOP_LATENCY_S)
    )
    alt = (
        f"Bars on a scale of microseconds. The latency of a matmul takes {readable(whole)}, the "
        f"smallest busy matmul of {gpu}s {readable(piece)}. Of the {readable(whole)}, the kernel takes "
        f"{readable(kernel)}, two hops inside the node {readable(2 * hop)} and two hops between nodes "
        f"{readable(2 * hop)}."
    )
    parts = (
        (kernel, "kernel", COLORS[0]),
        (2 * hop, "2 hops\nin node", COLORS[2]),
        (2 * hop, "2 hops\nbetween", COLORS[3]),
    )
    with panels(alt, 2, height=3.3, height_ratios=(1.25, 1)) as ((top, bottom), finish):
        rows_axis(top, ["latency", "busy\nmatmul"])
        for row, (length, color) in enumerate(((whole, COLORS[5]), (piece, COLORS[0]))):
            top.barh(row, length, 0.6, color=color, alpha=0.45)
            top.text(length + 1, row, f"{readable(length)} µs", va="center")
        top.set_xlim(0, 120)
        rows_axis(bottom, ["latency"])
        start = 0.0
        for length, text, color in parts:
            bottom.barh(0, length, 0.6, left=start, color=color, alpha=0.45)
            middle: dict[str, Any] = {"ha": "center", "va": "center"}
            bottom.text(start + length / 2, 0, f"{text}\n{readable(length)} µs", **middle)
            start += length
        bottom.set_xlim(0, whole)
        bottom.set_xlabel("time (µs)")
        return finish()


def run_time_explorer() -> Explorer:
    """Least run time against training compute, with latency, batch, depth and duration on sliders."""
    t, L, L_0 = symbols("t L L_0")
    ell, batch, layers, duration = sliders("ell b_0 L_0 t")
    run_time = limits.least_run_time_of_compute()
    return Explorer(
        name="run-time",
        title="However large the cluster",
        alt="Least run time against training compute, a line of slope 1/2, and the time allowed",
        x_symbol="T",
        x=compute_axis(1e23, 1e34, "training compute T"),
        y=_RUN_TIME,
        curves=(
            Curve(run_time, "least run time"),
            Curve(t, "allowed", dashed=True),
        ),
        controls=(ell, replace(batch, label="Batch"), replace(layers, label="Layers"), duration),
        readouts=(
            Number("Largest run that ends in time", limits.latency_macs(), "FLOP", FLOP),
            Number("Least time of a step", model.least_step_time().subs(L, L_0), "ms", 1e-3),
            Number("Steps that fit", model.steps_that_fit().subs(L, L_0), "million", 1e6),
        ),
        constants={**CONSTANTS, "alpha": 0.0},
    )
