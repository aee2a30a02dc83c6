"""The catalog of accelerators: all of ``accelerators.toml``, and the reader's own."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from dmcore.algebra.checked import checked
from dmcore.hardware.entries import Accelerator, read
from dmcore.hardware.gpu import GPU

__all__ = [
    "ACCELERATORS",
    "GPUS",
    "PACKAGED",
    "get_gpu",
    "load_accelerators",
    "names",
    "read_accelerators",
]

#: The file of the package's own accelerators.
PACKAGED = Path(__file__).with_name("accelerators.toml")
_FAMILIES, _ENTRIES, _FOUND = read(PACKAGED, {}, {}, None)

#: All accelerators of the package by name, the paper's first, read-only.
ACCELERATORS: Mapping[str, Accelerator] = MappingProxyType(_FOUND)
#: Their GPUs by name, read-only.
GPUS: Mapping[str, GPU] = MappingProxyType({name: it.gpu for name, it in _FOUND.items()})


@checked
def load_accelerators(path: str | PathLike[str]) -> Mapping[str, GPU]:
    r"""The accelerators of a file of the reader's own, by name.

    It has the form of the package's ``accelerators.toml``, whose families and accelerators can be the
    ``base`` of an entry. An entry must give, by itself or by its base, ``hbm_TB_per_s``, ``hbm_GB``,
    ``network``, ``source`` and one of ``peak_TFLOP_per_s`` and ``max_clock_MHz``.

    Raises
    ------
    ValueError
        If a key is missing, unknown or out of range: with file, entry, key and what is allowed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "mine.toml")
    ...     _ = file.write_text('[accelerator."H100, 141 GB"]\nbase = "H100 SXM"\nhbm_GB = 141\n')
    ...     print(load_accelerators(file)["H100, 141 GB"].hbm_bytes / 1e9)
    141.0
    """
    return MappingProxyType({name: it.gpu for name, it in read_accelerators(path).items()})


@checked
def read_accelerators(path: str | PathLike[str]) -> Mapping[str, Accelerator]:
    """As :func:`load_accelerators`, with the origin of each figure.

    Examples
    --------
    >>> read_accelerators(PACKAGED)["GTX 580"].status["efficiency"]
    'measured'
    """
    _, _, made = read(path, _FAMILIES, _ENTRIES, GPUS["H100 SXM"])
    return MappingProxyType(made)


@checked
def get_gpu(gpu: GPU | str) -> GPU:
    """The GPU itself, or the accelerator of that name in the catalog.

    Raises
    ------
    ValueError
        If the catalog has no such name; the message lists them.

    Examples
    --------
    >>> get_gpu("B200 HGX").node_size
    8
    """
    if isinstance(gpu, GPU):
        return gpu
    if not isinstance(gpu, str) or gpu not in GPUS:
        raise ValueError(f"gpu must be a GPU or one of {', '.join(map(repr, GPUS))}, got {gpu!r}")
    return GPUS[gpu]


@checked
def names(first: str = "", **tags: bool) -> tuple[str, ...]:
    """Names of the accelerators that have, or have not, each of those tags; one of them can come first.

    Examples
    --------
    >>> names(paper=True, year=True)
    ('V100 SXM', 'A100 SXM', 'H100 SXM')
    """
    found = [
        name
        for name, it in ACCELERATORS.items()
        if all(bool(getattr(it, tag)) is wanted for tag, wanted in tags.items())
    ]
    return tuple(sorted(found, key=lambda name: name != first))
