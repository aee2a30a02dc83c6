"""Figures of the chapter on memory bandwidth."""

from __future__ import annotations

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import memory_bandwidth as model
from dmcore.chapters.common import DATA_SHEET_GPUS, gpu_menu, sliders
from dmcore.show.colors import gpu_color
from dmcore.show.explorer import Axis, Curve, Explorer
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_point
from dmcore.show.plots import SvgFigure, canvas

__all__ = ["nanobatch_explorer", "rooflines"]

_NANOBATCH = Axis("nanobatch n", 10, 1e4, "tokens", log=True)
_SHARE = Axis("share of peak arithmetic", 0, 1.15, "%", 0.01)


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
            label_point(axes, tokens, 100, f"{name}: {readable(tokens)}", gpu_color(name))
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
