"""The plainest schedule of a pipeline, turn by turn: all microbatches forward, then all backward.

That of GPipe (Huang et al. 2018). The backward pass of a microbatch takes twice as long as the forward.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmcore.algebra.checks import check_positive_integer
from dmcore.models.laws import PASSES

__all__ = ["BACKWARD_TURNS", "Task", "idle_share", "plain_schedule"]

#: Turns of a backward pass, where a forward pass takes one: all passes but the forward.
BACKWARD_TURNS = PASSES - 1


@dataclass(frozen=True)
class Task:
    """One microbatch in one stage: when it starts and how long it takes, in turns."""

    stage: int
    microbatch: int
    backward: bool
    start: int

    @property
    def turns(self) -> int:
        """How long it takes."""
        return BACKWARD_TURNS if self.backward else 1

    @property
    def end(self) -> int:
        """When it is done."""
        return self.start + self.turns


def plain_schedule(stages: int, microbatches: int) -> tuple[Task, ...]:
    """All tasks of one step, each as early as its input and its stage allow.

    Raises
    ------
    ValueError
        If a number is not whole or below 1.

    Examples
    --------
    >>> tasks = plain_schedule(stages=2, microbatches=2)
    >>> len(tasks), max(task.end for task in tasks)
    (8, 9)
    """
    check_positive_integer("stages", stages)
    check_positive_integer("microbatches", microbatches)
    tasks: list[Task] = []
    free = [0] * stages
    for backward in (False, True):
        order = range(stages - 1, -1, -1) if backward else range(stages)
        for microbatch in range(microbatches):
            ready = 0
            for stage in order:
                task = Task(stage, microbatch, backward, max(ready, free[stage]))
                free[stage] = ready = task.end
                tasks.append(task)
    return tuple(tasks)


def idle_share(tasks: tuple[Task, ...]) -> float:
    """Share of all stages' time, from the first start to the last end, in which a stage waits.

    Examples
    --------
    >>> f"{idle_share(plain_schedule(stages=4, microbatches=8)):.3f}"
    '0.273'
    """
    stages = 1 + max(task.stage for task in tasks)
    span = max(task.end for task in tasks) - min(task.start for task in tasks)
    return 1 - sum(task.turns for task in tasks) / (stages * span)
