"""Batches of runs that were done, as their makers tell them."""

from __future__ import annotations

from dataclasses import dataclass

from dmcore.algebra.checks import check_positive

__all__ = ["PUBLISHED_BATCHES", "PublishedBatch"]


@dataclass(frozen=True)
class PublishedBatch:
    """The largest batch of a run that was done, as its makers tell it.

    Attributes
    ----------
    name : str
        Name of the model.
    flop : float
        Training compute, FLOP.
    tokens : float
        Tokens in the largest batch of the run.
    source : str
        Key of the source in the bibliography.

    Raises
    ------
    ValueError
        If a figure is not positive and finite, or no source is given.
    """

    name: str
    flop: float
    tokens: float
    source: str

    def __post_init__(self) -> None:
        check_positive("flop", self.flop, finite=True)
        check_positive("tokens", self.tokens, finite=True)
        if not self.source:
            raise ValueError(f"source must name a source, got {self.source!r}")


#: Batches that makers chose, which need not be the critical ones. The compute of DeepSeek-V3 is six
#: times its 37 billion active parameters times 14.8 trillion tokens.
PUBLISHED_BATCHES = (
    PublishedBatch("GPT-3", 3.14e23, 3.2e6, "brown2020"),
    PublishedBatch("PaLM", 2.5e24, 2048 * 2048, "chowdhery2022"),
    PublishedBatch("DeepSeek-V3", 6 * 37e9 * 14.8e12, 15360 * 4096, "deepseek2024v3"),
    PublishedBatch("Llama 3.1 405B", 3.8e25, 16e6, "llama2024"),
)
