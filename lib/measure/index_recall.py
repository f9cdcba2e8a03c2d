"""The recall of the indexes of Petalscope's own collections: measured after `prepare`, and read by the Milvus page.

Invariant: a stored measurement is current only for the index that it was made of: the same collection with as many
rows, the same type, metric and build parameters, and the same version of the engine. Any other is never returned.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from lib import artifacts
from lib.documents.inspect import CollectionDocument, IndexDocument, RecallDocument, RecallRow
from lib.measure.provenance import Provenance, provenance
from lib.measure.verdicts import Verdict
from lib.prepare import workspace as workspaces
from lib.prepare.workspace import Workspace
from lib.progress import Progress
from lib.statistics import METHOD
from lib.store import collections, inspect, recall
from lib.store.connection import Store
from lib.text import counted

FOLDER: Final = "measured"
K: Final = 10
QUERIES: Final = 100
LARGEST: Final = 128  # of `ef` or `nprobe`: what Petalscope's own searches use
SEED: Final = 0
_SCHEMA: Final = 1
LITE_SCANS: Final = "so every search compares all rows, misses none, and takes longer the more rows there are"
NOT_MEASURED: Final = "its recall is not measured yet"


class IndexIdentity(TypedDict):
    """What a measurement was made of."""

    collection: str
    field: str
    rows: int | None
    index_type: str
    metric_type: str
    params: dict[str, Any]
    engine: str
    version: str


class MeasuredRecall(TypedDict):
    """A stored measurement: the `recall` document, what it was made of, and its provenance."""

    recall: RecallDocument
    of: IndexIdentity
    provenance: Provenance


def identity(entry: CollectionDocument, index: IndexDocument, engine: str, version: str) -> IndexIdentity:
    """What tells an index from another, or from the same one over other rows."""
    return {
        "collection": entry["name"],
        "field": index["field"],
        "rows": entry["rows"]["count"],
        "index_type": index["index_type"],
        "metric_type": index["metric_type"],
        "params": index["params"],
        "engine": engine,
        "version": version,
    }


def measure_all(workspace: Workspace, progress: Progress) -> None:
    """Measure every index of this workspace's collections whose current recall is not stored.

    Raises StoreError where the store does not open or a search fails.
    """
    stored = workspace.state["collections"].get(workspaces.store_key(workspace.settings), {})
    siblings = {
        entry["base"] + suffix: space
        for space, entry in stored.items()
        if space in workspace.state["spaces"]
        for suffix in collections.SIBLINGS
    }
    if not siblings:
        return
    with workspaces.open_store(workspace.settings, "prepare") as store:
        for place, (name, space) in enumerate(siblings.items()):
            progress(place, len(siblings))
            collections.ensure_loaded(store, name)
            entry = inspect.inspect(store, name)["collections"][0]
            index = own_index(entry)
            if index is not None and load(workspace, space, entry, index, store.engine, store.version) is None:
                _measure(workspace, space, store, entry, index)
        progress(len(siblings), len(siblings))


def _measure(workspace: Workspace, space: str, store: Store, entry: CollectionDocument, index: IndexDocument) -> None:
    document = recall.recall(
        store, entry["name"], k=K, queries=QUERIES, field=index["field"], seed=SEED, largest=LARGEST
    )
    measured: MeasuredRecall = {
        "recall": document,
        "of": identity(entry, index, store.engine, store.version),
        "provenance": provenance(workspace, space, workspace.catalog()),
    }
    artifacts.write_json(file(workspace, space, entry["name"]), measured)


def own_index(entry: CollectionDocument) -> IndexDocument | None:
    """The index on the vectors of one of Petalscope's collections."""
    return next((index for index in entry["indexes"] if index["field"] == collections.VECTOR), None)


def file(workspace: Workspace, space: str, collection: str) -> Path:
    """The file of a collection's measurement, whether it exists or not."""
    inputs = artifacts.digest(_SCHEMA, workspaces.store_key(workspace.settings), collection, K, QUERIES, LARGEST, SEED)
    folder = Path(workspace.space(space)["folder"]).name
    return workspace.folder / FOLDER / f"{folder}-index-recall-{inputs[:12]}.json"


def load(
    workspace: Workspace, space: str, entry: CollectionDocument, index: IndexDocument, engine: str, version: str
) -> MeasuredRecall | None:
    """The stored measurement of this very index over these rows; None where there is none, or it is damaged."""
    found = artifacts.unless_damaged(artifacts.read_json, file(workspace, space, entry["name"]))
    if found is None or found.get("of") != identity(entry, index, engine, version):
        return None
    return cast("MeasuredRecall", found)


# --- the answer in one sentence --------------------------------------------------------------------------------------


def verdict(index: IndexDocument | None, document: RecallDocument | None, *, lite: bool, field: str = "") -> Verdict:
    """What an index finds and how fast, or what is known of it while that is not measured.

    `index` is None for a `field` without one; `document` is None while nothing is measured.
    """
    if index is None:
        text = f"{field} has no index, {LITE_SCANS}." if lite else f"{field} has no index, so it cannot be searched."
        return Verdict(text, "As the engine reports its indexes.")
    if index.get("pretended"):
        text = f"{index['index_type']} is only a name here: Milvus Lite does not build it, {LITE_SCANS}."
        return Verdict(
            text, "Which indexes Milvus Lite builds is known from its source; it reports others as finished."
        )
    if document is None or not document["rows"]:
        return Verdict(f"{described(index)}: {NOT_MEASURED}.", "Parameters as the engine reports them.")
    best = recall.recommended(document["rows"])
    row = best or document["rows"][-1]
    text = (
        f"{described(index)}: {_found(row, document['k'])}, {_latency(row)}, {counted(document['queries'], 'query')}."
    )
    if best is None:
        text = text.removesuffix(".") + f"; no measured setting surely finds {recall.ENOUGH:.0%}."
    if document.get("warning"):
        text += " So few rows are scanned, whatever index is reported."
    return Verdict(text, about(document))


def described(index: IndexDocument) -> str:
    """An index with its build parameters and their sources: `HNSW, M 16, efConstruction 200 (reported)`."""
    by_source: dict[str, list[str]] = {}
    for name, source in index["source"].items():
        value = index["params"].get(name)
        by_source.setdefault(source, []).append(name if value is None else f"{name} {value}")
    parts = [f"{', '.join(names)} ({source})" for source, names in by_source.items()]
    return ", ".join([index["index_type"], *parts])


def rule(document: RecallDocument) -> str:
    """The recommended setting and why, or why there is none."""
    best = recall.recommended(document["rows"])
    name = next(iter(document["rows"][0]["params"]), "")
    if not name:
        return ""
    if best is None:
        return f"No measured {name} surely finds {recall.ENOUGH:.0%} of the exact neighbours: measure larger ones."
    return (
        f"Recommended: {setting(best)}, the smallest measured {name} that surely finds {recall.ENOUGH:.0%} of the "
        "exact neighbours (the lower end of its interval is not below that, or it missed none)."
    )


def setting(row: RecallRow) -> str:
    """The search parameters of a row: `ef = 64`."""
    return ", ".join(f"{name} = {value}" for name, value in row["params"].items())


def about(document: RecallDocument) -> str:
    """How the figures of a measurement came about."""
    return (
        f"recall@{document['k']}: the share of a query's exact {document['k']} nearest rows that the index finds, the "
        f"mean over {document['queries']} rows drawn as queries (seed {document['seed']}), among "
        f"{document['gallery']:,} rows, {document['metric']}. Its 95 % interval: {METHOD}. Latency: one query at a "
        "time, round trip, measured by the client; the 95 % interval of its median by order statistics. The settings "
        "took turns, in another order each round."
    )


def _found(row: RecallRow, k: int) -> str:
    subject = f"{setting(row)} finds" if row["params"] else "a search finds"
    return f"{subject} {share(row['recall'])} of the exact top {k} (at least {share(row['ci95']['recall'][0])})"


def _latency(row: RecallRow) -> str:
    interval = row["ci95"]["p50_ms"]
    between = f" ({interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
    return f"{row['p50_ms']:.1f} ms median{between}"


def share(value: float) -> str:
    """A share in percent, never rounded up: only what misses nothing is 100 %."""
    return f"{math.floor(1000 * value + 1e-9) / 10:.1f}%"
