"""The read-only commands: `inspect`, `recall` and `doctor`."""

from __future__ import annotations

import argparse

from lib.commands.progress import ProgressBar
from lib.documents.inspect import InspectDocument, RecallDocument
from lib.documents.prepare import DoctorDocument
from lib.progress import of_stage
from lib.settings import Settings
from lib.store import collections
from lib.text import counted, printable

OTHER_DATABASES = "one is shown, and the Milvus page shows the others"


def inspect(settings: Settings, options: argparse.Namespace) -> InspectDocument:
    """The collections of a store: see `store.inspect`. Loads no collection."""
    from lib.prepare import workspace
    from lib.store import inspect

    workspace.check_store(settings)
    with workspace.open_store(settings, "inspect") as store:
        return inspect.inspect(store, options.collection)


def show_inspect(document: InspectDocument) -> str:
    """Collections with their fields and indexes; each index parameter with its source."""
    lines = [f"{document['uri']} ({document['engine']} {document['server_version']})"]
    if len(document["databases"]) > 1:
        lines.append(f"databases: {', '.join(document['databases'])}; {OTHER_DATABASES}")
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
    return printable(lines)


def recall(settings: Settings, options: argparse.Namespace) -> RecallDocument:
    """The recall and latency of an index: see `store.recall`. Loads the collection."""
    from lib.prepare import workspace
    from lib.store import recall

    workspace.check_store(settings)
    with workspace.open_store(settings, "recall") as store, ProgressBar() as progress:
        collections.ensure_loaded(store, options.collection)
        return recall.recall(
            store,
            options.collection,
            field=options.field,
            k=options.k,
            queries=options.queries,
            progress=of_stage(progress.update, "exact scan"),
        )


def show_recall(document: RecallDocument) -> str:
    """A line for each setting of the search parameters."""
    build = ", ".join(f"{name} {value}" for name, value in document["build"].items())
    lines = [
        f"{document['collection']}.{document['field']}: {document['metric']}, {document['queries']} queries among "
        f"{counted(document['gallery'], 'row')}" + (f" ({build})" if build else ""),
        *([document["warning"]] if "warning" in document else []),
        f"{'index':<12} {'setting':<14} {'recall@' + str(document['k']):>10} {'p50 ms':>9} {'p95 ms':>9}",
    ]
    for row in document["rows"]:
        setting = ", ".join(f"{name} {value}" for name, value in row["params"].items()) or "–"
        lines.append(
            f"{row['index_type']:<12} {setting:<14} {row['recall']:>10.3f} {row['p50_ms']:>9.2f} {row['p95_ms']:>9.2f}"
        )
    return printable(lines)


def doctor(settings: Settings, options: argparse.Namespace) -> DoctorDocument:
    """What is ready, and the remedy for the rest: see `doctor.examine`. Only reads, offline."""
    from lib.prepare import doctor

    return doctor.examine(settings)


def show_doctor(document: DoctorDocument) -> str:
    """A line for each check, with one remedy: some details end with it already."""
    marks = {True: "ready  ", False: "missing"}
    return printable(
        f"{marks[check['ready']]}  {check['name']}: {check['detail']}"
        + (f" → {check['remedy']}" if check["remedy"] and "`python -m lib" not in check["detail"] else "")
        for check in document["checks"]
    )
