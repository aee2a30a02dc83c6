"""What a reader with the keyboard, a screen reader or a finger gets of the pages and their figures."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_browser_live import FIGURES, Shown, homes, opened  # noqa: F401

import dmcore

pytestmark = [pytest.mark.site, pytest.mark.browser]

#: A chapter with live figures, solutions, wide boxes and folded code.
CHAPTER = "notebooks/limits.html"
FOCUSED = """
() => {
  const node = document.activeElement;
  if (node === document.body) return null;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(node);
  const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  const shadowed = boxShadow.split(/, (?=rgb)/).some((each) => !/rgba\\(.*, 0\\)|none/.test(each));
  return { seen: outlined || shadowed, name: node.ariaLabel || node.textContent.trim() || node.outerHTML };
}
"""


def test_what_has_the_focus_shows_it(site, browser):
    with opened(browser, (site / CHAPTER).as_uri()) as page:
        page.wait_for_function("performance.getEntriesByName('dm-live').length")
        names = []
        while found := press_tab(page):
            assert found["seen"], f"nothing shows that {found['name'][:80]!r} has the focus"
            names.append(found["name"])
        assert {"Toggle primary sidebar", "Download this page"} <= set(names)
        solutions = [name for name in names if name.startswith("Solution to")]
        assert len(solutions) == len(set(solutions)) == page.locator(".toggle-button").count() > 1


def press_tab(page):
    page.keyboard.press("Tab")
    return page.evaluate(FOCUSED)


def test_only_what_changed_is_spoken(browser, homes):  # noqa: F811
    with opened(browser, homes["limits"].as_uri()) as page:
        figure = Shown(page, FIGURES["limits"])
        said = figure.root.locator("p.dm-hidden[role=status]")
        before = figure.numbers()
        figure.control("ell").press("PageUp")
        page.wait_for_function("node => node.textContent", arg=said.element_handle())
        changed = {
            readout.label
            for readout, old, new in zip(
                FIGURES["limits"].readouts, before, figure.numbers(), strict=True
            )
            if old != new
        }
        assert 0 < len(changed) < len(before)
        text = said.inner_text()
        for readout in FIGURES["limits"].readouts:
            assert (readout.label.lower() in text.lower()) == (readout.label in changed)
        assert re.search(r"times 10 to the \d", text)
        assert not re.search("[×⁰¹²³⁴⁵⁶⁷⁸⁹]", text)


def test_what_a_finger_reads_stays_until_it_comes_down_elsewhere(browser, homes):  # noqa: F811
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(homes["limits"].as_uri())
    figure = Shown(page, FIGURES["limits"])
    figure.root.locator("svg.dm-drawing").first.tap()
    reading = figure.root.locator(".dm-reading").first
    assert reading.inner_text().startswith("At ")
    figure.root.locator(".dm-title").tap()
    assert reading.inner_text() == ""
    context.close()


def test_a_picture_can_be_taken_along(browser, homes):  # noqa: F811
    """As SVG, alike without the page's styles and with the settings below, and as PNG of thrice the size."""
    with opened(browser, f"{homes['limits'].as_uri()}#limits?ell=2") as page:
        figure = Shown(page, FIGURES["limits"])
        files = {}
        for kind in ("SVG", "PNG"):
            with page.expect_download() as saved:
                figure.root.get_by_role("button", name=f"Download {kind}").click()
            files[kind] = Path(saved.value.path()).read_bytes()
            assert saved.value.suggested_filename == f"limits.{kind.lower()}"
        picture = ElementTree.fromstring(files["SVG"])
        texts = [
            node.text for node in picture.iter("{http://www.w3.org/2000/svg}text") if node.text
        ]
        caption = " ".join(texts)
        assert texts[0] == FIGURES["limits"].title
        assert "Matmul latency: 2 µs." in caption
        assert f"dmcore {dmcore.__version__}." in caption
        lines = [
            path.get("style")
            for path in picture.iter("{http://www.w3.org/2000/svg}path")
            if "stroke-width:2px" in path.get("style")
        ]
        assert len(lines) == len(FIGURES["limits"].curves)
        assert not re.search("var\\(|class=", files["SVG"].decode())
        width, height = struct.unpack(">II", files["PNG"][16:24])
        assert width == round(3 * float(picture.get("width")))
        assert height == round(3 * float(picture.get("height")))


def test_degrees_are_told_in_words(browser, homes):  # noqa: F811
    with opened(browser, homes["your-cluster"].as_uri()) as page:
        page.wait_for_function("performance.getEntriesByName('dm-live').length")
        picture = page.locator("#fig-your-cluster svg.dm-drawing").nth(1)
        page.wait_for_function("node => node.ariaLabel", arg=picture.element_handle())
        assert re.search(
            r"Of the run shown: .*tensor parallel \d+", picture.get_attribute("aria-label")
        )
