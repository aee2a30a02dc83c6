"""A cluster of the reader's own: a GPU made of figures, and the figure that sweeps it in the page.

The page's script searches as :mod:`dmcore.simulator.search` does (book/_live/simulator.js). It gets every
formula from here, made from the expression that the simulator evaluates, so that both give the same runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import sympy as sp

from dmcore.algebra.expressions import javascript
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.hardware.catalog import GPUS
from dmcore.hardware.gpu import GPU
from dmcore.hardware.variants import FIGURES
from dmcore.models import activation_memory, attention, laws
from dmcore.models.model import ACTIVATION_MEMORY, Extras, executed_macs, forward_macs
from dmcore.models.told_batch import TOLD_ROUNDING, told_sequences
from dmcore.show.explorer import Menu, Slider
from dmcore.show.grid import Column, GridFigure, Runs, column_data
from dmcore.show.page import control_data, numbers_data, page_html
from dmcore.show.plots import SvgFigure
from dmcore.show.settings import AS_TOLD, MEMORY_CHOICES, SETTINGS, batch_told, sweep_of, use_of
from dmcore.simulator import attention_messages, pipeline, traffic
from dmcore.simulator.deadline import FACTORS, TOO_LONG
from dmcore.simulator.ends import LINEAR_SCALING
from dmcore.simulator.matmul import gpu_values, matmul_time_parts, time_expression
from dmcore.simulator.search import MIN_UTILIZATION
from dmcore.simulator.step import MONTH_S
from dmcore.simulator.sweep import D_MODELS, Sweep
from dmcore.simulator.times import (
    arithmetic_time,
    attention_step_time,
    cluster_memory,
    expert_replica_memory,
    matmul_step_time,
    products_in_attention,
    products_in_mlp,
    score_kernels,
    score_time,
)
from dmcore.studies.planning import COARSE, FINE, ODD

__all__ = [
    "ClusterFigure",
    "formulas",
    "runs_of",
]


def runs_of(
    found: Sweep,
    columns: Iterable[str],
    note: str = "",
    facts: Mapping[str, float | None] | None = None,
    **more: list[float],
) -> Runs:
    """Runs of a sweep as a figure of them has them.

    Parameters
    ----------
    found
        The sweep.
    columns
        Names of a sweep's columns, or of what its steps have; ``zero_bubble`` becomes yes or no.
    note
        Why there are no more runs.
    facts
        Numbers of all runs together; by default where linear scaling ends.
    more
        Further columns.

    Examples
    --------
    >>> from dmcore import sweep
    >>> runs_of(sweep("H100 SXM", d_models=(12288,)), ("d_model", "binding")).columns
    {'d_model': [12288.0], 'binding': ['matmul arithmetic']}
    """
    made: dict[str, list[float] | list[str]] = {}
    for name in columns:
        if name in more:
            made[name] = more[name]
        elif name == "binding":
            made[name] = [step.binding for step in found.steps]
        elif name == "zero_bubble":
            made[name] = ["yes" if given else "no" for given in found.zero_bubble]
        elif hasattr(found, name):
            made[name] = [float(value) for value in getattr(found, name)]
        else:
            made[name] = [float(getattr(step, name)) for step in found.steps]
    if facts is None:
        facts = {"end": found.end.flop}
    return Runs(made, facts, note)


def _fixed(gpu: GPU) -> dict[str, float]:
    """What a reader does not set: the GPU's caches and SMs, by symbol."""
    values = dict(gpu_values(gpu))
    kept = ("C_L2", "C_SM", "C_reg", "N_SM", "N_block")
    return {
        **{name: values[name] for name in kept},
        "sigma": gpu.shared_bytes_per_s / gpu.useful_flop_per_s,
        "distributed": float(gpu.distributed_shared_memory),
    }


# ------------------------------------------------------------------------------------- formulas

#: Symbols that come to the script together, as the figures of one GPU.
_GPU_SYMBOLS = frozenset(gpu_values(GPUS["H100 SXM"]))


def _expressions() -> Iterator[tuple[str, str, sp.Expr]]:
    """Each formula of the script: its name, its arguments in order, and the expression.

    Symbols of the GPU are no arguments: they come together, as the last one.
    """
    peak, eta, useful, sigma = symbols("F_peak eta F_useful sigma")
    yield "usefulRate", "F_peak eta", peak * eta
    yield "sharedRate", "F_useful sigma", useful * sigma
    for depth in laws.DEPTH_LAWS.values():
        yield f"layers_{depth.name}", "d f", depth.expression
    yield "experts", "d f", laws.SPARSITY_LAWS["default"].expression
    yield "parameters", "d f L E", laws.parameters()
    yield "trainingTokens", "P", laws.training_tokens()
    yield "trainingFlop", "P E", laws.training_flop()
    for law in laws.BATCH_LAWS.values():
        yield f"batch_{law.name}", "T_FLOP E S", law.expression
    yield "batchTold", "T_FLOP S b_told alpha_b", told_sequences()
    yield "arithmetic", "P E b N_GPU F_peak", arithmetic_time()
    yield "memory", "P w_P w_G N_DP", cluster_memory()
    yield "matmuls", "L N_PP E N_EP K t_layer", matmul_step_time()
    yield "leaving", "v p_out", traffic.hand_overs_leaving()
    yield "withExperts", "L n_out s_out", traffic.hand_overs_with_experts()
    yield "handOver", "u w N_GPU beta", traffic.hand_over_time()
    yield "handOverWait", "n_hand ell_hop", traffic.hand_over_latency()
    yield from _extras()
    yield "bubble", "N_PP K v", pipeline.bubble_fraction()
    yield "pipeline", "N_PP K v t_matmul t_bandwidth t_latency", pipeline.pipeline_time()
    yield "zeroBubble", "t_matmul t_bandwidth", pipeline.pipeline_time(True)
    yield (
        "zeroBubbleLatency",
        "t_matmul t_bandwidth t_latency",
        pipeline.pipeline_time(True, True),
    )
    for gradient, name in ((False, "product"), (True, "gradient")):
        for distributed, kind in ((False, "plain"), (True, "distributed")):
            sizes = "d_1 d_2 z w_P w_A"
            yield f"{name} {kind}", sizes, time_expression(gradient, distributed)
            for part, expr in matmul_time_parts(gradient, distributed).items():
                yield f"{name} {kind} {part}", "" if part == "latency" else sizes, expr


def _extras() -> Iterator[tuple[str, str, sp.Expr]]:
    """Those of what the paper leaves out: attention, and the memory of activations."""
    yield "attentionParameters", "d", attention.layer_parameters()
    yield "forwardMacs", "d f L S", forward_macs()
    yield "executedMacs plain", "d f L F_passes", executed_macs(False)
    yield "executedMacs attention", "d f L S F_passes F_scores", executed_macs(True)
    yield "flopOfMacs", "P E D", FLOP_PER_MAC * laws.training_macs()
    yield "insideReduced", "d F_passes", attention_messages.inside_all_reduced()
    yield "outsideReduced", "d F_passes", attention_messages.outside_all_reduced()
    yield "attention", "L N_PP K t_attention", attention_step_time()
    yield "scores", "d S F_scores z N_TP F_useful", score_time()
    yield "expertReplicas", "P_attention N_DP N_EP w_P", expert_replica_memory()
    (w_mask,) = symbols("w_mask")
    for attends in (False, True):
        for memory in ACTIVATION_MEMORY:
            words = f"{memory} {attends}".lower()
            kept, again = activation_memory.token_bytes(attends, memory)
            yield f"kept {words}", "d f S w_A", kept.subs(w_mask, activation_memory.MASK_BYTES)
            yield f"again {words}", "d f S w_A", again.subs(w_mask, activation_memory.MASK_BYTES)
    for zero_bubble, name in ((False, "activations"), (True, "activationsZeroBubble")):
        arguments = "b L c_kept c_again N_PP K" + " v" * (not zero_bubble)
        yield name, arguments, activation_memory.cluster_activations(zero_bubble)


@cache
def formulas() -> tuple[Mapping[str, Any], ...]:
    """Every formula of the simulator as the body of a JavaScript function with named arguments.

    Raises
    ------
    ValueError
        If an expression has a symbol that is not among its arguments.

    Examples
    --------
    >>> next(each["args"] for each in formulas() if each["name"] == "parameters")
    ['d', 'f', 'L', 'E']
    """
    found = []
    for name, arguments, expr in _expressions():
        known = arguments.split()
        of_gpu = sorted(
            {symbol.name for symbol in expr.free_symbols}.difference(known) & _GPU_SYMBOLS
        )
        lacking = {symbol.name for symbol in expr.free_symbols} - {*known, *of_gpu}
        if lacking:
            raise ValueError(f"arguments of {name!r} must hold {', '.join(sorted(lacking))}")
        steps, (value,) = sp.cse([expr], symbols=sp.numbered_symbols("_c"))
        body = "".join(f"const {step}={javascript(part)};" for step, part in steps)
        found.append(
            {
                "name": name,
                "args": [*known, *([f"{{{','.join(of_gpu)}}}"] if of_gpu else [])],
                "body": f"{body}return {javascript(value)};",
            }
        )
    return tuple(found)


def _extras_data(extras: Extras) -> dict[str, Any]:
    """What the script must know of extras: how often things are computed, and what is kept."""
    return {
        "attention": extras.attention,
        "forwardPasses": extras.forward_passes,
        "scorePasses": extras.score_passes,
        "productsInMlp": products_in_mlp(extras),
        "productsInAttention": products_in_attention(extras),
        "scoreKernels": score_kernels(extras),
        "activations": extras.activation_memory,
    }


def laws_data() -> dict[str, Any]:
    """What all sweeps of the page share: widths, and constants of :func:`~dmcore.simulator.sweep.sweep`.

    Examples
    --------
    >>> laws_data()["asTold"]
    1
    """
    return {
        "widths": list(D_MODELS),
        "asTold": AS_TOLD,
        "minUtilization": MIN_UTILIZATION,
        "linearScaling": LINEAR_SCALING,
        "factors": list(FACTORS),
        "tooLong": list(TOO_LONG),
        "leastUtilization": MIN_UTILIZATION,
        "monthSeconds": MONTH_S,
        "extras": [
            [_extras_data(Extras(bool(attends), memory)) for memory in MEMORY_CHOICES]
            for attends in (0, 1)
        ],
        "planning": {"fine": FINE, "coarse": COARSE, "odd": list(ODD)},
        "depthLaws": list(laws.DEPTH_LAWS),
        "batchLaws": [
            {"name": law.name, "rounding": law.rounding, "told": batch_told(law)}
            for law in laws.BATCH_LAWS.values()
        ],
        "toldRounding": TOLD_ROUNDING,
    }


# --------------------------------------------------------------------------------------- figure


@dataclass(frozen=True)
class ClusterFigure:
    """A sweep of whatever cluster the reader sets, which the page's script computes anew.

    Attributes
    ----------
    groups : mapping of str to tuple of Slider or Menu
        Controls under a heading each; those of the first are open. Together they set every symbol of
        :data:`~dmcore.hardware.variants.FIGURES` and :data:`~dmcore.show.settings.SETTINGS`.
    start : GridFigure
        How the runs are shown, and those of the controls' defaults, as its only combination.
    own, own_compute : Slider
        Number of the reader's own GPUs, whose largest run the page looks for, and the compute of a run
        that it looks for instead.
    own_columns : tuple of Column
        What is told of that run: keys of :meth:`~dmcore.studies.planning.ClusterUse.summary` or of its split.

    Raises
    ------
    ValueError
        If the controls do not set every symbol.

    Examples
    --------
    >>> from dmcore.chapters.your_cluster import cluster
    >>> len(cluster().runs({**cluster().defaults(), "months": 1}))
    27
    """

    groups: Mapping[str, tuple[Slider | Menu, ...]]
    start: GridFigure
    own: Slider
    own_compute: Slider
    own_columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        lacking = sorted({*FIGURES, *SETTINGS}.difference(self.defaults()))
        if lacking:
            raise ValueError(f"groups must set {', '.join(lacking)}")

    @property
    def controls(self) -> tuple[Slider | Menu, ...]:
        """All controls in order."""
        return tuple(control for group in self.groups.values() for control in group)

    def defaults(self) -> dict[str, float]:
        """The value of each symbol at the start."""
        values: dict[str, float] = {}
        for control in self.controls:
            if isinstance(control, Slider):
                values[control.symbol] = control.default
            else:
                values.update(control.options[control.default])
        return values

    def runs(self, settings: Mapping[str, float]) -> Runs:
        """The runs of other settings, which :func:`~dmcore.show.settings.sweep_of` simulates."""
        return runs_of(sweep_of(settings), (column.name for column in self.start.columns))

    def still(self, runs: Runs | None = None) -> SvgFigure:
        """The figure of the start, or of other runs, without controls."""
        start = self.start
        if runs is not None:
            start = replace(start, runs={start.default(): runs})
        flop = map(float, start.runs[start.default()].columns[start.x_column])
        decade = math.ceil(math.log10(max(flop, default=10 * start.x.low)) - 1e-9)
        return replace(start, x=replace(start.x, high=10.0**decade)).still()

    def spec(self) -> dict[str, Any]:
        """The figure as data for the page's script."""
        shown = self.start.spec()
        (series,) = shown.pop("series")
        del shown["menus"], shown["lines"]
        summary = use_of(self.defaults(), int(self.own.default)).summary()
        told = summary | summary["split"]
        return {
            **shown,
            "kind": "cluster",
            "groups": [
                {"label": label, "controls": [control_data(control) for control in group]}
                for label, group in self.groups.items()
            ],
            "own": {
                "title": "What can a cluster of my own do?",
                "gpus": control_data(self.own),
                "ask": ["the largest run that ends in time", "a run of so much compute"],
                "flop": control_data(self.own_compute),
                "columns": [column_data(column) for column in self.own_columns],
                "use": {name: told[name] for name in (column.name for column in self.own_columns)},
            },
            "fixed": [numbers_data(_fixed(gpu)) for gpu in GPUS.values()],
            "formulas": formulas(),
            "laws": laws_data(),
            "runs": series,
        }

    def _repr_html_(self) -> str:
        return page_html(self.start.name, self.spec(), self.start.still())

    def __repr__(self) -> str:
        return f"<live sweep: {self.start.alt}>"
