"""Still figures as a reader sees them: what is drawn is read back and held against dmcore's values."""

from __future__ import annotations

import re

import numpy as np
import pytest
from chapter_explorers import explorers
from matplotlib.colors import to_hex
from pictures import (
    INK,
    Picture,
    Range,
    check_explorer,
    check_grid_lines,
    check_stack,
    stack_range,
)
from test_live import grid, special

from dmcore.show import plots
from dmcore.show.colors import COLORS
from dmcore.show.plots import draw_explorer

EXPLORERS = {**explorers(), "special": special()}


@pytest.fixture
def panels(monkeypatch):
    """What a function that draws one figure drew: each of its panels as the page's script would tell it."""
    finished = []
    finish = plots._finish

    def keep(figure, alt):
        done = finish(figure, alt)
        finished.append(figure)
        return done

    monkeypatch.setattr(plots, "_finish", keep)

    def draw(function, *given):
        function(*given)
        (figure,) = finished
        return [drawn(axes) for axes in figure.axes]

    return draw


def color_index(color):
    found = to_hex(color)
    return COLORS.index(found) if found in COLORS else INK


def text_of(label):
    """A tick's text without the marks of a formula."""
    text = re.sub(r"\^\{(.*?)\}", lambda power: raised(power[1]), label.get_text())
    return re.sub(r"\$|\\mathdefault|[{}]", "", text)


def raised(text):
    return text.translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def drawn(axes):
    """A panel in the words of the page: places are in points from the upper left of the figure."""
    height = axes.figure.bbox.height

    def place(points):
        return np.asarray(points, dtype=float) * (1, -1) + (0, height)

    def pixels(line):
        found = line.get_transform().transform(line.get_xydata())
        return place(found[np.isfinite(found).all(axis=1)])

    def on_page(box):
        return [box.x0, height - box.y1, box.x1, height - box.y0]

    def looks(artist, color):
        alpha = artist.get_alpha()
        return {"color": color_index(color), "opacity": 1 if alpha is None else alpha}

    def ticks(axis, at):
        low, high = sorted(axis.get_view_interval())
        span = 1e-9 * (high - low)
        return [
            {
                "at": place([axes.transData.transform(at(tick.get_loc()))])[0],
                "text": text_of(tick.label1),
                "box": on_page(tick.label1.get_window_extent()),
            }
            for tick in axis.get_major_ticks()
            if low - span <= tick.get_loc() <= high + span
        ]

    frame = on_page(axes.bbox)
    left, top, right, bottom = frame
    across = left + (np.arange(24) + 0.5) / 24 * (right - left)
    up = top + (np.arange(16) + 0.5) / 16 * (bottom - top)
    probes = np.array([[x, y] for x in across for y in up])

    def band(artist):
        path = artist.get_path() if artist in axes.patches else artist.get_paths()[0]
        inside = path.transformed(artist.get_transform()).contains_points(place(probes))
        return {"inside": list(inside), **looks(artist, artist.get_facecolor())}

    x0, y0 = axes.get_xlim()[0], axes.get_ylim()[0]
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    dots = [line for line in axes.lines if line.get_marker() != "None"]
    dots = [dot for dot in dots if top <= pixels(dot)[0][1] <= bottom]  # others are cut off
    return {
        "axes": [
            {"domain": frame, "ticks": ticks(axes.xaxis, lambda value: (value, y0))},
            {"domain": frame, "ticks": ticks(axes.yaxis, lambda value: (x0, value))},
        ],
        "titles": [axes.get_xlabel(), axes.get_ylabel()],
        "clip": frame,
        "probes": probes.tolist(),
        "lines": [
            {
                "pieces": [pixels(line).tolist()],
                "dashed": line.get_linestyle() == "--",
                **looks(line, line.get_color()),
            }
            for line in lines
        ],
        "marks": [
            {
                "at": pixels(line)[0],
                **looks(line, line.get_color()),
            }
            for line in dots
        ],
        "bands": [
            band(each)
            for each in axes.get_children()  # in the order in which they were drawn
            if each in (*axes.patches, *axes.collections)
        ],
        # What a name points at stands for its box: a thin line may lead there.
        "labels": [
            {
                "text": each.get_text(),
                "box": [*place([each.xy])[0], *place([each.xy])[0]],
                **looks(each, each.get_color()),
            }
            for each in axes.texts
            if each.get_visible()
        ],
    }


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_still_explorer_draws_what_dmcore_computes(panels, name):
    explorer = EXPLORERS[name]
    (panel,) = panels(draw_explorer, explorer)
    assert panel["titles"] == [explorer.x.title, explorer.y.title]
    picture = Picture(panel, Range.of(explorer.x), Range.of(explorer.y))
    check_explorer(picture, explorer, explorer.defaults(), all_seen=True)


@pytest.mark.parametrize("choice", [("A", "dense"), ("B", "sparse")])
def test_a_still_grid_draws_its_runs(panels, choice):
    figure = grid()
    above, below = panels(figure.still, choice)
    assert above["titles"] == [figure.x.title, figure.y.title]
    assert below["titles"] == [figure.x.title, figure.mix.title]
    check_grid_lines(Picture(above, Range.of(figure.x), Range.of(figure.y)), figure, choice)
    check_stack(
        Picture(below, Range.of(figure.x), stack_range(figure)), figure, figure.runs[choice]
    )
