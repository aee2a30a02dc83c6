"""The search for the split that is expected to be the fastest."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import dmcore
from dmcore import Software, Split, Transformer, best_split, predict_step
from dmcore.prediction import best
from dmcore.prediction.best import LEAST_TOKENS, ROOM
from dmcore.prediction.machines import find_machine, with_network
from dmcore.prediction.measured import measured

SMALL = Transformer(24, 2048, 8192, 16, seq_len=4096)
LARGE = Transformer(80, 8192, 28672, 64, kv_heads=8, mlp_matrices=3, vocab=128256, seq_len=8192)
EXPERTS = Transformer(
    24, 2048, 1408, 16, mlp_matrices=3, seq_len=4096, experts=64, experts_active=6
)


def every_split(model, n_gpu, batch):
    """Each split of powers of two that can be, one at a time and without the search's own code."""
    powers = [2**i for i in range(8)]
    chunks = range(1, int(model.layers) + 1)
    for tp, pp, cp, ep in product(powers, repeat=4):
        dp = n_gpu / (tp * pp * cp)
        if dp < 1 or batch % dp or model.heads % tp:
            continue
        if (cp > 1 and model.seq_len / cp < LEAST_TOKENS) or pp > model.layers:
            continue
        if model.experts % ep or dp * cp * tp % ep:
            continue
        for micro, vp, shard in product(powers, chunks, {1, dp * cp}):
            rounds = batch / dp / micro
            if model.layers % (pp * vp) and (model.layers + 2) % (pp * vp):
                continue
            if rounds % 1 or (vp > 1 and (pp == 1 or rounds < pp or pp * vp > model.layers)):
                continue
            yield Split(n_gpu, batch, micro, tp, pp, vp, cp, dp, ep, shard=shard)


@pytest.mark.parametrize(
    ("gpu", "model", "n_gpu", "batch"),
    [("H100", SMALL, 16, 32), ("A100 40GB", LARGE, 64, 64), ("GB200", EXPERTS, 8, 16)],
)
def test_no_split_is_expected_to_be_faster(gpu, model, n_gpu, batch):
    found = best_split(gpu, model, n_gpu, batch)
    told = [predict_step(gpu, model, split) for split in every_split(model, n_gpu, batch)]
    fits = [one for one in told if one.memory <= ROOM]
    assert len(fits) == found.candidates
    assert found.prediction.step_s == pytest.approx(min(one.step_s for one in fits), rel=1e-9)
    assert found.prediction == predict_step(gpu, model, found.split)
    assert found.prediction.memory <= ROOM


def test_recomputing_what_memory_demands_is_never_slower():
    """So the search need not ask for all or none; none is no choice where it does not fit."""
    for model, n_gpu in ((SMALL, 16), (LARGE, 64)):
        found = best_split("H100", model, n_gpu, 64)
        full = predict_step("H100", model, replace(found.split, recompute="full"))
        assert found.prediction.step_s <= full.step_s
        if found.recomputed == 0:
            none = predict_step("H100", model, replace(found.split, recompute="none"))
            assert found.prediction.step_s == none.step_s


def test_equally_fast_splits_have_an_order(monkeypatch):
    """However the candidates are ordered; a rate that differs in its last digits is the same."""
    monkeypatch.setattr(
        best, "tokens_per_s", lambda c: np.ones(len(c["tp"])) + 1e-13 * (np.arange(len(c["tp"])) % 7)
    )  # fmt: skip
    forward = best_split("H100", SMALL, 16, 32).split
    assert (forward.tp, forward.pp, forward.cp, forward.vp, forward.microbatch) == (1, 1, 1, 1, 1)
    kept = best._candidates
    monkeypatch.setattr(best, "_candidates", lambda *asked: list(kept(*asked))[::-1])
    assert best_split("H100", SMALL, 16, 32).split == forward


def test_sequences_are_shared_as_in_the_measured_runs():
    c = measured().c
    assert (c["S"] / c["cp"])[c["cp"] > 1].min() == LEAST_TOKENS


def test_what_decides_decides():
    plain = best_split("H100", LARGE, 256, 256)
    h100 = dmcore.get_gpu("H100 SXM")
    assert best_split(h100, LARGE, 256, 256) == plain
    slow = with_network(find_machine("H100"), 1e9)
    assert best_split(slow, LARGE, 256, 256).prediction.step_s > plain.prediction.step_s
    eager = best_split("H100", LARGE, 256, 256, Software("PyTorch FSDP"))
    assert eager.split.vp == 1
    assert best_split("A100 40GB", EXPERTS, 8, 8).split.ep > 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("H900", SMALL, 8, 8), "gpu must be one of .*'H900'"),
        (("H100", SMALL, 0, 8), "n_gpu must be .*, got 0"),
        (("H100", SMALL, 8, 0), "batch_sequences must be .*, got 0"),
        (("H100", SMALL, 8, 1.5), "batch_sequences must be .*, got 1.5"),
        (("H100", SMALL, 7, 8), "n_gpu must be GPUs among which heads 16, layers 24 and batch_sequences 8"),
        (("A100 40GB", LARGE, 8, 8), "n_gpu must be enough GPUs to hold the model, got 8: .* 4.* times"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(asked, told):
    with pytest.raises(ValueError, match=told):
        best_split(*asked)


def test_command_splits_what_can_be_and_names_the_rest(tmp_path):
    file = tmp_path / "runs.csv"
    file.write_text(
        "id,gpu,n_gpu,layers,d_model,n_heads,tp,pp,batch_sequences\n"
        "good,H100,16,24,2048,16,8,2,32\n"
        "who,Z80,8,32,4096,32,1,1,8\n"
        "odd,H100,7,24,2048,16,1,1,8\n",
        "utf-8",
    )
    command = [sys.executable, "-W", "error", "-m", "dmcore", "split", file]
    told = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert told.returncode == 0, told.stderr
    [row] = csv.DictReader(io.StringIO(told.stdout))
    assert row["id"] == "good"
    assert float(row["tp"]) * float(row["pp"]) * float(row["cp"]) * float(row["dp"]) == 16
    assert 0 < float(row["low"]) < float(row["tok_s_gpu"]) < float(row["high"])
    assert "who: not predicted: gpu must be one of" in told.stderr
    assert "odd: not split: n_gpu must be GPUs among which" in told.stderr
    strict = subprocess.run([*command, "--strict"], capture_output=True, timeout=100, check=False)
    assert strict.returncode == 1
