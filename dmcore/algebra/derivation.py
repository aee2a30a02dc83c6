"""A derivation as data: equations in order, each with its reason, that a page can typeset."""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import refuse
from dmcore.algebra.symbols import SYMBOLS, latex, same_unit

__all__ = ["Derivation", "Step", "Typeset", "body_of", "building_page", "equivalent", "typeset"]


def building_page() -> bool:
    """Whether the code runs to build the published page, as opposed to in a reader's kernel.

    The build sets the environment variable ``DMCORE_PAGE``. A page can number equations and draw
    figures in the browser; a kernel can neither, but has widgets.

    Examples
    --------
    >>> building_page()
    False
    """
    return os.environ.get("DMCORE_PAGE") == "1"


@checked
def body_of(function: Callable[..., Any]) -> str:
    """The lines of a function's body without its docstring, not indented.

    Examples
    --------
    >>> from dmcore.bottlenecks import network
    >>> print(body_of(network.largest_tensor_parallelism))
    return (m * best_q()).subs(m, d / a)
    """
    inner = inspect.unwrap(function)
    if not inspect.isfunction(inner) or inner.__name__ == "<lambda>":
        refuse("function", function, "a function with a name")
    source = textwrap.dedent(inspect.getsource(inner))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.FunctionDef)
    documented = ast.get_docstring(definition) is not None
    start = definition.body[0].end_lineno if documented else definition.body[0].lineno - 1
    return textwrap.dedent("\n".join(source.splitlines()[start:]))


@dataclass(frozen=True)
class Step:
    """One equation of a derivation. Shown in a notebook, it is typeset and numbered.

    Attributes
    ----------
    label : str
        Unique in the book; a page refers to the equation by it.
    equation : sympy.Eq or sympy relational
        The statement. Both sides have one unit.
    reason : str
        Why it holds, in words.
    numbers_put_in : bool
        Whether numbers stand for quantities that have a unit, so that units cannot be compared.
    made_by : callable or tuple of callable
        The functions that made it. Their lines are shown folded under the equation.

    Examples
    --------
    >>> from dmcore.algebra.symbols import symbols
    >>> n, C, M = symbols("n C M")
    >>> Step("eq-least-tokens", sp.Ge(n, C / M), "no waiting").agrees(n >= C / M)
    n >= C/M  [no waiting]
    """

    label: str
    equation: sp.Basic
    reason: str
    numbers_put_in: bool = False
    made_by: Callable[..., Any] | tuple[Callable[..., Any], ...] = ()

    def __post_init__(self) -> None:
        if not self.numbers_put_in and not same_unit(self.equation.lhs, self.equation.rhs):
            raise ValueError(f"equation must have one unit on both sides, got {self.equation}")

    @classmethod
    def of(
        cls,
        label: str,
        left: sp.Expr,
        made_by: Callable[[], sp.Expr],
        reason: str,
        relation: type[Relational] = sp.Eq,
    ) -> Step:
        """The step whose right side a function makes; equal to the left side unless told otherwise.

        Examples
        --------
        >>> from dmcore.bottlenecks import memory_bandwidth
        >>> n = memory_bandwidth.n
        >>> Step.of("eq-least-tokens", n, memory_bandwidth.nanobatch, "no waiting", sp.Ge)
        n >= C/M  [no waiting]
        """
        return cls(label, relation(left, made_by(), evaluate=False), reason, made_by=made_by)

    @property
    def latex(self) -> str:
        """LaTeX of the equation, without delimiters."""
        return latex(self.equation)

    @property
    def lines(self) -> str:
        """The lines of Python that made the equation, empty if nobody told."""
        makers = self.made_by if isinstance(self.made_by, tuple) else (self.made_by,)
        return "\n\n".join(body_of(maker) for maker in makers)

    def agrees(self, result: Any) -> Step:
        """The step, to be typeset with its number, if a result of your own says the same.

        An expression is compared with the right side, a relation with both sides. A ValueError
        shows the difference, or tells what cannot be compared: a bool, which is what SymPy makes of
        a relation that it can decide by itself, or symbols that are not those of the book.

        Examples
        --------
        >>> from dmcore.algebra.symbols import symbols
        >>> from dmcore.bottlenecks import memory_bandwidth
        >>> C, M = symbols("C M")
        >>> memory_bandwidth.derivation()["eq-nanobatch"].agrees(2 * C / M)
        Traceback (most recent call last):
        ValueError: result must be C/M, the right side of eq-nanobatch, got 2*C/M: 2 times it
        """
        result = _comparable(result)
        sides = ("left", "right") if isinstance(result, Relational) else ("right",)
        for side, name in ((f"{side} side of {self.label}", side[0] + "hs") for side in sides):
            wanted = getattr(self.equation, name)
            given = result
            if isinstance(result, Relational):
                given = getattr(_turned(result, self), name)
            if not equivalent(given, wanted):
                raise ValueError(
                    f"result must be {wanted}, the {side}, got {given}: {_told(given, wanted)}"
                )
        return replace(self, made_by=())

    def __repr__(self) -> str:
        return f"{self.equation}  [{self.reason}]"

    def _repr_markdown_(self) -> str:
        label = f" ({self.label})" if building_page() else ""
        shown = f"$$\n{self.latex}\n$${label}\n"
        if not self.lines:
            return shown
        summary = "<details><summary>Code of this step</summary>"
        return f"{shown}\n{summary}\n\n```python\n{self.lines}\n```\n\n</details>\n"


@checked
def equivalent(one: sp.Expr, other: sp.Expr) -> bool:
    """Whether two expressions are equal for all values that their symbols may have.

    SymPy simplifies the difference. Where that does not end at zero, both are evaluated at fixed
    random points, since it is no proof that they differ.

    Examples
    --------
    >>> from dmcore.algebra.symbols import symbols
    >>> a, d = symbols("a d")
    >>> equivalent((2 * d / a + 1) ** 2, 4 * d**2 / a**2 + 4 * d / a + 1)
    True
    """
    if sp.simplify(one - other) == 0:
        return True
    symbols = sorted((one - other).free_symbols, key=lambda symbol: symbol.name)
    random = Random(0)
    compared = False
    for _ in range(_POINTS):
        point = {symbol: _some_value(symbol, random) for symbol in symbols}
        values = [sp.N(side.subs(point), 30) for side in (one, other)]
        if not all(value.is_number and value.is_finite for value in values):
            continue
        if abs(values[0] - values[1]) > _CLOSE * max(abs(value) for value in values):
            return False
        compared = True
    return compared


# Points at which expressions are compared, and how close their values must be, to allow for a
# reader's decimal fractions.
_POINTS = 20
_CLOSE = 1e-12


def _some_value(symbol: sp.Symbol, random: Random) -> sp.Rational:
    """A value that the symbol may have: within a factor of 8 of one, or an exponent below 1/2."""
    if symbol.is_positive:
        value = 8 ** random.uniform(-1, 1)
    else:
        value = random.uniform(0 if symbol.is_nonnegative else -0.45, 0.45)
    return sp.Rational(round(value * 10**6), 10**6)


def _comparable(result: Any) -> sp.Basic:
    """A result that can be compared, or an error that tells what to do."""
    if isinstance(result, (bool, BooleanAtom)):
        raise ValueError(
            f"result must be an expression or a relation, got {result}, which SymPy made of a "
            "relation that it could decide: write it with evaluate=False"
        )
    if isinstance(result, (int, float)):
        result = sp.sympify(result)
    if not isinstance(result, (sp.Expr, Relational)):
        raise ValueError(
            f"result must be one SymPy expression or relation, got {result!r}; "
            "of a list of solutions take one: (x,) = sp.solve(...)"
        )
    foreign = [
        symbol.name
        for symbol in result.free_symbols
        if symbol.name in SYMBOLS and symbol != SYMBOLS[symbol.name].symbol
    ]
    if foreign:
        raise ValueError(
            f"result must have the symbols that dmcore.algebra.symbols.symbols gives, "
            f"got others named {', '.join(sorted(foreign))}"
        )
    return result


def _turned(relation: Relational, step: Step) -> Relational:
    """The relation, with its sides exchanged if that makes it read as the step does."""
    same = [way for way in (relation, relation.reversed) if way.func is step.equation.func]
    if not same:
        raise ValueError(
            f"result must be a relation with {step.equation.rel_op}, as {step.label}, got {relation}"
        )
    return next((way for way in same if equivalent(way.lhs, step.equation.lhs)), same[0])


def _told(given: sp.Expr, wanted: sp.Expr) -> str:
    ratio = sp.simplify(given / wanted)
    if ratio.is_number:
        return f"{ratio} times it"
    return f"the difference is {sp.factor(sp.simplify(given - wanted))}"


@dataclass(frozen=True)
class Typeset:
    """An expression under a name, shown in a notebook as one line of mathematics, without a number."""

    name: str
    expr: sp.Expr

    def __repr__(self) -> str:
        return f"{self.name} = {self.expr}"

    def _repr_markdown_(self) -> str:
        return f"$$\n{latex(sp.Symbol(self.name))} = {latex(self.expr)}\n$$\n"


@checked
def typeset(expr: sp.Expr, name: str) -> Typeset:
    """An expression to show in a notebook, as the definition of a symbol of that name.

    Examples
    --------
    >>> typeset(sp.Symbol("x") ** 2, "y")
    y = x**2
    """
    return Typeset(name, expr)


@dataclass(frozen=True)
class Derivation:
    """Steps in order, found by label.

    Attributes
    ----------
    title : str
        What is derived.
    steps : tuple of Step
        At least one; labels are unique.

    Examples
    --------
    >>> from dmcore.bottlenecks import memory_bandwidth
    >>> memory_bandwidth.derivation()["eq-nanobatch"]
    n >= C/M  [the parameters cancel]
    """

    title: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        labels = [step.label for step in self.steps]
        if not labels or len(set(labels)) < len(labels):
            raise ValueError(f"steps must be at least one, with labels of their own, got {labels}")

    def __getitem__(self, label: str) -> Step:
        for step in self.steps:
            if step.label == label:
                return step
        known = ", ".join(step.label for step in self.steps)
        raise ValueError(f"label must be one of {known}, got {label!r}")

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def result(self) -> sp.Expr:
        """Right-hand side of the last step."""
        return self.steps[-1].equation.rhs

    def __repr__(self) -> str:
        return "\n".join([self.title, *(f"  {step!r}" for step in self.steps)])
