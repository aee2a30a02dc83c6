"""Random small clusters and models for the tests of the simulator."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from dmcore.hardware.catalog import GPUS, names
from dmcore.hardware.gpu import NetworkLevel
from dmcore.models.model import ACTIVATION_MEMORY, Extras, Model
from dmcore.models.words import Words
from dmcore.simulator.candidates import level_sizes
from dmcore.simulator.whole_numbers import ordered_factorizations

smooth = st.builds(lambda m, i: m * 2**i, st.sampled_from([1, 3, 5, 6]), st.integers(1, 6))

#: Experts as the laws make them, m * 2**i with m up to 9, most of which do not divide a batch of 2**k.
experts = st.sampled_from([1, 1, 2, 3, 5, 6, 9, 12, 18])


@st.composite
def gpus(draw):
    """A preset, perhaps with another network, less latency or little memory."""
    gpu = draw(st.sampled_from([GPUS[name] for name in names(paper=True)]))
    if draw(st.booleans()):
        inner = draw(st.lists(st.integers(1, 8), max_size=2))
        rates = st.floats(1e8, 1e12)
        gpu = replace(
            gpu,
            network=(
                *(NetworkLevel(size, draw(rates), draw(st.floats(0, 1e-4))) for size in inner),
                NetworkLevel(None, draw(rates), draw(st.floats(0, 1e-4))),
            ),
        )
    if draw(st.booleans()):
        gpu = replace(gpu, matmul_latency_s=0.0)
    if draw(st.sampled_from([False, False, False, True])):
        gpu = replace(gpu, hbm_bytes=draw(st.floats(1e4, 1e7)))
    return gpu


models = st.builds(
    lambda d, ratio, layers, batch, experts, seq_len, word: Model(
        16 * d, 16 * d * ratio, layers, batch, experts, seq_len, word
    ),
    smooth,
    st.sampled_from([1, 2, 4, 6]),
    st.sampled_from([1, 2, 3, 4, 6, 8, 12]),
    st.one_of(smooth, st.sampled_from([2**k for k in range(8)])),
    experts,
    st.sampled_from([1, 3, 16, 64]),
    st.sampled_from([1, 2, 4, Words(1, 2, 2), Words(1, 2, 4), Words(4, 1, 2)]),
)

extras = st.builds(Extras, st.booleans(), st.sampled_from([None, *ACTIVATION_MEMORY]))
models_with_extras = st.builds(lambda model, extras: replace(model, extras=extras), models, extras)

clusters = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 18, 24, 30, 32, 36, 48, 64])


def small_enough(gpu, n_gpu):
    """Whether the plain search gets done: few ways to lay degrees out over the levels."""
    ways = 1
    for size in level_sizes(gpu, n_gpu)[:-1]:
        ways *= len(ordered_factorizations(size, 5))
    return ways <= 300
