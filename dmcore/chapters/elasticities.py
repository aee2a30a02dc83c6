"""Figures of the chapter on scaling elasticities."""

from __future__ import annotations

import numpy as np
import sympy as sp
from matplotlib.axes import Axes

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import limits
from dmcore.hardware.catalog import GPUS
from dmcore.hardware.variants import faster_network, lower_latency
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.show.colors import COLORS, INK, LIMITS
from dmcore.show.explorer import Axis, Curve, Explorer, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_line
from dmcore.show.plots import SvgFigure, canvas, panels, scale_axis
from dmcore.studies import elasticities as model
from dmcore.studies.change import own_laws

__all__ = ["exponent", "gains_explorer", "responses", "together"]

_FACTOR = Axis("times better", 0.09, 11, log=True)


def responses() -> SvgFigure:
    """How far the end of linear scaling moves (powers of ten) when one assumption gets better or worse.

    Solid: the simulator. Dashed: the closed form's power. Above what the GPU is made of, below what the
    run is made of.
    """
    groups = (("network", "HBM", "lower latency"), ("duration", "batch"))
    told = "; ".join(
        f"{name} {found.gain(0.1):+.1f} and {found.gain(10.0):+.1f}"
        for name, found in ((name, model.response(name)) for group in groups for name in group)
    )
    alt = (
        "Change of the compute at which GPUs start to wait, in powers of ten, against the factor by "
        f"which one assumption is better. In the simulator, at a tenth and at ten times: {told}. "
        "Duration and batch follow the straight lines of the closed form; network and memory come close "
        "to theirs only where they are worse than today."
    )
    colors = dict(zip((name for group in groups for name in group), COLORS, strict=False))
    with panels(alt, 2, height=6.4, sharex=True) as (rows, finish):
        for axes, names in zip(rows, groups, strict=True):
            _scale(axes, 4.6 if len(names) > 2 else 2.6)
            ends = np.array([_FACTOR.low, _FACTOR.high])
            for name in names:
                found, power = model.response(name), model.LEVERS[name].closed_form("critical")
                gains = [found.gain(factor) for factor in found.factors]
                axes.plot(found.factors, gains, "o-", color=colors[name], markersize=4)
                if power and name != "batch":
                    axes.plot(ends, power * np.log10(ends), "--", color=colors[name], linewidth=1.2)
                label_line(axes, found.factors, gains, name, colors[name])
        rows[0].set_title("The machine", loc="left")
        rows[1].set_title("The run", loc="left")
        rows[0].set_xlabel("")
        return finish()


def _scale(axes: Axes, high: float) -> None:
    """Powers of ten against a factor, with a line where nothing changes."""
    scale_axis(axes, "x", _FACTOR)
    scale_axis(axes, "y", Axis("change", -3.6, high, "powers of ten"))
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.axhline(0, color=INK, linewidth=0.8)


def together() -> SvgFigure:
    """The responses to network and to latency: alone, and with the other ten times better."""
    h100 = GPUS["H100 SXM"]
    slow, fast = lower_latency(h100, 10), faster_network(h100, 10)
    cases = {
        "network": ("network", h100, COLORS[0], "-"),
        "network,\nat a tenth of the latency": ("network", slow, COLORS[0], "--"),
        "latency": ("lower latency", h100, COLORS[2], "-"),
        "latency,\nat ten times\nthe network": ("lower latency", fast, COLORS[2], "--"),
    }
    base = model.response("network").ends[model.FACTORS.index(1.0)]
    ends = {
        label: np.array(model.response(lever, gpu).ends) - base
        for label, (lever, gpu, _, _) in cases.items()
    }
    told = "; ".join(
        f"{label.replace(chr(10), ' ')} {gains[-1]:+.1f}" for label, gains in ends.items()
    )
    alt = (
        "Change of the compute at which GPUs start to wait, in powers of ten, against the factor by "
        f"which network or latency is better. At ten times: {told}."
    )
    with canvas(alt, height=4.0) as (axes, finish):
        _scale(axes, 3.6)
        for label, (_, _, color, style) in cases.items():
            axes.plot(model.FACTORS, ends[label], style, color=color, marker="o", markersize=4)
            label_line(axes, model.FACTORS, ends[label], label, color)
        return finish()


def exponent() -> SvgFigure:
    """Where GPUs start to wait (FLOP) against alpha: the closed form, and sweeps with other batch laws."""
    laws = own_laws()
    found = model.response_to_batch_exponent()
    low, high = laws["alpha"] + found[0][0] - 0.01, laws["alpha"] + found[-1][0] + 0.01
    alpha = np.linspace(low, high, 60)
    seconds = SIMULATOR_YEAR_S / 4
    closed = limits.critical_compute(
        "H100 SXM",
        alpha,
        seconds,
        **{name: value for name, value in laws.items() if name != "alpha"},
    )
    dots = [(laws["alpha"] + change, 10**end) for change, end in found]
    told = f"{readable(dots[0][1], 2)} at {dots[0][0]:.2f} to {readable(dots[-1][1], 2)} at {dots[-1][0]:.2f}"
    alt = (
        "The compute at which GPUs start to wait against alpha. A rising line, the closed form, and "
        f"dots of the simulator beside it, from {told}."
    )
    x = Axis("α, batch growth less depth growth", low, high)
    y = Axis("training compute", 1e27, 1e31, "FLOP", log=True)
    with canvas(alt, x, y) as (axes, finish):
        axes.plot(alpha, closed, color=COLORS[0])
        label_line(axes, alpha, closed, "T_crit", COLORS[0])
        xs, ys = zip(*dots, strict=True)
        axes.plot(xs, ys, "o", color=COLORS[1], markersize=6)
        label_line(axes, xs, ys, "simulator", COLORS[1])
        return finish()


#: Sliders of factors: symbol of the closed forms -> (symbol of the factor, label, start).
_GAINS = {
    "beta_net": ("k_net", "Network bandwidth", 10.0),
    "beta_hbm": ("k_hbm", "Memory bandwidth", 1.0),
    "F": ("k_F", "Peak arithmetic", 1.0),
    "ell": ("k_ell", "Latency", 1.0),
    "t": ("k_t", "Duration", 1.0),
    "b_0": ("k_b", "Batch", 1.0),
    "L_0": ("k_L", "Layers", 1.0),
}


def gains_explorer() -> Explorer:
    """What factors on the assumptions are worth, in powers of ten, for both limits against alpha."""
    table = model.elasticity_table()
    (alpha,) = symbols("alpha")
    gains = {
        limit: sp.Add(
            *(
                powers[name] * sp.log(sp.Symbol(factor, positive=True)) / sp.log(10)
                for name, (factor, _, _) in _GAINS.items()
            )
        )
        for limit, powers in (("critical", table.critical), ("latency", table.latency))
    }
    return Explorer(
        name="elasticities",
        title="What better assumptions are worth",
        alt="Powers of ten by which both limits move, against alpha",
        x_symbol="alpha",
        x=Axis("α, batch growth less depth growth", 0, 0.35),
        y=Axis("gain", -6, 14, "powers of ten"),
        curves=(
            Curve(gains["critical"], "critical compute", color=LIMITS["critical"]),
            Curve(gains["latency"], "latency limit", color=LIMITS["latency"]),
        ),
        controls=tuple(
            Slider(factor, label, 0.1, 100, start, "times", log=True)
            for factor, label, start in _GAINS.values()
        ),
        readouts=tuple(
            Number(f"Gain of the {words} at α = 0", gains[limit].subs(alpha, 0), "powers of ten")
            for limit, words in (("critical", "critical compute"), ("latency", "latency limit"))
        ),
    )
