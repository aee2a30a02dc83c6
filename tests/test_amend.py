"""What the themes write is amended, and an amendment that finds nothing is an error of the build."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXTENSIONS = Path(__file__).parents[1] / "book" / "_ext"
sys.path.insert(0, str(EXTENSIONS))
import amend  # noqa: E402

#: A page in which every amendment has something to do.
PAGE = """
<html lang="en" data-theme="auto"><head>
<link rel="preload" as="font" type="font/woff2" href="a.woff2">
<script src="_static/vendor/fontawesome/6.5.2/js/all.min.js?digest=df">
</script></head><body>
<div class="bd-sidebar-primary sidebar">
<button class="btn search-button-field" title="Search" aria-label="Search">Search</button>
<a class="reference" href="api.html">The package</a><details><summary><span class="toctree-toggle">
</span></summary></details></div>
<details class="admonition hide above-input"><summary aria-label="Toggle hidden content">Solution
</summary></details>
<div role="list" class="citation-list"><div class="citation" role="doc-biblioentry"></div></div>
</body></html>
"""


def test_a_page_of_the_themes_is_amended():
    amended, lacking = amend.amend(PAGE)
    assert lacking == []
    for gone in (
        "preload",
        "fontawesome",
        '"auto"',
        "Toggle hidden",
        'aria-label="Search"',
        'role="list"',
        "doc-",
    ):
        assert gone in PAGE
        assert gone not in amended
    assert '<summary aria-label="Pages of: The package">' in amended
    assert (
        '<div class="bd-sidebar-primary sidebar" role="complementary" aria-label="Book">' in amended
    )


@pytest.mark.parametrize("each", amend.AMENDMENTS, ids=lambda each: each.pattern)
def test_what_a_theme_writes_in_another_way_is_named(each):
    """Whichever pattern no longer matches is told, and no other."""
    sign = re.search(each.where, PAGE).group() if each.where else ""
    other = re.sub(each.pattern, "<i>", PAGE)
    assert other != PAGE
    # What it is for is still there.
    assert amend.amend(f"{other}{sign}")[1] == [each.pattern]


def test_a_page_without_what_is_amended_needs_no_match():
    page = re.sub(
        r"<details class=.*?</details>|<div role=.list.*</div>", "", PAGE, flags=re.DOTALL
    )
    assert amend.amend(page)[1] == []


@pytest.mark.parametrize("fault", [False, True])
def test_build(tmp_path, fault):
    """With the theme of the book; a pattern that is in none of its pages fails the build."""
    more = "amend.AMENDMENTS.append(amend.Amendment('<no-such-element>', ''))" if fault else ""
    (tmp_path / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(EXTENSIONS)!r})\nimport amend\n{more}\n"
        "extensions = ['amend']\nhtml_theme = 'sphinx_book_theme'\nproject = 'Trial'\n"
        "html_context = {'default_mode': 'auto'}\n"
    )
    (tmp_path / "index.rst").write_text("Trial\n=====\n\nA paragraph.\n")
    build = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(tmp_path), str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert (build.returncode != 0) == fault, build.stderr
    if fault:
        assert "no '<no-such-element>' in " in build.stderr
    else:
        assert 'data-theme="light"' in (tmp_path / "out/index.html").read_text("utf-8")


def test_a_downloaded_notebook_tells_once_what_it_needs():
    given = json.dumps({"cells": [{"id": "a", "cell_type": "markdown", "source": "# One"}]})
    told = amend.with_needs(given)
    assert [cell["id"] for cell in json.loads(told)["cells"]] == ["needs", "a"]
    assert "pip install ." in told
    assert amend.with_needs(told) == told
    assert "pip install git+https://a.b/c" in amend.with_needs(given, "https://a.b/c")
