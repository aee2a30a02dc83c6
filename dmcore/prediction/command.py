"""Predict the rows of a CSV file, or split them best: what ``python -m dmcore`` prints and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmcore.algebra.checked import checked
from dmcore.prediction.best import best_split
from dmcore.prediction.rows import Row, read_rows, unknown_columns
from dmcore.prediction.step import Prediction, predict

__all__ = ["Answer", "anchor_of", "predict_file", "split_file"]


@dataclass(frozen=True)
class Answer:
    """The predictions of a file.

    Attributes
    ----------
    csv : str
        A line for each row that can be predicted, under a heading: its id, with the degrees of its best split
        if that was asked for, and ``tok_s_gpu,low,high``.
    reports : tuple of str
        What was refused and why, what is doubtful, and which columns are unknown.
    predicted, refused : int
        How many rows were, and were not.
    """

    csv: str
    reports: tuple[str, ...]
    predicted: int
    refused: int


def _reports(file: str | Path, rows: list[Row], cells: list[dict[str, str]]) -> list[str]:
    told = [
        f"{file}: column {name!r} is not known and not used"
        for name in unknown_columns(cells[0] if cells else ())
    ]
    for row in rows:
        told += [f"{row.id}: not predicted: {row.refused}"] if row.refused else []
        told += [f"{row.id}: predicted, but doubtful: {doubt}" for doubt in row.doubts]
    return told


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name


def _rates(told: Prediction) -> str:
    return f"{told.tok_s_gpu:.6g},{told.low:.6g},{told.high:.6g}"


def _rate(cells: Mapping[str, str], tokens: float, n_gpu: float) -> float:
    """The measured rate of a row, from whichever column tells it; 0 if none does."""
    for name in ("tok_s_gpu", "tokens_per_s_per_gpu", "step_s"):
        try:
            value = float(cells.get(name) or 0)
        except ValueError:
            continue
        if value > 0:
            return tokens / value / n_gpu if name == "step_s" else value
    return 0.0


@checked
def anchor_of(file: str | Path) -> tuple[float, list[str]]:
    r"""Measured over predicted rate of one's own runs, their geometric mean, and what is to report.

    A row needs ``tok_s_gpu``, ``tokens_per_s_per_gpu`` or ``step_s``. A ValueError tells that no row can be
    used.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "mine.csv")
    ...     _ = file.write_text("gpu,n_gpu,layers,d_model,tok_s_gpu\nH100,8,32,4096,8000\n")
    ...     factor, reports = anchor_of(file)
    >>> 0.3 < factor < 3, reports
    (True, [])
    """
    rows, cells = read_rows(file)
    reports = _reports(file, rows, cells)
    ratios = []
    for row, cell in zip(rows, cells, strict=True):
        if row.case is None:
            continue
        split = row.case.split
        rate = _rate(cell, split.batch * row.case.model.seq_len, split.n_gpu)
        if rate:
            ratios.append(rate / predict([row.case])[0].tok_s_gpu)
        else:
            reports.append(f"{row.id}: no anchor: tok_s_gpu or step_s must be a positive number")
    if not ratios:
        raise ValueError(f"{file} must have a run that was measured: " + "; ".join(reports))
    return float(np.exp(np.mean(np.log(ratios)))), reports


@checked
def predict_file(file: str | Path, anchor: str | Path | None = None) -> Answer:
    r"""The answer to a file of runs, scaled to one's own if ``anchor`` names a file of them.

    Raises
    ------
    ValueError
        If a file has not the columns of a table of runs, or no anchor can be used.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "runs.csv")
    ...     _ = file.write_text("id,gpu,n_gpu,tp,layers,d_model\na,H100,8,1,32,4096\nb,H100,8,3,32,4096\n")
    ...     answer = predict_file(file)
    >>> answer.predicted, answer.reports
    (1, ('b: not predicted: tp, pp and cp must divide n_gpu 8, got 3 x 1 x 1',))
    """
    factor, reports = (1.0, []) if anchor is None else anchor_of(anchor)
    rows, cells = read_rows(file)
    reports = reports + _reports(file, rows, cells)
    good = [(row.id, row.case) for row in rows if row.case]
    lines = ["id,tok_s_gpu,low,high"]
    told = predict([case for _, case in good], anchor=None if anchor is None else factor)
    for (name, _), it in zip(good, told, strict=True):
        lines.append(f"{_quoted(name)},{_rates(it)}")
    return Answer("\n".join(lines), tuple(reports), len(good), len(rows) - len(good))


_DEGREES = ("tp", "pp", "vp", "cp", "dp", "ep", "shard", "microbatch")


@checked
def split_file(file: str | Path) -> Answer:
    r"""The best split of each run of a file, whatever split it tells; see :func:`.best_split`.

    Raises
    ------
    ValueError
        If the file has not the columns of a table of runs.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "runs.csv")
    ...     _ = file.write_text("id,gpu,n_gpu,layers,d_model,batch_sequences\na,H100,8,32,4096,64\n")
    ...     print(split_file(file).csv.splitlines()[0])
    id,tp,pp,vp,cp,dp,ep,shard,microbatch,recomputed,tok_s_gpu,low,high
    """
    rows, cells = read_rows(file)
    reports = _reports(file, rows, cells)
    lines = [f"id,{','.join(_DEGREES)},recomputed,tok_s_gpu,low,high"]
    for row in rows:
        if row.case is None:
            continue
        case, split = row.case, row.case.split
        try:
            found = best_split(
                case.machine, case.model, int(split.n_gpu), int(split.batch), case.software
            )
        except ValueError as error:
            reports.append(f"{row.id}: not split: {error}")
            continue
        degrees = ",".join(f"{getattr(found.split, name):.0f}" for name in _DEGREES)
        lines.append(
            f"{_quoted(row.id)},{degrees},{found.recomputed:.3g},{_rates(found.prediction)}"
        )
    return Answer("\n".join(lines), tuple(reports), len(lines) - 1, len(rows) - len(lines) + 1)
