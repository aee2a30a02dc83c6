"""How a training step is divided over a cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmcore.algebra.checks import check_positive_integer

__all__ = ["DEGREES", "Degrees", "Parallelism"]

Array = NDArray[np.float64]

Degrees = int | tuple[int, ...]

#: The ways to divide a step, in the order of all tables of degrees.
DEGREES = ("data", "tensor_model", "tensor_ff", "pipeline", "expert")


@dataclass(frozen=True)
class Parallelism:
    """How a step is divided over a cluster.

    A degree is a tuple over the levels of the network, node first: ``data=(1, 64)`` puts 64 replicas
    in different nodes. Levels left out have one. A number alone is for a network of one level.

    Attributes
    ----------
    data : tuple of int
        Replicas that share the batch.
    tensor_model, tensor_ff : tuple of int
        Slices of d_model and of d_ff of each weight matrix.
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

    Raises
    ------
    ValueError
        If a degree is not a whole number of at least 1, or an interleaving goes with a zero-bubble
        schedule or with no pipeline.
    """

    data: Degrees = ()
    tensor_model: Degrees = ()
    tensor_ff: Degrees = ()
    pipeline: Degrees = ()
    expert: Degrees = ()
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

    def degrees_at(self, name: str) -> tuple[int, ...]:
        """Degrees of that name, by level."""
        degrees: tuple[int, ...] = getattr(self, name)
        return degrees

    @property
    def data_parallel(self) -> int:
        """Data-parallel degree in all."""
        return math.prod(self.degrees_at("data"))

    @property
    def tensor_model_parallel(self) -> int:
        """Slices of d_model in all."""
        return math.prod(self.degrees_at("tensor_model"))

    @property
    def tensor_ff_parallel(self) -> int:
        """Slices of d_ff in all."""
        return math.prod(self.degrees_at("tensor_ff"))

    @property
    def tensor_parallel(self) -> int:
        """Tensor-parallel degree in all: shards of a weight matrix."""
        return self.tensor_model_parallel * self.tensor_ff_parallel

    @property
    def pipeline_parallel(self) -> int:
        """Pipeline-parallel degree in all."""
        return math.prod(self.degrees_at("pipeline"))

    @property
    def expert_parallel(self) -> int:
        """Expert-parallel degree in all."""
        return math.prod(self.degrees_at("expert"))

    @property
    def n_gpu(self) -> int:
        """GPUs in all."""
        return math.prod(self.level_products)

    @property
    def level_products(self) -> tuple[int, ...]:
        """GPUs, nodes, ... that each level joins."""
        by_level = zip(*(self.degrees_at(name) for name in DEGREES), strict=True)
        return tuple(math.prod(degrees) for degrees in by_level)

    def columns(self, levels: int) -> dict[str, Array]:
        """Degrees as float arrays of shape (levels, 1), filled up with ones."""
        return {
            name: np.array(self.degrees_at(name) + (1,) * levels, dtype=float)[:levels, None]
            for name in DEGREES
        }
