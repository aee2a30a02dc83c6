"""Quantities as people type them mean the same in Python and in a field of the page."""

from __future__ import annotations

import json
import math
import subprocess

import pytest
from test_javascript import LIVE, node

from dmcore.algebra.quantities import bandwidth_bytes_per_s, duration_s, token_count

DURATIONS = {
    "90 days": 90 * 86400,
    "1 day": 86400,
    "3 months": 3.154e7 / 4,
    "0.5 years": 3.154e7 / 2,
    "2 weeks": 14 * 86400,
    "36h": 36 * 3600,
    "15 min": 900,
    "1e3 s": 1000,
    "90": None,
    "days": None,
    "-3 days": None,
    "3 fortnights": None,
}
BANDWIDTHS = {
    "400 Gb/s": 100e9,
    "400Gbps": 100e9,
    "0.8 Tb/s": 200e9,
    "50 GB/s each way": 100e9,
    "900 GB/s": 900e9,
    "900 GB/s both ways": 900e9,
    "400 Gb/s both ways": 50e9,
    "3.35 TB/s": 3.35e12,
    "100": None,
    "100 Gx/s": None,
    "Gb/s": None,
}
TOKENS = {
    "60M": 60e6,
    "60 million": 60e6,
    "6e7 tokens": 60e6,
    "4 Mi tokens": 2**22,
    "128k": 128e3,
    "2048": 2048,
    ".5 billion": 5e8,
    "60 M B": None,
    "-1": None,
    "million": None,
    "": None,
}
PROGRAM = """
import { bandwidthBytes, durationSeconds, tokenCount } from "%s";
const [durations, rates, counts] = JSON.parse(process.argv[1]);
const read = [durations.map(durationSeconds), rates.map(bandwidthBytes), counts.map(tokenCount)];
console.log(JSON.stringify(read));
"""


def test_page_reads_what_python_reads():
    asked = json.dumps([list(DURATIONS), list(BANDWIDTHS), list(TOKENS)])
    program = PROGRAM % (LIVE / "quantities.js").as_uri()
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program, asked],
        capture_output=True,
        text=True,
        check=True,
    )
    tables = DURATIONS, BANDWIDTHS, TOKENS
    for read, table in zip(json.loads(done.stdout), tables, strict=True):
        for text, found in zip(table, read, strict=True):
            wanted = table[text]
            assert (found is None) == (wanted is None), text
            assert wanted is None or math.isclose(found, wanted, rel_tol=1e-12), text


@pytest.mark.parametrize(
    ("reads", "table"),
    [(duration_s, DURATIONS), (bandwidth_bytes_per_s, BANDWIDTHS), (token_count, TOKENS)],
)
def test_python_reads_the_same_table(reads, table):
    for text, wanted in table.items():
        if wanted is None:
            with pytest.raises(ValueError, match="must be a number above 0"):
                reads(text)
        else:
            assert reads(text) == pytest.approx(wanted, rel=1e-12)
