"""The rooms of the package as its imports make them: ``make map`` draws them into the README."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dmcore"
#: In the order of the argument: a room is made of itself and of those before it.
ROOMS = (
    "algebra",
    "hardware",
    "models",
    "bottlenecks",
    "simulator",
    "prediction",
    "evidence",
    "studies",
    "show",
    "chapters",
)
BEGIN, END = "<!-- made by make map -->\n", "<!-- end of the map -->"


def sources(package: Path = PACKAGE) -> dict[str, str]:
    """The text of each module, by its name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path.read_text("utf-8")
    return found


def imports(source: str, modules: Collection[str]) -> Iterator[tuple[str, bool]]:
    """Modules of the package that a source imports, and whether for the types alone."""
    tree = ast.parse(source)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import, which says not whence"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules else str(node.module) for name in names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "dmcore":
                yield name, id(node) in for_types


def lines(found: Mapping[str, str], room: str) -> int:
    """Lines of Python in a room."""
    return sum(
        len(text.splitlines()) for name, text in found.items() if name.split(".")[1:2] == [room]
    )


def drawing(found: Mapping[str, str]) -> str:
    """Each room with its modules, and a dot for each room that it imports from."""
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    modules: dict[str, list[str]] = {room: [] for room in ROOMS}
    for name, text in found.items():
        _, room, module = (*name.split("."), "", "")[:3]
        if module:
            modules[room].append(module)
            used[room] |= {imported.split(".")[1] for imported, _ in imports(text, found)}
    rows = ["```text", "imports from  " + " ".join(f"{room[:8]:<8}" for room in ROOMS).rstrip()]
    for i, room in enumerate(ROOMS):
        cells = " ".join(f"{'●' if other in used[room] else '·':<8}" for other in ROOMS[: i + 1])
        rows.append(f"{room:<14}{cells}".rstrip())
    rows += ["```", "", "| room | modules |", "|---|---|"]
    rows += [f"| `{room}` | {' · '.join(modules[room])} |" for room in ROOMS]
    return "\n".join(rows) + "\n"


def readme_with_map(readme: str, found: Mapping[str, str]) -> str:
    """The README with its map as the imports are now."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + drawing(found) + END + after


def main() -> int:
    """Write the map into the README."""
    readme = ROOT / "README.md"
    readme.write_text(readme_with_map(readme.read_text("utf-8"), sources()), "utf-8")
    for room in ROOMS:
        print(f"{room:<14}{lines(sources(), room):>7,} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
