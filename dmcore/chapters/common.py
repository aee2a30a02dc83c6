"""Controls and axes that several chapters share."""

from __future__ import annotations

from collections.abc import Iterable

from dmcore.algebra.symbols import FLOP_PER_MAC
from dmcore.bottlenecks.critical_batch import REFERENCE_BATCH_TOKENS, REFERENCE_LAYERS
from dmcore.bottlenecks.latency import MATMUL_LATENCY_S
from dmcore.bottlenecks.limits import QUARTER_S
from dmcore.hardware.catalog import GPUS
from dmcore.hardware.gpu import GB
from dmcore.show.explorer import Menu, Slider

__all__ = ["DATA_SHEET_GPUS", "MONTH_S", "SLIDERS", "gpu_menu", "gpu_values", "sliders"]

#: The presets that exist, as opposed to the paper's hypotheses, oldest first.
DATA_SHEET_GPUS = ("V100 SXM", "A100 SXM", "H100 SXM")
#: A twelfth of a Julian year, seconds.
MONTH_S = QUARTER_S / 3

_H100 = GPUS["H100 SXM"]

#: One slider for each assumption of the closed forms, with the paper's baseline as its start.
SLIDERS = {
    slider.symbol: slider
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
        Slider("alpha", "Batch growth less depth growth, α", 0, 0.4, 0),
        Slider("alpha_b", "Batch growth exponent", 0, 0.5, 1 / 6),
        Slider("alpha_L", "Depth growth exponent", 0, 0.5, 1 / 6),
        Slider(
            "b_0",
            "Batch at 3e23 FLOP",
            1e5,
            1e9,
            REFERENCE_BATCH_TOKENS,
            "million tokens",
            1e6,
            log=True,
        ),
        Slider("L_0", "Layers at 3e23 FLOP", 10, 1000, REFERENCE_LAYERS, log=True),
        Slider("d", "Model width d_model", 2**11, 2**20, 12288, "channels", log=True),
    )
}


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
    """What the closed forms take from a preset: F (MAC/s), beta_hbm and beta_net (bytes/s)."""
    gpu = GPUS[name]
    return {
        "F": gpu.peak_flop_per_s / FLOP_PER_MAC,
        "beta_hbm": gpu.hbm_bytes_per_s,
        "beta_net": gpu.inter_node_bytes_per_s,
    }


def gpu_menu(
    symbols: str = "F beta_hbm beta_net",
    names: Iterable[str] = (*DATA_SHEET_GPUS, "H100 SXM Global NVLink"),
    default: str = "H100 SXM",
) -> Menu:
    """A menu of presets that sets those symbols."""
    wanted = symbols.split()
    return Menu(
        "GPU",
        {name: {key: gpu_values(name)[key] for key in wanted} for name in names},
        default,
    )
