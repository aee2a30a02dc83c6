"""What several tests share: where the site is, and a browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure, and the same checkout passes or fails the same way each time.
settings.register_profile("dmcore", deadline=None, derandomize=True)
settings.load_profile("dmcore")

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "html"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# A browser that asks for nothing of its own accord, so that what is asked for is the page's doing.
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as the tests of the model all that need nothing but the package."""
    for item in items:
        if not any(map(item.get_closest_marker, ("site", "browser", "wheel"))):
            item.add_marker("model")


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (SITE / "index.html").is_file():
        pytest.skip("there is no site in _build/html: make book builds it")
    return SITE


@pytest.fixture(scope="session")
def paths(site):
    """Every page of the site. What the theme keeps as .html below _static is templates."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    named = os.environ.get("CHROMIUM", "")
    program = next(filter(None, map(shutil.which, (named, *CHROMIUM_NAMES))), None)
    if program is None:
        pytest.skip("there is no Chromium: install one, or name it in the variable CHROMIUM")
    playwright_api = pytest.importorskip("playwright.sync_api")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
