"""What can be done with a SymPy expression: evaluate it, print it for a page or a browser.

Every formula of the project is written once, as an expression. NumPy, LaTeX and JavaScript forms are
made from it here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike
from sympy.printing.codeprinter import PrintMethodNotImplementedError
from sympy.printing.jscode import JavascriptCodePrinter
from sympy.printing.numpy import NumPyPrinter

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_not_negative, check_positive, check_real, check_together

__all__ = ["compiled", "evaluate", "javascript", "value_of"]

# What a browser's function could not have as the name of an argument, or would hide.
_NO_NAMES = (
    "arguments await break case catch class const continue debugger default delete do else enum eval "
    "export extends false finally for function if implements import in instanceof interface let new "
    "null package private protected public return static super switch this throw true try typeof var "
    "void while with yield Math Number Infinity NaN undefined"
)


class _NumPyPrinter(NumPyPrinter):
    """SymPy's printer with functions of NumPy that are several times faster on small arrays."""

    def _nested(self, function: str, parts: Sequence[str]) -> str:
        name = self._module_format(f"{self._module}.{function}")
        return reduce(lambda first, second: f"{name}({first}, {second})", parts)

    def _print_Max(self, expr: sp.Max) -> str:
        return self._nested("maximum", [self._print(part) for part in expr.args])

    def _print_Min(self, expr: sp.Min) -> str:
        return self._nested("minimum", [self._print(part) for part in expr.args])

    def _print_Piecewise(self, expr: sp.Piecewise) -> str:
        where, nan = (self._module_format(f"{self._module}.{name}") for name in ("where", "nan"))
        text = nan
        for value, condition in reversed(expr.args):
            otherwise, text = text, self._print(value)
            if condition != True:  # noqa: E712, a condition of SymPy
                text = f"{where}({self._print(condition)}, {text}, {otherwise})"
        return text


@cache
def compiled(expr: sp.Expr) -> tuple[tuple[str, ...], Callable[..., Any]]:
    """The names of an expression's symbols, sorted, and a NumPy function of them in that order.

    Made once for each expression. Checks nothing: :func:`evaluate` is the way in for readers.

    Examples
    --------
    >>> names, function = compiled(sp.Symbol("b") / sp.Symbol("a"))
    >>> names, function(2.0, 6.0)
    (('a', 'b'), 3.0)
    """
    symbols = tuple(sorted(expr.free_symbols, key=lambda symbol: symbol.name))
    printer = _NumPyPrinter({"fully_qualified_modules": False, "inline": True})
    return tuple(symbol.name for symbol in symbols), sp.lambdify(
        symbols, expr, modules="numpy", cse=True, printer=printer
    )


def evaluate(
    expr: sp.Expr, values: Mapping[str | sp.Symbol, ArrayLike] | None = None, /, **named: ArrayLike
) -> Any:
    """The value of an expression, in the unit that its symbols imply.

    Parameters
    ----------
    expr
        A SymPy expression.
    values, named
        A number or an array for each free symbol, by symbol or by name, in the symbol's unit. Arrays
        broadcast.

    Returns
    -------
    float or numpy.ndarray
        A float if every value is a scalar, else an array of the broadcast shape.

    Raises
    ------
    ValueError
        If a symbol is missing or unknown, or a value is outside what its symbol is declared to be
        (positive, or zero and more); the message names the symbol.

    Examples
    --------
    >>> evaluate(sp.Symbol("P") / sp.Symbol("M"), P=6.0, M=[1.0, 2.0])
    array([6., 3.])
    """
    given = {str(key): value for key, value in {**(values or {}), **named}.items()}
    names, function = compiled(expr)
    by_name = {symbol.name: symbol for symbol in expr.free_symbols}
    missing = [name for name in names if name not in given]
    unknown = sorted(set(given) - set(names))
    if missing or unknown:
        raise ValueError(
            f"values must name exactly the symbols {', '.join(names) or '(none)'}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
            + (f"; unknown: {', '.join(unknown)}" if unknown else "")
        )
    for name in names:
        if by_name[name].is_positive:
            check_positive(name, given[name])
        elif by_name[name].is_nonnegative:
            check_not_negative(name, given[name])
        else:
            check_real(name, given[name])
    check_together(**{name: given[name] for name in names})
    arguments = [np.asarray(given[name], dtype=float) for name in names]
    # What is too large is infinite, and what is too small zero.
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        result = function(*(argument[()] for argument in arguments))
    if np.isnan(result).any() and not any(np.isnan(argument).any() for argument in arguments):
        told = ", ".join(f"{name} = {given[name]!r}" for name in names)
        raise ValueError(f"values must give a number, got {told}")
    shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
    if shape == ():
        return float(result)
    return np.broadcast_to(np.asarray(result, dtype=float), shape).copy()


def value_of(expr: sp.Expr, **values: Any) -> Any:
    """The value of an expression, by symbol name, unchecked: the simulator's own way in.

    Give numbers as floats where a product could pass 2**63, since NumPy's integers wrap around.

    Examples
    --------
    >>> value_of(sp.Symbol("x") ** 2, x=3.0)
    9.0
    """
    names, function = compiled(expr)
    return function(*[values[name] for name in names])


class _Printer(JavascriptCodePrinter):
    """SymPy's printer, where it would lose digits or differ from NumPy."""

    def _print_Float(self, expr: sp.Float) -> str:
        return repr(float(expr))

    def _print_Mod(self, expr: sp.Mod) -> str:
        top, bottom = (f"({self._print(part)})" for part in expr.args)
        # JavaScript's remainder has the sign of the dividend, NumPy's that of the divisor.
        remainder = f"({top} % {bottom})"
        if expr.args[0].is_nonnegative and expr.args[1].is_positive:
            return remainder
        return f"(({remainder} + {bottom}) % {bottom})"

    def _print_BooleanTrue(self, _: sp.Basic) -> str:
        return "true"

    def _print_BooleanFalse(self, _: sp.Basic) -> str:
        return "false"


@checked
@cache
def javascript(expr: sp.Expr) -> str:
    """An expression as one of JavaScript, in which the symbols' names are variables.

    It gives the same numbers as :func:`evaluate` but for rounding.

    A ValueError tells which function has no JavaScript form, or which symbol's name is no name there.

    Examples
    --------
    >>> javascript(sp.sqrt(sp.Symbol("x")) + sp.Rational(1, 3))
    'Math.sqrt(x) + 1/3'
    """
    for name in sorted(symbol.name for symbol in expr.free_symbols):
        if not (name.isascii() and name.isidentifier()) or name in _NO_NAMES.split():
            raise ValueError(f"expr must have symbols that JavaScript can name, got {name!r}")
    try:
        text = _Printer({"strict": True}).doprint(expr)
    except (PrintMethodNotImplementedError, AttributeError) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(f"expr must have a JavaScript form, got {expr}: {why}") from error
    return " ".join(text.split())
