"""The rooms of the package: imports go down the list only, and in no circle."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest
from rooms import ROOMS, ROOT, drawing, imports, readme_with_map, sources

import dmcore

#: What all rooms may use.
COMMON = "_lazy"
#: Modules above all rooms.
ABOVE = {"__main__"}


def climbs(found):
    """Every import that goes up the list, or to the package as a whole."""
    for module, source in found.items():
        if module == "dmcore" or module.split(".")[1] in ABOVE:
            continue
        room = module.split(".")[1]
        for imported, _ in imports(source, found):
            target = imported.removeprefix("dmcore").lstrip(".").split(".")[0]
            if target == COMMON:
                continue
            if target not in ROOMS or ROOMS.index(target) > ROOMS.index(room):
                yield f"{module} imports {imported}"


def circle(found):
    """Modules that import each other in a circle, for more than their types."""
    graph = {
        module: {name for name, for_types in imports(source, found) if not for_types}
        for module, source in found.items()
        if module != "dmcore"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_module_is_in_a_room():
    outside = {name for name in sources() if name.count(".") == 1} - {
        f"dmcore.{name}" for name in (COMMON, *ABOVE)
    }
    assert outside == {f"dmcore.{room}" for room in ROOMS}


def test_imports_go_down_the_list_only():
    assert sorted(climbs(sources())) == []


def test_no_modules_import_each_other():
    assert circle(sources()) == []


@pytest.mark.parametrize(
    ("line", "climbing"),
    [
        ("from dmcore.studies.scenarios import SCENARIOS", "dmcore.studies.scenarios"),
        ("from dmcore.studies import scenarios as model", "dmcore.studies.scenarios"),
        ("def late():\n    import dmcore.show.plots", "dmcore.show.plots"),
        ("from dmcore import sweep", "dmcore"),
        ("from dmcore.simulator import ends", None),
        ("from dmcore.hardware.gpu import GPUS", None),
    ],
)
def test_a_climb_is_found_and_named(line, climbing):
    found = {**dict.fromkeys(sources(), ""), "dmcore.simulator.new": line}
    expected = [f"dmcore.simulator.new imports {climbing}"] if climbing else []
    assert list(climbs(found)) == expected


def test_a_circle_is_found_and_named():
    found = {
        **dict.fromkeys(sources(), ""),
        "dmcore.simulator.one": "from dmcore.simulator import two",
        "dmcore.simulator.two": "from dmcore.simulator.one import x",
    }
    assert {"dmcore.simulator.one", "dmcore.simulator.two"} == set(circle(found))


def in_new_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_modules_are_reached_by_their_room_on_first_use():
    code = (
        "import dmcore, sys; print(*(name in sys.modules for name in ('sympy', 'dmcore.studies')))"
    )
    assert in_new_python(code) == ["False", "False"]
    code = "import dmcore; print(dmcore.studies.scenarios.__name__)"
    assert in_new_python(code) == ["dmcore.studies.scenarios"]


@pytest.mark.parametrize("module", [name for name in sorted(sources()) if name.count(".") == 2])
def test_every_module_is_an_attribute_of_its_room(module):
    _, room, name = module.split(".")
    assert name in dir(getattr(dmcore, room))
    assert getattr(getattr(dmcore, room), name) is importlib.import_module(module)


def test_a_function_and_a_module_of_one_name_do_not_meet():
    code = "import dmcore.simulator.sweep; print(dmcore.sweep.__name__, dmcore.simulator.sweep.__name__)"
    assert in_new_python(code) == ["sweep", "dmcore.simulator.sweep"]


@pytest.mark.parametrize("name", dmcore.__all__)
def test_the_package_gives_the_names_that_a_reader_needs(name):
    assert getattr(dmcore, name) is not None
    assert name in dir(dmcore)


@pytest.mark.parametrize("package", [dmcore, dmcore.simulator])
def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'limit'"):
        _ = package.limit


def test_the_map_in_the_readme_is_that_of_the_imports():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert drawing(sources()) in readme
    assert readme_with_map(readme, sources()) == readme


def code_lines(function):
    """Lines of a function from its first statement on, its docstring aside."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


def test_no_module_and_no_function_is_long():
    found = sources()
    long = [name for name, text in found.items() if len(text.splitlines()) > 450]
    for name, text in found.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and code_lines(node) > 60:
                long.append(f"{name}.{node.name}")
    assert long == []
