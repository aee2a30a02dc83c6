"""The built site: nothing is loaded from outside, every link leads somewhere, every part is there."""

from __future__ import annotations

import json
import pkgutil
import re
import shutil
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
import pytest
import small_book
import yaml
from notebook_form import IGNORE_TAG

import dmcore
from dmcore.algebra.symbols import SYMBOLS

ROOT = Path(__file__).parents[1]
LOADING_ATTRIBUTES = {"src", "srcset", "poster", "data", "background", "xlink:href", "action"}
LOADING_LINKS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "preconnect",
    "manifest",
    "modulepreload",
}
LOADING_TAGS = {"use", "image", "feImage"}
CSS_LOADS = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""")
PAGE_WITHOUT_ANCHORS = {"genindex.html", "py-modindex.html", "search.html"}


@dataclass
class Page:
    """What one page names."""

    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._style = False

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        self.page.ids |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        for name, value in attributes.items():
            if name == "srcset":
                self.page.loads += [part.split()[0] for part in value.split(",") if part.strip()]
            elif name == "style":
                self.page.loads += css_loads(value)
            elif name in LOADING_ATTRIBUTES and tag != "a":
                self.page.loads.append(value)
        if "href" in attributes:
            loaded = tag in LOADING_TAGS or LOADING_LINKS & set(attributes.get("rel", "").split())
            (self.page.loads if loaded else self.page.links).append(attributes["href"])

    def handle_data(self, data):
        if self._style:
            self.page.loads += css_loads(data)

    def handle_endtag(self, _tag):
        self._style = False


class _Outputs(HTMLParser):
    """Text outputs of a page: of each code cell its tags, and kind and text of each output."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[tuple[set[str], list[tuple[str, str]]]] = []
        self._kind = ""
        self._text: list[str] | None = None

    def handle_starttag(self, tag, attrs):
        classes = set((dict(attrs).get("class") or "").split())
        if tag == "div" and {"cell", "container"} <= classes:
            self.cells.append((classes, []))
        elif tag == "div" and "output" in classes:
            self._kind = next(iter({"stream", "text_plain"} & classes), "")
        elif tag == "pre" and self._kind:
            self._text = []

    def handle_data(self, data):
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag):
        if tag == "pre" and self._text is not None:
            self.cells[-1][1].append((self._kind, "".join(self._text)))
            self._kind, self._text = "", None


def stored_outputs(cell) -> list[tuple[str, str]]:
    """The same of a stored cell: what it printed, and results that are nothing but text."""
    found = [
        ("stream", output["text"])
        if output["output_type"] == "stream"
        else ("text_plain", output["data"]["text/plain"])
        for output in cell["outputs"]
        if output["output_type"] == "stream" or set(output["data"]) == {"text/plain"}
    ]
    return [(kind, text.removesuffix("\n") + "\n") for kind, text in found]


def css_loads(css: str) -> list[str]:
    return [address or imported for address, imported in CSS_LOADS.findall(css)]


def read_page(html: str) -> Page:
    reader = _Reader()
    reader.feed(html)
    reader.page.text = html
    return reader.page


def outside(address: str) -> bool:
    """Whether a browser would ask another machine for it."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data", "about")


def target(page: Path, address: str) -> Path:
    path = unquote(urlsplit(urldefrag(address).url).path)
    return (page.parent / path).resolve() if path else page


def chapters() -> list[str]:
    """Every file that the table of contents names, without its ending."""

    def files(part):
        if isinstance(part, dict):
            return [part[name] for name in ("root", "file") if name in part] + [
                found
                for value in part.values()
                if isinstance(value, list)
                for found in files(value)
            ]
        return [found for entry in part for found in files(entry)]

    return files(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8")))


@pytest.fixture(scope="module")
def pages(paths):
    return {path: read_page(path.read_text("utf-8")) for path in paths}


# What finds addresses finds them


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://a.example/x.js"></script>',
        '<script src="//a.example/x.js"></script>',
        '<link rel="stylesheet" href="https://a.example/x.css">',
        '<link rel="shortcut icon" href="http://a.example/x.ico">',
        '<img src="x.png" srcset="x.png 1x, https://a.example/x.png 2x">',
        '<svg><image href="https://a.example/x.png"/></svg>',
        "<style>@import 'https://a.example/x.css';</style>",
        '<p style="background: url(https://a.example/x.png)">',
        '<iframe src="https://a.example/"></iframe>',
        '<video poster="https://a.example/x.png"></video>',
    ],
)
def test_reader_sees_a_load_from_outside(html):
    assert any(map(outside, read_page(html).loads))


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://a.example/">elsewhere</a>',
        '<link rel="canonical" href="https://a.example/">',
        '<script src="../_static/x.js?v=1"></script>',
        '<img src="data:image/png;base64,AAAA">',
    ],
)
def test_reader_lets_links_and_local_loads_pass(html):
    assert not any(map(outside, read_page(html).loads))


# The site


@pytest.mark.site
def test_every_chapter_is_built(site, pages):
    for chapter in chapters():
        assert site / f"{chapter}.html" in pages


@pytest.mark.site
def test_pages_load_nothing_from_outside(site, pages):
    found = [
        f"{path.relative_to(site)}: {address}"
        for path, page in pages.items()
        for address in page.loads
        if outside(address)
    ]
    assert found == []


@pytest.mark.site
def test_stylesheets_load_nothing_from_outside(site):
    found = [
        f"{path.relative_to(site)}: {address}"
        for path in site.rglob("*.css")
        for address in css_loads(path.read_text("utf-8"))
        if outside(address) or not (address[:5] == "data:" or target(path, address).is_file())
    ]
    assert found == []


@pytest.mark.site
def test_loads_are_there(site, pages):
    found = [
        f"{path.relative_to(site)}: {address}"
        for path, page in pages.items()
        for address in page.loads
        if not urlsplit(address).scheme and not target(path, address).is_file()
    ]
    assert found == []


@pytest.mark.site
def test_links_lead_somewhere(site, pages):
    found = []
    for path, page in pages.items():
        for address in page.links:
            if outside(address) or urlsplit(address).scheme:
                continue
            goal = target(path, address)
            anchor = unquote(urldefrag(address).fragment)
            if not goal.is_relative_to(site.resolve()) or not goal.is_file():
                found.append(f"{path.relative_to(site)}: {address} is no file")
            elif anchor and goal.suffix == ".html" and goal.name not in PAGE_WITHOUT_ANCHORS:
                known = pages[site / goal.relative_to(site.resolve())]
                if anchor not in known.ids:
                    found.append(f"{path.relative_to(site)}: {address} is no place on that page")
    assert found == []


@pytest.mark.site
def test_mathematics_is_typeset(pages):
    formulas = sum(page.text.count('class="katex"') for page in pages.values())
    assert formulas > 0
    for path, page in pages.items():
        assert "MathJax" not in page.text, path
        assert "katex-error" not in page.text, path


@pytest.mark.site
def test_every_notebook_can_be_downloaded(site, pages):
    notebooks = [chapter for chapter in chapters() if chapter.startswith("notebooks/")]
    for chapter in notebooks:
        page = site / f"{chapter}.html"
        offered = [
            address for address in pages[page].links if urlsplit(address).path.endswith(".ipynb")
        ]
        assert offered, f"{chapter} offers no notebook"
        for address in offered:
            notebook = nbformat.read(target(page, address), as_version=4)
            nbformat.validate(notebook)
            first, *others = notebook.cells
            assert "pip install" in first.source
            assert all("**What this notebook needs.**" not in cell.source for cell in others)


@pytest.mark.site
@pytest.mark.parametrize("chapter", [name for name in chapters() if name.startswith("notebooks/")])
def test_outputs_are_those_that_are_stored(site, chapter):
    """To the last blank: a table that is printed keeps its lines on the page."""
    page = _Outputs()
    page.feed((site / f"{chapter}.html").read_text("utf-8"))
    notebook = nbformat.read(ROOT / f"{chapter}.ipynb", as_version=4)
    stored = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert len(page.cells) == len(stored)
    compared = 0
    for (classes, outputs), cell in zip(page.cells, stored, strict=True):
        if f"tag_{IGNORE_TAG}" not in classes:
            assert outputs == stored_outputs(cell), cell["source"]
            compared += len(outputs)
    assert compared > 0


@pytest.mark.site
def test_every_symbol_has_its_row(site, pages):
    ids = pages[site / "book/notation.html"].ids
    assert {f"symbol-{name}" for name in SYMBOLS} <= ids


@pytest.mark.site
def test_search_index_knows_the_chapters(site):
    index = (site / "searchindex.js").read_text("utf-8")
    known = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["docnames"]
    assert set(chapters()) <= set(known)


@pytest.mark.site
def test_own_logo_and_favicon(site, pages):
    for name in ("logo.svg", "favicon.svg"):
        assert (site / "_static" / name).is_file()
    for chapter in chapters():
        page = pages[site / f"{chapter}.html"]
        assert any(address.endswith("logo.svg") for address in page.loads)
        assert any(address.endswith("favicon.svg") for address in page.loads)


@pytest.mark.site
def test_no_dead_launch_button(pages):
    if small_book.CONFIG["repository"]["url"]:
        pytest.skip("the repository has an address, so there are launch buttons")
    for path, page in pages.items():
        assert "launch-buttons" not in page.text, path


@pytest.mark.site
def test_launch_buttons_with_an_address(site, tmp_path):
    """With the one line filled in, a notebook's page links to Binder and Colab, and tells of Colab."""
    address = "https://github.com/someone/book"
    (told,) = re.findall(
        r"^:+{with-address}\n.*?^:+$",
        (ROOT / "book/how_to_read.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    running = "---\njupytext: {text_representation: {format_name: myst}}\n---\n"
    trial = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Trial")])
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build/web").symlink_to(site.parent / "web")
    built = small_book.build(
        tmp_path,
        {"trial": trial},
        index=f"{running}# Book\n\n{told}\n",
        repository={"url": address, "branch": "main"},
    )
    assert built.returncode == 0, built.stderr
    page = read_page((tmp_path / "_build/html/trial.html").read_text("utf-8"))
    assert "https://mybinder.org/v2/gh/someone/book/main?urlpath=lab/tree/trial.ipynb" in page.links
    assert (
        "https://colab.research.google.com/github/someone/book/blob/main/trial.ipynb" in page.links
    )
    assert "index.html#elsewhere" in page.links
    # Neither opens a page that is no notebook.
    told = read_page((tmp_path / "_build/html/index.html").read_text("utf-8"))
    assert not any("someone/book" in link for link in told.links)
    assert "elsewhere" in told.ids
    command = re.sub("<[^>]*>", "", told.text)
    assert f"%pip install --quiet git+{address}@main" in command


def test_binder_installs_the_locked_versions():
    """Where pip runs is the repository's folder; the lock is named from the file's own."""
    lines = (ROOT / ".binder/requirements.txt").read_text("utf-8").splitlines()
    assert "-e ." in lines
    (lock,) = (line.removeprefix("-c ") for line in lines if line.startswith("-c "))
    locked = (ROOT / ".binder" / lock).read_text("utf-8")
    for name in lines:
        if name[0].isalpha():
            assert f"\n{name}==" in locked


@pytest.mark.site
def test_every_module_has_an_api_page(site, pages):
    documented = set().union(*(pages[path].ids for path in (site / "book/api").glob("*.html")))
    modules = {
        found.name
        for found in pkgutil.walk_packages(dmcore.__path__, "dmcore.")
        if not found.ispkg and not found.name.startswith("dmcore._")
    }
    assert {f"module-{name}" for name in modules} <= documented


def test_no_registry_host_in_locks():
    locks = ("book/_web/package-lock.json", "book/_web/check/package-lock.json")
    for name in ("requirements.lock", *locks):
        assert "://registry" not in (ROOT / name).read_text("utf-8")
    assert shutil.which("node", path=str(Path(sys.executable).parent))
