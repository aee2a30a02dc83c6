"""Numbers as people read them: powers of ten in full, few digits, units beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer, refuse

__all__ = ["EQUAL", "largest", "power_of_ten", "readable", "superscript"]

#: Two results whose ratio is this close to one are equal: they may differ by rounding alone, which hangs
#: on the processor.
EQUAL = 1 + 1e-12

_SUPERSCRIPTS = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")


@checked
def largest(values: Mapping[str, float]) -> str:
    """The name of the largest value, the first of those that are equal but for rounding.

    Examples
    --------
    >>> largest({"HBM": 0.1 + 0.2, "L2": 0.3 * (1 + 1e-15), "latency": 0.1})
    'HBM'
    """
    if not values:
        refuse("values", values, "at least one number")
    most = max(values.values())
    return next(name for name, value in values.items() if value * EQUAL >= most)


@checked
def superscript(number: int | float) -> str:
    """A number in raised Unicode digits.

    Examples
    --------
    >>> superscript(-12)
    '⁻¹²'
    """
    return f"{number}".translate(_SUPERSCRIPTS)


@checked
def power_of_ten(exponent: int | float) -> str:
    """Ten to a power.

    Examples
    --------
    >>> power_of_ten(28)
    '10²⁸'
    """
    return f"10{superscript(exponent)}"


@checked
def readable(value: float, digits: int = 3) -> str:
    """A number with that many significant digits: plain between 0.001 and a million, else m × 10ᵉ.

    Examples
    --------
    >>> readable(590.35), readable(1.9241e28)
    ('590', '1.92 × 10²⁸')
    """
    check_positive_integer("digits", digits, most=17)
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    # Halves go up, as in the page's script, which writes the same.
    rounded = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal_from_float(
        abs(float(value))
    )
    sign, exponent = "−" if value < 0 else "", rounded.adjusted()
    if -3 <= exponent < 6:
        text = f"{rounded:,.{max(0, digits - 1 - exponent)}f}"
        return sign + text.replace(",", "\N{NARROW NO-BREAK SPACE}")  # keeps thousands on one line
    return f"{sign}{rounded.scaleb(-exponent):.{digits - 1}f} × {power_of_ten(exponent)}"
