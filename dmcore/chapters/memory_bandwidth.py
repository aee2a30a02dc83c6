"""Figures of the chapter on memory bandwidth."""

from __future__ import annotations

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import memory_bandwidth as model
from dmcore.chapters.common import DATA_SHEET_GPUS, gpu_menu, sliders
from dmcore.show.colors import BOTTLENECKS, COLORS, gpu_color
from dmcore.show.drawing import arrow, box, drawing
from dmcore.show.explorer import Axis, Curve, Explorer
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_point
from dmcore.show.plots import SvgFigure, canvas

__all__ = ["nanobatch_explorer", "rooflines", "shared_nanobatch"]

_NANOBATCH = Axis("nanobatch n", 1, 1e4, "tokens", log=True)
_SHARE = Axis("share of peak arithmetic", 1e-3, 2, "%", 0.01, log=True)


def rooflines() -> SvgFigure:
    """Share of the peak that memory allows against the nanobatch, for three generations of GPU."""
    knees = {name: model.node_nanobatch_tokens(name) for name in DATA_SHEET_GPUS}
    told = ", ".join(f"{name} {readable(tokens)} tokens" for name, tokens in knees.items())
    explorer = nanobatch_explorer()
    alt = f"Share of peak arithmetic rises with the nanobatch up to a knee: {told}."
    with canvas(alt, _NANOBATCH, _SHARE) as (axes, finish):
        for name, tokens in knees.items():
            values = explorer.with_values(gpu_menu("F beta_hbm").options[name])
            shares = explorer.along_x(explorer.curves[0].expr, values) / _SHARE.per_unit
            axes.plot(explorer.x_values(), shares, color=gpu_color(name))
            axes.plot([tokens], [100], "o", color=gpu_color(name), markersize=5)
            # The first and the last have room beside their slopes, the middle one above its knee.
            at = tokens if name == "A100 SXM" else tokens / 12
            text = f"{name.split()[0]}: {readable(tokens)} tokens"
            label_point(axes, at, 100 * at / tokens, text, gpu_color(name))
        return finish()


def shared_nanobatch() -> SvgFigure:
    """Eight GPUs, each with its part of a matrix from its own memory, and the tokens that all share."""
    tokens = readable(model.node_nanobatch_tokens("H100 SXM"))
    alt = (
        "Eight GPUs of a node side by side. Each reads its eighth of a matrix from its own HBM. One "
        f"strip of {tokens} tokens passes through all eight."
    )
    with drawing(alt, (-0.05, 8.05), (-0.15, 3.1), 2.5) as (axes, finish):
        for gpu in range(8):
            box(axes, (gpu + 0.06, 2.25), (0.88, 0.55), BOTTLENECKS["HBM"], "HBM", alpha=0.3)
            arrow(axes, (gpu + 0.5, 2.22), (gpu + 0.5, 1.9), BOTTLENECKS["HBM"])
            box(axes, (gpu + 0.06, 0.3), (0.88, 1.6), COLORS[5], alpha=0.1)
            axes.text(gpu + 0.5, 1.45, f"part {gpu + 1}", ha="center", va="center")
            axes.text(gpu + 0.5, 0.02, f"GPU {gpu + 1}", ha="center", va="center")
        box(axes, (-0.03, 0.5), (8.06, 0.5), BOTTLENECKS["arithmetic"], alpha=0.3)
        axes.text(4, 0.75, f"the same {tokens} tokens", ha="center", va="center")
        return finish()


def nanobatch_explorer() -> Explorer:
    """Share of the peak against the nanobatch, with the rates of the GPU on sliders."""
    C, M = symbols("C M")
    rates = {C: model.arithmetic_rate(), M: model.memory_rate()}
    return Explorer(
        name="nanobatch",
        title="What memory lets a GPU reach",
        alt="Share of peak arithmetic against the nanobatch: a slope, a knee, then 100 %",
        x_symbol="n",
        x=_NANOBATCH,
        y=_SHARE,
        curves=(Curve(model.roofline().subs(rates), "share of peak"),),
        controls=(gpu_menu("F beta_hbm w_P"), *sliders("F beta_hbm w_P")),
        readouts=(
            Number("Least nanobatch", model.derivation().result, "tokens"),
            Number("Machine balance", model.machine_balance(), "FLOP/byte", 0.5),
        ),
    )
