"""The list of published measurements: its rows are whole, and the page tells each with its source."""

from __future__ import annotations

import csv
import gzip
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from dmcore.prediction.measured import FILE, measured
from dmcore.prediction.published import NEEDED, address, faults, oddities, published

ROOT = Path(__file__).parents[1]


def test_every_row_is_whole_and_can_be():
    assert faults() == []


def changed(tmp_path, **cells):
    """The table of two rows, the second with other cells."""
    with FILE.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        first = next(row for row in table if row["family"] == "dense")
    copy = tmp_path / "rows.csv"
    with copy.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(first), lineterminator="\n")
        writer.writeheader()
        writer.writerows([first, {**first, "id": "other", **cells}])
    return copy


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"model": ""}, "other: model is not told"),
        ({"gpu": "Z80"}, "other: gpu must be one of"),
        ({"source_url_or_repo_path": "somewhere"}, "other: 'somewhere' is no address"),
        ({"tok_s_how": "guessed"}, "other: tok_s_how must be one of printed, batch over step time"),
        ({"tok_s_gpu": "-3"}, "other: tok_s_gpu must be a positive number, got '-3'"),
        ({"tok_s_gpu": "fast"}, "other: tok_s_gpu must be a positive number, got 'fast'"),
        ({"family": "moe"}, "other: family is 'moe', and there are no experts"),
        ({"peak_tflops": "99"}, "other: peak_tflops is 99, and about "),
        ({"flop_per_token_full_attn": "1e9"}, "other: flop_per_token_full_attn is 1e+09, and about "),
    ],
)  # fmt: skip
def test_a_row_that_is_not_whole_is_named(tmp_path, cells, told):
    [found] = faults(changed(tmp_path, **cells))
    assert found.startswith(told)


def test_a_row_that_is_short_or_there_twice_is_named(tmp_path):
    copy = changed(tmp_path)
    assert faults(copy) == []
    text = copy.read_text("utf-8")
    copy.write_text(text + text.splitlines()[1] + "\nmine,\n", "utf-8")
    told = faults(copy)
    assert any("another row has that name" in one for one in told)
    assert any(re.match(r"mine: 2 cells, not \d+", one) for one in told)


def test_the_rule_for_rows_that_look_wrong():
    """Of one group's rows, the one that is off alone is odd, and none is if all are off."""
    runs = measured()
    runs = runs.part(runs.cell("group") == "kempnerforge | Llama 3-like | H200")
    assert not any(oddities(runs, runs.rate))
    for factor in (0.4, 2.5):
        alone = runs.rate.copy()
        alone[3] *= factor
        assert [i for i, why in enumerate(oddities(runs, alone)) if why] == [3]
        assert not any(oddities(runs, factor * runs.rate))
    pair = runs.part(np.arange(len(runs.rate)) < 2)
    assert not any(oddities(pair, pair.rate * [1, 3]))  # one neighbour says nothing
    flags = {row.id for row in published() if row.unscored == "flagged"}
    assert flags <= {row.id for row in published() if row.oddities}


def test_addresses():
    assert all(row.url for row in published())
    for place, told in {
        "github:a/b @1f2 c/d/README.md, e": "https://github.com/a/b/blob/1f2/c/d/README.md",
        "github:a/b_v4.0 X+Y/results/z; X+Y/w": "https://github.com/a/b_v4.0/tree/HEAD/X+Y/results/z",
        "docs.example.com/a/b.html": "https://docs.example.com/a/b.html",
        "a book": "",
    }.items():
        assert address(place) == told


def test_the_page_takes_its_example_from_the_readme(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book/_ext")
    extension = importlib.import_module("measurements")
    line = extension.example((ROOT / "README.md").read_text("utf-8"))
    with FILE.open(newline="", encoding="utf-8") as file:
        names = next(csv.reader(file))
    [cells] = csv.reader([line.strip()])
    assert len(cells) == len(names)
    assert all(dict(zip(names, cells, strict=True))[name] for name in NEEDED)
    with pytest.raises(ValueError, match="has no recipe"):
        extension.example("nothing")


@pytest.mark.site
def test_the_page_lists_every_row_and_is_light(site):
    text = (site / "book/measurements.html").read_text("utf-8")
    for row in published():
        assert text.count(f">{row.id}</a></th>") == 1 + bool(row.oddities)
        assert f'href="{row.url.replace("&", "&amp;")}"' in text
    assert len(gzip.compress(text.encode())) < 150_000


@pytest.mark.site
@pytest.mark.browser
def test_the_rows_are_read_without_a_script_and_chosen_with_one(site, browser):
    address = (site / "book/measurements.html").as_uri()
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = plain.new_page()
    page.goto(address)
    assert not page.locator("form.measured-filter").is_visible()
    page.locator("summary", has_text="torchtitan").click()
    assert page.get_by_role("link", name="torchtitan-031").is_visible()
    plain.close()
    page = browser.new_page()
    page.goto(address)
    shown = page.locator("details.measured-source tbody tr:visible")
    assert shown.count() == 0  # all is folded
    page.locator("[name=gpu]").select_option("Blackwell")
    page.locator("[name=model]").select_option("experts")
    page.locator("[name=words]").fill("deepseek mxfp8")
    want = [
        row.id
        for row in published()
        if row.kind == "Blackwell" and row.moe and "DeepSeek" in row.model and row.precision == "mxfp8"
    ]  # fmt: skip
    assert shown.locator("th").all_inner_texts() == want != []
    said = page.locator(".measured-filter [role=status]")
    assert said.inner_text() == f"{len(want)} of {len(published())} rows."
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("!document.querySelector('.measured-source[open]')")
    assert said.inner_text().startswith(f"{len(published())} rows")
    page.close()
