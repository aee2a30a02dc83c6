"""The published measurements as a list to read: each with its source and with what the model expects."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from dmcore.algebra.checked import checked
from dmcore.prediction.columns import Column, Columns, columns
from dmcore.prediction.constants import spread
from dmcore.prediction.layer import attention_weights
from dmcore.prediction.measured import FILE, Measured, measured, why_not_scored
from dmcore.prediction.rows import read_rows
from dmcore.prediction.step import tokens_per_s

__all__ = [
    "NEEDED", "Published", "address", "faults", "groups_of", "oddities", "published", "split_in_words",
]  # fmt: skip

#: Columns that a row of the table cannot be without, and what is in them. ``faults`` asks for them.
NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "id": "a name that no other row has",
        "source": "key of the source; rows of one key stand together on this page",
        "source_title": "what the source is called",
        "source_url_or_repo_path": "where the figure stands: an https address, arXiv:number, or "
        "github:owner/name@commit path",
        "source_date": "its date: a day, a month or a year",
        "gpu": "accelerator, by a name that the model knows",
        "precision": "of the matrix products: bf16, fp16, fp8, mxfp8, nvfp4 or int8",
        "software": "what trained it, with its release where that is told",
        "model": "its name",
        "layers": "layers",
        "d_model": "channels",
        "d_ff": "inner width of an MLP, for a mixture of experts of one expert",
        "n_heads": "attention heads",
        "n_kv_heads": "heads of keys and values",
        "mlp_matrices": "2, or 3 of a gated MLP",
        "vocab": "words of the vocabulary",
        "seq_len": "tokens in a sequence",
        "tok_s_gpu": "measured tokens per second and GPU",
        "tok_s_how": "printed, batch over step time, or derived (from a printed TFLOP/s or MFU)",
        "peak_tflops": "dense peak at that precision, TFLOP/s",
        "flop_per_token_full_attn": "6 times the weights that a token passes, output words among them, "
        "and 12 × layers × heads × head_dim × seq_len",
        "family": "dense or moe",
        "group": "source | models | kind of GPU: rows that are counted together in a mean of groups",
    }
)
_HOWS = ("printed", "batch over step time", "derived")
#: A row looks wrong if it is so many times off, and its own figures may differ by so much.
_FAR, _APART = 2.0, 1.02
#: Peak and FLOP per token are retyped from sources that count in several ways; no way is further off.
_COUNTED = 1.4


@dataclass(frozen=True)
class Published:
    """A measurement, as a line of the list.

    Attributes
    ----------
    id, source, title, url : str
        The row's name, its source's key and title, and where the figure stands.
    gpu, kind, model, precision, split : str
        The accelerator and its kind, the model, the words of the products, the split as far as it is told.
    n_gpu, batch, seq_len : int
        GPUs and sequences in a batch (0: not told), tokens in a sequence.
    moe : bool
        Whether the model has experts.
    rate, mfu : float
        Measured tokens per second and GPU, and the share of the peak that they are.
    expected, low, high : float
        What the model expects, and the range that holds four of five rates.
    unscored : str
        Why a score leaves it out, empty if it does not.
    oddities : tuple of str
        Why it looks wrong.

    Examples
    --------
    >>> first = published()[0]
    >>> first.low < first.expected < first.high
    True
    """

    id: str
    source: str
    title: str
    url: str
    gpu: str
    kind: str
    model: str
    precision: str
    split: str
    n_gpu: int
    batch: int
    seq_len: int
    moe: bool
    rate: float
    mfu: float
    expected: float
    low: float
    high: float
    unscored: str
    oddities: tuple[str, ...]


@checked
def address(place: str) -> str:
    """The address of a source that a row names; empty if it is none.

    Examples
    --------
    >>> address("arXiv:2504.14960 Tables 2 to 5")
    'https://arxiv.org/abs/2504.14960'
    >>> address("github:pytorch/torchtitan@b5bcd76 benchmarks/llama3.md (H200)")
    'https://github.com/pytorch/torchtitan/blob/b5bcd76/benchmarks/llama3.md'
    """
    if found := re.match(r"arXiv:(\d{4}\.\d{4,5})", place):
        return f"https://arxiv.org/abs/{found[1]}"
    if found := re.match(r"github:([\w.-]+/[\w.-]+?) ?(?:@(\w+))? ([^\s,;]+)", place):
        kind = "blob" if re.search(r"\.\w{2,4}$", found[3]) else "tree"
        return f"https://github.com/{found[1]}/{kind}/{found[2] or 'HEAD'}/{found[3]}"
    found = re.match(r"(?:https://)?((?:[\w-]+\.)+\w+/\S+)", place)
    return f"https://{found[1]}" if found else ""


@checked
def split_in_words(row: Mapping[str, str]) -> str:
    """How a row says that its run was split; what it does not say is left out.

    Examples
    --------
    >>> split_in_words({"tp": "8", "pp": "1", "dp": "4", "microbatch": "2", "recompute": "full"})
    'TP 8, DP 4, microbatch 2, full recomputation'
    """
    degrees = ("tp", "pp", "vp", "cp", "dp", "ep", "etp")
    told = [f"{name.upper()} {row[name]}" for name in degrees if row.get(name, "") not in ("", "1")]
    if row.get("fsdp", "") not in ("", "ddp", "none"):
        told.append({"zero1": "ZeRO-1", "zero3": "ZeRO-3"}.get(row["fsdp"], row["fsdp"].upper()))
    if row.get("microbatch"):
        told.append(f"microbatch {row['microbatch']}")
    if row.get("recompute", "none") not in ("", "none"):
        told.append(f"{row['recompute']} recomputation")
    return ", ".join(told)


def _disagreement(row: Mapping[str, str]) -> float:
    ratio = float(row["selfcheck"] or 1)
    return max(ratio, 1 / ratio)


@checked
def oddities(runs: Measured, expected: Column) -> list[tuple[str, ...]]:
    """Why rows look wrong, by three rules: for each row its reasons, none for most.

    It is flagged; figures that its source prints and that imply each other differ by more than 2 %; or it
    is more than 2 times off what is expected, while in the median the other rows of its group, at least two,
    are not.

    Examples
    --------
    >>> runs = measured()
    >>> few = runs.part(runs.cell("source") == "kempnerforge")
    >>> rate = few.rate.copy()
    >>> rate[0] *= 3
    >>> oddities(few, rate)[:2]
    [('0.33 times what is expected, its group 1.0 times',), ()]
    """
    off, groups = np.log(runs.rate / expected), runs.cell("group")
    found = []
    for i, row in enumerate(runs.cells):
        why = [row["flag"]] if row["flag"] else []
        if _disagreement(row) > _APART and not why:
            why.append(f"its printed figures differ by a factor of {_disagreement(row):.2f}")
        others = off[(groups == groups[i]) & (np.arange(len(off)) != i)]
        far = math.log(_FAR)
        if abs(off[i]) > far and len(others) >= 2 and abs(np.median(others)) < far:
            own, around = math.exp(off[i]), math.exp(float(np.median(others)))
            why.append(f"{own:.2g} times what is expected, its group {_plain(around)} times")
        found.append(tuple(why))
    return found


def _plain(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 0.995 else f"{ratio:.2f}"


@cache
def published() -> tuple[Published, ...]:
    """All measurements, in the order of their sources' keys and of their names.

    Examples
    --------
    >>> len(published()) == len(measured().rate)
    True
    """
    runs = measured()
    expected, mfu, kinds = tokens_per_s(runs.c), runs.rate * runs.mfu_per_rate, runs.kind
    found = []
    for i, (row, why) in enumerate(zip(runs.cells, oddities(runs, expected), strict=True)):
        low, high = spread("experts" if runs.moe[i] else "dense")
        rate = float(expected[i])
        found.append(
            Published(
                row["id"],
                row["source"],
                row["source_title"],
                address(row["source_url_or_repo_path"]),
                row["gpu"],
                str(kinds[i]),
                row["model"],
                row["precision"],
                split_in_words(row),
                int(float(row["n_gpu"] or 0)),
                int(float(row["batch_sequences"] or 0)),
                int(runs.c["S"][i]),
                bool(runs.moe[i]),
                float(runs.rate[i]),
                float(mfu[i]),
                rate,
                rate * low,
                rate * high,
                why_not_scored(row),
                why,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.source, one.id)))


def _counted_flop(c: Columns) -> Column:
    """FLOP per token, attention in full."""
    routed = c["f"] * (c["shared"] + c["k"]) * c["n_mlp"] * c["d"] + c["E"] * c["d"]
    dense = c["n_mlp"] * c["d"] * c["f_dense"]
    mlps = c["L_dense"] * dense + (c["L"] - c["L_dense"]) * routed
    weights = c["L"] * attention_weights(c) + mlps + c["V"] * c["d"]
    return 6 * weights + 12 * c["L"] * c["h"] * c["d_head"] * c["S"]


def _faults_of(row: Mapping[str, str]) -> list[str]:
    """What is wrong with the cells of a row that a case can be made of."""
    found = [f"{name} is not told" for name in NEEDED if not row.get(name)]
    if found:
        return found
    if not address(row["source_url_or_repo_path"]):
        found.append(f"{row['source_url_or_repo_path']!r} is no address")
    if row["tok_s_how"] not in _HOWS:
        found.append(f"tok_s_how must be one of {', '.join(_HOWS)}, got {row['tok_s_how']!r}")
    if row["family"] != ("moe" if float(row["experts"] or 1) > 1 else "dense"):
        found.append(f"family is {row['family']!r}, and there are {row['experts'] or 'no'} experts")
    for name in ("tok_s_gpu", "peak_tflops", "flop_per_token_full_attn"):
        try:
            positive = 0 < float(row[name]) < math.inf
        except ValueError:
            positive = False
        if not positive:
            found.append(f"{name} must be a positive number, got {row[name]!r}")
    return found


@checked
def faults(file: str | Path = FILE) -> list[str]:
    """What is wrong with the rows of a table of measurements, each told by its name; nothing if all is well.

    A row must have the columns of :data:`NEEDED` and a name of its own, must be a run that can be, and its
    peak and FLOP must be about those that its GPU and its shape have.

    Examples
    --------
    >>> faults()
    []
    """
    rows, cells = read_rows(file)
    found, names = [], set()
    with Path(file).open(newline="", encoding="utf-8-sig") as lines:
        table = csv.reader(lines)
        head = next(table)
        found += [f"{line[0]}: {len(line)} cells, not {len(head)}" for line in table
                  if line and len(line) != len(head)]  # fmt: skip
    for row, cell in zip(rows, cells, strict=True):
        wrong = [row.refused] if row.case is None else _faults_of(cell)
        if row.id in names:
            wrong.append("another row has that name")
        names.add(row.id)
        if row.case is not None and not wrong:
            c = columns([row.case])
            wrong += _far_off(
                ("peak_tflops", float(cell["peak_tflops"]), float((c["peak"] * c["narrow"])[0]) / 1e12),
                ("flop_per_token_full_attn", float(cell["flop_per_token_full_attn"]),
                 float(_counted_flop(c)[0])),
            )  # fmt: skip
        found += [f"{row.id}: {reason}" for reason in wrong]
    return found


def _far_off(*told: tuple[str, float, float]) -> Iterable[str]:
    for name, value, counted in told:
        if max(value / counted, counted / value) > _COUNTED:
            yield f"{name} is {value:.4g}, and about {counted:.4g} by its columns"


@checked
def groups_of(rows: Sequence[Published]) -> Mapping[str, tuple[Published, ...]]:
    """The rows by the key of their source, in their order.

    Examples
    --------
    >>> [row.id for row in groups_of(published())["torchtitan"]]
    ['torchtitan-031', 'torchtitan-032']
    """
    found: dict[str, list[Published]] = {}
    for row in rows:
        found.setdefault(row.source, []).append(row)
    return MappingProxyType({source: tuple(own) for source, own in found.items()})
