"""The site in a browser, opened as files: no page errs, asks another machine, is too wide, or shuts
out who reads it with a screen reader or in another theme.
"""

from __future__ import annotations

import importlib
import json
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.site, pytest.mark.browser]

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
# The theme in which each page is opened at that size, so that every page loads in both. On a desktop it
# is then switched to the other one; where a page is narrow the colours are the same.
OPENED_IN = {"desktop": "light", "phone": "dark"}
# Tests of this many shares of the pages, which can run at the same time.
SHARES = 3
# What a theme can change; nothing else of what axe looks for hangs on colours.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
# Solutions and code that are folded.
UNFOLD = """
document.querySelectorAll("details").forEach((part) => { part.open = true; });
document.querySelectorAll(".toggle-button-hidden").forEach((button) => button.click());
"""
# The contrast of a text takes axe long, and hundreds of texts look alike: it judges the first of those
# that have the same colour, size, weight and grounds.
MARK_LOOKS = """
() => {
  const known = new Map();
  const grounds = (node) => {
    if (!node) return "";
    if (!known.has(node)) {
      const { backgroundColor, backgroundImage, opacity, filter, position } = getComputedStyle(node);
      const own = [backgroundColor, backgroundImage, opacity, filter, position].join();
      const plain = own === "rgba(0, 0, 0, 0),none,1,none,static";
      known.set(node, (plain ? "" : `${own};`) + grounds(node.parentElement));
    }
    return known.get(node);
  };
  const looks = new Set();
  for (const node of document.body.querySelectorAll("*")) {
    const told = [...node.childNodes].some(({ nodeType, data }) => nodeType === 3 && data.trim());
    const shown = node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (!(told || node.matches("input, select, textarea")) || !shown) continue;
    if (node.closest(".katex-html, [disabled], [aria-disabled]")) continue;
    const { color, fontSize, fontWeight, textShadow } = getComputedStyle(node);
    const look = [node.localName, color, fontSize, fontWeight, textShadow, grounds(node)].join();
    node.toggleAttribute("data-first", !looks.has(look));
    looks.add(look);
  }
}
"""
# Axe would fetch the stylesheets once more, which a page opened as a file cannot do. What KaTeX draws is
# hidden from screen readers, which read the MathML beside it, and has the colour of the text around it.
FAULTS = """
async (options) => {
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-first]" }] });
  const all = { exclude: [".katex-html"] };
  const common = { resultTypes: ["violations"], preload: false };
  const { violations } = await axe.run(all, { ...common, ...options });
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .flatMap(({ impact, id, help, nodes }) =>
      nodes.map((node) => `${impact}: ${id}: ${help}: ${node.target.join(" ")}`));
}
"""
# Widths at which nothing may be wider than its column: a desktop, two phones, a printed page.
COLUMNS = ((1280, "screen"), (390, "screen"), (320, "screen"), (700, "print"))
TOO_WIDE = """
() => [...document.querySelectorAll("main *")]
  .filter((node) => !node.closest(".katex-mathml, .visually-hidden, .sr-only, .headerlink"))
  .filter((node) => node.clientWidth > 0 && node.scrollWidth > node.clientWidth + 1)
  .filter((node) => node.checkVisibility() && getComputedStyle(node).overflowX !== "visible")
  .map((node) => `${node.localName}.${node.className}: ${node.innerText.slice(0, 60)}`)
"""
EXTENSIONS = Path(__file__).parents[1] / "book" / "_ext"
LOCAL = ("file:", "data:", "blob:", "about:")


@pytest.fixture(scope="session")
def axe(site):
    """The script of axe-core, of the version that is locked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXTENSIONS)
        packages = importlib.import_module("offline").node_modules(site.parent)
    return (packages / "axe-core" / "axe.min.js").read_text("utf-8")


def faults(page, axe, options=None):
    """What axe-core finds on a page that is serious or critical."""
    page.evaluate(f"globalThis.axe || eval({json.dumps(axe)});0")
    page.evaluate(MARK_LOOKS)
    return page.evaluate(FAULTS, options or {})


@contextmanager
def opened(browser, size, theme):
    """A page of that size and theme, and the list of what goes wrong on it."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        reduced_motion="reduce",
        offline=True,
    )
    context.add_init_script(
        f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
    )
    page = context.new_page()
    found = []
    page.on("console", lambda said: said.type == "error" and found.append(said.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    # A page that is left before its icon has come aborts that request; the others have to succeed.
    page.on(
        "requestfailed",
        lambda request: (
            "ABORTED" in (request.failure or "") or found.append(f"failed: {request.url}")
        ),
    )
    page.on(
        "request",
        lambda request: request.url.startswith(LOCAL) or found.append(f"outside: {request.url}"),
    )
    yield page, found
    context.close()


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("size", SIZES)
def test_every_page(site, paths, browser, axe, size, share):
    wrong = {}
    with opened(browser, size, OPENED_IN[size]) as (page, found):
        for path in paths[share::SHARES]:
            if path == site / "index.html":  # leads on to the first page at once
                continue
            page.goto(path.as_uri())
            page.evaluate(UNFOLD)
            excess = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if excess > 0:
                found.append(f"{excess} px wider than the window")
            found += faults(page, axe)
            if size == "desktop":
                page.evaluate("document.documentElement.dataset.theme = 'dark'")
                found += faults(page, axe, {"runOnly": OF_COLOURS})
            if found:
                wrong[str(path.relative_to(site))] = list(found)
                found.clear()
    assert wrong == {}


@pytest.mark.parametrize("share", range(SHARES))
def test_nothing_is_wider_than_its_column(site, paths, browser, share):
    """No cell, output, table, formula or field is cut off or has to be scrolled sideways."""
    wrong = []
    with opened(browser, "desktop", "light") as (page, found):
        for path in [path for path in paths if "/api/" not in path.as_posix()][share::SHARES]:
            if path == site / "index.html":
                continue
            page.set_viewport_size({"width": COLUMNS[0][0], "height": 900})
            page.goto(path.as_uri())
            page.evaluate(UNFOLD)
            for width, media in COLUMNS:
                page.emulate_media(media=media, reduced_motion="reduce")
                page.set_viewport_size({"width": width, "height": 900})
                for _ in range(30):  # tables and formulas are fitted in the next frames
                    if not (wide := page.evaluate(TOO_WIDE)):
                        break
                    page.wait_for_timeout(100)
                wrong += [f"{path.stem} {width} {one}" for one in wide]
    assert wrong == []
    assert found == []


def test_a_table_that_does_not_fit_is_stacked(site, browser):
    with opened(browser, "phone", "light") as (page, _):
        page.goto((site / "notebooks/dense_models.html").as_uri())
        cell = page.locator(".stacked td").nth(3)
        cell.wait_for()
        head = cell.evaluate(
            "(node) => node.closest('table').querySelectorAll('thead th')[node.cellIndex].textContent"
        )
        before = cell.evaluate("(node) => getComputedStyle(node, '::before').content")
        assert head
        assert before == json.dumps(head)
        page.set_viewport_size({"width": 2400, "height": 900})
        page.wait_for_function("!document.querySelector('.cell_output .stacked')")


def test_what_opens_over_a_page(site, browser, axe):
    """The menu and the search field of a narrow page."""
    with opened(browser, "phone", "light") as (page, found):
        page.goto((site / "book/intro.html").as_uri())
        page.locator("button.primary-toggle:visible").first.click()
        page.get_by_role("link", name="Glossary").first.wait_for()
        assert faults(page, axe) == []
        page.goto((site / "book/intro.html").as_uri())
        page.keyboard.press("Control+k")
        page.locator(".search-button__search-container input").wait_for()
        assert faults(page, axe) == []
    assert found == []


def test_axe_finds_a_fault(site, browser, axe):
    with opened(browser, "desktop", "light") as (page, _):
        page.goto((site / "book/intro.html").as_uri())
        page.evaluate("document.querySelector('article h1').after(document.createElement('input'))")
        (fault,) = faults(page, axe)
    assert fault.startswith("critical: label: Form elements must have labels: ")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_a_faint_text_among_many_like_it(site, browser, axe, theme):
    """One whose colour, and one whose ground is its own."""
    faint = """
        const texts = document.querySelectorAll("article p");
        const colour = getComputedStyle(texts[0]).color;
        texts[1].style.color = "#888";
        texts[2].parentElement.style.background = colour;
    """
    with opened(browser, "desktop", "light") as (page, _):
        page.goto((site / "book/intro.html").as_uri())
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'; {{ {faint} }}")
        found = faults(page, axe, {"runOnly": OF_COLOURS})
    assert len(found) > 1
    assert all("color-contrast" in fault for fault in found)


def test_search_finds_a_page(site, browser):
    with opened(browser, "desktop", "light") as (page, found):
        page.goto((site / "search.html").as_uri() + "?q=notation")
        page.wait_for_selector("#search-results li a")
        titles = page.locator("#search-results li a").all_inner_texts()
    assert "Notation" in titles
    assert found == []


@pytest.mark.parametrize(
    ("asked", "chapter"),
    [
        ("nanobatch", "memory_bandwidth"),
        ("microbatch", "parallelism"),
        ("latency wall", "latency"),
        ("critical batch", "critical_batch"),
        ("roofline", "memory_bandwidth"),
        ("bubble", "parallelism"),
        ("FSDP", "parallelism"),
    ],
)
def test_search_finds_the_chapter_first(site, browser, asked, chapter):
    with opened(browser, "desktop", "light") as (page, _):
        page.goto((site / "search.html").as_uri() + f"?q={asked}")
        first = page.locator("#search-results li a").first
        first.wait_for()
        page.wait_for_function(
            "!/^Searching/.test(document.querySelector('#search-results').innerText)"
        )
        assert first.get_attribute("href").startswith(f"notebooks/{chapter}.html")


def test_dark_mode_can_be_chosen(site, browser):
    with opened(browser, "desktop", "light") as (page, _):
        page.goto((site / "book/intro.html").as_uri())
        shade = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(shade)
        page.locator("button.theme-switch-button").first.click()
        page.locator("button.theme-switch-button").first.click()
        page.wait_for_function(f"{shade} !== '{light}'")


def test_notebook_can_be_saved(site, browser):
    with opened(browser, "desktop", "light") as (page, found):
        page.goto((site / "notebooks/limits.html").as_uri())
        page.get_by_label("Download this page").click()
        with page.expect_download() as saved:
            page.locator(".dropdown-download-buttons a[href$='.ipynb']").click()
        assert saved.value.suggested_filename == "limits.ipynb"
        nbformat.validate(nbformat.read(saved.value.path(), as_version=4))
    assert found == []


def test_mathematics_uses_the_fonts_of_the_site(site, browser):
    with opened(browser, "desktop", "light") as (page, found):
        page.goto((site / "book/notation.html").as_uri())
        loaded = page.evaluate(
            "document.fonts.ready.then(fonts => [...fonts].filter(font => font.status === 'loaded')"
            ".map(font => font.family))"
        )
    assert "KaTeX_Math" in loaded
    assert found == []
