"""The commands `add-space` and `remove-space`: vectors that another program computed, as a space of the photos."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lib.commands.progress import ProgressBar
from lib.documents.spaces import AddSpaceDocument, RemoveSpaceDocument
from lib.errors import QueryError
from lib.progress import Reporter
from lib.settings import Settings
from lib.text import counted, listed, printable

if TYPE_CHECKING:
    from lib.prepare.imports import Source

ABOUT_ADD = "make a space of vectors that another program computed, from a file or a Milvus collection"
ABOUT_REMOVE = "remove a space: its vectors, maps, measurements and collections"


def register(add: Callable[..., argparse.ArgumentParser], *parents: argparse.ArgumentParser) -> None:
    """Add both commands, and their options, to the parser."""
    command = add("add-space", add_space, show_add, ABOUT_ADD, *parents)
    command.add_argument("name", metavar="NAME", help="the name of the space: a-z, 0-9, - and _")
    help_ = "vectors, a row for each photo: .npy, .npz, .parquet, .csv, .tsv or .safetensors"
    command.add_argument("file", type=Path, nargs="?", metavar="FILE", help=help_)
    help_ = "column, array or file of the photos' ids (default: a usual name, else the catalog's order)"
    command.add_argument("--ids", default="", metavar="COLUMN|FILE", help=help_)
    command.add_argument("--vectors", default="", metavar="COLUMN", help="column or array of the vectors")
    command.add_argument("--text", type=Path, metavar="FILE", help="texts with vectors (text, vector), to search with")
    command.add_argument("--collection", metavar="C", help="take the vectors from this Milvus collection, not a file")
    command.add_argument("--field", default="", metavar="F", help="its vector field (default: the only one)")
    command.add_argument("--id-field", default="", metavar="F", help="its field of ids (default: the primary key)")
    command.add_argument("--store", metavar="URI", help="the store of that collection (default: that of --milvus-uri)")
    command = add("remove-space", remove_space, show_remove, ABOUT_REMOVE, *parents)
    command.add_argument("name", metavar="NAME", help="a space that `prepare` does not make by default")


def add_space(settings: Settings, options: argparse.Namespace) -> AddSpaceDocument:
    """Vectors from a file or a collection as a space: see `prepare.imports`; then what a first look needs."""
    from lib.measure import first_results
    from lib.prepare import imports

    if (options.file is None) == (options.collection is None):
        raise QueryError("Name one source of vectors: a FILE, or --collection with --field.")
    with ProgressBar() as progress, tempfile.TemporaryDirectory(prefix="petalscope-") as folder:
        reporter = Reporter(progress.update, progress.say)
        # Before the vectors are read, which takes longer.
        imports.check_name(settings, options.name)
        if options.file is not None:
            source = imports.Source(options.file, vectors=options.vectors, ids=options.ids, texts=options.text)
        else:
            source = _collection(settings, options, Path(folder), reporter)
        document = imports.add(settings, options.name, source, reporter)
        seconds = first_results.make(settings, reporter)
    document["seconds"] = round(document["seconds"] + seconds, 3)
    return document


def _collection(settings: Settings, options: argparse.Namespace, folder: Path, reporter: Reporter) -> Source:
    """The vectors of a collection, copied into `folder`."""
    from lib.prepare import imports, workspace
    from lib.store import connection

    if options.store:
        wait_s = settings.store_wait_s
        opened = connection.open_store(options.store, settings.milvus_token, role="add-space", wait_s=wait_s)
    else:
        workspace.check_store(settings)
        opened = workspace.open_store(settings, "add-space")
    with opened as store:
        return imports.collection_source(
            store,
            options.collection,
            options.field,
            folder,
            id_field=options.id_field,
            texts=options.text,
            progress=reporter.stage(f"read {options.collection}"),
        )


def show_add(document: AddSpaceDocument) -> str:
    """What was matched and how, what is odd about the vectors, and the collections."""
    from lib.prepare import import_report

    lines = import_report.sentences(document)
    if document["texts"]:
        able = counted(document["texts"], "text")
        lines.append(f"{able} to search with: `python -m lib search --text TEXT --space {document['name']}`")
    lines.append(f"collections: {', '.join(document['collections']) or 'none, too many dimensions for Milvus'}")
    return printable([*lines, f"ready in {document['seconds']:.1f} s"])


def remove_space(settings: Settings, options: argparse.Namespace) -> RemoveSpaceDocument:
    """A space and those made from it, removed: see `prepare.imports`."""
    from lib.prepare import imports

    with ProgressBar() as progress:
        return imports.remove(settings, options.name, Reporter(progress.update, progress.say))


def show_remove(document: RemoveSpaceDocument) -> str:
    """The spaces and collections that are gone."""
    lines = [f"removed {listed(document['removed'], 20)}"]
    if len(document["removed"]) > 1:
        lines[0] += f" ({document['name']}, and what was made from it)"
    lines.append(f"dropped {counted(len(document['collections']), 'collection')} in Milvus")
    if document["elsewhere"]:
        lines.append(f"still stored in {listed(document['elsewhere'])}, until photos are prepared with that store")
    return printable(lines)
