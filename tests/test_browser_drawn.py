"""Live figures as a reader sees them: pixels, colours, names and visible texts are those of dmcore's values.

One page holds every explorer, a grid and a cluster. It is read whole in a few states, each by a link.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from chapter_explorers import explorers
from pictures import (
    READ,
    Picture,
    Range,
    check_explorer,
    check_grid_lines,
    check_stack,
    heard,
    heights_of,
    plain,
    says,
    shown_runs,
    stack_range,
    value_of,
)
from test_browser_live import DRAWN, opened, page_of
from test_live import grid, special

from dmcore.algebra.numbers import readable
from dmcore.chapters.your_cluster import cluster
from dmcore.show.explorer import Axis, Explorer, Menu, Slider
from dmcore.show.page import LiveFigure, page_html
from dmcore.show.plots import SvgFigure
from dmcore.show.settings import use_of

pytestmark = [pytest.mark.site, pytest.mark.browser]


EXPLORERS = {**explorers(), "special": special()}
GRID, CLUSTER = grid(), cluster()
GPUS = {"start": int(CLUSTER.own.default), "moved": 640}
ROUNDED = 5.1e-4  # four digits
POWER = re.compile("(?:[0-9.]+ × )?10[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
RUNS_AT = {
    "grid": 2.5e25,
    "your-cluster": 3e27,
}  # where the runs nearest by ratio are not so by difference


@dataclass(frozen=True)
class State:
    """Settings of every figure, as links have them and as dmcore does."""

    link: str
    explorers: dict[str, dict[str, float]]
    grid: tuple[tuple[str, str], float]
    cluster: tuple[dict[str, float], float]


def key(label: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in label.lower())


def moved(explorer: Explorer) -> tuple[dict[str, Any], dict[str, float]]:
    """Other settings of an explorer: those of a link, and the values that follow."""
    link, values = {}, explorer.defaults()
    for menu in explorer.menus:
        chosen = [option for option in menu.options if option != menu.default][-1]
        link[key(menu.label)] = chosen
        values.update(menu.options[chosen])
    for index, slider in enumerate(explorer.sliders):
        share = 0.4 + 0.2 * (index % 2)
        ratio = slider.high / slider.low if slider.log else 1
        value = slider.low * ratio**share
        if not slider.log:
            value = slider.low + share * (slider.high - slider.low)
        told = float(f"{value / slider.per_unit:.4g}")
        link[slider.symbol] = told
        values[slider.symbol] = (round(told) if slider.whole else told) * slider.per_unit
    return link, values


def states() -> dict[str, State]:
    start = State(
        "",
        {name: explorer.defaults() for name, explorer in EXPLORERS.items()},
        (("A", "dense"), GRID.start),
        (CLUSTER.defaults(), CLUSTER.start.start),
    )
    found = {name: moved(explorer) for name, explorer in EXPLORERS.items()}
    (depth,) = (
        each for each in CLUSTER.controls if isinstance(each, Menu) and each.label == "Depth"
    )
    settings = {
        "zero_bubble_latency": 1.0,
        "depth": 1.0,
        "ell_beyond": 8e-5,
        "months": 1.0,
        "node_size": 4.0,
    }
    links = {
        **{name: link for name, (link, _) in found.items()},
        "grid": {"gpu": "B", "model-kind": "sparse", "x": RUNS_AT["grid"]},
        "your-cluster": {
            "latency-without-a-bubble": "counted",
            "depth": list(depth.options)[1],
            "ell_beyond": 80,
            "months": 1,
            "node_size": 4,
            "gpus": 640.3,  # rounds
            "x": RUNS_AT["your-cluster"],
        },
    }
    other = State(
        ";".join(f"{name}?{urlencode(link)}" for name, link in links.items()),
        {name: values for name, (_, values) in found.items()},
        (("B", "sparse"), RUNS_AT["grid"]),
        ({**CLUSTER.defaults(), **settings}, RUNS_AT["your-cluster"]),
    )
    return {"start": start, "moved": other}


STATES = states()


@pytest.fixture(scope="module")
def page(browser, site, tmp_path_factory):
    """The page of all figures, at the start."""
    path = tmp_path_factory.mktemp("drawn") / "figures.html"
    figures = {name: LiveFigure(explorer) for name, explorer in EXPLORERS.items()}
    figures |= {GRID.name: GRID, CLUSTER.start.name: CLUSTER}
    still = SvgFigure("<svg></svg>", "")
    texts = [page_html(name, figure.spec(), still) for name, figure in figures.items()]
    with opened(browser, page_of(site, path, *texts)) as page:
        page.wait_for_function(
            """() => {
              const drawn = [...document.querySelectorAll("svg.dm-drawing")];
              return drawn.length && drawn.every((each) => each.getAttribute("aria-label"));
            }"""
        )
        yield page


def read(page, *names: str) -> dict[str, Any]:
    """What figures show: all of them, or those of some names."""
    page.evaluate(DRAWN)
    return page.evaluate(READ, names or [*EXPLORERS, GRID.name, CLUSTER.start.name])


def follow(page, link: str) -> None:
    """Follow a link on the page, until all that it asks for is simulated."""
    page.evaluate("link => { location.hash = link; }", link)
    page.evaluate(DRAWN)
    page.wait_for_function(
        """() => {
          const figure = document.getElementById("fig-your-cluster");
          const busy = figure.querySelector("[aria-busy]").getAttribute("aria-busy") === "true";
          return !busy && !figure.querySelector(".dm-own").textContent;
        }"""
    )


@pytest.fixture(scope="module")
def seen(page):
    """What the page shows in each state."""
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = {"start": read(page)}
    follow(page, STATES["moved"].link)
    return {**found, "moved": read(page)}


def texts(readouts, labels, values, units):
    """Hold visible numbers, their names and units against dmcore's."""
    assert [label for label, _, _ in readouts] == [each[:1].upper() + each[1:] for each in labels]
    assert [unit for _, _, unit in readouts] == list(units)
    for (label, text, _), value in zip(readouts, values, strict=True):
        assert says(text, value, least=1e-12), (label, text, value)


def check_field(found, slider, value):
    """What stands beside a slider, and is spoken, is the value of its symbol, and so is the thumb's place."""
    wanted, ends = (
        value / slider.per_unit,
        (slider.low / slider.per_unit, slider.high / slider.per_unit),
    )
    assert found["unit"] == slider.unit
    whole = getattr(slider, "whole", False)
    assert value_of(found["text"]) == pytest.approx(wanted, rel=0 if whole else ROUNDED), slider
    assert plain(found["spoken"]) == heard(f"{found['text']} {slider.unit}".strip())
    told = np.log if slider.log else float
    low, high = map(told, ends)
    share = min((told(wanted) - low) / (high - low), 1)  # what a GPU has may be infinite
    assert found["thumb"] == pytest.approx(share, abs=1 / found["steps"]), slider


def check_menus(found, controls, values):
    """The options that are chosen, and whether a slider has left what one sets."""
    menus = [control for control in controls if isinstance(control, Menu)]
    movable = {control.symbol for control in controls if isinstance(control, Slider)}
    assert len(found) == len(menus)
    for text, menu in zip(found, menus, strict=True):
        option = text.removesuffix(", changed")
        left = {name for name, value in menu.options[option].items() if values[name] != value}
        assert bool(left) == text.endswith(", changed"), (text, left)
        assert left <= movable, (text, left)


# ----------------------------------------------------------------------------------- expressions


def explorer_picture(found, explorer):
    (drawn,) = found["pictures"]
    assert drawn["titles"] == [explorer.x.title, explorer.y.title]
    return Picture(drawn, Range.of(explorer.x), Range.of(explorer.y))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_draws_what_dmcore_computes(seen, name, state):
    explorer, values, found = EXPLORERS[name], STATES[state].explorers[name], seen[state][name]
    check_explorer(explorer_picture(found, explorer), explorer, values, all_seen=state == "start")
    xs = explorer.x_values() / explorer.x.per_unit
    heights = heights_of(explorer, values)
    texts(
        found["readouts"],
        [readout.label for readout in explorer.readouts],
        [explorer.read(readout, values) for readout in explorer.readouts],
        [readout.unit for readout in explorer.readouts],
    )
    for slider in explorer.sliders:
        check_field(found["fields"][slider.symbol], slider, values[slider.symbol])
    check_menus(found["menus"], explorer.controls, values)
    head, *rows = found["table"]
    assert head[0] == explorer.x.title
    assert len(rows) == len(xs[::10])
    for row, at in zip(rows, range(0, len(xs), 10), strict=True):
        assert says(row[0], xs[at], 3)
        for text, ys in zip(row[1:], heights, strict=True):
            assert says(text, ys[at], 4, 1e-12 * explorer.y.high / explorer.y.per_unit)


# ------------------------------------------------------------------------------------------ runs


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_picture_says_in_words_what_it_shows(seen, name):
    """The title for who cannot see it, and each number by it."""
    found, told = seen["start"][name], [EXPLORERS[name].alt.rstrip(".")]
    for (_, text, unit), readout in zip(found["readouts"], EXPLORERS[name].readouts, strict=True):
        told.append(f"{readout.label}: {text} {unit}".strip())
    assert plain(found["pictures"][0]["words"]) == heard(". ".join(told))


def check_rule(picture, figure, runs, row):
    """The rule stands at a run."""
    at = runs.numbers(figure.x_column)[row] / figure.x.per_unit
    assert picture.drawn["rule"]["at"] == pytest.approx(float(picture.x(at)), abs=1)


def row_of(figure, runs, at):
    """The run nearest to a place along x, by ratio."""
    return int(np.argmin(np.abs(np.log(runs.numbers(figure.x_column) / at))))


def in_unit(value, column):
    """A value of a column as it is shown."""
    return value / column.per_unit if isinstance(value, int | float) else value


def story(flop, row, at):
    """The numbers of the words that say which run is shown: what is asked for, its neighbours, the run."""
    if np.isclose(flop[row], at):
        return [at]
    if flop[0] < at < flop[-1]:
        return [at, flop[flop < at][-1], flop[flop > at][0], flop[row]]
    return [at, flop[row]]


def check_runs(figure, found, runs, at, color, axis=None):
    """What is told of one run and of all of them: numbers, words, points, table and stack.

    ``axis`` is what the pictures go up to, if not to all that can be asked for.
    """
    x = Range.of(axis or figure.x)
    row = row_of(figure, runs, at)
    flop, heights = shown_runs(figure, runs)
    told = [column for column in figure.columns if column.shown]
    columns = [*figure.facts, *told]
    values = [runs.facts[fact.name] for fact in figure.facts]
    values += [runs.columns[column.name][row] for column in told]
    texts(
        found["readouts"][: 1 + len(columns)],
        [figure.end_label, *(column.label for column in columns)],
        [float(flop.max()), *map(in_unit, values, columns)],
        [figure.x.unit, *(column.unit for column in columns)],
    )
    check_field(found["fields"]["x"], figure.x, at)
    said = [value_of(each) for each in POWER.findall(plain(found["nearest"]))]
    assert said == pytest.approx(story(flop, row, at / figure.x.per_unit), rel=ROUNDED)

    picture = Picture(found["pictures"][0], x, Range.of(figure.y))
    picture.check_points(picture.drawn["marks"], picture.points(flop, heights), color)
    at_run = picture.points(flop[[row]], heights[[row]])
    picture.check_points(picture.drawn["rule"]["points"], at_run, color)
    check_rule(picture, figure, runs, row)
    stack = Picture(found["pictures"][1], x, stack_range(figure))
    assert stack.drawn["titles"] == [figure.x.title, figure.mix.title]
    check_stack(stack, figure, runs)
    check_rule(stack, figure, runs, row)

    head, *rows = found["table"]
    assert head == [Axis(each.label, 0, 1, each.unit).title for each in figure.columns]
    assert len(rows) == len(runs)
    for index, texts_of_run in enumerate(rows):
        for text, column in zip(texts_of_run, figure.columns, strict=True):
            assert says(text, in_unit(runs.columns[column.name][index], column)), (column, text)
    return picture


def check_grid(found, choice, at):
    """A line for each option of one menu, the chosen one in full; what is told is of the chosen one."""
    color = GRID.choices[0].options.index(choice[0])
    picture = check_runs(GRID, found, GRID.runs[choice], at, color)
    assert found["menus"] == list(choice)
    check_grid_lines(picture, GRID, choice)
    return picture


@pytest.mark.parametrize("state", STATES)
def test_a_grid_draws_its_runs(seen, state):
    check_grid(seen[state]["grid"], *STATES[state].grid)


@pytest.mark.parametrize("state", STATES)
def test_a_cluster_draws_the_runs_that_dmcore_simulates(seen, state):
    settings, at = STATES[state].cluster
    found, figure = seen[state]["your-cluster"], CLUSTER.start
    runs, first = CLUSTER.runs(settings), CLUSTER.runs(CLUSTER.defaults())
    drawn = [runs] if state == "start" else [runs, first]
    last = max(flop for each in drawn for flop in each.columns["training_flop"])
    axis = replace(figure.x, high=10.0 ** math.ceil(math.log10(last)))
    picture = check_runs(figure, found, runs, at, 0, axis)
    lines = [(runs, "H100 SXM", 0, False)]
    if state != "start":
        lines = [(first, "at the start", 1, True), (runs, "H100 SXM, changed", 0, False)]
    assert len(picture.drawn["lines"]) == len(lines)
    for index, (of, *looks) in enumerate(lines):
        assert picture.check_line(index, *shown_runs(figure, of), *looks) == len(of)
    sliders = [control for control in CLUSTER.controls if isinstance(control, Slider)]
    for slider in sliders:
        check_field(found["fields"][slider.symbol], slider, settings[slider.symbol])
    *menus, asked = found["menus"]
    check_menus(menus, CLUSTER.controls, settings)
    assert asked == "the largest run that ends in time"
    check_field(found["fields"]["flop"], CLUSTER.own_compute, CLUSTER.own_compute.default)
    gpus = GPUS[state]
    check_field(found["fields"]["gpus"], CLUSTER.own, gpus)
    summary = use_of(settings, gpus).summary()
    told = summary | summary["split"]
    columns = CLUSTER.own_columns
    texts(
        found["readouts"][-len(columns) :],
        [column.label for column in columns],
        [in_unit(told[column.name], column) for column in columns],
        [column.unit for column in columns],
    )


def test_each_switch_of_the_cluster_changes_its_runs():
    """What the pictures of the cluster can tell: without a switch its runs would be others."""
    settings, _ = STATES["moved"].cluster
    shares = CLUSTER.runs(settings).columns["utilization"]
    for name in ("zero_bubble_latency", "depth"):
        other = CLUSTER.runs({**settings, name: CLUSTER.defaults()[name]})
        assert other.columns["utilization"] != shares


# --------------------------------------------------------------------------- pointer and address


def under(page, name, place):
    """Where in the window a place of the first picture of a figure is, which is brought in sight."""
    page.locator(f"#fig-{name} svg.dm-drawing").first.scroll_into_view_if_needed()
    left, top = read(page, name)[name]["pictures"][0]["origin"]
    return left + place[0], top + place[1]


def test_the_pointer_reads_off_the_lines(page, seen):
    explorer, values = EXPLORERS["special"], STATES["moved"].explorers["special"]
    picture = explorer_picture(seen["moved"]["special"], explorer)
    xs = explorer.x_values()
    for at, beside in ((3, 9), (7, -9)):
        place = float(picture.x(xs[at])) + beside, picture.top + 40
        page.mouse.move(*under(page, "special", place))
        found = read(page, "special")["special"]
        heights = [float(ys[at]) for ys in heights_of(explorer, values)]
        told = [
            f"{curve.label} {readable(height)} km"
            for curve, height in zip(explorer.curves, heights, strict=True)
            if np.isfinite(height)
        ]
        assert plain(found["reading"]) == plain(f"At {readable(xs[at])} m: {', '.join(told)}")
        rule = found["pictures"][0]["rule"]
        assert rule["at"] == pytest.approx(float(picture.x(xs[at])), abs=1)
        shown_points = [point["at"] for point in rule["points"]]
        wanted = picture.points([xs[at]] * len(heights), heights)
        wanted = wanted[np.isfinite(wanted).all(axis=1) & picture.seen(wanted)]
        np.testing.assert_allclose(shown_points, wanted, atol=1)
    page.mouse.move(0, 0)
    found = read(page, "special")["special"]
    assert found["reading"] == ""
    assert found["pictures"][0]["rule"] is None


def test_the_pointer_reads_off_a_run_and_a_click_picks_it(page):
    follow(page, "grid?gpu=B&x=1e40")
    beyond = GRID.x.high
    picture = check_grid(read(page, "grid")["grid"], ("B", "dense"), beyond)
    runs = GRID.runs["B", "dense"]
    place = float(picture.x(2.5e25)), picture.bottom - 30
    at = under(page, "grid", place)
    page.mouse.move(*at)
    run = GRID.nearest(("B", "dense"), 2.5e25)
    assert run["flop"] == runs.columns["flop"][2]
    told = []
    for column in GRID.columns[:4]:
        told.append(
            f"{column.label} {readable(in_unit(run[column.name], column))} {column.unit}".strip()
        )
    assert plain(read(page, "grid")["grid"]["reading"]) == plain(", ".join(told))
    page.mouse.click(*at)
    check_grid(read(page, "grid")["grid"], ("B", "dense"), run["flop"])
