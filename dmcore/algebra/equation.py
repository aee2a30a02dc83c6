"""Equations of the simulator, typeset as the steps of a derivation are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.derivation import building_page, equivalent
from dmcore.algebra.symbols import latex

__all__ = ["Equation", "in_pieces"]


@dataclass(frozen=True)
class Equation:
    """An equation of the simulator, whose formulas may hold numbers that stand for units.

    Attributes
    ----------
    label : str
        Unique in the book; a page refers to the equation by it.
    left : sympy.Symbol
        What it gives.
    right : sympy.Expr
        The expression that the simulator evaluates, perhaps with pieces replaced by symbols.

    Examples
    --------
    >>> Equation("eq-twice", sp.Symbol("y"), 2 * sp.Symbol("x"))
    y = 2*x
    """

    label: str
    left: sp.Symbol
    right: sp.Expr

    def agrees(self, result: sp.Expr) -> Equation:
        """The equation, to be typeset with its number, if a right side of your own says the same.

        A ValueError shows both if it does not.

        Examples
        --------
        >>> x = sp.Symbol("x", positive=True)
        >>> Equation("eq-twice", sp.Symbol("y"), 2 * x).agrees(x)
        Traceback (most recent call last):
        ValueError: result must be 2*x, the right side of eq-twice, got x
        """
        if not equivalent(result, self.right):
            raise ValueError(
                f"result must be {self.right}, the right side of {self.label}, got {result}"
            )
        return self

    @property
    def latex(self) -> str:
        """LaTeX of the equation, without delimiters."""
        return f"{latex(self.left)} = {latex(self.right.replace(_is_product_of_roots, _one_root))}"

    def __repr__(self) -> str:
        return f"{self.left} = {self.right}"

    def _repr_markdown_(self) -> str:
        label = f" ({self.label})" if building_page() else ""
        return f"$$\n{self.latex}\n$${label}\n"


@checked
def in_pieces(expr: sp.Expr, pieces: Mapping[sp.Expr, sp.Symbol]) -> sp.Expr:
    """An expression with parts of it replaced by symbols, in order.

    A ValueError tells which part does not occur, or that the parts put back give something else.

    Examples
    --------
    >>> x, y, z = sp.symbols("x y z")
    >>> in_pieces((x + y) ** 2, {x + y: z})
    z**2
    """
    short = expr
    for part, symbol in pieces.items():
        if symbol not in (shorter := short.subs(part, symbol)).free_symbols:
            raise ValueError(f"pieces must be parts of the expression, got {part}")
        short = shorter
    whole = short
    for part, symbol in reversed(list(pieces.items())):
        whole = whole.subs(symbol, part)
    if whole != expr:
        raise ValueError(f"pieces must give the expression again, got {whole} for {expr}")
    return short


def _is_product_of_roots(expr: sp.Basic) -> bool:
    return isinstance(expr, sp.Mul) and all(
        isinstance(factor, sp.Pow) and abs(factor.exp) == sp.S.Half for factor in expr.args
    )


def _one_root(product: sp.Expr) -> sp.Expr:
    return sp.sqrt(sp.UnevaluatedExpr(product**2))
