"""Fit the constants to the measured runs: ``python -m dmcore.prediction.fit`` writes them anew.

The errors are logarithms, those far off count as their absolute value, and a row of a group counts the less
the more rows the group has. Nothing is fitted to a source, a model or a chip but the matmul rates of the
families of chips.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from dmcore.prediction.columns import Column
from dmcore.prediction.constants import FILE, constants, fitted
from dmcore.prediction.measured import Measured, measured
from dmcore.prediction.step import tokens_per_s

__all__ = ["ablation", "anchored", "calibrated_spread", "fit", "leave_one_out", "weights_of"]

#: Relative error beyond which a row's pull on the constants grows no further.
ROBUST = 0.15
Constants = Mapping[str, float]


def weights_of(runs: Measured) -> Column:
    """How much each row counts: less in a large group, half if its split is not told in full.

    Rows of TPU v7x and of 8-bit integers, which no other source has, count a tenth.

    Examples
    --------
    >>> weights = weights_of(measured())
    >>> bool(0 < weights.min() and weights.max() <= 1)
    True
    """
    groups = Counter(runs.cell("group").tolist())
    weight = np.array([groups[name] ** -0.5 for name in runs.cell("group").tolist()])
    rare = (runs.cell("precision") == "int8") | (runs.cell("gpu") == "TPU v7x")
    return weight * np.where(runs.scored, 1, 0.5) * np.where(rare, 0.1, 1)


def _rounds(runs: Measured, names: list[str], start: Constants, steps: int) -> dict[str, float]:
    """Gauss-Newton steps within the ranges, damped until they help."""
    known, weight = fitted(), weights_of(runs)
    low, high = (np.array([getattr(known[it], end) for it in names]) for end in ("low", "high"))
    wide, told = high - low, np.log(runs.rate)

    def errors(x: Column) -> Column:
        return np.log(tokens_per_s(runs.c, {**start, **dict(zip(names, x, strict=True))})) - told

    def cost(r: Column) -> float:
        return float((weight * (np.sqrt(1 + (r / ROBUST) ** 2) - 1)).sum())

    x = np.clip([start[it] for it in names], low, high)
    r, damping = errors(x), 1e-3
    best = cost(r)
    for _ in range(steps):
        slope = np.empty((len(r), len(x)))
        for i, width in enumerate(wide):
            moved = x.copy()
            moved[i] += 1e-4 * width * (-1 if x[i] + 1e-4 * width > high[i] else 1)
            slope[:, i] = (errors(moved) - r) / (moved[i] - x[i]) * width
        pull = weight / np.sqrt(1 + (r / ROBUST) ** 2)
        normal, gradient = (slope * pull[:, None]).T @ slope, (slope * pull[:, None]).T @ r
        before = best
        for _ in range(8):
            extra = damping * np.diag(np.diag(normal) + 1e-6 * np.trace(normal))
            tried = np.clip(x - wide * np.linalg.solve(normal + extra, gradient), low, high)
            if cost(errors(tried)) < best:
                x, r, damping = tried, errors(tried), max(damping / 5, 1e-6)
                best = cost(r)
                break
            damping *= 5
        if before - best < 1e-7 * best:
            break
    return {**start, **{name: float(value) for name, value in zip(names, x, strict=True)}}


def fit(
    runs: Measured,
    names: Iterable[str] | None = None,
    start: Constants | None = None,
    steps: int = 15,
) -> dict[str, float]:
    """All constants, those of ``names`` (all fitted ones if not given) as the runs would have them.

    Examples
    --------
    >>> runs = measured()
    >>> fit(runs, ["x_tensor"], steps=1)["near"]
    0.8
    """
    return _rounds(runs, list(fitted() if names is None else names), start or constants(), steps)


def leave_one_out(
    runs: Measured, by: str = "source", start: Constants | None = None, steps: int = 6
) -> tuple[Column, dict[str, dict[str, float]]]:
    """Rates of each source as predicted with constants fitted to all others, and those constants.

    Examples
    --------
    >>> runs = measured()
    >>> few = runs.part(np.isin(runs.cell("source"), ["kempnerforge", "jax_toolbox"]))
    >>> rate, found = leave_one_out(few, steps=1)
    >>> len(rate), sorted(found)
    (17, ['jax_toolbox', 'kempnerforge'])
    """
    names = runs.cell(by)
    rate, found = np.empty(len(runs.rate)), {}
    for name in sorted(set(names.tolist())):
        own = names == name
        found[name] = fit(runs.part(~own), start=start, steps=steps)
        rate[own] = tokens_per_s(runs.part(own).c, found[name])
    return rate, found


def calibrated_spread(
    runs: Measured, rate: Column, which: NDArray[np.bool_]
) -> tuple[float, float]:
    """Factors on predictions between which four of five measured rates lie, groups weighing alike.

    Examples
    --------
    >>> runs = measured()
    >>> calibrated_spread(runs, runs.rate, runs.scored)
    (1.0, 1.0)
    """
    groups = Counter(runs.cell("group")[which].tolist())
    weight = np.array([groups[it] ** -0.5 for it in runs.cell("group")[which].tolist()])
    ratio = (runs.rate / rate)[which]
    order = np.argsort(ratio, kind="stable")
    share = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    low, high = np.interp([0.1, 0.9], share, ratio[order])
    return float(low), float(high)


def anchored(runs: Measured, rate: Column) -> Column:
    """Rates scaled to one run of the same group: the one before it in the table, the last for the first.

    Not a number where a group has but one run that is scored.

    Examples
    --------
    >>> runs = measured()
    >>> bool(np.nanmax(np.abs(anchored(runs, 2 * runs.rate) / runs.rate - 1)) < 1e-12)
    True
    """
    found, groups = np.full(len(rate), np.nan), runs.cell("group")
    for name in set(groups.tolist()):
        rows = np.flatnonzero((groups == name) & runs.scored)
        if len(rows) > 1:
            other = np.roll(rows, 1)
            found[rows] = rate[rows] * runs.rate[other] / rate[other]
    return found


#: What a run would be without a term: values of constants that make it vanish.
WITHOUT: Mapping[str, Mapping[str, float]] = {
    "attention at the rate of matmuls": {"eta_attention": 0.95},
    "element-wise work, moved once": {"x_passes": 0.0},
    "the host's time": {"ell_call": 0.0},
    "tensor-parallel messages": {"x_tensor": 0.0},
    "experts' messages": {"x_expert": 1e6},
    "gathering not hidden": {"x_shard": 0.0},
    "better software each year": {"g_software": 0.0},
    "gradients not hidden": {"x_hide": 1e6, "x_least": 0.0},
}


def ablation(runs: Measured) -> dict[str, Column]:
    """Rates predicted without a term, all other constants fitted anew; "all terms" is the whole model.

    Examples
    --------
    >>> runs = measured()
    >>> few = runs.part(runs.cell("source") == "kempnerforge")
    >>> list(ablation(few))[:2]
    ['all terms', 'attention at the rate of matmuls']
    """
    found = {"all terms": tokens_per_s(runs.c)}
    for name, values in WITHOUT.items():
        others = [it for it in fitted() if it not in values]
        start = {**constants(), **values}
        found[name] = tokens_per_s(runs.c, fit(runs, others, start, steps=6))
    return found


def _written(text: str, k: Constants, around: Mapping[str, tuple[float, float]]) -> str:
    """The file of constants with new values."""
    for name, value in around.items():
        block = re.search(rf"\[constant\.{name}\]\n(?:(?!\[).+\n)+", text)
        assert block
        new = re.sub(r"value = .*", f"value = {k[name]:.4g}", block[0])
        new = re.sub(r"without_one_source = .*\n", "", new)
        new += f"without_one_source = [{value[0]:.4g}, {value[1]:.4g}]\n"
        text = text.replace(block[0], new)
    return text


def main() -> None:
    """Fit, leave out one source at a time, and write constants and ranges to the package's file."""
    runs = measured()
    k = fit(runs, steps=40)
    rate, found = leave_one_out(runs, start=k)
    around = {
        name: (min(it[name] for it in found.values()), max(it[name] for it in found.values()))
        for name in fitted()
    }
    text = _written(FILE.read_text("utf-8"), k, around).partition("\n[spread]")[0].rstrip() + "\n"
    for title, of in (("spread", rate), ("anchored", anchored(runs, rate))):
        text += f"\n[{title}] # measured over predicted, between which four of five lie\n"
        for name, which in (("dense", ~runs.moe), ("experts", runs.moe)):
            low, high = calibrated_spread(runs, of, runs.scored & which & np.isfinite(of))
            text += f"{name} = [{low:.3f}, {high:.3f}]\n"
    FILE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
