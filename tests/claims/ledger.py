"""The ledger of claims: what the pages assert, with the computation that shows it.

A file of this folder named after a page (`limits.py` for `notebooks/limits.ipynb`, `intro.md` of `book/`
in `intro.py`) holds `CLAIMS`, a tuple of claims:

    Claim("The H100 needs about {} tokens", lambda: values.shown(values.nanobatch("H100 SXM"), 3)),
    Claim("the V100 ends first", holds=lambda: values.end("V100 SXM") < values.end("A100 SXM")),

The sentence, or the telling part of it, is what stands on the page, with a field {} for each number. What
fills the fields is computed, so that a number changed on the page or in the model is noticed. What a
comparison or a count asserts is `holds`. Sentences are compared without regard to line ends, emphasis,
links within the book and how mathematics is written: $1.9 \\times 10^{28}$ FLOP, 1.9 × 10²⁸ FLOP and
1.9 × 10^28 FLOP are one.

`python tests/claims/ledger.py` lists the pages with their claims. What several pages say is a function of
`values.py`, which they share.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent

#: Pages on which each number needs a claim or a citation; elsewhere only bold sentences and takeaways do.
WHOLE_PAGES = ("intro", "limitations", "paper_claims")

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_PLAIN = (
    (r"(?<=10)([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)", lambda m: "^" + m[1].translate(_RAISED)),
    (r"\\(?:text|mathrm)\{([^{}]*)\}", r"\1"),
    (r"\^\{([^{}]*)\}", r"^\1"),
    (r"\\times\b", "×"),
    (r"\\approx\b", "≈"),
    (r"\\(?:left|right|,|;|!)", ""),
    (r"\{,\}", ","),
    (r"(?<=\d)[\N{NARROW NO-BREAK SPACE}\N{NO-BREAK SPACE}](?=\d{3})", ","),
    (r"\\[ %]", lambda m: m[0][1]),
    (r"\[([^\[\]]*)\]\((?!https?:)[^()\s]*\)", r"\1"),
    (r"[*$]", ""),
    (r"[\N{NARROW NO-BREAK SPACE}\N{NO-BREAK SPACE}~]", " "),
    (r"\n>[ ]?", "\n"),
    (r"\s+", " "),
)
# A number, with its sign of thousands and its power of ten, that is no part of a name (H100, GPT-3, N_2).
_NUMBER = re.compile(r"(?<![\w^.,/\-–])\d+(?:[,.]\d+)*(?:(?: × 10)?\^-?\d+)?(?![\w])")
_CITED = re.compile(r"\{cite[^}]*\}`[^`]*`|\]\(https?://")
_ROLE = re.compile(r"\{[a-z:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)|https?://\S+|arXiv:[\d.]+")
# Numbers that are names: of models, and of months with their year.
_NAME = re.compile(
    r"\b(?:(?:Llama|Grok|Claude|Gemini|Qwen|OLMo|Chinchilla) \d+(?:\.\d+)?(?: \d+B)?"
    r"|(?:January|February|March|April|May|June|July|August|September|October|November|December) \d{4}"
    r"|(?:GTX|RTX|Quantum) \d+|(?:[Cc]hapter|[Ff]igure|[Tt]able|[Ss]ection) \d+(?:\.\d+)?)"
)


@dataclass(frozen=True)
class Claim:
    """A sentence of a page, what fills its fields, and what it asserts."""

    sentence: str
    shown: tuple[Callable[[], str], ...]
    holds: Callable[[], bool] | None = field(default=None)

    def __init__(
        self, sentence: str, *shown: Callable[[], str], holds: Callable[[], bool] | None = None
    ) -> None:
        if not shown and holds is None:
            raise ValueError(f"nothing shows that {sentence!r}: give what fills it, or what holds")
        if sentence.count("{}") != len(shown):
            raise ValueError(f"{sentence!r} has another number of fields than of values")
        if len(sentence.split()) < 3:
            raise ValueError(f"{sentence!r} is too short to be found on a page")
        object.__setattr__(self, "sentence", sentence)
        object.__setattr__(self, "shown", shown)
        object.__setattr__(self, "holds", holds)

    def text(self) -> str:
        """The sentence with what is computed in its fields."""
        parts = self.sentence.split("{}")
        filled = "".join(part + show() for part, show in zip(parts, self.shown, strict=False))
        return plain(filled + parts[-1])

    def problem(self, page: str) -> str | None:
        """Why the claim fails on a page's text, if it does."""
        if self.holds is not None and not self.holds():
            return f"not true: {self.sentence}"
        if self.text() not in page:
            return f"not on the page: {self.text()}"
        return None


def plain(text: str) -> str:
    """Text without emphasis, line ends and the ways to write mathematics."""
    for pattern, replacement in _PLAIN:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def source(page: str) -> str:
    """The Markdown of a page, named without its folder and ending."""
    for path in (ROOT / "notebooks" / f"{page}.ipynb", ROOT / "book" / f"{page}.md"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".md":
                return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
            cells = json.loads(text)["cells"]
            return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    raise ValueError(f"there is no page {page!r} in notebooks or book")


def claims_of(page: str) -> tuple[Claim, ...]:
    """The claims of a page; none where it has no file."""
    if not (FOLDER / f"{page}.py").is_file():
        return ()
    return import_module(f"claims.{page}").CLAIMS


def pages() -> list[str]:
    """Every page that has text of its own, in the order of the table of contents."""
    import yaml

    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [contents["root"], *(c["file"] for p in contents["parts"] for c in p["chapters"])]
    return [Path(file).name for file in files if "api" not in file and "bibliography" not in file]


def watched(page: str) -> Iterator[str]:
    """The paragraphs of a page in which every number needs a claim or a citation."""
    text = re.sub(r"^```.*?^```", "", source(page), flags=re.S | re.M)
    if page in WHOLE_PAGES:
        yield from (plain(part) for part in re.split(r"\n\s*\n", text))
        return
    for bold in re.findall(r"\*\*(.+?)\*\*", text, re.S):
        if len(bold.split()) > 3:
            yield plain(bold)
    yield from (
        plain(quote)
        for quote in re.findall(r"(?:^>.*\n?)+", text, re.M)
        if "Takeaway" in quote.partition("\n")[0]
    )


def uncovered(page: str, covering: tuple[str, ...]) -> list[str]:
    """Numbers in what is watched of a page that stand in no claim and in no sentence with a citation."""
    missing = []
    for paragraph in watched(page):
        spans = [m.span() for text in covering for m in re.finditer(re.escape(text), paragraph)]
        spans += [
            (0, len(paragraph)) for text in covering if paragraph in text and len(paragraph) > 20
        ]
        start = 0
        for sentence in re.split(r"(?<=[.!?:])\s", paragraph):
            cited = _CITED.search(sentence)
            bare = _NAME.sub(_blank, _ROLE.sub(_blank, sentence))
            for number in _NUMBER.finditer(bare):
                begin, end = start + number.start(), start + number.end()
                if not cited and not any(a <= begin and end <= b for a, b in spans):
                    missing.append(f"{number[0]} in: {sentence}")
            start += len(sentence) + 1
    return missing


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def main() -> int:
    """List the pages with the number of their claims."""
    counts = {page: len(claims_of(page)) for page in pages()}
    for page, count in counts.items():
        print(f"{page:24} {count:4}")
    print(f"{'all':24} {sum(counts.values()):4}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parent))
    sys.exit(main())
