"""How a training step is divided over a cluster."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.checks import check_positive_integer

__all__ = ["DEGREES", "Parallelism"]

Array = NDArray[np.float64]

#: The ways to divide a step, in the order of all tables of degrees.
DEGREES = ("data", "slices_of_d", "slices_of_f", "pipeline", "expert")


@dataclass(frozen=True, repr=False)
class Parallelism:
    """How a step is divided over a cluster.

    A degree is a tuple over the levels of the network, node first: ``data=(1, 64)`` puts 64 replicas
    in different nodes. Levels left out have one. A number alone is for a network of one level.

    Attributes
    ----------
    data : tuple of int
        Replicas that share the batch.
    slices_of_d, slices_of_f : tuple of int
        Slices of each weight matrix along d_model and along d_ff. What the slices of d_model sum up
        in an all-reduce are d_ff words for a token, and the other way round.
    pipeline : tuple of int
        Stages that share the layers.
    expert : tuple of int
        Groups that share the experts.
    microbatches : int
        Vertical microbatches K, which follow each other through the pipeline.
    interleaving : int
        Blocks of layers v that a stage holds.
    zero_bubble : bool
        Whether weight gradients fill the gaps of the pipeline.

    Examples
    --------
    >>> split = Parallelism(data=(1, 4), slices_of_f=8, pipeline=(1, 2), microbatches=4)
    >>> split
    Parallelism(data=(1, 4), slices_of_f=(8, 1), pipeline=(1, 2), microbatches=4)
    >>> split.n_gpu, split.tensor_parallel
    (64, 8)

    Raises
    ------
    ValueError
        If a degree is not a whole number of at least 1, or an interleaving goes with a zero-bubble
        schedule or with no pipeline.
    """

    data: tuple[int, ...] = ()
    slices_of_d: tuple[int, ...] = ()
    slices_of_f: tuple[int, ...] = ()
    pipeline: tuple[int, ...] = ()
    expert: tuple[int, ...] = ()
    _: KW_ONLY
    microbatches: int = 1
    interleaving: int = 1
    zero_bubble: bool = False

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in DEGREES}
        tuples = {
            name: tuple(value) if isinstance(value, (tuple, list)) else (value,)
            for name, value in given.items()
        }
        levels = max(1, *map(len, tuples.values()))
        for name, degrees in tuples.items():
            for degree in degrees:
                check_positive_integer(name, degree)
            padded = tuple(map(int, degrees)) + (1,) * (levels - len(degrees))
            object.__setattr__(self, name, padded)
        check_positive_integer("microbatches", self.microbatches)
        check_positive_integer("interleaving", self.interleaving)
        if not isinstance(self.zero_bubble, bool):
            raise ValueError(f"zero_bubble must be True or False, got {self.zero_bubble!r}")
        if self.interleaving > 1 and (self.zero_bubble or self.pipeline_parallel == 1):
            raise ValueError(
                "interleaving must be 1 without a pipeline or with zero_bubble, "
                f"got {self.interleaving!r}"
            )

    def __repr__(self) -> str:
        schedule = ("microbatches", "interleaving", "zero_bubble")
        shown = [name for name in DEGREES if self.total(name) > 1]
        shown += [name for name in schedule if getattr(self, name) != getattr(Parallelism, name)]
        return f"Parallelism({', '.join(f'{name}={getattr(self, name)}' for name in shown)})"

    def total(self, name: str) -> int:
        """Degree of that name over all levels, such as ``total("slices_of_d")``."""
        return math.prod(getattr(self, name))

    @property
    def data_parallel(self) -> int:
        """Replicas in all."""
        return self.total("data")

    @property
    def tensor_parallel(self) -> int:
        """Shards of a weight matrix in all."""
        return self.total("slices_of_d") * self.total("slices_of_f")

    @property
    def pipeline_parallel(self) -> int:
        """Stages in all."""
        return self.total("pipeline")

    @property
    def expert_parallel(self) -> int:
        """Groups of experts in all."""
        return self.total("expert")

    @property
    def n_gpu(self) -> int:
        """GPUs in all."""
        return math.prod(self.level_products)

    @property
    def level_products(self) -> tuple[int, ...]:
        """GPUs, nodes, ... that each level joins."""
        by_level = zip(*(getattr(self, name) for name in DEGREES), strict=True)
        return tuple(math.prod(degrees) for degrees in by_level)

    def columns(self, levels: int) -> dict[str, Array]:
        """Degrees as float arrays of shape (levels, 1), filled up with ones."""
        return {
            name: np.array(getattr(self, name) + (1,) * levels, dtype=float)[:levels, None]
            for name in DEGREES
        }
