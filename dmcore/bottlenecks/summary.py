"""The closed forms on one page: each formula, its number for one GPU, and the chapter that derives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from dmcore.algebra.checked import checked
from dmcore.algebra.derivation import Derivation, Step
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.numbers import readable
from dmcore.algebra.symbols import FLOP_PER_MAC
from dmcore.bottlenecks import (
    critical_batch,
    latency,
    limits,
    memory_bandwidth,
    network,
)
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import TOKENS_PER_PARAMETER

__all__ = ["Formula", "Summary", "paper_values", "summary"]


def _of(
    module: ModuleType, label: str, unit: str
) -> tuple[Callable[[], Derivation], str, str, str]:
    return module.derivation, label, unit, module.__name__.rpartition(".")[2]


# In words, derivation, label of the equation, unit of its value, chapter.
_ROWS: tuple[tuple[str, Callable[[], Derivation], str, str, str], ...] = (
    ("training compute", limits.critical_derivation, "eq-training-macs", "MAC", "limits"),
    (
        "least nanobatch of a tensor group",
        *_of(memory_bandwidth, "eq-nanobatch-hardware", "tokens"),
    ),
    ("least side of a block of weights", *_of(network, "eq-shard-side-hardware", "channels")),
    ("largest tensor parallelism, in nodes", *_of(network, "eq-largest-tensor", "")),
    ("least time of a run", *_of(latency, "eq-least-run-time", "s")),
    ("batch", *_of(critical_batch, "eq-batch-law", "tokens")),
    ("layers", *_of(critical_batch, "eq-layer-law", "")),
    ("data times pipeline parallelism", *_of(critical_batch, "eq-batch-slicing", "")),
    ("nodes that the run needs", limits.critical_derivation, "eq-nodes-needed", "", "limits"),
    ("nodes kept busy", limits.critical_derivation, "eq-largest-cluster", "", "limits"),
    ("critical compute", limits.critical_derivation, "eq-critical-hardware", "MAC", "limits"),
    ("latency limit", limits.latency_derivation, "eq-latency-general", "MAC", "limits"),
)


@dataclass(frozen=True)
class Formula:
    """A closed form in words, its equation, and the value of the right side."""

    words: str
    step: Step
    value: float
    unit: str
    chapter: str

    @property
    def number(self) -> str:
        """The value as it is read, compute in FLOP and times in days."""
        if self.unit == "MAC":
            return f"{readable(FLOP_PER_MAC * self.value)} FLOP"
        if self.unit == "s":
            return f"{readable(self.value / 86400)} days"
        return f"{readable(self.value)} {self.unit}".strip()


@dataclass(frozen=True)
class Summary:
    """All closed forms for a GPU; a table of Markdown in a notebook."""

    gpu: GPU
    formulas: tuple[Formula, ...]

    def __repr__(self) -> str:
        return "\n".join(f"{one.words}: {one.number}" for one in self.formulas)

    def _repr_markdown_(self) -> str:
        rows = [
            f"| [{one.words}](../notebooks/{one.chapter}.ipynb) | ${one.step.latex}$ | {one.number} |"
            for one in self.formulas
        ]
        head = f"| Quantity | Formula | {self.gpu.name} |"
        return "\n".join((head, "|---|---|---:|", *rows, ""))


@checked
def paper_values(gpu: GPU | str = "H100 SXM") -> dict[str, float]:
    """What the paper takes, for a cluster of that GPU: values of symbols of the closed forms.

    Examples
    --------
    >>> paper_values("A100 SXM")["beta_hbm"] / 1e9
    1555.0
    """
    gpu = get_gpu(gpu)
    return {
        "alpha": 0.0,
        "L_0": critical_batch.REFERENCE_LAYERS,
        "T_0": critical_batch.REFERENCE_COMPUTE,
        "r": TOKENS_PER_PARAMETER,
        "t": limits.QUARTER_S,
        "F": gpu.peak_flop_per_s / FLOP_PER_MAC,
        "beta_hbm": gpu.hbm_bytes_per_s,
        "beta_net": gpu.inter_node_bytes_per_s,
        "ell": latency.MATMUL_LATENCY_S,
        "w_P": float(gpu.word_bytes),
        "w_A": float(gpu.word_bytes),
        "G": float(gpu.node_size),
    }


@checked
def summary(gpu: GPU | str = "H100 SXM") -> Summary:
    """The closed forms with their numbers for a GPU, for the largest run that it does without waste.

    The run lasts three months, with the reference batch and depth. Where a formula bounds a quantity, the
    number is the bound.

    Parameters
    ----------
    gpu : GPU or str
        A GPU with a finite network, or its name.

    Raises
    ------
    ValueError
        If the GPU is unknown or its network is infinite.

    Examples
    --------
    >>> print(str(summary("H100 SXM")).splitlines()[1])
    least nanobatch of a tensor group: 590 tokens
    """
    gpu = get_gpu(gpu)
    known = {
        **paper_values(gpu),
        "alpha_b": 0.0,
        "alpha_L": 0.0,
        "b": critical_batch.REFERENCE_BATCH_TOKENS,
        "b_0": critical_batch.REFERENCE_BATCH_TOKENS,
        "L": critical_batch.REFERENCE_LAYERS,
        **limits.node_rates(gpu),
        **limits.cluster_at_limit(gpu),
    }
    formulas = []
    for name, derivation, label, unit, chapter in _ROWS:
        step = derivation()[label]
        right = step.equation.rhs
        value = float(evaluate(right, {free: known[free.name] for free in right.free_symbols}))
        formulas.append(Formula(name, step, value, unit, chapter))
    return Summary(gpu, tuple(formulas))
