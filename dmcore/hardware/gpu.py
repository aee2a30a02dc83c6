"""Accelerators as data: what a GPU computes, holds and moves, and the network it sits in.

Every figure is at 16 bit. The presets are those of the paper (section 4 and its simulation); data-sheet
figures carry their source in :attr:`GPU.source`, measured ones say that they are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from dmcore.algebra.checks import check_not_negative, check_positive, check_positive_integer

__all__ = ["GPU", "GPUS", "NetworkLevel", "get_gpu"]

KIB = 2**10
MIB = 2**20
GB = 1e9


@dataclass(frozen=True)
class NetworkLevel:
    """One level of a cluster's network, from the node outward.

    Attributes
    ----------
    size : int or None
        How many units of the level below are joined here: GPUs at the first level, nodes at the
        second. ``None`` for the outermost level, which joins all that remain.
    bytes_per_s : float
        Bandwidth of one GPU at this level, both directions together, in bytes/s. May be infinite.
    latency_s : float
        Time of one hop, in seconds.

    Raises
    ------
    ValueError
        If a size is not a positive integer, a bandwidth not positive, a latency negative.
    """

    size: int | None
    bytes_per_s: float
    latency_s: float = 1.125e-6

    def __post_init__(self) -> None:
        if self.size is not None:
            check_positive_integer("size", self.size)
        check_positive("bytes_per_s", self.bytes_per_s)
        check_not_negative("latency_s", self.latency_s)


@dataclass(frozen=True)
class GPU:
    """A GPU and its network, at one word size. ``dataclasses.replace`` makes a variant.

    Attributes
    ----------
    name : str
        Name of the preset.
    flop_per_clock_per_thread : float
        Arithmetic rate in FLOP per clock and thread, at 16 bit.
    sms : int
        Streaming multiprocessors.
    max_clock_hz : float
        Highest clock, in Hz. "Peak" rates are at this clock.
    efficiency : float
        Share of the peak that long runs of large matrix products reach, in (0, 1].
    l2_bytes_per_s, l2_bytes : float
        Bandwidth (bytes/s) and size (bytes) of the level-2 cache.
    hbm_bytes_per_s, hbm_bytes : float
        Bandwidth (bytes/s, loads and stores together) and size (bytes) of the main memory.
    distributed_shared_memory : bool
        Whether the SMs can read one another's shared memory.
    network : tuple of NetworkLevel
        From the node outward; only the last has ``size=None``.
    matmul_latency_s : float
        Least time of one matrix product, in seconds.
    register_bytes_per_block : float
        Registers of one processing block, in bytes.
    blocks_per_sm, threads_per_sm : int
        Processing blocks, and threads that compute at once, in one SM.
    shared_bytes_per_clock_per_sm : float
        Bandwidth of the shared memory of one SM, bytes per clock.
    useful_capacity : float
        Share of the registers and of L2 that a matrix product can fill, in (0, 1].
    source : str
        Where the figures come from.

    Raises
    ------
    ValueError
        If a figure is not positive, a share above one, a latency negative, or the network is empty or
        has an inner level without a size.
    """

    name: str
    flop_per_clock_per_thread: float
    sms: int
    max_clock_hz: float
    efficiency: float
    l2_bytes_per_s: float
    l2_bytes: float
    hbm_bytes_per_s: float
    hbm_bytes: float
    distributed_shared_memory: bool
    network: tuple[NetworkLevel, ...]
    matmul_latency_s: float = 4.5e-6
    register_bytes_per_block: float = 64 * KIB
    blocks_per_sm: int = 4
    threads_per_sm: int = 128
    shared_bytes_per_clock_per_sm: float = 128.0
    useful_capacity: float = 0.75
    source: str = ""

    def __post_init__(self) -> None:
        counts = {"sms", "blocks_per_sm", "threads_per_sm"}
        others = {
            "name",
            "source",
            "network",
            "matmul_latency_s",
            "distributed_shared_memory",
            *counts,
        }
        for field in fields(self):
            if field.name in counts:
                check_positive_integer(field.name, getattr(self, field.name))
            elif field.name not in others:
                check_positive(field.name, getattr(self, field.name))
        check_not_negative("matmul_latency_s", self.matmul_latency_s)
        if not isinstance(self.distributed_shared_memory, bool):
            raise ValueError(
                "distributed_shared_memory must be True or False, "
                f"got {self.distributed_shared_memory!r}"
            )
        for share in ("efficiency", "useful_capacity"):
            if getattr(self, share) > 1:
                raise ValueError(
                    f"{share} must be above 0 and at most 1, got {getattr(self, share)!r}"
                )
        if not self.network:
            raise ValueError(f"network must have at least one level, got {self.network!r}")
        *inner, outermost = self.network
        if any(level.size is None for level in inner) or outermost.size is not None:
            raise ValueError(
                "network must give a size to every level but the last, whose size is None, "
                f"got sizes {[level.size for level in self.network]!r}"
            )

    @property
    def useful_clock_hz(self) -> float:
        """Clock at which the efficiency is accounted for, in Hz."""
        return self.efficiency * self.max_clock_hz

    @property
    def peak_flop_per_s(self) -> float:
        """FLOP/s at the highest clock."""
        return self._flop_per_clock * self.max_clock_hz

    @property
    def useful_flop_per_s(self) -> float:
        """FLOP/s that a long run of large matrix products reaches."""
        return self._flop_per_clock * self.useful_clock_hz

    @property
    def _flop_per_clock(self) -> float:
        return self.flop_per_clock_per_thread * self.threads_per_sm * self.sms

    @property
    def shared_bytes_per_s(self) -> float:
        """Bandwidth of the shared memories of all SMs together, bytes/s at the useful clock."""
        return self.shared_bytes_per_clock_per_sm * self.sms * self.useful_clock_hz

    @property
    def useful_l2_bytes(self) -> float:
        """Bytes of L2 that a matrix product can fill."""
        return self.useful_capacity * self.l2_bytes

    @property
    def useful_register_bytes(self) -> float:
        """Bytes of the registers of one processing block that a matrix product can fill."""
        return self.useful_capacity * self.register_bytes_per_block

    @property
    def node_size(self) -> int:
        """GPUs in one node; 8 where the whole cluster is one flat network.

        A flat network has no node of its own, so the closed forms keep the paper's unit of 8 GPUs,
        which cancels from them.
        """
        return self.network[0].size or 8

    @property
    def inter_node_bytes_per_s(self) -> float:
        """Bandwidth of one GPU beyond its node, both directions together, in bytes/s."""
        return self.network[min(1, len(self.network) - 1)].bytes_per_s


def _two_levels(
    node_gb_per_s: float, beyond_gb_per_s: float, node_size: int = 8
) -> tuple[NetworkLevel, ...]:
    return (
        NetworkLevel(node_size, node_gb_per_s * GB),
        NetworkLevel(None, beyond_gb_per_s * GB),
    )


def _low_latency(gpu: GPU, name: str) -> GPU:
    return replace(
        gpu,
        name=name,
        matmul_latency_s=gpu.matmul_latency_s / 10,
        network=tuple(replace(level, latency_s=level.latency_s / 10) for level in gpu.network),
        source=f"{gpu.source} Hypothesis of the paper: all latencies a tenth.",
    )


def _presets() -> Mapping[str, GPU]:
    v100 = GPU(
        name="V100 SXM",
        flop_per_clock_per_thread=8,
        sms=80,
        max_clock_hz=1533e6,
        efficiency=0.90,
        l2_bytes_per_s=2155 * GB,
        l2_bytes=6 * MIB,
        hbm_bytes_per_s=900 * GB,
        hbm_bytes=32 * GB,
        distributed_shared_memory=False,
        network=_two_levels(300, 12.5),
        source=(
            "NVIDIA Tesla V100 data sheet and architecture white paper (2017); "
            "L2 bandwidth and efficiency as measured by the paper's authors."
        ),
    )
    a100 = GPU(
        name="A100 SXM",
        flop_per_clock_per_thread=16,
        sms=108,
        max_clock_hz=1410e6,
        efficiency=0.85,
        l2_bytes_per_s=5603 * GB,
        l2_bytes=40 * MIB,
        hbm_bytes_per_s=1555 * GB,
        hbm_bytes=40 * GB,
        distributed_shared_memory=False,
        network=_two_levels(600, 50),
        source=(
            "NVIDIA A100 data sheet and architecture white paper (2020), 40 GB version; "
            "L2 bandwidth and efficiency as measured by the paper's authors."
        ),
    )
    h100_pcie = GPU(
        name="H100 PCIe",
        flop_per_clock_per_thread=32,
        sms=114,
        max_clock_hz=1620e6,
        efficiency=0.55,
        l2_bytes_per_s=5563 * GB,
        l2_bytes=50 * MIB,
        hbm_bytes_per_s=2039 * GB,
        hbm_bytes=80 * GB,
        distributed_shared_memory=True,
        network=_two_levels(900, 100),
        source=(
            "NVIDIA H100 data sheet and architecture white paper (2022), PCIe version, in the "
            "network the paper gives it; L2 bandwidth and efficiency as measured by its authors."
        ),
    )
    h100 = GPU(
        name="H100 SXM",
        flop_per_clock_per_thread=32,
        sms=132,
        max_clock_hz=1830e6,
        efficiency=0.70,
        l2_bytes_per_s=6441 * GB,
        l2_bytes=50 * MIB,
        hbm_bytes_per_s=3352 * GB,
        hbm_bytes=80 * GB,
        distributed_shared_memory=True,
        network=_two_levels(900, 100),
        source=(
            "NVIDIA H100 data sheet and architecture white paper (2022), SXM version; "
            "L2 bandwidth and efficiency as measured by the paper's authors."
        ),
    )
    flat = replace(
        h100,
        name="H100 SXM Global NVLink",
        network=(NetworkLevel(None, 900 * GB),),
        source=f"{h100.source} Hypothesis of the paper: one flat network at NVLink speed.",
    )
    infinite = replace(
        h100,
        name="H100 SXM Infinite Network",
        network=(NetworkLevel(None, float("inf")),),
        source=f"{h100.source} Hypothesis of the paper: one flat network of infinite bandwidth.",
    )
    superpod = replace(
        h100,
        name="H100 SXM Superpod",
        network=(
            NetworkLevel(8, 900 * GB),
            NetworkLevel(32, 450 * GB),
            NetworkLevel(None, 100 * GB),
        ),
        source=f"{h100.source} Hypothesis of the paper: NVLink switches join 32 nodes.",
    )
    presets = (
        v100,
        a100,
        h100_pcie,
        h100,
        _low_latency(h100, "H100 SXM Low Latency"),
        flat,
        _low_latency(flat, "H100 SXM Global NVLink and LL"),
        _low_latency(infinite, "H100 SXM Infinite Network and LL"),
        superpod,
    )
    return MappingProxyType({gpu.name: gpu for gpu in presets})


#: The paper's presets by name, read-only.
GPUS: Mapping[str, GPU] = _presets()


def get_gpu(gpu: GPU | str) -> GPU:
    """The GPU itself, or the preset of that name.

    Raises
    ------
    ValueError
        If the name is no preset; the message lists them.
    """
    if isinstance(gpu, GPU):
        return gpu
    if gpu not in GPUS:
        raise ValueError(f"gpu must be a GPU or one of {', '.join(map(repr, GPUS))}, got {gpu!r}")
    return GPUS[gpu]
