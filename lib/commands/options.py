"""The commands and options of the command line, and the functions that run and show each command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lib.commands import explain, features, inspect, labels, prepare, search, train
from lib.commands import spaces as space_commands
from lib.embed import spaces
from lib.embed.space import PRECISIONS
from lib.search.metrics import METRICS
from lib.settings import LAYOUTS, LayoutChoice, Settings

SPLITS = ("train", "val", "test")
Document = TypeVar("Document")


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; `run` and `show` of its namespace are the two functions of the command."""
    root = argparse.ArgumentParser(prog="python -m lib", description="Petalscope: explore image embeddings.")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=_path, metavar="DIR", help="folder of photos, or an archive of one")
    common.add_argument("--artifacts", type=_path, metavar="DIR", help="folder for results")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    weights, seed = (argparse.ArgumentParser(add_help=False) for _ in range(2))
    weights.add_argument("--weights", metavar="NAME", help="imagenet, bundled, random, or a weights file")
    seed.add_argument("--seed", type=_seed, metavar="N", help="seed of the split and the map")
    layout = _layout_options()
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument("--milvus-uri", metavar="URI", help="a Milvus Lite path or a server (token: MILVUS_TOKEN)")
    space = argparse.ArgumentParser(add_help=False)
    space.add_argument("--space", default="resnet18", metavar="S", help=_space_names())
    query = _query_options()

    def add(
        name: str,
        run: Callable[[Settings, argparse.Namespace], Document | None],
        show: Callable[[Document], str],
        help_: str,
        *parents: argparse.ArgumentParser,
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_, description=help_, parents=[common, *parents])
        command.set_defaults(run=run, show=show)
        return command

    command = add(
        "prepare",
        prepare.prepare,
        prepare.show_prepare,
        "build catalog, vectors, maps and collections",
        weights,
        seed,
        layout,
        store,
    )
    _space_options(command, ",".join(spaces.DEFAULTS))
    _space_options(
        add("embed", prepare.embed, prepare.show_embed, prepare.ABOUT_EMBED, weights, seed, layout), "resnet18"
    )
    help_ = "find duplicates, leaks between splits, conflicting labels and unreadable files"
    command = add("audit", prepare.audit, prepare.show_audit, help_, seed, layout)
    help_ = "write a table of labels and splits that keeps near-duplicates together, for `prepare --labels`"
    command.add_argument("--together", type=Path, metavar="FILE.csv", help=help_)
    command = add(
        "search",
        search.search,
        search.show_search,
        "find the images closest to a query",
        query,
        space,
        weights,
        seed,
        store,
    )
    command.add_argument("--metric", choices=tuple(METRICS), default="cosine")
    command.add_argument("--engine", choices=("exact", "milvus"), default="exact")
    command = add(
        "compare", search.compare, search.show_compare, "run one query under two metrics", query, space, weights, seed
    )
    command.add_argument("--a", choices=tuple(METRICS), default="l1")
    command.add_argument("--b", choices=tuple(METRICS), default="cosine")
    command.add_argument("--b-space", metavar="S", help="the space of side b (default: that of side a)")
    _explain_options(add("explain", explain.explain, explain.show_explain, explain.ABOUT, space, weights, seed))
    command = add(
        "evaluate",
        search.evaluate,
        search.show_evaluate,
        "score retrieval for every space and metric",
        weights,
        seed,
    )
    _evaluate_options(command)
    _space_commands(add, space, weights, seed)
    add("features", features.features, features.show_features, features.HELP, space, weights, seed).add_argument(
        "--dimension", type=_dimension, metavar="N", help="only this dimension, from 0"
    )
    add("suspects", labels.suspects, labels.show_suspects, labels.ABOUT_SUSPECTS, space, weights, seed)
    _relabel_options(add("relabel", labels.relabel, labels.show_relabel, labels.ABOUT_RELABEL))
    command = add(
        "map",
        prepare.make_map,
        prepare.show_map,
        "project a space to two dimensions and measure the map's fidelity",
        space,
        weights,
        seed,
    )
    _map_options(command)
    command = add(
        "train",
        train.train,
        train.show_runs,
        "train ResNet18 under a regime and record the run",
        weights,
        seed,
        layout,
    )
    _train_options(command)
    add("runs", train.runs, train.show_runs, "list the training runs, bundled and your own")
    command = add("inspect", inspect.inspect, inspect.show_inspect, "describe the collections of a Milvus store", store)
    command.add_argument("--collection", metavar="C", help="only this collection")
    command = add(
        "recall",
        inspect.recall,
        inspect.show_recall,
        "measure the recall of a collection's index",
        store,
    )
    _recall_options(command)
    add(
        "doctor",
        inspect.doctor,
        inspect.show_doctor,
        "check what is ready, and name the remedy for the rest",
        weights,
        seed,
        layout,
        store,
    )
    return root


def _space_commands(
    add: Callable[..., argparse.ArgumentParser],
    space: argparse.ArgumentParser,
    *shared: argparse.ArgumentParser,
) -> None:
    """The commands about whole spaces."""
    help_ = "diagnose every space, and compare every two of them"
    add("spaces", space_commands.spaces, space_commands.show_spaces, help_, *shared)
    help_ = "group the images of a space, and compare the groups with the classes"
    command = add("clusters", space_commands.clusters, space_commands.show_clusters, help_, space, *shared)
    command.add_argument("--method", choices=space_commands.METHODS, default="kmeans")
    command.add_argument("--k", type=_positive, metavar="K", help="clusters of k-means (default: as many as classes)")
    help_ = "score a space with fewer dimensions and fewer bits, beside the bytes of a vector"
    add("what-if", space_commands.what_if, space_commands.show_what_if, help_, space, *shared)


def _explain_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("query", metavar="QUERY", help="an image id of the catalog, or a file")
    command.add_argument("answer", metavar="ANSWER", help="the same")
    command.add_argument("--metric", choices=tuple(METRICS), default="cosine")
    command.add_argument("--crop", type=_box, metavar="L,T,R,B", help="only this part of QUERY, in percent")
    command.add_argument("--normalise", action="store_true", help="scale every vector to length 1 first")


def _relabel_options(command: argparse.ArgumentParser) -> None:
    decisions = command.add_mutually_exclusive_group(required=True)
    decisions.add_argument("file", type=_path, nargs="?", metavar="FILE.csv", help="actions: keep, relabel, exclude")
    decisions.add_argument("--clear", action="store_true", help="take the review away")


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--space", metavar="S", help="only this space")
    command.add_argument("--metric", choices=tuple(METRICS), help="only this metric")
    command.add_argument("--k", type=_positive, default=10, help="adds precision, recall and nDCG at K")
    command.add_argument("--queries", choices=("test", "all"), default="test")
    help_ = "write every ranking as a TREC run; of several spaces or metrics a file each, with their names in its name"
    command.add_argument("--run", type=_path, dest="run_file", metavar="FILE", help=help_)
    command.add_argument("--qrels", type=_path, metavar="FILE", help="write the relevant images as TREC qrels")


def _space_names() -> str:
    """The spaces and their other names: "a, b (= c) or d"."""
    aliases = {name: f" (= {alias})" for alias, name in spaces.ALIASES.items()}
    *names, last = (name + aliases.get(name, "") for name in spaces.SPACES)
    return f"{', '.join(names)} or {last}"


def _space_options(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument("--spaces", default=default, metavar="A,B", help=f"default: {default}")
    command.add_argument("--limit", type=_positive, metavar="N", help="only N images, spread over the classes")
    about = (
        "arithmetic of the networks (default: as before, fp32 at first); bf16 is twice as fast, and a separate space"
    )
    command.add_argument("--precision", choices=PRECISIONS, help=about)


def _layout_options() -> argparse.ArgumentParser:
    """How the data folder is read, for the commands that make a catalog."""
    layout = argparse.ArgumentParser(add_help=False)
    layout.add_argument("--layout", choices=LAYOUTS, help="how to read the folder (default: as before, auto at first)")
    layout.add_argument("--labels", type=_file, metavar="FILE", help="the table of labels")
    layout.add_argument("--image-column", metavar="C", help="its column that names the images")
    layout.add_argument("--label-column", metavar="C", help="its column of classes")
    layout.add_argument("--split-column", metavar="C", help="its column of train, val and test")
    layout.add_argument("--split-anew", action="store_true", default=None, help="do not keep a split that the data has")
    return layout


def layout_choice(options: argparse.Namespace) -> LayoutChoice:
    """The user's choice of a layout; nothing is named for commands without these options."""
    names = ("labels", "image_column", "label_column", "split_column", "split_anew")
    return LayoutChoice(getattr(options, "layout", None), **{name: getattr(options, name, None) for name in names})


def _query_options() -> argparse.ArgumentParser:
    """The options that `search` and `compare` share."""
    query = argparse.ArgumentParser(add_help=False)
    query.add_argument("image", metavar="IMAGE", help="an image id of the catalog, or a file")
    query.add_argument("--k", type=_positive, default=10, help="how many results (default 10)")
    query.add_argument("--keep-duplicates", action="store_true", help="keep pixel-identical copies of the query")
    query.add_argument(
        "--also", action="append", default=[], metavar="IMAGE", help="one more query: results by mean rank"
    )
    query.add_argument("--crop", type=_box, metavar="L,T,R,B", help="search with this part of IMAGE, in percent")
    query.add_argument("--label", action="append", default=[], metavar="CLASS", help="results of this class only")
    query.add_argument("--split", action="append", default=[], choices=SPLITS, help="results of this split only")
    query.add_argument("--right", action="append", default=[], metavar="ID", help="move the query towards this image")
    query.add_argument("--wrong", action="append", default=[], metavar="ID", help="move the query away from this image")
    help_ = "weights of the query, of the right and of the wrong images (default 1,0.75,0.15)"
    query.add_argument("--rocchio", type=_three, default=(1.0, 0.75, 0.15), metavar="A,B,C", help=help_)
    query.add_argument("--tag", action="append", default=[], metavar="NAME", help="results with this tag only")
    query.add_argument("--normalise", action="store_true", help="scale every vector to length 1 first")
    return query


def _map_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", choices=("umap", "pca"), default="umap")
    command.add_argument("--n-neighbors", type=_positive, default=15, metavar="N", help="UMAP's, 2 to 200 (default 15)")
    command.add_argument("--min-dist", type=float, default=0.1, metavar="D", help="UMAP's, 0 to 0.99 (default 0.1)")
    command.add_argument("--metric", choices=("cosine", "euclidean"), help="default: cosine; euclidean for pixels")


def _recall_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--collection", required=True, metavar="C", help="the collection")
    command.add_argument("--field", default="", metavar="F", help="its vector field (default: the first with an index)")
    command.add_argument("--k", type=_positive, default=10, help="how many neighbours to find (default 10)")
    command.add_argument("--queries", type=_positive, default=50, metavar="N", help="rows used as queries (default 50)")


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--regime", type=_words, required=True, metavar="R", help="scratch, transfer, finetune, init or all"
    )
    command.add_argument("--preset", choices=("quick", "full"), default="full", help="minutes or hours (default full)")
    command.add_argument("--epochs", type=_positive, metavar="N", help="passes over the training photos")
    command.add_argument("--batch-size", type=_batch, metavar="N", help="photos per step (full: 256)")
    command.add_argument("--image-size", type=_side, metavar="N", help="input in px; default: the weights' own")
    command.add_argument("--seeds", type=_seeds, default=[0], metavar="0,1,2", help="seeds of initialisation and order")
    command.add_argument("--limit", type=_positive, metavar="N", help="only N images, spread over the classes")
    command.add_argument("--resume", action="store_true", help="continue interrupted runs, skip finished ones")
    command.add_argument(
        "--no-epoch-embeddings",
        action="store_false",
        dest="epoch_embeddings",
        help="do not keep the features of a few photos after each epoch, which the page draws",
    )


def _positive(text: str) -> int:
    return _whole(text, 1)


def _dimension(text: str) -> int:
    return _whole(text, 0)


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
    return _whole(text, 2, 65_536)  # batch normalisation needs two values


def _side(text: str) -> int:
    return _whole(text, 32, 1024)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        left, top, right, bottom = (float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("needs four numbers: left,top,right,bottom in percent") from None
    return left, top, right, bottom


def _three(text: str) -> tuple[float, float, float]:
    try:
        alpha, beta, gamma = (float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("needs three numbers: alpha,beta,gamma") from None
    return alpha, beta, gamma


def _seeds(text: str) -> list[int]:
    return list(dict.fromkeys(_seed(word) for word in _words(text)))


def _words(text: str) -> list[str]:
    words = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise argparse.ArgumentTypeError("must not be empty")
    return words


def _file(text: str) -> str:
    path = _path(text).expanduser()
    return str(path.absolute()) if path.exists() else text  # else it is looked for in the data folder


def _path(text: str) -> Path:
    if not text:  # an unset shell variable must not mean the current folder
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)
