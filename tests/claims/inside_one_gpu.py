"""What the chapter on one GPU asserts."""

from dataclasses import replace

import numpy as np
from claims import values
from claims.ledger import Claim

from dmcore import GPUS
from dmcore.simulator.matmul import matmul_breakdown, matmul_time
from dmcore.studies import one_gpu

H100 = GPUS["H100 SXM"]
FLOP = 2 * 8192**2 * 512


def us(gpu=H100, d1=8192, d2=8192, tokens=512):
    return 1e6 * matmul_time(gpu, d1, d2, tokens)


def needed(side, share=0.9, gpu="H100 SXM", **kind):
    """Tokens for a share of the useful rate."""
    return one_gpu.tokens_for_share(gpu, side, share, **kind)


def binding(tokens, gpu=H100):
    return matmul_breakdown(gpu, 8192, 8192, tokens).binding


def first(level):
    """Fewest tokens with which a level binds for the largest matrix."""
    tokens = np.arange(8, 2048, 8)
    return int(tokens[np.argmax(binding(tokens) == level)])


def with_l2(factor):
    return replace(H100, name="other L2", l2_bytes_per_s=factor * H100.l2_bytes_per_s)


def roomy():
    """An H100 of twice the arithmetic and four times the registers."""
    return replace(
        H100,
        name="roomy",
        flop_per_clock_per_thread=2 * H100.flop_per_clock_per_thread,
        register_bytes_per_block=4 * H100.register_bytes_per_block,
    )


CLAIMS = (
    Claim(
        "so it should be done in {} µs. By the model of this chapter it takes {} µs.",
        lambda: f"{1e6 * FLOP / H100.peak_flop_per_s:.0f}",
        lambda: f"{us():.0f}",
    ),
    Claim(
        "it sustains about {} % of it, which makes {} µs.",
        lambda: f"{100 * H100.efficiency:.0f}",
        lambda: f"{1e6 * FLOP / H100.useful_flop_per_s:.0f}",
        holds=lambda: 5 < us() - 4.5 - 1e6 * FLOP / H100.useful_flop_per_s < 6.5,
    ),
    Claim(
        "To reach {} % of the rate that it can sustain, an H100 needs {} tokens with a matrix of "
        "8,192 by 8,192, and {} with one of 1,024 by 1,024.",
        lambda: "90",
        lambda: str(needed(8192)),
        lambda: f"{needed(1024):,}",
    ),
    Claim(
        "With such a matrix, an H100 waits for weights up to about {} tokens, for its shared memories "
        "up to about {}, and for arithmetic beyond.",
        lambda: str(first("shared memory")),
        lambda: f"{first('arithmetic'):.2g}".replace("9.4e+02", "940"),
        holds=lambda: binding(8) == "L2" and binding(2**14) == "arithmetic",
    ),
    Claim(
        "If L2 were a tenth faster, HBM would bind with 64 and with 128 tokens; if it were 30 % slower, "
        "L2 would bind up to 256.",
        holds=lambda: (
            all(binding(n, with_l2(1.1)) == "HBM" for n in (64, 128))
            and all(binding(n, with_l2(0.7)) == "L2" for n in (64, 128, 256))
        ),
    ),
    Claim(
        "HBM alone would then be content with $590 \\times 0.7 / 2 = {}$ tokens.",
        lambda: f"{values.nanobatch('H100 SXM') * H100.efficiency / 2:.0f}",
    ),
    Claim(
        "the two crossings ask for more tokens, {} in place of {} and {} in place of {}.",
        *(
            lambda gpu=gpu, kind=kind: str(needed(8192, gpu=gpu, weight_gradient=kind))
            for gpu in ("V100 SXM", "A100 SXM")
            for kind in (True, False)
        ),
    ),
    Claim(
        "On an H100 they ask for slightly fewer",
        holds=lambda: 0.9 < needed(8192, weight_gradient=True) / needed(8192) < 1,
    ),
    Claim(
        "a matrix of 1,024 by 1,024 weights applied to {} tokens.",
        lambda: f"{H100.useful_flop_per_s * H100.matmul_latency_s / 2 / 1024**2:,.0f}",
    ),
    Claim(
        "so the product takes {} µs in place of {} and is {} times as fast.",
        lambda: f"{us(roomy()):.1f}",
        lambda: f"{us():.1f}",
        lambda: f"{us() / us(roomy()):.1f}",
    ),
    Claim(
        "The square is faster, though not by much.",
        holds=lambda: 1 < us(d1=512, d2=32768, tokens=256) / us(d1=4096, d2=4096, tokens=256) < 1.1,
    ),
)
