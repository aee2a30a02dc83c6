"""One PDF of the whole book, printed from the built pages by Chromium: `make pdf`.

Each page is printed by itself, so that the contents can say on which page it begins, and the parts are put
together: a cover, the contents, the pages in the order of `_toc.yml`. Solutions and answers, which the site
folds, stand unfolded at the end of their chapter; code that is folded there is left out, and so are the
hundreds of measurements.
"""

from __future__ import annotations

import argparse
import html
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import ArrayObject, DictionaryObject, Fit, NameObject, NumberObject

ROOT = Path(__file__).parents[2]
STYLE = Path(__file__).with_name("print.css").read_text(encoding="utf-8")
PAPER = {
    "format": "A4",
    "margin": {"top": "18mm", "bottom": "20mm", "left": "18mm", "right": "18mm"},
}
NUMBERED = {
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<p style="width:100%;text-align:center;font-size:9pt" class="pageNumber"></p>',
}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

#: Puts what is folded where a printed page has it. Runs in the page.
PREPARE = """
() => {
  document.documentElement.dataset.theme = "light";
  const article = document.querySelector("article.bd-article");
  document.body.replaceChildren(article);
  const screenOnly = "details.hide, .tag_hide-input .cell_input, .measured-filter, .measured-source";
  for (const each of article.querySelectorAll(screenOnly)) each.remove();
  const folded = [...article.querySelectorAll("details.sd-dropdown, .dropdown.admonition, .solution")];
  if (folded.length) {
    const heading = document.createElement("h2");
    heading.textContent = "Answers and solutions";
    article.append(heading);
    for (const each of folded) {
      if (each.parentElement?.closest("details.sd-dropdown, .dropdown.admonition, .solution")) continue;
      if (each instanceof HTMLDetailsElement) each.open = true;
      each.classList.remove("toggle-hidden");
      const about = each.closest("section")?.querySelector("h2, h3, h4")?.cloneNode(true);
      about?.querySelectorAll("a.headerlink").forEach((link) => link.remove());
      const place = document.createElement("div");
      place.className = "printed-answer";
      if (about) place.innerHTML = `<p class="about">To: ${about.innerHTML}</p>`;
      each.replaceWith(Object.assign(document.createElement("span"), { className: "moved" }));
      place.append(each);
      article.append(place);
    }
  }
  for (const details of article.querySelectorAll("details")) details.open = true;
}
"""


@dataclass(frozen=True)
class Part:
    """A page of the book in print."""

    name: str
    title: str
    depth: int
    pdf: Path


def pages() -> Iterator[tuple[str, int]]:
    """Pages of the table of contents without their endings, with how deep they stand."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    yield toc["root"], 0
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            yield chapter["file"], 1


def print_page(
    browser: Browser, address: str, to: Path, *, prepare: bool = True, **options: Any
) -> str:
    """Print a page and give its title."""
    page = browser.new_page(viewport={"width": 760, "height": 1100})
    page.emulate_media(media="print", color_scheme="light")
    page.goto(address)
    page.wait_for_load_state("networkidle")
    title = page.title().split(" — ")[0]
    if prepare:
        heading = page.locator("article h1").first.inner_text().removesuffix("#").strip()
        title = heading or title
        page.evaluate(PREPARE)
        page.add_style_tag(content=STYLE)
    page.evaluate("document.fonts.ready")
    page.pdf(path=to, print_background=True, **PAPER, **options)
    page.close()
    return title


def _document(body: str, style: str = "") -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{STYLE}{style}</style>{body}'
    )


def _print_text(browser: Browser, body: str, folder: Path, name: str, **options: Any) -> Path:
    source, to = folder / f"{name}.html", folder / f"{name}.pdf"
    source.write_text(_document(body), encoding="utf-8")
    print_page(browser, source.as_uri(), to, prepare=False, **options)
    return to


def _contents(parts: list[Part], starts: list[int]) -> str:
    rows = "".join(
        f'<li class="depth{part.depth}"><span>{html.escape(part.title)}</span><span>{start}</span></li>'
        for part, start in zip(parts, starts, strict=True)
    )
    return f'<h1>Contents</h1><ol class="contents">{rows}</ol>'


def _cover(version: str) -> str:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    logo = (ROOT / config["logo"]).read_text(encoding="utf-8")
    return (
        f'<div class="cover">{logo}<h1>{html.escape(config["title"])}</h1>'
        f"<p>{html.escape(config['author'])}</p><p>With dmcore {html.escape(version)}</p>"
        "<p>After D. Schneider-Joseph and E. Erdil, arXiv:2411.01137</p></div>"
    )


def _count(pdf: Path) -> int:
    return len(PdfReader(pdf).pages)


def _numbers(browser: Browser, count: int, folder: Path) -> Path:
    """So many empty pages that bear their numbers."""
    body = '<div class="empty"></div>' * count
    return _print_text(browser, body, folder, "numbers", **NUMBERED)


def _inside(writer: PdfWriter, starts: dict[str, int], site: Path) -> None:
    """Turn links to files of the site into links within the book, and drop those to nothing printed."""
    for page in writer.pages:
        for reference in page.get("/Annots", ArrayObject()):
            annotation = reference.get_object()
            action = annotation.get("/A", DictionaryObject()).get_object()
            address = str(action.get("/URI", ""))
            if not address.startswith("file:"):
                continue
            path = Path(unquote(urlsplit(address).path))
            name = (
                path.relative_to(site).with_suffix("").as_posix()
                if path.is_relative_to(site)
                else ""
            )
            del annotation["/A"]
            if name in starts:
                target = writer.pages[starts[name]].indirect_reference
                annotation[NameObject("/Dest")] = ArrayObject(
                    [
                        target,
                        NameObject("/XYZ"),
                        NumberObject(0),
                        NumberObject(842),
                        NumberObject(0),
                    ]
                )


def make(site: Path, to: Path, version: str, *, browser: Browser, only: int | None = None) -> int:
    """Print the book of a built site, or its first pages only, and give the number of pages."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = []
        for i, (page, depth) in enumerate(list(pages())[:only]):
            pdf = folder / f"{i}.pdf"
            title = print_page(browser, (site / f"{page}.html").as_uri(), pdf)
            parts.append(Part(page, title, depth, pdf))
        cover = _print_text(browser, _cover(version), folder, "cover")
        lengths = [_count(part.pdf) for part in parts]
        # The contents are printed twice: how long they are decides on which pages the rest begins.
        contents = _print_text(browser, _contents(parts, lengths), folder, "contents")
        before = _count(cover) + _count(contents)
        starts = [before + sum(lengths[:i]) for i in range(len(parts))]
        listed = _contents(parts, [start + 1 for start in starts])
        contents = _print_text(browser, listed, folder, "contents")
        numbers = PdfReader(_numbers(browser, before + sum(lengths), folder))
        writer = PdfWriter()
        for pdf in (cover, contents, *(part.pdf for part in parts)):
            writer.append(pdf, import_outline=False)
    for page, number in list(zip(writer.pages, numbers.pages, strict=True))[1:]:
        page.merge_page(number)
    for part, start in zip(parts, starts, strict=True):
        writer.add_outline_item(title=part.title, page_number=start)
    _inside(writer, dict(zip((part.name for part in parts), starts, strict=True)), site)
    for i, start in enumerate(starts):
        _link_contents(writer, 1, i, len(starts), start)
    writer.add_metadata({"/Title": parts[0].title, "/Author": "The dmcore authors"})
    writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
    for page in writer.pages:
        page.compress_content_streams()
    writer.write(to)
    return len(writer.pages)


def _link_contents(writer: PdfWriter, first: int, i: int, count: int, start: int) -> None:
    """A link over the line of the contents: lines have equal heights, print.css says so."""
    top, line = 842 - 51 - 62, 22.5
    y = top - (i + 1) * line
    if count * line > top - 57:
        return  # the contents take more than a page; the outline leads as well
    link = Link(rect=(51, y, 544, y + line), target_page_index=start, fit=Fit.fit())
    writer.add_annotation(first, link)


def main() -> int:
    """Print the site in a folder to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("to", type=Path)
    asked = parser.parse_args()
    if not (asked.site / "index.html").is_file():
        raise SystemExit(f"There is no site in {asked.site}: make book builds it")
    program = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if program is None:
        raise SystemExit("There is no Chromium, which prints the book: install one")
    import dmcore

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        site = asked.site.resolve()
        count = make(site, asked.to, dmcore.__version__, browser=browser)
    print(f"{asked.to}: {count} pages, {asked.to.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
