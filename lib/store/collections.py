"""Petalscope's collections in a store: names, siblings, limits, load state and row counts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.documents.inspect import CollectionDocument
from lib.errors import Remedy, StoreError
from lib.search import metrics
from lib.store.connection import Store

Array = npt.NDArray[np.float32]

VECTOR: Final = "vector"  # the name of the vector field
MAX_DIM: Final = 32_768  # Milvus' limit for a float vector
# VARCHAR limits count bytes on a server and characters on Lite; ours count bytes on both.
MAX_BYTES: Final = {"id": 4096, "path": 4096, "label": 1024, "split": 64}
BATCH: Final[Mapping[str, int]] = {"lite": 500, "server": 1000}  # rows of one insert: where each engine is fastest
PROPERTY: Final = "petalscope"  # the collection property that holds the provenance, where descriptions are dropped

# The collections of a space, by suffix to its base name: the metric of the index, and whether the vectors are centred.
SIBLINGS: Final[Mapping[str, tuple[str, bool]]] = {
    "": ("COSINE", False),
    "_l2": ("L2", False),
    "_centred": ("COSINE", True),
}
# The sibling that gives the candidates for a metric that Milvus does not have; they are re-ranked exactly.
CANDIDATES: Final = ("COSINE", False)


def collection_names(space: str, fingerprint: str) -> dict[str, str]:
    """The collections of a space: `{"base": …, "centred": …, "l2": …}`, named `<space>_<fingerprint8>`.

    Milvus allows letters, digits and underscores and no leading digit; other characters become underscores.
    """
    base = re.sub(r"[^0-9A-Za-z_]", "_", f"{space}_{fingerprint[:8]}")
    base = base if not base[0].isdigit() else f"_{base}"
    return {suffix.removeprefix("_") or "base": base + suffix for suffix in SIBLINGS}


def index_of_metric(metric: str) -> tuple[str, bool]:
    """The metric of the index that answers `metric`, and whether its vectors are centred. Raises QueryError for an
    unknown metric."""
    return metrics.metric(metric).milvus or CANDIDATES


def collection_for(base: str, metric: str) -> str:
    """The collection of `base` that answers `metric`. Raises QueryError for an unknown metric."""
    index = index_of_metric(metric)
    return base + next(suffix for suffix, sibling in SIBLINGS.items() if sibling == index)


def names(store: Store) -> list[str]:
    """The store's collections, sorted."""
    return sorted(store.call("list_collections", doing="list its collections"))


def centre(vectors: Array) -> Array:
    """Each row less its mean, as float32; constant rows become exactly zero (no direction, so NCC is 0)."""
    # In float64, equal float32 numbers add up without rounding, so their mean is exactly that number.
    wide = vectors.astype(np.float64)
    centred: Array = (wide - wide.mean(axis=1, keepdims=True)).astype(np.float32)
    return centred


def ensure_loaded(store: Store, name: str) -> None:
    """Load `name` unless it is loaded: after reopening a Lite store or restarting a server, nothing is."""
    state = load_state(store, name)
    if state == "NotExist":
        raise StoreError(f"There is no collection {name} in {store.uri}", remedy=Remedy.CHOOSE_COLLECTION)
    if state != "Loaded":
        store.call("load_collection", name, doing=f"load {name}", slow=True)


def load_state(store: Store, name: str) -> str:
    """`Loaded`, `Loading`, `NotLoad` or `NotExist`."""
    state = store.call("get_load_state", name, doing=f"read whether {name} is loaded")["state"]
    return str(getattr(state, "name", state))


def count_rows(store: Store, name: str) -> int:
    """The number of rows that queries see (a server needs the collection loaded)."""
    reply = store.call(
        "query", name, filter="", output_fields=["count(*)"], consistency_level="Strong", doing=f"count {name}"
    )
    return int(reply[0]["count(*)"])


def drop(store: Store, name: str) -> None:
    """Remove collection `name` if it exists."""
    if store.call("has_collection", name, doing=f"look for {name}"):
        store.call("drop_collection", name, doing=f"drop {name}", slow=True)


def provenance(store: Store, name: str) -> dict[str, Any]:
    """The JSON object in the `description` of collection `name`, or {} if Petalscope did not write it."""
    return _json_object(description(store, name))


def is_ours(entry: CollectionDocument) -> bool:
    """Whether Petalscope wrote a collection that has been inspected. Calls nothing."""
    return str(_recorded(entry).get("made_by", "")).startswith("Petalscope")


def space_of(entry: CollectionDocument) -> str:
    """The space of a collection that Petalscope wrote and that has been inspected; "" of any other. Calls nothing."""
    return str(_recorded(entry).get("space", "")) if is_ours(entry) else ""


def _recorded(entry: CollectionDocument) -> dict[str, Any]:
    return _json_object(str(entry["properties"].get(PROPERTY) or entry["description"]))


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def description(store: Store, name: str) -> str:
    """The `description` with which collection `name` was created, wherever this engine stores it."""
    schema = store.call("describe_collection", name, doing=f"describe {name}")
    return str((schema.get("properties") or {}).get(PROPERTY) or schema.get("description") or "")


def primary_key(store: Store, name: str) -> str:
    """The name of the collection's primary field."""
    schema = store.call("describe_collection", name, doing=f"describe {name}")
    return str(next(field["name"] for field in schema["fields"] if field.get("is_primary")))


def dimension(store: Store, name: str) -> int:
    """The dimension of a collection's vectors. Raises StoreError if Petalscope did not write it."""
    schema = store.call("describe_collection", name, doing=f"describe {name}")
    for field in schema["fields"]:
        if field["name"] == VECTOR and "dim" in field.get("params", {}):
            return int(field["params"]["dim"])
    raise StoreError(f"{name} has no field {VECTOR!r}: it is not one of Petalscope's collections.")
