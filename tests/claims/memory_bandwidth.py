"""What the chapter on memory bandwidth asserts."""

from claims import values
from claims.ledger import Claim

from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.bottlenecks import memory_bandwidth

H100 = GPUS["H100 SXM"]


def balance(gpu):
    """FLOP in the time of one byte."""
    return GPUS[gpu].peak_flop_per_s / GPUS[gpu].hbm_bytes_per_s


def counted(sum_bytes):
    """Nanobatch with every byte counted, over the paper's, for 16-bit weights."""
    rates = {"F": 1, "beta_hbm": 1, "w_P": 2}
    whole = evaluate(memory_bandwidth.counted_nanobatch(), rates, w_G=sum_bytes)
    return whole / evaluate(memory_bandwidth.nanobatch_of_hardware(), rates)


CLAIMS = (
    Claim(
        "An H100 needs about {} tokens for every pass over its weights.",
        lambda: values.shown(values.nanobatch("H100 SXM"), 3),
    ),
    Claim(
        "The eight GPUs of a node, and all nodes that share a layer, work on the same {} tokens.",
        lambda: values.shown(values.nanobatch("H100 SXM"), 3),
    ),
    Claim(
        "The knee has moved from {} tokens for a V100 to {} for an A100 and {} for an H100",
        *(
            lambda gpu=gpu: values.shown(values.nanobatch(gpu), 3)
            for gpu in ("V100 SXM", "A100 SXM", "H100 SXM")
        ),
    ),
    Claim(
        "for every byte that it reads, it has time for {} operations.",
        lambda: values.shown(balance("H100 SXM"), 3),
    ),
    Claim(
        "a GPU that reads a weight, uses it for a single token and throws it away is idle for more than "
        "99 % of the time",
        holds=lambda: 1 / balance("H100 SXM") < 0.01,
    ),
    Claim(
        "With a single token an H100 reaches {} % of its peak.",
        lambda: values.shown(100 / values.nanobatch("H100 SXM"), 2),
    ),
    Claim(
        "because arithmetic became {} times as fast and the memory only {} times.",
        lambda: values.shown(H100.peak_flop_per_s / GPUS["V100 SXM"].peak_flop_per_s, 2),
        lambda: values.shown(H100.hbm_bytes_per_s / GPUS["V100 SXM"].hbm_bytes_per_s, 2),
        holds=lambda: 2 < values.nanobatch("H100 SXM") / values.nanobatch("V100 SXM") < 2.2,
    ),
    Claim(
        "It computes three quarters as fast as the other H100, but its memory is slower still, so it "
        "needs more tokens.",
        holds=lambda: (
            values.nanobatch("H100 PCIe") > values.nanobatch("H100 SXM")
            and 0.74 < GPUS["H100 PCIe"].peak_flop_per_s / H100.peak_flop_per_s < 0.78
            and GPUS["H100 PCIe"].hbm_bytes_per_s / H100.hbm_bytes_per_s < 0.74
        ),
    ),
    Claim(
        "finds it right for the usual practice, in which gradients are summed in 32 bits",
        holds=lambda: counted(4) == 1,
    ),
    Claim(
        "= {}$, from $1.9 \\times 10^{28}$ to $4.3 \\times 10^{28}$ FLOP, while 32-bit accumulators "
        "leave it where it is.",
        lambda: values.shown(counted(2) ** -2, 3),
        holds=lambda: values.shown(values.critical_compute() * counted(2) ** -2) == "4.3 × 10²⁸",
    ),
)
