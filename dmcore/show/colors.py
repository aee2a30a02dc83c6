"""One thing has one colour in the whole book, in still and live figures alike."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

from dmcore.hardware.catalog import GPUS
from dmcore.models import laws

__all__ = [
    "BATCH_LAWS",
    "BOTTLENECKS",
    "COLORS",
    "INK",
    "LIMITS",
    "PARALLELISM",
    "STATUS",
    "gpu_color",
]

#: Text and axes. Becomes the page's own text colour.
INK = "#101112"
#: Colours of data, told apart by readers with any colour vision, and by lightness in print.
#: Each becomes a CSS variable with a shade for light and one for dark pages.
COLORS = ("#0a6ab0", "#c2500b", "#0b7f5f", "#8e459c", "#8c6c0c", "#58666e")
_BLUE, _ORANGE, _GREEN, _PURPLE, _BROWN, _GREY = COLORS

#: What a step's time goes to.
BOTTLENECKS: Mapping[str, str] = {
    "arithmetic": _BLUE,
    "memory": _ORANGE,
    "HBM": _ORANGE,
    "shared memory": _GREEN,
    "network": _PURPLE,
    "L2": _BROWN,
    "bubble": _BROWN,
    "latency": _GREY,
    "gradients": _GREEN,
}
#: Where runs start to waste GPUs, where no run ends in time, and below both.
LIMITS: Mapping[str, str] = {"fine": _GREEN, "critical": _ORANGE, "latency": _PURPLE}
#: The ways to share a run among GPUs.
PARALLELISM: Mapping[str, str] = {
    "data": _BLUE,
    "pipeline": _ORANGE,
    "tensor": _GREEN,
    "expert": _PURPLE,
}
#: The batch laws of the simulator, by name, and the measured one.
BATCH_LAWS: Mapping[str, str] = {
    **dict(zip(laws.BATCH_LAWS, cycle(COLORS), strict=False)),
    "tokens": _PURPLE,
}
#: Where a figure of an accelerator is from.
STATUS: Mapping[str, str] = {"data sheet": _GREEN, "measured": _BLUE, "assumption": _ORANGE}


def gpu_color(name: str) -> str:
    """The colour of an accelerator: its generation's, in the catalog's order.

    Examples
    --------
    >>> gpu_color("A100 SXM 80 GB") == gpu_color("A100 SXM") != gpu_color("H100 SXM")
    True
    """
    generations = list(dict.fromkeys(each.split()[0] for each in GPUS))
    first = name.split()[0]
    return COLORS[generations.index(first) % len(COLORS)] if first in generations else _GREY
