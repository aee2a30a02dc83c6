"""The still figures of the book, and that they are drawings only: no printed number comes from them."""

from __future__ import annotations

import ast
import inspect
import json
import pkgutil
from functools import cache
from importlib import import_module
from itertools import combinations
from pathlib import Path

import pytest
from chapter_explorers import explorers
from matplotlib.text import Annotation, Text

import dmcore.chapters
from dmcore.prediction.measured import expected, measured
from dmcore.show import plots
from dmcore.show.colors import COLORS
from dmcore.show.labels import label_area, label_line, label_point
from dmcore.studies.one_model import best_splits

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(path):
    """Source and whether anything is stored below, of each code cell."""
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield cell["id"], "".join(cell["source"]), bool(cell["outputs"])


def from_figures(tree, known):
    """Names that a cell binds to something of dmcore.chapters, and names it binds to something else."""
    made, other = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            module = getattr(node, "module", None)
            for alias in node.names:
                whole = f"{module}.{alias.name}" if module else alias.name
                drawn = whole.startswith("dmcore.chapters")
                (made if drawn else other).add(alias.asname or alias.name)
        elif isinstance(node, ast.Assign):
            used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
            for target in node.targets:
                names = {name.id for name in ast.walk(target) if isinstance(name, ast.Name)}
                (made if used & (known | made) else other).update(names)
    return made, other - made


def printed_from_figures(cells):
    """Cells with stored output that use something made by a figure's module."""
    known: set[str] = set()
    for cell, source, has_output in cells:
        tree = ast.parse(source)
        made, other = from_figures(tree, known)
        known = known - other | made
        used = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name)} & known
        if has_output and used:
            yield f"{cell}: {', '.join(sorted(used))}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_printed_number_comes_from_a_figure(path):
    assert not list(printed_from_figures(code_cells(path)))


def test_a_printed_number_from_a_figure_is_found():
    cells = [
        ("picture", "from dmcore.chapters import limits as figures\nfigures.ends()", False),
        ("table", "table = figures.table()\nfor row in table: pass", False),
        ("print", "print(table.first)", True),
    ]
    assert list(printed_from_figures(cells)) == ["print: table"]
    assert not list(printed_from_figures([*cells[:2], ("new", "table = 3\nprint(table)", True)]))


# --------------------------------------------------------------------------------------- labels


@cache
def scenario_table():
    from dmcore.studies.scenarios import headline_table

    return headline_table()


@cache
def draws():
    from dmcore.studies import uncertainty

    beliefs = (*uncertainty.assumptions(), uncertainty.growth_of_runs())
    return beliefs[:-1], uncertainty.sample(beliefs, 20_000, seed=0)


@cache
def swept(*names, **options):
    from dmcore import sweep

    return {name: sweep(name, **options) for name in names}


#: Arguments of the figures that have no defaults.
ARGUMENTS = {
    "hardware_generations.steps": lambda _: [("GTX 580", "V100 SXM", "A100 SXM", "GB200 NVL72")],
    "hardware_generations.node_sizes": lambda _: ["B200 HGX", (8, 72, 576)],
    "hardware_generations.halved_and_doubled": lambda _: [("H100 SXM", "GB200 NVL72")],
    "measured_runs.expected_and_measured": lambda _: [measured(), expected(measured())],
    "simulator.all_splits": lambda _: [[28.8, 29.0, 31.2, 60.0, 340.0], [1, 1, 1, 0, 0], 31.2],
    "simulator.one_cluster": lambda _: [best_splits(low=20, high=20)[2**20]],
    "sweeps.ends": lambda _: [swept("V100 SXM", "A100 SXM", "H100 SXM")],
    "sweeps.gpus_needed": lambda _: [swept("V100 SXM", "A100 SXM", "H100 SXM")],
    "sweeps.mix": lambda _: [swept("H100 SXM", sparse=True)["H100 SXM"]],
    "sweeps.one_sweep": lambda _: ["utilization", swept("H100 SXM")],
    "sweeps.time_shares": lambda _: [swept("H100 SXM")["H100 SXM"]],
    "sweeps.utilization": lambda _: [swept("V100 SXM", "A100 SXM", "H100 SXM")],
    "uncertainty.densities": lambda _: [draws()[1]],
    "uncertainty.tornados": lambda _: [draws()[0]],
    "uncertainty.years": lambda _: [draws()[1]],
    "ways_around.durations": lambda _: [scenario_table()],
    "ways_around.ends": lambda _: [scenario_table()],
    "ways_around.ranking": lambda _: [scenario_table()],
    "ways_around.shallow_and_wide": lambda _: [scenario_table()],
}


def figures():
    """Every function of a chapter that draws a still figure, and every explorer."""
    for info in pkgutil.iter_modules(dmcore.chapters.__path__, "dmcore.chapters."):
        module = import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and function.__annotations__.get("return") == "SvgFigure":
                yield f"{info.name.rsplit('.', 1)[1]}.{name}", module, function
    for name, explorer in explorers().items():
        yield f"explorer.{name}", explorer, plots.draw_explorer


def faults(figure):
    """What is wrong with the texts of a finished figure: overlaps, lines across, out of the picture."""
    unseen = {text for axes in figure.axes for text in beyond(axes)}
    texts = [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in unseen
    ]
    boxes = {text: Text.get_window_extent(text) for text in texts}
    page = figure.bbox
    for text, box in boxes.items():
        if (
            box.x0 < page.x0 - 1
            or box.x1 > page.x1 + 1
            or box.y0 < page.y0 - 1
            or box.y1 > page.y1 + 1
        ):
            yield f"{text.get_text()!r} leaves the figure"
    # A slanted text is less than its box.
    level = {text: box for text, box in boxes.items() if text.get_rotation() % 90 == 0}
    for (one, here), (other, there) in combinations(level.items(), 2):
        wide = min(here.x1, there.x1) - max(here.x0, there.x0)
        tall = min(here.y1, there.y1) - max(here.y0, there.y0)
        if min(wide, tall) > 1:
            yield f"{one.get_text()!r} lies on {other.get_text()!r}"
    for text in texts:
        if not isinstance(text, Annotation) or text.arrow_patch is None:
            continue  # a tick or a title, or part of a drawing
        for axes in figure.axes:
            for line in axes.get_lines():
                path = line.get_transform().transform_path(line.get_path())
                marks_only = line.get_linestyle() == "None"
                box = boxes[text].padded(-1)
                if path.intersects_bbox(box, filled=False) and not marks_only:
                    yield f"{text.get_text()!r} lies on a line"
                if line.get_marker() != "None" and any(box.contains(*at) for at in path.vertices):
                    yield f"{text.get_text()!r} lies on a mark"


def beyond(axes):
    """Texts of the ticks that lie beyond the range of their axis, which are not drawn."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low - 1e-9 * abs(low) <= tick.get_loc() <= high + 1e-9 * abs(high):
                yield from (tick.label1, tick.label2)


@pytest.fixture
def finished(monkeypatch):
    """Collects matplotlib's figures as they are finished."""
    found = []
    finish = plots._finish

    def keep(figure, alt):
        found.append(figure)
        return finish(figure, alt)

    monkeypatch.setattr(plots, "_finish", keep)
    return found


@pytest.mark.parametrize(
    ("name", "module", "function"), [pytest.param(*each, id=each[0]) for each in figures()]
)
def test_labels_lie_neither_on_each_other_nor_on_lines(name, module, function, finished):
    given = [module] if name.startswith("explorer.") else ARGUMENTS.get(name, lambda _: [])(module)
    if isinstance(given, dict):
        function(**given)
    else:
        function(*given)
    (figure,) = finished
    assert not list(faults(figure))


def test_a_label_that_lies_on_something_is_found(finished):
    with plots.canvas("A test.") as (axes, finish):
        axes.plot([0, 1], [0, 1])
        leader = {"arrowstyle": "-"}
        for x, y in ((0.5, 0.5), (0.52, 0.5), (1.2, 0.1)):
            axes.annotate("label", (x, y), (x, y), arrowprops=leader).set_in_layout(False)
        finish()
    found = "\n".join(faults(finished[0]))
    assert "lies on 'label'" in found
    assert "lies on a line" in found
    assert "leaves the figure" in found


def test_labels_find_room_among_many_lines_and_points(finished):
    with plots.canvas("A test.") as (axes, finish):
        for number in range(5):
            ys = [number / 5, number / 5 + 0.1]
            axes.plot([0, 1], ys)
            label_line(axes, [0, 1], ys, f"line {number}", COLORS[number])
        for number in range(6):
            axes.plot([0.5], [0.05 + 0.1 * number], "o")
            label_point(axes, 0.5, 0.05 + 0.1 * number, f"point {number}", COLORS[0])
        label_area(axes, [0, 1], 0.95, 0.951, "no room for this", COLORS[0])
        finish()
    assert not list(faults(finished[0]))
    shown = [text.get_text() for text in finished[0].findobj(Annotation) if text.get_visible()]
    assert "no room for this" not in shown
    assert len(shown) == 11
