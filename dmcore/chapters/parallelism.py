"""Pictures of the ways to share a training run among GPUs. A colour is a GPU in all of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from matplotlib.axes import Axes

from dmcore.algebra.symbols import symbols
from dmcore.show.colors import COLORS
from dmcore.show.drawing import arrow, box, drawing
from dmcore.show.explorer import Axis, Curve, Explorer, Slider
from dmcore.show.explorer import Readout as Number
from dmcore.show.plots import SvgFigure
from dmcore.simulator.pipeline import bubble_fraction
from dmcore.studies.ring import ring_all_reduce
from dmcore.studies.schedule import idle_share, plain_schedule, zero_bubble_schedule
from dmcore.studies.slicing import Share, Slicing

__all__ = [
    "SCHEDULE_CONTROLS",
    "bubble_explorer",
    "four_ways",
    "layer",
    "no_bubble",
    "ring",
    "schedule",
    "tensor_parallel",
]

_LAYERS = 4
_TOKENS = 8
#: The expert that each token of the picture is sent to, of four.
_ROUTES = (2, 0, 3, 1, 1, 3, 0, 2)

#: Stages and microbatches of the schedule that a reader changes.
SCHEDULE_CONTROLS = (
    Slider("stages", "Pipeline stages", 1, 8, 4, whole=True),
    Slider("microbatches", "Microbatches", 1, 16, 8, whole=True),
)


def four_ways() -> SvgFigure:
    """What each of four GPUs holds in each of the four ways: its part of the batch and the weights."""
    ways = (
        ("Data: a part of the batch, all weights", Slicing(data=4)),
        ("Tensor: a block of every matrix, all tokens", Slicing(slices_of_d=2, slices_of_f=2)),
        ("Pipeline: some of the layers, all tokens", Slicing(pipeline=4)),
        ("Expert: some experts of each layer, their tokens", Slicing(expert=4)),
    )
    alt = (
        "Four rows of four GPUs. Data parallelism: each GPU has a quarter of the tokens and all "
        "weights. Tensor: all tokens and a quarter of every matrix. Pipeline: all tokens and one of "
        "four layers. Expert: the quarter of the tokens that is sent to its quarter of the experts."
    )
    with _drawing(alt, 6.25, -0.3, 5.95) as (axes, finish):
        for row, (text, slicing) in enumerate(ways):
            y = 4.22 - 1.4 * row
            axes.text(0, y + 1.06, text)
            for gpu, share in enumerate(slicing.shares()):
                _card(axes, 1.02 * gpu, y, share, slicing.expert, COLORS[gpu])
        for gpu in range(4):
            axes.text(1.02 * gpu + 0.45, -0.08, f"GPU {gpu + 1}", ha="center", va="top")
        axes.text(0, 5.72, "Left: the tokens of a batch. Right: four layers.", color=COLORS[5])
        return finish()


def layer() -> SvgFigure:
    """One layer of a transformer: attention, which the book leaves out, and the MLP's two matrices."""
    alt = (
        "A layer of a transformer, from left to right. A token's vector of d channels passes attention, "
        "which the book leaves out, and the MLP: a matrix from d to f channels, a nonlinearity, and a "
        "matrix from f back to d."
    )
    with _drawing(alt, 1.6, 0, 1.62) as (axes, finish):
        box(axes, (0.0, 0.55), (0.12, 0.5), COLORS[5], alpha=0.35)
        axes.text(0.06, 0.48, "d", ha="center", va="top")
        arrow(axes, (0.16, 0.8), (0.34, 0.8))
        box(axes, (0.38, 0.4), (0.85, 0.8), None, "attention\n(left out)", dashed=True)
        arrow(axes, (1.27, 0.8), (1.45, 0.8))
        box(axes, (1.5, 0.55), (0.95, 0.5), COLORS[0], "W in\nd × f")
        box(axes, (2.53, 0.3), (0.12, 1.0), COLORS[5], alpha=0.35)
        axes.text(2.59, 0.23, "f = 4 d", ha="center", va="top")
        box(axes, (2.73, 0.55), (0.95, 0.5), COLORS[2], "W out\nf × d")
        arrow(axes, (3.71, 0.8), (3.84, 0.8))
        box(axes, (3.88, 0.55), (0.12, 0.5), COLORS[5], alpha=0.35)
        axes.text(3.94, 0.48, "d", ha="center", va="top")
        axes.text(2.59, 1.42, "MLP, with a nonlinearity in the middle", ha="center")
        return finish()


def tensor_parallel() -> SvgFigure:
    """The two matrices of a layer cut in one direction and in two, and which results are summed."""
    alt = (
        "Tensor parallelism of a layer: matrix W in from d to f channels, matrix W out from f to d. "
        "In one dimension, each of four GPUs has a slice along f of both; only the d results are "
        "summed, over all four. In two dimensions, each has one of 2 by 2 blocks of both; the f "
        "results are summed over 2 GPUs and the d results over 2."
    )
    panels = (
        ("1D: four slices along f", 1, 4, "the d sums: over 4 GPUs", "no all-reduce"),
        ("2D: m = 2 slices of d, q = 2 of f", 2, 2, "the d sums: over q = 2", "over m = 2"),
    )
    with _drawing(alt, 5.3, -0.02, 5.35) as (axes, finish):
        for (text, m, q, d_sum, f_sum), bottom in zip(panels, (2.75, 0.0), strict=True):
            axes.text(0, bottom + 2.42, text)
            for y in (bottom + 1.45, bottom + 0.3):
                _blocks(axes, 0.75, y, 2.15, 0.8, m, q)
            for y, name in ((bottom + 1.45, "x"), (bottom + 0.3, "y")):
                box(axes, (0.5, y), (0.1, 0.8), COLORS[5], alpha=0.35)
                axes.text(0.42, y + 0.4, f"{name}\nd", ha="right", va="center")
            box(axes, (0.75, bottom + 1.2), (2.15, 0.1), COLORS[5], alpha=0.35)
            axes.text(3.0, bottom + 1.85, "W in", va="center")
            axes.text(3.0, bottom + 1.25, f"the f sums:\n{f_sum}", va="center")
            axes.text(3.0, bottom + 0.7, "W out", va="center")
            axes.text(0.5, bottom + 0.24, d_sum, va="top")
        return finish()


def ring(peers: int = 4) -> SvgFigure:
    """Each GPU's chunks after each move of a ring all-reduce, with how many versions each sums.

    Chunks fly from row to row for readers who have not asked their system for less motion.
    """
    states = list(ring_all_reduce(peers))
    alt = (
        f"A ring all-reduce among {peers} GPUs, a row for each move. At first each chunk holds one "
        f"GPU's version. After {peers - 1} moves each GPU has one chunk that sums all {peers}; after "
        f"{2 * (peers - 1)} moves it has all chunks."
    )
    top, width = 0.44 * len(states), 3.3 / peers
    side = 0.9 * width / peers

    def corner(move: int, gpu: int, chunk: int) -> tuple[float, float]:
        return 0.7 + width * gpu + side * chunk, top - 0.44 * (move + 1) + 0.06

    with _drawing(alt, top + 0.35, -0.05, top + 0.3) as (axes, finish):
        for gpu in range(peers):
            axes.text(0.7 + width * (gpu + 0.45), top + 0.08, f"GPU {gpu + 1}", ha="center")
        flights = []
        for move, state in enumerate(states):
            words = f"move {move}" if move else "start"
            axes.text(0.6, corner(move, 0, 0)[1] + 0.15, words, ha="right", va="center")
            arrived = {(message.receiver, message.chunk) for message in state.messages}
            for message in state.messages:
                start = corner(move - 1, message.sender, message.chunk)
                flights.append((move - 1, start, corner(move, message.receiver, message.chunk)))
            for gpu, chunks in enumerate(state.summed):
                for chunk, contributions in enumerate(chunks):
                    heavy, count = (gpu, chunk) in arrived, len(contributions)
                    box(
                        axes,
                        corner(move, gpu, chunk),
                        (side, 0.3),
                        COLORS[2 if count == peers else 0],
                        str(count),
                        alpha=0.12 + 0.5 * (count - 1) / max(1, peers - 1),
                        width=1.6 if heavy else 0.6,
                        edge_alpha=1 if heavy else 0.55,
                        text_size=9,
                    )
        return _flying(finish(), axes, flights, (side, 0.3))


def _flying(
    still: SvgFigure,
    axes: Axes,
    flights: list[tuple[int, tuple[float, float], tuple[float, float]]],
    size: tuple[float, float],
) -> SvgFigure:
    """The picture with boxes that fly, one turn after the other: turn, from where and to where."""
    period = 1 + max((turn for turn, _, _ in flights), default=0)
    assert axes.figure is not None
    height = axes.figure.bbox.height
    width, high = axes.transData.transform(size) - axes.transData.transform((0, 0))
    moving = [
        "<style>.dm-fly{opacity:0}@media (prefers-reduced-motion:no-preference){"
        f".dm-fly{{animation:dm-fly {1.5 * period}s linear infinite;"
        "animation-delay:calc(var(--turn)*1.5s)}"
        f"@keyframes dm-fly{{0%{{opacity:.85;transform:none}}{80 / period:.1f}%{{opacity:.85;"
        f"transform:translate(var(--x),var(--y))}}{100 / period:.1f}%,100%{{opacity:0;"
        "transform:translate(var(--x),var(--y))}}}@media print{.dm-fly{display:none}}</style>"
    ]
    for turn, start, end in flights:
        (x, y), (to_x, to_y) = (axes.transData.transform(place) for place in (start, end))
        moving.append(
            f'<rect class="dm-fly" x="{x:.1f}" y="{height - y - high:.1f}" width="{width:.1f}" '
            f'height="{high:.1f}" fill="{COLORS[1]}" '
            f'style="--turn:{turn};--x:{to_x - x:.1f}px;--y:{y - to_y:.1f}px"/>'
        )
    return SvgFigure(still.svg.replace("</svg>", "".join(moving) + "</svg>"), still.alt)


def schedule(stages: float = 4, microbatches: float = 8) -> SvgFigure:
    """When each stage works on which microbatch in the plainest schedule, and how long it idles."""
    tasks = plain_schedule(int(stages), int(microbatches))
    end = max(task.end for task in tasks)
    idle = idle_share(tasks)
    told = f"{int(stages)} stages, {int(microbatches)} microbatches: idle {idle:.0%} of the time"
    alt = f"A pipeline's schedule, time to the right, a row for each stage. {told}."
    height = 0.3 * int(stages) + 0.75
    with _drawing(alt, height, -0.05) as (axes, finish):
        unit = 3.35 / end
        top = 0.3 * int(stages) + 0.3
        axes.text(0, height - 0.1, told, va="top")
        for stage in range(int(stages)):
            y = top - 0.3 * (stage + 1)
            axes.text(0.55, y + 0.12, f"GPU {stage + 1}", ha="right", va="center")
            box(axes, (0.62, y), (unit * end, 0.25))
        for task in tasks:
            x, y = 0.62 + unit * task.start, top - 0.3 * (task.stage + 1)
            color = COLORS[1] if task.backward else COLORS[0]
            number = str(task.microbatch + 1) if unit * task.turns > 0.085 else ""
            box(axes, (x, y), (unit * task.turns, 0.25), color, number, text_size=8.5)
        axes.text(0.62, 0.2, "forward", color=COLORS[0], va="top")
        axes.text(1.3, 0.2, "backward", color=COLORS[1], va="top")
        axes.text(3.97, 0.2, "time →", ha="right", va="top")
        return finish()


def no_bubble(stages: int = 4, microbatches: int = 8) -> SvgFigure:
    """A zero-bubble schedule: gradients of weights fill the time in which a stage would wait."""
    turns = zero_bubble_schedule(stages, microbatches)
    end = max(turn.start for turn in turns) + 1
    told = f"{stages} stages, {microbatches} microbatches: no stage ever waits for another"
    alt = f"A zero-bubble schedule, time to the right, a row for each stage. {told}."
    colors = {"forward": COLORS[0], "gradients": COLORS[1], "weights": COLORS[2]}
    height = 0.3 * stages + 0.75
    with _drawing(alt, height, -0.05) as (axes, finish):
        unit, top = 3.35 / float(end), 0.3 * stages + 0.3
        axes.text(0, height - 0.1, told, va="top")
        for stage in range(stages):
            y = top - 0.3 * (stage + 1)
            axes.text(0.55, y + 0.12, f"GPU {stage + 1}", ha="right", va="center")
        for turn in turns:
            corner = (0.62 + unit * float(turn.start), top - 0.3 * (turn.stage + 1))
            number = str(turn.microbatch + 1)
            box(axes, corner, (unit, 0.25), colors[turn.kind], number, text_size=8.5)
        words = {"forward": 0.62, "gradients": 1.3, "weights": 2.1}
        for kind, x in words.items():
            axes.text(x, 0.2, kind, color=colors[kind], va="top")
        axes.text(3.97, 0.2, "time →", ha="right", va="top")
        return finish()


def bubble_explorer() -> Explorer:
    """Idle share of a pipeline against its microbatches, with stages and interleaving to move."""
    K, v = symbols("K v")
    idle = bubble_fraction()
    return Explorer(
        name="pipeline-bubble",
        title="How much of the time a pipeline sits idle",
        alt="The idle share of a pipeline falls as the number of microbatches grows, and sooner if "
        "each stage holds several blocks of layers",
        x_symbol="K",
        x=Axis("microbatches K", 1, 256, log=True),
        y=Axis("idle share of the time", 0, 1, "%", 0.01),
        curves=(
            Curve(idle, "1 block to a stage", {"v": 1}, dashed=True),
            Curve(idle, "v blocks"),
        ),
        controls=(
            Slider("N_PP", "Stages", 1, 64, 8, whole=True),
            Slider("v", "Blocks of layers to a stage, v", 1, 8, 4, whole=True),
        ),
        readouts=(
            Number("Idle with 16 microbatches, one block", idle.subs({K: 16, v: 1}), "%", 0.01),
            Number("Idle with 16 microbatches, interleaved", idle.subs(K, 16), "%", 0.01),
        ),
    )


# --------------------------------------------------------------------------------------- drawing


def _drawing(alt: str, height: float, low: float, high: float | None = None) -> Any:
    """A frame 4 units wide, whose units are the same that way up if it is ``height`` of them high."""
    top = height if high is None else high
    return drawing(alt, (-0.05, 4.05), (low, top), height * 4.7 / 4.1)


def _blocks(
    axes: Axes, x: float, y: float, width: float, height: float, rows: int, columns: int
) -> None:
    """A matrix cut into blocks, each in the colour of its GPU."""
    for row in range(rows):
        for column in range(columns):
            gpu = row * columns + column
            box(
                axes,
                (x + width * column / columns, y + height * (rows - 1 - row) / rows),
                (width / columns, height / rows),
                COLORS[gpu],
            )
            axes.text(
                x + width * (column + 0.5) / columns,
                y + height * (rows - 0.5 - row) / rows,
                f"GPU {gpu + 1}",
                ha="center",
                va="center",
                size=9.5,
            )


def _card(axes: Axes, x: float, y: float, share: Share, groups: int, color: str) -> None:
    """The whole job as an outline, 0.9 wide and 1 high, with one GPU's share of it filled."""
    for token in range(_TOKENS):
        here = share.batch[0] <= Fraction(token, _TOKENS) < share.batch[1]
        routed = share.experts[0] <= Fraction(_ROUTES[token], 4) < share.experts[1]
        top = y + 1 - (token + 1) / _TOKENS
        box(axes, (x, top), (0.18, 0.1), color if here and (routed or groups == 1) else None)
    experts = 4 if groups > 1 else 1
    gap = 0.03 if experts > 1 else 0.0
    side = (0.62 - gap * (experts - 1)) / experts
    for layer in range(_LAYERS):
        bottom = y + 1 - (layer + 1) / _LAYERS + 0.025
        mine = share.layers[0] <= Fraction(layer, _LAYERS) < share.layers[1]
        for expert in range(experts):
            left = x + 0.27 + expert * (side + gap)
            if mine and share.experts[0] <= Fraction(expert, experts) < share.experts[1]:
                (row_0, row_1), (column_0, column_1) = share.rows, share.columns
                corner = left + side * float(column_0), bottom + 0.2 * float(1 - row_1)
                size = side * float(column_1 - column_0), 0.2 * float(row_1 - row_0)
                box(axes, corner, size, color, alpha=0.6, width=0)
            box(axes, (left, bottom), (side, 0.2))
