"""The split of a run that is expected to be the fastest: all that are possible, predicted at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer
from dmcore.hardware.gpu import GPU
from dmcore.prediction.columns import Case, Columns, columns, take
from dmcore.prediction.machines import Machine, machine_of
from dmcore.prediction.memory import recomputed_share, room_taken
from dmcore.prediction.step import Prediction, predict, tokens_per_s
from dmcore.prediction.transformer import Software, Split, Transformer, styles

__all__ = ["Chosen", "best_split"]

#: No cluster and no batch is larger.
MOST = 10**12
#: Share of a GPU's memory that weights, optimizer and layer inputs may take; the rest is for everything else.
ROOM = 0.9
#: Tokens of a sequence that a GPU has at least: no measured run has fewer, and with fewer the model would
#: hide any message behind attention.
LEAST_TOKENS = 2048
#: Rates that differ by less are equal: the last digits of a float hang on the machine.
_SAME = 1e-9
_DEGREES = ("tp", "pp", "cp", "ep", "vp", "shard", "microbatch")
_Degrees = tuple[int, int, int, int, int, int, int]


@dataclass(frozen=True)
class Chosen:
    """The fastest split, as far as the model can tell.

    Attributes
    ----------
    split : Split
        The split.
    prediction : Prediction
        What it is expected to reach, with its range.
    recomputed : float
        Share of the layers that are computed again so that the rest fits in memory.
    candidates : int
        How many splits were possible and fit in memory.
    """

    split: Split
    prediction: Prediction
    recomputed: float
    candidates: int


def _divisors(number: int) -> list[int]:
    small = [i for i in range(1, int(number**0.5) + 1) if number % i == 0]
    return sorted({*small, *(number // i for i in small)})


def _powers(number: int) -> list[int]:
    """Powers of two that divide a number."""
    return [2**i for i in range(number.bit_length()) if number % 2**i == 0]


def _chunks(layers: int) -> set[int]:
    """Into how many equal parts a model can be cut, the input and output words a layer each if need be."""
    return {it for it in (*_divisors(layers), *_divisors(layers + 2)) if it <= layers}


def _candidates(
    model: Transformer, n_gpu: int, batch: int, interleaves: bool
) -> Iterator[_Degrees]:
    """Degrees of the possible splits, in the order of :data:`_DEGREES`."""
    experts, chunks = int(model.experts), sorted(_chunks(int(model.layers)))
    for tp in (it for it in _divisors(n_gpu) if model.heads % it == 0):
        for pp in (it for it in chunks if n_gpu // tp % it == 0):
            for cp in _powers(n_gpu // tp // pp):
                dp = n_gpu // tp // pp // cp
                if batch % dp or (cp > 1 and model.seq_len % (cp * LEAST_TOKENS)):
                    continue
                for ep in (it for it in _divisors(experts) if dp * cp * tp % it == 0):
                    for micro in _powers(batch // dp):
                        # Megatron interleaves from as many microbatches as stages on.
                        rounds = interleaves and pp > 1 and batch // dp // micro >= pp
                        interleaved = [it // pp for it in chunks if it % pp == 0] if rounds else [1]
                        for vp, shard in product(interleaved, {1, dp * cp}):
                            yield tp, pp, cp, ep, vp, shard, micro


def _as_columns(case: Case, degrees: np.ndarray) -> Columns:
    """The case with each row of degrees."""
    c = {name: np.repeat(column, len(degrees)) for name, column in columns([case]).items()}
    c |= {name: degrees[:, i] for i, name in enumerate(_DEGREES)}
    return {**c, "norm": c["tp"], "dp": c["n_gpu"] / (c["tp"] * c["pp"] * c["cp"])}


@checked
def best_split(
    gpu: str | GPU | Machine,
    transformer: Transformer,
    n_gpu: int,
    batch_sequences: int,
    software: Software | None = None,
) -> Chosen:
    """The split with the most expected tokens a second, of all that are possible and fit in memory.

    Tensor, pipeline (interleaved where the software can), context, data and expert parallelism, the
    microbatch, and whether the replicas share their weights (FSDP) are gone through. What is computed again
    is as many layers as memory demands, which is never slower than computing all or none again. Stages are of
    equal size, sequences are shared down to 2,048 tokens on a GPU as in the runs that were measured, and
    sequence parallelism and a sharded optimizer are taken. Of equally fast splits the one
    with the least degrees is chosen, tensor parallelism first.

    How the model orders splits could be tested on one cluster only (see the chapter on measured runs): what
    it chooses is worth a trial, and the range of its rate says nothing about which split is the best.

    Parameters
    ----------
    gpu : str, GPU or Machine
        A name such as "H100", or an accelerator of the catalog.
    transformer : Transformer
        The shape of the model.
    n_gpu, batch_sequences : int
        GPUs, and sequences in a batch.
    software : Software, optional
        Megatron of 2025 at bf16 if not given.

    Raises
    ------
    ValueError
        If the accelerator is unknown, no split divides GPUs, batch and model, or none fits in memory.

    Examples
    --------
    >>> model = Transformer(32, 4096, 14336, 32, kv_heads=8, mlp_matrices=3, vocab=128256, seq_len=8192)
    >>> found = best_split("H100", model, 64, 128)
    >>> found.split.tp * found.split.pp * found.split.cp * found.split.dp
    64.0
    >>> found.prediction.low < found.prediction.tok_s_gpu < found.prediction.high
    True
    """
    check_positive_integer("n_gpu", n_gpu, most=MOST)
    check_positive_integer("batch_sequences", batch_sequences, most=MOST)
    machine, software = machine_of(gpu), software or Software()
    interleaves = styles()[software.style].interleaves
    degrees = np.array(
        list(_candidates(transformer, n_gpu, batch_sequences, interleaves)), dtype=float
    )
    if not len(degrees):
        raise ValueError(
            f"n_gpu must be GPUs among which heads {transformer.heads:g}, layers {transformer.layers:g} and "
            f"batch_sequences {batch_sequences} can be divided, got {n_gpu}"
        )
    case = Case(machine, transformer, Split(n_gpu, batch_sequences), software)
    c = _as_columns(case, degrees)
    state, _, least = room_taken(c)
    taken = state + least
    if not (taken <= ROOM).any():
        raise ValueError(
            f"n_gpu must be enough GPUs to hold the model, got {n_gpu}: the split that needs the least takes "
            f"{taken.min():.2g} times a GPU's memory, and {ROOM} is for it"
        )
    c, degrees = take(c, taken <= ROOM), degrees[taken <= ROOM]
    rates = tokens_per_s(c)
    fastest = np.flatnonzero(rates >= (1 - _SAME) * rates.max())
    first = fastest[np.lexsort(degrees[fastest].T[::-1])[0]]
    own = dict(zip(_DEGREES, map(float, degrees[first]), strict=True))
    split = Split(n_gpu, batch_sequences, **own)  # type: ignore[arg-type]
    [prediction] = predict([Case(machine, transformer, split, software)])
    return Chosen(split, prediction, float(recomputed_share(take(c, [first]))[0]), len(degrees))
