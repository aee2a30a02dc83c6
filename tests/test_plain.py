"""Chapters in plain Markdown become cross-references on the site, and what cannot be one is told."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import small_book
from nbformat.v4 import new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book/_ext"))
import plain  # noqa: E402

KNOWN = {"https://arxiv.org/abs/2203.15556": "hoffmann2022", "https://arxiv.org/abs/1": "one2001"}
GLOSSARY = plain.terms(
    "# Glossary\n\n```{glossary}\n:sorted:\n\nbatch size\n  Tokens.\n\nMAC\n  Two.\n```\n"
)


def roles(text):
    typed = {}
    return plain.to_roles(text, KNOWN, GLOSSARY, typed), typed


@pytest.mark.parametrize(
    ("written", "on_the_site"),
    [
        (
            "as fitted ([Hoffmann et al., 2022](https://arxiv.org/abs/2203.15556)).",
            "as fitted {cite:p}`hoffmann2022`.",
        ),
        (
            "([Hoffmann et al., 2022](https://arxiv.org/abs/2203.15556); [One, 2001](https://arxiv.org/abs/1))",
            "{cite:p}`hoffmann2022,one2001`",
        ),
        (
            "[Hoffmann et al. (2022)](https://arxiv.org/abs/2203.15556) fit it.",
            "{cite:t}`hoffmann2022` fit it.",
        ),
        ("a [batch](../book/glossary.md#term-batch-size) of", "a {term}`batch <batch size>` of"),
        ("in [(3.4)](#eq-nanobatch) we", "in {eq}`eq-nanobatch` we"),
        ("([the next chapter](network.ipynb))", "([the next chapter](network.ipynb))"),
        (
            "`[A, 2022](x)` and\n```python\n# [A, 2022](x)\n```\n",
            "`[A, 2022](x)` and\n```python\n# [A, 2022](x)\n```\n",
        ),
    ],
)
def test_what_is_written_and_what_the_site_has(written, on_the_site):
    assert roles(written)[0] == on_the_site


def test_typed_numbers_are_kept():
    assert roles("[(3.4)](#eq-nanobatch)")[1] == {"eq-nanobatch": "3.4"}


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("([Nobody, 1999](https://example.org))", "no source of the bibliography"),
        ("[Nobody (1999)](https://example.org)", "no source of the bibliography"),
        ("by [One, 2001](https://arxiv.org/abs/1) then", "stands in parentheses"),
        ("[it](glossary.md#term-it)", "the glossary has no term"),
    ],
)
def test_what_cannot_be_a_reference_is_told(written, problem):
    with pytest.raises(ValueError, match=problem):
        roles(written)


def test_every_address_of_the_bibliography_is_of_one_source():
    from pybtex.database import parse_file

    entries = parse_file(str(ROOT / "book/references.bib"), bib_format="bibtex").entries
    addresses = [found for entry in entries.values() if (found := plain.address(entry))]
    assert len(set(addresses)) == len(addresses)


@pytest.mark.site
@pytest.mark.parametrize("number", [1, 2])
def test_a_small_book(tmp_path, number):
    """A symbol is linked to the notation; an equation with another number fails the build."""
    text = (
        "# Trial\n\nAfter $N_{\\mathrm{TP}}$ of ([Hoffmann et al., 2022]"
        f"(https://arxiv.org/abs/2203.15556)), [({number})](#eq-x).\n\n$$\nx = 1\n$$ (eq-x)\n"
    )
    page = new_notebook(cells=[new_markdown_cell(text)])
    index = "# Book\n\n```{symbol-table}\n```\n\n```{bibliography}\n```\n"
    done = small_book.build(tmp_path, {"trial": page}, index=index)
    if number == 2:
        assert done.returncode != 0
        assert "the equation eq-x is (1), not (2)" in done.stdout + done.stderr
        return
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "_build/html/trial.html").read_text("utf-8")
    assert "index.html#symbol-N_TP" in html
    assert "index.html#id" in html


@pytest.mark.parametrize("page", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda page: page.stem)
def test_chapters_are_written_in_plain_markdown(page):
    """A role would stand raw wherever a chapter is read without Sphinx."""
    cells = json.loads(page.read_text("utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert not re.findall(r"\{[a-z:]+\}`[^`]*`", text)
