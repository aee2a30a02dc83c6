"""What would move the limits: one change after the other, by the closed forms and by the simulator.

Each :class:`Scenario` changes one thing in the paper's baseline, a three-month run of dense models on
H100s, or some things at once. Its closed forms use the simulator's own laws of batch and depth, so that
both are asked the same question.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy as sp

from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.bottlenecks import latency, limits
from dmcore.hardware.catalog import GPUS, get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S, ShapeLaw
from dmcore.simulator.ends import first_run_below, last_run_above, on_falling_fit
from dmcore.simulator.step import TrainingStep
from dmcore.simulator.sweep import Sweep, sweep
from dmcore.studies.side_by_side import own_laws

__all__ = [
    "BASELINE",
    "MEASURES",
    "Outcome",
    "SCENARIOS",
    "Scenario",
    "ScenarioTable",
    "WIDTHS",
    "closed_form_latency_s",
    "evaluate_scenario",
    "faster_memory",
    "faster_network",
    "headline_table",
    "lower_latency",
    "sweep_arguments",
]

#: Widths of the sweeps: the paper's, and on to the largest that the simulator takes, at d_ff = 4 d_model.
WIDTHS: tuple[int, ...] = tuple(
    sorted(
        width
        for width in (m * 2**i for m in range(1, 16, 2) for i in range(11, 26))
        if 12288 <= width <= 2**25
    )
)

#: What a scenario is measured by, in words; the attributes of :class:`Outcome`.
MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "critical_flop": "T_crit, closed form",
        "linear_flop": "linear scaling ends, simulator",
        "limit_flop": "T_limit, closed form",
        "last_run_flop": "last run, simulator",
    }
)


@dataclass(frozen=True, eq=False)
class Scenario:
    """A change to the baseline.

    Attributes
    ----------
    name : str
        In few words.
    gpu : GPU
        The accelerator.
    sweep : mapping
        Further arguments of :func:`dmcore.simulator.sweep.sweep`.
    closed_form : mapping, optional
        Further arguments of both closed forms, :func:`~dmcore.bottlenecks.limits.critical_compute` and
        :func:`~dmcore.bottlenecks.limits.latency_limit`; None if they do not cover it.
    word_bytes : int
        Bytes in a word.
    why : str
        What it is, and why one would ask.
    kind : str
        What it changes: "hardware", "run" or "model".
    changes : int
        How many things it changes at once; 0 for the baseline.
    """

    name: str
    gpu: GPU
    sweep: Mapping[str, Any]
    closed_form: Mapping[str, float] | None
    why: str
    word_bytes: int = 2
    kind: str = "hardware"
    changes: int = 1


@dataclass(frozen=True)
class Outcome:
    """What became of a scenario; FLOP. Infinite where nothing ends, None where nothing is known.

    Attributes
    ----------
    scenario : Scenario
        The question.
    found : Sweep
        The sweep of the simulator.
    critical_flop, limit_flop : float or None
        T_crit and T_limit of the closed forms; None if they do not cover the scenario.
    first_below_flop, last_above_flop : float or None
        First run of the sweep that uses at most 0.8 of the useful rate, and last that uses more; None
        if there is none.
    linear_flop : float or None
        Where linear scaling ends by the smoothed utilization, see
        :func:`dmcore.simulator.ends.on_falling_fit`.
    last_run_flop : float
        The largest run of the sweep that ends in time.
    out_of_widths : bool
        Whether the sweep stopped because there was no wider model to try, and not by the physics.
    """

    scenario: Scenario
    found: Sweep
    critical_flop: float | None
    limit_flop: float | None
    first_below_flop: float | None
    last_above_flop: float | None
    linear_flop: float | None
    last_run_flop: float
    out_of_widths: bool

    def run_at_end(self, beyond: int = 0) -> TrainingStep:
        """The run of the sweep nearest to the end of linear scaling, or so many runs beyond it.

        Raises
        ------
        ValueError
            If the sweep does not reach that end.
        """
        if self.linear_flop is None:
            raise ValueError(f"scenario must leave linear scaling, got {self.scenario.name!r}")
        apart = np.abs(np.log(self.found.training_flop / self.linear_flop))
        return self.found.steps[min(int(np.argmin(apart)) + beyond, len(self.found) - 1)]

    def decades_over(self, other: Outcome, measure: str) -> float | None:
        """Orders of magnitude by which a measure is above that of another outcome.

        Raises
        ------
        AttributeError
            If the measure is unknown.
        """
        mine, theirs = getattr(self, measure), getattr(other, measure)
        return None if mine is None or theirs is None else float(np.log10(mine / theirs))


@dataclass(frozen=True)
class ScenarioTable:
    """Outcomes, and their changes against the first of them, the baseline.

    Shown in a notebook it is a table; ``print`` gives the same as text.
    """

    outcomes: tuple[Outcome, ...]
    _by_name: Mapping[str, Outcome] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.outcomes:
            raise ValueError("outcomes must be at least one, got none")
        found = {outcome.scenario.name: outcome for outcome in self.outcomes}
        object.__setattr__(self, "_by_name", MappingProxyType(found))

    def __getitem__(self, name: str) -> Outcome:
        if name not in self._by_name:
            raise ValueError(f"name must be one of {', '.join(self._by_name)}, got {name!r}")
        return self._by_name[name]

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    @property
    def baseline(self) -> Outcome:
        """The first outcome."""
        return self.outcomes[0]

    def gain(self, name: str, measure: str = "linear_flop") -> float | None:
        """Orders of magnitude by which a scenario's measure is above the baseline's."""
        return self[name].decades_over(self.baseline, measure)

    def ranked(self, measure: str = "linear_flop") -> tuple[Outcome, ...]:
        """The outcomes of single changes, the largest gain first."""
        single = [one for one in self.outcomes if one.scenario.changes == 1]
        return tuple(
            sorted(single, key=lambda one: -(one.decades_over(self.baseline, measure) or 0.0))
        )

    def __str__(self) -> str:
        lines = [
            f"{'':26s}{'GPUs start to wait, FLOP':^30s}{'no run ends':^18s}change, decades",
            f"{'':26s}{'T_crit':>8s}{'below':>9s}{'above':>9s}{'T_limit':>11s}{'last run':>10s}"
            f"{'T_crit':>8s}{'linear':>7s}{'limit':>7s}{'last':>6s}",
        ]
        for one in self.outcomes:
            changes = [one.decades_over(self.baseline, name) for name in MEASURES]
            lines.append(
                f"{one.scenario.name:26s}{_text(one.critical_flop):>8s}"
                f"{_text(one.first_below_flop):>9s}{_text(one.last_above_flop):>9s}"
                f"{_text(one.limit_flop):>11s}"
                f"{('>' if one.out_of_widths else '') + _text(one.last_run_flop):>10s}"
                f"{_change(changes[0]):>8s}{_change(changes[1]):>7s}"
                f"{_change(changes[2]):>7s}{_change(changes[3]):>6s}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<{len(self)} scenarios, from {self.baseline.scenario.name!r}>"

    def _repr_html_(self) -> str:
        numbers = (
            "T<sub>crit</sub>",
            "first run below",
            "last run above",
            "T<sub>limit</sub>",
            "last run",
        )
        changes = ("T<sub>crit</sub>", "linear scaling", "T<sub>limit</sub>", "last run")
        head = (
            "<tr><th rowspan='2' scope='col'>scenario</th>"
            "<th colspan='5' scope='colgroup'>FLOP</th>"
            "<th colspan='4' scope='colgroup'>change, decades</th></tr><tr>"
            + "".join(f"<th scope='col'>{title}</th>" for title in (*numbers, *changes))
            + "</tr>"
        )
        body = "".join(self._html_row(one) for one in self.outcomes)
        return (
            "<div style='overflow-x:auto' tabindex='0' role='region' aria-label='All scenarios'>"
            "<table class='table'><caption style='text-align:left'>Where each scenario's GPUs start "
            "to wait and where its runs end, and the change against the first row. "
            "≥: the sweep ran out of widths.</caption>"
            f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
        )

    def _html_row(self, one: Outcome) -> str:
        last = ("≥ " if one.out_of_widths else "") + _written(one.last_run_flop)
        figures = (
            _written(one.critical_flop),
            _written(one.first_below_flop),
            _written(one.last_above_flop),
            _written(one.limit_flop),
            last,
            *(_written_change(one.decades_over(self.baseline, name)) for name in MEASURES),
        )
        cells = "".join(f"<td style='white-space:nowrap'>{figure}</td>" for figure in figures)
        name, why = html.escape(one.scenario.name), html.escape(one.scenario.why, quote=True)
        return (
            f"<tr><th scope='row' style='text-align:left' title=\"{why}\">{name}</th>{cells}</tr>"
        )


def _text(flop: float | None) -> str:
    if flop is None:
        return "."
    return "inf" if np.isinf(flop) else f"{flop:.1e}".replace("e+", "e")


def _written(flop: float | None) -> str:
    return "–" if flop is None else readable(flop, 2).replace(" ", "\N{NARROW NO-BREAK SPACE}")


def _written_change(decades: float | None) -> str:
    return "–" if decades is None else _change(decades).replace("-", "−").replace("inf", "∞")


def _change(decades: float | None) -> str:
    if decades is None:
        return "."
    return "inf" if np.isinf(decades) else f"{decades + 0.0:+.1f}".replace("-0.0", "+0.0")


# ---------------------------------------------------------------------------------- the changes


def faster_memory(gpu: GPU, factor: float, *, caches: bool = False) -> GPU:
    """The GPU with so many times the bandwidth of its HBM, or of L2 and shared memory as well."""
    by = factor if caches else 1
    return replace(
        gpu,
        name=f"{gpu.name}, {'every ' * caches}memory x {factor:g}",
        hbm_bytes_per_s=gpu.hbm_bytes_per_s * factor,
        l2_bytes_per_s=gpu.l2_bytes_per_s * by,
        shared_bytes_per_clock_per_sm=gpu.shared_bytes_per_clock_per_sm * by,
    )


def faster_network(gpu: GPU, factor: float, *, outermost_only: bool = False) -> GPU:
    """The GPU with so many times the network bandwidth, at all levels or at the outermost."""
    unchanged = len(gpu.network) - 1 if outermost_only else 0
    return replace(
        gpu,
        name=f"{gpu.name}, {'outer ' * outermost_only}network x {factor:g}",
        network=tuple(
            replace(level, bytes_per_s=level.bytes_per_s * (factor if i >= unchanged else 1))
            for i, level in enumerate(gpu.network)
        ),
    )


def lower_latency(gpu: GPU, factor: float) -> GPU:
    """The GPU with the latencies of its kernels and of every network hop divided by a factor."""
    return replace(
        gpu,
        name=f"{gpu.name}, latency / {factor:g}",
        matmul_latency_s=gpu.matmul_latency_s / factor,
        network=tuple(replace(level, latency_s=level.latency_s / factor) for level in gpu.network),
    )


# --------------------------------------------------------------------------------- the scenarios


def _scenario(
    name: str,
    why: str,
    gpu: GPU | str = "H100 SXM",
    *,
    batch: str = "default",
    depth: str | ShapeLaw = "default",
    years: float = 0.25,
    ratio: int = 4,
    word_bytes: int = 2,
    sparse: bool = False,
    kind: str = "hardware",
    changes: int = 1,
) -> Scenario:
    arguments: dict[str, Any] = {"d_models": WIDTHS}
    if batch != "default":
        arguments["batch_scaling"] = batch
    if depth != "default":
        arguments["layer_law"] = depth
    if years != 0.25:
        arguments["duration_years"] = years
    if word_bytes != 2:
        arguments["word_bytes"] = word_bytes
    if sparse:
        arguments["sparse"] = True
    if ratio != 4:
        arguments["aspect_ratio"] = ratio
        # As many parameters to a layer as at the usual ratio.
        by = np.sqrt(4 / ratio)
        arguments["d_models"] = tuple(int(width * by) for width in WIDTHS)
    closed = {**own_laws(batch, depth), "duration_s": years * SIMULATOR_YEAR_S}
    return Scenario(
        name,
        get_gpu(gpu),
        MappingProxyType(arguments),
        None if sparse else MappingProxyType(closed),
        why,
        word_bytes,
        kind,
        changes,
    )


def _scenarios() -> Iterable[Scenario]:
    h100 = GPUS["H100 SXM"]
    flat, both = GPUS["H100 SXM Global NVLink"], GPUS["H100 SXM Global NVLink and LL"]
    boundless = GPUS["H100 SXM Infinite Network and LL"]
    eight_bit = replace(
        h100,
        name="H100 SXM, 8 bit",
        flop_per_clock_per_thread=2 * h100.flop_per_clock_per_thread,
    )
    yield _scenario("as it is", "The paper's baseline: H100s, three months, dense.", changes=0)
    yield _scenario(
        "batch of 4 Mi tokens",
        "A batch that never grows: the least one can hope for.",
        batch="none",
        kind="run",
    )
    yield _scenario(
        "DeepSeek's batch law",
        "Batches that grow as DeepSeek LLM fitted them, with the power 0.33 of compute.",
        batch="deepseek",
        kind="run",
    )
    yield _scenario(
        "192 layers always",
        "The depth of the first model of the sweep, for all.",
        depth="192 layers",
        kind="model",
    )
    yield _scenario(
        "96 layers always",
        "Half of that.",
        depth=ShapeLaw("96 layers", "96 layers always", sp.Integer(96)),
        kind="model",
    )
    yield _scenario(
        "depth at half the power",
        "Depth that grows, but slower.",
        depth="half power",
        kind="model",
    )
    for ratio, many in (
        (1, "d_ff = d_model"),
        (16, "d_ff = 16 d_model"),
        (64, "d_ff = 64 d_model"),
    ):
        yield _scenario(
            many,
            "Layers of another shape, with the same number of parameters.",
            ratio=ratio,
            kind="model",
        )
    for months, words in ((1, "1 month"), (6, "6 months"), (12, "1 year"), (24, "2 years")):
        yield _scenario(words, "A run of another duration.", years=months / 12, kind="run")
    yield _scenario("HBM × 10", "The main memory ten times as fast.", faster_memory(h100, 10))
    yield _scenario(
        "every memory × 10",
        "HBM, L2 and shared memory ten times as fast.",
        faster_memory(h100, 10, caches=True),
    )
    yield _scenario(
        "network × 10", "Both levels of the network ten times as fast.", faster_network(h100, 10)
    )
    yield _scenario(
        "outer network × 10",
        "Only the links beyond the node ten times as fast.",
        faster_network(h100, 10, outermost_only=True),
    )
    yield _scenario("latency ÷ 10", "Kernels and hops a tenth.", lower_latency(h100, 10))
    yield _scenario(
        "superpods of 256",
        "NVLink switches join 32 nodes at half the speed. The closed form knows one network and takes "
        "that for it.",
        "H100 SXM Superpod",
    )
    yield _scenario("flat NVLink", "One network for all, as fast as within a node.", flat)
    yield _scenario(
        "infinite network",
        "No message takes time but for its latency.",
        replace(lower_latency(boundless, 0.1), name="H100 SXM Infinite Network"),
    )
    yield _scenario(
        "8 bit, twice the peak",
        "Half the bytes, twice the arithmetic.",
        eight_bit,
        word_bytes=1,
    )
    yield _scenario(
        "experts",
        "Sparse models by the paper's law; the closed forms are of dense ones.",
        sparse=True,
        kind="model",
    )
    yield _scenario(
        "network, latency by 10",
        "Network × 10 and latency ÷ 10: what moves between GPUs, and what one waits for.",
        lower_latency(faster_network(h100, 10), 10),
        changes=2,
    )
    yield _scenario(
        "and memories by 10",
        "All three: memories and network × 10, latency ÷ 10.",
        lower_latency(faster_memory(faster_network(h100, 10), 10, caches=True), 10),
        changes=3,
    )
    yield _scenario(
        "flat NVLink, low latency", "The paper's hypothesis of a better network.", both, changes=2
    )
    yield _scenario(
        "infinite, low latency",
        "What latency and memory alone allow.",
        boundless,
        changes=2,
    )
    yield _scenario(
        "192 layers, DeepSeek",
        "Shallow models and large batches: no new hardware at all.",
        batch="deepseek",
        depth="192 layers",
        kind="model",
        changes=2,
    )


#: All scenarios by name, the baseline first, read-only.
SCENARIOS: Mapping[str, Scenario] = MappingProxyType({one.name: one for one in _scenarios()})

#: Name of the scenario that the others are compared with.
BASELINE = next(iter(SCENARIOS))


# ----------------------------------------------------------------------------------- evaluation


def closed_form_latency_s(gpu: GPU) -> float:
    """The latency of a matrix product and its messages (ell), seconds: a kernel and four hops."""
    return float(
        evaluate(
            latency.matmul_latency(),
            ell_kernel=gpu.matmul_latency_s,
            ell_hop=gpu.network[-1].latency_s,
        )
    )


def sweep_arguments(scenario: Scenario) -> dict[str, Any]:
    """All arguments of :func:`dmcore.simulator.sweep.sweep` that a scenario gives."""
    return {"gpu": scenario.gpu, **scenario.sweep}


@cache
def evaluate_scenario(scenario: Scenario) -> Outcome:
    """A scenario by the closed forms and by a sweep of the simulator. Done once for each."""
    found = sweep(**sweep_arguments(scenario))
    critical = limit = None
    if scenario.closed_form is not None:
        known = dict(scenario.closed_form)
        critical = float(
            limits.critical_compute(scenario.gpu, word_bytes=scenario.word_bytes, **known)
        )
        limit = float(limits.latency_limit(latency_s=closed_form_latency_s(scenario.gpu), **known))
    return Outcome(
        scenario=scenario,
        found=found,
        critical_flop=critical,
        limit_flop=limit,
        first_below_flop=first_run_below(found),
        last_above_flop=last_run_above(found),
        linear_flop=on_falling_fit(found),
        last_run_flop=float(found.training_flop[-1]),
        out_of_widths=not found.ended_by,
    )


def headline_table(
    names: Iterable[str] | None = None,
    evaluate_one: Callable[[Scenario], Outcome] = evaluate_scenario,
) -> ScenarioTable:
    """Every scenario evaluated: the table that sums up the book. Takes some seconds.

    Parameters
    ----------
    names
        Scenarios, of which the first is the baseline; all by default.
    evaluate_one
        How a scenario is evaluated.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    chosen = tuple(SCENARIOS if names is None else names)
    for name in chosen:
        if name not in SCENARIOS:
            raise ValueError(f"names must be of {', '.join(SCENARIOS)}, got {name!r}")
    return ScenarioTable(tuple(evaluate_one(SCENARIOS[name]) for name in chosen))
