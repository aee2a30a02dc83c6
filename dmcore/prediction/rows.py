"""Runs as rows of a table: what the columns mean, what is taken where nothing is told, what is refused."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dmcore.algebra.checked import checked
from dmcore.prediction.columns import Case, columns
from dmcore.prediction.machines import Machine, find_machine, with_network
from dmcore.prediction.memory import room_taken
from dmcore.prediction.transformer import PRECISIONS, Software, Split, Transformer, styles

__all__ = ["COLUMNS", "DEFAULTS", "Row", "case_of", "read_rows", "unknown_columns"]

#: Columns that a prediction can use. All but ``gpu``, ``layers`` and ``d_model`` may be left out.
COLUMNS = (
    "id", "gpu", "n_gpu", "precision", "software", "source_date", "kind", "model", "layers", "d_model",
    "d_ff", "n_heads", "n_kv_heads", "head_dim", "mlp_matrices", "vocab", "experts", "experts_active",
    "shared_experts", "dense_layers", "d_ff_dense", "seq_len", "batch_sequences", "microbatch", "tp",
    "pp", "vp", "cp", "dp", "ep", "etp", "fsdp", "shard_group", "recompute", "flash_attention",
    "sequence_parallel", "network", "note", "flop_convention", "tok_s_gpu",
)  # fmt: skip
#: Columns that tables have beside them, which tell a prediction nothing.
_BESIDE = (
    "source", "source_title", "source_url_or_repo_path", "params_total", "params_active",
    "tokens_per_s_per_gpu", "step_s", "tflops_per_gpu", "mfu", "hfu", "selfcheck", "selfcheck_how",
    "flag", "tok_s_how", "peak_tflops", "flop_per_token_full_attn", "family", "quality", "shape_from",
    "group", "group_source", "group_model", "group_gpu",
)  # fmt: skip
#: What is taken where a row does not tell it.
DEFAULTS: Mapping[str, str] = {
    "n_gpu": "16 replicas",
    "d_ff": "4 d_model",
    "n_heads": "d_model / 128",
    "n_kv_heads": "n_heads",
    "mlp_matrices": "2",
    "vocab": "51200",
    "seq_len": "2048",
    "precision": "bf16",
    "software": "Megatron, on a TPU MaxText",
    "source_date": "the middle of 2025",
    "microbatch": "1",
    "batch_sequences": "one microbatch for each replica, 8 for each stage of a pipeline",
    "tp, pp": "1 with FSDP; else the fewest GPUs that hold the model, a node for tp first",
    "vp": "every layer a chunk of its own in Megatron since 2023, else 1",
    "etp": "1, or tp if ep is not told either",
    "recompute": "as many layers as memory demands",
    "flash_attention": "since 2023",
    "sequence_parallel": "since the middle of 2022, but for Megatron-DeepSpeed",
    "shard_group": "all replicas",
    "network": "the accelerator's",
}
#: No count in a table of runs is larger; the model's arithmetic is exact up to there.
LARGEST = 1e12
_LATENT = re.compile(r"(?i)deepseek[- ]?(v[23]|r1)|kimi|moonlight")


@dataclass(frozen=True)
class Row:
    """A row: the case that it tells, or why there is none, and what is doubtful about it.

    Examples
    --------
    >>> Row("mine", None, "gpu is not told").case is None
    True
    """

    id: str
    case: Case | None
    refused: str = ""
    doubts: tuple[str, ...] = field(default=())


class _Reader:
    """The cells of one row."""

    def __init__(self, row: Mapping[str, str | None]) -> None:
        self.row = {name: (value or "").strip() for name, value in row.items() if name}

    def text(self, name: str) -> str:
        return self.row.get(name, "")

    def number(self, name: str, default: float) -> float:
        text = self.text(name).replace(",", "")
        if text.lower() in ("", "-", "n/a", "na", "none", "nan", "?"):
            return default
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{name} must be a number, got {text!r}") from None
        if not 0 <= value <= LARGEST:
            raise ValueError(
                f"{name} must be a number of at least 0, at most {LARGEST:g}, got {text!r}"
            )
        return value


def _year(told: _Reader, software: str) -> float:
    release = re.search(
        r"(?:container|release|nemo|megatron|ngc)\D{0,20}(2\d)\.(\d\d)\b", software.lower()
    )
    date = re.match(r"(\d{4})(?:-(\d\d))?", told.text("source_date"))
    if release and 1 <= int(release[2]) <= 12:
        return 2000 + int(release[1]) + (int(release[2]) - 0.5) / 12
    if date:
        return int(date[1]) + (int(date[2] or 7) - 0.5) / 12
    return 2025.5


def _software(told: _Reader, machine: Machine) -> Software:
    name = told.text("software")
    year, lower = _year(told, name), name.lower()
    style = next(
        (key for key, it in styles().items() if any(word in lower for word in it.words)),
        "XLA" if machine.family == "TPU" else "Megatron",
    )
    if style == "Megatron" and "megatron-lm" in lower and year < 2023:
        style = "Megatron 2021"
    precision = told.text("precision").lower() or "bf16"
    precision = {"float16": "fp16", "bfloat16": "bf16", "fp4": "nvfp4"}.get(precision, precision)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    flash = told.text("flash_attention").lower()
    return Software(
        style,
        year,
        precision,
        graphs="mlperf" in told.text("kind").lower() or "bridge" in lower,
        flash=flash.startswith(("y", "t", "1")) if flash else year > 2022.9,
    )


def _machine(told: _Reader) -> Machine:
    if not told.text("gpu"):
        raise ValueError("gpu is not told")
    machine, network = find_machine(told.text("gpu")), told.text("network")
    far, node = machine.gpu.network[-1].bytes_per_s / 2, machine.gpu.network[0].size or 8
    if found := re.search(r"(\d+) GPUs a node", network):
        node = int(found[1])
    if found := re.search(r"(\d+) ?x ?(\d+) ?Gb/?p?s.*per node of (\d+)", network):
        far = int(found[1]) * int(found[2]) / int(found[3]) * 1e9 / 8
    elif found := re.search(r"(\d+) Gbps node-node", network):
        far = int(found[1]) / node * 1e9 / 8
    return with_network(machine, far, node) if machine.family != "TPU" else machine


def _model(told: _Reader) -> Transformer:
    for name in ("layers", "d_model"):
        if not told.number(name, 0):
            raise ValueError(f"{name} is not told")
    d, name = told.number("d_model", 0), told.text("model")
    heads = told.number("n_heads", max(1, d // 128))
    return Transformer(
        told.number("layers", 0), d, told.number("d_ff", 4 * d), heads,
        kv_heads=told.number("n_kv_heads", heads),
        head_dim=told.number("head_dim", 0),
        mlp_matrices=told.number("mlp_matrices", 2),
        vocab=told.number("vocab", 51200),
        seq_len=told.number("seq_len", 2048),
        experts=told.number("experts", 1) or 1,
        experts_active=told.number("experts_active", 1) or 1,
        shared_experts=told.number("shared_experts", 0),
        dense_layers=told.number("dense_layers", 0),
        d_ff_dense=told.number("d_ff_dense", 0),
        window=128 if "gpt-oss" in name.lower() else 0,
        latent=bool(_LATENT.search(name)),
        predict_ahead=float("multi-token" in told.text("flop_convention")),
    )  # fmt: skip


def _split(told: _Reader, machine: Machine, model: Transformer, software: Software) -> Split:
    fsdp = told.text("fsdp").lower()
    sharded = fsdp in ("zero3", "fsdp", "hsdp", "zero2", "fsdp2")
    tp, pp, cp = told.number("tp", 0), told.number("pp", 0), told.number("cp", 1) or 1
    dp, n_gpu = told.number("dp", 0), told.number("n_gpu", 0)
    style = styles()[software.style]
    if not tp or not pp:
        if dp and n_gpu and (tp or pp):  # what the other degrees leave
            tp, pp = tp or n_gpu / (dp * cp * pp), pp or n_gpu / (dp * cp * tp)
        elif sharded:
            tp, pp = tp or 1, pp or 1
        else:
            tp, pp = _smallest(machine, model, software, tp, pp, n_gpu / (dp or 1) / cp)
    n_gpu = n_gpu or tp * pp * cp * (dp or 16)
    dp = dp or n_gpu / (tp * pp * cp)
    if dp != int(dp):
        raise ValueError(f"tp, pp and cp must divide n_gpu {n_gpu:g}, got {tp:g} x {pp:g} x {cp:g}")
    micro = told.number("microbatch", 1) or 1
    chunks = model.layers / pp if pp > 1 else 1
    whole = style.interleaves and software.year > 2023 and chunks == int(chunks)
    ep, among = told.number("ep", 0), dp * cp * tp
    again = told.text("recompute").lower() or "fit"
    if again == "selective" and software.style == "XLA":  # which layers, memory decides
        again = "fit"
    sequence = told.text("sequence_parallel").lower()
    late = software.style not in ("Megatron-DeepSpeed", "Megatron 2021") and software.year > 2022.5
    shard = told.number("shard_group", dp * cp) or dp * cp
    return Split(
        n_gpu,
        told.number("batch_sequences", 0) or dp * micro * (8 * pp if pp > 1 else 1),
        micro, tp, pp,
        vp=(told.number("vp", 0) or (chunks if whole else 1)) if pp > 1 else 1,
        cp=cp, dp=dp,
        ep=min(ep or 1, among) if model.experts > 1 else 1,
        etp=told.number("etp", 1 if ep else tp) or 1 if model.experts > 1 else 1,
        shard=min(shard, dp * cp) if sharded else 1,
        optimizer_sharded=fsdp != "none",
        recompute=again,
        sequence_parallel=sequence.startswith(("y", "t", "1")) if sequence else late,
    )  # fmt: skip


def _smallest(
    machine: Machine, model: Transformer, software: Software, tp: float, pp: float, among: float
) -> tuple[float, float]:
    """Tensor and pipeline degrees of the fewest GPUs that hold the model, those told kept.

    They divide ``among`` GPUs, if that is not 0.
    """
    node = min(machine.gpu.network[0].size or 8, 8)
    tensor = [tp] if tp else [float(2**i) for i in range(int(math.log2(node)) + 1)]
    stages = [pp] if pp else [float(n) for n in range(1, 65) if model.layers % n == 0]
    pairs = [(a, b) for b in stages for a in tensor if not model.heads % a and not among % (a * b)]
    for a, b in pairs:
        split = Split(a * b * 16, 16 * 8 * b, tp=a, pp=b)
        state, _, least = room_taken(columns([Case(machine, model, split, software)]))
        if state[0] + least[0] < 0.9:
            return a, b
    return pairs[-1] if pairs else (tp or 1.0, pp or 1.0)


@checked
def case_of(row: Mapping[str, str | None]) -> Case:
    """The run that a row tells; a ValueError says why there is none.

    Examples
    --------
    >>> case_of({"gpu": "H100", "layers": "32", "d_model": "4096", "n_gpu": "8"}).split.dp
    8.0
    """
    told = _Reader(row)
    machine = _machine(told)
    software, model = _software(told, machine), _model(told)
    split = _split(told, machine, model, software)
    for reason in split.misfits(model):
        raise ValueError(reason)
    return Case(machine, model, split, software)


def _told(number: int, row: Mapping[str, str | None]) -> Row:
    name = (row.get("id") or "").strip() or f"row {number}"
    try:
        case, doubts = case_of(row), []
    except ValueError as error:
        return Row(name, None, str(error))
    split = case.split
    if split.batch % (split.dp * split.microbatch):
        doubts.append(
            f"microbatch times dp must divide the batch {split.batch:g}, got "
            f"{split.microbatch:g} x {split.dp:g}"
        )
    ep = _Reader(row).number("ep", 0)
    if ep > split.ep:
        doubts.append(f"ep {ep:g} is more than the GPUs that can share experts, {split.ep:g} taken")
    return Row(name, case, doubts=tuple(doubts))


def _held(rows: list[Row]) -> list[Row]:
    """The rows, with what they take of a GPU's memory; those that cannot be in it are refused."""
    cases = [row.case for row in rows if row.case]
    if not cases:
        return rows
    state, _, least = room_taken(columns(cases))
    found, taken = [], iter((state + least).tolist())
    for row in rows:
        share = next(taken) if row.case else 0.0
        need = f"weights, optimizer and layer inputs take {share:.1f} times a GPU's memory"
        if share > 2:
            row = replace(row, case=None, refused=f"memory is exceeded: {need}")
        elif share > 1.1:
            row = replace(row, doubts=(*row.doubts, need))
        found.append(row)
    return found


@checked
def unknown_columns(names: Iterable[str | None]) -> list[str]:
    """Names that are no column of a table of runs.

    Examples
    --------
    >>> unknown_columns(["gpu", "layers", "colour"])
    ['colour']
    """
    known = {*COLUMNS, *_BESIDE}
    return [str(name) for name in names if name not in known]


@checked
def read_rows(file: str | Path) -> tuple[list[Row], list[dict[str, str]]]:
    r"""Each row of a CSV file as a :class:`Row`, and its cells.

    A ValueError tells that the file has no such columns at all.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "mine.csv")
    ...     _ = file.write_text("id,gpu,layers,d_model\nmine,H100,32,\n")
    ...     [row], cells = read_rows(file)
    >>> row.refused
    'd_model is not told'
    """
    with Path(file).open(newline="", encoding="utf-8-sig") as lines:
        table = csv.DictReader(lines)
        if not {"gpu", "layers", "d_model"} <= set(table.fieldnames or ()):
            raise ValueError(f"{file} must have the columns gpu, layers and d_model")
        cells = [{str(key): str(value or "") for key, value in row.items()} for row in table]
    return _held([_told(number, row) for number, row in enumerate(cells, 1)]), cells
