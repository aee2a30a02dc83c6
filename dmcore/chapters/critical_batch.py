"""Figures of the chapter on the critical batch size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sympy as sp
from matplotlib.axes import Axes

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.bottlenecks import critical_batch as model
from dmcore.bottlenecks.memory_bandwidth import node_nanobatch_tokens
from dmcore.chapters.common import FLOP, compute_axis, sliders
from dmcore.evidence.training_runs import RUNS_WITH_BATCH
from dmcore.models import laws
from dmcore.show.colors import BATCH_LAWS, COLORS, INK
from dmcore.show.explorer import Axis, Curve, Explorer, Mark
from dmcore.show.explorer import Readout as Number
from dmcore.show.labels import label_line, label_point
from dmcore.show.plots import SvgFigure, canvas, panels

__all__ = ["batch_laws_explorer", "tradeoff", "two_microbatches"]

_LAWS = (*laws.BATCH_LAWS.values(), model.measured_law())
_BATCH = Axis("batch", 4e4, 4e8, "tokens", log=True)
_TOKENS = Axis("batch", 1e6, 1e10, "tokens", log=True)


def tradeoff() -> SvgFigure:
    """Steps and tokens to one loss, over the least of each, against the batch (McCandlish 2018)."""
    critical = model.REFERENCE_BATCH_TOKENS
    batch = np.geomspace(_BATCH.low, _BATCH.high, 121)
    steps = evaluate(model.steps_of_batch(), b=batch, b_crit=critical, s_min=1)
    tokens = evaluate(model.tokens_of_batch(), b=batch, b_crit=critical, D_min=1)
    alt = (
        "Steps and tokens that a run needs, over the least of each, against the batch. With batches "
        f"of {readable(batch[0])} tokens it needs {readable(steps[0])} times the least steps; with "
        f"{readable(batch[-1])}, {readable(tokens[-1])} times the least tokens. The lines cross at "
        f"{readable(critical, 1)} tokens, where both are 2."
    )
    with canvas(alt, _BATCH, Axis("times the least", 1, 130, log=True)) as (axes, finish):
        for values, text, color in (
            (steps, "steps:\nfewer with\na larger batch", COLORS[0]),
            (tokens, "tokens:\nmore with\na larger batch", COLORS[1]),
        ):
            axes.plot(batch, values, color=color)
            label_line(axes, batch, values, text, color)
        axes.plot([critical], [2], "o", color=INK, markersize=5)
        label_point(axes, critical, 2, "critical batch:\nboth are 2", INK)
        return finish()


def two_microbatches(stages: int = 3, passes: int = 12) -> SvgFigure:
    """What each stage of a pipeline does over time, with one and with two microbatches to a stage."""
    alt = (
        f"A pipeline of {stages} stages over time. A microbatch computes for one pass, then travels "
        f"for as long. With {stages} microbatches each stage computes in every other pass and waits in "
        f"between. With {stages * model.MICROBATCHES_PER_STAGE} it computes in all of them."
    )
    with panels(alt, 2, height=4.0, sharex=True) as (rows, finish):
        for axes, per_stage in zip(rows, (1, model.MICROBATCHES_PER_STAGE), strict=True):
            _draw_stages(axes, stages, passes, per_stage)
        rows[0].set_title(f"{stages} microbatches: every other pass is lost", loc="left")
        count = stages * model.MICROBATCHES_PER_STAGE
        rows[1].set_title(f"{count} microbatches: no pass is lost", loc="left")
        rows[1].set_xlabel("time (passes)")
        return finish()


def _draw_stages(axes: Axes, stages: int, passes: int, per_stage: int) -> None:
    """Fill the passes in which a stage computes; the number is the microbatch.

    The last stage hands over to the first one, which holds the next layers (interleaving). So in pass
    k a stage computes if one of its microbatches set out in a pass of the same parity.
    """
    for k in range(passes):
        late = k % 2
        for stage in range(stages):
            if late >= per_stage:
                continue
            number = (stage - k // 2) % stages + late * stages
            color = COLORS[late]
            axes.barh(stage, 0.94, left=k + 0.03, height=0.8, color=color, alpha=0.3)
            axes.text(k + 0.5, stage, f"{number + 1}", ha="center", va="center", color=INK)
    axes.set_yticks(range(stages), [f"stage {stage + 1}" for stage in range(stages)])
    axes.invert_yaxis()
    axes.set_xlim(0, passes)
    axes.set_xticks(range(0, passes + 1, 2))
    axes.grid(False)


def batch_laws_explorer() -> Explorer:
    """The batch law of the closed forms, with its two numbers on sliders, beside the simulator's."""
    batch, exponent = sliders("b_0 alpha_b")
    batch = replace(batch, label="Batch at 3 × 10²³ FLOP")
    b, n = symbols("b n")
    found = {b: _batch_at(1e28), n: node_nanobatch_tokens("H100 SXM")}
    return Explorer(
        name="batch-laws",
        title="How the batch grows with compute",
        alt="Batch in tokens against training compute: a power law to choose, and four fixed laws",
        x_symbol="T",
        x=compute_axis(1e22, 1e32),
        y=_TOKENS,
        curves=(
            Curve(model.batch_law(), "your law", color=COLORS[5]),
            *(
                Curve(_tokens(law), law.label, dashed=True, color=BATCH_LAWS[law.name])
                for law in _LAWS
            ),
        ),
        controls=(batch, replace(exponent, default=0.1)),
        marks=tuple(
            Mark(run.flop * FLOP, batch, name)
            for run in RUNS_WITH_BATCH
            for batch, name in (
                (run.largest_batch, run.name),
                *([(run.dense_batch, "if dense")] if run.sparsity > 1 else []),
            )
        ),
        readouts=(
            Number("Batch at 10²⁸ FLOP", _batch_at(1e28), "million tokens", 1e6),
            Number("Batch at 10³¹ FLOP", _batch_at(1e31), "million tokens", 1e6),
            Number("Parts for H100s at 10²⁸ FLOP", model.largest_batch_slicing().subs(found)),
        ),
        # In words the laws are anchored at 3e23 FLOP, so here a MAC counts as two of them.
        constants={"T_0": model.REFERENCE_COMPUTE * FLOP},
    )


def _tokens(law: laws.BatchLaw) -> sp.Expr:
    """A law of the simulator for a dense model: tokens, as a function of T in MAC."""
    T, T_FLOP = *symbols("T"), sp.Symbol("T_FLOP", positive=True)
    tokens: sp.Expr = laws.effective_alpha(law).batch_of_compute
    return tokens.subs(T_FLOP, FLOP_PER_MAC * T)


def _batch_at(flop: float) -> sp.Expr:
    (T,) = symbols("T")
    return model.batch_law().subs(T, flop * FLOP)
