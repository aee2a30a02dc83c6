"""Accelerators as runs use them: the data sheet, the family of chips, the peaks of narrow words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive, check_positive_integer
from dmcore.hardware.catalog import GPUS, load_accelerators
from dmcore.hardware.gpu import GPU

__all__ = ["FAMILIES", "Machine", "find_machine", "machine_of", "machines", "with_network"]

_HERE = Path(__file__).parent
#: Families of chips, each with a matmul rate of its own.
FAMILIES = ("Ampere", "Hopper", "Blackwell", "TPU")


@dataclass(frozen=True)
class Machine:
    """An accelerator with what its data sheet does not tell of training.

    Attributes
    ----------
    gpu : GPU
        Its data sheet and network.
    family : str
        One of :data:`FAMILIES`.
    relative : float
        Its matmul rate over that of its family.
    power_W : float
        Power of one GPU, 0 if not told.
    exponentials : float
        Results of the special function units for one clock and SM.
    array : float
        Side of a TPU's matrix units, 1 for a GPU: channels that do not fill it leave a part of it idle.
    eight_bit, four_bit : float
        Peak with 8-bit and 4-bit words over that with 16-bit words.
    names : tuple of str
        What tables call it.

    Examples
    --------
    >>> find_machine("GB200").gpu.node_size
    72
    """

    gpu: GPU
    family: str
    relative: float = 1.0
    power_W: float = 0.0
    exponentials: float = 16.0
    array: float = 1.0
    eight_bit: float = 2.0
    four_bit: float = 4.0
    names: tuple[str, ...] = ()

    @property
    def half_head(self) -> float:
        """Channels of a head whose products, 4 FLOP for a channel and score, take as long as its exponential.

        Examples
        --------
        >>> find_machine("H100").half_head, find_machine("B200").half_head
        (64.0, 128.0)
        """
        gpu = self.gpu
        per_clock = gpu.peak_flop_per_s / gpu.max_clock_hz / gpu.sms
        return round(per_clock / (4 * self.exponentials), 9)


@cache
def machines() -> Mapping[str, Machine]:
    """All machines by the name of the accelerator.

    Examples
    --------
    >>> machines()["H200 SXM"].family
    'Hopper'
    """
    gpus = {**GPUS, **load_accelerators(_HERE / "accelerators.toml")}
    table = tomllib.loads((_HERE / "machines.toml").read_text("utf-8"))["machine"]
    return MappingProxyType(
        {
            name: Machine(gpus[name], **{**entry, "names": (name, *entry["names"])})
            for name, entry in table.items()
        }
    )


def _plain(name: str) -> str:
    """A name without maker, form and blanks; memory is kept, since it tells the A100s apart."""
    words = re.sub(r"(?i)nvidia|amd|google|instinct|sxm\d?|hgx|dgx|nvl72|oam|tpu", " ", name)
    return re.sub(r"[\s_-]+", "", words).lower().removesuffix("gpu")


@checked
@cache
def find_machine(gpu: str) -> Machine:
    """The machine that a table calls so; a ValueError lists those known.

    Examples
    --------
    >>> find_machine("NVIDIA H100 80GB SXM5").gpu.name
    'H100 SXM'
    """
    known = {_plain(alias): it for it in machines().values() for alias in it.names}
    plain = _plain(gpu)
    if plain in known:
        return known[plain]
    # What stands behind a name, such as its memory, is of no matter unless it tells two apart.
    for alias in sorted(known, key=lambda alias: (-len(alias), alias)):
        if len(alias) > 2 and plain.startswith(alias):
            return known[alias]
    raise ValueError(f"gpu must be one of {', '.join(machines())}, got {gpu!r}")


@checked
def machine_of(gpu: str | GPU | Machine) -> Machine:
    """The machine of a name, or of an accelerator that may be changed from the catalog's.

    Examples
    --------
    >>> machine_of("GB200").family == machine_of(GPUS["H100 SXM"]).family
    False
    """
    if isinstance(gpu, Machine):
        return gpu
    return replace(find_machine(gpu.name), gpu=gpu) if isinstance(gpu, GPU) else find_machine(gpu)


@checked
def with_network(machine: Machine, far_bytes_per_s: float, node: int | None = None) -> Machine:
    """The machine with that bandwidth beyond the node for each GPU, one way, and GPUs in a node.

    Examples
    --------
    >>> with_network(find_machine("H100"), 25e9).gpu.network[-1].bytes_per_s
    50000000000.0
    """
    check_positive("far_bytes_per_s", far_bytes_per_s)
    if node is not None:
        check_positive_integer("node", node)
    inner, outer = machine.gpu.network[0], machine.gpu.network[-1]
    inner = replace(inner, size=node or inner.size)
    outer = replace(outer, bytes_per_s=2 * far_bytes_per_s)
    return replace(machine, gpu=replace(machine.gpu, network=(inner, outer)))
