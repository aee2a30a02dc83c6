"""What the chapter on measured runs asserts of the bound, of the prediction and of its constants."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from claims import values
from claims.ledger import Claim

from dmcore import (
    GPU,
    GPUS,
    Model,
    Software,
    Split,
    Transformer,
    best_split,
    predict_step,
)
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import limits, network
from dmcore.chapters import measured_runs
from dmcore.evidence.measured_runs import RUNS_BY_NAME
from dmcore.evidence.training_runs import LARGEST_ESTIMATE
from dmcore.evidence.utilization import model_flop_utilization, tokens_per_s
from dmcore.hardware.variants import custom_gpu
from dmcore.prediction.best import Chosen
from dmcore.prediction.constants import fitted
from dmcore.prediction.fit import ablation, leave_one_out
from dmcore.prediction.measured import Measured, Score, measured, rank_correlations, score
from dmcore.prediction.step import Prediction
from dmcore.prediction.transformer import styles
from dmcore.simulator.step import TrainingStep
from dmcore.studies import expected as growing
from dmcore.studies.corrections import Correction, critical_flop
from dmcore.studies.validation import COMPARABLE, compare, family, strong_scaling

LLAMA = Transformer(126, 16384, 53248, 128, kv_heads=8, mlp_matrices=3, vocab=128256, seq_len=8192)
ON_16384 = RUNS_BY_NAME["Llama 3 405B on 16384"]
LATE = Software("Megatron", 2024.3)


def runs() -> Measured:
    return measured()


@cache
def left_out():
    """Rates of sources that were left out, and the constants that the others gave."""
    return leave_one_out(runs())


def rate():
    return left_out()[0]


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


def machine(*changes: str) -> GPU:
    """An H100 at the rate of long matmuls ("slow"), with messages exposed that take a fifth ("bare")."""
    h100, figures = GPUS["H100 SXM"], {}
    if "slow" in changes:
        figures["F_peak"] = fitted()["eta_Hopper"].value * h100.peak_flop_per_s
    if "bare" in changes:
        figures["beta_beyond"] = h100.inter_node_bytes_per_s * 0.25 / fitted()["x_tensor"].value
    return custom_gpu(h100, **figures)


@cache
def every_word(*changes: str) -> float:
    """The critical compute with every word counted, FLOP."""
    return critical_flop(machine(*changes), Correction("every word counted", exact_words=True))


def nodes_of_shorter_formula() -> float:
    """Nodes that share a layer by it, at its own critical compute."""
    gpu = machine("slow", "bare")
    macs = values.critical_compute(gpu) / 2
    width = evaluate(limits.model_width(), T=macs, L=100, r=20)
    side = network.shard_side_channels(gpu)
    return float(evaluate(network.largest_tensor_parallelism(), d=width, a=side))


@cache
def grown() -> list[TrainingStep]:
    """The best splits of Llama's model and batch on clusters that double."""
    return measured_runs._grow(ON_16384, measured_runs._BEST)


@cache
def noise() -> tuple[float, ...]:
    """Spread of rates of the same split in BigScience's trials, and the rank correlations that it allows."""
    told = [row["id"] if ok else "" for row, ok in zip(runs().cells, runs().scored, strict=True)]
    names = "layers", "d_model", "n_heads", "batch_sequences", "microbatch", "tp", "pp", "dp"
    sets, same = {}, {}
    for i, row in enumerate(runs().cells):
        if told[i] and row["source"] == "bigscience_tr11" and row["precision"] == "fp16":
            sets.setdefault((row["model"], row["n_gpu"]), []).append(i)
            split = tuple(row[name] for name in names)
            same.setdefault((row["model"], row["n_gpu"], split), []).append(np.log(runs().rate[i]))
    large = sorted((each for each in sets.values() if len(each) >= 10), key=len, reverse=True)
    again = [np.array(each) for key, each in same.items() if len(sets[key[:2]]) >= 10]
    squares = sum(((each - each.mean()) ** 2).sum() for each in again)
    spread = float(np.sqrt(squares / sum(len(each) - 1 for each in again)))
    found, chance = [spread], np.random.default_rng(0)
    for rows in large:
        part = runs().part(np.isin(np.arange(len(told)), rows))
        noisy = (part.rate * np.exp(chance.normal(0, spread, len(rows))) for _ in range(300))
        each = [next(iter(rank_correlations(part, it).values()))[1] for it in noisy]
        found.append(float(np.mean(each)))
    return tuple(found)


@cache
def recipes() -> list[tuple[float, float]]:
    """Rates of DeepSeek-V3 on 256 GB200s at 16 bit, measured and predicted, by measured rate."""
    wanted = {"gpu": "GB200", "n_gpu": "256", "precision": "bf16", "model": "DeepSeek-V3 671B"}
    return sorted(
        (float(runs().rate[i]), float(rate()[i]))
        for i, row in enumerate(runs().cells)
        if all(row[name] == value for name, value in wanted.items())
    )


def tail_ms() -> float:
    """Milliseconds in which SMs idle in the last rounds of a layer's four matmuls, forward."""
    inner = 16384 + 16384 / 8 + 16384 + 53248 / 8
    return 1e3 * 128 * 256 * 132 * inner / (fitted()["eta_Hopper"].value * 989.43e12)


def ranks() -> dict[int, float]:
    """Rank correlation of measured with predicted over splits, by how many splits."""
    return dict(rank_correlations(runs(), rate()).values())


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
        "{} million FLOP at {} % of 989 TFLOP/s take {} ms",
        lambda: f"{weights_of_gpu() / 1e6:.0f}",
        lambda: f"{100 * fitted()['eta_Hopper'].value:.1f}",
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
        "of which a GPU sends the seven eighths that are not its own, take {} ms at 80 % of NVLink's 450 "
        "GB/s.",
        lambda: f"{1e3 * 4 * 16384 * 2 * 8192 * (7 / 8) / (0.8 * 450e9):.1f}",
    ),
    Claim(
        "The fit finds that {} % of it is exposed in the software of 2024.",
        percent(lambda: fitted()["x_tensor"].value),
    ),
    Claim(
        "half of the SMs idle on average, which adds {} ms",
        lambda: f"{tail_ms():.1f}",
    ),
    Claim(
        "A layer that takes 8.9 ms of arithmetic takes about 13 ms",
        holds=lambda: 12.5 < 8.9 + tail_ms() + sum(layer_ms(*part) for part in ADDED) < 13.5,
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
        "The host's time shows best in one source",
        holds=lambda: [name for name, of in styles().items() if of.waits] == ["Megatron-DeepSpeed"],
    ),
    Claim(
        "All other sources, fitted without that one, give nearly the same time.",
        holds=lambda: (
            0.9 < left_out()[1]["bigscience_tr11"]["ell_call"] / fitted()["ell_call"].value < 1.1
        ),
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
        percent(lambda: chosen().prediction.parts["pipeline"] / chosen().prediction.step_s),
        percent(lambda: share("pipeline")),
    ),
    Claim(
        "is {} over 41 splits of the one and {} over 25 of the other.",
        lambda: f"{ranks()[41]:.2f}",
        lambda: f"{ranks()[25]:.2f}",
    ),
    Claim(
        "we would have had {} % of the best measured rate for the one, and the best itself for the other.",
        percent(lambda: puts_first(41)[0]),
        holds=lambda: puts_first(25) == (1, 0),
    ),
    Claim(
        "differed there by {} %, and with such noise a perfect model would reach {} and {}.",
        percent(lambda: noise()[0]),
        lambda: f"{noise()[1]:.2f}",
        lambda: f"{noise()[2]:.2f}",
    ),
    Claim(
        "reach {} tokens a second and GPU in July 2025 and {} in November, {} times as many, of which their "
        "splits explain {}.",
        lambda: f"{recipes()[0][0]:,.0f}",
        lambda: f"{recipes()[1][0]:,.0f}",
        lambda: f"{recipes()[1][0] / recipes()[0][0]:.1f}",
        lambda: f"{recipes()[1][1] / recipes()[0][1]:.1f}",
        holds=lambda: len(recipes()) == 2,
    ),
    Claim(
        "As expected it does so at {} FLOP, {} times earlier, and eight times earlier than the closed form",
        lambda: values.shown(series().first_below()[1]),
        lambda: f"{series().first_below()[0] / series().first_below()[1]:.0f}",
        holds=lambda: 7.5 < every_word("slow", "bare") / series().first_below()[1] < 8.5,
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
        "the network has to be $0.95/0.25 = {}$ times as fast as if they may take as long as the arithmetic.",
        lambda: f"{fitted()['x_tensor'].value / 0.25:.1f}",
        holds=lambda: round(fitted()["x_tensor"].value, 2) == 0.95,
    ),
    Claim(
        "the smallest block of (4.5) is {} channels on a side",
        lambda: values.shown(network.shard_side_channels(machine("slow", "bare")), 3),
    ),
    Claim(
        "At the peak and with messages hidden it is {} FLOP. The lower rate raises it {} times, to {} "
        "FLOP, and the exposed messages lower that {} times.",
        lambda: values.shown(every_word()),
        lambda: f"{every_word('slow') / every_word():.1f}",
        lambda: values.shown(every_word("slow")),
        lambda: f"{every_word('slow') / every_word('slow', 'bare'):.0f}",
    ),
    Claim(
        "would lose a fifth of its time from {} FLOP on, more than four times the compute at which the "
        "largest run of 2025 is estimated.",
        lambda: values.shown(every_word("slow", "bare")),
        holds=lambda: 4 < every_word("slow", "bare") / LARGEST_ESTIMATE.flop < 5,
    ),
    Claim(
        "(The shorter formula would say {}, where it lets {} nodes share a layer.)",
        lambda: values.shown(values.critical_compute(machine("slow", "bare"))),
        lambda: f"{nodes_of_shorter_formula():.1f}",
    ),
    Claim(
        "At the useful rate and without overlap, waste would begin at {} FLOP instead of {}",
        lambda: values.shown(every_word("slow", "bare")),
        lambda: values.shown(every_word("slow")),
    ),
    Claim(
        "on 2²⁰ or {} H100s Llama's batch still gets {} % of the peak with the best split, more than four "
        "fifths of the 70 % that the GPU sustains.",
        lambda: f"{grown()[-1].n_gpu:,}",
        lambda: f"{100 * grown()[-1].utilization:.1f}",
        holds=lambda: (
            grown()[-1].n_gpu == 2**20
            and grown()[-1].utilization > 0.8 * GPUS["H100 SXM"].efficiency
            and round(GPUS["H100 SXM"].efficiency, 2) == 0.7
        ),
    ),
    Claim(
        "The best split has 128 stages and one replica from the start, and turns up tensor parallelism "
        "first, up to {} ways on {} GPUs. Only from there on does it add replicas, up to {}.",
        lambda: f"{max(step.parallelism.tensor_parallel for step in grown())}",
        lambda: f"{max(step.n_gpu for step in grown() if step.parallelism.data_parallel == 1):,}",
        lambda: f"{grown()[-1].parallelism.data_parallel}",
        holds=lambda: all(step.parallelism.pipeline_parallel == 128 for step in grown()),
    ),
    Claim(
        "Counted as 6 FLOP for each parameter and token they are {} TFLOP/s, or {} % of the peak.",
        lambda: f"{compared()[ON_16384.name].measured * 989.4:.0f}",
        percent(lambda: compared()[ON_16384.name].measured),
    ),
    Claim(
        "they are $16{,}384 + 4{,}352 + 19{,}968$ or {} channels for each token",
        lambda: f"{LLAMA.d_model + 2 * (128 + 8) * 128 // 8 + 3 * LLAMA.d_ff // 8:,.0f}",
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
