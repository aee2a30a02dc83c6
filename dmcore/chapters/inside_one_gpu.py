"""Figures of the chapter on one GPU."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.chapters.common import DATA_SHEET_GPUS
from dmcore.hardware.catalog import GPUS, get_gpu, names
from dmcore.hardware.gpu import GPU
from dmcore.show.explorer import Axis, Curve, Explorer, Menu, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas, scale_axis
from dmcore.simulator import matmul as model
from dmcore.studies.one_gpu import share_of_useful_rate, tile_side, tokens_for_share

__all__ = [
    "BAR_CHOICES",
    "BAR_CONTROLS",
    "bars",
    "ceilings_explorer",
    "generations",
    "rates",
    "tiles",
]

_TOKENS = Axis("nanobatch", 8, 16384, "tokens", log=True)
_SHARE = Axis("share of the useful rate", 0, 1.12, "%", 0.01)
_PARTS = ("HBM", "L2", "shared memory", "arithmetic", "latency")
#: The colour of each part of a matrix product, the same in all figures of the chapter.
_COLOR_OF = dict(zip(_PARTS, (COLORS[1], COLORS[4], COLORS[3], COLORS[0], COLORS[5]), strict=True))
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
    with canvas(alt, height=4.0) as ((axes,), finish):
        scale_axis(axes, "x", _TOKENS)
        scale_axis(axes, "y", Axis("rate", 0, 1.2e15, "TFLOP/s", 1e12))
        _shade_binding(axes, gpu)
        for level, words in ((peak, f"peak {peak:.0f}"), (useful, f"useful {useful:.0f}")):
            axes.axhline(level, color=INK, linewidth=0.9, linestyle="--")
            axes.annotate(words, (_TOKENS.low * 1.15, level + 12), va="bottom")
        levels = {1024: 250, 2048: 380, 4096: 470, _SQUARE: 390}
        for (side, level), color in zip(
            levels.items(), (COLORS[5], COLORS[4], COLORS[2], COLORS[0]), strict=True
        ):
            found = share_of_useful_rate(gpu, side, tokens) * useful
            axes.plot(tokens, found, color=color)
            right = side < _SQUARE
            axes.annotate(
                f"{side}²",
                (float(np.interp(level, found, tokens)), level),
                xytext=(3, -2) if right else (-6, 6),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                color=color,
            )
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
        axes.axvspan(start, end, ymin=0.9, ymax=1, color=_COLOR_OF[name], alpha=0.22, linewidth=0)
        words = {"shared memory": "shared\nmemory"}.get(name, name)
        axes.annotate(
            words,
            (float(np.sqrt(start * end)), 1140),
            ha="center",
            va="center",
            color=_COLOR_OF[name],
            linespacing=0.95,
        )


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
    with canvas(alt, height=3.5) as ((axes,), finish):
        axes.set_axis_off()
        axes.set_aspect("equal")
        axes.set_xlim(-900, 11700)
        axes.set_ylim(-100, _SQUARE + 750)
        top = _SQUARE
        _square(axes, (0, 0), _SQUARE, INK, width=1.6)
        for step in np.arange(sides["L2"], _SQUARE - 1, sides["L2"]):
            axes.plot([step, step], [0, _SQUARE], color=COLORS[0], linewidth=1.6)
            axes.plot([0, _SQUARE], [step, step], color=COLORS[0], linewidth=1.6)
        _square(axes, (0, top - sides["all"]), sides["all"], COLORS[1], fill=0.15, width=1.4)
        for step in np.arange(sides["SM"], sides["all"], sides["SM"]):
            axes.plot([step] * 2, [top - sides["all"], top], color=COLORS[1], linewidth=0.5)
            axes.plot([0, sides["all"]], [top - step] * 2, color=COLORS[1], linewidth=0.5)
        small = (sides["SM"] * 9, top - sides["SM"] * 2)
        _square(axes, small, sides["SM"], COLORS[2], fill=0.8, width=0.5)
        big, corner = 2300.0, (9150.0, top - 2300.0)
        _square(axes, corner, big, COLORS[2], fill=0.2, width=1.4)
        inner = big * sides["registers"] / sides["SM"]
        axes.plot([corner[0] + inner] * 2, [corner[1], corner[1] + big], color=COLORS[3], lw=1.2)
        axes.plot([corner[0], corner[0] + big], [corner[1] + inner] * 2, color=COLORS[3], lw=1.2)
        for end in (0, 1):
            axes.plot(
                [small[0] + sides["SM"], corner[0]],
                [small[1] + end * sides["SM"], corner[1] + end * big],
                color=COLORS[2],
                linewidth=0.7,
            )
        middle = corner[0] + big / 2
        axes.text(
            middle,
            corner[1] - 250,
            f"one SM:\n{sides['SM']:.0f} channels\nmagnified",
            color=COLORS[2],
            ha="center",
            va="top",
        )
        axes.text(
            middle,
            corner[1] - 2000,
            f"one block's\nregisters:\n{sides['registers']:.0f} channels",
            color=COLORS[3],
            ha="center",
            va="top",
        )
        axes.text(
            0.75 * _SQUARE,
            0.25 * _SQUARE,
            f"a tile in L2:\n{sides['L2']:.0f}\nchannels",
            color=COLORS[0],
            ha="center",
            va="center",
        )
        axes.text(
            0.25 * _SQUARE,
            0.25 * _SQUARE,
            f"orange: the tile\nof all SMs\n({sides['all']:.0f})",
            color=COLORS[1],
            ha="center",
            va="center",
        )
        axes.text(_SQUARE / 2, top + 180, f"d₂ = {_SQUARE} columns (inputs)", ha="center")
        axes.text(
            -250, top / 2, f"d₁ = {_SQUARE} rows (outputs)", rotation=90, ha="right", va="center"
        )
        return finish()


def _square(
    axes: Axes,
    corner: tuple[float, float],
    side: float,
    color: str,
    *,
    fill: float = 0,
    width: float = 1,
) -> None:
    axes.add_patch(
        Rectangle(corner, side, side, facecolor=color if fill else "none", alpha=fill or 1, lw=0)
    )
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=color, linewidth=width))


def generations() -> SvgFigure:
    """Share of the useful rate against the nanobatch for 8192 x 8192 weights, three GPUs."""
    tokens = _whole_tokens(16, 4096)
    reached = {name: tokens_for_share(name, _SQUARE, 0.9) for name in DATA_SHEET_GPUS}
    told = ", ".join(f"{name} {count} tokens" for name, count in reached.items())
    alt = (
        f"Share of the useful rate against the nanobatch, for {_SQUARE} by {_SQUARE} weights. "
        f"90 percent are reached with: {told}."
    )
    with canvas(alt, height=3.6) as ((axes,), finish):
        scale_axis(axes, "x", Axis("nanobatch", 16, 4096, "tokens", log=True))
        scale_axis(axes, "y", _SHARE)
        places = {
            "V100 SXM": (18, 92, "left"),
            "A100 SXM": (80, 14, "left"),
            "H100 SXM": (620, 62, "left"),
        }
        for (name, count), color in zip(reached.items(), COLORS, strict=False):
            shares = share_of_useful_rate(GPUS[name], _SQUARE, tokens) * 100
            axes.plot(tokens, shares, color=color)
            axes.plot([count], [90], "o", color=color, markersize=5)
            x, y, side = places[name]
            axes.annotate(
                f"{name}: 90 %\nat {count} tokens",
                (count, 90),
                xytext=(x, y),
                ha=side,
                va="center",
                color=color,
                arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "shrinkB": 3},
            )
        return finish()


#: What a reader of the bars chooses; the first of each is the start.
BAR_CHOICES: Mapping[str, tuple[str, ...]] = {
    "gpu": ("H100 SXM", "A100 SXM", "V100 SXM", "H100 PCIe"),
    "product": ("forward or input gradient", "weight gradient"),
}
BAR_CONTROLS = (
    Slider("d1", "Rows d₁ (outputs)", 64, 65536, 8192, log=True),
    Slider("d2", "Columns d₂ (inputs)", 64, 65536, 8192, log=True),
    Slider("tokens", "Nanobatch z", 8, 65536, 256, "tokens", log=True),
)


def bars(
    gpu: str = "H100 SXM",
    product: str = "forward or input gradient",
    d1: float = _SQUARE,
    d2: float = _SQUARE,
    tokens: float = 256,
) -> SvgFigure:
    """Time (µs) at each boundary of one matrix product; the longest of those that overlap binds."""
    rows, columns, count = (max(8, 8 * round(size / 8)) for size in (d1, d2, tokens))
    found = model.matmul_breakdown(gpu, rows, columns, count, product == BAR_CHOICES["product"][1])
    seconds = dict(
        zip(
            _PARTS,
            (found.hbm_s, found.l2_s, found.shared_memory_s, found.arithmetic_s, found.latency_s),
            strict=True,
        )
    )
    share = FLOP_PER_MAC * rows * columns * count / found.total_s / get_gpu(gpu).useful_flop_per_s
    title = f"{gpu}: {rows} × {columns} weights, {count} tokens"
    result = f"{readable(found.total_s * 1e6)} µs, {share:.0%} of the useful rate"
    told = ", ".join(f"{name} {readable(time * 1e6)} µs" for name, time in seconds.items())
    with canvas(f"{title}. {told}. Together {result}; {found.binding} binds.", height=2.9) as (
        (axes,),
        finish,
    ):
        axes.set_title(f"{title}\n{result}", loc="left")
        axes.set_xlabel("time (µs); all but latency overlap")
        axes.grid(visible=False, axis="y")
        most = max(seconds.values()) * 1e6
        axes.set_xlim(0, most * 1.4)
        for place, (name, time) in enumerate(seconds.items()):
            binds = name == found.binding
            axes.barh(place, time * 1e6, color=_COLOR_OF[name], alpha=0.9 if binds else 0.45)
            axes.annotate(
                readable(time * 1e6) + (" binds" if binds else ""),
                (time * 1e6, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
            )
        axes.set_yticks(range(len(seconds)), list(seconds))
        axes.invert_yaxis()
        return finish()


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
    places = (0.97, 0.72, 0.93)
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
                Curve(ideal / either(name), name, dashed=True, label_at=place)
                for name, place in zip(_PARTS, places, strict=False)
            ),
            Curve(ideal / latency, "latency", dashed=True, label_at=0.8),
        ),
        controls=(
            Menu("GPU", options, "H100 SXM"),
            Slider("d_1", "Rows d₁ (outputs)", 64, 65536, _SQUARE, "channels", log=True),
            Slider("d_2", "Columns d₂ (inputs)", 64, 65536, _SQUARE, "channels", log=True),
            Slider("w_A", "Bytes per word", 1, 4, 2),
        ),
        readouts=(
            Number("Useful rate", useful, "TFLOP/s", 1e12),
            Number("Least time, of an empty product", latency, "µs", 1e-6),
        ),
    )
