"""One change to the baseline, or several at once: what all studies ask about, and how it is applied.

The baseline is a three-month run of dense models on H100s that grow by the paper's laws. Whatever a
:class:`Change` makes otherwise, it is given to the closed forms and to the simulator alike, so that both
are asked the same question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_flag, check_positive_integer, check_scalar, check_type
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC
from dmcore.bottlenecks import latency, limits
from dmcore.bottlenecks.critical_batch import REFERENCE_COMPUTE
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import PASSES, SIMULATOR_YEAR_S, BatchLaw, ShapeLaw, effective_alpha
from dmcore.models.model import Extras
from dmcore.models.words import Words, check_words
from dmcore.simulator.ends import LINEAR_SCALING, End, at_the_deadline, never_linear
from dmcore.simulator.step import TrainingStep
from dmcore.simulator.sweep import D_MODELS, Sweep, sweep

__all__ = [
    "BASELINE",
    "FROM_2048",
    "PAPERS_FROM_2048",
    "WIDTHS",
    "Change",
    "Lever",
    "MEASURES",
    "Outcome",
    "closed_form_latency_s",
    "own_laws",
    "round_widths",
    "swept",
    "together",
]


@checked
def round_widths(low: int, high: int, step: int) -> tuple[int, ...]:
    """All widths m 2**i that are multiples of a power of 2, m odd up to 15, from low to high.

    Examples
    --------
    >>> round_widths(12288, 20480, step=2048)
    (12288, 14336, 16384, 18432, 20480)
    """
    widths = {m * step * 2**i for m in range(1, 16, 2) for i in range(high.bit_length())}
    return tuple(width for width in sorted(widths) if low <= width <= high)


#: Widths of sweeps that changes may lengthen: the paper's, on to the largest that the simulator takes.
WIDTHS = round_widths(D_MODELS[0], 2**25, step=2048)
#: Finer, and on both sides of the paper's, for machines that are worse and stop earlier.
FROM_2048 = round_widths(2048, 2 * D_MODELS[-1], step=128)
#: The paper's, and finer ones below, for older machines, which stop earlier too.
PAPERS_FROM_2048 = (*round_widths(2048, D_MODELS[0] - 1, step=128), *D_MODELS)


# A change is known by what it is, not by what it equals: functions of a GPU cannot be compared.
@dataclass(frozen=True, eq=False)
class Change:
    """One thing about the baseline made otherwise, or several; what is not named stays.

    Attributes
    ----------
    name, words : str
        In few words; and what it is, and why one would ask.
    gpu : str, GPU or callable, optional
        Another accelerator, or what is made of the baseline's, such as ``partial(faster_network,
        factor=10)``.
    batch : str or BatchLaw
        The law of the batch.
    depth : str or ShapeLaw
        The law of the layers.
    sparse : bool
        Whether models have experts.
    years : float
        Time for a run, in the simulation's years.
    ratio : int
        d_ff / d_model. Widths are chosen so that a layer keeps its parameters.
    seq_len : int
        Tokens in a sequence.
    word_bytes : int or Words, optional
        Bytes in a word, or by what the word is; those of the accelerator by default.
    extras : Extras
        What else is counted.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.
    changes : int
        How many things it changes; 0 for the baseline.

    Examples
    --------
    >>> year = Change("1 year", "A longer run.", years=1)
    >>> year.kind, f"{year.critical_flop():.1e}", f"{BASELINE.critical_flop():.1e}"
    ('run', '4.8e+29', '2.5e+28')
    """

    name: str
    words: str = ""
    _: KW_ONLY
    gpu: str | GPU | Callable[[GPU], GPU] | None = None
    batch: str | BatchLaw = "default"
    depth: str | ShapeLaw = "default"
    sparse: bool = False
    years: float = 0.25
    ratio: int = 4
    seq_len: int = 2048
    word_bytes: int | Words | None = None
    extras: Extras = Extras()  # noqa: RUF009 (frozen)
    zero_bubble_latency: bool = False
    changes: int = 1

    def __post_init__(self) -> None:
        check_scalar("years", self.years)
        check_positive_integer("ratio", self.ratio)
        check_positive_integer("seq_len", self.seq_len)
        if self.word_bytes is not None:
            check_words(self.word_bytes)
        check_type("extras", self.extras, Extras)
        check_flag("sparse", self.sparse)
        check_flag("zero_bubble_latency", self.zero_bubble_latency)

    @property
    def differs(self) -> Mapping[str, Any]:
        """The attributes that are not as in the baseline, but for name, words and number."""
        named = ("name", "words", "changes")
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            each.name: values[each.name]
            for each in fields(self)
            if each.name not in named and values[each.name] != each.default
        }

    @property
    def kind(self) -> str:
        """What it changes: "model" (shape, experts), "run" (time, batch) or "hardware"."""
        if not {"depth", "ratio", "sparse"}.isdisjoint(self.differs):
            return "model"
        return "hardware" if {"batch", "years"}.isdisjoint(self.differs) else "run"

    @property
    def counted(self) -> float:
        """Share of a step's arithmetic that counts as training: less than 1 if layers go forward twice."""
        return PASSES / (self.extras.forward_passes + PASSES - 1)

    def applied_to(self, gpu: GPU | str = "H100 SXM") -> GPU:
        """The accelerator with the change."""
        if self.gpu is None:
            return get_gpu(gpu)
        return self.gpu(get_gpu(gpu)) if callable(self.gpu) else get_gpu(self.gpu)

    def sweep_arguments(
        self, gpu: GPU | str = "H100 SXM", widths: tuple[int, ...] = WIDTHS
    ) -> dict[str, Any]:
        """The arguments of :func:`dmcore.simulator.sweep.sweep` with the change.

        Examples
        --------
        >>> Change("6 months", years=0.5).sweep_arguments()["duration_years"]
        0.5
        """
        # As many parameters to a layer as at the usual ratio.
        scale = np.sqrt(4 / self.ratio)
        return {
            "gpu": self.applied_to(gpu),
            "sparse": self.sparse,
            "batch_scaling": self.batch,
            "seq_len": self.seq_len,
            "duration_years": self.years,
            "d_models": tuple(int(width * scale) for width in widths),
            "aspect_ratio": self.ratio,
            "layer_law": self.depth,
            "word_bytes": self.word_bytes,
            "extras": self.extras,
            "zero_bubble_latency": self.zero_bubble_latency,
        }

    def closed_form_arguments(self) -> dict[str, float]:
        """The arguments that both closed forms share with the change: laws and duration."""
        laws = own_laws(self.batch, self.depth, self.sparse)
        return {**laws, "duration_s": self.years * SIMULATOR_YEAR_S}

    def critical_flop(self, gpu: GPU | str = "H100 SXM") -> float:
        """T_crit with the change, FLOP."""
        changed = self.applied_to(gpu)
        laws = self.closed_form_arguments()
        return float(limits.critical_compute(changed, word_bytes=self.word_bytes, **laws))

    def limit_flop(self, gpu: GPU | str = "H100 SXM") -> float:
        """T_limit with the change, FLOP."""
        wait = closed_form_latency_s(self.applied_to(gpu))
        return float(limits.latency_limit(latency_s=wait, **self.closed_form_arguments()))


#: Nothing changed.
BASELINE = Change("as it is", "The paper's baseline: H100s, three months, dense.", changes=0)


@dataclass(frozen=True)
class Lever:
    """A change that comes in sizes: a factor that is 1 in the baseline.

    Attributes
    ----------
    name : str
        In words.
    at : callable
        factor -> :class:`Change`.

    Examples
    --------
    >>> from dmcore.hardware.variants import faster_l2
    >>> lever = Lever.of_gpu("L2", faster_l2)
    >>> lever.at(2).applied_to("H100 SXM").name
    'H100 SXM, L2 x 2'
    """

    name: str
    at: Callable[[float], Change]

    @classmethod
    def of_gpu(cls, name: str, variant: Callable[[GPU, float], GPU], **others: Any) -> Self:
        """A lever that makes (GPU, factor) another accelerator; with what a kind of lever has besides."""
        made = lambda by: Change(f"{name}, {by:g}", gpu=lambda gpu: variant(gpu, by))  # noqa: E731
        return cls(name, made, **others)


@checked
def together(name: str, words: str, *parts: Change) -> Change:
    """Several changes at once. Those of the accelerator follow one another in their order.

    Raises
    ------
    ValueError
        If two parts set the same thing, or an accelerator is replaced after it was changed.

    Examples
    --------
    >>> both = together("both", "", Change("1 year", years=1), Change("", batch="deepseek"))
    >>> both.years, both.batch, both.changes
    (1, 'deepseek', 2)
    """
    made: dict[str, Any] = {}
    variants: list[Callable[[GPU], GPU]] = []
    for part in parts:
        for attribute, value in part.differs.items():
            if attribute == "gpu" and callable(value):
                variants.append(value)
            elif attribute in made or (attribute == "gpu" and variants):
                raise ValueError(f"parts must not set {attribute} twice, got {part.name!r} as well")
            else:
                made[attribute] = value
    if variants:
        first = made.pop("gpu", None)

        def varied(gpu: GPU) -> GPU:
            gpu = gpu if first is None else get_gpu(first)
            for variant in variants:
                gpu = variant(gpu)
            return gpu

        made["gpu"] = varied
    return Change(name, words, changes=sum(part.changes for part in parts), **made)


@checked
def swept(
    change: Change = BASELINE, gpu: GPU | str = "H100 SXM", widths: tuple[int, ...] = WIDTHS
) -> Sweep:
    """The sweep of an accelerator with a change. The last 128 are kept.

    Examples
    --------
    >>> swept(Change("1 year", years=1), widths=(12288, 24576)).months.round(1)
    array([6.9, 9.7])
    """
    return _swept(tuple(change.sweep_arguments(gpu, widths).items()))


@lru_cache(maxsize=128)
def _swept(arguments: tuple[tuple[str, Any], ...]) -> Sweep:
    return sweep(**dict(arguments))


#: What a change is measured by, in words; the attributes of :class:`Outcome`.
MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "critical_flop": "T_crit, closed form",
        "linear_flop": "linear scaling ends, simulator",
        "limit_flop": "T_limit, closed form",
        "last_run_flop": "last run, simulator",
    }
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a change; FLOP. Infinite where nothing ends, None where nothing is known.

    Attributes
    ----------
    change : Change
        The question.
    found : Sweep
        The sweep of the simulator.
    gpu : str or GPU
        The accelerator that was changed.

    Examples
    --------
    >>> outcome = Outcome(BASELINE, swept(BASELINE))
    >>> f"{outcome.linear_flop:.1e}", f"{outcome.critical_flop:.1e}"
    ('8.7e+28', '2.5e+28')
    """

    change: Change
    found: Sweep
    gpu: str | GPU = "H100 SXM"

    @cached_property
    def critical_flop(self) -> float:
        """T_crit of the closed form."""
        return self.change.critical_flop(self.gpu)

    @cached_property
    def limit_flop(self) -> float:
        """T_limit of the closed form."""
        return self.change.limit_flop(self.gpu)

    @property
    def _level(self) -> float:
        return LINEAR_SCALING * self.change.counted

    @cached_property
    def linear_end(self) -> End:
        """Where linear scaling ends (:mod:`dmcore.simulator.ends`), over several sets of clusters."""
        return at_the_deadline(self.found, self._level, all_sets=True)

    @property
    def linear_throughout(self) -> bool:
        """Whether the sweep runs out of widths before it leaves linear scaling."""
        none = self.linear_end.flop is None
        return none and self.out_of_widths and not never_linear(self.found, self._level)

    @property
    def linear_flop(self) -> float | None:
        """Where linear scaling ends; where it does not (:attr:`linear_throughout`), the last run."""
        return self.last_run_flop if self.linear_throughout else self.linear_end.flop

    @property
    def last_run_flop(self) -> float:
        """The largest run that ends in time."""
        return float(self.found.training_flop[-1])

    @property
    def out_of_widths(self) -> bool:
        """Whether the sweep stopped because there was no wider model to try, and not by the physics."""
        return not self.found.ended_by

    def run_at_end(self, beyond: int = 0) -> TrainingStep:
        """The run of the sweep nearest to the end of linear scaling, or so many runs beyond it.

        Raises
        ------
        ValueError
            If the sweep does not reach that end.
        """
        if self.linear_flop is None:
            raise ValueError(f"change must leave linear scaling, got {self.change.name!r}")
        apart = np.abs(np.log(self.found.training_flop / self.linear_flop))
        return self.found.steps[min(int(np.argmin(apart)) + beyond, len(self.found) - 1)]

    def decades_over(self, other: Outcome, measure: str) -> float | None:
        """Orders of magnitude by which a measure is above that of another outcome."""
        mine, theirs = getattr(self, measure), getattr(other, measure)
        return None if mine is None or theirs is None else float(np.log10(mine / theirs))


@checked
def closed_form_latency_s(gpu: GPU) -> float:
    """The latency of a matrix product and its messages (ell), seconds: a kernel and four hops.

    Examples
    --------
    >>> round(closed_form_latency_s(get_gpu("H100 SXM")) * 1e6, 3)
    9.0
    """
    return float(
        evaluate(
            latency.matmul_latency(),
            ell_kernel=gpu.matmul_latency_s,
            ell_hop=gpu.network[-1].latency_s,
        )
    )


@checked
def own_laws(
    batch_scaling: str | BatchLaw = "default",
    depth_law: str | ShapeLaw | sp.Expr = "default",
    sparse: bool = False,
) -> dict[str, float]:
    """The simulator's laws in the closed forms' terms: alpha, and batch (tokens) and layers at 3e23 FLOP.

    The laws as in :func:`~dmcore.models.laws.effective_alpha`.

    Examples
    --------
    >>> {name: round(value, 3) for name, value in own_laws("none").items() if name == "alpha"}
    {'alpha': -0.136}
    """
    laws = effective_alpha(batch_scaling, depth_law, sparse)
    at_reference = {
        name: float(evaluate(law, dict.fromkeys(map(str, law.free_symbols), REFERENCE_COMPUTE)))
        for name, law in (
            ("reference_layers", laws.layers_of_compute),
            ("reference_batch_tokens", laws.batch_of_compute),
        )
    }
    # The laws are of FLOP, so their anchor of 3e23 FLOP is half as many MAC.
    return {
        "alpha": float(laws.alpha),
        **at_reference,
        "reference_compute": REFERENCE_COMPUTE / FLOP_PER_MAC,
    }
