"""The paper's series of models as they are expected to run, beside what the bound allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer, check_scalar
from dmcore.algebra.numbers import readable
from dmcore.algebra.tables import Table
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.laws import SIMULATOR_YEAR_S
from dmcore.models.model import Model
from dmcore.prediction.best import Chosen, best_split
from dmcore.prediction.transformer import Software, Transformer
from dmcore.simulator.ends import LINEAR_SCALING
from dmcore.simulator.search import MIN_UTILIZATION, NothingFitsError, smallest_cluster
from dmcore.simulator.step import TrainingStep

__all__ = ["ExpectedRun", "SideBySide", "same_size", "side_by_side", "smallest_expected"]


@dataclass(frozen=True)
class ExpectedRun:
    """A model on the smallest cluster on which its training is expected to end in time.

    Attributes
    ----------
    n_gpu : int
        GPUs.
    utilization : float
        Share of the peak that the training compute takes.
    chosen : Chosen
        How it is split and what is expected of that.
    """

    n_gpu: int
    utilization: float
    chosen: Chosen


@checked
def same_size(model: Model) -> Transformer:
    """A transformer with as many layers, channels and weights as a model whose layers are MLPs.

    Its attention has 4 d² weights, so its MLP is narrower. Heads have 128 channels.

    Examples
    --------
    >>> same_size(Model.from_laws(12288)).d_ff / 12288
    2.0
    """
    d = model.d_model
    return Transformer(model.layers, d, model.d_ff - 2 * d, max(1, d // 128), seq_len=model.seq_len)


@checked
def smallest_expected(
    gpu: GPU | str,
    model: Model,
    duration_years: float = 0.25,
    software: Software | None = None,
) -> ExpectedRun | None:
    """The smallest cluster of 2**i GPUs on which a dense model is expected to be trained in time.

    Parameters
    ----------
    gpu : GPU or str
        The accelerator.
    model : Model
        A dense model with d_ff above 2 d_model, whose transformer :func:`same_size` gives.
    duration_years : float
        Time for the run, in years of 3.154e7 s.
    software : Software, optional
        Megatron of 2025 at bf16 if not given.

    Returns
    -------
    ExpectedRun or None
        None if no cluster ends the run in time, down to a utilization of 0.1 %.

    Raises
    ------
    ValueError
        If the accelerator is unknown, or the model is none of those.

    Examples
    --------
    >>> found = smallest_expected("H100 SXM", Model.from_laws(12288))
    >>> found.n_gpu, 0.3 < found.utilization < 0.7
    (2048, True)
    """
    gpu = get_gpu(gpu)
    check_scalar("duration_years", duration_years)
    if model.experts > 1 or model.d_ff <= 2 * model.d_model:
        raise ValueError(f"model must be dense, with d_ff above 2 d_model, got {model!r}")
    shape, duration_s = same_size(model), duration_years * SIMULATOR_YEAR_S
    alone_s = model.training_flop / gpu.peak_flop_per_s
    n_gpu = 1
    while alone_s / n_gpu > duration_s:
        n_gpu *= 2
    most = min(n_gpu / MIN_UTILIZATION, model.batch_sequences * shape.layers * shape.heads)
    while n_gpu <= most:
        try:
            chosen = best_split(gpu, shape, n_gpu, model.batch_sequences, software)
            run_s = chosen.prediction.step_s * model.steps
            if run_s <= duration_s:
                return ExpectedRun(n_gpu, alone_s / n_gpu / run_s, chosen)
        except ValueError:
            pass  # too little memory, or too many GPUs for one of the degrees
        n_gpu *= 2
    return None


@dataclass(frozen=True)
class SideBySide:
    """Runs of a series: each model, its step in the simulator and its expected run, None where none ends.

    Attributes
    ----------
    models : tuple of Model
        The models.
    bound : tuple of TrainingStep or None
        The step on the smallest cluster in the simulator.
    expected : tuple of ExpectedRun or None
        The same as expected.
    """

    models: tuple[Model, ...]
    bound: tuple[TrainingStep | None, ...]
    expected: tuple[ExpectedRun | None, ...]

    def first_below(self, share: float = LINEAR_SCALING) -> tuple[float | None, float | None]:
        """Compute, FLOP, of the first run at or below a share of the first one's utilization, of both.

        A run that does not end in time is below any share. None where all runs are above.
        """
        found = []
        for runs in (self.bound, self.expected):
            used = [one.utilization if one else 0.0 for one in runs]
            low = (
                model.training_flop
                for model, value in zip(self.models, used, strict=True)
                if value <= share * used[0]
            )
            found.append(next(low, None))
        return found[0], found[1]

    def largest(self) -> tuple[float, float]:
        """Compute, FLOP, of the largest run that ends in time, of both; 0 if none does."""
        bound, expected = (
            max(
                (m.training_flop for m, one in zip(self.models, runs, strict=True) if one),
                default=0.0,
            )
            for runs in (self.bound, self.expected)
        )
        return bound, expected

    def table(self) -> Table:
        """The runs as a table: compute, GPUs and utilization of both."""
        rows = []
        for model, bound, expected in zip(self.models, self.bound, self.expected, strict=True):
            cells = [
                cell
                for one in (bound, expected)
                for cell in (
                    (f"{one.n_gpu:,}", f"{100 * one.utilization:.0f} %") if one else ("none", "")
                )
            ]
            rows.append((f"{readable(model.training_flop, 2)} FLOP", *cells))
        head = ("run", "GPUs, bound", "utilization", "GPUs, expected", "utilization")
        return Table(
            rows, head, "The smallest clusters that end each run in time, and their utilization."
        )


@checked
def side_by_side(
    gpu: GPU | str,
    d_models: Iterable[int],
    duration_years: float = 0.25,
    software: Software | None = None,
) -> SideBySide:
    """The paper's dense models of those widths on their smallest clusters, as bounded and as expected.

    Examples
    --------
    >>> side_by_side("H100 SXM", [12288]).table()
    run             | GPUs, bound | utilization | GPUs, expected | utilization
    6.5 × 10²⁴ FLOP | 2,048       | 70 %        | 2,048          | 5... %
    """
    gpu = get_gpu(gpu)
    models = []
    for d_model in d_models:
        check_positive_integer("d_models", d_model)
        models.append(Model.from_laws(d_model, word_bytes=gpu.word_bytes))
    bound: list[TrainingStep | None] = []
    for model in models:
        try:
            bound.append(smallest_cluster(gpu, model, duration_years))
        except NothingFitsError:
            bound.append(None)
    expected = [smallest_expected(gpu, model, duration_years, software) for model in models]
    return SideBySide(tuple(models), tuple(bound), tuple(expected))
