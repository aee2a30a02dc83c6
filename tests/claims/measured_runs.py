"""What the chapter on measured runs asserts of the bound, of the prediction and of its constants."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from claims import values
from claims.ledger import Claim

from dmcore import Model, Software, Split, Transformer, best_split, predict_step
from dmcore.evidence.measured_runs import RUNS_BY_NAME
from dmcore.evidence.training_runs import LARGEST_ESTIMATE
from dmcore.evidence.utilization import model_flop_utilization, tokens_per_s
from dmcore.prediction.best import Chosen
from dmcore.prediction.constants import fitted
from dmcore.prediction.fit import ablation, leave_one_out
from dmcore.prediction.measured import Measured, Score, measured, rank_correlations, score
from dmcore.prediction.step import Prediction
from dmcore.studies import expected as growing
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


@cache
def chosen() -> Chosen:
    """The split that the model chooses for Llama 3 405B on 16,384 GPUs."""
    return best_split("H100", LLAMA, 16384, 2048, LATE)


def puts_first(splits: int) -> tuple[float, int]:
    """Of so many splits, the one predicted fastest: its rate over the best, and how many are faster."""
    counts, same = {}, ("source", "model", "gpu", "n_gpu", "seq_len", "precision")
    for i, row in enumerate(runs().cells):
        if runs().scored[i]:
            counts.setdefault(tuple(row[name] for name in same), []).append(i)
    (rows,) = (each for each in counts.values() if len(each) == splits)
    told, first = runs().rate[rows], int(np.argmax(rate()[rows]))
    return float(told[first] / told.max()), int((told > told[first]).sum())


@cache
def series() -> growing.SideBySide:
    widths = (12288, 20480, 24576, 26624, 32768, 53248, 196608)
    return growing.side_by_side("H100 SXM", widths, software=LATE)


def messages_at_the_end() -> float:
    """Share of a step that messages take in the first run below four fifths."""
    at = [model.training_flop for model in series().models].index(series().first_below()[1])
    told = series().expected[at].chosen.prediction
    return told.parts["messages"] / told.step_s


def ends_with_heads(heads: int) -> bool:
    """Whether the run of 208 heads ends in time if it has others."""
    model = Model.from_laws(26624)
    shape = growing.same_size(model)
    shape = replace(shape, heads=heads, kv_heads=heads, head_dim=26624 / heads)
    month_s, found = 3 * 3.154e7 / 12, []
    for i in range(17, 24):
        try:
            told = best_split("H100", shape, 2**i, model.batch_sequences, LATE).prediction
        except ValueError:
            continue
        found.append(told.step_s * model.steps <= month_s)
    return any(found)


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
        "Of {} splits the model would take {}-way tensor parallelism, share each sequence among four GPUs "
        "and keep the {} stages, so that there are {} replicas instead of 128.",
        lambda: f"{chosen().candidates:,}",
        lambda: f"{chosen().split.tp:.0f}",
        lambda: f"{chosen().split.pp:.0f}",
        lambda: f"{chosen().split.dp:.0f}",
        holds=lambda: chosen().split.cp == 4,
    ),
    Claim(
        "It expects {} tokens a second and GPU of that, {} % more than of the published split.",
        lambda: f"{chosen().prediction.tok_s_gpu:.0f}",
        percent(lambda: chosen().prediction.tok_s_gpu / expected().tok_s_gpu - 1),
    ),
    Claim(
        "so the pipeline takes {} % of the step instead of {}.",
        percent(
            lambda: chosen().prediction.parts["pipeline"] / chosen().prediction.step_s,
        ),
        percent(lambda: share("pipeline")),
        holds=lambda: chosen().split.batch / chosen().split.dp == 32,
    ),
    Claim(
        "the rank correlation of measured and predicted is {} and {}.",
        *(
            lambda at=at: (
                f"{sorted(it[1] for it in rank_correlations(runs(), rate()).values())[at]:.2f}"
            )
            for at in (0, 1)
        ),
    ),
    Claim(
        "we would have had {} % of the best measured rate for the one, and {} % for the other, where {} of "
        "25 splits are faster.",
        percent(lambda: puts_first(41)[0]),
        percent(lambda: puts_first(25)[0]),
        lambda: f"{puts_first(25)[1]}",
    ),
    Claim(
        "utilization falls to four fifths of the first run's at {} FLOP",
        lambda: values.shown(series().first_below()[0]),
    ),
    Claim(
        "As expected it does so at {} FLOP, {} times earlier",
        lambda: values.shown(series().first_below()[1]),
        lambda: f"{series().first_below()[0] / series().first_below()[1]:.0f}",
        holds=lambda: (
            0.5 < series().first_below()[1] / (values.critical_compute() * slower() * bare()) < 2
        ),
    ),
    Claim("There messages within a layer take {} % of the step.", percent(messages_at_the_end)),
    Claim(
        "takes {} FLOP in the bound and {} FLOP as expected",
        *(lambda at=at: values.shown(series().largest()[at]) for at in (0, 1)),
    ),
    Claim(
        "can share its 208 heads 16 ways at most; with 256 heads it would",
        holds=lambda: not ends_with_heads(208) and ends_with_heads(256),
    ),
    Claim(
        "The model has been tested on up to {} GPUs",
        lambda: f"{runs().c['n_gpu'][runs().scored].max():,.0f}",
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
