"""What a GPU computes, holds and moves, and the network it sits in.

Which accelerators there are, with the source of each figure, is in :mod:`dmcore.hardware.catalog`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from dmcore.algebra.checks import check_flag, check_positive_integer, check_scalar, check_type

__all__ = ["GPU", "NetworkLevel"]

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
        Bandwidth of one GPU at this level, both directions together, in bytes/s: a port is full
        duplex, so that half of it sends while half receives. May be infinite.
    latency_s : float
        Time of one hop, in seconds.

    Raises
    ------
    ValueError
        If a size is not a positive integer, a bandwidth not positive, a latency negative.

    Examples
    --------
    >>> NetworkLevel(size=8, bytes_per_s=900e9)
    NetworkLevel(size=8, bytes_per_s=900000000000.0, latency_s=1.125e-06)
    """

    size: int | None
    bytes_per_s: float
    latency_s: float = 1.125e-6

    def __post_init__(self) -> None:
        if self.size is not None:
            check_positive_integer("size", self.size)
        check_scalar("bytes_per_s", self.bytes_per_s, finite=False)
        check_scalar("latency_s", self.latency_s, zero=True)


#: Bandwidths, of which infinity is a useful hypothesis, and the memory.
_MAY_BE_INFINITE = (
    "l2_bytes_per_s",
    "hbm_bytes_per_s",
    "hbm_bytes",
    "shared_bytes_per_clock_per_sm",
)


def _levels(network: object) -> tuple[NetworkLevel, ...]:
    """Network levels as a tuple, which can be a key."""
    levels = tuple(network) if isinstance(network, Iterable) else (network,)
    for level in levels:
        check_type("network", level, NetworkLevel)
    return levels


@dataclass(frozen=True)
class GPU:
    """A GPU and its network, at one word size. ``dataclasses.replace`` makes a variant.

    Attributes
    ----------
    name : str
        Its name in the catalog.
    flop_per_clock_per_thread : float
        Arithmetic rate in FLOP per clock and thread, on words of ``word_bytes``.
    sms : int
        Streaming multiprocessors.
    max_clock_hz : float
        The clock of the data sheet's peak, in Hz; a chip may boost higher. "Peak" rates are at this one.
    efficiency : float
        Share of the peak that long runs of large matrix products reach, in (0, 1].
    l2_bytes_per_s, l2_bytes : float
        Bandwidth (bytes/s) and size (bytes) of the level-2 cache.
    hbm_bytes_per_s, hbm_bytes : float
        Bandwidth (bytes/s) and size (bytes) of the main memory. It is half duplex: any mix of loads
        and stores may use all of the bandwidth.
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
    word_bytes : int
        Bytes in a word of the arithmetic counted: 2 at 16 bit.
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
    word_bytes: int = 2
    source: str = ""

    def __post_init__(self) -> None:
        counts = {"sms", "blocks_per_sm", "threads_per_sm", "word_bytes"}
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
                infinite = field.name in _MAY_BE_INFINITE
                check_scalar(field.name, getattr(self, field.name), finite=not infinite)
        check_scalar("matmul_latency_s", self.matmul_latency_s, zero=True)
        check_flag("distributed_shared_memory", self.distributed_shared_memory)
        object.__setattr__(self, "network", _levels(self.network))
        if self.hbm_bytes < 1:
            raise ValueError(f"hbm_bytes must be at least 1, got {self.hbm_bytes!r}")
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
