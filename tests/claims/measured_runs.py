"""What the chapter on measured runs asserts of the bound, of the prediction and of its constants."""

from __future__ import annotations

from functools import cache

import numpy as np
from claims import values
from claims.ledger import Claim

from dmcore import Software, Split, Transformer, predict_step
from dmcore.evidence.measured_runs import RUNS_BY_NAME
from dmcore.evidence.training_runs import LARGEST_ESTIMATE
from dmcore.evidence.utilization import model_flop_utilization, tokens_per_s
from dmcore.prediction.constants import fitted
from dmcore.prediction.fit import ablation, leave_one_out
from dmcore.prediction.measured import Measured, Score, measured, rank_correlations, score
from dmcore.prediction.step import Prediction
from dmcore.studies.validation import COMPARABLE, compare, family, strong_scaling

LLAMA = Transformer(126, 16384, 53248, 128, kv_heads=8, mlp_matrices=3, vocab=128256, seq_len=8192)
ON_16384 = RUNS_BY_NAME["Llama 3 405B on 16384"]
LATE = Software("Megatron", 2024.3)


def runs() -> Measured:
    return measured()


@cache
def rate():
    return leave_one_out(runs())[0]


def scored(experts: bool) -> Score:
    return score(runs(), rate(), runs().scored & (runs().moe == experts))


@cache
def without() -> dict[str, Score]:
    """Scores of dense runs without a term."""
    dense = runs().scored & ~runs().moe
    return {words: score(runs(), found, dense) for words, found in ablation(runs()).items()}


@cache
def expected(recompute: str = "fit") -> Prediction:
    split = Split(16384, batch=2048, tp=8, pp=16, vp=4, recompute=recompute)
    return predict_step("H100", LLAMA, split, LATE)


def share(part: str) -> float:
    return expected().parts[part] / expected().step_s


def reached() -> float:
    """Tokens a second and GPU that Llama 3 was measured at."""
    return float(tokens_per_s(ON_16384) / ON_16384.n_gpu)


@cache
def compared():
    return {run.name: compare(run) for run in COMPARABLE}


def ratios() -> list[float]:
    return [one.ratio for one in compared().values()]


def correlation() -> float:
    """Of measured with simulated utilization, in logarithms."""
    both = [[one.measured, one.predicted] for one in compared().values()]
    return float(np.corrcoef(np.log(both).T)[0, 1])


def percent(value, digits=0):
    return lambda: f"{100 * value():.{digits}f}"


def gains() -> list[float]:
    """MegaScale over Megatron-LM."""
    names = [name for name in compared() if name.startswith("MegaScale 175B")]
    return [
        compared()[name].measured
        / compared()[name.replace("MegaScale", "MegaScale's Megatron-LM")].measured
        - 1
        for name in names
    ]


def left(name: str, how: str) -> float:
    return strong_scaling(family(name))[how]


def bare() -> float:
    """The factor on the critical compute of messages that are exposed and may take a fifth of the time."""
    return (fitted()["x_tensor"].value / 0.25) ** -4


def slower() -> float:
    return (1 / fitted()["eta_Hopper"].value) ** 4


@cache
def on_a_node(ways: int) -> Prediction:
    small = Transformer(layers=24, d_model=4096, d_ff=16384, heads=32)
    return predict_step("A100", small, Split(8, batch=64, tp=ways))


def weights_of_gpu() -> float:
    """Weights of a layer of Llama 3 405B on one of eight GPUs."""
    attention = 2 * 16384**2 + 2 * 16384 * 1024
    return (3 * 16384 * 53248 + attention) / 8


def layer_ms(part: str, passes: int = 1) -> float:
    """Milliseconds of a part of a step for one layer and sequence, in one of its passes."""
    return 1e3 * expected().parts[part] / 126 / passes


#: Parts of a layer beside its matmuls, and how many forward passes their time in a step amounts to.
ADDED = (("attention", 3), ("element-wise", 3), ("messages", 2))

CLAIMS = (
    Claim(
        "for dense models the prediction is {} % off in the median and {} % in nine of ten cases, for "
        "mixtures of experts {} % and {} %.",
        percent(lambda: scored(False).median),
        percent(lambda: scored(False).p90),
        percent(lambda: scored(True).median),
        percent(lambda: scored(True).p90),
    ),
    Claim("Nine constants are fitted", holds=lambda: len(fitted()) == 9),
    Claim(
        "There are {} measurements",
        lambda: f"{len(runs().rate)}",
    ),
    Claim(
        "{} of them tell shape, split and rate in full",
        lambda: f"{runs().scored.sum()}",
    ),
    Claim(
        "But they lie anywhere from {} to {} % of it, the correlation of measured with simulated "
        "utilization is {}",
        percent(lambda: min(ratios())),
        percent(lambda: max(ratios())),
        lambda: (
            f"{np.corrcoef(np.log([[o.measured, o.predicted] for o in compared().values()]).T)[0, 1]:.2f}"
        ),
        holds=lambda: len(ratios()) == 45,
    ),
    Claim(
        "So Megatron-LM's well-known 52 % on 3,072 A100s are an MFU of {} %.",
        percent(lambda: model_flop_utilization(RUNS_BY_NAME["Megatron-LM 1008B on 3072"])),
    ),
    Claim(
        "{} million FLOP at 66 % of 989 TFLOP/s take {} ms",
        lambda: f"{weights_of_gpu() / 1e6:.0f}",
        lambda: (
            f"{1e3 * 2 * 8192 * weights_of_gpu() / (fitted()['eta_Hopper'].value * 989e12):.1f}"
        ),
    ),
    Claim(
        "Kernels move them {} times as often as the fewest that would do, which adds {} ms.",
        lambda: f"{fitted()['x_passes'].value:.1f}",
        lambda: f"{1e3 * fitted()['x_passes'].value * 2 * 8192 * 40704 / 3.352e12:.1f}",
    ),
    Claim(
        "at 80 % of NVLink's 450 GB/s, take {} ms",
        lambda: f"{1e3 * 4 * 16384 * 2 * 8192 * (7 / 8) / (0.8 * 450e9):.1f}",
    ),
    Claim(
        "The fit finds that {} % of it is exposed in the software of 2024.",
        percent(lambda: fitted()["x_tensor"].value),
    ),
    Claim(
        "A layer that takes 9.9 ms of arithmetic takes about 14 ms",
        holds=lambda: 13.5 < 9.9 + sum(layer_ms(*part) for part in ADDED) < 14.5,
    ),
    Claim(
        "reached 400 TFLOP/s or {} tokens a second on each GPU",
        lambda: f"{reached():.0f}",
        holds=lambda: ON_16384.measured_flop_per_s_per_gpu == 400e12,
    ),
    Claim(
        "We expect {} tokens a second and GPU, and four of five dense runs to lie between {} and {}.",
        lambda: f"{expected().tok_s_gpu:.0f}",
        lambda: f"{expected().low:.0f}",
        lambda: f"{expected().high:.0f}",
    ),
    Claim("are {} % less than expected", percent(lambda: 1 - reached() / expected().tok_s_gpu)),
    Claim(
        "The pipeline takes a fifth, because each replica has only 16 sequences to feed 16 stages, and "
        "messages inside the node a tenth.",
        holds=lambda: 0.17 < share("pipeline") < 0.22 and 0.08 < share("messages") < 0.12,
    ),
    Claim("Six tenths of the step are matmuls.", holds=lambda: 0.57 < share("matmuls") < 0.63),
    Claim(
        "The host's time is hardly determined",
        holds=lambda: (
            fitted()["ell_call"].without_one_source[1] / fitted()["ell_call"].without_one_source[0]
            > 10
        ),
    ),
    Claim(
        "falls from {} to {}, and no other term matters as much",
        lambda: f"{without()['all terms'].correlation:.2f}",
        lambda: f"{without()['attention at the rate of matmuls'].correlation:.2f}",
        holds=lambda: (
            min(without(), key=lambda words: without()[words].correlation)
            == "attention at the rate of matmuls"
        ),
    ),
    Claim(
        "Work between the matmuls comes second.",
        holds=lambda: (
            sorted(without(), key=lambda words: without()[words].correlation)[1]
            == "element-wise work, moved once"
        ),
    ),
    Claim(
        "the rank correlation of measured and predicted is only {} and {}",
        *(
            lambda at=at: (
                f"{sorted(it[1] for it in rank_correlations(runs(), rate()).values())[at]:.2f}"
            )
            for at in (0, 1)
        ),
    ),
    Claim(
        "MegaScale is faster by {} to {} %",
        percent(lambda: min(gains())),
        percent(lambda: max(gains())),
    ),
    Claim(
        "MegaScale keeps {} % of its utilization when it goes from 3,072 to 12,288 GPUs, and the simulator "
        "{} %.",
        percent(lambda: left("MegaScale 175B, large batch", "measured")),
        percent(lambda: left("MegaScale 175B, large batch", "interleaved")),
    ),
    Claim(
        "Its Megatron-LM keeps {} %.",
        percent(lambda: left("its Megatron-LM, large batch", "measured")),
    ),
    Claim(
        "The lower rate raises the critical compute five times, and the exposed messages lower it {} times.",
        lambda: values.shown(1 / bare(), 2),
        holds=lambda: 5 < slower() < 5.4,
    ),
    Claim(
        "would lose a fifth of its time from {} FLOP on, about the compute at which the largest runs of "
        "2025 are estimated",
        lambda: values.shown(values.critical_compute() * slower() * bare()),
        holds=lambda: (
            0.7 < values.critical_compute() * slower() * bare() / LARGEST_ESTIMATE.flop < 1.4
        ),
    ),
    Claim(
        "Without overlap, waste would begin at {} FLOP instead of {}",
        lambda: values.shown(values.critical_compute() * slower() * bare()),
        lambda: values.shown(values.critical_compute()),
    ),
    Claim(
        "{} instead of {}, a quarter less",
        lambda: f"{expected('full').tok_s_gpu:.0f}",
        lambda: f"{expected().tok_s_gpu:.0f}",
    ),
    Claim(
        "It rises from {} to {} FLOP, {} times",
        lambda: values.shown(values.critical_compute()),
        lambda: values.shown(values.critical_compute() * compared()[ON_16384.name].measured ** -4),
        lambda: f"{compared()[ON_16384.name].measured ** -4:.0f}",
    ),
    Claim(
        "From two on, messages take a growing share of the step, {} % at eight.",
        percent(lambda: on_a_node(8).parts["messages"] / on_a_node(8).step_s),
        holds=lambda: (
            max((1, 2, 4, 8), key=lambda ways: on_a_node(ways).tok_s_gpu) == 2
            and on_a_node(1).parts["recomputation"] > 0.1 * on_a_node(1).step_s
        ),
    ),
)
