"""The command line: the steps of the dashboard as commands. `python -m lib COMMAND --help` says what each takes.

With `--json` exactly one JSON document goes to stdout. Everything else (progress, warnings, errors) goes to stderr.
Exit status: 0 done, 1 could not, 2 usage that does not parse.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from lib import documents
from lib import settings as settings_module
from lib.errors import ArtifactError, PetalscopeError, QueryError
from lib.settings import Settings

if TYPE_CHECKING:
    from lib.retrieval import Loaded, Query
    from lib.workspace import Workspace

METRIC_NAMES = ("mse", "l1", "l2", "cosine", "ncc")
SPLITS = ("train", "val", "test")
PRECISIONS = ("fp32", "bf16")


def main(arguments: Sequence[str] | None = None, **overrides: Any) -> int:
    """Run one command; returns the exit status. `overrides` are fields of Settings that have no option."""
    _occupy_standard_files()
    options = _parser().parse_args(arguments)
    with _quiet_libraries():
        return _run(options, overrides)


def _occupy_standard_files() -> None:
    """A closed stdin, stdout or stderr would give its number to the next file opened, and prints would land in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep the log lines and warnings of libraries off stderr.

    Not by `logging.disable`: the store reads from Milvus Lite's log why it did not open.
    """
    root, nowhere = logging.getLogger(), logging.NullHandler()
    root.addHandler(nowhere)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(nowhere)


def _run(options: argparse.Namespace, overrides: dict[str, Any]) -> int:
    stdout = sys.stdout
    try:
        settings = settings_module.from_environment(
            data=options.data,
            artifacts=options.artifacts,
            weights=getattr(options, "weights", None),
            seed=getattr(options, "seed", None),
            milvus_uri=getattr(options, "milvus_uri", None),
            **overrides,
        )
        # Libraries that print to stdout would spoil the one JSON document.
        with contextlib.redirect_stdout(sys.stderr):
            document = options.run(settings, options)
        text = documents.text(document) if options.json else options.show(document)
    except PetalscopeError as error:
        return _failed(str(error))
    except KeyboardInterrupt as interrupt:
        # An interrupt that passed through a library's `exec` makes Python end by the signal, whatever status we return,
        # unless some later `exec` ends well (CPython, pythonrun.c: run_eval_code_obj).
        exec("")  # noqa: S102
        return _failed(str(interrupt) or "Interrupted; run the same command again to go on.")
    except MemoryError:
        return _failed("There is not enough memory; close other programs or use --limit.")
    except ImportError as error:
        return _failed(f"A library is missing or broken ({error}); run `pip install -r requirements.lock`.")
    except OSError as error:
        return _failed(
            f"The operating system refused: {error.strerror or error} ({error.filename or 'no file named'})."
        )
    # Of several processes that train together, one answers.
    return _say(text, stdout) if document is not None else 0


def _say(text: str, stdout: TextIO | None) -> int:
    if stdout is None:
        return _failed("Standard output is closed, so the answer has nowhere to go.")
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter still gets the rest
    try:
        print(text, file=stdout, flush=True)
    except OSError as error:
        # Nothing more may be written there, also not by Python when it ends.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has seen enough (`| head`)
            return 0
        return _failed(f"The answer could not be written: {error.strerror}.")
    return 0


def _failed(sentence: str) -> int:
    print(f"petalscope: {_plain(sentence)}", file=sys.stderr, flush=True)
    return 1


def _plain(text: str) -> str:
    """`text` as one line without anything that a terminal would obey: file names may hold line breaks and worse."""
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))


def _lines(lines: Iterable[str]) -> str:
    return "\n".join("".join(letter if letter.isprintable() else "�" for letter in line) for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lib", description="Petalscope: look inside an image-embedding space."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=_path, metavar="DIR", help="folder of class sub-folders with images")
    common.add_argument("--artifacts", type=_path, metavar="DIR", help="where results are kept")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    weights = argparse.ArgumentParser(add_help=False)
    weights.add_argument("--weights", metavar="NAME", help="imagenet, bundled, random, or a weights file")
    seed = argparse.ArgumentParser(add_help=False)
    seed.add_argument("--seed", type=_seed, metavar="N", help="decides the split and the map")
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument("--milvus-uri", metavar="URI", help="a Milvus Lite path or a server (token: MILVUS_TOKEN)")
    space = argparse.ArgumentParser(add_help=False)
    known = "pixels, resnet18 (= transfer), scratch, finetune or init"
    space.add_argument("--space", default="resnet18", metavar="S", help=known)
    query = _query_options()

    def add(name: str, run: Run, show: Show, help_: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_, parents=[common, *parents])
        command.set_defaults(run=run, show=show)
        return command

    command = add(
        "prepare", _prepare, _show_prepare, "make catalog, vectors, maps and collections", weights, seed, store
    )
    _space_options(command, "pixels,resnet18")
    help_ = "make catalog and vectors only, alone or under torchrun; `prepare` then takes them up"
    _space_options(add("embed", _embed, _show_embed, help_, weights, seed), "resnet18")
    add("audit", _audit, _show_audit, "find duplicates, contradicting labels and unreadable files", seed)
    command = add("search", _search, _show_search, "find the images closest to one", query, space, weights, seed, store)
    command.add_argument("--metric", choices=METRIC_NAMES, default="cosine")
    command.add_argument("--engine", choices=("exact", "milvus"), default="exact")
    command = add("compare", _compare, _show_compare, "one query under two metrics", query, space, weights, seed)
    command.add_argument("--a", choices=METRIC_NAMES, default="l1")
    command.add_argument("--b", choices=METRIC_NAMES, default="cosine")
    command.add_argument("--b-space", metavar="S", help="the space of side b (default: that of side a)")
    command = add("evaluate", _evaluate, _show_evaluate, "score retrieval for every space and metric", weights, seed)
    command.add_argument("--space", metavar="S", help="only this space")
    command.add_argument("--metric", choices=METRIC_NAMES, help="only this metric")
    command.add_argument("--k", type=_positive, default=10, help="adds precision and recall at K")
    command.add_argument("--queries", choices=("test", "all"), default="test")
    command = add("map", _map, _show_map, "lay a space out on a plane and measure that map", space, weights, seed)
    _map_options(command)
    command = add("train", _train, _show_runs, "train ResNet18 under a regime and record how it went", weights, seed)
    _train_options(command)
    add("runs", _runs, _show_runs, "list the training runs, recorded ones and your own")
    command = add("inspect", _inspect, _show_inspect, "say what a Milvus store holds", store)
    command.add_argument("--collection", metavar="C", help="only this collection")
    command = add("recall", _recall, _show_recall, "measure how much of the truth a collection's index finds", store)
    command.add_argument("--collection", required=True, metavar="C", help="the collection")
    command.add_argument("--field", default="", metavar="F", help="its vector field (default: the first with an index)")
    command.add_argument("--k", type=_positive, default=10, help="how many neighbours to find (default 10)")
    command.add_argument("--queries", type=_positive, default=50, metavar="N", help="rows that ask (default 50)")
    add("doctor", _doctor, _show_doctor, "say what is ready and what mends the rest", weights, seed, store)
    return parser


def _space_options(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument("--spaces", default=default, metavar="A,B", help=f"default: {default}")
    command.add_argument("--limit", type=_positive, metavar="N", help="only N images, spread over the classes")
    about = (
        "what networks compute in (default: as before, fp32 at first); bf16 is twice as fast, and a space of its own"
    )
    command.add_argument("--precision", choices=PRECISIONS, help=about)


def _query_options() -> argparse.ArgumentParser:
    query = argparse.ArgumentParser(add_help=False)
    query.add_argument("image", metavar="IMAGE", help="an image id of the catalog, or a file")
    query.add_argument("--k", type=_positive, default=10, help="how many results (default 10)")
    query.add_argument("--keep-duplicates", action="store_true", help="keep pixel-identical copies of the query")
    query.add_argument("--also", action="append", default=[], metavar="IMAGE", help="one more query: best by mean rank")
    query.add_argument("--crop", type=_box, metavar="L,T,R,B", help="search with this part of IMAGE, in percent")
    query.add_argument("--label", action="append", default=[], metavar="CLASS", help="answers of this class only")
    query.add_argument("--split", action="append", default=[], choices=SPLITS, help="answers of this split only")
    query.add_argument("--normalise", action="store_true", help="scale every vector to length 1 first")
    return query


def _map_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", choices=("umap", "pca"), default="umap")
    command.add_argument("--n-neighbors", type=_positive, default=15, metavar="N", help="UMAP's, 2 to 200 (default 15)")
    command.add_argument("--min-dist", type=float, default=0.1, metavar="D", help="UMAP's, 0 to 0.99 (default 0.1)")
    command.add_argument("--metric", choices=("cosine", "euclidean"), help="default: cosine; euclidean for pixels")


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--regime", type=_words, required=True, metavar="R", help="scratch, transfer, finetune, init or all"
    )
    command.add_argument("--preset", choices=("quick", "full"), default="full", help="minutes or hours (default full)")
    command.add_argument("--epochs", type=_positive, metavar="N", help="passes over the training photos")
    command.add_argument("--batch-size", type=_batch, metavar="N", help="photos per step (full: 256)")
    command.add_argument("--image-size", type=_side, metavar="N", help="input in px; default: the weights' own")
    command.add_argument("--seeds", type=_seeds, default=[0], metavar="0,1,2", help="of initialisation and order")
    command.add_argument("--limit", type=_positive, metavar="N", help="only N images, spread over the classes")
    command.add_argument("--resume", action="store_true", help="take up finished and interrupted runs")


Run = Callable[[Settings, argparse.Namespace], Any]
Show = Callable[[Any], str]


def _positive(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**32 - 1)  # what NumPy's generator takes


def _whole(text: str, least: int, most: int | None = None) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < least or (most is not None and value > most):
        raise argparse.ArgumentTypeError(f"must be {least} or more" + (f", and at most {most}" if most else ""))
    return value


def _batch(text: str) -> int:
    return _whole(text, 2, 65_536)  # a batch norm cannot be fed one value


def _side(text: str) -> int:
    return _whole(text, 32, 1024)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("needs four numbers: left,top,right,bottom in percent") from None
    return left, top, right, bottom


def _seeds(text: str) -> list[int]:
    return list(dict.fromkeys(_seed(word) for word in _words(text)))


def _words(text: str) -> list[str]:
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise argparse.ArgumentTypeError("must not be empty")
    return words


def _path(text: str) -> Path:
    if not text:  # an unset shell variable must not mean the current folder
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def _prepare(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import pipeline

    return _made(settings, options, pipeline.prepare)


def _embed(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import pipeline

    return _made(settings, options, pipeline.embed)


def _made(settings: Settings, options: argparse.Namespace, make: Callable[..., Any]) -> Any:
    """What `make` makes of the spaces that the user named; nothing in a process that only helped another with it."""
    from lib import pipeline
    from lib.embed import sharing

    names = [name.strip() for name in options.spaces.split(",") if name.strip()]
    if not names:
        raise QueryError("No space was named; write --spaces pixels,resnet18 or leave it out.")
    with _Progress() as progress, sharing.group(settings.launched) as leads:
        if not leads:
            return None
        reporter = pipeline.Reporter(progress.update, progress.say)
        return make(settings, names=names, limit=options.limit, precision=options.precision, reporter=reporter)


def _show_prepare(document: Any) -> str:
    lines = _made_lines(document)
    lines += [f"collection {row['name']}: {row['rows']:,} rows" for row in document["milvus"]["collections"]]
    lines.append(f"ready in {document['seconds']:.1f} s; open it with `make run` or `streamlit run Home.py`")
    return _lines(lines)


def _show_embed(document: Any) -> str:
    done = f"embedded in {document['seconds']:.1f} s; `python -m lib prepare` makes maps and collections of it"
    return _lines([*_made_lines(document), done])


def _made_lines(document: Any) -> list[str]:
    data = document["dataset"]
    lines = [
        f"{data['name']}: {data['images']:,} images of {len(data['classes'])} classes, "
        f"{len(data['skipped'])} files skipped ({data['root']})"
    ]
    for space in document["spaces"]:
        how = "nothing to compute" if space["cached"] else f"{space['seconds']:.1f} s"
        weights = f", weights {space['weights']}, {space['precision']}" if space["weights"] else ""
        lines.append(f"space {space['name']}: {space['count']:,} × {space['dim']:,}{weights} ({how})")
    return lines


def _audit(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import pipeline

    with _Progress() as progress:
        return pipeline.audit(settings, pipeline.Reporter(progress.update, progress.say))


def _show_audit(document: Any) -> str:
    groups = document["duplicates"]
    exact = [group for group in groups if group["kind"] == "exact"]
    conflicts = [group for group in groups if group["conflict"]]
    lines = [
        f"{document['images']:,} images: {len(exact)} pictures occur more than once, {len(groups) - len(exact)} pairs "
        f"are nearly equal, {len(conflicts)} of these carry contradicting labels, "
        f"{len(document['corrupt'])} files cannot be read"
    ]
    lines += [
        f"{group['kind']}{' CONFLICT' if group['conflict'] else ''}: {'  '.join(group['ids'])}" for group in groups
    ]
    lines += [f"skipped: {entry['id']} {entry['reason']}" for entry in document["corrupt"]]
    return _lines(lines)


def _asked(
    settings: Settings, options: argparse.Namespace
) -> tuple[Workspace, Callable[[str], Loaded], list[Query], dict[str, Any]]:
    """What `search` and `compare` have in common: how a space is loaded, the queries, and how answers are chosen."""
    from lib import retrieval, workspace

    opened = workspace.open_workspace(settings)
    catalog = opened.catalog()

    def load(space: str) -> Loaded:
        loaded = retrieval.load(opened, space)
        return retrieval.normalised(loaded) if options.normalise else loaded

    queries = [retrieval.find_query(catalog, name) for name in (options.image, *options.also)]
    if options.crop:
        queries[0] = retrieval.query_part(catalog, queries[0], options.crop)
    among = retrieval.Among(tuple(options.label), tuple(options.split))
    return opened, load, queries, {"k": options.k, "keep_duplicates": options.keep_duplicates, "among": among}


def _search(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import retrieval

    opened, load, queries, common = _asked(settings, options)
    loaded = load(options.space)
    return retrieval.search(opened, loaded, queries, metric_name=options.metric, engine=options.engine, **common)


def _show_search(document: Any) -> str:
    direction = "larger = closer" if document["higher_is_closer"] else "smaller = closer"
    if "fusion" in document:
        direction = f"mean rank of {len(document['queries'])} queries, {direction}"
    names = "  ".join(document.get("queries", [document["query"]]))
    space = document["space"] + (" at length 1" if document.get("normalised") else "")
    lines = [f"{names}  {space} · {document['metric']} ({direction}) · {document['engine']}"]
    lines += [
        f"{row['rank']:>4}  {row['value']:<12.6g}  {row['label']:<12}  {row['id']}" for row in document["results"]
    ]
    if document["recall"] is not None:
        lines.append(f"recall against the full scan: {document['recall']:.3f}")
    return _lines(lines)


def _compare(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import retrieval

    opened, load, queries, common = _asked(settings, options)
    loaded = load(options.space)
    other = load(options.b_space) if options.b_space else None
    return retrieval.compare(opened, loaded, queries, a=options.a, b=options.b, other=other, **common)


def _show_compare(document: Any) -> str:
    overlap, rbo, tau = (
        "undefined" if document[name] is None else f"{document[name]:.3f}" for name in ("overlap", "rbo", "kendall_tau")
    )
    measures = f"overlap {overlap} · rank-biased overlap {rbo} · Kendall's tau {tau}"
    return "\n\n".join([_show_search(document["a"]), _show_search(document["b"]), measures])


def _evaluate(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import retrieval, workspace

    opened = workspace.open_workspace(settings)
    names = [options.space] if options.space else opened.spaces
    if not names:
        raise ArtifactError(f"No space of {opened.dataset.name} is prepared yet: {workspace.remedy(settings)}.")
    rows: list[Any] = []
    with _Progress() as progress:
        for name in names:
            rows += retrieval.evaluate(
                opened,
                name,
                [options.metric] if options.metric else None,
                k=options.k,
                queries=options.queries,
                progress=lambda done, total, name=name: progress.update(f"evaluate {name}", done, total),  # type: ignore[misc]
            )
    return {"rows": rows}


def _show_evaluate(document: Any) -> str:
    cuts = list(document["rows"][0]["precision"]) if document["rows"] else []
    lines = [
        f"{'space':<10} {'metric':<8} "
        + " ".join(f"{'P@' + cut:>7}" for cut in cuts)
        + f" {'R@10':>7} {'mAP':>7}  95 % interval"
    ]
    for row in document["rows"]:
        cells = [*row["precision"].values(), row["recall"]["10"], row["map"]]
        interval = row["ci95"]["map"]
        shown = f"{interval[0]:.3f}–{interval[1]:.3f}" if interval else "–"
        lines.append(
            f"{row['space']:<10} {row['metric']:<8} "
            + " ".join(f"{'–' if cell is None else format(cell, '.3f'):>7}" for cell in cells)
            + f"  {shown}"
        )
    if document["rows"]:
        lines.append(f"{document['rows'][0]['queries']:,} queries against {document['rows'][0]['gallery']:,} images")
    return "\n".join(lines)


def _map(settings: Settings, options: argparse.Namespace) -> Any:
    from dataclasses import replace

    from lib import pipeline, workspace

    start = time.perf_counter()
    usual = workspace.open_workspace(settings).map_parameters(options.space)
    parameters = replace(
        usual,
        method=options.method,
        n_neighbors=options.n_neighbors,
        min_dist=options.min_dist,
        metric=options.metric or usual.metric,
        seed=usual.seed if options.seed is None else options.seed,
    )
    with _Progress() as progress:
        reporter = pipeline.Reporter(progress.update, progress.say)
        made, cached = pipeline.make_map(settings, options.space, parameters, reporter)
    return {
        "space": options.space,
        **parameters.facts(),
        "images": len(made.xy),
        **made.facts["fidelity"],
        "neighbours": made.facts.get("neighbours", {"found": "exact"}),
        "cached": cached,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _show_map(document: Any) -> str:
    chosen = [f"{name} {document[name]}" for name in ("n_neighbors", "min_dist", "metric", "seed") if name in document]
    lines = [f"{document['method']} of {document['images']:,} images in {document['space']}: {', '.join(chosen)}"]
    if document["k"]:
        lines += [
            f"trustworthiness {document['trustworthiness']:.3f}, continuity {document['continuity']:.3f}, "
            f"of the {document['k']} nearest {document['preservation']:.1%} are near on the map"
        ]
    if document["neighbours"]["found"] == "approximate":
        near = document["neighbours"]
        told = f"{near['recall']:.1%} of them are exact, measured on {near['sample']:,} images"
        lines += [f"the nearest are approximate ({near['by']}): {told}"]
    return _lines([*lines, "it was there already" if document["cached"] else f"made in {document['seconds']:.1f} s"])


def _train(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import pipeline
    from lib.learn import backbone, distributed, plan, recipes, regimes, study

    names = list(regimes.REGIMES) if "all" in options.regime else options.regime
    for name in names:  # before anything is read or fetched
        recipes.recipe(name, options.preset)
    with _Progress() as progress, _ended_as_interrupted(), distributed.group(), study.alone(settings) as teller:
        # Of processes that train together only the first talks.
        talks = distributed.rank() == 0
        reporter = pipeline.Reporter(progress.update, progress.say) if talks else pipeline.Reporter()
        photos = pipeline.catalog(settings, limit=options.limit, reporter=reporter)
        chosen = backbone.choose(settings, progress=reporter.stage("download weights"), warn=reporter.say)
        planned = plan.plan(
            photos,
            chosen,
            names=names,
            preset=options.preset,
            seeds=options.seeds,
            epochs=options.epochs,
            batch_size=options.batch_size,
            image_size=options.image_size,
        )
        done = study.train(
            settings,
            planned,
            resume=options.resume,
            teller=teller,
            watch=reporter.progress,
            epoch=_epochs_told(reporter.say),
            say=reporter.say,
        )
        return {"runs": done} if talks else None


def _epochs_told(say: Callable[[str], None], every_s: float = 10.0) -> Callable[[Any, list[dict[str, Any]]], None]:
    """A line after an epoch, unless there was one a moment ago: a hundred short epochs need no hundred lines."""
    last = time.monotonic()

    def tell(run: Any, rows: list[dict[str, Any]]) -> None:
        nonlocal last
        if rows and time.monotonic() - last > every_s:
            last = time.monotonic()
            best = max(row["val_accuracy"] for row in rows)
            say(
                f"{run.title}: epoch {len(rows)} of {run.recipe.epochs}, validation {rows[-1]['val_accuracy']:.1%} "
                f"(best {best:.1%})"
            )

    return tell


@contextlib.contextmanager
def _ended_as_interrupted() -> Iterator[None]:
    """Being told to end (by the page, `kill`, or the system going down) is heard as an interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def heard(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _runs(settings: Settings, options: argparse.Namespace) -> Any:
    from lib.learn import runs

    return {"runs": runs.load(settings)}


def _show_runs(document: Any) -> str:
    if not document["runs"]:
        return "No training run yet: python -m lib train --regime all --preset quick"
    lines = [f"{'run':<34} {'weights':<10} {'epochs':>6} {'best':>5} {'val':>7} {'test':>7}  95 % interval"]
    for run in document["runs"]:
        low, high = run.get("test_ci95") or (None, None)
        lines.append(
            f"{run['id']:<34} {run['weights']:<10} {len(run['epochs']):>6} {run['best_epoch']:>5} "
            f"{_percent(run.get('val_accuracy')):>7} {_percent(run['test_accuracy']):>7}  "
            f"{_percent(low)}–{_percent(high)}  {run['dataset']['name']}{', recorded' if run.get('recorded') else ''}"
        )
    return _lines(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _inspect(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import workspace
    from lib.store import connection, inspect

    workspace.check_store(settings)
    with connection.open_store(
        settings.store_uri, settings.milvus_token, role="inspect", wait_s=settings.store_wait_s
    ) as store:
        return inspect.inspect(store, options.collection)


def _show_inspect(document: Any) -> str:
    lines = [f"{document['uri']} ({document['engine']} {document['server_version']})"]
    for entry in document["collections"]:
        rows = entry["rows"]
        lines.append(f"{entry['name']}: row_count {rows['row_count']}, count(*) {rows['count']}, {entry['load_state']}")
        lines += [
            f"  field {field['name']}: {field['type']}" + (f"({field['dim']})" if field.get("dim") else "")
            for field in entry["fields"]
        ]
        for index in entry["indexes"]:
            params = ", ".join(
                f"{key}={value} [{index['source'].get(key, 'reported')}]" for key, value in index["params"].items()
            )
            lines.append(
                f"  index on {index['field']}: {index['index_type']} {index['metric_type'] or ''} {params}".rstrip()
            )
    return _lines(lines)


def _recall(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import workspace
    from lib.store import connection, milvus, recall

    workspace.check_store(settings)
    with (
        connection.open_store(
            settings.store_uri, settings.milvus_token, role="recall", wait_s=settings.store_wait_s
        ) as store,
        _Progress() as progress,
    ):
        milvus.ensure_loaded(store, options.collection)
        return recall.recall(
            store,
            options.collection,
            field=options.field,
            k=options.k,
            queries=options.queries,
            progress=lambda done, total: progress.update("exact scan", done, total),
        )


def _show_recall(document: Any) -> str:
    build = ", ".join(f"{name} {value}" for name, value in document["build"].items())
    lines = [
        f"{document['collection']}.{document['field']}: {document['metric']}, {document['queries']} queries among "
        f"{document['gallery']:,} rows" + (f" ({build})" if build else ""),
        *([document["warning"]] if "warning" in document else []),
        f"{'index':<12} {'setting':<14} {'recall@' + str(document['k']):>10} {'p50 ms':>9} {'p95 ms':>9}",
    ]
    for row in document["rows"]:
        setting = ", ".join(f"{name} {value}" for name, value in row["params"].items()) or "–"
        lines.append(
            f"{row['index_type']:<12} {setting:<14} {row['recall']:>10.3f} {row['p50_ms']:>9.2f} {row['p95_ms']:>9.2f}"
        )
    return _lines(lines)


def _doctor(settings: Settings, options: argparse.Namespace) -> Any:
    from lib import doctor

    return doctor.examine(settings)


def _show_doctor(document: Any) -> str:
    marks = {True: "ready  ", False: "missing"}
    return _lines(
        f"{marks[check['ready']]}  {check['name']}: {check['detail']}"
        + (f" → {check['remedy']}" if check["remedy"] else "")
        for check in document["checks"]
    )


class _Progress:
    """Progress bars on stderr, one per stage, by tqdm; plain sentences in between.

    Remembers an interrupt, because a library that is just being imported may swallow it.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""
        self._drawn = False  # a bar has begun a line that is not ended yet
        self._interrupted = False
        self._handler: Any = None

    def __enter__(self) -> _Progress:
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        self._close()

    def _interrupt(self, *_: object) -> None:
        self._interrupted = True
        raise KeyboardInterrupt

    def update(self, stage: str, done: int, total: int | None) -> None:
        """Move the bar of `stage` to `done` of `total` (None: unknown)."""
        from tqdm import tqdm

        if self._interrupted:
            raise KeyboardInterrupt
        if stage != self._stage:
            self._close()
            self._stage, self._drawn = stage, True
            self._bar = tqdm(total=total, desc=stage, file=sys.stderr, dynamic_ncols=True, mininterval=0.3)
        if total is not None and self._bar.total != total:
            self._bar.total = total
        self._bar.update(done - self._bar.n)

    def say(self, sentence: str) -> None:
        """Print a sentence without tearing the bar."""
        from tqdm import tqdm

        tqdm.write(sentence, file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._drawn:  # interrupted between drawing the bar and knowing it
            print(file=sys.stderr)
        self._bar, self._drawn = None, False
