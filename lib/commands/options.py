"""The commands and options of the command line, and the functions that run and show each command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from lib.commands import explain, inspect, network_options, option_types, prepare, search, space_options, train
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
    common.add_argument("--data", type=option_types.path, metavar="DIR", help="folder of photos, or an archive of one")
    common.add_argument("--artifacts", type=option_types.path, metavar="DIR", help="folder for results")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    weights, seed = (argparse.ArgumentParser(add_help=False) for _ in range(2))
    network_options.add_weights(weights)
    seed.add_argument("--seed", type=option_types.seed, metavar="N", help="seed of the split and the map")
    layout = _layout_options()
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument("--milvus-uri", metavar="URI", help="a Milvus Lite path or a server (token: MILVUS_TOKEN)")
    space = argparse.ArgumentParser(add_help=False)
    space.add_argument("--space", default="resnet18", metavar="S", help=space_options.space_names())
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
    space_options.add_space_commands(add, store, space, weights, seed)
    space_options.add_label_commands(add, space, weights, seed)
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
    space_options.add_export_commands(add, space, weights, seed)
    command = add(
        "train",
        train.train,
        train.show_runs,
        "train a network under a regime and record the run",
        weights,
        seed,
        layout,
    )
    _train_options(command)
    add("runs", train.runs, train.show_runs, "list the training runs, bundled and your own")
    command = add("inspect", inspect.inspect, inspect.show_inspect, "describe the collections of a Milvus store", store)
    command.add_argument("--collection", metavar="C", help="only this collection")
    help_ = "measure the recall of a collection's index"
    _recall_options(add("recall", inspect.recall, inspect.show_recall, help_, store))
    help_ = "check what is ready, and name the remedy for the rest"
    add("doctor", inspect.doctor, inspect.show_doctor, help_, weights, seed, layout, store)
    return root


def _explain_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("query", metavar="QUERY", help="an image id of the catalog, or a file")
    command.add_argument("answer", metavar="ANSWER", help="the same")
    command.add_argument("--metric", choices=tuple(METRICS), default="cosine")
    command.add_argument("--crop", type=option_types.box, metavar="L,T,R,B", help="only this part of QUERY, in percent")
    _mark_options(command)
    command.add_argument("--normalise", action="store_true", help="scale every vector to length 1 first")


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--space", metavar="S", help="only this space")
    command.add_argument("--metric", choices=tuple(METRICS), help="only this metric")
    command.add_argument("--k", type=option_types.positive, default=10, help="adds precision, recall and nDCG at K")
    command.add_argument("--queries", choices=("test", "all"), default="test")
    help_ = "write every ranking as a TREC run; of several spaces or metrics a file each, with their names in its name"
    command.add_argument("--run", type=option_types.path, dest="run_file", metavar="FILE", help=help_)
    command.add_argument(
        "--qrels", type=option_types.path, metavar="FILE", help="write the relevant images as TREC qrels"
    )


def _space_options(command: argparse.ArgumentParser, default: str) -> None:
    command.add_argument(
        "--spaces", default=default, metavar="A,B", help=f"default: {default}; or vgg16, init@vgg16, …"
    )
    network_options.add_file(command)
    command.add_argument(
        "--limit", type=option_types.positive, metavar="N", help="only N images, spread over the classes"
    )
    about = (
        "arithmetic of the networks (default: as before, fp32 at first); bf16 is twice as fast, and a separate space"
    )
    command.add_argument("--precision", choices=PRECISIONS, help=about)


def _layout_options() -> argparse.ArgumentParser:
    """How the data folder is read, for the commands that make a catalog."""
    layout = argparse.ArgumentParser(add_help=False)
    layout.add_argument("--layout", choices=LAYOUTS, help="how to read the folder (default: as before, auto at first)")
    layout.add_argument("--labels", type=option_types.file_or_text, metavar="FILE", help="the table of labels")
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
    searched = query.add_mutually_exclusive_group(required=True)
    searched.add_argument("image", nargs="?", metavar="IMAGE", help="an image id of the catalog, or a file")
    searched.add_argument("--text", metavar="TEXT", help="a text that came with the vectors of an imported space")
    query.add_argument("--k", type=option_types.positive, default=10, help="how many results (default 10)")
    query.add_argument("--keep-duplicates", action="store_true", help="keep pixel-identical copies of the query")
    query.add_argument(
        "--also", action="append", default=[], metavar="IMAGE", help="one more query: results by mean rank"
    )
    query.add_argument(
        "--crop", type=option_types.box, metavar="L,T,R,B", help="search with this part of IMAGE, in percent"
    )
    query.add_argument("--label", action="append", default=[], metavar="CLASS", help="results of this class only")
    query.add_argument("--split", action="append", default=[], choices=SPLITS, help="results of this split only")
    _mark_options(query)
    query.add_argument("--tag", action="append", default=[], metavar="NAME", help="results with this tag only")
    query.add_argument("--normalise", action="store_true", help="scale every vector to length 1 first")
    return query


def _mark_options(command: argparse.ArgumentParser) -> None:
    """The marks that move the query."""
    add = command.add_argument
    add("--right", action="append", default=[], metavar="ID", help="move the query towards this image")
    add("--wrong", action="append", default=[], metavar="ID", help="move the query away from this image")
    help_ = "weights of the query, of the right and of the wrong images (default 1,0.75,0.15)"
    add("--rocchio", type=option_types.three, default=(1.0, 0.75, 0.15), metavar="A,B,C", help=help_)


def _map_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", choices=("umap", "pca"), default="umap")
    command.add_argument(
        "--n-neighbors", type=option_types.positive, default=15, metavar="N", help="UMAP's, 2 to 200 (default 15)"
    )
    command.add_argument("--min-dist", type=float, default=0.1, metavar="D", help="UMAP's, 0 to 0.99 (default 0.1)")
    command.add_argument("--metric", choices=("cosine", "euclidean"), help="default: cosine; euclidean for pixels")


def _recall_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--collection", required=True, metavar="C", help="the collection")
    command.add_argument("--field", default="", metavar="F", help="its vector field (default: the first with an index)")
    command.add_argument("--k", type=option_types.positive, default=10, help="how many neighbours to find (default 10)")
    command.add_argument(
        "--queries", type=option_types.positive, default=50, metavar="N", help="rows used as queries (default 50)"
    )


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--regime", type=option_types.words, required=True, metavar="R", help="scratch, transfer, finetune, init or all"
    )
    network_options.add_network(command)
    command.add_argument("--preset", choices=("quick", "full"), default="full", help="minutes or hours (default full)")
    command.add_argument("--epochs", type=option_types.positive, metavar="N", help="passes over the training photos")
    command.add_argument("--batch-size", type=option_types.batch_size, metavar="N", help="photos per step (full: 256)")
    command.add_argument(
        "--image-size", type=option_types.image_side, metavar="N", help="input in px; default: the weights' own"
    )
    command.add_argument(
        "--seeds", type=option_types.seeds, default=[0], metavar="0,1,2", help="seeds of initialisation and order"
    )
    command.add_argument(
        "--limit", type=option_types.positive, metavar="N", help="only N images, spread over the classes"
    )
    command.add_argument("--resume", action="store_true", help="continue interrupted runs, skip finished ones")
    command.add_argument(
        "--no-epoch-embeddings",
        action="store_false",
        dest="epoch_embeddings",
        help="do not keep the features of a few photos after each epoch, which the page draws",
    )
