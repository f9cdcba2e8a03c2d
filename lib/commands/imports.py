"""The commands `add-space` and `remove-space`: vectors that another program computed, as a space of the photos."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lib.commands.progress import ProgressBar
from lib.documents.spaces import AddSpaceDocument, NamedPhotos, RemoveSpaceDocument
from lib.errors import QueryError
from lib.progress import Reporter
from lib.settings import Settings
from lib.text import counted, listed, printable

if TYPE_CHECKING:
    from lib.prepare.imports import Source

ABOUT_ADD = "make a space of vectors that another program computed, from a file or a Milvus collection"
ABOUT_REMOVE = "remove a space: its vectors, maps, measurements and collections"


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
    """What was matched and how, and what is odd about the vectors."""
    name, photos = document["name"], counted(document["count"], "photo")
    ids = f"ids: {document['ids']}, " if document["ids"] != "none" else ""
    lines = [f"space {name}: {photos} × {document['dim']:,} from {document['file']} ({ids}matched {document['how']})"]
    if document["cached"]:
        lines[0] += ", nothing to compute"
    if document["extra_count"]:
        lines.append(f"{counted(document['extra_count'], 'row')} of no photo, ignored: {_first(document['extra'])}")
    if document["projected_from"]:
        lines.append(f"projected at random from {document['projected_from']:,} dimensions, seed 0")
    if document["dtype"] != "float32":
        lines.append(f"{document['dtype']} numbers, kept as float32")
    lines += _odd("zero vector", document["zero"], "without a cosine")
    lines += _odd("constant vector", document["constant"], "without an NCC")
    if document["texts"]:
        lines.append(f"{counted(document['texts'], 'text')} to search with: `search --text TEXT --space {name}`")
    lines.append(f"collections: {', '.join(document['collections']) or 'none, too many dimensions for Milvus'}")
    return printable([*lines, f"ready in {document['seconds']:.1f} s"])


def _odd(noun: str, found: NamedPhotos, why: str) -> list[str]:
    return [f"{counted(found['count'], noun)}, {why}: {_first(found['ids'])}"] if found["count"] else []


def _first(ids: list[str]) -> str:
    return ", ".join(ids) + ", …"


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
