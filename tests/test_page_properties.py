"""What the page reads and writes, for any text and number: the address, numbers, quantities, CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from test_javascript import LIVE, node

from dmcore.algebra.numbers import readable

# One process for all: a line asks [function, arguments], a line answers. The page's address is a stub.
PROGRAM = """
import { createInterface } from "node:readline";
import * as address from "%s/address.js";
import { csv } from "%s/runs/csv.js";
import { parse, readable, short, shown, spoken } from "%s/numbers.js";
import { quantity } from "%s/quantities.js";
globalThis.location = { hash: "", pathname: "/", search: "" };
globalThis.history = { replaceState: (_state, _title, url) => {
  location.hash = url.startsWith("#") && url.length > 1 ? url : "";
} };
const pairs = (settings) => (settings ? [...settings] : null);
const functions = {
  csv, parse, quantity, readable, short, shown, spoken,
  read: (hash, name) => { location.hash = hash; return pairs(address.read(name)); },
  write: (hash, written, asked) => {
    location.hash = hash;
    for (const [name, settings] of written) address.write(name, new URLSearchParams(settings));
    return asked.map((name) => pairs(address.read(name)));
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  const [name, given] = JSON.parse(line);
  const answer = functions[name](...given);
  console.log(JSON.stringify(Number.isNaN(answer) ? null : answer));
}
"""
# A fragment's text is Unicode without lone surrogates, which no address can hold.
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
NAMES = TEXTS.filter(bool)
SETTINGS = st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=4).map(lambda each: [*each])
FLOATS = st.floats(1e-290, 1e290) | st.floats(-1e290, -1e-290)
SAFE = st.integers(-(2**53) + 1, 2**53 - 1)


@pytest.fixture(scope="module")
def page():
    """A function of the page by its name, with arguments: what it answers, None for no number."""
    program = PROGRAM.replace("%s", LIVE.as_uri())
    with subprocess.Popen(
        [node(), "--input-type=module", "-e", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:

        def ask(name, *given):
            process.stdin.write(json.dumps([name, given]) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, f"{name} of {given} threw"
            return json.loads(line)

        yield ask
        process.stdin.close()


@given(number=SAFE)
@example(number=16_384)
@example(number=2**53 - 1)
def test_a_whole_number_is_shown_as_itself(page, number):
    text = page("shown", number)
    assert int(re.sub("\u202f", "", text).replace("−", "-")) == number
    assert page("parse", text) == number


@given(value=FLOATS, digits=st.integers(1, 9))
@example(value=999_999.6, digits=3)
@example(value=9.9999e-4, digits=4)
def test_a_number_is_written_as_python_writes_it_and_read_back(page, value, digits):
    text = page("readable", value, digits)
    assert text.replace("\u00a0", " ") == readable(value, digits)
    assert page("parse", text) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))
    assert page("parse", page("short", value)) == pytest.approx(value, rel=0.51e-3)


@pytest.mark.parametrize(
    ("value", "by_a_figure", "beside_a_slider"),
    [
        (24576, "24\u202f576", "24\u202f576"),
        (1234567, "1\u202f234\u202f567", "1.235\u00a0×\u00a010⁶"),
        (-3, "−3", "−3"),
        (0.5, "0.5000", "0.5"),
        (12.5, "12.50", "12.5"),
        (99.999, "100.0", "100"),
        (1e29, "1.000\u00a0×\u00a010²⁹", "10²⁹"),
        (2.5e-9, "2.500\u00a0×\u00a010⁻⁹", "2.5\u00a0×\u00a010⁻⁹"),
    ],
)
def test_whole_numbers_in_full_and_no_zeros_that_say_nothing(
    page, value, by_a_figure, beside_a_slider
):
    assert page("shown", value) == by_a_figure
    assert page("short", value) == beside_a_slider


@given(value=FLOATS)
@example(value=1e29)
@example(value=12_345.0)
def test_what_is_spoken_has_no_sign_that_is_left_out(page, value):
    text = page("spoken", page("shown", value))
    assert not re.search("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻\u202f\u00a0×]", text)
    front, _, power = text.partition(" times 10 to the ")
    said = float(front.replace("−", "-")) * 10.0 ** int(power.replace("minus ", "-") or 0)
    assert said == pytest.approx(value, rel=0.51e-3)


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("1,234,567", "", 1_234_567),
        ("1,5", "", 1.5),
        ("12 GB", "GB", 12),
        ("3/4", "", 0.75),
        ("3 × 10^12", "", 3e12),
        ("10^28", "", 1e28),
        ("-2_000", "", -2000),
        ("/2", "", None),
        ("2/", "", None),
        ("1/2/3", "", None),
        ("12 GB", "", None),
    ],
)
def test_numbers_as_people_type_them(page, text, unit, number):
    assert page("parse", text, unit) == number


def test_three_digits_unless_told(page):
    assert page("readable", 590.35) == "590"


@given(text=TEXTS, unit=st.sampled_from(["", "FLOP", "GB/s", "months", "days"]))
@example(text="10⁻", unit="")
@example(text="1/0", unit="")
@example(text="1e400", unit="")
def test_any_text_is_a_number_or_none(page, text, unit):
    for name in ("parse", "quantity"):
        assert page(name, text, unit) is None or math.isfinite(page(name, text, unit))


@given(number=st.floats(1e-6, 1e9))
def test_a_typed_unit_is_that_of_the_field(page, number):
    assert page("quantity", f"{number!r} GB/s", "GB/s") == pytest.approx(number, rel=1e-12)
    assert page("quantity", f"{number!r} Gb/s", "GB/s") == pytest.approx(number / 4, rel=1e-12)
    assert page("quantity", f"{number!r} weeks", "days") == pytest.approx(7 * number, rel=1e-12)
    assert page("quantity", f"{number!r} years", "months") == pytest.approx(12 * number, rel=1e-12)


@given(hash=TEXTS, name=NAMES)
@example(hash="#your-cluster%?months=4", name="your-cluster%")
@example(hash="#foo%zz?bar", name="foo%zz")
@example(hash="#%E0%A4%A?x=1", name="%E0%A4%A")
@example(hash="#__proto__?a=1", name="__proto__")
def test_no_address_is_too_mangled_to_read(page, hash, name):
    page("read", hash, name)


@given(before=TEXTS, first=st.tuples(NAMES, SETTINGS), second=st.tuples(NAMES, SETTINGS))
def test_settings_come_back_from_the_address(page, before, first, second):
    assume(first[0] != second[0])
    answers = page("write", "#" + before, [first, second], [first[0], second[0]])
    assert answers == [[list(pair) for pair in settings] for _, settings in (first, second)]


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12) | FLOATS | SAFE


@given(width=st.integers(2, 5), data=st.data())
def test_a_file_of_runs_reads_back(page, width, data):
    row = st.lists(CELLS, min_size=width, max_size=width)
    rows = data.draw(st.lists(row, min_size=1, max_size=5))
    read = list(csv.reader(io.StringIO(page("csv", rows), newline="")))
    for row, found in zip(rows, read, strict=True):
        for value, text in zip(row, found, strict=True):
            assert (text if isinstance(value, str) else float(text)) == value
