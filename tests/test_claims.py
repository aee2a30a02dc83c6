"""Every claim of the ledger stands on its page and is true; every number that needs one has one."""

from __future__ import annotations

import re

import pytest
from claims import ledger
from claims.ledger import Claim

PAGES = ledger.pages()


@pytest.mark.parametrize("page", PAGES)
def test_claims_stand_and_hold(page):
    text = ledger.plain(ledger.source(page))
    problems = [problem for claim in ledger.claims_of(page) if (problem := claim.problem(text))]
    assert not problems, "\n".join([page, *problems])


@pytest.mark.parametrize("page", PAGES)
def test_numbers_that_matter_are_claimed_or_cited(page):
    covering = tuple(claim.text() for claim in ledger.claims_of(page))
    missing = ledger.uncovered(page, covering)
    assert not missing, "\n".join([page, *missing])


def test_every_file_of_claims_belongs_to_a_page():
    files = {path.stem for path in ledger.FOLDER.glob("*.py")} - {"__init__", "ledger", "values"}
    assert files <= set(PAGES)


@pytest.mark.parametrize("page", [page for page in PAGES if ledger.claims_of(page)])
def test_a_changed_number_is_noticed(page):
    """Each number of each claim, changed in the page wherever its sentence stands, makes the claim fail."""
    text = ledger.plain(ledger.source(page))
    for claim in ledger.claims_of(page):
        for show in claim.shown:
            wrong = re.sub(
                r"\d", lambda m: str((int(m[0]) + 1) % 10), ledger.plain(show()), count=1
            )
            sentence = claim.text()
            false = text.replace(sentence, sentence.replace(ledger.plain(show()), wrong))
            assert wrong == ledger.plain(show()) or claim.problem(false), claim.sentence


def test_a_false_comparison_and_a_false_count_are_noticed():
    page = ledger.plain(
        "**The A100 ends before the H100** in 2 of 3 cases,\nat $1.9 \\times 10^{28}$ FLOP."
    )
    assert Claim("The A100 ends before the H100", holds=lambda: True).problem(page) is None
    assert "not true" in (
        Claim("The A100 ends before the H100", holds=lambda: False).problem(page) or ""
    )
    assert (
        Claim(
            "in {} of {} cases, at {} FLOP", lambda: "2", lambda: "3", lambda: "1.9 × 10²⁸"
        ).problem(page)
        is None
    )
    assert "not on the page" in (Claim("in {} of 3 cases", lambda: "1").problem(page) or "")


def test_a_claim_that_cannot_fail_is_refused():
    with pytest.raises(ValueError, match="nothing shows"):
        Claim("The A100 ends before the H100")
    with pytest.raises(ValueError, match="another number of fields"):
        Claim("The A100 ends at {} FLOP", holds=lambda: True)


def test_names_and_citations_need_no_claim(monkeypatch):
    text = (
        "On the H100 of {cite:p}`llama2024` it was 419.\n\n"
        "> **Takeaway.** The H100, GPT-3 and Llama 3.1 405B need 590 tokens.\n> A second line with 17.\n"
    )
    monkeypatch.setattr(ledger, "source", lambda _: text)
    assert [m.partition(" in: ")[0] for m in ledger.uncovered("x", ())] == ["590", "17"]
    both = "The H100, GPT-3 and Llama 3.1 405B need 590 tokens. A second line with 17."
    assert ledger.uncovered("x", (both,)) == []
