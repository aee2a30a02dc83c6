"""A derivation as data: equations in order, each with its reason, that a page can typeset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from dmcore.algebra.symbols import latex, same_unit

__all__ = ["Derivation", "Step", "Typeset", "building_page", "typeset"]


def building_page() -> bool:
    """Whether the code runs to build the published page, as opposed to in a reader's kernel.

    The build sets the environment variable ``DMCORE_PAGE``. A page can number equations and draw
    figures in the browser; a kernel can neither, but has widgets.
    """
    return os.environ.get("DMCORE_PAGE") == "1"


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
    """

    label: str
    equation: sp.Basic
    reason: str
    numbers_put_in: bool = False

    def __post_init__(self) -> None:
        if not self.numbers_put_in and not same_unit(self.equation.lhs, self.equation.rhs):
            raise ValueError(f"equation must have one unit on both sides, got {self.equation}")

    @property
    def latex(self) -> str:
        """LaTeX of the equation, without delimiters."""
        return latex(self.equation)

    def __repr__(self) -> str:
        return f"{self.equation}  [{self.reason}]"

    def _repr_markdown_(self) -> str:
        label = f" ({self.label})" if building_page() else ""
        return f"$$\n{self.latex}\n$${label}\n"


@dataclass(frozen=True)
class Typeset:
    """An expression under a name, shown in a notebook as one line of mathematics, without a number."""

    name: str
    expr: sp.Expr

    def __repr__(self) -> str:
        return f"{self.name} = {self.expr}"

    def _repr_markdown_(self) -> str:
        return f"$$\n{latex(sp.Symbol(self.name))} = {latex(self.expr)}\n$$\n"


def typeset(expr: sp.Expr, name: str) -> Typeset:
    """An expression to show in a notebook, as the definition of a symbol of that name."""
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
