"""Units of the simulator's and the models' formulas: every function that gives an expression."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Callable, Iterator

import pytest
import sympy as sp

from dmcore import models, simulator
from dmcore.algebra.symbols import (
    byte,
    channel,
    mac,
    parameter,
    same_unit,
    second,
    symbols,
    token,
    unit_of,
)
from dmcore.simulator import matmul
from dmcore.studies import one_gpu, one_model

#: Formulas whose numbers stand for quantities with units, so that units cannot be compared.
NUMBERS_PUT_IN = {
    "laws.training_tokens": "20 tokens for each parameter",
    "laws.training_flop": "20 tokens for each parameter",
    "attention.score_macs": "a score multiplies activations, not an activation with a parameter",
    "attention.layer_macs": "adds scores to products with parameters",
    "model.forward_macs": "adds scores to products with parameters",
    "model.executed_macs": "adds scores to products with parameters",
    "times.score_time": "a score multiplies activations, not an activation with a parameter",
}
#: What a name's last word says its unit is. Memory of activations is counted for each token.
BY_LAST_WORD = {
    "time": second,
    "latency": second,
    "flop": mac,
    "fraction": sp.Integer(1),
    "count": sp.Integer(1),
    "rows": sp.Integer(1),
    "columns": sp.Integer(1),
    "crossing": sp.Integer(1),
    "parameters": parameter,
    "memory": byte,
    "activations": byte,
    "reduced": channel,
}


def formulas() -> Iterator[tuple[str, Callable[..., sp.Expr]]]:
    """Every public function of the two rooms that says it returns an expression."""
    for room in (models, simulator):
        for info in pkgutil.iter_modules(room.__path__):
            module = importlib.import_module(f"{room.__name__}.{info.name}")
            for name in getattr(module, "__all__", ()):
                made = inspect.unwrap(getattr(module, name))
                kinds = dict(getattr(made, "__annotations__", {}))
                given = kinds.pop("return", None)
                if given == "sp.Expr" and set(kinds.values()) <= {"bool", "sp.Expr"}:
                    yield f"{info.name}.{name}", getattr(module, name)


FORMULAS = dict(formulas())


def expressions(function: Callable[..., sp.Expr]) -> Iterator[sp.Expr]:
    """What a formula gives for each combination of its switches; a capacity is room for a tile."""
    choices = [
        (False, True) if argument.annotation == "bool" else symbols("C_tile")
        for argument in inspect.signature(function).parameters.values()
    ]
    return (function(*arguments) for arguments in itertools.product(*choices))


def test_formulas_are_found() -> None:
    assert {"matmul.time_expression", "times.cluster_memory", "laws.parameters"} <= set(FORMULAS)
    assert set(NUMBERS_PUT_IN) <= set(FORMULAS)


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - set(NUMBERS_PUT_IN)))
def test_every_formula_has_the_unit_that_its_name_tells(name: str) -> None:
    last = name.rpartition("_")[2]
    for expr in expressions(FORMULAS[name]):
        unit = unit_of(expr)
        assert unit == BY_LAST_WORD.get(last, unit), (name, unit)


@pytest.mark.parametrize("name", sorted(NUMBERS_PUT_IN))
def test_exceptions_are_needed(name: str) -> None:
    last = name.rpartition("_")[2]
    units = {"macs": mac / token, "tokens": token, "time": second, "law": sp.Integer(1)}
    expected = units.get(last, mac)
    assert {_unit_or_none(expr) for expr in expressions(FORMULAS[name])} != {expected}


def _unit_or_none(expr: sp.Expr) -> sp.Expr | None:
    try:
        return unit_of(expr)
    except ValueError:
        return None


def test_all_parts_of_a_matmul_are_in_seconds() -> None:
    for gradient, distributed in itertools.product((False, True), repeat=2):
        parts = matmul.matmul_time_parts(gradient, distributed).values()
        assert same_unit(*parts)
        assert unit_of(next(iter(parts))) == second


def test_bytes_over_each_boundary_are_bytes() -> None:
    for gradient in (False, True):
        for moved in (matmul.hbm_bytes, matmul.l2_bytes, matmul.register_bytes):
            assert unit_of(moved(gradient)) == byte
        assert unit_of(matmul.among_sms_bytes(gradient, True)) == byte


@pytest.mark.parametrize("module", [one_gpu, one_model])
def test_both_sides_of_the_simulators_equations_have_one_unit(module) -> None:
    checked = 0
    for label, equation in module.equations().items():
        if label != "eq-sim-layers":  # a fit, whose factor has a unit of its own
            assert same_unit(equation.left, equation.right), label
            checked += 1
    assert checked >= 3
