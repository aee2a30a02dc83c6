"""Figures and tables are numbered in the order in which a page has them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from docutils import nodes
from docutils.utils import new_document

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def captions():
    spec = importlib.util.spec_from_file_location("captions", ROOT / "book/_ext/captions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def raw(text):
    return nodes.raw("", text, format="html")


def cell(*outputs):
    return nodes.container("", *outputs, classes=["cell"])


def caption(text):
    return nodes.paragraph("", "", nodes.emphasis(text=text))


def numbered(captions, *children, prefix="3."):
    document = new_document("page")
    document += nodes.section("", *children)
    captions.number_captions(document, prefix)
    return document


def test_captions_are_numbered_by_kind(captions):
    table = raw("<table><caption style='x'>Limits</caption></table>")
    page = numbered(
        captions,
        cell(raw("<svg></svg>")),
        caption("A roofline."),
        cell(table),
        cell(raw("<svg></svg>")),
        caption("Another."),
        caption("Units."),
        nodes.table(),
    )
    told = [node.astext() for node in page.findall(nodes.paragraph)]
    assert told == ["Figure 3.1. A roofline.", "Figure 3.2. Another.", "Table 3.2. Units."]
    assert "<caption style='x'><strong>Table 3.1.</strong> Limits" in page.astext()


def test_what_is_no_caption_is_left(captions):
    text = nodes.paragraph("", "", nodes.emphasis(text="Note"), nodes.Text(" that"))
    page = numbered(captions, cell(raw("<svg></svg>")), text, cell(raw("<p>")), caption("Alone."))
    assert [node.astext() for node in page.findall(nodes.paragraph)] == ["Note that", "Alone."]


def test_a_page_without_a_number_counts_by_itself(captions):
    page = numbered(captions, cell(raw("<svg></svg>")), caption("Growth."), prefix="")
    assert page.astext().count("Figure 1. Growth.") == 1
