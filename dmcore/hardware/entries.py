"""From an entry of ``accelerators.toml``, or of a file of the same form, to an accelerator.

A data sheet gives less than the model needs. Each figure is therefore from a data sheet, measured or
assumed, and says so. What an entry leaves out inside the chip follows from the H100 SXM, whose efficiency
was measured and whose L2 bandwidth is an extrapolation: L2 bandwidth in proportion to the main memory's,
and registers and bandwidth of the shared memory in proportion to what an SM computes in a clock, so that
they can feed it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import (
    check_choice,
    check_not_negative,
    check_positive,
    check_positive_integer,
)
from dmcore.hardware.gpu import GPU, KIB, MIB, NetworkLevel
from dmcore.hardware.variants import lower_latency

__all__ = ["STATUSES", "Accelerator", "feeding_share", "read", "status_fields"]

#: Where a figure can come from.
STATUSES = ("data sheet", "measured", "assumption")


@checked
def status_fields(gpu: GPU) -> tuple[str, ...]:
    """The figures of a GPU that have a status: every number, and each level of the network.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> status_fields(get_gpu("H100 SXM"))[-2:]
    ('network[0]', 'network[1]')
    """
    without = ("name", "source", "network", "word_bytes")
    plain = [field.name for field in fields(gpu) if field.name not in without]
    return (*plain, *(f"network[{level}]" for level in range(len(gpu.network))))


@dataclass(frozen=True)
class Accelerator:
    """An accelerator, and how far each of its figures can be trusted.

    Attributes
    ----------
    gpu : GPU
        Its figures.
    status : mapping of str to str
        One of :data:`STATUSES` for each of :func:`status_fields`. A network level counts as assumed if
        its size or its bandwidth is; hop latencies are assumed throughout.
    notes : mapping of str to str
        For each figure that is not from a data sheet, the rule or the measurement behind it.
    sources : mapping of str to str
        For each figure that is not assumed, a key of the bibliography.
    year : int
        When a generation of accelerators was announced; 0 for a version of one.
    paper, page_grids : bool
        Whether the paper has it, and whether the page's figures compute its sweeps in advance.
    hypothesis : str
        For an accelerator that nobody built, how it differs from its base; empty otherwise.

    Examples
    --------
    >>> from dmcore.hardware.catalog import ACCELERATORS
    >>> h200 = ACCELERATORS["H200 SXM"]
    >>> h200.status["hbm_bytes_per_s"], h200.sources["hbm_bytes_per_s"]
    ('data sheet', 'nvidia2023h200')
    """

    gpu: GPU
    status: Mapping[str, str]
    notes: Mapping[str, str]
    sources: Mapping[str, str]
    year: int
    paper: bool
    page_grids: bool
    hypothesis: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.gpu.name

    @property
    def assumptions(self) -> Mapping[str, str]:
        """The assumed figures, with the rule of each."""
        assumed = (name for name, status in self.status.items() if status == "assumption")
        return MappingProxyType({name: self.notes[name] for name in assumed})

    def mark(self, field: str) -> str:
        """A sign of where a figure is from: "?" if assumed, "*" if measured, none for a data sheet."""
        check_choice("field", field, self.status)
        return {"assumption": "?", "measured": "*"}.get(self.status[field], "")


# ------------------------------------------------------------------------------------ the file

_Check = Callable[[str, Any], None]


def _share(name: str, value: Any) -> None:
    check_positive(name, value)
    if value > 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {value!r}")


def _finite(name: str, value: Any) -> None:
    check_positive(name, value, finite=True)


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text, got {value!r}")


#: The figures of an entry: the field of a GPU, its unit there, and what is allowed.
_FIGURES: Mapping[str, tuple[str, Decimal | int, _Check]] = {
    "peak_TFLOP_per_s": ("peak_flop_per_s", 10**12, _finite),
    "flop_per_clock_per_thread": ("flop_per_clock_per_thread", 1, _finite),
    "sms": ("sms", 1, check_positive_integer),
    "max_clock_MHz": ("max_clock_hz", 10**6, _finite),
    "efficiency": ("efficiency", 1, _share),
    "l2_TB_per_s": ("l2_bytes_per_s", 10**12, check_positive),
    "l2_per_hbm": ("l2_per_hbm", 1, _finite),
    "l2_MiB": ("l2_bytes", MIB, check_positive),
    "hbm_TB_per_s": ("hbm_bytes_per_s", 10**12, check_positive),
    "hbm_GB": ("hbm_bytes", 10**9, check_positive),
    "distributed_shared_memory": ("distributed_shared_memory", 1, _flag),
    "matmul_latency_us": ("matmul_latency_s", Decimal("1e-6"), check_not_negative),
    "hop_latency_us": ("latency_s", Decimal("1e-6"), check_not_negative),
    "latency_divided_by": ("latency_divided_by", 1, _finite),
    "registers_KiB_per_block": ("register_bytes_per_block", KIB, check_positive),
    "blocks_per_sm": ("blocks_per_sm", 1, check_positive_integer),
    "threads_per_sm": ("threads_per_sm", 1, check_positive_integer),
    "shared_bytes_per_clock_per_sm": ("shared_bytes_per_clock_per_sm", 1, check_positive),
    "useful_capacity": ("useful_capacity", 1, _share),
    "word_bytes": ("word_bytes", 1, check_positive_integer),
}
_TAGS: Mapping[str, _Check] = {
    "base": _text,
    "source": _text,
    "text": _text,
    "hypothesis": _text,
    "year": check_positive_integer,
    "paper": _flag,
    "page_grids": _flag,
}
#: Figures that only help to make those of a GPU.
_OF_NO_STATUS = {
    "peak_TFLOP_per_s",
    "l2_per_hbm",
    "hop_latency_us",
    "latency_divided_by",
    "word_bytes",
}
_NOTES = ("measured", "assumed", "sources")
_NOTHING: Mapping[str, Any] = {kind: {} for kind in _NOTES}
_REQUIRED = ("hbm_TB_per_s", "hbm_GB", "network", "source")


def _number(value: Any, unit: Decimal | int) -> Any:
    """A number of the file in SI units: the float nearest to what is written there."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return value
    if isinstance(value, int) and unit == 1:
        return value
    return float(value * unit) if isinstance(value, int) else float(value * Decimal(unit))


def _checked(where: str, entry: Any) -> dict[str, Any]:
    """The entry in SI units by the names of the file, each key known and in range."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} must be a table, got {entry!r}")
    known = (*_FIGURES, "network", *_TAGS, *_NOTES)
    found: dict[str, Any] = {kind: {} for kind in _NOTES}
    for key, value in entry.items():
        check_choice(f"{where}: key", key, known)
        name = f"{where}: {key}"
        if key in _FIGURES:
            _, unit, check = _FIGURES[key]
            check(name, _number(value, 1))
            found[key] = _number(value, unit)
        elif key == "network":
            found[key] = _levels(name, value)
        elif key in _TAGS:
            _TAGS[key](name, value)
            found[key] = value
        else:
            found[key] = _notes(name, value)
    return found


def _levels(where: str, value: Any) -> list[tuple[int | None, float]]:
    """The levels of a network: size and bytes/s of each."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"{where} must be a list of levels {{size, GB_per_s}}, got {value!r}")
    found = []
    for place, level in enumerate(value):
        name = f"{where}[{place}]"
        wanted = {"GB_per_s"} if place == len(value) - 1 else {"size", "GB_per_s"}
        if not isinstance(level, dict) or set(level) != wanted:
            raise ValueError(f"{name} must have {' and '.join(sorted(wanted))}, got {level!r}")
        rate = _number(level["GB_per_s"], 10**9)
        check_positive(f"{name}: GB_per_s", rate)
        if "size" in level:
            check_positive_integer(f"{name}: size", level["size"])
        found.append((level.get("size"), rate))
    return found


def _notes(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be a table of figures, got {value!r}")
    for key, text in value.items():
        if not key.startswith("network["):
            check_choice(f"{where}: figure", key, _FIGURES)
        _text(f"{where}: {key}", text)
    return dict(value)


def _over(base: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry on top of its base.

    A figure given anew loses what the base says of its origin, unless a family says it of figures that
    it leaves to its members. The others keep the base's source.
    """
    given = {key for key in entry if key in _FIGURES} | {*entry["measured"], *entry["assumed"]}
    if "network" in entry:
        given |= {key for kind in _NOTES for key in base[kind] if key.startswith("network[")}
    given -= base.get("of members", set()) - {*entry["measured"], *entry["assumed"]}
    inherited = {key: base[key] for key in (*_FIGURES, "network", "source") if key in base}
    before = {kind: base[kind] for kind in _NOTES}
    if "source" in base:
        levels = {f"network[{place}]" for place in range(len(base.get("network", ())))}
        given |= levels if "network" in entry else set()
        known = (levels | (_FIGURES.keys() & base)) - _OF_NO_STATUS - set(base["assumed"])
        before["sources"] = dict.fromkeys(sorted(known), base["source"]) | base["sources"]
    notes = {
        kind: {key: text for key, text in before[kind].items() if key not in given} | entry[kind]
        for kind in _NOTES
    }
    return {**inherited, **entry, **notes}


# --------------------------------------------------------------------------------- from entry to GPU


def _made(where: str, name: str, entry: dict[str, Any], reference: GPU | None) -> Accelerator:
    """The accelerator of an entry on top of its base."""
    for key in _REQUIRED:
        if key not in entry:
            raise ValueError(f"{where}: {key} must be given")
    values = {_FIGURES[key][0]: value for key, value in entry.items() if key in _FIGURES}
    hop, divisor = values.pop("latency_s"), values.pop("latency_divided_by", None)
    peak = values.pop("peak_flop_per_s", None)
    if peak is None and "max_clock_hz" not in values:
        raise ValueError(f"{where}: peak_TFLOP_per_s or max_clock_MHz must be given")
    assumed = {**_by_rule(values, peak, reference), **_by_field(entry["assumed"])}
    network = tuple(NetworkLevel(size, rate, hop) for size, rate in entry["network"])
    gpu = GPU(name=name, network=network, source=entry.get("text", entry["source"]), **values)
    if divisor:
        gpu = replace(lower_latency(gpu, divisor), name=name)
    _check_fit(where, gpu, peak)
    if entry.get("hypothesis"):
        assumed = {f"network[{level}]": gpu.source for level in range(len(network))} | assumed
    return _with_origins(where, gpu, assumed, entry)


def _by_rule(values: dict[str, Any], peak: float | None, reference: GPU | None) -> dict[str, str]:
    """Supply what is missing inside a chip, and say by which rule."""
    per_clock = values["flop_per_clock_per_thread"] * values["threads_per_sm"]
    ratio = values.pop("l2_per_hbm", None)
    found: dict[str, tuple[float, str]] = {}
    if peak:
        found["max_clock_hz"] = (
            peak / (per_clock * values["sms"]),
            "Set so that units times rate times clock is the data sheet's peak.",
        )
    if reference:
        ratio = ratio or reference.l2_bytes_per_s / reference.hbm_bytes_per_s
        found["l2_bytes_per_s"] = (
            ratio * values["hbm_bytes_per_s"],
            f"{ratio:.2f} times the main memory's, the H100 SXM's ratio, itself an extrapolation.",
        )
        times = per_clock / (reference.flop_per_clock_per_thread * reference.threads_per_sm)
        note = "The H100 SXM's, in proportion to what an SM computes in a clock."
        for field in ("register_bytes_per_block", "shared_bytes_per_clock_per_sm"):
            found[field] = (getattr(reference, field) * times, note)
    lacking = {field: given for field, given in found.items() if field not in values}
    values.update({field: value for field, (value, _) in lacking.items()})
    return {field: note for field, (_, note) in lacking.items()}


def _check_fit(where: str, gpu: GPU, peak: float | None) -> None:
    """Refuse figures that contradict the peak of the data sheet, or cannot feed the arithmetic."""
    if peak and abs(gpu.peak_flop_per_s / peak - 1) > 0.01:
        raise ValueError(
            f"{where}: peak_TFLOP_per_s must be what rate, threads, SMs and clock make, "
            f"{gpu.peak_flop_per_s / 1e12:.4g}, got {peak / 1e12:.4g}"
        )
    fed = feeding_share(gpu)
    if fed < 1:
        raise ValueError(
            f"{where}: registers_KiB_per_block, shared_bytes_per_clock_per_sm, l2_TB_per_s and "
            f"hbm_TB_per_s must feed the arithmetic of a large matrix product, got {fed:.0%} of it; "
            "what an entry leaves out follows from the H100 SXM and does"
        )


def _with_origins(
    where: str, gpu: GPU, assumed: dict[str, str], entry: dict[str, Any]
) -> Accelerator:
    measured, sources = _by_field(entry["measured"]), _by_field(entry["sources"])
    figures = status_fields(gpu)
    for figure in (*assumed, *measured, *sources):
        check_choice(f"{where}: figure", figure, figures)
    status = {
        figure: STATUSES[2] if figure in assumed else STATUSES[figure in measured]
        for figure in figures
    }
    cited = {
        figure: sources.get(figure, entry["source"])
        for figure in figures
        if figure in sources or figure not in assumed
    }
    return Accelerator(
        gpu,
        MappingProxyType(status),
        MappingProxyType(measured | assumed),
        MappingProxyType(cited),
        entry.get("year", 0),
        entry.get("paper", False),
        entry.get("page_grids", False),
        entry.get("hypothesis", ""),
    )


def _by_field(notes: Mapping[str, str]) -> dict[str, str]:
    """Notes by the fields of a GPU in place of the keys of the file."""
    return {_FIGURES[key][0] if key in _FIGURES else key: note for key, note in notes.items()}


@checked
def feeding_share(gpu: GPU) -> float:
    """How much of the arithmetic of a large product the memories feed; 1 if none of them is a bottleneck.

    Past a square tile of side s words move three words for every 2 s FLOP: one operand, and a result
    that is read and written. The shared memory serves the tiles of the registers and of the SM.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from dmcore import get_gpu
    >>> gpu = get_gpu("H100 SXM")
    >>> feeding_share(gpu), round(feeding_share(replace(gpu, flop_per_clock_per_thread=128)), 2)
    (1.0, 0.27)
    """

    def bytes_per_flop(tile_bytes: float) -> float:
        side = (tile_bytes / gpu.word_bytes) ** 0.5
        return float(3 * gpu.word_bytes / (2 * side))

    registers = bytes_per_flop(gpu.useful_register_bytes)
    in_sm = bytes_per_flop(gpu.blocks_per_sm * gpu.useful_register_bytes)
    in_l2 = bytes_per_flop(max(gpu.useful_l2_bytes, gpu.blocks_per_sm * gpu.useful_register_bytes))
    needed = (
        (registers + in_sm, gpu.shared_bytes_per_s),
        (in_sm / (gpu.sms**0.5 if gpu.distributed_shared_memory else 1), gpu.l2_bytes_per_s),
        (in_l2, gpu.hbm_bytes_per_s),
    )
    return min(1.0, *(rate / (gpu.useful_flop_per_s * traffic) for traffic, rate in needed))


@checked
def read(
    path: str | PathLike[str],
    families: Mapping[str, dict[str, Any]],
    entries: Mapping[str, dict[str, Any]],
    reference: GPU | None,
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]], dict[str, Accelerator]]:
    """The families, the entries and the accelerators of a file, on top of those given.

    Examples
    --------
    >>> from importlib.resources import files
    >>> families, _, made = read(files("dmcore.hardware") / "accelerators.toml", {}, {}, None)
    >>> "TPU" in families, made["TPU v4"].gpu.node_size
    (True, 4096)
    """
    file = Path(path)
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except ValueError as reason:
        raise ValueError(f"{file.name} must be a TOML file: {reason}") from reason
    families, entries, made = dict(families), dict(entries), {}
    for key, table in found.items():
        check_choice(f"{file.name}: table", key, ("family", "accelerator"))
        if not isinstance(table, dict):
            raise ValueError(f"{file.name}: {key} must be a table of entries, got {table!r}")
    for name, entry in found.get("family", {}).items():
        given = _checked(f"{file.name}, family {name!r}", entry)
        families[name] = _over(families.get("default", _NOTHING), given)
        noted = {key for kind in _NOTES for key in given[kind]}
        families[name]["of members"] = {key for key in noted if key not in given}
    for name, entry in found.get("accelerator", {}).items():
        where = f"{file.name}, {name!r}"
        given = _checked(where, entry)
        base = given.get("base", "default")
        check_choice(f"{where}: base", base, (*families, *entries))
        entries[name] = _over(families[base] if base in families else entries[base], given)
        made[name] = _made(where, name, entries[name], reference)
        if reference is None and name == "H100 SXM":
            reference = made[name].gpu
    return families, entries, made
