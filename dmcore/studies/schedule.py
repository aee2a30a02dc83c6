"""Schedules of a pipeline, turn by turn.

The plainest is that of GPipe (Huang et al. 2018): all microbatches forward, then all backward, which
takes twice as long. A zero-bubble schedule (Qi et al. 2023) divides the backward pass in two: nobody
waits for the gradients of weights, so they can fill the gaps. What it cannot fill is the time until the
first gradient is back, since before that a stage has only forward passes to do.
:func:`least_waiting_share` tells what that costs if a batch must be done before its weights are updated.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import sympy as sp

from dmcore.algebra.checked import checked
from dmcore.algebra.checks import check_not_negative, check_positive_integer
from dmcore.algebra.symbols import symbols
from dmcore.models.laws import PASSES

__all__ = [
    "BACKWARD_TURNS",
    "Task",
    "Turn",
    "enough_microbatches",
    "idle_share",
    "least_waiting_share",
    "plain_schedule",
    "turns_to_first_gradient",
    "waiting_share",
    "zero_bubble_schedule",
]

#: Tasks of one pass that a schedule may have.
_MOST = 100_000

N_PP, K, v, x_transfer = symbols("N_PP K v x_transfer")

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


@checked
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
    check_positive_integer("stages", stages, most=_MOST)
    check_positive_integer("microbatches", microbatches, most=_MOST // int(stages))
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


@checked
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


def turns_to_first_gradient() -> sp.Expr:
    """Turns from the first stage's start until a gradient is back there, if nothing is in the way.

    A turn is one microbatch in one of the v blocks of layers of a stage; a hand-over takes x_transfer
    turns. The way leads through all v N_PP blocks, and back through one block on each other stage.

    Examples
    --------
    >>> turns_to_first_gradient().subs({v: 1, N_PP: 4, x_transfer: 1})
    13
    """
    blocks = v * N_PP + N_PP - 1
    return blocks + (blocks - 1) * x_transfer


@cache
def least_waiting_share() -> sp.Expr:
    """Share of a step that the first stage waits at least: it has v K forward passes until then.

    :func:`zero_bubble_schedule` waits no longer with one block on each stage, and with more if there
    are two microbatches to a stage and a transfer takes at most a turn.

    Examples
    --------
    >>> least_waiting_share().subs({v: 1, N_PP: 4, K: 8, x_transfer: 1})
    5/29
    """
    waited = sp.Max(0, turns_to_first_gradient() - v * K)
    return waited / (waited + PASSES * v * K)


@cache
def enough_microbatches() -> sp.Expr:
    """K with which no stage of one block ever waits: the forward passes last until the first gradient.

    Examples
    --------
    >>> enough_microbatches().subs(x_transfer, 0), enough_microbatches().subs(x_transfer, 1)
    (2*N_PP - 1, 4*N_PP - 3)
    """
    return sp.expand(turns_to_first_gradient().subs(v, 1))


@dataclass(frozen=True)
class Turn:
    """One pass of one microbatch through one block of layers, which takes one turn.

    Attributes
    ----------
    stage, block, microbatch : int
        Where, in which of all blocks counted from the first layer on, and what.
    kind : {"gradients", "forward", "weights"}
        Gradients of activations go back to the block before, those of weights stay.
    start : Fraction
        In turns.
    """

    stage: int
    block: int
    microbatch: int
    kind: str
    start: Fraction


@checked
def zero_bubble_schedule(
    stages: int, microbatches: int, blocks: int = 1, transfer: Fraction | int = 0
) -> tuple[Turn, ...]:
    """One step, with the backward pass divided in two: a stage takes the most urgent that is there.

    Gradients of activations come first, then forward passes, the furthest first; gradients of weights
    fill the gaps.

    Parameters
    ----------
    stages, microbatches
        As many as there are.
    blocks
        Blocks of layers on each stage; a microbatch returns to a stage for each.
    transfer
        Turns that the way from one block to the next takes.

    Raises
    ------
    ValueError
        If a number is not whole or below 1, or ``transfer`` is negative.

    Examples
    --------
    >>> waiting_share(zero_bubble_schedule(stages=4, microbatches=7))
    0.0
    >>> waiting_share(zero_bubble_schedule(stages=4, microbatches=8, transfer=1))
    0.17...
    """
    most = _MOST // 10
    for name, value in (("stages", stages), ("microbatches", microbatches), ("blocks", blocks)):
        check_positive_integer(name, value, most=most)
        most //= value
    check_not_negative("transfer", float(transfer))
    last, way = stages * blocks - 1, Fraction(transfer)
    free = [Fraction(0)] * stages
    # What each stage could do: urgency, block and microbatch, and from when on.
    ready: list[dict[tuple[int, int, int], Fraction]] = [{} for _ in range(stages)]
    ready[0] = {(1, 0, microbatch): Fraction(0) for microbatch in range(microbatches)}
    done: list[Turn] = []
    while any(ready):
        start, stage = min(
            (max(free[stage], min(ready[stage].values())), stage)
            for stage in range(stages)
            if ready[stage]
        )
        urgency, block, microbatch = min(
            (task for task, when in ready[stage].items() if when <= start),
            key=lambda task: (task[0], -task[1] if task[0] == 1 else task[1], task[2]),
        )
        del ready[stage][urgency, block, microbatch]
        done.append(Turn(stage, block, microbatch, _KINDS[urgency], start))
        end = free[stage] = start + 1
        if urgency == 0:
            ready[stage][2, block, microbatch] = end
        if urgency == 1 and block == last:
            ready[stage][0, block, microbatch] = end
        elif urgency == 1:
            ready[(block + 1) % stages][1, block + 1, microbatch] = end + way
        elif urgency == 0 and block > 0:
            ready[(block - 1) % stages][0, block - 1, microbatch] = end + way
    return tuple(done)


#: In order of their urgency.
_KINDS = ("gradients", "forward", "weights")


@checked
def waiting_share(turns: tuple[Turn, ...]) -> float:
    """Share of the time that stages wait if such steps follow each other.

    A stage starts the next step as soon as it is done with this one, so it only waits in between.

    Examples
    --------
    >>> waiting_share(zero_bubble_schedule(stages=1, microbatches=1))
    0.0
    """
    starts: dict[int, list[Fraction]] = {}
    for turn in turns:
        starts.setdefault(turn.stage, []).append(turn.start)
    longest = max(max(times) + 1 - min(times) for times in starts.values())
    return float(1 - Fraction(len(turns), len(starts)) / longest)
