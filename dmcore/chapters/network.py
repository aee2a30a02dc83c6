"""Figures of the chapter on network bandwidth."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import memory_bandwidth
from dmcore.bottlenecks import network as model
from dmcore.chapters.common import DATA_SHEET_GPUS, SLIDERS, gpu_menu, gpu_values, sliders
from dmcore.hardware.catalog import GPUS
from dmcore.show.colors import BOTTLENECKS, COLORS, gpu_color
from dmcore.show.drawing import arrow, box, drawing
from dmcore.show.explorer import Axis, Band, Curve, Explorer
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_area, label_point
from dmcore.show.plots import SvgFigure, canvas

__all__ = ["block_grid", "blocks_explorer", "hand_overs", "time_against_side"]

_SIDE = Axis("side of a block", 1e3, 2e5, "channels", log=True)
_RATIO = Axis("network time / arithmetic time", 1e-2, 1e2, log=True)
_RATIO_OF_SIDE = Axis(_RATIO.label, 3e-2, 3e1, log=True)
_NODES = Axis("blocks, one on each node", 4, 1e4, log=True)

_FLAT = "H100 SXM Global NVLink"
_SLICES_D, _SLICES_F = 2, 8  # of the drawn grid


def _with_hardware(expr: sp.Expr) -> sp.Expr:
    """An expression in C and W as one in the figures of a data sheet."""
    C, W = symbols("C W")
    rates = {C: memory_bandwidth.arithmetic_rate(), W: model.network_rate()}
    return sp.simplify(expr.subs(rates))


def time_against_side() -> SvgFigure:
    """Network time over arithmetic time against the side of a node's block, for four networks."""
    sides = np.geomspace(_SIDE.low, _SIDE.high, 61)
    names = {name: name.split()[0] for name in DATA_SHEET_GPUS} | {_FLAT: "H100, all NVLink"}
    knees = {name: model.shard_side_channels(name) for name in names}
    told = ", ".join(f"{names[name]} {readable(side)} channels" for name, side in knees.items())
    ratio = _with_hardware(model.block_time_ratio())
    alt = f"Network time over arithmetic time falls as a block's side grows; equal at: {told}."
    with canvas(alt, _SIDE, _RATIO_OF_SIDE, height=3.8) as (axes, finish):
        edges = [_SIDE.low, _SIDE.high]
        axes.axhspan(1, _RATIO_OF_SIDE.high, color=COLORS[5], alpha=0.12, linewidth=0)
        label_area(axes, edges, 1, _RATIO_OF_SIDE.high, "the network is slower", COLORS[5])
        label_area(axes, edges, _RATIO_OF_SIDE.low, 1, "it keeps up", COLORS[5])
        dashes = {"V100 SXM": (0, (4, 3)), _FLAT: (0, (1, 1.2))}
        for name in names:
            gpu, color = gpu_values(name), COLORS[3] if name == _FLAT else gpu_color(name)
            ys = evaluate(ratio, a=sides, F=gpu["F"], beta_net=gpu["beta_net"], w_A=2)
            axes.plot(sides, ys, color=color, linestyle=dashes.get(name, "-"))
            axes.plot([knees[name]], [1], "o", color=color, markersize=5)
            label_point(axes, knees[name], 1, f"{names[name]}\n{readable(knees[name])}", color)
        return finish()


def block_grid() -> SvgFigure:
    """A d by f matrix cut into 2 x 8 square blocks, with one all-reduce down a column and one along a row."""
    alt = (
        f"A matrix of d_model by d_ff, cut into {_SLICES_D} by {_SLICES_F} square blocks, one on each "
        "node. After the first matrix the nodes of a column add up their parts of a slice of d_ff; "
        "after the second the nodes of a row add up their parts of a slice of d_model."
    )
    in_column, in_row, wide, high = 5, 1, _SLICES_F, _SLICES_D
    with drawing(alt, (-1.15, wide + 0.15), (-1.85, high + 1.35), 2.75) as (axes, finish):
        axes.set_aspect("equal")
        for row, column in product(range(high), range(wide)):
            color = COLORS[1] if column == in_column else COLORS[0] if row == in_row else COLORS[5]
            alpha = 0.1 if color == COLORS[5] else 0.26
            number = str(row * wide + column + 1)
            box(axes, (column, high - 1 - row), (1, 1), color, number, alpha=alpha, edge_alpha=0.8)
        x, y = in_column + 0.83, high - in_row - 0.83
        arrow(axes, (x, 0.08), (x, high - 0.08), COLORS[1], "<->")
        arrow(axes, (0.08, y), (wide - 0.08, y), COLORS[0], "<->")
        axes.text(
            wide, high + 0.75, "after the 1st matrix, a column adds up", color=COLORS[1], ha="right"
        )
        axes.plot([x, x], [high + 0.06, high + 0.65], color=COLORS[1], lw=0.7)
        axes.text(0, -0.55, "after the 2nd matrix, a row adds up", color=COLORS[0], va="center")
        for start, end in (
            ((0, -1.05), (wide, -1.05)),
            ((-0.25, 0), (-0.25, high)),
            ((0, high + 0.1), (1, high + 0.1)),
        ):
            arrow(axes, start, end, style="<->")
        middle: dict[str, Any] = {"ha": "center", "va": "center"}
        axes.text(wide / 2, -1.5, "f in q = 8 slices", **middle)
        axes.text(-0.8, high / 2, "d in m = 2\nslices", rotation=90, **middle)
        axes.text(0.5, high + 0.42, "side a", **middle)
        return finish()


def hand_overs() -> SvgFigure:
    """A sum handed from GPU to GPU through two nodes of four: once between nodes, six times inside."""
    alt = (
        "Eight GPUs in a row, four in each of two nodes. A growing sum is handed from each to the next: "
        "three times inside the first node, once from node to node, three times inside the second."
    )
    with drawing(alt, (-0.2, 9.4), (-0.75, 1.9), 1.75) as (axes, finish):
        for node in range(2):
            left = 4.7 * node
            box(axes, (left, 0), (4.5, 1.5), COLORS[5], alpha=0.08, rounded=0.12)
            axes.text(left + 2.25, 1.6, f"node {node + 1}", ha="center")
            for gpu in range(4):
                box(axes, (left + 0.2 + 1.1 * gpu, 0.45), (0.8, 0.6), COLORS[5], "GPU", alpha=0.25)
                if gpu:
                    x = left + 1.1 * gpu
                    arrow(axes, (x - 0.1, 0.75), (x + 0.2, 0.75), COLORS[2])
            axes.text(
                left + 2.25, 0.08, "NVLink carries 3", color=COLORS[2], ha="center", va="bottom"
            )
        arrow(axes, (4.3, 0.75), (4.9, 0.75), BOTTLENECKS["network"])
        told = "the network carries 1"
        axes.plot([4.6, 4.6], [0.65, -0.15], color=BOTTLENECKS["network"], lw=0.7)
        axes.text(4.6, -0.2, told, color=BOTTLENECKS["network"], ha="center", va="top")
        return finish()


def blocks_explorer() -> Explorer:
    """Network time over arithmetic time against the number of blocks, with the GPU and d on sliders."""
    a, G = symbols("a G")
    side = model.derivation()["eq-shard-side-hardware"].equation.rhs
    largest = model.largest_tensor_parallelism().subs(a, side)
    width = replace(SLIDERS["d"], default=2**17)
    exact = model.largest_tensor_parallelism_exact().subs(a, side)
    return Explorer(
        name="blocks",
        title="What more blocks cost",
        alt="Network time over arithmetic time rises with the root of the number of blocks",
        x_symbol="N_TP",
        x=_NODES,
        y=_RATIO,
        curves=(
            Curve(_with_hardware(model.time_ratio()), "shorter formula; dashed: exact"),
            Curve(_with_hardware(model.time_ratio_exact()), "", dashed=True),
        ),
        controls=(gpu_menu("F beta_net G w_A"), *sliders("F beta_net w_A"), width),
        bands=(Band("the network is slower", above=sp.Integer(1)),),
        readouts=(
            Number("Smallest side of a block", side, "channels"),
            Number("Most blocks", largest, "nodes"),
            Number("Most blocks", largest * G, "GPUs"),
            Number("Most blocks, every number counted", exact, "nodes"),
        ),
        constants={"G": GPUS["H100 SXM"].node_size},
    )
