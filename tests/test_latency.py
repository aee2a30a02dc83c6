"""Latency: the chain of matrix products of a step, and of the steps of a run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmcore import GPUS
from dmcore.algebra.expressions import evaluate
from dmcore.algebra.symbols import channel, same_unit, second, token, unit_of
from dmcore.bottlenecks import latency, limits
from dmcore.chapters import latency as figures
from dmcore.show.plots import draw_explorer

depths = st.integers(1, 1000)
times = st.floats(1e-8, 1e-3)
tokens = st.floats(1e9, 1e18)
batches = st.floats(1e4, 1e10)


def longest_chain(layers: int) -> int:
    """Links of the longest chain in one step, found in the graph of what waits for what."""
    needs: dict[tuple[str, int], list[tuple[str, int]]] = {}
    products = 2 * layers
    for i in range(products):
        needs["forward", i] = [("forward", i - 1)] if i else []
        after = ("backward", i + 1) if i + 1 < products else ("forward", products - 1)
        needs["backward", i] = [after]
        needs["weights", i] = [after, *needs["forward", i]]
    depth: dict[tuple[str, int], int] = {}
    forward = [("forward", i) for i in range(products)]
    others = [(kind, i) for i in reversed(range(products)) for kind in ("backward", "weights")]
    for product in forward + others:
        depth[product] = 1 + max((depth[need] for need in needs[product]), default=0)
    return max(depth.values())


@given(layers=st.integers(1, 40), ell=times)
def test_step_takes_the_longest_chain(layers: int, ell: float) -> None:
    expected = longest_chain(layers) * ell
    assert evaluate(latency.least_step_time(), L=layers, ell=ell) == pytest.approx(expected)


def test_baseline_is_nine_microseconds_made_of_the_preset() -> None:
    gpu = GPUS["H100 SXM"]
    link = evaluate(
        latency.matmul_latency(),
        ell_kernel=gpu.matmul_latency_s,
        ell_hop=gpu.network[0].latency_s,
    )
    assert link == pytest.approx(latency.MATMUL_LATENCY_S, rel=1e-12)
    assert latency.MATMUL_LATENCY_S == 9e-6


@given(kernel=times, hop=times, kernels=st.integers(1, 3), norms=st.integers(0, 2))
def test_chain_of_a_layer_is_counted_by_hand(kernel, hop, kernels, norms) -> None:
    known = {"ell_kernel": kernel, "ell_hop": hop}
    link = kernel + 4 * hop
    bare = evaluate(latency.layer_latency(), known)
    assert bare == pytest.approx(4 * link)
    full = evaluate(latency.layer_latency(kernels, norms), known)
    assert full == pytest.approx(2 * (4 * link + kernels * kernel + norms * 4 * hop))
    again = evaluate(latency.layer_latency(kernels, norms, forward_passes=2), known)
    assert again == pytest.approx(1.5 * full)


@pytest.mark.parametrize(
    ("kernels", "norms", "microseconds", "share"),
    [(0, 0, 36, 1), (1, 0, 81, 0.198), (2, 0, 90, 0.16), (1, 2, 99, 0.132)],
)
def test_wall_of_a_longer_chain(kernels, norms, microseconds, share) -> None:
    chain = latency.layer_latency_s(kernels, norms)
    assert 1e6 * chain == pytest.approx(microseconds)
    wall = limits.latency_limit(latency_s=chain / 4)
    assert wall / limits.latency_limit() == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize("name", ["attention_kernels", "norm_reductions", "forward_passes"])
def test_chains_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        latency.layer_latency(**{name: -1})


def test_units() -> None:
    assert unit_of(latency.matmul_latency()) == second
    assert unit_of(latency.least_step_time()) == second
    assert unit_of(latency.least_run_time()) == second
    assert unit_of(latency.steps()) == 1
    assert unit_of(latency.steps_that_fit()) == 1
    assert unit_of(limits.training_tokens()) == token
    assert unit_of(limits.model_width()) == channel
    for step in latency.derivation():
        assert same_unit(step.equation.lhs, step.equation.rhs)


@pytest.mark.parametrize(
    ("flop", "steps", "run_s"),
    [(3e23, 250e3, 900.0), (1e28, 4.564e7, 1.643e5), (2.3e31, 2.189e9, 7.880e6)],
)
def test_worked_runs(flop: float, steps: float, run_s: float) -> None:
    parameters = (flop / 120) ** 0.5
    seen = evaluate(limits.training_tokens(), T=flop / 2, r=20)
    assert seen == pytest.approx(20 * parameters)
    assert evaluate(latency.steps(), D=seen, b=4e6) == pytest.approx(steps, rel=1e-3)
    run = evaluate(latency.least_run_time(), D=seen, b=4e6, L=100, ell=9e-6)
    assert run == pytest.approx(run_s, rel=1e-3)


@given(D=tokens, b=batches, L=depths, ell=times, factor=st.floats(1.1, 100))
def test_run_time_scales_with_each_of_its_parts(D, b, L, ell, factor) -> None:
    base = {"D": D, "b": b, "L": L, "ell": ell}
    run = evaluate(latency.least_run_time(), base)
    assert run == pytest.approx(4 * L * ell * D / b)
    for name, power in {"D": 1, "L": 1, "ell": 1, "b": -1}.items():
        changed = evaluate(latency.least_run_time(), {**base, name: factor * base[name]})
        assert changed == pytest.approx(factor**power * run)


@given(D=tokens, b=batches, L=depths, ell=times)
def test_exactly_the_steps_of_the_run_fit_into_its_least_time(D, b, L, ell) -> None:
    run = evaluate(latency.least_run_time(), D=D, b=b, L=L, ell=ell)
    assert evaluate(latency.steps_that_fit(), t=run, L=L, ell=ell) == pytest.approx(D / b)


@given(kernel=times, hop=times, factor=st.floats(1.1, 100))
def test_a_link_is_a_kernel_and_four_hops(kernel: float, hop: float, factor: float) -> None:
    link = evaluate(latency.matmul_latency(), ell_kernel=kernel, ell_hop=hop)
    assert link == pytest.approx(kernel + hop + hop + hop + hop)
    assert evaluate(latency.matmul_latency(), ell_kernel=kernel, ell_hop=factor * hop) > link


@given(T=st.floats(1e20, 1e33), L=depths)
def test_width_gives_the_parameters_that_the_tokens_ask_for(T: float, L: int) -> None:
    width = evaluate(limits.model_width(), T=T, L=L, r=20)
    seen = evaluate(limits.training_tokens(), T=T, r=20)
    parameters = 8 * L * width**2
    assert seen == pytest.approx(20 * parameters)
    assert 3 * parameters * seen == pytest.approx(T)


def test_a_run_at_the_wall_takes_the_allowed_time() -> None:
    wall = limits.latency_limit()
    assert wall == pytest.approx(2.3e31, rel=0.01)
    seen = evaluate(limits.training_tokens(), T=wall / 2, r=20)
    run = evaluate(latency.least_run_time(), D=seen, b=4e6, L=100, ell=9e-6)
    assert run == pytest.approx(limits.QUARTER_S)


@pytest.mark.parametrize("name", ["D", "b", "L", "ell"])
@pytest.mark.parametrize("bad", [0, -1.0, float("nan")])
def test_bad_value_is_refused_by_name(name: str, bad: float) -> None:
    values = {"D": 1e12, "b": 4e6, "L": 100, "ell": 9e-6, name: bad}
    with pytest.raises(ValueError, match=f"{name} must be positive"):
        evaluate(latency.least_run_time(), values)


def test_picture_counts_its_links() -> None:
    figure = figures.dependency_chain()
    assert "12 in a row" in figure.alt
    assert "108 microseconds" in figure.alt
    assert figure.svg.count("layer 2") >= 3


@given(ell=st.floats(1e-7, 1e-4), b_0=st.floats(1e5, 1e9))
def test_explorer_crosses_the_allowed_time_at_the_wall(ell, b_0) -> None:
    explorer = figures.run_time_explorer()
    values = explorer.with_values({"ell": ell, "b_0": b_0})
    wall = explorer.read(explorer.readouts[0], values)
    assert wall == pytest.approx(limits.latency_limit(latency_s=ell, reference_batch_tokens=b_0))
    run_times = explorer.along_x(explorer.curves[0].expr, values)
    compute = 2 * explorer.x_values()
    expected = limits.QUARTER_S * (compute / wall) ** 0.5
    assert run_times == pytest.approx(expected, rel=1e-9)


def test_shares_of_the_latency_are_told() -> None:
    alt = figures.latency_shares().alt
    assert "takes 9.00, the smallest busy matmul of H100 SXMs 104." in alt
    assert "kernel takes 4.50, two hops inside the node 2.25 and" in alt


def test_explorer_at_its_defaults() -> None:
    explorer = figures.run_time_explorer()
    values = explorer.defaults()
    wall, step_ms, fit_millions = (explorer.read(each, values) for each in explorer.readouts)
    assert wall == pytest.approx(limits.latency_limit())
    assert step_ms == pytest.approx(3.6)
    assert fit_millions == pytest.approx(limits.QUARTER_S / 3.6e-3 / 1e6)
    allowed = explorer.along_x(explorer.curves[1].expr, values)
    assert np.all(allowed == limits.QUARTER_S)
    assert "Largest run" in draw_explorer(explorer).alt
