"""What a cluster can do, and the command line that asks for it."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dmcore
from dmcore import (
    Model,
    best_parallelism,
    best_use,
    get_gpu,
    largest_run,
    smallest_cluster,
    sweep,
)
from dmcore.__main__ import main
from dmcore.algebra.quantities import bandwidth_bytes_per_s, duration_s
from dmcore.hardware.gpu import NetworkLevel
from dmcore.hardware.variants import with_node
from dmcore.simulator.search import NothingFitsError, odd_parts
from dmcore.studies.planning import _sizes, nearest_model

YEAR_S = 3.154e7
QUARTER = 90 * 86400 / YEAR_S


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [
        ("400 Gb/s", 100e9),
        ("400Gbit/s both ways", 50e9),
        ("50 GB/s each way", 100e9),
        ("100 GB/s", 100e9),
        ("1.8 TB/s both ways", 1.8e12),
        ("3.2 Tbps", 800e9),
    ],
)
def test_bandwidths_count_both_directions(text, bytes_per_s):
    assert bandwidth_bytes_per_s(text) == pytest.approx(bytes_per_s, rel=1e-12)


@given(st.integers(1, 10**6), st.sampled_from(["min", "h", "days", "weeks", "months", "years"]))
def test_durations_are_proportional_to_their_number(number, unit):
    assert duration_s(f"{number} {unit}") == pytest.approx(number * duration_s(f"1 {unit}"))


@pytest.mark.parametrize("text", ["", "90", "-3 days", "0 days", "nan days", "3 fortnights", "3 d"])
def test_a_duration_without_sense_is_refused(text):
    with pytest.raises(ValueError, match="duration must be"):
        duration_s(text)


@pytest.mark.parametrize("text", ["", "400", "-1 GB/s", "0 GB/s", "400 Gb", "4 XB/s", "inf GB/s"])
def test_a_bandwidth_without_sense_is_refused(text):
    with pytest.raises(ValueError, match="bandwidth must be"):
        bandwidth_bytes_per_s(text)


@pytest.mark.parametrize(("n_gpu", "days"), [(8, 10), (24, 3), (96, 1)])
def test_the_largest_run_is_that_of_a_plain_loop(n_gpu, days):
    """No wider model of the same series ends in time on the whole cluster or on a smaller one of it."""
    years = days * 86400 / YEAR_S
    use = largest_run("H100 SXM", n_gpu, years)
    assert use.step.run_s <= days * 86400 * (1 + 1e-12)
    width = use.step.model.d_model
    step = 2 ** (width.bit_length() - 7)
    for wider in range(width + step, width + 9 * step, step):
        model = Model.from_laws(wider)
        for used in range(n_gpu, n_gpu // 4, -1):
            try:
                run_s = best_parallelism("H100 SXM", model, used).run_s
            except NothingFitsError:
                continue
            assert run_s > days * 86400


def test_a_planners_cluster():
    """24,576 H100s for 90 days: more than the 1.12e26 FLOP of a model 20,480 wide, which takes 77 days."""
    use = largest_run("H100 SXM", 24576, QUARTER)
    assert 1.12e26 < use.step.model.training_flop < 24576 * 0.7 * 989.4e12 * 90 * 86400
    assert use.step.run_s <= 90 * 86400
    assert use.n_gpu_used + use.idle == 24576
    known = best_use("H100 SXM", Model.from_laws(20480), 24576)
    assert known.utilization == pytest.approx(0.694, abs=1e-3)
    assert known.step.run_s / 86400 == pytest.approx(76.8, abs=0.1)


def test_a_cluster_that_divides_badly_leaves_gpus_idle():
    use = best_use("H100 SXM", Model.from_laws(4096), 100_003)
    assert use.idle > 0
    assert use.utilization == pytest.approx(use.step.utilization * use.n_gpu_used / 100_003)


def test_the_next_larger_run_says_why_gpus_idle():
    """A fifth of 100,003 GPUs idles, since the next model takes longer than 90 days on any part of them."""
    use = largest_run("H100 SXM", 100_003, QUARTER)
    assert use.idle > 18_000
    after = use.next_larger
    assert after.model.training_flop > use.step.model.training_flop
    assert after.run_s > 90 * 86400 > use.step.run_s
    again = best_use("H100 SXM", after.model, 100_003)
    assert again.step.run_s == after.run_s
    assert again.next_larger is None
    assert use.summary()["next_days"] == pytest.approx(97.6, abs=0.05)


@pytest.mark.parametrize(("size", "odd"), [(64, (1,)), (72, (1, 9)), (96, (1, 3)), (100, (1, 25))])
def test_a_cluster_may_fill_nodes_of_any_size(size, odd):
    """The smallest of E 2**i and E m 2**i GPUs, and with nodes of 2**i the former alone."""
    gpu = with_node(get_gpu("GB200 NVL72"), size)
    assert odd_parts(gpu) == odd
    for width in (12288, 18432, 24576):
        model = Model.from_laws(width)
        found = smallest_cluster(gpu, model)
        assert found.run_s <= 0.25 * YEAR_S
        sizes = sorted(m * 2**i for m in odd for i in range(40))
        assert found.n_gpu in sizes
        for n_gpu in sizes[: sizes.index(found.n_gpu)]:
            with suppress(NothingFitsError):
                assert best_parallelism(gpu, model, n_gpu).run_s > 0.25 * YEAR_S


def test_each_level_beyond_the_node_has_its_odd_part():
    gpu, beyond = get_gpu("H100 SXM"), NetworkLevel(None, 1e11)
    pods = replace(gpu, network=(NetworkLevel(72, 9e11), NetworkLevel(20, 4e11), beyond))
    assert odd_parts(pods) == (1, 9, 45)
    flat = replace(gpu, network=(beyond,))
    assert odd_parts(flat) == (1,)


def test_sizes_of_part_of_a_cluster():
    """With nodes of 2**i they are m 2**i GPUs or experts; with others, those that fill nodes besides."""
    model = Model.from_laws(24576, True)
    assert model.experts == 16
    plain = {1000, *(m * 2**i for m in range(1, 16, 2) for i in range(10) if m * 2**i <= 1000)}
    for size, more in (
        (8, set()),
        (96, {3 * 2**i * m for m in (7, 9, 11, 13, 15) for i in range(6)}),
    ):
        gpu = with_node(get_gpu("H100 SXM"), size)
        sizes = _sizes(gpu, model, 1000, math.inf)
        assert sizes == sorted(sizes, reverse=True)
        used = {each: max(k for k in range(1, size + 1) if each % k == 0) for each in plain | more}
        there = {each for each, k in used.items() if each // k <= 1000 // size + (1000 % size >= k)}
        assert set(sizes) == {each for each in there if each <= 1000}


@pytest.mark.parametrize("n_gpu", [64, 100, 24_576, 104_617])
def test_no_more_nodes_are_used_than_there_are(n_gpu):
    """Of 24,576 GPUs in nodes of 72 there are 341 whole nodes, and not 384 with 64 in use each."""
    use = largest_run("GB200 NVL72", n_gpu, QUARTER)
    used = use.step.gpus_used_in_node
    whole, rest = divmod(n_gpu, 72)
    assert use.n_gpu_used // used <= whole + (rest >= used)


def test_some_run_fills_its_nodes_of_72():
    found = sweep("GB200 NVL72")
    assert set(found.gpus_used_in_node.tolist()) == {64, 72}
    for step in found.steps:
        part = "64 of 72" in step._repr_html_()
        assert part == (step.gpus_used_in_node == 64)
    assert "used in a node" not in sweep("H100 SXM", d_models=(12288,)).steps[0]._repr_html_()


def test_more_time_allows_no_smaller_run():
    runs = [
        largest_run("A100 SXM", 4096, days * 86400 / YEAR_S).step.model.training_flop
        for days in (1, 10, 100)
    ]
    assert runs == sorted(runs)


def test_a_billion_gpus_are_answered():
    assert largest_run("H100 SXM", 10**9, QUARTER).step.model.training_flop > 1e30


def test_no_time_is_no_run():
    with pytest.raises(NothingFitsError, match="no model is trained by 8 x H100 SXM"):
        largest_run("H100 SXM", 8, 1e-30)


@pytest.mark.parametrize(
    "wrong", [{"n_gpu": 0}, {"n_gpu": 1.5}, {"duration_years": 0.0}, {"duration_years": -1.0}]
)
def test_bad_input_names_the_argument(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        largest_run("H100 SXM", **({"n_gpu": 8, "duration_years": 0.25} | wrong))


def test_laws_that_give_no_model_say_why():
    def law(width):
        return Model.from_laws(width, batch_scaling="faster")

    with pytest.raises(ValueError, match="batch_scaling"):
        largest_run("H100 SXM", 8, model_of=law)


def test_the_nearest_model_is_within_a_step_of_the_compute():
    for flop in (1e22, 3e25, 1e29):
        model = nearest_model(Model.from_laws, flop)
        assert 0.7 < model.training_flop / flop < 1.4


# ---------------------------------------------------------------------------------- command line


def answer(capsys, *words):
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_line_says_what_the_functions_say(capsys):
    said = answer(capsys, "cluster", "--gpu", "H100 SXM", "--gpus", "24576", "--days", "90")
    use = largest_run("H100 SXM", 24576, QUARTER)
    assert said == {**use.summary(), "dmcore": dmcore.__version__}
    assert said["split"]["pipeline_parallel"] == use.step.parallelism.pipeline_parallel


def test_each_two_of_gpus_time_and_compute_give_the_third(capsys):
    fixed = answer(capsys, "cluster", "--gpus", "4096", "--flop", "1e25")
    needed = answer(capsys, "cluster", "--flop", "1e25", "--time", "90 days")
    assert fixed["d_model"] == needed["d_model"]
    assert not {"next_days", "next_training_flop"} & {*fixed, *needed}  # none was looked for
    assert needed["days"] <= 90
    assert (
        needed["n_gpu"]
        == dmcore.smallest_cluster("H100 SXM", nearest_model(Model.from_laws, 1e25), QUARTER).n_gpu
    )


def test_the_model_and_the_network_can_be_told(capsys):
    plain = ["cluster", "--gpus", "4096", "--days", "30"]
    assert answer(capsys, *plain, "--experts", "16")["experts"] == 16
    batch = answer(capsys, *plain, "--batch-tokens", str(2**25), "--seq-len", "8192")
    assert (batch["batch_tokens"], batch["seq_len"]) == (2**25, 8192)
    closest = answer(capsys, *plain, "--batch-tokens", "60M")
    assert (closest["batch_tokens_asked"], closest["batch_tokens"]) == (60e6, 7 * 2**12 * 2048)
    assert main([*plain, "--batch-tokens", "60M"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    batch = [line for line in lines if line[0].startswith("batch_tokens")]
    assert batch == [["batch_tokens", "58,720,256"], ["batch_tokens_asked", "60,000,000"]]
    exact = answer(capsys, *plain, "--batch-tokens", "59996160")  # 29,295 sequences
    assert exact["batch_tokens"] == exact["batch_tokens_asked"] == 29_295 * 2048
    slow = answer(capsys, *plain, "--network", "10 Gb/s")
    assert slow["training_flop"] < answer(capsys, *plain)["training_flop"]
    same = answer(capsys, *plain, "--network", "400 Gb/s")
    assert same["training_flop"] == answer(capsys, *plain)["training_flop"]


def test_sweep_and_limits(capsys):
    assert main(["sweep", "--gpu", "H100 SXM", "--time", "1 months"]) == 0
    assert capsys.readouterr().out.startswith("gpu,d_model,")
    assert main(["sweep", "--batch-tokens", "60M", "--gpu", "GB200 NVL72"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    batches = {(row["batch_tokens"], row["batch_tokens_asked"]) for row in rows}
    assert batches == {("58720256", "60000000")}
    assert {row["gpus_used_in_node"] for row in rows} == {"64", "72"}
    limits = answer(capsys, "limits", "--gpu", "A100 SXM", "--alpha", "0.1")
    assert limits["critical_flop"] == dmcore.critical_compute("A100 SXM", 0.1)
    assert limits["latency_limit_flop"] == dmcore.latency_limit(0.1)


def test_a_file_of_the_readers_own(capsys, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[accelerator."Mine"]\nbase = "H100 SXM"\nhbm_GB = 141\n', encoding="utf-8")
    assert answer(capsys, "limits", "--gpu", str(file))["gpu"] == "Mine"
    assert answer(capsys, "limits", "--gpu", f"{file}:Mine")["gpu"] == "Mine"
    assert main(["limits", "--gpu", f"{file}:Other"]) == 2
    assert "gpu must be one of 'Mine', got 'Other'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["cluster", "--gpus", "5"], "got 1 of them"),
        (["cluster", "--gpus", "5", "--days", "-1"], "duration must be"),
        (["cluster", "--gpus", "0", "--days", "1"], "n_gpu must be"),
        (["cluster", "--gpu", "H1000", "--gpus", "8", "--days", "1"], "'H1000'"),
        (["sweep", "--batch-tokens", "many"], "tokens must be"),
        (["sweep", "--network", "fast"], "bandwidth must be"),
        (["cluster", "--gpus", "8", "--days", "1", "--batch-law", "x"], "batch_scaling"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(capsys, words, problem):
    assert main(words) == 2
    assert problem in capsys.readouterr().err


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "dmcore", "limits", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["critical_flop"] == dmcore.critical_compute("H100 SXM")
