"""The build parameters of an index: which a type has, which were reported, and which are the engine's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lib.store.collections import LITE_INDEXES
from lib.store.plain_values import _number, _parsed, plain

# Every build parameter that an index type has, whoever serves it.
BUILD_PARAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "FLAT": (),
    "BRUTE_FORCE": (),
    "AUTOINDEX": ("M", "efConstruction"),
    "IVF_FLAT": ("nlist",),
    "IVF_SQ8": ("nlist",),
    "IVF_PQ": ("nlist", "m", "nbits"),
    "IVF_RABITQ": ("nlist", "refine", "refine_type"),
    "HNSW": ("M", "efConstruction"),
    "HNSW_SQ": ("M", "efConstruction", "sq_type", "refine", "refine_type"),
    "HNSW_PQ": ("M", "efConstruction", "m", "nbits", "refine", "refine_type"),
    "HNSW_PRQ": ("M", "efConstruction", "m", "nrq", "nbits", "refine", "refine_type"),
    "SCANN": ("nlist", "with_raw_data"),
    "DISKANN": (),
    "GPU_BRUTE_FORCE": (),
    "GPU_IVF_FLAT": ("nlist", "cache_dataset_on_device"),
    "GPU_IVF_PQ": ("nlist", "m", "nbits", "cache_dataset_on_device"),
    "GPU_CAGRA": ("intermediate_graph_degree", "graph_degree", "build_algo", "cache_dataset_on_device"),
    "BIN_FLAT": (),
    "BIN_IVF_FLAT": ("nlist",),
    "SPARSE_INVERTED_INDEX": ("inverted_index_algo", "drop_ratio_build"),
    "SPARSE_WAND": ("drop_ratio_build",),
}


# What Milvus Lite 3.2 uses when it is told nothing, which is also what it uses for parameters that it dropped.
LITE_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "AUTOINDEX": {"M": 16, "efConstruction": 200},
    "HNSW": {"M": 16, "efConstruction": 200},
    "HNSW_SQ": {"M": 16, "efConstruction": 200, "sq_type": "SQ8", "refine": False},
    "IVF_FLAT": {"nlist": 128},
    "IVF_SQ8": {"nlist": 128},
    "SPARSE_INVERTED_INDEX": {"inverted_index_algo": "TAAT_NAIVE", "drop_ratio_build": 0},
}


_NO_PARAMS: Final = frozenset(
    {
        "index_type",
        "metric_type",
        "field_name",
        "index_name",
        "total_rows",
        "indexed_rows",
        "pending_index_rows",
        "state",
        "search_params",
        "index_state_fail_reason",
    }
)


_SCALAR_ON_LITE: Final = frozenset({"INVERTED"})


_LITE_STATE_NOTE: Final = (
    "Milvus Lite always answers Finished and counts every row as indexed; it does not measure either."
)


def read_index(raw: Mapping[str, Any], *, lite: bool) -> dict[str, Any]:
    """One `describe_index` answer in the shape of `inspect`.

    Lite answers `{"params": {"M": 16}}`, servers `{"M": "16"}` or `{"params": "{…}"}`; all become flat `params`.
    """
    kind = str(raw.get("index_type") or "").upper()
    metric = str(raw.get("metric_type") or "")
    params = _flat({key: value for key, value in raw.items() if key not in _NO_PARAMS})
    source = dict.fromkeys(params, "reported")
    # A scalar field's AUTOINDEX has a scalar index behind it; only vectors have a metric.
    expected = () if kind == "AUTOINDEX" and metric in {"", "NONE"} else BUILD_PARAMS.get(kind, ())
    built = not lite or kind in LITE_INDEXES | _SCALAR_ON_LITE or kind == "SPARSE_INVERTED_INDEX"
    defaults = LITE_DEFAULTS.get(kind, {}) if lite else {}
    for param in expected:
        if param in params:
            continue
        if param in defaults:
            params[param], source[param] = defaults[param], "default"
        else:
            source[param] = "not exposed"
    result: dict[str, Any] = {
        "field": str(raw.get("field_name") or ""),
        "name": str(raw.get("index_name") or ""),
        "index_type": kind,
        "metric_type": "" if metric == "NONE" else metric,
        "params": params,
        "state": str(raw.get("state") or "") or None,
        "source": source,
        "rows": {key: _number(raw[key]) for key in ("total_rows", "indexed_rows", "pending_index_rows") if key in raw},
        "raw": plain(raw),
    }
    if lite:
        result["state_note"] = _LITE_STATE_NOTE
    if not built:
        result["pretended"] = True
        result["warning"] = (
            f"Milvus Lite does not build {kind}: it keeps the name and its parameters, and searches every row without "
            "an index, and once released the collection does not load until this index is dropped."
        )
    elif lite and kind == "AUTOINDEX" and expected:
        result["state_note"] += " Its AUTOINDEX is HNSW."
    elif lite and kind == "HNSW_SQ" and source.get("sq_type") == "reported" and params["sq_type"] != "SQ8":
        result["warning"] = "Milvus Lite quantises HNSW_SQ to 8 bits whatever sq_type says."
    return result


def _flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """Nested or textual parameters as one level of names, numbers as numbers."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        nested = _parsed(value) if key == "params" else value
        if isinstance(nested, Mapping):
            flat.update(_flat(nested))
        elif nested != "":
            flat[str(key)] = _number(plain(nested))
    return flat
