"""What the cluster page saved as JSON, simulated again, to see whether both still say the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmcore.algebra.checked import checked
from dmcore.hardware.variants import FIGURES
from dmcore.show.settings import SETTINGS, sweep_of, use_of
from dmcore.simulator.search import NothingFitsError
from dmcore.simulator.sweep import Sweep
from dmcore.studies.planning import ClusterUse

__all__ = ["Saved", "read_saved"]


@dataclass(frozen=True)
class Saved:
    """A file of the cluster page, and the same from dmcore.

    Attributes
    ----------
    settings : mapping of str to float
        Of the page: see :func:`~dmcore.show.settings.sweep_of`.
    sweep : Sweep
        The runs with those settings.
    use : ClusterUse, optional
        What the reader's own cluster can do; None if nothing fits it.
    largest_difference : float
        Between a number of the file and the same here, as a share of it; infinite if there are more runs, or
        another answer.
    version : str
        Of dmcore when the page was built.
    """

    settings: Mapping[str, float]
    sweep: Sweep
    use: ClusterUse | None
    largest_difference: float
    version: str


@checked
def read_saved(file: str | Path) -> Saved:
    """Simulate again what the cluster page saved with *Download JSON*.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is none of the page's, or a setting is out of range.

    Examples
    --------
    >>> read_saved("README.md")
    Traceback (most recent call last):
    ValueError: file must be JSON that the cluster page saved, got 'README.md'
    """
    text = Path(file).read_text(encoding="utf-8")
    try:
        saved = json.loads(text)
        settings = {name: float(saved["settings"][name]) for name in (*FIGURES, *SETTINGS)}
        n_gpu, flop, told = (saved["own"][name] for name in ("n_gpu", "flop", "use"))
        runs, version = dict(saved["runs"]), str(saved["dmcore"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"file must be JSON that the cluster page saved, got {str(file)!r}"
        ) from None
    found = sweep_of(settings)
    try:
        use = use_of(settings, n_gpu, flop)
    except NothingFitsError:
        use = None
    differences = [_difference(runs[name], getattr(found, name)) for name in _columns(found, runs)]
    if use is not None and told is not None:
        again = use.summary()
        differences += [_difference(told[name], again[name]) for name in _ANSWER]
    elif use is not told:
        differences.append(np.inf)
    return Saved(settings, found, use, max(differences), version)


#: Numbers of the answer that are compared.
_ANSWER = ("training_flop", "utilization", "step_s", "days", "n_gpu_used", "n_gpu_idle")


def _columns(found: Sweep, runs: Mapping[str, Any]) -> list[str]:
    """Columns of numbers that both have."""
    return [name for name in runs if name != "zero_bubble" and hasattr(found, name)]


def _difference(told: Any, here: Any) -> float:
    told, here = np.asarray(told, dtype=float), np.asarray(here, dtype=float)
    if told.shape != here.shape:
        return float("inf")
    return float(np.max(np.abs(told - here) / np.abs(here), initial=0.0))
