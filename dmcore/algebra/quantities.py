"""Quantities as people type them: `90 days`, `400 Gb/s`, `50 GB/s each way`, `60M tokens`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

from dmcore.algebra.checked import checked

__all__ = ["bandwidth_bytes_per_s", "duration_s", "token_count"]

#: Seconds in each unit of time. A year is the simulation's, and a month its twelfth.
DURATIONS: Mapping[str, float] = MappingProxyType(
    {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0, "week": 604800.0}
    | {"month": 3.154e7 / 12, "year": 3.154e7}
)
_PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_COUNTS = MappingProxyType(
    {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
    | {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
)
_NUMBER = r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*"
_DURATION = re.compile(rf"{_NUMBER}(s|min|h|hours?|days?|weeks?|months?|years?)\s*")
_RATE = re.compile(rf"{_NUMBER}([kMGT]?)(B|b|bit|byte)(?:/s|ps)\s*(each way|both ways)?\s*")
_TOKENS = re.compile(rf"{_NUMBER}({'|'.join(filter(None, _COUNTS))})?\s*(?:tokens)?\s*")


@checked
def duration_s(duration: str) -> float:
    """Seconds of a duration; a year has 3.154e7 s, as in the paper's simulation, and a month a twelfth.

    Raises
    ------
    ValueError
        If it is no positive number with a unit of time.

    Examples
    --------
    >>> duration_s("90 days"), round(duration_s("3 months") / 86400, 2)
    (7776000.0, 91.26)
    """
    match = _DURATION.fullmatch(duration)
    if match is None or float(match[1]) <= 0:
        raise ValueError(
            "duration must be a number above 0 with one of min, h, days, weeks, months and years, "
            f"such as '90 days', got {duration!r}"
        )
    unit = match[2] if match[2] == "s" else match[2].removesuffix("s")
    return float(match[1]) * DURATIONS["h" if unit == "hour" else unit]


@checked
def bandwidth_bytes_per_s(bandwidth: str) -> float:
    """Bytes per second of a port, both directions together, as data sheets of GPUs count them.

    A rate in bits is that of a network port, which carries it in each direction; one in bytes is of both
    directions unless it says `each way`.

    Raises
    ------
    ValueError
        If it is no positive number with a unit of bandwidth.

    Examples
    --------
    >>> bandwidth_bytes_per_s("400 Gb/s"), bandwidth_bytes_per_s("50 GB/s each way")
    (100000000000.0, 100000000000.0)
    >>> bandwidth_bytes_per_s("900 GB/s")
    900000000000.0
    """
    match = _RATE.fullmatch(bandwidth)
    if match is None or float(match[1]) <= 0:
        raise ValueError(
            "bandwidth must be a number above 0 with Gb/s or GB/s, and 'each way' or 'both ways' if "
            f"you like, such as '400 Gb/s' or '50 GB/s each way', got {bandwidth!r}"
        )
    number, prefix, unit, ways = match.groups()
    bits = unit in ("b", "bit")
    both = 2 if (ways or ("each way" if bits else "both ways")) == "each way" else 1
    return float(number) * _PREFIXES[prefix] * both / (8 if bits else 1)


@checked
def token_count(tokens: str) -> float:
    """A number of tokens: `60M`, `4 Mi tokens`, `60 million`, `6e7`.

    Raises
    ------
    ValueError
        If it is no positive number.

    Examples
    --------
    >>> token_count("60M"), token_count("4 Mi tokens")
    (60000000.0, 4194304.0)
    """
    match = _TOKENS.fullmatch(tokens)
    if match is None or not 0 < float(match[1]) < math.inf:
        raise ValueError(
            "tokens must be a number above 0, such as '60M', '60 million' or '4 Mi', "
            f"got {tokens!r}"
        )
    return float(match[1]) * _COUNTS[match[2] or ""]
