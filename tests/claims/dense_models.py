"""What the chapter on dense models asserts of the two readings, of the closed form and of better networks."""

from __future__ import annotations

from functools import cache

from claims import values
from claims.ledger import Claim

import dmcore
from dmcore.models.laws import CONSTANT_BATCH_TOKENS, effective_alpha
from dmcore.simulator.search import best_parallelism
from dmcore.studies.change import BASELINE, Change, own_laws

HYPOTHESES = {
    "low latency": "H100 SXM Low Latency",
    "flat": "H100 SXM Global NVLink",
    "both": "H100 SXM Global NVLink and LL",
    "infinite": "H100 SXM Infinite Network and LL",
}
NINE = 9 * 2**19


def h100() -> dmcore.Sweep:
    return values.sweep("H100 SXM")


@cache
def lasting(years: float, law: str = "default") -> dmcore.Sweep:
    return dmcore.sweep("H100 SXM", duration_years=years, batch_scaling=law)


def fixed(value, digits):
    return lambda: f"{value():.{digits}f}"


def over_closed(gpu: str) -> float:
    """The simulator's end over that of the closed form with the simulator's laws."""
    return values.end(gpu) / BASELINE.critical_flop(gpu)


def gain(name: str) -> float:
    return values.end(HYPOTHESES[name]) / values.end()


def dip() -> int:
    """The run by which the paper reads the H100's end."""
    return h100().training_flop.tolist().index(values.paper_end())


@cache
def on_nine_halves():
    """The same run on 9 * 2^19 GPUs: months, and the share of the useful rate."""
    model = h100().steps[dip()].model
    step = best_parallelism("H100 SXM", model, NINE)
    return step.months, step.utilization / h100().gpu.efficiency


def replica_tokens(run: int) -> int:
    return int(h100().batch_tokens[run] // h100().data_parallel[run])


def grows(column: str) -> tuple[int, int]:
    found = getattr(h100(), column)
    return int(found[0]), int(found[-1])


def nearest(law: str, column: str) -> float:
    """Of the run nearest to 10^30 FLOP by a batch law."""
    found = lasting(0.25, law)
    near = int(abs(found.training_flop / 1e30 - 1).argmin())
    return float(getattr(found, column)[near])


CLAIMS = (
    Claim(
        "up to about 10²⁹ FLOP a cluster of A100s or H100s can be kept busy",
        holds=lambda: all(0.8e29 < values.end(gpu) < 1.3e29 for gpu in ("A100 SXM", "H100 SXM")),
    ),
    Claim(
        "near 3 × 10³¹ FLOP no cluster of any size ends in three months",
        holds=lambda: all(
            2.5e31 < values.sweep(gpu).training_flop[-1] < 3.5e31
            for gpu in ("V100 SXM", "A100 SXM", "H100 SXM")
        ),
    ),
    Claim(
        "The largest run of the sweep is {} million times as large as the smallest",
        fixed(lambda: h100().training_flop[-1] / h100().training_flop[0] / 1e6, 1),
    ),
    Claim(
        "Tensor parallelism grows about a thousandfold and data parallelism from {} to {}. The number of "
        "pipeline stages has no such trend: it goes up to {} in between, but the smallest and the largest "
        "run both have {}.",
        lambda: f"{grows('data_parallel')[0]:,}",
        lambda: f"{grows('data_parallel')[1]:,}",
        lambda: f"{int(h100().pipeline_parallel.max()):,}",
        lambda: f"{grows('pipeline_parallel')[0]}",
        holds=lambda: (
            grows("pipeline_parallel")[0] == grows("pipeline_parallel")[1]
            and grows("tensor_parallel")[1] == 1024 * grows("tensor_parallel")[0]
        ),
    ),
    Claim(
        "The batch only grows elevenfold meanwhile",
        holds=lambda: 11 < grows("batch_tokens")[1] / grows("batch_tokens")[0] < 12,
    ),
    Claim(
        "So a replica that started with {} million tokens ends with {}",
        lambda: f"{replica_tokens(0) / 1e6:.1f}",
        lambda: f"{replica_tokens(-1):,}",
    ),
    Claim(
        "so the upper edge is the number of GPUs: {} on the left and {} billion on the right",
        lambda: f"{grows('n_gpu')[0]:,}",
        lambda: f"{grows('n_gpu')[1] / 1e9:.0f}",
    ),
    Claim(
        "but it lets runs go on, wastefully, for two more powers of ten",
        holds=lambda: (
            30
            < values.sweep(HYPOTHESES["low latency"]).training_flop[-1] / h100().training_flop[-1]
            < 300
        ),
    ),
    Claim(
        "with the powers {} and {}, and $\\alpha$ is the difference, {}.",
        fixed(lambda: float(effective_alpha().alpha_b), 4),
        fixed(lambda: float(effective_alpha().alpha_L), 4),
        fixed(lambda: float(effective_alpha().alpha), 3),
    ),
    Claim(
        "with {} layers at 3 × 10²³ FLOP where the baseline has 100",
        lambda: f"{own_laws()['reference_layers']:.0f}",
    ),
    Claim(
        "put the latency limit at {} FLOP instead of {} FLOP, which is why the simulator's last run, at "
        "{} FLOP, breaks no limit",
        lambda: values.shown(BASELINE.limit_flop()),
        lambda: values.shown(values.latency_limit()),
        lambda: values.shown(float(h100().training_flop[-1])),
        holds=lambda: values.latency_limit() < h100().training_flop[-1] < BASELINE.limit_flop(),
    ),
    Claim(
        "{} for the V100 and {} for the A100 and the H100",
        fixed(lambda: over_closed("V100 SXM"), 1),
        fixed(lambda: over_closed("H100 SXM"), 1),
        holds=lambda: abs(over_closed("A100 SXM") - over_closed("H100 SXM")) < 0.05,
    ),
    Claim(
        "the simulator ends linear scaling at {} to {} times the compute of the closed form",
        fixed(lambda: over_closed("V100 SXM"), 1),
        fixed(lambda: over_closed("H100 SXM"), 1),
    ),
    Claim(
        "For the H100 that gives {} FLOP, less than a quarter of what we read.",
        lambda: values.shown(values.paper_end() or 0.0, 3),
        holds=lambda: (values.paper_end() or 0.0) < values.end() / 4,
    ),
    Claim(
        "The run of {} FLOP that dips below the threshold is over after {} months.",
        lambda: values.shown(values.paper_end() or 0.0, 3),
        fixed(lambda: h100().months[dip()], 2),
    ),
    Claim(
        "or {}, H100s, a cluster that the same rules of division allow, it takes {} months, and its share "
        "of the useful rate rises from {} to {}.",
        lambda: f"{NINE:,}",
        fixed(lambda: on_nine_halves()[0], 2),
        fixed(lambda: h100().utilization[dip()] / h100().gpu.efficiency, 3),
        fixed(lambda: on_nine_halves()[1], 3),
    ),
    Claim(
        "the H100's end lies anywhere from {} to {} FLOP",
        lambda: values.shown(values.end_range()[0]),
        lambda: values.shown(values.end_range()[1]),
    ),
    Claim(
        "Read at the deadline, linear scaling on H100s ends between {} and {} × 10²⁹ FLOP; the paper's "
        "2 × 10²⁸ FLOP comes from counting clusters in powers of two.",
        lambda: f"{values.end_range()[0] / 1e29:.2f}",
        lambda: f"{values.end_range()[1] / 1e29:.1f}",
        holds=lambda: on_nine_halves()[1] > 0.8,
    ),
    Claim(
        "The closed form promises {} FLOP, {} times what the simulator finds",
        lambda: values.shown(BASELINE.critical_flop(HYPOTHESES["flat"])),
        lambda: values.shown(1 / over_closed(HYPOTHESES["flat"])),
    ),
    Claim(
        "A year allows linear scaling about 20 times as far as three months, and the last possible run is "
        "about {} times as large: a little more than the square of the four times longer duration.",
        lambda: f"{lasting(1).training_flop[-1] / h100().training_flop[-1]:.0f}",
        holds=lambda: 16 < lasting(1).end.flop / values.end() < 25,
    ),
    Claim(
        "With that law a run of 10³⁰ FLOP needs tensor parallelism of {} instead of {}, on half the GPUs, "
        "and uses {} % of their peak instead of {} %.",
        *(
            lambda law=law: f"{nearest(law, 'tensor_parallel'):,.0f}"
            for law in ("deepseek", "default")
        ),
        *(
            lambda law=law: f"{100 * nearest(law, 'utilization'):.0f}"
            for law in ("deepseek", "default")
        ),
        holds=lambda: nearest("default", "n_gpu") == 2 * nearest("deepseek", "n_gpu"),
    ),
    Claim(
        "Low latency alone takes linear scaling about {} times as far, and a flat NVLink network ten times.",
        fixed(lambda: gain("low latency"), 1),
        holds=lambda: 9.5 <= gain("flat") < 10.5,
    ),
    Claim(
        "Together they take it {} times as far",
        lambda: values.shown(gain("both")),
        holds=lambda: gain("both") > 10 * gain("low latency") * gain("flat"),
    ),
    Claim(
        "With latencies a tenth of the H100's, linear scaling then stops at {} FLOP",
        lambda: values.shown(values.end(HYPOTHESES["infinite"])),
    ),
    Claim("a better network and a lower latency multiply", holds=lambda: gain("both") > 100),
    Claim(
        "Even an infinite network ends.", holds=lambda: values.end(HYPOTHESES["infinite"]) < 1e33
    ),
    Claim(
        "The A100's end lies between {} and {} × 10²⁹ FLOP and that of the H100 between {} and {} × 10²⁹ "
        "FLOP, so the simulator cannot tell them apart.",
        *(
            lambda gpu=gpu, i=i: values.shown(values.end_range(gpu)[i] / 1e29)
            for gpu in ("A100 SXM", "H100 SXM")
            for i in (0, 1)
        ),
        holds=lambda: values.end_range("A100 SXM")[1] > values.end_range("H100 SXM")[0],
    ),
    Claim(
        "The closed form even puts the A100 ahead",
        holds=lambda: values.critical_compute("A100 SXM") > values.critical_compute("H100 SXM"),
    ),
    Claim(
        "if the batch stays at {} million tokens, which is what the simulator gives a run of 3 × 10²³ FLOP",
        lambda: f"{CONSTANT_BATCH_TOKENS / 1e6:.1f}",
        holds=lambda: abs(values.batch_of_law("default", 3e23) / CONSTANT_BATCH_TOKENS - 1) < 1e-9,
    ),
    Claim("where this model says {} %.", lambda: f"{100 * h100().utilization[2]:.0f}"),
    Claim(
        "The square law says four times, and {} with the simulator's $\\alpha$.",
        fixed(lambda: 2 ** (2 / (1 - 2 * float(effective_alpha().alpha))), 1),
    ),
    Claim(
        "Read at the deadline the simulator agrees: {} times.",
        fixed(lambda: lasting(0.5).end.flop / values.end(), 1),
    ),
    Claim(
        "The paper's reading gives {}",
        fixed(lambda: lasting(0.5).linear_scaling_end / values.paper_end(), 1),
    ),
    Claim(
        "Linear scaling ends about twenty times earlier, in the closed form as in the simulator, and the "
        "last run that ends at all is more than a hundred times smaller.",
        holds=lambda: (
            18 < values.end() / lasting(0.25, "none").end.flop < 25
            and 18
            < BASELINE.critical_flop("H100 SXM")
            / Change("", batch="none").critical_flop("H100 SXM")
            < 25
            and h100().training_flop[-1] / lasting(0.25, "none").training_flop[-1] > 100
        ),
    ),
)
