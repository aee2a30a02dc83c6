"""Time of one matrix product: against the plain reading, and what must hold of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmcore.algebra.expressions import value_of
from dmcore.algebra.symbols import symbols
from dmcore.hardware.catalog import GPUS
from dmcore.models.words import Words
from dmcore.simulator import plain
from dmcore.simulator.matmul import (
    among_sms_bytes,
    gpu_values,
    hbm_bytes,
    l2_bytes,
    matmul_breakdown,
    matmul_time,
    register_bytes,
    tile_columns,
    tile_count,
    tile_rows,
)

gpus = st.sampled_from(list(GPUS.values()))
sides = st.builds(lambda m, i: m * 2**i, st.sampled_from([1, 3, 5, 7, 9]), st.integers(0, 15)) | (
    st.integers(1, 40000)
)
words = st.sampled_from([1, 2, 4, Words(1, 2, 2), Words(1, 2, 4)])


@settings(deadline=None, max_examples=400)
@given(gpus, sides, sides, sides, words, st.booleans())
def test_agrees_with_the_plain_one(gpu, d1, d2, tokens, word, gradient):
    seconds = plain.matmul_seconds(gpu, d1, d2, tokens, Words.of(word), gradient)
    assert matmul_time(gpu, d1, d2, tokens, gradient, word_bytes=word) == pytest.approx(
        seconds, rel=1e-12
    )


@settings(deadline=None, max_examples=200)
@given(gpus, sides, sides, sides, words, st.booleans())
def test_bytes_of_each_boundary_agree_with_the_plain_ones(gpu, d1, d2, tokens, word, gradient):
    values = {
        **gpu_values(gpu),
        "d_1": float(d1),
        "d_2": float(d2),
        "z": float(tokens),
        **Words.of(word).in_product(gradient),
    }
    size = (d1, d2, tokens, Words.of(word))
    registers, dist = gpu.useful_register_bytes, gpu.distributed_shared_memory
    hbm, _ = plain.boundary(*size, values["C_L2"], 1, False, gradient)
    l2, among = plain.boundary(*size, gpu.blocks_per_sm * registers, gpu.sms, dist, gradient)
    inner, _ = plain.boundary(*size, registers, gpu.blocks_per_sm * gpu.sms, False, gradient)
    assert value_of(hbm_bytes(gradient), **values) == pytest.approx(hbm, rel=1e-12)
    assert value_of(l2_bytes(gradient, dist), **values) == pytest.approx(l2, rel=1e-12)
    assert value_of(among_sms_bytes(gradient, dist), **values) == pytest.approx(
        among, rel=1e-12, abs=1e-9 * d1 * d2
    )
    assert value_of(register_bytes(gradient), **values) == pytest.approx(inner, rel=1e-12)


@settings(deadline=None)
@given(sides, sides, st.integers(1, 2**26))
def test_tiles_cover_the_matrix_and_fit(d1, d2, capacity):
    (symbol,) = symbols("C_tile")
    values = {"d_1": float(d1), "d_2": float(d2), "w_P": 2.0, "w_A": 2.0, "C_tile": float(capacity)}
    k, rows, columns = (
        float(value_of(shape(symbol), **values)) for shape in (tile_count, tile_rows, tile_columns)
    )
    assert rows >= 1
    assert columns >= 1
    assert rows * columns == pytest.approx(k, rel=1e-12)
    assert d1 / rows * d2 / columns * 2 <= capacity * (1 + 1e-12)


def test_wide_and_high_matrices_are_cut_along_the_long_side():
    (symbol,) = symbols("C_tile")
    values = {"w_P": 2.0, "w_A": 2.0, "C_tile": 2.0**17}
    assert value_of(tile_rows(symbol), d_1=16.0, d_2=2.0**20, **values) == 1
    assert value_of(tile_columns(symbol), d_1=2.0**20, d_2=16.0, **values) == 1
    assert value_of(tile_rows(symbol), d_1=4096.0, d_2=4096.0, **values) == 16


def test_arrays_broadcast_to_the_same_numbers():
    d1, d2, tokens = np.array([[128], [4096]]), np.array([256, 512, 1024]), 2048
    together = matmul_time("A100 SXM", d1, d2, tokens, True)
    assert together.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        one = matmul_time("A100 SXM", int(d1[i, 0]), int(d2[j]), tokens, True)
        assert isinstance(one, float)
        assert together[i, j] == one


@settings(deadline=None)
@given(gpus, sides, sides, sides, st.booleans())
def test_breakdown(gpu, d1, d2, tokens, gradient):
    parts = matmul_breakdown(gpu, d1, d2, tokens, gradient)
    seconds = {
        "HBM": parts.hbm_s,
        "L2": parts.l2_s,
        "shared memory": parts.shared_memory_s,
        "arithmetic": parts.arithmetic_s,
        "latency": parts.latency_s,
    }
    assert parts.total_s == matmul_time(gpu, d1, d2, tokens, gradient)
    assert seconds[parts.binding] == max(seconds.values())
    overlapping = max(value for name, value in seconds.items() if name != "latency")
    assert parts.total_s == pytest.approx(overlapping + parts.latency_s, rel=1e-12)
    assert parts.arithmetic_s >= 2 * d1 * d2 * tokens / gpu.useful_flop_per_s * (1 - 1e-12)


def test_what_binds():
    breakdown = matmul_breakdown("V100 SXM", [8, 4096, 16384], [8, 4096, 16384], [8, 8, 16384])
    assert breakdown.binding.tolist() == ["latency", "HBM", "arithmetic"]
    h100 = GPUS["H100 SXM"]
    instant = replace(h100, matmul_latency_s=0.0)
    saved = matmul_time(h100, 4096, 4096, 4096) - matmul_time(instant, 4096, 4096, 4096)
    assert saved == pytest.approx(4.5e-6)


def test_a_gradient_that_fits_in_cache_reads_no_weights():
    """Twice the weights within L2: only activations pass, so that time is that of tokens alone."""
    v100 = GPUS["V100 SXM"]
    side = math.isqrt(int(v100.useful_l2_bytes) // 4)
    values = {
        **gpu_values(v100),
        "d_1": float(side),
        "d_2": float(side),
        "z": 1.0,
        "w_P": 2.0,
        "w_A": 2.0,
    }
    assert value_of(hbm_bytes(True), **values) == 2 * side * 2
    values["d_1"] += 2
    assert value_of(hbm_bytes(True), **values) > 2 * side * side * 2


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("H100", 8, 8, 8), "gpu must be a GPU or one of .*'H100 SXM'.*'H100'"),
        (("H100 SXM", 0, 8, 8), "d1 must be positive and finite, got 0"),
        (("H100 SXM", 8, [8, -8], 8), "d2"),
        (("H100 SXM", 8, 8, math.nan), "tokens"),
        (("H100 SXM", 8, 8, math.inf), "tokens"),
        (("H100 SXM", 8, "8", 8), "d2 must be a real number"),
    ],
)
@pytest.mark.parametrize("function", [matmul_time, matmul_breakdown])
def test_bad_input(function, arguments, name):
    with pytest.raises(ValueError, match=name):
        function(*arguments)
    with pytest.raises(ValueError, match="word_bytes"):
        function("H100 SXM", 8, 8, 8, word_bytes=0)
