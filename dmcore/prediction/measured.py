"""The measured runs that the expected model is held against, and how well it does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmcore.prediction.columns import Column, Columns, columns, take
from dmcore.prediction.rows import read_rows
from dmcore.prediction.step import tokens_per_s

__all__ = [
    "Measured", "Score", "kind_of", "measured", "rank_correlations", "score", "why_not_scored",
]  # fmt: skip

FILE = Path(__file__).with_name("throughput.csv")
#: A row is scored if these are told, its rate is not derived, and nothing is doubtful about it.
_NEEDED = (
    "layers", "d_model", "n_gpu", "batch_sequences", "microbatch", "seq_len", "tp", "pp", "dp",
)  # fmt: skip


def why_not_scored(row: Mapping[str, str]) -> str:
    """Why a score leaves a row of the table out; empty if it counts it.

    Examples
    --------
    >>> why_not_scored({**dict.fromkeys(_NEEDED, "8"), "tp": "", "tok_s_how": "printed", "flag": ""})
    'not told: tp'
    """
    missing = [name for name in _NEEDED if not row[name]]
    if missing:
        return f"not told: {', '.join(missing)}"
    if row["tok_s_how"] == "derived":
        return "rate derived"
    return "flagged" if row["flag"] else ""


def kind_of(gpu: str) -> str:
    """The kind of a chip in the tables of scores.

    Examples
    --------
    >>> kind_of("H200"), kind_of("GB300"), kind_of("TPU v5p")
    ('Hopper', 'Blackwell', 'TPU')
    """
    for start, kind in (
        ("A", "A100"),
        ("H", "Hopper"),
        ("B", "Blackwell"),
        ("GB", "Blackwell"),
        ("T", "TPU"),
    ):
        if gpu.startswith(start):
            return kind
    return "AMD"


@dataclass(frozen=True)
class Measured:
    """Measured runs: what a prediction is made of, and the rate that was measured.

    Attributes
    ----------
    cells : sequence of mapping
        The rows as their table has them.
    c : mapping of str to array
        The same as columns of numbers.
    rate : array
        Measured tokens per second and GPU.
    scored : array of bool
        Rows that a score counts.

    Examples
    --------
    >>> runs = measured()
    >>> len(runs.rate), int(runs.scored.sum())
    (631, 463)
    """

    cells: Sequence[Mapping[str, str]]
    c: Columns
    rate: Column
    scored: NDArray[np.bool_]

    def cell(self, name: str) -> NDArray[np.str_]:
        """A column of the table as text."""
        return np.array([row[name] for row in self.cells])

    @property
    def moe(self) -> NDArray[np.bool_]:
        """Whether a model has experts."""
        return self.c["E"] > 1

    @property
    def kind(self) -> NDArray[np.str_]:
        """The kind of chip, of :func:`kind_of`."""
        return np.array([kind_of(name) for name in self.cell("gpu")])

    @property
    def mfu_per_rate(self) -> Column:
        """Share of the peak for one token per second and GPU, full attention counted."""
        flop, peak = (
            self.cell(name).astype(float) for name in ("flop_per_token_full_attn", "peak_tflops")
        )
        return flop / peak / 1e12

    def part(self, which: NDArray[np.bool_]) -> Measured:
        """Those runs alone."""
        cells = [row for row, wanted in zip(self.cells, which, strict=True) if wanted]
        return Measured(cells, take(self.c, which), self.rate[which], self.scored[which])


@cache
def measured(file: Path = FILE) -> Measured:
    """The published measurements of the package, or of another file of that form.

    Examples
    --------
    >>> sorted(set(measured().kind.tolist()))
    ['A100', 'AMD', 'Blackwell', 'Hopper', 'TPU']
    """
    rows, cells = read_rows(file)
    good = [
        (row.case, cell)
        for row, cell in zip(rows, cells, strict=True)
        if row.case and cell["tok_s_gpu"] and cell["flop_per_token_full_attn"]
    ]
    kept = [cell for _, cell in good]
    scored = [not why_not_scored(cell) for cell in kept]
    rate = np.array([float(cell["tok_s_gpu"]) for cell in kept])
    return Measured(kept, columns([case for case, _ in good]), rate, np.array(scored))


@dataclass(frozen=True)
class Score:
    """How far predictions are from measurements; errors are those of the step time.

    Attributes
    ----------
    rows, groups : int
        Rows counted, and the groups (source, models, chip) that they belong to.
    median, p90, mean_of_groups : float
        Of the relative error: its median and 90th percentile over rows, and the mean of the groups' means.
    bias : float
        Median of predicted over measured step time, less one.
    correlation : float
        Of the logarithms of measured and predicted utilization.

    Examples
    --------
    >>> runs = measured()
    >>> score(runs, runs.rate).median
    0.0
    """

    rows: int
    groups: int
    median: float
    p90: float
    mean_of_groups: float
    bias: float
    correlation: float


def score(runs: Measured, rate: Column, which: NDArray[np.bool_] | None = None) -> Score:
    """Predicted rates against measured ones, over the rows that count and, of those, ``which``.

    Examples
    --------
    >>> runs = measured()
    >>> round(score(runs, 2 * runs.rate).bias, 3)
    -0.5
    """
    chosen = runs.scored if which is None else which
    error = np.abs(runs.rate / rate - 1)[chosen]
    groups = defaultdict(list)
    for name, value in zip(runs.cell("group")[chosen], error, strict=True):
        groups[name].append(value)
    told, found = (np.log(it * runs.mfu_per_rate)[chosen] for it in (runs.rate, rate))
    told, found = told - told.mean(), found - found.mean()
    spread = np.sqrt((told**2).sum() * (found**2).sum())
    return Score(
        len(error),
        len(groups),
        float(np.median(error)),
        float(np.sort(error)[int(0.9 * (len(error) - 1))]),
        float(np.mean([np.mean(values) for values in groups.values()])),
        float(np.median(runs.rate[chosen] / rate[chosen]) - 1),
        float((told * found).sum() / spread) if spread > 0 else 1.0,
    )


def rank_correlations(
    runs: Measured, rate: Column, least: int = 10
) -> dict[str, tuple[int, float]]:
    """Spearman's rank correlation over splits of one model on one cluster, where that many were measured.

    Examples
    --------
    >>> runs = measured()
    >>> {round(value, 9) for _, value in rank_correlations(runs, runs.rate).values()}
    {1.0}
    """
    sets: dict[str, list[int]] = defaultdict(list)
    same = ("source", "model", "gpu", "n_gpu", "seq_len", "precision")
    for i, row in enumerate(runs.cells):
        if runs.scored[i]:
            sets[" | ".join(row[name] for name in same)].append(i)
    return {
        name: (len(i), float(np.corrcoef(_places(runs.rate[i]), _places(rate[i]))[0, 1]))
        for name, i in sets.items()
        if len(i) >= least
    }


def _places(values: Column) -> Column:
    """Ranks, the mean of theirs for equal values."""
    places = np.empty(len(values))
    places[np.argsort(values, kind="stable")] = np.arange(len(values))
    return np.array([places[values == value].mean() for value in values])


def expected(runs: Measured) -> Column:
    """Rates that the package predicts for measured runs.

    Examples
    --------
    >>> bool(score(measured(), expected(measured())).median < 0.15)
    True
    """
    return tokens_per_s(runs.c)
