"""One matrix product inside a GPU: tiles and bytes at each boundary, and the tokens it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive, check_positive_integer, refuse
from dmcore.algebra.equation import Equation, in_pieces
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import FLOP_PER_MAC, symbols
from dmcore.hardware.catalog import get_gpu
from dmcore.hardware.gpu import GPU
from dmcore.simulator import matmul as model

__all__ = [
    "Boundary",
    "boundaries",
    "equations",
    "share_of_useful_rate",
    "tile_side",
    "tokens_for_share",
]


@cache
def equations() -> Mapping[str, Equation]:
    """The simulator's expressions of one matrix product on an H100, by label, piece by piece.

    Examples
    --------
    >>> equations()["eq-tile-count"].left
    k
    """
    count, rows, columns, too_big = symbols("k k_rows k_columns theta")
    capacity, l2 = symbols("C_tile C_L2")

    def short(expr: sp.Expr, held: sp.Expr) -> sp.Expr:
        (not_kept,) = expr.atoms(sp.sign)
        pieces = {
            sp.Max(0, not_kept): too_big,
            model.tile_rows(held): rows,
            model.tile_count(held): count,
        }
        return in_pieces(expr, pieces).subs(count / rows, columns)

    seconds, total, flop = symbols("t_product B_hbm A")
    l2_total, among_sms, inner = symbols("B_L2 B_SM B_reg")
    parts = {
        model.hbm_bytes(): total,
        model.l2_bytes(False, True): l2_total,
        model.among_sms_bytes(False, True): among_sms,
        model.register_bytes(): inner,
        model.matmul_flop(): flop,
    }
    found = (
        Equation("eq-tile-count", count, model.tile_count(capacity)),
        Equation(
            "eq-tile-rows",
            rows,
            in_pieces(model.tile_rows(capacity), {model.tile_count(capacity): count}),
        ),
        Equation("eq-hbm-bytes", total, short(model.hbm_bytes(), l2)),
        Equation("eq-hbm-gradient-bytes", total, short(model.hbm_bytes(True), l2)),
        Equation("eq-matmul-time", seconds, in_pieces(model.time_expression(False, True), parts)),
    )
    return {equation.label: equation for equation in found}


@dataclass(frozen=True)
class Boundary:
    """What crosses one boundary of a GPU's memory in one matrix product.

    Attributes
    ----------
    name : str
        The levels that it parts.
    capacity : float
        Bytes of a tile's room in the lower level.
    rows, columns : float
        Tiles that the weight matrix is cut into, as real numbers.
    moved : float
        Bytes that cross.
    """

    name: str
    capacity: float
    rows: float
    columns: float
    moved: float


@checked
def boundaries(
    gpu: GPU | str, d1: float, d2: float, tokens: float, weight_gradient: bool = False
) -> tuple[Boundary, ...]:
    """Tiles and bytes at each boundary, from the main memory inwards, and among SMs that read one another.

    Examples
    --------
    >>> for each in boundaries("H100 SXM", 8192, 8192, tokens=512):
    ...     print(f"{each.name}: {each.rows:.2f} rows of tiles, {each.moved / 1e6:.0f} MB")
    HBM to L2: 2.00 rows of tiles, 176 MB
    L2 to SMs: 2.45 rows of tiles, 187 MB
    among SMs: 26.13 rows of tiles, 641 MB
    SM to registers: 52.26 rows of tiles, 1441 MB
    """
    gpu = get_gpu(gpu)
    for name, each in (("d1", d1), ("d2", d2), ("tokens", tokens)):
        check_positive(name, each, finite=True)
    values = {"d_1": d1, "d_2": d2, "z": tokens, "w_P": 2.0, "w_A": 2.0, **model.gpu_values(gpu)}
    joined = gpu.distributed_shared_memory
    (room,) = symbols("C_tile")
    sms = values["C_SM"] * (values["N_SM"] if joined else 1)
    capacities = {
        "HBM to L2": (values["C_L2"], model.hbm_bytes(weight_gradient)),
        "L2 to SMs": (sms, model.l2_bytes(weight_gradient, joined)),
        "among SMs": (values["C_SM"], model.among_sms_bytes(weight_gradient, joined)),
        "SM to registers": (values["C_reg"], model.register_bytes(weight_gradient)),
    }
    if not joined:
        del capacities["among SMs"]
    return tuple(
        Boundary(
            name,
            capacity,
            _value(model.tile_rows(room), {**values, "C_tile": capacity}),
            _value(model.tile_columns(room), {**values, "C_tile": capacity}),
            _value(moved, values),
        )
        for name, (capacity, moved) in capacities.items()
    )


def _check_side(side: float) -> None:
    """Refuse the side of a weight matrix that no layer has."""
    if not 1 <= side <= 1e15:
        refuse("side", side, "from 1 to 1e15")


@checked
def tile_side(room_bytes: float, side: float, word_bytes: float = 2.0) -> float:
    """Side of a tile, channels, if square weights of a side are cut for a room of that many bytes.

    Examples
    --------
    >>> round(tile_side(2 * 1024**2, 8192))
    1024
    """
    _check_side(side)
    for name, each in (("room_bytes", room_bytes), ("word_bytes", word_bytes)):
        check_positive(name, each, finite=True)
    (room,) = symbols("C_tile")
    values = {"d_1": side, "d_2": side, "w_P": word_bytes, "C_tile": room_bytes}
    return side / _value(model.tile_rows(room), values)


@checked
def tokens_for_share(gpu: GPU | str, side: int, share: float, weight_gradient: bool = False) -> int:
    """Least nanobatch, in steps of 8 tokens, that reaches a share of the useful rate.

    For square weights of that side.

    Examples
    --------
    >>> tokens_for_share("H100 SXM", 8192, 0.9)
    488

    Raises
    ------
    ValueError
        If the preset is unknown, or no nanobatch of up to 2**16 tokens reaches the share.
    """
    gpu = get_gpu(gpu)
    check_positive_integer("side", side, most=2**53)
    tokens = np.arange(8, 2**16 + 1, 8)
    enough = share_of_useful_rate(gpu, side, tokens, weight_gradient) >= share
    if not enough.any():
        raise ValueError(f"share must be within reach of 2**16 tokens, got {share!r}")
    return int(tokens[np.argmax(enough)])


@checked
def share_of_useful_rate(
    gpu: GPU, side: float, tokens: ArrayLike, weight_gradient: bool = False
) -> NDArray[np.float64]:
    """Share of the useful rate that square weights of a side reach, at each nanobatch.

    Examples
    --------
    >>> from dmcore import GPUS
    >>> share_of_useful_rate(GPUS["H100 SXM"], 8192, [128, 512, 4096]).round(2)
    array([0.5 , 0.91, 0.99])
    """
    _check_side(side)
    check_positive("tokens", tokens, finite=True)
    tokens = np.asarray(tokens, dtype=float)
    seconds = model.matmul_time(gpu, side, side, tokens, weight_gradient)
    return np.asarray(FLOP_PER_MAC * side**2 * tokens / seconds / gpu.useful_flop_per_s)


def _value(expr: sp.Expr, values: Mapping[str, float]) -> float:
    return float(evaluate(expr, {symbol: values[symbol.name] for symbol in expr.free_symbols}))
