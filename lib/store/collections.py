"""Our collections in a store: names, siblings, limits, load state and row counts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lib.errors import StoreError
from lib.search.metrics import metric as find_metric
from lib.store.connection import Store

Array = npt.NDArray[np.float32]


VECTOR: Final = "vector"


MAX_DIM: Final = 32_768  # Milvus' limit for a float vector


# VARCHAR limits count bytes on a server and characters on Lite; we hold everybody to bytes.
MAX_BYTES: Final = {"id": 4096, "path": 4096, "label": 1024, "split": 64}


# What Milvus Lite 3.2 really builds. It accepts more names, reports them as finished, and scans everything.
LITE_INDEXES: Final = frozenset({"FLAT", "BRUTE_FORCE", "IVF_FLAT", "IVF_SQ8", "HNSW", "HNSW_SQ", "AUTOINDEX"})


HNSW: Final[Mapping[str, Any]] = {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}}


BATCH: Final[Mapping[str, int]] = {"lite": 500, "server": 1000}  # rows of one insert: where each engine is fastest


# The collections of a space, by suffix to its base name: the metric of the index, and whether the vectors are centred.
SIBLINGS: Final[Mapping[str, tuple[str, bool]]] = {
    "": ("COSINE", False),
    "_l2": ("L2", False),
    "_centred": ("COSINE", True),
}


PROPERTY: Final = "petalscope"  # the collection property that carries the provenance where descriptions are dropped


# The index that supplies the candidates of a metric that Milvus does not have.
CANDIDATES: Final = ("COSINE", False)


def collection_names(space: str, fingerprint: str) -> dict[str, str]:
    """The collections of a space: `{"base": …, "centred": …, "l2": …}`, named `<space>_<fingerprint8>`.

    Milvus takes letters, digits and underscores and no leading digit; other characters become underscores.
    """
    base = re.sub(r"[^0-9A-Za-z_]", "_", f"{space}_{fingerprint[:8]}")
    base = base if not base[0].isdigit() else f"_{base}"
    return {suffix.removeprefix("_") or "base": base + suffix for suffix in SIBLINGS}


def collection_for(base: str, metric: str) -> str:
    """The one of `base`'s collections that answers `metric`."""
    wanted = find_metric(metric).milvus or CANDIDATES
    return base + next(suffix for suffix, built in SIBLINGS.items() if built == wanted)


def version(store: Store) -> tuple[int, ...]:
    """The engine's version as numbers: `v2.3.5-lite` is (2, 3, 5)."""
    found = re.search(r"\d{1,9}(?:\.\d{1,9})*", store.version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


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
    """Load `name` unless it is: reopened Lite stores and restarted servers come back with nothing loaded."""
    state = load_state(store, name)
    if state == "NotExist":
        raise StoreError(f"There is no collection {name} in {store.uri}: run prepare, or name one of its collections.")
    if state != "Loaded":
        store.call("load_collection", name, doing=f"load {name}", slow=True)


def load_state(store: Store, name: str) -> str:
    """`Loaded`, `Loading`, `NotLoad` or `NotExist`."""
    state = store.call("get_load_state", name, doing=f"tell whether {name} is loaded")["state"]
    return str(getattr(state, "name", state))


def count_rows(store: Store, name: str) -> int:
    """How many rows a query sees (a server needs the collection loaded)."""
    answer = store.call(
        "query", name, filter="", output_fields=["count(*)"], consistency_level="Strong", doing=f"count {name}"
    )
    return int(answer[0]["count(*)"])


def drop(store: Store, name: str) -> None:
    """Remove collection `name` if it is there."""
    if store.call("has_collection", name, doing=f"look for {name}"):
        store.call("drop_collection", name, doing=f"drop {name}", slow=True)


def provenance(store: Store, name: str) -> dict[str, Any]:
    """What `description` said when we wrote collection `name`, or {} if it is none of ours."""
    try:
        found = json.loads(description(store, name))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def description(store: Store, name: str) -> str:
    """The `description` with which collection `name` was made, wherever this engine keeps it."""
    about = store.call("describe_collection", name, doing=f"describe {name}")
    return str((about.get("properties") or {}).get(PROPERTY) or about.get("description") or "")


def primary_key(store: Store, name: str) -> str:
    """The name of the collection's primary field."""
    about = store.call("describe_collection", name, doing=f"describe {name}")
    return str(next(field["name"] for field in about["fields"] if field.get("is_primary")))


def dimension(store: Store, name: str) -> int:
    """How long the vectors of one of our collections are. Raises StoreError when it is none of ours."""
    about = store.call("describe_collection", name, doing=f"describe {name}")
    for field in about["fields"]:
        if field["name"] == VECTOR and "dim" in field.get("params", {}):
            return int(field["params"]["dim"])
    raise StoreError(f"{name} has no field {VECTOR!r}: it is not one of Petalscope's collections.")
