"""The book on paper: every page of the contents, with its number, and nothing that points outside."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from pypdf import PdfReader

import dmcore

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book/_print"))
import book_pdf  # noqa: E402


@pytest.mark.site
@pytest.mark.browser
def test_the_first_pages_make_a_book(site, browser, tmp_path):
    """The contents name the page on which a part begins; links between parts lead inside."""
    count = book_pdf.make(site, tmp_path / "book.pdf", dmcore.__version__, only=5, browser=browser)
    reader = PdfReader(tmp_path / "book.pdf")
    assert len(reader.pages) == count
    titles = [entry["/Title"] for entry in reader.outline]
    starts = [reader.get_destination_page_number(entry) for entry in reader.outline]
    contents = reader.pages[1].extract_text()
    told = [int(number) for number in re.findall(r"(\d+)\s*$", contents, re.MULTILINE)]
    assert told[: len(starts)] == [start + 1 for start in starts]
    for title, start in zip(titles, starts, strict=True):
        assert title.split()[-1] in reader.pages[start].extract_text()
    for page in reader.pages:
        for annotation in page.get("/Annots", ()):
            assert "file:" not in str(annotation.get_object().get("/A", ""))


@pytest.mark.site
@pytest.mark.browser
def test_solutions_stand_unfolded_at_the_end(site, browser, tmp_path):
    page = site / "notebooks/memory_bandwidth.html"
    book_pdf.print_page(browser, page.as_uri(), tmp_path / "chapter.pdf")
    text = "".join(part.extract_text() for part in PdfReader(tmp_path / "chapter.pdf").pages)
    assert text.count("Solution to Exercise") >= 2
    assert text.index("Answers and solutions") < text.index("Solution to Exercise")


def test_citation_names_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert str(citation["version"]) == dmcore.__version__
