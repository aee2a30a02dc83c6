"""How heavy and how fast the live figures are: ``pytest tests/bench_live.py -s``. No test.

For each page with live figures: kilobytes that the page takes as gzip, less what every page takes from the
theme; milliseconds from the start of loading to a drawn figure, and from a moved slider to the picture laid
out again. The aim is under 300 kB, and under 16 ms in the median.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from statistics import median

import pytest
from test_browser_live import opened

pytestmark = [pytest.mark.site, pytest.mark.browser]

# Moves every slider of the figure to and fro, and times the script, styles and layout of each frame.
MOVES = """
async (figure) => {
  const frame = () => new Promise(requestAnimationFrame);
  const times = [];
  for (const range of figure.querySelectorAll(".dm-row input[type=range]")) {
    for (let move = 1; move <= 40; move++) {
      await frame();
      range.value = range.max * (0.5 + 0.4 * Math.sin(move));
      const start = performance.now();
      range.dispatchEvent(new Event("input", { bubbles: true }));
      // The figure draws in the frame that it asked for just now, before this one.
      await frame();
      const inFrame = performance.now();
      figure.querySelector("svg").getBoundingClientRect();
      times.push([performance.now() - start, inFrame - start]);
    }
  }
  return times;
}
"""
# The same without waiting for the screen: frames are run by hand as soon as they are asked for.
AT_ONCE = """
(figure) => {
  const asked = [];
  const before = window.requestAnimationFrame;
  window.requestAnimationFrame = (draw) => asked.push(draw);
  const times = [];
  for (const range of figure.querySelectorAll(".dm-row input[type=range]")) {
    for (let move = 1; move <= 40; move++) {
      range.value = range.max * (0.5 + 0.4 * Math.sin(move));
      const start = performance.now();
      range.dispatchEvent(new Event("input", { bubbles: true }));
      for (const draw of asked.splice(0)) draw(start);
      figure.querySelector("svg").getBoundingClientRect();
      times.push(performance.now() - start);
    }
  }
  window.requestAnimationFrame = before;
  return times;
}
"""
LOADED = "performance.getEntriesByName('dm-live')[0]?.startTime"


def kilobytes(path: Path) -> float:
    return len(gzip.compress(path.read_bytes(), 9)) / 1000


def taken(site: Path, page: Path) -> dict[Path, float]:
    """What a page names of the site's own files, and their sizes."""
    named = re.findall(r'(?:src|href)="([^"#?]+\.(?:js|css))', page.read_text("utf-8"))
    files = {(page.parent / name).resolve() for name in named}
    return {path.relative_to(site.resolve()): kilobytes(path) for path in files if path.is_file()}


def test_weight(site, paths):
    bare = taken(site, site / "book" / "notation.html")
    print(f"\nevery page: {sum(bare.values()):.0f} kB of script and style")
    for path in paths:
        if 'class="dm-live"' in path.read_text("utf-8"):
            more = {name: size for name, size in taken(site, path).items() if name not in bare}
            print(
                f"{path.stem:22} {kilobytes(path) + sum(more.values()):6.1f} kB beyond that: page "
                f"{kilobytes(path):.1f}, "
                + ", ".join(f"{name.name} {size:.1f}" for name, size in sorted(more.items()))
            )
            assert kilobytes(path) + sum(more.values()) < 300


def test_speed(paths, browser):
    print()
    redraws = []
    for path in paths:
        if 'class="dm-live"' not in path.read_text("utf-8"):
            continue
        loads = []
        for _ in range(5):
            with opened(browser, path.as_uri()) as page:
                page.wait_for_function(LOADED)
                loads.append(page.evaluate(LOADED))
                start = page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")
        with opened(browser, path.as_uri()) as page:
            page.wait_for_function(LOADED)
            for figure in page.locator("figure.dm-live").element_handles():
                at_once = figure.evaluate(AT_ONCE)
                framed = [shown for shown, _ in figure.evaluate(MOVES)]
                redraws += at_once
                print(
                    f"{figure.get_attribute('data-name'):18} drag to redraw {median(at_once):5.2f} ms "
                    f"(95 %: {sorted(at_once)[int(0.95 * len(at_once))]:5.2f}), with the wait for the "
                    f"screen {median(framed):5.1f} ms; page drawn {median(loads):4.0f} ms after it was "
                    f"asked for (received at {start:.0f} ms)"
                )
    print(f"all: drag to redraw {median(redraws):.2f} ms in the median of {len(redraws)} moves")
    assert median(redraws) < 16
