"""The simulator in JavaScript finds the runs that dmcore finds: the reference rows, and GPUs of no preset."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from test_javascript import LIVE, node
from test_search import TIED, all_timed
from test_sweep import REFERENCE

from dmcore import Model, Parallelism, best_parallelism, sweep, training_step
from dmcore.algebra.numbers import readable
from dmcore.chapters.your_cluster import cluster, pick_a_sweep
from dmcore.hardware.catalog import GPUS
from dmcore.hardware.gpu import NetworkLevel
from dmcore.hardware.variants import FIGURES, custom_gpu, figures_of
from dmcore.models.laws import BATCH_LAWS, DEPTH_LAWS, ROUNDINGS, closest_round
from dmcore.models.words import Words
from dmcore.show.cluster import formulas, runs_of
from dmcore.show.explorer import Menu, Slider
from dmcore.show.page import numbers_data
from dmcore.show.settings import AS_TOLD, MEMORY_CHOICES, SETTINGS, batch_told, sweep_of, use_of
from dmcore.show.widgets import explore
from dmcore.simulator.bound import latency_floor_s
from dmcore.simulator.candidates import level_sizes
from dmcore.simulator.search import NothingFitsError
from dmcore.simulator.split import DEGREES
from dmcore.simulator.step import MONTH_S

TOLERANCE = 1e-9
# Reads {formulas, laws, jobs} and answers with the runs of each job, the last being why there are no more.
PROGRAM = """
import { readFileSync } from "node:fs";
import { compile, sweep } from "%s";
import { bestUse } from "%s";
const { formulas, laws, jobs } = JSON.parse(readFileSync(0, "utf8"));
const numbers = (table) =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, Number(value)]));
const compiled = compile(formulas);
const answers = jobs.map(({ gpu, gpus, flop, ...settings }) => {
  const own = { fixed: numbers(gpu.fixed), figures: numbers(gpu.figures) };
  if (gpus) {
    const search = bestUse(compiled, { ...settings, gpu: own }, laws, gpus, flop ?? undefined);
    let step = search.next();
    while (!step.done) step = search.next();
    return [step.value];
  }
  return [...sweep(compiled, { ...settings, gpu: own }, laws)];
});
console.log(JSON.stringify(answers));
"""
MODULES = tuple((LIVE / name).as_uri() for name in ("simulator.js", "planning.js"))
SPEC = cluster().spec()


def in_javascript(settings_list, **laws):
    """Runs and why they ended, for each of some settings."""
    jobs = [
        {
            "gpu": {
                "fixed": SPEC["fixed"][int(settings["base"])],
                "figures": numbers_data({name: settings[name] for name in FIGURES}),
            },
            "model": {name: float(settings[name]) for name in SETTINGS},
            "seconds": settings["months"] * MONTH_S,
            "zeroBubbleLatency": bool(settings["zero_bubble_latency"]),
            "gpus": settings.get("n_gpu"),
            "flop": settings.get("flop"),
        }
        for settings in settings_list
    ]
    sent = {"formulas": SPEC["formulas"], "laws": {**SPEC["laws"], **laws}, "jobs": jobs}
    done = subprocess.run(
        [node(), "--input-type=module", "-e", PROGRAM % MODULES],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=True,
    )
    return [(runs[:-1], runs[-1]) for runs in json.loads(done.stdout)]


@pytest.mark.parametrize("seed", range(3))
def test_what_any_cluster_can_do(seed):
    """Its largest run in time, and how it does a run of some compute, are on the page as in dmcore."""
    rng = np.random.default_rng(seed)
    asked = [anything(rng) for _ in range(12)]
    for index, settings in enumerate(asked):
        settings["n_gpu"] = round(10 ** rng.uniform(1, 6.5))
        if index % 3 == 0:
            settings["flop"] = float(10 ** rng.uniform(19, 29))
    for settings, (_, told) in zip(asked, in_javascript(asked), strict=True):
        try:
            use = use_of(settings, settings["n_gpu"], settings.get("flop"))
        except NothingFitsError:
            assert told is None
            continue
        summary = use.summary() | use.summary()["split"]
        for name in ("training_flop", "params", "utilization", "step_s", "days", "tokens_per_s"):
            assert told[name] == pytest.approx(summary[name], rel=TOLERANCE), name
        for name in ("next_training_flop", "next_days"):
            wanted = summary[name]
            assert told.get(name) == (wanted and pytest.approx(wanted, rel=TOLERANCE)), name
        for name in (
            "n_gpu_used",
            "n_gpu_idle",
            "gpus_used_in_node",
            "d_model",
            "data_parallel",
            "tensor_parallel",
        ):
            assert told[name] == summary[name], name
        for name in ("pipeline_parallel", "expert_parallel", "microbatches", "binding"):
            assert told[name] == summary[name], name


def preset(name, sparse=False, law="default"):
    values = {"base": list(GPUS).index(name), "sparse": sparse, "law": list(BATCH_LAWS).index(law)}
    words = dict.fromkeys(("w_P", "w_A", "w_G"), GPUS[name].word_bytes)
    told = batch_told(BATCH_LAWS[law])
    return {**cluster().defaults(), **figures_of(GPUS[name]), **words, **told, **values}


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_page_knows_every_rounding_of_a_batch_law(rounding):
    assert f'"{rounding}":' in (LIVE / "simulator.js").read_text(encoding="utf-8")


def anything(rng):
    """Settings that no preset has."""
    settings = preset(rng.choice(list(GPUS)[:4]), rng.random() < 0.4, rng.choice(list(BATCH_LAWS)))
    for name in FIGURES:
        if not name.endswith("_size") and name != "eta":
            settings[name] *= float(np.exp(rng.uniform(-1.5, 1.5)))
    settings["eta"] = float(rng.uniform(0.3, 1))
    settings["node_size"] = int(rng.choice([1, 2, 5, 8, 12, 16, 72, 96, 100]))
    settings["pod_size"] = int(rng.choice([1, 1, 1, 4, 6]))
    settings["site_size"] = int(rng.choice([1, 1, 1, 6, 16]))
    settings["months"] = float(rng.uniform(0.5, 12))
    settings["zero_bubble_latency"] = int(rng.random() < 0.5)
    settings["depth"] = int(rng.integers(len(DEPTH_LAWS)))
    if rng.random() < 0.5:
        settings |= any_model(rng)
    return settings


def any_model(rng):
    """A model that no law makes."""
    told = {
        "experts": int(rng.choice([AS_TOLD, 3, 7, 16, 100])),
        "layers": int(rng.choice([AS_TOLD, AS_TOLD, 24, 61, 126])),
        "aspect_ratio": int(rng.integers(1, 9)),
        "seq_len": int(rng.choice([128, 2048, 3000, 8192, 2**17])),
        "batch_tokens": float(rng.choice([2**22, 60e6, 10 ** rng.uniform(5, 9)])),
        "batch_exponent": float(rng.choice([0, rng.uniform(0, 0.5)])),
        "w_P": float(rng.choice([0.5, 1, 2])),
        "w_A": float(rng.choice([1, 2])),
        "w_G": float(rng.choice([2, 4])),
        "attention": int(rng.integers(2)),
        "activation_memory": int(rng.integers(len(MEMORY_CHOICES))),
    }
    left = rng.choice(list(told), 4, replace=False)
    return {name: told[name] for name in told if name not in left}


def assert_ends_alike(ended, found):
    """Both tell the same reason for which there are no more runs, and the same width."""
    said = {
        "latency": "whatever the cluster",
        "utilization": ": utilization 0.",
        "clusters": " GPUs ",
    }
    if ended["ended"]:
        assert found.ended_by.startswith(f"d_model {ended['width']}: ")
    told = [reason for reason, words in said.items() if words in found.ended_by]
    assert told[:1] == [ended["ended"]] * bool(ended["ended"])


def check(settings, runs, ended):
    """Hold runs against a sweep of dmcore, and each split against dmcore's own time of it."""
    found = sweep_of(settings)
    assert len(runs) == len(found)
    for name in ("utilization", "utilization_at_deadline", "months", "training_flop"):
        np.testing.assert_allclose(
            [run[name] for run in runs], getattr(found, name), rtol=TOLERANCE, err_msg=name
        )
    for name in ("n_gpu", "d_model", "d_ff", "layers", "experts", "batch_tokens", "params"):
        # Whole numbers above 2**53 are told by fewer digits, which mean the same float.
        assert [float(run[name]) for run in runs] == getattr(found, name).astype(float).tolist()
    assert_ends_alike(ended, found)
    for run, step in zip(runs, found.steps, strict=True):
        names = ("data", "slices_of_d", "slices_of_f", "pipeline", "expert")
        levels = (tuple(map(int, degrees)) for degrees in zip(*run["layout"], strict=True))
        split = Parallelism(
            **dict(zip(names, levels, strict=True)),
            microbatches=run["microbatches"],
            interleaving=run["interleaving"],
            zero_bubble=run["zero_bubble"] == "yes",
        )
        again = training_step(
            found.gpu, step.model, split, zero_bubble_latency=step.zero_bubble_latency
        )
        assert again.step_s == pytest.approx(step.step_s, rel=TOLERANCE)
        assert split == step.parallelism
        assert run["gpus_used_in_node"] == step.gpus_used_in_node
        assert run["binding"] == again.binding


def test_reference_rows():
    settings = [preset(gpu, kind == "sparse", law) for gpu, kind, law in REFERENCE]
    for rows, (runs, _) in zip(REFERENCE.values(), in_javascript(settings), strict=True):
        assert len(runs) == len(rows)
        for row, run in zip(rows, runs, strict=True):
            for name in ("d_model", "layers", "batch_tokens", "params", "n_gpu"):
                assert run[name] == int(row[name]), name
            assert run["experts"] == int(row["sparsity"])
            for name in ("training_flop", "utilization", "months"):
                assert run[name] == pytest.approx(float(row[name]), rel=TOLERANCE), name


def test_presets():
    settings = [preset(gpu) for gpu in GPUS]
    for each, (runs, ended) in zip(settings, in_javascript(settings), strict=True):
        check(each, runs, ended)


@pytest.mark.parametrize("sparse", [False, True])
def test_nodes_of_no_power_of_two(sparse):
    """Nodes of 72, 96 and 100, alone and in pods of 6: the same clusters, of which some fill the nodes."""
    rack = preset("GB200 NVL72", sparse)
    pods = {"pod_size": 6, "beta_pod": 4e11}
    settings = [rack | {"node_size": size} for size in (72, 96, 100)]
    settings += [each | pods for each in settings]
    for each, (runs, ended) in zip(settings, in_javascript(settings), strict=True):
        check(each, runs, ended)
        used = {run["gpus_used_in_node"] for run in runs}
        assert each["node_size"] in used
        assert len(used) > 1


def test_sliders_reach_every_preset():
    figure = cluster()
    ranges = {it.symbol: it for it in figure.controls if isinstance(it, Slider)}
    (menu,) = (it for it in figure.controls if isinstance(it, Menu) and it.label == "GPU")
    assert list(menu.options) == list(GPUS)
    for values in menu.options.values():
        for symbol, value in values.items():
            if symbol != "base" and np.isfinite(value):
                assert ranges[symbol].low <= value <= ranges[symbol].high


def test_words_are_those_of_the_gpu():
    card = preset("GTX 580")
    assert sweep_of(card).steps[0].model.words == Words.of(4)
    (menu,) = (it for it in cluster().controls if it.label == "GPU")
    assert [menu.options["GTX 580"][name] for name in ("w_P", "w_A", "w_G")] == [4, 4, 4]


def test_words_by_kind():
    """Weights at 8 bit, activations at 16 and gradients at 32; and each kind larger than the others."""
    jobs = [preset("H100 SXM"), preset("A100 SXM", sparse=True), preset("V100 SXM")]
    words = [Words(1, 2, 4), Words(2, 1, 2), Words(4, 2, 1)]
    for settings, own in zip(jobs, words, strict=True):
        settings |= {"w_P": own.weights, "w_A": own.activations, "w_G": own.gradients}
    for settings, own, (runs, _) in zip(jobs, words, in_javascript(jobs), strict=True):
        found = sweep(list(GPUS)[settings["base"]], bool(settings["sparse"]), word_bytes=own)
        for name in ("utilization", "months"):
            np.testing.assert_allclose(
                [run[name] for run in runs], getattr(found, name), rtol=TOLERANCE
            )
        assert [run["binding"] for run in runs] == [step.binding for step in found.steps]


def test_anything():
    rng = np.random.default_rng(11)
    settings = [anything(rng) for _ in range(16)]
    for each, (runs, ended) in zip(settings, in_javascript(settings), strict=True):
        check(each, runs, ended)


def test_models_that_no_law_makes():
    """Each with one thing of its own that the paper leaves out or fixes, and several together."""
    rng = np.random.default_rng(5)
    ones = [
        {"experts": 16},
        {"layers": 126},
        {"aspect_ratio": 3},
        {"seq_len": 8192},
        {"batch_tokens": 60e6, "batch_exponent": 0.0},
        {"batch_exponent": 0.4},
        {"w_P": 1, "w_G": 4},
        *({"attention": 1, "activation_memory": kept} for kept in range(len(MEMORY_CHOICES))),
        *({"experts": 9, "activation_memory": kept} for kept in range(len(MEMORY_CHOICES))),
        *(any_model(rng) for _ in range(6)),
    ]
    settings = [
        {**preset("H100 SXM" if index % 2 else "A100 SXM"), **own} for index, own in enumerate(ones)
    ]
    for each, (runs, ended) in zip(settings, in_javascript(settings), strict=True):
        check(each, runs, ended)


def test_equal_times_have_one_winner_in_any_order():
    """The page's order of equally fast layouts is that of dmcore, however they are found."""
    program = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ firstOf }} from {json.dumps((LIVE / "simulator.js").as_uri())};
        const orders = JSON.parse(readFileSync(0, "utf8"));
        console.log(JSON.stringify(orders.map((found) => firstOf(found).id)));
    """
    rng = np.random.default_rng(17)
    for gpu, model, n_gpu in TIED.values():
        timed = all_timed(gpu, model, n_gpu)
        least = min(result.step_s for result, _ in timed)
        layouts = [
            {
                "id": number,
                "step": result.step_s,
                "bandwidth": result.bandwidth_s,
                "way": {
                    "slices": split.total("slices_of_d"),
                    "ffSlices": split.total("slices_of_f"),
                    "stages": split.pipeline_parallel,
                    "microbatches": split.microbatches,
                    "zeroBubble": split.zero_bubble,
                },
                "layout": list(zip(*(getattr(split, name) for name in DEGREES), strict=True)),
            }
            for number, (result, split) in enumerate(timed)
            if result.step_s <= least * 1.01
        ]
        winner = best_parallelism(gpu, model, n_gpu).parallelism
        orders = [[layouts[i] for i in rng.permutation(len(layouts))] for _ in range(5)]
        done = subprocess.run(
            [node(), "--input-type=module", "-e", program],
            input=json.dumps(orders),
            capture_output=True,
            text=True,
            check=True,
        )
        assert {timed[i][1] for i in json.loads(done.stdout)} == {winner}


def test_levels_of_every_node_size():
    """A cluster that its nodes do not divide joins the most of a node that do."""
    program = """
    import { readFileSync } from "node:fs";
    import { levelSizes } from "%s";
    const asked = JSON.parse(readFileSync(0, "utf8"));
    const sizes = asked.map(([node, gpus]) => levelSizes([{ size: node }, { size: null }], gpus));
    console.log(JSON.stringify(sizes));
    """
    asked = [[node_size, n_gpu] for node_size in range(2, 101) for n_gpu in (7, 60, 96, 1000)]
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program % MODULES[0]],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    h100 = GPUS["H100 SXM"]
    inner, outer = h100.network[0], h100.network[-1]
    expected = [
        list(level_sizes(replace(h100, network=(replace(inner, size=size), outer)), n_gpu))
        for size, n_gpu in asked
    ]
    assert json.loads(done.stdout) == expected


def test_nanobatches_that_are_rounded_down():
    """As in :mod:`test_search`: the page's bound is a bound, too."""
    name = "H100 SXM Infinite Network and LL"
    months = 12 * 0.5914813977891054
    settings = {**preset(name, sparse=True, law="none"), "months": months}
    found = next(runs for runs, _ in in_javascript([settings], widths=[57344]))
    assert [run["n_gpu"] for run in found] == [150_994_944]


def test_why_a_sweep_ends():
    """At once, where latency takes longer than the run; at the end of the widths, in a long run."""
    slow = {**preset("H100 SXM"), "ell_kernel": 1e-4, "months": 0.01}
    long = {
        **preset("H100 SXM Infinite Network and LL"),
        "months": 1200,
        "ell_node": 1e-9,
        "ell_beyond": 1e-9,
    }
    (none, latency), (most, widths) = in_javascript([slow, long])
    assert none == []
    assert latency["ended"] == "latency"
    found = sweep_of(slow)
    model = Model.from_laws(SPEC["laws"]["widths"][0])
    least = latency_floor_s(found.gpu, model) * model.steps
    assert latency["least"] == pytest.approx(least, rel=TOLERANCE)
    assert len(found) == 0
    assert_ends_alike(latency, found)
    check(long, most, widths)


def test_a_sweep_ends_where_utilization_is_too_low():
    """With a limit at 30 % a run has a cluster that ends it in time, but wastes too much of it."""
    ((runs, ended),) = in_javascript([preset("H100 SXM")], minUtilization=0.3)
    found = sweep("H100 SXM", min_utilization=0.3)
    assert [run["n_gpu"] for run in runs] == found.n_gpu.tolist()
    assert ended["ended"] == "utilization"
    assert_ends_alike(ended, found)


def test_where_linear_scaling_ends():
    """Half way between the first and the last crossing; nowhere, if there is none or all begins below."""
    ends = {
        (9, 7, 5, 3): 10**0.5,
        (9, 7, 9, 7): 10**1.5,
        (9, 8.5, 8.2, 7.4): 10**2.25,
        (9, 9, 9, 9): None,
        (7, 9, 7, 5): None,
    }
    program = f"""
        import {{ linearScaling }} from {json.dumps((LIVE / "cluster" / "ends.js").as_uri())};
        const flop = [1, 10, 100, 1000];
        const found = {json.dumps(list(ends))}.map((used) => linearScaling(flop, used, 8) ?? null);
        console.log(JSON.stringify(found));
    """
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )
    for found, expected in zip(json.loads(done.stdout), ends.values(), strict=True):
        assert found == (expected and pytest.approx(expected, rel=TOLERANCE))


def test_round_numbers():
    values = [0.3, 1, 1.5, 2.5, 11, 6.5, 767.9, 1e6, 3.3e17, 8e19]
    program = f"""
        import {{ closestRound }} from {json.dumps((LIVE / "simulator.js").as_uri())};
        console.log(JSON.stringify({values}.map(closestRound)));
    """
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )
    assert list(map(float, json.loads(done.stdout))) == [
        float(closest_round(value)) for value in values
    ]


def test_formulas_name_their_arguments():
    for formula in formulas():
        assert formula["body"].startswith(("return ", "const "))
    names = [formula["name"] for formula in formulas()]
    assert len(set(names)) == len(names)


def test_custom_gpu_of_no_changes_is_the_preset():
    for gpu in GPUS.values():
        assert custom_gpu(gpu) is gpu
        assert custom_gpu(gpu, **figures_of(gpu)) is gpu


def test_custom_gpu():
    gpu = custom_gpu(
        GPUS["H100 SXM"], F_peak=2e15, node_size=72, pod_size=4, beta_pod=4e11, eta=0.5
    )
    assert gpu.peak_flop_per_s == pytest.approx(2e15)
    assert gpu.useful_flop_per_s == pytest.approx(1e15)
    assert gpu.network == (
        NetworkLevel(72, 9e11),
        NetworkLevel(4, 4e11),
        NetworkLevel(None, 1e11),
    )
    assert figures_of(gpu)["beta_pod"] == 4e11
    flat = custom_gpu(GPUS["H100 SXM"], node_size=1, beta_beyond=9e11)
    assert flat.network == GPUS["H100 SXM Global NVLink"].network
    with pytest.raises(ValueError, match="figure must be one of"):
        custom_gpu(GPUS["H100 SXM"], speed=3)
    with pytest.raises(ValueError, match="efficiency must be above 0 and at most 1"):
        custom_gpu(GPUS["H100 SXM"], eta=1.5)


def test_figures_that_sliders_cannot_tell():
    gpu = replace(
        GPUS["H100 SXM"],
        network=(*(NetworkLevel(2, 9e11) for _ in range(4)), NetworkLevel(None, 1e11)),
    )
    with pytest.raises(ValueError, match="gpu must have at most four network levels"):
        figures_of(gpu)


def test_several_sites_and_the_latency_of_each_level():
    """Nodes, pods and sites with a latency each, in Python and in the page."""
    far = {
        "site_size": 64,
        "beta_sites": 5e9,
        "ell_sites": 2e-3,
        "ell_node": 1e-7,
        "ell_beyond": 5e-6,
    }
    gpu = custom_gpu(GPUS["H100 SXM"], **far)
    assert gpu.network == (
        NetworkLevel(8, 9e11, 1e-7),
        NetworkLevel(64, 1e11, 5e-6),
        NetworkLevel(None, 5e9, 2e-3),
    )
    assert custom_gpu(GPUS["H100 SXM"], **figures_of(gpu)).network == gpu.network
    with_pods = {**far, "pod_size": 4, "beta_pod": 3e11, "ell_pod": 2e-6}
    assert len(custom_gpu(GPUS["H100 SXM"], **with_pods).network) == 4
    settings = [{**preset("H100 SXM"), **own, "months": 12} for own in (far, with_pods)]
    answers = in_javascript(settings)
    for each, (runs, ended) in zip(settings, answers, strict=True):
        check(each, runs, ended)
    near = sweep_of(preset("H100 SXM") | {"months": 12})
    assert all(sweep_of(each).training_flop[-1] < near.training_flop[-1] for each in settings)


def test_a_level_of_one_is_none():
    """What lets a slider switch a level off."""
    one = replace(GPUS["H100 SXM"], network=(NetworkLevel(1, 5e11), *GPUS["H100 SXM"].network[1:]))
    flat = replace(one, network=one.network[1:])
    assert sweep(one).utilization == pytest.approx(sweep(flat).utilization, rel=TOLERANCE)


def test_figure_of_a_cluster():
    figure = cluster()
    assert set(figure.defaults()) == {*FIGURES, *SETTINGS}
    assert "Largest feasible run" in figure.still().alt
    runs = figure.runs({**figure.defaults(), "sparse": 1})
    assert runs.columns == runs_of(sweep("H100 SXM", sparse=True), runs.columns).columns
    assert set(runs.columns["experts"]) != {1.0}
    assert figure.still(runs).svg != figure.still().svg
    with pytest.raises(ValueError, match="groups must set activation_memory, aspect"):
        replace(figure, groups={"": figure.groups["Change the GPU"]})


def test_models_of_the_sweep_are_those_of_the_laws():
    runs, _ = in_javascript([preset("H100 SXM", True)])[0]
    for run in runs[:3]:
        model = Model.from_laws(run["d_model"], True)
        assert run["training_flop"] == pytest.approx(model.training_flop, rel=1e-12)


def test_cluster_in_page_and_kernel(monkeypatch):
    """A figure for the page's script; in a kernel, controls that sweep when a hand rests."""
    monkeypatch.setenv("DMCORE_PAGE", "1")
    assert explore(cluster()) is cluster()
    monkeypatch.delenv("DMCORE_PAGE")
    panel = explore(cluster())
    *controls, view = panel.children
    before = view.value
    controls[0].value = "V100 SXM"
    assert view.value != before
    end = readable(sweep("V100 SXM").end.flop, 4)
    assert re.search(f"Linear scaling ends.*{re.escape(end)} FLOP", view.value, re.IGNORECASE)
    peak = next(each for each in controls if each.description.startswith("Peak arithmetic"))
    assert peak.value == pytest.approx(GPUS["V100 SXM"].peak_flop_per_s / 1e12, rel=0.02)
    assert not peak.continuous_update
    assert len(pick_a_sweep().children) == 4
