"""Time of one matrix product on one GPU, from the bytes that cross each boundary of its memory.

A weight matrix of d1 rows and d2 columns meets a nanobatch of z tokens. The matrix is cut into tiles
that stay in a level of memory while the nanobatch streams past; what streams, and what cannot stay,
crosses the boundary to the level above. The slowest of those boundaries and the arithmetic sets the time
(the paper's simulation; appendix on matrix multiplication).

Each formula is one SymPy expression of ``d_1``, ``d_2``, ``z`` (tokens), ``w_P`` and ``w_A`` (bytes of a
weight and of an activation) and figures of the GPU (:func:`gpu_values`). In the gradient of the weights
the matrix is that gradient, and ``w_P`` the bytes of a sum (:class:`~dmcore.models.words.Words`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive, check_together
from dmcore.algebra.expressions import value_of
from dmcore.algebra.numbers import EQUAL
from dmcore.algebra.symbols import symbols
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.models.words import Words, check_words

__all__ = [
    "MatmulBreakdown",
    "gpu_values",
    "hbm_bytes",
    "l2_bytes",
    "matmul_breakdown",
    "matmul_flop",
    "matmul_time",
    "matmul_time_parts",
    "register_bytes",
    "tile_columns",
    "tile_count",
    "tile_rows",
    "time_expression",
]

_D1, _D2, _Z, _W_P, _W_A = symbols("d_1 d_2 z w_P w_A")


# ---------------------------------------------------------------------------------------- tiles


@checked
@cache
def tile_count(capacity: sp.Expr) -> sp.Expr:
    """k: tiles of that many bytes that the weight matrix is cut into.

    Examples
    --------
    >>> tile_count(sp.Integer(65536))
    ceiling(d_1*d_2*w_P/65536)
    """
    return sp.ceiling(_D1 * _D2 * _W_P / capacity)


@checked
@cache
def tile_rows(capacity: sp.Expr) -> sp.Expr:
    """Rows of tiles, a real number: square tiles if the matrix is large on both sides.

    A tile of d1 d2 / k words is as square as fits: sqrt(k d1/d2) rows of tiles. It can be no higher
    than the matrix (at least one row), and no wider (at most k rows).

    Examples
    --------
    >>> f"{value_of(tile_rows(sp.Integer(65536)), d_1=1024.0, d_2=2048.0, w_P=2.0):.2f}"
    '5.66'
    """
    k = tile_count(capacity)
    return sp.Min(k, sp.Max(1, sp.sqrt(k * _D1 / _D2)))


@checked
@cache
def tile_columns(capacity: sp.Expr) -> sp.Expr:
    """Columns of tiles, a real number: rows times columns is the number of tiles.

    Examples
    --------
    >>> f"{value_of(tile_columns(sp.Integer(65536)), d_1=1024.0, d_2=2048.0, w_P=2.0):.2f}"
    '11.31'
    """
    return tile_count(capacity) / tile_rows(capacity)


# ---------------------------------------------------------------------- bytes over each boundary


def _weights_moved(held: sp.Expr, weight_gradient: bool) -> sp.Expr:
    """Bytes of the weights themselves: none if the level below holds them, twice over, throughout.

    Otherwise each is loaded once; a gradient is loaded and stored.
    """
    weights = _D1 * _D2 * _W_P
    does_not_fit = sp.Max(0, sp.sign(2 * weights - held))
    return (2 if weight_gradient else 1) * weights * does_not_fit


def _activations_moved(rows: sp.Expr, columns: sp.Expr, weight_gradient: bool) -> sp.Expr:
    """Bytes of what streams past tiles in so many rows and columns.

    A row of tiles reads all d2 inputs of each token. A column reads or adds up d1 outputs: the first
    column only writes, each further one reads what was there as well. A gradient reads both sides.
    """
    per_column = columns if weight_gradient else 2 * columns - 1
    return (rows * _D2 + per_column * _D1) * _Z * _W_A


def _shared_among_tiles(capacity: sp.Expr, weight_gradient: bool) -> sp.Expr:
    """Bytes that tiles pass to each other over a network of their own.

    What one row reads it need not pass on if it is the only row, and a gradient's column likewise.
    That is decided on whole numbers, k d1 > d2 for sqrt(k d1/d2) > 1: a root rounds.
    """
    k, rows, columns = tile_count(capacity), tile_rows(capacity), tile_columns(capacity)
    several = sp.sign(k - 1)
    several_rows = several * sp.Max(0, sp.sign(k * _D1 - _D2))
    several_columns = several * sp.Max(0, sp.sign(k * _D2 - _D1))
    per_column = several_columns * columns if weight_gradient else 2 * (columns - 1)
    return (several_rows * rows * _D2 + per_column * _D1) * _Z * _W_A


def _over_boundary(
    capacity: sp.Expr, tiles: sp.Expr, weight_gradient: bool, joined: bool = False
) -> sp.Expr:
    big = capacity * tiles if joined else capacity
    return _weights_moved(capacity * tiles, weight_gradient) + _activations_moved(
        tile_rows(big), tile_columns(big), weight_gradient
    )


_L2, _SM, _REGISTERS = symbols("C_L2 C_SM C_reg")
_N_SM, _N_BLOCK = symbols("N_SM N_block")


@checked
@cache
def hbm_bytes(weight_gradient: bool = False) -> sp.Expr:
    """Bytes between the main memory and L2, whose useful capacity is one tile.

    Examples
    --------
    >>> sizes = {"d_1": 1024.0, "d_2": 1024.0, "z": 512.0, "w_P": 2.0, "w_A": 2.0}
    >>> moved = value_of(hbm_bytes(), **sizes, **gpu_values(get_gpu('A100 SXM')))
    >>> f"{moved / 2**20:.1f} MiB"
    '2.0 MiB'
    """
    return _over_boundary(_L2, sp.Integer(1), weight_gradient)


@checked
@cache
def l2_bytes(weight_gradient: bool = False, distributed: bool = False) -> sp.Expr:
    """Bytes between L2 and the SMs; with distributed shared memory all SMs hold one big tile.

    Examples
    --------
    >>> sizes = {"d_1": 1024.0, "d_2": 1024.0, "z": 512.0, "w_P": 2.0, "w_A": 2.0}
    >>> moved = value_of(l2_bytes(), **sizes, **gpu_values(get_gpu('A100 SXM')))
    >>> f"{moved / 2**20:.1f} MiB"
    '8.9 MiB'
    """
    return _over_boundary(_SM, _N_SM, weight_gradient, distributed)


@cache
def among_sms_bytes(weight_gradient: bool = False, distributed: bool = False) -> sp.Expr:
    """Bytes between the shared memories of the SMs: none unless they are distributed.

    Examples
    --------
    >>> among_sms_bytes()
    0
    """
    if not distributed:
        return sp.Integer(0)
    return _shared_among_tiles(_SM, weight_gradient)


@checked
@cache
def register_bytes(weight_gradient: bool = False) -> sp.Expr:
    """Bytes between shared memory and the registers of the processing blocks.

    Examples
    --------
    >>> sizes = {"d_1": 1024.0, "d_2": 1024.0, "z": 512.0, "w_P": 2.0, "w_A": 2.0}
    >>> moved = value_of(register_bytes(), **sizes, **gpu_values(get_gpu('A100 SXM')))
    >>> f"{moved / 2**20:.1f} MiB"
    '18.7 MiB'
    """
    return _over_boundary(_REGISTERS, _N_BLOCK, weight_gradient)


@cache
def matmul_flop() -> sp.Expr:
    """FLOP with every side rounded up to the 8 of a tensor core's unit of 512 MAC.

    Examples
    --------
    >>> matmul_flop()
    1024*ceiling(d_1/8)*ceiling(d_2/8)*ceiling(z/8)
    """
    return 2 * 512 * sp.ceiling(_D1 / 8) * sp.ceiling(_D2 / 8) * sp.ceiling(_Z / 8)


# ----------------------------------------------------------------------------------------- times


@checked
@cache
def matmul_time_parts(
    weight_gradient: bool = False, distributed: bool = False
) -> Mapping[str, sp.Expr]:
    """Seconds at each boundary, of the arithmetic, and of the latency. All but latency overlap.

    What comes from the main memory passes through L2 as well, and what comes from L2 through the
    shared memory.

    Examples
    --------
    >>> list(matmul_time_parts())
    ['HBM', 'L2', 'shared memory', 'arithmetic', 'latency']
    """
    hbm_rate, l2_rate, shared_rate, flop_rate, latency = symbols(
        "beta_hbm beta_L2 beta_shared F_useful ell_kernel"
    )
    hbm, l2 = hbm_bytes(weight_gradient), l2_bytes(weight_gradient, distributed)
    inner = among_sms_bytes(weight_gradient, distributed) + register_bytes(weight_gradient)
    parts = {
        "HBM": hbm / hbm_rate,
        "L2": (hbm + l2) / l2_rate,
        "shared memory": (l2 + inner) / shared_rate,
        "arithmetic": matmul_flop() / flop_rate,
        "latency": latency,
    }
    return MappingProxyType(parts)


@checked
@cache
def time_expression(weight_gradient: bool = False, distributed: bool = False) -> sp.Expr:
    """Seconds of one matrix product: the slowest of what overlaps, and the latency.

    Examples
    --------
    >>> sizes = {"d_1": 1024.0, "d_2": 1024.0, "z": 512.0, "w_P": 2.0, "w_A": 2.0}
    >>> f"{value_of(time_expression(), **sizes, **gpu_values(get_gpu('A100 SXM'))):.2e}"
    '8.55e-06'
    """
    *overlapping, latency = matmul_time_parts(weight_gradient, distributed).values()
    # comparing the parts symbolically takes SymPy a second, and none is always the largest
    return sp.Max(*overlapping, evaluate=False) + latency


@checked
@lru_cache(maxsize=256)
def gpu_values(gpu: GPU) -> Mapping[str, float]:
    """A GPU's figures by symbol name: capacities in bytes, rates per second, latency in seconds.

    Examples
    --------
    >>> f"{gpu_values(get_gpu('H100 SXM'))['beta_hbm']:.3g}"
    '3.35e+12'
    """
    per_sm = gpu.blocks_per_sm * gpu.useful_register_bytes
    values = {
        # V100's L2 is smaller than all registers, but never smaller than those of one SM
        "C_L2": max(gpu.useful_l2_bytes, per_sm),
        "C_SM": per_sm,
        "C_reg": gpu.useful_register_bytes,
        "N_SM": float(gpu.sms),
        "N_block": float(gpu.blocks_per_sm * gpu.sms),
        "beta_hbm": gpu.hbm_bytes_per_s,
        "beta_L2": gpu.l2_bytes_per_s,
        "beta_shared": gpu.shared_bytes_per_s,
        "F_useful": gpu.useful_flop_per_s,
        "ell_kernel": gpu.matmul_latency_s,
    }
    return MappingProxyType(values)


def matmul_seconds(
    gpu: GPU, d1: Any, d2: Any, tokens: Any, words: Words, weight_gradient: bool
) -> Any:
    """:func:`matmul_time` without the checks; sizes must be floats, to not overflow.

    Examples
    --------
    >>> f"{matmul_seconds(get_gpu('H100 SXM'), 4096.0, 4096.0, 512.0, Words.of(2), False):.2e}"
    '3.04e-05'
    """
    return value_of(
        time_expression(weight_gradient, gpu.distributed_shared_memory),
        d_1=d1,
        d_2=d2,
        z=tokens,
        **words.in_product(weight_gradient),
        **gpu_values(gpu),
    )


@checked
def matmul_time(
    gpu: GPU | str,
    d1: ArrayLike,
    d2: ArrayLike,
    tokens: ArrayLike,
    weight_gradient: bool = False,
    *,
    word_bytes: int | Words | None = None,
) -> Any:
    """Seconds that one matrix product takes on one GPU.

    Parameters
    ----------
    gpu : GPU or str
        A GPU or the name of a preset.
    d1, d2 : array_like
        Rows (outputs) and columns (inputs) of the weight matrix. Arrays broadcast.
    tokens : array_like
        Size of the nanobatch.
    weight_gradient : bool
        Whether the product is the gradient of the weights: d1 x tokens times tokens x d2.
    word_bytes : int or Words, optional
        Bytes in a word; those of the GPU by default.

    Returns
    -------
    float or numpy.ndarray
        A float if all sizes are scalars, else an array of the broadcast shape.

    Raises
    ------
    ValueError
        If the preset is unknown or a size is not positive and finite.

    Examples
    --------
    >>> f"{1e6 * matmul_time('H100 SXM', 4096, 4096, 512):.1f} microseconds"
    '30.4 microseconds'
    """
    gpu = get_gpu(gpu)
    d_1, d_2, z = _sizes(d1, d2, tokens)
    words = _words(gpu, word_bytes)
    return _shaped(matmul_seconds(gpu, d_1, d_2, z, words, weight_gradient), d_1, d_2, z)


@dataclass(frozen=True)
class MatmulBreakdown:
    """Where the time of a matrix product goes; floats, or arrays of one shape.

    Attributes
    ----------
    hbm_s, l2_s, shared_memory_s, arithmetic_s : float or numpy.ndarray
        Seconds at each boundary and of the arithmetic, which overlap.
    latency_s : float or numpy.ndarray
        Seconds that come on top.
    total_s : float or numpy.ndarray
        Seconds in all: the largest of the four, and the latency.
    binding : str or numpy.ndarray
        What takes longest: "HBM", "L2", "shared memory", "arithmetic" or "latency".
    """

    hbm_s: Any
    l2_s: Any
    shared_memory_s: Any
    arithmetic_s: Any
    latency_s: Any
    total_s: Any
    binding: Any


@checked
def matmul_breakdown(
    gpu: GPU | str,
    d1: ArrayLike,
    d2: ArrayLike,
    tokens: ArrayLike,
    weight_gradient: bool = False,
    *,
    word_bytes: int | Words | None = None,
) -> MatmulBreakdown:
    """:func:`matmul_time` by boundary, and which one binds. Parameters and errors are the same.

    Examples
    --------
    >>> matmul_breakdown("H100 SXM", 4096, 4096, 512).binding
    'shared memory'
    """
    gpu = get_gpu(gpu)
    d_1, d_2, z = _sizes(d1, d2, tokens)
    words = _words(gpu, word_bytes)
    values = {
        "d_1": d_1,
        "d_2": d_2,
        "z": z,
        **words.in_product(weight_gradient),
        **gpu_values(gpu),
    }
    parts = {
        name: _shaped(value_of(part, **values), d_1, d_2, z)
        for name, part in matmul_time_parts(weight_gradient, gpu.distributed_shared_memory).items()
    }
    seconds = np.stack(list(parts.values()))
    first = np.argmax(seconds * EQUAL >= seconds.max(axis=0), axis=0)
    binding = np.array(list(parts))[first]
    return MatmulBreakdown(
        hbm_s=parts["HBM"],
        l2_s=parts["L2"],
        shared_memory_s=parts["shared memory"],
        arithmetic_s=parts["arithmetic"],
        latency_s=parts["latency"],
        total_s=matmul_time(gpu, d1, d2, tokens, weight_gradient, word_bytes=words),
        binding=binding if binding.ndim else str(binding),
    )


def _sizes(d1: ArrayLike, d2: ArrayLike, tokens: ArrayLike) -> list[Any]:
    sizes = {"d1": d1, "d2": d2, "tokens": tokens}
    for name, size in sizes.items():
        check_positive(name, size, finite=True)
        if np.any(np.asarray(size, dtype=float) > 1e30):
            raise ValueError(f"{name} must be at most 1e30, got {size!r}")
    check_together(**sizes)
    return [np.asarray(size, dtype=float)[()] for size in sizes.values()]


def _words(gpu: GPU, word_bytes: int | Words | None) -> Words:
    word_bytes = gpu.word_bytes if word_bytes is None else word_bytes
    check_words(word_bytes)
    return Words.of(word_bytes)


def _shaped(seconds: Any, *sizes: Any) -> Any:
    shape = np.broadcast_shapes(*(np.shape(size) for size in sizes))
    return np.broadcast_to(seconds, shape).copy() if shape else float(seconds)
