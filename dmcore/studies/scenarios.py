"""What would move the limits: one change after the other, by the closed forms and by the simulator.

Each scenario is a :class:`~dmcore.studies.change.Change` to the paper's baseline, a three-month run of dense
models on H100s. Its closed forms use the simulator's own laws of batch and depth, so that both are asked
the same question. A new scenario is an entry of the tuple below, and appears in the table and the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import refuse
from dmcore.algebra.numbers import readable
from dmcore.algebra.tables import Table
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.variants import faster_memory, faster_network, lower_latency, with_words
from dmcore.models.laws import ShapeLaw
from dmcore.models.words import FP8_AS_TRAINED
from dmcore.studies.change import BASELINE, Change, Outcome, swept, together

__all__ = [
    "SCENARIOS",
    "ScenarioTable",
    "headline_table",
]

# --------------------------------------------------------------------------------- the scenarios

_NETWORK = Change(
    "network × 10",
    "Both levels of the network ten times as fast.",
    gpu=partial(faster_network, factor=10),
)
_MEMORIES = Change(
    "every memory × 10",
    "HBM, L2 and shared memory ten times as fast.",
    gpu=partial(faster_memory, factor=10, caches=True),
)
_LATENCY = Change(
    "latency ÷ 10", "Kernels and hops a tenth.", gpu=partial(lower_latency, factor=10)
)
_SHALLOW = Change(
    "192 layers always", "The depth of the sweep's first model, for all.", depth="192 layers"
)
_DEEPSEEK = Change(
    "DeepSeek's batch law",
    "Batches that grow as DeepSeek LLM fitted them, with the power 0.33 of compute.",
    batch="deepseek",
)
_OTHER_SHAPE = "Layers of another shape, with the same number of parameters."
_OTHER_TIME = "A run of another duration."

#: All scenarios by name, the baseline first, read-only.
SCENARIOS: Mapping[str, Change] = MappingProxyType(
    {
        one.name: one
        for one in (
            BASELINE,
            Change(
                "constant batch",
                "A batch that never grows: the least one can hope for.",
                batch="none",
            ),
            _DEEPSEEK,
            _SHALLOW,
            Change(
                "96 layers always",
                "Half of that.",
                depth=ShapeLaw("96 layers", "96 layers always", sp.Integer(96)),
            ),
            Change("depth at half the power", "Depth that grows, but slower.", depth="half power"),
            Change("d_ff = d_model", _OTHER_SHAPE, ratio=1),
            Change("d_ff = 16 d_model", _OTHER_SHAPE, ratio=16),
            Change("d_ff = 64 d_model", _OTHER_SHAPE, ratio=64),
            Change("1 month", _OTHER_TIME, years=1 / 12),
            Change("6 months", _OTHER_TIME, years=6 / 12),
            Change("1 year", _OTHER_TIME, years=1),
            Change("2 years", _OTHER_TIME, years=2),
            Change(
                "HBM × 10",
                "The main memory ten times as fast.",
                gpu=partial(faster_memory, factor=10),
            ),
            _MEMORIES,
            _NETWORK,
            Change(
                "outer network × 10",
                "Only the links beyond the node ten times as fast.",
                gpu=partial(faster_network, factor=10, outermost_only=True),
            ),
            _LATENCY,
            Change(
                "superpods of 256",
                "NVLink switches join 32 nodes at half the speed. The closed form knows one network and "
                "takes that for it.",
                gpu="H100 SXM Superpod",
            ),
            Change(
                "flat NVLink",
                "One network for all, as fast as within a node.",
                gpu="H100 SXM Global NVLink",
            ),
            Change(
                "infinite network",
                "No message takes time but for its latency.",
                gpu=lower_latency(get_gpu("H100 SXM Infinite Network and LL"), 0.1),
            ),
            Change(
                "FP8 as trained",
                "Arithmetic and weights at 8 bit, at twice the peak; activations and gradients "
                "between GPUs at 16 bit.",
                gpu=partial(with_words, word_bytes=1),
                word_bytes=FP8_AS_TRAINED,
            ),
            Change(
                "every word 8 bit",
                "Twice the peak as well, and half the bytes of everything, messages included.",
                gpu=partial(with_words, word_bytes=1),
            ),
            Change(
                "experts",
                "Sparse models, with as many experts as the paper's law says.",
                sparse=True,
            ),
            together(
                "network, latency by 10",
                "Network × 10 and latency ÷ 10: what moves between GPUs, and what one waits for.",
                _NETWORK,
                _LATENCY,
            ),
            together(
                "and memories by 10",
                "All three: memories and network × 10, latency ÷ 10.",
                _NETWORK,
                _MEMORIES,
                _LATENCY,
            ),
            Change(
                "flat NVLink, low latency",
                "The paper's hypothesis of a better network.",
                gpu="H100 SXM Global NVLink and LL",
                changes=2,
            ),
            Change(
                "infinite, low latency",
                "What latency and memory alone allow.",
                gpu="H100 SXM Infinite Network and LL",
                changes=2,
            ),
            together(
                "192 layers, DeepSeek",
                "Shallow models and large batches: no new hardware at all.",
                _SHALLOW,
                _DEEPSEEK,
            ),
        )
    }
)


# ------------------------------------------------------------------------------ what becomes of them


@dataclass(frozen=True)
class ScenarioTable:
    """Outcomes, and their changes against the first of them, the baseline.

    :meth:`waiting` and :meth:`ending` are tables of them.
    """

    outcomes: tuple[Outcome, ...]
    _by_name: Mapping[str, Outcome] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.outcomes:
            raise ValueError("outcomes must be at least one, got none")
        found = {outcome.change.name: outcome for outcome in self.outcomes}
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
        single = [one for one in self.outcomes if one.change.changes == 1]
        return tuple(
            sorted(single, key=lambda one: -(one.decades_over(self.baseline, measure) or 0.0))
        )

    def __repr__(self) -> str:
        return f"<{len(self)} scenarios, from {self.baseline.change.name!r}>"

    def waiting(self) -> Table:
        """Where GPUs start to wait by both accounts (FLOP), and by how many powers of ten that moved."""
        head = ("scenario", "T_crit", "change", "simulator", "from", "to", "change")
        caption = (
            "Where GPUs start to wait, FLOP, and the change in powers of ten. From, to: with other "
            "sets of clusters. ≥: the simulator has no wider models to try."
        )
        return Table(
            [
                (
                    one.change.name,
                    _written(one.critical_flop),
                    self._change(one, "critical_flop"),
                    "≥ " * one.linear_throughout + _written(one.linear_flop),
                    _written(one.linear_end.low),
                    _written(one.linear_end.high),
                    self._change(one, "linear_flop"),
                )
                for one in self.outcomes
            ],
            head,
            caption,
        )

    def ending(self) -> Table:
        """The largest run by both accounts (FLOP), and by how many powers of ten it moved."""
        head = ("scenario", "T_limit", "change", "last run", "change")
        caption = (
            "The largest run that ends in time, FLOP, and the change in powers of ten. ≥: the "
            "simulator has no wider models to try."
        )
        return Table(
            [
                (
                    one.change.name,
                    _written(one.limit_flop),
                    self._change(one, "limit_flop"),
                    "≥ " * one.out_of_widths + _written(one.last_run_flop),
                    self._change(one, "last_run_flop"),
                )
                for one in self.outcomes
            ],
            head,
            caption,
        )

    def _change(self, one: Outcome, measure: str) -> str:
        decades = one.decades_over(self.baseline, measure)
        if decades is None:
            return "–"
        return f"{decades + 0.0:+.1f}".replace("-0.0", "+0.0").replace("-", "−").replace("inf", "∞")


def _written(flop: float | None) -> str:
    return "–" if flop is None else readable(flop, 2)


@checked
def headline_table(names: Iterable[str] = tuple(SCENARIOS)) -> ScenarioTable:
    """Scenarios evaluated, the first as the baseline: the table that sums up the book. Takes half a minute.

    Examples
    --------
    >>> table = headline_table(("as it is", "network × 10"))
    >>> round(table.gain("network × 10", "critical_flop"), 2)
    4.26
    """
    chosen = tuple(names)
    if not chosen:
        refuse("names", names, f"of {', '.join(SCENARIOS)}")
    for name in chosen:
        if name not in SCENARIOS:
            refuse("names", name, f"of {', '.join(SCENARIOS)}")
    return ScenarioTable(tuple(Outcome(SCENARIOS[name], swept(SCENARIOS[name])) for name in chosen))
