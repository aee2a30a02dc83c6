"""Figures of the chapter on how sure the limits are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from numpy.typing import NDArray

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import symbols
from dmcore.chapters.common import FLOP, MONTH_S, compute_axis, gpu_menu
from dmcore.models import laws
from dmcore.show.colors import BATCH_LAWS, COLORS, INK, LIMITS
from dmcore.show.explorer import Axis, Band, Curve, Explorer, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, panels, rows_axis, scale_axis
from dmcore.studies import doubt
from dmcore.studies import uncertainty as model
from dmcore.studies.uncertainty import Assumption, Effect, Interval

__all__ = [
    "carried_batches",
    "densities",
    "doubt_explorer",
    "priors",
    "tornados",
    "years",
]

Array = NDArray[np.float64]

_COMPUTE = Axis("training compute", 1e25, 1e40, "FLOP", log=True)
_YEARS = Axis("year in which the largest run is there", 2024, 2050)
#: Short names of assumptions, and how a page shows their values.
_SHOWN: Mapping[str, tuple[str, float, str]] = MappingProxyType(
    {
        "alpha": ("α", 1.0, ""),
        "b_p": ("batch", 1e6, "M"),
        "L_0": ("layers", 1.0, ""),
        "r": ("tokens per\nparameter", 1.0, ""),
        "t": ("duration", MONTH_S, "mo."),
        "F": ("arithmetic", 1e15 * FLOP, "PFLOP/s"),
        "beta_hbm": ("memory", 1e12, "TB/s"),
        "beta_net": ("network", 1e9, "GB/s"),
        "ell": ("latency", 1e-6, "µs"),
        "xi": ("attention", 1.0, ""),
    }
)


def densities(draws: Mapping[str, Array], gpu: str = "H100 SXM") -> SvgFigure:
    """Densities of both limits over the logarithm of compute (FLOP), with the paper's baseline."""
    found = {limit: model.limit_flop(limit, draws, gpu) for limit in model.LIMITS}
    with canvas(_told(found, gpu), height=4.2) as (axes, finish):
        _draw_densities(axes, found, gpu)
        return finish()


def years(draws: Mapping[str, Array], gpu: str = "H100 SXM") -> SvgFigure:
    """Densities of the year in which the largest run reaches each limit, growing by g a year."""
    found = {
        limit: model.limit_years(model.limit_flop(limit, draws, gpu), draws["g"])
        for limit in model.LIMITS
    }
    told = "; ".join(
        f"{model.LIMITS[limit]} {_years_told(model.credible_interval(values))}"
        for limit, values in found.items()
    )
    with canvas(f"Densities of the year in which growth reaches each limit: {told}.") as (
        axes,
        finish,
    ):
        _draw_years(axes, found)
        return finish()


def carried_batches() -> SvgFigure:
    """Critical batch (tokens) against compute (FLOP): what is believed of it, by where it is known.

    A band holds 90 % of the batches for draws of the exponent and of the batch at the pivot.
    """
    flop = np.geomspace(1e19, 1e31, 60)
    curves = {name: _batch_of(law, flop) for name, law in laws.BATCH_LAWS.items()}
    bands = {}
    for prior, pivot in zip(model.PRIORS, ("10²⁰", "3 × 10²³"), strict=False):
        draws = model.sample(model.assumptions(prior=prior), 20_000)
        exponent = draws["alpha"] + model.baseline()["alpha_L"]
        tokens = draws["b_p"] * (flop[:, None] / draws["T_p"]) ** exponent
        bands[pivot] = draws["T_p"][0], *np.quantile(tokens, [0.05, 0.95], axis=1)
    told = "; ".join(
        f"known at {pivot} FLOP, {readable(band[1][-1], 2)} to {readable(band[2][-1], 2)} at 10³¹"
        for pivot, band in bands.items()
    )
    alt = f"Critical batch in tokens against training compute, 90 % bands: {told}."
    axis = Axis("training compute", flop[0], flop[-1], "FLOP", log=True)
    batch = Axis("critical batch", 1e5, 1e11, "tokens", log=True)
    with canvas(alt, axis, batch, height=3.9) as (axes, finish):
        for (pivot, (at, low, high)), color in zip(
            bands.items(), (COLORS[3], COLORS[4]), strict=True
        ):
            axes.fill_between(flop, low, high, color=color, alpha=0.18, linewidth=0)
            axes.plot([at, at], [1e5, np.interp(at, flop, low)], ":", color=color)
            label_line(axes, flop, high, f"known at {pivot}", color)
        for name, tokens in curves.items():
            axes.plot(flop, tokens, color=BATCH_LAWS[name], linewidth=1.4)
            label_line(axes, flop, tokens, laws.BATCH_LAWS[name].label, BATCH_LAWS[name])
        return finish()


def _batch_of(law: laws.BatchLaw, flop: Array) -> Array:
    tokens = laws.effective_alpha(law).batch_of_compute
    return np.array([float(tokens.subs(dict.fromkeys(tokens.free_symbols, one))) for one in flop])


def priors(gpu: str = "H100 SXM") -> SvgFigure:
    """Both limits (FLOP) under each of the study's priors: 90 %, the median, the share below the paper's."""
    found = {limit: model.under_priors(limit, gpu) for limit in model.LIMITS}
    told = "; ".join(
        f"{model.LIMITS[limit]}, {prior}: {_in_words(interval)}, {share:.0%} below the paper's number"
        for limit, rows in found.items()
        for prior, (interval, share) in rows.items()
    )
    with panels(f"What each prior makes of the limits. {told}.", 2, height=6.2) as (both, finish):
        for axes, (limit, rows) in zip(both, found.items(), strict=True):
            scale_axis(axes, "x", Axis(model.LIMITS[limit], 1e25, 1e42, "FLOP", log=True))
            rows_axis(axes, list(rows), above=0.9, below=0.6)
            paper = model.limit_flop(limit, {}, gpu)
            axes.axvline(paper, color=INK, linestyle="--", linewidth=1.1)
            label_point(axes, paper, -0.7, "paper", INK)
            for row, (interval, share) in enumerate(rows.values()):
                _draw_interval(axes, interval, row, LIMITS[limit])
                label_point(axes, interval.high, row, f"{100 * share:.0f} %", LIMITS[limit])
        return finish()


def tornados(beliefs: Sequence[Assumption], gpu: str = "H100 SXM") -> SvgFigure:
    """What each assumption does to each limit (FLOP) from its 5 % to its 95 % point."""
    effects = {limit: model.tornado(limit, beliefs, gpu) for limit in model.LIMITS}
    middle = {belief.symbol: belief.quantile(0.5) for belief in beliefs}
    told = "; ".join(
        f"{model.LIMITS[limit]}: "
        + ", ".join(
            f"{each.assumption.label} {readable(each.decades, 2)} powers of ten"
            for each in effects[limit]
        )
        for limit in effects
    )
    alt = f"What each assumption moves, from its 5 % to its 95 % point: {told}."
    with panels(alt, 2, height=7.9, height_ratios=[9, 7]) as (both, finish):
        for axes, (limit, rows) in zip(both, effects.items(), strict=True):
            at_middle = model.limit_flop(limit, middle, gpu)
            paper = model.limit_flop(limit, {}, gpu)
            low = min(min(each.at_low, each.at_high) for each in rows)
            high = max(max(each.at_low, each.at_high) for each in rows)
            ends = min(low, paper) / 60, high * 60
            scale_axis(axes, "x", Axis(model.LIMITS[limit], *ends, "FLOP", log=True))
            rows_axis(
                axes, [_SHOWN[each.assumption.symbol][0] for each in rows], above=0.9, below=0.6
            )
            for place, each in enumerate(rows):
                _draw_effect(axes, place, each, at_middle)
            axes.axvline(at_middle, color=INK, linewidth=0.8)
            axes.plot([paper], [-0.62], "v", color=INK, markersize=6)
            label_point(axes, paper, -0.62, "paper", INK)
        return finish()


#: What a reader doubts: symbol, label, and the factor of the start.
_DOUBTS = (
    ("beta_net", "Network bandwidth", 2),
    ("b_p", "Batch", 2),
    ("t", "Duration", 2),
    ("ell", "Latency", 2),
    ("F", "Arithmetic", 1.2),
)


def doubt_explorer() -> Explorer:
    """Both limits (FLOP) against alpha with bands that hold 90 %, for doubts that a reader sets."""
    bounds = {
        (limit, upper): doubt.bound_at_alpha(limit, upper)
        for limit in model.LIMITS
        for upper in (False, True)
    }
    (alpha,) = symbols("alpha")
    readouts = [
        Number(f"{words.capitalize()} at α = 0.1, {which}", at.subs(alpha, 0.1), "FLOP", FLOP)
        for limit, words in model.LIMITS.items()
        for at, which in ((bounds[limit, False], "5 % point"), (bounds[limit, True], "95 % point"))
    ]
    doubts = [
        Slider(str(doubt.doubt(name)), f"{label}, within a factor of", 1, 10, factor, log=True)
        for name, label, factor in _DOUBTS
    ]
    return Explorer(
        name="doubt",
        title="What doubt does to the limits",
        alt=(
            "Critical compute and latency limit against alpha, each a line in a band that holds 90 %: "
            "the bands widen as alpha grows, since doubts are raised to a larger power"
        ),
        x_symbol="alpha",
        x=Axis("α, batch growth less depth growth", -0.1, 0.2),
        y=compute_axis(1e25, 1e40),
        curves=tuple(
            Curve(model.limit_macs(limit), words, color=LIMITS[limit])
            for limit, words in model.LIMITS.items()
        ),
        controls=(gpu_menu(), *doubts, Slider("xi", "Attention that counts", 0, 1, 0)),
        bands=(_band(bounds, "latency"), _band(bounds, "critical")),
        readouts=tuple(readouts),
        constants={
            **{
                name: value
                for name, value in model.baseline().items()
                if name not in ("alpha", "xi")
            },
            **{str(doubt.doubt(symbol)): 1.4 for symbol in ("beta_hbm", "L_0", "r")},
        },
    )


def _band(bounds: Mapping[tuple[str, bool], sp.Expr], limit: str) -> Band:
    return Band("", bounds[limit, False], bounds[limit, True], color=LIMITS[limit])


# -------------------------------------------------------------------------------------- drawing


def _told(found: Mapping[str, Array], gpu: str) -> str:
    parts = [
        f"{model.LIMITS[limit]} has its {_in_words(model.credible_interval(values))}, the paper's "
        f"baseline is {readable(model.limit_flop(limit, {}, gpu), 2)}"
        for limit, values in found.items()
    ]
    return f"Densities of the two limits over the power of ten of the compute: {'; '.join(parts)}."


def _in_words(interval: Interval) -> str:
    low, median, high = (readable(end, 2) for end in (interval.low, interval.median, interval.high))
    return f"median at {median} FLOP and 90 % between {low} and {high}"


def _years_told(interval: Interval) -> str:
    return f"{interval.median:.0f}, 90 % between {interval.low:.0f} and {interval.high:.0f}"


def _histogram(values: Array, low: float, high: float, bins: int) -> tuple[Array, Array]:
    """Middles of bins, and the density of the values in them; what is outside still counts."""
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    width = (high - low) / bins
    return (edges[:-1] + edges[1:]) / 2, counts / (len(values) * width)


def _draw_densities(axes: Axes, found: Mapping[str, Array], gpu: str) -> None:
    low, high = np.log10(_COMPUTE.low), np.log10(_COMPUTE.high)
    scale_axis(axes, "x", _COMPUTE)
    curves = {limit: _histogram(np.log10(values), low, high, 75) for limit, values in found.items()}
    top = 100 * max(density.max() for _, density in curves.values())
    axes.set_ylim(-0.28 * top, 1.45 * top)
    axes.set_ylabel("% of draws per power of ten", loc="top")
    axes.set_yticks([tick for tick in (0, 10, 20, 30, 40) if tick < 1.3 * top])
    for place, (limit, (exponents, density)) in enumerate(curves.items()):
        color, xs, ys = LIMITS[limit], 10**exponents, 100 * density
        _fill(axes, xs, ys, color)
        _draw_interval(
            axes, model.credible_interval(found[limit]), -(0.09 + 0.11 * place) * top, color
        )
        paper = model.limit_flop(limit, {}, gpu)
        height = (1.38, 1.2)[place] * top
        axes.plot([paper, paper], [0, height], color=color, linestyle="--", linewidth=1.2)
        text = f"{model.LIMITS[limit]}, paper: {readable(paper, 2)}"
        label_point(axes, paper, height, text, color)


def _draw_years(axes: Axes, found: Mapping[str, Array]) -> None:
    latest = max(model.credible_interval(values).high for values in found.values())
    span = replace(_YEARS, high=max(_YEARS.high, 10 * np.ceil(latest / 10 + 0.2)))
    scale_axis(axes, "x", span)
    bins = 104
    curves = {
        limit: _histogram(values, span.low, span.high, bins) for limit, values in found.items()
    }
    top = 100 * max(density.max() for _, density in curves.values())
    axes.set_ylim(-0.28 * top, 1.3 * top)
    axes.set_ylabel("% of draws per year", loc="top")
    axes.set_yticks([tick for tick in (0, 5, 10, 15, 20) if tick < top])
    for place, (limit, (middles, density)) in enumerate(curves.items()):
        color, ys = LIMITS[limit], 100 * density
        _fill(axes, middles, ys, color)
        interval = model.credible_interval(found[limit])
        _draw_interval(axes, interval, -(0.09 + 0.11 * place) * top, color)
        text = f"{model.LIMITS[limit]}:\n{interval.median:.0f}"
        label_point(axes, middles[int(np.argmax(ys))], ys.max(), text, color)


def _fill(axes: Axes, xs: Array, ys: Array, color: str) -> None:
    axes.fill_between(xs, 0, ys, color=color, alpha=0.16, linewidth=0)
    axes.plot(xs, ys, color=color)


def _draw_interval(axes: Axes, interval: Interval, height: float, color: str) -> None:
    """A bar below the axis that holds 90 % of the draws, with a dot at the median."""
    axes.plot([interval.low, interval.high], [height, height], color=color, linewidth=3)
    axes.plot([interval.median], [height], "o", color=color, markersize=6)


def _draw_effect(axes: Axes, place: int, effect: Effect, at_middle: float) -> None:
    symbol = effect.assumption.symbol
    _, per_unit, unit = _SHOWN[symbol]
    for share, end, color in (
        (0.05, effect.at_low, COLORS[0]),
        (0.95, effect.at_high, COLORS[1]),
    ):
        axes.plot([at_middle, end], [place, place], color=color, linewidth=9, solid_capstyle="butt")
        value = effect.assumption.quantile(share) / per_unit
        text = (
            f"{round(value, 3) + 0:.2f}"
            if symbol == "alpha"
            else f"{readable(value, 2)} {unit}".strip()
        )
        label_point(axes, end, place, text, INK)
