"""A sweep: the smallest cluster that trains each of a series of growing models in time.

This is the paper's main result: how utilization falls as training runs grow, and where they end.
"""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer, check_scalar
from dmcore.algebra.tables import html_table
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import BatchScaling, ShapeScaling
from dmcore.models.model import Extras, Model
from dmcore.models.words import Words
from dmcore.simulator import ends
from dmcore.simulator.search import MIN_UTILIZATION, NothingFitsError, smallest_cluster
from dmcore.simulator.split import DEGREES
from dmcore.simulator.step import TrainingStep

__all__ = ["D_MODELS", "Sweep", "sweep"]

#: Widths of the paper's sweep: m 2**i with m odd up to 15, from GPT-3's to 128 times that.
D_MODELS: tuple[int, ...] = tuple(
    sorted(
        m * 2**i for m in range(1, 16, 2) for i in range(11, 22) if 12288 <= m * 2**i <= 12288 * 128
    )
)

#: A sweep that takes longer shows its progress, if a person watches, in seconds.
_PATIENCE_S = 1.0

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of a sweep: one-dimensional NumPy arrays of one length, a run to each element.

    Attributes
    ----------
    gpu : GPU
        The accelerator.
    d_model, d_ff, layers, experts : numpy.ndarray of int
        Shape of each model.
    batch_tokens, params : numpy.ndarray of int
        Tokens in a batch; parameters. A column of whole numbers that passes 2**63 is of floats.
    training_flop : numpy.ndarray of float
        Training compute, FLOP.
    n_gpu : numpy.ndarray of int
        The smallest cluster that ends the run in time, of experts * 2**i GPUs or such as fill the nodes:
        see :func:`~dmcore.simulator.search.odd_parts`.
    gpus_used_in_node : numpy.ndarray of int
        GPUs of each node that are part of it, such as 64 of 72; 1 if the network is flat.
    utilization : numpy.ndarray of float
        Share of the peak arithmetic rate that is used.
    months : numpy.ndarray of float
        Duration of the run in months.
    data_parallel, tensor_parallel, slices_of_d, slices_of_f : numpy.ndarray of int
        Degrees of the fastest way to split the step over all levels of the network;
        ``tensor_parallel`` is the product of the slices of d_model and of d_ff.
    pipeline_parallel, expert_parallel, microbatches, interleaving : numpy.ndarray of int
        The same, and the schedule of the pipeline.
    zero_bubble : numpy.ndarray of bool
        Whether the schedule is without a bubble.
    steps : tuple of TrainingStep
        Each run's step with its full breakdown.
    ended_by : str
        Why there are no more runs; empty if all widths were done.
    duration_years : float
        Time for a run, in the simulation's years.

    Examples
    --------
    >>> found = sweep("H100 SXM", d_models=(12288, 14336))
    >>> found.n_gpu.tolist(), found.experts.tolist()
    ([2048, 4096], [1, 1])
    """

    gpu: GPU
    d_model: Ints
    d_ff: Ints
    layers: Ints
    experts: Ints
    batch_tokens: Ints
    params: Ints
    training_flop: Floats
    n_gpu: Ints
    gpus_used_in_node: Ints
    utilization: Floats
    months: Floats
    data_parallel: Ints
    tensor_parallel: Ints
    slices_of_d: Ints
    slices_of_f: Ints
    pipeline_parallel: Ints
    expert_parallel: Ints
    microbatches: Ints
    interleaving: Ints
    zero_bubble: NDArray[np.bool_]
    steps: tuple[TrainingStep, ...]
    ended_by: str = ""
    duration_years: float = 0.25

    @classmethod
    def from_steps(
        cls,
        gpu: GPU,
        steps: Sequence[TrainingStep],
        ended_by: str = "",
        duration_years: float = 0.25,
    ) -> Sweep:
        """The sweep of those steps, in their order."""
        columns: dict[str, Any] = {"ended_by": ended_by, "duration_years": duration_years}
        for name in cls.column_names():
            columns[name] = _column([_figure(step, name) for step in steps], _DTYPES.get(name))
        return cls(gpu=gpu, steps=tuple(steps), **columns)

    @classmethod
    def column_names(cls) -> tuple[str, ...]:
        """Names of the arrays."""
        others = ("gpu", "steps", "ended_by", "duration_years")
        return tuple(field.name for field in fields(cls) if field.name not in others)

    @cached_property
    def utilization_at_deadline(self) -> Floats:
        """Share of the peak on the cluster that ends each run exactly at its deadline.

        Such a cluster lies between two of experts * m * 2**i GPUs with m = 1, 3, 5, 7, 9 or so: see
        :mod:`.deadline`.
        """
        return ends.utilizations(self)[0]

    @cached_property
    def end(self) -> ends.End:
        """Where linear scaling ends at the deadline; see :mod:`.ends`."""
        return ends.at_the_deadline(self)

    @cached_property
    def end_range(self) -> ends.End:
        """The same, with ``low`` and ``high`` over other sets of clusters as well, in twice the time.

        Examples
        --------
        >>> str(sweep("H100 SXM").end_range)
        '8.7 × 10²⁸ FLOP (8.7 × 10²⁸ to 1.7 × 10²⁹)'
        """
        return ends.at_the_deadline(self, all_sets=True)

    @property
    def linear_scaling_end(self) -> float | None:
        """Training FLOP where linear scaling ends as the paper reads it; see :mod:`.ends`."""
        return ends.first_run_below(self)

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """The columns as comma-separated values, with a header; also written to ``path`` if given.

        Floats are written in full: reading them back gives the same numbers.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("gpu", *self.column_names(), "utilization_at_deadline"))
        for step, used in zip(self.steps, self.utilization_at_deadline.tolist(), strict=True):
            row = (_figure(step, name) for name in self.column_names())
            writer.writerow((self.gpu.name, *row, used))
        if path is not None:
            Path(path).write_text(text.getvalue(), encoding="utf-8")
        return text.getvalue()

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        if not len(self):
            return f"<Sweep on {self.gpu.name}: no runs; {self.ended_by}>"
        if self.end.flop is not None:
            scaling = f"linear scaling to {self.end.flop:.2g} FLOP"
        else:
            scaling = f"linear scaling {'never' if ends.never_linear(self) else 'throughout'}"
        return (
            f"<Sweep on {self.gpu.name}: {len(self)} runs, d_model {self.d_model[0]} to "
            f"{self.d_model[-1]}, {self.training_flop[0]:.2g} to {self.training_flop[-1]:.2g} FLOP, "
            f"utilization {self.utilization[0]:.1%} to {self.utilization[-1]:.1%}, {scaling}>"
        )

    def _repr_html_(self) -> str:
        shown = {
            "d_model": "{:,}",
            "layers": "{:,}",
            "experts": "{:,}",
            "batch_tokens": "{:,}",
            "training_flop": "{:.2e}",
            "n_gpu": "{:,}",
            "utilization": "{:.1%}",
            "months": "{:.2f}",
            "data_parallel": "{:,}",
            "tensor_parallel": "{:,}",
            "pipeline_parallel": "{:,}",
            "expert_parallel": "{:,}",
        }
        columns = (
            [form.format(value) for value in getattr(self, name).tolist()]
            for name, form in shown.items()
        )
        return html_table(zip(*columns, strict=True), list(shown), repr(self).strip("<>"))


#: Types of the columns that are not whole numbers.
_DTYPES: Mapping[str, type] = {
    "training_flop": float,
    "utilization": float,
    "months": float,
    "zero_bubble": bool,
}


def _column(values: list[Any], dtype: type | None) -> Any:
    if dtype is None:
        dtype = np.int64 if max(values, default=0) < 2**63 else float
    column: NDArray[Any] = np.array(values, dtype=dtype)
    column.flags.writeable = False
    return column


def _figure(step: TrainingStep, name: str) -> Any:
    if name in DEGREES:
        return step.parallelism.total(name)
    for source in (step, step.model, step.parallelism):
        if hasattr(source, name):
            return getattr(source, name)
    raise AttributeError(name)


@checked
def sweep(
    gpu: GPU | str,
    sparse: bool = False,
    batch_scaling: BatchScaling = "default",
    seq_len: int = 2048,
    duration_years: float = 0.25,
    d_models: Iterable[int] | None = None,
    *,
    aspect_ratio: float = 4,
    layer_law: ShapeScaling = "default",
    sparsity_law: ShapeScaling = "default",
    word_bytes: int | Words | None = None,
    extras: Extras | None = None,
    zero_bubble_latency: bool = False,
    min_utilization: float = MIN_UTILIZATION,
    progress: bool | None = None,
) -> Sweep:
    """The smallest cluster for each of a series of models, until none ends its run in time.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    sparse, batch_scaling, seq_len, aspect_ratio, layer_law, sparsity_law, extras
        Laws and figures of the models: see :meth:`dmcore.models.model.Model.from_laws`.
    duration_years : float
        Time for a run, in the simulation's years of 3.154e7 s.
    d_models : iterable of int, optional
        Widths, in the order to go through; the paper's (:data:`D_MODELS`) by default.
    word_bytes : int or Words, optional
        Bytes in a word, or by what the word is; those of the GPU by default.
    zero_bubble_latency : bool
        See :func:`~dmcore.simulator.step.training_step`.
    min_utilization : float
        The sweep ends before the first run of a lower utilization.
    progress : bool, optional
        Whether to show progress on standard error once the sweep has taken a second. By default
        only on a terminal.

    Raises
    ------
    ValueError
        If an argument is out of range or a name unknown.

    Examples
    --------
    >>> sweep("H100 SXM", d_models=(12288, 16384)).n_gpu.tolist()
    [2048, 8192]
    """
    gpu = get_gpu(gpu)
    check_scalar("duration_years", duration_years)
    check_scalar("min_utilization", min_utilization)
    widths = D_MODELS if d_models is None else _widths(d_models)
    steps: list[TrainingStep] = []
    ended_by = ""
    for d_model in _watched(widths, sys.stderr.isatty() if progress is None else progress):
        model = Model.from_laws(
            d_model,
            sparse,
            batch_scaling,
            seq_len=seq_len,
            aspect_ratio=aspect_ratio,
            layer_law=layer_law,
            sparsity_law=sparsity_law,
            word_bytes=gpu.word_bytes if word_bytes is None else word_bytes,
            extras=Extras() if extras is None else extras,
        )
        try:
            step = smallest_cluster(
                gpu,
                model,
                duration_years,
                zero_bubble_latency=zero_bubble_latency,
                min_utilization=min_utilization,
            )
        except NothingFitsError as reason:
            ended_by = f"d_model {d_model}: {reason}"
            break
        if step.utilization < min_utilization:
            ended_by = f"d_model {d_model}: utilization {step.utilization:.2g}"
            break
        steps.append(step)
    return Sweep.from_steps(gpu, steps, ended_by, duration_years)


def _widths(d_models: Iterable[int]) -> tuple[int, ...]:
    try:
        widths = tuple(d_models)
    except TypeError:
        raise ValueError(f"d_models must be several whole numbers, got {d_models!r}") from None
    for width in widths:
        check_positive_integer("d_models", width)
    return widths


def _watched(widths: Sequence[int], show: bool) -> Iterator[int]:
    """The widths, with a bar on standard error if that takes long enough to wonder."""
    start = time.monotonic()
    shown = False
    for done, width in enumerate(widths):
        if show and time.monotonic() - start > _PATIENCE_S:
            bar = "#" * (20 * done // len(widths))
            print(f"\rsweep [{bar:<20}] d_model {width:<9}", end="", file=sys.stderr, flush=True)
            shown = True
        yield width
    if shown:
        print(file=sys.stderr)
