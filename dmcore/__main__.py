"""The command line: `python -m dmcore cluster --gpu "H100 SXM" --gpus 24576 --days 90`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dmcore
from dmcore.algebra.quantities import bandwidth_bytes_per_s, duration_s, token_count
from dmcore.bottlenecks.limits import QUARTER_S
from dmcore.hardware.catalog import get_gpu, load_accelerators
from dmcore.hardware.gpu import GPU
from dmcore.hardware.variants import with_node
from dmcore.models.laws import BATCH_LAWS, SIMULATOR_YEAR_S
from dmcore.models.model import ACTIVATION_MEMORY, Extras, Model
from dmcore.models.told_batch import told_batch

Answer = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 if it was answered, 2 if the question cannot be, 1 if strict and some rows not."""
    asked = _parser().parse_args(arguments)
    try:
        text: str = asked.answer(asked)
    except ValueError as error:
        print(f"dmcore {asked.command}: {error}", file=sys.stderr)
        return 2
    print(text)
    return int(getattr(asked, "strict", False) and asked.refused > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dmcore", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dmcore {dmcore.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, answer, words in (
        ("cluster", _cluster, "of GPUs, time and compute give two: the third, with the best split"),
        ("sweep", _sweep, "the smallest cluster for each of a series of models, as CSV"),
        ("limits", _limits, "the closed forms of both limits"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(answer=answer)
        command.add_argument(
            "--gpu",
            default="H100 SXM",
            help="a name of the catalog, a file with an entry of your own, or file.toml:name",
        )
        command.add_argument("--json", action="store_true", help="answer with one JSON object")
        time = command.add_mutually_exclusive_group()
        time.add_argument("--days", type=float, help="time for the run, days of 86,400 s")
        time.add_argument("--time", help="time for the run, such as '90 days' or '3 months'")
        if name == "limits":
            command.add_argument("--alpha", type=float, default=0.0, help="growth of b/L with T")
            continue
        _model_options(command)
        if name == "cluster":
            command.add_argument("--gpus", type=int, help="GPUs in the cluster")
            command.add_argument("--flop", type=float, help="training compute of the run, FLOP")
    words = "simulates again what the cluster page saved as JSON, and says how far both differ"
    command = commands.add_parser("page", help=words, description=words)
    command.set_defaults(answer=_page)
    command.add_argument("file", help="a file that the page's button made")
    command.add_argument("--json", action="store_true", help="answer with one JSON object")
    words = "tokens/s/GPU that training runs should reach, as CSV: id,tok_s_gpu,low,high"
    command = commands.add_parser("predict", help=words, description=f"{words}. {_PREDICT}")
    command.set_defaults(answer=_predict)
    command.add_argument("file", help="a CSV file, a run a row")
    command.add_argument("--anchor", help="a CSV file of own runs, with their tok_s_gpu or step_s")
    command.add_argument("--strict", action="store_true", help="end with 1 if a row was refused")
    words = "the split that each training run of a table is expected to be fastest with, as CSV"
    command = commands.add_parser("split", help=words, description=f"{words}. {_PREDICT}")
    command.set_defaults(answer=_split)
    command.add_argument("file", help="a CSV file, a run a row; its split is not used")
    command.add_argument("--strict", action="store_true", help="end with 1 if a row was refused")
    return parser


_PREDICT = """Columns gpu, layers and d_model are needed, others help; rows that cannot be are named on
standard error with the reason. Ends with 0 if any row was predicted, with 2 if none could be."""


def _predict(asked: argparse.Namespace) -> str:
    from dmcore.prediction.command import predict_file

    return _of_file(asked, partial(predict_file, asked.file, asked.anchor))


def _split(asked: argparse.Namespace) -> str:
    from dmcore.prediction.command import split_file

    return _of_file(asked, partial(split_file, asked.file))


def _of_file(asked: argparse.Namespace, read: Callable[[], Any]) -> str:
    """What a table of runs is answered with; what was refused goes to standard error."""
    try:
        answer = read()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    for report in answer.reports:
        print(report, file=sys.stderr)
    if not answer.predicted:
        raise ValueError(f"none of the {answer.refused} rows of {asked.file} can be predicted")
    asked.refused = answer.refused
    return str(answer.csv)


def _model_options(command: argparse.ArgumentParser) -> None:
    model = command.add_argument_group("the model; the paper's laws where nothing is said")
    model.add_argument("--sparse", action="store_true", help="experts, as many as the law says")
    model.add_argument("--experts", type=int, help="so many experts, one of them active")
    model.add_argument(
        "--batch-tokens",
        help="tokens in a batch, such as 60M; if they are not as many whole sequences for each expert, "
        "the closest batch whose sequences factor well is used, and told beside it",
    )
    model.add_argument("--batch-law", default="default", help=f"one of {', '.join(BATCH_LAWS)}")
    model.add_argument("--seq-len", type=int, default=2048, help="tokens in a sequence")
    model.add_argument("--layers", type=int, help="so many layers")
    model.add_argument("--aspect-ratio", type=float, default=4, help="d_ff / d_model")
    model.add_argument("--word-bytes", type=int, help="bytes in a word; the GPU's own if not given")
    model.add_argument("--attention", action="store_true", help="count attention")
    model.add_argument("--activation-memory", choices=ACTIVATION_MEMORY, help="count activations")
    machine = command.add_argument_group("the machine; the catalog's where nothing is said")
    machine.add_argument(
        "--network", help="beyond the node, per GPU: '400 Gb/s', '50 GB/s each way'"
    )
    machine.add_argument("--node-size", type=int, help="GPUs in a node")
    machine.add_argument("--zero-bubble-latency", action="store_true", help="count it, too")


def _gpu(asked: argparse.Namespace) -> GPU:
    """The accelerator asked for, with the network asked for."""
    file, _, entry = asked.gpu.partition(".toml")
    if _:
        found = load_accelerators(Path(f"{file}.toml"))
        name = entry.removeprefix(":") or next(iter(found), "")
        if name not in found:
            raise ValueError(f"gpu must be one of {', '.join(map(repr, found))}, got {name!r}")
        gpu = found[name]
    else:
        gpu = get_gpu(asked.gpu)
    if getattr(asked, "node_size", None) is not None:
        gpu = with_node(gpu, asked.node_size)
    if getattr(asked, "network", None) is not None:
        rate = bandwidth_bytes_per_s(asked.network)
        *inner, outermost = gpu.network
        outermost = replace(outermost, bytes_per_s=rate)
        gpu = replace(gpu, name=f"{gpu.name}, {asked.network}", network=(*inner, outermost))
    return gpu


def _seconds(asked: argparse.Namespace, otherwise: float | None) -> float | None:
    if asked.time is not None:
        return duration_s(asked.time)
    if asked.days is not None:
        return duration_s(f"{asked.days!r} days")
    return otherwise


def _model_arguments(asked: argparse.Namespace, gpu: GPU) -> dict[str, Any]:
    """What :meth:`Model.from_laws` and :func:`sweep` take."""
    laws: dict[str, Any] = {"sparse": asked.sparse, "batch_scaling": asked.batch_law}
    if asked.experts is not None:
        laws |= {"sparse": asked.experts > 1, "sparsity_law": lambda *_: asked.experts}
    if asked.batch_tokens is not None:
        laws["batch_scaling"] = told_batch(token_count(asked.batch_tokens))
    if asked.layers is not None:
        laws["layer_law"] = lambda *_: asked.layers
    return laws | {
        "seq_len": asked.seq_len,
        "aspect_ratio": asked.aspect_ratio,
        "word_bytes": gpu.word_bytes if asked.word_bytes is None else asked.word_bytes,
        "extras": Extras(asked.attention, asked.activation_memory),
    }


def _cluster(asked: argparse.Namespace) -> str:
    from dmcore.studies.planning import ClusterUse, best_use, largest_run, nearest_model

    gpu, seconds = _gpu(asked), _seconds(asked, None)
    model_of: Callable[[int], Model] = partial(Model.from_laws, **_model_arguments(asked, gpu))
    latency = {"zero_bubble_latency": asked.zero_bubble_latency}
    given = [asked.gpus is not None, seconds is not None, asked.flop is not None]
    if sum(given) != 2:
        raise ValueError(
            "two of --gpus, --days (or --time) and --flop are needed, and the third is the answer; "
            f"got {sum(given)} of them"
        )
    if asked.flop is None:
        years = (seconds or 0) / SIMULATOR_YEAR_S
        use = largest_run(gpu, asked.gpus, years, model_of=model_of, **latency)
    elif asked.gpus is not None:
        use = best_use(gpu, nearest_model(model_of, asked.flop), asked.gpus, **latency)
    else:
        model = nearest_model(model_of, asked.flop)
        step = dmcore.smallest_cluster(gpu, model, (seconds or 0) / SIMULATOR_YEAR_S, **latency)
        use = ClusterUse(step, step.n_gpu)
    answer: Answer = {}
    for name, value in use.summary().items():
        if asked.flop is None or not name.startswith("next_"):  # of a given run none was looked for
            answer[name] = value
        if name == "batch_tokens":
            answer |= _batch_asked(asked)
    return _said(answer, asked.json)


def _batch_asked(asked: argparse.Namespace) -> Answer:
    """Tokens that were asked for, to stand beside those of the batch that is used."""
    if asked.batch_tokens is None:
        return {}
    tokens = token_count(asked.batch_tokens)
    return {"batch_tokens_asked": int(tokens) if tokens.is_integer() else tokens}


def _sweep(asked: argparse.Namespace) -> str:
    gpu = _gpu(asked)
    years = (_seconds(asked, SIMULATOR_YEAR_S / 4) or 0) / SIMULATOR_YEAR_S
    found = dmcore.sweep(
        gpu,
        duration_years=years,
        zero_bubble_latency=asked.zero_bubble_latency,
        **_model_arguments(asked, gpu),
    )
    batch = _batch_asked(asked)
    if not asked.json:
        head, *rows = found.to_csv().splitlines()
        more = "".join(f",{tokens}" for tokens in batch.values())
        return "\n".join([",".join((head, *batch)), *(row + more for row in rows)])
    columns = {name: getattr(found, name).tolist() for name in found.column_names()}
    return _said({"gpu": gpu.name, "ended_by": found.ended_by, **columns, **batch}, as_json=True)


def _page(asked: argparse.Namespace) -> str:
    from dmcore.show.saved import read_saved

    try:
        saved = read_saved(asked.file)
    except OSError as error:
        raise ValueError(str(error)) from error
    answer = {
        "saved_by": saved.version,
        "gpu": saved.sweep.gpu.name,
        "runs": len(saved.sweep),
        "largest_difference": saved.largest_difference,
    }
    return _said(answer | (saved.use.summary() if saved.use else {}), asked.json)


def _limits(asked: argparse.Namespace) -> str:
    gpu = _gpu(asked)
    seconds = _seconds(asked, QUARTER_S) or 0
    return _said(
        {
            "gpu": gpu.name,
            "days": seconds / 86400,
            "alpha": asked.alpha,
            "critical_flop": dmcore.critical_compute(gpu, asked.alpha, seconds),
            "latency_limit_flop": dmcore.latency_limit(asked.alpha, seconds),
        },
        asked.json,
    )


def _said(answer: Mapping[str, Any], as_json: bool) -> str:
    answer = {**answer, "dmcore": dmcore.__version__}
    if as_json:
        return json.dumps(answer, ensure_ascii=False, allow_nan=False)
    return "\n".join(f"{name:22} {_value(value)}" for name, value in answer.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {of:,}" for name, of in value.items())
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
