"""Evaluation of expressions, the checks of arguments, and numbers as people read them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dmcore.algebra import checks
from dmcore.algebra.expressions import compiled, evaluate
from dmcore.algebra.numbers import power_of_ten, readable, superscript
from dmcore.algebra.symbols import symbols

positive = st.floats(1e-3, 1e3)
THIN = "\N{NARROW NO-BREAK SPACE}"


# --------------------------------------------------------------------------------------- evaluate


@given(b=positive, n=positive)
def test_value_is_what_the_expression_says(b: float, n: float) -> None:
    x, y = symbols("b n")
    assert evaluate(x**2 / y + sp.Min(x, y), b=b, n=n) == pytest.approx(b * b / n + min(b, n))


def test_values_by_symbol_by_name_and_as_keyword() -> None:
    b, n = symbols("b n")
    assert evaluate(b - n, {b: 5, n: 2}) == 3
    assert evaluate(b - n, {"b": 5}, n=2) == 3
    assert evaluate(b - n, b=5, n=2) == 3


def test_scalars_give_a_float_and_arrays_their_broadcast_shape() -> None:
    b, n = symbols("b n")
    assert type(evaluate(b * n, b=np.float64(2), n=3)) is float
    found = evaluate(b * n, b=[1, 2, 3], n=np.array([[1.0], [10.0]]))
    np.testing.assert_array_equal(found, [[1, 2, 3], [10, 20, 30]])


def test_whole_numbers_do_not_wrap_around() -> None:
    (b,) = symbols("b")
    assert evaluate(b**3, b=10**9) == 1e27
    assert evaluate(b**3, b=np.array([10**9]))[0] == 1e27


def test_result_can_be_written_to() -> None:
    b, n = symbols("b n")
    found = evaluate(b + 0 * n, b=[1.0, 2.0])
    found[0] = 7
    assert list(found) == [7, 2]


def test_constant_needs_no_values() -> None:
    assert evaluate(sp.Integer(4)) == 4
    with pytest.raises(ValueError, match=r"\(none\); unknown: b"):
        evaluate(sp.Integer(4), b=1)


def test_missing_and_unknown_symbols_are_named() -> None:
    b, n = symbols("b n")
    with pytest.raises(ValueError, match="symbols b, n; missing: n; unknown: x, z"):
        evaluate(b / n, b=1, z=3, x=2)


@pytest.mark.parametrize("bad", [0, -1.0, math.nan, [1.0, 0.0], "1", True, None, 1 + 2j])
def test_values_outside_their_symbol_are_refused_by_name(bad) -> None:
    b, n = symbols("b n")
    with pytest.raises(ValueError, match="n must be"):
        evaluate(b / n, b=1, n=bad)


def test_zero_is_allowed_where_its_symbol_allows_it() -> None:
    alpha_b, alpha = symbols("alpha_b alpha")
    assert evaluate(2**alpha_b, alpha_b=0) == 1
    assert evaluate(2**alpha, alpha=-1) == 0.5
    with pytest.raises(ValueError, match="alpha_b must be zero or more"):
        evaluate(2**alpha_b, alpha_b=-0.1)


def test_infinity_is_a_useful_hypothesis() -> None:
    b, n = symbols("b n")
    assert evaluate(b / n, b=1, n=math.inf) == 0


def test_compiled_function_is_made_once_with_sorted_names() -> None:
    b, n = symbols("b n")
    names, function = compiled(n / b)
    assert names == ("b", "n")
    assert function(2.0, 6.0) == 3
    assert compiled(n / b)[1] is function


# ----------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize("good", [1, 0.5, np.float32(2), [1, 2], np.array([1.0]), math.inf])
def test_positive_numbers_pass(good) -> None:
    checks.check_positive("x", good)


@pytest.mark.parametrize("bad", [0, -1, math.nan, [1, -1], "a", True, None, [True]])
def test_other_than_positive_is_refused(bad) -> None:
    with pytest.raises(ValueError, match="x must be"):
        checks.check_positive("x", bad)


@pytest.mark.parametrize("bad", [math.inf, [1.0, math.inf], 0.0, math.nan])
def test_finite_is_finite(bad) -> None:
    checks.check_positive("x", 1.0, finite=True)
    with pytest.raises(ValueError, match="x must be positive and finite"):
        checks.check_positive("x", bad, finite=True)


def test_zero_or_more() -> None:
    checks.check_not_negative("x", [0, 1.5])
    for bad in (-1e-9, math.nan, [0, -1]):
        with pytest.raises(ValueError, match="x must be zero or more"):
            checks.check_not_negative("x", bad)


def test_whole_numbers() -> None:
    checks.check_positive_integer("x", 1)
    checks.check_positive_integer("x", np.int32(5))
    for bad in (0, -1, 1.0, True, "1", math.nan, None):
        with pytest.raises(ValueError, match="x must be a whole number of at least 1, got"):
            checks.check_positive_integer("x", bad)


def test_choices() -> None:
    checks.check_choice("x", "a", ("a", "b"))
    checks.check_choice("x", "b", iter(("a", "b")))
    with pytest.raises(ValueError, match="x must be one of 'a', 'b', got 'c'"):
        checks.check_choice("x", "c", iter(("a", "b")))


# ---------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 3, "0"),
        (1, 3, "1.00"),
        (590.35, 3, "590"),
        (0.00123, 2, "0.0012"),
        (0.001, 3, "0.00100"),
        (9.99e-4, 3, "9.99 × 10⁻⁴"),
        (999.6, 3, f"1{THIN}000"),
        (9.996e-1, 3, "1.00"),
        (12345, 3, f"12{THIN}300"),
        (999999, 6, f"999{THIN}999"),
        (999999, 3, "1.00 × 10⁶"),
        (1.924e28, 3, "1.92 × 10²⁸"),
        (-2.5e31, 2, "−2.5 × 10³¹"),
        (math.inf, 3, "∞"),
        (-math.inf, 3, "−∞"),
    ],
)
def test_readable(value: float, digits: int, text: str) -> None:
    assert readable(value, digits) == text


@given(value=st.floats(1e-30, 1e40), digits=st.integers(1, 6), sign=st.sampled_from([1.0, -1.0]))
def test_readable_can_be_read_back(value: float, digits: int, sign: float) -> None:
    text = readable(sign * value, digits).replace(THIN, "").replace("−", "-")
    mantissa, _, power = text.partition(" × 10")
    exponent = int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")) or 0)
    read = float(mantissa) * 10.0**exponent
    assert read == pytest.approx(sign * value, rel=0.51 * 10.0 ** (1 - digits))


def test_powers_of_ten() -> None:
    assert power_of_ten(28) == "10²⁸"
    assert power_of_ten(-3) == "10⁻³"
    assert superscript(0.5) == "⁰·⁵"
