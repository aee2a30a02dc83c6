"""Figures of the chapter on network bandwidth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import memory_bandwidth
from dmcore.bottlenecks import network as model
from dmcore.chapters.common import DATA_SHEET_GPUS, SLIDERS, gpu_menu, gpu_values, sliders
from dmcore.hardware.catalog import GPUS
from dmcore.show.explorer import Axis, Band, Curve, Explorer
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis

__all__ = ["block_grid", "blocks_explorer", "time_against_side"]

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
    with canvas(alt, height=3.8) as ((axes,), finish):
        scale_axis(axes, "x", _SIDE)
        scale_axis(axes, "y", _RATIO_OF_SIDE)
        axes.axhspan(1, _RATIO_OF_SIDE.high, color=COLORS[5], alpha=0.12, linewidth=0)
        for y, side, words in (
            (18, "right", "the network is slower"),
            (0.05, "left", "it keeps up"),
        ):
            x = _SIDE.high / 1.1 if side == "right" else _SIDE.low * 1.1
            axes.annotate(words, (x, y), color=COLORS[5], ha=side, va="center")
        places = {
            "V100 SXM": (9.5e4, 3),
            "A100 SXM": (1.62e4, 0.4),
            "H100 SXM": (3.3e4, 5),
            _FLAT: (2.5e3, 0.2),
        }
        dashes = {"V100 SXM": (0, (4, 3)), _FLAT: (0, (1, 1.2))}
        order = ("A100 SXM", "H100 SXM", "V100 SXM", _FLAT)
        for name, color in zip(order, COLORS, strict=False):
            gpu = gpu_values(name)
            ys = evaluate(ratio, a=sides, F=gpu["F"], beta_net=gpu["beta_net"], w_A=2)
            axes.plot(sides, ys, color=color, linestyle=dashes.get(name, "-"))
            axes.plot([knees[name]], [1], "o", color=color, markersize=5)
            axes.annotate(
                f"{names[name]}\n{readable(knees[name])}",
                (knees[name], 1),
                xytext=places[name],
                ha="center",
                va="center",
                color=color,
                arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkB": 3},
            )
        return finish()


def block_grid() -> SvgFigure:
    """A d by f matrix cut into 2 x 8 square blocks, with one all-reduce down a column and one along a row."""
    alt = (
        f"A matrix of d_model by d_ff, cut into {_SLICES_D} by {_SLICES_F} square blocks, one on each "
        "node. After the first product the nodes of a column add up their parts of a slice of d_ff; "
        "after the second the nodes of a row add up their parts of a slice of d_model."
    )
    with canvas(alt, height=2.75) as ((axes,), finish):
        axes.set_axis_off()
        axes.set_xlim(-1.15, _SLICES_F + 0.15)
        axes.set_ylim(-1.85, _SLICES_D + 1.35)
        axes.set_aspect("equal")
        for row in range(_SLICES_D):
            for column in range(_SLICES_F):
                _block(axes, row, column)
        column_x, row_y = 5.5, _SLICES_D - 1.5
        _arrow(axes, (column_x + 0.3, 0.08), (column_x + 0.3, _SLICES_D - 0.08), COLORS[1])
        _arrow(axes, (0.08, row_y - 0.3), (_SLICES_F - 0.08, row_y - 0.3), COLORS[0])
        axes.text(
            column_x + 0.3,
            _SLICES_D + 0.75,
            "1st product: a column adds up",
            color=COLORS[1],
            ha="center",
        )
        axes.plot(
            [column_x + 0.3] * 2, [_SLICES_D + 0.06, _SLICES_D + 0.65], color=COLORS[1], lw=0.7
        )
        axes.text(0, -0.55, "2nd product: a row adds up", color=COLORS[0], va="center")
        _arrow(axes, (0, -1.05), (_SLICES_F, -1.05), INK)
        axes.text(_SLICES_F / 2, -1.5, "d_ff in q = 8 slices", ha="center", va="center")
        _arrow(axes, (-0.25, 0), (-0.25, _SLICES_D), INK)
        axes.text(
            -0.8, _SLICES_D / 2, "d_model in\nm = 2 slices", ha="center", va="center", rotation=90
        )
        axes.text(0.5, _SLICES_D + 0.35, "side a", ha="center", va="center")
        _arrow(axes, (0, _SLICES_D + 0.1), (1, _SLICES_D + 0.1), INK)
        return finish()


def _block(axes: Axes, row: int, column: int) -> None:
    in_column, in_row = column == 5, row == 1
    color = COLORS[1] if in_column else COLORS[0] if in_row else COLORS[5]
    axes.add_patch(
        Rectangle(
            (column, _SLICES_D - 1 - row),
            1,
            1,
            facecolor=color,
            alpha=0.26 if in_column or in_row else 0.1,
            linewidth=0,
        )
    )
    axes.add_patch(
        Rectangle((column, _SLICES_D - 1 - row), 1, 1, fill=False, edgecolor=INK, linewidth=0.8)
    )
    axes.text(
        column + 0.34,
        _SLICES_D - 0.42 - row,
        str(row * _SLICES_F + column + 1),
        ha="center",
        va="center",
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    style = {"arrowstyle": "<->", "color": color, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, xytext=start, arrowprops=style)


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
            Curve(
                _with_hardware(model.time_ratio()),
                "leading terms; dashed: exact",
                label_at=0.58,
            ),
            Curve(_with_hardware(model.time_ratio_exact()), "", dashed=True),
        ),
        controls=(gpu_menu("F beta_net G w_A"), *sliders("F beta_net w_A"), width),
        bands=(Band("the network is slower", above=sp.Integer(1)),),
        readouts=(
            Number("Smallest side of a block", side, "channels"),
            Number("Most blocks", largest, "nodes"),
            Number("Most blocks", largest * G, "GPUs"),
            Number("Most blocks, every word counted", exact, "nodes"),
        ),
        constants={"G": GPUS["H100 SXM"].node_size},
    )
