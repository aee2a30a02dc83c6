"""What the output of a notebook hangs on: the modules of the package that its code reaches, and their data.

A notebook has to be run again when one of them changes, and not when another does. Imports are read
from the source, those inside functions too, so that nothing of the package is run.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PACKAGE = "dmcore"
#: Names that the package gives itself, and where they are at home (``dmcore/__init__.py``).
HOMES = "_HOMES"


class Closure:
    """The modules of a package in a folder, and what each of them imports."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = dict(sorted(_modules(root)))
        self.homes = _homes(self.paths[PACKAGE])
        self._used: dict[str, frozenset[str]] = {}

    def of(self, sources: Iterable[str]) -> frozenset[str]:
        """All modules that code reaches, directly or through others."""
        reached: set[str] = set()
        new = {name for source in sources for name in self._imported(source)}
        while new:
            reached |= new
            new = {name for module in new for name in self._uses(module)} - reached
        return frozenset(reached)

    def digest(self, sources: Iterable[str]) -> str:
        """A digest of those modules, and of the data files of their folders."""
        found = hashlib.sha256()
        modules = sorted(self.of(sources))
        folders = {self.paths[name].parent for name in modules}
        data = {
            path
            for folder in folders
            for path in folder.iterdir()
            if path.is_file() and path.suffix in {".toml", ".csv"}
        }
        for path in sorted({*(self.paths[name] for name in modules), *data}):
            name = path.relative_to(self.root).as_posix()
            found.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
        return found.hexdigest()[:16]

    def _uses(self, module: str) -> frozenset[str]:
        if module not in self._used:
            self._used[module] = frozenset(self._imported(self.paths[module].read_text("utf-8")))
        return self._used[module]

    def _imported(self, source: str) -> Iterator[str]:
        """Modules that a source names, with the packages that they are in.

        One that imports the package as a whole is taken to use all of it, unless what it uses of it can
        be read from the source.
        """
        for node in _run(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    yield from self._named(f"{node.module}.{alias.name}")
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name != PACKAGE:
                        yield from self._named(alias.name)
                    elif alias.asname:
                        yield from self.paths
            elif isinstance(node, ast.Attribute) and (dotted := _dotted(node)):
                yield from self._named(dotted)

    def _named(self, dotted: str) -> Iterator[str]:
        """The modules that ``dmcore.x.y.z`` loads: packages, module, or the home of a name."""
        parts = dotted.split(".")
        if parts[0] != PACKAGE:
            return
        if len(parts) > 1 and parts[1] in self.homes:
            yield from self._named(f"{PACKAGE}.{self.homes[parts[1]]}")
            return
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[:length])
            if name in self.paths:
                yield name


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but what is there for the types alone."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _run(node)


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    for path in (root / PACKAGE).rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def _homes(package: Path) -> Mapping[str, str]:
    for node in ast.parse(package.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == HOMES:
            homes: dict[str, str] = ast.literal_eval(node.value)
            return homes
    raise ValueError(f"{package} must assign {HOMES}, got no such name")


def _dotted(node: ast.Attribute) -> str | None:
    """``a.b.c`` for such an expression, None for others."""
    names = [node.attr]
    inner: ast.expr = node.value
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    return ".".join([inner.id, *reversed(names)]) if isinstance(inner, ast.Name) else None
