"""Figures of the chapter on latency."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import latency as model
from dmcore.bottlenecks import limits
from dmcore.bottlenecks.critical_batch import REFERENCE_COMPUTE
from dmcore.chapters.common import sliders
from dmcore.show.explorer import Axis, Curve, Explorer
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import COLORS, INK, SvgFigure, canvas

__all__ = ["DAY_S", "dependency_chain", "run_time_explorer"]

#: Seconds.
DAY_S = 86400.0

_COMPUTE = Axis(
    "training compute T",
    1e23 / FLOP_PER_MAC,
    1e34 / FLOP_PER_MAC,
    "FLOP",
    1 / FLOP_PER_MAC,
    log=True,
)
_RUN_TIME = Axis("least run time", 1e-3 * DAY_S, 1e4 * DAY_S, "days", DAY_S, log=True)

_LAYERS = 3  # of the drawn model
_COLUMNS = {"forward": 0.0, "backward": 2.3, "weights": 4.6}
_WIDTH, _HEIGHT, _PITCH = 1.7, 0.66, 0.98


def dependency_chain() -> SvgFigure:
    """The matrix products of one step in three layers: which must wait for which."""
    path = model.SEQUENTIAL_MATMULS_PER_LAYER * _LAYERS
    microseconds = path * model.MATMUL_LATENCY_S * 1e6
    alt = (
        f"One step of a model of {_LAYERS} layers. The products of the forward pass go up, two in each "
        "layer, and those of the backward pass come down, two in each layer: "
        f"{path} in a row, at least {readable(microseconds)} microseconds. "
        "From each product of the backward pass a weight gradient hangs off to the side."
    )
    rows = [(layer, which) for layer in range(1, _LAYERS + 1) for which in ("first", "second")]
    top = (len(rows) - 1) * _PITCH
    with canvas(alt, height=5) as ((axes,), finish):
        axes.set_axis_off()
        axes.set_xlim(-0.95, 5.55)
        axes.set_ylim(-1.75, top + 1.1)
        headings = zip(
            _COLUMNS.values(),
            ("forward", "backward", "weight\ngradients"),
            (COLORS[0], COLORS[1], COLORS[5]),
            strict=True,
        )
        for x, heading, color in headings:
            axes.text(x, top + 0.75, heading, ha="center", va="center", color=color)
        for index, (layer, which) in enumerate(rows):
            y = index * _PITCH
            _box(axes, _COLUMNS["forward"], y, f"layer {layer}\n{which}", COLORS[0])
            _box(axes, _COLUMNS["backward"], y, f"layer {layer}\n{which}", COLORS[1])
            _box(axes, _COLUMNS["weights"], y, f"layer {layer}\n{which}", COLORS[5], dashed=True)
            side = y - 0.1
            _arrow(axes, ("backward", _WIDTH / 2), side, ("weights", -_WIDTH / 2), side, COLORS[5])
            if index:
                low, high = y - _PITCH + _HEIGHT / 2, y - _HEIGHT / 2
                _arrow(axes, ("forward", 0), low, ("forward", 0), high, COLORS[0])
                _arrow(axes, ("backward", 0), high, ("backward", 0), low, COLORS[1])
        _arrow(axes, ("forward", _WIDTH / 2), top, ("backward", -_WIDTH / 2), top, INK)
        _arrow(axes, ("forward", 0), -0.85, ("forward", 0), -_HEIGHT / 2, COLORS[0])
        _arrow(axes, ("backward", 0), -_HEIGHT / 2, ("backward", 0), -0.85, COLORS[1])
        axes.text(_COLUMNS["forward"], -1.05, "a batch", ha="center", va="center")
        axes.text(_COLUMNS["backward"], -1.05, "next batch", ha="center", va="center")
        axes.text(
            2.3,
            -1.52,
            f"{path} products in a row × 9 µs = {readable(microseconds)} µs at least",
            ha="center",
            va="center",
        )
        return finish()


def _box(axes: Axes, x: float, y: float, text: str, color: str, *, dashed: bool = False) -> None:
    corner = (x - _WIDTH / 2, y - _HEIGHT / 2)
    shape = "round,pad=0,rounding_size=0.1"
    axes.add_patch(
        FancyBboxPatch(
            corner, _WIDTH, _HEIGHT, shape, facecolor=color, alpha=0.12, edgecolor="none"
        )
    )
    axes.add_patch(
        FancyBboxPatch(
            corner,
            _WIDTH,
            _HEIGHT,
            shape,
            fill=False,
            edgecolor=color,
            linewidth=1,
            linestyle="--" if dashed else "-",
        )
    )
    axes.text(x, y, text, ha="center", va="center", fontsize=10, linespacing=1.05)


def _arrow(
    axes: Axes,
    start: tuple[str, float],
    start_y: float,
    end: tuple[str, float],
    end_y: float,
    color: str,
) -> None:
    tail, head = (_COLUMNS[name] + offset for name, offset in (start, end))
    style = {"arrowstyle": "->", "color": color, "linewidth": 1.4, "shrinkA": 1, "shrinkB": 1}
    axes.annotate("", (head, end_y), xytext=(tail, start_y), arrowprops=style)


def run_time_explorer() -> Explorer:
    """Least run time against training compute, with latency, batch, depth and duration on sliders."""
    t, L, L_0 = symbols("t L L_0")
    run_time = limits.least_run_time_of_compute()
    return Explorer(
        name="run-time",
        title="However large the cluster",
        alt="Least run time against training compute, a line of slope 1/2, and the time allowed",
        x_symbol="T",
        x=_COMPUTE,
        y=_RUN_TIME,
        curves=(
            Curve(run_time, "least run time", label_at=0.5),
            Curve(t, "allowed", dashed=True, label_at=0.03),
        ),
        controls=sliders("ell b_0 L_0 alpha t"),
        readouts=(
            Number(
                "Largest run that ends in time", limits.latency_macs(), "FLOP", 1 / FLOP_PER_MAC
            ),
            Number("Least time of a step", model.least_step_time().subs(L, L_0), "ms", 1e-3),
            Number("Steps that fit", model.steps_that_fit().subs(L, L_0), "million", 1e6),
        ),
        constants={"T_0": REFERENCE_COMPUTE, "r": limits.TOKENS_PER_PARAMETER},
    )
