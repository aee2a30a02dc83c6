"""Variants of an accelerator: one thing about it made faster, larger or slower; and its figures by symbol.

Every function takes a GPU and gives another one, so that variants can be of variants. What they leave
alone stays exactly as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import (
    check_choice,
    check_positive,
    check_positive_integer,
    check_scalar,
    refuse,
    whole_number,
)
from dmcore.hardware.gpu import GPU, NetworkLevel

__all__ = [
    "FIGURES",
    "closed_form_values",
    "custom_gpu",
    "faster_clock",
    "faster_l2",
    "faster_memory",
    "faster_network",
    "figures_of",
    "lower_latency",
    "more_registers",
    "with_node",
    "with_words",
]


@checked
def lower_latency(gpu: GPU, factor: float) -> GPU:
    """The GPU with the latencies of its kernels and of every network hop divided by a factor.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> lower_latency(get_gpu("H100 SXM"), 2).matmul_latency_s
    2.25e-06
    """
    _check(factor)
    return replace(
        gpu,
        name=f"{gpu.name}, latency / {factor:g}",
        matmul_latency_s=gpu.matmul_latency_s / factor,
        network=tuple(replace(level, latency_s=level.latency_s / factor) for level in gpu.network),
    )


@checked
def faster_network(gpu: GPU, factor: float, *, outermost_only: bool = False) -> GPU:
    """The GPU with so many times the network bandwidth, at all levels or at the outermost.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> [level.bytes_per_s / 1e9 for level in faster_network(get_gpu("H100 SXM"), 10).network]
    [9000.0, 1000.0]
    """
    _check(factor)
    unchanged = len(gpu.network) - 1 if outermost_only else 0
    levels = (
        replace(level, bytes_per_s=level.bytes_per_s * factor) if place >= unchanged else level
        for place, level in enumerate(gpu.network)
    )
    outer = "outer " * outermost_only
    return replace(gpu, name=f"{gpu.name}, {outer}network x {factor:g}", network=tuple(levels))


@checked
def faster_memory(gpu: GPU, factor: float, *, caches: bool = False) -> GPU:
    """The GPU with so many times the bandwidth of its HBM, or of L2 and shared memory as well.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> faster_memory(get_gpu("A100 SXM"), 2).hbm_bytes_per_s / 1e9
    3110.0
    """
    by = factor if caches else 1
    every = "every " * caches
    return _times(
        gpu,
        f"{every}memory x {factor:g}",
        hbm_bytes_per_s=factor,
        l2_bytes_per_s=by,
        shared_bytes_per_clock_per_sm=by,
    )


@checked
def faster_l2(gpu: GPU, factor: float) -> GPU:
    """The GPU with so many times the bandwidth of its L2 alone.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> faster_l2(get_gpu("V100 SXM"), 2).l2_bytes_per_s / 1e9
    4310.0
    """
    return _times(gpu, f"L2 x {factor:g}", l2_bytes_per_s=factor)


@checked
def more_registers(gpu: GPU, factor: float) -> GPU:
    """The GPU with so many times the registers in each processing block.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> more_registers(get_gpu("H100 SXM"), 2).register_bytes_per_block / 1024
    128.0
    """
    return _times(gpu, f"registers x {factor:g}", register_bytes_per_block=factor)


@checked
def faster_clock(gpu: GPU, factor: float) -> GPU:
    """The GPU at so many times the clock: its arithmetic and its shared memory, nothing else.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> gpu = get_gpu("H100 SXM")
    >>> faster_clock(gpu, 2).peak_flop_per_s / gpu.peak_flop_per_s
    2.0
    """
    return _times(gpu, f"clock x {factor:g}", max_clock_hz=factor)


@checked
def with_words(gpu: GPU, word_bytes: int) -> GPU:
    """The GPU with words of so many bytes, and arithmetic that is faster as they are smaller.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> eight_bit = with_words(get_gpu("H100 SXM"), 1)
    >>> eight_bit.flop_per_clock_per_thread, eight_bit.word_bytes
    (64.0, 1)
    """
    check_positive_integer("word_bytes", word_bytes)
    return replace(
        gpu,
        name=f"{gpu.name}, {8 * word_bytes} bit",
        flop_per_clock_per_thread=gpu.flop_per_clock_per_thread * (gpu.word_bytes / word_bytes),
        word_bytes=word_bytes,
    )


@checked
def with_node(gpu: GPU, size: int) -> GPU:
    """The GPU with so many of its kind in a node, at the node's own speed.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> with_node(get_gpu("B200 HGX"), 72).node_size
    72
    """
    check_positive_integer("size", size)
    node, *outer = gpu.network
    return replace(gpu, network=(replace(node, size=size), *outer))


def _check(factor: float) -> None:
    check_positive("factor", factor)
    if not 1e-12 <= factor <= 1e12:
        refuse("factor", factor, "between 1e-12 and 1e12")


def _times(gpu: GPU, words: str, **factors: float) -> GPU:
    values: dict[str, Any] = {}
    for name, factor in factors.items():
        _check(factor)
        values[name] = getattr(gpu, name) * factor
    return replace(gpu, name=f"{gpu.name}, {words}", **values)


# ------------------------------------------------------------------------- several figures at once

#: Figures of a GPU and its network that a reader can set: symbol, and what it is, with its unit.
FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "F_peak": "peak arithmetic, FLOP/s",
        "eta": "share of the peak in long matrix products",
        "beta_hbm": "bandwidth of the main memory, bytes/s",
        "C_hbm": "size of the main memory, bytes",
        "beta_L2": "bandwidth of L2, bytes/s",
        "ell_kernel": "least time of a matrix product, s",
        "node_size": "GPUs in a node; 1 is a flat network",
        "beta_node": "bandwidth of a GPU in its node, both directions, bytes/s",
        "ell_node": "latency of a hop in a node, s",
        "pod_size": "nodes in a pod; 1 is no such level",
        "beta_pod": "bandwidth of a GPU in its pod, both directions, bytes/s",
        "ell_pod": "latency of a hop in a pod, s",
        "site_size": "pods, or nodes without pods, in a site; 1 is one site for all",
        "beta_beyond": "bandwidth of a GPU beyond its pod, both directions, bytes/s",
        "ell_beyond": "latency of a hop beyond a pod, s",
        "beta_sites": "bandwidth of a GPU between sites, both directions, bytes/s",
        "ell_sites": "latency of a hop between sites, s",
    }
)


#: Levels that have a size, by what the size is called: the outermost joins all.
_SIZED = MappingProxyType({"node": "node", "pod": "pod", "site": "beyond"})


@checked
def figures_of(gpu: GPU) -> dict[str, float]:
    """The figures of a GPU by the symbols of :data:`FIGURES`.

    Raises
    ------
    ValueError
        If the network has more than four levels.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> figures_of(get_gpu("GB200 NVL72"))["node_size"]
    72.0
    """
    *inner, outermost = gpu.network
    if len(inner) > 3:
        raise ValueError(f"gpu must have at most four network levels, got {len(gpu.network)}")
    missing = replace(outermost, size=1)
    node, pod, site = [*inner, missing, missing, missing][:3]
    levels = {"node": node, "pod": pod, "beyond": site, "sites": outermost}
    return {
        "F_peak": gpu.peak_flop_per_s,
        "eta": gpu.efficiency,
        "beta_hbm": gpu.hbm_bytes_per_s,
        "C_hbm": gpu.hbm_bytes,
        "beta_L2": gpu.l2_bytes_per_s,
        "ell_kernel": gpu.matmul_latency_s,
        **{f"{name}_size": float(levels[level].size or 1) for name, level in _SIZED.items()},
        **{f"beta_{name}": level.bytes_per_s for name, level in levels.items()},
        **{f"ell_{name}": level.latency_s for name, level in levels.items()},
    }


@checked
def closed_form_values(gpu: GPU) -> dict[str, float]:
    """What the closed forms take: G, F (MAC/s), the two bandwidths (bytes/s), and the words (bytes).

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> closed_form_values(get_gpu("GTX 580"))["w_P"]
    4.0
    """
    from dmcore.algebra.symbols import FLOP_PER_MAC  # with SymPy, which takes half a second

    return {
        "G": float(gpu.node_size),
        "F": gpu.peak_flop_per_s / FLOP_PER_MAC,
        "beta_hbm": gpu.hbm_bytes_per_s,
        "beta_net": gpu.inter_node_bytes_per_s,
        "w_P": float(gpu.word_bytes),
        "w_A": float(gpu.word_bytes),
    }


def custom_gpu(base: GPU, /, **figures: float) -> GPU:
    """The GPU with some of :data:`FIGURES` set, in the units named there.

    The peak is set by the clock, so that the shared memories of the SMs grow with it. Caches, registers
    and the number of SMs stay.

    Raises
    ------
    ValueError
        If a figure is unknown, or a value impossible.

    Examples
    --------
    >>> from dmcore import get_gpu
    >>> mine = custom_gpu(get_gpu("H100 SXM"), node_size=72, F_peak=2e15)
    >>> mine.node_size, mine.peak_flop_per_s
    (72, 2000000000000000.0)
    """
    known = figures_of(base)
    for name in figures:
        check_choice("figure", name, known)
        check_scalar(name, figures[name], finite=False, zero=name.startswith("ell"))
    if all(known[name] == value for name, value in figures.items()):
        return base
    values = {**known, **figures}
    for size in _SIZED:
        whole_number(f"{size}_size", values[f"{size}_size"])
    levels = [
        (int(values[f"{size}_size"]), values[f"beta_{level}"], values[f"ell_{level}"])
        for size, level in _SIZED.items()
    ]
    outermost = "beyond" if values["site_size"] == 1 else "sites"
    network = (
        *(NetworkLevel(*level) for level in levels if level[0] != 1),
        NetworkLevel(None, values[f"beta_{outermost}"], values[f"ell_{outermost}"]),
    )
    return replace(
        base,
        name=f"{base.name}, changed",
        max_clock_hz=base.max_clock_hz * (values["F_peak"] / known["F_peak"]),
        efficiency=values["eta"],
        hbm_bytes_per_s=values["beta_hbm"],
        hbm_bytes=values["C_hbm"],
        l2_bytes_per_s=values["beta_L2"],
        matmul_latency_s=values["ell_kernel"],
        network=network,
    )
