"""What the chapter on ways around the limits asserts of each change."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

from claims import values
from claims.ledger import Claim

import dmcore
from dmcore.hardware.variants import faster_memory, faster_network, lower_latency
from dmcore.models.laws import SIMULATOR_YEAR_S, effective_alpha
from dmcore.studies import shape
from dmcore.studies.change import WIDTHS, Change, Outcome, own_laws
from dmcore.studies.scenarios import ScenarioTable, headline_table

H100 = dmcore.GPUS["H100 SXM"]
DEEPSEEK, LATER = "DeepSeek's batch law", "192 layers, DeepSeek"
TOGETHER = "network, latency by 10"


@cache
def table() -> ScenarioTable:
    return headline_table()


def gain(name: str, measure: str = "linear_flop") -> float:
    found = table().gain(name, measure)
    assert found is not None
    return found


def signed(name: str, measure: str = "linear_flop") -> str:
    return f"{gain(name, measure):.1f}"


def machines() -> list[Outcome]:
    """Single changes of the hardware."""
    return [one for one in table().ranked() if one.change.gpu is not None]


def new_hardware(one: Outcome) -> bool:
    return one.change.gpu is not None


def exact(ratio: int) -> float:
    laws = own_laws() | {"layers_exponent": float(effective_alpha().alpha_L)}
    return shape.critical_compute_exact("H100 SXM", ratio, duration_s=SIMULATOR_YEAR_S / 4, **laws)


def wider(of: str = "simulator") -> float:
    """What 64 in place of 4 is worth."""
    if of != "simulator":
        return exact(64) / exact(4)
    return 10 ** gain("d_ff = 64 d_model")


@cache
def end(gpu: dmcore.GPU, law: str = "default") -> float:
    return dmcore.sweep(gpu, batch_scaling=law, d_models=WIDTHS).end.flop or 0.0


def caches(hbm: float) -> dmcore.GPU:
    """An H100 with all memories twice as fast but for HBM, which is ``hbm`` times as fast."""
    faster = faster_memory(H100, 2, caches=True)
    return replace(faster, hbm_bytes_per_s=hbm * H100.hbm_bytes_per_s)


def widest() -> float:
    """Powers of ten from the lowest to the highest end of one scenario."""
    spans = (one.linear_end.span for one in table() if one.linear_end.flop)
    return max(math.log10(high / low) for low, high in spans)


def parts(name: str, beyond: int = 1) -> list[str]:
    """Causes of a step's time, the largest first."""
    step = table()[name].run_at_end(beyond)
    return sorted(step.parts, key=lambda cause: -step.parts[cause])


def shallow():
    return table()["96 layers always"].run_at_end()


LAWS = ("none", "default", "deepseek")


def own_critical(law: str) -> float:
    """Critical compute with a batch law's own batch, depth and anchor, FLOP."""
    return Change("", batch=law).critical_flop("H100 SXM")


def deepseek_batch() -> float:
    """DeepSeek's batch at 3 * 10^23 FLOP over 4 million tokens."""
    return own_laws("deepseek")["reference_batch_tokens"] / 4e6


def deepseek_power() -> float:
    return 2 / (1 - 2 * values.alpha_of_law("deepseek"))


CLAIMS = (
    Claim(
        "and found {} FLOP for the constant batch, {} for the sixth root and {} for DeepSeek's.",
        *(
            lambda law=law: values.shown(values.critical_compute(alpha=values.alpha_of_law(law)))
            for law in LAWS
        ),
    ),
    Claim(
        "with the {} layers of the depth law, and with both anchored in FLOP (Corrected forms), the three "
        "are {}, {} and {} FLOP.",
        lambda: f"{own_laws()['reference_layers']:.0f}",
        *(lambda law=law: values.shown(own_critical(law)) for law in LAWS),
    ),
    Claim(
        "its batch is already {} million tokens at that point, three and a half times as many, which "
        "count with the power 2/(1 - 2 × {}) = {} and so make a factor of {}.",
        lambda: f"{4 * deepseek_batch():.0f}",
        lambda: f"{values.alpha_of_law('deepseek'):.3f}",
        lambda: f"{deepseek_power():.1f}",
        lambda: f"{deepseek_batch() ** deepseek_power():.0f}",
        holds=lambda: 3.4 < deepseek_batch() < 3.6,
    ),
    Claim(
        "If batches may grow as DeepSeek's law has it, GPUs stay busy up to a compute nearly five powers "
        "of ten higher.",
        holds=lambda: 4.5 < gain(DEEPSEEK) < 5 and table().ranked()[0].change.name == DEEPSEEK,
    ),
    Claim(
        "No change of hardware alone is worth more than {} powers of ten, not even a network of infinite "
        "speed",
        lambda: f"{max(gain(one.change.name) for one in machines()):.1f}",
        holds=lambda: machines()[0].change.name == "infinite network",
    ),
    Claim(
        "two changes at once can be worth far more than both of them apart",
        holds=lambda: gain(TOGETHER) > 2 * (gain("network × 10") + gain("latency ÷ 10")),
    ),
    Claim(
        "the closed forms put the two limits at {} and {} FLOP, where the paper's baseline of $\\alpha = 0$ "
        "has {} and {}.",
        lambda: values.shown(table().baseline.critical_flop or 0.0),
        lambda: values.shown(table().baseline.limit_flop or 0.0),
        lambda: values.shown(values.critical_compute()),
        lambda: values.shown(values.latency_limit()),
    ),
    Claim(
        "The simulator puts them at {} and {} FLOP.",
        lambda: values.shown(values.end()),
        lambda: values.shown(table().baseline.last_run_flop),
    ),
    Claim(
        "The best five need no new hardware at all.",
        holds=lambda: (
            not any(map(new_hardware, table().ranked()[:5])) and new_hardware(table().ranked()[5])
        ),
    ),
    Claim(
        "in addition it is {}, and the power $1/(1 - 2\\alpha)$ with which the limits grow is nearly three",
        lambda: f"{own_laws('deepseek', '192 layers')['alpha']:.3f}",
        holds=lambda: 2.8 < 1 / (1 - 2 * own_laws("deepseek", "192 layers")["alpha"]) < 3,
    ),
    Claim(
        "The last two rows have batches of 30 billion and a trillion tokens, on a trillion GPUs and more.",
        holds=lambda: (
            [
                round(table()[name].run_at_end().model.batch_tokens / 1e9, -1)
                for name in (DEEPSEEK, LATER)
            ]
            == [30, 1240]
            and table()[DEEPSEEK].run_at_end().n_gpu > 1e12
        ),
    ),
    Claim(
        "With 96 layers the ring is half a power of ten above the dot.",
        holds=lambda: (
            0.4 < gain("96 layers always", "critical_flop") - gain("96 layers always") < 0.6
        ),
    ),
    Claim(
        "with {} stages and {} replicas, this exchange takes {} % of a step",
        lambda: f"{shallow().parallelism.pipeline_parallel}",
        lambda: f"{shallow().parallelism.data_parallel:,}",
        lambda: f"{100 * shallow().parts['data bandwidth'] / shallow().step_s:.0f}",
    ),
    Claim(
        "DeepSeek's batch law is worth nearly five powers of ten, and 96 layers at every size two",
        holds=lambda: 1.85 < gain("96 layers always") < 2.15,
    ),
    Claim(
        "Going from 4 to 64 is worth a factor of {} in the exact closed form and {} in the simulator",
        lambda: f"{wider('exact'):.1f}",
        lambda: f"{wider():.1f}",
    ),
    Claim(
        "A depth that stays at 192 layers is worth more than a power of ten.",
        holds=lambda: gain("192 layers always") > 1,
    ),
    Claim(
        "A year instead of three months is worth as much as an infinite network",
        holds=lambda: abs(gain("1 year") - gain("infinite network")) < 0.2,
    ),
    Claim(
        "ten times the network bandwidth gives four powers of ten, and ten times the memory bandwidth two",
        holds=lambda: (
            4 < gain("network × 10", "critical_flop") < 4.5
            and 2 < gain("HBM × 10", "critical_flop") < 2.3
        ),
    ),
    Claim(
        "The simulator gives {} and nothing at all.",
        lambda: signed("network × 10"),
        holds=lambda: abs(gain("HBM × 10")) < 1e-9,
    ),
    Claim(
        "moves the end from {} to {} × 10²⁹ FLOP",
        lambda: f"{values.end('A100 SXM') / 1e29:.1f}",
        lambda: f"{end(faster_memory(dmcore.GPUS['A100 SXM'], 10)) / 1e29:.1f}",
    ),
    Claim(
        "twice the HBM moves it by a factor of {}.",
        lambda: f"{end(caches(2.0)) / end(caches(1.0)):.1f}",
    ),
    Claim(
        "the latency of the matrix products and the exchange of gradients bind half a power of ten later",
        holds=lambda: (
            0.4 < gain("every memory × 10") < 0.6
            and set(parts("every memory × 10")[:3])
            == {"matmul arithmetic", "matmul latency", "data bandwidth"}
        ),
    ),
    Claim(
        "With a faster network it is latency as well, and with a lower latency it is the memories.",
        holds=lambda: (
            parts("network × 10")[1] == "matmul latency"
            and set(parts("latency ÷ 10")[:2]) == {"matmul shared memory", "matmul L2"}
        ),
    ),
    Claim(
        "network and latency by ten gain {} and {} powers of ten alone, but {} together",
        lambda: signed("network × 10"),
        lambda: signed("latency ÷ 10"),
        lambda: signed(TOGETHER),
    ),
    Claim(
        "Nothing is left for faster memories to add to that, whereas in the closed form they would add two "
        "powers of ten.",
        holds=lambda: (
            gain("and memories by 10") - gain(TOGETHER) < 0.05
            and 2
            < gain("and memories by 10", "critical_flop") - gain(TOGETHER, "critical_flop")
            < 2.3
        ),
    ),
    Claim(
        "They bring {} powers of ten of the {} that one flat NVLink would bring.",
        lambda: signed("superpods of 256"),
        lambda: signed("flat NVLink"),
    ),
    Claim(
        "no single change of it gains more than {} powers of ten, while network and latency together gain {}",
        lambda: f"{max(gain(one.change.name) for one in machines()):.1f}",
        lambda: signed(TOGETHER),
    ),
    Claim(
        "no network and no memory moves the wall at all",
        holds=lambda: all(
            abs(gain(name, measure)) < 1e-9
            for name in ("network × 10", "infinite network", "HBM × 10", "every memory × 10")
            for measure in ("limit_flop", "last_run_flop")
        ),
    ),
    Claim(
        "the last run of each sweep is {} to {} times the latency limit",
        lambda: f"{min(ratios()):.2f}",
        lambda: f"{max(ratios()):.2f}",
    ),
    Claim(
        "On today's H100 only the combinations with DeepSeek's batch law stay linear beyond 10³² FLOP.",
        holds=lambda: (
            table()["192 layers always"].linear_flop < 1e32
            and table()["depth at half the power"].linear_flop < 1e32
            and gain(DEEPSEEK) > 3.2
            and gain(LATER) > 3.2
        ),
    ),
    Claim(
        "with network and latency better by ten it ends at {} FLOP, where the paper's law reaches {} FLOP",
        *(
            lambda law=law: values.shown(end(lower_latency(faster_network(H100, 10), 10), law))
            for law in ("none", "default")
        ),
    ),
    Claim(
        "All others ended because no cluster finishes the next model in time.",
        holds=lambda: [one.change.name for one in table() if one.out_of_widths] == [LATER],
    ),
    Claim("up to {} powers of ten long", lambda: f"{widest():.1f}"),
    Claim(
        "the last run before GPUs wait occupies half a billion GPUs for three months",
        holds=lambda: table()["192 layers always"].run_at_end().n_gpu == 2**29,
    ),
    Claim(
        "192 layers give {} FLOP.", lambda: values.shown(table()["192 layers always"].critical_flop)
    ),
    Claim(
        "which leaves {} layers",
        lambda: f"{192 * (table()['192 layers always'].critical_flop / needed()) ** (1 / 3):.0f}",
    ),
    Claim(
        "four times the compute, and a little more with the simulator's $\\alpha$",
        holds=lambda: 4 < 10 ** gain("every word 8 bit", "critical_flop") < 4.8,
    ),
    Claim(
        "both methods lose a factor of four to five",
        holds=lambda: all(
            4 < 10 ** -gain("FP8 as trained", measure) < 5
            for measure in ("critical_flop", "linear_flop")
        ),
    ),
    Claim(
        "The wall stays either way",
        holds=lambda: all(
            abs(gain(name, measure)) < 1e-9
            for name in ("every word 8 bit", "FP8 as trained")
            for measure in ("limit_flop", "last_run_flop")
        ),
    ),
)


def ratios() -> list[float]:
    """Last runs over the latency limit, of sweeps that ended for want of a cluster."""
    ended = [one for one in table() if one.limit_flop and not one.out_of_widths]
    return [one.last_run_flop / one.limit_flop for one in ended]


def needed() -> float:
    return 100 * (table().baseline.critical_flop or 0.0)
