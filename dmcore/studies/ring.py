"""The ring all-reduce, move by move: how GPUs in a ring sum a vector that each has a version of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer

__all__ = ["Message", "RingState", "ring_all_reduce"]


@dataclass(frozen=True)
class Message:
    """One chunk on its way from a GPU to the next in the ring."""

    sender: int
    receiver: int
    chunk: int


@dataclass(frozen=True)
class RingState:
    """Where the sums stand after a number of moves.

    Attributes
    ----------
    messages : tuple of Message
        Those of the last move, all at once; none at the start.
    summed : tuple of tuples of frozenset
        For each GPU and chunk, the GPUs whose versions are in its sum.
    """

    messages: tuple[Message, ...]
    summed: tuple[tuple[frozenset[int], ...], ...]


@checked
def ring_all_reduce(peers: int) -> Iterator[RingState]:
    """The states of an all-reduce among that many GPUs: the start, then one for each move.

    The vector is cut into as many chunks as there are GPUs. In the first peers - 1 moves each chunk
    goes round and gathers its sum; in as many further moves the finished sums go round once more
    (Patarasuk and Yuan 2009).

    Raises
    ------
    ValueError
        If ``peers`` is not a whole number of at least 1.

    Examples
    --------
    >>> moves = list(ring_all_reduce(4))
    >>> len(moves), len(moves[1].messages)
    (7, 4)
    """
    check_positive_integer("peers", peers, most=256)
    summed = [[frozenset({gpu}) for _ in range(peers)] for gpu in range(peers)]
    yield _state((), summed)
    for move in range(2 * (peers - 1)):
        messages = tuple(
            Message(gpu, (gpu + 1) % peers, (gpu - move) % peers) for gpu in range(peers)
        )
        sent = {message: summed[message.sender][message.chunk] for message in messages}
        for message, contributions in sent.items():
            place = summed[message.receiver]
            place[message.chunk] = place[message.chunk] | contributions
        yield _state(messages, summed)


def _state(messages: tuple[Message, ...], summed: list[list[frozenset[int]]]) -> RingState:
    return RingState(messages, tuple(tuple(row) for row in summed))
