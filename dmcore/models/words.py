"""How many bytes the numbers of a training run have, by what they are.

The paper's model has one word for all. Training with 8-bit arithmetic sends most of its messages at 16 bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer, check_scalar

__all__ = ["FP8_AS_TRAINED", "Words", "check_words"]


@dataclass(frozen=True)
class Words:
    """Bytes of a number of each kind.

    Attributes
    ----------
    weights : float
        Of the weights, and of all that arithmetic multiplies, the activations inside a GPU included.
    activations : float
        Of the activations and their gradients that GPUs send to one another, or keep.
    gradients : float
        Of the sums of the weights' gradients, in memory and between replicas, and of the optimizer's state.

    Raises
    ------
    ValueError
        If a size is not positive and finite.

    Examples
    --------
    >>> Words(weights=1, activations=2, gradients=2).in_product(weight_gradient=True)
    {'w_P': 2.0, 'w_A': 1.0}
    """

    weights: float
    activations: float
    gradients: float

    def __post_init__(self) -> None:
        for field in fields(self):
            check_scalar(field.name, getattr(self, field.name))

    @classmethod
    def of(cls, word_bytes: float | Words) -> Words:
        """Words of one size, unless they are given by kind.

        Examples
        --------
        >>> Words.of(2)
        Words(weights=2, activations=2, gradients=2)
        """
        if isinstance(word_bytes, Words):
            return word_bytes
        check_scalar("word_bytes", word_bytes)
        return cls(word_bytes, word_bytes, word_bytes)

    def in_product(self, weight_gradient: bool) -> dict[str, float]:
        """Bytes in a matrix product, by symbol: ``w_P`` of the matrix, ``w_A`` of what streams past it."""
        matrix = self.gradients if weight_gradient else self.weights
        return {"w_P": float(matrix), "w_A": float(self.weights)}


#: Products of 8-bit numbers; activations between GPUs and sums of gradients at 16 bit.
FP8_AS_TRAINED = Words(weights=1, activations=2, gradients=2)


@checked
def check_words(word_bytes: float | Words) -> None:
    """Refuse a single size that is no whole number of bytes; :class:`Words` have checked themselves.

    Examples
    --------
    >>> check_words(0)
    Traceback (most recent call last):
    ValueError: word_bytes must be a whole number of at least 1, got 0
    """
    if not isinstance(word_bytes, Words):
        check_positive_integer("word_bytes", word_bytes)
