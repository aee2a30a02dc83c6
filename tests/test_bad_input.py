"""Whatever a public function is given, it answers with numbers or names what is wrong.

Its good arguments are those of :data:`CALLS`, or else of the example in its docstring; each is replaced by
each bad value in its turn, and several at a time by hypothesis.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import math
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rooms import sources

import dmcore
from dmcore import Extras, Model, best_parallelism, critical_compute, sweep
from dmcore.bottlenecks import critical_batch, latency, limits, memory_bandwidth, network
from dmcore.evidence import training_runs
from dmcore.hardware.catalog import GPUS
from dmcore.hardware.gpu import NetworkLevel
from dmcore.hardware.variants import custom_gpu
from dmcore.models import laws
from dmcore.simulator import matmul
from dmcore.simulator.candidates import count_layouts, layouts_of, level_sizes
from dmcore.simulator.deadline import utilization_at_deadline, utilizations_at_deadline
from dmcore.simulator.split import Parallelism
from dmcore.studies import change, doubt, growth, planning, ring, schedule, slicing, uncertainty

H100 = GPUS["H100 SXM"]
SMALL = Model(512, 2048, 4, 64, seq_len=64)
SPLIT = Parallelism(slices_of_f=(8,))

#: Good arguments of each function.
CALLS = {
    critical_compute: {"gpu": "H100 SXM", "alpha": 0.1, "duration_s": 7e6, "word_bytes": 2}
    | {"reference_batch_tokens": 4e6, "reference_layers": 100.0, "tokens_per_parameter": 20.0},
    dmcore.latency_limit: {"alpha": 0.0, "duration_s": 7e6, "latency_s": 9e-6}
    | {"reference_batch_tokens": 4e6, "reference_layers": 100.0, "reference_compute": 3e23},
    limits.node_rates: {"gpu": "A100 SXM", "word_bytes": 2},
    limits.cluster_at_limit: {"gpu": "H100 SXM", "duration_s": 7e6},
    memory_bandwidth.node_nanobatch_tokens: {"gpu": "H100 SXM", "word_bytes": 1},
    network.shard_side_channels: {"gpu": "H100 SXM", "word_bytes": 1},
    critical_batch.batch_slices: {"gpu": "H100 SXM", "batch_tokens": 4e6},
    latency.layer_latency_s: {"attention_kernels": 1, "norm_reductions": 1, "forward_passes": 1},
    training_runs.gpus_needed: {"gpu": "H100 SXM", "compute_flop": 1e25, "duration_s": 7e6},
    training_runs.chinchilla_model: {"compute_flop": 1e25, "tokens_per_parameter": 20.0},
    laws.batch_sequences: {"training_flop": 1e25, "experts": 1, "seq_len": 2048}
    | {"batch_scaling": "default"},
    laws.closest_round: {"x": 37.5},
    Model: {"d_model": 512, "d_ff": 2048, "layers": 4, "batch_sequences": 64, "experts": 1}
    | {"seq_len": 64, "word_bytes": 2, "extras": Extras()},
    Model.from_laws: {"d_model": 4096, "sparse": False, "batch_scaling": "default"}
    | {"seq_len": 2048, "aspect_ratio": 4, "layer_law": "default", "extras": Extras()},
    Extras: {"attention": True, "activation_memory": "recompute"},
    NetworkLevel: {"size": 8, "bytes_per_s": 9e11, "latency_s": 1e-6},
    Parallelism: {"data": (2,), "slices_of_f": (4,), "microbatches": 1, "zero_bubble": False},
    matmul.matmul_time: {"gpu": "H100 SXM", "d1": 4096, "d2": 4096, "tokens": 512}
    | {"weight_gradient": False},
    dmcore.training_step: {"gpu": "H100 SXM", "model": SMALL, "parallelism": SPLIT}
    | {"zero_bubble_latency": False},
    best_parallelism: {"gpu": "H100 SXM", "model": SMALL, "n_gpu": 16}
    | {"zero_bubble_latency": False},
    dmcore.smallest_cluster: {"gpu": "H100 SXM", "model": SMALL, "duration_years": 0.01}
    | {"zero_bubble_latency": False, "min_utilization": 0.01},
    utilization_at_deadline: {"gpu": "H100 SXM", "model": SMALL, "duration_years": 0.01},
    utilizations_at_deadline: {"gpu": "H100 SXM", "model": SMALL, "duration_years": 0.01}
    | {"sets": [(1,), (1, 3)]},
    sweep: {"gpu": "V100 SXM", "sparse": False, "batch_scaling": "default", "seq_len": 2048}
    | {"duration_years": 0.25, "d_models": (12288,), "aspect_ratio": 4, "layer_law": "default"}
    | {"extras": None, "zero_bubble_latency": False, "min_utilization": 0.01, "word_bytes": 2},
    planning.largest_run: {"gpu": "H100 SXM", "n_gpu": 16, "duration_years": 0.02},
    planning.best_use: {"gpu": "H100 SXM", "model": SMALL, "n_gpu": 16, "duration_s": 1e9},
    growth.year_of_compute: {"compute_flop": 1e28, "growth": 4.5}
    | {"anchor": training_runs.TRAINING_RUNS["Llama 3.1 405B"]},
    doubt.bound_flop: {"limit": "latency", "beliefs": [], "alpha": 0.0, "upper": True},
    uncertainty.credible_interval: {"values": np.array([1.0, 2.0, 3.0])},
    slicing.words_by_way: {"slicing": slicing.Slicing(2, 2, 2, 2), "d": 64.0, "f": 256.0}
    | {"layers": 4.0, "params": 131072.0, "batch": 1e4},
    change.Change: {"name": "x", "years": 0.25, "ratio": 4, "seq_len": 2048, "sparse": False}
    | {"extras": Extras(), "word_bytes": 2},
    schedule.plain_schedule: {"stages": 4, "microbatches": 8},
    ring.ring_all_reduce: {"peers": 4},
}
#: Public functions that are not asked, and why.
LEFT_OUT = {
    "algebra.checks": "they are what refuses, and name the argument of their caller",
    "algebra.checked": "it takes a function when a module is imported",
    "algebra.symbols": "takes what the derivations and the tests of units made, thousands of times",
    "algebra.expressions.compiled": "called thousands of times by a search",
    "algebra.expressions.value_of": "called thousands of times by a search",
    "prediction.columns": "takes rows by number, as the fit makes them",
    "prediction.fit": "takes columns over all measured runs, as the script that fits makes them",
    "prediction.layer": "takes columns of cases, as predictions make them",
    "prediction.measured": "takes columns over all measured runs, as the script that fits makes them",
    "prediction.memory": "takes columns of cases, as predictions make them",
    "prediction.published.oddities": "takes a column over all measured runs, as the list makes it",
    "prediction.rows.case_of": "names the column of the row",
    "prediction.step.step_parts": "takes columns of cases, as predictions make them",
    "prediction.step.tokens_per_s": "takes columns of cases, as predictions make them",
    "models.laws.resolved": "names the argument of its caller",
    "simulator.plain": "read as one text, without checks",
    "simulator.bound": "takes what the search made, thousands of times",
    "simulator.candidates": "takes what the search made, thousands of times",
    "simulator.quickest": "takes what the search made, thousands of times",
    "simulator.ends": "takes sweeps, which import it",
    "simulator.times": "takes what the search made, thousands of times",
    "simulator.traffic": "takes what the search made, thousands of times",
    "simulator.whole_numbers": "takes what the search made, thousands of times",
}
#: Rooms of the functions that are asked; the others draw.
ROOMS = (
    "algebra",
    "hardware",
    "models",
    "bottlenecks",
    "simulator",
    "prediction",
    "evidence",
    "studies",
)


def public_functions():
    """Every public function that takes arguments, but those left out, by its name."""
    found = {}
    for name in sources():
        short = name.removeprefix("dmcore.")
        if short.split(".")[0] not in ROOMS or short in LEFT_OUT:
            continue
        module = importlib.import_module(name)
        for each in getattr(module, "__all__", ()):
            function = getattr(module, each)
            own = inspect.isfunction(function) or hasattr(function, "cache_info")
            if own and inspect.signature(function).parameters and f"{short}.{each}" not in LEFT_OUT:
                found[f"{short}.{each}"] = function
    return found


FUNCTIONS = public_functions()
FUNCTIONS |= {
    function.__qualname__: function for function in CALLS if function not in FUNCTIONS.values()
}


def good_arguments(function):
    """What the function is called with first in the example of its docstring, or in :data:`CALLS`."""
    if function in CALLS:
        return CALLS[function]
    inner = function
    while hasattr(inner, "__wrapped__"):
        getattr(inner, "cache_clear", lambda: None)()
        inner = inner.__wrapped__
    seen = []

    def watch(frame, event, _):
        if event == "call" and frame.f_code is inner.__code__ and not seen:
            seen.append(
                {name: frame.f_locals[name] for name in inspect.signature(inner).parameters}
            )
            for name, each in inspect.signature(inner).parameters.items():
                if each.kind == each.VAR_KEYWORD:
                    seen[0] |= seen[0].pop(name)

    (example,) = doctest.DocTestFinder().find(inner, globs={**inner.__globals__})
    sys.setprofile(watch)
    try:
        doctest.DocTestRunner(verbose=False).run(example, out=lambda _: None)
    finally:
        sys.setprofile(None)
    assert seen, "the example does not call the function"
    return seen[0]


def call(function, arguments):
    """The function of arguments by name; those of ``*names`` stand under that name."""
    parameters = inspect.signature(function).parameters.values()
    many = [each.name for each in parameters if each.kind == each.VAR_POSITIONAL]
    given = {name: value for name, value in arguments.items() if name not in many}
    if not many:
        return function(**given)
    first = [given.pop(each.name) for each in parameters if each.kind == each.POSITIONAL_OR_KEYWORD]
    return function(*first, *arguments[many[0]], **given)


BAD = (
    None, True, "no", "", -1, 0, 0.5, 2.5, math.nan, math.inf, -math.inf, 1e-300, 1e300, 10**30,
    1 + 2j, [], [1, [2, 3]], [1.0, -1.0], (2, 3), {}, {"a": 1}, {1}, np.array([1.0, np.nan]),
    np.array(3), np.int8(100), np.float32(0.1), np.zeros((2, 2)), b"x", object, lambda: 1, H100, SMALL,
)  # fmt: skip


def problem(function, arguments):
    """What is wrong with the answer; None if nothing is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = call(function, arguments)
    except (ValueError, TypeError) as refused:
        told = str(refused)
        named = any(name in told for name in arguments)
        return None if named else f"{type(refused).__name__}: {told}"
    except (FileNotFoundError, IsADirectoryError):
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if isinstance(answer, (float, np.ndarray)) and np.isnan(np.asarray(answer)).any():
        return f"the answer is {answer!r}"
    return None


@pytest.mark.parametrize("function", CALLS, ids=lambda f: f.__qualname__)
def test_good_arguments_are_taken(function):
    assert set(CALLS[function]) <= set(inspect.signature(function).parameters)
    function(**CALLS[function])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_bad_argument_is_named(name):
    """Every argument, replaced by every bad value in its turn."""
    function = FUNCTIONS[name]
    good = good_arguments(function)
    wrong = []
    many = {
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.kind == each.VAR_POSITIONAL
    }
    for argument in [each for each in good if each not in many]:
        for value in BAD:
            found = problem(function, {**good, argument: value})
            if found:
                wrong.append(f"{name}({argument}={value!r}): {found[:200]}")
    assert not wrong, "\n".join(wrong)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_several_bad_arguments(data):
    name = data.draw(st.sampled_from(list(FUNCTIONS)))
    good = good_arguments(FUNCTIONS[name])
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    replaced = [
        each
        for each in good
        if each not in parameters or parameters[each].kind != inspect.Parameter.VAR_POSITIONAL
    ]
    assume(replaced)
    changed = data.draw(
        st.dictionaries(st.sampled_from(replaced), st.sampled_from(BAD), min_size=1)
    )
    found = problem(FUNCTIONS[name], {**good, **changed})
    assert found is None, f"{name}({changed!r}): {found}"


def test_what_is_left_out_is_there():
    for name in LEFT_OUT:
        assert f"dmcore.{name}" in sources() or f"dmcore.{name.rpartition('.')[0]}" in sources()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: best_parallelism("H100 SXM", replace(SMALL, layers=10**18 + 9), 8), "layers"),
        (lambda: replace(H100, l2_bytes=math.inf), "l2_bytes must be finite"),
        (lambda: replace(H100, network=[3]), "network must be a NetworkLevel"),
        (lambda: sweep("H100 SXM", sparsity_law=lambda *_: 8), "sparsity_law must be left out"),
        (lambda: level_sizes(H100, 0), "n_gpu must be a whole number"),
        (lambda: custom_gpu(H100, node_size=2.5), "node_size must be a whole number"),
        (lambda: custom_gpu(H100, eta=-1), "eta must be positive"),
        (lambda: schedule.plain_schedule(2**60, 8), "stages must be at most"),
        (lambda: ring.ring_all_reduce(10**6).send(None), "peers must be at most 256"),
        (lambda: sweep("H100 SXM", layer_law=lambda: 96), "layer_law must take 2 numbers"),
    ],
)
def test_what_would_hang_or_mislead_is_refused(call, told):
    with pytest.raises((ValueError, TypeError), match=told):
        call()


def test_a_list_of_levels_is_as_good_as_a_tuple():
    levels = [NetworkLevel(8, 9e11), NetworkLevel(None, 1e11)]
    gpu = replace(H100, network=levels)
    assert gpu.network == tuple(levels)
    assert best_parallelism(gpu, SMALL, 16).n_gpu == 16


def test_many_levels_are_counted_without_a_list_of_all():
    """Four nested nodes of eight GPUs: the primes are placed one by one."""
    sizes, degrees = (8, 8, 8, 8, 256), np.array([[2**4], [2**4], [2**4], [2**6], [2**2]])
    assert count_layouts(sizes, degrees) == len(layouts_of(sizes, degrees)[1])
    wide = (720, 720, 720, 720)
    assert count_layouts(wide, np.array([[720]] * 4 + [[1]])) > 10**6
