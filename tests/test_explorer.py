"""Interactive figures as data: what they refuse, and that a kernel's widgets follow the controls."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import ipywidgets as ipw
import numpy as np
import pytest
import sympy as sp

from dmcore.algebra.symbols import SYMBOLS
from dmcore.chapters.common import SLIDERS, gpu_menu, gpu_values, sliders
from dmcore.chapters.memory_bandwidth import nanobatch_explorer, rooflines
from dmcore.show import widgets
from dmcore.show.explorer import Axis, Curve, Menu, Slider


def test_a_symbol_that_nothing_sets_is_refused_by_name():
    explorer = nanobatch_explorer()
    lost = Curve(explorer.curves[0].expr * sp.Symbol("q", positive=True), "lost")
    with pytest.raises(ValueError, match=r"nanobatch.*must set q"):
        replace(explorer, curves=(lost,))


def test_changes_must_name_a_symbol_of_the_figure():
    with pytest.raises(ValueError, match="changes must be one of"):
        nanobatch_explorer().with_values({"beta_net": 1e9})


@pytest.mark.parametrize(
    "bad",
    [
        dict(low=2, high=1, default=1.5),
        dict(low=1, high=2, default=3),
        dict(low=0, high=2, default=1, log=True),
        dict(low=1, high=2, default=1, per_unit=0),
    ],
)
def test_impossible_sliders_are_refused(bad):
    with pytest.raises(ValueError, match=r"default|low|per_unit"):
        Slider("n", "nanobatch", **bad)


def test_impossible_menus_and_axes_are_refused():
    with pytest.raises(ValueError, match="default"):
        Menu("GPU", {"one": {"F": 1.0}}, "two")
    with pytest.raises(ValueError, match="same symbols"):
        Menu("GPU", {"one": {"F": 1.0}, "two": {"G": 1.0}}, "one")
    with pytest.raises(ValueError, match="low"):
        Axis("x", 0, 10, log=True)
    with pytest.raises(ValueError, match="low"):
        Axis("x", 10, 1)


def test_shared_sliders_are_of_known_symbols_and_start_at_the_baseline_gpu():
    assert set(SLIDERS) <= set(SYMBOLS)
    for name, value in gpu_values("H100 SXM").items():
        assert name == "G" or SLIDERS[name].default == pytest.approx(value)
    with pytest.raises(ValueError, match="nonsense"):
        sliders("F nonsense")


def test_values_along_x_are_the_expressions_own():
    explorer = nanobatch_explorer()
    values = explorer.defaults()
    found = explorer.along_x(explorer.curves[0].expr, values)
    knee = explorer.read(explorer.readouts[0], values)
    assert found == pytest.approx(np.minimum(1, explorer.x_values() / knee))


def test_in_a_kernel_the_figure_follows_its_menu_and_its_sliders(monkeypatch):
    monkeypatch.delenv("DMCORE_PAGE", raising=False)
    panel = widgets.explore(nanobatch_explorer())
    menu, view = panel.children[0], panel.children[-1]
    assert "590.4" in view.value
    menu.value = "V100 SXM"
    assert "279.1" in view.value
    bandwidth = next(
        child for child in panel.children if child.description.startswith("Memory bandwidth")
    )
    assert bandwidth.value == pytest.approx(900, rel=0.01)
    bandwidth.value = 1800
    assert "139.5" in view.value


def test_in_a_kernel_any_drawing_function_can_have_controls(monkeypatch):
    monkeypatch.delenv("DMCORE_PAGE", raising=False)
    seen = []

    def draw(**given):
        seen.append(given)
        return rooflines()

    panel = widgets.interact(
        draw, (Slider("n", "nanobatch", 1, 8, 4, whole=True),), {"kind": ("dense", "sparse")}
    )
    panel.children[0].value = "sparse"
    panel.children[1].value = 7
    assert seen[0] == {"n": 4, "kind": "dense"}
    assert seen[-1] == {"n": 7, "kind": "sparse"}


def test_the_page_gets_a_still_figure_of_a_drawing_function(monkeypatch):
    monkeypatch.setenv("DMCORE_PAGE", "1")
    shown = widgets.interact(lambda **_: rooflines(), (Slider("n", "nanobatch", 1, 8, 4),))
    assert shown == rooflines()


def test_a_menu_of_gpus_sets_what_it_says():
    menu = gpu_menu("F beta_hbm")
    assert set(menu.options["A100 SXM"]) == {"F", "beta_hbm"}
    assert menu.options["A100 SXM"]["beta_hbm"] == 1555e9


def cells_with_controls():
    """Of every notebook the code of each cell that shows controls, and what was imported before it."""
    for path in sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb")):
        imported = []
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            body = ast.parse("".join(cell["source"])).body
            imported += [each for each in body if isinstance(each, ast.Import | ast.ImportFrom)]
            called = {getattr(each.func, "id", "") for each in calls(body)}
            if called & {"explore", "interact", "pick_a_sweep"}:
                yield pytest.param([*imported, *body], id=f"{path.stem}-{cell['id']}")


def calls(body):
    return [node for part in body for node in ast.walk(part) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("body", list(cells_with_controls()))
def test_in_a_kernel_every_cell_with_controls_shows_them(body, monkeypatch):
    """The build of the site, which runs these cells, makes figures without a kernel of them."""
    monkeypatch.delenv("DMCORE_PAGE", raising=False)
    names = {}
    *before, shown = body
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    panel = eval(compile(ast.Expression(shown.value), "cell", "eval"), names)
    assert isinstance(panel, ipw.VBox)
    assert panel.children[-1].value.strip()
