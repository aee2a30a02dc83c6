"""Figures: what they carry for the page, for a phone, and for who cannot see them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from dmcore.algebra.numbers import power_of_ten
from dmcore.chapters.memory_bandwidth import nanobatch_explorer, rooflines
from dmcore.show import plots


def test_a_figure_is_one_described_svg_without_colors_or_fonts_of_its_own():
    figure = rooflines()
    root = ElementTree.fromstring(figure.svg)
    assert root.tag.endswith("svg")
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == figure.alt
    assert "H100 SXM 590 tokens" in figure.alt
    assert plots.INK not in figure.svg
    assert "currentColor" in figure.svg
    assert "font-family" not in figure.svg or "DejaVu" not in figure.svg
    for number, color in enumerate(plots.COLORS[:3], start=1):
        assert f"var(--dm-c{number}, {color})" in figure.svg


def test_a_figure_fits_a_phone_with_text_of_a_readable_size():
    svg = rooflines().svg
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    smallest = min(float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", svg))
    assert width <= 340  # points, as wide as a phone's column in CSS pixels
    assert smallest >= 9


def test_the_same_figure_is_drawn_to_the_letter_each_time():
    assert rooflines().svg == rooflines().svg


def test_a_figure_needs_a_description():
    with pytest.raises(ValueError, match="alt"), plots.canvas("  "):
        pass


def test_an_explorer_is_drawn_with_its_readings_and_follows_changes():
    explorer = nanobatch_explorer()
    before = plots.draw_explorer(explorer)
    after = plots.draw_explorer(explorer, {"beta_hbm": 2 * explorer.defaults()["beta_hbm"]})
    assert "Least nanobatch: 590 tokens" in before.alt
    assert "Least nanobatch: 295 tokens" in after.alt
    assert before.svg != after.svg


def test_drawing_leaves_the_readers_own_style_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    rooflines()
    assert dict(mpl.rcParams) == before


def test_powers_of_ten():
    assert power_of_ten(28) == "10²⁸"
    assert power_of_ten(-3) == "10⁻³"
