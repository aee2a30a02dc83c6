"""Accelerators beyond the paper's: from the cards of AlexNet to a rack of Blackwell, and three TPUs.

A data sheet gives less than the model needs. Each figure is therefore marked, field by field, as taken
from a data sheet, measured, or assumed here, and each assumption carries the rule it follows. The rules
start from the H100 SXM of :data:`dmcore.hardware.gpu.GPUS`, whose L2 bandwidth and efficiency were measured.

The paper's H100 SXM already has one network adapter of 400 Gb/s for each GPU (100 GB/s, both directions
together), so there is no preset for that here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from dmcore.algebra.checks import check_choice, check_positive, check_positive_integer
from dmcore.hardware.gpu import GB, GPU, GPUS, KIB, MIB, NetworkLevel

__all__ = ["PRESETS", "STATUSES", "Preset", "find_gpu", "status_fields"]

#: Where a figure can come from.
STATUSES = ("data sheet", "measured", "assumption")

_ASSUMED = "assumption"
_SHEET = "data sheet"


def status_fields(gpu: GPU) -> tuple[str, ...]:
    """The figures of a GPU that have a status: every number, and each level of the network."""
    plain = [field.name for field in fields(gpu) if field.name not in ("name", "source", "network")]
    return (*plain, *(f"network[{level}]" for level in range(len(gpu.network))))


@dataclass(frozen=True)
class Preset:
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
    peak_flop_per_s : float
        Dense arithmetic that the data sheet promises, in FLOP/s at ``word_bytes``.
    year : int
        When it was announced.
    source : str
        Titles of the data sheets.
    citations : tuple of str
        Keys of the bibliography.
    word_bytes : int
        Bytes in a word of the arithmetic counted: 2 at 16 bit.

    Raises
    ------
    ValueError
        If a status is missing or unknown, or an assumption has no note.
    """

    gpu: GPU
    status: Mapping[str, str]
    notes: Mapping[str, str]
    peak_flop_per_s: float
    year: int
    source: str
    citations: tuple[str, ...]
    word_bytes: int = 2

    def __post_init__(self) -> None:
        check_positive("peak_flop_per_s", self.peak_flop_per_s, finite=True)
        check_positive_integer("year", self.year)
        check_positive_integer("word_bytes", self.word_bytes)
        named = status_fields(self.gpu)
        if set(self.status) != set(named):
            raise ValueError(f"status must name exactly {named!r}, got {tuple(self.status)!r}")
        for name, status in self.status.items():
            check_choice(f"status[{name!r}]", status, STATUSES)
            if status != _SHEET and not self.notes.get(name):
                raise ValueError(f"notes must explain {name!r}, got {tuple(self.notes)!r}")
        object.__setattr__(self, "status", MappingProxyType(dict(self.status)))
        object.__setattr__(self, "notes", MappingProxyType(dict(self.notes)))

    @property
    def name(self) -> str:
        """Name of the preset."""
        return self.gpu.name

    @property
    def assumptions(self) -> Mapping[str, str]:
        """The assumed figures, with the rule of each."""
        return MappingProxyType(
            {name: self.notes[name] for name, status in self.status.items() if status == _ASSUMED}
        )


# ------------------------------------------------------------------------------------ assumptions

_H100 = GPUS["H100 SXM"]
_A100 = GPUS["A100 SXM"]

#: L2 bandwidth for each byte/s of main memory, as measured on the H100 SXM.
_L2_PER_HBM = _H100.l2_bytes_per_s / _H100.hbm_bytes_per_s
#: FLOP for each byte of an SM's shared memory on the H100 SXM, in one clock.
_FLOP_PER_SHARED_BYTE = (
    _H100.flop_per_clock_per_thread * _H100.threads_per_sm / _H100.shared_bytes_per_clock_per_sm
)

_EVERYWHERE = {
    "efficiency": "The H100 SXM's measured 0.70.",
    "matmul_latency_s": "The paper's 4.5 µs for every GPU.",
    "useful_capacity": "The paper's 0.75 for every GPU.",
}
_L2_RATIO = {"l2_bytes_per_s": "1.92 times the main memory's, the measured ratio of the H100 SXM."}
_CLOCK = {
    "max_clock_hz": "Set so that units times rate times clock is the data sheet's peak.",
}
_HOPS = "The paper's 1.125 µs a hop."
_SAME_CHIP = (
    "as measured by the paper's authors on another product with the same chip, "
    "and not measured on this one."
)


def _preset(
    gpu: GPU,
    notes: Mapping[str, str],
    peak_tflop_per_s: float,
    year: int,
    source: str,
    citations: tuple[str, ...],
    *,
    measured: tuple[str, ...] = (),
    word_bytes: int = 2,
) -> Preset:
    """A preset in which a noted figure is an assumption, or measured if it is listed so."""
    notes = {**_EVERYWHERE, **notes}
    status = {name: _ASSUMED if name in notes else _SHEET for name in status_fields(gpu)}
    status.update(dict.fromkeys(measured, "measured"))
    return Preset(
        replace(gpu, source=source),
        status,
        notes,
        peak_tflop_per_s * 1e12,
        year,
        source,
        citations,
        word_bytes,
    )


def _network(node: int, node_gb_per_s: float, beyond_gb_per_s: float) -> tuple[NetworkLevel, ...]:
    return (
        NetworkLevel(node, node_gb_per_s * GB),
        NetworkLevel(None, beyond_gb_per_s * GB),
    )


def _both_ways(gbit_per_s: float) -> float:
    """GB/s in both directions together of an adapter that makes so many Gb/s in each."""
    return 2 * gbit_per_s / 8


# ---------------------------------------------------------------------------------------- presets


def _gtx_580() -> Preset:
    """Two of them trained AlexNet. Arithmetic at 32 bit: the chip has no faster 16-bit mode."""
    hbm = 192.4
    gpu = GPU(
        name="GTX 580",
        flop_per_clock_per_thread=2,
        sms=16,
        max_clock_hz=1544e6,
        efficiency=0.70,
        l2_bytes_per_s=_L2_PER_HBM * hbm * GB,
        l2_bytes=768 * KIB,
        hbm_bytes_per_s=hbm * GB,
        hbm_bytes=3 * GB,
        distributed_shared_memory=False,
        network=_network(8, 2 * 8, _both_ways(4 * 10 * 0.8) / 8),
        register_bytes_per_block=64 * KIB,
        blocks_per_sm=2,
        threads_per_sm=32,
        shared_bytes_per_clock_per_sm=64,
    )
    return _preset(
        gpu,
        {
            **_L2_RATIO,
            "efficiency": (
                "CUBLAS on large 32-bit products on this card: 0.90 of 82.5 %, less 5 %, is 0.71 "
                "(Lai and Seznec, 2013)."
            ),
            "blocks_per_sm": "The two warp schedulers of an SM, taken as two blocks.",
            "register_bytes_per_block": "Half of an SM's 128 KiB for each of its two schedulers.",
            "network[0]": (
                "PCIe 2.0 x16, 8 GB/s in each direction, as the data sheet has it; that eight cards "
                f"share a machine is assumed (AlexNet had two). {_HOPS}"
            ),
            "network[1]": (
                "One InfiniBand QDR 4x adapter (40 Gb/s on the wire, 32 Gb/s of data) for a machine "
                f"of eight cards. {_HOPS}"
            ),
        },
        1.581,
        2010,
        "NVIDIA GeForce GTX 580 data sheet (2010) and Fermi architecture white paper (2009); "
        "memory of the 3 GB cards of Krizhevsky et al. (2012). 32 bit.",
        ("nvidia2009fermi", "nvidia2010gtx580", "krizhevsky2012", "lai2013"),
        measured=("efficiency",),
        word_bytes=4,
    )


def _a100_80() -> Preset:
    gpu = replace(_A100, name="A100 SXM 80 GB", hbm_bytes_per_s=2039 * GB, hbm_bytes=80 * GB)
    return _preset(
        gpu,
        {
            "efficiency": f"The 40 GB version's 0.85, {_SAME_CHIP}",
            "l2_bytes_per_s": f"The 40 GB version's, {_SAME_CHIP}",
        },
        312,
        2020,
        "NVIDIA A100 data sheet (2020), 80 GB SXM version; eight 200 Gb/s adapters for eight GPUs "
        "(DGX A100 data sheet).",
        ("nvidia2020a100",),
    )


def _a100_jean_zay() -> Preset:
    """The A100 of BLOOM: half the network of a DGX."""
    base = _a100_80()
    gpu = replace(
        base.gpu, name="A100 SXM 80 GB Jean Zay", network=_network(8, 600, _both_ways(100) / 2)
    )
    return _preset(
        gpu,
        {
            **base.assumptions,
            "network[0]": f"All eight GPUs at NVLink speed, as in a DGX A100. {_HOPS}",
        },
        312,
        2022,
        "NVIDIA A100 data sheet (2020), 80 GB SXM version; four 100 Gb/s Omni-Path links for eight "
        "GPUs (BigScience, training notes of BLOOM, 2022).",
        ("nvidia2020a100", "bigscience2022tr11"),
    )


def _hopper(name: str, gpu: GPU, year: int, source: str, *citations: str) -> Preset:
    return _preset(
        replace(gpu, name=name),
        {
            "efficiency": f"The H100 SXM's 0.70, {_SAME_CHIP}",
            "l2_bytes_per_s": f"The H100 SXM's, {_SAME_CHIP}",
        },
        989.4,
        year,
        source,
        citations,
    )


def _h800() -> Preset:
    """The H100 made for China: the same chip with less NVLink."""
    return _hopper(
        "H800 SXM",
        replace(_H100, network=_network(8, 400, _both_ways(400))),
        2023,
        "NVIDIA H100 architecture white paper (2022) for the chip; NVLink of 400 GB/s and eight "
        "400 Gb/s adapters for eight GPUs (DeepSeek-AI, 2025).",
        "zhao2025insights",
    )


def _h200() -> Preset:
    return _hopper(
        "H200 SXM",
        replace(_H100, hbm_bytes_per_s=4800 * GB, hbm_bytes=141 * GB),
        2023,
        "NVIDIA H200 Tensor Core GPU data sheet (2023), SXM version; eight 400 Gb/s adapters for "
        "eight GPUs (DGX H200, NVIDIA DGX BasePOD documentation).",
        "nvidia2023h200",
        "nvidia2024basepod",
    )


def _blackwell(
    name: str,
    peak_tflop_per_s: float,
    hbm_gb_per_s: float,
    memory_gb: float,
    node: int,
    source: str,
    *citations: str,
) -> Preset:
    rate, sms = 64.0, 148
    hbm = hbm_gb_per_s * GB
    gpu = GPU(
        name=name,
        flop_per_clock_per_thread=rate,
        sms=sms,
        max_clock_hz=peak_tflop_per_s * 1e12 / (rate * 128 * sms),
        efficiency=0.70,
        l2_bytes_per_s=_L2_PER_HBM * hbm,
        l2_bytes=126.5 * MIB,
        hbm_bytes_per_s=hbm,
        hbm_bytes=memory_gb * GB,
        distributed_shared_memory=True,
        network=_network(node, 1800, _both_ways(400)),
        register_bytes_per_block=128 * KIB,
        shared_bytes_per_clock_per_sm=rate * 128 / _FLOP_PER_SHARED_BYTE,
    )
    queried = "As the driver of a B200 reports it"
    return _preset(
        gpu,
        {
            **_L2_RATIO,
            **_CLOCK,
            "sms": f"{queried}.",
            "l2_bytes": f"{queried} (126.5 MiB).",
            "flop_per_clock_per_thread": "Twice the H100's; only its product with the clock matters.",
            "register_bytes_per_block": (
                "An SM's 256 KiB of registers and 256 KiB of tensor memory, over its four blocks."
            ),
            "shared_bytes_per_clock_per_sm": (
                "Twice the H100's, as the arithmetic is: an SM still moves 128 bytes a clock, but pairs of "
                "SMs share an operand."
            ),
        },
        peak_tflop_per_s,
        2024,
        source,
        (*citations, "torchao2026b200"),
        measured=("sms", "l2_bytes"),
    )


def _b200() -> Preset:
    return _blackwell(
        "B200 HGX",
        2250,
        7700,
        180,
        8,
        "NVIDIA Blackwell data sheet (2025), HGX B200, for the chip; dense arithmetic is half of "
        "the sparse figure printed. NVIDIA DGX B200 data sheet (2024) for the network. Its 64 TB/s "
        "for eight GPUs are a little more memory bandwidth than the newer sheet's 7.7 TB/s for one. "
        "SMs and L2 as reported by the driver (pytorch/ao 4002).",
        "nvidia2025blackwell",
        "nvidia2024dgxb200",
    )


def _gb200() -> Preset:
    return _blackwell(
        "GB200 NVL72",
        2500,
        8000,
        186,
        72,
        "NVIDIA GB200 NVL72 data sheet (2024), one of 72 GPUs; dense arithmetic is half of the "
        "sparse figure printed. One 400 Gb/s adapter for each GPU (DGX GB200 user guide). "
        "SMs and L2 as reported by the driver of a B200 (pytorch/ao 4002).",
        "nvidia2024gb200",
        "nvidia2025dgxgb200",
    )


def _tpu(
    name: str,
    year: int,
    peak_tflop_per_s: float,
    hbm_gb_per_s: float,
    memory_bytes: float,
    matrix_units: int,
    unit_side: int,
    pod: int,
    ici_gb_per_s: float,
    beyond_gb_per_s: float,
    source: str,
    citation: str,
) -> Preset:
    flop_per_clock = 2 * unit_side**2 * matrix_units
    threads, rate = _H100.threads_per_sm, _H100.flop_per_clock_per_thread
    gpu = GPU(
        name=name,
        flop_per_clock_per_thread=rate,
        sms=round(flop_per_clock / (rate * threads)),
        max_clock_hz=peak_tflop_per_s * 1e12 / flop_per_clock,
        efficiency=0.70,
        l2_bytes_per_s=22 * hbm_gb_per_s * GB,
        l2_bytes=128 * MIB,
        hbm_bytes_per_s=hbm_gb_per_s * GB,
        hbm_bytes=memory_bytes,
        distributed_shared_memory=True,
        network=_network(pod, ici_gb_per_s, beyond_gb_per_s),
        threads_per_sm=threads,
    )
    inside = "The H100's: the matrix units count as so many SMs of the H100 as do their arithmetic."
    return _preset(
        gpu,
        {
            **_CLOCK,
            "sms": (
                f"{matrix_units} matrix units of {unit_side} x {unit_side} MAC a clock, counted in SMs "
                "of the H100."
            ),
            "l2_bytes": "The on-chip memory stands for L2; 128 MiB on every generation.",
            "l2_bytes_per_s": "22 times the main memory's, the rule of thumb of the scaling book.",
            **dict.fromkeys(
                (
                    "threads_per_sm",
                    "flop_per_clock_per_thread",
                    "distributed_shared_memory",
                    "register_bytes_per_block",
                    "blocks_per_sm",
                    "shared_bytes_per_clock_per_sm",
                ),
                inside,
            ),
            "network[0]": (
                "All links of a chip, of the data sheet, as if a switch joined the pod. They are a "
                f"torus, which serves a ring well and distant pairs badly. {_HOPS}"
            ),
            "network[1]": f"The scaling book's typical figure for the hosts' network. {_HOPS}",
        },
        peak_tflop_per_s,
        year,
        source,
        (citation, "austin2025scaling"),
    )


def _tpu_v4() -> Preset:
    return _tpu(
        "TPU v4",
        2021,
        275,
        1200,
        32 * 2**30,
        8,
        128,
        4096,
        2 * 6 * 50,
        2 * 6.25,
        "Jouppi et al., TPU v4 (arXiv:2304.01433); Cloud TPU documentation, TPU v4.",
        "jouppi2023tpuv4",
    )


def _tpu_v5p() -> Preset:
    return _tpu(
        "TPU v5p",
        2023,
        459,
        2765,
        95 * GB,
        8,
        128,
        8960,
        _both_ways(4800),
        2 * 6.25,
        "Cloud TPU documentation, TPU v5p.",
        "google2023tpuv5p",
    )


def _tpu_v6e() -> Preset:
    return _tpu(
        "TPU v6e",
        2024,
        918,
        1638,
        32 * GB,
        2,
        256,
        256,
        800,
        2 * 12.5,
        "Cloud TPU documentation, TPU v6e (Trillium).",
        "google2024tpuv6e",
    )


#: The presets of this module by name, oldest first, read-only.
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            _gtx_580(),
            _a100_80(),
            _a100_jean_zay(),
            _h800(),
            _h200(),
            _b200(),
            _gb200(),
            _tpu_v4(),
            _tpu_v5p(),
            _tpu_v6e(),
        )
    }
)


def find_gpu(name: str) -> GPU:
    """The GPU of that name, of the paper's presets or of these.

    Raises
    ------
    ValueError
        If the name is no preset; the message lists them.
    """
    check_choice("name", name, (*GPUS, *PRESETS))
    return GPUS[name] if name in GPUS else PRESETS[name].gpu
