"""Live figures in a browser, opened as files: what they show is what dmcore computes."""

from __future__ import annotations

import csv
import json
import math
import re
from contextlib import contextmanager
from urllib.parse import quote

import numpy as np
import pytest
from chapter_explorers import explorers
from pictures import value_of
from test_live import grid, small

from dmcore import sweep
from dmcore.__main__ import main
from dmcore.chapters.your_cluster import cluster
from dmcore.models.laws import BATCH_LAWS
from dmcore.show.explorer import Menu
from dmcore.show.page import LiveFigure
from dmcore.show.saved import read_saved
from dmcore.show.settings import use_of
from dmcore.simulator.step import MONTH_S

pytestmark = [pytest.mark.site, pytest.mark.browser]

TOLERANCE = 1e-9
LOCAL = ("file:", "data:", "blob:", "about:")
FIGURES = explorers()
# Between them they have every kind of control. What each explorer shows is in test_browser_drawn.py.
MOVED = ("blocks", "pipeline-bubble")
# Two frames: one in which the script draws, and the next.
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@contextmanager
def opened(browser, address, width=1280, javascript=True):
    """A page, and the list of what goes wrong on it."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, offline=True, java_script_enabled=javascript
    )
    page = context.new_page()
    wrong = []
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: request.url.startswith(LOCAL) or wrong.append(f"outside: {request.url}"),
    )
    page.goto(address)
    yield page
    assert wrong == []
    context.close()


@pytest.fixture(scope="session")
def homes(paths):
    """The page that each explorer of the book stands on."""
    found = {}
    for path in paths:
        for name in re.findall(
            r'<figure class="dm-live" id="fig-([^"]*)"', path.read_text("utf-8")
        ):
            assert name not in found, f"{name} stands on two pages"
            found[name] = path
    assert found
    return found


def page_of(site, path, *figures):
    """Write figures, as HTML, to a page of their own, with the site's script and styles; its address."""
    styles = (site / "_static" / "live" / "live.css", site / "_static" / "book.css")
    path.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Figures</title>"
        + "".join(f'<link rel="stylesheet" href="{each.as_uri()}">' for each in styles)
        + f'<script defer src="{(site / "_static" / "live" / "live.js").as_uri()}"></script><main>'
        + "".join(figures)
        + "</main></html>",
        "utf-8",
    )
    return path.as_uri()


@pytest.fixture
def alone(site, tmp_path):
    """A function that writes figures to a page of their own; its address."""
    path = tmp_path / "alone.html"
    return lambda *figures: page_of(site, path, *(figure._repr_html_() for figure in figures))


class Shown:
    """One figure on a page, and what it says."""

    def __init__(self, page, explorer):
        self.page, self.explorer = page, explorer
        self.root = page.locator(f"figure#fig-{explorer.name}")
        self.root.locator(".dm-running svg").first.wait_for()

    def control(self, name):
        return self.page.locator(f"[id='fig-{self.explorer.name}--{name}']")

    def typed(self, name):
        return self.page.locator(f"[id='fig-{self.explorer.name}--{name}-number']")

    def key(self, menu):
        return re.sub("[^a-z0-9]+", "-", menu.label.lower())

    def numbers(self):
        self.page.evaluate(DRAWN)
        return [float(cell.get_attribute("value")) for cell in self.root.locator("data").all()]

    def settings(self):
        """The value of every symbol, as the controls tell it."""
        values = dict(self.explorer.constants)
        for menu in self.explorer.menus:
            values.update(menu.options[self.control(self.key(menu)).input_value()])
        for slider in self.explorer.sliders:
            place = self.control(slider.symbol).get_attribute("data-value")
            values[slider.symbol] = float(place) * slider.per_unit
        return values

    def check(self):
        """Hold every number against dmcore's; the settings are returned."""
        shown = self.numbers()
        values = self.settings()
        expected = [self.explorer.read(readout, values) for readout in self.explorer.readouts]
        assert shown == pytest.approx(expected, rel=TOLERANCE)
        return values


def test_every_explorer_has_a_page(homes):
    assert set(FIGURES) <= set(homes)


@pytest.mark.parametrize("name", MOVED)
def test_every_control(browser, homes, name):
    explorer = FIGURES[name]
    with opened(browser, homes[name].as_uri()) as page:
        figure = Shown(page, explorer)
        defaults = figure.check()
        assert defaults == pytest.approx(explorer.defaults(), rel=TOLERANCE)
        expected = [explorer.read(readout, explorer.defaults()) for readout in explorer.readouts]
        assert figure.numbers() == pytest.approx(expected, rel=TOLERANCE)
        for menu in explorer.menus:
            for option in menu.options:
                figure.control(figure.key(menu)).select_option(option)
                found = figure.check()
                for symbol, value in menu.options[option].items():
                    assert found[symbol] == pytest.approx(value, rel=TOLERANCE)
        for slider in explorer.sliders:
            box = figure.control(slider.symbol)
            box.scroll_into_view_if_needed()
            at = box.bounding_box()
            middle = at["y"] + at["height"] / 2
            page.mouse.move(at["x"] + at["width"] / 2, middle)
            page.mouse.down()
            page.mouse.move(at["x"] + 0.7 * at["width"], middle, steps=5)
            page.mouse.up()
            dragged = figure.check()[slider.symbol]
            assert slider.low < dragged < slider.high
            box.press("ArrowRight")
            assert figure.check()[slider.symbol] > dragged
            wanted = slider.low + 0.37 * (slider.high - slider.low)
            wanted = round(wanted) if slider.whole else wanted
            field = figure.typed(slider.symbol)
            field.fill(f"{wanted / slider.per_unit:.12e}")
            field.press("Enter")
            assert figure.check()[slider.symbol] == pytest.approx(wanted, rel=1e-11)
        figure.root.get_by_role("button", name="Reset").click()
        assert figure.check() == pytest.approx(explorer.defaults(), rel=TOLERANCE)


@pytest.mark.parametrize("name", MOVED)
def test_shared_link(browser, homes, name):
    explorer = FIGURES[name]
    home = homes[name].as_uri()
    with opened(browser, home) as page:
        figure = Shown(page, explorer)
        for control in explorer.controls:
            if isinstance(control, Menu):
                other = next(each for each in control.options if each != control.default)
                figure.control(figure.key(control)).select_option(other)
            else:
                figure.control(control.symbol).press("PageUp")
        settings, numbers = figure.settings(), figure.numbers()
        figure.root.get_by_role("button", name="Copy link").click()
        status = figure.root.locator(".dm-buttons .dm-status")
        page.wait_for_function("status => status.textContent", arg=status.element_handle())
        # The address follows when the reader's hand rests.
        page.wait_for_function(f"location.hash.split('&').length === {len(explorer.controls)}")
        link = page.evaluate("location.href")
    assert link.startswith(f"{home}#{name}?")
    with opened(browser, link) as page:
        figure = Shown(page, explorer)
        assert figure.numbers() == numbers
        assert figure.check() == pytest.approx(settings, rel=1e-12)
        top = figure.root.evaluate("figure => figure.getBoundingClientRect().top")
        assert -50 < top < 900


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e27", 1e27),
        ("3.2e12", 3.2e12),
        ("2.6 × 10²⁸", 2.6e28),
        ("10^27", 1e27),
        ("4*10^-3", 4e-3),
        ("12 288", 12288),
        ("12,288", 12288),
        ("0,5", 0.5),
        ("1/8", 0.125),
        ("40 m", 40),
        ("−3", "refused"),
        ("1e99", "refused"),
    ],
)
def test_forms_of_numbers(browser, alone, text, value):
    explorer = small()
    slider = explorer.sliders[0]
    wide = type(slider)("s", "slope", 1e-6, 1e30, 1, "m", log=True)
    explorer = small(controls=(explorer.menus[0], wide))
    with opened(browser, alone(LiveFigure(explorer))) as page:
        figure = Shown(page, explorer)
        figure.typed("s").fill(text)
        figure.typed("s").press("Enter")
        help_text = figure.root.locator(".dm-help").inner_text()
        found = figure.check()["s"]
        if value == "refused":
            assert "A number from" in help_text
            assert wide.low <= found <= wide.high
        else:
            assert help_text == ""
            assert found == pytest.approx(value, rel=1e-15)


def test_text_that_is_no_number(browser, alone):
    with opened(browser, alone(LiveFigure(small()))) as page:
        figure = Shown(page, small())
        figure.typed("s").fill("many")
        figure.typed("s").press("Enter")
        assert "A number from 1 to 3" in figure.root.locator(".dm-help").inner_text()
        assert figure.check()["s"] == 1


def test_settings_that_make_no_sense_in_a_link(browser, alone):
    address = alone(LiveFigure(small()))
    with opened(browser, f"{address}#small?kind=none&s=x&y=3") as page:
        assert Shown(page, small()).check()["s"] == 1
    with opened(browser, f"{address}#small?s=1e9;other?a=1") as page:
        assert Shown(page, small()).check()["s"] == 3
    # What every object of JavaScript has is no option of a menu.
    for option in ("constructor", "toString", "__proto__"):
        with opened(browser, f"{address}#small?kind={option}") as page:
            figure = Shown(page, small())
            assert figure.control("kind").input_value() == "a"
            assert "a, changed" not in figure.root.locator("option:checked").all_text_contents()


@pytest.mark.parametrize("mangled", ["fig-small%?C=5", "%E0%A4%A?s=2", "%", "small%?s=2"])
def test_mangled_link(browser, alone, mangled):
    """A part that cannot be read is passed over; the others still hold."""
    address = alone(LiveFigure(small()), LiveFigure(small(name="other")))
    with opened(browser, f"{address}#{mangled};other?s=2.5") as page:
        assert Shown(page, small()).check()["s"] == 1
        other = Shown(page, small(name="other"))
        assert other.check()["s"] == 2.5
        other.control("s").press("PageUp")
        page.wait_for_function("!location.hash.includes('other?s=2.5')")  # the address follows


def test_link_followed_on_the_same_page(browser, alone):
    with opened(browser, alone(LiveFigure(small()), LiveFigure(small(name="other")))) as page:
        first, second = Shown(page, small()), Shown(page, small(name="other"))
        page.evaluate("location.hash = 'other?s=2.5;small?kind=b'")
        assert second.check()["s"] == 2.5
        assert first.check()["s"] == 2


def test_words_and_table(browser, homes):
    name = "nanobatch"
    with opened(browser, homes[name].as_uri()) as page:
        figure = Shown(page, FIGURES[name])
        figure.control("beta_hbm").press("PageUp")
        words = FIGURES[name].readouts[0].label
        spoken = figure.root.locator("p.dm-hidden[role=status]")
        page.wait_for_function("spoken => spoken.textContent", arg=spoken.element_handle())
        assert words in spoken.inner_text()
        assert words in figure.root.locator("svg.dm-drawing").get_attribute("aria-label")
        figure.root.locator("summary").click()
        rows = figure.root.locator("table tbody tr")
        rows.nth(10).wait_for()
        assert float(rows.last.locator("td").last.inner_text()) == 100
        reader = figure.root.locator("input.dm-reader")
        reader.focus()
        reader.press("End")
        assert "10000 tokens" in reader.get_attribute("aria-valuetext")
        assert "100 %" in figure.root.locator(".dm-reading").inner_text()
        assert page.locator(f"figure#fig-{name} .dm-still").is_hidden()
        for box in figure.root.locator("input, select").all():
            assert box.evaluate("box => box.labels.length > 0 || box.ariaLabel")


def test_without_javascript(browser, homes):
    """The still figures, each with its words. One page stands for all, which have one style."""
    for name, path in homes.items():
        figure = path.read_text("utf-8").split(f'<figure class="dm-live" id="fig-{name}"')[1]
        still, rest = figure.split("</figure>")[0].split('<script type="application/json">')
        assert re.match('[^>]*><div class="dm-still"><svg[^>]* aria-label="[^"]+"', still)
        assert rest.endswith("</script>")
    name, path = next(iter(homes.items()))
    with opened(browser, path.as_uri(), javascript=False) as page:
        assert page.locator(f"figure#fig-{name} .dm-still svg").is_visible()
        assert page.locator(f"figure#fig-{name} input").count() == 0


def test_the_still_figure_stays_if_the_script_fails(browser, alone, tmp_path):
    address = alone(LiveFigure(small()))
    file = tmp_path / "alone.html"
    file.write_text(file.read_text("utf-8").replace('"js":"2*s"', '"js":"2*("'), "utf-8")
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(address)
    assert page.locator(".dm-still svg").is_visible()
    assert page.locator(".dm-running").count() == 0
    context.close()


def test_script_only_where_it_is_used(paths, homes):
    with_script = {path for path in paths if "live/live.js" in path.read_text("utf-8")}
    assert set(homes.values()) <= with_script
    for path in with_script:
        assert 'class="dm-live"' in path.read_text("utf-8")


def test_grid(browser, alone):
    figure = grid()
    with opened(browser, alone(figure), width=390) as page:
        root = page.locator("figure#fig-grid")

        def number(label):
            entry = root.locator("dl > div", has=page.get_by_text(label, exact=True))
            return entry.locator("data").first.get_attribute("value")

        page.evaluate(DRAWN)
        run = figure.nearest(("A", "dense"), figure.start)
        assert float(number("Utilization")) == pytest.approx(run["share"] / 0.01, rel=TOLERANCE)
        assert float(number("Largest feasible run")) == pytest.approx(1e28 / 3, rel=TOLERANCE)
        assert float(number("Linear scaling ends")) == pytest.approx(1e25 / 9, rel=TOLERANCE)
        assert "lies between two runs" in root.locator(".dm-nearest").inner_text()
        root.locator("select").nth(0).select_option("B")
        at = root.locator("[id='fig-grid--x-number']")
        at.fill("9e28")
        at.press("Enter")
        page.evaluate(DRAWN)
        said = root.locator(".dm-nearest").inner_text()
        assert "beyond the largest run" in said
        assert "The next takes too long." in said
        run = figure.nearest(("B", "dense"), 9e28)
        assert float(number("Utilization")) == pytest.approx(run["share"] / 0.01, rel=TOLERANCE)
        assert number("What binds") == run["binds"]
        with page.expect_download() as saved:
            root.get_by_role("button", name="Download CSV").click()
        with open(saved.value.path(), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        runs = figure.runs["B", "dense"]
        assert [row["binds"] for row in rows] == list(runs.columns["binds"])
        assert [float(row["flop"]) for row in rows] == pytest.approx(
            list(runs.columns["flop"]), rel=1e-11
        )
        assert {(row["gpu"], row["model-kind"]) for row in rows} == {("B", "dense")}
        page.wait_for_function(
            "link => location.hash === link", arg=f"#grid?gpu=B&x={quote('9e+28')}"
        )
        link = page.evaluate("location.href")
        root.locator("select").nth(0).select_option("C")
        root.locator("select").nth(1).select_option("sparse")
        page.evaluate(DRAWN)
        assert "No run of this kind" in root.locator(".dm-nearest").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    with opened(browser, link) as page:
        assert page.locator("[id='fig-grid--gpu']").input_value() == "B"


# --------------------------------------------------------------------- sweeps: picked and simulated


def shown_number(root, label):
    """A number by its name; the page keeps it in full."""
    entry = root.locator("dl > div").filter(has=root.page.get_by_text(label, exact=True))
    return entry.locator("data").first.get_attribute("value")


def simulated(page):
    """Wait until the figure of a cluster has simulated what its controls say."""
    page.evaluate(DRAWN)
    page.wait_for_selector(
        "figure#fig-your-cluster .dm-running [aria-busy=false]", state="attached"
    )
    page.evaluate(DRAWN)


def settings_of(page, figure):
    """Every symbol, as the controls tell it."""
    values = {}
    for control in figure.controls:
        if isinstance(control, Menu):
            key = re.sub("[^a-z0-9]+", "-", control.label.lower())
            chosen = page.locator(f"[id='fig-your-cluster--{key}']").input_value()
            values.update(control.options[chosen])
    for control in figure.controls:
        if not isinstance(control, Menu):
            box = page.locator(f"[id='fig-your-cluster--{control.symbol}']")
            values[control.symbol] = float(box.get_attribute("data-value")) * control.per_unit
    return values


def unfold(root, *groups):
    for group in groups:
        root.locator(".dm-group summary", has_text=group).click()


def check_cluster(page, figure, at=None):
    """Hold the numbers of the figure against dmcore's for the settings that it shows."""
    simulated(page)
    root = page.locator("figure#fig-your-cluster")
    settings = settings_of(page, figure)
    runs = figure.runs(settings)
    flop = runs.numbers("training_flop")
    at = at or figure.start.start
    row = int(np.argmin(np.abs(np.log(flop / at))))
    expected = {
        "Largest feasible run": flop.max(),
        "Linear scaling ends at": runs.facts["end"],
        "GPUs": runs.numbers("n_gpu")[row],
        "Utilization": runs.numbers("utilization")[row] / 0.01,
        "Length of the run": runs.numbers("months")[row],
    }
    for label, value in expected.items():
        if value is None:
            assert shown_number(root, label) == "none"
        else:
            assert float(shown_number(root, label)) == pytest.approx(value, rel=TOLERANCE), label
    assert shown_number(root, "Most of the step") == runs.columns["binding"][row]
    return settings, runs


def test_cluster(browser, homes, tmp_path):
    """Drag, type, choose, save, link and reset: the runs are always dmcore's."""
    figure = cluster()
    home = homes["your-cluster"].as_uri()
    with opened(browser, home) as page:
        root = page.locator("figure#fig-your-cluster")
        root.locator(".dm-running svg").first.wait_for()
        settings, _ = check_cluster(page, figure)
        assert settings == pytest.approx(figure.defaults(), rel=1e-12)
        unfold(root, "Change the GPU", "Change the network")
        box = page.locator("[id='fig-your-cluster--beta_beyond']")
        box.scroll_into_view_if_needed()
        place = box.bounding_box()
        middle = place["y"] + place["height"] / 2
        page.mouse.move(place["x"] + place["width"] / 3, middle)
        page.mouse.down()
        page.mouse.move(place["x"] + 0.6 * place["width"], middle, steps=12)
        page.mouse.up()
        settings, _ = check_cluster(page, figure)
        assert settings["beta_beyond"] != figure.defaults()["beta_beyond"]
        for symbol, text in (("F_peak", "4000"), ("node_size", "72"), ("ell_beyond", "0.5")):
            field = page.locator(f"[id='fig-your-cluster--{symbol}-number']")
            field.fill(text)
            field.press("Enter")
        at = page.locator("[id='fig-your-cluster--x-number']")
        at.fill("3e28")
        at.press("Enter")
        settings, runs = check_cluster(page, figure, 3e28)
        assert settings["node_size"] == 72
        assert "changed" in root.locator("option:checked").first.text_content()
        with page.expect_download() as saved:
            root.get_by_role("button", name="Download CSV").click()
        with open(saved.value.path(), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [float(row["n_gpu"]) for row in rows] == list(runs.columns["n_gpu"])
        assert [float(row["utilization"]) for row in rows] == pytest.approx(
            list(runs.columns["utilization"]), rel=TOLERANCE
        )
        assert {float(row["F_peak"]) for row in rows} == {4e15}
        with page.expect_download() as saved:
            root.get_by_role("button", name="Download JSON").click()
        again = read_saved(saved.value.path())
        assert again.settings == pytest.approx(settings, rel=1e-12)
        assert len(again.sweep) == len(rows)
        assert again.use is not None
        assert 0 <= again.largest_difference < TOLERANCE
        other = tmp_path / "other.json"
        text = saved.value.path().read_text(encoding="utf-8")
        other.write_text(re.sub(r'("n_gpu_used": \d+)', r"\g<1>0", text), "utf-8")
        assert read_saved(other).largest_difference > TOLERANCE
        page.wait_for_function("location.hash.includes('x=')")
        link = page.evaluate("location.href")
        root.get_by_role("button", name="Reset").click()
        settings, _ = check_cluster(page, figure)
        assert settings == pytest.approx(figure.defaults(), rel=1e-12)
    with opened(browser, link) as page:
        settings, again = check_cluster(page, figure, 3e28)
        assert settings["F_peak"] == pytest.approx(4e15)
        assert again.columns == runs.columns


def test_cluster_of_other_runs(browser, homes):
    """Menus, a sweep that has no runs, and the words for both."""
    figure = cluster()
    with opened(browser, homes["your-cluster"].as_uri(), width=390) as page:
        root = page.locator("figure#fig-your-cluster")
        for key, option in (
            ("gpu", "H100 SXM Infinite Network and LL"),
            ("model", "sparse"),
            ("batch-grows", "constant, 4.2 million tokens"),
        ):
            page.locator(f"[id='fig-your-cluster--{key}']").select_option(option)
        settings, _ = check_cluster(page, figure)
        assert math.isinf(settings["beta_beyond"])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.wait_for_function(
            "spoken => spoken.textContent.includes('Infinite Network')",
            arg=root.locator("p.dm-hidden[role=status]").element_handle(),
        )
        at = page.locator("[id='fig-your-cluster--x-number']")
        at.fill("1e36")
        at.press("Enter")
        page.evaluate(DRAWN)
        assert "is beyond the largest run" in root.locator(".dm-nearest").inner_text()
        root.get_by_role("button", name="Reset").click()
        page.locator("[id='fig-your-cluster--months-number']").fill("0.01")
        page.locator("[id='fig-your-cluster--months-number']").press("Enter")
        field = page.locator("[id='fig-your-cluster--ell_kernel-number']")
        unfold(root, "Change the GPU")
        field.fill("100")
        field.press("Enter")
        simulated(page)
        # No cluster is quick enough for even the first model of this one.
        assert len(figure.runs(settings_of(page, figure))) == 0
        assert shown_number(root, "Largest feasible run") == "none"
        assert "No run of this kind" in root.locator(".dm-nearest").inner_text()
        assert "latency of its matrix products" in root.locator(".dm-progress").inner_text()


def test_what_a_cluster_of_my_own_can_do(browser, homes):
    """The largest run of so many GPUs is dmcore's, with units typed as they are written on a port."""
    figure = cluster()
    with opened(browser, homes["your-cluster"].as_uri()) as page:
        root = page.locator("figure#fig-your-cluster")
        unfold(root, "Change the network")
        typed = {"months": "90 days", "beta_beyond": "800 Gb/s", "gpus": "10 003"}
        for name, text in typed.items():
            field = page.locator(f"[id='fig-your-cluster--{name}-number']")
            field.fill(text)
            field.press("Enter")
        told = root.locator(".dm-own")
        page.evaluate(DRAWN)
        page.wait_for_function("told => !told.textContent", arg=told.element_handle())
        settings = settings_of(page, figure)
        assert settings["beta_beyond"] == pytest.approx(200e9)
        assert settings["months"] * MONTH_S == pytest.approx(90 * 86400)
        use = use_of(settings, 10_003)
        expected = {
            "The run": use.step.model.training_flop,
            "Idle GPUs": use.idle,
            "Utilization of the GPUs in use": 100 * use.step.utilization,
            "Tokens per second": use.tokens_per_s,
        }
        for label, value in expected.items():
            assert float(shown_number(root, label)) == pytest.approx(value, rel=TOLERANCE), label
        field = page.locator("[id='fig-your-cluster--flop-number']")
        field.fill("3e25")
        field.press("Enter")
        page.evaluate(DRAWN)
        page.wait_for_function("told => !told.textContent", arg=told.element_handle())
        use = use_of(settings, 10_003, 3e25)
        expected = {
            "The run": use.step.model.training_flop,
            "A step": use.step.step_s,
            "Length of the run": use.step.run_s / 86400,
        }
        own = root.locator(".dm-group").last
        for label, value in expected.items():
            assert float(shown_number(own, label)) == pytest.approx(value, rel=TOLERANCE), label
        assert shown_number(own, "Which would take") == "not asked"
        page.wait_for_function("location.hash.includes('flop=')")
        link = page.evaluate("location.href")
    with opened(browser, f"{link}&colour=red&node_size=1e9") as page:
        root = page.locator("figure#fig-your-cluster")
        opened_groups = root.locator("details.dm-group[open] summary").all_inner_texts()
        assert opened_groups == ["Change the network", "What can a cluster of my own do?"]
        status = root.locator(".dm-status").inner_text()
        assert "colour = red" in status
        assert "node_size = 1e9" in status
        assert "gpus" not in status
        assert page.locator("[id='fig-your-cluster--gpus-number']").input_value() == "10\u202f003"
        assert (
            page.locator("[id='fig-your-cluster--flop-number']").input_value()
            == "3\u00a0×\u00a010²⁵"
        )
        assert "compute" in page.locator("[id='fig-your-cluster--ask']").input_value()


#: What a planner asked of the page: menus and fields that are set, and the same for the command line.
QUESTIONS = {
    "24,576 H100s for 90 days": ({}, ["--gpus", "24576"]),
    "ports of 800 Gb/s": (
        {"beta_beyond": "800 Gb/s"},
        ["--gpus", "24576", "--network", "800 Gb/s"],
    ),
    "GB200 NVL72": ({"gpu": "GB200 NVL72"}, ["--gpus", "24576", "--gpu", "GB200 NVL72"]),
    "a pod of TPUs": ({"gpu": "TPU v5p", "gpus": "8960"}, ["--gpus", "8960", "--gpu", "TPU v5p"]),
    "V100s": ({"gpu": "V100 SXM"}, ["--gpus", "24576", "--gpu", "V100 SXM"]),
    "a chip of 500 TFLOP/s": ({"F_peak": "500"}, None),
    "16 experts": ({"experts": "16"}, ["--gpus", "24576", "--experts", "16"]),
    "60 million tokens in a batch": (
        {"batch_tokens": "60M", "batch_exponent": "0"},
        ["--gpus", "24576", "--batch-tokens", "60M"],
    ),
    "sequences of 8,192 with attention": (
        {"seq_len": "8192", "attention": "counted", "activations-kept-in-memory": "all"},
        ["--gpus", "24576", "--seq-len", "8192", "--attention", "--activation-memory", "full"],
    ),
    "64 GPUs": ({"gpus": "64"}, ["--gpus", "64"]),
    "100,003 GPUs": ({"gpus": "100003"}, ["--gpus", "100003"]),
    "8-bit numbers": (
        {"w_P": "1", "w_A": "1", "w_G": "1"},
        ["--gpus", "24576", "--word-bytes", "1"],
    ),
}


def test_questions_of_a_planner(browser, homes, capsys):
    """Each is answered on the page as dmcore and its command line answer it."""
    figure = cluster()
    menus = {
        re.sub("[^a-z0-9]+", "-", it.label.lower())
        for it in figure.controls
        if isinstance(it, Menu)
    }
    with opened(browser, homes["your-cluster"].as_uri()) as page:
        root = page.locator("figure#fig-your-cluster")
        page.evaluate("document.querySelectorAll('.dm-group').forEach((it) => { it.open = true; })")
        told, own = root.locator(".dm-own"), root.locator(".dm-group").last
        for question, (changes, words) in QUESTIONS.items():
            root.get_by_role("button", name="Reset").click()
            for name, text in {"months": "90 days", **changes}.items():
                if name in menus:
                    page.locator(f"[id='fig-your-cluster--{name}']").select_option(text)
                    continue
                field = page.locator(f"[id='fig-your-cluster--{name}-number']")
                field.fill(text)
                field.press("Enter")
            page.evaluate(DRAWN)
            page.wait_for_function("told => !told.textContent", arg=told.element_handle())
            n_gpu = int(changes.get("gpus", "24576"))
            answers = [use_of(settings_of(page, figure), n_gpu).summary()]
            if words:
                assert main(["cluster", *words, "--days", "90", "--json"]) == 0
                answers.append(json.loads(capsys.readouterr().out))
            for answer in answers:
                expected = {
                    "The run": answer["training_flop"],
                    "Tokens in a batch": answer["batch_tokens"],
                    "Utilization of the GPUs in use": 100 * answer["utilization"],
                    "Length of the run": answer["days"],
                    "Idle GPUs": answer["n_gpu_idle"],
                    "GPUs used in each node": answer["gpus_used_in_node"],
                    "Which would take": answer["next_days"],
                    "Pipeline parallel": answer["split"]["pipeline_parallel"],
                }
                for label, value in expected.items():
                    shown = float(shown_number(own, label))
                    assert shown == pytest.approx(value, rel=TOLERANCE), (question, label)
                assert shown_number(own, "Most of the step") == answer["binding"], question


LATE_ANSWER = """
const Quick = globalThis.Worker;
globalThis.Worker = class {
  constructor(url) {
    this.quick = new Quick(url);
    this.quick.onmessage = (event) => {
      if (globalThis.held) this.onmessage(event);
      else globalThis.held = () => this.onmessage(event);
    };
    this.quick.onerror = (event) => this.onerror(event);
  }
  postMessage(message) { this.quick.postMessage(message); }
  terminate() { this.quick.terminate(); }
};
"""


def test_an_answer_that_comes_late_is_not_taken_for_another_question(browser, homes):
    figure = cluster()
    context = browser.new_context(offline=True)
    context.add_init_script(LATE_ANSWER)
    page = context.new_page()
    page.goto(homes["your-cluster"].as_uri())
    root = page.locator("figure#fig-your-cluster")
    field = page.locator("[id='fig-your-cluster--gpus-number']")
    field.fill("16")
    field.press("Enter")
    page.wait_for_function("Boolean(globalThis.held)")  # its answer is on its way
    field.fill("64")
    field.press("Enter")
    page.evaluate(f"{DRAWN}.then(() => globalThis.held())")
    told = root.locator(".dm-own")
    page.wait_for_function("told => !told.textContent", arg=told.element_handle())
    use = use_of(settings_of(page, figure), 64)
    largest = float(shown_number(root, "The run"))
    assert largest == pytest.approx(use.step.model.training_flop, rel=TOLERANCE)
    context.close()


def test_curves_are_kept_and_compared(browser, homes):
    """Two curves and the one under the hand: their names, what differs, and dmcore's numbers."""
    figure = cluster()
    with opened(browser, homes["your-cluster"].as_uri()) as page:
        root = page.locator("figure#fig-your-cluster")
        keep = root.get_by_role("button", name="Keep this curve")
        kept = root.locator(".dm-kept")
        assert not kept.is_visible()
        keep.click()
        settings = [settings_of(page, figure)]
        for key, option in (("gpu", "A100 SXM"), ("model", "sparse")):
            page.locator(f"[id='fig-your-cluster--{key}']").select_option(option)
            simulated(page)
            settings.append(settings_of(page, figure))
            if key == "gpu":
                keep.click()
        page.evaluate(DRAWN)
        name = kept.locator("input").nth(1)
        name.fill("the old one")
        name.press("Enter")
        page.evaluate(DRAWN)
        assert root.locator("svg.dm-drawing").first.locator("path.dm-line").count() == 3
        assert "the old one" in root.locator("svg.dm-drawing").first.text_content()
        head, *rows = [row.locator("th, td").all_inner_texts() for row in kept.locator("tr").all()]
        assert head[:3] == ["curve", "GPU", "Model"]
        assert len(rows) == 3
        assert [row[1:3] for row in rows] == [
            ["H100 SXM", "dense"],
            ["A100 SXM", "dense"],
            ["A100 SXM", "sparse"],
        ]
        for row, setting in zip(rows, settings, strict=True):
            runs = figure.runs(setting)
            largest, end = row[head.index("Largest feasible run (FLOP)") :][:2]
            assert value_of(largest) == pytest.approx(runs.numbers("training_flop").max(), rel=1e-3)
            assert value_of(end) == pytest.approx(runs.facts["end"], rel=1e-3)
        kept.get_by_role("button", name="Drop the old one").click()
        page.evaluate(DRAWN)
        assert root.locator("svg.dm-drawing").first.locator("path.dm-line").count() == 2


NO_WORKER = "globalThis.Worker = class { constructor() { throw new Error('too bad'); } };"


@pytest.mark.parametrize(
    ("instead", "first", "why"),
    [
        ("throw new Error('too bad');", "", "too bad"),
        ("return (;", "", "SyntaxError"),
        ("", NO_WORKER, "too bad"),
    ],
    ids=["while it runs", "formula", "no worker"],
)
def test_a_simulation_that_fails(browser, alone, tmp_path, instead, first, why):
    """The page tells so once, keeps the numbers that it has, and goes on with other settings."""
    address = alone(cluster())
    file = tmp_path / "alone.html"
    html, count = re.subn(
        r'("name":"memory",[^}]*"body":")',
        lambda found: found.group() + instead,
        file.read_text("utf-8"),
    )
    assert count == 1
    file.write_text(html, "utf-8")
    context = browser.new_context(offline=True)
    context.add_init_script(first)
    page = context.new_page()
    said, thrown = [], []
    page.on("console", lambda each: each.type == "error" and said.append(each.text))
    page.on("pageerror", lambda error: thrown.append(error))
    page.goto(address)
    root = page.locator("figure#fig-your-cluster")
    progress, spoken = root.locator(".dm-progress"), root.locator("p.dm-hidden[role=status]")
    largest = shown_number(root, "Largest feasible run")
    for option in ("A100 SXM", "V100 SXM"):
        said.clear()
        spoken.evaluate("spoken => { spoken.textContent = ''; }")
        page.locator("[id='fig-your-cluster--gpu']").select_option(option)
        page.wait_for_function(
            "told => told.textContent.startsWith('The simulation failed')",
            arg=progress.element_handle(),
        )
        simulated(page)
        assert why in progress.inner_text()
        assert shown_number(root, "Largest feasible run") == largest
        # When all is quiet, it is spoken.
        page.wait_for_function(
            """([own, spoken]) => own.textContent.startsWith("The search failed")
              && spoken.textContent === "The simulation failed." """,
            arg=[root.locator(".dm-own").element_handle(), spoken.element_handle()],
        )
        # Once for the sweep, and once for what a cluster of one's own can do.
        assert len(said) == 2
        assert all(why in each for each in said)
    root.get_by_role("button", name="Reset").click()
    simulated(page)
    assert progress.inner_text().startswith("Simulated: ")
    assert thrown == []
    context.close()


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_sweeps_to_pick(browser, homes, kind):
    """The grid of a page holds dmcore's sweeps."""
    with opened(browser, homes[f"sweeps-{kind}"].as_uri()) as page:
        root = page.locator(f"figure#fig-sweeps-{kind}")
        root.locator(".dm-running svg").first.wait_for()
        for gpu, words, length, months in (
            ("H100 SXM", "as compute to the 1/6", "3 months", 3),
            ("A100 SXM", "constant, 4.2 million tokens", "2 years", 24),
        ):
            for key, option in (
                ("gpu", gpu),
                ("batch-grows", words),
                ("length-of-the-run", length),
            ):
                page.locator(f"[id='fig-sweeps-{kind}--{key}']").select_option(option)
            page.evaluate(DRAWN)
            law = next(law for law in BATCH_LAWS.values() if law.words == words)
            found = sweep(gpu, kind == "sparse", law, duration_years=months / 12)
            row = int(np.argmin(np.abs(np.log(found.training_flop / 1e29))))
            for label, value in (
                ("Utilization", found.utilization[row] / 0.01),
                ("Largest feasible run", found.training_flop[-1]),
                ("Linear scaling ends at", found.end.flop),
                ("GPUs", found.n_gpu[row]),
            ):
                assert float(shown_number(root, label)) == pytest.approx(value, rel=TOLERANCE)
            assert shown_number(root, "Most of the step") == found.steps[row].binding
