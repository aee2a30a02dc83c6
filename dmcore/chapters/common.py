"""Controls and axes that several chapters share."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from dmcore.algebra.symbols import FLOP_PER_MAC
from dmcore.bottlenecks.critical_batch import (
    REFERENCE_BATCH_TOKENS,
    REFERENCE_COMPUTE,
    REFERENCE_LAYERS,
)
from dmcore.bottlenecks.latency import MATMUL_LATENCY_S
from dmcore.bottlenecks.limits import QUARTER_S, TOKENS_PER_PARAMETER
from dmcore.hardware.catalog import GPUS, names
from dmcore.hardware.gpu import GB
from dmcore.hardware.variants import closed_form_values
from dmcore.show.explorer import Axis, Menu, Slider

__all__ = [
    "CONSTANTS",
    "DATA_SHEET_GPUS",
    "FLOP",
    "MONTH_S",
    "SLIDERS",
    "compute_axis",
    "gpu_menu",
    "gpu_values",
    "sliders",
]

#: The paper's generations of GPUs, oldest first.
DATA_SHEET_GPUS = names(paper=True, year=True)
#: A twelfth of a Julian year, seconds.
MONTH_S = QUARTER_S / 3
#: How many MAC one FLOP is: closed forms count MAC, figures show FLOP.
FLOP = 1 / FLOP_PER_MAC
#: What the closed forms assume where a figure has no control of it.
CONSTANTS = {
    "T_0": REFERENCE_COMPUTE,
    "b_0": REFERENCE_BATCH_TOKENS,
    "L_0": REFERENCE_LAYERS,
    "r": TOKENS_PER_PARAMETER,
    "ell": MATMUL_LATENCY_S,
    "t": QUARTER_S,
    "G": 8.0,
    "w_P": 2.0,
    "w_A": 2.0,
}

_H100 = GPUS["H100 SXM"]


def _reaching(slider: Slider) -> Slider:
    """The slider, as far as the accelerators of the catalog reach."""
    known = (closed_form_values(gpu).get(slider.symbol, slider.default) for gpu in GPUS.values())
    values = [value for value in known if isfinite(value)]
    return replace(slider, low=min(slider.low, *values), high=max(slider.high, *values))


#: One slider for each assumption of the closed forms, with the paper's baseline as its start.
SLIDERS = {
    slider.symbol: _reaching(slider)
    for slider in (
        Slider(
            "F",
            "Peak arithmetic",
            1e13 / FLOP_PER_MAC,
            1e16 / FLOP_PER_MAC,
            _H100.peak_flop_per_s / FLOP_PER_MAC,
            "TFLOP/s",
            1e12 / FLOP_PER_MAC,
            log=True,
        ),
        Slider(
            "beta_hbm", "Memory bandwidth", 1e11, 1e14, _H100.hbm_bytes_per_s, "GB/s", GB, log=True
        ),
        Slider(
            "beta_net",
            "Network bandwidth",
            1e9,
            1e13,
            _H100.inter_node_bytes_per_s,
            "GB/s",
            GB,
            log=True,
        ),
        Slider("w_P", "Bytes per parameter", 0.5, 4, 2),
        Slider("w_A", "Bytes per activation", 0.5, 4, 2),
        Slider("ell", "Matmul latency", 1e-7, 1e-4, MATMUL_LATENCY_S, "µs", 1e-6, log=True),
        Slider("t", "Run duration", MONTH_S, 24 * MONTH_S, QUARTER_S, "months", MONTH_S),
        Slider("alpha", "Batch growth less depth growth, α", -0.2, 0.4, 0),
        Slider("alpha_b", "Batch growth exponent", 0, 0.5, 1 / 6),
        Slider("alpha_L", "Depth growth exponent", 0, 0.5, 1 / 6),
        Slider(
            "b_0",
            "Batch at T₀",
            1e5,
            1e9,
            REFERENCE_BATCH_TOKENS,
            "million tokens",
            1e6,
            log=True,
        ),
        Slider("L_0", "Layers at T₀", 10, 1000, REFERENCE_LAYERS, log=True),
        Slider("r", "Tokens per parameter", 1, 1000, TOKENS_PER_PARAMETER, log=True),
        Slider("G", "GPUs in a node", 1, 1024, _H100.node_size, log=True),
        Slider("d", "Model width d_model", 2**11, 2**20, 12288, "channels", log=True),
    )
}


def compute_axis(low_flop: float, high_flop: float, label: str = "training compute") -> Axis:
    """An axis of training compute, in MAC, that shows FLOP.

    Examples
    --------
    >>> compute_axis(1e22, 1e32).title
    'training compute (FLOP)'
    """
    return Axis(label, low_flop * FLOP, high_flop * FLOP, "FLOP", FLOP, log=True)


def sliders(names: str) -> tuple[Slider, ...]:
    """The shared sliders of those symbols, separated by blanks.

    Raises
    ------
    ValueError
        If a name has no slider.
    """
    unknown = [name for name in names.split() if name not in SLIDERS]
    if unknown:
        raise ValueError(f"names must be of {', '.join(SLIDERS)}, got {', '.join(unknown)}")
    return tuple(SLIDERS[name] for name in names.split())


def gpu_values(name: str) -> dict[str, float]:
    """What the closed forms take from an accelerator of the catalog, by symbol.

    Examples
    --------
    >>> gpu_values("H100 SXM")["beta_hbm"] / 1e9
    3352.0
    """
    return closed_form_values(GPUS[name])


def gpu_menu(symbols: str = "F beta_hbm beta_net G w_P w_A", default: str = "H100 SXM") -> Menu:
    """A menu of all accelerators that differ in those symbols and have a finite network.

    Examples
    --------
    >>> list(gpu_menu("w_P").options)
    ['V100 SXM', 'A100 SXM', 'H100 SXM', 'GTX 580']
    """
    options: dict[str, dict[str, float]] = {}
    for name in GPUS:
        values = {symbol: gpu_values(name)[symbol] for symbol in symbols.split()}
        known = values in options.values() and name not in DATA_SHEET_GPUS
        if all(map(isfinite, values.values())) and not known:
            options[name] = values
    return Menu("GPU", options, default)
