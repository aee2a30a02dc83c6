"""Small faults that can be put into a Python module: what `make mutants` draws from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
#: Their arguments may stand in any order.
SYMMETRIC = {"min", "max", "Min", "Max", "minimum", "maximum", "Eq", "isclose", "gcd", "lcm"}
#: Functions of one form that mean opposite things.
OPPOSITE = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "ceiling": "floor",
    "Min": "Max",
    "Max": "Min",
    "Le": "Ge",
    "Ge": "Le",
    "Lt": "Gt",
    "Gt": "Lt",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
}


@dataclass(frozen=True)
class Mutation:
    """A span of a file, in characters, and what takes its place."""

    start: int
    end: int
    instead: str

    def applied(self, source: str) -> str:
        """The file with the fault."""
        return source[: self.start] + self.instead + source[self.end :]

    def told(self, source: str) -> tuple[int, str, str]:
        """Number of the line, the span as it is, and what takes its place."""
        line = source.count("\n", 0, self.start) + 1
        return line, source[self.start : self.end], self.instead


def python_mutations(source: str) -> list[Mutation]:
    """Every fault that is tried in a module, in the order of the text."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = source.splitlines()

    def place(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    found = set()
    for node in _told_nodes(tree):
        for instead in _faults(node):
            start = place(node.lineno, node.col_offset)
            end = place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
            text = ast.unparse(ast.fix_missing_locations(instead))
            # The span may stand inside a larger expression, whose order of operations must stay.
            found.add(Mutation(start, end, f"({text})" if isinstance(instead, ast.expr) else text))
    return sorted(found, key=lambda each: (each.start, each.end, each.instead))


def _told_nodes(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that do something: no texts, no types, no messages of errors."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.Raise, ast.JoinedStr)):
                continue
            if isinstance(child, ast.Assign) and _names(child) & {"__all__", "__slots__"}:
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.expr):
                yield child
            yield from _told_nodes(child)


def _names(assigned: ast.Assign) -> set[str]:
    return {target.id for target in assigned.targets if isinstance(target, ast.Name)}


def _faults(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
            if node.value not in (0, 1):
                yield ast.Constant(node.value * 2)
        case ast.BinOp():
            if type(node.op) in SWAPPED:
                yield ast.BinOp(node.left, SWAPPED[type(node.op)](), node.right)  # type: ignore[arg-type]
                yield node.left
        case ast.BoolOp():
            yield ast.BoolOp(SWAPPED[type(node.op)](), node.values)  # type: ignore[arg-type]
        case ast.Compare(ops=[op]):
            yield ast.Compare(node.left, [SWAPPED[type(op)]()], node.comparators)  # type: ignore[list-item]
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.IfExp():
            yield ast.IfExp(node.test, node.orelse, node.body)
        case ast.Call():
            yield from _faults_of_call(node)


def _faults_of_call(node: ast.Call) -> Iterator[ast.expr]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in OPPOSITE:
        function = (
            ast.Attribute(node.func.value, OPPOSITE[name])
            if isinstance(node.func, ast.Attribute)
            else ast.Name(OPPOSITE[name])
        )
        yield ast.Call(function, node.args, node.keywords)
    if name in SYMMETRIC:
        return
    for index, (left, right) in enumerate(zip(node.args, node.args[1:], strict=False)):
        plain = isinstance(left, (ast.Name, ast.Attribute)) and type(left) is type(right)
        if plain and ast.unparse(left) != ast.unparse(right):
            swapped = [*node.args[:index], right, left, *node.args[index + 2 :]]
            yield ast.Call(node.func, swapped, node.keywords)
