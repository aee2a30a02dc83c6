"""Symbols and their units, and derivations as data."""

from __future__ import annotations

import keyword
from dataclasses import FrozenInstanceError

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from dmcore.algebra.derivation import Derivation, Step, equivalent
from dmcore.algebra.symbols import (
    FLOP_PER_MAC,
    SYMBOLS,
    activation,
    byte,
    channel,
    latex,
    mac,
    parameter,
    same_unit,
    second,
    symbols,
    token,
    unit_of,
    unit_text,
)
from dmcore.bottlenecks import critical_batch, latency, limits, memory_bandwidth, network

BASES = (token, channel, byte, second)
powers = st.integers(-3, 3)


# ---------------------------------------------------------------------------------------- symbols


def test_units_are_made_of_four_counts() -> None:
    assert activation == channel * token
    assert parameter == channel**2
    assert mac == parameter * token
    assert FLOP_PER_MAC == 2
    for info in SYMBOLS.values():
        assert unit_of(info.symbol) == unit_of(info.unit)


@pytest.mark.parametrize("name", sorted(SYMBOLS))
def test_every_symbol_can_be_a_keyword_and_says_what_it_is(name: str) -> None:
    info = SYMBOLS[name]
    assert info.symbol.name == name
    assert name.isidentifier()
    assert not keyword.iskeyword(name)
    assert info.description
    assert not info.description.endswith(".")
    assert info.symbol.is_real
    assert info.latex


def test_latex_is_a_symbol_of_its_own_for_each() -> None:
    # r and y_1 may not both be written the same way.
    written = [info.latex for info in SYMBOLS.values()]
    assert len(set(written)) == len(written)


def test_exponents_and_what_leaves_may_be_zero_and_alpha_alone_negative() -> None:
    loose = {name for name, info in SYMBOLS.items() if not info.symbol.is_positive}
    assert loose == {"alpha", "alpha_b", "alpha_L", "alpha_D", "xi", "n_out", "s_out", "x_transfer"}
    assert SYMBOLS["alpha_b"].symbol.is_nonnegative
    assert SYMBOLS["alpha"].symbol.is_nonnegative is None


def test_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        SYMBOLS["T"] = SYMBOLS["P"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        SYMBOLS["T"].latex = "X"  # type: ignore[misc]


def test_symbols_come_in_the_order_of_their_names() -> None:
    C, M = symbols("C M")
    assert (C.name, M.name) == ("C", "M")


def test_unknown_names_are_told() -> None:
    with pytest.raises(ValueError, match="got 'bogus other'"):
        symbols("T bogus other")


def test_latex_uses_the_notation_of_the_book() -> None:
    N_TP, beta, alpha = symbols("N_TP beta_hbm alpha")
    assert latex(N_TP * beta) == r"N_{\mathrm{TP}} \beta_{\mathrm{HBM}}"
    assert latex(2**alpha) == r"2^{\alpha}"


# ------------------------------------------------------------------------------------------ units


@given(left=st.tuples(*[powers] * 4), right=st.tuples(*[powers] * 4), exponent=powers)
def test_units_multiply_and_take_powers(left, right, exponent: int) -> None:
    def product(counts) -> sp.Expr:
        return sp.Mul(*(base**count for base, count in zip(BASES, counts, strict=True)))

    expected = product(p * exponent + q for p, q in zip(left, right, strict=True))
    assert unit_of(product(left) ** exponent * product(right)) == expected


def test_numbers_have_no_unit_and_roots_halve_it() -> None:
    d, P = symbols("d P")
    assert unit_of(sp.Integer(3)) == 1
    assert unit_of(3 * sp.sqrt(P)) == channel
    assert unit_of(P / d**2) == 1
    assert unit_text(unit_of(sp.pi)) == ""


def test_symbolic_powers_cancel() -> None:
    T, T_0, b_0, alpha = symbols("T T_0 b_0 alpha")
    assert unit_of(b_0 * T**alpha * T_0**-alpha) == token


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda given: given["d"] + given["b"], "'channels' and 'tokens'|'tokens' and 'channels'"),
        (lambda given: sp.Max(given["b"], given["t"]), "'tokens' and 's'|'s' and 'tokens'"),
        (lambda given: 2 ** given["t"], "got 's'"),
        (lambda given: sp.log(given["b"]), "got 'tokens'"),
        (lambda given: given["b"] + 1, "'tokens' and ''|'' and 'tokens'"),
    ],
)
def test_what_cannot_be_added_compared_or_raised_is_refused(make, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        unit_of(make({name: info.symbol for name, info in SYMBOLS.items()}))


def test_one_unit_may_be_added_compared_and_divided_in_functions() -> None:
    b, n, t = symbols("b n t")
    assert unit_of(b + 2 * n) == token
    assert unit_of(sp.Min(b, n)) == token
    assert unit_of(t * sp.log(b / n)) == second


def test_unknown_symbols_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="bogus"):
        unit_of(sp.Symbol("bogus", positive=True))


def test_same_unit() -> None:
    b, n, d = symbols("b n d")
    assert same_unit(b, n, 5 * b)
    assert not same_unit(b, d)
    assert not same_unit(b, n, d)


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        (mac / second, "MAC/s"),
        (parameter / second, "parameters/s"),
        (activation / second, "activations/s"),
        (token, "tokens"),
        (byte / second, "bytes/s"),
    ],
)
def test_units_in_words(unit: sp.Expr, text: str) -> None:
    assert unit_text(unit) == text


# ------------------------------------------------------------------------------------- derivations

DERIVATIONS = (
    memory_bandwidth.derivation,
    network.derivation,
    latency.derivation,
    critical_batch.derivation,
    critical_batch.tradeoff_derivation,
    limits.critical_derivation,
    limits.latency_derivation,
    limits.comparison,
)


@pytest.mark.parametrize("build", DERIVATIONS)
def test_every_step_has_a_reason_and_one_unit_on_both_sides(build) -> None:
    derivation = build()
    assert derivation.title
    for step in derivation:
        assert step.label.startswith("eq-")
        assert step.reason
        assert isinstance(step.equation, sp.core.relational.Relational)
        if not step.numbers_put_in:
            assert unit_of(step.equation.lhs) == unit_of(step.equation.rhs)


def test_labels_are_unique_in_the_book() -> None:
    labels = [step.label for build in DERIVATIONS for step in build()]
    assert len(labels) == len(set(labels))


def test_a_step_with_two_units_is_refused() -> None:
    b, d = symbols("b d")
    with pytest.raises(ValueError, match="one unit on both sides"):
        Step("eq-x", sp.Eq(b, d), "wrong")
    assert Step("eq-x", sp.Eq(b, d), "allowed", numbers_put_in=True).equation.lhs == b


def test_a_derivation_finds_its_steps() -> None:
    b, n = symbols("b n")
    first, last = Step("eq-1", sp.Eq(b, 2 * n), "one"), Step("eq-2", sp.Ge(b, n), "two")
    derivation = Derivation("Title", (first, last))
    assert derivation["eq-1"] is first
    assert list(derivation) == [first, last]
    assert len(derivation) == 2
    assert derivation.result == n
    assert repr(derivation).splitlines() == ["Title", f"  {first!r}", f"  {last!r}"]
    with pytest.raises(ValueError, match="eq-1, eq-2, got 'eq-3'"):
        derivation["eq-3"]


def test_a_derivation_needs_steps_with_labels_of_their_own() -> None:
    b, n = symbols("b n")
    step = Step("eq-1", sp.Eq(b, n), "one")
    for steps in ((), (step, step)):
        with pytest.raises(ValueError, match="labels of their own"):
            Derivation("Title", steps)


def test_a_step_is_typeset_and_numbered_on_the_page_only(monkeypatch) -> None:
    b, n = symbols("b n")
    step = Step("eq-1", sp.Ge(b, 2 * n), "why")
    monkeypatch.delenv("DMCORE_PAGE", raising=False)
    assert step._repr_markdown_() == "$$\nb \\geq 2 n\n$$\n"
    monkeypatch.setenv("DMCORE_PAGE", "1")
    assert step._repr_markdown_() == "$$\nb \\geq 2 n\n$$ (eq-1)\n"
    assert repr(step) == "b >= 2*n  [why]"


# ------------------------------------------------------------------------------------------ agrees

b, n, d, a, alpha = symbols("b n d a alpha")


def _doubled() -> sp.Expr:
    """Two nanobatches."""
    # the comment is shown
    nanobatches = 2
    return nanobatches * n


STEP = Step("eq-1", sp.Ge(b, 2 * n), "why", made_by=_doubled)


def test_a_step_shows_the_lines_that_made_it_under_its_equation(monkeypatch) -> None:
    monkeypatch.delenv("DMCORE_PAGE", raising=False)
    assert STEP.lines == "# the comment is shown\nnanobatches = 2\nreturn nanobatches * n"
    shown = STEP._repr_markdown_()
    equation, folded = shown.split("<details>")
    assert equation == "$$\nb \\geq 2 n\n$$\n\n"
    assert f"\n\n```python\n{STEP.lines}\n```\n\n</details>\n" in folded
    both = Step("eq-2", sp.Ge(b, 2 * n), "why", made_by=(_doubled, _doubled))
    assert both.lines == f"{STEP.lines}\n\n{STEP.lines}"


def test_what_agrees_is_typeset_without_the_lines(monkeypatch) -> None:
    monkeypatch.setenv("DMCORE_PAGE", "1")
    for same in (2 * n, n + n, 2.0 * n, b >= 2 * n, sp.Le(2 * n, b), sp.Ge(b, 2 * n)):
        assert STEP.agrees(same)._repr_markdown_() == "$$\nb \\geq 2 n\n$$ (eq-1)\n"
    assert Step("eq-2", sp.Eq(b, n), "why").agrees(sp.Eq(n, b)).equation == sp.Eq(b, n)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (n, r"result must be 2\*n, the right side of eq-1, got n: 1/2 times it"),
        (2 * n + d, "the difference is d"),
        (sp.Ge(2 * b, 2 * n), "must be b, the left side of eq-1, got 2\\*b: 2 times it"),
        (sp.Ge(b, n), "the right side"),
        (sp.Eq(b, 2 * n), "relation with >=, as eq-1, got Eq"),
        (sp.Gt(b, 2 * n), "relation with >="),
        (sp.Le(b, 2 * n), "must be b, the left side of eq-1, got 2\\*n"),
        (sp.Ge(2 * n, n), "True.*evaluate=False"),
        ([2 * n], r"\(x,\) = sp.solve"),
        ("2*n", "one SymPy expression or relation"),
        (2 * sp.Symbol("n"), "others named n"),
        (1e-3 * n, "times it"),
    ],
)
def test_what_does_not_agree_is_told_with_the_difference(wrong, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        STEP.agrees(wrong)


@given(factor=st.integers(1, 9), power=st.integers(-3, 3), shift=st.integers(-4, 4))
def test_equivalence_is_that_of_numbers(factor: int, power: int, shift: int) -> None:
    one = factor * (d / a) ** power * (d + a) * (d - a)
    other = factor * (d / a) ** power * (d**2 - a**2) + shift * n
    assert equivalent(one, other) == (shift == 0)


def test_equivalence_of_roots_powers_and_pieces() -> None:
    assert equivalent(sp.sqrt(d**2 + 2 * d * a + a**2), d + a)
    assert equivalent((d**2) ** (1 / (1 - 2 * alpha)), d * d ** ((1 + 2 * alpha) / (1 - 2 * alpha)))
    assert equivalent(sp.Min(1, n / b), sp.Min(n, b) / b)
    assert not equivalent(sp.Min(1, n / b), n / b)
    assert not equivalent(sp.Max(1, n / b), sp.Integer(1))
    assert not equivalent(d ** (1 + alpha), d)
