"""Rows of a data file as objects: CSV and TOML files that stand beside the modules of this room."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import refuse

__all__ = ["records"]

T = TypeVar("T")

#: How the text of a cell becomes a value, by the type that the field is declared with.
_READ: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"str": str, "int": int, "float": float, "bool": {"yes": True, "no": False}.__getitem__}
)


@checked
def records(kind: type[T], file: str | Path) -> tuple[T, ...]:
    """Objects of a dataclass from a file: the rows of a CSV file, or the tables ``[[run]]`` of a TOML file.

    Parameters
    ----------
    kind : type
        A dataclass. A column or key is a field of it; an empty cell or a missing key is its default.
    file : str or pathlib.Path
        A file of this room by its name, or any file by its path.

    Raises
    ------
    ValueError
        If a column or key is unknown or missing, or a value none of its field: the message names the
        file and the row.

    Examples
    --------
    >>> from dmcore.evidence.training_runs import TrainingRun
    >>> [run.name for run in records(TrainingRun, "training_runs.toml")][:2]
    ['GPT-3', 'PaLM']
    """
    if not is_dataclass(kind):
        refuse("kind", kind, "a dataclass")
    path = files("dmcore.evidence").joinpath(file) if isinstance(file, str) else file
    text = path.read_text("utf-8")
    if str(file).endswith(".toml"):
        rows: list[dict[str, Any]] = tomllib.loads(text).get("run", [])
    else:
        rows = [
            {name: cell for name, cell in row.items() if cell != ""}
            for row in csv.DictReader(text.splitlines())
        ]
    return tuple(_record(kind, row, f"{file}, {_title(row, i)}") for i, row in enumerate(rows, 1))


def _title(row: Mapping[str, Any], number: int) -> str:
    return f"row {number} ({row['name']})" if "name" in row else f"row {number}"


def _record(kind: type[T], row: Mapping[str, Any], where: str) -> T:
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = [str(name) for name in row if name not in known]
    if unknown:
        raise ValueError(
            f"{where}: columns must be among {', '.join(known)}, got {', '.join(unknown)}"
        )
    lacking = [
        name for name, field in known.items() if field.default is MISSING and name not in row
    ]
    if lacking:
        raise ValueError(f"{where}: {', '.join(lacking)} must be given, got nothing")
    values = {name: _value(str(known[name].type), cell, where, name) for name, cell in row.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _value(declared: str, cell: Any, where: str, name: str) -> Any:
    kind = declared.split(" ")[0]
    try:
        if isinstance(cell, str):
            return _READ[kind](cell)
        if isinstance(cell, bool) == (kind == "bool") and isinstance(cell, int | float):
            return float(cell) if kind == "float" else cell
    except (KeyError, ValueError):
        pass
    raise ValueError(f"{where}: {name} must be of type {kind}, got {cell!r}")
