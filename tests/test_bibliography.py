"""The bibliography: labels are what the text cites, and each is one work's."""

from __future__ import annotations

import sys
from pathlib import Path

from pybtex.database import parse_file

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from bibliography import AuthorYearLabels  # noqa: E402

ENTRIES = parse_file(str(ROOT / "book" / "references.bib"), bib_format="bibtex").entries


def test_every_work_has_a_label_of_its_own():
    labels = list(AuthorYearLabels().format_labels(ENTRIES.values()))
    assert len(set(labels)) == len(labels)
    assert "DeepSeek-AI, 2024a" in labels
    assert "Hoffmann et al., 2022" in labels
    assert "Erdil and Schneider-Joseph, 2024a" in labels
    assert not any("{" in label for label in labels)
