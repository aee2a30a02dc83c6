"""The whole simulator once more in plain Python: the shortest complete account of it, made for reading.

It takes a GPU, a model and a split as the rest of the package does, and computes all else by itself: one
number at a time where the package has expressions, arrays and bounds, and every split timed in full.
It is slow, and the tests hold the fast simulator against it.

Names are those of the book: a model of width d whose layers are f wide inside, with L layers and E
experts, trains on a batch of b tokens; w are the bytes of a word. Attention and activation memory, which the
paper leaves out, are counted if the model's extras ask for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, partial
from itertools import accumulate, islice
from typing import NamedTuple

from dmcore.algebra.numbers import EQUAL
from dmcore.hardware.gpu import GPU
from dmcore.models.model import Model
from dmcore.models.words import Words
from dmcore.simulator.split import Parallelism

# -------------------- one matrix product


def tile(d1: int, d2: int, w: float, capacity: float) -> tuple[float, float]:
    """Rows and columns of tiles of a matrix of d1 x d2 words, if a tile has so many bytes at most."""
    tiles = math.ceil(d1 * d2 * w / capacity)
    words = d1 * d2 / tiles
    if words / d2 >= min(d1, math.sqrt(words)):  # as wide as the matrix
        return float(tiles), 1.0
    height = min(d1, math.sqrt(words))
    return d1 / height, d2 / (words / height)


def boundary(
    d1: int, d2: int, z: float, words: Words, room: float, tiles: int, network: bool, gradient: bool
) -> tuple[float, float]:
    """Bytes of a product that come from the level above, and bytes among the tiles of the level below.

    The level below holds so many tiles at once, perhaps with a network among them, and z activation
    vectors meet the matrix; for a weight gradient the matrix is the product.
    """
    w, held = words.weights, words.gradients if gradient else words.weights
    rows, columns = tile(d1, d2, held, room * tiles if network else room)
    small_rows, small_columns = tile(d1, d2, held, room) if network else (1.0, 1.0)
    above = among = 0.0
    if 2 * d1 * d2 * held > room * tiles:  # the matrix does not stay below
        above += (2 if gradient else 1) * d1 * d2 * held
    above += rows * d2 * z * w
    among += small_rows * d2 * z * w if small_rows > 1 else 0
    if gradient:
        above += columns * d1 * z * w
        among += small_columns * d1 * z * w if small_columns > 1 else 0
    else:  # results are summed up over the columns: stored by all, loaded by all but one
        above += (2 * columns - 1) * d1 * z * w
        among += 2 * (small_columns - 1) * d1 * z * w
    return above, among


@cache
def matmul_seconds(gpu: GPU, d1: int, d2: int, z: float, w: Words, gradient: bool = False) -> float:
    """Seconds of one matrix product on one GPU: the slowest of its memories or its arithmetic."""
    registers = gpu.useful_register_bytes
    per_sm = gpu.blocks_per_sm * registers
    l2_cache = max(gpu.useful_l2_bytes, per_sm)
    dsmem = gpu.distributed_shared_memory
    hbm, _ = boundary(d1, d2, z, w, l2_cache, 1, False, gradient)
    l2, among_sms = boundary(d1, d2, z, w, per_sm, gpu.sms, dsmem, gradient)
    sm, _ = boundary(d1, d2, z, w, registers, gpu.blocks_per_sm * gpu.sms, False, gradient)
    flop = 2 * 512 * math.ceil(d1 / 8) * math.ceil(d2 / 8) * math.ceil(z / 8)
    return gpu.matmul_latency_s + max(
        hbm / gpu.hbm_bytes_per_s,
        (hbm + l2) / gpu.l2_bytes_per_s,
        (l2 + among_sms + sm) / gpu.shared_bytes_per_s,
        flop / gpu.useful_flop_per_s,
    )


def all_matmuls(gpu: GPU, model: Model, s: Parallelism) -> float:
    """Seconds of all matrix products that a GPU does in a step."""
    d, f, w, E = model.d_model, model.d_ff, model.words, model.experts
    ds, fs = d // s.total("slices_of_d"), f // s.total("slices_of_f")
    z = model.batch_tokens // (s.data_parallel * s.microbatches * E)
    layer = 0.0
    for block in ((ds, fs), (fs, ds)):
        for _ in range(forward_passes(model) + 1):  # and once backward
            layer += matmul_seconds(gpu, *block, z, w)
        layer += matmul_seconds(gpu, *block, z, w, gradient=True)
    rounds = model.layers // s.pipeline_parallel * s.microbatches
    seconds = rounds * (E // s.expert_parallel) * layer
    if model.extras.attention:
        seconds += rounds * attention_seconds(gpu, model, s)
    return seconds


def forward_passes(model: Model) -> int:
    """How often the forward pass is computed in a step."""
    return 2 if model.extras.activation_memory == "recompute" else 1


def attention_seconds(gpu: GPU, model: Model, s: Parallelism) -> float:
    """Seconds of one layer's attention for one microbatch, of the tokens of all experts of a GPU."""
    d, w = model.d_model, model.words
    ds, hs = d // s.total("slices_of_d"), d // s.total("slices_of_f")
    z = model.batch_tokens / (s.data_parallel * s.microbatches * s.expert_parallel)
    seconds = 0.0
    for _ in range(forward_passes(model)):
        seconds += matmul_seconds(gpu, 3 * hs, ds, z, w)  # query, key and value
        seconds += matmul_seconds(gpu, ds, hs, z, w)  # output
        seconds += gpu.matmul_latency_s  # scores
    for d1, d2 in ((hs, ds), (ds, 3 * hs)):
        seconds += matmul_seconds(gpu, d1, d2, z, w)
        seconds += matmul_seconds(gpu, d2, d1, z, w, gradient=True)
    seconds += gpu.matmul_latency_s
    passes = 4 if model.extras.activation_memory in ("selective", "recompute") else 3
    score_flop = passes * 2 * model.seq_len * d * z / s.tensor_parallel
    return seconds + score_flop / gpu.useful_flop_per_s


# -------------------- the network


@cache
def hand_overs(degree: tuple[int, ...], rounds: int = 1) -> list[int]:
    """Hand-overs along a chain of that degree, node first, that each level of the network carries.

    The chain is passed so many times. What a level carries is what leaves the groups of the levels
    inside it, less what leaves its own. With only one group left, nothing leaves.

    >>> hand_overs((4, 2, 2), rounds=3)  # 16 stages, 47 hand-overs
    [36, 6, 5]
    """
    groups = [math.prod(degree[i:]) for i in range(len(degree) + 1)]
    leaving = [rounds * group - 1 if group > 1 else 0 for group in groups]
    return [leaving[i] - leaving[i + 1] for i in range(len(degree))]


def experts_apart(degree: tuple[int, ...]) -> list[float]:
    """Share of the tokens whose next expert is in another group, by the level that joins the two."""
    same = [1 / math.prod(degree[i:]) for i in range(len(degree) + 1)]
    return [same[i + 1] - same[i] for i in range(len(degree))]


def tensor_words(model: Model) -> tuple[int, int, int]:
    """Words of a token and layer that slices of d and those of f sum up in a step, in how many rounds."""
    d, f, forward = model.d_model, model.d_ff, forward_passes(model)
    if not model.extras.attention:
        return (forward + 1) * f, (forward + 1) * d, forward + 1
    over_d = forward * (f + 3 * d) + f + d
    return over_d, 2 * (forward + 1) * d, 2 * (forward + 1)


def tensor_traffic(gpu: GPU, model: Model, s: Parallelism) -> tuple[float, float]:
    """Seconds that the network takes to sum up activations, and seconds of latency."""
    over_d, over_f, rounds = tensor_words(model)
    d_counts, f_counts, busy, wait = hand_overs(s.slices_of_d), hand_overs(s.slices_of_f), 0.0, 0.0
    of_each = 2 * model.layers * model.batch_tokens * model.words.activations
    for i, level in enumerate(gpu.network):
        moved = (d_counts[i] * over_d + f_counts[i] * over_f) * of_each
        busy = max(busy, seconds_to_send(moved, level.bytes_per_s, s))
        used = (s.slices_of_d[i] > 1) + (s.slices_of_f[i] > 1)
        wait += used * 2 * rounds * model.layers * level.latency_s
    return busy, wait


def passing_on(gpu: GPU, model: Model, s: Parallelism) -> tuple[float, float]:
    """The same for activations on their way to the next stage, and to the next layer's expert.

    A token crosses L - 1 boundaries of layers, some from stage to stage. At any of them it may also
    have to go to an expert elsewhere, and it takes both ways at once, over the wider-reaching level.
    All wait for the last token, which is assumed to have the farthest way to its expert.
    """
    by_stage = dict(enumerate(hand_overs(s.pipeline, s.interleaving)))
    by_stage[-1] = model.layers - 1 - sum(by_stage.values())  # within a stage
    to_expert = dict(enumerate(experts_apart(s.expert)))
    to_expert[-1] = 1 / s.expert_parallel  # within a group
    farthest = max(i for i, share in to_expert.items() if share > 0)
    busy, wait, w = 0.0, 0.0, model.words.activations
    for i, boundaries in by_stage.items():
        for j, share in to_expert.items():
            if max(i, j) >= 0:
                level = gpu.network[max(i, j)]
                words = 2 * boundaries * share * model.d_model * model.batch_tokens
                busy += seconds_to_send(words * w, level.bytes_per_s, s)
                if j == farthest:
                    wait += 2 * boundaries * level.latency_s
    return busy, wait


def gradient_traffic(gpu: GPU, model: Model, s: Parallelism) -> tuple[float, float]:
    """The same for gradients, which replicas sum up, and for attention groups of experts as well."""
    together = s.data
    if model.extras.attention:
        together = tuple(x * y for x, y in zip(s.data, s.expert, strict=True))
    counts, counts_together = hand_overs(s.data), hand_overs(together)
    shared = attention_params(model)
    busy, wait = 0.0, 0.0
    for i, level in enumerate(gpu.network):
        words = 2 * (counts[i] * (params(model) - shared) + counts_together[i] * shared)
        busy = max(busy, seconds_to_send(words * model.words.gradients, level.bytes_per_s, s))
        wait += 2 * level.latency_s if together[i] > 1 else 0
    return busy, wait


def seconds_to_send(moved: float, bytes_per_s: float, s: Parallelism) -> float:
    """Seconds in which all GPUs send bytes at a level. Data sheets count both directions: half is there."""
    return moved / (s.n_gpu * bytes_per_s / 2)


# -------------------- one step


class Times(NamedTuple):
    """Seconds of a step, and what they are made of."""

    step_s: float
    matmul_s: float
    tensor_bandwidth_s: float
    tensor_latency_s: float
    point_to_point_bandwidth_s: float
    point_to_point_latency_s: float
    data_bandwidth_s: float
    data_latency_s: float
    bubble_fraction: float

    @property
    def bandwidth_s(self) -> float:
        """All traffic together, hidden or not."""
        return self.tensor_bandwidth_s + self.point_to_point_bandwidth_s + self.data_bandwidth_s


def bubble(s: Parallelism) -> float:
    """Share of the time that a stage sits idle."""
    if s.zero_bubble:
        return 0.0
    late = (s.interleaving - 1) * max(0, s.pipeline_parallel - s.microbatches)
    idle = late + s.pipeline_parallel - 1
    return idle / (idle + s.interleaving * s.microbatches)


def step(gpu: GPU, model: Model, s: Parallelism, zero_bubble_latency: bool = False) -> Times:
    """One training step: matmuls and traffic overlap, the bubble stretches the longer of the two."""
    matmul = all_matmuls(gpu, model, s)
    tensor_busy, tensor_wait = tensor_traffic(gpu, model, s)
    passing_busy, passing_wait = passing_on(gpu, model, s)
    gradient_busy, gradient_wait = gradient_traffic(gpu, model, s)
    busy = max(matmul, tensor_busy + passing_busy) / (1 - bubble(s))
    wait = tensor_wait + passing_wait
    if s.zero_bubble:  # the authors' code leaves its latency out
        wait = max(0.0, wait - busy) if zero_bubble_latency else 0.0
    return Times(
        busy + wait + gradient_busy + gradient_wait,
        matmul,
        tensor_busy,
        tensor_wait,
        passing_busy,
        passing_wait,
        gradient_busy,
        gradient_wait,
        bubble(s),
    )


# -------------------- memory


def attention_params(model: Model) -> int:
    """Parameters of attention, 0 if it is not counted."""
    return 4 * model.d_model**2 * model.layers if model.extras.attention else 0


def params(model: Model) -> int:
    """Parameters of all experts together, and of attention."""
    return model.layers * model.experts * 2 * model.d_model * model.d_ff + attention_params(model)


def memory(
    model: Model, dp: int, pp: int, ep: int, k: int, v: int = 1, zero_bubble: bool = False
) -> float:
    """Bytes in the whole cluster: weights in each replica, gradients and optimizer state, activations."""
    d, f, kept = model.d_model, model.d_ff, model.extras.activation_memory
    words, w = model.words, model.words.activations
    weights = params(model) * (words.weights * dp + 4 * words.gradients)
    weights += attention_params(model) * words.weights * dp * (ep - 1)
    if kept is None:
        return weights
    layer: float = w * (2 * d + 2 * f) + d  # bytes of a token
    if model.extras.attention:
        layer += 6 * w * d + d
        if kept == "full":
            layer += (2 * w + 1) * model.seq_len * d / 128  # the scores of heads of 128 channels
    # microbatches at once
    flying = min(k, 2 * pp - 1 if zero_bubble else pp + (pp - 1) / v if v > 1 else pp)
    tokens = model.batch_tokens / k
    if kept == "recompute":
        return weights + (w * d * model.layers * flying + layer * pp) * tokens
    return weights + layer * model.layers * flying * tokens


# -------------------- the search


def divisors(n: int) -> list[int]:
    """Divisors of n in ascending order."""
    small = [i for i in range(1, math.isqrt(n) + 1) if n % i == 0]
    return small + [n // i for i in reversed(small) if i * i != n]


def degrees(model: Model, n_gpu: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Replicas, slices of d and of f, stages, groups of experts: all that divide what they share.

    There are as many groups of experts as possible. Slices of f are one to four times the square root
    of all shards, so that the blocks of the matrices are roughly square.
    """
    ep = math.gcd(n_gpu, model.experts)
    for pp in divisors(math.gcd(n_gpu // ep, model.layers)):
        for dp in divisors(math.gcd(n_gpu // ep // pp, model.batch_tokens)):
            tp = n_gpu // ep // pp // dp
            for tf in divisors(math.gcd(tp, model.d_ff)):
                td, root = tp // tf, math.isqrt(tp)
                if not root <= tf <= 4 * root or model.d_model % td:
                    continue
                if model.extras.attention and model.d_model % tf:
                    continue
                yield dp, td, tf, pp, ep


def schedules(
    gpu: GPU, model: Model, n_gpu: int, dp: int, pp: int, ep: int
) -> Iterator[tuple[int, int, bool]]:
    """Microbatches, interleaving, and whether the schedule is free of a bubble, if there is memory.

    With a bubble the four smallest numbers of microbatches, fully interleaved; without, the smallest.
    """
    tokens = model.batch_tokens // (model.experts * dp)  # of a replica for each expert
    if tokens == 0:
        return
    interleaved = model.layers // pp if pp > 1 else 1
    for least, v, zero_bubble, most in ((pp, interleaved, False, 4), (2 * pp, 1, True, 1)):
        enough = (k for k in divisors(tokens) if k >= least)
        needed = partial(memory, model, dp, pp, ep, v=v, zero_bubble=zero_bubble)
        fitting = (k for k in enough if needed(k) <= n_gpu * gpu.hbm_bytes)
        for k in islice(fitting, most):
            yield k, v, zero_bubble


def level_sizes(gpu: GPU, n_gpu: int) -> list[int]:
    """Sizes in use: the largest divisor of what is left that does not exceed the level's size."""
    sizes, left = [], n_gpu
    for level in gpu.network[:-1]:
        assert level.size is not None
        size = max(i for i in range(1, level.size + 1) if left % i == 0)
        sizes.append(size)
        left //= size
    return [*sizes, left]


def layouts(whole: tuple[int, ...], sizes: list[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to place whole degrees on the levels: for each level one tuple of its degrees."""
    if len(sizes) == 1:
        yield (whole,)
        return
    for inner in products(whole, sizes[0]):
        left = tuple(degree // i for degree, i in zip(whole, inner, strict=True))
        for outer in layouts(left, sizes[1:]):
            yield (inner, *outer)


def products(whole: tuple[int, ...], size: int) -> Iterator[tuple[int, ...]]:
    """Divisors of each degree that multiply to the size of a level."""
    if not whole:
        if size == 1:
            yield ()
        return
    for i in divisors(math.gcd(whole[0], size)):
        for rest in products(whole[1:], size // i):
            yield (i, *rest)


def candidates(gpu: GPU, model: Model, n_gpu: int) -> Iterator[Parallelism]:
    """Every split of a step over a cluster."""
    for of_all in degrees(model, n_gpu):
        dp, _, _, pp, ep = of_all
        for k, v, zero_bubble in schedules(gpu, model, n_gpu, dp, pp, ep):
            for by_level in layouts(of_all, level_sizes(gpu, n_gpu)):
                placed = zip(*by_level, strict=True)
                yield Parallelism(*placed, microbatches=k, interleaving=v, zero_bubble=zero_bubble)


def first(timed: list[tuple[Times, Parallelism]]) -> tuple[Times, Parallelism]:
    """The fastest; of equally fast ones that with the least traffic; then by its degrees."""
    least = min(times.step_s for times, _ in timed)
    timed = [one for one in timed if one[0].step_s <= least * EQUAL]
    least = min(times.bandwidth_s for times, _ in timed)
    timed = [one for one in timed if one[0].bandwidth_s <= least * EQUAL]

    def order(one: tuple[Times, Parallelism]) -> tuple[object, ...]:
        s = one[1]
        inside = zip(s.slices_of_d, s.slices_of_f, s.pipeline, s.expert, s.data, strict=True)
        most_inside = [[-degree for degree in level] for level in inside]
        tensor, slices, stages = s.tensor_parallel, s.total("slices_of_d"), s.pipeline_parallel
        return tensor, slices, stages, s.microbatches, s.zero_bubble, most_inside

    return min(timed, key=order)


def best(
    gpu: GPU, model: Model, n_gpu: int, zero_bubble_latency: bool = False
) -> tuple[Times | None, Parallelism | None, int]:
    """The step of least time, its split, and how many there were."""
    splits = candidates(gpu, model, n_gpu)
    timed = [(step(gpu, model, split, zero_bubble_latency), split) for split in splits]
    return (*(first(timed) if timed else (None, None)), len(timed))


def flop_per_token(model: Model) -> float:
    """Six FLOP for each weight that a token meets, and attention's scores; each thing once."""
    met = 2 * model.d_model * model.d_ff * model.layers + attention_params(model)
    scores = model.seq_len * model.d_model * model.layers
    return 6 * (met + (scores if model.extras.attention else 0))


def run_s(model: Model, times: Times) -> float:
    """Seconds of a run: twenty tokens for each parameter, one batch a step."""
    return times.step_s * 20 * params(model) / model.batch_tokens


def utilization(gpu: GPU, model: Model, n_gpu: int, times: Times) -> float:
    """Share of the peak arithmetic rate that a step uses."""
    ideal = flop_per_token(model) * model.batch_tokens / (gpu.peak_flop_per_s * n_gpu)
    return ideal / times.step_s


def smallest_cluster(
    gpu: GPU, model: Model, duration_s: float = 0.25 * 3.154e7, largest: float = math.inf
) -> tuple[int, Times] | None:
    """The smallest cluster that ends a run in time, of E 2^i GPUs or full nodes, pods, and its step."""
    needed = 20 * params(model) * flop_per_token(model) / (duration_s * gpu.useful_flop_per_s)
    sizes = [level.size or 1 for level in gpu.network[:-1]]
    odd = {n // (n & -n) for n in accumulate(sizes, initial=1, func=lambda a, b: a * b)}  # 9 of 72
    for n_gpu in sorted(model.experts * m * 2**i for m in odd for i in range(60)):
        if needed <= n_gpu <= largest:
            times, _, _ = best(gpu, model, n_gpu)
            if times is not None and run_s(model, times) <= duration_s:
                return n_gpu, times
    return None
