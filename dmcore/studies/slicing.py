"""Which part of the work each GPU gets: a small model cut in the four ways, as exact shares.

Meant for drawing and counting. A batch of tokens passes layers, one after the other; a layer holds
weight matrices, one for each expert. A :class:`Slicing` says into how many parts each of these is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from math import prod

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_positive_integer, check_scalar
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import network
from dmcore.simulator import traffic

__all__ = ["Part", "Share", "Slicing", "words_by_way"]

#: Start and end of a part, as shares of the whole.
Part = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Share:
    """What one GPU has: a part along each direction in which the work can be cut."""

    batch: Part
    layers: Part
    experts: Part
    rows: Part
    columns: Part

    @property
    def weights(self) -> Fraction:
        """Share of all weights that it holds."""
        return prod(
            (end - start for start, end in (self.layers, self.experts, self.rows, self.columns)),
            start=Fraction(1),
        )

    @property
    def work(self) -> Fraction:
        """Share of all arithmetic that it does: its weights, for its part of the batch."""
        start, end = self.batch
        return self.weights * (end - start)


@dataclass(frozen=True)
class Slicing:
    """Degrees of the four ways, tensor parallelism in its two directions.

    Attributes
    ----------
    data : int
        Replicas of the model that share the batch.
    slices_of_d, slices_of_f : int
        Slices of d_model (rows of a weight matrix) and of d_ff (its columns).
    pipeline : int
        Stages that share the layers.
    expert : int
        Groups that share the experts of each layer.

    Raises
    ------
    ValueError
        If a degree is not a whole number of at least 1.
    """

    data: int = 1
    slices_of_d: int = 1
    slices_of_f: int = 1
    pipeline: int = 1
    expert: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            check_positive_integer(field.name, getattr(self, field.name))

    @property
    def tensor(self) -> int:
        """Tensor-parallel degree: blocks of each weight matrix."""
        return self.slices_of_d * self.slices_of_f

    @property
    def gpus(self) -> int:
        """The product of all degrees."""
        return self.data * self.tensor * self.pipeline * self.expert

    def shares(self) -> Iterator[Share]:
        """The share of each GPU, tensor-parallel neighbours next to each other."""
        for replica in range(self.data):
            for stage in range(self.pipeline):
                for group in range(self.expert):
                    for row in range(self.slices_of_d):
                        for column in range(self.slices_of_f):
                            yield Share(
                                _part(replica, self.data),
                                _part(stage, self.pipeline),
                                _part(group, self.expert),
                                _part(row, self.slices_of_d),
                                _part(column, self.slices_of_f),
                            )


@checked
def words_by_way(
    slicing: Slicing, *, d: float, f: float, layers: float, params: float, batch: float
) -> dict[str, float]:
    """Words that all GPUs together send in one training step, for each of the four ways.

    Where both pipeline and expert parallelism would send an activation across the same boundary, it
    goes once, and is counted with the pipeline.

    Parameters
    ----------
    slicing
        The degrees.
    d, f
        Widths d_model and d_ff, channels.
    layers
        Layers.
    params
        Parameters of the whole model.
    batch
        Tokens in a batch.

    Raises
    ------
    ValueError
        If a figure is not positive.

    Examples
    --------
    >>> words = words_by_way(Slicing(data=2), d=64.0, f=256.0, layers=4.0, params=131072.0, batch=1e4)
    >>> {way: count for way, count in words.items() if count}
    {'data': 262144.0}
    """
    for name, figure in {
        "d": d,
        "f": f,
        "layers": layers,
        "params": params,
        "batch": batch,
    }.items():
        check_scalar(name, figure)
    per_token = evaluate(
        network.words_per_token_exact(),
        d=d,
        f=f,
        m=slicing.slices_of_d,
        q=slicing.slices_of_f,
    )

    pipeline = float(evaluate(traffic.hand_overs_leaving(), v=1, p_out=slicing.pipeline))
    both = evaluate(
        traffic.hand_overs_with_experts(), L=layers, n_out=pipeline, s_out=1 - 1 / slicing.expert
    )
    each_way = 2.0 * float(d) * batch  # an activation forward, a gradient backward
    return {
        "data": float(network.all_reduce_words(slicing.data, float(params))),
        "tensor": per_token * batch * layers,
        "pipeline": each_way * pipeline,
        "expert": each_way * (both - pipeline),
    }


def _part(index: int, parts: int) -> Part:
    return Fraction(index, parts), Fraction(index + 1, parts)
