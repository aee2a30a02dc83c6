"""What the chapter on sparse models asserts of experts, batch and depth."""

from functools import cache

from claims import values
from claims.ledger import Claim

from dmcore import sweep
from dmcore.algebra.symbols import symbols
from dmcore.bottlenecks import experts
from dmcore.models import laws
from dmcore.studies.experts import outcomes

DENSE, SPARSE, AS_DEEP, STARVED = range(4)


@cache
def studied(which):
    return outcomes()[which]


def gain(measure, which=SPARSE):
    return getattr(studied(which), measure) / getattr(studied(DENSE), measure)


def end(which):
    """Where linear scaling ends on the H100: lowest and highest, in 10^29 FLOP."""
    found = studied(which).found.end_range
    return found.low / 1e29, found.high / 1e29


def power(name):
    """The power of compute with which a quantity of sparse models grows."""
    alpha = laws.effective_alpha(sparse=True)
    width = float(alpha.alpha_L) / 0.7502
    return {
        "width": width,
        "depth": float(alpha.alpha_L),
        "active": (2 + 0.7502) * width,
        "all": (3 + 0.7502) * width,
        "alpha": float(alpha.alpha),
    }[name]


def fixed(value, digits):
    return lambda: f"{value():.{digits}f}"


E = symbols("E")[0]


@cache
def ends(name, sparse):
    """Where linear scaling ends over sets of cluster sizes."""
    return sweep(name, sparse=sparse).end_range


CLAIMS = (
    Claim(
        "Linear scaling ends {} times later on the H100 and {} times later on the A100.",
        *(
            fixed(lambda name=name: ends(name, True).flop / ends(name, False).flop, 1)
            for name in ("H100 SXM", "A100 SXM")
        ),
    ),
    Claim(
        "On the V100 the difference is too small to tell",
        holds=lambda: (
            ends("V100 SXM", True).low < ends("V100 SXM", False).high
            and ends("V100 SXM", False).low < ends("V100 SXM", True).high
        ),
    ),
    Claim("The last possible run is {} times larger.", fixed(lambda: gain("last_run_flop"), 1)),
    Claim(
        "So sparsity moves the limits by less than one order of magnitude",
        holds=lambda: (
            gain("last_run_flop") < 10
            and all(
                ends(name, True).flop < 10 * ends(name, False).flop
                for name in ("A100 SXM", "H100 SXM")
            )
        ),
    ),
    Claim(
        "Sparse models gain by depth, not by batch.",
        holds=lambda: (
            not any(
                limit().has(E)
                for limit in (experts.critical_macs_fixed, experts.latency_macs_fixed)
            )
            and gain("last_run_flop") > 3.5
            and gain("last_run_flop", AS_DEEP) < 1
        ),
    ),
    Claim(
        "matrices are {} by {} channels, the geometric mean of which is {}",
        lambda: f"{laws.GPT3_WIDTH:,}",
        lambda: f"{laws.FF_RATIO * laws.GPT3_WIDTH:,}",
        lambda: f"{(laws.FF_RATIO * laws.GPT3_WIDTH**2) ** 0.5:,.0f}",
    ),
    Claim(
        "which starts from 2^22 or {} million tokens at 3 × 10²³ FLOP",
        lambda: f"{values.batch_of_law('default', 3e23) / 1e6:.1f}",
        holds=lambda: abs(values.batch_of_law("default", 3e23) / 2**22 - 1) < 1e-9,
    ),
    Claim(
        "As powers of compute, width and experts grow with {}, the depth with {}, the active parameters "
        "with {} and all parameters, and with them the tokens, with {}.",
        *(fixed(lambda name=name: power(name), 4) for name in ("width", "depth", "active", "all")),
    ),
    Claim(
        "Dense models deepen with the power {}",
        fixed(lambda: float(laws.effective_alpha().alpha_L), 4),
        holds=lambda: round(power("alpha"), 3) == 0.051,
    ),
    Claim(
        "By the closed forms sparse models gain a factor of {} in the critical compute and {} in the "
        "latency limit, and with the depth of dense models they gain nothing.",
        lambda: values.shown(gain("critical_flop")),
        lambda: values.shown(gain("limit_flop")),
        holds=lambda: (
            abs(gain("critical_flop", AS_DEEP) - 1) < 1e-9
            and abs(gain("limit_flop", AS_DEEP) - 1) < 1e-9
        ),
    ),
    Claim(
        "In the simulator the last run falls back from {} to {} FLOP, just below that of dense models.",
        lambda: values.shown(studied(SPARSE).last_run_flop),
        lambda: values.shown(studied(AS_DEEP).last_run_flop),
        holds=lambda: 0.9 < gain("last_run_flop", AS_DEEP) < 1,
    ),
    Claim(
        "The end of linear scaling falls back from {} FLOP into a range, {} to {} × 10²⁹, that overlaps "
        "with that of dense models, {} to {} × 10²⁹",
        lambda: values.shown(studied(SPARSE).found.end.flop),
        *(
            fixed(lambda at=at: end(at[0])[at[1]], 1)
            for at in ((AS_DEEP, 0), (AS_DEEP, 1), (DENSE, 0), (DENSE, 1))
        ),
        holds=lambda: end(AS_DEEP)[0] < end(DENSE)[1] and end(DENSE)[0] < end(AS_DEEP)[1],
    ),
    Claim(
        "if batches do not grow with the experts (last row), sparse models do much worse than dense ones.",
        holds=lambda: (
            gain("critical_flop", STARVED) < 1 / 5 and gain("last_run_flop", STARVED) < 1 / 5
        ),
    ),
)
