"""The site in a browser, opened as files: no page errs, asks another machine, or is too wide."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

pytestmark = [pytest.mark.site, pytest.mark.browser]

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
THEMES = ("light", "dark")
LOCAL = ("file:", "data:", "blob:", "about:")


@contextmanager
def opened(browser, size, theme):
    """A page of that size and theme, and the list of what goes wrong on it."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, offline=True
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


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES)
def test_every_page(site, paths, browser, size, theme):
    wrong = {}
    with opened(browser, size, theme) as (page, found):
        for path in paths:
            if path == site / "index.html":  # leads on to the first page at once
                continue
            page.goto(path.as_uri())
            page.wait_for_load_state("load")
            excess = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if excess > 0:
                found.append(f"{excess} px wider than the window")
            if found:
                wrong[str(path.relative_to(site))] = list(found)
                found.clear()
    assert wrong == {}


def test_search_finds_a_page(site, browser):
    with opened(browser, "desktop", "light") as (page, found):
        page.goto((site / "search.html").as_uri() + "?q=notation")
        page.wait_for_selector("#search-results li a")
        titles = page.locator("#search-results li a").all_inner_texts()
    assert "Notation" in titles
    assert found == []


def test_dark_mode_can_be_chosen(site, browser):
    with opened(browser, "desktop", "light") as (page, _):
        page.goto((site / "book/intro.html").as_uri())
        shade = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(shade)
        page.locator("button.theme-switch-button").first.click()
        page.locator("button.theme-switch-button").first.click()
        page.wait_for_function(f"{shade} !== '{light}'")


def test_mathematics_uses_the_fonts_of_the_site(site, browser):
    with opened(browser, "desktop", "light") as (page, found):
        page.goto((site / "book/notation.html").as_uri())
        loaded = page.evaluate(
            "document.fonts.ready.then(fonts => [...fonts].filter(font => font.status === 'loaded')"
            ".map(font => font.family))"
        )
    assert "KaTeX_Math" in loaded
    assert found == []
