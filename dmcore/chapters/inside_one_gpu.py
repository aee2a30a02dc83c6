"""Figures of the chapter on one GPU."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp
from matplotlib.axes import Axes

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.hardware.catalog import GPUS, names
from dmcore.hardware.gpu import GPU
from dmcore.show.colors import BOTTLENECKS, COLORS, INK
from dmcore.show.drawing import arrow, box, drawing
from dmcore.show.explorer import Axis, Curve, Explorer, Menu, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_area, label_line
from dmcore.show.plots import SvgFigure, canvas
from dmcore.simulator import matmul as model
from dmcore.studies.one_gpu import share_of_useful_rate, tile_side

__all__ = [
    "ceilings_explorer",
    "rates",
    "tiles",
]

_TOKENS = Axis("nanobatch", 8, 16384, "tokens", log=True)
_RATE = Axis("rate", 2e12, 3e15, "TFLOP/s", 1e12, log=True)
_PARTS = ("HBM", "L2", "shared memory", "arithmetic", "latency")
_SQUARE = 8192


def _whole_tokens(low: float, high: float) -> Any:
    """Nanobatches that fill the units of 8 tokens, evenly over a logarithmic axis."""
    return np.unique(8 * np.round(np.geomspace(low, high, 400) / 8))


def rates() -> SvgFigure:
    """FLOP/s of an H100 against the nanobatch (tokens), for four square weight matrices."""
    gpu = GPUS["H100 SXM"]
    tokens = _whole_tokens(_TOKENS.low, _TOKENS.high)
    useful, peak = gpu.useful_flop_per_s / 1e12, gpu.peak_flop_per_s / 1e12
    at = 512
    told = ", ".join(
        f"{side} by {side}: {readable(float(share_of_useful_rate(gpu, side, at)) * useful)}"
        for side in (1024, 2048, 4096, _SQUARE)
    )
    alt = (
        f"Rate of an H100 against the nanobatch, in TFLOP/s. All lines rise towards a useful rate of "
        f"{useful:.0f}, below the peak of {peak:.0f}. With {at} tokens, {told}. For the largest, L2 "
        "binds first, then shared memory, then arithmetic."
    )
    with canvas(alt, _TOKENS, _RATE, height=4.0) as (axes, finish):
        _shade_binding(axes, gpu)
        for level, words in ((peak, f"peak {peak:.0f}"), (useful, f"useful {useful:.0f}")):
            axes.axhline(level, color=INK, linewidth=0.9, linestyle="--")
            label_line(axes, [_TOKENS.low, _TOKENS.high], [level, level], words, INK)
        for side, color in zip(
            (1024, 2048, 4096, _SQUARE), (COLORS[5], COLORS[4], COLORS[2], COLORS[0]), strict=True
        ):
            found = share_of_useful_rate(gpu, side, tokens) * useful
            axes.plot(tokens, found, color=color)
            label_line(axes, tokens, found, f"{side}²", color)
        return finish()


def _shade_binding(axes: Axes, gpu: GPU) -> None:
    """Spans of the nanobatch by what binds the largest matrix, named at the top."""
    tokens = np.geomspace(_TOKENS.low, _TOKENS.high, 800)
    binding = model.matmul_breakdown(gpu, _SQUARE, _SQUARE, tokens).binding
    edges = [0, *(np.nonzero(binding[1:] != binding[:-1])[0] + 1).tolist(), len(tokens) - 1]
    merged: list[tuple[str, float, float]] = []
    for low, high in pairwise(edges):
        if merged and (merged[-1][0] == binding[low] or tokens[high] < 1.3 * tokens[low]):
            name, start, _ = merged.pop()
            merged.append((name, start, float(tokens[high])))
        else:
            merged.append((str(binding[low]), float(tokens[low]), float(tokens[high])))
    for name, start, end in merged:
        axes.axvspan(start, end, ymin=0.9, ymax=1, color=BOTTLENECKS[name], alpha=0.22, linewidth=0)
        words = {"shared memory": "shared\nmemory"}.get(name, name)
        color = BOTTLENECKS[name]
        label_area(axes, [start, end], 1450, 3000, words, color, linespacing=0.95)


def tiles() -> SvgFigure:
    """The tiles of 8192 x 8192 weights on an H100, drawn to scale; one SM's tile is magnified."""
    gpu = GPUS["H100 SXM"]
    figures = model.gpu_values(gpu)
    rooms = {
        "L2": figures["C_L2"],
        "all": figures["C_SM"] * figures["N_SM"],
        "SM": figures["C_SM"],
        "registers": figures["C_reg"],
    }
    sides = {name: tile_side(room, _SQUARE) for name, room in rooms.items()}
    alt = (
        f"A weight matrix of {_SQUARE} by {_SQUARE} to scale. It is cut into tiles of "
        f"{sides['L2']:.0f} channels for L2. All SMs together hold a square of {sides['all']:.0f}, "
        f"each one a square of {sides['SM']:.0f}; its four processing blocks hold squares of "
        f"{sides['registers']:.0f} in their registers."
    )
    with drawing(alt, (-900, 11700), (-100, _SQUARE + 750), 3.5) as (axes, finish):
        axes.set_aspect("equal")
        top, tile = _SQUARE, sides["SM"]
        _grid(axes, (0, 0), _SQUARE, sides["L2"], COLORS[0], 1.6, edge=INK)
        _grid(axes, (0, top - sides["all"]), sides["all"], tile, COLORS[1], 0.5, fill=0.15)
        small, big, corner = (tile * 9, top - tile * 2), 2300.0, (9150.0, top - 2300.0)
        box(axes, small, (tile, tile), COLORS[2], alpha=0.8, edge=COLORS[2])
        inner = big * sides["registers"] / tile
        _grid(axes, corner, big, inner, COLORS[3], 1.2, fill=0.2, edge=COLORS[2])
        for end in (0, 1):
            start = (small[0] + tile, small[1] + end * tile)
            arrow(axes, start, (corner[0], corner[1] + end * big), COLORS[2], "-")
        middle = corner[0] + big / 2
        for x, y, text, color, va in (
            (middle, 250, f"one SM:\n{tile:.0f} channels\nmagnified", COLORS[2], "top"),
            (
                middle,
                2000,
                f"one block's\nregisters:\n{sides['registers']:.0f} channels",
                COLORS[3],
                "top",
            ),
        ):
            axes.text(x, corner[1] - y, text, color=color, ha="center", va=va)
        for share, text, color in (
            (0.75, f"a tile in L2:\n{sides['L2']:.0f}\nchannels", COLORS[0]),
            (0.25, f"orange: the tile\nof all SMs\n({sides['all']:.0f})", COLORS[1]),
        ):
            axes.text(share * top, 0.25 * top, text, color=color, ha="center", va="center")
        axes.text(top / 2, top + 180, f"d₂ = {_SQUARE} columns (inputs)", ha="center")
        rows = f"d₁ = {_SQUARE} rows (outputs)"
        axes.text(-250, top / 2, rows, rotation=90, ha="right", va="center")
        return finish()


def _grid(
    axes: Axes,
    corner: tuple[float, float],
    side: float,
    tile: float,
    color: str,
    width: float,
    *,
    fill: float = 0,
    edge: str | None = None,
) -> None:
    """A square that is cut into tiles, from its upper left corner."""
    x, y = corner
    for step in np.arange(tile, side - 1, tile):
        axes.plot([x + step] * 2, [y, y + side], color=color, linewidth=width)
        axes.plot([x, x + side], [y + side - step] * 2, color=color, linewidth=width)
    inside = (edge or color) if fill else None
    box(axes, corner, (side, side), inside, alpha=fill, edge=edge or color, width=1.5, edge_alpha=1)


def ceilings_explorer() -> Explorer:
    """Share of the useful rate that each boundary allows, against the nanobatch."""
    joined = sp.Symbol("joined", nonnegative=True)
    d_1, d_2, z, useful, w_P, w_A = symbols("d_1 d_2 z F_useful w_P w_A")
    with_network, without = (
        {name: part.subs(w_P, w_A) for name, part in model.matmul_time_parts(False, way).items()}
        for way in (True, False)
    )
    ideal = FLOP_PER_MAC * d_1 * d_2 * z / useful

    def either(name: str) -> sp.Expr:
        if with_network[name] == without[name]:
            return with_network[name]
        return joined * with_network[name] + (1 - joined) * without[name]

    *overlapping, latency = (either(name) for name in _PARTS)
    total = sp.Max(*overlapping, evaluate=False) + latency
    options = {
        name: {
            **model.gpu_values(gpu),
            "joined": float(gpu.distributed_shared_memory),
            "w_A": float(gpu.word_bytes),
        }
        for name in names("H100 SXM", hypothesis=False)
        for gpu in (GPUS[name],)
    }
    return Explorer(
        name="one-gpu",
        title="What each level allows; solid: what is reached",
        alt="Share of the useful rate that each level of memory allows against the nanobatch",
        x_symbol="z",
        x=_TOKENS,
        y=Axis("share of the useful rate", 0.01, 10, "%", 0.01, log=True),
        curves=(
            Curve(ideal / total, ""),
            *(
                Curve(ideal / either(name), name, dashed=True, color=BOTTLENECKS[name])
                for name in _PARTS[:3]
            ),
            Curve(ideal / latency, "latency", dashed=True, color=BOTTLENECKS["latency"]),
        ),
        controls=(
            Menu("GPU", options, "H100 SXM"),
            Slider("d_1", "Rows d₁ (outputs)", 64, 65536, _SQUARE, "channels", log=True),
            Slider("d_2", "Columns d₂ (inputs)", 64, 65536, _SQUARE, "channels", log=True),
            Slider("w_A", "Bytes per word", 1, 4, 2),
        ),
        readouts=(
            Number("Useful rate", useful, "TFLOP/s", 1e12),
            Number("Weights", d_1 * d_2 * w_A, "MiB", 2**20),
            Number("Arithmetic as long as the latency", latency * z / (ideal), "tokens"),
        ),
    )
