"""What the published page gets of a live figure: a still one, and data without loss."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import sympy as sp
from chapter_explorers import explorers

from dmcore.show.explorer import Axis, Band, Curve, Explorer, Mark, Menu, Readout, Slider
from dmcore.show.grid import Choice, Column, GridFigure, Mix, Runs
from dmcore.show.page import LiveFigure
from dmcore.show.widgets import explore

x, k, n, s = sp.symbols("x k n s", positive=True)


def small(**changes):
    given = {
        "name": "small",
        "title": "A </script> & <b>title",
        "alt": "A line & a band",
        "x_symbol": "x",
        "x": Axis("place", 1, 100, "m", log=True),
        "y": Axis("height", 0, 10, "km", 1000),
        "curves": (Curve(k * x, "line", fixed={"k": float("inf")}), Curve(s * x + k, "other")),
        "controls": (
            Menu("Kind", {"a": {"s": 1.0, "k": float("inf")}, "b": {"s": 2.0, "k": 1.0}}, "a"),
            Slider("s", "slope", 1, 3, 1, log=True),
        ),
        "bands": (Band("far", above=2 * s, vertical=True),),
        "marks": (Mark(2, 3, "here"),),
        "readouts": (Readout("slope", s / 2, "m", 0.5),),
    }
    return Explorer(**{**given, **changes})


def special():
    """What the book's explorers have too little of: few points, all kinds of bands, slopes and numbers."""
    return small(
        name="special",
        x=Axis("place", 2, 100, "m", log=True),
        y=Axis("height", 0, 10_000, "km", 1000),
        curves=(
            Curve(k * x + n, "of its own", fixed={"k": 250.0}),
            Curve(s * (x - 60) ** 2 + 1000, "curved", dashed=True),
            Curve(sp.Piecewise((7000, x < 20), (sp.oo, True)), "ends", color="#58666e"),
        ),
        controls=(
            Menu("Kind", {"a": {"s": 1.0, "k": 40.0}, "b": {"s": 2.0, "k": 90.0}}, "a"),
            Slider("s", "slope", 1, 3, 1, log=True),
            Slider("n", "count", 0, 9000, 100, "hundreds", 100, whole=True),
        ),
        bands=(
            Band("low", below=20 * x + 900),
            Band("high", above=9500 - 4 * x),
            Band("between", above=20 * x + 4000, below=5 * x + 7000),
            Band("left", below=6 * s, vertical=True),
            Band("far", above=20 * s, below=30 * s, vertical=True),
        ),
        marks=(Mark(3, 3000, "here"), Mark(3, 30000, "nowhere")),
        readouts=(
            Readout("slope", s / 3, "m", 0.5),
            Readout("count", n),
            Readout("many", 12345 * n, "FLOP"),
            Readout("more", 1e30 * s),
            Readout("none", sp.oo * s),
        ),
        points=9,
    )


def data(html):
    (found,) = re.findall(r'<script type="application/json">(.*?)</script>', html)
    return json.loads(found)


def test_page_has_still_and_data():
    html = LiveFigure(small())._repr_html_()
    assert html.startswith('<figure class="dm-live" id="fig-small"')
    assert html.index("<svg") < html.index("<script")
    found = data(html)
    assert found["title"] == "A </script> & <b>title"
    assert found["curves"][0]["fixed"] == {"k": "Infinity"}
    assert found["controls"][0]["options"]["a"] == {"s": 1.0, "k": "Infinity"}
    assert found["bands"] == [
        {"label": "far", "vertical": True, "above": {"symbols": ["s"], "js": "2*s"}}
    ]
    assert found["readouts"][0] == {
        "label": "slope",
        "unit": "m",
        "per": 0.5,
        "symbols": ["s"],
        "js": "(1/2)*s",
    }


def test_expression_without_javascript_is_refused():
    figure = LiveFigure(small(curves=(Curve(sp.erf(x), "line"),)))
    with pytest.raises(ValueError, match="JavaScript form"):
        figure.spec()


def test_explorers_of_the_book():
    found = explorers()
    assert {"nanobatch", "blocks", "run-time", "limits"} <= set(found)
    for name, explorer in found.items():
        assert explorer.name == name
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)  # part of an address and of ids
        controls = [re.sub("[^a-z0-9]+", "-", menu.label.lower()) for menu in explorer.menus]
        controls += [slider.symbol for slider in explorer.sliders]
        assert len(controls) == len(set(controls))
        assert json.dumps(LiveFigure(explorer).spec(), allow_nan=False)


def test_explore_in_page_and_kernel(monkeypatch):
    monkeypatch.setenv("DMCORE_PAGE", "1")
    assert isinstance(explore(small()), LiveFigure)
    assert explore(grid()) is not None
    assert 'class="dm-live"' in explore(grid())._repr_html_()
    monkeypatch.setenv("DMCORE_PAGE", "0")
    kernel = small(controls=(Slider("s", "slope", 1, 3, 1),), constants={"k": 1.0})
    assert type(explore(kernel)).__name__ == "VBox"
    panel = explore(grid())
    picker, view = panel.children[0], panel.children[-1]
    before = view.value
    picker.value = "B"
    assert view.value != before


def grid(**changes):
    def runs(first, count):
        flop = [first * 10.0**step for step in range(count)]
        return Runs(
            {
                "flop": flop,
                "share": [0.7 / (1 + step) for step in range(count)],
                "data": [2**step for step in range(count)],
                "tensor": [2] * count,
                "binds": ["memory" if step < 2 else 'the "network", slow' for step in range(count)],
            },
            {"end": None if count < 3 else flop[1] / 3},
            "The next takes too long.",
        )

    given = {
        "name": "grid",
        "title": "Runs",
        "alt": "Shares fall",
        "choices": (
            Choice("GPU", ("A", "B", "C"), "A"),
            Choice("Model kind", ("dense", "sparse"), "dense"),
        ),
        "columns": (
            Column("flop", "training compute", "FLOP"),
            Column("share", "utilization", "%", 0.01),
            Column("data", "data parallel"),
            Column("tensor", "tensor parallel"),
            Column("binds", "what binds"),
        ),
        "x": Axis("training compute", 1e23, 1e30, "FLOP", log=True),
        "y": Axis("utilization", 0, 0.8, "%", 0.01),
        "x_column": "flop",
        "y_column": "share",
        "runs": {
            (gpu, kind): runs(1e24 / 3 * (1 + index), 0 if (gpu, kind) == ("C", "sparse") else 5)
            for index, gpu in enumerate("ABC")
            for kind in ("dense", "sparse")
        },
        "start": 2e25,
        "end_label": "Largest feasible run",
        "facts": (Column("end", "linear scaling ends", "FLOP"),),
        "lines": "GPU",
        "mix": Mix("degrees", "Degrees grow", ("data", "tensor"), multiply=True),
    }
    return GridFigure(**{**given, **changes})


def test_grid_in_the_page():
    figure = grid()
    found = data(figure._repr_html_())
    assert len(found["series"]) == 6
    assert found["series"][0]["columns"][2] == [1, 2, 4, 8, 16]
    texts = found["series"][0]["columns"][4]
    assert [texts["texts"][place] for place in texts["places"]] == list(
        figure.runs["A", "dense"].columns["binds"]
    )
    np.testing.assert_allclose(
        found["series"][0]["columns"][0], figure.runs["A", "dense"].columns["flop"], rtol=1e-11
    )
    assert found["series"][-1]["columns"][0] == []


def test_grid_nearest():
    figure = grid()
    assert figure.nearest(("A", "dense"), 2e25)["data"] == 4
    with pytest.raises(ValueError, match="choice must be one of"):
        figure.nearest(("D", "dense"), 2e25)
    with pytest.raises(ValueError, match="choice must have runs"):
        figure.nearest(("C", "sparse"), 2e25)


def test_grid_still():
    figure = grid()
    assert "Largest feasible run" in figure.still().alt
    assert "Shown: C, sparse" in figure.still(("C", "sparse")).alt
    assert grid(mix=None, lines="").still().svg.startswith("<svg")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_column": "time"}, "column must be one of"),
        ({"lines": "Time"}, "lines must be one of"),
        ({"start": 1.0}, "start must lie on the x axis"),
        ({"runs": {}}, "runs must hold every combination"),
        ({"facts": (Column("none", "none"),)}, "must have none"),
    ],
)
def test_grid_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        grid(**changes)


def test_runs_and_choices_refuse():
    with pytest.raises(ValueError, match="columns must be of one length"):
        Runs({"a": [1.0], "b": []})
    with pytest.raises(ValueError, match="default must be one of"):
        Choice("GPU", ("A",), "B")
