"""The search of the paper's simulation once more: plain scalar Python, slow, and nothing shared.

Only the hardware figures come from ``dmcore.hardware``. Loops instead of tables, no bounds, no
expressions: a second reading of the same rules, for people to read and for the tests to compare with the
fast one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from dmcore.hardware.gpu import GPU


class Shape(NamedTuple):
    """A model and its batch."""

    d: int
    f: int
    layers: int
    experts: int
    batch: int  # tokens
    word: int  # bytes
    sequence: int = 2048  # tokens
    attention: bool = False
    kept: str | None = None  # "full", "selective" or "recompute"

    @property
    def params(self) -> int:
        """Parameters, of all experts together, and of attention if that is counted."""
        return 2 * self.d * self.f * self.layers * self.experts + self.attention_params

    @property
    def attention_params(self) -> int:
        """Parameters of attention, 0 if it is not counted."""
        return 4 * self.d * self.d * self.layers if self.attention else 0

    @property
    def flop_per_token(self) -> float:
        """Forward and backward, each thing once."""
        scores = self.sequence * self.d * self.layers if self.attention else 0
        return 6 * (2 * self.d * self.f * self.layers + self.attention_params + scores)


class Split(NamedTuple):
    """How a step is divided; each degree is a tuple over the network levels, node first."""

    data: tuple[int, ...]
    tensor_d: tuple[int, ...]
    tensor_f: tuple[int, ...]
    pipeline: tuple[int, ...]
    expert: tuple[int, ...]
    microbatches: int
    interleaving: int
    zero_bubble: bool


def divisors(n: int) -> list[int]:
    """Divisors of n in ascending order."""
    small = [i for i in range(1, math.isqrt(n) + 1) if n % i == 0]
    return small + [n // i for i in reversed(small) if i * i != n]


# ------------------------------------------------------------------------------ one matrix product


def tile(d1: int, d2: int, word: int, capacity: float) -> tuple[float, float]:
    """Rows and columns of tiles. A tile that spans a side has exactly one along that side."""
    k = math.ceil(d1 * d2 * word / capacity)
    words = d1 * d2 / k
    if words / d2 >= min(d1, math.sqrt(words)):  # as wide as the matrix
        return float(k), 1.0
    height = min(d1, math.sqrt(words))
    return d1 / height, d2 / (words / height)


def boundary(
    d1: int, d2: int, z: float, word: int, cap: float, tiles: int, dist: bool, gradient: bool
) -> tuple[float, float]:
    """Bytes from the level above, and bytes among the tiles of the level below."""
    big = tile(d1, d2, word, cap * tiles if dist else cap)
    small = tile(d1, d2, word, cap) if dist else (1.0, 1.0)
    io = among = 0.0
    if 2 * d1 * d2 * word > cap * tiles:
        io += (2 if gradient else 1) * d1 * d2 * word
    io += big[0] * d2 * z * word
    if small[0] > 1:
        among += small[0] * d2 * z * word
    if gradient:
        io += big[1] * d1 * z * word
        if small[1] > 1:
            among += small[1] * d1 * z * word
    else:
        io += (2 * big[1] - 1) * d1 * z * word
        among += 2 * (small[1] - 1) * d1 * z * word
    return io, among


def matmul_seconds(gpu: GPU, d1: int, d2: int, z: float, word: int, gradient: bool) -> float:
    """Seconds of one matrix product on one GPU."""
    registers = gpu.useful_register_bytes
    per_sm = gpu.blocks_per_sm * registers
    hbm, _ = boundary(d1, d2, z, word, max(gpu.useful_l2_bytes, per_sm), 1, False, gradient)
    l2, among_sms = boundary(
        d1, d2, z, word, per_sm, gpu.sms, gpu.distributed_shared_memory, gradient
    )
    reg, _ = boundary(d1, d2, z, word, registers, gpu.blocks_per_sm * gpu.sms, False, gradient)
    flop = 2 * 512 * math.ceil(d1 / 8) * math.ceil(d2 / 8) * math.ceil(z / 8)
    return gpu.matmul_latency_s + max(
        hbm / gpu.hbm_bytes_per_s,
        (hbm + l2) / gpu.l2_bytes_per_s,
        (l2 + among_sms + reg) / gpu.shared_bytes_per_s,
        flop / gpu.useful_flop_per_s,
    )


def step_matmul_seconds(
    gpu: GPU, m: Shape, dp: int, td: int, tf: int, pp: int, ep: int, k: int
) -> float:
    """Seconds of all matrix products of a step, attention's with them."""
    ds, fs, z = m.d // td, m.f // tf, m.batch // (dp * k * m.experts)
    forwards = 2 if m.kept == "recompute" else 1
    once = (
        (forwards + 1) * matmul_seconds(gpu, ds, fs, z, m.word, False)
        + (forwards + 1) * matmul_seconds(gpu, fs, ds, z, m.word, False)
        + matmul_seconds(gpu, ds, fs, z, m.word, True)
        + matmul_seconds(gpu, fs, ds, z, m.word, True)
    )
    seconds = (m.layers // pp) * (m.experts // ep) * k * once
    if m.attention:
        tokens = m.batch / (dp * k * ep)
        seconds += (m.layers // pp) * k * attention_seconds(gpu, m, td, tf, tokens)
    return seconds


def attention_seconds(gpu: GPU, m: Shape, td: int, tf: int, z: float) -> float:
    """Seconds of one layer's attention on one microbatch of z tokens."""
    ds, hs = m.d // td, m.d // tf
    seconds = 0.0
    for _ in range(2 if m.kept == "recompute" else 1):  # forward
        seconds += matmul_seconds(gpu, 3 * hs, ds, z, m.word, False)
        seconds += matmul_seconds(gpu, ds, hs, z, m.word, False)
        seconds += gpu.matmul_latency_s
    seconds += matmul_seconds(gpu, hs, ds, z, m.word, False)
    seconds += matmul_seconds(gpu, ds, 3 * hs, z, m.word, False)
    seconds += matmul_seconds(gpu, 3 * hs, ds, z, m.word, True)
    seconds += matmul_seconds(gpu, ds, hs, z, m.word, True)
    seconds += gpu.matmul_latency_s
    times = 4 if m.kept in ("selective", "recompute") else 3
    seconds += times * 2 * m.sequence * m.d * z / (td * tf) / gpu.useful_flop_per_s
    return seconds


def held_bytes(m: Shape, dp: int, pp: int, ep: int, k: int, v: int, zero_bubble: bool) -> float:
    """Bytes in the whole cluster."""
    weights = m.params * m.word * (dp + 4) + m.attention_params * m.word * dp * (ep - 1)
    if m.kept is None:
        return weights
    layer: float = m.word * (2 * m.d + 2 * m.f) + m.d
    if m.attention:
        layer += 6 * m.word * m.d + m.d
        if m.kept == "full":
            layer += (2 * m.word + 1) * m.sequence * m.d / 128
    flying = float(pp)
    if zero_bubble:
        flying = 2 * pp - 1
    elif v > 1:
        flying = pp + (pp - 1) / v
    flying = min(flying, k)
    tokens = m.batch / k
    if m.kept == "recompute":
        return weights + (m.word * m.d * m.layers * flying + layer * pp) * tokens
    return weights + layer * m.layers * flying * tokens


# -------------------------------------------------------------------------------------- one step


def step(
    gpu: GPU, m: Shape, s: Split, matmul: float, latency_in_zero_bubble: bool = False
) -> dict[str, Any]:
    """Seconds of a step, and what they are made of."""
    levels = range(len(gpu.network))
    above = {
        name: [math.prod(degrees[i + 1 :]) for i in levels]
        for name, degrees in s._asdict().items()
        if isinstance(degrees, tuple)
    }
    dp, pp, ep = math.prod(s.data), math.prod(s.pipeline), math.prod(s.expert)
    n_gpu = dp * pp * ep * math.prod(s.tensor_d) * math.prod(s.tensor_f)

    def move(level: int, words: float) -> float:
        """Seconds in which all GPUs together move words at a level."""
        return words * m.word / (n_gpu * gpu.network[level].bytes_per_s / 2)

    dp_bandwidth = dp_latency = tp_bandwidth = tp_latency = 0.0
    forwards = 2 if m.kept == "recompute" else 1
    for i in levels:
        hop = gpu.network[i].latency_s
        shared = m.attention_params
        gradients = (s.data[i] - 1) * (m.params - shared) * above["data"][i]
        wide = s.data[i] * s.expert[i] if m.attention else s.data[i]
        gradients += (wide - 1) * shared * above["data"][i] * above["expert"][i]
        dp_bandwidth = max(dp_bandwidth, move(i, 2 * gradients))
        dp_latency += 2 * hop if wide > 1 else 0
        both = 0.0
        for name, degrees, forward, backward in (
            ("tensor_d", s.tensor_d, [m.f] + [3 * m.d] * m.attention, [m.f] + [m.d] * m.attention),
            ("tensor_f", s.tensor_f, [m.d] * (1 + m.attention), [m.d] * (1 + m.attention)),
        ):
            words = forwards * sum(forward) + sum(backward)
            both += move(i, 2 * (degrees[i] - 1) * words * m.layers * m.batch * above[name][i])
            times = forwards * len(forward) + len(backward)
            tp_latency += 2 * times * m.layers * hop if degrees[i] > 1 else 0
        tp_bandwidth = max(tp_bandwidth, both)

    p2p_bandwidth = p2p_latency = 0.0
    for pp_level, pp_count in pipeline_crossings(m.layers, s).items():
        for ep_level, share, share_latency in expert_crossings(s.expert):
            level = max(pp_level, ep_level)
            if level < 0:
                continue
            p2p_bandwidth += move(level, m.d * 2 * pp_count * share * m.batch)
            p2p_latency += 2 * pp_count * share_latency * gpu.network[level].latency_s

    bubble = 0.0
    if not s.zero_bubble:
        gap = (s.interleaving - 1) * max(0, pp - s.microbatches)
        bubble = (gap + pp - 1) / (gap + pp - 1 + s.interleaving * s.microbatches)
    busy = max(matmul, tp_bandwidth + p2p_bandwidth)
    latency = tp_latency + p2p_latency
    if not s.zero_bubble:
        pipeline = busy / (1 - bubble) + latency
    else:
        pipeline = max(busy, latency) if latency_in_zero_bubble else busy
    return {
        "step": pipeline + dp_bandwidth + dp_latency,
        "matmul": matmul,
        "tp_bandwidth": tp_bandwidth,
        "tp_latency": tp_latency,
        "p2p_bandwidth": p2p_bandwidth,
        "p2p_latency": p2p_latency,
        "dp_bandwidth": dp_bandwidth,
        "dp_latency": dp_latency,
        "bubble": bubble,
        "n_gpu": n_gpu,
    }


def pipeline_crossings(layers: int, s: Split) -> dict[int, int]:
    """How many of the layers - 1 boundaries cross each level; level -1 is no crossing."""
    used = [i for i, degree in enumerate(s.pipeline) if degree > 1]
    if not used:
        return {-1: layers - s.interleaving}
    v = s.interleaving
    counts = {-1: layers - v * math.prod(s.pipeline)}
    for i in used:
        if i == used[-1]:
            counts[i] = v * s.pipeline[i] - 1
        else:
            counts[i] = v * math.prod(s.pipeline[i + 1 :]) * (s.pipeline[i] - 1)
    return counts


def expert_crossings(expert: tuple[int, ...]) -> list[tuple[int, float, float]]:
    """Level, share of the words, share of the waits; level -1 is no crossing."""
    used = [i for i, degree in enumerate(expert) if degree > 1]
    highest = used[-1] if used else -1
    shares = [(-1, 1 / math.prod(expert), float(highest == -1))]
    for i in used:
        share = 1 / math.prod(expert[i + 1 :]) - 1 / math.prod(expert[i:])
        shares.append((i, share, float(i == highest)))
    return shares


# ------------------------------------------------------------------------------------ the search


def level_sizes(gpu: GPU, n_gpu: int) -> list[int]:
    """Sizes in use: the largest divisor of what is left that does not exceed the level's size."""
    sizes, left = [], n_gpu
    for level in gpu.network[:-1]:
        assert level.size is not None
        size = max(i for i in range(1, level.size + 1) if left % i == 0)
        sizes.append(size)
        left //= size
    return [*sizes, left]


def over_levels(
    degrees: tuple[int, ...], sizes: list[int]
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to place the degrees: for each level one tuple of the level's degrees."""
    if len(sizes) == 1:
        yield (degrees,)
        return
    for inner in level_products(degrees, sizes[0]):
        left = tuple(degree // i for degree, i in zip(degrees, inner, strict=True))
        for outer in over_levels(left, sizes[1:]):
            yield (inner, *outer)


def level_products(degrees: tuple[int, ...], size: int) -> Iterator[tuple[int, ...]]:
    """Divisors of each degree that multiply to the size of a level."""
    if not degrees:
        if size == 1:
            yield ()
        return
    for i in divisors(math.gcd(degrees[0], size)):
        for rest in level_products(degrees[1:], size // i):
            yield (i, *rest)


def schedules(
    m: Shape, dp: int, pp: int, ep: int, memory: float
) -> Iterator[tuple[int, int, bool]]:
    """Microbatches, interleaving and whether the schedule is free of a bubble."""
    tokens = m.batch // (m.experts * dp)
    if tokens == 0:
        return
    options = divisors(tokens)
    v = m.layers // pp if pp > 1 else 1

    def fits(k: int, v: int, zero_bubble: bool) -> bool:
        return held_bytes(m, dp, pp, ep, k, v, zero_bubble) <= memory

    for k in [k for k in options if k >= pp and fits(k, v, False)][:4]:
        yield k, v, False
    for k in [k for k in options if k >= 2 * pp and fits(k, 1, True)][:1]:
        yield k, 1, True


def candidates(gpu: GPU, m: Shape, n_gpu: int) -> Iterator[tuple[Split, float]]:
    """Every split of a step over a cluster, with the seconds of its matrix products."""
    ep = math.gcd(n_gpu, m.experts)
    sizes = level_sizes(gpu, n_gpu)
    times: dict[tuple[int, ...], float] = {}
    rest = n_gpu // ep
    for pp in divisors(rest):
        if m.layers % pp:
            continue
        for dp in divisors(rest // pp):
            tp = rest // pp // dp
            if m.batch % dp or (m.d * m.f) % tp:
                continue
            for tf in divisors(tp):
                td = tp // tf
                if not math.isqrt(tp) <= tf <= 4 * math.isqrt(tp) or m.d % td or m.f % tf:
                    continue
                if m.attention and m.d % tf:
                    continue
                for k, v, zero_bubble in schedules(m, dp, pp, ep, n_gpu * gpu.hbm_bytes):
                    key = (td, tf, dp * k, pp, ep)
                    if key not in times:
                        times[key] = step_matmul_seconds(gpu, m, dp, td, tf, pp, ep, k) / k
                    for levels in over_levels((dp, td, tf, pp, ep), sizes):
                        data, tensor_d, tensor_f, pipeline, expert = zip(*levels, strict=True)
                        split = Split(data, tensor_d, tensor_f, pipeline, expert, k, v, zero_bubble)
                        yield split, times[key] * k


def first(timed: list[tuple[dict[str, Any], Split]]) -> tuple[dict[str, Any], Split]:
    """The fastest; of equally fast ones (to 1e-12) that with the least traffic, then by its degrees."""

    def moved(result: dict[str, Any]) -> float:
        return float(result["tp_bandwidth"] + result["dp_bandwidth"] + result["p2p_bandwidth"])

    least = min(result["step"] for result, _ in timed)
    timed = [one for one in timed if one[0]["step"] <= least * (1 + 1e-12)]
    least = min(moved(result) for result, _ in timed)
    timed = [one for one in timed if moved(one[0]) <= least * (1 + 1e-12)]

    def order(one: tuple[dict[str, Any], Split]) -> tuple[Any, ...]:
        s = one[1]
        slices = math.prod(s.tensor_d)
        near = [
            (-s.tensor_d[i], -s.tensor_f[i], -s.pipeline[i], -s.expert[i], -s.data[i])
            for i in range(len(s.data))
        ]
        return (
            slices * math.prod(s.tensor_f),
            slices,
            math.prod(s.pipeline),
            s.microbatches,
            s.zero_bubble,
            near,
        )

    return min(timed, key=order)


def best(
    gpu: GPU, m: Shape, n_gpu: int, latency_in_zero_bubble: bool = False
) -> tuple[dict[str, Any] | None, Split | None, int]:
    """The step of least time, its split, and how many there were."""
    timed = [
        (step(gpu, m, split, matmul, latency_in_zero_bubble), split)
        for split, matmul in candidates(gpu, m, n_gpu)
    ]
    winner, winning_split = first(timed) if timed else (None, None)
    count = len(timed)
    if winner is not None:
        arithmetic = m.flop_per_token * m.batch / (gpu.peak_flop_per_s * n_gpu)
        winner["utilization"] = arithmetic / winner["step"]
        winner["run"] = winner["step"] * 20 * m.params / m.batch
    return winner, winning_split, count


def smallest_cluster(
    gpu: GPU, m: Shape, duration_s: float = 0.25 * 3.154e7, largest: float = math.inf
) -> tuple[int, dict[str, Any]] | None:
    """The smallest cluster of experts * 2**i that ends a run in time."""
    needed = 20 * m.params * m.flop_per_token / (duration_s * gpu.useful_flop_per_s)
    n_gpu = m.experts
    while n_gpu < needed:
        n_gpu *= 2
    while n_gpu <= largest:
        winner, _, _ = best(gpu, m, n_gpu)
        if winner is not None and winner["run"] <= duration_s:
            return n_gpu, winner
        n_gpu *= 2
    return None
